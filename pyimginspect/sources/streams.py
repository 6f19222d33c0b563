"""An archive that goes by once: standard input, an engine's ``save``, a compressed file.

Nothing is spooled to disk, and the members may come in any order (the manifest is often the
last): everything that looks like a layer is indexed as it passes, everything else that is small
is kept, and the manifest decides afterwards what of it was meant.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from pyimginspect.errors import DigestMismatchError, LayerError, LimitError
from pyimginspect.layers import BytesBlob, Indexed, StreamBlob, index_layer
from pyimginspect.layers.compression import MAGIC_LENGTH, Decompressed, sniff
from pyimginspect.layers.cursors import StreamCursor
from pyimginspect.layers.digests import Algorithms, algorithm
from pyimginspect.layers.tar import BLOCK, read_entries
from pyimginspect.model import Digest, Entry
from pyimginspect.sources.detection import HEAD, is_tar
from pyimginspect.sources.options import LARGEST_DOCUMENT, Options
from pyimginspect.sources.readahead import ReadAhead
from pyimginspect.sources.selection import LayerRef
from pyimginspect.sources.stores import (
    OUTER_LIMITS,
    blob_path,
    damaged,
    member_name,
    resolve_member,
)

__all__ = ["Peeked", "StreamStore", "decompressed"]

# Bytes of all small members together, which stay in memory until the manifest says what counts.
# Old docker save has a json and a VERSION of about a kilobyte for each layer.
_ALL_DOCUMENTS = 64 << 20
# Docker 25 and skopeo name a member by its diff ID, OCI archives and kaniko by its blob's digest.
_DIGEST = re.compile(
    r"(?:^|/)(?:(?P<sha256>[0-9a-f]{64})|(?P<sha512>[0-9a-f]{128}))(?:\.tar(?:\.gz)?)?$"
)
# Which algorithm the diff ID is of, the configuration tells when the layer has gone by.
_EITHER = Algorithms(digest=("sha512", "sha256"), diff_id=("sha256", "sha512"))


class StreamStore:
    """The parts of an archive that has gone by."""

    def __init__(self, stream: BinaryIO, options: Options) -> None:
        """Read the archive, uncompressed, to its end.

        Raises :class:`ArchiveError` for what is no tar archive, or a damaged one. A damaged
        layer is reported by :meth:`fetch`, if it is asked for.
        """
        self._options = options
        self._documents: dict[str, bytes] = {}
        self._kept = 0
        self._layers: dict[str, Indexed | LayerError] = {}
        self._links: dict[str, str] = {}
        self._named: dict[str, Digest] = {}  # of layers taken from the cache
        # Not compressed: what comes out is as long as what goes in, so these limits never apply.
        cursor = StreamCursor(Decompressed(stream, "none", expansion=1, floor=0))
        try:
            for entry in read_entries(cursor, OUTER_LIMITS):
                self._pass(entry, cursor)
            cursor.finish()
        except LayerError as exc:
            raise damaged(exc, begun=bool(self._documents or self._layers)) from exc

    def _pass(self, entry: Entry, cursor: StreamCursor) -> None:
        name = entry.path
        if entry.kind == "symlink":
            self._links[name] = entry.target
        elif entry.kind == "hardlink":
            # A hard link's target is a path from the root of the archive, wherever the link is.
            self._links[name] = f"/{entry.target}"
        elif entry.kind == "file":
            # A member of the same name takes the place of an earlier one, as when tar extracts.
            self._links.pop(name, None)
            self._documents.pop(name, None)
            self._layers.pop(name, None)
            self._named.pop(name, None)
            head = cursor.peek(BLOCK)[: entry.stored]
            # By content and not by name: the manifest, which says what each is, may come last.
            # A member without a byte is an empty layer.
            if not head or is_tar(head) or sniff(head[:MAGIC_LENGTH]) != "none":
                self._index(entry, cursor)
            elif entry.stored <= LARGEST_DOCUMENT:
                self._keep(entry, cursor)
            elif head.lstrip()[:1] not in (b"{", b"["):
                self._index(entry, cursor)  # a damaged layer: reading it will tell

    def _keep(self, entry: Entry, cursor: StreamCursor) -> None:
        self._kept += entry.stored
        if self._kept <= _ALL_DOCUMENTS:
            self._documents[entry.path] = cursor.take(entry.stored)

    def _index(self, entry: Entry, cursor: StreamCursor) -> None:
        options = self._options
        # Old docker save keeps each layer as ID/layer.tar, so the directory is the telling part.
        label = entry.path.removesuffix("/layer.tar").rpartition("/")[2][:19]
        named = _digest_in_name(entry.path)
        if named is not None and self._take_cached(entry, named):
            options.progress.finish(label, cached=True)
            return
        options.progress.begin(label, entry.stored)
        blob = StreamBlob(_Member(cursor, entry.stored), entry.stored)
        try:
            self._layers[entry.path] = index_layer(
                blob,
                # Else nothing compares them, and SHA-256 alone takes a second for 1.5 GB
                # (docs/decisions/engine-transport.md).
                digests=options.verify or options.cache is not None,
                algorithms=_EITHER if named and algorithm(named) == "sha512" else Algorithms(),
                probes=options.probes,
                limits=options.limits,
                progress=lambda count: options.progress.advance(label, count),
            )
        except LayerError as exc:
            self._layers[entry.path] = exc
        options.progress.finish(label, cached=False)

    def _take_cached(self, entry: Entry, digest: Digest) -> bool:
        """Take a layer from the cache where its member's name tells which it is."""
        cache = self._options.cache
        if cache is None or self._options.verify:
            return False
        # A name of 64 digits does not say of what it is the digest: of the layer or of its blob.
        index = cache.get(digest, None) or cache.get(None, digest)
        if index is None:
            return False
        self._layers[entry.path] = Indexed(index=index, blob_size=entry.stored)
        self._named[entry.path] = digest
        return True

    def members(self) -> list[str]:
        """Return the names of the documents and layers that went by."""
        return [*self._documents, *self._layers, *self._links]

    def document(self, name: str) -> bytes | None:
        """Return a small member."""
        found = self._documents.get(resolve_member(name, self._links).lstrip("/"))
        if found is None and self._kept > _ALL_DOCUMENTS:
            raise LimitError(f"more than {_ALL_DOCUMENTS:,} bytes of documents")
        return found

    def blob_document(self, digest: Digest, *, manifest: bool = False) -> bytes | None:
        """Return a small blob of the OCI layout in the archive."""
        return self.document(blob_path(digest))

    def fetch(self, ref: LayerRef) -> Indexed | BytesBlob | None:
        """Return a layer's index, or ``None`` where it is absent; raise what reading it raised."""
        name = resolve_member(member_name(ref), self._links).lstrip("/")
        found = self._layers.get(name)
        if isinstance(found, LayerError):
            raise found
        if (named := self._named.get(name)) and named not in (ref.diff_id, ref.digest):
            raise DigestMismatchError(f"the member is named {named[:19]}…, which it is not")
        if found is None and name in self._documents:
            return BytesBlob(data=self._documents[name])  # no layer, as reading it will tell
        return found


def _digest_in_name(member: str) -> Digest | None:
    found = _DIGEST.search(member)
    return Digest(f"{found.lastgroup}:{found[found.lastindex or 0]}") if found else None


@contextlib.contextmanager
def decompressed(stream: BinaryIO, options: Options) -> Iterator[Peeked]:
    """Give what is in a stream that may be compressed as a whole."""
    raw = Peeked(stream)
    kind = sniff(raw.peek(MAGIC_LENGTH))
    if kind == "none":
        yield raw
        return
    limits = options.limits
    source = Decompressed(raw, kind, expansion=limits.expansion, floor=limits.expansion_floor)
    with ReadAhead(source.read_chunk) as ahead:
        yield Peeked(ahead)


class Peeked(io.RawIOBase, BinaryIO):
    """A stream whose beginning can be examined before it is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._held = b""

    def peek(self, count: int = HEAD) -> bytes:
        """Return the first ``count`` bytes, fewer where the stream ends before; and stay."""
        parts = [self._held]
        length = len(self._held)
        # A pipe gives what is there, which may be less than was asked for.
        while length < count and (more := self._stream.read(count - length)):
            parts.append(more)
            length += len(more)
        self._held = b"".join(parts)
        return self._held[:count]

    def read(self, count: int | None = -1, /) -> bytes:
        """Return some bytes, at most ``count`` where that is positive; none at the end."""
        if not self._held:
            return self._stream.read(HEAD if count is None or count < 0 else count)
        end = len(self._held) if count is None or count < 0 else count
        data, self._held = self._held[:end], self._held[end:]
        return data


class _Member(io.RawIOBase, BinaryIO):
    """One member of the archive, as a stream of its own."""

    def __init__(self, cursor: StreamCursor, size: int) -> None:
        self._cursor = cursor
        self._left = size

    def read(self, count: int | None = -1, /) -> bytes:
        wanted = self._left if count is None or count < 0 else min(count, self._left)
        data = self._cursor.take_some(wanted) if wanted else b""
        self._left -= len(data)
        return data
