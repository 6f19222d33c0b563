"""Deletions that come too late: which RUNs become one, and which deletions move to its end."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pyimginspect.plan import Edit, make_plan
from pyimginspect.plan.operations import AppendCommand, DropInstruction, JoinRuns, Operation
from tests.images import Content, File
from tests.inventories import on_slim, taken

MB = b"x" * 1_000_000
Layer = Mapping[str, Content]


def made(*names: str) -> dict[str, Content]:
    return {f"tmp/{name}": File(MB) for name in names}


def gone(*names: str) -> dict[str, Content]:
    return {f"tmp/.wh.{name}": "" for name in names}


def edits(layers: Sequence[Layer], history: Sequence[Any]) -> list[Edit]:
    return list(make_plan(taken(on_slim(*layers, history=history))).edits)


@pytest.mark.parametrize(
    ("layers", "history", "others", "operations"),
    [
        (
            [made("a"), made("b"), gone("a"), gone("b")],
            ["RUN a", "RUN b", "RUN rm /tmp/a", "RUN rm /tmp/b"],
            (5, 6, 7),
            (JoinRuns(layer=4, others=(5, 6, 7)),),
        ),
        (  # one RUN in common is enough
            [made("a"), {**made("b"), **gone("a")}, gone("b")],
            ["RUN a", "RUN rm /tmp/a && b", "RUN rm /tmp/b"],
            (5, 6),
            (JoinRuns(layer=4, others=(5, 6)),),
        ),
        (  # the second is within the first
            [made("a"), made("b"), gone("b"), {"x": "x"}, gone("a")],
            ["RUN a", "RUN b", "RUN rm /tmp/b", "RUN c", "RUN rm /tmp/a"],
            (5, 6, 7, 8),
            (JoinRuns(layer=4, others=(5, 6, 7, 8)),),
        ),
        (  # one behind a COPY moves to the end of it
            [made("a"), {**made("b"), **gone("a")}, {"x": "x"}, gone("b")],
            ["RUN a", "RUN rm /tmp/a && b", "COPY x /", "RUN rm /tmp/b"],
            (5, 7),
            (
                JoinRuns(layer=4, others=(5,)),
                AppendCommand(layer=5, command="rm /tmp/b"),
                DropInstruction(layer=7),
            ),
        ),
    ],
)
def test_spans_with_a_run_in_common_are_one(
    layers: list[Layer],
    history: list[str],
    others: tuple[int, ...],
    operations: tuple[Operation, ...],
) -> None:
    (edit,) = edits(layers, history)
    assert (edit.kind, edit.layer, edit.saving) == ("delete-early", 4, 2_000_000)
    assert (edit.others, edit.operations) == (others, operations)


def test_spans_apart_are_two_edits() -> None:
    layers: list[Layer] = [made("a"), gone("a"), {"x": "x"}, made("b"), gone("b")]
    history = ["RUN a", "RUN rm /tmp/a", "COPY x /", "RUN b", "RUN rm /tmp/b"]
    assert [edit.operations for edit in edits(layers, history)] == [
        (JoinRuns(layer=4, others=(5,)),),
        (JoinRuns(layer=7, others=(8,)),),
    ]


def test_what_a_copy_below_brings_is_no_affair_of_the_runs_above() -> None:
    layers: list[Layer] = [
        {"opt/a": File(MB)},
        made("b"),
        {"x": "x"},
        {**gone("b"), "opt/.wh.a": ""},
    ]
    history = ["COPY a /opt/", "RUN b /opt/a", "RUN c /opt/a", "RUN rm /opt/a /tmp/b"]
    found = {edit.layer: (edit.saving, edit.operations) for edit in edits(layers, history)}
    assert found[5] == (1_000_000, (JoinRuns(layer=5, others=(6, 7)),))


@pytest.mark.parametrize(
    ("between", "removing", "history"),
    [
        # It does not only delete, or there is no command.
        ({"x": "x"}, {}, ["COPY x /", "RUN rm /tmp/a && make"]),
        ({"x": "x"}, {}, ["COPY x /", "COPY --from=b / /"]),
        # One of the paths is another one where the directory was another one.
        ({}, {}, ["WORKDIR /tmp", "RUN rm -f /tmp/x && rm a"]),
        ({}, {}, ["ENV HOME=/tmp", "COPY x /", "RUN rm -f ~/a"]),
        # It writes something again that came in between.
        ({"etc/x": "x"}, {"etc/x": "y"}, ["COPY x /etc/", "RUN rm /tmp/a && apt-get purge -y x"]),
        ({"etc/x": "x"}, {"etc/x": "y"}, ["COPY x /etc/", "RUN rm /tmp/a && apt-get clean"]),
    ],
)
def test_a_deletion_that_cannot_move_is_advice(
    between: Layer, removing: Layer, history: list[str]
) -> None:
    layers = [made("a"), between, {**gone("a"), **removing}]
    (edit,) = (e for e in edits(layers, ["RUN a", *history]) if e.saving == 1_000_000)
    assert (edit.kind, edit.layer, edit.operations) == ("advice", 4, ())


def test_directories_that_a_deletion_leaves_do_not_keep_it() -> None:
    """Each layer that changes something in a directory has an entry for it."""
    layers: list[Layer] = [made("a"), {"etc/": None, "etc/x": "x"}, {**gone("a"), "etc/": None}]
    (edit,) = edits(layers, ["RUN a", "COPY x /etc/", "RUN rm /tmp/a"])
    assert edit.operations == (
        AppendCommand(layer=4, command="rm /tmp/a"),
        DropInstruction(layer=6),
    )
