"""Why bytes are stored in vain: by cause, by owner, and which of two copies can be spared."""

import datetime
from collections.abc import Mapping

import pytest

from pyimginspect.analyzers import (
    catalogue,
    count_once,
    deleted_but_shipped,
    overwritten_files,
    rewritten_metadata,
)
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import contents_of
from pyimginspect.inventory.derived.causes import Cause, find_causes
from pyimginspect.inventory.derived.differences import differing_paths
from pyimginspect.policy.judge import apply_policy
from pyimginspect.policy.settings import Policy, Waiver
from pyimginspect.report import Finding
from tests.images import Content, File, HardLink, Package, debian_base, image
from tests.inventories import DEBIAN_STEP, apt, on_slim, taken
from tests.reports import clean_report

MB = b"x" * 1_000_000
SITE = "usr/local/lib/python3.13/site-packages"
INFO = "var/lib/dpkg/info"

Tree = Mapping[str, Content]


def inventory(*layers: Tree, steps: tuple[str, ...] = ()) -> Inventory:
    lines = [*steps, *(f"RUN step {n}" for n in range(len(steps), len(layers)))]
    return taken(on_slim(*layers, history=lines))


def wheel(name: str, version: str, *, record: bool = True, **files: bytes) -> dict[str, Content]:
    """A distribution of one package, with a RECORD of its files."""
    info = f"{SITE}/{name}-{version}.dist-info"
    tree: dict[str, Content] = {
        f"{SITE}/{name}/{path}.py": File(data) for path, data in files.items()
    }
    tree[f"{info}/METADATA"] = f"Name: {name}\nVersion: {version}\n"
    if record:
        rows = [path.removeprefix(f"{SITE}/") for path in tree] + [f"{info}/RECORD"]
        tree[f"{info}/RECORD"] = "".join(f"{row},,\n" for row in rows)
    return tree


def without(*names: str) -> dict[str, Content]:
    return {f"{SITE}/.wh.{name}": "" for name in names}


def causes(found: Inventory) -> list[tuple[str, str, int]]:
    return [(cause.kind, cause.owner.name, cause.freed.size) for cause in find_causes(found)]


# --- owners -----------------------------------------------------------------------------------
GIT: dict[str, Package] = {
    "git": {"Depends": "git-man", "files": {"usr/bin/git": File(b"g" * 2000)}},
    "git-man": {"files": {"usr/share/git-man": "m" * 100}},
}


def no_git() -> dict[str, Content]:
    return {
        **apt({}),
        "usr/bin/.wh.git": "",
        "usr/share/.wh.git-man": "",
        f"{INFO}/.wh.git.list": "",
        f"{INFO}/.wh.git-man.list": "",
    }


def test_one_run_that_deletes_of_two_owners_gives_two_findings() -> None:
    scipy = wheel("scipy", "1.15.2", core=MB)
    gone = no_git() | without("scipy", "scipy-1.15.2.dist-info")
    found = inventory(apt(GIT, manual=["git"]), scipy, gone)
    first, second = deleted_but_shipped.ANALYZER.run(found)
    record = sum(len(str(scipy[path])) for path in scipy if "dist-info" in path)
    assert (first.subject, first.saving, first.layers) == ("scipy", 1_000_000 + record, (5, 6))
    assert (first.packages, first.savings) == (("scipy",), {5: first.saving})
    assert (second.subject, second.saving, second.layers) == ("git", 2100, (4, 6))
    assert second.packages == ("git", "git-man")
    assert second.message == "git and git-man (2.1 kB): removed by layer 6, still stored in layer 4"


@pytest.mark.parametrize("record", [True, False])
def test_a_distribution_that_is_installed_in_another_version_is_replaced(record: bool) -> None:
    old = wheel("dateutil", "2.8.2", record=record, parser=MB, gone=b"y" * 70_000)
    new = wheel("dateutil", "2.9.0", record=record, parser=MB[:-1])
    new |= without("dateutil-2.8.2.dist-info") | {f"{SITE}/dateutil/.wh.gone.py": ""}
    found = inventory(old, new)
    assert list(deleted_but_shipped.ANALYZER.run(found)) == []
    finding = next(iter(overwritten_files.ANALYZER.run(found)))
    if record:
        assert (finding.subject, finding.packages) == ("dateutil", ("dateutil",))
        assert finding.message == (
            "dateutil 2.8.2 (1.1 MB): replaced by 2.9.0 by layer 5, still stored in layer 4"
        )
        assert finding.fix == (
            "Install the final version in one RUN with all that needs it: layers 4 and 5 are"
            " RUN step 0 and RUN step 1"
        )
        metadata = sum(len(str(old[path])) for path in old if "dist-info" in path)
        assert finding.saving == 1_070_000 + metadata


def test_a_package_that_is_upgraded_is_replaced_too() -> None:
    old: dict[str, Package] = {"git": {"Version": "1", "files": {"usr/bin/git": File(MB)}}}
    new: dict[str, Package] = {"git": {"Version": "2", "files": {"usr/bin/git": File(MB[1:])}}}
    found = inventory(apt(old), apt(new))
    assert ("replaced", "git", 1_000_000) in causes(found)
    (finding,) = overwritten_files.ANALYZER.run(found)
    assert finding.message.startswith("git 1 (1.0 MB): replaced by 2 by layer 5")


def test_a_directory_that_goes_as_a_whole_is_one_owner() -> None:
    tree = {f"build/venv/lib/{n}/METADATA": File(b"x" * 10) for n in range(5)}
    found = inventory(tree, {".wh.build": ""})
    assert causes(found) == [("deleted", "/build", 50)]


def test_of_a_distribution_that_stays_the_directory_is_the_owner() -> None:
    tree = wheel("six", "1.17.0", core=MB, tests=b"t" * 500)
    found = inventory(tree, {f"{SITE}/six/.wh.tests.py": ""})
    assert causes(found) == [("deleted", "/usr/local/lib", 500)]


def test_owners_beyond_the_largest_are_told_in_one() -> None:
    trees = [wheel(f"dist{n:02}", "1.0", core=b"x" * (100 + n)) for n in range(25)]
    every = {path: content for tree in trees for path, content in tree.items()}
    gone = without(
        *(name for n in range(25) for name in (f"dist{n:02}", f"dist{n:02}-1.0.dist-info"))
    )
    found = find_causes(inventory(every, gone))
    assert [len(cause.owners) for cause in found] == [1] * 20 + [5]
    assert sum(cause.freed.size for cause in found) == sum(
        wasted.size for cause in found for wasted in cause.wasted_files
    )


# --- the same again -------------------------------------------------------------------------------
BASE: dict[str, Content] = {
    **debian_base(),
    "usr/lib/big.so": File(MB),
    "usr/lib/old": File(b"o" * 9),
}


def on_base(*layers: Tree, steps: tuple[str, ...]) -> Inventory:
    return taken(image([BASE, *layers], history=[DEBIAN_STEP, *steps]))


def again(found: Inventory) -> Finding:
    (finding,) = overwritten_files.ANALYZER.run(found)
    return finding


def test_what_the_base_has_already_is_stored_again_in_vain() -> None:
    copy: dict[str, Content] = {
        "usr/lib/big.so": File(MB),
        "usr/lib/old": File(b"n" * 9),
        "usr/lib/new/a": "1",
        "usr/lib/new/b": "2",
    }
    found = on_base(copy, steps=("COPY /usr /usr # buildkit",))
    finding = again(found)
    assert (finding.saving, finding.savings, finding.layers) == (1_000_000, {1: 1_000_000}, (0, 1))
    assert finding.message.endswith("identical to the files in the base image")
    assert finding.fix == (
        "COPY only the files that the layers below do not have, in place of COPY /usr /usr:"
        " /usr/lib/new, /usr/lib/old"
    )


def test_another_time_makes_no_difference_where_files_were_copied() -> None:
    copy: dict[str, Content] = {"usr/lib/big.so": File(MB, mtime=7)}
    copied = on_base(copy, steps=("COPY /usr /usr # buildkit",))
    assert again(copied).saving == 1_000_000
    assert list(rewritten_metadata.ANALYZER.run(copied)) == []
    ran = on_base(copy, steps=("RUN apt-get install --reinstall big",))
    (finding,) = rewritten_metadata.ANALYZER.run(ran)
    assert finding.message.endswith("only the time of modification changed")
    assert (finding.saving, finding.savings) == (1_000_000, {1: 1_000_000})


def test_a_copy_that_brings_nothing_is_to_be_dropped() -> None:
    found = on_base({"usr/lib/big.so": File(MB)}, steps=("COPY /usr /usr # buildkit",))
    assert (
        again(found).fix == "Drop COPY /usr /usr: the layers below already have all of its files."
    )


def test_a_copy_with_a_name_of_its_own_is_needed() -> None:
    copy: dict[str, Content] = {
        "usr/lib/big.so": File(MB),
        "usr/lib/other.so": HardLink("usr/lib/big.so"),
    }
    found = on_base(copy, steps=("COPY /usr /usr # buildkit",))
    assert [cause.freed.size for cause in find_causes(found)] == [0]


def test_hard_links_copied_as_hard_links_are_the_same_again() -> None:
    pair: dict[str, Content] = {"usr/bin/perl": File(MB), "usr/bin/perl5": HardLink("usr/bin/perl")}
    base: dict[str, Content] = {**debian_base(), **pair}
    one = image([base, pair], history=[DEBIAN_STEP, "COPY /usr /usr # buildkit"])
    assert [(c.kind, c.freed.size) for c in find_causes(taken(one))] == [("again", 1_000_000)]


def test_of_three_copies_two_are_spared() -> None:
    tree: Tree = {"app/data": File(MB)}
    found = inventory(tree, tree, tree)
    assert {each for cause in find_causes(found) for each in cause.freed.contents} == {
        (4, 0),
        (6, 0),
    }


def test_differing_paths_hold_nothing_that_is_there_already() -> None:
    copy: dict[str, Content] = {
        "usr/lib/big.so": File(MB),
        "usr/lib/x/y/new": "1",
        "opt/app/main": "2",
        "opt/app/lib/util": "3",
    }
    (cause,) = find_causes(on_base(copy, steps=("COPY / /",)))
    assert differing_paths(on_base(copy, steps=("COPY / /",)), cause) == ["opt", "usr/lib/x"]


# --- metadata -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "words", "fix"),
    [
        (File(MB, uid=5, gid=6), "owner", "COPY --chown=5:6 in layer 4: COPY app /app"),
        (File(MB, mode=0o700), "mode", "COPY --chmod=700 in layer 4: COPY app /app"),
        (File(MB, uid=5, mode=0o700), "owner and mode",
         "COPY --chown=5:0 --chmod=700 in layer 4: COPY app /app"),
    ],
)  # fmt: skip
def test_metadata_by_what_changed(changed: File, words: str, fix: str) -> None:
    found = inventory({"app/x": File(MB)}, {"app/x": changed}, steps=("COPY app /app",))
    (finding,) = rewritten_metadata.ANALYZER.run(found)
    assert finding.message == f"/app/x (1.0 MB): stored again by layer 5; only the {words} changed"
    assert finding.fix == fix
    assert finding.savings == {4: 1_000_000}


def test_two_kinds_of_change_by_one_layer_are_two_findings() -> None:
    made = {"app/x": File(MB), "app/y": File(MB)}
    found = inventory(made, {"app/x": File(MB, uid=5), "app/y": File(MB, mode=0o700)})
    assert [f.message.rpartition("; ")[2] for f in rewritten_metadata.ANALYZER.run(found)] == [
        "only the mode changed",
        "only the owner changed",
    ]


def test_an_upgrade_that_leaves_most_files_alone_wants_a_newer_base() -> None:
    old: dict[str, Package] = {"big": {"Version": "1", "files": {"usr/share/big": File(MB)}}}
    new: dict[str, Package] = {
        "big": {"Version": "2", "files": {"usr/share/big": File(MB, mtime=9)}}
    }
    one = image(
        [debian_base() | apt(old), apt(new)], history=[DEBIAN_STEP, "RUN apt-get upgrade -y"]
    )
    (finding,) = rewritten_metadata.ANALYZER.run(taken(one))
    assert (finding.subject, finding.packages, finding.severity) == ("big", ("big",), "note")
    assert finding.fix.startswith("Start from a newer base image, which has big in this version")


def test_what_is_deleted_late_is_freed_with_the_copies_below_it() -> None:
    tree: Tree = {"tmp/x": File(MB)}
    found = inventory(tree, tree, {"tmp/.wh.x": ""})
    freed = {each for cause in find_causes(found) for each in cause.freed.contents}
    assert freed == {(4, 0), (5, 0)}


def test_a_cause_names_its_layers() -> None:
    (cause,) = find_causes(inventory({"a": "1"}, {"b": "2"}, {".wh.a": "", ".wh.b": ""}))
    assert isinstance(cause, Cause)
    assert (cause.owner.name, cause.removed_in, cause.makers, cause.size) == ("/", 6, (4, 5), 2)


# --- waivers --------------------------------------------------------------------------------------
def left_under(found: Inventory, policy: Policy) -> list[str]:
    opened = deleted_but_shipped.ANALYZER.run(found)
    findings = tuple(count_once(opened, contents_of(found.rootfs)))
    report = clean_report(findings=findings)
    today = datetime.date(2026, 1, 1)
    return [f.subject for f in apply_policy(report, policy, catalogue(), today=today).findings]


def waived(paths: tuple[str, ...] = (), packages: tuple[str, ...] = ()) -> Policy:
    waiver = Waiver(rule="deleted-but-shipped", reason="known", paths=paths, packages=packages)
    return Policy(name="p", waivers=(waiver,))


def test_what_is_allowed_of_one_owner_hides_no_other() -> None:
    scipy = wheel("scipy", "1.15.2", core=MB)
    gone = no_git() | without("scipy", "scipy-1.15.2.dist-info")
    found = inventory(apt(GIT, manual=["git"]), scipy, gone)
    git = ("git", "git-*")
    assert left_under(found, Policy(name="p", allowed_packages=git)) == ["scipy"]
    assert left_under(found, Policy(name="p", allowed_packages=("git",))) == ["scipy", "git"]
    assert left_under(found, waived(packages=git)) == ["scipy"]
    assert left_under(found, waived(paths=("usr/bin/git",))) == ["scipy", "git"]
    assert left_under(found, waived(paths=("usr/bin/git", "usr/share/git*"))) == ["scipy"]


def test_a_waiver_of_some_of_very_many_paths_hides_nothing() -> None:
    tree = {f"data/{n}/{m}": File(b"x" * (m + 1)) for n in range(3) for m in range(9)}
    found = inventory({**tree, "data/keep": "k"}, {f"data/.wh.{n}": "" for n in range(3)})
    assert [f.paths for f in deleted_but_shipped.ANALYZER.run(found)] == [
        (f"data/{n}",) for n in range(3)
    ]
    assert left_under(found, waived(paths=("data/0/*",))) == ["/data/1", "/data/2"]
    assert left_under(found, waived(paths=("data/0/8", "data/0/7"))) == [
        f"/data/{n}" for n in range(3)
    ]


def apk_database(*names: str) -> str:
    return "".join(f"P:{name}\nV:1-r0\nA:x86_64\nF:usr/bin\nR:{name}\n\n" for name in names)


def test_packages_of_apk_are_owners_too() -> None:
    db = "lib/apk/db/installed"
    base: dict[str, Content] = {"etc/alpine-release": "3.20.3\n", db: apk_database("busybox")}
    made: dict[str, Content] = {
        "usr/bin/git": File(MB),
        "usr/bin/jq": File(b"j" * 500),
        db: apk_database("busybox", "git", "jq"),
    }
    gone: dict[str, Content] = {"usr/bin/.wh.git": "", "usr/bin/.wh.jq": "", db: base[db]}
    steps = ["ADD alpine-minirootfs-3.20.3-x86_64.tar.gz / # buildkit", "RUN add", "RUN del"]
    found = taken(image([base, made, gone], history=steps))
    assert causes(found) == [("deleted", "git", 1_000_000), ("deleted", "jq", 500)]


@pytest.mark.parametrize("info", ["acme-1.0.egg-info", "acme-1.0-py3.13.egg-info"])
def test_distributions_of_setuptools_have_their_own_list(info: str) -> None:
    made: dict[str, Content] = {
        f"{SITE}/acme/core.py": File(b"c" * 700),
        f"{SITE}/{info}/PKG-INFO": "Name: acme\n",
        f"{SITE}/{info}/installed-files.txt": "../acme/core.py\nPKG-INFO\n",
        f"{SITE}/other/core.py": File(b"o" * 50),
    }
    found = inventory(made, without("acme", info, "other"))
    assert [(name, size) for _, name, size in causes(found)] == [
        ("acme", 700 + sum(len(str(made[path])) for path in made if info in path)),
        ("/usr/local/lib", 50),
    ]
