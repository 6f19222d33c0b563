"""The tar of one layer, written down as a tree: see `tests.images`."""

import bz2
import gzip
import io
import lzma
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MTIME = 1_700_000_000
Format = Literal["pax", "gnu", "ustar"]
Compression = Literal["gzip", "zstd", "xz", "bzip2"] | None

_FORMATS: Final[dict[str, Literal[0, 1, 2]]] = {
    "pax": tarfile.PAX_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "ustar": tarfile.USTAR_FORMAT,
}


# --- what stands at a path ------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What every kind of entry has. `pax` holds extra extended-header records, xattrs for one."""

    mode: int | None = None
    uid: int = 0
    gid: int = 0
    mtime: int = MTIME
    uname: str = ""
    gname: str = ""
    pax: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class File(Attributes):
    data: bytes | str = b""


@dataclass(frozen=True)
class Directory(Attributes):
    pass


@dataclass(frozen=True)
class Link(Attributes):
    """A symbolic link; its target is stored as written."""

    target: str


@dataclass(frozen=True)
class HardLink(Attributes):
    """A second name for the file at `target`, a path of the same layer."""

    target: str


@dataclass(frozen=True)
class Device(Attributes):
    major: int = 1
    minor: int = 3
    block: bool = False


@dataclass(frozen=True)
class Fifo(Attributes):
    pass


Content = bytes | str | None | File | Directory | Link | HardLink | Device | Fifo
Tree = Mapping[str, Content] | Sequence[tuple[str, Content]]


# --- layers ---------------------------------------------------------------------------------------
def layer(tree: Tree = (), *, fmt: Format = "pax") -> bytes:
    """The uncompressed tar of one layer, entries in the order given.

    Bytes and text are files, `None` or a trailing slash is a directory. Names are stored as written
    (whiteouts, `./` and all); pairs instead of a mapping allow one name twice. Parent directories
    that are not in the tree get no entry.
    """
    return tar(tree, fmt=fmt)


def tar(tree: Tree, *, fmt: Format = "pax") -> bytes:
    """Entries, then the two blocks of zeros that end an archive, without padding to a record."""
    pairs = tree.items() if isinstance(tree, Mapping) else tree
    return b"".join([*(_entry(name, content, fmt) for name, content in pairs), bytes(1024)])


def _entry(name: str, content: Content, fmt: Format) -> bytes:
    item = _as_item(name, content)
    info = tarfile.TarInfo(name.rstrip("/") or name)
    info.uid, info.gid, info.mtime = item.uid, item.gid, item.mtime
    info.uname, info.gname = item.uname, item.gname
    info.pax_headers = dict(item.pax)
    data = b""
    default_mode = 0o644
    if isinstance(item, File):
        data = item.data.encode() if isinstance(item.data, str) else item.data
        info.size = len(data)
    elif isinstance(item, Directory):
        info.type, default_mode = tarfile.DIRTYPE, 0o755
    elif isinstance(item, Link):
        info.type, info.linkname, default_mode = tarfile.SYMTYPE, item.target, 0o777
    elif isinstance(item, HardLink):
        info.type, info.linkname = tarfile.LNKTYPE, item.target
    elif isinstance(item, Device):
        info.type = tarfile.BLKTYPE if item.block else tarfile.CHRTYPE
        info.devmajor, info.devminor = item.major, item.minor
    else:
        info.type = tarfile.FIFOTYPE
    info.mode = default_mode if item.mode is None else item.mode
    header = info.tobuf(_FORMATS[fmt], "utf-8", "surrogateescape")
    return header + data + bytes(-len(data) % 512)


def _as_item(name: str, content: Content) -> File | Directory | Link | HardLink | Device | Fifo:
    if content is None:
        return Directory()
    if isinstance(content, bytes | str):
        if name.endswith("/"):
            raise ValueError(f"{name!r} ends with a slash and has content")
        return File(content)
    return content


def compress(
    data: bytes, compression: Compression, *, parts: int = 1, skippable: bytes = b""
) -> bytes:
    """`data` in `parts` concatenated gzip members, zstd frames, xz or bzip2 streams.

    `skippable` puts a zstd skippable frame of that content before each frame (RFC 8878, 3.1.2).
    """
    if compression is None:
        return data
    size = max(1, -(-len(data) // parts))
    pieces = [data[start : start + size] for start in range(0, len(data), size)] or [b""]
    if compression == "gzip":
        return b"".join(gzip.compress(piece, compresslevel=6, mtime=0) for piece in pieces)
    if compression == "xz":
        return b"".join(lzma.compress(piece, preset=0) for piece in pieces)
    if compression == "bzip2":
        return b"".join(bz2.compress(piece) for piece in pieces)
    skip = b""
    if skippable:
        skip = 0x184D2A50.to_bytes(4, "little") + len(skippable).to_bytes(4, "little") + skippable
    return b"".join(skip + zstd.compress(piece) for piece in pieces)


def names(archive: bytes) -> list[str]:
    """The member names of a tar, in order."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return opened.getnames()
