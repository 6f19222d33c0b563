"""Versions that C libraries and interpreters carry as text among their read-only data.

Nothing is executed, so the text is searched for. Only what PT_LOAD maps is read (debugging
information is often the larger part of a file), read-only segments first, a piece at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyimginspect.layers.elf_headers import RandomAccess, loaded_ranges
from pyimginspect.layers.pe import python_file_version
from pyimginspect.model import GLIBC_NAMES

__all__ = ["BEGINNINGS", "find_version", "libc_version", "python_version", "wants"]

_PIECE = 256 << 10  # bytes
_OVERLAP = 512  # bytes; longer than any of the texts
_MOST = 64 << 20  # bytes of one file
_MOST_OF_MUSL = 4 << 20  # bytes; all of musl is less than one megabyte

# musl's loader and its library are one file, called libc.so where musl itself installs it.
_MUSL = re.compile(r"ld-musl-[\w-]+\.so\.\d|libc\.musl-[\w-]+\.so\.\d|libc\.so")
# platform-python is RHEL 8's. The letters are ABI flags: python3.7m, python3.13t.
_PYTHON = re.compile(
    r"(?:libpython|python|platform-python)([23])\.(\d{1,2})[a-z]{0,3}(?:\.so(?:\.\d+){0,2})?"
)
BEGINNINGS = ("lib", "ld-musl-", "python", "platform-python", "Python")
_WINDOWS = re.compile(r"python(?:w|3\d{0,2})?\.(?:exe|dll)", re.IGNORECASE)
_PYPY = re.compile(r"libpypy[\w.-]*\.so(?:\.\d+)*")

# glibc's csu/version.c: "GNU C Library (<packager>) <stable|development> release version 2.36."
_GLIBC_TEXT = re.compile(
    rb"GNU C Library [^\n\0]{0,200}release version (\d{1,3}\.\d{1,4}(?:\.\d+)?)"
)
# musl's ldso/dynlink.c has the banner, src/internal/version.c the version, on its own.
_MUSL_BANNER = b"musl libc ("
# Compiled expressions are fast when they begin with a literal, hence the look-behind after it.
_MUSL_TEXT = re.compile(rb"1\.(?<![0-9.]1\.)(\d{1,3}\.\d{1,3}(?:-git-\d{1,6}-g[0-9a-f]{4,40})?)\0")
_PYPY_TEXT = re.compile(rb"PyPy (\d{1,3}\.\d{1,3}\.\d{1,3}(?:-\w{1,10})?) with ")
# "3.9.16 (7.3.11+dfsg-2, Dec 30 2024, 22:36:23)\n[PyPy 7.3.11 with GCC 12.2.0]"
_BEFORE_PYPY = re.compile(rb"(\d\.\d{1,2}\.\d{1,2}(?:(?:a|b|rc)\d{1,2})?) \([^\0\n]{1,200}\)\n\[\Z")
_REST_OF_VERSION = re.compile(rb"\d{1,3}(?:(?:a|b|rc)\d{1,2})?\+?\0")


def wants(path: str) -> bool:
    """Whether the file of this name may hold a version that :func:`find_version` finds."""
    name = path.rpartition("/")[2]
    return name.startswith(BEGINNINGS) and any(
        pattern.fullmatch(name) for pattern in (GLIBC_NAMES, _MUSL, _PYTHON, _PYPY, _WINDOWS)
    )


def find_version(path: str, content: RandomAccess) -> str | None:
    """Return the version of the C library or of the interpreter at ``path``, if it is one."""
    if _WINDOWS.fullmatch(path.rpartition("/")[2]):
        return python_file_version(content)
    return libc_version(path, content) or python_version(path, content)


def libc_version(path: str, content: RandomAccess) -> str | None:
    """Return the version of a C library (``2.36`` of glibc, ``1.2.5`` of musl) by its content.

    Only for files that are named as C libraries and their loaders are; ``None`` for others and
    where the text is not to be found.
    """
    name = path.rpartition("/")[2]
    if GLIBC_NAMES.fullmatch(name):
        for piece in _pieces(content):
            start = piece.find(b"GNU C Library ")
            match = _GLIBC_TEXT.match(piece, start)  # of -1 at the beginning, where it is not
            if match:
                return match[1].decode()
    elif _MUSL.fullmatch(name):
        banner, version = False, None
        for piece in _pieces(content, _MOST_OF_MUSL):
            banner = banner or _MUSL_BANNER in piece
            if version is None:
                version = _MUSL_TEXT.search(piece)
            if banner and version:
                return "1." + version[1].decode()
    return None


def python_version(path: str, content: RandomAccess) -> str | None:
    """Return the version that a Python executable or library says it is (``3.14.0rc2``).

    The file's name must say which minor version it is (``libpython3.11.so.1.0``, ``python3.11``):
    in the content that is what tells Python's own version from those of other software. Linkers
    merge a text with the tail of a longer one (``Python-3.11.7``), so a text that stands alone
    counts most, and the end of a path least.

    Of PyPy (``libpypy3.10-c.so``) it is Python's version where the text of ``sys.version`` is
    whole, else PyPy's own.
    """
    name = path.rpartition("/")[2]
    if _PYPY.fullmatch(name):
        for piece in _pieces(content):
            match = _PYPY_TEXT.search(piece)
            if match:
                start = match.start()
                python = _BEFORE_PYPY.search(piece, start - _OVERLAP, start)
                return (python or match)[1].decode()
        return None
    named = _PYTHON.fullmatch(name)
    if not named:
        return None
    prefix = f"{named[1]}.{named[2]}.".encode()
    merged = after_slash = None
    for piece in _pieces(content):
        start = piece.find(prefix, 1)
        while start >= 0:
            before = piece[start - 1 : start]
            rest = _REST_OF_VERSION.match(piece, start + len(prefix))
            if rest and before not in b"0123456789.":
                version = piece[start : rest.end() - 1].decode()
                if before == b"\0":
                    return version
                if before == b"/":
                    after_slash = after_slash or version
                else:
                    merged = merged or version
            start = piece.find(prefix, start + 1)
    return merged or after_slash


def _pieces(content: RandomAccess, most: int = _MOST) -> Iterator[bytes]:
    """Yield the mapped parts of the file, overlapping; parts that were not kept are left out."""
    left = most
    for offset, length in loaded_ranges(content):
        stop = offset + min(length, left)
        left -= stop - offset
        while offset < stop:
            try:
                piece = bytes(content.read_at(offset, min(_PIECE, stop - offset)))
            except LookupError:
                piece = b""
            if piece:
                yield piece
            offset += _PIECE - _OVERLAP
