"""CRC-32 by isal, which computes it with vector instructions, or else by zlib: the same sums."""

from __future__ import annotations

try:
    from isal.isal_zlib import crc32
except ImportError:  # no wheel for this machine
    from zlib import crc32

__all__ = ["crc32"]
