"""A directory of this machine, read as if it were an archive."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from pyimginspect.errors import ArchiveError
from pyimginspect.model import Note

__all__ = ["Tree"]

_CHUNK = 1 << 18


class Tree:
    """A directory as a tar archive that is made while it is read; links are never followed.

    ``notes`` tell, after that, what could not be read.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._seen: dict[tuple[int, int], str] = {}
        self.notes: list[Note] = []

    def stream(self) -> BinaryIO:
        """Return the archive, which goes by once.

        Reading it raises :class:`ArchiveError` where there is no directory that can be read.
        """
        return _Joined(self._archive())

    def _archive(self) -> Iterator[bytes]:
        """Yield the archive, entries sorted by path within each directory.

        What is mounted in it (``/proc``, a volume) is no part of an image: only where it is.
        """
        try:
            device = os.stat(self._root).st_dev
        except OSError as exc:
            raise ArchiveError(f"the directory cannot be read: {exc.strerror}") from exc
        pending = self._children("")
        while pending:
            path = pending.pop()
            try:
                status = os.lstat(os.path.join(self._root, path))
                info = self._describe(path, status)
            except OSError as exc:
                self._note("it could not be examined", path, exc)
                continue
            if info is None:
                continue
            # PAX: names may be longer than ustar's 255 bytes, files larger than its 8 GiB. Names
            # need not be UTF-8.
            yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
            if info.isreg():
                yield from self._content(path, info.size)
            elif info.isdir() and status.st_dev != device:
                self.notes.append(Note(what="what is mounted there is not read", path=path))
            elif info.isdir():
                pending += self._children(path)
        # The end of an archive is two blocks of zeros (POSIX, pax, "ustar Interchange Format").
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
            # Names of one inode are hard links, whose content an archive has but once.
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
            # A link may have taken the file's place since it was examined. On Windows a file is
            # else opened as text.
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
            # The header has promised the size: whatever is missing has to be made up.
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
