"""What a distribution is imported by, and what of it is not there any more."""

from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.inventory.modules import find_missing_modules, importable_names, module_at
from tests.images import Content, Link
from tests.systems import rootfs


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a/__init__.py", "a/b.py", "a/c/__init__.py", "a/d/e/f.py"], {"a"}),
        (["ns/a.py", "ns/b/c.py"], {"ns.a", "ns.b.c"}),
        (["ns/pkg/__init__.py", "ns/pkg/x.py"], {"ns.pkg"}),
        (
            ["one.py", "two.cpython-313-x86_64-linux-gnu.so", "three.abi3.so"],
            {"one", "two", "three"},
        ),
        (["one.py", "one.so"], {"one"}),
        (["_private.py", "_p/__init__.py", "tests/__init__.py", "Docs/conf.py", "setup.py"], set()),
        (["__init__.py"], set()),
        (["a-b.py", "c-d/x.py", "1.py", "a/1b/x.py"], set()),
        (["x.txt", "x.pyc", "x.pyi", "bin/x"], set()),
        (["../other/x.py"], set()),
    ],
)
def test_names_to_import(files: Sequence[str], names: set[str]) -> None:
    paths = [f"lib/{path}" if not path.startswith("../") else path[3:] for path in files]
    assert importable_names("lib", paths) == names


def test_names_in_the_root() -> None:
    assert importable_names("", ["a/__init__.py", "b.py"]) == {"a", "b"}


TREE: dict[str, Content] = {
    "lib/a.py": "",
    "lib/b/__init__.py": "",
    "lib/b/sub.py": "",
    "lib/b/data/x.txt": "",
    "lib/c/x.py": "",
    "lib/d.abi3.so": "",
    "lib/e.pyc": "",
    "lib/f/readme.txt": "",
    "lib/g": Link("b"),
    "lib/h.py": Link("nowhere"),
    "lib/i/__init__.pyc": "",
    "lib/j.txt": "",
    "lib/k/__init__.py": Link("nowhere"),
    "lib/m": "",
    "lib/n/__init__.cpython-313-x86_64-linux-gnu.so": "",
    "lib/o/__init__.txt": "",
    "lib/p": Link("nowhere"),
    "lib/p.py": "",
}


@pytest.mark.parametrize(
    ("name", "there", "as_package"),
    [
        ("a", True, True),
        ("b", True, True),
        ("b.sub", True, True),
        ("b.data", False, False),
        ("b.gone", False, False),
        ("gone.sub", False, False),
        ("c", True, False),  # a namespace package
        ("d", True, True),
        ("e", True, True),
        ("f", False, False),
        ("g", True, True),
        ("h", False, False),
        ("i", True, True),
        ("j", False, False),
        ("k", False, False),
        ("m", False, False),
        ("n", True, True),
        ("o", False, False),
        ("p", True, True),
    ],
)
def test_modules_of_a_directory(name: str, there: bool, as_package: bool) -> None:
    system = rootfs(TREE)
    assert module_at(system, "lib", name) is there
    assert module_at(system, "lib", name, namespaces=False) is as_package


BOTO = ["boto3/__init__.py", "boto3/session.py", "boto3/docs/__init__.py", "boto3/docs/x.py"]


@pytest.mark.parametrize(
    ("files", "tree", "modules"),
    [
        (["a/__init__.py", "a/b.py"], {}, "a"),
        (["a/__init__.py", "a/b.py"], {"lib/a/__init__.py": ""}, ""),  # without a submodule
        (["a.py", "b.py"], {"lib/a.py": ""}, "b"),
        (["a.py", "b.py"], {}, "a b"),
        (["a.txt", "b.py"], {"lib/b.py": ""}, ""),
        (["a.so"], {}, "a"),
        # another directory of the same Python has it, as a package or as a namespace
        (["a/__init__.py"], {"other/a.py": ""}, ""),
        (["a/__init__.py"], {"other/a/x.py": ""}, ""),
        (["a/__init__.py"], {"else/a.py": ""}, "a"),
        # what is left of a package is no package
        (["a/__init__.py", "a/b.py"], {"lib/a/b.py": ""}, "a+"),
        (["a/__init__.py", "a/b.txt"], {"lib/a/b.txt": ""}, "a+"),
        # bytecode in the place of sources
        (["a/__init__.py"], {"lib/a/__init__.pyc": ""}, ""),
        (["a.py"], {"lib/a.pyc": ""}, ""),
        # parts of a namespace, whose other parts are there
        (["ns/a.py", "ns/b.py"], {"lib/ns/b.py": ""}, ""),
        (["ns/a.py", "ns/b.py"], {}, "ns.a ns.b"),
        (["ns/a.py", "ns/b.py"], {"lib/ns/x.txt": ""}, "ns.a ns.b"),
        # what no application imports, unless there is nothing else
        (["_a.py", "b.py"], {"lib/b.py": ""}, ""),
        (["tests/__init__.py", "b.py"], {"lib/b.py": ""}, ""),
        (["_a.py"], {}, "_a"),
        # packages that go by such a name and are imported by their own
        (BOTO, {f"lib/{path}": "" for path in BOTO[:2]}, "boto3.docs"),
        (BOTO, {f"lib/{path}": "" for path in (*BOTO[:2], BOTO[3])}, "boto3.docs+"),
        (BOTO, {f"lib/{path}": "" for path in BOTO[:3]}, ""),
        (BOTO, {}, "boto3"),
    ],
)  # fmt: skip
def test_modules_that_are_missing(
    files: Sequence[str], tree: Mapping[str, Content], modules: str
) -> None:
    system = rootfs({"lib/": None, "x": "", **tree})
    paths = [f"lib/{path}" for path in files]
    absent = [path for path in paths if path not in system]
    found = find_missing_modules(system, "lib", paths, absent, [("lib", "other"), ("lib",)])
    names = "" if found is None else " ".join(found.modules) + "+" * found.rest
    assert names == modules
    if found is not None:
        assert set(found.paths) <= set(absent)
        assert found.links == ()


def test_links_that_lead_nowhere_are_why_modules_are_missing() -> None:
    """As uv makes them with `--link-mode symlink`, from a cache that was mounted."""
    system = rootfs({"lib/a": Link("/cache/a"), "lib/b.py": Link("/cache/b.py"), "lib/c.py": ""})
    paths = ["lib/a/__init__.py", "lib/b.py", "lib/c.py"]
    found = find_missing_modules(system, "lib", paths, paths[:2], [("lib",)])
    assert found is not None
    assert (found.modules, found.paths) == (("a", "b"), ("lib/a/__init__.py", "lib/b.py"))
    assert found.links == (("lib/a", "/cache/a"), ("lib/b.py", "/cache/b.py"))
