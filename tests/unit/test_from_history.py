"""The Dockerfile that a history tells of: the base, each instruction, and what is missing."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from pyimginspect.inventory.collect import Inventory
from pyimginspect.plan import Edit, make_plan, reconstruct
from pyimginspect.plan.from_history import from_history
from pyimginspect.plan.operations import AddOption
from tests.images import Content, File, image
from tests.inventories import on_slim, taken

MB = b"x" * 1_000_000
FROM = "FROM python:3.13.1-slim-bookworm"


def inventory(history: Sequence[Any], env: Sequence[str] = ()) -> Inventory:
    """An image on slim with one small layer for each step that makes one."""
    made = sum(not str(step).startswith(("ENV", "CMD", "ARG")) for step in history)
    layers: list[Mapping[str, Content]] = [{f"x{number}": "y"} for number in range(made)]
    one = on_slim(*layers, history=history)
    one.config["config"]["Env"] += env
    return taken(one)


def written(*history: Any, env: Sequence[str] = ()) -> list[str]:
    """The lines after FROM."""
    lines = from_history(inventory(history, env)).splitlines()
    assert lines[1:3] == ["", FROM]
    return lines[3:]


@pytest.mark.parametrize(
    ("history", "lines"),
    [
        (["COPY a /b", "ENV A=1"], ["COPY a /b", "ENV A=1"]),
        # The base's own CMD ends it; where nothing follows, it may be the application's.
        ([], ["CMD []"]),
        # One that stands after a layer of the application is the application's.
        (["COPY a /b", 'CMD ["python3"]', "ENV A=1"], ["COPY a /b", "CMD []", "ENV A=1"]),
    ],
)
def test_the_application_begins_after_the_base(history: list[str], lines: list[str]) -> None:
    assert written(*history) == lines


def test_an_image_without_a_base_is_written_from_its_first_step() -> None:
    found = taken(image([{"a": "x"}, {"b": "y"}], history=["COPY a /", "COPY b /"]))
    assert from_history(found).splitlines()[-3:] == ["FROM scratch", "COPY a /", "COPY b /"]


@pytest.mark.parametrize("name", ["", "x\nRUN evil", "x AS y", "x # y"])
def test_a_base_without_a_name_that_can_be_pulled_is_left_to_the_reader(name: str) -> None:
    """A name may come from an annotation, which says anything."""
    found = inventory(["COPY a /b"])
    base = msgspec.structs.replace(found.base, name=name)
    lines = from_history(msgspec.structs.replace(found, base=base)).splitlines()
    assert lines[1:] == [
        "# No name of the base image (4 layers) is known: after FROM, write the one that",
        "# it is pulled by, in place of scratch.",
        "",
        "FROM scratch",
        "COPY a /b",
    ]


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("a  \t  b   'c   d'", ["RUN a b 'c   d'"]),
        ("a &&     b;   c", ["RUN a \\", "    && b; \\", "    c"]),
        ("set -e\na  'b'", ["RUN <<'END_OF_RUN'", "set -e", "a  'b'", "END_OF_RUN"]),
        # What cannot be read stays as it is, in a here-document where it may have a comment.
        ("echo   'a", ["RUN echo   'a"]),
        ("echo 'a # b", ["RUN <<'END_OF_RUN'", "echo 'a # b", "END_OF_RUN"]),
    ],
)  # fmt: skip
def test_a_command_is_written_with_a_line_for_each_part(command: str, lines: list[str]) -> None:
    assert written(f"RUN {command}") == lines


def test_values_with_blanks_are_quoted_each_by_itself() -> None:
    env = ["A=one two", "B=2", "C=three four", "D=4"]
    assert written("ENV A=one two B=2 C=three four D=4", "COPY a /b", env=env) == [
        'ENV A="one two" B=2 C="three four" D=4',
        "COPY a /b",
    ]


OTHER = "# The history does not tell from which stage or image this was copied, if from any:"


@pytest.mark.parametrize(
    ("step", "comment"),
    [
        ("COPY /a /b", OTHER),
        ("COPY /a /b /c/", OTHER),
        ("COPY --chown=1:2 /a /b", OTHER),
        ("COPY /a b /c/", ""),
        ("COPY a /b", ""),
        ("COPY --chown=1:2 a /b", ""),
        ("COPY /a", ""),
    ],
)
def test_what_may_come_from_a_stage_is_said(step: str, comment: str) -> None:
    assert written(step) == [*([comment] if comment else []), step]


@pytest.mark.parametrize(("length", "known"), [(40, True), (41, False)])
def test_only_a_short_value_of_small_letters_is_no_secret(length: int, known: bool) -> None:
    argument = f"ARG MODE={'a' * length}"
    lines = written(argument, "COPY a /b")
    assert lines[-2:] == [argument if known else "ARG MODE", "COPY a /b"]
    assert len(lines) == (2 if known else 3)


def test_only_edits_that_would_do_something_are_said_not_to_be_made() -> None:
    cached: Mapping[str, Content] = {"root/.cache/pip/x": File(MB)}
    found = taken(on_slim(cached, history=["RUN pip install a"]))
    plan = make_plan(found)
    (edit,) = plan.edits
    other = AddOption(layer=4, manager="uv", option="--no-cache")
    advice = msgspec.structs.replace(edit, kind="advice", operations=())
    refused = msgspec.structs.replace(edit, operations=(other,))

    def said(*edits: Edit) -> list[str]:
        text = reconstruct(found, msgspec.structs.replace(plan, edits=edits))
        return [line for line in text.splitlines() if line.startswith("# Not edited: ")]

    assert [line.startswith(f"# Not edited: {edit.words}: ") for line in said(refused)] == [True]
    # Advice has nothing to do, and of what another edit does nothing is left.
    assert said(edit) == said(advice) == said(edit, edit) == []
