"""Indexes of layers seen before, in one sqlite file that any number of processes may share.

The key is a **verified** diff ID together with the versions of all probes and the limits, so an
index that this code would make differently is not found. For compressed layers a second table
leads from a blob's digest to its diff ID, a third keeps manifests and configurations, a fourth
the reports of whole images.

The cache may always be lost and never be wrong: what is damaged is dropped, what cannot be
written is not, and whoever asks gets ``None`` and reads the layer. docs/cache.md tells more.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from msgspec import Struct

from pyimginspect.errors import CacheError
from pyimginspect.layers.cache_file import memory_database, open_database, open_unchanging
from pyimginspect.layers.digests import algorithm, digest_of
from pyimginspect.layers.limits import DEFAULT_LIMITS, Limits
from pyimginspect.layers.probes import Probe, version_key
from pyimginspect.layers.stored import (
    StoredIndexError,
    decode_index,
    encode_index,
    pack,
    unpack,
)
from pyimginspect.model import Digest, LayerIndex

__all__ = ["DEFAULT_SIZE", "Cache", "CacheInfo", "cache_directory", "cache_file", "said"]

DEFAULT_SIZE = 512 << 20
"""Bytes that the cache may grow to: the indexes of some hundred big images."""

_FILE = "layers-2.sqlite3"  # a change of the tables is another file, so releases do not quarrel
_FRESH_SECONDS = 3600  # a use is not noted again within an hour: reading should not write
_SEAL = 8
_SIZED = ("layers", "documents", "reports")  # the tables whose rows have a size and a last use
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class CacheInfo(Struct, frozen=True, kw_only=True):
    """What a cache holds; ``size`` is in bytes on disk, ``limit`` what it may grow to."""

    path: str
    size: int
    layers: int
    documents: int
    reports: int
    limit: int = DEFAULT_SIZE


def cache_directory(directory: str | os.PathLike[str] | None = None) -> Path:
    """Return where the cache is: ``directory``, ``PYIMGINSPECT_CACHE_DIR``, or the user's own.

    Raises :class:`CacheError` for a user without a home directory.
    """
    named = directory or os.environ.get("PYIMGINSPECT_CACHE_DIR")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    try:
        path = user_cache_path("pyimginspect", appauthor=False)
    except RuntimeError:
        path = Path("~")
    if not path.is_absolute():  # a directory called `~`, where the home is not known
        hint = "--cache-dir or PYIMGINSPECT_CACHE_DIR names a directory"
        raise CacheError("no cache: this user has no home directory", hint=hint)
    return path


def cache_file(directory: str | os.PathLike[str] | None = None) -> Path:
    """Return the file of the cache in ``directory``. Raises as :func:`cache_directory`."""
    return cache_directory(directory) / _FILE


class Cache:
    """An open cache; a context manager, and safe to use from several threads."""

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        probes: tuple[Probe, ...] = (),
        limits: Limits = DEFAULT_LIMITS,
        size: int = DEFAULT_SIZE,
        warn: Callable[[str], None] = _log.warning,
        set_aside: bool = True,
    ) -> None:
        """Open the cache in ``directory``, made if needed; see :func:`cache_directory`.

        ``size`` bounds the bytes kept. A file there that is damaged, or no cache, is set aside
        and ``warn`` told, unless ``set_aside`` is off. Raises :class:`CacheError` where no cache
        can be had.
        """
        self.path = cache_file(directory)
        self._versions = version_key(probes)
        if limits != DEFAULT_LIMITS:
            self._versions += f",{limits}"
        self._size = size
        self._warn = warn
        self._lock = threading.Lock()
        self._writable = True
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = self._connect() if set_aside else self._open()
        except (OSError, sqlite3.Error) as exc:
            hint = "--no-cache" if set_aside else "--cache-clear"
            raise CacheError(f"no cache at {self.path.parent}: {said(exc)}", hint=hint) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # --- indexes ----------------------------------------------------------------------------------
    def get(self, diff_id: Digest | None, digest: Digest | None) -> LayerIndex | None:
        """Return the index of a layer, by its diff ID or by the digest of its compressed blob.

        Where both are given and are known not to belong together there is none: whoever reads
        the layer will find out why.
        """
        return self._guarded(lambda: self._get(diff_id, digest))

    def _get(self, diff_id: Digest | None, digest: Digest | None) -> LayerIndex | None:
        if digest is not None:
            known = self._row("SELECT diff_id FROM blobs WHERE digest = ?", digest)
            if known is not None and diff_id not in (None, known[0]):
                return None
            diff_id = diff_id if known is None else known[0]
        key = (diff_id, self._versions)
        where = "WHERE diff_id = ? AND versions = ?"
        found = self._row(f"SELECT data, used FROM layers {where}", *key)
        if found is None:
            return None
        try:
            index = decode_index(_unsealed(found[0], key))
        except StoredIndexError:
            self._write(f"DELETE FROM layers {where}", key)
            self._warn(f"a damaged entry was dropped from the cache {self.path}")
            return None
        now = int(time.time())
        if now - found[1] > _FRESH_SECONDS:
            self._write(f"UPDATE layers SET used = ? {where}", (now, *key))
        return index

    def holds(self, diff_id: Digest) -> bool:
        """Whether there is an index of that layer; it is not decoded."""
        query = "SELECT 1 FROM layers WHERE diff_id = ? AND versions = ?"
        return bool(self._guarded(lambda: self._row(query, diff_id, self._versions)))

    def put(self, diff_id: Digest, digest: Digest | None, index: LayerIndex) -> None:
        """Keep an index; both digests must have been computed from the bytes themselves."""
        with self._lock:
            data = _seal((diff_id, self._versions)) + encode_index(index)
            row = (diff_id, self._versions, len(data), int(time.time()), data)
            self._write("INSERT OR REPLACE INTO layers VALUES (?, ?, ?, ?, ?)", row)
            if digest not in (None, diff_id):
                self._write("INSERT OR REPLACE INTO blobs VALUES (?, ?)", (digest, diff_id))
            self._evict()

    # --- documents --------------------------------------------------------------------------------
    def get_document(self, digest: Digest) -> bytes | None:
        """Return a manifest, index or configuration."""
        return self._guarded(lambda: self._get_document(digest))

    def _get_document(self, digest: Digest) -> bytes | None:
        found = self._row("SELECT data, used FROM documents WHERE digest = ?", digest)
        if found is None or digest_of(found[0], algorithm(digest)) != digest:
            return None
        now = int(time.time())
        if now - found[1] > _FRESH_SECONDS:
            self._write("UPDATE documents SET used = ? WHERE digest = ?", (now, digest))
        return bytes(found[0])

    def put_document(self, data: bytes, algorithm: str = "sha256", /) -> None:
        """Keep a manifest, index or configuration, under the digest of its bytes."""
        with self._lock:
            row = (digest_of(data, algorithm), len(data), int(time.time()), data)
            self._write("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)", row)

    # --- reports ----------------------------------------------------------------------------------
    def get_report(self, key: Digest) -> bytes | None:
        """Return the report kept under the digest of all that it was made from."""
        return self._guarded(lambda: self._get_report(key))

    def _get_report(self, key: Digest) -> bytes | None:
        found = self._row("SELECT data, used FROM reports WHERE key = ?", key)
        if found is None:
            return None
        try:
            data = unpack(_unsealed(found[0], (key, "report")))
        except StoredIndexError:
            self._write("DELETE FROM reports WHERE key = ?", (key,))
            self._warn(f"a damaged entry was dropped from the cache {self.path}")
            return None
        now = int(time.time())
        if now - found[1] > _FRESH_SECONDS:
            self._write("UPDATE reports SET used = ? WHERE key = ?", (now, key))
        return data

    def put_report(self, key: Digest, data: bytes) -> None:
        """Keep a report under the digest of all that it was made from."""
        with self._lock:
            packed = _seal((key, "report")) + pack(data)
            row = (key, len(packed), int(time.time()), packed)
            self._write("INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?)", row)
            self._evict()

    # --- as a whole -------------------------------------------------------------------------------
    def info(self) -> CacheInfo:
        """Return how much there is. Raises :class:`CacheError` for a file that is damaged."""
        try:
            counts = [
                int(self._database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
                for table in _SIZED
            ]
        except sqlite3.Error as exc:
            raise CacheError(f"{self.path} is damaged: {exc}", hint="--cache-clear") from exc
        files = [self.path, Path(f"{self.path}-wal"), Path(f"{self.path}-shm")]
        size = sum(file.stat().st_size for file in files if file.exists())
        layers, documents, reports = counts
        return CacheInfo(
            path=str(self.path),
            size=size,
            layers=layers,
            documents=documents,
            reports=reports,
            limit=self._size,
        )

    def clear(self) -> None:
        """Forget everything. Raises :class:`CacheError` where that is not possible."""
        try:
            with self._lock:
                for table in (*_SIZED, "blobs"):
                    self._database.execute(f"DELETE FROM {table}")
                self._database.execute("VACUUM")
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as exc:
            hint = "deleting the file does as well, where nobody uses it"
            raise CacheError(f"{self.path} cannot be cleared: {exc}", hint=hint) from exc

    # --- sqlite -----------------------------------------------------------------------------------
    def _connect(self) -> sqlite3.Connection:
        for last in (False, True):
            try:
                return self._open()
            except sqlite3.OperationalError:
                raise  # no permission, no space, a lock: the file itself may be well
            except sqlite3.DatabaseError:
                if last:  # and not another process's file, which has come in between
                    self._set_aside()
        return self._open()

    def _open(self) -> sqlite3.Connection:
        """Open the file; one that is there and cannot be written is good for reading."""
        try:
            return open_database(self.path)
        except sqlite3.OperationalError as exc:
            if "locked" in str(exc):
                raise
            try:
                database = open_unchanging(self.path)
            except sqlite3.Error:
                raise exc from None
            self._writable = False
            if os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK):
                self._warn(f"the cache {self.path} cannot be written: {exc}")
            return database

    def _set_aside(self) -> None:
        """Move the file out of the way: it may be somebody's, so it is not deleted."""
        number = 1
        while (aside := Path(f"{self.path}.damaged-{number}")).exists():
            number += 1
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self.path}{suffix}", f"{aside}{suffix}")
        self._warn(f"the cache {self.path} is damaged, or is none; it is now {aside.name}")

    def _guarded(self, read: Callable[[], _T | None]) -> _T | None:
        """Read; what goes wrong with the file means that there is nothing in it."""
        with self._lock:
            try:
                return read()
            except sqlite3.OperationalError:
                return None  # locked for too long, or gone: read the layer instead
            except sqlite3.DatabaseError:
                self._recover()
                return None

    def _row(self, statement: str, *values: str | None) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._database.execute(statement, values).fetchone()
        return row

    def _recover(self) -> None:
        """Begin anew after damage, unless another process has done so already."""
        self._database.close()
        if not self._writable:
            self._database = memory_database()
            return
        try:
            with contextlib.closing(open_database(self.path)) as again:
                sound = again.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        except sqlite3.DatabaseError:
            sound = False
        try:
            if not sound:
                self._set_aside()
            self._database = open_database(self.path)
        except (OSError, sqlite3.Error):
            self._database = memory_database()
            self._writable = False

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        """Change the database, or leave it: a full disk is no reason to stop."""
        if not self._writable:
            return
        try:
            self._database.execute(statement, values)
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc):
                self._writable = False
                self._warn(f"the cache {self.path} cannot be written: {exc}")
        except sqlite3.DatabaseError:
            self._recover()

    def _evict(self) -> None:
        """Drop what was used least recently until a tenth of the room is free again."""
        try:
            totals = " + ".join(f"(SELECT total(size) FROM {table})" for table in _SIZED)
            used = self._database.execute(f"SELECT {totals}").fetchone()[0]
            if used <= self._size:
                return
            rows = " UNION ALL ".join(f"SELECT '{t}', rowid, size, used FROM {t}" for t in _SIZED)
            oldest = self._database.execute(f"{rows} ORDER BY used, size DESC").fetchall()
        except sqlite3.Error:
            return
        for table, row, size, _ in oldest:
            if used <= self._size * 0.9:
                break
            self._write(f"DELETE FROM {table} WHERE rowid = ?", (row,))
            used -= size
        self._write("DELETE FROM blobs WHERE diff_id NOT IN (SELECT diff_id FROM layers)", ())
        self._write("PRAGMA incremental_vacuum", ())


def _seal(key: tuple[str | None, str]) -> bytes:
    """Return what begins an entry, so that damage to the tables cannot show it as another's."""
    return hashlib.sha256(repr(key).encode()).digest()[:_SEAL]


def _unsealed(data: bytes, key: tuple[str | None, str]) -> bytes:
    if data[:_SEAL] != _seal(key):
        raise StoredIndexError("another entry's index")
    return data[_SEAL:]


def said(exc: Exception) -> str:
    """Return what an error says, for people: without its number."""
    return (isinstance(exc, OSError) and exc.strerror) or str(exc)
