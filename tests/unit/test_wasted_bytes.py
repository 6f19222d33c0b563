"""Findings about bytes that ship and that no container sees."""

from collections.abc import Callable, Iterable, Mapping

import pytest

from pyimginspect.analyzers import (
    deleted_but_shipped,
    overwritten_files,
    package_cache,
    rewritten_metadata,
)
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.journals import is_journal
from pyimginspect.report import Finding
from tests.images import Content, File, Package, debian_base, image
from tests.inventories import DEBIAN_STEP, apt, on_slim, taken

MB = b"x" * 1_000_000
LISTS = "var/lib/apt/lists"
SITE = "usr/local/lib/python3.13/site-packages"

Run = Callable[[Inventory], Iterable[Finding]]


def findings(run: Run, *layers: Mapping[str, Content]) -> list[Finding]:
    lines = [f"RUN step {n}" for n in range(len(layers))]
    return list(run(taken(on_slim(*layers, history=lines))))


# --- deleted --------------------------------------------------------------------------------------
def test_files_deleted_later_are_named_by_their_package() -> None:
    git: dict[str, Package] = {
        "git": {"Depends": "git-man", "files": {"usr/bin/git": File(MB)}},
        "git-man": {"files": {"usr/share/git-man": "m"}},
    }
    gone: dict[str, Content] = {
        **apt({}),
        "usr/bin/.wh.git": "",
        "usr/share/.wh.git-man": "",
        "var/lib/dpkg/info/.wh.git.list": "",
        "var/lib/dpkg/info/.wh.git-man.list": "",
    }
    (found,) = findings(deleted_but_shipped.ANALYZER.run, apt(git, manual=["git"]), gone)
    assert found.subject == "git"
    assert found.message == "git and git-man (1.0 MB): removed by layer 5, still stored in layer 4"
    assert (found.layers, found.instruction) == ((4, 5), "RUN step 1")
    assert found.saving == 1_000_001  # dpkg's own notes are journals
    assert found.paths == ("usr/bin/git", "usr/share/git-man")
    assert found.severity == "warning"


def test_or_by_the_distribution() -> None:
    info = f"{SITE}/scikit_learn-1.7.dist-info"
    made: dict[str, Content] = {
        f"{info}/METADATA": "Name: scikit-learn\n",
        f"{SITE}/sklearn/a.so": File(MB),
    }
    gone = {f"{info}/.wh.METADATA": "", f"{SITE}/.wh.sklearn": ""}
    (found,) = findings(deleted_but_shipped.ANALYZER.run, made, gone)
    assert found.subject == "scikit-learn"


def test_or_by_the_directory() -> None:
    (found,) = findings(
        deleted_but_shipped.ANALYZER.run, {"tmp/build/a": "12", "tmp/b": "1"}, {".wh.tmp": ""}
    )
    assert (found.subject, found.severity, found.saving) == ("/tmp", "note", 3)


@pytest.mark.parametrize(
    "layers",
    [
        [{"app/a": "x"}, {"app/b": "y"}],
        [{"var/log/dpkg.log": "x"}, {"var/log/.wh.dpkg.log": ""}],  # a journal
        [{"app/.wh.a": ""}],  # nothing was there
        [{"etc/ssl/.wh.openssl.cnf": ""}],  # the base's, and small
    ],
)
def test_nothing_deleted(layers: list[dict[str, Content]]) -> None:
    assert findings(deleted_but_shipped.ANALYZER.run, *layers) == []


def test_what_is_deleted_of_the_base_saves_nothing() -> None:
    base: dict[str, Content] = {**debian_base(), "usr/share/big.bin": File(MB)}
    gone: dict[str, Content] = {"usr/share/.wh.big.bin": ""}
    one = image([base, gone], history=[DEBIAN_STEP, "RUN rm"])
    (found,) = deleted_but_shipped.ANALYZER.run(taken(one))
    assert (found.saving, found.severity, found.layers) == (0, "note", (1,))
    assert found.message == (
        "/usr/share/big.bin (1.0 MB) of the base image: removed by layer 1, still stored in layer 0"
    )


@pytest.mark.parametrize(
    ("step", "fix"),
    [
        (
            "RUN make",
            "Remove the files in the RUN that creates them (layer 4: RUN make), or do not create"
            " them.",
        ),
        (
            "ADD https://example.org/model.bin /tmp/",
            "Do not ADD what only a RUN needs (layer 4: ADD https://example.org/model.bin /tmp/);"
            " that RUN can download it and remove it.",
        ),
        (
            "COPY model.bin /tmp/",
            "Do not COPY what only a RUN needs (layer 4: COPY model.bin /tmp/);"
            " that RUN can read it through --mount=type=bind.",
        ),
        ("", "Remove the files in the step that creates them (layer 4), or do not create them."),
    ],
)
def test_the_fix_goes_with_the_instruction_that_stored_the_files(step: str, fix: str) -> None:
    made: dict[str, Content] = {"tmp/model.bin": File(MB)}
    one = on_slim(made, {"tmp/.wh.model.bin": ""}, history=[step, "RUN rm /tmp/model.bin"])
    (found,) = deleted_but_shipped.ANALYZER.run(taken(one))
    assert found.fix == fix


# --- overwritten ----------------------------------------------------------------------------------
def test_files_stored_twice() -> None:
    app: dict[str, Content] = {"app/data.bin": File(MB), "app/run": "#!"}
    (found,) = findings(overwritten_files.ANALYZER.run, app, {"app/data.bin": File(b"y" * 9)})
    assert (found.subject, found.saving, found.layers) == ("/app/data.bin", 1_000_000, (4, 5))
    assert found.message.endswith("overwritten by layer 5, still stored in layer 4")
    (same,) = findings(overwritten_files.ANALYZER.run, app, app)
    assert same.message == (
        "/app (1.0 MB): stored again by layer 5, identical to the files in layer 4"
    )
    # Of two copies that are the same the second can be left out.
    assert (same.saving, same.savings) == (1_000_002, {5: 1_000_002})
    assert [e.what for e in (*found.evidence, *same.evidence)] == [
        "RUN step 0 stores 1 file (1.0 MB) that a later layer stores again",
        "layer 4 stores 1.0 MB, layer 5 replaces it",
        "RUN step 1 stores 2 files (1.0 MB) that the layers below already store at the same paths"
        " with the same content; the second copy is not needed",
        "layer 4 stores 1.0 MB, identical in layer 5",
        "layer 4 stores 2 B, identical in layer 5",
    ]


def test_small_copies_and_journals_and_caches_are_left_out() -> None:
    small = {"app/a": "x" * 1000}
    journal = {"var/cache/debconf/templates.dat": File(MB)}
    cache = {f"{LISTS}/a_Packages": File(MB)}
    for tree in (small, journal, cache):
        assert findings(overwritten_files.ANALYZER.run, tree, tree) == []


# --- metadata -------------------------------------------------------------------------------------
def test_a_changed_owner_stores_everything_again() -> None:
    made = {"app/data.bin": File(MB)}
    owned = {"app/data.bin": File(MB, uid=1000, gid=1000, mode=0o640)}
    (found,) = findings(rewritten_metadata.ANALYZER.run, made, owned)
    assert (found.saving, found.layers, found.severity) == (1_000_000, (4, 5), "warning")
    assert found.evidence[1].what == (
        "layer 5 stores 1.0 MB again: changed owner from 0:0 to 1000:1000 and changed mode from"
        " 0644 to 0640"
    )
    assert findings(overwritten_files.ANALYZER.run, made, owned) == []
    assert findings(rewritten_metadata.ANALYZER.run, made, made) == []


# --- caches -------------------------------------------------------------------------------------
def test_a_cache_counts_with_what_later_layers_overwrote_of_it() -> None:
    lists: dict[str, Content] = {f"{LISTS}/a_Packages": File(MB), f"{LISTS}/b_Packages": "12"}
    (found,) = findings(package_cache.ANALYZER.run, lists, {f"{LISTS}/a_Packages": "1"})
    assert found.saving == 1_000_000 + 2 + 1
    assert found.layers == (4, 5)
    assert found.instruction == "RUN step 0"  # the one that stores most of it
    assert [(e.layer, e.what) for e in found.evidence] == [
        (4, "layer 4 stores 2 B of it"),
        (4, "layer 4 stores 1.0 MB more that a later layer overwrites"),
        (5, "layer 5 stores 1 B of it"),
    ]
    assert found.fix == "End the RUN with && rm -rf /var/lib/apt/lists/*"


def test_a_cache_deleted_later_is_not_the_cache_s_affair() -> None:
    lists = {f"{LISTS}/a_Packages": File(MB)}
    gone = {f"{LISTS}/.wh.a_Packages": ""}
    assert findings(package_cache.ANALYZER.run, lists, gone) == []
    (found,) = findings(deleted_but_shipped.ANALYZER.run, lists, gone)
    assert found.subject == "/var/lib/apt"


def test_small_caches_are_only_noted_and_bytecode_is_not_reported() -> None:
    (found,) = findings(package_cache.ANALYZER.run, {"root/.cache/pip/a": "x"})
    assert found.severity == "note"
    assert findings(package_cache.ANALYZER.run, {f"{SITE}/__pycache__/a.pyc": "x"}) == []


@pytest.mark.parametrize(
    ("path", "journal"),
    [
        ("var/lib/dpkg/status", True),
        ("var/lib/apt/extended_states", True),
        ("lib/apk/db/installed", True),
        ("etc/ld.so.cache", True),
        ("var/lib/apt/lists/a_Packages", False),
        ("var/lib/app/state", False),
        ("app/var/log/x", False),
    ],
)
def test_journals(path: str, journal: bool) -> None:
    assert is_journal(path) is journal
