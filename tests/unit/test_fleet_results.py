"""What a fleet's results say: sums that count once, fixes, bases, Pythons, groups; the file."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pyimginspect import Fleet, PyimginspectError, inspect_fleet
from pyimginspect.errors import ImageNotFoundError, ResultsError
from pyimginspect.fleet.records import Target
from pyimginspect.fleet.store import Store
from pyimginspect.fleet.tables import TABLES, VERSION
from tests.fleets import CACHED, LOST, fleet, push, use_threads
from tests.servers import FakeRegistry

COUNT = 15
DOCS = Path(__file__).resolve().parents[2] / "docs" / "fleet-results.md"
IMAGES = list(fleet(COUNT))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fleet")
    with pytest.MonkeyPatch.context() as patch, FakeRegistry() as registry:
        use_threads(patch)
        references = [*push(registry, COUNT), f"registry:{registry.host}/no/such:1"]
        list(inspect_fleet(references, results=place / "r.sqlite3", cache=place / "cache"))
    return place / "r.sqlite3"


@pytest.fixture
def results(file: Path) -> Iterator[Fleet]:
    with Fleet.open(file) as opened:
        yield opened


def test_totals_count_what_is_shared_once(results: Fleet) -> None:
    totals = results.totals()
    assert (totals.references, totals.inspected, totals.failed) == (COUNT + 1, COUNT, 1)
    assert totals.images == COUNT
    assert totals.layers == len({diff_id for one in IMAGES for diff_id in one.diff_ids})
    wasted = sum(LOST * number for number in range(COUNT))
    # The second Python also replaces dpkg's database, of a layer that is whole in other images.
    replaced = totals.wasted_once_anywhere - wasted
    assert totals.wasted_once == wasted
    assert replaced > 0
    assert totals.wasted_summed == wasted + len(range(0, COUNT, 7)) * replaced
    assert totals.stored_once < totals.stored_summed
    rows = list(results.query("SELECT layer, live + wasted AS stored FROM image_layer"))
    once = {row["layer"]: row["stored"] for row in rows}
    assert totals.stored_once == sum(once.values())
    assert totals.stored_summed == sum(row["stored"] for row in rows)


def test_fixes_are_ranked_by_bytes_counted_once(results: Fleet) -> None:
    fixes = results.fixes()
    assert [fix.saving for fix in fixes] == sorted((f.saving for f in fixes), reverse=True)
    caches = [fix for fix in fixes if fix.rule == "package-cache"]
    assert [(fix.saving, fix.images) for fix in caches] == [(CACHED, 1)] * COUNT
    second = [fix for fix in fixes if fix.rule == "duplicate-python"]
    assert [fix.images for fix in second] == [len(range(0, COUNT, 7))]
    assert second[0].saving_summed == second[0].saving * second[0].images
    stored = {layer.diff_id: layer.stored for layer in results.layers()}
    assert all(fix.saving <= stored[fix.layer] for fix in fixes)


def test_bases_are_a_tree_of_shared_chains(results: Fleet) -> None:
    bases = {base.chain: base for base in results.bases()}
    (root,) = (base for base in bases.values() if not base.parent)
    children = [base for base in bases.values() if base.parent == root.chain]
    assert (root.images, root.depth, root.layers) == (COUNT, 1, 1)
    assert root.name == "debian:bookworm-slim"
    old = len(range(0, COUNT, 5))
    assert sorted(base.images for base in children) == [old, COUNT - old]
    assert len(bases) == 3
    assert all(base.depth == 2 for base in children)


def test_pythons_by_the_layer_that_brought_each(results: Fleet) -> None:
    old = [python for python in results.pythons() if python.past_end]
    assert [(python.version, python.images) for python in old] == [("3.7.4", 3)]
    assert old[0].ends == "2023-06-27"
    second = [python for python in results.pythons() if python.second]
    assert [(python.version, python.second) for python in second] == [("3.11.2", 3)]
    assert all("app" in name for name in second[0].references)


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("label:team", {"t0", "t1", "t2"}),
        ("label:none", {""}),
        ("team", {"team0", "team1", "team2"}),
        ("namespace", {""}),
        ("base", {"debian:bookworm-slim"}),
    ],
)
def test_groups(by: str, names: set[str], results: Fleet) -> None:
    groups = results.groups(by)
    assert {group.group for group in groups} == names
    assert sum(g.images for g in groups if g.rule == "package-cache") == COUNT
    assert sum(g.saving for g in groups if g.rule == "package-cache") == COUNT * CACHED


def test_groups_by_registry_and_repository(results: Fleet) -> None:
    (registry,) = {group.group for group in results.groups("registry")}
    repositories = {group.group for group in results.groups("repository")}
    assert repositories == {f"{registry}/team{n % 3}/app{n}" for n in range(COUNT)}


def test_failures_say_why(results: Fleet) -> None:
    (failure,) = results.failed()
    assert failure.status == "failed"
    assert "has no image" in failure.error


def test_a_report_that_is_not_there(results: Fleet) -> None:
    with pytest.raises(ImageNotFoundError, match="no report of 'what'"):
        results.report("what")


QUERIES = re.findall(r"^```sql\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.DOTALL | re.M)


@pytest.mark.parametrize("statement", QUERIES)
def test_the_questions_of_the_documentation_have_answers(statement: str, results: Fleet) -> None:
    assert list(results.query(statement.strip().removesuffix(";"))) != []


def test_there_are_ten_questions() -> None:
    assert len(QUERIES) == 10


def test_the_documentation_names_all_columns(file: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    with closing(sqlite3.connect(file)) as database, database:
        tables = [
            row[0]
            for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            (line,) = re.findall(rf"^\| `{table}` \|.*$", text, re.M)
            for column in database.execute(f"PRAGMA table_info({table})"):
                assert column[1] == "id" or f"`{column[1]}`" in line, (table, column[1])
    database.close()


# --- the file -------------------------------------------------------------------------------------
def test_a_statement_that_makes_no_sense(results: Fleet) -> None:
    with pytest.raises(ResultsError, match="syntax error"):
        list(results.query("SELEC"))


def test_results_are_read_only(results: Fleet) -> None:
    with pytest.raises(ResultsError, match="readonly"):
        list(results.query("DELETE FROM image"))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="there is no results file"):
        Fleet.open(tmp_path / "none")
    (tmp_path / "text").write_text("what" * 1000)
    (tmp_path / "empty").write_bytes(b"")
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE a (b)").connection.close()
    for name in ("text", "empty", "other"):
        with pytest.raises(ResultsError, match="no results file"):
            Fleet.open(tmp_path / name)
    for name in ("text", "other"):
        with pytest.raises(ResultsError, match="no results file"):
            Store(tmp_path / name)
    assert (tmp_path / "text").read_text() == "what" * 1000


def test_a_file_of_another_version(tmp_path: Path) -> None:
    with Store(tmp_path / "r"):
        pass
    database = sqlite3.connect(tmp_path / "r")
    database.execute("PRAGMA user_version = 99")
    database.commit()
    database.close()
    for use in (Store, Fleet.open):
        with pytest.raises(ResultsError, match=f"version 99, this release has version {VERSION}"):
            use(tmp_path / "r")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot be written"):
        Store(tmp_path / "none" / "r")


def test_a_full_disk_stops_with_what_was_written(tmp_path: Path) -> None:
    with Store(tmp_path / "r") as store:
        store.fail(Target(reference="a/first"), "why")
        store._database.execute("PRAGMA max_page_count = 1")
        with pytest.raises(ResultsError, match="full") as caught:
            store.fail(Target(reference="a/second"), "x" * 5_000_000)
        assert "goes on from there" in str(caught.value)
    with Fleet.open(tmp_path / "r") as results:
        assert [failure.reference for failure in results.failed()] == ["a/first"]


def test_results_may_be_read_while_they_are_written(tmp_path: Path) -> None:
    with Store(tmp_path / "r") as store, Fleet.open(tmp_path / "r") as results:
        assert results.failed() == ()
        store.fail(Target(reference="a/b"), "why")
        assert len(results.failed()) == 1


def test_the_lock_goes_with_its_run(tmp_path: Path) -> None:
    first = Store(tmp_path / "r")
    with pytest.raises(PyimginspectError, match="another run writes to"):
        Store(tmp_path / "r")
    first.close()
    Store(tmp_path / "r").close()


def test_what_refers_to_rows_that_are_deleted_has_an_index() -> None:
    """SQLite makes none for a foreign key, and would read the whole table for each deleted row."""
    kept = {"run"}  # whose rows stay
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(TABLES)
        for (table,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"):
            first = {
                database.execute(f"PRAGMA index_info('{index[1]}')").fetchone()[2]
                for index in database.execute(f"PRAGMA index_list('{table}')")
            }
            for key in database.execute(f"PRAGMA foreign_key_list('{table}')"):
                assert key[3] in first or key[2] in kept, (table, key[3])
