"""Hints for references that are nearly right: a prefix, a file, a tag in an archive."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable

__all__ = ["near_file", "near_prefix", "near_tag"]

_MOST_NAMES = 2_000  # of a directory that are compared
# Of difflib's ratio, whose default is 0.6: a hint that is wrong misleads more than none.
_ALIKE = 0.75
_ALIKE_FILES = 0.7  # a suffix may be missing


def _near(name: str, known: Iterable[str], cutoff: float = _ALIKE) -> str | None:
    import difflib  # for mistakes alone

    # No file system's names are longer, and comparing takes time by the product of the lengths.
    found = difflib.get_close_matches(name[:255], list(known), n=1, cutoff=cutoff)
    return found[0] if found else None


def near_prefix(reference: str, prefixes: Iterable[str]) -> str:
    """Return a hint where what stands before the first colon is nearly a prefix; else nothing."""
    prefix, colon, rest = reference.partition(":")
    near = _near(prefix, prefixes) if colon and rest else None
    return f"did you mean '{near}:{rest}'?" if near and near != prefix else ""


def near_file(path: str) -> str:
    """Return a hint where a directory has a name that is nearly that of ``path``; else nothing."""
    directory, name = os.path.split(path)
    try:
        with os.scandir(directory or ".") as entries:
            names = [entry.name for entry in itertools.islice(entries, _MOST_NAMES)]
    except (OSError, ValueError):
        return ""
    # A link that leads nowhere is a name in the directory, and no answer.
    near = _near(name, (each for each in names if each != name), _ALIKE_FILES)
    return f"did you mean '{os.path.join(directory, near)}'?" if near else ""


def near_tag(wanted: str, there: Iterable[str]) -> str:
    """Return a hint where an archive has an image that is nearly called so; else nothing.

    A tag alone is compared with the tags alone.
    """
    names = list(there)
    near = _near(wanted, names)
    if near is None and ":" not in wanted:
        tags = {name.rpartition(":")[2]: name for name in names}
        near = tags.get(_near(wanted, tags) or "")
    return f"did you mean '{near}'?" if near else ""
