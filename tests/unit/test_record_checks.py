"""Files of distributions against what RECORD says of them, and against other owners."""

from collections.abc import Mapping

import pytest

from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.record_checks import Changed, compare_claims, survey
from tests.images import Content, File, HardLink, Link
from tests.systems import rootfs

TREE: Mapping[str, Content] = {
    "lib/a.py": "12345",
    "lib/b.py": "123",
    "lib/same.py": HardLink("lib/a.py"),
    "lib/x.pyc": "123",
    "lib/link.py": Link("a.py"),
    "lib/dead.py": Link("nowhere"),
    "lib/folder/": None,
    "lib/to-folder": Link("folder"),
    "lib/bin/moved": "1",
    "bin/tool": "1",
}


@pytest.mark.parametrize(
    ("sizes", "size", "count", "missing", "outside", "absent"),
    [
        ({"lib/a.py": "5", "lib/b.py": ""}, 8, 2, [], [], []),
        ({"lib/a.py": "", "lib/same.py": ""}, 5, 2, [], [], []),
        ({"lib/same.py": ""}, 5, 1, [], [], []),
        ({"lib/link.py": "3"}, 5, 1, [], [], []),
        ({"lib/folder": "", "lib/to-folder": "", "bin/tool": "1"}, 1, 1, [], [], []),
        ({"lib/dead.py": ""}, 0, 0, ["lib/dead.py"], [], ["lib/dead.py"]),
        ({"lib/z.py": "", "lib/y.py": ""}, 0, 0, ["lib/y.py", "lib/z.py"], [],
         ["lib/z.py", "lib/y.py"]),
        # what images are slimmed by
        ({"lib/z.pyc": "", "lib/tests/z.py": "", "lib/z.pyi": "", "lib/LICENSE": ""}, 0, 0, [], [],
         ["lib/z.pyc", "lib/tests/z.py", "lib/z.pyi", "lib/LICENSE"]),
        # programs, and those that pip moved below its target
        ({"bin/gone": "", "lib/z.py": ""}, 0, 0, ["lib/z.py"], ["bin/gone"],
         ["bin/gone", "lib/z.py"]),
        ({"bin/moved": ""}, 0, 0, [], [], ["bin/moved"]),
        ({"library/z.py": ""}, 0, 0, [], ["library/z.py"], ["library/z.py"]),
    ],
)  # fmt: skip
def test_files_that_are_there_and_are_not(
    sizes: Mapping[str, str],
    size: int,
    count: int,
    missing: list[str],
    outside: list[str],
    absent: list[str],
) -> None:
    found = survey(rootfs(TREE), sizes, "lib")
    assert (found.size, found.count, found.changed) == (size, count, ())
    assert [*found.missing] == missing
    assert [*found.outside] == outside
    assert [*found.absent] == absent


@pytest.mark.parametrize(
    ("path", "location", "outside"),
    [
        ("bin/run", "srv/app/deps", False),  # ../../../bin/run
        ("srv/bin/run", "srv/app/deps", False),  # ../../bin/run
        ("srv/app/bin/run", "srv/app/deps", False),  # ../bin/run
        ("srv/bin/other", "srv/app/deps", True),
        ("srv/app/deps-2/bin/run", "srv/app/deps", True),
    ],
)
def test_programs_below_the_target_of_pip(path: str, location: str, outside: bool) -> None:
    found = survey(rootfs({"srv/app/deps/bin/run": "x"}), {path: ""}, location)
    assert found.outside == ((path,) if outside else ())


@pytest.mark.parametrize(
    ("sizes", "changed"),
    [
        ({"lib/a.py": "6"}, [("lib/a.py", 6, 5)]),
        ({"lib/b.py": "5", "lib/a.py": "0"}, [("lib/a.py", 0, 5), ("lib/b.py", 5, 3)]),
        ({"lib/a.py": "05"}, []),
        ({"lib/a.py": "006"}, [("lib/a.py", 6, 5)]),
        ({"lib/a.py": "x"}, []),
        ({"lib/a.py": "-5"}, []),
        ({"lib/a.py": "²"}, []),
        ({"lib/a.py": "9" * 40}, []),
        ({"lib/a.py": "9" * 19}, []),
        ({"lib/a.py": "9" * 18}, [("lib/a.py", 10**18 - 1, 5)]),
        ({"lib/x.pyc": "5"}, []),
        ({"lib/link.py": "9"}, []),
    ],
)
def test_files_of_another_length(
    sizes: Mapping[str, str], changed: list[tuple[str, int, int]]
) -> None:
    found = survey(rootfs(TREE), sizes, "lib")
    assert [(each.path, each.recorded, each.size) for each in found.changed] == changed


@pytest.mark.parametrize(
    ("lower", "upper", "changed"),
    [
        ({"lib/a.py": File("123", mtime=10), "lib/RECORD": File("r", mtime=11)}, {}, False),
        ({"lib/a.py": File("123", mtime=11), "lib/RECORD": File("r", mtime=11)}, {}, True),
        ({"lib/a.py": File("123", mtime=12), "lib/RECORD": File("r", mtime=11)}, {}, True),
        ({"lib/RECORD": File("r", mtime=11)}, {"lib/a.py": File("123", mtime=10)}, True),
    ],
)
def test_what_was_there_before_its_record_is_as_the_wheel_has_it(
    lower: Mapping[str, Content], upper: Mapping[str, Content], changed: bool
) -> None:
    system = rootfs(lower, upper)
    found = survey(system, {"lib/a.py": "5"}, "lib", system["lib/RECORD"])
    assert found.changed == ((Changed(path="lib/a.py", recorded=5, size=3),) if changed else ())


def test_files_that_several_claim() -> None:
    files = {"one": ["a", "b", "gone"], "two": ["c", "b", "gone"], "three": ["b", "d"]}
    claims = {who: dict.fromkeys(paths, "") for who, paths in files.items()}
    packages = PackageDatabase(owners={"a": ("p",), "d": ("q",), "c": ("p",), "x": ("p",)})
    packaged = {"one": "", "two": "p", "three": ""}
    system = rootfs(dict.fromkeys("abcd", "x"))
    assert compare_claims(system, packages, claims, packaged) == (
        {"b": ("one", "two", "three")},
        {"one": ("a",), "three": ("d",)},
    )
