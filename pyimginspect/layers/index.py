"""One layer's bytes → its :class:`~pyimginspect.model.LayerIndex`, in one pass."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from pyimginspect.errors import LayerError, TruncatedError
from pyimginspect.layers.blobs import Blob, BytesBlob, FileBlob
from pyimginspect.layers.compression import MAGIC_LENGTH, Decompressed, sniff
from pyimginspect.layers.contents import (
    Databases,
    ElfFiles,
    File,
    Notes,
    Others,
    Reader,
    Scripts,
    Texts,
    Versions,
    may_identify,
)
from pyimginspect.layers.cursors import ContentCursor, SeekCursor, StreamCursor
from pyimginspect.layers.digests import Algorithms, Sums
from pyimginspect.layers.elf import MAGIC
from pyimginspect.layers.indexed import Indexed, Progress
from pyimginspect.layers.limits import DEFAULT_LIMITS, Limits
from pyimginspect.layers.probes import Probe
from pyimginspect.layers.stargz import without_markers
from pyimginspect.layers.tar import read_entries
from pyimginspect.layers.texts import shebang
from pyimginspect.model import Entry, LayerIndex

__all__ = ["Collector", "Indexed", "Progress", "index_layer"]

# Bytes: Linux reads 256 of a first line (BINPRM_BUF_SIZE); a second one may say the interpreter.
_SCRIPT_HEAD = 1024
_USUAL = Algorithms()


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
        collector = Collector(cursor, probes, limits)
        index = collector.collect(cursor.finish, checksums=True)
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
        # SeekCursor has a window of its own; a buffer beside it costs a third more time
        # (docs/decisions/reading-archives.md).
        file: BinaryIO = open(blob.path, "rb", buffering=0)  # noqa: SIM115 - closed below
        start = blob.offset
    else:
        file, start = io.BytesIO(blob.data), 0
    with file:
        cursor = SeekCursor(file, start, blob.size)
        index = Collector(cursor, probes, limits).collect(cursor.finish, checksums=False)
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


class _Counted:
    """A stream whose first bytes were read already; counts, and hashes, all that goes by."""

    def __init__(
        self, stream: BinaryIO, head: bytes, sums: Sums | None, progress: Progress | None
    ) -> None:
        self._stream = stream
        self._head = head
        self._sums = sums
        self._progress = progress
        self.count = 0

    def read(self, count: int, /) -> bytes:
        """Return some of the next ``count`` bytes, or what was read already; none at the end."""
        data, self._head = self._head, b""
        if not data:
            data = self._stream.read(count)
        self.count += len(data)
        if self._sums is not None:
            self._sums.update(data)
        if self._progress is not None:
            self._progress(len(data))
        return data


class Collector:
    """What one pass over a layer gathers from the contents that ``cursor`` stands at."""

    def __init__(self, cursor: ContentCursor, probes: tuple[Probe, ...], limits: Limits) -> None:
        self._cursor = cursor
        self._limits = limits
        self._scripts: dict[int, str] = {}
        self._notes = notes = Notes()
        self._elf, self._versions = ElfFiles(), Versions()
        self._texts, self._databases = Texts(limits, notes), Databases(notes)
        self._shell = Scripts(limits, self._texts)
        self._extra: dict[str, dict[int, Any]] = {probe.name: {} for probe in probes}
        self._readers: list[Reader] = [
            self._elf,
            self._versions,
            self._texts,
            self._shell,
            self._databases,
            *(Others(probe, self._extra[probe.name]) for probe in probes),
        ]

    def collect(self, finish: Callable[[], int], *, checksums: bool) -> LayerIndex:
        """Read the whole layer; ``finish`` returns its length once the archive has ended."""
        cursor = self._cursor
        entries: list[Entry] = []
        sums: dict[int, int] = {}
        add = entries.append
        last = ""
        every = bool(self._extra)  # whatever the name, a probe may want it
        try:
            for entry in read_entries(cursor, self._limits, self._unclosed):
                last = entry.path
                add(entry)
                if not entry.stored:
                    continue
                head = cursor.peek(4)
                if head == MAGIC or head[:2] == b"#!" or every or may_identify(last):
                    self.probe(len(entries) - 1, entry, head)
                if checksums:
                    crc = cursor.checksum(entry.stored)
                    if crc is not None:
                        sums[len(entries) - 1] = crc
            size = finish()
        except LayerError as exc:
            if exc.entry is None and isinstance(exc, TruncatedError) and last:
                exc.message += f", after entry '{last}'"
            raise
        return self.index(size, tuple(entries), sums if checksums else None)

    def index(
        self, size: int, entries: tuple[Entry, ...], sums: dict[int, int] | None
    ) -> LayerIndex:
        """Return all that was gathered as the index of a layer of ``size`` bytes."""
        index = LayerIndex(
            size=size,
            entries=entries,
            elf=self._elf.facts,
            texts=self._texts.facts,
            scripts=self._scripts,
            strings=self._versions.facts,
            rpm=self._databases.facts,
            extra={name: facts for name, facts in self._extra.items() if facts},
            notes=tuple(self._notes.all),
            checksums=sums,
        )
        return without_markers(index)

    @property
    def is_nearly_full(self) -> bool:
        """Whether one more file might go beyond what is kept of all of them."""
        return self._texts.is_nearly_full or self._shell.is_nearly_full

    @contextlib.contextmanager
    def undoing_notes(self, error: type[Exception]) -> Iterator[None]:
        """Forget the notes that were taken in the ``with`` statement where ``error`` ends it."""
        count = len(self._notes.all)
        try:
            yield
        except error:
            del self._notes.all[count:]
            raise

    def _unclosed(self) -> None:
        what = "the archive ends without the zero blocks that close it: entries may be missing"
        self._notes.add(what)

    def probe(self, position: int, entry: Entry, head: bytes) -> None:
        """Show a file to all readers, and its content to those that want it."""
        size = entry.stored
        file = File(position, entry, head, self._script_head(position, entry, head))
        readers = []
        whole = mapped = False
        for reader in self._readers:
            if reader.wants(file):
                readers.append(reader)
                whole |= reader.whole
                mapped |= reader.mapped
        if whole and size > self._limits.content:
            self._notes.add(f"content of {size:,} bytes was not examined", entry.path)
            readers = [reader for reader in readers if not reader.whole]
            whole = False
        if readers:
            content = self._cursor.content(size, whole=whole, mapped=mapped)
            for reader in readers:
                reader.read(file, content)

    def _script_head(self, position: int, entry: Entry, head: bytes) -> bytes:
        """Return how a file begins that may be a script; keep the first line of a program."""
        interpreted = head[:2] == b"#!"
        if not interpreted and (head == MAGIC or not entry.path.endswith(".sh")):
            return b""
        beginning = self._cursor.peek(min(entry.stored, _SCRIPT_HEAD))
        if interpreted and entry.mode & 0o111:
            self._scripts[position] = shebang(beginning)
        return beginning
