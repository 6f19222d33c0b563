"""Links that a layer replaced by a directory, and what is out of reach for that."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from pyimginspect.rootfs import ReplacedLink, RootFS, target_of

__all__ = ["ShadowedLink", "find_shadowed_links"]

# The links of a merged /usr (file-hierarchy(7)); programs and loaders are named through them.
_SYSTEM = frozenset(("bin", "sbin", "lib", "lib32", "lib64", "libx32"))
# execve(2): spaces may stand before the path, and what follows it is an argument.
_SHEBANG = re.compile(r"#!\s*(/\S+)")


class ShadowedLink(Struct, frozen=True, kw_only=True):
    """A link that is a directory now, and files that are found through it no longer.

    ``path`` was a link to ``target`` in layer ``below``; ``entry``, of layer ``layer``, is the
    path of the member that made it a directory. ``real`` is where the link would lead. Of the
    ``files`` that are out of reach, by the path through the link, ``code`` are programs and
    libraries; ``wanted`` are those that a program (as PT_INTERP) or a script (by ``#!``) names,
    with one that does.
    """

    path: str
    target: str
    below: int
    layer: int
    entry: str
    real: str
    files: int
    code: tuple[str, ...]
    wanted: dict[str, str]


def find_shadowed_links(rootfs: RootFS) -> Iterator[ShadowedLink]:
    """Yield the links that became directories, where something needs what they led to.

    That is a name in a program or a script, or any program or library behind a link of the
    system; what an application puts in the place of a link of its own is its own affair.
    """
    found = {each.link.path: each for each in rootfs.replaced_links}  # the last one counts
    for path, each in sorted(found.items()):
        node = rootfs.get(path)
        real = _behind(rootfs, each)
        if node is None or node.kind != "directory" or real == path:
            continue
        link = _shadowed(rootfs, each, real)
        if link.wanted or (path in _SYSTEM and link.code):
            yield link


def _behind(rootfs: RootFS, each: ReplacedLink) -> str:
    """Return the directory that the link would lead to now; its own path for none."""
    target = target_of(each.link)
    if not target.startswith("/"):
        target = f"{each.link.path.rpartition('/')[0]}/{target}"
    real = rootfs.resolve(target)
    return each.link.path if real is None or rootfs[real].kind != "directory" else real


def _shadowed(rootfs: RootFS, each: ReplacedLink, real: str) -> ShadowedLink:
    path = each.link.path
    prefix = f"{real}/" if real else ""
    missing = {}
    for node in rootfs.walk(real):
        if node.kind != "directory":
            through = f"{path}/{node.path[len(prefix) :]}"
            if rootfs.resolve(through) is None and rootfs.resolve(node.path) is not None:
                missing[through] = node
    wanted: dict[str, str] = {}
    if missing:
        for user, name in _names(rootfs):
            if name in missing:
                wanted.setdefault(name, user)
    code = tuple(
        through
        for through, node in sorted(missing.items())
        if (real_path := rootfs.resolve(node.path)) in rootfs.elf
        or (real_path is not None and rootfs[real_path].content.entry.mode & 0o111)
    )
    return ShadowedLink(
        path=path,
        target=each.link.content.entry.target,
        below=each.link.layer,
        layer=each.layer,
        entry=each.entry.path,
        real=real,
        files=len(missing),
        code=code,
        wanted=dict(sorted(wanted.items())),
    )


def _names(rootfs: RootFS) -> Iterator[tuple[str, str]]:
    """Yield programs and scripts, each with the path that the kernel must find to start it."""
    for path, elf in rootfs.elf.items():
        if elf.interpreter.startswith("/"):
            yield path, elf.interpreter.lstrip("/")
    for path, line in rootfs.scripts.items():
        match = _SHEBANG.match(line)
        if match:
            yield path, match[1].lstrip("/")
