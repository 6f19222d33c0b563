"""The tar header reader, against tables of cases, tarfile and GNU tar."""

import contextlib
import io
import random
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pyimginspect.errors import (
    CorruptLayerError,
    LayerError,
    LimitError,
    TruncatedError,
    UnsafePathError,
)
from pyimginspect.layers.cursors import SeekCursor
from pyimginspect.layers.limits import Limits
from pyimginspect.layers.tar import normalise, read_entries
from pyimginspect.model import Entry
from tests.images import Device, Fifo, File, HardLink, Link, layer
from tests.tars import Content, Format


def entries(data: bytes, **limits: int) -> list[Entry]:
    return list(read_entries(SeekCursor(io.BytesIO(data), 0, len(data)), Limits(**limits)))


def raw_header(
    name: bytes = b"x",
    *,
    size: bytes = b"00000000000\0",
    kind: bytes = b"0",
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    tail: bytes = b"",
    signed: bool = False,
    mtime: bytes = b"00000000000\0",
) -> bytes:
    """A header written field by field, with a checksum that holds."""
    block = struct.pack(
        "100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12s",
        name,
        b"0000644\0",
        b"0000000\0",
        b"0000000\0",
        size,
        mtime,
        b" " * 8,
        kind,
        link,
        magic,
        b"",
        b"",
        b"",
        b"",
        tail,
        b"",
    )
    values = [byte - 256 if signed and byte > 127 else byte for byte in block]
    return block[:148] + b"%06o\0 " % sum(values) + block[156:]


END = bytes(1024)

LONG = "d" * 90 + "/" + "f" * 150
KINDS: dict[str, Content] = {
    "file": "content",
    "empty": "",
    "directory/": None,
    "directory/set": File("x", mode=0o4755, uid=1000, gid=2000),
    "symlink": Link("../anywhere/../it likes"),
    "hardlink": HardLink("file"),
    "null": Device(major=1, minor=3),
    "disk": Device(major=8, minor=0, block=True),
    "pipe": Fifo(),
    "ünï": "x",
    LONG: "long",
    "to-long": Link(LONG),
    "hard-to-long": HardLink(LONG),
    "new\nline\x1b[31m": "x",
}


@pytest.mark.parametrize("fmt", ["pax", "gnu"])
def test_reads_what_tarfile_reads(fmt: Format) -> None:
    data = layer(KINDS, fmt=fmt)
    with tarfile.open(fileobj=io.BytesIO(data)) as oracle:
        members = oracle.getmembers()
    found = entries(data)
    assert [e.path for e in found] == [m.name for m in members]
    assert [(e.mode, e.uid, e.gid, e.mtime) for e in found] == [
        (m.mode, m.uid, m.gid, m.mtime) for m in members
    ]
    assert [e.stored for e in found] == [m.size if m.isreg() else 0 for m in members]
    assert [e.offset for e in found] == [m.offset_data for m in members]
    assert [e.target for e in found] == [m.linkname for m in members]
    assert {e.path: e.kind for e in found} | {"directory/set": "file"} == {
        "file": "file",
        "empty": "file",
        "directory": "directory",
        "directory/set": "file",
        "symlink": "symlink",
        "hardlink": "hardlink",
        "null": "character",
        "disk": "block",
        "pipe": "fifo",
        "ünï": "file",
        LONG: "file",
        "to-long": "symlink",
        "hard-to-long": "hardlink",
        "new\nline\x1b[31m": "file",
    }
    assert {e.path: e.device for e in found if e.device} == {"null": (1, 3), "disk": (8, 0)}


@pytest.mark.parametrize(
    ("magic", "device"),
    [(b"ustar\x0000", (0, 7)), (b"ustar  \0", (0, 7)), (b"ustar xx", (0, 0)), (bytes(8), (0, 0))],
)
def test_v7_has_no_numbers_of_devices(magic: bytes, device: tuple[int, int]) -> None:
    (entry,) = entries(changed(337, b"0000007\0", kind=b"3", magic=magic) + END)
    assert entry.device == device


def test_names_that_are_no_utf8_survive() -> None:
    (entry,) = entries(raw_header(b"caf\xe9") + END)
    assert entry.path == "caf\udce9"
    assert entry.path.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_ustar_prefix_is_part_of_the_name_and_gnu_has_none() -> None:
    (posix,) = entries(raw_header(b"name", tail=b"some/prefix") + END)
    assert posix.path == "some/prefix/name"
    # GNU tar keeps times in those bytes.
    (gnu,) = entries(raw_header(b"name", tail=b"14371573312\0", magic=b"ustar  \0") + END)
    assert gnu.path == "name"


PREFIXES = [
    (b"ustar  \0", b"usr/lib", "usr/lib/name"),  # Go's before 1.8
    (b"ustar  \0", b"14371573312\0usr", "14371573312/name"),
    (b"ustar  \0", b"14371573312\x0014371573312\0", "name"),
    (b"ustar  \0", b"0777", "name"),
    (b"ustar  \0", "\u00e9/x".encode(), "name"),
    (b"ustar  \0", b"usr\0\xe9", "usr/name"),
    (b"ustar  \0", b"\n4371573312\x0014371573312\0", "\n4371573312/name"),
    (b"ustar  \0", b"14371573312\0\0garbage", "name"),
    (b"ustar  \0", b" 4371573312 ".ljust(12) + b" 8", " 4371573312  8/name"),
    (b"ustar  \0", b"\x80" + bytes(11) + b"usr", "name"),
    (b"ustar xx", b"usr/lib", "name"),
    (b"ustar\0zz", b"usr/lib", "usr/lib/name"),
    (bytes(8), b"usr/lib", "name"),
    (b"ustar\x0000", b"p" * 155, "p" * 155 + "/name"),
]


@pytest.mark.parametrize(("magic", "tail", "path"), PREFIXES)
def test_what_engines_take_for_a_prefix(magic: bytes, tail: bytes, path: str) -> None:
    (entry,) = entries(raw_header(b"name", tail=tail, magic=magic) + END)
    assert entry.path == path


@pytest.mark.parametrize(("mark", "length"), [(b"tar\0", 131), (b"tar", 155), (b"\0ar\0", 155)])
def test_a_prefix_of_stars_is_shorter(mark: bytes, length: int) -> None:
    block = raw_header(b"name", tail=b"p" * 155)[:508] + mark.ljust(4, b"!")
    (entry,) = entries(summed(block) + END)
    assert entry.path == "p" * length + "/name"


def test_v7_directories_are_known_by_their_slash() -> None:
    (entry,) = entries(raw_header(b"dir/", kind=b"\0", magic=bytes(8)) + END)
    assert (entry.path, entry.kind) == ("dir", "directory")


def test_checksums_of_signed_characters_are_accepted() -> None:
    block = raw_header("é".encode(), signed=True)
    sum_ = b"%08o" % int(block[148:154], 8)  # of as many digits as there is room for
    for each in (block, block[:148] + sum_ + block[156:]):
        (entry,) = entries(each + END)
        assert entry.path == "é"


@pytest.mark.parametrize(
    ("field", "size"),
    [
        (b"00000000005\0", 5),
        (b"          5\0", 5),
        (b"5\0\0\0\0\0\0\0\0\0\0\0", 5),
        (b"\0\0 00000005\0", 5),
        (b"\x80" + (5).to_bytes(11, "big"), 5),
    ],
)
def test_ways_to_write_a_size(field: bytes, size: int) -> None:
    (entry,) = entries(raw_header(size=field) + b"hello" + bytes(507) + END)
    assert entry.stored == entry.size == size


def test_pax_records_override_the_header() -> None:
    data = layer(
        {
            "x": File(
                "12345",
                pax={
                    "path": "other/name",
                    "mtime": "-12.75",
                    "uid": "3000000",
                    "SCHILY.xattr.security.capability": "\x01\x02",
                    "SCHILY.xattr.user.a": "b",
                },
            )
        }
    )
    (entry,) = entries(data)
    assert (entry.path, entry.mtime, entry.uid) == ("other/name", -12, 3_000_000)
    assert entry.xattrs == ("security.capability=0102", "user.a=62")


def summed(block: bytes) -> bytes:
    """The header with the checksum that it has to have."""
    total = sum(block[:148]) + sum(block[156:]) + 8 * 32
    return block[:148] + b"%06o\0 " % total + block[156:]


def changed(at: int, data: bytes, **fields: bytes) -> bytes:
    block = raw_header(**fields)  # type: ignore[arg-type]
    return summed(block[:at] + data + block[at + len(data) :])


def base256(value: int) -> bytes:
    return (value + (1 << 95 if value >= 0 else 1 << 96)).to_bytes(12, "big")


@pytest.mark.parametrize(
    ("field", "mtime"),
    [
        (base256(5), 5),
        (base256(-5), -5),
        (base256(-(1 << 63)), -(1 << 63)),
        (base256(-(1 << 63) - 1), None),
        (base256((1 << 64) - 1), (1 << 64) - 1),
        (base256(1 << 64), None),
        (bytes(12), 0),
        (b" " * 12, 0),
        (b"  17 \0garbage", 15),
        (b"777777777777", 0o777777777777),
    ],
)
def test_ways_to_write_a_number(field: bytes, mtime: int | None) -> None:
    data = raw_header(mtime=field) + END
    if mtime is not None:
        assert entries(data)[0].mtime == mtime
        return
    with pytest.raises(CorruptLayerError, match="number in a header is of more than 64 bits"):
        entries(data)


@pytest.mark.parametrize(
    ("key", "text", "number"),
    [
        ("mtime", "-9223372036854775808", -(1 << 63)),
        ("mtime", "-9223372036854775809", "is of more than 64 bits"),
        ("mtime", "18446744073709551615.999", (1 << 64) - 1),
        ("mtime", "18446744073709551616", "is of more than 64 bits"),
        ("mtime", "000000000000000000007", "is no number"),
        ("mtime", "00000000000000000007", 7),
        ("mtime", "7-", "is no number"),
    ],
)
def test_numbers_of_extended_headers(key: str, text: str, number: int | str) -> None:
    data = layer({"x": File("", pax={key: text})})
    if isinstance(number, int):
        assert entries(data)[0].mtime == number
        return
    with pytest.raises(CorruptLayerError, match=f"'{key}' of an extended header {number}"):
        entries(data)


def test_the_fields_of_an_owner() -> None:
    (entry,) = entries(changed(100, b"0107654\0" + b"0000012\0" + b"0000034\0") + END)
    assert (entry.mode, entry.uid, entry.gid) == (0o7654, 0o12, 0o34)


def test_fields_without_an_end_of_their_own() -> None:
    (entry,) = entries(changed(100, b"00007654" + b"12345670" + b"76543210") + END)
    assert (entry.mode, entry.uid, entry.gid) == (0o7654, 0o12345670, 0o76543210)
    (large,) = entries(changed(108, b"\x81" + bytes(7)) + END)
    assert large.uid == 1 << 56
    (device,) = entries(changed(329, b"1000000120000003d", kind=b"3") + END)
    assert (device.path, device.device) == ("d/x", (0o10000001, 0o20000003))
    (link,) = entries(raw_header(kind=b"2", link=b"t" * 100) + END)
    assert link.target == "t" * 100
    (long,) = entries(changed(500, b"x", tail=b"p" * 155) + END)
    assert long.path == "p" * 155 + "/x"
    (short,) = entries(raw_header(b"name", tail=b"d") + END)
    assert short.path == "d/name"
    (holes,) = entries(changed(483, b"1000000000007", kind=b"S", magic=b"ustar  \0") + END)
    assert holes.size == 1 << 33


def test_errors_of_headers_name_the_entry() -> None:
    for data, message in (
        (raw_header(b"a\0b", mtime=b"12zz5678901\0"), "is not a number"),
        (raw_header(b"a\0b", mtime=base256(1 << 70)), "is of more than 64 bits"),
        (raw_header(b"a\0b")[:-1] + b"x", "checksum is wrong"),
    ):
        with pytest.raises(CorruptLayerError, match=message) as caught:
            entries(data + END)
        assert caught.value.entry == "a"


@pytest.mark.parametrize("name", [b"\x7f\xff", b"\x80", b"\x7f\x80\x81"])
def test_characters_around_the_sign(name: bytes) -> None:
    (entry,) = entries(raw_header(name, signed=True) + END)
    assert entry.path == name.decode("utf-8", "surrogateescape")


def test_a_header_full_of_large_bytes() -> None:
    name, prefix = b"\xff" * 100, b"\xfe" * 155  # whose sum is more than Adler-32 can hold
    (entry,) = entries(raw_header(name, link=b"\xff" * 100, tail=prefix) + END)
    path = (prefix + b"/" + name).decode("utf-8", "surrogateescape")
    assert (entry.path, entry.target) == (path, "")


def long_header(kind: bytes, text: bytes, *, size: int | None = None) -> bytes:
    length = len(text) if size is None else size
    header = raw_header(b"././@LongLink", kind=kind, size=b"%011o\0" % length)
    return header + text + bytes(-len(text) % 512)


P1, P2, UID = b"11 path=p1\n", b"11 path=p2\n", b"8 uid=5\n"
TO = b"14 linkpath=t\n"


Found = tuple[str, str, int]
SEVERAL: list[tuple[Sequence[tuple[bytes, bytes]], Found]] = [
    (((b"L", b"one\0x"), (b"L", b"two"), (b"K", b"a\0"), (b"K", b"b")), ("two", "b", 0)),
    (((b"L", b"one"), (b"x", P1 + TO), (b"K", b"a")), ("one", "a", 0)),
    (((b"x", P1 + TO), (b"L", b"one"), (b"K", b"a")), ("one", "a", 0)),
    (((b"L", b""), (b"K", b"\0")), ("x", "old", 0)),
    (((b"x", P1), (b"L", b"\0")), ("p1", "old", 0)),
    (((b"x", P1 + TO), (b"x", UID)), ("x", "old", 5)),
    (((b"L", b"one"), (b"x", P1), (b"x", P2)), ("one", "old", 0)),
    (((b"x", P1 + UID), (b"x", b"8 path=\n")), ("x", "old", 0)),
    (((b"x", P1 + b"8 path=\n"),), ("x", "old", 0)),
    (((b"L", b"one"), (b"K", b"a"), (b"x", UID), (b"g", P2)), ("x", "old", 0)),
    (((b"g", P2), (b"L", b"one"), (b"x", UID)), ("one", "old", 5)),
]
"""Headers before that of a symbolic link `x` to `old`: its path, target and owner with them."""


def several(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    data = b"".join(long_header(kind, text) for kind, text in headers)
    return data + raw_header(b"x", kind=b"2", link=b"old") + raw_header(b"y") + END


@pytest.mark.parametrize(("headers", "found"), SEVERAL)
def test_which_of_several_headers_counts(
    headers: Sequence[tuple[bytes, bytes]], found: Found
) -> None:
    (entry, after) = entries(several(headers))
    assert (entry.path, entry.target, entry.uid) == found
    assert (after.path, after.target, after.uid) == ("y", "", 0)


def test_the_limit_of_an_extended_header() -> None:
    data = long_header(b"L", b"1234567890") + raw_header() + END
    assert entries(data, header=10)[0].path == "1234567890"
    with pytest.raises(LimitError, match="an extended header claims 10 bytes"):
        entries(data, header=9)
    negative = raw_header(kind=b"x", size=b"\xff" * 12) + END
    with pytest.raises(LimitError, match="an extended header claims -1 bytes"):
        entries(negative)
    empty = raw_header(kind=b"x", size=b"00000000000\0") + raw_header(b"here") + END
    assert entries(empty)[0].path == "here"


def test_records_of_extended_headers() -> None:
    for record, path in (
        (b"00000000018 path=a\n"[:18], None),
        (b"00000000019 path=a\n", "a"),
        (b"000000000020 path=a\n", None),  # a length of twelve digits
        (b"x1 path=a\n", None),
        (b"13 path=a=b=\n", "a=b="),
        (b"10 path=a\n9 path=b\n", "b"),
    ):
        data = long_header(b"x", record) + raw_header() + END
        if path is not None:
            assert entries(data)[0].path == path
            continue
        with pytest.raises(CorruptLayerError, match="record is invalid"):
            entries(data)


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [
        (b"x/", b"1", [("x", "hardlink")]),
        (b"x/", b"2", [("x", "symlink")]),
        (b"x/", b"0", [("x", "file")]),
        (b"x/", b"7", [("x", "file")]),
        (b"x/", b"\0", [("x", "directory")]),
        (b"x", b"7", [("x", "file")]),
        (b"./", b"5", [("", "directory")]),
        (b"./", b"\0", [("", "directory")]),
        (b".", b"\0", []),
        (b"./", b"2", []),
        (b"./", b"3", []),
        (b"./", b"0", []),
    ],
)
def test_kinds_and_names(name: bytes, kind: bytes, found: list[tuple[str, str]]) -> None:
    data = raw_header(name, kind=kind, link=b"to") + raw_header(b"next") + END
    assert [(entry.path, entry.kind) for entry in entries(data)] == [*found, ("next", "file")]


def test_the_content_of_a_root_that_is_a_file_is_passed() -> None:
    data = raw_header(b".", size=b"00000000005\0") + b"hello".ljust(512, b"\0")
    assert [entry.path for entry in entries(data + raw_header(b"next") + END)] == ["next"]


def sparse(size: bytes, *more: bytes, content: bytes = b"") -> bytes:
    """An old sparse file of GNU tar: `more` are the blocks that continue its map."""
    block = bytearray(raw_header(b"holes", kind=b"S", magic=b"ustar  \0", size=size))
    block[482] = bool(more)
    block[483:495] = b"00000001000\0"
    return summed(bytes(block)) + b"".join(more) + content.ljust(512, b"\0")


def test_the_map_of_a_sparse_file_is_passed() -> None:
    maps = bytes(504) + b"\1" + bytes(7), bytes(512)
    for more in ((), maps[1:], maps):
        data = sparse(b"00000000004\0", *more, content=b"data")
        (holes, after) = entries(data + raw_header(b"after") + END)
        assert (holes.size, holes.stored, holes.offset) == (512, 4, 512 + 512 * len(more))
        assert (holes.kind, after.path) == ("file", "after")
    with pytest.raises(TruncatedError, match="within a sparse file's map"):
        entries(sparse(b"00000000004\0", *maps)[: 1024 + 100])


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"major": "1", "minor": "0", "realsize": "7", "size": "9", "name": "real"}, ("real", 9)),
        ({"major": "1", "minor": "0", "realsize": "7"}, ("x", 7)),
        ({"major": "0", "minor": "1", "name": ""}, ("x", 3)),
        ({"major": "0", "minor": "0", "size": "9"}, ("x", 9)),
        ({"map": "0,3", "size": "9", "name": "real"}, ("real", 9)),
        ({"map": "0,3", "major": "2", "minor": "0", "size": "9", "name": "real"}, ("x", 3)),
        ({"map": "0,3", "major": "1", "size": "9", "name": "real"}, ("x", 3)),
        ({"map": "0,3", "minor": "0", "size": "9", "name": "real"}, ("x", 3)),
        ({"offset": "0", "size": "0"}, ("x", 0)),
        ({"size": "9", "name": "real"}, ("x", 3)),
    ],
)
def test_which_files_are_sparse(said: dict[str, str], found: tuple[str, int]) -> None:
    pax = {f"GNU.sparse.{key}": value for key, value in said.items()}
    (entry,) = entries(layer({"x": File("123", pax=pax)}))
    assert (entry.path, entry.size, entry.stored) == (*found, 3)


def test_a_long_name_gives_way_to_that_of_a_sparse_file() -> None:
    record = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n24 GNU.sparse.name=name\n"
    (entry,) = entries(long_header(b"x", record) + long_header(b"L", b"x") + raw_header() + END)
    assert entry.path == "name"


def test_the_limit_of_a_sparse_files_length() -> None:
    most = 1 << 60
    pax = {"GNU.sparse.map": "0,3", "GNU.sparse.size": str(most)}
    (entry,) = entries(layer({"x": File("123", pax=pax)}))
    assert entry.size == most
    pax["GNU.sparse.size"] = str(most + 1)
    with pytest.raises(CorruptLayerError, match="claims 1,152,921,504,606,846,977 bytes"):
        entries(layer({"x": File("123", pax=pax)}))


def test_the_longest_name() -> None:
    assert normalise(b"a" * 10, Limits(path=10)) == "a" * 10
    with pytest.raises(LimitError, match="a name of 11 bytes"):
        normalise(b"a" * 11, Limits(path=10))


def test_global_headers_are_ignored_as_docker_does() -> None:
    record = b"19 path=elsewhere!\n"
    data = raw_header(b"g", kind=b"g", size=b"%011o\0" % len(record)) + record.ljust(512, b"\0")
    assert [e.path for e in entries(data + raw_header(b"here") + END)] == ["here"]


@pytest.mark.skipif(shutil.which("tar") is None, reason="GNU tar is not installed")
@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu", "--sparse"],
        ["--format=pax", "--sparse", "--sparse-version=0.0"],
        ["--format=pax", "--sparse", "--sparse-version=0.1"],
        ["--format=pax", "--sparse", "--sparse-version=1.0"],
    ],
)
def test_sparse_files_of_gnu_tar(tmp_path: Path, options: list[str]) -> None:
    with (tmp_path / "holes").open("wb") as file:
        for at in range(0, 40 << 20, 1 << 20):  # more extents than the header has room for
            file.seek(at)
            file.write(b"data" * 1024)
        file.truncate(41 << 20)
    (tmp_path / "after").write_text("follows")
    archive = tmp_path / "a.tar"
    done = subprocess.run(
        ["tar", "-C", str(tmp_path), "-cf", str(archive), *options, "holes", "after"],
        check=False,
    )
    if done.returncode:
        pytest.skip("this tar is not GNU tar")
    holes, after = entries(archive.read_bytes())
    assert (holes.path, holes.kind, holes.size) == ("holes", "file", 41 << 20)
    assert 40 * 4096 <= holes.stored < 1 << 20
    assert (after.path, after.stored) == ("after", 7)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"a", "a"),
        (b"./a", "a"),
        (b"/a", "a"),
        (b"//a//b/", "a/b"),
        (b"./", ""),
        (b".", ""),
        (b"/", ""),
        (b"a/./b", "a/b"),
        (b"a/../b", "b"),
        (b"a/b/..", "a"),
        (b".hidden", ".hidden"),
        (b"..data/x", "..data/x"),
        (b"a/.wh.b", "a/.wh.b"),
        (b"a/", "a"),
    ],
)
def test_names_are_normalised(raw: bytes, path: str) -> None:
    assert normalise(raw) == path


@given(st.text("ab./", min_size=1, max_size=12))
def test_normalising_twice_changes_nothing(text: str) -> None:
    try:
        path = normalise(text.encode())
    except UnsafePathError:
        return
    assert normalise(path.encode()) == path
    assert not {"", ".", ".."} & set(path.split("/")) or path == ""


@pytest.mark.parametrize("name", [b"../x", b"a/../../x", b"/..", b"..", b"./../a"])
@pytest.mark.parametrize("kind", [b"0", b"1"])
def test_names_that_lead_out_are_refused(name: bytes, kind: bytes) -> None:
    inside, outside = (b"x", name) if kind == b"1" else (name, b"")
    with pytest.raises(UnsafePathError, match="out of the image"):
        entries(raw_header(inside, kind=kind, link=outside) + END)


def claims(size: bytes) -> bytes:
    return raw_header(size=size) + END


def record(key: str, value: str) -> bytes:
    """With its length, which counts its own digits."""
    rest = f" {key}={value}\n"
    length = len(rest) + 1
    return f"{length + (length > 9)}{rest}".encode()


def pax(records: bytes, member: bytes = raw_header()) -> bytes:
    size = b"%011o\0" % len(records)
    padded = records + bytes(-len(records) % 512)
    return raw_header(b"h", kind=b"x", size=size) + padded + member + END


@pytest.mark.parametrize(
    ("key", "value"),
    [("path", "a"), ("linkpath", "a"), ("uid", "1"), ("gid", "1"), ("mtime", "1")],
)
def test_an_empty_record_deletes_what_was_said_before(key: str, value: str) -> None:
    """Then the header counts, as for Go's archive/tar, with which engines read layers."""
    member = raw_header(kind=b"2", link=b"target", mtime=b"00000000007\0")
    (expected,) = entries(member + END)
    empty, said = record(key, ""), record(key, value)
    for records, different in ((empty, False), (said + empty, False), (empty + said, True)):
        (found,) = entries(pax(records, member))
        assert (replace(found, offset=expected.offset) != expected) is different, records


@pytest.mark.parametrize(("records", "size"), [("size=3", 3), ("size=", 5), ("size=3 size=", 5)])
def test_an_empty_size_is_that_of_the_header(records: str, size: int) -> None:
    member = raw_header(size=b"00000000005\0") + b"hello" + bytes(507)
    text = b"".join(record(*each.split("=")) for each in records.split())
    (entry,) = entries(pax(text, member))
    assert entry.stored == size


def test_an_empty_attribute_is_one() -> None:
    (entry,) = entries(pax(record("SCHILY.xattr.user.a", "")))
    assert entry.xattrs == ("user.a=",)


BAD: Mapping[str, tuple[bytes, type[LayerError], str]] = {
    "half a header": (raw_header()[:300], TruncatedError, "within a header"),
    "no end block": (raw_header(), TruncatedError, "closing zero block"),
    "content missing": (claims(b"00000010000\0")[:700], TruncatedError, "within an entry"),
    "claims 2^63 bytes": (
        claims(b"\x80\0\0\0\x80" + bytes(7)),
        CorruptLayerError,
        "claims 9,223,372,036,854,775,808 bytes",
    ),
    "claims 2^50 bytes": (claims(b"\x80\0\0\0\0\x04" + bytes(6)), TruncatedError, "within an"),
    "negative size": (claims(b"\xff" * 12), CorruptLayerError, "claims -1 bytes"),
    "no number": (claims(b"12zz5678901\0"), CorruptLayerError, "is not a number"),
    "unknown type": (raw_header(kind=b"Z") + END, CorruptLayerError, "type b'Z'"),
    "goes on": (bytes(512) + raw_header() + END, CorruptLayerError, "goes on after a zero block"),
    "huge extended header": (
        raw_header(kind=b"x", size=b"77777777777\0") + END,
        LimitError,
        "claims 8,589,934,591 bytes",
    ),
    "record too long": (pax(b"99 path=a\n"), CorruptLayerError, "record is invalid"),
    "record too short": (pax(b"3 path=a\n"), CorruptLayerError, "record is invalid"),
    "record without length": (pax(b"path=a\n"), CorruptLayerError, "record is invalid"),
    "record without value": (pax(b"9 pathab\n"), CorruptLayerError, "no value"),
    "pax size no number": (pax(b"12 size=1e9\n"), CorruptLayerError, "'size' of an extended"),
    "pax uid no number": (pax(b"11 uid=--5\n"), CorruptLayerError, "'uid' of an extended"),
    "pax uid too large": (
        pax(b"28 uid=99999999999999999999\n"),
        CorruptLayerError,
        "'uid' of an extended header is of more than 64 bits",
    ),
    "base-256 mtime too large": (
        raw_header(mtime=b"\x80\0\0\x01" + bytes(8)) + END,
        CorruptLayerError,
        "more than 64 bits",
    ),
    "sparse and of 2^61 bytes": (
        pax(b"20 GNU.sparse.map=0\n43 GNU.sparse.realsize=2305843009213693952\n"),
        CorruptLayerError,
        "claims 2,305,843,009,213,693,952 bytes",
    ),
    "pax mtime nan": (pax(b"13 mtime=nan\n"), CorruptLayerError, "'mtime' of an extended"),
    "long name": (pax(b"5010 path=" + b"a" * 4999 + b"\n"), LimitError, "a name of 4,999 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_hold_is_a_typed_error(name: str) -> None:
    data, error, message = BAD[name]
    with pytest.raises(error, match=message):
        entries(data)


def test_headers_at_the_end_describe_nothing() -> None:
    data = raw_header(b"here") + long_header(b"x", P1) + long_header(b"L", b"x") + END
    assert [entry.path for entry in entries(data)] == ["here"]


def test_more_entries_than_the_limit() -> None:
    assert len(entries(layer({"a": "", "b": ""}), entries=2)) == 2
    with pytest.raises(LimitError, match="more than 1 entries"):
        entries(layer({"a": "", "b": ""}), entries=1)


def test_no_bytes_at_all_are_an_empty_layer() -> None:
    assert entries(b"") == []
    assert entries(END) == []
    assert entries(bytes(512)) == []


SMALL = layer({"etc/": None, "etc/a": "x" * 700, "etc/" + "n" * 120: "y", "l": Link("etc/a")})


@pytest.mark.parametrize("length", range(512, len(SMALL) - 1024, 512))
def test_truncated_at_any_block_it_is_an_error(length: int) -> None:
    with pytest.raises(TruncatedError):
        entries(SMALL[:length])


def test_one_closing_block_is_enough() -> None:
    assert entries(SMALL[:-512]) == entries(SMALL)


def ends(data: bytes) -> tuple[list[Entry], int]:
    """The members, and how often it was said that nothing closes them."""
    said: list[None] = []
    cursor = SeekCursor(io.BytesIO(data), 0, len(data))
    return list(read_entries(cursor, unclosed=lambda: said.append(None))), len(said)


def test_whoever_asks_is_told_that_the_end_blocks_are_missing() -> None:
    assert ends(SMALL[:-1024]) == (entries(SMALL), 1)
    assert ends(SMALL[:512]) == (entries(SMALL)[:1], 1)
    assert ends(SMALL[:-512]) == ends(SMALL) == (entries(SMALL), 0)
    assert ends(b"") == ([], 0)
    last = layer({"a": "123"})
    # Padding may be missing too: Go's writer adds it when another header follows.
    assert [ends(last[: 512 + length]) for length in (3, 4, 511, 512)] == [(entries(last), 1)] * 4


# A pax header, the member that it describes, 700 bytes of content and their padding.
@pytest.mark.parametrize(
    ("length", "message"),
    [
        (300, "within a header"),
        (512, "within an extended header"),
        (700, "within an e"),
        (1024, "after an extended header"),
        (1200, "within a header"),
        (1536, "within an entry"),
        (1536 + 512, "within an entry"),
        (1536 + 699, "within an entry"),
    ],
)
def test_a_truncated_archive_is_refused_whoever_asks(length: int, message: str) -> None:
    data = layer({"n" * 120: "x" * 700})
    with pytest.raises(TruncatedError, match=message):
        ends(data[:length])


HEADERS = [0, 512, 512 * 4]
FLIPS: list[Callable[[int], int]] = [lambda b: b ^ 1, lambda b: b ^ 0x80, lambda b: 0 if b else 7]


@pytest.mark.parametrize("start", HEADERS)
def test_flipped_bytes_in_a_header_are_noticed(start: int) -> None:
    rng = random.Random(start)
    for position in rng.sample(range(512), 128):
        damaged = bytearray(SMALL)
        damaged[start + position] = rng.choice(FLIPS)(damaged[start + position])
        if 154 <= position < 156:  # what follows the digits of the checksum says nothing
            continue
        with pytest.raises(LayerError):
            entries(bytes(damaged))


@given(st.binary(max_size=3000))
def test_noise_is_an_error_or_nothing(data: bytes) -> None:
    with contextlib.suppress(LayerError):
        entries(data)
