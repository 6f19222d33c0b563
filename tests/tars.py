"""The tar of one layer, written down as a tree: see `tests.images`."""

import bz2
import functools
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
class Sparse(Attributes):
    """A file of `size` bytes, zeros but for `data` at `start`; in pax alone."""

    data: bytes
    start: int
    size: int


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


Item = File | Sparse | Directory | Link | HardLink | Device | Fifo
Content = bytes | str | None | Item
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
    if isinstance(item, Sparse):
        if fmt != "pax":
            raise ValueError("no engine takes the sparse files of GNU tar's own format")
        item = _sparse_file(name, item)
    if fmt == "pax":
        plain = _plain_entry(name.rstrip("/") or name, item)
        if plain is not None:
            return plain
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


def _sparse_file(name: str, item: Sparse) -> File:
    """A sparse file in version 1.0: the map is the beginning of what is stored (GNU tar's manual,
    "Storing Sparse Files")."""
    stored = f"1\n{item.start}\n{len(item.data)}\n".encode().ljust(512, b"\0") + item.data
    sparse = {"major": "1", "minor": "0", "name": name, "realsize": str(item.size)}
    pax = {f"GNU.sparse.{key}": value for key, value in sparse.items()} | dict(item.pax)
    return File(stored, mode=item.mode, uid=item.uid, gid=item.gid, mtime=item.mtime, pax=pax)


def _plain_entry(name: str, item: Item) -> bytes | None:
    """What `tarfile` makes of most entries, byte for byte, in a fraction of its time: those that
    need no extended header and are no device. The tests build thousands of images."""
    data, kind, target, mode = b"", b"0", "", 0o644
    if isinstance(item, File):
        data = item.data.encode() if isinstance(item.data, str) else item.data
    elif isinstance(item, Directory):
        kind, mode = b"5", 0o755
    elif isinstance(item, Link):
        kind, mode, target = b"2", 0o777, item.target
    elif isinstance(item, HardLink):
        kind, target = b"1", item.target
    else:
        return None
    short = len(name) < 100 and len(target) <= 100 and name.isascii() and target.isascii()
    owned = 0 <= item.uid < 8**7 and 0 <= item.gid < 8**7 and 0 <= item.mtime < 8**11
    if item.pax or item.uname or item.gname or not short or not owned or name.endswith("/"):
        return None
    mode = (mode if item.mode is None else item.mode) & 0o7777
    numbers = mode, item.uid, item.gid, len(data), item.mtime
    header = _plain_header(name + "/" if kind == b"5" else name, kind, target, numbers)
    return b"".join([header, data, bytes(-len(data) % 512)])


@functools.lru_cache(8192)
def _plain_header(
    name: str, kind: bytes, target: str, numbers: tuple[int, int, int, int, int]
) -> bytes:
    """A header of ustar (POSIX.1-1988); the sum of its bytes counts itself as eight spaces."""
    header = bytearray(512)
    header[:100] = name.encode().ljust(100, b"\0")
    header[100:157] = b"%07o\0%07o\0%07o\0%011o\0%011o\0        %b" % (*numbers, kind)
    header[157:265] = target.encode().ljust(100, b"\0") + b"ustar\x0000"
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header)


def _as_item(name: str, content: Content) -> Item:
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
        return b"".join(gzip.compress(piece, compresslevel=1, mtime=0) for piece in pieces)
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
