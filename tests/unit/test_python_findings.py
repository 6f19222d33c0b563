"""What is wrong with the Pythons of an image: layers in, findings out."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from pyimginspect.analyzers import count_once
from pyimginspect.analyzers.rule import Analyzer
from pyimginspect.inventory.contents import contents_of
from pyimginspect.report import Finding
from tests.images import (
    Content,
    File,
    HardLink,
    Link,
    Package,
    debian_base,
    debian_python,
    dist_info,
    elf,
    official_env,
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
from tests.systems import MUSL_FILES, X86, glibc, rootfs
from tests.unit.test_ld_so_cache import new_cache

Tree = Mapping[str, Content]
SITE = "usr/local/lib/python3.13/site-packages"
BASE: tuple[Tree, ...] = (debian_base(), official_python("3.13.1"))
SLIM: dict[str, Any] = {"env": official_env("3.13.1"), "cmd": ["python3"]}


def judge(name: str, *trees: Tree, **config: Any) -> list[Finding]:
    analyzer: Analyzer = import_module(f"pyimginspect.analyzers.{name}").ANALYZER
    found = list(analyzer.run(inventory(*trees, **config)))
    assert all(finding.rule == analyzer.rule.id for finding in found)
    assert all(finding.evidence and "\n" not in finding.message for finding in found)
    return found


def messages(name: str, *trees: Tree, **config: Any) -> list[str]:
    return [finding.message for finding in judge(name, *trees, **config)]


# --- duplicate-python -----------------------------------------------------------------------------
PSYCOPG2: dict[str, Package] = {
    "python3-psycopg2": {
        "Version": "2.9.5-1+b1",
        "Depends": "python3 (<< 3.12), python3 (>= 3.11~), libpq5 (>= 14~)",
        "files": {
            "usr/lib/python3/dist-packages/psycopg2/__init__.py": "# psycopg2\n",
            "usr/lib/python3/dist-packages/psycopg2-2.9.5.egg-info/PKG-INFO": (
                "Metadata-Version: 2.1\nName: psycopg2\nVersion: 2.9.5\n"
            ),
        },
    },
    "libpq5": {"files": {"usr/lib/x86_64-linux-gnu/libpq.so.5": elf(soname="libpq.so.5")}},
}
BINDING = debian_python("3.11.2", more=PSYCOPG2, manual=["python3-psycopg2"])
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
    assert "pip install pyyaml in place of py3-yaml in the apk add line" in finding.fix


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


# --- os-python-binding ----------------------------------------------------------------------------
def test_a_binding_that_cannot_be_imported() -> None:
    (finding,) = judge("os_python_binding", *BASE, BINDING, **SLIM)
    assert (finding.subject, finding.severity) == ("python3-psycopg2", "warning")
    assert finding.message == (
        "python3-psycopg2 is psycopg2 2.9.5, which /usr/local/bin/python3 cannot import"
    )
    assert finding.paths == ("usr/lib/python3/dist-packages/psycopg2-2.9.5.egg-info",)
    # What Python itself takes is told of once, by the rule about second Pythons.
    gone = ("usr/lib/python3/dist-packages", "usr/lib/x86_64-linux-gnu/libpq.so.5")
    notes = [
        path
        for path in BINDING
        if path.startswith(("var/lib/dpkg/info/python3-psycopg2", "var/lib/dpkg/info/libpq5"))
    ]
    assert finding.saving == stored(rootfs(BINDING), *gone, *notes)


@pytest.mark.parametrize(
    ("trees", "config", "expected"),
    [
        (
            (*BASE, BINDING, dist_info("psycopg2", "2.9.9")),
            SLIM,
            "drop python3-psycopg2 from the apt-get line of layer 2: psycopg2 2.9.9 is installed"
            " without it",
        ),
        (
            (*BASE, BINDING, dist_info("psycopg2-binary", "2.9.9")),
            SLIM,
            "drop python3-psycopg2 from the apt-get line of layer 2: psycopg2-binary 2.9.9 is"
            " installed without it",
        ),
    ],
)
def test_what_is_installed_already_need_not_be_replaced(
    trees: tuple[Tree, ...], config: Mapping[str, Any], expected: str
) -> None:
    (finding,) = judge("os_python_binding", *trees, **config)
    assert finding.fix.startswith(expected)


@pytest.mark.parametrize(
    ("trees", "config", "message", "severity"),
    [
        (
            (debian_base(), BINDING),
            {},
            "python3-psycopg2 is psycopg2 2.9.5, installed by the package manager instead of pip",
            "note",
        ),
        (
            (
                debian_base(),
                BINDING,
                venv("env", "/usr/bin", program=Link("/usr/bin/python3"), version="3.11.2"),
            ),
            {"cmd": ["/env/bin/python"]},
            "python3-psycopg2 is psycopg2 2.9.5, which /env/bin/python cannot import",
            "warning",
        ),
        (
            (
                debian_base(),
                BINDING,
                venv(
                    "env",
                    "/usr/bin",
                    program=Link("/usr/bin/python3"),
                    version="3.11.2",
                    system=True,
                ),
            ),
            {"cmd": ["/env/bin/python"]},
            "python3-psycopg2 is psycopg2 2.9.5, installed by the package manager instead of pip",
            "note",
        ),
        (
            (
                *BASE,
                debian_python(
                    "3.11.2",
                    more={
                        "python3-cv": {"files": {"usr/lib/python3/dist-packages/cv2.so": elf()}},
                        "app": {"Depends": "python3-cv", "files": {"usr/bin/app": "x"}},
                    },
                    manual=["app"],
                ),
            ),
            SLIM,
            "app brought python3-cv, the operating system's Python packages, which"
            " /usr/local/bin/python3 cannot import",
            "note",
        ),
    ],
)
def test_bindings(
    trees: tuple[Tree, ...], config: Mapping[str, Any], message: str, severity: str
) -> None:
    (finding,) = judge("os_python_binding", *trees, **config)
    assert (finding.message, finding.severity) == (message, severity)


def _of(module: str, size: int = 10) -> dict[str, Any]:
    return {"files": {f"usr/lib/python3/dist-packages/{module}.py": File(b"#" * size)}}


@pytest.mark.parametrize(
    ("packages", "manual", "expected"),
    [
        # What a binding brings is mended with it, over several steps and by recommendation too.
        (
            {
                "python3-lxml": {"Depends": "python3-html5lib", **_of("lxml")},
                "python3-html5lib": {"Recommends": "python3-webencodings", **_of("html5lib")},
                "python3-webencodings": _of("webencodings"),
            },
            ["python3-lxml"],
            {"python3-lxml": ("python3-html5lib", "python3-webencodings")},
        ),
        # What two bring is the one's that is larger, and each is named once.
        (
            {
                "python3-a": {"Depends": "python3-c", **_of("a", 10)},
                "python3-b": {"Depends": "python3-c", **_of("b", 9000)},
                "python3-c": _of("c"),
            },
            ["python3-a", "python3-b"],
            {"python3-a": (), "python3-b": ("python3-c",)},
        ),
        # A binding that was asked for keeps a finding of its own.
        (
            {"python3-a": {"Depends": "python3-c", **_of("a")}, "python3-c": _of("c")},
            ["python3-a", "python3-c"],
            {"python3-a": (), "python3-c": ()},
        ),
        # A program brings them: one note about the program, whatever they depend on in a circle.
        (
            {
                "tool": {"Depends": "python3-a", "files": {"usr/bin/tool": "x"}},
                "python3-a": {"Depends": "python3-b", **_of("a")},
                "python3-b": {"Depends": "python3-a", **_of("b")},
            },
            ["tool"],
            {"tool": ("python3-a", "python3-b")},
        ),
        # Nothing that was asked for leads to it.
        ({"python3-a": _of("a")}, [], {"python3-a": ()}),
    ],
)
def test_one_finding_for_what_was_asked_for(
    packages: dict[str, Any], manual: list[str], expected: dict[str, tuple[str, ...]]
) -> None:
    tree = debian_python("3.11.2", more=packages, manual=manual)
    found = judge("os_python_binding", *BASE, tree, **SLIM)
    assert {each.subject: each.packages for each in found} == {
        root: (root, *brought) for root, brought in expected.items()
    }
    for each in found:
        brought = [one.what for one in each.evidence if " brought " in one.what]
        assert len(brought) == len(each.packages) - 1


def test_a_project_that_no_metadata_names_is_not_guessed() -> None:
    tree = debian_python("3.11.2", more={"python3-zz": _of("zz")}, manual=["python3-zz"])
    (finding,) = judge("os_python_binding", *BASE, tree, **SLIM)
    assert "pip install zz" not in finding.fix
    assert finding.fix.startswith("install what provides zz with pip")


@pytest.mark.parametrize(
    "trees",
    [
        BASE,
        (*BASE, debian_python("3.11.2")),
        (*BASE, dist_info("psycopg2")),
    ],
)
def test_no_bindings(trees: tuple[Tree, ...]) -> None:
    assert judge("os_python_binding", *trees, **SLIM) == []


# --- broken-venv ----------------------------------------------------------------------------------
def script(program: str) -> File:
    return File(f"#!{program}\nimport sys\n", mode=0o755)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (venv("env", "/usr/local/bin"), []),
        ({**venv("env", "/usr/local/bin"), "env/bin/pip": script("/env/bin/python3")}, []),
        ({**venv("env", "/usr/local/bin"), "env/bin/x": script("/usr/bin/env python3")}, []),
        ({**venv("env", "/usr/local/bin"), "env/bin/x": script("/bin/sh")}, []),
        ({**venv("env", "/usr/local/bin"), "srv/env": Link("/env"),
          "env/bin/x": script("/srv/env/bin/python3")}, []),
        (venv("env", "/build/bin"),
         ["/env does not work: bin/python leads to /build/bin/python, which is not in the"
          " image"]),
        ({**venv("env", "/usr/local/bin"), "env/bin/pip": script("/build/bin/python3"),
          "env/bin/gunicorn": script("/build/bin/python3")},
         ["gunicorn and pip in /env would start /build/bin/python3, which is not there"]),
        ({**venv("env", "/usr/local/bin"), "env/bin/pip": script("/usr/local/bin/python3")},
         ["pip in /env would start /usr/local/bin/python3, another Python"]),
    ],
)  # fmt: skip
def test_broken_environments(tree: Tree, expected: list[str]) -> None:
    assert messages("broken_venv", *BASE, tree) == expected


# --- hijacked-libpython ---------------------------------------------------------------------------
LIBRARY = "libpython3.11.so.1.0"
STUB = elf(needed=[LIBRARY, "libc.so.6"], interp=X86)
OWN: dict[str, Content] = {
    **cpython("usr/local", "3.11.9", shared=True),
    "usr/local/bin/python3.11": File(STUB, mode=0o755),
}
CACHE = {"etc/ld.so.cache": new_cache([(LIBRARY, f"/usr/local/lib/{LIBRARY}", 0x303)])}
OTHER: dict[str, Content] = {
    f"usr/lib/x86_64-linux-gnu/{LIBRARY}": elf(soname=LIBRARY, extra=b"\x003.11.2\0")
}


# The headers tell the version; whose library is loaded is the question.
HEADERS = {"usr/local/include/python3.11/patchlevel.h": '#define PY_VERSION "3.11.9"\n'}


@pytest.mark.parametrize(
    ("trees", "config", "expected"),
    [
        ([OWN, CACHE], {}, []),
        ([OWN, OTHER, CACHE], {}, []),
        (
            [OWN, OTHER],
            {},
            [
                "Python 3.11.9 in /usr/local would load /usr/lib/x86_64-linux-gnu/"
                f"{LIBRARY}, which is not its own"
            ],
        ),
        (
            [cpython("usr/local", "3.11.9", shared=True), OTHER],
            {},
            [],  # a run path of its own
        ),
        (
            [cpython("usr/local", "3.11.9", shared=True), {f"opt/{LIBRARY}": elf(soname=LIBRARY)}],
            {"env": ["LD_LIBRARY_PATH=/opt"]},
            [],  # DT_RPATH comes before
        ),
        (
            [OWN, {f"opt/{LIBRARY}": elf(soname=LIBRARY)}, CACHE],
            {"env": ["LD_LIBRARY_PATH=/opt"]},
            [f"Python 3.11.9 in /usr/local would load /opt/{LIBRARY}, which is not its own"],
        ),
        (
            [OWN, {f"usr/local/lib/.wh.{LIBRARY}": ""}],
            {},
            [f"Python 3.11.9 in /usr/local does not start: there is no {LIBRARY}"],
        ),
        ([OWN, {"lib64": Link("nowhere")}], {}, []),
        ([cpython("usr/local", "3.11.9")], {}, []),
    ],
)
def test_hijacked_libraries(
    trees: list[Tree], config: Mapping[str, Any], expected: list[str]
) -> None:
    assert messages("hijacked_libpython", glibc(), HEADERS, *trees, **config) == expected


def test_who_brought_the_wrong_library() -> None:
    more: dict[str, Package] = {"libpython3.11": {"Version": "3.11.2-6", "files": OTHER}}
    trees = (debian_base(), OWN, debian_python("3.11.2", more=more, manual=["libpython3.11"]))
    (finding,) = judge("hijacked_libpython", *trees)
    assert (finding.packages, finding.layers) == (("libpython3.11",), (2,))
    assert "this library is of Python 3.11.2" in [evidence.what for evidence in finding.evidence]


# --- python-version-mismatch ----------------------------------------------------------------------
HEADER = "usr/local/include/python3.13/patchlevel.h"


@pytest.mark.parametrize(
    ("trees", "config", "expected"),
    [
        (BASE, SLIM, []),
        (BASE, {"env": ["PYTHON_VERSION=3.13"]}, []),
        ((*BASE, debian_python("3.11.2")), {**SLIM, "cmd": ["/usr/bin/python3"]},
         ["PYTHON_VERSION is 3.13.1, and Debian's Python 3.11.2 starts"]),
        (BASE, {"env": ["PYTHON_VERSION=3.13.10"]},
         ["PYTHON_VERSION is 3.13.10, and Python 3.13.1 in /usr/local starts"]),
        ((*BASE, {HEADER: '#define PY_VERSION "3.13.0"\n'}), {},
         ["/usr/local/lib/libpython3.13.so.1.0 is Python 3.13.1, and what belongs to it says"
          " 3.13.0"]),
        ((*BASE, {"usr/local/bin/x": script("/usr/local/bin/python3.12")}), SLIM,
         ["x asks for /usr/local/bin/python3.12, which is not there"]),
        ((*BASE, {f"usr/local/bin/{name}": script("/opt/python") for name in "abcd"}), SLIM,
         ["a, b and 2 more ask for /opt/python, which is not there"]),
        ((*BASE, {"usr/share/doc/x": script("/opt/python")}), SLIM, []),
        ((*BASE, {"usr/share/gdb/auto-load/usr/local/bin/python3.13-gdb.py":
          script("/opt/python"), "usr/local/bin/python3.13-gdb.py": script("/opt/python"),
          "opt/py/lib/python3.13/bin/x": script("/opt/python")}), SLIM, []),
        ((*BASE, {"opt/tools/bin/x": script("/opt/python")}), {"env": ["PATH=/opt/tools/bin"]},
         ["x asks for /opt/python, which is not there"]),
        ((*BASE, {"usr/local/bin/x": script("/usr/bin/env python3.12")}), SLIM, []),
        ((*BASE, {"usr/local/bin/x": script("/usr/local/bin/python3")}), SLIM, []),
        ((*BASE, {**venv("env", "/usr/local/bin"), "env/bin/x": script("/nowhere/python")}), SLIM,
         []),
        ((*BASE, pypy("opt/pypy", "7.3.17")), SLIM, []),
    ],
)  # fmt: skip
def test_versions_that_disagree(
    trees: tuple[Tree, ...], config: Mapping[str, Any], expected: list[str]
) -> None:
    assert messages("python_version_mismatch", *trees, **config) == expected


# --- unreachable-site-packages --------------------------------------------------------------------
OLD = "usr/local/lib/python3.12/site-packages"


@pytest.mark.parametrize(
    ("tree", "config", "message", "why"),
    [
        (dist_info("foo", site=OLD), {},
         f"/{OLD} contains foo 1.0, and no Python of the image imports from it",
         "it is for Python 3.12, and the image has 3.13"),
        ({**dist_info("foo", site=OLD), **dist_info("bar", site=OLD)}, {},
         f"/{OLD} contains 2 distributions, and no Python of the image imports from it",
         "it is for Python 3.12, and the image has 3.13"),
        ({f"{OLD}/module.py": "x"}, {},
         f"/{OLD} contains modules, and no Python of the image imports from it",
         "it is for Python 3.12, and the image has 3.13"),
        (dist_info("foo", site="home/me/.local/lib/python3.13/site-packages"), {"user": "app"},
         "/home/me/.local/lib/python3.13/site-packages contains foo 1.0, and no Python of the image"
         " imports from it",
         "it is in the home /home/me, and the image runs as app"),
        (dist_info("foo", site="srv/deps"), {},
         "/srv/deps contains foo 1.0, and no Python of the image imports from it",
         "it is on no interpreter's search path"),
    ],
)  # fmt: skip
def test_packages_out_of_sight(
    tree: Tree, config: Mapping[str, Any], message: str, why: str
) -> None:
    (finding,) = judge("unreachable_site_packages", *BASE, tree, **config)
    assert (finding.message, finding.evidence[0].what) == (message, why)
    assert finding.saving == stored(rootfs(tree), *tree)
    assert finding.layers == (2,)


@pytest.mark.parametrize(
    ("tree", "config"),
    [
        (dist_info("foo"), {}),
        (dist_info("foo", site="srv/deps"), {"env": ["PYTHONPATH=/srv/deps"]}),
        (dist_info("foo", site="app/deps"), {"working_dir": "/app/deps"}),
        ({**dist_info("foo", site="app"), "app/main.py": ""}, {"cmd": ["python", "/app/main.py"]}),
        ({f"{OLD}/README.txt": "x"}, {}),
        ({f"{SITE}/foo/vendor/site-packages/x.py": "x"}, {}),
        ({**venv("env", "/usr/local/bin"),
          **dist_info("foo", site="env/lib/python3.13/site-packages")}, {}),
        ({"opt/conda/pkgs/x-1-0/site-packages/x.py": "x",
          "opt/conda/pkgs/x-1-0/info/index.json": "{}"}, {}),
    ],
)  # fmt: skip
def test_packages_in_sight(tree: Tree, config: Mapping[str, Any]) -> None:
    assert judge("unreachable_site_packages", *BASE, tree, **config) == []


# --- conflicting-distributions --------------------------------------------------------------------
def test_two_versions_of_one_distribution() -> None:
    (finding,) = judge(
        "conflicting_distributions", *BASE, dist_info("foo", "1.0"), dist_info("foo", "1.1")
    )
    assert finding.message == f"foo is installed as 1.0 and 1.1 in /{SITE}"
    assert (finding.layers, finding.subject) == ((2, 3), f"foo {SITE}")
    assert f"after deleting /{SITE}/foo-1.0.dist-info" in finding.fix


def test_two_distributions_with_the_same_files() -> None:
    (finding,) = judge(
        "conflicting_distributions",
        *BASE,
        dist_info("opencv-python", files={"cv2/__init__.py": "x" * 10}),
        dist_info("opencv-python-headless", files={"cv2/__init__.py": "x" * 9}),
    )
    assert finding.message == (
        f"opencv-python 1.0 and opencv-python-headless 1.0 both claim 1 file in /{SITE}"
    )
    assert finding.paths == (f"{SITE}/cv2/__init__.py",)
    assert "their lengths are not those that opencv-python recorded" in [
        evidence.what for evidence in finding.evidence
    ]


@pytest.mark.parametrize(
    "trees",
    [
        [dist_info("foo"), dist_info("bar")],
        [dist_info("foo"), dist_info("foo", "2.0", site="srv/site-packages")],
        [dist_info("foo", files={"gone.py": ""}), dist_info("bar", files={"gone.py": ""}),
         {f"{SITE}/.wh.gone.py": ""}],
    ],
)  # fmt: skip
def test_no_conflict(trees: list[Tree]) -> None:
    assert judge("conflicting_distributions", *BASE, *trees) == []


# --- os-files-overwritten -------------------------------------------------------------------------
APK_SITE = "usr/lib/python3.12/site-packages"
APK = {
    **MUSL_FILES,
    **apk_database(
        {
            "python3": cpython("usr", "3.12.12", musl=True),
            "py3-six": {
                f"{APK_SITE}/six.py": "1.16",
                f"{APK_SITE}/six-1.16.0-py3.12.egg-info": "Name: six\nVersion: 1.16.0\n",
            },
        }
    ),
}


def test_pip_over_apk() -> None:
    pip = dist_info("six", "1.17.0", {"six.py": "1.17.0"}, site=APK_SITE)
    (finding,) = judge("os_files_overwritten", APK, pip)
    assert finding.message == "six 1.17.0 by pip replaced 1 file of py3-six"
    assert (finding.paths, finding.packages) == ((f"{APK_SITE}/six.py",), ("py3-six",))
    assert finding.layers == (1,)


@pytest.mark.parametrize(
    "trees", [[APK], [APK, dist_info("seven", site=APK_SITE)], [*BASE, dist_info("six")]]
)
def test_nothing_overwritten(trees: list[Tree]) -> None:
    assert judge("os_files_overwritten", *trees) == []


# --- record-mismatch ------------------------------------------------------------------------------
FOO = dist_info(
    "foo", files={"foo/a.py": "a", "foo/b.py": "b", "foo/tests/t.py": "t", "foo/x.pyc": "x"}
)


@pytest.mark.parametrize(
    ("tree", "message", "severity"),
    [
        ({f"{SITE}/foo/a.py": "longer"}, "1 file changed", "warning"),
        ({f"{SITE}/foo/.wh.a.py": ""}, "1 file missing", "note"),
        ({f"{SITE}/foo/.wh.a.py": "", f"{SITE}/foo/b.py": "longer"},
         "1 file changed and 1 file missing", "warning"),
    ],
)  # fmt: skip
def test_records_that_do_not_hold(tree: Tree, message: str, severity: str) -> None:
    (finding,) = judge("record_mismatch", *BASE, FOO, tree)
    assert finding.message == f"foo 1.0 in /{SITE}: {message}"
    assert (finding.severity, finding.subject) == (severity, f"{SITE}/foo-1.0.dist-info")


@pytest.mark.parametrize(
    "trees",
    [
        [],
        [{f"{SITE}/foo/.wh.tests": "", f"{SITE}/foo/.wh.x.pyc": ""}],
        [{f"{SITE}/foo/a.py": "A"}],  # of the same length: not to be told
    ],
)
def test_records_that_hold(trees: list[Tree]) -> None:
    assert judge("record_mismatch", *BASE, FOO, *trees) == []


def test_what_debian_changed_after_recording_is_debians_affair() -> None:
    files = dist_info("foo", site="usr/lib/python3/dist-packages", files={"foo.py": "a"})
    files = {**files, "usr/lib/python3/dist-packages/foo.py": "stripped"}
    tree = debian_python("3.11.2", more={"python3-foo": {"files": files}}, manual=["python3-foo"])
    assert judge("record_mismatch", debian_base(), tree) == []
