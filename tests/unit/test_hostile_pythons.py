"""Whatever an image holds where Pythons lie: facts and findings come out, and no exception."""

from importlib import import_module

import pytest
from hypothesis import HealthCheck, given, reject
from hypothesis import strategies as st

from pyimginspect.analyzers.rule import Analyzer
from pyimginspect.errors import LayerError
from tests.effort import examples
from tests.images import Content, File, HardLink, Link, elf
from tests.pythons import executable, inventory
from tests.systems import X86, glibc

ANALYZERS = (
    "broken_venv",
    "conflicting_distributions",
    "duplicate_python",
    "hijacked_libpython",
    "os_files_overwritten",
    "os_python_binding",
    "python_version_mismatch",
    "record_mismatch",
    "unreachable_site_packages",
)
SITE = "opt/lib/python3.12/site-packages"
PATHS = (
    "opt/bin/python3.12",
    "opt/bin/python3",
    "opt/bin/python",
    "opt/bin/pypy3",
    "opt/bin/script",
    "opt/pyvenv.cfg",
    "opt/lib/python3.12/os.py",
    "opt/lib/python3.12",
    "opt/lib/libpython3.12.so.1.0",
    "opt/lib/python312.zip",
    "opt/include/python3.12/patchlevel.h",
    "opt/lib/python3.12/build-details.json",
    "opt/conda-meta/python-3.12.4-0.json",
    f"{SITE}/a.pth",
    f"{SITE}/a.egg-link",
    f"{SITE}/a-1.dist-info/METADATA",
    f"{SITE}/a-1.dist-info/RECORD",
    f"{SITE}/a-1.dist-info/INSTALLER",
    f"{SITE}/a-1.dist-info/direct_url.json",
    f"{SITE}/b.egg-info",
    f"{SITE}/b.egg-info/PKG-INFO",
    f"{SITE}/b.egg-info/installed-files.txt",
    "env/pyvenv.cfg",
    "env/bin/python",
    "env/bin/pip",
    "env/lib/python3.12/site-packages/x.py",
    "pyvenv.cfg",
    "bin/python3",
    "etc/os-release",
    "var/lib/dpkg/status",
    "var/lib/dpkg/info/p.list",
)
TEXTS = (
    "home = /opt/bin\nversion = 3.12.4\n",
    "home = \nhome",
    f"/{SITE}\n..\n/\nimport os\n\0\n",
    "Name: a\nVersion: 1\n\n",
    "Name: \n",
    "a.py,,\n../../../../bin/x,sha256=,1\n/,,\n.,,\n",
    '"',
    '{"url": "x", "files": ["../../x", "/etc"], "implementation": {"version": {}}}',
    "Package: p\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nDepends: p\n",
    "/.\n/opt\n/opt/bin\n/opt/bin/python3.12\n/opt/bin/python3\n",
    '#define PY_VERSION "3.12.\u20ac"\n',
)


def contents() -> st.SearchStrategy[Content]:
    places = st.sampled_from([f"/{path}" for path in PATHS] + ["python3", "..", "/", "", "."])
    return st.one_of(
        st.sampled_from(TEXTS),
        st.binary(max_size=40),
        places.filter(bool).map(Link),
        st.sampled_from(PATHS).map(HardLink),
        places.map(lambda place: File(f"#!{place}\n", mode=0o755)),
        st.just(executable("3.12.4", needed=["libpython3.12.so.1.0"])),
        st.just(elf(soname="libpython3.12.so.1.0", needed=["libpython3.12.so.1.0"])),
        st.just(elf(interp=X86)[:100]),
    )


@examples(150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.dictionaries(st.sampled_from(PATHS), contents(), max_size=12), max_size=3),
    st.lists(st.sampled_from(["/opt/bin/script", "python3", "-c", "sh", "a 'b", "", "/"])),
    st.lists(
        st.sampled_from(["PATH=", "PATH=/opt/bin::/", "PYTHONPATH=:/opt", "PYTHON_VERSION=x"])
    ),
)
def test_nothing_in_an_image_raises(
    trees: list[dict[str, Content]], command: list[str], env: list[str]
) -> None:
    try:
        found = inventory(glibc(), *trees, cmd=command, env=env)
    except LayerError:  # a directory that is a circle of links: no container gets that far
        reject()
    for name in ANALYZERS:
        analyzer: Analyzer = import_module(f"pyimginspect.analyzers.{name}").ANALYZER
        for finding in analyzer.run(found):
            assert finding.message
    assert [each.path for each in found.interpreters] == sorted(
        {each.path for each in found.interpreters}
    )
    assert sum(each.effective for each in found.interpreters) <= 1


@pytest.mark.parametrize("depth", [5000])
def test_links_upon_links(depth: int) -> None:
    """A chain that no kernel follows to its end is a dead end, and takes no time."""
    tree: dict[str, Content] = {f"opt/bin/python3.{n}": Link(f"python3.{n + 1}") for n in range(99)}
    tree["env/pyvenv.cfg"] = "home = /opt/bin\n"
    tree |= {f"env/bin/python{'3' * bool(n)}": Link("/opt/bin/python3.0") for n in range(2)}
    tree |= {f"opt/bin/x{n}": Link(f"x{n + 1}") for n in range(depth)}
    found = inventory(glibc(), tree)
    assert found.interpreters == ()
    (environment,) = found.environments
    assert "which is not in the image" in environment.broken
