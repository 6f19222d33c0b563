"""How much of a layer we are ready to hold: an image is untrusted input, all of it."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["DEFAULT_LIMITS", "Limits"]

_MIB = 1 << 20


class Limits(Struct, frozen=True, kw_only=True):
    """Upper bounds, in bytes unless said otherwise; passing one is a typed error or a note.

    ``expansion`` and ``expansion_floor`` bound what a compressed layer may turn into: it may
    always grow to the floor, beyond it to ``expansion`` times its own size.
    ``text`` and ``texts`` bound the contents kept of one file and of all files of a layer,
    ``content`` what is held of one file while a probe looks at it. ``script`` and ``scripts``
    bound the shell scripts of which the whole text is kept; of longer ones the first line is.
    """

    # All are far beyond what images of programs have (docs/sources.md, "Limits").
    entries: int = 5_000_000
    # PATH_MAX of Linux. An extended header may be as long as for Go's archive/tar and libarchive.
    path: int = 4096
    header: int = _MIB
    # Programs shrink to a third or so, zeros by deflate to a thousandth
    # (https://zlib.net/zlib_tech.html), by zstd to less. Up to the floor it may be an honest file
    # of zeros, such as a disk image.
    expansion: int = 200
    expansion_floor: int = 4096 * _MIB
    text: int = 16 * _MIB
    texts: int = 128 * _MIB
    content: int = 256 * _MIB
    script: int = 64 << 10
    scripts: int = 2 * _MIB


DEFAULT_LIMITS = Limits()
