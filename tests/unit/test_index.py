"""One layer's bytes → its index: the same by every road."""

import gzip
import io
import random
from pathlib import Path
from zlib import crc32

import pytest

from pyimginspect.errors import CorruptLayerError, LayerError, LimitError, TruncatedError
from pyimginspect.layers import BytesBlob, FileBlob, Limits, StreamBlob, compression, index_layer
from pyimginspect.layers.compression import sniff
from pyimginspect.layers.elf import RandomAccess
from pyimginspect.model import LayerIndex
from tests.images import Compression, File, HardLink, compress, digest, elf, layer
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


def test_without_isal_the_index_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = compress(LAYER, "gzip", parts=3)
    expected = index_layer(BytesBlob(data=packed), digests=True)
    monkeypatch.setitem(__import__("sys").modules, "isal", None)
    assert index_layer(BytesBlob(data=packed), digests=True) == expected
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


class Sizes:
    """What a third party's probe may look like."""

    name = "sizes"
    version = 1

    def wants(self, path: str, size: int, head: bytes) -> bool:
        return path.endswith(".py") and head == b"xxxx"

    def read(self, path: str, content: RandomAccess) -> object:
        return {"size": content.size, "end": bytes(content.read_at(content.size - 1, 10))}


def test_probes_of_third_parties() -> None:
    index = index_layer(BytesBlob(data=LAYER), probes=(Sizes(),)).index
    (fact,) = index.extra["sizes"].values()
    assert fact == {"size": 300_000, "end": b"x"}


def test_progress_counts_the_stored_bytes() -> None:
    packed = compress(LAYER, "gzip")
    counts: list[int] = []
    index_layer(BytesBlob(data=packed), progress=counts.append)
    assert sum(counts) == len(packed)


def test_a_million_entries_of_one_name_cost_little() -> None:
    one = layer({"same": ""})[:512]
    index = index_layer(BytesBlob(data=one * 20_000 + bytes(1024))).index
    assert len(index.entries) == 20_000
