"""Versions found in the text of C libraries and interpreters."""

import platform
import sys
import sysconfig
from pathlib import Path

import pytest

from pyimginspect.layers import strings
from pyimginspect.layers.strings import find_version, libc_version, python_version, wants
from tests.elf import elf
from tests.unit.test_elf import Content, Kept, handmade, load

MUSL = b"musl libc (x86_64)\nVersion %s\nDynamic Program Loader\n\0127.0.0.1\0\1\2\0"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("lib/x86_64-linux-gnu/libc.so.6", True),
        ("lib/libc-2.31.so", True),
        ("lib/ia64-linux-gnu/libc.so.6.1", True),
        ("lib/ld-musl-x86_64.so.1", True),
        ("lib/libc.musl-armv7.so.1", True),
        ("usr/lib/x86_64-linux-musl/libc.so", True),
        ("usr/local/lib/libpython3.11.so.1.0", True),
        ("usr/local/lib/libpython3.13t.so.1.0", True),
        ("usr/bin/python3.11", True),
        ("usr/libexec/platform-python3.6", True),
        ("opt/pypy/bin/libpypy3.10-c.so", True),
        ("usr/bin/python3", False),
        ("usr/bin/python3.11-config", False),
        ("usr/lib/python3.11", True),  # a directory of that name has no content anyway
        ("usr/lib/libcrypto.so.3", False),
        ("usr/lib/libpython3.so", False),
    ],
)
def test_which_files_are_looked_at(path: str, wanted: bool) -> None:
    assert wants(path) is wanted


@pytest.mark.parametrize(
    ("path", "text", "version"),
    [
        (
            "lib/libc.so.6",
            b"GNU C Library (Debian GLIBC 2.36-9+deb12u4) stable release version 2.36.\n",
            "2.36",
        ),
        ("lib/libc-2.12.so", b"GNU C Library stable release version 2.12, by Roland", "2.12"),
        (
            "lib/libc.so.6",
            b"GNU C Library (GNU libc) development release version 2.38.9000.\n",
            "2.38.9000",
        ),
        ("lib/libc.so.6", b"GNU C Library of Babel", None),
        ("lib/libm.so.6", b"GNU C Library (x) stable release version 2.36.\n", None),
        ("lib/ld-musl-x86_64.so.1", MUSL + b"1.2.5\0%s/%s", "1.2.5"),
        ("lib/ld-musl-x86_64.so.1", b"1.2.5\0" + MUSL, "1.2.5"),
        ("lib/ld-musl-x86_64.so.1", MUSL + b"1.2.5-git-12-g0123abc\0", "1.2.5-git-12-g0123abc"),
        ("lib/ld-musl-x86_64.so.1", MUSL, None),
        ("lib/libc.so", b"1.2.5\0not musl", None),
    ],
)
def test_c_libraries(path: str, text: bytes, version: str | None) -> None:
    assert libc_version(path, Content(elf(extra=b"\0" + text))) == version
    assert find_version(path, Content(elf(extra=b"\0" + text))) == version


@pytest.mark.parametrize(
    ("path", "text", "version"),
    [
        ("lib/libpython3.11.so.1.0", b"3.11.7\0", "3.11.7"),
        ("bin/python3.14", b"3.14.0rc2\0", "3.14.0rc2"),
        ("bin/python3.14", b"3.14.0a1+\0", "3.14.0a1+"),
        ("bin/python3.6m", b"3.6.15\0", "3.6.15"),
        ("bin/python2.7", b"2.7.18\0", "2.7.18"),
        # a linker keeps the longer of two texts that end alike
        ("bin/python3.11", b"Python-3.11.7\0", "3.11.7"),
        ("bin/python3.11", b"Python-3.11.9\0/opt/3.11.1\0", "3.11.9"),
        # the name of a directory says least
        ("bin/python3.11", b"/opt/python/3.11.1\0Python-3.11.9\0", "3.11.9"),
        ("bin/python3.11", b"/opt/python/3.11.1\0Python-3.11.8\0x\0003.11.9\0", "3.11.9"),
        ("bin/python3.11", b"/opt/python/3.11.1\0", "3.11.1"),
        # other software's versions
        ("bin/python3.11", b"3.41.2\0003.2.0\0GLIBC_2.3.4\0", None),
        ("bin/python3.1", b"3.11.7\0", None),
        ("bin/python3.11", b"13.11.7\0001.3.11.7\0", None),
        ("bin/python3.11", b"3.11.7 (main)\0", None),
        ("bin/python3", b"3.11.7\0", None),
        ("lib/libpypy3.10-c.so", b"[PyPy 7.3.17 with GCC 10\0", "7.3.17"),
        (
            "lib/libpypy3.9-c.so",
            b"\x103.9.16 (7.3.11+dfsg-2, Dec 30 2024, 22:36:23)\n[PyPy 7.3.11 with GCC 12.2.0]\0",
            "3.9.16",
        ),
        ("lib/libpypy3.10-c.so", b"PyPy 3.9, the whole module\0", None),
    ],
)
def test_interpreters(path: str, text: bytes, version: str | None) -> None:
    assert python_version(path, Content(elf(extra=b"\0" + text))) == version
    assert find_version(path, Content(elf(extra=b"\0" + text))) == version


@pytest.mark.parametrize("shift", [-530, -512, -506, -3, 0, 3])
def test_a_text_across_two_pieces(shift: int) -> None:
    data = elf(extra=bytes((256 << 10) + shift - 500) + b"\x003.11.7\0" + bytes(10000))
    assert python_version("bin/python3.11", Content(data)) == "3.11.7"


@pytest.mark.parametrize(
    ("size", "before", "version"),
    [(3000, 1994, "1.2.5"), (3000, 1995, None), (1000, 1000, None), (1006, 1000, "1.2.5")],
)
def test_a_musl_is_searched_as_far_as_its_segments_and_a_limit(
    size: int, before: int, version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first segment has 3,000 bytes of the 5,000, the second as many as are said."""
    monkeypatch.setattr(strings, "_MOST_OF_MUSL", 5000)
    body = MUSL.ljust(3000, b"\1") + bytes(before - 1) + b"\x001.2.5\0" + bytes(3000)
    start = 64 + 2 * 56
    data = handmade(load(4, start, 3000), load(4, start + 3000, size), body=body)
    assert libc_version("lib/ld-musl-x86_64.so.1", Content(data)) == version


def test_a_text_may_begin_a_segment_and_ends_with_it() -> None:
    text, start = b"\x003.11.7\0", 64 + 56
    for size, version in ((len(text), "3.11.7"), (len(text) - 1, None)):
        data = handmade(load(4, start, size), body=text)
        assert python_version("bin/python3.11", Content(data)) == version
    # Behind it may be anything, such as debugging information.
    data = handmade(load(4, start, 100), body=bytes(100) + text)
    assert python_version("bin/python3.11", Content(data)) is None


class Zeros:
    """A file of many zeros, with one text among them."""

    def __init__(self, size: int, at: int, text: bytes) -> None:
        self.size, self.at, self.text = size, at, text
        self.head = handmade(load(4, 0, size))

    def read_at(self, offset: int, length: int, /) -> bytes:
        if not offset:
            return self.head.ljust(length, b"\0")
        before = self.at - offset
        if not -len(self.text) < before < length:
            return bytes(length)
        return (bytes(before) + self.text)[:length].ljust(length, b"\0")


@pytest.mark.parametrize(
    ("path", "most", "text", "version"),
    [
        ("bin/python3.11", 64 << 20, b"\x003.11.7\0", "3.11.7"),
        ("lib/ld-musl-x86_64.so.1", 4 << 20, MUSL + b"1.2.5\0", "1.2.5"),
    ],
)
def test_how_far_a_file_is_searched(path: str, most: int, text: bytes, version: str) -> None:
    for more, found in ((0, version), (1, None)):
        content = Zeros(100 << 20, most - len(text) + more, text)
        assert find_version(path, content) == found


def test_debugging_information_is_not_looked_at() -> None:
    assert python_version("bin/python3.11", Content(elf() + b"\x003.11.7\0")) is None


def test_parts_that_were_not_kept_and_files_that_are_no_elf() -> None:
    data = elf(extra=bytes(600 << 10) + b"\x003.11.7\0")
    kept = Kept(data, [(0, 4096), (500 << 10, len(data) - (500 << 10))])
    assert python_version("bin/python3.11", kept) == "3.11.7"
    assert python_version("bin/python3.11", Content(b"\x003.11.7\0")) is None


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not a machine with glibc")
def test_this_machine() -> None:
    directory = Path("/lib", sysconfig.get_config_var("MULTIARCH") or "")
    libc = next(d for d in (directory, Path("/lib64"), Path("/lib")) if (d / "libc.so.6").exists())
    content = Content((libc / "libc.so.6").read_bytes())
    assert libc_version("lib/libc.so.6", content) == platform.libc_ver()[1]
    name = sysconfig.get_config_var("INSTSONAME") or sysconfig.get_config_var("LDLIBRARY")
    places = [Path(sysconfig.get_config_var("LIBDIR")), Path(sys.base_prefix, "lib")]  # or moved
    library = next((path for each in places if (path := each / name).exists()), places[0] / name)
    if not library.exists() or library.suffix == ".a":
        name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        library = Path(sys.executable).resolve()
    version = python_version(name, Content(library.read_bytes()))
    assert version == platform.python_version()
