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
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from msgspec import Struct

from pyimginspect.errors import CacheError
from pyimginspect.layers.cache_file import (
    SIZED,
    memory_database,
    open_database,
    open_unchanging,
)
from pyimginspect.layers.cache_settings import DEFAULT_SIZE, cache_directory, cache_file, cache_size
from pyimginspect.layers.cache_uses import Uses
from pyimginspect.layers.digests import algorithm, digest_of
from pyimginspect.layers.index_codec import (
    StoredIndexError,
    decode_index,
    encode_index,
    pack,
    unpack,
)
from pyimginspect.layers.limits import DEFAULT_LIMITS, Limits
from pyimginspect.layers.probes import Probe, version_key
from pyimginspect.model import Digest, LayerIndex

__all__ = ["DEFAULT_SIZE", "Cache", "CacheInfo", "cache_directory", "cache_file", "said"]

# Bytes of a SHA-256. They show damage; who may write the file may change anything in it.
_SEAL = 8
_PUT_LAYER = """INSERT INTO layers (diff_id, versions, data) VALUES (?, ?, ?)
    ON CONFLICT (diff_id, versions) DO UPDATE SET data = excluded.data"""
_PUT_DOCUMENT = """INSERT INTO documents (digest, data) VALUES (?, ?)
    ON CONFLICT (digest) DO UPDATE SET data = excluded.data"""
_PUT_REPORT = """INSERT INTO reports (key, data) VALUES (?, ?)
    ON CONFLICT (key) DO UPDATE SET data = excluded.data"""
# A unary plus keeps sqlite from answering by an index (https://sqlite.org/optoverview.html).
# The digest is read from the row itself: a damaged index may lead to the row of another blob.
_DIFF_ID_OF_BLOB = """SELECT diff_id FROM blobs
    WHERE rowid = (SELECT rowid FROM blobs WHERE digest = ?) AND +digest = ?"""
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


class Cache:
    """An open cache; a context manager, and safe to use from several threads."""

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        probes: tuple[Probe, ...] = (),
        limits: Limits = DEFAULT_LIMITS,
        size: int | None = None,
        warn: Callable[[str], None] = _log.warning,
        set_aside: bool = True,
    ) -> None:
        """Open the cache in ``directory``, made if needed; see :func:`cache_directory`.

        ``size`` bounds the bytes kept; see :func:`cache_size`. A file there that is damaged, or
        no cache, is set aside and ``warn`` told, unless ``set_aside`` is off. Raises
        :class:`CacheError` where no cache can be had.
        """
        self.path = cache_file(directory)
        self._versions = version_key(probes)
        if limits != DEFAULT_LIMITS:
            self._versions += f",{limits}"
        self._uses = Uses(cache_size() if size is None else size)
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
        with self._lock:
            self._note_uses()
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
            known = self._row(_DIFF_ID_OF_BLOB, digest, digest)
            if known is not None and diff_id not in (None, known[0]):
                return None
            diff_id = diff_id if known is None else known[0]
        key = (diff_id, self._versions)
        where = "WHERE diff_id = ? AND versions = ?"
        found = self._row(f"SELECT data, id FROM layers {where}", *key)
        if found is None:
            return None
        try:
            index = decode_index(_unsealed(found[0], key))
        except StoredIndexError:
            self._write(f"DELETE FROM layers {where}", key)
            self._warn(f"a damaged entry was dropped from the cache {self.path}")
            return None
        self._used("layers", found[1])
        return index

    def holds(self, diff_id: Digest) -> bool:
        """Whether there is an index of that layer; it is not decoded."""
        query = "SELECT id FROM layers WHERE diff_id = ? AND versions = ?"
        found = self._guarded(lambda: self._row(query, diff_id, self._versions))
        if found is None:
            return False
        with self._lock:
            self._used("layers", found[0])
        return True

    def put(self, diff_id: Digest, digest: Digest | None, index: LayerIndex) -> None:
        """Keep an index; both digests must have been computed from the bytes themselves."""
        with self._lock:
            data = _seal((diff_id, self._versions)) + encode_index(index)
            if not self._put(_PUT_LAYER, (diff_id, self._versions, data)):
                return
            if digest not in (None, diff_id):
                self._write("INSERT OR REPLACE INTO blobs VALUES (?, ?)", (digest, diff_id))
            self._make_room()

    # --- documents --------------------------------------------------------------------------------
    def get_document(self, digest: Digest) -> bytes | None:
        """Return a manifest, index or configuration."""
        return self._guarded(lambda: self._get_document(digest))

    def _get_document(self, digest: Digest) -> bytes | None:
        found = self._row("SELECT data, id FROM documents WHERE digest = ?", digest)
        if found is None or not isinstance(found[0], bytes):
            return None
        if digest_of(found[0], algorithm(digest)) != digest:
            return None
        self._used("documents", found[1])
        return bytes(found[0])

    def put_document(self, data: bytes, algorithm: str = "sha256", /) -> None:
        """Keep a manifest, index or configuration, under the digest of its bytes."""
        with self._lock:
            if self._put(_PUT_DOCUMENT, (digest_of(data, algorithm), data)):
                self._make_room()

    # --- reports ----------------------------------------------------------------------------------
    def get_report(self, key: Digest) -> bytes | None:
        """Return the report kept under the digest of all that it was made from."""
        return self._guarded(lambda: self._get_report(key))

    def _get_report(self, key: Digest) -> bytes | None:
        found = self._row("SELECT data, id FROM reports WHERE key = ?", key)
        if found is None:
            return None
        try:
            data = unpack(_unsealed(found[0], (key, "report")))
        except StoredIndexError:
            self._write("DELETE FROM reports WHERE key = ?", (key,))
            self._warn(f"a damaged entry was dropped from the cache {self.path}")
            return None
        self._used("reports", found[1])
        return data

    def put_report(self, key: Digest, data: bytes) -> None:
        """Keep a report under the digest of all that it was made from."""
        with self._lock:
            packed = _seal((key, "report")) + pack(data)
            if self._put(_PUT_REPORT, (key, packed)):
                self._make_room()

    # --- as a whole -------------------------------------------------------------------------------
    def info(self) -> CacheInfo:
        """Return how much there is. Raises :class:`CacheError` for a file that is damaged."""
        try:
            counts = [
                int(self._database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
                for table in SIZED
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
            limit=self._uses.limit,
        )

    def clear(self) -> None:
        """Forget everything. Raises :class:`CacheError` where that is not possible."""
        try:
            with self._lock:
                for table in (*SIZED, "blobs"):
                    self._database.execute(f"DELETE FROM {table}")
                self._database.execute("VACUUM")
                # VACUUM writes the new file to the log: this moves it over, and empties the log.
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as exc:
            hint = "deleting the file does as well, where nothing else uses it"
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
            # A cache that is mounted read-only, as CI systems do, is meant to be so.
            if os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK):
                self._warn(f"the cache {self.path} cannot be written: {exc}")
            return database

    def _set_aside(self) -> None:
        """Move the file out of the way: it may be somebody's, so it is not deleted."""
        number = 1
        while (aside := Path(f"{self.path}.damaged-{number}")).exists():
            number += 1
        # sqlite would apply a log that stays behind to the new file.
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
        """Begin again after damage, unless another process has done so already."""
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

    def _put(self, statement: str, values: tuple[Any, ...]) -> bool:
        """Keep an entry, but for one that would fill the cache alone; tell whether it was tried."""
        if len(values[-1]) > self._uses.limit // 2:
            return False
        self._note_uses(patiently=True)
        self._write(statement, values)
        return True

    # --- what goes first --------------------------------------------------------------------------
    def _used(self, kind: str, identity: int) -> None:
        self._uses.note(kind, identity)
        if self._uses.are_due:
            self._note_uses()

    def _note_uses(self, *, patiently: bool = False) -> None:
        """Write down what was used; that this is not possible is no reason for anything."""
        if self._writable:
            with contextlib.suppress(sqlite3.Error):
                self._uses.write(self._database, patiently=patiently)

    def _make_room(self) -> None:
        if self._writable:
            with contextlib.suppress(sqlite3.Error):
                self._uses.make_room(self._database)


def _seal(key: tuple[str | None, str]) -> bytes:
    """Return what begins an entry, so that damage to the tables cannot show it as another's."""
    return hashlib.sha256(repr(key).encode()).digest()[:_SEAL]


def _unsealed(data: object, key: tuple[str | None, str]) -> bytes:
    if not isinstance(data, bytes) or data[:_SEAL] != _seal(key):
        raise StoredIndexError("another entry's index")
    return data[_SEAL:]


def said(exc: Exception) -> str:
    """Return what an error says, for people: without its number."""
    return (isinstance(exc, OSError) and exc.strerror) or str(exc)
