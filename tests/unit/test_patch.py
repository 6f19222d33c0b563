"""A plan's operations in the user's own Dockerfile, and the difference that they make."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pyimginspect.dockerfile import parse
from pyimginspect.errors import DockerfileMismatchError
from pyimginspect.inventory.instructions import Step
from pyimginspect.plan import Edit, Plan
from pyimginspect.plan.operations import (
    AddFlag,
    AddOption,
    AppendCommand,
    BuildStage,
    DropCommand,
    DropInstruction,
    DropPackages,
    InsertCommand,
    JoinRuns,
    MountCopied,
    NarrowCopy,
    Operation,
    ReplaceBase,
    ReplaceCommand,
    ReplaceInstructions,
    StageCopy,
)
from pyimginspect.plan.patch import unified_diff
from pyimginspect.plan.records import Skipped

DOCKERFILE = """\
# syntax=docker/dockerfile:1
ARG V=3.12
FROM python:${V} AS app

# what pip needs
RUN apt-get update && \\
    apt-get install -y \\
        gcc \\
        # for lxml
        libxml2-dev \\
        git && \\
    rm -rf /var/lib/apt/lists/*
ARG TOKEN
WORKDIR /app
COPY requirements.txt .
RUN pip install -r requirements.txt

RUN make
COPY . .
# owner
RUN chown -R 1000:1000 /app
USER 1000
CMD ["python", "app.py"]
"""
APT = "apt-get update &&     apt-get install -y         gcc         libxml2-dev         git"
STEPS = (
    Step(word="", text="# debian.sh", layer=0),
    Step(word="RUN", text=f"{APT} &&     rm -rf /var/lib/apt/lists/*", layer=1),
    Step(word="ARG", text="TOKEN"),
    Step(word="WORKDIR", text="/app", layer=2),
    Step(word="COPY", text="requirements.txt .", layer=3),
    Step(word="RUN", text="pip install -r requirements.txt", layer=4, arguments="TOKEN=hunter2"),
    Step(word="RUN", text="make", layer=5, arguments="TOKEN=hunter2"),
    Step(word="COPY", text=". .", layer=6),
    Step(word="RUN", text="chown -R 1000:1000 /app", layer=7, arguments="TOKEN=hunter2"),
    Step(word="USER", text="1000"),
    Step(word="CMD", text='["python" "app.py"]'),
)


def edit(kind: Any, layer: int, *operations: Operation, **more: Any) -> Edit:
    return Edit(
        kind=kind,
        layer=layer,
        instruction="",
        words=more.pop("words", "words"),
        operations=operations,
        rules=more.pop("rules", ("a-rule",)),
        **more,
    )


def plan_of(edits: Sequence[Edit], steps: Sequence[Step] = STEPS) -> Plan:
    return Plan(
        reference="x:1",
        size=0,
        saving=0,
        compressed=0,
        compressed_saving=0,
        edits=tuple(edits),
        steps=tuple(steps),
    )


def changed(*edits: Edit) -> tuple[list[str], list[str]]:
    """The lines that go and those that come."""
    patch = plan_of(edits).patch(DOCKERFILE)
    assert patch.skipped == ()
    lines = patch.diff.splitlines()[2:]
    return [x[1:] for x in lines if x[0] == "-"], [x[1:] for x in lines if x[0] == "+"]


FIXES = "# pyimginspect: fixes a-rule"
CLEAN = "rm -rf /var/lib/apt/lists/*"
BEFORE = "the instruction was changed before: build the image again to see what is left"
NO_RECOMMENDS = AddOption(layer=1, manager="apt", option="--no-install-recommends")


@pytest.mark.parametrize(
    ("operations", "gone", "new"),
    [
        (
            [NO_RECOMMENDS],
            ["    apt-get install -y \\"],
            [FIXES, "    apt-get install -y --no-install-recommends \\"],
        ),
        (
            [DropPackages(layer=1, manager="apt", names=("gcc",))],
            ["        gcc \\"],
            [FIXES],
        ),
        (
            [AppendCommand(layer=5, command="make clean")],
            ["RUN make"],
            [FIXES, "RUN make \\", "    && make clean"],
        ),
        (
            [DropCommand(layer=1, words=("rm", "-rf"))],
            ["        git && \\", "    rm -rf /var/lib/apt/lists/*"],
            [FIXES, "        git"],
        ),
        (
            [ReplaceCommand(layer=5, words=("make",), command="make -j")],
            ["RUN make"],
            [FIXES, "RUN make -j"],
        ),
        (  # which is there already
            [InsertCommand(layer=1, after=(), command="apt-get update"), NO_RECOMMENDS],
            ["    apt-get install -y \\"],
            [FIXES, "    apt-get install -y --no-install-recommends \\"],
        ),
        (
            [JoinRuns(layer=4, others=(5,))],
            ["RUN pip install -r requirements.txt", "", "RUN make"],
            [FIXES, "RUN pip install -r requirements.txt \\", "    && make"],
        ),
        (
            [JoinRuns(layer=4, others=(5,)), AppendCommand(layer=5, command=CLEAN)],
            ["RUN pip install -r requirements.txt", "", "RUN make"],
            [
                FIXES,
                "RUN pip install -r requirements.txt \\",
                "    && make \\",
                f"    && {CLEAN}",
            ],
        ),
        (
            [AddFlag(layer=6, flag="--chown=1000:1000"), DropInstruction(layer=7)],
            ["COPY . .", "# owner", "RUN chown -R 1000:1000 /app"],
            [FIXES, "COPY --chown=1000:1000 . ."],
        ),
        (
            [NarrowCopy(layer=6, sources=("a", "b/c"))],
            ["COPY . ."],
            [FIXES, "COPY ./a ./a", "COPY ./b/c ./b/c"],
        ),
        (
            [ReplaceInstructions(layers=(5, 7), lines=("RUN x", "RUN y"))],
            ["RUN make", "# owner", "RUN chown -R 1000:1000 /app"],
            [FIXES, "RUN x", "RUN y"],
        ),
        (
            [ReplaceBase(image="python:3.12-slim")],
            ["FROM python:${V} AS app"],
            [FIXES, "FROM python:${V}-slim AS app"],
        ),
        (
            [ReplaceBase(image="debian:13")],
            ["FROM python:${V} AS app"],
            [FIXES, "FROM debian:13 AS app"],
        ),
    ],
)
def test_operations(operations: list[Operation], gone: list[str], new: list[str]) -> None:
    assert changed(edit("advice", 1, *operations)) == (gone, new)


def test_a_stage_of_its_own() -> None:
    operation = BuildStage(
        first=1,
        last=4,
        name="builder",
        copies=(StageCopy(source="/x", target="/x"),),
        install=("apt-get update", "apt-get install -y libxml2"),
        finish=("python -m venv /x",),
    )
    patch = plan_of([edit("builder-stage", 1, operation)]).patch(DOCKERFILE)
    first, _, final = patch.text.partition("\n\nFROM ")
    assert first.startswith("# syntax=docker/dockerfile:1\nARG V=3.12\n")
    assert f"{FIXES}\nFROM python:${{V}} AS builder\n\n# what pip needs\nRUN apt-get" in first
    assert first.endswith("RUN pip install -r requirements.txt\nRUN python -m venv /x")
    assert final == (
        f"python:${{V}} AS app\n{FIXES}\n"
        "RUN apt-get update \\\n    && apt-get install -y libxml2\n"
        "COPY --from=builder /x /x\nARG TOKEN\nWORKDIR /app\n\nRUN make\n"
        + DOCKERFILE.partition("RUN make\n")[2]
    )
    parse(patch.text)
    again = plan_of([edit("builder-stage", 1, operation)]).patch(patch.text)
    assert again.diff == ""


STAGES = """\
ARG V=3.12
FROM python:${V} AS builder
FROM --platform=$TARGETPLATFORM python:${V}
USER one
RUN a
USER two
# what builds
RUN b
EXPOSE 80
WORKDIR /w
LABEL x=y
USER three
RUN c
USER four
RUN d"""
OF_STAGES = (
    *(Step(word="USER", text="one"), Step(word="RUN", text="a", layer=1)),
    *(Step(word="USER", text="two"), Step(word="RUN", text="b", layer=2)),
    *(Step(word="EXPOSE", text="[80/tcp]"), Step(word="WORKDIR", text="/w", layer=3)),
    *(Step(word="LABEL", text="x=y"), Step(word="USER", text="three")),
    *(Step(word="RUN", text="c", layer=4), Step(word="USER", text="four")),
    Step(word="RUN", text="d", layer=5),
)
COPIES = (
    StageCopy(source="/x", target="/x"),
    StageCopy(source="/y", target="/z", owner="5:6"),
)


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        (
            BuildStage(
                first=2, last=4, name="builder", copies=COPIES, install=("i",), finish=("f", "g")
            ),
            f"""\
ARG V=3.12
FROM python:${{V}} AS builder
{FIXES}
FROM --platform=$TARGETPLATFORM python:${{V}} AS builder-2
USER one
RUN a
USER two
# what builds
RUN b
WORKDIR /w
USER three
RUN c
USER root
RUN f \\
    && g
USER three

FROM --platform=$TARGETPLATFORM python:${{V}}
USER one
RUN a
USER two
{FIXES}
USER root
RUN i
USER two
COPY --from=builder-2 /x /x
COPY --from=builder-2 --chown=5:6 /y /z
EXPOSE 80
WORKDIR /w
LABEL x=y
USER three
USER four
RUN d""",
        ),
        (
            BuildStage(first=2, last=5, name="other", copies=COPIES[:1], only=(2, 5)),
            f"""\
ARG V=3.12
FROM python:${{V}} AS builder
{FIXES}
FROM --platform=$TARGETPLATFORM python:${{V}} AS other
USER one
RUN a
USER two
# what builds
RUN b
WORKDIR /w
USER three
RUN c
USER four
RUN d

FROM --platform=$TARGETPLATFORM python:${{V}}
USER one
RUN a
USER two
EXPOSE 80
WORKDIR /w
LABEL x=y
USER three
RUN c
USER four
{FIXES}
COPY --from=other /x /x
""",
        ),
        (
            BuildStage(first=1, last=1, name="other", copies=(), install=("i",), finish=("f",)),
            f"""\
ARG V=3.12
FROM python:${{V}} AS builder
{FIXES}
FROM --platform=$TARGETPLATFORM python:${{V}} AS other
USER one
RUN a
USER root
RUN f
USER one

FROM --platform=$TARGETPLATFORM python:${{V}}
USER one
{FIXES}
USER root
RUN i
USER one
{STAGES.partition("RUN a" + chr(10))[2]}""",
        ),
    ],
)
def test_a_stage_in_full(stage: BuildStage, text: str) -> None:
    patch = plan_of([edit("builder-stage", 2, stage)], OF_STAGES).patch(STAGES)
    assert patch.skipped == ()
    assert patch.text == text


@pytest.mark.parametrize("user", ["root", "0", "root:root", "0:0"])
def test_root_needs_no_other_user_in_a_stage(user: str) -> None:
    text = STAGES.replace("USER three", f"USER {user}")
    steps = [
        msgspec.structs.replace(each, text=user) if each.text == "three" else each
        for each in OF_STAGES
    ]
    stage = BuildStage(first=2, last=4, name="x", copies=(), finish=("f",))
    patch = plan_of([edit("builder-stage", 2, stage)], steps).patch(text)
    assert f"USER {user}\nRUN c\nRUN f\n\nFROM" in patch.text


def test_names_of_stages_are_free() -> None:
    text = STAGES.replace("\nFROM --p", "\nFROM x AS builder-2\nFROM --p")
    stage = BuildStage(first=2, last=4, name="builder", copies=COPIES)
    patch = plan_of([edit("builder-stage", 2, stage)], OF_STAGES).patch(text)
    assert "python:${V} AS builder-3\n" in patch.text
    assert "COPY --from=builder-3 /x /x\n" in patch.text


def test_a_stage_is_of_one_stage_and_the_only_one() -> None:
    stage = BuildStage(first=2, last=4, name="x", copies=COPIES)
    apart = STAGES.replace("USER three", "FROM app\nUSER three").replace(
        "${V}\nU", "${V} AS app\nU"
    )
    plan = plan_of([edit("builder-stage", 2, stage)], OF_STAGES)
    (skipped,) = plan.patch(apart).skipped
    assert skipped.reason == "its instructions are of several stages"
    plan = plan_of([edit("builder-stage", 2, stage), edit("builder-stage", 1, stage)], OF_STAGES)
    (skipped,) = plan.patch(STAGES).skipped
    assert skipped.reason == "there is another stage of its own already"


def every_edit() -> list[Edit]:
    return [
        edit("no-recommends", 1, NO_RECOMMENDS, rules=("os-package-recommends",)),
        edit("leave-out", 1, DropPackages(layer=1, manager="apt", names=("git", "gcc"))),
        edit("clean-cache", 4, AddOption(layer=4, manager="pip", option="--no-cache-dir")),
        edit("delete-early", 4, JoinRuns(layer=4, others=(5,))),
        edit("owner", 6, AddFlag(layer=6, flag="--chown=1"), DropInstruction(layer=7)),
        edit("base", 0, ReplaceBase(image="python:3.12-slim")),
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", [True, False])
def test_all_together_and_once_more(newline: str, end: bool) -> None:
    text = DOCKERFILE.replace("\n", newline)
    text = text if end else text.removesuffix(newline)
    plan = plan_of(every_edit())
    patch = plan.patch(text)
    assert (patch.skipped, patch.matched, patch.instructions) == ((), 10, 10)
    assert patch.text.count("\n") == patch.text.count(newline)
    assert patch.text.endswith(newline) is end
    assert "# pyimginspect: fixes a-rule, os-package-recommends" in patch.text
    again = plan.patch(patch.text)
    assert (again.diff, again.applied) == ("", ())
    assert all(each.settled for each in again.skipped)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("command", [["git", "apply"], ["patch", "-p1", "--binary", "-s"]])
@pytest.mark.parametrize("end", [True, False])
def test_tools_take_the_difference(
    newline: str, command: list[str], end: bool, tmp_path: Path
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]}")
    text = DOCKERFILE.replace("\n", newline)
    text = text if end else text.removesuffix(newline)
    folder = tmp_path / "a folder"
    folder.mkdir()
    file = folder / "Dockerfile"
    file.write_bytes(text.encode())
    patch = plan_of(every_edit()).patch(text, "./a folder/Dockerfile")
    subprocess.run(command, input=patch.diff.encode(), cwd=tmp_path, check=True)
    assert file.read_bytes() == patch.text.encode()


def test_an_edit_is_made_whole_or_not_at_all() -> None:
    half = edit("owner", 6, AddFlag(layer=6, flag="--chown=1"), DropInstruction(layer=99))
    patch = plan_of([half]).patch(DOCKERFILE)
    assert (patch.diff, patch.applied) == ("", ())
    assert patch.skipped[0].reason == "no instruction matches layer 99"


def test_comments_go_with_the_commands_that_are_joined() -> None:
    text = DOCKERFILE.replace("RUN make\n", "# see the notes\nRUN make\n")
    patch = plan_of([edit("delete-early", 4, JoinRuns(layer=4, others=(5,)))]).patch(text)
    assert (
        f"COPY requirements.txt .\n# see the notes\n{FIXES}\n"
        "RUN pip install -r requirements.txt \\\n    && make\nCOPY . .\n"
    ) in patch.text


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        ("apt-get update && apt-get install -y gcc", True),
        ("make", True),
        # What fetches apt's lists again, or deletes them, is not what the other one did.
        ("apt-get update", False),
        ("rm -rf /var/lib/apt/lists/*", False),
    ],
)
def test_comments_go_with_the_commands_that_are_moved(command: str, kept: bool) -> None:
    moved: list[Operation] = [
        DropInstruction(layer=1),
        InsertCommand(layer=4, after=(), command=command),
    ]
    patch = plan_of([edit("purge", 4, *moved)]).patch(DOCKERFILE)
    assert patch.applied
    above = "# what pip needs\n" if kept else ""
    assert f"COPY requirements.txt .\n{above}{FIXES}\nRUN {command.split(' && ')[0]}" in patch.text
    assert patch.text.count("# what pip needs") == kept


@pytest.mark.parametrize(
    ("above", "now"),
    [
        (f"{FIXES}\n", f"{FIXES}, other\n"),
        (f"{FIXES}, other\n", f"{FIXES}, other\n"),
        (f"{FIXES}\n# a note\n", f"{FIXES}\n# a note\n# pyimginspect: fixes other\n"),
    ],
)
def test_the_comment_of_an_earlier_fix_names_the_new_rule_too(above: str, now: str) -> None:
    text = DOCKERFILE.replace("RUN make\n", f"{above}RUN make\n")
    append = AppendCommand(layer=5, command="x")
    patch = plan_of([edit("leave-out", 5, append, rules=("other",))]).patch(text)
    assert f"txt\n\n{now}RUN make \\\n    && x\n" in patch.text


def test_comments_go_with_a_deletion_that_is_moved() -> None:
    moved: list[Operation] = [AppendCommand(layer=5, command="rm -r x"), DropInstruction(layer=7)]
    patch = plan_of([edit("delete-early", 5, *moved)]).patch(DOCKERFILE)
    assert f"# owner\n{FIXES}\nRUN make \\\n    && rm -r x\n" in patch.text


def test_comments_of_what_is_left_out_go_with_it() -> None:
    patch = plan_of([edit("leave-out", 1, DropInstruction(layer=1))]).patch(DOCKERFILE)
    assert "# what pip needs" not in patch.text


def test_a_comment_names_no_rule_where_no_finding_is_cited() -> None:
    """And the next difference, before another build, is empty all the same."""
    plan = plan_of([edit("leave-out", 5, AppendCommand(layer=5, command="x"), rules=())])
    patch = plan.patch(DOCKERFILE)
    assert "# pyimginspect: fixes wasted space (leave-out)\nRUN make" in patch.text
    again = plan.patch(patch.text)
    assert again.diff == ""
    assert (again.skipped[0].settled, again.skipped[0].reason) == (True, BEFORE)


@pytest.mark.parametrize(
    ("copy", "mount"),
    [
        ("COPY requirements.txt .", "source=requirements.txt,target=/x"),
        ("COPY ./w/ .", "source=w,target=/x"),
        ("COPY w/*.whl .", "source=w,target=/x"),
        ("COPY --from=app --chown=1 /w .", "from=app,source=/w,target=/x"),
        ("COPY --from=0 w/*.whl .", "from=0,source=w,target=/x"),
        ("COPY --chmod=755 w .", ""),
        ("COPY . .", ""),
        ("COPY /w .", ""),
        ("COPY *.whl .", ""),
        ("COPY $W .", ""),
        ("COPY a b ./", ""),
    ],
)
def test_a_copy_becomes_a_mount(copy: str, mount: str) -> None:
    text = DOCKERFILE.replace("COPY requirements.txt .", f"# pinned\n{copy}")
    steps = tuple(
        msgspec.structs.replace(each, text=copy.partition(" ")[2]) if each.layer == 3 else each
        for each in STEPS
    )
    plan = msgspec.structs.replace(
        plan_of([edit("narrow-copy", 3, MountCopied(layer=3, runs=(4, 5), target="/x"))]),
        steps=steps,
    )
    patch = plan.patch(text)
    if not mount:
        assert (patch.applied, patch.diff) == ((), "")
        return
    assert copy not in patch.text
    line = f"RUN --mount=type=bind,{mount} pip install -r requirements.txt\n"
    assert f"\n{FIXES}\nRUN --mount=type=bind,{mount} make\n" in patch.text
    assert f"WORKDIR /app\n# pinned\n{FIXES}\n{line}" in patch.text


def test_a_list_of_commands_is_appended_once() -> None:
    append = AppendCommand(layer=5, command="rm -f /a; rm -f /b")
    edits = [edit("delete-early", 5, append), edit("clean-cache", 5, append)]
    patch = plan_of(edits).patch(DOCKERFILE)
    assert patch.text.count("rm -f /a") == 1
    assert "&& { rm -f /a; rm -f /b; }" in patch.text
    assert list(patch.applied) == edits, "what one of them did is the other's work, too"


def test_a_mount_can_be_writable() -> None:
    mount = MountCopied(layer=3, runs=(5,), target="/x", writable=True)
    patch = plan_of([edit("delete-early", 3, mount)]).patch(DOCKERFILE)
    assert "\nRUN --mount=type=bind,source=requirements.txt,target=/x,rw make\n" in patch.text


def test_no_lists_are_fetched_for_what_another_edit_takes_away() -> None:
    first = edit("leave-out", 4, DropInstruction(layer=4))
    cache = edit(
        "clean-cache",
        1,
        DropInstruction(layer=1),
        InsertCommand(layer=4, after=(), command="apt-get update"),
        AppendCommand(layer=4, command="rm -rf /var/lib/apt/lists/*"),
    )
    patch = plan_of([first, cache]).patch(DOCKERFILE)
    assert patch.skipped == ()
    assert "apt-get" not in patch.text


def test_levels() -> None:
    safe = edit("clean-cache", 5, AppendCommand(layer=5, command="x"), level="safe")
    review = edit("base", 0, ReplaceBase(image="y"), reason="another version")
    other = edit("builder-stage", 5, AddFlag(layer=5, flag="--mount=type=tmpfs,target=/x"))
    advice = edit("advice", 5)
    plan = plan_of([safe, review, other, advice])
    assert plan.patch(DOCKERFILE).applied == (safe, review, other)
    patch = plan.patch(DOCKERFILE, level="safe")
    assert patch.applied == (safe,)
    assert [(each.reason, each.settled) for each in patch.skipped] == [
        ("it needs a decision that no edit can make", False),
        ("it needs a review: another version", False),
        ("it needs a review", False),
    ]


@pytest.mark.parametrize(
    ("layer", "operation"),
    [
        (0, ReplaceBase(image="python:3.12")),
        (1, InsertCommand(layer=1, after=(), command="apt-get update")),
    ],
)
def test_what_the_dockerfile_has_already(layer: int, operation: Operation) -> None:
    (skipped,) = plan_of([edit("advice", layer, operation)]).patch(DOCKERFILE).skipped
    assert (skipped.reason, skipped.settled) == ("the Dockerfile has it already", True)


@pytest.mark.parametrize(
    ("mark", "reason"), [("", "no instruction matches layer 99"), (FIXES, BEFORE)]
)
def test_an_instruction_that_is_not_there_may_have_gone_by_an_earlier_fix(
    mark: str, reason: str
) -> None:
    text = DOCKERFILE.replace("RUN make", f"{mark}\nRUN other")
    (skipped,) = plan_of([edit("owner", 99, DropInstruction(layer=99))]).patch(text).skipped
    assert (skipped.reason, skipped.settled) == (reason, bool(mark))


@pytest.mark.parametrize(
    ("shell", "place", "refused"),
    [
        ('["/bin/bash", "-o", "pipefail", "-c"]', "RUN make", False),
        ('["/bin/dash"]', "RUN make", False),
        ('["powershell", "-Command"]', "RUN make", True),
        ('["/usr/bin/fish", "-c"]', "WORKDIR", True),
        ("[]", "RUN make", True),
        # of what comes after it alone
        ('["powershell", "-Command"]', "COPY . .", False),
    ],
)
def test_only_commands_of_posix_shells_are_changed(shell: str, place: str, refused: bool) -> None:
    text = DOCKERFILE.replace(place, f"SHELL {shell}\n{place}", 1)
    patch = plan_of([edit("delete-early", 5, AppendCommand(layer=5, command="x"))]).patch(text)
    reasons = [each.reason for each in patch.skipped]
    assert reasons == (["its SHELL is no POSIX shell"] if refused else [])


def test_what_stands_apart_from_what_goes_stays() -> None:
    text = DOCKERFILE.replace("# owner\n", "# --- the application ---\n\n# owner\n")
    patch = plan_of([edit("owner", 7, DropInstruction(layer=7))]).patch(text)
    assert "COPY . .\n# --- the application ---\n\nUSER 1000\n" in patch.text


def test_what_an_edit_takes_away_is_not_changed_by_another() -> None:
    gone = edit("leave-out", 5, DropInstruction(layer=5))
    late = edit("clean-cache", 5, AppendCommand(layer=5, command="x"))
    (skipped,) = plan_of([late, gone]).patch(DOCKERFILE).skipped
    assert (skipped.edit, skipped.settled) == (late, True)
    assert skipped.reason == "another edit takes the instruction away"


@pytest.mark.parametrize(
    ("old", "new", "operation", "reason"),
    [
        ("RUN make", 'RUN ["make"]', AppendCommand(layer=5, command="x"), "JSON form"),
        ("RUN make", "USER 5\nRUN make", JoinRuns(layer=4, others=(5,)), "sets what the commands"),
        ("COPY . .", "COPY --from=x . .", NarrowCopy(layer=3, sources=()), None),
        (
            "CMD",
            "FROM app AS other\nRUN x\nFROM app\nCMD",
            ReplaceBase(image="y"),
            "the stage in line 23 begins with it too",
        ),
        # The image's own stages may begin with one another.
        ("CMD", "FROM app\nCMD", ReplaceBase(image="y"), None),
    ],
)
def test_what_is_refused(old: str, new: str, operation: Operation, reason: str | None) -> None:
    text = DOCKERFILE.replace(old, new, 1)
    patch = plan_of([edit("advice", 5, operation)]).patch(text)
    assert (patch.skipped[0].reason if patch.skipped else None) is None or (
        reason is not None and reason in patch.skipped[0].reason
    )
    assert (reason is None) is (not patch.skipped)


@pytest.mark.parametrize(
    ("layer", "line", "operation", "reason"),
    [
        (4, "RUN <<EOF\nx\nEOF", JoinRuns(layer=4, others=(5,)), "a here-document is not joined"),
        (5, "RUN <<EOF\nx\nEOF", JoinRuns(layer=4, others=(5,)), "a here-document is not joined"),
        (4, "RUN x && cd y && z", JoinRuns(layer=4, others=(5,)), "it changes the directory"),
        (5, "RUN x", JoinRuns(layer=5, others=(4,)), "stands before the other"),
        (6, "ADD . .", NarrowCopy(layer=6, sources=("a",)), "it is no COPY of one directory"),
        (6, "COPY a b ./", NarrowCopy(layer=6, sources=("a",)), "it is no COPY of one directory"),
        (6, "COPY <<a ./", NarrowCopy(layer=6, sources=("a",)), "it is no COPY of one directory"),
    ],
)
def test_what_cannot_be_changed_so(
    layer: int, line: str, operation: Operation, reason: str
) -> None:
    step = next(each for each in STEPS if each.layer == layer)
    word, _, text = line.partition(" ")
    text = text.replace("<<EOF\nx\nEOF", "x\n")
    steps = [Step(word=word, text=text, layer=layer) if each is step else each for each in STEPS]
    line += "\na" if "<<a" in line else ""
    text = DOCKERFILE.replace(f"{step.word} {step.text}", line)
    (skipped,) = plan_of([edit("advice", 1, operation)], steps).patch(text).skipped
    assert reason in skipped.reason


def test_a_base_is_known_by_what_stands_before_its_instruction() -> None:
    text = DOCKERFILE.replace("WORKDIR", "ARG V=3.11\nWORKDIR", 1)
    patch = plan_of([edit("base", 0, ReplaceBase(image="python:3.12-slim"))]).patch(text)
    assert "FROM python:${V}-slim AS app\n" in patch.text


def test_no_secret_of_the_history_gets_into_the_text() -> None:
    patch = plan_of(every_edit()).patch(DOCKERFILE)
    assert "hunter2" not in patch.text + patch.diff
    from pyimginspect.formats.plan import as_json

    steps = [
        msgspec.structs.replace(each, text="TOKEN=hunter2") if each.word == "ARG" else each
        for each in STEPS
    ]
    document = as_json(plan_of(every_edit(), steps))
    assert "hunter2" not in document
    assert [each.text for each in plan_of((), steps).without_values().steps] == [
        each.text for each in STEPS
    ]
    again = msgspec.json.decode(document)
    assert [each["operations"][0]["type"] for each in again["edits"]][:2] == [
        "add-option",
        "drop-packages",
    ]


def test_an_edit_by_hand_has_no_figures() -> None:
    made = edit("advice", 5)
    assert (made.saving, made.compressed, made.adds, made.estimated) == (0, 0, 0, False)
    assert not Skipped(edit=made, reason="x").settled


def test_another_image() -> None:
    with pytest.raises(DockerfileMismatchError, match="0 of 2 instructions match"):
        plan_of(every_edit()).patch("FROM x\nRUN a\nRUN b\n")


def test_a_difference() -> None:
    assert unified_diff("a\n", "a\n") == ""
    assert unified_diff("a", "b\n", "/x/y z") == (
        "--- a/x/y z\t\n+++ b/x/y z\t\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n"
    )
