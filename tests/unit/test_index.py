"""One layer's bytes → its index: the same by every road."""

import gzip
import io
import lzma
import random
import struct
from pathlib import Path
from typing import Literal
from zlib import crc32

import pytest

from pyimginspect.errors import CorruptLayerError, LayerError, LimitError, TruncatedError
from pyimginspect.layers import (
    BytesBlob,
    FileBlob,
    Limits,
    StreamBlob,
    compression,
    cursors,
    elf_headers,
    index_layer,
)
from pyimginspect.layers.compression import Decompressed, sniff
from pyimginspect.layers.contents import may_identify
from pyimginspect.layers.elf import RandomAccess
from pyimginspect.model import LayerIndex
from tests.images import Compression, File, HardLink, Tree, compress, digest, elf, layer
from tests.rpms import header, sqlite_database
from tests.tars import Content

LIBRARY = elf(needed=["libc.so.6"], soname="libx.so.1", extra=random.Random(1).randbytes(600_000))
LAYER = layer(
    {
        "etc/": None,
        "etc/os-release": "ID=debian\n",
        "usr/lib/libx.so.1": LIBRARY,
        "usr/lib/libx.so": HardLink("usr/lib/libx.so.1"),
        "usr/bin/tool": File("#!/usr/bin/python3\nprint()\n", mode=0o755),
        "usr/bin/long": File("#!/bin/sh\n'''exec' \"/a b/python\" \"$0\"\n' '''\n", mode=0o755),
        "app/entry": File("#!/usr/bin/env bash\nexec true\n", mode=0o755),
        "usr/bin/start.sh": "true\n",
        "usr/bin/ldd": File("#!/bin/bash\nthe system's own\n", mode=0o755),
        "usr/share/x/run.sh": File("#!/bin/sh\na part\n", mode=0o755),
        "usr/share/doc": File("#!/not/executable\n", mode=0o644),
        "venv/pyvenv.cfg": "home = /usr/local/bin\n",
        "s/site-packages/a-1.dist-info/RECORD": "a.py,,\n",
        "s/site-packages/a.py": "x" * 300_000,
        "empty": "",
    }
)


def facts(index: LayerIndex) -> LayerIndex:
    """The index without what only some roads can know."""
    return LayerIndex(
        size=index.size,
        entries=index.entries,
        elf=index.elf,
        texts=index.texts,
        scripts=index.scripts,
        strings=index.strings,
        notes=index.notes,
    )


def test_the_facts_of_a_layer() -> None:
    index = index_layer(BytesBlob(data=LAYER)).index
    at = {entry.path: position for position, entry in enumerate(index.entries)}
    assert index.size == len(LAYER)
    assert index.stored == sum(entry.stored for entry in index.entries) > 900_000
    assert set(index.elf) == {at["usr/lib/libx.so.1"]}
    assert index.elf[at["usr/lib/libx.so.1"]].soname == "libx.so.1"
    assert index.texts == {
        at["etc/os-release"]: b"ID=debian\n",
        at["venv/pyvenv.cfg"]: b"home = /usr/local/bin\n",
        at["s/site-packages/a-1.dist-info/RECORD"]: b"a.py,,\n",
        at["app/entry"]: b"#!/usr/bin/env bash\nexec true\n",
        at["usr/bin/start.sh"]: b"true\n",
    }
    assert index.scripts == {
        at["usr/bin/tool"]: "#!/usr/bin/python3",
        at["app/entry"]: "#!/usr/bin/env bash",
        at["usr/bin/ldd"]: "#!/bin/bash",
        at["usr/share/x/run.sh"]: "#!/bin/sh",
        at["usr/bin/long"]: "#!/bin/sh\n'''exec' \"/a b/python\" \"$0\"",
    }
    assert index.checksums is None


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("compression", [None, "gzip", "zstd", "xz", "bzip2"])
def test_every_compression_gives_the_same_index(compression: Compression, parts: int) -> None:
    packed = compress(LAYER, compression, parts=parts)
    sought = index_layer(BytesBlob(data=LAYER)).index
    streamed = index_layer(StreamBlob(io.BytesIO(packed)), digests=True)
    assert facts(streamed.index) == facts(sought)
    assert streamed.digests == (digest(packed),)
    assert streamed.diff_ids == (digest(LAYER),)
    assert streamed.blob_size == len(packed)


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("chunk", [1, 7, 511, 513, 4096, 70_001])
def test_the_index_does_not_depend_on_where_chunks_end(
    chunk: int, order: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = b"x" * 3000 + b"GNU C Library (Debian) stable release version 2.36.\n" + b"x" * 3000
    needs = {"libc.so.6": ["GLIBC_2.34"]}
    items: list[tuple[str, Content]] = [
        ("usr/lib/libx.so.1", elf(soname="libx.so.1", runpath="/opt", verneed=needs)),
        ("usr/lib/libc.so.6", elf(soname="libc.so.6", extra=told)),
        ("etc/os-release", "ID=debian\n"),
        ("usr/bin/tool", File("#!/usr/bin/python3\n" + "#" * 2000, mode=0o755)),
        ("a/RECORD", "not wanted"),
        ("s/site-packages/a-1.dist-info/RECORD", "a.py,,\n" * 100),
        ("link", HardLink("etc/os-release")),
        ("four", "four"),
    ]
    random.Random(order).shuffle(items)
    items.sort(key=lambda item: item[0] == "link")  # a hard link comes after what it links to
    data = layer(items)
    sought = index_layer(BytesBlob(data=data)).index
    assert len(sought.elf) == 2
    assert list(sought.strings.values()) == ["2.36"]
    monkeypatch.setattr(compression, "CHUNK", chunk)
    streamed = index_layer(StreamBlob(io.BytesIO(data)), digests=True)
    assert facts(streamed.index) == facts(sought)
    assert streamed.diff_ids == (digest(data),)
    assert streamed.index.checksums == {
        position: crc32(data[entry.offset : entry.offset + entry.stored])
        for position, entry in enumerate(sought.entries)
        if entry.stored
    }


def test_skippable_frames_and_padding_after_members() -> None:
    expected = facts(index_layer(BytesBlob(data=LAYER)).index)
    skipping = compress(LAYER, "zstd", parts=2, skippable=b"table of contents")
    assert facts(index_layer(BytesBlob(data=skipping)).index) == expected
    padded = compress(LAYER, "gzip", parts=2) + bytes(1000)
    assert facts(index_layer(BytesBlob(data=padded)).index) == expected


class Little(io.BytesIO):
    """A stream that returns three bytes at a time, as a slow network might."""

    def read(self, count: int | None = -1, /) -> bytes:
        return super().read(3)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "xz", "bzip2"])
def test_a_member_that_follows_is_found_wherever_a_read_ends(
    compression: Literal["gzip", "zstd", "xz", "bzip2"],
) -> None:
    content = b"The quick brown fox jumps over the lazy dog."
    for padding in range(4):
        packed = compress(content, compression) + bytes(padding)
        packed += compress(content, compression) + bytes(99)
        source = Decompressed(Little(packed), compression, expansion=99, floor=0)
        assert b"".join(iter(source.read_chunk, b"")) == 2 * content
        assert (source.consumed, source.produced) == (len(packed), 2 * len(content))


@pytest.mark.parametrize(("size", "readable"), [(31, True), (32, False)])
def test_xz_takes_no_more_memory_than_a_limit(size: int, readable: bool) -> None:
    """Its dictionary may have 192 MiB, and not 256: 4 GiB would be the most."""
    one = layer({"a": "1"})
    packed = bytearray(lzma.compress(one))
    header = slice(12, 12 + 4 * (packed[12] + 1) - 4)  # of the block, without its checksum
    assert packed[14:16] == b"\x21\1"  # LZMA2, and its one property (The .xz File Format, 5.3.1)
    packed[16] = size
    packed[header.stop : header.stop + 4] = struct.pack("<I", crc32(packed[header]))
    if readable:
        assert index_layer(BytesBlob(data=bytes(packed))).index.size == len(one)
        return
    with pytest.raises(CorruptLayerError, match="Memory usage limit exceeded"):
        index_layer(BytesBlob(data=bytes(packed)))


def test_without_isal_the_index_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = compress(LAYER, "gzip", parts=3)
    expected = index_layer(BytesBlob(data=packed), digests=True)
    monkeypatch.setitem(__import__("sys").modules, "isal", None)
    assert index_layer(BytesBlob(data=packed), digests=True) == expected
    for size in ((1 << 20) - 1536, (1 << 20) - 1024, 2_000_000):  # a little input, much output
        zeros = layer({"zeros": bytes(size)})
        indexed = index_layer(BytesBlob(data=gzip.compress(zeros)), digests=True)
        assert indexed.diff_ids == (digest(zeros),)
    with pytest.raises(TruncatedError):
        index_layer(BytesBlob(data=packed[:-9]))
    with pytest.raises(CorruptLayerError):
        index_layer(BytesBlob(data=packed[:-8] + bytes(4) + packed[-4:]))


def test_checksums_are_those_of_the_contents() -> None:
    index = index_layer(StreamBlob(io.BytesIO(LAYER))).index
    contents = {
        position: LAYER[entry.offset : entry.offset + entry.stored]
        for position, entry in enumerate(index.entries)
        if entry.stored
    }
    assert index.checksums == {position: crc32(data) for position, data in contents.items()}


def test_a_part_of_a_file_is_a_layer(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(b"before" + LAYER + b"after")
    blob = FileBlob(path=str(path), offset=6, size=len(LAYER))
    sought, read = index_layer(blob), index_layer(blob, digests=True)
    assert (
        facts(sought.index) == facts(read.index) == facts(index_layer(BytesBlob(data=LAYER)).index)
    )
    assert (sought.diff_ids, read.diff_ids) == ((), (digest(LAYER),))
    short = FileBlob(path=str(path), offset=6, size=len(LAYER) + 600)
    with pytest.raises(TruncatedError):
        index_layer(short, digests=True)


def test_libraries_too_big_to_keep_are_read_by_their_parts() -> None:
    library = elf(needed=["libc.so.6"], soname="libbig.so", extra=bytes(30 << 20))
    big = layer({"usr/lib/libbig.so": library, "after": "x"})
    sought = index_layer(BytesBlob(data=big)).index
    streamed = index_layer(StreamBlob(io.BytesIO(big))).index
    assert streamed.elf == sought.elf
    assert streamed.elf[0].needed == ("libc.so.6",)
    assert streamed.checksums == {0: crc32(library), 1: crc32(b"x")}


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x1f\x8b\x08\0\0\0", "gzip"),
        (b"\x28\xb5\x2f\xfd\0\0", "zstd"),
        (b"\x50\x2a\x4d\x18\0\0", "zstd"),
        (b"\x5f\x2a\x4d\x18\0\0", "zstd"),
        (b"\x60\x2a\x4d\x18\0\0", "none"),
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh91A", "bzip2"),
        (b"etc/os", "none"),
        (b"", "none"),
    ],
)
def test_compression_is_told_by_magic(head: bytes, kind: str) -> None:
    assert sniff(head) == kind


@pytest.mark.parametrize("compression", ["gzip", "zstd", "xz", "bzip2"])
def test_damage_in_compressed_layers_is_noticed(compression: Compression) -> None:
    packed = compress(LAYER, compression)
    for length in (len(packed) - 1, len(packed) // 2, 20):
        with pytest.raises(LayerError):
            index_layer(BytesBlob(data=packed[:length]))
    with pytest.raises(CorruptLayerError, match="followed by other bytes"):
        index_layer(BytesBlob(data=packed + b"something else"))
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0x10
    if compression != "zstd":  # whose frames carry a checksum only where asked for
        with pytest.raises(LayerError):
            index_layer(BytesBlob(data=bytes(flipped)))


def test_a_bomb_is_stopped() -> None:
    limits = Limits(expansion=50, expansion_floor=1 << 20)
    bomb = gzip.compress(layer({"zeros": bytes(8 << 20)}))
    with pytest.raises(LimitError, match=r"[\d,]+ compressed bytes became more than"):
        index_layer(BytesBlob(data=bomb), limits=limits)
    after = gzip.compress(layer({"a": "b"}) + bytes(8 << 20))
    with pytest.raises(LimitError, match="bomb"):
        index_layer(BytesBlob(data=after), limits=limits)
    assert index_layer(BytesBlob(data=gzip.compress(LAYER)), limits=limits).index.size == len(LAYER)


def test_what_limits_cut_off_is_a_note() -> None:
    limits = Limits(text=5, texts=100, script=4)
    index = index_layer(BytesBlob(data=LAYER), limits=limits).index
    assert [(note.what, note.path) for note in index.notes] == [
        ("text of 10 bytes was not kept", "etc/os-release"),
        ("text of 22 bytes was not kept", "venv/pyvenv.cfg"),
        ("text of 7 bytes was not kept", "s/site-packages/a-1.dist-info/RECORD"),
    ]
    assert index.texts == {}


@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
@pytest.mark.parametrize("digests", [False, True])
def test_a_layer_without_end_blocks_is_read_with_a_note(
    compression: Compression, digests: bool
) -> None:
    blob = BytesBlob(data=compress(LAYER[:-1024], compression))
    index = index_layer(blob, digests=digests).index
    whole = index_layer(BytesBlob(data=LAYER)).index
    assert (index.entries, index.texts) == (whole.entries, whole.texts)
    assert index.size == len(LAYER) - 1024
    assert [note.what for note in index.notes] == [
        "the archive ends without the zero blocks that close it: entries may be missing"
    ]
    assert whole.notes == ()


def test_an_error_names_the_entry_or_the_one_before_it() -> None:
    cut = layer({"a/first": "x" * 2000})[:1500]
    with pytest.raises(TruncatedError, match="within an entry, after entry 'a/first'"):
        index_layer(BytesBlob(data=cut))


def test_other_errors_name_what_they_are_about() -> None:
    outside = layer({"a": ""})[:-1024] + layer({"../b": ""})
    with pytest.raises(LayerError) as caught:
        index_layer(BytesBlob(data=outside))
    assert str(caught.value) == "entry '../b': the name leads out of the image"
    with pytest.raises(LimitError) as limited:
        index_layer(BytesBlob(data=LAYER), limits=Limits(entries=1))
    assert limited.value.message == "more than 1 entries"


def index_of(tree: Tree, **limits: int) -> LayerIndex:
    return index_layer(BytesBlob(data=layer(tree)), limits=Limits(**limits)).index


def noted(index: LayerIndex) -> list[tuple[str, str]]:
    return [(note.what, note.path) for note in index.notes]


def test_programs_are_told_by_their_content() -> None:
    index = index_of({"app/run": elf(soname="x"), "app/data": "ELF", "empty.cfg": ""})
    assert [facts.soname for facts in index.elf.values()] == ["x"]
    short = elf(static=True, bits=32, machine="i386")[:52]
    assert set(index_of({"a": short, "b": short[:51]}).elf) == {0}


def test_a_file_without_content_is_not_looked_at() -> None:
    index = index_layer(BytesBlob(data=layer({"pyvenv.cfg": "", "etc/os-release": "x"}))).index
    assert index.texts == {1: b"x"}


@pytest.mark.parametrize(("mode", "found"), [(0o601, True), (0o610, True), (0o644, False)])
def test_a_script_is_one_that_anybody_may_execute(mode: int, found: bool) -> None:
    index = index_of({"bin/a": File("#!/bin/x", mode=mode), "b": "what follows"})
    assert index.scripts == ({0: "#!/bin/x"} if found else {})


def test_of_a_first_line_no_more_is_kept_than_a_kilobyte() -> None:
    index = index_of({"bin/a": File("#!/bin/x" + " " * 2000, mode=0o755)})
    assert index.scripts == {0: "#!/bin/x" + " " * 1016}


def test_a_version_is_found_in_files_beyond_the_limit() -> None:
    text = b"GNU C Library (Debian) stable release version 2.36.\n"
    tree: Tree = {"lib/libc.so.6": elf(extra=text), "lib/libc.so.6.1": elf(extra=text[:20])}
    assert index_of(tree, content=10).strings == {0: "2.36"}


@pytest.mark.parametrize(("content", "examined"), [(10, True), (9, False)])
def test_contents_beyond_the_limit_are_not_examined(content: int, examined: bool) -> None:
    tree: Tree = {"etc/os-release": "ID=debian\n", "lib/libx.so": elf(soname="x")}
    index = index_of(tree, content=content)
    assert index.texts == ({0: b"ID=debian\n"} if examined else {})
    unexamined = ("content of 10 bytes was not examined", "etc/os-release")
    assert noted(index) == ([] if examined else [unexamined])
    assert index.elf[1].soname == "x"  # of which never all is needed


class Sizes:
    """What a third party's probe may look like."""

    name = "sizes"
    version = 1

    def wants(self, path: str, size: int, head: bytes) -> bool:
        return path.endswith(".py") and head == b"xxxx"

    def read(self, path: str, content: RandomAccess) -> object:
        return {"size": content.size, "end": bytes(content.read_at(content.size - 1, 10))}


class Every(Sizes):
    def wants(self, path: str, size: int, head: bytes) -> bool:
        return True


def test_a_probe_that_needs_all_of_a_content_leaves_it_to_the_others() -> None:
    library = elf(soname="x")
    blob = BytesBlob(data=layer({"lib/libx.so": library, "a": "1"}))
    index = index_layer(blob, probes=(Every(),), limits=Limits(content=len(library) - 1)).index
    assert index.elf[0].soname == "x"
    assert set(index.extra["sizes"]) == {1}
    assert noted(index) == [(f"content of {len(library):,} bytes was not examined", "lib/libx.so")]


def test_of_a_content_beyond_the_limit_the_others_have_the_parts_as_without_the_probe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = {"_FRONT": 240, "_SECOND_FRONT": 100, "_SMALL": 2000, "_END": 10}
    for name, size in sizes.items():
        monkeypatch.setattr(elf_headers, name, size)
    library = elf(soname="x", extra=bytes(90_000))
    monkeypatch.setattr(cursors, "WHOLE_UP_TO", len(library) - 1)
    blob = BytesBlob(data=layer({"lib/libx.so": library}))
    for content, error in ((len(library), ""), (len(library) - 1, "laid out unusually")):
        index = index_layer(blob, probes=(Every(),), limits=Limits(content=content)).index
        assert index.elf[0].error.endswith(error)
        assert bool(index.elf[0].error) == bool(error)


TEXTS = {"etc/os-release": "1234567890", "venv/pyvenv.cfg": "1234567890"}
SCRIPTS = {"a.sh": "#!/bin/sh\n", "b.sh": "#!/bin/sh\n"}


@pytest.mark.parametrize(
    ("tree", "limits", "kept"),
    [
        (TEXTS, {"text": 10, "texts": 20}, [0, 1]),
        (TEXTS, {"text": 10, "texts": 19}, [0]),
        (TEXTS, {"text": 9, "texts": 99}, []),
        (SCRIPTS, {"script": 10, "scripts": 20}, [0, 1]),
        (SCRIPTS, {"script": 10, "scripts": 19}, [0]),
        (SCRIPTS, {"script": 9, "scripts": 99}, []),
    ],
)
def test_how_much_is_kept(tree: dict[str, str], limits: dict[str, int], kept: list[int]) -> None:
    index = index_of(tree, **limits)
    assert list(index.texts) == kept
    missing = 0 if "script" in limits else 2 - len(kept)  # a script is told by its first line
    assert [what for what, _ in noted(index)] == ["text of 10 bytes was not kept"] * missing


def test_a_database_that_cannot_be_read_is_a_note() -> None:
    good = sqlite_database([header({"name": "a", "version": "1"})])
    index = index_of({"var/lib/rpm/Packages": bytes(99), "usr/share/rpm/rpmdb.sqlite": good})
    assert [[package.name for package in each] for each in index.rpm.values()] == [["a"]]
    form = "no rpm database of a known form (sqlite, NDB, Berkeley DB)"
    assert noted(index) == [(f"rpm database could not be read: {form}", "var/lib/rpm/Packages")]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("etc/os-release", True),
        ("pyvenv.cfg", True),
        ("var/lib/rpm/Packages", True),
        ("s/site-packages/a.pth", True),
        ("a.egg-info", True),
        ("run.sh", True),
        ("lib/libc.so.6", True),
        ("python3.11", True),
        ("s/__editable___a_finder.py", True),
        ("etc/apt/apt.conf.d/99local", True),
        ("var/lib/dpkg/status.d/base", True),
        ("xos-release", False),
        ("os-release/x", False),
        ("app/main.py", False),
        ("x/etc/apt/apt.conf.d/99local", False),
        ("xlib", False),
        ("lib/x", False),
    ],
)
def test_names_of_which_the_content_may_be_looked_at(path: str, expected: bool) -> None:
    assert may_identify(path) is expected


def test_probes_of_third_parties() -> None:
    index = index_layer(BytesBlob(data=LAYER), probes=(Sizes(),)).index
    (fact,) = index.extra["sizes"].values()
    assert fact == {"size": 300_000, "end": b"x"}


@pytest.mark.parametrize("padding", [0, 1000])
@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
def test_progress_counts_the_stored_bytes(compression: Compression, padding: int) -> None:
    packed = compress(LAYER, compression) + bytes(padding)
    for digests in (False, True):
        counts: list[int] = []
        indexed = index_layer(BytesBlob(data=packed), digests=digests, progress=counts.append)
        assert sum(counts) == indexed.blob_size == len(packed)


def test_what_a_stream_may_expand_to() -> None:
    packed = gzip.compress(bytes(5000), mtime=0)

    def length(data: bytes, kind: Literal["none", "gzip"], expansion: int, floor: int) -> int:
        source = Decompressed(io.BytesIO(data), kind, expansion=expansion, floor=floor)
        return sum(map(len, iter(source.read_chunk, b"")))

    assert length(packed, "gzip", 1, 5000) == 5000
    with pytest.raises(LimitError, match=f"{len(packed)} compressed bytes became more than 5,000"):
        length(packed, "gzip", 1, 4999)
    assert length(packed, "gzip", -(-5000 // len(packed)), 0) == 5000
    with pytest.raises(LimitError):
        length(packed, "gzip", 4999 // len(packed), 0)
    assert length(bytes(5000), "none", 1, 0) == 5000


def test_a_million_entries_of_one_name_cost_little() -> None:
    one = layer({"same": ""})[:512]
    index = index_layer(BytesBlob(data=one * 20_000 + bytes(1024))).index
    assert len(index.entries) == 20_000
