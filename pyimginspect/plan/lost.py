"""Edits that store nothing which no container sees: caches, late deletions, second copies."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from pyimginspect.inventory.caches import INFORMATION, caches_around
from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.journals import is_journal
from pyimginspect.inventory.losses import top_directories, what_was_lost
from pyimginspect.plan import commands
from pyimginspect.plan.records import Edit
from pyimginspect.plan.workshop import LEAST, Proposal, Workshop
from pyimginspect.rootfs import Removal

__all__ = ["edits_of_caches", "edits_of_deleted", "edits_of_overwritten", "edits_of_owners"]

_CHOWN = re.compile(r"chown\s+(?:-\w*R\w*|--recursive)\s+([\w.-]+(?::[\w.-]*)?)\s+(\S+)")


def edits_of_caches(shop: Workshop) -> Iterator[Proposal]:
    """Propose to keep no cache, for each instruction that leaves some."""
    caches = [cache for cache in shop.inventory.caches if cache.kind not in INFORMATION]
    around = caches_around(caches)
    overwritten: dict[str, set[Content]] = {}
    for removal in shop.inventory.rootfs.removals if caches else ():
        if removal.how != "deleted" and removal.layer >= shop.base:
            for cache in around(shop.path(removal)):
                content = (removal.layer, removal.position)
                overwritten.setdefault(cache.path, set()).add(content)
    for cache in caches:
        ending = ".bin" if cache.kind == "apt-index" else ""
        paths = [
            node.path
            for node in shop.inventory.rootfs.walk(cache.path)
            if node.kind == "file" and node.path.endswith(ending)
        ]
        live = shop.contents.behind(paths)
        lost = overwritten.get(cache.path, set())
        by_layer: dict[int, set[Content]] = {}
        for content in live | lost:
            by_layer.setdefault(content[0], set()).add(content)
        for layer, contents in sorted(by_layer.items()):
            if layer >= shop.base and shop.contents.size(contents) >= LEAST:
                words, command = _cache_edit(cache.kind, cache.path)
                edit = shop.edit(
                    "clean-cache", layer, words, command=command, rules=("package-cache",)
                )
                yield Proposal(edit, frozenset(contents))


_OPTIONS = {"pip": "--no-cache-dir", "apk": "--no-cache", "uv": "--no-cache"}
_WORDS = {
    "apt-lists": "delete apt's lists in the RUN that fetched them",
    "apt-archives": "delete what apt downloaded in the same RUN",
    "apt-index": "delete apt's binary index in the same RUN",
}
_CLEANERS = {
    "apt-lists": "rm -rf /var/lib/apt/lists/*",
    "apt-archives": "apt-get clean",
    "apt-index": "rm -f /var/cache/apt/*.bin",
    "dnf": "dnf clean all",
    "yum": "yum clean all",
    "conda": "conda clean -afy",
}


def _cache_edit(kind: str, path: str) -> tuple[str, str]:
    if kind in _OPTIONS:
        return f"keep no {kind} cache: {_OPTIONS[kind]}", _OPTIONS[kind]
    words = _WORDS.get(kind, f"leave no {kind} cache behind")
    return words, _CLEANERS.get(kind, f"rm -rf {shlex.quote(f'/{path}')}")


def edits_of_deleted(shop: Workshop) -> Iterator[Proposal]:
    """Propose to delete where files are made, for each layer that deletes too late."""
    killers: dict[int, list[Removal]] = {}
    for removal in shop.inventory.rootfs.removals:
        if removal.how != "deleted" or not shop.base <= removal.layer < removal.killer:
            continue
        if not is_journal(shop.path(removal)):
            killers.setdefault(removal.killer, []).append(removal)
    for killer, removals in sorted(killers.items()):
        makers = sorted({removal.layer for removal in removals})
        lost = [
            loss
            for loss in shop.inventory.ledger.losses
            if loss.killer == killer and loss.account == "deleted" and loss.layer in makers
        ]
        names = what_was_lost(lost, shop.packages, killer)
        where = f"layer {makers[0]}" if len(makers) == 1 else f"layers {makers[0]} to {makers[-1]}"
        merged = _merged(shop, makers[0], killer)
        edit = shop.edit(
            "delete-early" if merged else "advice",
            makers[0],
            f"delete {names[0]} in the RUN that made it ({where}), not in layer {killer}",
            command=" && ".join(merged),
            rules=("deleted-but-shipped",),
            others=list(range(makers[0] + 1, killer + 1)) if merged else [killer],
        )
        contents = frozenset((r.layer, r.position) for r in removals)
        if merged:
            # One RUN in place of several: what they overwrite of each other is stored once.
            contents |= _lost_between(shop, makers[0], killer)
        yield Proposal(edit, contents)


def _lost_between(shop: Workshop, first: int, last: int) -> frozenset[Content]:
    return shop.lost(lambda removal, _: first <= removal.layer and removal.killer <= last)


def _merged(shop: Workshop, maker: int, killer: int) -> list[str]:
    """Return the commands to append to ``maker``'s so that what it made is deleted there.

    What stands between may use it, and must come along: nothing is returned where that is no RUN.
    """
    found = []
    for layer in range(maker, killer + 1):
        command = shop.command(layer)
        if command is None or not commands.is_simple(command):
            return []
        found.append(commands.collapse(command))
    return found[1:]


def edits_of_owners(shop: Workshop) -> Iterator[Proposal]:
    """Propose ``--chown`` where a later layer stores files again for other metadata."""
    killers: dict[int, list[Removal]] = {}
    for removal in shop.inventory.rootfs.removals:
        if removal.killer < shop.base or removal.how != "overwritten":
            continue
        if shop.account(removal) == "metadata" and not is_journal(shop.path(removal)):
            killers.setdefault(removal.killer, []).append(removal)
    for killer, removals in sorted(killers.items()):
        # Of files of the base only the second copy can be spared, by leaving the first alone.
        contents = frozenset(
            (r.layer, r.position) if r.layer >= shop.base else (killer, r.successor)
            for r in removals
        )
        if shop.contents.size(contents) < LEAST:
            continue
        makers = sorted({r.layer for r in removals})
        maker = shop.by_layer.get(makers[0])
        command = shop.command(killer) or ""
        parts = [part for _, part in commands.split(command)]
        match = _CHOWN.fullmatch(parts[0]) if len(parts) == 1 else None
        movable = len(makers) == 1 and makers[0] >= shop.base and maker is not None
        if match and movable and maker is not None and maker.word in ("COPY", "ADD"):
            words = f"give the files their owner as they come, not in layer {killer}"
            option = f"--chown={match[1]}"
            edit = _owner_edit(shop, makers[0], words, option, killer)
        elif match and movable and maker is not None and maker.word == "RUN":
            words = f"chown in the RUN that makes the files, not in layer {killer}"
            edit = _owner_edit(shop, makers[0], words, match[0], killer)
        else:
            words = "change owner and mode where the files are made, or leave them as they are"
            edit = shop.edit("advice", killer, words, rules=("rewritten-metadata",))
        yield Proposal(edit, contents)


def _owner_edit(shop: Workshop, layer: int, words: str, command: str, killer: int) -> Edit:
    return shop.edit(
        "owner", layer, words, command=command, rules=("rewritten-metadata",), others=[killer]
    )


def edits_of_overwritten(shop: Workshop) -> Iterator[Proposal]:
    """Propose to store once what a later layer stores again with other content, or the same."""
    caches = tuple(f"{c.path}/" for c in shop.inventory.caches if c.kind not in INFORMATION)
    killers: dict[int, list[Removal]] = {}
    for removal in shop.inventory.rootfs.removals:
        if removal.layer < shop.base or removal.how == "deleted":
            continue
        path = shop.path(removal)
        if is_journal(path) or path.startswith(caches) or shop.account(removal) == "metadata":
            continue
        killers.setdefault(removal.killer, []).append(removal)
    for killer, removals in sorted(killers.items()):
        contents = frozenset((r.layer, r.position) for r in removals)
        if shop.contents.size(contents) >= LEAST:
            lost = {(r.layer, shop.path(r)) for r in removals}
            losses = [
                loss
                for loss in shop.inventory.ledger.losses
                if loss.killer == killer and (loss.layer, loss.path) in lost
            ]
            words = f"store {top_directories(losses)[0]} once: layer {killer} stores it again"
            edit = shop.edit("advice", killer, words, rules=("overwritten-files",))
            yield Proposal(edit, contents)
