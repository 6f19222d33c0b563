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
        new_cache([("l" * 5000, "/lib/x", 0x303)]),
    ],
)
def test_what_ld_so_would_not_take_is_no_cache(data: bytes) -> None:
    assert read_cache(data) == ()


@given(st.binary(max_size=200), st.integers(0, len(GOOD)))
def test_any_bytes_are_read_without_an_exception(noise: bytes, at: int) -> None:
    read_cache(GOOD[:at] + noise + GOOD[at + len(noise) :])
    read_cache(b"ld.so-1.7.0\0" + noise)


def test_overlapping_strings_do_not_add_up() -> None:
    count = 90_000
    text = b"x" * 4000 + b"\0"
    first = 48 + 24 * count
    record = struct.pack("<iIIIQ", 0x303, first, first, 0, 0)
    header = b"glibc-ld.so.cache1.1" + struct.pack("<IIB3x4I", count, len(text), 2, 0, 0, 0, 0)
    assert read_cache(header + record * count + text) == ()


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
    ],
)
def test_configured_directories(files: dict[str, Content], directories: tuple[str, ...]) -> None:
    assert configured_directories(rootfs(files)) == directories
