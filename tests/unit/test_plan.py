"""Plans: which edits, whose bytes, and the Dockerfile with the edits in it."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec import structs

from pyimginspect.api import OpenedImage
from pyimginspect.formats import layers as layers_format
from pyimginspect.formats import plan as plan_format
from pyimginspect.inventory.contents import contents_of
from pyimginspect.plan import Edit, Plan, break_down_layers, make_plan, reconstruct
from pyimginspect.plan.layer_breakdown import LAYERS_VERSION, LayersDocument
from pyimginspect.plan.plan import PLAN_VERSION
from pyimginspect.report import Finding
from pyimginspect.rules import Rule
from pyimginspect.sources.opened import Opened
from pyimginspect.sources.opening import open_stream
from pyimginspect.sources.options import Options
from tests.images import Content, File, Image, Package, debian_base, elf, image, oci_archive
from tests.inventories import apt, on_slim, read, taken
from tests.reports import finding
from tests.tars import tar

MB = b"x" * 1_000_000
LISTS = "var/lib/apt/lists"
SITE = "usr/local/lib/python3.13/site-packages"
GCC: dict[str, Package] = {
    "gcc": {"Depends": "cpp", "files": {"usr/bin/gcc": File(MB, mode=0o755)}},
    "cpp": {"files": {"usr/bin/cpp": File(MB[:500_000], mode=0o755)}},
}
PQ: dict[str, Package] = {
    "libpq-dev": {"Depends": "libpq5", "files": {"usr/include/libpq-fe.h": "h" * 5000}},
    "libpq5": {"files": {"usr/lib/libpq.so.5": elf(soname="libpq.so.5")}},
}
EXTENSION: Mapping[str, Content] = {f"{SITE}/psycopg2/_psycopg.so": elf(needed=["libpq.so.5"])}
HEAD = "# Made from the history of app:1; edits are marked '# pyimginspect: fixes'.\n\n"
FROM = "FROM python:3.13.1-slim-bookworm"


def planned(*layers: Mapping[str, Content], history: Sequence[Any]) -> tuple[Plan, str]:
    inventory = taken(on_slim(*layers, history=history))
    plan = make_plan(inventory)
    return plan, reconstruct(inventory, plan)


def only(plan: Plan) -> Edit:
    (edit,) = plan.edits
    return edit


def test_nothing_to_edit() -> None:
    plan, dockerfile = planned(
        {"app/main.py": "x"}, history=["COPY . /app # buildkit", 'CMD ["python", "/app/main.py"]']
    )
    assert plan.edits == ()
    assert (plan.saving, plan.after) == (0, plan.size)
    assert dockerfile == f"{HEAD}{FROM}\nCOPY . /app\nCMD []\n"
    assert plan_format.render(plan) == (
        "Plan for app:1\nNothing to edit: no known edit would make the image smaller.\n"
    )


def test_lists_are_deleted_in_the_run_that_made_them() -> None:
    command = "apt-get update && apt-get install -y --no-install-recommends libpq5"
    plan, dockerfile = planned(
        {f"{LISTS}/a_Packages": File(MB)},
        {f"{LISTS}/a_Packages": "again" * 1000},
        history=[f"RUN {command}", "RUN apt-get update"],
    )
    assert [(e.kind, e.layer, e.saving) for e in plan.edits] == [
        ("clean-cache", 4, 1_000_000),
        ("clean-cache", 5, 5000),
    ]
    assert plan.saving == 1_005_000
    assert dockerfile == (
        f"{HEAD}{FROM}\n"
        "# pyimginspect: fixes package-cache\n"
        "RUN apt-get update \\\n"
        "    && apt-get install -y --no-install-recommends libpq5 \\\n"
        "    && rm -rf /var/lib/apt/lists/*\n"
    )


@pytest.mark.parametrize(
    ("command", "kind", "line"),
    [
        (
            "apt-get install -y gcc && gcc -o a a.c",
            "purge",
            "apt-get purge -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false"
            " -o APT::AutoRemove::SuggestsImportant=false gcc",
        ),
        ("apt-get install -y gcc libfoo", "leave-out", "RUN apt-get install -y libfoo"),
    ],
)
def test_without_a_later_build_the_tools_are_purged_or_left_out(
    command: str, kind: str, line: str
) -> None:
    layer = apt({**GCC, "libfoo": {}}, manual=["gcc", "libfoo"])
    plan, dockerfile = planned(layer, history=[f"RUN {command}"])
    assert only(plan).kind == kind
    assert line in dockerfile


def test_what_a_late_deletion_needs_moves_along() -> None:
    plan, dockerfile = planned(
        {"tmp/big": File(MB)},
        {"app/out": "x"},
        {"tmp/.wh.big": ""},
        history=["RUN fetch", "RUN use", "RUN rm /tmp/big"],
    )
    assert only(plan).others == (5, 6)
    assert dockerfile.endswith("RUN fetch \\\n    && use \\\n    && rm /tmp/big\n")


def test_a_deletion_across_a_copy_is_said_in_words() -> None:
    plan, dockerfile = planned(
        {"tmp/big": File(MB)},
        {"tmp/.wh.big": ""},
        history=["COPY big /tmp/ # buildkit", "RUN rm /tmp/big"],
    )
    assert (only(plan).kind, only(plan).saving) == ("advice", 1_000_000)
    assert "RUN rm /tmp/big" in dockerfile


def test_no_byte_is_counted_twice() -> None:
    """apt's lists, overwritten within the stage for building, are saved by both edits."""
    lists = {f"{LISTS}/a_Packages": File(MB)}
    plan, _ = planned(
        {**apt(GCC, manual=["gcc"]), **lists},
        {**EXTENSION, f"{LISTS}/a_Packages": File(MB[:-1])},
        history=["RUN apt-get install -y gcc", "RUN pip install x && apt-get update"],
    )
    kinds = [edit.kind for edit in plan.edits]
    assert kinds == ["purge", "clean-cache", "clean-cache"]
    assert sum(edit.saving for edit in plan.edits) == plan.saving + 1_000_000
    assert plan.saving == sum(plan.layers.values()) <= plan.size
    assert [plan.saved_by([edit]) for edit in plan.edits] == [edit.saving for edit in plan.edits]
    assert plan.saved_by(plan.edits[1:]) == sum(edit.saving for edit in plan.edits[1:])
    assert (plan.saved_by(()), plan.saved_by(plan.edits)) == (0, plan.saving)
    assert "Several edits save the same bytes" in plan_format.render(plan)


@pytest.mark.parametrize(
    ("compression", "least", "most"), [(None, 400_000, 400_000), ("gzip", 4000, 5000)]
)
def test_the_compressed_size_is_that_of_the_blobs_where_there_are_any(
    compression: Any, least: int, most: int
) -> None:
    one = on_slim({f"{LISTS}/a_Packages": File(MB)}, history=["RUN apt-get update"])
    stream = io.BytesIO(oci_archive(one, compression=compression))
    found = OpenedImage(open_stream(stream, Options(), name=None, reference="app:1"))
    assert least <= found.plan.compressed_saving <= most


@pytest.mark.parametrize(
    ("percent", "compressed"),
    [
        (50, 5000),
        (94, 9400),
        # It is no shorter than the layer: then it is not compressed, and says nothing.
        (96, 4000),
        (100, 4000),
        (None, 4000),
    ],
)
def test_a_layer_has_in_a_registry_its_part_of_the_blob(
    percent: int | None, compressed: int
) -> None:
    found = read(image([{"a": File(MB[:10_000])}])).image
    (layer,) = found.layers
    blob = percent and layer.index.size * percent // 100
    one = structs.replace(found, layers=(structs.replace(layer, blob_size=blob),))
    plan = make_plan(OpenedImage(Opened(image=one)).inventory, [finding("another")])
    assert plan.size == 10_000
    assert abs(plan.compressed - compressed) <= 1


def test_a_plan_says_its_version_and_cannot_be_changed() -> None:
    plan = Plan(
        reference="app:1",
        size=9,
        saving=0,
        compressed=9,
        compressed_saving=0,
        edits=(),
        layers={1: 2},
    )
    assert plan.plan_version == PLAN_VERSION == 1, "fields may be added without another version"
    with pytest.raises(TypeError, match="immutable record"):
        plan.layers[1] = 3  # type: ignore[index]


# --- by findings ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("found", "size", "rules"),
    [
        ([finding("package-cache", layers=(4,))], 5000, ("package-cache",)),
        ([finding("package-cache")], 5000, ("package-cache",)),
        # No finding is of that layer: a small edit is not worth a line.
        ([finding("package-cache", layers=(5,))], 65_535, None),
        ([finding("another", layers=(4,))], 65_535, None),
        ([finding("another", layers=(4,))], 65_536, ()),
    ],
)
def test_an_edit_cites_what_finds_something_in_its_layers(
    found: list[Finding], size: int, rules: tuple[str, ...] | None
) -> None:
    inventory = taken(on_slim({f"{LISTS}/x": File(MB[:size])}, history=["RUN apt-get update"]))
    edits = make_plan(inventory, found).edits
    assert [each.rules for each in edits] == ([] if rules is None else [rules])


RULE = Rule(
    id="a-rule", title="t", severity="note", policy="size", what="w", why="y", fix="Mend it."
)


def test_what_only_findings_free_is_advice() -> None:
    one = on_slim(
        {"app/a": File(MB[:9000]), f"{LISTS}/x": File(MB[:8000])},
        {"app/b": File(MB[:200])},
        {"app/c": File(MB[:30])},
        history=["RUN apt-get update && make", "COPY b /app/", "COPY c /app/"],
    )
    inventory = taken(one)
    claims = [
        RULE.finding(
            subject=paths[0],
            message="m",
            evidence=[],
            frees=contents_of(inventory.rootfs).freed(paths),
        )
        for paths in (["app/b"], ["app/c"], ["app/a", "app/b"], [f"{LISTS}/x"])
    ]
    cache = finding("package-cache", layers=(4,))
    edits = make_plan(inventory, [*claims, cache]).edits
    assert [(each.kind, each.words, each.layer, each.saving, each.rules) for each in edits] == [
        ("advice", "Mend it.", 5, 9200, ("a-rule",)),
        ("clean-cache", edits[1].words, 4, 8000, ("package-cache",)),
        ("advice", "Mend it.", 6, 30, ("a-rule",)),
    ]


def test_a_history_of_other_layers_gives_no_dockerfile() -> None:
    one: Image = image([{"a": "x"}, {"b": "y"}], history=["RUN x"])
    inventory = taken(one)
    assert reconstruct(inventory, make_plan(inventory)).endswith(
        "FROM scratch\n# The history has no step of the application.\n"
    )


@pytest.mark.parametrize(
    ("lines", "more", "written"),
    [
        (
            ['ENV GREETING=hello "big" world'],
            {"env": ['GREETING=hello "big" world']},
            'ENV GREETING="hello \\"big\\" world"',
        ),
        (["ENV A=1 B=two words"], {"env": ["A=1", "B=two words"]}, 'ENV A=1 B="two words"'),
        (
            ['CMD ["python" "-m" "app"]'],
            {"cmd": ["python", "-m", "app"]},
            'CMD ["python","-m","app"]',
        ),
        (["HEALTHCHECK &{[]}"], {}, "# HEALTHCHECK &{[]}"),
        (["COPY file:" + "a" * 64 + " /x"], {}, "# The history does not tell what was copied:"),
    ],
)
def test_instructions_are_written_so_that_they_can_be_read_again(
    lines: list[str], more: dict[str, Any], written: str
) -> None:
    layers: list[Mapping[str, Content]] = [{"x": "y"}] * sum(
        line.startswith("COPY") for line in lines
    )
    one = image(
        [{"etc/os-release": "ID=debian\n"}, *layers],
        history=["/bin/sh -c #(nop) ADD file:1 in / ", *lines],
        **more,
    )
    inventory = taken(one)
    assert written in reconstruct(inventory, make_plan(inventory)).splitlines()


def test_a_plan_is_printed_edit_by_edit() -> None:
    plan, _ = planned(
        {f"{LISTS}/a_Packages": File(MB)}, history=["RUN apt-get update && apt-get install -y x"]
    )
    size = plan.size
    assert plan_format.render(plan, width=72) == (
        "Plan for app:1\n"
        f"1.0 MB now, {(size - 1_000_000) / 1000:.1f} kB after all edits: saves 1.0 MB"
        f" ({1_000_000 / size:.0%}).\n"
        f"In a registry about {0.4 * size / 1000:.1f} kB now,"
        f" {(0.4 * size - 400_000) / 1000:.1f} kB after (estimated).\n"
        "\n"
        "1.  delete apt's lists in the RUN that fetched them: saves 1.0 MB\n"
        "    in    layer 4: RUN apt-get update && apt-get install -y x\n"
        "    add   rm -rf /var/lib/apt/lists/*\n"
        "    rule  package-cache\n"
        "    fix   safe\n"
    )


# --- the ledger -----------------------------------------------------------------------------------
def test_the_ledger_tells_for_whom_and_by_whom() -> None:
    inventory = taken(
        on_slim(
            {**apt(GCC), "app/a/b/c/d": File(b"1" * 70), "app/e": "22"},
            {"app/e": "333", "app/a/b/c/.wh.d": ""},
            history=["RUN apt-get install -y gcc", "RUN rm"],
        )
    )
    breakdown = break_down_layers(inventory)[4]
    assert (breakdown.layer, breakdown.instruction, breakdown.base) == (
        4,
        "RUN apt-get install -y gcc",
        False,
    )
    assert (breakdown.removed_by, breakdown.overwritten_by) == ({5: 70}, {5: 2})
    assert [(s.name, s.live) for s in breakdown.packages] == [("gcc", 1_000_000), ("cpp", 500_000)]
    shares = {share.name: (share.live, share.wasted) for share in breakdown.directories}
    assert shares["/usr/bin"] == (1_500_000, 0)
    assert shares["/app/a/b"] == (0, 70)
    assert shares["/app"] == (0, 2)
    assert sum(share.stored for share in breakdown.directories) == breakdown.account.stored
    gone = next(share for share in breakdown.files if share.name == "app/a/b/c/d")
    assert (gone.wasted, gone.how, gone.removed_in) == (70, "removed", 5)


def test_the_ledger_says_the_version_of_its_document() -> None:
    """Fields may be added without another one."""
    layers = break_down_layers(taken(image([{"a": "x"}])))
    assert LayersDocument(layers=layers).layers_version == LAYERS_VERSION == 1


def test_the_largest_parts_of_a_layer_are_broken_down() -> None:
    twice = tar([("big/a", b"1" * 500), ("big/a", b"2" * 500), ("empty/e", b"")])
    many = {f"d{n}/f{m}": File(b"x" * (n + 1)) for n in range(9) for m in range(2)}
    one = image(
        [twice, many, {f"d8/f{m}": File("", mtime=5) for m in range(2)}, {"empty/f": ""}],
        history=["ADD file:1 in / ", "RUN x", "RUN y", "RUN z"],
    )
    first, second, _, last = break_down_layers(taken(one))
    assert [(s.name, s.live, s.wasted, s.how, s.removed_in) for s in first.files] == [
        ("big/a", 0, 500, "repeated", 0),
        ("big/a", 500, 0, "", None),
    ]
    assert [s.name for s in first.directories] == ["/big"]
    assert (first.removed_by, first.overwritten_by) == ({}, {})
    assert [s.name for s in second.directories] == [f"/d{n}" for n in range(8, 0, -1)]
    assert [(s.name, s.stored) for s in second.files[:3]] == [
        ("d8/f0", 9), ("d8/f1", 9), ("d7/f0", 8),
    ]  # fmt: skip
    assert second.overwritten_by == {2: 18}
    assert (last.directories, last.files) == ((), ())


def test_the_bytes_of_a_package_are_those_of_all_its_files() -> None:
    files: dict[str, Content] = {f"usr/share/{n}": File(MB[:100]) for n in range(3)}
    (found,) = break_down_layers(taken(image([{**debian_base(), **apt({"a": {"files": files}})}])))
    assert {s.name: s.live for s in found.packages}["a"] == 300


def test_the_ledger_is_printed_layer_by_layer() -> None:
    inventory = taken(
        image(
            [{"etc/os-release": "ID=debian\n", "a": "1" * 500}, {"a": "2" * 40}, {}],
            history=["ADD file:1 in / ", "RUN x", "WORKDIR /y"],
        )
    )
    text = layers_format.render(break_down_layers(inventory))
    assert text == (
        "Layers: where every stored byte ended up\n"
        "  #  stored  live  content changed\n"
        "---  ------  ----  ---------------\n"
        "  0   510 B  10 B            500 B\n"
        "  1    40 B  40 B\n"
        "  2\n"
        "all   550 B  50 B            500 B\n"
        "\n"
        "Layer 0 (base): ADD file:1 /\n"
        "overwritten: 500 B by layer 1\n"
        "           live  wasted  what            how\n"
        "---------  ----  ------  --------------  ------------------------\n"
        "directory         500 B  /\n"
        "           10 B          /etc\n"
        "file              500 B  a               content changed, layer 1\n"
        "           10 B          etc/os-release\n"
        "\n"
        "Layer 1: RUN x\n"
        "           live  what\n"
        "---------  ----  ----\n"
        "directory  40 B  /\n"
        "file       40 B  a\n"
        "\n"
        "Layer 2: WORKDIR /y\n"
        "stores no file content\n"
    )
