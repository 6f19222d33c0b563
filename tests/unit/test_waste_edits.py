"""Edits about bytes that no container sees: where they go, and what is left alone."""

from collections.abc import Mapping

import pytest

from pyimginspect.plan import Plan, make_plan, reconstruct
from tests.images import Content, File, Link
from tests.inventories import on_slim, taken

MB = b"x" * 1_000_000
SITE = "usr/local/lib/python3.13/site-packages"

Tree = Mapping[str, Content]


def planned(*layers: Tree, steps: list[str]) -> tuple[Plan, list[str]]:
    found = taken(on_slim(*layers, history=steps))
    plan = make_plan(found)
    lines = reconstruct(found, plan).splitlines()
    return plan, [line for line in lines if not line.startswith("#")]


ONE: Tree = {"app/x": File(MB)}
CHANGED: Tree = {"app/x": File(MB, mode=0o700)}


@pytest.mark.parametrize(
    ("copy", "command", "line"),
    [
        ("COPY x /app/", "chmod 700 /app/x", "COPY --chmod=700 x /app/"),
        ("COPY x /app/", "chmod u=rwx,go= /app/x", "COPY --chmod=700 x /app/"),
        ("COPY x /app/", "chmod -R 700 /app", "COPY --chmod=700 x /app/"),
        ("COPY --chmod=644 x /app/", "chmod 700 /app/x", "COPY --chmod=700 x /app/"),
        ("COPY --chown=a:b x /app/", "chmod 700 /app/x", "COPY --chmod=700 --chown=a:b x /app/"),
        ("ADD x /app/", "chmod 700 /app/x", "ADD --chmod=700 x /app/"),
    ],
)
def test_a_mode_is_given_as_the_file_comes(copy: str, command: str, line: str) -> None:
    plan, lines = planned(ONE, CHANGED, steps=[copy, f"RUN {command}"])
    (edit,) = plan.edits
    assert (edit.kind, edit.layer, edit.saving, edit.others) == ("owner", 4, 1_000_000, (5,))
    assert lines[-1] == line
    assert not any(each.startswith("RUN") for each in lines)


@pytest.mark.parametrize(
    ("made", "changed", "steps"),
    [
        # other files come with it
        ({**ONE, "app/y": "y"}, CHANGED, ["COPY . /app", "RUN chmod 700 /app/x"]),
        # directories come with it, which nobody could search
        ({"app/x": File(MB), "app/d/y": File(MB)},
         {"app/x": File(MB, mode=0o600), "app/d/y": File(MB, mode=0o600)},
         ["COPY . /app", "RUN chmod 600 /app/x /app/d/y"]),
        # it may or may not run
        (ONE, CHANGED, ["COPY x /app/", "RUN if true; then chmod 700 /app/x; fi"]),
        # two modes
        ({**ONE, "app/y": File(MB)}, {**CHANGED, "app/y": File(MB, mode=0o755)},
         ["COPY . /app", "RUN chmod 700 /app/x && chmod 755 /app/y"]),
    ],
)  # fmt: skip
def test_a_mode_that_copy_cannot_give_is_advice(
    made: Tree, changed: Tree, steps: list[str]
) -> None:
    plan, lines = planned(made, changed, steps=steps)
    assert [(edit.kind, edit.layer) for edit in plan.edits] == [("advice", 5)]
    assert "chmod" in "".join(lines)


def test_owner_and_mode_in_one() -> None:
    changed: Tree = {"app/x": File(MB, mode=0o700, uid=5, gid=6)}
    command = "chown -R 5:6 /app && chmod 700 /app/x"
    plan, lines = planned(ONE, changed, steps=["COPY x /app/", f"RUN {command}"])
    assert plan.saving == 1_000_000
    assert lines[-1] == "COPY --chmod=700 --chown=5:6 x /app/"
    plan, lines = planned(ONE, changed, steps=["RUN make", f"RUN {command}"])
    assert lines[-3:] == ["RUN make \\", "    && chown -R 5:6 /app \\", "    && chmod 700 /app/x"]


def version(number: str, data: bytes) -> dict[str, Content]:
    info = f"{SITE}/acme-{number}.dist-info"
    return {
        f"{SITE}/acme/data.py": File(data),
        f"{info}/METADATA": f"Name: acme\nVersion: {number}\n",
        f"{info}/RECORD": f"acme/data.py,,\nacme-{number}.dist-info/METADATA,,\n",
    }


def test_what_is_replaced_is_installed_in_one_run() -> None:
    old, new = version("1.0", MB), version("2.0", MB[1:])
    gone: dict[str, Content] = {f"{SITE}/.wh.acme-1.0.dist-info": ""}
    steps = ["RUN pip install acme==1.0", "RUN pip install acme==2.0"]
    plan, lines = planned(old, {**new, **gone}, steps=steps)
    (edit,) = plan.edits
    assert (
        edit.words == "install and upgrade acme in one RUN (layers 4 to 5), not one after another"
    )
    assert edit.rules == ("overwritten-files",)
    assert lines[-2:] == ["RUN pip install acme==1.0 \\", "    && pip install acme==2.0"]


def test_runs_that_should_be_one_are_one_however_many_reasons_there_are() -> None:
    first: Tree = {"tmp/a": File(MB)}
    second: dict[str, Content] = {"tmp/.wh.a": "", "tmp/b": File(MB)}
    third: Tree = {"tmp/.wh.b": "", "app/x": "x"}
    plan, lines = planned(first, second, third, steps=["RUN one", "RUN two", "RUN three"])
    (edit,) = plan.edits
    assert (edit.layer, edit.others, edit.saving) == (4, (5, 6), 2_000_000)
    assert lines[-3:] == ["RUN one \\", "    && two \\", "    && three"]


def test_chown_between_a_deletion_and_what_it_deletes_is_in_the_same_run() -> None:
    first: Tree = {"app/a": File(MB), "app/b": File(MB)}
    second: Tree = {"app/b": File(MB, uid=5)}
    plan, lines = planned(
        first, second, {"app/.wh.a": ""}, steps=["RUN one", "RUN chown a /app/b", "RUN rm /app/a"]
    )
    assert [edit.kind for edit in plan.edits] == ["delete-early"]
    assert plan.saving == 2_000_000
    assert lines[-3:] == ["RUN one \\", "    && chown a /app/b \\", "    && rm /app/a"]


def test_what_is_copied_again_is_named_by_what_differs() -> None:
    tree: dict[str, Content] = {"app/x": File(MB), "app/l": Link("x")}
    again: dict[str, Content] = {**tree, "app/new": "1"}
    plan, _ = planned(tree, again, steps=["COPY app /app", "COPY app /app"])
    (edit,) = plan.edits
    assert (edit.kind, edit.layer, edit.saving) == ("narrow-copy", 5, 1_000_000)
    assert edit.words == "COPY only what the layers below do not have: /app/new"
    assert edit.command == "/app/new"
    again["app/l"] = Link("new")
    plan, _ = planned(tree, again, steps=["COPY app /app", "COPY app /app"])
    assert plan.edits[0].command == "cp -a --parents app/l app/new /"


@pytest.mark.parametrize(("count", "named"), [(3, True), (8, True), (9, False)])
def test_site_packages_are_better_copied_from_an_environment(count: int, named: bool) -> None:
    """Nobody writes a COPY for each distribution."""
    base: Tree = {f"{SITE}/big/data.py": File(MB)}
    new = {f"{SITE}/new{n}/x.py": "x" for n in range(count)}
    plan, _ = planned(
        base,
        {**base, **new, f"{SITE}/big/data.py": File(MB, mtime=7)},
        steps=["RUN pip install big", f"COPY /{SITE} /{SITE}"],
    )
    (edit,) = plan.edits
    assert bool(edit.operations) == named
    if not named:
        assert edit.command == ""
        assert edit.words.startswith("install into a virtual environment, or with --prefix, where ")
        assert len(edit.words) < 200
