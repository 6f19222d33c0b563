"""Edits about bytes that no container sees: where they go, and what is left alone."""

from collections.abc import Mapping

import pytest

from pyimginspect.plan import Plan, make_plan, reconstruct
from pyimginspect.plan.operations import DropInstruction, NarrowCopy, Operation
from tests.images import Content, Directory, File, Link
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


@pytest.mark.parametrize(
    ("count", "script", "named"), [(3, "", True), (8, "", True), (9, "", False), (9, "s", False)]
)
def test_site_packages_are_better_copied_from_an_environment(
    count: int, script: str, named: bool
) -> None:
    """Nobody writes a COPY for each distribution, whatever else is copied with them."""
    base: Tree = {f"{SITE}/big/data.py": File(MB)}
    new = {f"{SITE}/new{n}/x.py": "x" for n in range(count)}
    scripts = {f"usr/local/bin/{script}": "#!/usr/local/bin/python3\n"} if script else {}
    top = "usr/local" if script else SITE
    plan, _ = planned(
        base,
        {**base, **new, **scripts, f"{SITE}/big/data.py": File(MB, mtime=7)},
        steps=["RUN pip install big", f"COPY /{top} /{top}"],
    )
    (edit,) = plan.edits
    assert bool(edit.operations) == named
    if not named:
        assert edit.command == ""
        assert edit.words.startswith("install into a virtual environment, or with --prefix, where ")
        assert len(edit.words) < 200


# --- stored again -------------------------------------------------------------------------------
APP: Tree = {"app/": Directory(), "app/x": File(MB)}
NEW = [f"app/n{number}" for number in range(9)]
ONLY = "only what the layers below do not have:"
REVIEW = "what a later build makes elsewhere has to be named too"


@pytest.mark.parametrize(
    ("again", "step", "words", "command", "operation"),
    [
        (APP, "RUN touch /app/x", "leave /app/x as it is in layer 5, which changes nothing there",
         "", None),
        (
            {**APP, "app/": Directory(uid=5)},
            "COPY app /app",
            "set the owner and mode of /app where it is made, and drop this COPY: the layers below"
            " have its files",
            "",
            None,
        ),
        (APP, "ADD app /app", "drop this ADD: the layers below have all that it brings",
         "", DropInstruction(layer=5)),
        (
            {**APP, **dict.fromkeys(NEW[:8], "n")},
            "COPY --link app /app/",
            f"COPY {ONLY} {', '.join(f'/{path}' for path in NEW[:8])}",
            " ".join(f"/{path}" for path in NEW[:8]),
            NarrowCopy(layer=5, sources=tuple(path[4:] for path in NEW[:8])),
        ),
        (  # too many for a COPY each
            {**APP, **dict.fromkeys(NEW, "n")},
            "COPY app /app",
            f"COPY {ONLY} {', '.join(f'/{path}' for path in NEW[:8])} and 1 more",
            " ".join(f"/{path}" for path in NEW),
            None,
        ),
        (
            {**APP, "etc/new": "n"},
            "COPY root /",
            f"COPY {ONLY} /etc",
            "/etc",
            NarrowCopy(layer=5, sources=("etc",)),
        ),
        # Several sources, a target from the working directory, one that is a link to elsewhere.
        ({**APP, "app/n": "n"}, "COPY a b /app/", f"COPY {ONLY} /app/n", "/app/n", None),
        ({**APP, "app/n": "n"}, "COPY app app", f"COPY {ONLY} /app/n", "/app/n", None),
        ({**APP, "app/n": "n", "srv/n": "n"}, "COPY app /app", f"COPY {ONLY} /app/n, /srv",
         "/app/n /srv", None),
        (
            {**APP, "app/l": Link("x"), "app/n": "n"},
            "COPY app /app",
            f"COPY {ONLY} /app/l, /app/n",
            "cp -a --parents app/l app/n /",
            None,
        ),
    ],
)  # fmt: skip
def test_what_is_stored_again_is_left_out(
    again: Tree, step: str, words: str, command: str, operation: Operation | None
) -> None:
    plan, _ = planned(APP, again, steps=["COPY app /app", step])
    (edit,) = plan.edits
    assert (edit.words, edit.command, edit.saving) == (words, command, 1_000_000)
    assert edit.operations == ((operation,) if operation else ())
    assert edit.kind == ("narrow-copy" if operation else "advice")
    drops = isinstance(operation, DropInstruction)
    assert (edit.level, edit.reason) == (("safe", "") if drops else ("review", REVIEW))


def test_what_came_again_and_is_gone_has_to_be_copied_all_the_same() -> None:
    again = {**APP, "app/n": "n", "app/m": "m"}
    plan, _ = planned(APP, again, {"app/.wh.n": ""}, steps=["COPY app /app"] * 2 + ["RUN rm n"])
    assert plan.edits[0].command == "/app/m /app/n"


@pytest.mark.parametrize("kind", ["again", "overwritten"])
@pytest.mark.parametrize(("size", "named"), [(4095, False), (4096, True)])
def test_what_is_stored_again_is_named_from_a_page_on(kind: str, size: int, named: bool) -> None:
    first, second = MB[:size], MB[:size] if kind == "again" else b"y"
    steps = ["COPY a /app/", "COPY b /app/"]
    plan, _ = planned({"app/x": File(first)}, {"app/x": File(second)}, steps=steps)
    assert [edit.saving for edit in plan.edits] == ([size] if named else [])


# --- in one RUN ---------------------------------------------------------------------------------
BIG: Tree = {"tmp/big": File(MB)}
NO_BIG: Tree = {"tmp/.wh.big": ""}
BESIDE: Tree = {"app/x": "x"}


def deleted(names: str) -> tuple[Tree, Tree]:
    """A layer that makes files in directories, and one that deletes them."""
    made = {f"srv/{name}/x": File(MB) for name in names}
    return made, {f"srv/{name}/.wh.x": "" for name in names}


@pytest.mark.parametrize(
    ("layers", "steps", "words", "command"),
    [
        (
            [BIG, NO_BIG],
            ["RUN fetch", "RUN rm /tmp/big"],
            "make and delete /tmp/big in one RUN (layers 4 to 5), not one after another",
            "rm /tmp/big",
        ),
        (
            [BIG, BESIDE, NO_BIG],
            ["RUN fetch", "COPY x /app/", "RUN rm /tmp/big"],
            "make and delete /tmp/big in one RUN of layer 4, not in layer 6",
            "rm /tmp/big",
        ),
        (
            [BIG, BESIDE, {"app/y": "y"}, NO_BIG],
            ["RUN fetch", "RUN use", "COPY x /app/", "RUN rm /tmp/big"],
            "make and delete /tmp/big in one RUN (layers 4 to 5), not in layer 7",
            "use && rm /tmp/big",
        ),
        (
            [*deleted("abc")],
            ["RUN fetch", "RUN clean"],
            "make and delete /srv/a/x, /srv/b/x, /srv/c/x in one RUN (layers 4 to 5), not one after"
            " another",
            "clean",
        ),
        (
            [*deleted("abcd")],
            ["RUN fetch", "RUN clean"],
            "make and delete /srv/a/x, /srv/b/x, /srv/c/x and 1 more in one RUN (layers 4 to 5),"
            " not one after another",
            "clean",
        ),
    ],
)
def test_what_is_done_in_one_run_is_said(
    layers: list[Tree], steps: list[str], words: str, command: str
) -> None:
    plan, _ = planned(*layers, steps=steps)
    (edit,) = plan.edits
    assert (edit.words, edit.command) == (words, command)
    assert edit.rules == ("deleted-but-shipped",)


@pytest.mark.parametrize(
    ("made", "steps", "where"),
    [
        ("a", ["COPY a /srv/"], "layer 4"),
        ("ab", ["COPY a /srv/", "COPY b /srv/"], "layers 4 to 5"),
        ("abc", ["COPY a /srv/", "COPY b /srv/", "COPY c /srv/"], "layers 4 to 6"),
    ],
)
def test_where_files_are_made_that_a_later_layer_deletes(
    made: str, steps: list[str], where: str
) -> None:
    layers: list[Tree] = [{f"srv/d/{name}{n}": File(MB) for n in "12"} for name in made]
    last = 4 + len(made)
    plan, _ = planned(*layers, {"srv/.wh.d": ""}, steps=[*steps, "RUN clean"])
    (edit,) = plan.edits
    assert edit.words == f"delete /srv/d in the RUN that made it ({where}), not in layer {last}"
    assert (edit.kind, edit.layer, edit.others) == ("advice", 4, (last,))


LOG = "var/log/dpkg.log"


@pytest.mark.parametrize(
    ("layers", "steps"),
    [
        ([], ["RUN fetch", "RUN rm /tmp/big && x"]),
        ([BESIDE], ["RUN fetch", "COPY x /app/", "RUN rm /tmp/big && apt-get clean"]),
    ],
)
def test_what_commands_of_one_run_overwrite_of_each_other_is_stored_once(
    layers: list[Tree], steps: list[str]
) -> None:
    """A package manager's log, say; what a later instruction overwrites is stored twice still."""
    sizes = (5000, 6000, 7000)
    first, last, later = ({LOG: File(MB[:size])} for size in sizes)
    plan, _ = planned(
        {**BIG, **first}, *layers, {**NO_BIG, **last}, later, steps=[*steps, "COPY log /"]
    )
    (edit,) = plan.edits
    assert (edit.kind, edit.saving) == ("delete-early", 1_005_000)
