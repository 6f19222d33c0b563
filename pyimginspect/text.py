"""Lists, counts, sizes and near names in sentences, the same wherever one is written."""

from __future__ import annotations

from collections.abc import Iterable, Sized

__all__ = ["counted", "listed", "nearest", "pronoun", "sized"]


def listed(names: Iterable[str], most: int = 4) -> str:
    """Return ``a, b and c``; beyond ``most`` names only how many more there are: ``a and 3 more``.

    "1 more" never takes the place of a single name.
    """
    every = list(names)
    if len(every) > most:
        every = [*every[: most - 1], f"{len(every) - most + 1:,} more"]
    return " and ".join(filter(None, [", ".join(every[:-1]), *every[-1:]]))


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 file``, ``2,014 files``, ``3 more entries``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def pronoun(names: Sized) -> str:
    """Return what stands for names that a sentence has said already: ``it``, or ``them``."""
    return "it" if len(names) == 1 else "them"


def sized(number: int) -> str:
    """Return bytes in decimal units, as ``docker images`` prints them: ``41.2 MB``, ``12 B``."""
    import humanize  # not for reports that name no size

    text: str = humanize.naturalsize(number, format="%.1f")
    return text.replace(" Bytes", " B").replace(" Byte", " B")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint for a name that does not exist: the one most like it, or all there are."""
    import difflib  # for mistakes alone

    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names)}"
