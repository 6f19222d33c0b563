"""One layer's bytes → its :class:`~pyimginspect.model.LayerIndex`, in one pass."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any, BinaryIO

from msgspec import Struct

from pyimginspect.errors import LayerError, TruncatedError
from pyimginspect.layers import licenses, rpmdb, strings
from pyimginspect.layers.blobs import Blob, BytesBlob, FileBlob
from pyimginspect.layers.compression import CHUNK, MAGIC_LENGTH, Decompressed, sniff
from pyimginspect.layers.cursors import ContentCursor, SeekCursor, StreamCursor
from pyimginspect.layers.digests import Algorithms, Sums
from pyimginspect.layers.elf import MAGIC, RandomAccess, read_elf
from pyimginspect.layers.limits import DEFAULT_LIMITS, Limits
from pyimginspect.layers.probes import Probe
from pyimginspect.layers.stargz import without_markers
from pyimginspect.layers.tar import read_entries
from pyimginspect.layers.texts import is_shell_script, may_want, shebang, wants_text
from pyimginspect.model import (
    Digest,
    ElfFile,
    Entry,
    LayerIndex,
    Note,
    RpmPackage,
)
from pyimginspect.plugins import blamed

__all__ = ["Indexed", "Progress", "index_layer"]

Progress = Callable[[int], None]
"""Told the bytes of the blob, as stored, that have been read since the last call."""

_SCRIPT_HEAD = 1024
_SMALLEST_ELF = 52
_USUAL = Algorithms()


class Indexed(Struct, frozen=True, kw_only=True):
    """An index, and the digests of the very bytes that it was made from.

    ``digests`` are of the blob as stored, ``diff_ids`` of the uncompressed layer, one for each
    algorithm; empty unless they were asked for. ``blob_size`` counts the stored bytes.
    """

    index: LayerIndex
    blob_size: int
    digests: tuple[Digest, ...] = ()
    diff_ids: tuple[Digest, ...] = ()


def index_layer(
    blob: Blob,
    *,
    digests: bool = False,
    algorithms: Algorithms = _USUAL,
    probes: tuple[Probe, ...] = (),
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> Indexed:
    """Index one layer, whatever its compression.

    An uncompressed layer in a file is sought through, and only its headers and the contents
    that probes ask for are read; with ``digests``, in the ``algorithms`` that somebody claims
    them in, or from a stream, every byte is. Raises :class:`LayerError` (truncated, corrupt,
    unsafe, over a limit) and names the entry.
    """
    stream = blob.open()
    with contextlib.closing(stream):
        head = _read_up_to(stream, MAGIC_LENGTH)
        kind = sniff(head)
        if kind == "none" and not digests and isinstance(blob, FileBlob | BytesBlob):
            return _seek_through(blob, probes, limits, progress)
        stored = sums = None
        if digests and kind == "none":  # its digest is its diff ID: one sum is enough
            stored = sums = Sums((*algorithms.digest, *algorithms.diff_id))
        elif digests:
            stored, sums = Sums(algorithms.digest), Sums(algorithms.diff_id)
        counted = _Counted(stream, head, stored if kind != "none" else None, progress)
        source = Decompressed(
            counted, kind, expansion=limits.expansion, floor=limits.expansion_floor
        )
        cursor = StreamCursor(source, sums=sums)
        collector = _Collector(cursor, probes, limits)
        index = collector.collect(cursor.finish, checksums=True)
        counted.drain()
        return Indexed(
            index=index,
            blob_size=counted.count,
            digests=stored.digests() if stored is not None else (),
            diff_ids=sums.digests() if sums is not None else (),
        )


def _seek_through(
    blob: FileBlob | BytesBlob,
    probes: tuple[Probe, ...],
    limits: Limits,
    progress: Progress | None,
) -> Indexed:
    if isinstance(blob, FileBlob):
        file: BinaryIO = open(blob.path, "rb", buffering=0)  # noqa: SIM115 - closed below
        start = blob.offset
    else:
        file, start = io.BytesIO(blob.data), 0
    with file:
        cursor = SeekCursor(file, start, blob.size)
        index = _Collector(cursor, probes, limits).collect(cursor.finish, checksums=False)
    if progress is not None:
        progress(blob.size)
    return Indexed(index=index, blob_size=blob.size)


def _read_up_to(stream: BinaryIO, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            break
        data += more
    return data


class _Counted(io.RawIOBase, BinaryIO):
    """A stream whose first bytes were read already; counts, and hashes, all that goes by."""

    def __init__(
        self, stream: BinaryIO, head: bytes, sums: Sums | None, progress: Progress | None
    ) -> None:
        self._stream = stream
        self._head = head
        self._sums = sums
        self._progress = progress
        self.count = 0

    def read(self, count: int | None = -1, /) -> bytes:
        data, self._head = self._head, b""
        if not data:
            data = self._stream.read(CHUNK if count is None or count < 0 else count)
        self.count += len(data)
        if self._sums is not None:
            self._sums.update(data)
        if self._progress is not None:
            self._progress(len(data))
        return data

    def drain(self) -> None:
        """Read what is left."""
        while self.read(CHUNK):
            pass


def _may_identify(path: str) -> bool:
    """Whether the name alone does not rule out that a file's content is looked at."""
    name = path[path.rfind("/") + 1 :]
    return name.startswith(strings.BEGINNINGS) or name in rpmdb.NAMES or may_want(path, name)


class _Collector:
    """What one pass over a layer gathers."""

    def __init__(self, cursor: ContentCursor, probes: tuple[Probe, ...], limits: Limits) -> None:
        self._cursor = cursor
        self._probes = probes
        self._limits = limits
        self._left = limits.texts
        self._scripts_left = limits.scripts
        self._elf: dict[int, ElfFile] = {}
        self._texts: dict[int, bytes] = {}
        self._scripts: dict[int, str] = {}
        self._strings: dict[int, str] = {}
        self._rpm: dict[int, tuple[RpmPackage, ...]] = {}
        self._extra: dict[str, dict[int, Any]] = {}
        self._notes: list[Note] = []

    def collect(self, finish: Callable[[], int], *, checksums: bool) -> LayerIndex:
        """Read the whole layer; ``finish`` returns its length once the archive has ended."""
        cursor = self._cursor
        entries: list[Entry] = []
        sums: dict[int, int] = {}
        add = entries.append
        last = ""
        try:
            for entry in read_entries(cursor, self._limits, self._unclosed):
                last = entry.path
                add(entry)
                if not entry.stored:
                    continue
                head = cursor.peek(4)
                if head == MAGIC or head[:2] == b"#!" or self._probes or _may_identify(last):
                    self._probe(len(entries) - 1, entry, head)
                if checksums:
                    crc = cursor.checksum(entry.stored)
                    if crc is not None:
                        sums[len(entries) - 1] = crc
            size = finish()
        except LayerError as exc:
            if exc.entry is None and isinstance(exc, TruncatedError) and last:
                exc.message += f", after entry '{last}'"
            raise
        index = LayerIndex(
            size=size,
            entries=tuple(entries),
            elf=self._elf,
            texts=self._texts,
            scripts=self._scripts,
            strings=self._strings,
            rpm=self._rpm,
            extra=self._extra,
            notes=tuple(self._notes),
            checksums=sums if checksums else None,
        )
        return without_markers(index)

    def _unclosed(self) -> None:
        what = "the archive ends without the zero blocks that close it: entries may be missing"
        self._notes.append(Note(what=what))

    def _probe(self, position: int, entry: Entry, head: bytes) -> None:
        path, size = entry.path, entry.stored
        script = False
        if head[:2] == b"#!" or (path.endswith(".sh") and head != MAGIC):
            beginning = self._cursor.peek(min(size, _SCRIPT_HEAD))
            if head[:2] == b"#!" and entry.mode & 0o111:
                self._scripts[position] = shebang(beginning)
            script = size <= min(self._limits.script, self._scripts_left) and is_shell_script(
                path, beginning
            )
        elf = head == MAGIC and size >= _SMALLEST_ELF
        text, version, database = wants_text(path), strings.wants(path), rpmdb.wants(path)
        text = text and (head == licenses.HEAD or not licenses.is_copyright(path))
        others = self._interested(path, size, head)
        whole = bool(text or script or database or others)
        if whole and size > self._limits.content:
            self._note(f"content of {size:,} bytes was not examined", entry)
            text = script = database = whole = False
            others = []
        if not (elf or whole or version):
            return
        content = self._cursor.content(size, whole=whole, mapped=version)
        if elf:
            self._elf[position] = read_elf(content)
        if version and (found := strings.find_version(path, content)):
            self._strings[position] = found
        if text:
            self._keep_text(position, entry, content)
        elif script:
            self._scripts_left -= size
            self._texts[position] = bytes(content.read_at(0, size))
        if database:
            self._read_rpmdb(position, entry, content)
        for probe in others:
            with blamed("the probe", probe.name):
                fact = probe.read(path, content)
            if fact is not None:
                self._extra.setdefault(probe.name, {})[position] = fact

    def _interested(self, path: str, size: int, head: bytes) -> list[Probe]:
        """Return the probes of third parties that want a file."""
        found = []
        for probe in self._probes:
            with blamed("the probe", probe.name):
                if probe.wants(path, size, head):
                    found.append(probe)
        return found

    def _read_rpmdb(self, position: int, entry: Entry, content: RandomAccess) -> None:
        try:
            self._rpm[position] = rpmdb.read_rpmdb(entry.path, content.read_at(0, entry.stored))
        except LayerError as exc:  # the layer is whole, one file in it is not
            self._note(f"rpm database could not be read: {exc.message}", entry)

    def _keep_text(self, position: int, entry: Entry, content: RandomAccess) -> None:
        size = entry.stored
        if size > self._limits.text or size > self._left:
            self._note(f"text of {size:,} bytes was not kept", entry)
            return
        kept: bytes | None = bytes(content.read_at(0, size))
        if kept is not None and licenses.is_copyright(entry.path):
            kept = licenses.license_names(kept)
        if kept is not None:
            self._left -= len(kept)
            self._texts[position] = kept

    def _note(self, what: str, entry: Entry) -> None:
        self._notes.append(Note(what=what, path=entry.path))
