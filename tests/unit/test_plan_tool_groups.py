"""Build tools by the layer that installed them: what nothing can miss, what may be in use."""

from collections.abc import Collection, Mapping, Sequence

import pytest

from pyimginspect.plan.context import Context
from pyimginspect.plan.tool_groups import ToolGroups, find_tool_groups
from tests.images import Content, File, Package
from tests.inventories import apt, on_slim, taken


def program(name: str, *needs: str) -> Package:
    files = {f"usr/bin/{name}": File(b"x" * 100_000, mode=0o755)}
    return {"Depends": ", ".join(needs), "files": files} if needs else {"files": files}


TOOLS: dict[str, Package] = {
    "gcc": program("gcc", "cpp"),
    "cpp": program("cpp"),
    "make": program("make", "libmake"),
    "libmake": program("libmake"),
}
GIT: dict[str, Package] = {"git": program("git", "liberror"), "liberror": program("liberror")}
MERCURIAL: dict[str, Package] = {"mercurial": program("hg", "liberror")}


def groups(
    *layers: Mapping[str, Content], history: Sequence[str], recommended: Collection[str] = ()
) -> ToolGroups:
    inventory = taken(on_slim(*layers, history=history))
    return find_tool_groups(Context(inventory), recommended)


def names(found: ToolGroups) -> list[list[tuple[int, tuple[str, ...], tuple[str, ...]]]]:
    """The layer, the packages that were asked for, and all that go: of both kinds."""
    return [[(each.layer, each.names, each.keys) for each in kind] for kind in found]


@pytest.mark.parametrize(
    ("manual", "recommended", "certain"),
    [
        (["gcc", "make"], [], [(4, ("gcc", "make"), ("cpp", "gcc", "libmake", "make"))]),
        (["gcc"], ["make", "libmake"], [(4, ("gcc",), ("cpp", "gcc"))]),
        # Another edit speaks of all of them.
        (["gcc"], [*TOOLS], []),
        # Nobody asked: then the tools among them are named, not what they brought.
        ([], [], [(4, ("cpp", "gcc", "make"), ("cpp", "gcc", "libmake", "make"))]),
    ],
)
def test_tools_of_a_layer(
    manual: Sequence[str], recommended: Sequence[str], certain: Sequence[object]
) -> None:
    layer = apt(TOOLS, manual=manual)
    found = groups(layer, history=["RUN apt-get install -y gcc make"], recommended=recommended)
    assert names(found) == [certain, []]


def test_what_two_tools_that_may_be_in_use_need_goes_with_the_first() -> None:
    second = apt(MERCURIAL, manual=["git", "mercurial"], below=GIT, auto_below=["liberror"])
    found = groups(
        apt(GIT, manual=["git"]),
        second,
        history=["RUN apt-get install -y git", "RUN apt-get install -y mercurial"],
    )
    assert names(found) == [
        [],
        [(4, ("git",), ("git", "liberror")), (5, ("mercurial",), ("mercurial",))],
    ]


def test_what_nobody_asked_for_beside_a_tool_that_may_be_in_use_is_no_group() -> None:
    """No command names it: its layer names git alone."""
    layer = apt({**GIT, "make": program("make")}, manual=["git"])
    found = groups(layer, history=["RUN apt-get install -y git"])
    assert names(found) == [[], [(4, ("git",), ("git", "liberror"))]]


def test_what_a_removal_leaves_behind_is_the_affair_of_that_removal() -> None:
    """``apt-get purge gcc`` leaves cpp; make, which was asked for too, stays with what it needs."""
    left = {name: package for name, package in TOOLS.items() if name != "gcc"}
    purged: dict[str, Content] = {**apt({}, below=left, auto_below=["cpp", "libmake"])}
    purged["usr/bin/.wh.gcc"] = ""
    found = groups(
        apt(TOOLS, manual=["gcc", "make"]),
        {"app/r": "x"},
        purged,
        history=["RUN apt-get install -y gcc make", "COPY r /app/", "RUN apt-get purge -y gcc"],
    )
    assert names(found) == [[(4, ("make",), ("libmake", "make"))], []]
