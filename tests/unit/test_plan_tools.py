"""Edits of build tools: what each says, which findings it mends, what goes with the tools."""

from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.plan import Edit, make_plan
from pyimginspect.plan.operations import AppendCommand, DropPackages, InsertCommand, Operation
from tests.images import Content, File, Package, elf, image
from tests.inventories import apt, on_slim, steps, taken

Layer = Mapping[str, Content]
BIG: Layer = {"tmp/big": File(b"x" * 1_000_000)}
NO_BIG: Layer = {"tmp/.wh.big": ""}
MADE: Layer = {"usr/lib/made.so": "m"}


def program(name: str, *needs: str) -> dict[str, Package]:
    files = {f"usr/bin/{name}": File(b"x" * 100_000, mode=0o755)}
    return {name: {"Depends": ", ".join(needs), "files": files} if needs else {"files": files}}


def library(name: str) -> dict[str, Package]:
    return {name: {"files": {f"usr/lib/{name}.so.1": elf(soname=f"{name}.so.1")}}}


GCC, MAKE = program("gcc"), program("make")
WITH_LIBRARIES: dict[str, Package] = {
    **program("gcc", "liba", "libb"),
    **library("liba"),
    **library("libb"),
}


def needing(*names: str) -> Layer:
    """A copied program that is linked to these libraries."""
    return {"opt/program": elf(needed=[f"{name}.so.1" for name in names])}


def proposed(*layers: Layer, history: Sequence[str]) -> Edit:
    """The edit of the build tools on a base of four layers, whatever others there are."""
    plan = make_plan(taken(on_slim(*layers, history=history)))
    (edit,) = (each for each in plan.edits if {"gcc", "make"}.intersection(each.packages))
    return edit


def test_a_package_of_two_architectures_is_named_once() -> None:
    other = {
        **GCC["gcc"],
        "Package": "gcc",
        "Architecture": "i386",
        "files": {"usr/bin/i-gcc": "x" * 5000},
    }
    layer = apt({**GCC, "gcc-i386": other}, manual=["gcc"])
    edit = proposed(layer, history=["RUN apt-get install -y gcc gcc:i386"])
    assert edit.packages == ("gcc",)
    assert edit.operations == (DropPackages(layer=4, manager="apt", names=("gcc",), instead=()),)
    edit = proposed(layer, history=["RUN apt-get install -y gcc gcc:i386 && make"])
    assert edit.packages == ("gcc",)
    assert edit.command.endswith(" gcc:amd64 gcc:i386")


# --- what is said ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("packages", "asked", "program", "builds", "words"),
    [
        (
            GCC,
            "gcc",
            needing(),
            ["./configure"],
            "install gcc and purge it again in one RUN (layer 6), which builds",
        ),
        (
            {**GCC, **MAKE},
            "gcc make",
            needing(),
            ["./configure", "./build"],
            "install gcc make and purge them again in one RUN (layers 6 to 7), which builds",
        ),
        (
            WITH_LIBRARIES,
            "gcc",
            needing("libb"),
            ["./configure"],
            "install gcc and purge it again in one RUN (layer 6), which builds;"
            " libb stays: files in use need it",
        ),
        (
            WITH_LIBRARIES,
            "gcc",
            needing("liba", "libb"),
            ["./configure"],
            "install gcc and purge it again in one RUN (layer 6), which builds;"
            " liba and libb stay: files in use need them",
        ),
    ],
)
def test_tools_that_later_layers_build_with_in_words(
    packages: dict[str, Package], asked: str, program: Layer, builds: Sequence[str], words: str
) -> None:
    edit = proposed(
        apt(packages, manual=asked.split()),
        program,
        *({f"srv/{number}": "made"} for number, _ in enumerate(builds)),
        history=[
            f"RUN apt-get install -y {asked}",
            "COPY program /opt/",
            *(f"RUN {command}" for command in builds),
        ],
    )
    assert (edit.kind, edit.words) == ("purge", words)


@pytest.mark.parametrize(
    ("tops", "words"),
    [
        (["/usr/local/go"], "do not bring /usr/local/go"),
        (["/srv/1/.git", "/usr/local/go"], "do not bring /srv/1/.git and /usr/local/go"),
        (
            [f"/srv/{n}/.git" for n in range(1, 6)],
            "do not bring /srv/1/.git, /srv/2/.git, /srv/3/.git and 2 more",
        ),
    ],
)
def test_files_of_tools_that_are_no_packages_in_words(tops: Sequence[str], words: str) -> None:
    inside = {".git": "/HEAD", "go": "/bin/go"}
    layer = {
        f"{top[1:]}{inside[top.rpartition('/')[2]]}": File(b"x" * (90_000 - number), mode=0o755)
        for number, top in enumerate(tops)
    }
    plan = make_plan(taken(on_slim(layer, history=["COPY a /"])))
    (edit,) = plan.edits
    assert edit.words == words


# --- virtual packages -----------------------------------------------------------------------------
ALPINE: Layer = {
    "etc/alpine-release": "3.22.1\n",
    "etc/os-release": "ID=alpine\nVERSION_ID=3.22.1\n",
}


def apk(*installed: str, world: str) -> Layer:
    """A layer in which apk added these packages; ``.gcc`` is a virtual one that needs gcc."""
    books = "".join(
        f"P:{name}\nV:1\nA:noarch\nT:virtual meta package\nD:{name[1:]}\n\n"
        if name.startswith(".")
        else f"P:{name}\nV:1\nA:x86_64\nF:usr/bin\nR:{name}\n\n"
        for name in installed
    )
    asked = "".join(
        f"{each}=1\n" if each.startswith(".") else f"{each}\n" for each in world.split()
    )
    files = {
        f"usr/bin/{name}": File(b"x" * 100_000, mode=0o755)
        for name in installed
        if not name.startswith(".")
    }
    return {"lib/apk/db/installed": books, "etc/apk/world": asked, **files}


TOOLS, VIRTUAL = ("leftover-build-tool", "leftover-headers"), ("leftover-virtual-package",)
ONE, OTHER = "apk add -t .gcc gcc", "apk add -t .make make"


@pytest.mark.parametrize(
    ("layers", "history", "rules", "words"),
    [
        (
            [apk("gcc", world="gcc")],
            ["apk add gcc && ./build"],
            TOOLS,
            "purge the build tools in the RUN that used them",
        ),
        (
            [apk(".gcc", "gcc", world=".gcc")],
            [f"{ONE} && ./build"],
            VIRTUAL,
            "delete .gcc in the RUN that added it",
        ),
        (
            [apk(".gcc", "gcc", ".make", "make", world=".gcc .make")],
            [f"{ONE} && {OTHER} && ./build"],
            VIRTUAL,
            "delete .gcc .make in the RUN that added them",
        ),
        (
            [apk(".gcc", "gcc", "make", world=".gcc make")],
            [f"{ONE} && apk add make && ./build"],
            (*TOOLS, *VIRTUAL),
            "delete .gcc make in the RUN that added them",
        ),
        (
            [apk(".gcc", "gcc", world=".gcc"), MADE],
            [ONE, "./build"],
            VIRTUAL,
            "install .gcc and purge it again in one RUN (layer 2), which builds",
        ),
        (  # of two layers either one may have the virtual package
            [apk("make", world="make"), apk(".gcc", "gcc", "make", world=".gcc make"), MADE],
            ["apk add make", ONE, "./build"],
            (*TOOLS, *VIRTUAL),
            "install make .gcc and purge them again in one RUN (layer 3), which builds",
        ),
        (
            [apk(".gcc", "gcc", world=".gcc"), apk(".gcc", "gcc", "make", world=".gcc make"), MADE],
            [ONE, "apk add make", "./build"],
            (*TOOLS, *VIRTUAL),
            "install .gcc make and purge them again in one RUN (layer 3), which builds",
        ),
        (  # who runs the build cannot install
            [apk(".gcc", "gcc", world=".gcc"), {"srv/app/": None, "srv/app/made.so": "m"}],
            [ONE, "USER app", "./build"],
            VIRTUAL,
            "build in a stage of its own (layers 1 to 2), install .gcc there alone, and copy the"
            " result",
        ),
    ],
)
def test_edits_of_virtual_packages_and_the_findings_that_they_mend(
    layers: Sequence[Layer], history: Sequence[str], rules: tuple[str, ...], words: str
) -> None:
    """Where they go together with other packages, findings of both rules are mended."""
    lines = [line if line.startswith("USER") else f"RUN {line}" for line in history]
    base = "ADD alpine-minirootfs-3.22.1-x86_64.tar.gz / # buildkit"
    plan = make_plan(taken(image([ALPINE, *layers], history=steps(base, *lines))))
    (edit,) = plan.edits
    assert (edit.words, edit.rules) == (words, rules)


# --- what goes with them --------------------------------------------------------------------------
UPDATED = "apt-get update && apt-get install -y gcc"
FETCHED_AGAIN: tuple[Operation, ...] = (
    InsertCommand(layer=6, after=(), command="apt-get update"),
    AppendCommand(layer=6, command="rm -rf /var/lib/apt/lists/*"),
)


@pytest.mark.parametrize(
    ("packages", "command", "program", "again"),
    [
        (GCC, UPDATED, needing(), FETCHED_AGAIN),
        # What is installed still by that RUN, or in the place of gcc, needs the lists there.
        ({**GCC, **program("less")}, f"{UPDATED} less", needing(), ()),
        (WITH_LIBRARIES, UPDATED, needing("liba"), ()),
        # It did not fetch any.
        (GCC, "apt-get install -y gcc", needing(), ()),
    ],
)
def test_lists_that_tools_are_left_out_with_are_fetched_by_the_next_that_installs(
    packages: dict[str, Package], command: str, program: Layer, again: tuple[Operation, ...]
) -> None:
    edit = proposed(
        apt(packages, manual=["gcc", "less"]),
        program,
        {"usr/bin/curl": "c"},
        history=[f"RUN {command}", "COPY program /opt/", "RUN apt-get install -y curl"],
    )
    drop = DropPackages(layer=4, manager="apt", names=("gcc",), instead=edit.keep)
    assert edit.operations == (drop, *again)


@pytest.mark.parametrize(
    ("made", "deleted", "goes"),
    [
        (6, 7, True),
        # The one RUN is of layers 6 and 7; what others store is stored all the same.
        (5, 7, False),
        (6, 8, False),
    ],
)
def test_what_one_of_the_runs_that_build_deletes_of_another_is_not_stored(
    made: int, deleted: int, goes: bool
) -> None:
    layers: dict[int, dict[str, Content]] = {
        4: {**apt(GCC, manual=["gcc"])},
        **{number: {f"srv/{number}": "s"} for number in (5, 6, 7, 8)},
    }
    layers[made] |= BIG
    layers[deleted] |= NO_BIG
    edit = proposed(
        *layers.values(),
        history=[
            "RUN apt-get install -y gcc",
            "COPY a /",
            "RUN ./configure",
            "RUN ./build",
            "RUN touch /srv/8",
        ],
    )
    assert edit.words.endswith("in one RUN (layers 6 to 7), which builds")
    assert 0 <= edit.saving - (1_100_000 if goes else 100_000) < 10_000
