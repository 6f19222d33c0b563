"""`ld.so.cache` as ldconfig writes it, and `ld.so.conf` as it reads it."""

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.inventory.loader import configured_directories
from pyimginspect.inventory.loader.cache import CacheEntry, read_cache
from tests.elf import elf
from tests.images import Content, Link
from tests.systems import rootfs

LDCONFIG = shutil.which("ldconfig", path="/sbin:/usr/sbin:/usr/bin")
LINE = re.compile(r"\t(\S+) \((.*)\) => (\S+)")
HWCAP = re.compile(r'hwcap: "([^"]+)"')
needs_ldconfig = pytest.mark.skipif(
    LDCONFIG is None
    or "compat" not in subprocess.run([LDCONFIG, "--help"], capture_output=True, text=True).stdout,
    reason="no ldconfig of the GNU C library",
)


def listed(cache: Path) -> list[tuple[str, str, str]]:
    """What ldconfig itself says is in a cache: name, `glibc-hwcaps` subdirectory, path."""
    assert LDCONFIG
    text = subprocess.run([LDCONFIG, "-p", "-C", cache], capture_output=True, text=True).stdout
    found = []
    for name, details, path in LINE.findall(text):
        hwcap = HWCAP.search(details)
        found.append((name, hwcap[1] if hwcap else "", path))
    return found


def written(root: Path, form: str) -> Path:
    """A cache that ldconfig has made of folders of libraries."""
    assert LDCONFIG
    for folder in ("one", "two", "two/glibc-hwcaps/x86-64-v2", "two/glibc-hwcaps/x86-64-v3"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in ("libx.so.1", "liby.so.2"):
            (root / folder / name).write_bytes(elf(soname=name, needed=["libc.so.6"]))
    (root / "one/libz.so.1").write_bytes(elf(soname="libz.so.1", machine="i386", bits=32))
    (root / "conf").write_text(f"{root}/one\n{root}/two\n")
    command = [LDCONFIG, "-X", "-c", form, "-C", f"{root}/cache", "-f", f"{root}/conf"]
    subprocess.run(command, check=True, capture_output=True)
    return root / "cache"


@needs_ldconfig
@pytest.mark.parametrize("form", ["new", "compat", "old"])
def test_ldconfig_agrees(form: str, tmp_path: Path) -> None:
    cache = written(tmp_path, form)
    entries = read_cache(cache.read_bytes())
    expected = listed(cache)
    assert [(e.name, e.path) for e in entries] == [(name, path) for name, _, path in expected]
    if form == "new":  # of the other, ldconfig prints subdirectories from a wrong offset
        assert [e.hwcaps for e in entries] == [hwcaps for _, hwcaps, _ in expected]
    assert {e.hwcaps for e in entries} == (
        {""} if form == "old" else {"", "x86-64-v2", "x86-64-v3"}
    )


@needs_ldconfig
def test_ldconfig_agrees_on_the_cache_of_this_machine() -> None:
    cache = Path("/etc/ld.so.cache")
    if not cache.exists():
        pytest.skip("this machine has no ld.so.cache")
    assert [(e.name, e.hwcaps, e.path) for e in read_cache(cache.read_bytes())] == listed(cache)


def new_cache(entries: list[tuple[str, str, int]], order: str = "<", endian: int = 2) -> bytes:
    """A cache in the new format, of names, paths and flags."""
    head, first, text = 48, 48 + 24 * len(entries), b""
    records = b""
    for name, path, flags in entries:
        key = first + len(text)
        text += name.encode() + b"\0"
        records += struct.pack(order + "iIIIQ", flags, key, first + len(text), 0, 0)
        text += path.encode() + b"\0"
    header = b"glibc-ld.so.cache1.1" + struct.pack(
        order + "IIB3x4I", len(entries), len(text), endian, 0, 0, 0, 0
    )
    assert len(header) == head
    return header + records + text


@pytest.mark.parametrize(("order", "endian"), [("<", 2), (">", 3), ("<", 0), (">", 0)])
def test_both_byte_orders(order: str, endian: int) -> None:
    data = new_cache([("libx.so.1", "/lib/libx.so.1", 0x303)], order, endian)
    assert read_cache(data) == (CacheEntry(name="libx.so.1", path="/lib/libx.so.1", flags=0x303),)


GOOD = new_cache([("libx.so.1", "/lib/libx.so.1", 0x303), ("liby.so.1", "/lib/liby.so.1", 3)])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"glibc-ld.so.cache1.1",
        b"ld.so-1.7.0",
        b"ld.so-1.7.0\0" + b"\xff" * 100,
        GOOD[:60],
        GOOD[:20] + b"\xff\xff\xff\x7f" + GOOD[24:],
        GOOD[:-20].replace(b"\0/lib", b"xxxxx"),
        GOOD[:28] + b"\x03" + GOOD[29:],
        new_cache([("l" * 4096, "/lib/x", 0x303)]),
        new_cache([("libx.so.1", "/lib/x", 0x303)], ">", 2),
        new_cache([("libx.so.1", "/lib/x", 0x303)], "<", 3),
    ],
)
def test_what_ld_so_would_not_take_is_no_cache(data: bytes) -> None:
    assert read_cache(data) == ()


@given(st.binary(max_size=200), st.integers(0, len(GOOD)))
def test_any_bytes_are_read_without_an_exception(noise: bytes, at: int) -> None:
    read_cache(GOOD[:at] + noise + GOOD[at + len(noise) :])
    read_cache(b"ld.so-1.7.0\0" + noise)


def test_a_path_has_at_most_4095_bytes_as_on_linux() -> None:
    (entry,) = read_cache(new_cache([("l" * 4095, "/lib/x", 0x303)]))
    assert entry.name == "l" * 4095


@pytest.mark.parametrize(("length", "read"), [(2048, 4096), (2049, 0)])
def test_all_strings_together_have_at_most_16_mib(length: int, read: int) -> None:
    count = 4096  # entries of two strings each
    first = 48 + 24 * count
    record = struct.pack("<iIIIQ", 0x303, first, first, 0, 0)
    header = b"glibc-ld.so.cache1.1" + struct.pack("<IIB3x4I", count, length, 2, 0, 0, 0, 0)
    assert len(read_cache(header + record * count + b"x" * length + b"\0")) == read


def test_overlapping_strings_do_not_add_up() -> None:
    count = 90_000
    text = b"x" * 4000 + b"\0"
    first = 48 + 24 * count
    record = struct.pack("<iIIIQ", 0x303, first, first, 0, 0)
    header = b"glibc-ld.so.cache1.1" + struct.pack("<IIB3x4I", count, len(text), 2, 0, 0, 0, 0)
    assert read_cache(header + record * count + text) == ()


# --- the parts of a cache, one by one -------------------------------------------------------------
EXTENSION = 1 << 62  # DL_CACHE_HWCAP_EXTENSION; the low half is the number of the subdirectory


def with_hwcaps(
    hwcap: int, names: int = 2, magic: int = 0xEAA42174, tag: int = 1, others: int = 1
) -> bytes:
    """A new cache of one library, and the extension that names so many subdirectories."""
    texts = b"libx.so.1\0/lib/libx.so.1\0v2\0v3\0"
    text = 48 + 24
    offsets = [text + texts.index(b"v2"), text + texts.index(b"v3")]
    table = struct.pack(f"<{names}I", *(offsets * names)[:names])
    extension = -(-(text + len(texts)) // 4) * 4
    first = extension + 8 + (others + 1) * 16
    sections = struct.pack("<II", magic, others + 1)
    generator = struct.pack("<IIII", 0, 0, first, 4)
    sections += generator * others  # it comes first, as by ldconfig
    sections += struct.pack("<IIII", tag, 0, first, len(table))
    header = b"glibc-ld.so.cache1.1" + struct.pack("<IIB3x4I", 1, len(texts), 2, extension, 0, 0, 0)
    record = struct.pack("<iIIIQ", 0x303, text, text + 10, 0, hwcap)
    return (header + record + texts).ljust(extension, b"\0") + sections + table


@pytest.mark.parametrize(
    ("data", "hwcaps"),
    [
        (with_hwcaps(0), [""]),
        (with_hwcaps(EXTENSION), ["v2"]),
        (with_hwcaps(EXTENSION + 1), ["v3"]),
        (with_hwcaps(EXTENSION + (3 << 32) + 1), ["v3"]),  # with an ISA level
        (with_hwcaps(EXTENSION + 2), []),  # no such subdirectory
        (with_hwcaps(EXTENSION + 3), []),
        (with_hwcaps(1 << 50), []),  # a processor's feature, as before glibc 2.33
        (with_hwcaps(EXTENSION, magic=1), []),
        (with_hwcaps(EXTENSION, tag=2), []),
        (with_hwcaps(EXTENSION, names=1024), ["v2"]),
        (with_hwcaps(EXTENSION, names=1025), []),  # more than any ldconfig writes
        (with_hwcaps(0, names=1025), [""]),
        (with_hwcaps(EXTENSION, others=15), ["v2"]),
        (with_hwcaps(EXTENSION, others=16), []),  # the seventeenth section
    ],
)
def test_subdirectories_for_a_processor(data: bytes, hwcaps: list[str]) -> None:
    assert [entry.hwcaps for entry in read_cache(data)] == hwcaps


def old_cache(names: list[str], order: str = "<") -> bytes:
    """A cache in the old format: offsets count from the end of the records."""
    text, records = b"", b""
    for name in names:
        key = len(text)
        text += name.encode() + b"\0"
        records += struct.pack(order + "iII", 3, key, len(text))
        text += f"/old/{name}".encode() + b"\0"
    return b"ld.so-1.7.0\0" + struct.pack(order + "I", len(names)) + records + text


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("names", [[], ["liba.so.1"], ["liba.so.1", "libb.so.2"]])
def test_the_old_format(names: list[str], order: str) -> None:
    entries = read_cache(old_cache(names, order))
    assert [(entry.name, entry.path, entry.flags) for entry in entries] == [
        (name, f"/old/{name}", 3) for name in names
    ]


@pytest.mark.parametrize(("count", "read"), [(100_000, 100_000), (100_001, 0)])
@pytest.mark.parametrize("form", ["old", "new"])
def test_there_is_a_limit_to_the_entries(form: str, count: int, read: int) -> None:
    if form == "old":
        data = b"ld.so-1.7.0\0" + struct.pack("<I", count) + bytes(12 * count) + b"x\0"
    else:
        end = 48 + 24 * count
        record = struct.pack("<iIIIQ", 3, end, end, 0, 0)
        header = b"glibc-ld.so.cache1.1" + struct.pack("<IIB3x4I", count, 2, 2, 0, 0, 0, 0)
        data = header + record * count + b"x\0"
    assert len(read_cache(data)) == read


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("align", [4, 8])
def test_a_new_cache_behind_an_old_one(count: int, align: int) -> None:
    """Aligned as a structure with 64-bit numbers is: to 8 bytes, and to 4 on i386."""
    end = 16 + 12 * count
    old = b"ld.so-1.7.0\0" + struct.pack("<I", count) + bytes(12 * count)
    data = old.ljust(-(-end // align) * align, b"\0") + GOOD
    assert [entry.name for entry in read_cache(data)] == ["libx.so.1", "liby.so.1"]


def test_the_records_may_be_the_end() -> None:
    record = struct.pack("<iIIIQ", 3, 0, 0, 0, 0)  # named as the file's format is: from its start
    header = b"glibc-ld.so.cache1.1" + struct.pack("<IIB3x4I", 1, 0, 2, 0, 0, 0, 0)
    (entry,) = read_cache(header + record)
    assert entry.name.startswith("glibc-ld.so.cache1.1")


# --- ld.so.conf -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("files", "directories"),
    [
        ({}, ()),
        (
            {"etc/ld.so.conf": "/opt/lib\n# /no\n/a/b/ # why\n\n/c=libc6\n"},
            ("/opt/lib", "/a/b", "/c"),
        ),
        (
            {
                "etc/ld.so.conf": "/first\ninclude /etc/ld.so.conf.d/*.conf\n/last\n",
                "etc/ld.so.conf.d/b.conf": "/b\n",
                "etc/ld.so.conf.d/a.conf": "/a\n",
                "etc/ld.so.conf.d/a.txt": "/no\n",
            },
            ("/first", "/last", "/a", "/b"),
        ),
        (
            {
                "etc/ld.so.conf": "include ld.so.conf.d/*.conf\nhwcap 0 nosegneg\nrelative\n",
                "etc/ld.so.conf.d/a.conf": Link("/etc/ld.so.conf.d/b.conf"),
                "etc/ld.so.conf.d/b.conf": "/b\n/b\ninclude /etc/ld.so.conf\n",
            },
            ("/b",),
        ),
        (
            {
                "etc/ld.so.conf": "/\nhwcap /no\ninclude ld.so.conf.d/1.conf gone no/*"
                " ld.so.conf.d/3.conf\n",
                "etc/ld.so.conf.d/1.conf": "include 2.conf\n/one\n",
                "etc/ld.so.conf.d/2.conf": "/deep",
                "etc/ld.so.conf.d/3.conf": "/two//\n",
            },
            ("/", "/one", "/deep", "/two"),
        ),
        (
            {
                "etc/ld.so.conf": "include ld.so.conf.d/*\n",
                **{f"etc/ld.so.conf.d/{n:03}.conf": f"/{n}\n" for n in range(250)},
            },
            tuple(f"/{n}" for n in range(199)),
        ),
    ],
)
def test_configured_directories(files: dict[str, Content], directories: tuple[str, ...]) -> None:
    assert configured_directories(rootfs(files)) == directories
