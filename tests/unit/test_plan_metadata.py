"""Owner and mode where files are made: which instructions can do it, and what is left to do."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pyimginspect.plan import Edit, make_plan
from pyimginspect.plan.operations import (
    AddFlag,
    AppendCommand,
    DropCommand,
    DropInstruction,
    Operation,
    ReplaceCommand,
    ReplaceInstructions,
)
from tests.images import (
    Content,
    Directory,
    File,
    HardLink,
    Link,
    debian_base,
    image,
    official_env,
    official_python,
)
from tests.inventories import OFFICIAL_STEPS, on_slim, steps, taken

MB = b"x" * 1_000_000
Layer = Mapping[str, Content]
FOLDER: Layer = {"app/": Directory()}
OWN_FOLDER: Layer = {"app/": Directory(uid=5, gid=6)}
APP: Layer = {"app/x": File(MB)}
OWNED: Layer = {"app/x": File(MB, uid=5, gid=6)}
OTHER: Layer = {"app/y": File(MB)}
OTHER_OWNED: Layer = {"app/y": File(MB, uid=5, gid=6)}
EXECUTABLE: Layer = {"app/x": File(MB, mode=0o755)}
CHOWN = "chown -R 5:6 /app"
DROP = DropCommand(layer=5, words=("chown", "-R", "5:6", "/app"))


def edits(layers: Sequence[Layer], history: Sequence[Any]) -> list[Edit]:
    return list(make_plan(taken(on_slim(*layers, history=history))).edits)


def only(layers: Sequence[Layer], history: Sequence[Any]) -> Edit:
    (edit,) = edits(layers, history)
    return edit


@pytest.mark.parametrize(
    ("layers", "history", "words", "command", "others"),
    [
        (
            [OTHER, APP, {**OWNED, **OTHER_OWNED}],
            ["COPY y /app/", "COPY x /app/", f"RUN {CHOWN}"],
            "give the files their owner as they are copied, not in layer 6",
            "--chown=5:6",
            (5, 6),
        ),
        (
            [APP, {"app/x": File(MB, uid=5, gid=6, mode=0o755)}],
            ["COPY x /app/", f"RUN {CHOWN} && chmod 755 /app/x"],
            "give the files their owner and mode as they are copied, not in layer 5",
            "--chown=5:6 --chmod=755",
            (5,),
        ),
        (
            [APP, EXECUTABLE],
            ["RUN make", "RUN chmod 755 /app/x"],
            "chmod in the RUN that makes the files, not in layer 5",
            "chmod 755 /app/x",
            (5,),
        ),
        (
            [APP, OWNED],
            ["RUN make", "RUN chown 5:6 /app/x"],
            "chown in the RUN that makes the files, not in layer 5",
            "chown 5:6 /app/x",
            (5,),
        ),
    ],
)
def test_an_edit_says_what_is_done_where(
    layers: list[Layer], history: list[str], words: str, command: str, others: tuple[int, ...]
) -> None:
    edit = only(layers, history)
    assert (edit.kind, edit.layer, edit.others) == ("owner", 4, others)
    assert (edit.words, edit.command) == (words, command)
    assert edit.level == "safe"


@pytest.mark.parametrize(
    ("layers", "history", "operations"),
    [
        (  # other commands of the RUN stay, before and after what is left
            [FOLDER, APP, {**OWN_FOLDER, **OWNED}],
            ["WORKDIR /app", "COPY x /app/", f"RUN a && {CHOWN} && b"],
            (
                AddFlag(layer=5, flag="--chown=5:6"),
                ReplaceCommand(layer=6, words=DROP.words, command="chown 5:6 /app"),
            ),
        ),
        (  # a link has no mode of its own
            [APP, {**EXECUTABLE, "app/l": Link("x")}],
            ["COPY x /app/", "RUN ln -s x /app/l && chmod -R 755 /app"],
            (
                AddFlag(layer=4, flag="--chmod=755"),
                DropCommand(layer=5, words=("chmod", "-R", "755", "/app")),
            ),
        ),
        (  # the directory has its owner already
            [OWN_FOLDER, APP, {**OWN_FOLDER, **OWNED}],
            ["RUN install -d -o 5 -g 6 /app", "COPY x /app/", f"RUN {CHOWN}"],
            (AddFlag(layer=5, flag="--chown=5:6"), DropInstruction(layer=6)),
        ),
        (  # it is that of the first who makes it, and each gives its own files theirs
            [{**FOLDER, **APP}, {**FOLDER, **OTHER}, {**OWN_FOLDER, **OWNED, **OTHER_OWNED}],
            ["COPY x /app/", "COPY y /app/", f"RUN {CHOWN}"],
            (
                AddFlag(layer=4, flag="--chown=5:6"),
                AddFlag(layer=5, flag="--chown=5:6"),
                DropInstruction(layer=6),
            ),
        ),
        (  # a RUN gives it to all that it makes
            [{**FOLDER, **APP}, {**OWN_FOLDER, **OWNED}],
            ["RUN make", f"RUN {CHOWN}"],
            (AppendCommand(layer=4, command=CHOWN), DropInstruction(layer=5)),
        ),
        (  # the owner that COPY gives is not the mode of the directory
            [{**FOLDER, **APP}, {"app/": Directory(mode=0o700), **OWNED}],
            ["COPY x /app/", "RUN chown 5:6 /app/x && chmod 700 /app"],
            (
                AddFlag(layer=4, flag="--chown=5:6"),
                ReplaceInstructions(layers=(5,), lines=("RUN chmod 700 /app",)),
            ),
        ),
        (  # as many as are named
            [APP, {**OWNED, **{f"app/d{n}/": Directory(uid=5, gid=6) for n in range(8)}}],
            ["COPY x /app/", f"RUN mkdir $D && {CHOWN}"],
            (
                AddFlag(layer=4, flag="--chown=5:6"),
                ReplaceCommand(
                    layer=5,
                    words=DROP.words,
                    command="chown 5:6 " + " ".join(f"/app/d{n}" for n in range(8)),
                ),
            ),
        ),
    ],
)
def test_what_is_left_of_a_change_stays_where_it_is(
    layers: list[Layer], history: list[str], operations: tuple[Operation, ...]
) -> None:
    edit = only(layers, history)
    assert (edit.kind, edit.operations) == ("owner", operations)


def test_what_one_run_makes_and_changes_in_place_of_two_has_no_edit_of_its_own() -> None:
    layers: list[Layer] = [{**APP, "tmp/big": File(MB)}, {**OWNED, "tmp/.wh.big": ""}]
    found = edits(layers, ["RUN make", f"RUN {CHOWN} && rm /tmp/big"])
    assert [each.kind for each in found if each.operations] == ["delete-early"]


def test_only_names_of_the_files_that_change_are_one_file_again() -> None:
    """A hard link in the same layer whose files nothing changes is another matter."""
    made: Layer = {**APP, "srv/z": File(MB), "srv/link": HardLink("srv/z")}
    changed: Layer = {**OWNED, "srv/link": File(MB[1:])}
    found = edits([made, changed], ["RUN make", f"RUN {CHOWN} && cp z /srv/link"])
    assert [each.saving for each in found if each.kind == "owner"] == [1_000_000]


LATER: Layer = {"app/x": File(MB, mtime=1_800_000_000)}
LEAVE = "change owner and mode where the files are made, or leave them as they are"


@pytest.mark.parametrize(
    ("layers", "history", "words"),
    [
        (
            [APP, LATER],
            ["RUN a", "RUN b"],
            "bring these files once: layer 5 installs them again as they were",
        ),
        ([APP, OWNED], ["RUN a", "RUN ./fix"], LEAVE),
        # Something else changes some of the files.
        (
            [{**APP, **OTHER}, {**OWNED, **OTHER_OWNED}],
            ["RUN a", "RUN chown 5:6 /app/x && b"],
            LEAVE,
        ),
        # To the RUN that makes them nothing can be added, or not by its user.
        ([APP, OWNED], ["RUN make <<EOF", f"RUN {CHOWN}"], LEAVE),
        ([APP, OWNED], ["USER app", "RUN make", "USER root", f"RUN {CHOWN}"], LEAVE),
        # A path that is made in between is not there yet.
        (
            [APP, {"srv/y": File(MB)}, {**OWNED, "srv/y": File(MB, uid=5, gid=6)}],
            ["RUN a", "RUN b", "RUN chown -R 5:6 /app /srv"],
            LEAVE,
        ),
        # One command cannot stand in the place of two with another between them.
        (
            [APP, {"srv/log": ""}, {**OWNED, "srv/log": File("", uid=7, gid=8)}],
            ["COPY x /app/", "RUN a", "RUN chown 5:6 /app/x && b && chown 7:8 /srv/log"],
            LEAVE,
        ),
        # Whose the files are to be, or which they are, is not what the words seem to say.
        ([APP, OWNED], ["COPY x /app/", "RUN chown --reference=/app/z 5:6 /app/x"], LEAVE),
        ([APP, OWNED], ["COPY x /app/", "RUN chown --from=0 5:6 /app/x"], LEAVE),
        ([APP, OWNED], ["COPY x /app/", "RUN chown -h 5:6 /app/x"], LEAVE),
        ([APP, OWNED], ["COPY x /app/", "RUN chown -RL 5:6 /app"], LEAVE),
        ([APP, OWNED], ["COPY x /app/", "RUN chown -- 5:6 /app/x"], LEAVE),
        ([APP, OWNED], ["COPY x /app/", "RUN chown 5:6 /app/x -R"], LEAVE),
        ([APP, OWNED], ["COPY x /app/", "RUN chown 5:6 /app/x --reference=/z"], LEAVE),
        ([APP, EXECUTABLE], ["COPY x /app/", "RUN chmod --reference=755 755 /app/x"], LEAVE),
        ([APP, EXECUTABLE], ["COPY x /app/", "RUN chmod -x /srv /app/x"], LEAVE),
        # What is made after the command is not there where it stands.
        (
            [APP, {**EXECUTABLE, "app/d/": Directory(mode=0o700)}],
            ["COPY x /app/", "RUN chmod -R 755 /app && mkdir -m 700 /app/d"],
            LEAVE,
        ),
    ],
)
def test_what_no_other_instruction_can_do_is_advice(
    layers: list[Layer], history: list[str], words: str
) -> None:
    edit = only(layers, history)
    assert (edit.kind, edit.operations, edit.words) == ("advice", (), words)


@pytest.mark.parametrize(
    ("above", "history", "words"),
    [
        (
            [{"etc/big": File(MB, mtime=1_800_000_000)}],
            ["RUN apt-get upgrade -y"],
            "start from a newer base image, or upgrade its packages in its own build",
        ),
        ([{"etc/big": File(MB, uid=5)}], ["RUN chown 5 /etc/big"], LEAVE),
        (
            [{"srv/own": File(MB)}, {f"{n}": File(MB, uid=5) for n in ("etc/big", "srv/own")}],
            ["RUN make", "RUN chown 5 /etc/big /srv/own"],
            LEAVE,
        ),
    ],
)
def test_the_instructions_of_the_base_are_not_changed(
    above: list[Layer], history: list[str], words: str
) -> None:
    base: list[Layer] = [debian_base(), {"etc/big": File(MB)}, official_python("3.13.1"), {}]
    lines = [*OFFICIAL_STEPS, *steps(*history)]
    plan = make_plan(taken(image([*base, *above], history=lines, env=official_env("3.13.1"))))
    assert [(each.words, each.operations) for each in plan.edits] == [(words, ())]
