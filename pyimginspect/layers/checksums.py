"""Checksums of isal, which computes them with vector instructions, or else of zlib: the same."""

from __future__ import annotations

try:
    from isal.isal_zlib import adler32, crc32
except ImportError:  # no wheel for this machine
    from zlib import adler32, crc32

__all__ = ["adler32", "crc32"]
