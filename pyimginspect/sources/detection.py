"""What a tar archive is, recognized by its first members: a saved image, or a root file system.

A stream can be read once, so this must be known before its first layer goes by.
"""

from __future__ import annotations

import io
import re
from typing import Literal

from pyimginspect.errors import LayerError
from pyimginspect.layers.cursors import SeekCursor
from pyimginspect.layers.tar import BLOCK, read_entries

__all__ = ["HEAD", "Contents", "contents_of", "is_tar", "looks_like_rootfs"]

# Enough for a few hundred headers: a root file system may begin with small files of any name.
HEAD = 1 << 18
"""Bytes at the beginning of an archive that tell what it is."""

Contents = Literal["saved", "rootfs", "unknown"]

# docker save, skopeo, containerd, kaniko, jib, go-containerregistry, Bazel's rules.
_SAVED = re.compile(
    r"blobs|index\.json|oci-layout|manifest\.json|repositories|config\.json"
    r"|(sha256:)?[0-9a-f]{64}([.:].*)?"
)
# The Filesystem Hierarchy Standard 3.0, chapter 3, and what Docker itself puts at the root.
_ROOT = re.compile(
    r"bin|boot|dev|etc|home|lib|lib32|lib64|libx32|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp"
    r"|usr|var|\.dockerenv|Files|Hives|UtilityVM"
)


def contents_of(head: bytes) -> Contents:
    """Tell what an archive holds from its first bytes, decompressed."""
    try:
        for entry in read_entries(SeekCursor(io.BytesIO(head), 0, len(head))):
            top = entry.path.partition("/")[0]
            if _SAVED.fullmatch(top):
                return "saved"
            if _ROOT.fullmatch(top):
                return "rootfs"
    except LayerError:
        pass  # the head ends within a member, or is no archive: whoever reads it will say so
    return "unknown"


def looks_like_rootfs(names: list[str]) -> bool:
    """Whether these paths are of a root file system."""
    return any(_ROOT.fullmatch(name.partition("/")[0]) for name in names)


def is_tar(block: bytes) -> bool:
    """Whether 512 bytes are the header of a tar archive's member, by their checksum."""
    if len(block) < BLOCK:
        return False
    # The field ``chksum`` of POSIX's ustar format, in octal; the sum counts its own eight bytes as
    # spaces. Archives older than POSIX have no magic "ustar", but they have this.
    digits = block[148:156].strip(b" \0")
    try:
        return int(digits, 8) == sum(block[:148]) + sum(block[156:BLOCK]) + 8 * ord(" ")
    except ValueError:
        return False
