"""A cache of one file an entry, for a directory that several machines share.

SQLite on a network drive loses data where its locks do not work. Files that are written beside
their place and renamed need no locks, and deleting one is safe at any time: it is read again.
What was not used for longest goes first, when somebody trims the directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from pathlib import Path

from pyimginspect.errors import CacheError
from pyimginspect.layers.digests import algorithm, digest_of
from pyimginspect.layers.index_codec import (
    StoredIndexError,
    decode_index,
    encode_index,
    pack,
    unpack,
)
from pyimginspect.layers.limits import DEFAULT_LIMITS
from pyimginspect.layers.probes import Probe, version_key
from pyimginspect.model import Digest, LayerIndex

__all__ = ["FolderCache"]

_SEAL = 32  # bytes of the SHA-256 of the rest
_USED_LATELY = 3600.0  # seconds: a file's time is when it was used, to the hour
_ABANDONED = 24 * 3600.0  # seconds after which nobody writes a file any more


class FolderCache:
    """Indexes, documents and reports as files of a directory (a ``LayerCache``)."""

    def __init__(self, folder: str | Path, probes: tuple[Probe, ...] = ()) -> None:
        """Use ``folder``, and make it if it is not there. Raises :class:`CacheError`."""
        self._folder = Path(folder)
        self._versions = f"{version_key(probes)};{DEFAULT_LIMITS!r}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CacheError(f"{folder} cannot be used as a cache: {exc.strerror}") from exc

    def get(self, diff_id: Digest | None, digest: Digest | None) -> LayerIndex | None:
        """Return the index of a layer, by its diff ID; a blob's digest alone finds none."""
        data = self._get("layer", f"{diff_id};{self._versions}") if diff_id is not None else None
        if data is None:
            return None
        try:
            return decode_index(data)
        except StoredIndexError:
            return None

    def holds(self, diff_id: Digest) -> bool:
        """Whether there is an index of that layer."""
        return self._path("layer", f"{diff_id};{self._versions}").is_file()

    def put(self, diff_id: Digest, digest: Digest | None, index: LayerIndex) -> None:
        """Keep an index; both digests must have been computed from the bytes themselves."""
        self._put("layer", f"{diff_id};{self._versions}", encode_index(index))

    def get_document(self, digest: Digest) -> bytes | None:
        """Return a manifest, index or configuration."""
        data = self._get("document", digest)
        return data if data is not None and digest_of(data, algorithm(digest)) == digest else None

    def put_document(self, data: bytes, algorithm: str = "sha256", /) -> None:
        """Keep a manifest, index or configuration, under the digest of its bytes."""
        self._put("document", digest_of(data, algorithm), data)

    def get_report(self, key: Digest) -> bytes | None:
        """Return the report kept under the digest of all that it was made from."""
        data = self._get("report", key)
        try:
            return unpack(data) if data is not None else None
        except StoredIndexError:
            return None

    def put_report(self, key: Digest, data: bytes) -> None:
        """Keep a report under the digest of all that it was made from."""
        self._put("report", key, pack(data))

    def trim(self, size: int) -> int:
        """Delete what was not used for longest until ``size`` bytes are left; return how many went.

        One machine at a time should do this, now and then: it looks at all files.
        """
        found = []
        # Unlike a shell's, pathlib's "*" also matches names that begin with a dot.
        for path in self._folder.glob("??/*"):
            with contextlib.suppress(OSError):  # another machine deletes it just now
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        total = before = sum(length for _, length, _ in found)
        now = time.time()
        for used, length, path in sorted(found):
            unfinished = path.name.startswith(".")
            if unfinished and used > now - _ABANDONED:
                continue
            if unfinished or total > size:
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= length
        return before - total

    def _path(self, kind: str, key: str) -> Path:
        name = hashlib.sha256(f"{kind}\0{key}".encode()).hexdigest()
        # 256 directories, as git has for its objects: very large ones are slow on some drives.
        return self._folder / name[:2] / f"{name[2:]}.{kind}"

    def _get(self, kind: str, key: str) -> bytes | None:
        """Return what a file holds; a damaged one is as good as none."""
        path = self._path(kind, key)
        try:
            sealed = path.read_bytes()
            # Not at every read: on a network drive each change of a time is a request.
            if path.stat().st_mtime < time.time() - _USED_LATELY:
                os.utime(path)
        except OSError:
            return None
        data = sealed[_SEAL:]
        return data if hashlib.sha256(data).digest() == sealed[:_SEAL] else None

    def _put(self, kind: str, key: str, data: bytes) -> None:
        """Write a file whole or not at all; where there is no room, the layer is read again."""
        path = self._path(kind, key)
        with contextlib.suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            # In the same directory: os.replace() works within one file system only.
            handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(handle, "wb") as file:
                    # No fsync(): what a crash has left incomplete does not fit its digest.
                    file.write(hashlib.sha256(data).digest() + data)
                os.replace(beside, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(beside)
                raise
