"""The fix of a finding is the text of the edits that answer it, so that report and plan agree."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from pyimginspect.api import OpenedImage
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import contents_of
from pyimginspect.plan import make_plan
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.records import Edit, EditKind
from pyimginspect.reporting import with_edits
from pyimginspect.rules import Claim, Rule
from tests.images import Content, File, Package
from tests.inventories import apt, on_slim, read, taken
from tests.reports import finding

LISTS = "var/lib/apt/lists"
GCC: Mapping[str, Package] = {
    "gcc": {"Depends": "gcc-12"},
    "gcc-12": {"files": {"usr/bin/gcc-12": File(b"x" * 1_000_000, mode=0o755)}},
}
CACHE: Mapping[str, Content] = {"root/.cache/pip/http/x": File(bytes(2_000_000))}


def fixes(layers: Sequence[Mapping[str, Content]], history: Sequence[str]) -> dict[str, str]:
    """The fix of each rule's finding in the report of an image on a slim base."""
    report = OpenedImage(read(on_slim(*layers, history=history))).report()
    return {each.rule: each.fix for each in report.findings}


@pytest.mark.parametrize(
    ("layers", "history", "rule", "fix"),
    [
        (
            [apt(GCC), {"app/x": "1"}],
            ["RUN apt-get update && apt-get install -y gcc", "COPY x /app/"],
            "leftover-build-tool",
            "do not install gcc gcc-12: no later instruction builds anything",
        ),
        (
            [apt(GCC), {"app/x.so": "1"}],
            ["RUN apt-get update && apt-get install -y gcc gcc-12", "RUN gcc -o /app/x.so x.c"],
            "leftover-build-tool",
            "install gcc gcc-12 and purge them again in one RUN (layer 5), which builds (apt-get"
            " purge -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false -o"
            " APT::AutoRemove::SuggestsImportant=false gcc gcc-12)",
        ),
        (
            [CACHE],
            ["RUN pip install flask"],
            "package-cache",
            "keep no pip cache: --no-cache-dir",
        ),
        (
            [{f"{LISTS}/x": File(b"z" * 2_000_000)}],
            ["RUN apt-get update"],
            "package-cache",
            "fetch apt's lists in the RUN that installs, and delete them there (rm -rf"
            " /var/lib/apt/lists/*)",
        ),
        (
            [{"app/x": File(b"y" * 100_000)}, {"app/.wh.x": ""}],
            ["RUN curl -o /app/x http://x", "RUN rm /app/x"],
            "deleted-but-shipped",
            "make and delete /app/x in one RUN (layers 4 to 5), not one after another",
        ),
    ],
)
def test_the_report_says_what_the_plan_says(
    layers: list[Mapping[str, Content]], history: list[str], rule: str, fix: str
) -> None:
    assert fixes(layers, history)[rule] == fix
    opened = OpenedImage(read(on_slim(*layers, history=history)))
    said = [each.fix for each in opened.plan.edits if rule in each.rules]
    assert fix in said
    (found,) = [each for each in opened.report().findings if each.rule == rule]
    assert [each.fix for each in opened.plan.edits if found.fingerprint in each.findings] == [fix]


# --- which edits answer a finding -----------------------------------------------------------------
RULE = Rule(
    id="package-cache", title="t", severity="note", policy="size", what="w", why="y", fix="Mend it."
)


def caches(sizes: Mapping[int, int]) -> Inventory:
    """An image with a file in each layer from 4 on, of such sizes."""
    trees = [{f"app/{n}": File(b"x" * size)} for n, size in sizes.items()]
    return taken(on_slim(*trees, history=["RUN make"] * len(trees)))


def an_edit_for_each_layer(
    context: Context, kinds: Sequence[EditKind] = (), **more: Any
) -> Iterator[Proposal]:
    """For each layer with a file below /app, but for /app/kept."""
    for number, path in enumerate(context.inventory.rootfs.children("app")):
        layer = context.inventory.rootfs[path].layer
        if not path.endswith("kept"):
            kind = kinds[number] if kinds else "clean-cache"
            edit = context.edit(kind, layer, f"edit {layer}", rules=("package-cache",), **more)
            yield Proposal(edit, context.contents.behind([path]))


def claim(found: Inventory, paths: Sequence[str], rule: Rule = RULE) -> Claim:
    frees = contents_of(found.rootfs).freed(paths)
    return rule.finding(subject="s", message="m", evidence=[], frees=frees)


def answering(found: Inventory, claims: Sequence[Claim]) -> list[int]:
    """The layers of the edits that answer the first of some claims."""
    plan = make_plan(found, claims)
    fingerprint = claims[0].fingerprint
    return sorted(each.layer for each in plan.edits if fingerprint in each.findings)


@pytest.mark.parametrize(
    ("sizes", "kept", "layers"),
    [
        ([1000], 0, [4]),
        ([1000, 900, 800], 0, [4, 5, 6]),
        # Four edits are a plan, of which the finding's own fix says the point.
        ([1000, 900, 800, 700], 0, []),
        # What is little is left to others: nobody needs another line for it.
        ([960, 40], 0, [4]),
        ([950, 50], 0, [4]),
        ([940, 60], 0, [4, 5]),
        ([950, 950, 950, 150], 0, [4, 5, 6]),
        ([940, 950, 950, 160], 0, []),
        # Those that free most count, wherever they stand.
        ([10, 10, 10, 970], 0, [7]),
        # What no edit frees may be little too.
        ([950], 50, [4]),
        ([940], 60, []),
    ],
)
def test_edits_that_free_its_bytes(
    sizes: list[int], kept: int, layers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyimginspect.plan.planner._EDITS", (an_edit_for_each_layer,))
    trees = [{f"app/{n}": File(b"x" * size)} for n, size in enumerate(sizes)]
    trees.append({"app/kept": File(b"y" * kept)})
    found = taken(on_slim(*trees, history=["RUN make"] * len(trees)))
    paths = [path for path in found.rootfs.children("app") if found.rootfs[path].entry.size]
    assert answering(found, [claim(found, paths)]) == layers


def test_what_edits_free_beside_a_finding_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyimginspect.plan.planner._EDITS", (an_edit_for_each_layer,))
    trees = [{f"app/{n}": File(b"x" * size)} for n, size in enumerate([5000, 5000, 5000, 100])]
    found = taken(on_slim(*trees, history=["RUN make"] * len(trees)))
    assert answering(found, [claim(found, ["app/3"])]) == [7]


@pytest.mark.parametrize(
    ("kinds", "more", "claims", "said"),
    [
        # A finding looks at the files: it says more of them than the edit of the instruction.
        (["owner"], {}, [["app/0"]], {4: "Mend it."}),
        (["narrow-copy"], {}, [["app/0"]], {4: "Mend it."}),
        (["bindings"], {"packages": ("python3-x",)}, [["app/0"]], {4: "Mend it."}),
        (["advice"], {}, [["app/0"]], {4: "Mend it."}),
        # What the plan asks of packages, no finding knows.
        (["advice"], {"packages": ("git",)}, [["app/0"]], {4: "edit 4"}),
        (["delete-early"], {}, [["app/0"]], {4: "edit 4"}),
        # One edit is not several findings' own text, nor is one finding's that of several.
        (["owner"], {}, [["app/0"], ["app/0"]], {}),
        (["owner", "owner"], {}, [["app/0", "app/1"]], {}),
        (["delete-early", "owner"], {}, [["app/0", "app/1"]], {}),
        (["delete-early"], {}, [["app/0"], ["app/0"]], {4: "edit 4"}),
    ],
)
def test_whose_words_they_share(
    kinds: Sequence[EditKind],
    more: dict[str, Any],
    claims: list[list[str]],
    said: dict[int, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edits = partial(an_edit_for_each_layer, kinds=kinds, **more)
    monkeypatch.setattr("pyimginspect.plan.planner._EDITS", (edits,))
    trees = [{f"app/{n}": File(b"x" * 1000)} for n in range(len(kinds))]
    found = taken(on_slim(*trees, history=["RUN make"] * len(trees)))
    named = [replace(claim(found, paths), subject=f"s{n}") for n, paths in enumerate(claims)]
    plan = make_plan(found, named)
    assert {each.layer: each.words for each in plan.edits if each.findings} == said
    for each in plan.edits:
        assert each.layer in said or each.words == f"edit {each.layer}"
        assert len(each.findings) == (len(named) if each.layer in said else 0)
    fixes = {each.fix for each in with_edits(named, plan)}
    assert fixes == ({*said.values()} or {"Mend it."})


def test_an_edit_for_another_rule_is_no_answer() -> None:
    tree = {f"{LISTS}/x": File(b"x" * 100_000)}
    found = taken(on_slim(tree, history=["RUN apt-get update"]))
    other = replace(RULE, id="leftover-build-tool")
    assert answering(found, [claim(found, [*tree], other)]) == []
    assert answering(found, [claim(found, [*tree])]) == [4]


def test_what_frees_nothing_is_answered_by_no_edit() -> None:
    found = caches({4: 100_000})
    assert answering(found, [claim(found, [])]) == []


def test_advice_of_the_plan_in_a_finding_s_words_names_it() -> None:
    found = taken(on_slim({"app/a": File(b"x" * 500)}, history=["COPY a /app/"]))
    mine = claim(found, ["app/a"])
    (edit,) = make_plan(found, [mine]).edits
    assert (edit.kind, edit.fix, edit.findings) == ("advice", "Mend it.", (mine.fingerprint,))


# --- the words ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "command", "keep", "fix"),
    [
        ("leave-out", "", (), "do it"),
        ("clean-cache", "rm x", (), "do it (rm x)"),
        ("clean-cache", "it", (), "do it"),
        ("base", "FROM x", ("liba",), "do it (FROM x); keep liba, which files in use need"),
        ("purge", "apt-get purge x", (), "do it (apt-get purge x)"),
        ("no-recommends", "--no-x", (), "do it (--no-x)"),
        ("delete-early", "rm x", (), "do it"),
        ("bindings", "pip install x", ("a", "b"), "do it; keep a and b, which files in use need"),
    ],
)
def test_an_edit_as_a_fix(kind: EditKind, command: str, keep: tuple[str, ...], fix: str) -> None:
    edit = Edit(kind=kind, layer=0, instruction="RUN x", words="do it", command=command, keep=keep)
    assert edit.fix == fix


def test_several_edits_are_lines_each_once_and_others_keep_their_own() -> None:
    one, two = finding("r", "one", fix="Mine."), finding("r", "two", fix="Mine too.")
    edits = [
        Edit(kind="advice", layer=n, instruction="", words=words, findings=(one.fingerprint,))
        for n, words in enumerate(["first", "second", "first"])
    ]
    plan = replace(make_plan(caches({4: 10})), edits=tuple(edits))
    assert [each.fix for each in with_edits([one, two], plan)] == ["first\nsecond", "Mine too."]
