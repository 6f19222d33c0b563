"""The picture of why a second Python is there: packages that need it, up to those asked for."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from pyimginspect.report import Report

__all__ = ["Arrow", "Box", "Chain", "chains_of"]

_WIDTH, _HEIGHT, _ACROSS, _DOWN = 190, 36, 50, 14  # pixels of a box, and between boxes
_LONGEST = 24  # characters that a box has room for
_MOST_BOXES = 40
_MOST_ROOTS = 8
_MOST_PROVIDERS = 100  # of one name, as the graph of dependencies has it


class Box(Struct, frozen=True, kw_only=True):
    """A package, or the interpreter itself, at its place in the picture."""

    name: str
    label: str
    x: int
    y: int
    width: int
    height: int
    kind: str  # "asked" for by name, "needed" by another, or the "python" itself


class Arrow(Struct, frozen=True, kw_only=True):
    """From the right side of a box to the left side of one that it needs."""

    x1: int
    y1: int
    x2: int
    y2: int


class Chain(Struct, frozen=True, kw_only=True):
    """The picture of one interpreter; ``words`` say the same for those who do not see it."""

    path: str
    version: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    words: str


def chains_of(report: Report) -> list[Chain]:
    """Return a picture for every interpreter that packages brought, but for the image's own."""
    if not any(python.packages and not python.primary for python in report.pythons):
        return []
    needed_by = _needed_by(report)
    asked = {p.key or p.name for p in report.os_packages if p.automatic is False}
    chains = []
    for python in report.pythons:
        if not python.primary and python.packages:
            # Of several owners the one with the program's name holds it, the others its parts.
            program = python.path.rpartition("/")[2]
            owners = [p for p in python.packages if p.startswith(program)] or python.packages
            edges = _edges(owners, needed_by, asked)
            edges += [(package, python.path) for package in owners]
            chains.append(_draw(python.path, python.version, edges, asked))
    return chains


def _needed_by(report: Report) -> dict[str, list[str]]:
    """Return the packages that need each package, by key."""
    providers: dict[str, list[str]] = {}
    for package in report.os_packages:
        for name in (package.name, *package.provides):
            providers.setdefault(name, []).append(package.key or package.name)
    needed_by: dict[str, set[str]] = {}
    for package in report.os_packages:
        for alternatives in package.depends:
            for name in alternatives:
                for provider in providers.get(name, ())[:_MOST_PROVIDERS]:
                    needed_by.setdefault(provider, set()).add(package.key or package.name)
    return {key: sorted(names - {key}) for key, names in needed_by.items()}


def _edges(
    packages: Iterable[str], needed_by: dict[str, list[str]], asked: set[str]
) -> list[tuple[str, str]]:
    """Return who needs whom, on shortest ways from packages asked for to ``packages``."""
    level = dict.fromkeys(packages, 0)
    queue = list(level)
    roots = []
    for name in queue:  # grows while we look
        if name in asked or name not in needed_by:
            roots.append(name)
            if name in asked:
                continue  # who needs that in turn explains nothing more
        for other in needed_by.get(name, ()):
            if other not in level:
                level[other] = level[name] + 1
                queue.append(other)
    roots = [name for name in roots if name in asked] or roots
    edges: dict[tuple[str, str], None] = {}
    below: dict[str, list[str]] = {other: [] for other in level}
    for name, others in needed_by.items():
        for other in others:
            if name in level and other in level and level[other] == level[name] + 1:
                below[other].append(name)
    stack = sorted(roots, key=lambda name: level[name])[:_MOST_ROOTS]
    seen: set[str] = set()
    while stack and len(seen) < _MOST_BOXES:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            edges.update(dict.fromkeys((name, other) for other in below[name]))
            stack.extend(below[name])
    return sorted(edges)


def _draw(path: str, version: str, edges: list[tuple[str, str]], asked: set[str]) -> Chain:
    """Lay the boxes out in columns: what is asked for on the left, the interpreter on the right."""
    depth = {path: 0}
    todo = [path]
    for name in todo:  # grows while we look
        for upper, lower in edges:
            if lower == name and upper not in depth:
                depth[upper] = depth[name] + 1
                todo.append(upper)
    last = max(depth.values())
    columns: dict[int, list[str]] = {}
    for name in sorted(depth):
        columns.setdefault(last - depth[name], []).append(name)
    boxes = {}
    for column, names in sorted(columns.items()):
        for row, name in enumerate(names):
            label = f"Python {version}" if name == path else name
            boxes[name] = Box(
                name=name,
                label=label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…",
                x=column * (_WIDTH + _ACROSS),
                y=row * (_HEIGHT + _DOWN),
                width=_WIDTH,
                height=_HEIGHT,
                kind="python" if name == path else "asked" if name in asked else "needed",
            )
    drawn = [(a, b) for a, b in edges if a in boxes and b in boxes]
    return Chain(
        path=path,
        version=version,
        width=(last + 1) * (_WIDTH + _ACROSS) - _ACROSS,
        height=max(len(names) for names in columns.values()) * (_HEIGHT + _DOWN) - _DOWN,
        boxes=tuple(boxes.values()),
        arrows=tuple(
            Arrow(
                x1=boxes[a].x + _WIDTH,
                y1=boxes[a].y + _HEIGHT // 2,
                x2=boxes[b].x,
                y2=boxes[b].y + _HEIGHT // 2,
            )
            for a, b in drawn
        ),
        words="; ".join(f"{a} brings {b}" if b == path else f"{a} needs {b}" for a, b in drawn),
    )
