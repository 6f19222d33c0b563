"""Which entries of the cache go first: those that were not used for the longest time."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator

from pyimginspect.layers.cache_file import SIZED

__all__ = ["Uses"]

_LATER_SECONDS = 10.0
_AT_ONCE = 32  # entries examined, when some have to go
_FREE = 0.9  # of the limit is what is filled again after that
_PATIENCE_MS = 100  # a use is not worth waiting for a lock as long as an entry is
# A count and no time, since clocks are set back.
_LAST = "(SELECT max(used) + 1 FROM uses)"


class Uses:
    """The uses of entries by this process, written down a while later: reading should not write.

    They are written before an entry is put, so that what a process uses before each does not
    make room for any; when the cache is closed; and every ten seconds.
    """

    def __init__(self, limit: int) -> None:
        """``limit`` bounds the bytes of all entries together."""
        self.limit = limit
        self._noted: dict[tuple[str, int], None] = {}
        self._written = time.monotonic()

    def note(self, kind: str, identity: int) -> None:
        """Remember the use of a row of the table ``kind``."""
        self._noted.pop((kind, identity), None)
        self._noted[kind, identity] = None

    @property
    def are_due(self) -> bool:
        """Whether it is time to write them down."""
        return bool(self._noted) and time.monotonic() - self._written > _LATER_SECONDS

    def write(self, database: sqlite3.Connection, *, patiently: bool) -> None:
        """Write the uses down; unless ``patiently``, not where others keep the file locked.

        Raises ``sqlite3.Error``.
        """
        self._written = time.monotonic()
        if not self._noted:
            return
        noted, self._noted = [*self._noted], {}
        (patience,) = database.execute("PRAGMA busy_timeout").fetchone()
        if not patiently:
            database.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        try:
            with _transaction(database):
                database.executemany(
                    f"UPDATE uses SET used = {_LAST} WHERE kind = ? AND id = ?", noted
                )
        finally:
            if not patiently:
                database.execute(f"PRAGMA busy_timeout = {patience}")

    def make_room(self, database: sqlite3.Connection) -> None:
        """Drop what was used least recently until a tenth of the room is free again.

        Raises ``sqlite3.Error``.
        """
        if _total(database) <= self.limit:
            return
        with _transaction(database):  # of several processes that see this one drops
            total = _total(database)
            while total > self.limit * _FREE:
                oldest = database.execute(
                    "SELECT kind, id, size FROM uses ORDER BY used LIMIT ?", (_AT_ONCE,)
                ).fetchall()
                for kind, identity, size in oldest:
                    if total <= self.limit * _FREE:
                        break
                    # A column of sqlite holds values of any type: damage can make one of another.
                    if not isinstance(size, int):
                        raise sqlite3.DatabaseError("a size is no number")
                    # `kind` is read from the file: only a table of ours is put into a statement.
                    if kind in SIZED:
                        database.execute(f"DELETE FROM {kind} WHERE id = ?", (identity,))
                    database.execute("DELETE FROM uses WHERE kind = ? AND id = ?", (kind, identity))
                    total -= size
                if not oldest:
                    break
        # A step frees one page, and up to Python 3.11 execute() steps once where no rows come.
        database.executescript("PRAGMA incremental_vacuum")


def _total(database: sqlite3.Connection) -> int:
    found = database.execute("SELECT size FROM total").fetchone()
    if found is None or not isinstance(found[0], int):
        raise sqlite3.DatabaseError("the total is gone")
    return found[0]


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    # Begun by reading, a transaction may fail at once where it would have to wait for a lock to
    # write (https://sqlite.org/lang_transaction.html).
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
