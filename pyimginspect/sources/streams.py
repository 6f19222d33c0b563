"""An archive that goes by once: standard input, an engine's ``save``, a compressed file.

Nothing is spooled to disk, and the members may come in any order (the manifest is often the
last): small documents are kept, everything that looks like a layer is indexed as it passes, and
the manifest decides afterwards what of it was meant.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

from pyimginspect.errors import LayerError, ManifestError
from pyimginspect.layers import Indexed, StreamBlob, index_layer
from pyimginspect.layers.compression import Decompressed, sniff
from pyimginspect.layers.cursors import StreamCursor
from pyimginspect.layers.tar import BLOCK, read_entries
from pyimginspect.model import Digest, Entry
from pyimginspect.sources.options import LARGEST_DOCUMENT, Options
from pyimginspect.sources.selection import LayerRef
from pyimginspect.sources.stores import blob_path, damaged, resolve_member

__all__ = ["StreamStore"]

_MAX_DOCUMENTS = 2000


class StreamStore:
    """The parts of an archive that has gone by."""

    def __init__(self, stream: BinaryIO, options: Options) -> None:
        """Read the archive to its end.

        Raises :class:`ArchiveError` for what is no tar archive, or a damaged one. A damaged
        layer is reported by :meth:`fetch`, if it is asked for.
        """
        self._options = options
        self._documents: dict[str, bytes] = {}
        self._layers: dict[str, Indexed | LayerError] = {}
        self._links: dict[str, str] = {}
        cursor = StreamCursor(_decompressed(stream, options))
        try:
            for entry in read_entries(cursor):
                self._pass(entry, cursor)
            cursor.finish()
        except LayerError as exc:
            raise damaged(exc, begun=bool(self._documents or self._layers)) from exc

    def _pass(self, entry: Entry, cursor: StreamCursor) -> None:
        name = entry.path
        if entry.kind == "symlink":
            self._links[name] = entry.target
        elif entry.kind == "hardlink":
            self._links[name] = f"/{entry.target}"
        elif entry.kind == "file":
            self._links.pop(name, None)
            head = cursor.peek(BLOCK)[: entry.stored]
            if _is_document(head):
                self._keep(entry, cursor)
            elif _is_layer(name, head, entry.stored):
                self._index(entry, cursor)

    def _keep(self, entry: Entry, cursor: StreamCursor) -> None:
        if entry.stored <= LARGEST_DOCUMENT and len(self._documents) < _MAX_DOCUMENTS:
            self._documents[entry.path] = cursor.take(entry.stored)

    def _index(self, entry: Entry, cursor: StreamCursor) -> None:
        options = self._options
        label = entry.path.removesuffix("/layer.tar").rpartition("/")[2][:19]
        options.progress.begin(label, entry.stored)
        blob = StreamBlob(_Member(cursor, entry.stored), entry.stored)
        try:
            self._layers[entry.path] = index_layer(
                blob,
                digests=options.verify or options.cache is not None,
                probes=options.probes,
                limits=options.limits,
                progress=lambda count: options.progress.advance(label, count),
            )
        except LayerError as exc:
            self._layers[entry.path] = exc
        options.progress.finish(label, cached=False)

    def document(self, name: str) -> bytes | None:
        """Return a small member."""
        return self._documents.get(resolve_member(name, self._links).lstrip("/"))

    def blob_document(self, digest: Digest) -> bytes | None:
        """Return a small blob of the OCI layout in the archive."""
        return self.document(blob_path(digest))

    def fetch(self, ref: LayerRef) -> Indexed:
        """Return a layer's index; raise what reading it raised."""
        name = ref.name or blob_path(ref.digest or Digest(""))
        found = self._layers.get(resolve_member(name, self._links).lstrip("/"))
        if found is None:
            raise ManifestError("the manifest names this layer, and the archive does not hold it")
        if isinstance(found, LayerError):
            raise found
        return found


def _decompressed(stream: BinaryIO, options: Options) -> Decompressed:
    head = b""
    while len(head) < 6 and (more := stream.read(6 - len(head))):
        head += more
    limits = options.limits
    return Decompressed(
        _Prefixed(head, stream.read),
        sniff(head),
        expansion=limits.expansion,
        floor=limits.expansion_floor,
    )


def _is_document(head: bytes) -> bool:
    return head.lstrip()[:1] in (b"{", b"[", b"n")  # a manifest may be a bare null


def _is_layer(name: str, head: bytes, size: int) -> bool:
    if name.endswith(("/json", "/VERSION")) or name in ("oci-layout", "repositories"):
        return False
    return size == 0 or sniff(head[:6]) != "none" or len(head) == BLOCK


class _Prefixed(io.RawIOBase, BinaryIO):
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, read: Callable[[int], bytes]) -> None:
        self._head = head
        self._read = read

    def read(self, count: int | None = -1, /) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        return self._read(1 << 18 if count is None or count < 0 else count)


class _Member(io.RawIOBase, BinaryIO):
    """One member of the archive, as a stream of its own."""

    def __init__(self, cursor: StreamCursor, size: int) -> None:
        self._cursor = cursor
        self._left = size

    def read(self, count: int | None = -1, /) -> bytes:
        wanted = self._left if count is None or count < 0 else min(count, self._left)
        data = self._cursor.take(wanted) if wanted else b""
        self._left -= len(data)
        return data
