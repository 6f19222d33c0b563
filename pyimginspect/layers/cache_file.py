"""The sqlite file of the cache: how it is made, opened, and told from other files."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

__all__ = ["SIZED", "memory_database", "open_database", "open_unchanging"]

_APPLICATION = 0x50594949  # "PYII": the mark of our files among sqlite's
_BUSY_SECONDS = 5.0  # to wait for the lock of another process
SIZED = ("layers", "documents", "reports")
"""The tables whose rows have a size, and go when they were not used for the longest time."""

_TABLES = (
    """CREATE TABLE layers (
    id INTEGER PRIMARY KEY, diff_id TEXT, versions TEXT, data BLOB, UNIQUE (diff_id, versions))""",
    "CREATE TABLE blobs (digest TEXT PRIMARY KEY, diff_id TEXT)",
    "CREATE INDEX blobs_of_a_layer ON blobs (diff_id)",
    "CREATE TABLE documents (id INTEGER PRIMARY KEY, digest TEXT UNIQUE, data BLOB)",
    "CREATE TABLE reports (id INTEGER PRIMARY KEY, key TEXT UNIQUE, data BLOB)",
    # How many bytes each row above has, and when it was used last, by a count of all uses; apart
    # from the rows themselves, so that a use does not write an index of megabytes again.
    """CREATE TABLE uses (
    kind TEXT, id INTEGER, size INTEGER, used INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID""",
    "CREATE INDEX uses_in_order ON uses (used)",
    "CREATE TABLE total (size INTEGER)",
    "INSERT INTO total VALUES (0)",
    """CREATE TRIGGER total_more AFTER INSERT ON uses BEGIN
    UPDATE total SET size = size + NEW.size; END""",
    """CREATE TRIGGER total_less AFTER DELETE ON uses BEGIN
    UPDATE total SET size = size - OLD.size; END""",
    """CREATE TRIGGER total_other AFTER UPDATE OF size ON uses BEGIN
    UPDATE total SET size = size - OLD.size + NEW.size; END""",
    *(
        statement.format(kind=kind, last="(SELECT coalesce(max(used), 0) + 1 FROM uses)")
        for kind in SIZED
        for statement in (
            """CREATE TRIGGER {kind}_come AFTER INSERT ON {kind} BEGIN
    INSERT INTO uses VALUES ('{kind}', NEW.id, length(NEW.data), {last}); END""",
            """CREATE TRIGGER {kind}_change AFTER UPDATE OF data ON {kind} BEGIN
    UPDATE uses SET size = length(NEW.data), used = {last}
    WHERE kind = '{kind}' AND id = NEW.id; END""",
            """CREATE TRIGGER {kind}_go AFTER DELETE ON {kind} BEGIN
    DELETE FROM uses WHERE kind = '{kind}' AND id = OLD.id; END""",
        )
    ),
    """CREATE TRIGGER blobs_go AFTER DELETE ON layers
    WHEN NOT EXISTS (SELECT 1 FROM layers WHERE diff_id = OLD.diff_id) BEGIN
    DELETE FROM blobs WHERE diff_id = OLD.diff_id; END""",
)


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Tell damage from what is wrong with the disk, a lock or a permission.

    What is no SQL to sqlite, although it is ours, is so by a damaged schema or a damaged header;
    and a message that repeats damaged bytes may be no UTF-8.
    """
    try:
        yield
    except UnicodeDecodeError as exc:
        raise sqlite3.DatabaseError("its schema is no text") from exc
    except sqlite3.OperationalError as exc:
        if getattr(exc, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR:
            raise
        raise sqlite3.DatabaseError(str(exc)) from exc


class _Cursor(sqlite3.Cursor):
    def execute(self, *arguments: Any) -> Self:
        with _damage():
            return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> Self:
        with _damage():
            return super().executemany(*arguments)

    def executescript(self, *arguments: Any) -> Self:
        with _damage():
            super().executescript(*arguments)
        return self

    def fetchone(self) -> Any:
        with _damage():
            return super().fetchone()

    def fetchall(self) -> list[Any]:
        with _damage():
            return super().fetchall()


class _Connection(sqlite3.Connection):
    """A connection all of whose errors are those of sqlite."""

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    def execute(self, *arguments: Any) -> Any:
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        return self.cursor().executemany(*arguments)

    def executescript(self, *arguments: Any) -> Any:
        return self.cursor().executescript(*arguments)


def open_database(path: Path) -> sqlite3.Connection:
    """Open the file, made if needed. Raises ``sqlite3.Error``.

    ``sqlite3.DatabaseError`` that is no ``OperationalError`` means damage, or another's file.
    """
    database = sqlite3.connect(
        path,
        timeout=_BUSY_SECONDS,
        # The module would begin transactions by itself, which keep other processes waiting.
        # Cache has a lock of its own for the threads that share the connection.
        isolation_level=None,
        check_same_thread=False,
        factory=_Connection,
    )
    try:
        if _is_empty(database):
            _fill(database)
        if _application(database) != _APPLICATION:
            raise sqlite3.DatabaseError("it belongs to another program")
        if database.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            with contextlib.suppress(sqlite3.OperationalError):  # others are using it: next time
                database.execute("PRAGMA journal_mode = WAL")
        # With a write-ahead log a power failure may take the last entries, and damages nothing
        # (https://sqlite.org/pragma.html#pragma_synchronous).
        database.execute("PRAGMA synchronous = NORMAL")
        # A damaged schema shows when a statement needs it, not when the file is opened.
        database.execute("SELECT count(*) FROM layers WHERE diff_id = ''").fetchone()
    except BaseException:
        database.close()
        raise
    return database


def open_unchanging(path: Path) -> sqlite3.Connection:
    """Open a file that this process may not write, nor anything beside it; others may.

    What they have not yet moved from their log to the file is not seen, and what they move
    meanwhile may look like damage. Raises ``sqlite3.Error``.
    """
    # A file in WAL mode needs a -shm file beside it, unless it is said to be immutable
    # (https://sqlite.org/wal.html, "Read-Only Databases").
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    database = sqlite3.connect(
        address, uri=True, isolation_level=None, check_same_thread=False, factory=_Connection
    )
    try:
        if _application(database) != _APPLICATION:
            raise sqlite3.DatabaseError("it belongs to another program")
        database.execute("SELECT count(*) FROM layers WHERE diff_id = ''").fetchone()
    except BaseException:
        database.close()
        raise
    return database


def _application(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA application_id").fetchone()[0])


def _is_empty(database: sqlite3.Connection) -> bool:
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return tables == 0 and _application(database) == 0


def _fill(database: sqlite3.Connection) -> None:
    """Make the tables in one transaction, unless another process is doing so or has done so.

    Whoever is killed meanwhile, or closes the file after an error, leaves an empty file, or one
    that sqlite takes back to that: so nothing is made under another name, to be left behind.
    """
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts before the first table alone
    database.execute("BEGIN EXCLUSIVE")
    if _is_empty(database):
        for statement in _TABLES:
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {_APPLICATION}")
    database.execute("COMMIT")


def memory_database() -> sqlite3.Connection:
    """Return an empty cache that ends with this process."""
    database = sqlite3.connect(
        ":memory:", isolation_level=None, check_same_thread=False, factory=_Connection
    )
    for statement in _TABLES:
        database.execute(statement)
    return database
