"""The rule duplicate-python: layers in, findings out."""

from importlib import import_module

import pytest

from pyimginspect.analyzers import count_once
from pyimginspect.analyzers._pythons import line_of
from pyimginspect.analyzers.rule import Analyzer
from pyimginspect.inventory.contents import contents_of
from tests.images import (
    HardLink,
    Link,
    Package,
    debian_base,
    debian_python,
    dist_info,
    official_python,
)
from tests.pythons import (
    apk_database,
    conda_python,
    cpython,
    frozen,
    inventory,
    pypy,
    stored,
    venv,
)
from tests.rpms import header, sqlite_database
from tests.systems import MUSL_FILES, glibc, rootfs
from tests.unit.rules.pythons import (
    BASE,
    BINDING,
    SLIM,
    Tree,
    judge,
    messages,
)

OFFICIAL = "RUN /bin/sh -c wget Python-$PYTHON_VERSION.tar.xz; for src in idle3 python3; do :; done"
APT = "RUN apt-get update && apt-get install -y python3-psycopg2"


def test_a_second_python_and_who_brought_it() -> None:
    trees = (*BASE, BINDING)
    (finding,) = judge("duplicate_python", *trees, **SLIM, steps=["ADD rootfs", "RUN make", APT])
    assert finding.subject == "usr/bin/python3.11"
    assert finding.message == ("python3-psycopg2 pulled in a second Python, Debian's Python 3.11.2")
    assert (finding.layers, finding.instruction) == ((2,), APT)
    assert finding.packages == (
        "libpq5",
        "libpython3-stdlib",
        "libpython3.11-minimal",
        "libpython3.11-stdlib",
        "python3",
        "python3-minimal",
        "python3-psycopg2",
        "python3.11",
        "python3.11-minimal",
    )
    assert finding.saving == stored(rootfs(BINDING), "usr", "var/lib/dpkg/info")
    assert finding.fix == (
        "pip install psycopg2-binary in place of python3-psycopg2 in the apt-get line of layer 2"
    )
    whats = [evidence.what for evidence in finding.evidence]
    assert whats[0] == (
        "the first is Python 3.13.1 in /usr/local: CMD starts python3: /usr/local/bin/python3"
    )
    assert "python3-psycopg2 → python3 → python3-minimal → python3.11-minimal" in whats
    assert "only it imports psycopg2 2.9.5" in whats


@pytest.mark.parametrize(
    ("trees", "expected"),
    [
        (BASE, []),
        ((debian_base(), debian_python("3.11.2")), []),
        ((*BASE, venv("env", "/usr/local/bin")), []),
        ((*BASE, venv("env", "/usr/local/bin", program=official_python("3.13.1")[
            "usr/local/bin/python3.13"])), []),
        ((*BASE, {"bin2": Link("usr/local/bin")}), []),
        ((*BASE, debian_python("3.11.2")),
         ["python3 pulled in a second Python, Debian's Python 3.11.2"]),
        ((*BASE, cpython("opt/py", "3.12.4")),
         ["a second Python, Python 3.12.4 in /opt/py, was added by layer 2"]),
        ((*BASE, pypy("opt/pypy", "7.3.17")),
         ["a second Python, PyPy 3.10.14 from pypy in /opt/pypy, was added by layer 2"]),
        ((glibc(), {"app": frozen("3.12")}), []),
        ((*BASE, {"srv/app": frozen("3.12")}),
         ["a second Python, Python 3.12 that PyInstaller froze into /srv/app, was added by layer"
          " 2"]),
        ((*BASE, cpython("opt/a", "3.12.4"), cpython("opt/b", "3.12.4")),
         ["a second Python, Python 3.12.4 in /opt/a, was added by layer 2",
          "a second Python, Python 3.12.4 in /opt/b, was added by layer 3"]),
    ],
)  # fmt: skip
def test_what_counts_as_a_second_python(trees: tuple[Tree, ...], expected: list[str]) -> None:
    assert messages("duplicate_python", *trees, **SLIM) == expected


def test_a_base_that_brings_two_is_the_choice_of_base() -> None:
    """`buildpack-deps` has Debian's Python, below the one of the official full image."""
    base = (debian_base(slim=False), debian_python("3.11.2"), official_python("3.13.1"))
    steps = [
        "# debian.sh --arch 'amd64' out/ 'bookworm'",
        "RUN /bin/sh -c apt-get install -y mercurial",
        OFFICIAL,
        'CMD ["python3"]',
    ]
    found = inventory(*base, {"app": "x"}, **SLIM, steps=[*steps, "COPY . /app"])
    if found.base.layers < 3:
        pytest.fail(f"the base was not recognised: {found.base}")
    analyzer: Analyzer = import_module("pyimginspect.analyzers.duplicate_python").ANALYZER
    assert list(analyzer.run(found)) == []


def test_the_base_has_one_and_another_one_starts() -> None:
    """Then it is the base's that is of no use."""
    uv = cpython("opt/uv/python/cpython-3.12.3-linux-x86_64-gnu", "3.12.3")
    program = "/opt/uv/python/cpython-3.12.3-linux-x86_64-gnu/bin/python3.12"
    steps = ["# debian.sh --arch 'amd64' out/ 'bookworm'", OFFICIAL, 'CMD ["python3"]', "COPY x"]
    (finding,) = judge("duplicate_python", *BASE, uv, env=SLIM["env"], cmd=[program], steps=steps)
    assert finding.subject == "usr/local/bin/python3.13"
    assert finding.message.endswith("is part of the base image")
    assert finding.fix.startswith(
        "use /usr/local/bin/python3.13, or start from a base image without Python and keep"
        f" {program} alone"
    )
    assert finding.saving > 0


def test_bytes_that_two_interpreters_share_are_saved_once() -> None:
    base = conda_python("opt/conda", "3.12.4")
    env = {
        path.replace("opt/conda", "opt/conda/envs/app"): HardLink(path)
        for path, content in base.items()
        if not isinstance(content, Link)
    }
    first, second = judge("duplicate_python", *BASE, {**base, **env}, **SLIM)
    assert (first.subject, second.subject) == (
        "opt/conda/bin/python3.12",
        "opt/conda/envs/app/bin/python3.12",
    )
    own = stored(rootfs(base), "opt/conda/bin", "opt/conda/lib")
    readme = stored(rootfs(base), "opt/conda/lib/python3.12/site-packages")
    assert (first.saving, second.saving) == (own - readme, own - readme)
    contents = contents_of(rootfs(*BASE, {**base, **env}))
    assert [each.saving for each in count_once([first, second], contents)] == [own - readme, 0]


def test_packages_that_can_just_be_dropped_are_dropped_together() -> None:
    tree = debian_python("3.11.2", manual=["python3", "python3.11"])
    (finding,) = judge("duplicate_python", *BASE, tree, **SLIM)
    assert finding.fix.startswith(
        "drop python3 and python3.11 from the apt-get line of layer 2, or keep them to a build"
    )


def test_a_recommended_python_says_so() -> None:
    tool: dict[str, Package] = {"tool": {"Recommends": "python3", "files": {"usr/bin/tool": "x"}}}
    trees = (*BASE, debian_python("3.11.2", more=tool, manual=["tool"]))
    (finding,) = judge("duplicate_python", *trees, **SLIM)
    whats = [evidence.what for evidence in finding.evidence]
    assert "tool → python3 → python3-minimal → python3.11-minimal" in whats
    assert "recommended, not required: --no-install-recommends keeps it out" in whats
    assert "drop tool from the apt-get line of layer 2, or keep it to a build stage" in finding.fix


def test_the_line_is_named_by_the_program_that_the_image_has() -> None:
    packages = [header({"name": "python3-yaml", "version": "6", "arch": "x"})]
    tree = {"usr/lib/sysimage/rpm/rpmdb.sqlite": sqlite_database(packages)}
    for program, line in (("microdnf", "microdnf"), ("zypper", "zypper"), ("nothing", "dnf")):
        found = inventory({**tree, f"usr/bin/{program}": ""})
        assert line_of(found, found.packages["python3-yaml"]) == f"the {line} line of layer 0"


def test_a_second_python_from_apk() -> None:
    tree = {
        **apk_database(
            {
                "py3-yaml": {
                    "usr/lib/python3.12/site-packages/yaml/__init__.py": "# yaml\n",
                    **dist_info(
                        "PyYAML", "6.0", {}, site="usr/lib/python3.12/site-packages", record=False
                    ),
                },
                "python3": cpython("usr", "3.12.12", shared=True, musl=True),
            },
            versions={"python3": "3.12.12-r0"},
            depends={"py3-yaml": "python3"},
            world=["py3-yaml"],
        ),
    }
    alpine = {**MUSL_FILES, "etc/os-release": "ID=alpine\n"}
    trees = (alpine, official_python("3.13.1", musl=True), tree)
    (finding,) = judge("duplicate_python", *trees, **SLIM)
    assert finding.packages == ("py3-yaml", "python3")
    assert finding.message == "py3-yaml pulled in a second Python, Alpine's Python 3.12.12"
    assert "pip install pyyaml in place of py3-yaml in the apk line" in finding.fix


def test_many_chains_and_what_nothing_needed_before() -> None:
    tools: dict[str, Package] = {
        f"tool{n}": {"Depends": "python3", "files": {f"usr/bin/tool{n}": "x"}} for n in range(7)
    }
    idle: dict[str, Package] = {"idle": {"files": {"usr/bin/idle": "x" * 2000}}}
    tree = debian_python("3.11.2", more={**tools, **idle}, manual=list(tools))
    (finding,) = judge("duplicate_python", *BASE, tree, **SLIM)
    assert finding.message.startswith("tool0, tool1 and 5 more pulled in a second Python")
    whats = [evidence.what for evidence in finding.evidence]
    assert sum(" → " in what for what in whats) == 5
    assert "2 more chains" in whats
    assert "already required by nothing: idle (2.0 kB)" in whats
    assert "idle" not in finding.packages
    info = "var/lib/dpkg/info"
    own = stored(rootfs(tree), f"{info}/idle.list") + 2000
    assert finding.saving == stored(rootfs(tree), "usr", info) - own


def test_without_a_command_the_path_decides_and_without_that_the_lowest_layer() -> None:
    trees = (glibc(), cpython("opt/a", "3.12.4"), cpython("opt/b", "3.12.4"))
    (finding,) = judge("duplicate_python", *trees)
    assert finding.subject == "opt/b/bin/python3.12"
    assert finding.evidence[0].what == (
        "the first is Python 3.12.4 in /opt/a: nothing says which one starts"
    )
