"""The rule wrong-abi: layers in, findings out."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.images import Content
from tests.trees import debian_python
from tests.unit.rules.loading import SITE, SUFFIX, TAG, debian, findings, module, only, wheel, worst


def test_another_python() -> None:
    old = wheel(
        "lxml",
        {"lxml/etree.cpython-311-x86_64-linux-gnu.so": module()},
        ["cp311-cp311-" + TAG[12:]],
    )
    finding = only(debian(), old)
    assert finding.rule == "wrong-abi"
    assert finding.message == (
        "lxml 1.0 cannot be imported by Python 3.13.1 in /usr/local/bin/python3.13:"
        " its modules are named .cpython-311-x86_64-linux-gnu.so"
    )


MACH_O = b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01" + bytes(24)


@pytest.mark.parametrize(
    ("name", "content", "tag"),
    [
        ("ujson.cpython-313-darwin.so", MACH_O, "cp313-cp313-macosx_11_0_arm64"),
        ("x/_c.cpython-313t-darwin.so", MACH_O, "cp313-cp313t-macosx_11_0_arm64"),
        ("x/_c.cp313-win_amd64.pyd", b"MZ" + bytes(62), "cp313-cp313-win_amd64"),
        ("x/_c.pyd", b"MZ" + bytes(62), "cp313-abi3-win_amd64"),
    ],
)
def test_a_wheel_for_another_system(name: str, content: bytes, tag: str) -> None:
    finding = only(debian(), wheel("x", {name: content}, [tag]))
    assert (finding.rule, finding.severity) == ("wrong-abi", "error")
    assert finding.message == (
        "x 1.0 cannot be imported by Python 3.13.1 in /usr/local/bin/python3.13:"
        f" its modules are named {name[name.index('.') :]}"
    )
    assert finding.paths == (f"{SITE}/{name}",)


@pytest.mark.parametrize(
    ("files", "tags"),
    [
        # with modules of this system beside them, as wheels for all systems have
        ({f"x/_c{SUFFIX}": module(), "x/_c.cp313-win_amd64.pyd": b"MZ"}, (TAG,)),
        ({"x/_c.cp313-win_amd64.pyd": b"MZ", "x/__init__.py": b""}, ("py3-none-any",)),
        ({"x/_c.cpython-313-darwin.so": MACH_O, "x/_c.py": b""}, ("py3-none-any",)),
        ({"tests/_c.cpython-313-darwin.so": MACH_O, f"x/_c{SUFFIX}": module()}, (TAG,)),
    ],
)
def test_files_for_another_system_that_do_no_harm(
    files: dict[str, bytes], tags: Sequence[str]
) -> None:
    assert findings(debian(), wheel("x", files, tags)) == []


FOREIGN = ".cpython-312-x86_64-linux-gnu.so"
TWELVE = ["cp312-cp312-manylinux_2_17_x86_64"]


@pytest.mark.parametrize("place", [SITE, "opt/python", "app", "app/vendor"])
@pytest.mark.parametrize("name", ["numpy/_core/_umath", "_speed"])
def test_a_module_of_another_python_without_metadata(place: str, name: str) -> None:
    tree: dict[str, Content] = {f"{place}/{name}{FOREIGN}": module(), f"{place}/main.py": "x"}
    config: dict[str, Any] = {
        "env": ["PYTHONPATH=/opt/python:vendor"],
        "working_dir": "/app",
        "cmd": ["python3.13"],
    }
    finding = only(debian(), tree, **config)
    assert (finding.rule, finding.severity) == ("wrong-abi", "error")
    top = name.partition("/")[0]
    assert finding.message == (
        f"{top} in /{place} cannot be imported by Python 3.13.1 in /usr/local/bin/python3.13:"
        f" its modules are named {FOREIGN}"
    )
    assert finding.subject == f"{top} usr/local/bin/python3.13"


@pytest.mark.parametrize(
    "path",
    [
        "srv/other/numpy/_umath{}",  # nobody imports from there
        "app/.venv-old/x/_umath{}",
        "app/node_modules/a-b/_umath{}",
        "app/tests/_umath{}",
        "app/pkg/testdata/_umath{}",
        "app/build/lib.linux-x86_64-cpython-312/_umath{}",
    ],
)
def test_modules_of_another_python_that_nothing_imports(path: str) -> None:
    tree: dict[str, Content] = {path.format(FOREIGN): module(), "app/main.py": "x"}
    assert findings(debian(), tree, working_dir="/app", cmd=["python3.13", "main.py"]) == []


def test_the_directory_of_the_script_that_is_started() -> None:
    tree: dict[str, Content] = {"srv/job.py": "x", f"srv/fast{FOREIGN}": module()}
    started = findings(debian(), tree, cmd=["python3.13", "/srv/job.py"])
    assert worst(started) == {"wrong-abi": "error"}
    assert findings(debian(), tree, cmd=["python3.13"]) == []


def test_source_beside_a_compiled_module_is_imported_instead() -> None:
    source = {f"md/_c{FOREIGN}": module(), "md/_c.py": b"x"}
    assert worst(findings(debian(), wheel("md", source, TWELVE))) == {
        "incompatible-wheel": "warning"
    }
    both = wheel("md", source | {f"md/_d{FOREIGN}": module()}, TWELVE)
    assert worst(findings(debian(), both)) == {"wrong-abi": "error"}


def test_modules_that_a_package_does_without_are_a_note() -> None:
    markup = {f"markupsafe/_speedups{FOREIGN}": module(), "markupsafe/__init__.py": b"x"}
    finding = only(debian(), wheel("MarkupSafe", markup, TWELVE))
    assert (finding.rule, finding.severity) == ("wrong-abi", "note")
    assert finding.evidence[-1].what == (
        "markupsafe/__init__.py of MarkupSafe 3.0.4 falls back to markupsafe/_native.py where that"
        " import fails"
    )


def test_pythonpath_is_for_all_pythons_and_a_bundle_for_one() -> None:
    second = debian_python("3.11.2")
    tree: dict[str, Content] = {f"opt/python/x/_c{SUFFIX}": module()}
    config: dict[str, Any] = {"env": ["PYTHONPATH=/opt/python"], "cmd": ["python3.13"]}
    assert "wrong-abi" not in worst(findings({**debian(), **second}, tree, **config))
    other: dict[str, Content] = {"opt/python/x/_c.cpython-311-x86_64-linux-gnu.so": module()}
    assert worst(findings({**debian(), **second}, other, **config))["wrong-abi"] == "error"
