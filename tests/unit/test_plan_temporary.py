"""Build dependencies of one layer that others build with: one RUN that installs and purges them."""

from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.plan import Edit, make_plan
from pyimginspect.plan.operations import (
    AppendCommand,
    BuildStage,
    DropCommand,
    DropPackages,
    InsertCommand,
    JoinRuns,
    Operation,
)
from tests.images import Content, File, Package, dist_info, elf, image
from tests.inventories import apt, on_slim, steps, taken

MAKE = "P:make\nV:4\nA:x86_64\nF:usr/bin\nR:make\n\n"
BASE: Mapping[str, Content] = {
    "etc/alpine-release": "3.22.1\n",
    "etc/os-release": "ID=alpine\nVERSION_ID=3.22.1\n",
}
GCC = "P:gcc\nV:14\nA:x86_64\nF:usr/bin\nR:gcc\n\n"
VIRTUAL = "P:.deps\nV:1\nA:noarch\nT:virtual meta package\nD:gcc\n\n"
TOOLS: Mapping[str, Content] = {
    "lib/apk/db/installed": GCC,
    "etc/apk/world": "gcc\n",
    "usr/bin/gcc": File(b"x" * 500_000, mode=0o755),
}
DEPS = {**TOOLS, "lib/apk/db/installed": VIRTUAL + GCC, "etc/apk/world": ".deps=1\n"}
TWO: Mapping[str, Content] = {
    "lib/apk/db/installed": GCC + MAKE,
    "etc/apk/world": "gcc\nmake\n",
    "usr/bin/make": File(b"y" * 100_000, mode=0o755),
}
MORE = "P:.more\nV:1\nA:noarch\nT:virtual meta package\nD:make\n\n"
BOTH = {
    **TWO,
    "lib/apk/db/installed": VIRTUAL + GCC + MORE + MAKE,
    "etc/apk/world": ".deps=1\n.more=1\n",
}
MIXED = {
    **TWO,
    "lib/apk/db/installed": VIRTUAL + GCC + MAKE,
    "etc/apk/world": ".deps=1\nmake\n",
}
MADE: Mapping[str, Content] = {"usr/lib/made.so": "made" * 2000}


def proposed(*layers: Mapping[str, Content], history: Sequence[str]) -> Edit:
    lines = ["ADD alpine-minirootfs-3.22.1-x86_64.tar.gz / # buildkit", *history]
    plan = make_plan(taken(image([BASE, *layers], history=steps(*lines))))
    (edit,) = (edit for edit in plan.edits if edit.kind != "clean-cache")
    return edit


@pytest.mark.parametrize(
    ("layers", "history", "operations"),
    [
        (
            [TOOLS, MADE],
            ["RUN apk add gcc", "RUN make"],
            (
                DropPackages(layer=1, manager="apk", names=("gcc",)),
                InsertCommand(
                    layer=2, after=(), command="apk add --no-cache --virtual .build-deps gcc"
                ),
                AppendCommand(layer=2, command="apk del --no-network .build-deps"),
            ),
        ),
        (
            [DEPS, MADE],
            ["RUN apk add -t .deps gcc", "RUN make"],
            (
                DropCommand(layer=1, words=("apk", "add", "-t", ".deps", "gcc")),
                InsertCommand(layer=2, after=(), command="apk add -t .deps gcc"),
                AppendCommand(layer=2, command="apk del --no-network .deps"),
            ),
        ),
        (
            [TOOLS, MADE, MADE],
            ["RUN apk add gcc && make", "RUN make"],
            (
                JoinRuns(layer=1, others=(2,)),
                AppendCommand(layer=2, command="apk del --no-network gcc"),
            ),
        ),
        (  # of a package that a virtual one needs apk says that it stays: so make is named, too
            [TOOLS, TWO, MADE],
            ["RUN apk add gcc && make", "RUN apk add make", "RUN make"],
            (
                DropPackages(layer=2, manager="apk", names=("make",)),
                InsertCommand(layer=1, after=(), command="apk add --no-cache make"),
                JoinRuns(layer=1, others=(2, 3)),
                AppendCommand(layer=3, command="apk del --no-network gcc make"),
            ),
        ),
        (
            [DEPS, BOTH, MADE],
            ["RUN apk add -t .deps gcc", "RUN apk add --virtual=.more make", "RUN make"],
            (
                DropCommand(layer=1, words=("apk", "add", "-t", ".deps", "gcc")),
                DropCommand(layer=2, words=("apk", "add", "--virtual=.more", "make")),
                InsertCommand(
                    layer=3,
                    after=(),
                    command="apk add -t .deps gcc && apk add --virtual=.more make",
                ),
                AppendCommand(layer=3, command="apk del --no-network .deps .more"),
            ),
        ),
        (
            [DEPS, MIXED, MADE],
            ["RUN apk add -t .deps gcc", "RUN apk add make", "RUN make"],
            (
                DropCommand(layer=1, words=("apk", "add", "-t", ".deps", "gcc")),
                DropPackages(layer=2, manager="apk", names=("make",)),
                InsertCommand(
                    layer=3,
                    after=(),
                    command="apk add -t .deps gcc && apk add --no-cache make",
                ),
                AppendCommand(layer=3, command="apk del --no-network .deps make"),
            ),
        ),
    ],
)
def test_what_builds_installs_and_purges(
    layers: list[Mapping[str, Content]], history: list[str], operations: tuple[Operation, ...]
) -> None:
    edit = proposed(*layers[: len(history)], history=history)
    assert (edit.kind, edit.operations) == ("purge", operations)


@pytest.mark.parametrize(
    ("history", "why"),
    [
        (["RUN setup", "RUN make"], "what installed them cannot be written in another RUN"),
        (
            ["RUN apk add -X https://example.org/edge gcc", "RUN make"],
            "what installed them cannot be written in another RUN",
        ),
        (
            ["RUN apk add gcc", "USER app", "RUN make"],
            "app, who runs layer 2, cannot install packages",
        ),
        (["RUN apk add gcc", "RUN make <<EOF"], "the command of layer 2 is no plain sequence"),
        (["RUN apk add gcc && make", "RUN cd /a && make"], "layers 1 to 2 cannot be one RUN"),
    ],
)
def test_or_else_a_stage_of_its_own_would_and_the_reason_says_why(
    history: list[str], why: str
) -> None:
    edit = proposed(TOOLS, MADE, history=history)
    assert (edit.kind, edit.operations) == ("advice", ())
    assert edit.reason == f"{why}, and layer 2 makes /usr/lib/made.so, no unit to copy"


def test_a_virtual_package_that_no_command_names_is_not_moved() -> None:
    edit = proposed(DEPS, MADE, history=["RUN setup", "RUN make"])
    assert edit.operations == ()
    assert edit.reason.startswith("what installed them cannot be written in another RUN")


def test_what_is_a_unit_is_built_in_a_stage() -> None:
    edit = proposed(TOOLS, {"opt/app/made.so": "made"}, history=["RUN setup", "RUN make"])
    (stage,) = edit.operations
    assert isinstance(stage, BuildStage)
    assert [copy.source for copy in stage.copies] == ["/opt/app"]


def test_what_a_later_command_deletes_by_name_is_added_by_name() -> None:
    gone: Mapping[str, Content] = {
        "lib/apk/db/installed": "",
        "etc/apk/world": "",
        "usr/bin/.wh.gcc": "",
    }
    history = ["RUN apk add gcc", "COPY a /b", "RUN make", "RUN apk del gcc"]
    edit = proposed(TOOLS, {"b": "x"}, MADE, gone, history=history)
    assert edit.operations[2:] == (
        InsertCommand(layer=3, after=(), command="apk add --no-cache gcc"),
        AppendCommand(layer=3, command="apk del gcc"),
    )


# --- a history that does not fit the layers -------------------------------------------------------
@pytest.mark.parametrize("more", [["RUN true", "COPY a /b"], []])
def test_nothing_is_done_to_instructions_that_are_not_known(more: list[str]) -> None:
    wheels: Mapping[str, Content] = {"wheels/a-1-py3-none-any.whl": File(b"x" * 50_000)}
    cached: Mapping[str, Content] = {"root/.cache/pip/http/a": File(b"x" * 50_000)}
    history = ["RUN pip install x", *more]
    inventory = taken(on_slim(cached, wheels, history=history))
    plan = make_plan(inventory)
    assert [edit.operations for edit in plan.edits] == [()] * len(plan.edits) != []


def test_a_run_that_adds_both_ways_is_taken_apart() -> None:
    history = ["RUN apk add -t .deps gcc && apk add make", "RUN make"]
    edit = proposed({**DEPS, **MIXED}, MADE, history=history)
    assert edit.operations == (
        DropCommand(layer=1, words=("apk", "add", "-t", ".deps", "gcc")),
        DropPackages(layer=1, manager="apk", names=("make",)),
        InsertCommand(layer=2, after=(), command="apk add -t .deps gcc && apk add --no-cache make"),
        AppendCommand(layer=2, command="apk del --no-network .deps make"),
    )


# --- Debian ---------------------------------------------------------------------------------------
def tool(name: str) -> dict[str, Package]:
    return {name: {"files": {f"usr/bin/{name}": File(b"x" * 500_000, mode=0o755)}}}


@pytest.mark.parametrize(
    ("first", "second", "option"),
    [
        ("--no-install-recommends ", "--no-install-recommends ", "--no-install-recommends "),
        ("--no-install-recommends ", "", ""),
        ("", "--no-install-recommends ", ""),
        ("", "", ""),
    ],
)
def test_recommended_packages_come_if_they_came_with_any(
    first: str, second: str, option: str
) -> None:
    gcc, make = tool("gcc"), tool("make")
    layers: list[Mapping[str, Content]] = [
        apt(gcc, manual=["gcc"]),
        apt(make, manual=["gcc", "make"], below=gcc),
        {"app/r": "r"},
        {"usr/local/lib/made.so": "m"},
    ]
    history = [
        f"RUN apt-get install -y {first}gcc",
        f"RUN apt-get install -y {second}make",
        "COPY r /app/",
        "RUN ./configure",
    ]
    plan = make_plan(taken(on_slim(*layers, history=history)))
    (edit,) = (each for each in plan.edits if each.kind == "purge")
    install = f"apt-get update && apt-get install -y {option}gcc make"
    assert InsertCommand(layer=7, after=(), command=install) in edit.operations


SITE = "usr/local/lib/python3.13/site-packages"
READY = dist_info("a", "1", site=SITE)
LOCAL = dist_info("b", "1", site=SITE, tags=["cp313-cp313-linux_x86_64"])
VCS = '{"url": "https://x/a.git", "vcs_info": {"vcs": "git", "commit_id": "1"}}'
ARCHIVE = '{"url": "https://x/a.whl", "archive_info": {}}'


@pytest.mark.parametrize(
    ("made", "needed"),
    [
        (READY, False),
        (LOCAL, True),
        ({**READY, **LOCAL}, True),
        ({f"{SITE}/x.py": "#"}, True),  # by no wheel that can be seen
        ({**READY, f"{SITE}/a-1.dist-info/direct_url.json": VCS}, True),
        ({**READY, f"{SITE}/a-1.dist-info/direct_url.json": ARCHIVE}, False),
        (
            {
                **READY,
                f"{SITE}/a-1.dist-info/direct_url.json": VCS,
                f"{SITE}/z-1.dist-info/direct_url.json": ARCHIVE,
            },
            True,
        ),
        ({**READY, f"{SITE}/c.egg-info/PKG-INFO": "Name: c\nVersion: 1\n"}, True),
        ({**READY, f"{SITE}/c.egg-link": "/src\n."}, True),
    ],
)
def test_the_wheels_of_a_layer_say_whether_it_compiled(
    made: Mapping[str, Content], needed: bool
) -> None:
    layers: list[Mapping[str, Content]] = [apt(tool("gcc"), manual=["gcc"]), {"app/r": "r"}, made]
    history = ["RUN apt-get install -y gcc", "COPY r /app/", "RUN pip install -r /app/r"]
    plan = make_plan(taken(on_slim(*layers, history=history)))
    kinds = [each.kind for each in plan.edits if "gcc" in each.packages]
    assert kinds == ["purge" if needed else "leave-out"]


def test_what_cannot_be_read_may_have_compiled() -> None:
    layers = [apt(tool("gcc"), manual=["gcc"]), READY]
    history = ["RUN apt-get install -y gcc", "RUN pip install a && (x"]
    plan = make_plan(taken(on_slim(*layers, history=history)))
    assert not [each for each in plan.edits if each.kind == "leave-out"]


def test_what_stays_of_the_packages_is_not_saved() -> None:
    packages: dict[str, Package] = {
        **tool("gcc"),
        "libpq-dev": {"Depends": "libpq5", "files": {"usr/include/libpq-fe.h": "h" * 5000}},
        "libpq5": {
            "files": {"usr/lib/libpq.so.5": elf(soname="libpq.so.5", extra=b"x" * 2_000_000)}
        },
    }
    layers: list[Mapping[str, Content]] = [
        apt(packages, manual=["gcc", "libpq-dev"]),
        {f"{SITE}/pq.so": elf(needed=["libpq.so.5"])},
    ]
    history = ["RUN apt-get install -y gcc libpq-dev", "RUN make"]
    plan = make_plan(taken(on_slim(*layers, history=history)))
    (edit,) = (each for each in plan.edits if each.kind == "purge")
    assert 505_000 < edit.saving < 520_000


@pytest.mark.parametrize("larger", [4, 5])
def test_what_the_package_manager_notes_is_stored_once(larger: int) -> None:
    gcc, make = tool("gcc"), tool("make")
    noted = {"var/lib/dpkg/info/x.md5sums": File(b"n" * 50_000)}
    layers: list[dict[str, Content]] = [
        apt(gcc, manual=["gcc"]),
        apt(make, manual=["gcc", "make"], below=gcc),
        {"app/r": "r"},
        {"usr/local/lib/made.so": "m"},
    ]
    layers[larger - 4] |= noted
    history = ["RUN apt-get install -y gcc", "RUN apt-get install -y make"]
    history += ["COPY r /app/", "RUN ./configure"]
    inventory = taken(on_slim(*layers, history=history))
    (edit,) = (each for each in make_plan(inventory).edits if each.kind == "purge")
    entries = {n: inventory.rootfs.layers[n].index.entries for n in (4, 5)}
    notes = {
        n: sum(each.stored for each in found if each.path.startswith("var/lib/"))
        for n, found in entries.items()
    }
    stored = sum(inventory.ledger.layers[n].stored for n in (4, 5))
    assert notes[larger] > notes[9 - larger]
    # The notes about the tools themselves go from there, too.
    assert 0 <= edit.saving - (stored - notes[larger]) < 100
