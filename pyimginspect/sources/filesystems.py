"""Root file systems without an image around them: ``docker export``, ``buildx``, a directory.

Such a thing has one layer and no configuration. Its platform is read off its programs.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from pyimginspect.errors import ArchiveError, PyimginspectError
from pyimginspect.layers import FileBlob, Indexed, StreamBlob, index_layer
from pyimginspect.layers.blobs import Blob
from pyimginspect.model import ImageConfig, LayerIndex, Note, Platform
from pyimginspect.sources.indexing import Opened, build_image
from pyimginspect.sources.options import Options
from pyimginspect.sources.selection import LayerRef, Selection, check_platform

__all__ = ["open_directory", "open_rootfs"]

_LABEL = "0 (root file system)"
_CHUNK = 1 << 18
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "i386": ("386", ""),
    "arm": ("arm", ""),
    "ppc64": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv": ("riscv64", ""),
}


def open_rootfs(blob: Blob, options: Options, *, reference: str) -> Opened:
    """Open a tar archive of a root file system, compressed or not.

    Raises :class:`LayerError`, or :class:`PlatformError` for another platform than asked for.
    """
    indexed = _index(blob, options)
    opened = _opened(indexed, options, reference)
    if isinstance(blob, FileBlob) and indexed.index.checksums is None:
        return msgspec.structs.replace(opened, blobs={0: blob})
    return opened


def open_directory(path: str, options: Options, *, reference: str) -> Opened:
    """Open a directory of this machine as a root file system; links are never followed.

    What cannot be read is a note of the layer's index, as if its content were zeros.
    Raises as :func:`open_rootfs` does.
    """
    tree = _Tree(path)
    indexed = _index(StreamBlob(_Joined(tree.archive())), options)
    index = msgspec.structs.replace(indexed.index, notes=indexed.index.notes + tuple(tree.notes))
    return _opened(msgspec.structs.replace(indexed, index=index), options, reference)


def _index(blob: Blob, options: Options) -> Indexed:
    options.progress.begin(_LABEL, blob.size)
    try:
        indexed = index_layer(
            blob,
            probes=options.probes,
            limits=options.limits,
            progress=lambda count: options.progress.advance(_LABEL, count),
        )
    except PyimginspectError as exc:
        raise exc.at(layer=_LABEL) from exc
    options.progress.finish(_LABEL, cached=False)
    return indexed


def _opened(indexed: Indexed, options: Options, reference: str) -> Opened:
    config = ImageConfig(platform=options.platform or Platform())
    platform = _platform_of(indexed.index)
    if platform is not None:
        config = ImageConfig(platform=platform)
    selection = Selection(config=config, layers=(LayerRef(name="root file system"),))
    check_platform(selection, options.platform)
    image = build_image(selection, {0: indexed}, reference=reference, source="rootfs")
    return Opened(image=image)


def _platform_of(index: LayerIndex) -> Platform | None:
    """Return the platform that most programs are built for, or ``None`` without any."""
    if any(entry.path.startswith("Files/Windows") for entry in index.entries[:1000]):
        return Platform(os="windows")
    machines = Counter(elf.machine for elf in index.elf.values() if elf.kind != "other")
    for machine, _ in sorted(machines.items(), key=lambda item: (-item[1], item[0])):
        if machine in _ARCHITECTURES:
            architecture, variant = _ARCHITECTURES[machine]
            return Platform(architecture=architecture, variant=variant)
    return None


class _Tree:
    """A directory as a tar archive that is made while it is read."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._seen: dict[tuple[int, int], str] = {}
        self.notes: list[Note] = []

    def archive(self) -> Iterator[bytes]:
        """Yield the archive, entries sorted by path within each directory."""
        pending = self._children("")
        while pending:
            path = pending.pop()
            try:
                status = os.lstat(os.path.join(self._root, path))
                info = self._describe(path, status)
            except OSError as exc:
                self._note("it could not be looked at", path, exc)
                continue
            if info is None:
                continue
            yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
            if info.isreg():
                yield from self._content(path, info.size)
            elif info.isdir():
                pending += self._children(path)
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _children(self, path: str) -> list[str]:
        """Return what is in a directory, the last first."""
        try:
            names = os.listdir(os.path.join(self._root, path))
        except OSError as exc:
            if not path:
                raise ArchiveError(f"the directory cannot be read: {exc.strerror}") from exc
            self._note("the directory could not be read", path, exc)
            return []
        return sorted((f"{path}/{name}" if path else name for name in names), reverse=True)

    def _describe(self, path: str, status: os.stat_result) -> tarfile.TarInfo | None:
        info = tarfile.TarInfo(path)
        info.mode = stat.S_IMODE(status.st_mode)
        info.uid, info.gid, info.mtime = status.st_uid, status.st_gid, int(status.st_mtime)
        mode = status.st_mode
        if stat.S_ISREG(mode):
            first = self._seen.setdefault((status.st_dev, status.st_ino), path)
            if status.st_nlink > 1 and first != path:
                info.type, info.linkname = tarfile.LNKTYPE, first
            else:
                info.size = status.st_size
        elif stat.S_ISDIR(mode):
            info.type = tarfile.DIRTYPE
        elif stat.S_ISLNK(mode):
            info.type = tarfile.SYMTYPE
            info.linkname = os.readlink(os.path.join(self._root, path))
        elif stat.S_ISFIFO(mode):
            info.type = tarfile.FIFOTYPE
        elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            info.type = tarfile.CHRTYPE if stat.S_ISCHR(mode) else tarfile.BLKTYPE
            info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        else:
            return None  # a socket: no image can hold one
        return info

    def _content(self, path: str, size: int) -> Iterator[bytes]:
        left = size
        try:
            flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
            with open(os.open(os.path.join(self._root, path), flags), "rb", buffering=0) as file:
                while left and (data := file.read(min(left, _CHUNK))):
                    left -= len(data)
                    yield data
            if left:
                self.notes.append(Note(what="it became shorter while it was read", path=path))
        except OSError as exc:
            self._note("its content could not be read", path, exc)
        while left:
            zeros = bytes(min(left, _CHUNK))
            left -= len(zeros)
            yield zeros
        yield bytes(-size % tarfile.BLOCKSIZE)

    def _note(self, what: str, path: str, exc: OSError) -> None:
        self.notes.append(Note(what=f"{what}: {exc.strerror}", path=path))


class _Joined(io.RawIOBase, BinaryIO):
    """Pieces of bytes as a stream; small ones are put together."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, count: int | None = -1, /) -> bytes:
        wanted = _CHUNK if count is None or count < 0 else count
        parts = [self._rest]
        length = len(self._rest)
        while length < wanted and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            length += len(piece)
        data = b"".join(parts)
        self._rest = data[wanted:]
        return data[:wanted]
