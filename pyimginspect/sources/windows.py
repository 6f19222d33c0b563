"""Windows' file systems do not tell capitals: a path is one file, however a layer spells it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pyimginspect.model import WHITEOUT, Entry, LayerIndex

__all__ = ["with_one_spelling"]


def with_one_spelling(indexes: Iterable[LayerIndex]) -> list[LayerIndex]:
    """Return the layers' indexes, the lowest first, with each path as it is spelled first.

    So whoever puts the layers on top of each other need not know. The facts keep their places:
    entries are renamed, never moved.
    """
    known: dict[str, str] = {"": ""}
    return [
        msgspec.structs.replace(
            index, entries=tuple(_respelled(entry, known) for entry in index.entries)
        )
        for index in indexes
    ]


def _respelled(entry: Entry, known: dict[str, str]) -> Entry:
    path = _spelling(entry.path, known)
    if entry.kind == "hardlink":
        target = _spelling(entry.target, known)
        return msgspec.structs.replace(entry, path=path, target=target)
    return entry if path == entry.path else msgspec.structs.replace(entry, path=path)


def _spelling(path: str, known: dict[str, str]) -> str:
    # Not casefold(), which makes one of "ß" and "ss": NTFS compares character by character.
    folded = path.lower()
    if (found := known.get(folded)) is not None:
        return found
    parent, slash, name = path.rpartition("/")
    above = _spelling_above(parent, known)
    # Two prefixes are a marker, such as ``.wh..wh..opq``, and no name that is hidden.
    if name.startswith(WHITEOUT) and not name.startswith(WHITEOUT * 2):
        hidden = f"{parent}{slash}{name.removeprefix(WHITEOUT)}".lower()
        if hidden in known:
            # A whiteout hides a file however the layer that has it spells the name.
            name = WHITEOUT + known[hidden].rpartition("/")[2]
    spelled = known[folded] = f"{above}{slash}{name}"
    return spelled


def _spelling_above(parent: str, known: dict[str, str]) -> str:
    """Return the spelling of a directory, whose own entry may be missing."""
    parts = parent.split("/") if parent else []
    above = ""
    for part in parts:
        path = f"{above}/{part}" if above else part
        above = known.setdefault(path.lower(), path)
    return above
