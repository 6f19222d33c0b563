"""The rule os-python-binding: layers in, findings out."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.images import (
    File,
    Link,
    debian_base,
    debian_python,
    dist_info,
    elf,
)
from tests.pythons import (
    stored,
    venv,
)
from tests.systems import rootfs
from tests.unit.rules.pythons import (
    BASE,
    BINDING,
    SLIM,
    Tree,
    judge,
)


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


PLACE = "usr/lib/python3/dist-packages"
NO_MODULES = {
    f"{PLACE}/README.txt": "x",
    f"{PLACE}/zz-1.0.egg-info/PKG-INFO": "Metadata-Version: 2.1\nName: zz\nVersion: 1.0\n",
    f"{PLACE}/__pycache__/old.cpython-311.pyc": "x",
    f"{PLACE}/bin/run.py": "x",
    "usr/lib/zz/node-packages/zz.py": "x",
    "usr/share/zz/main.py": "x",
}


@pytest.mark.parametrize(
    "trees",
    [
        BASE,
        (*BASE, debian_python("3.11.2")),
        (*BASE, dist_info("psycopg2")),
        (*BASE, debian_python("3.11.2", more={"zz": {"files": NO_MODULES}}, manual=["zz"])),
    ],
)
def test_no_bindings(trees: tuple[Tree, ...]) -> None:
    assert judge("os_python_binding", *trees, **SLIM) == []
