"""Every byte is counted by one finding, and no more are than the plan saves."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.analyzers import all_analyzers, count_once
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import contents_of
from pyimginspect.plan import make_plan
from pyimginspect.report import SEVERITIES, Finding
from pyimginspect.rules import Claim, Rule
from tests.effort import examples
from tests.images import Content, File, HardLink, Package, debian_base, image
from tests.inventories import DEBIAN_STEP, apt, on_slim, taken

RULE = Rule(
    id="a-rule", title="t", severity="note", policy="size", what="w", why="y", fix="Mend it."
)


def claimed(found: Inventory) -> list[Finding]:
    return [finding for each in all_analyzers() for finding in each.run(found)]


def check(found: Inventory) -> list[Finding]:
    """Hold the findings of an image against its plan; return them."""
    claims = claimed(found)
    plan = make_plan(found, claims)
    findings = count_once(claims, contents_of(found.rootfs))
    assert sum(finding.saving for finding in findings) <= plan.saving <= plan.size
    sums: dict[int, int] = {}
    for finding in findings:
        assert type(finding) is Finding
        assert finding.saving == sum(finding.savings.values())
        for layer, size in finding.savings.items():
            sums[layer] = sums.get(layer, 0) + size
    assert all(size <= plan.layers.get(layer, 0) for layer, size in sums.items())
    alone = {(claim.rule, claim.message): claim.saving for claim in claims}
    for finding in findings:
        assert finding.saving + finding.shared == alone[finding.rule, finding.message]
    return findings


def claim(found: Inventory, severity: str, subject: str, *paths: str) -> Claim:
    return RULE.finding(
        subject=subject,
        message=subject,
        evidence=[],
        severity=next(each for each in SEVERITIES if each == severity),
        frees=contents_of(found.rootfs).freed(paths),
    )


TREE: dict[str, Content] = {"a": File(b"x" * 1000), "b": File(b"x" * 200), "c": File(b"x" * 30)}


def test_the_worst_counts_first_then_what_frees_most_then_what_comes_first() -> None:
    found = taken(image([debian_base(), TREE], history=[DEBIAN_STEP, "RUN make"]))
    claims = [
        claim(found, "note", "all", "a", "b", "c"),
        claim(found, "note", "same", "c", "a", "b"),
        claim(found, "warning", "small", "c"),
        claim(found, "warning", "large", "b"),
    ]
    counted = {each.subject: each for each in count_once(claims, contents_of(found.rootfs))}
    assert {name: each.saving for name, each in counted.items()} == {
        "all": 1000,
        "same": 0,
        "small": 30,
        "large": 200,
    }
    assert [e.what for e in counted["all"].evidence] == [
        "200 B of this are counted in the finding a-rule about large",
        "30 B of this are counted in the finding a-rule about small",
    ]
    assert (counted["all"].shared, counted["all"].savings) == (230, {1: 1000})
    assert [e.what for e in counted["same"].evidence] == [
        "1.0 kB of this are counted in the finding a-rule about all",
        "200 B of this are counted in the finding a-rule about large",
        "30 B of this are counted in the finding a-rule about small",
    ]


def test_more_than_three_that_count_are_told_in_one() -> None:
    names = [f"f{n}" for n in range(6)]
    tree: dict[str, Content] = {name: File(b"x" * 10) for name in names}
    found = taken(image([debian_base(), tree], history=[DEBIAN_STEP, "RUN make"]))
    claims = [claim(found, "warning", name, name) for name in names]
    claims.append(claim(found, "note", "all", *names))
    last = count_once(claims, contents_of(found.rootfs))[-1]
    assert (last.saving, last.shared, len(last.evidence)) == (0, 60, 4)
    assert last.evidence[-1].what == "30 B of this are counted in 3 other findings"


def test_a_finding_that_does_not_say_what_it_frees_is_left_as_it_is() -> None:
    found = taken(image([debian_base(), TREE], history=[DEBIAN_STEP, "RUN make"]))
    foreign = Finding(
        rule="theirs", severity="note", subject="s", message="m", evidence=(), saving=7
    )
    assert count_once([foreign], contents_of(found.rootfs)) == [foreign]


def test_what_no_edit_frees_is_advice_of_the_plan() -> None:
    found = taken(image([debian_base(), TREE], history=[DEBIAN_STEP, "RUN make"]))
    one = claim(found, "note", "a", "a", "b")
    two = claim(found, "note", "b", "b")
    plan = make_plan(found, [two, one])
    assert [(e.kind, e.words, e.rules, e.saving) for e in plan.edits] == [
        ("advice", "Mend it.", ("a-rule",), 1200)
    ]
    assert plan.saving == 1200


def test_packages_that_take_each_other_along_are_counted_with_the_one_asked_for() -> None:
    packages: dict[str, Package] = {
        "python3-pip": {
            "Depends": "python3-wheel, python3-setuptools",
            "files": {"usr/lib/python3/dist-packages/pip/__init__.py": File(b"p" * 3000)},
        },
        "python3-setuptools": {
            "files": {"usr/lib/python3/dist-packages/setuptools/__init__.py": File(b"s" * 2000)}
        },
        "python3-wheel": {
            "files": {"usr/lib/python3/dist-packages/wheel/__init__.py": File(b"w" * 1000)}
        },
    }
    found = taken(on_slim(apt(packages, manual=["python3-pip"]), history=["RUN apt-get install"]))
    bindings = [each for each in check(found) if each.rule == "os-python-binding"]
    assert [each.subject for each in bindings] == ["python3-pip"]
    assert bindings[0].saving > 6000


# --- any image ----------------------------------------------------------------------------------
NAMES = (
    "usr/bin/gcc",
    "usr/local/lib/python3.13/site-packages/six/core.py",
    "root/.cache/pip/http/a",
    "root/.cache/uv/archive-v0/x/six/core.py",
    "var/lib/apt/lists/a_Packages",
    "opt/venv/lib/python3.13/site-packages/six/core.py",
    "usr/lib/python3.10/site-packages/left.py",
    "tmp/build/a",
    "app/data",
)
FILES = st.builds(
    lambda kind, size, mode, mtime: File(bytes([kind]) * (size * 40_000), mode=mode, mtime=mtime),
    st.integers(0, 1),
    st.integers(1, 2),
    st.sampled_from([0o644, 0o755]),
    st.sampled_from([0, 7]),
)
CONTENTS = st.one_of(FILES, st.sampled_from(NAMES).map(HardLink), st.just(None))
LAYERS = st.lists(st.dictionaries(st.sampled_from(NAMES), CONTENTS, max_size=5), max_size=5)
STEPS = st.sampled_from(["RUN make", "COPY . /", "RUN chown -R a:b /", "RUN chmod 755 /app/data"])


def layer(changes: Mapping[str, Content | None]) -> dict[str, Content]:
    """A layer with whiteouts for what has no content."""
    tree: dict[str, Content] = {}
    for path, content in changes.items():
        directory, _, name = path.rpartition("/")
        tree[path if content is not None else f"{directory}/.wh.{name}"] = content or ""
    return tree


@given(LAYERS, st.lists(STEPS, min_size=5, max_size=5))
@examples(60)
def test_findings_never_save_more_than_the_plan(
    changes: list[dict[str, Content | None]], steps: list[str]
) -> None:
    check(taken(on_slim(*map(layer, changes), history=steps[: len(changes)])))
