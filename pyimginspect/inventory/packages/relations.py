"""How Debian packages say what they need of each other, and how their versions compare.

Sources: deb-control(5) and Debian Policy 7.1 for the syntax of relations, deb-version(7) for the
order of versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Literal, cast

from msgspec import Struct

__all__ = ["Operator", "Relation", "compare_versions", "names", "read_relations"]

Operator = Literal["", "<<", "<=", "=", ">=", ">>"]


class Relation(Struct, frozen=True, gc=False):
    """One alternative of a dependency: a name, and the version and architecture it must have.

    ``operator`` is empty where any version will do. ``architecture`` is what stands behind the
    colon (``any``, ``native``, ``amd64``), or empty.
    """

    name: str
    operator: Operator = ""
    version: str = ""
    architecture: str = ""


# Deprecated forms of deb-control(5): "<" means "<=", ">" means ">=".
_OPERATORS = {"<": "<=", ">": ">="}
# name[:architecture] [(operator version)]; [architectures] and <profiles> may come after it.
_RELATION = re.compile(
    r"\s*([^\s:(\[<,|]+)(?::([^\s(\[<]+))?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?"
)
# Beyond the name there may be ":any", " (>= 1)", " [amd64]" and " <!nocheck>".
_NAME = re.compile(r"\s*([^\s(:]+)")


# The longest field in Debian 12's archive has 1,603 clauses.
_MOST_CLAUSES = 5000
_MOST_ALTERNATIVES = 100


def _clauses(text: str) -> list[str]:
    return text.split(",", _MOST_CLAUSES)[:_MOST_CLAUSES]


def read_relations(text: str) -> Iterator[tuple[Relation, ...]]:
    """Yield the alternatives of every clause of ``text``, a field such as ``Depends``.

    Restrictions to architectures (``[amd64]``) and build profiles are dropped: a package that is
    installed carries only those that apply to it. What is no relation is left out.
    """
    for clause in _clauses(text):
        alternatives = []
        for alternative in clause.split("|", _MOST_ALTERNATIVES)[:_MOST_ALTERNATIVES]:
            match = _RELATION.match(alternative)
            if match:
                name, architecture, operator, version = match.groups(default="")
                operator = _OPERATORS.get(operator, operator)
                alternatives.append(Relation(name, cast(Operator, operator), version, architecture))
        if alternatives:
            yield tuple(alternatives)


def names(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the names alone of what ``text`` asks for: clauses, each of them alternatives."""
    clauses = []
    for clause in _clauses(text):
        alternatives = []
        for alternative in clause.split("|", _MOST_ALTERNATIVES)[:_MOST_ALTERNATIVES]:
            name = _NAME.match(alternative)
            if name is not None:
                alternatives.append(name[1])
        if alternatives:
            clauses.append(tuple(alternatives))
    return tuple(clauses)


# deb-version(7) compares in turn what is no digit, by characters, and what is, as numbers.
_PART = re.compile(r"(\D*)(\d*)", re.ASCII)
# A tilde sorts before everything, even the end; letters before all that is no letter.
_RANK = {chr(code): code + (0 if chr(code).isalpha() else 256) for code in range(128)} | {"~": -1}


def compare_versions(one: str, other: str) -> int:
    """Return a number below, at or above zero as ``one`` is older, equal or newer."""
    first, second = _split(one), _split(other)
    if first[0] != second[0]:
        return first[0] - second[0]
    return _compare(first[1], second[1]) or _compare(first[2], second[2])


def _split(version: str) -> tuple[int, str, str]:
    """Return epoch, upstream version and revision; an absent revision is an empty one."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "", version
    # The last hyphen: an upstream version may have hyphens itself.
    upstream, dash, revision = rest.rpartition("-")
    return _number(epoch) if epoch.isdecimal() else 0, *(
        (upstream, revision) if dash else (rest, "")
    )


_Part = tuple[list[int], int]
_NOTHING: _Part = ([0], 0)


def _compare(one: str, other: str) -> int:
    for first, second in zip_longest(_parts(one), _parts(other), fillvalue=_NOTHING):
        if first != second:
            if first < second:
                return -1
            return 1
    return 0


def _parts(text: str) -> Iterator[_Part]:
    """Yield runs of other characters and the number behind each; no digits count as 0."""
    for word, digits in _PART.findall(text):
        # The 0 at the end stands for "no more": after a tilde, before all else.
        yield [*(_RANK.get(character, 512) for character in word), 0], _number(digits)


def _number(digits: str) -> int:
    # Numbers of a hostile length would cost quadratic time, and Python refuses them.
    return int(digits[:64] or "0")
