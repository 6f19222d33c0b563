"""Tables of contents in memory: the index is the same, what is fetched, and what is refused."""

import base64
import functools
import hashlib
import json
import random
import struct
from collections.abc import Callable, Sequence
from time import sleep
from typing import Any
from zlib import crc32

import msgspec
import pytest

from pyimginspect.errors import TruncatedError
from pyimginspect.layers import BytesBlob, Limits, cursors, elf_headers, index_layer
from pyimginspect.layers.toc import fetching, locating, reading
from pyimginspect.layers.toc.annotations import Place, TocReference, toc_reference
from pyimginspect.layers.toc.fetching import Chunk, Fetcher, decompress, is_digest_of
from pyimginspect.layers.toc.interest import is_wanted, is_wanted_whole
from pyimginspect.layers.toc.listing import read_listing
from pyimginspect.layers.toc.ranges import UnusableTocError
from pyimginspect.layers.toc.reading import checksum_by_toc, index_by_toc
from pyimginspect.model import Entry, LayerIndex
from tests.contents import Document, Packed, estargz, zstd_chunked
from tests.images import (
    Content,
    Device,
    Directory,
    Fifo,
    File,
    HardLink,
    Link,
    compress,
    digest,
    elf,
    layer,
)
from tests.unit.test_elf import handmade, load, note, patched, segment

PACKS: dict[str, Callable[..., Packed]] = {"zstd:chunked": zstd_chunked, "eStargz": estargz}


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that no compression makes smaller."""
    return random.Random(seed).randbytes(size)


UNUSUAL = "unreadable ELF: it is too big to be kept whole and was laid out unusually"
GLIBC = b"GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n"
TREE = layer(
    [
        ("app/", Directory(mode=0o750, uid=1000, gid=7)),
        ("app/weights.npy", noise(400_000)),
        ("app/start.sh", File("#!/bin/sh\nexec python3 -m app\n", mode=0o755, uid=5, gid=6)),
        ("app/run", File("#!/usr/bin/env python3\n", mode=0o4755)),
        ("app/empty", b""),
        ("app/holes.data", noise(70_000) + bytes(200_000) + noise(5)),
        ("app/link", Link("../app/run")),
        ("app/other", HardLink("app/holes.data")),
        ("app/capable", File("x", pax={"SCHILY.xattr.user.note": "kept"})),
        ("app/größe", "long"),
        ("dev/null", Device(major=1, minor=3)),
        ("dev/sda", Device(major=8, minor=1, block=True)),
        ("dev/pipe", Fifo()),
        ("etc/os-release", "ID=debian\n"),
        ("usr/lib/libx.so.1", elf(soname="libx.so.1", needed=["libc.so.6"], extra=noise(9000))),
        ("usr/lib/libc.so.6", elf(soname="libc.so.6", extra=bytes(9000) + GLIBC)),
        ("usr/share/doc/readme", "what nobody asks for"),
        ("usr/share/doc/.wh.python", b""),
    ]
)


@functools.cache
def packed_tree(kind: str, chunk: int) -> Packed:
    return PACKS[kind](TREE, chunk=chunk)


class Memory:
    """A blob in memory that notes what is asked of it."""

    def __init__(self, data: bytes, *, together: bool = True) -> None:
        self.data = data
        self.size: int | None = len(data)
        self.together = together
        self.asked: list[tuple[int, int]] = []

    def read_range(self, start: int, stop: int) -> bytes:
        self.asked.append((start, stop))
        return self.data[start:stop]

    def read_together(self, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        assert len(ranges) > 1, "a single one is a request like any other"
        if not self.together:
            return None
        self.asked += ranges
        return [self.data[start:stop] for start, stop in ranges]


def reference(packed: Packed, **changes: Any) -> TocReference:
    found = toc_reference(packed.annotations)
    assert found is not None
    return msgspec.structs.replace(found, **changes)


def bare(index: LayerIndex) -> LayerIndex:
    """An index without what only one of the ways through a layer can know."""
    entries = tuple(msgspec.structs.replace(entry, offset=0) for entry in index.entries)
    return msgspec.structs.replace(index, entries=entries, checksums=None, toc_digest=None)


# --- the same index -------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", PACKS)
@pytest.mark.parametrize("chunk", [1 << 16, 5000])
@pytest.mark.parametrize("together", [True, False])
def test_the_index_is_that_of_the_whole_layer(kind: str, chunk: int, together: bool) -> None:
    packed = packed_tree(kind, chunk)
    toc = reference(packed)
    blob = Memory(packed.blob, together=together)
    counts: list[int] = []
    read = index_by_toc(blob, toc, progress=counts.append)
    index = index_layer(BytesBlob(data=packed.tar)).index
    assert bare(read.index) == bare(index)
    assert list(read.index.elf) == sorted(read.index.elf)
    assert len(read.index.elf) == len(read.index.texts) == 2
    assert list(read.index.strings.values()) == ["2.36"]
    assert {entry.offset for entry in read.index.entries} == {0}
    assert read.index.toc_digest == toc.digest
    assert (read.blob_size, read.digests, read.diff_ids) == (len(packed.blob), (), ())
    fetched = sum(stop - start for start, stop in blob.asked)
    assert sum(counts[:-1]) == fetched
    assert sum(counts) == len(packed.blob)
    assert fetched < 200_000 < len(packed.blob)  # neither the weights nor most of what has holes


@pytest.mark.parametrize("kind", PACKS)
def test_the_sums_are_the_first_62_bits_of_the_digests(kind: str) -> None:
    packed = PACKS[kind](layer({"a": "one", "b": "", "c": "two" * 999}), chunk=1000)
    index = index_by_toc(Memory(packed.blob), reference(packed)).index
    sums = {content: hashlib.sha256(content).digest()[:8] for content in (b"one", b"two" * 999)}
    expected = [int.from_bytes(each, "big") >> 2 for each in sums.values()]
    assert index.checksums == dict(zip([0, 2], expected, strict=True))


@pytest.mark.parametrize("text", ["sha512:" + "a" * 64, "sha256:" + "a" * 63, "sha256:" + "x" * 64])
def test_other_digests_of_whole_files_are_no_sums(text: str) -> None:
    """Those of their chunks are what a content is verified by."""
    packed = zstd_chunked(layer({"a": "12", "b": "3"}), chunk=1, edit=change("a", digest=text))
    index = index_by_toc(Memory(packed.blob), reference(packed)).index
    assert list(index.checksums or ()) == [1]


@pytest.mark.parametrize("kind", PACKS)
def test_a_checksum_is_that_of_the_content(kind: str) -> None:
    packed = packed_tree(kind, 5000)
    toc = reference(packed)
    index = index_by_toc(Memory(packed.blob), toc).index
    for position, entry in enumerate(index_layer(BytesBlob(data=packed.tar)).index.entries):
        found = checksum_by_toc(Memory(packed.blob), toc, position, crc32)
        content = packed.tar[entry.offset :][: entry.stored]
        assert found == (crc32(content) if content else None), entry.path
    assert checksum_by_toc(Memory(packed.blob[:-9]), toc, 1, crc32) is None or kind != "eStargz"
    assert checksum_by_toc(Memory(bytes(len(packed.blob))), toc, 1, crc32) is None
    assert index.toc_digest == toc.digest


# --- what is examined -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "mode", "wanted", "whole"),
    [
        ("opt/program", 0o644, True, False),
        ("usr/bin/bc", 0o644, True, False),  # `c` would be an ending of data
        ("opt/x.json", 0o644, False, False),
        ("X.JSON", 0o644, False, False),
        ("opt/json", 0o644, False, False),
        ("usr/share/doc/program", 0o644, False, False),
        ("usr/share/doc/x.json", 0o744, True, False),
        ("usr/share/doc/program", 0o641, True, False),
        ("usr/share/doc/program", 0o666, False, False),
        ("usr/share/lib/libx.so.1", 0o644, True, False),
        ("usr/share/lib/start.sh", 0o644, True, False),
        ("usr/share/doc/METADATA", 0o644, False, False),
        ("app/x.dist-info/METADATA", 0o644, True, True),
        ("etc/os-release", 0o644, True, True),
        ("var/lib/rpm/Packages", 0o644, True, True),
        ("usr/share/libexec/python3.11", 0o644, True, False),
    ],
)
def test_what_is_examined_of_a_listing(path: str, mode: int, wanted: bool, whole: bool) -> None:
    entry = Entry(
        path=path, kind="file", mode=mode, uid=0, gid=0, size=9, stored=9, offset=0, mtime=0
    )
    assert (is_wanted(entry), is_wanted_whole(path)) == (wanted, whole)


# --- what is fetched ------------------------------------------------------------------------------
@pytest.mark.parametrize(("size", "requests"), [(256 << 10, 1), ((256 << 10) + 1, 3)])
def test_a_small_blob_is_fetched_at_once(size: int, requests: int) -> None:
    tree: dict[str, Content] = {
        "a": File("#!/bin/sh\n", mode=0o755),
        "b.npy": noise(200_000),
        "c.sh": "true\n",
    }
    packed = zstd_chunked(layer(tree))
    blob = Memory(packed.blob + bytes(size - len(packed.blob)))
    counts: list[int] = []
    index_by_toc(blob, reference(packed), progress=counts.append)
    assert len(blob.asked) == requests
    assert (blob.asked[0] == (0, size)) == (requests == 1)
    assert sum(counts) == size


@pytest.mark.parametrize(
    ("before", "after", "unmapped", "most"),
    [(100_000, 0, 900_000, 150_000), (400_000, 500_000, 0, 550_000)],
)
def test_no_more_of_a_library_than_the_segment_that_has_its_version(
    before: int, after: int, unmapped: int, most: int
) -> None:
    """As far as it must be searched, half a megabyte at a time; nothing that no loader maps."""
    mapped = noise(before) + GLIBC + noise(after, 2)
    library = elf(soname="libc.so.6", extra=mapped) + noise(unmapped, 3)
    packed = zstd_chunked(layer({"lib/libc.so.6": library, "x.npy": noise(900_000, 4)}))
    blob = Memory(packed.blob)
    assert index_by_toc(blob, reference(packed)).index.strings == {0: "2.36"}
    assert before < sum(stop - start for start, stop in blob.asked) < most
    assert len(blob.asked) == 3  # the table, where the library begins, and once what follows


def with_tables_at_the_end(filler: bytes) -> bytes:
    """A library as patchelf leaves it: what a loader reads stands behind all else."""
    small = elf(needed=["libc.so.6"], rpath="$ORIGIN", sections=False)
    start = len(small) + len(filler)
    offset = struct.unpack_from("<Q", small, segment(small, 2) + 8)[0]
    head = patched(small, segment(small, 1) + 8, "Q", start)
    return patched(head, segment(small, 2) + 8, "Q", start + offset) + filler + small


def fetched_of_contents(blob: Memory, packed: Packed) -> int:
    """How many bytes were fetched of what lies in front of the listing."""
    place = reference(packed).place
    assert place is not None
    return sum(
        min(stop, place.offset) - start for start, stop in blob.asked if start < place.offset
    )


def test_a_program_of_windows_that_ends_within_its_headers() -> None:
    program = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)  # where the file ends
    packed = zstd_chunked(layer({"python.exe": program, "x.npy": noise(600_000)}))
    assert index_by_toc(Memory(packed.blob), reference(packed)).index.strings == {}


def test_of_a_program_that_is_none_no_more_is_fetched_than_its_beginning() -> None:
    packed = zstd_chunked(layer({"opt/data": noise(5000), "x.npy": noise(600_000)}), chunk=500)
    blob = Memory(packed.blob)
    index_by_toc(blob, reference(packed))
    assert 1024 < fetched_of_contents(blob, packed) < 1700


def test_a_version_is_searched_for_in_what_a_loader_maps_and_nowhere_else() -> None:
    start = 64 + 3 * 56
    headers = load(4, 0, 3000), load(6, 3100, 400), load(6, 3500, 100)
    for length, found in ((3600, ""), (3500, "2.36"), (3100, "2.36"), (2900, "2.36")):
        body = bytes(length - start) + GLIBC + bytes(400)
        tree: dict[str, Content] = {"lib/libc.so.6": handmade(*headers, body=body)}
        packed = zstd_chunked(layer({**tree, "x.npy": noise(600_000)}), chunk=1000)
        index = index_by_toc(Memory(packed.blob), reference(packed)).index
        assert index.strings == ({0: found} if found else {})


def test_of_a_library_its_beginning_and_its_tables_are_fetched() -> None:
    tree: dict[str, Content] = {
        "lib/libend.so": with_tables_at_the_end(noise(90_000)),
        "lib/libx.so": elf(
            needed=["libz.so.1", "libc.so.6"],
            soname="libx.so",
            rpath="$ORIGIN",
            verneed={"libc.so.6": ["GLIBC_2.34", "GLIBC_2.17"], "libz.so.1": ["ZLIB_1.2"]},
            verdef=["X_1", "X_2"],
            build_id=b"1" * 20,
            extra=noise(2000),
        ),
        "x.npy": noise(600_000),
    }
    for chunk in (100, 1000):
        packed = zstd_chunked(layer(tree), chunk=chunk)
        blob = Memory(packed.blob)
        index = index_by_toc(blob, reference(packed)).index
        assert bare(index) == bare(index_layer(BytesBlob(data=packed.tar)).index)
        assert [facts.needed[-1] for facts in index.elf.values()] == ["libc.so.6"] * 2
        assert fetched_of_contents(blob, packed) < 5000


def test_of_a_big_library_the_parts_are_read_that_are_kept_of_it_in_a_whole_layer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = {"_FRONT": 240, "_SECOND_FRONT": 100, "_SMALL": 2000, "_END": 10}
    for name, size in sizes.items():
        monkeypatch.setattr(elf_headers, name, size)
    library = elf(needed=["libc.so.6"], extra=noise(9000))
    tree: dict[str, Content] = {
        "lib/libend.so": with_tables_at_the_end(noise(90_000)),
        "lib/libx.so": library,
        "x.npy": noise(600_000),
    }
    packed = zstd_chunked(layer(tree), chunk=1000)
    for most, error in ((len(library), ""), (len(library) - 1, UNUSUAL)):
        monkeypatch.setattr(reading, "WHOLE_UP_TO", most)
        index = index_by_toc(Memory(packed.blob), reference(packed)).index
        assert [facts.error for facts in index.elf.values()] == ["", error]
        assert index.elf[0].needed == ("libc.so.6",)


def test_of_a_big_library_the_headers_are_looked_for_as_far_as_in_a_whole_layer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, size in {"_FRONT": 80_000, "_SMALL": 100, "_END": 100}.items():
        monkeypatch.setattr(elf_headers, name, size)
    for module in (reading, cursors):
        monkeypatch.setattr(module, "WHOLE_UP_TO", 100)
    build_id = note(3, b"1" * 20)
    segment = (4, 4, 90_000, 0, 0, len(build_id), 0, 4)  # its header lies behind 64 KiB
    library = handmade(segment, at=70_000, size=90_000) + build_id + noise(30_000)
    packed = zstd_chunked(layer({"lib/libx.so": library, "x.npy": noise(600_000)}))
    index = index_by_toc(Memory(packed.blob), reference(packed)).index
    assert bare(index) == bare(index_layer(BytesBlob(data=packed.tar)).index)
    assert index.elf[0].error == UNUSUAL


def executables(count: int, size: int) -> bytes:
    return layer({f"opt/{n}": File(noise(size, n), mode=0o755) for n in range(count)})


def test_of_a_small_layer_everything_may_be_wanted() -> None:
    packed = zstd_chunked(executables(3, 60_000))
    assert len(index_by_toc(Memory(packed.blob), reference(packed)).index.entries) == 3


@pytest.mark.parametrize("programs", [2, 5, 7])
def test_who_wants_more_than_half_of_a_layer_reads_all_of_it(programs: int) -> None:
    data = executables(programs, 60_000)
    tar = data[:-1024] + layer({"data.npy": noise(400_000)})
    packed = zstd_chunked(tar)
    if programs < 7:
        assert index_by_toc(Memory(packed.blob), reference(packed)).index.size == len(tar)
        return
    with pytest.raises(UnusableTocError, match="most of the layer is wanted anyway"):
        index_by_toc(Memory(packed.blob), reference(packed))


def test_exactly_half_of_a_layer_may_be_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = zstd_chunked(layer({"run.sh": noise(20_000), "data.npy": noise(20_000)}))
    toc, blob = reference(packed), Memory(packed.blob)
    (chunk,) = locating.locate_toc(blob, toc, Limits()).listing.chunks(0)
    monkeypatch.setattr(reading, "_SMALL_BLOB", 0)
    for more, usable in ((0, True), (-1, False)):
        part = (chunk.stop - chunk.start + more) / len(packed.blob)
        monkeypatch.setattr(reading, "_MOST_OF_BLOB", part)
        if usable:
            assert len(index_by_toc(blob, toc).index.entries) == 2
            continue
        with pytest.raises(UnusableTocError, match="most of the layer is wanted anyway"):
            index_by_toc(blob, toc)


def test_files_are_read_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = {f"a{n}/{n}.sh": "#!/bin/sh\n" + f"echo {n}\n" * 100 for n in range(9)}
    packed = zstd_chunked(layer({**tree, "big.npy": noise(600_000)}))
    expected = bare(index_layer(BytesBlob(data=packed.tar)).index)
    monkeypatch.setattr(reading, "_SMALL_BLOB", 5000)
    for batch, requests in ((2130, 3), (2129, 5), (709, 9), (1 << 20, 1)):  # of 710 bytes each
        monkeypatch.setattr(reading, "_BATCH", batch)
        blob = Memory(packed.blob)
        forgotten: list[int] = []
        monkeypatch.setattr(Fetcher, "forget", lambda self, to=forgotten: to.append(1))
        assert bare(index_by_toc(blob, reference(packed)).index) == expected
        assert len(forgotten) == requests


@pytest.mark.parametrize(("more", "batches"), [(0, 1), (1, 2)])
def test_a_batch_has_64_mib(more: int, batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"a": 40 << 20, "b": (24 << 20) + more}

    def fill(document: Document) -> None:
        for name, size in sizes.items():
            change(name, size=size, chunkSize=size, chunkType="zeros")(document)

    programs = layer({name: File("x", mode=0o755) for name in sizes})
    packed = zstd_chunked(programs, edit=fill, tar_split=False)
    forgotten: list[int] = []
    monkeypatch.setattr(Fetcher, "forget", lambda self: forgotten.append(1))
    index = index_by_toc(Memory(packed.blob), reference(packed, size=1)).index
    assert {entry.path: entry.size for entry in index.entries} == sizes
    assert len(forgotten) == batches


def test_what_was_fetched_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library is examined in rounds, and in the end all of it is held."""
    library = elf(soname="libc.so.6", extra=noise(5000) + GLIBC)
    packed = zstd_chunked(layer({"lib/libc.so.6": library, "big.npy": noise(600_000)}), chunk=500)
    monkeypatch.setattr(reading, "_BATCH", 20)
    limits = Limits(content=len(library) - 40)
    index = index_by_toc(Memory(packed.blob), reference(packed), limits=limits).index
    assert index.strings == {0: "2.36"}
    with pytest.raises(UnusableTocError, match="too much of the layer is wanted at a time"):
        index_by_toc(Memory(packed.blob), reference(packed), limits=Limits(content=3000))


def test_too_much_at_a_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tree: dict[str, Content] = {"a.sh": "#!/bin/sh\n" + "x" * 90, "big.npy": noise(600_000)}
    packed = zstd_chunked(layer(tree))
    monkeypatch.setattr(reading, "_BATCH", 20)
    read = index_by_toc(Memory(packed.blob), reference(packed), limits=Limits(content=60))
    assert len(read.index.entries) == 2
    with pytest.raises(UnusableTocError, match="too much of the layer is wanted at a time"):
        index_by_toc(Memory(packed.blob), reference(packed), limits=Limits(content=59))


@pytest.mark.parametrize(("name", "kind"), [("etc/os-release", "text"), ("a.sh", "script")])
def test_a_layer_whose_kept_texts_depend_on_the_order_is_refused(name: str, kind: str) -> None:
    packed = zstd_chunked(layer({name: "ID=debian\n", "big.npy": noise(600_000)}))
    for most, usable in ((20, True), (19, False)):
        limits = Limits(**{kind: 10, f"{kind}s": most})
        if usable:
            assert index_by_toc(Memory(packed.blob), reference(packed), limits=limits).index.texts
            continue
        with pytest.raises(UnusableTocError, match="depends on the order"):
            index_by_toc(Memory(packed.blob), reference(packed), limits=limits)


def test_what_limits_cut_off_is_noted_once() -> None:
    tree: dict[str, Content] = {"etc/os-release": "ID=debian\n" * 200, "big.npy": noise(600_000)}
    packed = zstd_chunked(layer(tree), chunk=500)
    limits = Limits(text=100, texts=1000)
    index = index_by_toc(Memory(packed.blob), reference(packed), limits=limits).index
    assert index.notes == index_layer(BytesBlob(data=packed.tar), limits=limits).index.notes
    assert len(index.notes) == 1


def test_a_file_in_too_many_pieces_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = packed_tree("zstd:chunked", 5000)
    monkeypatch.setattr(reading, "_MOST_ROUNDS", 1)
    with pytest.raises(UnusableTocError, match="read in too many pieces"):
        index_by_toc(Memory(packed.blob), reference(packed))


# --- chunks ---------------------------------------------------------------------------------------
def frames(*contents: bytes, gap: int = 0) -> tuple[bytes, list[Chunk]]:
    """Frames with other bytes between them, and the chunks that they are."""
    blob, chunks = bytearray(), []
    for content in contents:
        stored = compress(content, "zstd")
        place = len(blob), len(blob) + len(stored)
        chunks.append(Chunk(0, len(content), *place, digest(content)))
        blob += stored + bytes(gap)
    return bytes(blob), chunks


def set_gap(monkeypatch: pytest.MonkeyPatch, gap: int) -> None:
    for name in ("_GAP", "_GAP_TOGETHER"):
        monkeypatch.setattr(fetching, name, gap, raising=False)


def test_chunks_that_are_near_are_fetched_by_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [noise(100, n) for n in range(4)]
    blob, chunks = frames(*contents, gap=50)
    expected = dict(zip(chunks, contents, strict=True))
    span = chunks[-1].stop
    each = [(chunk.start, chunk.stop) for chunk in chunks]
    for gap, longest, asked in (
        (50, span, [(0, span)]),
        (49, span, each),
        (50, span - 1, [(0, chunks[2].stop), each[3]]),
        (50, chunks[1].stop, [(0, chunks[1].stop), (chunks[2].start, span)]),
    ):
        set_gap(monkeypatch, gap)
        monkeypatch.setattr(fetching, "_LONGEST", longest)
        for together in (True, False):
            memory = Memory(blob, together=together)
            fetcher = Fetcher(memory, "zstd")
            assert fetcher.fetch(chunks[::-1]) == expected
            assert sorted(memory.asked) == asked


@pytest.mark.parametrize(
    ("together", "gap", "requests"),
    [(True, 200, 1), (True, 400, 2), (False, 10_000, 1), (False, 24_000, 2)],
)
def test_what_lies_between_is_fetched_where_asking_costs_more(
    together: bool, gap: int, requests: int
) -> None:
    blob, chunks = frames(noise(100), noise(100, 2), gap=gap)
    memory = Memory(blob, together=together)
    assert len(Fetcher(memory, "zstd").fetch(chunks)) == 2
    assert len(memory.asked) == requests


def test_a_long_range_is_fetched_in_parts() -> None:
    """Several run beside each other then."""

    class Closed(Memory):
        def read_together(self, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
            raise UnusableTocError(f"{len(ranges)} ranges")

    chunks = [Chunk(0, 9, n * 7 << 20, (n + 1) * 7 << 20, digest(bytes([n]))) for n in range(2)]
    with pytest.raises(UnusableTocError, match="2 ranges"):
        Fetcher(Closed(b""), "zstd").fetch(chunks)


@pytest.mark.parametrize("sizes", [(100, 300), (300, 100)])
def test_what_was_fetched_later_is_found_by_its_place(sizes: tuple[int, int]) -> None:
    blob, chunks = frames(noise(sizes[0]), noise(500_000), noise(sizes[1], 3))
    memory = Memory(blob)
    fetcher = Fetcher(memory, "zstd")
    for wanted in ([chunks[2]], [chunks[0]], [chunks[2], chunks[0]], [chunks[0]]):
        assert set(fetcher.fetch(wanted)) == set(wanted)
    assert len(memory.asked) == 2


def test_chunks_between_others_are_not_fetched_again() -> None:
    contents = [noise(100, n) for n in range(4)]
    blob, chunks = frames(*contents, gap=50)
    memory = Memory(blob)
    fetcher = Fetcher(memory, "zstd")
    assert list(fetcher.fetch([chunks[3], chunks[1]]).values()) == [contents[1], contents[3]]
    assert fetcher.fetch([chunks[2]]) == {chunks[2]: contents[2]}
    assert memory.asked == [(chunks[1].start, chunks[3].stop)]
    assert fetcher.fetch([chunks[0]]) == {chunks[0]: contents[0]}
    assert memory.asked[1:] == [(0, chunks[0].stop)]
    assert fetcher.fetch(chunks) == dict(zip(chunks, contents, strict=True))
    assert len(memory.asked) == 2
    fetcher.forget()
    fetcher.fetch(chunks[:2])
    assert memory.asked[2:] == [(0, chunks[1].stop)]


def test_where_ranges_cannot_be_had_together_nobody_asks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blob, chunks = frames(*(noise(100, n) for n in range(4)), gap=50)
    set_gap(monkeypatch, 10)
    memory = Memory(blob, together=False)
    fetcher = Fetcher(memory, "zstd")
    fetcher.fetch(chunks[:2])
    memory.together = True
    memory.read_together = None  # type: ignore[assignment]
    assert len(fetcher.fetch(chunks[2:])) == 2


def test_a_chunk_of_zeros_is_not_fetched() -> None:
    memory = Memory(b"")
    zeros = Chunk(5, 1000, 0, 0, "")
    assert Fetcher(memory, "zstd").fetch([zeros]) == {zeros: bytes(1000)}
    assert memory.asked == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"digest": digest(b"other")}, "not as its digest says"),
        ({"digest": "md5:" + hashlib.md5(b"content").hexdigest()}, "not as its digest says"),
        ({"size": 8}, "is shorter than said"),
        ({"size": (64 << 20) + 1}, "too big to be held"),
        ({"size": 64 << 20}, "is shorter than said"),
        ({"start": 1}, "is damaged: the compressed layer is damaged"),
        ({"stop": 9}, "is damaged: the compressed layer ends too early"),
    ],
)
def test_chunks_that_do_not_hold(change: dict[str, Any], message: str) -> None:
    blob, (chunk,) = frames(b"content")
    with pytest.raises(UnusableTocError, match=message):
        Fetcher(Memory(blob), "zstd").fetch([chunk._replace(**change)])


def test_a_frame_has_no_bytes_of_the_next_chunk() -> None:
    blob, (_, first, cut, whole) = frames(b"unwanted", b"content", b"another", b"third", gap=9)
    cut = cut._replace(stop=cut.stop - 1)
    with pytest.raises(UnusableTocError, match="the compressed layer ends too early"):
        Fetcher(Memory(blob), "zstd").fetch([cut, whole])
    fetcher = Fetcher(Memory(blob), "zstd")
    fetcher.fetch([first, whole])
    with pytest.raises(UnusableTocError, match="the compressed layer ends too early"):
        fetcher.fetch([cut])


def test_where_a_range_cannot_be_had_the_others_are_not_waited_for() -> None:
    class Closed(Memory):
        def read_range(self, start: int, stop: int) -> bytes:
            self.asked.append((start, stop))
            if not start:
                raise TruncatedError("the connection is gone")
            sleep(0.005)
            return super().read_range(start, stop)

    blob, chunks = frames(*(noise(20, n) for n in range(40)), gap=20_000)
    memory = Closed(blob, together=False)
    with pytest.raises(TruncatedError, match="the connection is gone"):
        Fetcher(memory, "zstd").fetch(chunks)
    assert len(memory.asked) < 40


def test_the_beginning_of_a_frame_is_enough() -> None:
    large = noise(1_200_000)  # more than comes out at a time
    assert decompress(compress(large, "gzip"), len(large), "gzip") == large
    packed = compress(b"12345" * 1000, "gzip")
    assert decompress(packed + compress(b"another", "gzip"), 5000, "gzip") == b"12345" * 1000
    assert decompress(packed, 7, "gzip") == b"1234512"
    assert is_digest_of("sha512:" + hashlib.sha512(b"x").hexdigest(), b"x")
    assert not is_digest_of("sha512:" + hashlib.sha256(b"x").hexdigest(), b"x")


# --- lies -----------------------------------------------------------------------------------------
def first(document: Document, name: str) -> Document:
    found: Document = next(item for item in document["entries"] if item["name"] == name)
    return found


def change(name: str, /, **values: Any) -> Callable[[Document], None]:
    return lambda document: first(document, name).update(values)


def add(**item: Any) -> Callable[[Document], None]:
    return lambda document: document["entries"].append(item)


def last_chunk(**values: Any) -> Callable[[Document], None]:
    """Change the last of the chunks of what has holes."""

    def edit(document: Document) -> None:
        parts = [item for item in document["entries"] if item["name"] == "app/holes.data"]
        parts[-1].update(values)

    return edit


def add_before(name: str, /, **item: Any) -> Callable[[Document], None]:
    """Add an entry before the one of this name."""
    return lambda document: document["entries"].insert(
        document["entries"].index(first(document, name)), item
    )


def part_holes(document: Document) -> None:
    """Put a directory among the chunks of a file."""
    entries = document["entries"]
    place = entries.index(first(document, "app/holes.data")) + 1
    entries.insert(place, {"type": "dir", "name": "app/between/"})


def move(document: Document) -> None:
    entries = document["entries"]
    entries.append(entries.pop(entries.index(first(document, "app/run"))))


NO_SUM, UNVERIFIED = "not the sum of its chunks", "chunk of it cannot be verified"
NO_SENSE = "an entry of it makes no sense: "
LIES: dict[str, tuple[Callable[[Document], None], str]] = {
    "another version": (lambda document: document.update(version=2), "it is of version 2"),
    "no entries": (lambda document: document.pop("entries"), "it is not as specified"),
    "unknown type": (change("app/run", type="socket"), "'app/run' is of type 'socket'"),
    "a long type": (change("app/run", type="x" * 99), f"is of type '{'x' * 20}'"),
    "out": (change("app/run", name="../../etc/passwd"), f"{NO_SENSE}.*the name leads out"),
    "a link out": (change("app/other", linkName="../../etc"), f"{NO_SENSE}.*the name leads out"),
    "NUL": (change("app/run", name="app/r\0un"), "a name that JSON cannot hold"),
    "no UTF-8": (change("app/link", linkName="r�n"), "a name that JSON cannot hold"),
    "no name": (change("app/run", name=""), "'' is no directory"),
    "a slash": (change("app/run", name="app/run/"), "'app/run/' is no directory"),
    "a path twice": (add(type="dir", name="app/"), "it lists one path twice"),
    "the listing": (add(type="reg", name="stargz.index.json"), "'stargz.index.json' is of type"),
    "too small": (change("app/start.sh", size=3, chunkSize=9), NO_SUM),
    "too large": (change("app/start.sh", size=99, chunkSize=9), NO_SUM),
    "a time before": (change("app/run", modtime="1899-12-31T00:00:00Z"), "that no archive has"),
    "no zone": (change("app/run", modtime="2020-01-01T00:00:00"), "that no archive has"),
    "no base64": (change("app/run", xattrs={"user.a": "***"}), "that is not base64"),
    "before": (change("app/run", offset=3), "contents are not in their order"),
    "after": (last_chunk(offset=1 << 40), "contents are not in their order"),
    "two at one place": (
        lambda document: change("app/run", offset=first(document, "app/start.sh")["offset"])(
            document
        ),
        "contents are not in their order",
    ),
    "another order": (move, "contents are not in their order"),
    "several in one member": (change("app/run", innerOffset=1), NO_SUM),
    "a chunk elsewhere": (last_chunk(chunkOffset=5), NO_SUM),
    "a chunk too long": (last_chunk(chunkSize=6), NO_SUM),
    "a chunk too short": (last_chunk(chunkSize=4), NO_SUM),
    "another kind of chunk": (last_chunk(chunkType="ones"), UNVERIFIED),
    "a chunk without a digest": (last_chunk(chunkDigest=""), UNVERIFIED),
    "no digest": (change("app/run", digest="", chunkDigest=""), UNVERIFIED),
    "a wrong digest": (change("app/run", digest=digest(b""), chunkDigest=digest(b"")), "as its di"),
    "a stray chunk": (change("app/start.sh", type="chunk"), "a chunk of it belongs to no file"),
    "of another file": (last_chunk(name="app/run"), "a chunk of it belongs to no file"),
    "a chunk after another entry": (part_holes, "a chunk of it belongs to no file"),
    "a chunk too many": (
        add_before("app/link", type="chunk", name="app/holes.data", chunkOffset=270_005), NO_SUM
    ),
    "a negative owner": (change("app/run", uid=-1), "it is not as specified"),
    "a size of 61 bits": (change("app/run", size=(1 << 60) + 1), "it is not as specified"),
}  # fmt: skip


@pytest.mark.parametrize("kind", PACKS)
@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused(kind: str, lie: str) -> None:
    edit, message = LIES[lie]
    packed = PACKS[kind](TREE, edit=edit, **({"tar_split": False} if "zstd" in kind else {}))
    with pytest.raises(UnusableTocError, match=message):
        index_by_toc(Memory(packed.blob), reference(packed, size=len(packed.tar)))


@pytest.mark.parametrize(("beyond", "usable"), [(-1, True), (0, False), (1, False)])
def test_the_last_content_ends_before_the_listing(beyond: int, usable: bool) -> None:
    tar = layer({"big.npy": noise(300_000), "a": "not looked at", "b.png": "neither"})
    place = reference(zstd_chunked(tar)).place
    assert place is not None
    edit = change("b.png", offset=place.offset + beyond)
    packed = zstd_chunked(tar, edit=edit, tar_split=False)
    toc = reference(packed, size=len(tar))
    if usable:
        assert len(index_by_toc(Memory(packed.blob), toc).index.entries) == 3
        return
    with pytest.raises(UnusableTocError, match="said to lie after their end"):
        index_by_toc(Memory(packed.blob), toc)


def test_times_before_the_epoch_lose_their_fraction_towards_zero() -> None:
    tree = {f"f{n}": "" for n in range(4)}
    times = ["1969-12-31T23:59:58.5Z", "1970-01-01T00:00:01.9Z", "1900-01-01T00:00:00Z"]

    def edit(document: Document) -> None:
        for item, time in zip(document["entries"], times, strict=False):
            item["modtime"] = time
        del document["entries"][3]["modtime"]

    packed = zstd_chunked(layer(tree), edit=edit)
    index = index_by_toc(Memory(packed.blob), reference(packed)).index
    assert [entry.mtime for entry in index.entries] == [-1, 1, -2208988800, 0]


def test_what_a_listing_leaves_out_is_nothing() -> None:
    """Go leaves out numbers that are 0, and empty strings."""
    document = {
        "version": 1,
        "entries": [
            {"type": "reg", "name": "a", "size": 2, "digest": digest(b"12")},
            {"type": "reg", "name": "b"},
            {"type": "char", "name": "c"},
        ],
    }
    listing = read_listing(json.dumps(document).encode(), 99, Limits(), estargz=True)
    assert [(each.path, each.size, each.device) for each in listing.entries] == [
        *(("a", 2, None), ("b", 0, None), ("c", 0, (0, 0)))
    ]
    assert {(each.mode, each.uid, each.gid, each.mtime) for each in listing.entries} == {(0,) * 4}
    assert listing.chunks(0) == (Chunk(0, 2, 0, 99, digest(b"12")),)
    assert list(listing.contents) == [0]


@pytest.mark.parametrize("size", [1000, 1 << 20, 64 << 20])
def test_of_what_lies_behind_a_chunk_no_more_is_fetched_than_it_may_take(size: int) -> None:
    """The most that gzip takes are blocks that are stored as they are, of 16 KiB for instance."""
    chunk = {"type": "reg", "name": "a", "size": size, "digest": digest(b"1"), "offset": 7}
    document = json.dumps({"version": 1, "entries": [chunk]}).encode()
    (found,) = read_listing(document, 1 << 40, Limits(), estargz=True).chunks(0)
    stored = 18 + size + 5 * (size // (16 << 10) + 1)
    assert 7 + stored < found.stop < 7 + stored * 1.02 + 5000


def test_no_limit_lets_more_than_a_million_and_a_half_be_listed() -> None:
    for count, message in ((1_500_000, "it is not as specified"), (1_500_001, "lists too much")):
        with pytest.raises(UnusableTocError, match=message):
            read_listing(b"{" * count, 9, Limits(entries=1 << 40), estargz=True)


def test_more_entries_than_the_limit_are_refused() -> None:
    packed = zstd_chunked(layer({"a": "", "b": ""}))  # and the document itself
    read = index_by_toc(Memory(packed.blob), reference(packed), limits=Limits(entries=3))
    assert len(read.index.entries) == 2
    with pytest.raises(UnusableTocError, match="it lists too much"):
        index_by_toc(Memory(packed.blob), reference(packed), limits=Limits(entries=2))


def test_a_landmark_is_left_out_of_estargz_alone() -> None:
    packed = estargz(layer({"a": "1" * 30}), chunk=10)

    def chunked_landmark(document: Document) -> None:
        mark = document["entries"][0]
        document["entries"].insert(1, {"type": "chunk", "name": mark["name"], "offset": 1})

    for one in (packed, estargz(layer({"a": "1" * 30}), chunk=10, edit=chunked_landmark)):
        index = index_by_toc(Memory(one.blob), reference(one)).index
        assert [(entry.path, entry.size) for entry in index.entries] == [("a", 30)]
    other = zstd_chunked(layer({".no.prefetch.landmark": "1"}))
    index = index_by_toc(Memory(other.blob), reference(other)).index
    assert [entry.path for entry in index.entries] == [".no.prefetch.landmark"]


# --- where it is ----------------------------------------------------------------------------------
CHUNKED = zstd_chunked(layer({"a": "1", "b": "22"}))
STARGZ = estargz(layer({"a": "1", "b": "22"}))


def refused(packed: Packed, toc: TocReference, blob: bytes | None = None) -> str:
    with pytest.raises(UnusableTocError) as caught:
        index_by_toc(Memory(packed.blob if blob is None else blob), toc)
    return str(caught.value)


def test_places_that_make_no_sense() -> None:
    toc = reference(CHUNKED)
    place, around, end = toc.place, toc.tar_split, len(CHUNKED.blob)
    assert place is not None
    assert around is not None
    unknown = "how long the layer is cannot be known without reading it"
    outside = "it is said to lie outside of the blob"
    for changes, message in (
        ({"place": None}, unknown),
        ({"tar_split": None}, unknown),
        ({"digest": digest(b"")}, "it is not as its digest says"),
        ({"place": place._replace(length=0)}, outside),
        ({"place": place._replace(length=1), "tar_split": None, "size": 7}, "not as its digest"),
        ({"place": place._replace(length=end - place.offset + 1)}, outside),
        ({"place": place._replace(length=end - place.offset)}, "what belongs to it lies elsewhere"),
        ({"place": place._replace(uncompressed=(96 << 20) + 1)}, "it has 100,663,297 bytes"),
        ({"place": place._replace(uncompressed=96 << 20)}, "a chunk of it is shorter than said"),
        ({"tar_split": around._replace(offset=place.offset)}, "what belongs to it lies elsewhere"),
        ({"tar_split": around._replace(length=end)}, outside),
        ({"tar_split": around._replace(length=around.length - 1)}, "what belongs to it is not as"),
        ({"tar_split": around._replace(uncompressed=10)}, "what belongs to it is not as specified"),
    ):
        assert message in refused(CHUNKED, msgspec.structs.replace(toc, **changes))
    # Of a blob that is long enough, it is compressed into at most 32 MiB.
    for length, message in (
        ((32 << 20) + 1, "it has 33,554,433 bytes"),
        (32 << 20, "it is not as its digest says"),
    ):
        memory = Memory(CHUNKED.blob)
        memory.size = 1 << 30
        long = place._replace(length=length)
        with pytest.raises(UnusableTocError, match=message):
            index_by_toc(memory, msgspec.structs.replace(toc, place=long, tar_split=None, size=77))
    sized = msgspec.structs.replace(toc, tar_split=None, size=77)
    assert index_by_toc(Memory(CHUNKED.blob), sized).index.size == 77
    # What stands around the files counts more than an annotation.
    both = msgspec.structs.replace(toc, size=77)
    assert index_by_toc(Memory(CHUNKED.blob), both).index.size == len(CHUNKED.tar)


@pytest.mark.parametrize(("gap", "near"), [(0, True), (512, True), (513, False)])
def test_what_belongs_to_a_listing_lies_behind_it(gap: int, near: bool) -> None:
    toc = reference(CHUNKED)
    assert toc.place is not None
    assert toc.tar_split is not None
    stop = toc.place.offset + toc.place.length
    around = CHUNKED.blob[toc.tar_split.offset :][: toc.tar_split.length]
    blob = CHUNKED.blob[:stop] + bytes(gap) + around
    moved = msgspec.structs.replace(toc, tar_split=toc.tar_split._replace(offset=stop + gap))
    if near:
        assert index_by_toc(Memory(blob), moved).index.size == len(CHUNKED.tar)
    else:
        assert "lies elsewhere" in refused(CHUNKED, moved, blob)


def with_around(
    edit: Callable[[list[Document]], object], tree: dict[str, Content] | None = None
) -> tuple[Packed, TocReference]:
    """A layer of which the records of what stands around its files were changed."""
    tar = layer({"a": "1", "b": "22"} if tree is None else tree)
    packed = zstd_chunked(tar)
    toc = reference(packed)
    assert toc.tar_split is not None
    stored = packed.blob[toc.tar_split.offset :][: toc.tar_split.length]
    text = decompress(stored, toc.tar_split.uncompressed, "zstd")
    records = [json.loads(line) for line in text.splitlines()]
    edit(records)
    text = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    stored = compress(text, "zstd")
    packed = zstd_chunked(tar, edit=lambda document: document.update(tarSplitDigest=digest(stored)))
    toc = reference(packed)
    assert toc.place is not None
    stop = toc.place.offset + toc.place.length
    place = Place(stop, len(stored), len(text))
    blob = packed.blob[:stop] + stored
    return packed._replace(blob=blob), msgspec.structs.replace(toc, tar_split=place)


def put_last(record: Document, records: list[Document]) -> None:
    records[-1] = record


def payload(data: bytes) -> Document:
    return {"type": 2, "payload": base64.b64encode(data).decode()}


AROUND: dict[str, tuple[Callable[[list[Document]], object], str]] = {
    "unknown kind": (lambda records: records[0].update(type=3), "of an unknown kind"),
    "no kind": (lambda records: records[0].pop("type"), "is not as specified"),
    "another file": (lambda records: records[1].update(name="c"), "has other files"),
    "another size": (lambda records: records[1].update(size=2), "has other files"),
    "a file less": (lambda records: records.pop(1), "has other files"),
    "not closed": (lambda records: records.pop(), "the archive is not closed"),
    "one byte too few": (
        lambda records: records.__setitem__(-1, payload(bytes(510 + 511))),
        "the archive is not closed",
    ),
    "something after it": (
        lambda records: records.append(payload(b"x")),
        "the archive is not closed",
    ),
    "base64 and something else": (
        lambda records: records[-1].update(payload=records[-1]["payload"] + "*"),
        "the archive is not closed",
    ),
    "no base64": (
        lambda records: records[-1].update(payload="****"),
        "the archive is not closed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", AROUND)
def test_what_stands_around_the_files_has_to_fit(case: str) -> None:
    edit, message = AROUND[case]
    assert message in refused(*with_around(edit))


def test_the_length_is_that_of_files_and_all_around_them() -> None:
    for size in (510 + 512, 510 + 1024, 510 + 1025, 510 + 1026):
        end = payload(bytes(size))
        packed, toc = with_around(functools.partial(put_last, end))
        found = index_by_toc(Memory(packed.blob), toc).index.size
        assert found == 512 + 1 + 511 + 512 + 2 + size  # headers, contents, and what pads them
    empty, toc = with_around(lambda records: records[1].pop("size"), {"d/": None})
    assert index_by_toc(Memory(empty.blob), toc).index.size == len(empty.tar)
    nothing, toc = with_around(functools.partial(put_last, payload(bytes(512))), {})
    assert index_by_toc(Memory(nothing.blob), toc).index.size == 512


def test_footers_that_make_no_sense() -> None:
    toc = reference(STARGZ)
    end = "the blob does not end as it should"
    assert refused(STARGZ, msgspec.structs.replace(toc, size=None)).startswith("how long")
    assert "not as its digest says" in refused(
        STARGZ, msgspec.structs.replace(toc, digest=digest(b""))
    )
    assert refused(STARGZ, toc, STARGZ.blob[-51:]) == "the blob is too short for it"
    assert refused(STARGZ, toc, b"") == "the blob is too short for it"
    assert refused(STARGZ, toc, STARGZ.blob + b"x") == end
    footer = STARGZ.blob[-51:]
    for offset, message in (
        (len(STARGZ.blob), "it is said to lie outside of the blob"),
        (len(STARGZ.blob) - 51, "it is said to lie outside of the blob"),
        (len(STARGZ.blob) - 52, "it is damaged: "),
        (0, "it is not where the blob says"),
    ):
        other = footer[:16] + f"{offset:016x}".encode() + footer[32:]
        assert message in refused(STARGZ, toc, STARGZ.blob[:-51] + other)


@pytest.mark.parametrize("names", [1, 30, 40])
def test_a_listing_of_any_length_is_found_from_the_end(names: int) -> None:
    tree = {noise(1900, n).hex(): "" for n in range(names)}
    packed = estargz(layer({**tree, "big.npy": noise(1000)}))
    assert index_by_toc(Memory(packed.blob), reference(packed)).index.size == len(packed.tar)


def test_only_one_big_listing_is_looked_at_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    class Lock:
        def __enter__(self) -> None:
            taken.append(1)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(locating, "_one_big_listing", Lock())
    chunked, footer = reference(CHUNKED), STARGZ.blob[-51:]
    assert chunked.place is not None
    assert chunked.tar_split is not None
    biggest = max(chunked.place.uncompressed, chunked.tar_split.uncompressed)
    stored = len(STARGZ.blob) - 51 - int(footer[16:32], 16)  # and four times as much, unpacked
    for packed, times, most in ((CHUNKED, 2, biggest), (STARGZ, 1, 4 * stored)):
        taken.clear()
        monkeypatch.setattr(locating, "_BIG", most)
        index_by_toc(Memory(packed.blob), reference(packed))
        assert not taken
        monkeypatch.setattr(locating, "_BIG", 100)
        index_by_toc(Memory(packed.blob), reference(packed))
        assert len(taken) == times


def test_a_listing_may_be_as_long_as_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    listings: list[Document] = []
    packed = estargz(layer({"a": "1", "b": "22"}), edit=listings.append)
    length = len(json.dumps(listings[0]))
    monkeypatch.setattr(locating, "_LARGEST", length)
    assert index_by_toc(Memory(packed.blob), reference(packed)).index.size == len(packed.tar)
    monkeypatch.setattr(locating, "_LARGEST", length - 1)
    assert refused(packed, reference(packed)) == "it is not where the blob says"


def test_a_blob_of_unknown_length_is_read_whole() -> None:
    memory = Memory(CHUNKED.blob)
    memory.size = None
    first = reference(CHUNKED, place=Place(0, 1, 1), tar_split=None, size=7)
    for toc in (reference(CHUNKED), first):
        with pytest.raises(UnusableTocError, match="outside of the blob"):
            index_by_toc(memory, toc)
    with pytest.raises(TruncatedError):
        index_layer(BytesBlob(data=CHUNKED.blob[:20]))
