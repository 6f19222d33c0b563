"""The rule record-mismatch: layers in, findings out."""

import json

import pytest

from tests.images import (
    Content,
    File,
    debian_base,
    debian_python,
    dist_info,
)
from tests.unit.rules.installs import without
from tests.unit.rules.pythons import (
    BASE,
    SITE,
    Tree,
    judge,
)

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


def recorded(*lines: str, record: int = 0, **mtimes: int) -> dict[str, Content]:
    """The distribution foo with these lines of RECORD; files of three bytes, with their times."""
    tree: dict[str, Content] = dict(dist_info("foo", files={}, record=False))
    for line in lines:
        path = line.split(",")[0]
        tree.setdefault(f"{SITE}/{path}", File("abc", mtime=mtimes.get(path.partition(".")[0], 0)))
    text = "".join(f"{line}\n" for line in lines)
    tree[f"{SITE}/foo-1.0.dist-info/RECORD"] = File(text, mtime=record)
    return tree


@pytest.mark.parametrize(
    ("tree", "changed"),
    [
        (recorded("foo.py,,3"), []),
        (recorded("foo.py,,4"), ["foo.py"]),
        (recorded("foo.py,,4", "foo.py,,3"), []),
        (recorded("foo.py,,4", '"foo.py",,3'), []),
        (recorded("foo.py,,4", "foo.py,,4"), ["foo.py"]),
        (recorded("__pycache__/foo.cpython-313.pyc,,9", "foo.py,,3"), []),
        (recorded("foo-1.0.dist-info/INSTALLER,,44", "foo.py,,3"), []),
        (recorded("foo-1.0.dist-info/direct_url.json,,44", "foo.py,,3"), []),
        # written before RECORD was: the wheel's own error
        (recorded("foo.py,,4", record=100, foo=99), []),
        (recorded("foo.py,,4", record=100, foo=100), ["foo.py"]),
    ],
)
def test_what_is_called_changed(tree: Tree, changed: list[str]) -> None:
    findings = judge("record_mismatch", tree)
    paths = [path.removeprefix(f"{SITE}/") for each in findings for path in each.paths]
    assert paths == changed


def test_conda_edits_what_it_installs() -> None:
    prefix = "opt/conda"
    site = f"{prefix}/lib/python3.13/site-packages"
    tree = {**dist_info("foo", site=site), f"{site}/foo/__init__.py": "longer"}
    names = [path.removeprefix(f"{prefix}/") for path in tree]
    tree[f"{prefix}/conda-meta/foo-1.0-0.json"] = json.dumps({"name": "foo", "files": names})
    assert judge("record_mismatch", tree) == []


def test_scripts_of_pip_target_are_where_it_moved_them() -> None:
    tree = {
        **recorded("../../bin/foo,,3", "../../share/man/man1/foo.1,,3", "foo.py,,3"),
        f"{SITE}/bin/foo": "abc",
        f"{SITE}/share/man/man1/foo.1": "abc",
    }
    tree.pop(f"{SITE}/../../bin/foo")
    tree.pop(f"{SITE}/../../share/man/man1/foo.1")
    assert judge("record_mismatch", tree) == []


def test_missing_files_of_many_distributions_are_one_note() -> None:
    trees = [
        dist_info(f"d{n}", files={f"d{n}/__init__.py": "", f"d{n}/x.json": ""}) for n in range(9)
    ]
    tree = {path: c for each in trees for path, c in each.items() if not path.endswith(".json")}
    (finding,) = judge("record_mismatch", tree)
    assert (finding.severity, finding.subject) == ("note", SITE)
    assert finding.message.endswith(f"in /{SITE}: 9 files missing")
    assert len(finding.evidence) == 8


@pytest.mark.parametrize(
    ("file", "severity"),
    [("foo/data.json", "note"), ("foo/sub.py", "note"), ("foo/_core.abi3.so", "warning")],
)
def test_a_compiled_file_that_is_missing_is_no_slimming(file: str, severity: str) -> None:
    tree = dist_info("foo", files={"foo/__init__.py": "", file: ""})
    (finding,) = judge("record_mismatch", without(tree, file))
    assert finding.severity == severity
    assert finding.message == f"foo 1.0 in /{SITE}: 1 file missing"
