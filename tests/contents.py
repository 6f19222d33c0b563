"""Layers with a table of contents, as eStargz and zstd:chunked have them; and ones that lie.

packed = zstd_chunked(layer({"a": "1"}))
files = packed_files(image([packed.tar]), [packed])
registry.add("app", "1", one, files=files)

Both follow what the formats' own tools write, but for the places where a file is divided: those
tools divide by its content or every 4 MiB, this every `chunk` bytes.
"""

import base64
import binascii
import datetime
import gzip
import io
import json
import struct
import tarfile
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from tests.images import Image, digest
from tests.layouts import blob_name, descriptor, index, manifest
from tests.tars import compress

Document = dict[str, Any]
Edit = Callable[[Document], None]

_KINDS = {
    tarfile.REGTYPE: "reg",
    tarfile.LNKTYPE: "hardlink",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.DIRTYPE: "dir",
    tarfile.FIFOTYPE: "fifo",
}
ESTARGZ_DIGEST = "containerd.io/snapshot/stargz/toc.digest"
ESTARGZ_SIZE = "io.containers.estargz.uncompressed-size"
CHUNKED = "io.github.containers.zstd-chunked."


class Packed(NamedTuple):
    """A layer as it is stored: the `tar` that its blob decompresses to, and its annotations."""

    tar: bytes
    blob: bytes
    annotations: dict[str, str]
    suffix: str


def _leave(_: Document) -> None:
    pass


# The layers that tests change a table of are the same ones, and noise takes longest to compress.
@lru_cache(maxsize=200)
def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


@lru_cache(maxsize=200)
def _zstd(data: bytes) -> bytes:
    return compress(data, "zstd")


@lru_cache(maxsize=64)
def zstd_chunked(
    tar: bytes, *, chunk: int = 1 << 16, edit: Edit = _leave, tar_split: bool = True
) -> Packed:
    """The layer as podman pushes it; `edit` changes the listing before its digest is taken."""
    out = bytearray()
    records: list[Document] = []
    entries: list[Document] = []
    waiting = b""
    for member, header, content in _members(tar):
        waiting += header
        records.append(_record(2, payload=base64.b64encode(header).decode()))
        if member is None:
            break
        item = _item(member)
        named = {"name": item["name"], "size": len(content), "payload": _crc(content)}
        records.append(_record(1, **named))
        entries.append(item)
        if not content:
            continue
        out += _zstd(waiting)
        waiting = b""
        parts = _parts(content, chunk)
        for number, (at, part) in enumerate(parts):
            one = item if not number else {"type": "chunk", "name": item["name"]}
            one["offset"] = len(out)
            if number:
                one["chunkOffset"] = at
                entries.append(one)
            if len(parts) > 1:
                one |= {"chunkSize": len(part), "chunkDigest": digest(part)}
                if not part.strip(b"\0"):
                    one["chunkType"] = "zeros"
            out += _zstd(part)
        item |= {"digest": digest(content), "endOffset": len(out)}
    out += _zstd(waiting)
    around = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    stored_around = compress(around, "zstd")
    document: Document = {"version": 1, "entries": entries}
    if tar_split:
        document["tarSplitDigest"] = digest(stored_around)
    edit(document)
    listing = json.dumps(document).encode()
    stored = compress(listing, "zstd")
    annotations = {
        f"{CHUNKED}manifest-checksum": digest(stored),
        f"{CHUNKED}manifest-position": f"{len(out) + 8}:{len(stored)}:{len(listing)}:1",
    }
    out += _skippable(stored)
    if tar_split:
        place = f"{len(out) + 8}:{len(stored_around)}:{len(around)}"
        annotations[f"{CHUNKED}tarsplit-position"] = place
        out += _skippable(stored_around)
    out += _skippable(bytes(56) + b"GNUlInUx")
    return Packed(tar, bytes(out), annotations, "zstd")


@lru_cache(maxsize=64)
def estargz(tar: bytes, *, chunk: int = 1 << 16, edit: Edit = _leave, size: bool = True) -> Packed:
    """The layer as `estargz` converts it: with landmark and listing, so another `tar`."""
    out = bytearray()
    plain = bytearray()
    entries: list[Document] = []
    waiting = bytearray()

    def flush() -> None:
        nonlocal waiting
        if waiting:
            out.extend(_gzip(bytes(waiting)))
            plain.extend(waiting)
            waiting = bytearray()

    mark = tarfile.TarInfo(".no.prefetch.landmark")
    mark.size, mark.mode = 1, 0o644
    marked = mark.tobuf(tarfile.USTAR_FORMAT) + b"\x0f" + bytes(511)
    for member, header, content in _members(marked + tar):
        if member is None:
            waiting += bytes(-(len(plain) + len(waiting)) % 512)  # of the last file
            break
        waiting += header
        item = _item(member)
        entries.append(item)
        if not content:
            continue
        item["digest"] = digest(content)
        parts = _parts(content, chunk)
        for number, (at, part) in enumerate(parts):
            flush()
            one = item if not number else {"type": "chunk", "name": item["name"]}
            one |= {"offset": len(out), "chunkDigest": digest(part)}
            if number:
                one["chunkOffset"] = at
                entries.append(one)
            if number < len(parts) - 1:
                one["chunkSize"] = len(part)
            waiting += part
    flush()
    document: Document = {"version": 1, "entries": entries}
    edit(document)
    listing = json.dumps(document).encode()
    info = tarfile.TarInfo("stargz.index.json")
    info.size = len(listing)
    offset = len(out)
    waiting += info.tobuf(tarfile.USTAR_FORMAT) + listing + bytes(-len(listing) % 512 + 1024)
    flush()
    extra = b"SG" + struct.pack("<H", 22) + f"{offset:016x}STARGZ".encode()
    out += b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + struct.pack("<H", len(extra)) + extra
    out += b"\x01\x00\x00\xff\xff" + bytes(8)
    annotations = {ESTARGZ_DIGEST: digest(listing)}
    if size:
        annotations[ESTARGZ_SIZE] = str(len(plain))
    return Packed(bytes(plain), bytes(out), annotations, "gzip")


def gzipped(tar: bytes) -> Packed:
    """The layer as others store it, without a table of contents."""
    return Packed(tar, compress(tar, "gzip"), {}, "gzip")


def packed_files(one: Image, layers: Sequence[Packed]) -> dict[str, bytes]:
    """The files of an OCI layout of `one`, whose layers are the `tar` of each of these."""
    settings = one.config_bytes
    document = manifest(
        descriptor(settings, "config.v1+json"),
        [
            descriptor(each.blob, f"layer.v1.tar+{each.suffix}", annotations=each.annotations)
            for each in layers
        ],
    )
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    files["index.json"] = index(descriptor(document, "manifest.v1+json"))
    for data in (settings, document, *(each.blob for each in layers)):
        files[blob_name(data)] = data
    return files


def _members(tar: bytes) -> Iterator[tuple[tarfile.TarInfo | None, bytes, bytes]]:
    """Each member with all that stands before its content, and the content; then the end."""
    place = 0
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            size = member.size if member.isreg() else 0
            stop = member.offset_data + size
            yield member, tar[place : member.offset_data], tar[member.offset_data : stop]
            place = stop
    yield None, tar[place:], b""


def _item(member: tarfile.TarInfo) -> Document:
    item: Document = {
        "type": _KINDS[member.type],
        "name": member.name + "/" * member.isdir(),
        "mode": member.mode,
        "uid": member.uid,
        "gid": member.gid,
    }
    seconds = int(member.mtime)
    days, rest = divmod(seconds, 86400)
    item["modtime"] = _rfc3339(days, rest)
    if member.isreg() and member.size:
        item["size"] = member.size
    if member.linkname:
        item["linkName"] = member.linkname
    if member.ischr() or member.isblk():
        item |= {"devMajor": member.devmajor, "devMinor": member.devminor}
    xattrs = {
        key.removeprefix("SCHILY.xattr."): base64.b64encode(value.encode()).decode()
        for key, value in member.pax_headers.items()
        if key.startswith("SCHILY.xattr.")
    }
    return item | ({"xattrs": xattrs} if xattrs else {})


def _rfc3339(days: int, seconds: int) -> str:
    day = datetime.date(1970, 1, 1) + datetime.timedelta(days=days)
    return f"{day}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"


def _parts(content: bytes, chunk: int) -> list[tuple[int, bytes]]:
    return [(at, content[at : at + chunk]) for at in range(0, len(content), chunk)]


def _record(kind: int, **more: Any) -> Document:
    return {"type": kind, "position": 0, **more}


def _crc(content: bytes) -> str | None:
    """Something of 8 bytes, as tar-split has a checksum there; nobody looks at it."""
    if not content:
        return None
    sum_ = struct.pack(">Q", binascii.crc32(content))
    return base64.b64encode(sum_).decode()


def _skippable(data: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + struct.pack("<I", len(data)) + data
