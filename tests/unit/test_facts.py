"""Records of what is in an image: what is so where nothing is said."""

import pytest
from msgspec import Struct, structs

from pyimginspect.inventory.facts import (
    Area,
    BaseImage,
    BuildTool,
    Distribution,
    Environment,
    Interpreter,
    OsPackage,
    PackageEvent,
    StartProblem,
    Startup,
)
from pyimginspect.inventory.modules import MissingModules
from tests.inventories import on_slim, taken
from tests.pythons import cpython


@pytest.mark.parametrize(
    "record",
    [
        OsPackage(manager="dpkg", name="x", version="1", layer=1),
        Interpreter(path="x", version="3.13.1", layer=1),
        StartProblem(errno="ENOENT", subject="x", what="it is not there"),
        Startup(),
        Environment(path="x", home="/usr/bin", layer=1),
        Distribution(name="x", version="1", location="a", metadata="a/x", layer=1),
        BuildTool(name="x", category="compiler", layer=1),
        BaseImage(family="debian"),
        MissingModules(modules=("x",), paths=("x.py",)),
        Area(layer=1, path="x", size=1),
    ],
    ids=lambda record: type(record).__name__,
)
def test_what_is_not_said_of_a_record_is_no_or_nothing(record: Struct) -> None:
    said = {field.name for field in structs.fields(record) if field.required}
    rest = {name: value for name, value in structs.asdict(record).items() if name not in said}
    for name in ("confidence", "implementation", "libc", "origin", "status", "use"):
        rest.pop(name, None)  # their defaults are words: guess, cpython, unknown, none, live
    assert {name: value for name, value in rest.items() if value} == {}


@pytest.mark.parametrize(
    ("actions", "layer"),
    [
        (["installed"], 0),
        (["installed", "upgraded", "upgraded"], 0),
        (["installed", "removed", "installed", "upgraded"], 2),
        ([], 7),
    ],
)
def test_the_layer_that_installed_a_package_for_good(actions: list[str], layer: int) -> None:
    history = tuple(
        PackageEvent(layer=number, action=action, version="1")  # type: ignore[arg-type]
        for number, action in enumerate(actions)
    )
    package = OsPackage(manager="dpkg", name="x", version="1", layer=7, history=history)
    assert package.installed_in == layer


def test_no_instruction_is_known_of_a_layer_that_is_not_there() -> None:
    found = taken(on_slim({"app/a": "1"}, history=["COPY a /app # buildkit"]))
    assert [found.instruction(number) for number in (4, 5)] == ["COPY a /app", ""]


def test_the_python_that_a_container_starts_tells_the_c_library() -> None:
    another = cpython("opt/python", "3.12.4", musl=True)
    found = taken(on_slim(another, history=["COPY a /opt"]))
    paths = [(each.path, each.effective) for each in found.interpreters]
    assert paths == [("opt/python/bin/python3.12", False), ("usr/local/bin/python3.13", True)]
    assert (found.libc.flavor, found.libc.evidence[0].path) == ("glibc", paths[1][0])
