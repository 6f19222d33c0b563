"""The results of a fleet in one SQLite file: one transaction an image, one writer at a time."""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from pyimginspect.errors import InvalidReferenceError, ResultsError
from pyimginspect.fleet.records import Folded, Target
from pyimginspect.fleet.tables import APPLICATION, TABLES, VERSION
from pyimginspect.sources.reference import parse_name

__all__ = ["Store", "connect", "text_of"]

_MOST_LAYERS = 20_000  # whose rows are known without asking; more would grow with the fleet
_PATIENCE = 30.0  # seconds that a write waits for a reader's checkpoint


class Kept(NamedTuple):
    """An image that is in the results: its row, its report, whether the policy fails it."""

    row: int
    report: bytes
    fails: bool


class Store:
    """A results file, open for one run; others may read it meanwhile."""

    def __init__(self, path: str | Path) -> None:
        """Open the file at ``path``, or make it.

        Raises :class:`ResultsError` where another run has it, for a file of something else or of
        another version, and where it cannot be written.
        """
        self.path = Path(path)
        self._lock = _lock(self.path)
        try:
            self._database = connect(self.path, write=True)
            self._run = self._begin()
        except BaseException:
            self._lock.close()
            raise
        self._layers: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, and let others have it."""
        self._database.close()
        self._lock.close()

    # --- reading ------------------------------------------------------------------------------
    def image(self, key: str) -> Kept | None:
        """Return the image of that key, if it is there."""
        row = self._database.execute(
            "SELECT id, report, fails FROM image WHERE key = ?", (key,)
        ).fetchone()
        return Kept(row[0], row[1], bool(row[2])) if row is not None else None

    def is_settled(self, target: Target) -> bool:
        """Whether this very run has dealt with ``target`` already."""
        row = self._database.execute(
            "SELECT 1 FROM reference WHERE name = ? AND platform = ? AND run = ?",
            (*_key(target), self._run),
        ).fetchone()
        return row is not None

    def failure(self, target: Target) -> str | None:
        """Return why ``target`` failed in an earlier run, if it did."""
        row = self._database.execute(
            "SELECT error FROM reference WHERE name = ? AND platform = ? AND status = 'failed'"
            " AND run != ?",
            (*_key(target), self._run),
        ).fetchone()
        return row[0] if row is not None else None

    # --- writing ------------------------------------------------------------------------------
    def add(self, folded: Folded, names: Iterable[tuple[Target, bytes]]) -> None:
        """Add an image and the targets that lead to it, in one transaction."""
        with self._transaction():
            image = self._add_image(folded)
            for target, named in names:
                self._refer(target, "inspected", image=image, named=named)

    def name(self, target: Target, image: int, named: bytes) -> None:
        """Note that ``target`` leads to an image that is there already."""
        with self._transaction():
            self._refer(target, "inspected", image=image, named=named)

    def fail(self, target: Target, error: str, *, deferred: bool = False) -> None:
        """Note why ``target`` was not inspected."""
        with self._transaction():
            self._refer(target, "deferred" if deferred else "failed", error=error)

    def keep(self, target: Target) -> None:
        """Note that this run named a target, and left it as it is."""
        with self._transaction():
            self._database.execute(
                "UPDATE reference SET run = ? WHERE name = ? AND platform = ?",
                (self._run, *_key(target)),
            )

    def finish(self, skipped: dict[str, int], *, complete: bool) -> int:
        """End the run; return how many references were dropped, as a ``complete`` run lacks them.

        ``skipped`` says how many of what kind the references led to and were not to be inspected.
        """
        with self._transaction():
            dropped = 0
            if complete:
                gone = "DELETE FROM reference WHERE run != ?"
                dropped = self._database.execute(gone, (self._run,)).rowcount
            self._sweep()
            self._database.execute(
                "UPDATE run SET finished = ?, skipped = ? WHERE id = ?",
                (_now(), msgspec.json.encode(skipped).decode(), self._run),
            )
        with self._translated():
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return dropped

    def _begin(self) -> int:
        with self._transaction():
            row = self._database.execute(
                "INSERT INTO run (started, skipped) VALUES (?, '{}')", (_now(),)
            ).lastrowid
        assert row is not None
        return row

    def _refer(
        self,
        target: Target,
        status: str,
        *,
        image: int | None = None,
        error: str = "",
        named: bytes = b"",
    ) -> None:
        name, platform = _key(target)
        registry, repository, tag = _parts(name)
        self._database.execute(
            "INSERT INTO reference (name, platform, namespace, registry, repository, tag, status,"
            " image, error, named, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (name, platform) DO UPDATE SET namespace = excluded.namespace,"
            " status = excluded.status, image = excluded.image, error = excluded.error,"
            " named = excluded.named, run = excluded.run",
            (
                *(name, platform, target.namespace, registry, repository, tag),
                *(status, image, text_of(error), named, self._run),
            ),
        )

    def _add_image(self, folded: Folded) -> int:
        image = folded.image
        values = {field: getattr(image, field) for field in image.__struct_fields__}
        values["labels"] = msgspec.json.encode(image.labels).decode()
        values |= {"inspected": _now(), "report": folded.report}
        known = self.image(image.key)
        if known is not None:  # by another name, which did not tell it beforehand
            return known.row
        row = self._insert("image", values)
        layers = [self._layer(folded, position) for position in range(len(folded.layers))]
        self._database.executemany(
            "INSERT INTO image_layer VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(row, position, layers[position], layer.chain, layer.live),
                    *(layer.stored - layer.live, layer.base, layer.instruction),
                )
                for position, layer in enumerate(folded.layers)
            ],
        )
        self._add_findings(row, folded, layers)
        self._database.executemany(
            "INSERT INTO python VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(row, python.path, python.version, python.implementation, python.origin),
                    *(layers[python.layer], python.size, python.effective),
                    *(" ".join(python.packages), python.ends, python.past_end),
                )
                for python in folded.pythons
            ],
        )
        return row

    def _add_findings(self, row: int, folded: Folded, layers: list[int]) -> None:
        for finding in folded.findings:
            values = {name: getattr(finding, name) for name in finding.__struct_fields__}
            del values["savings"]
            number = self._insert("finding", {"image": row, **values})
            savings: dict[int, int] = {}
            for position, saving in finding.savings.items():
                layer = layers[position]
                savings[layer] = savings.get(layer, 0) + saving
            self._database.executemany(
                "INSERT INTO finding_layer VALUES (?, ?, ?)",
                [(number, layer, saving) for layer, saving in savings.items()],
            )

    def _layer(self, folded: Folded, position: int) -> int:
        """Return the row of a layer, which other images may have, too."""
        layer = folded.layers[position]
        known = self._layers.get(layer.identity)
        if known is not None:
            return known
        row = self._database.execute(
            "INSERT INTO layer (diff_id, size, stored, entries, blob_size) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (diff_id) DO UPDATE SET blob_size = ifnull(blob_size, excluded.blob_size)"
            # lastrowid is not set by an update, and DO NOTHING would return no row.
            " RETURNING id",
            (layer.identity, layer.size, layer.stored, layer.entries, layer.blob_size),
        ).fetchone()[0]
        if len(self._layers) >= _MOST_LAYERS:
            self._layers.clear()  # the table knows them, too
        self._layers[layer.identity] = row
        return int(row)

    def _insert(self, table: str, values: dict[str, Any]) -> int:
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"
        row = self._database.execute(statement, tuple(values.values())).lastrowid
        assert row is not None
        return row

    def _sweep(self) -> None:
        """Drop images that no reference leads to any more, and layers that no image has."""
        self._database.execute(
            "DELETE FROM image WHERE id NOT IN"
            " (SELECT image FROM reference WHERE image IS NOT NULL)"
        )
        self._database.execute("DELETE FROM layer WHERE id NOT IN (SELECT layer FROM image_layer)")
        self._layers.clear()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            # Locks for writing at once: to raise a read lock later may fail without waiting.
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._layers.clear()  # of rows that will not be there
                with contextlib.suppress(sqlite3.Error):  # a full disk may have ended it already
                    self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise ResultsError(
                f"{self.path} cannot be written: {exc}",
                hint="what was written stays; the same command goes on from there",
            ) from exc


def connect(path: Path, *, write: bool = False) -> sqlite3.Connection:
    """Open a results file; make it if it is to be written and is not there.

    Raises :class:`ResultsError`.
    """
    if not write and not path.is_file():
        raise ResultsError(f"there is no results file {path}")
    try:
        database = sqlite3.connect(
            path if write else f"{path.absolute().as_uri()}?mode=ro",
            uri=not write,
            timeout=_PATIENCE,
            # Or the module would begin transactions of its own.
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _prepare(database, path, write=write)
        except BaseException:
            database.close()
            raise
    except sqlite3.Error as exc:
        raise ResultsError(f"{path} is no results file, or cannot be used: {exc}") from exc
    return database


def _prepare(database: sqlite3.Connection, path: Path, *, write: bool) -> None:
    version = _pragma(database, "user_version")
    empty = not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if empty and write:
        # Readers do not wait for the run, nor it for them.
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(
            f"BEGIN; {TABLES} PRAGMA application_id = {APPLICATION};"
            f" PRAGMA user_version = {VERSION}; COMMIT;"
        )
    elif _pragma(database, "application_id") != APPLICATION:
        raise ResultsError(f"{path} is no results file of a fleet")
    elif version != VERSION:
        raise ResultsError(
            f"{path} is a results file of version {version}, this release has version {VERSION}",
            hint="give another name to --results; layers in the cache are not read again",
        )
    # Off by default, and for each connection.
    database.execute("PRAGMA foreign_keys = ON")
    # With WAL a crash of the system costs the last images, never the file (SQLite, "synchronous").
    database.execute("PRAGMA synchronous = NORMAL")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _lock(path: Path) -> sqlite3.Connection:
    """Lock a results file for this run: by a file beside it, as readers must not be kept out.

    SQLite locks files on every system, and the lock goes when the process does.
    """
    beside = Path(f"{path}.lock")
    try:
        lock = sqlite3.connect(beside, timeout=0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as exc:
        raise ResultsError(f"{path} cannot be written: {exc}") from exc
    try:
        # No journal beside the lock: nothing is ever written to it.
        lock.execute("PRAGMA journal_mode = MEMORY")
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as exc:
        lock.close()
        if "locked" in str(exc):
            raise ResultsError(
                f"another run writes to {path}", hint="wait for it, or name other --results"
            ) from exc
        raise ResultsError(f"{path} cannot be written: {exc}") from exc
    return lock


def _parts(reference: str) -> tuple[str, str, str]:
    """Return registry, repository and tag of a name; of what is none, where it is."""
    prefix, colon, rest = reference.partition(":")
    if colon and prefix in ("registry", "docker", "podman"):
        try:
            name = parse_name(rest.removeprefix("http://").removeprefix("https://"))
        except InvalidReferenceError:
            return prefix, rest, ""
        registry = name.registry if prefix == "registry" else prefix
        return registry, name.repository, name.tag or ""
    if Path(reference).exists():
        return "", str(Path(reference).parent), Path(reference).name
    try:
        name = parse_name(reference)
    except InvalidReferenceError:
        return "", str(Path(reference).parent), Path(reference).name
    return name.registry, name.repository, name.tag or ""


def text_of(name: str) -> str:
    """Return a name as the results have it: bytes of a file's name that are no text spelled out."""
    return name.encode("utf-8", "backslashreplace").decode()


def _key(target: Target) -> tuple[str, str]:
    return text_of(target.reference), target.platform


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
