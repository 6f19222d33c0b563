"""The sqlite file of the cache: how it is made, opened, and told from other files."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

__all__ = ["memory_database", "open_database"]

_APPLICATION = 0x50594949  # "PYII": the mark of our files among sqlite's
_BUSY_SECONDS = 5.0
_TABLES = """
CREATE TABLE layers (
    diff_id TEXT, versions TEXT, size INTEGER, used INTEGER, data BLOB,
    PRIMARY KEY (diff_id, versions));
CREATE TABLE blobs (digest TEXT PRIMARY KEY, diff_id TEXT);
CREATE TABLE documents (
    digest TEXT PRIMARY KEY, size INTEGER, used INTEGER, data BLOB);
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the file, made if needed. Raises ``sqlite3.Error``, or ``OSError``.

    ``sqlite3.DatabaseError`` that is no ``OperationalError`` means damage, or another's file.
    """
    if not path.exists():
        _create(path)
    database = _sqlite(path)
    try:
        if database.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
            raise sqlite3.DatabaseError("it belongs to another program")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("SELECT count(*) FROM layers WHERE diff_id = ''").fetchone()
    except BaseException:
        database.close()
        raise
    return database


def memory_database() -> sqlite3.Connection:
    """Return an empty cache that ends with this process."""
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.executescript(_TABLES)
    return database


def _create(path: Path) -> None:
    """Make an empty cache, and give it its name when it is whole: others may be waiting for it."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        with contextlib.closing(_sqlite(Path(name))) as database:
            database.execute("PRAGMA auto_vacuum = INCREMENTAL")
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(_TABLES)
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
        try:
            os.link(name, path)
        except FileExistsError:
            pass  # another process was first
        except OSError:
            os.replace(name, path)  # a file system without links
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _sqlite(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
