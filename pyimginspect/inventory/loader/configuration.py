"""``/etc/ld.so.conf``: the directories that ldconfig would put into the cache.

No loader reads it. It tells whether a library that is in the image and not in the cache would be
found once ``ldconfig`` has run.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from pyimginspect.rootfs import RootFS

__all__ = ["configured_directories"]

# More than any system has: packages bring one file each, and few have directories of their own.
_FILES = 200


def configured_directories(rootfs: RootFS) -> tuple[str, ...]:
    """Return the directories of ``ld.so.conf`` and what it includes, absolute, in order.

    Source: ldconfig(8) and ``parse_conf`` in ``elf/ldconfig.c`` of the GNU C library.
    """
    directories: dict[str, None] = {}
    seen: set[str] = set()
    todo = ["etc/ld.so.conf"]
    while todo and len(seen) < _FILES:
        real = rootfs.resolve(todo.pop(0))
        if real is None or real in seen or real not in rootfs.texts:
            continue
        seen.add(real)
        included = []
        for line in rootfs.texts[real].decode("utf-8", "surrogateescape").splitlines():
            words = line.partition("#")[0].split()
            if not words:
                continue
            if words[0] == "include":
                for pattern in words[1:]:
                    included += _matching(rootfs, pattern, real)
            elif words[0].startswith("/"):  # neither hwcap nor what is relative
                # The old form `/opt/lib=libc6` names the C library that a directory is for.
                directories[words[0].partition("=")[0].rstrip("/") or "/"] = None
        todo[:0] = included
    return tuple(directories)


def _matching(rootfs: RootFS, pattern: str, including: str) -> list[str]:
    """Return the files that an ``include`` names; only its last component may be a pattern."""
    if not pattern.startswith("/"):
        pattern = f"{including.rpartition('/')[0]}/{pattern}"
    directory, _, name = pattern.rpartition("/")
    real = rootfs.resolve(directory)
    if real is None:
        return []
    return [path for path in rootfs.children(real) if fnmatchcase(path.rpartition("/")[2], name)]
