"""The picture of why a second Python is there: packages that need it, up to those asked for."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from pyimginspect.report import Report

__all__ = ["Arrow", "Box", "Chain", "chains_of"]

_WIDTH, _HEIGHT, _ACROSS, _DOWN = 190, 36, 50, 14  # pixels of a box, and between boxes
_LONGEST = 24  # characters that a box has room for
# More make no picture; the words of the finding have the chains too.
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
    distance = _distances(packages, needed_by, asked)
    ends = [name for name in distance if name in asked or name not in needed_by]
    roots = [name for name in ends if name in asked] or ends
    below = _nearer(distance, needed_by)
    edges: dict[tuple[str, str], None] = {}
    stack = sorted(roots, key=lambda name: distance[name])[:_MOST_ROOTS]
    seen: set[str] = set()
    while stack and len(seen) < _MOST_BOXES:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            edges.update(dict.fromkeys((name, other) for other in below[name]))
            stack.extend(below[name])
    return sorted(edges)


def _distances(
    packages: Iterable[str], needed_by: dict[str, list[str]], asked: set[str]
) -> dict[str, int]:
    """Return how many steps away from ``packages`` those are that need them, the nearest first."""
    distance = dict.fromkeys(packages, 0)
    queue = list(distance)
    for name in queue:  # grows while we look
        if name in asked:
            continue  # who needs that in turn explains nothing more
        for other in needed_by.get(name, ()):
            if other not in distance:
                distance[other] = distance[name] + 1
                queue.append(other)
    return distance


def _nearer(distance: dict[str, int], needed_by: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return what each package needs that is a step nearer."""
    nearer: dict[str, list[str]] = {name: [] for name in distance}
    for name, others in needed_by.items():
        if name in distance:
            for other in others:
                if distance.get(other) == distance[name] + 1:
                    nearer[other].append(name)
    return nearer


def _draw(path: str, version: str, edges: list[tuple[str, str]], asked: set[str]) -> Chain:
    """Lay the boxes out in columns: what is asked for on the left, the interpreter on the right."""
    depth = _depths(path, edges)
    last = max(depth.values())
    columns: dict[int, list[str]] = {}
    for name in sorted(depth):
        columns.setdefault(last - depth[name], []).append(name)
    boxes = {}
    for column, names in sorted(columns.items()):
        for row, name in enumerate(names):
            if name == path:
                boxes[name] = _box(name, f"Python {version}", "python", column, row)
            else:
                kind = "asked" if name in asked else "needed"
                boxes[name] = _box(name, name, kind, column, row)
    drawn = [(a, b) for a, b in edges if a in boxes and b in boxes]
    return Chain(
        path=path,
        version=version,
        width=(last + 1) * (_WIDTH + _ACROSS) - _ACROSS,
        height=max(len(names) for names in columns.values()) * (_HEIGHT + _DOWN) - _DOWN,
        boxes=tuple(boxes.values()),
        arrows=tuple(_arrow(boxes[a], boxes[b]) for a, b in drawn),
        words="; ".join(f"{a} brings {b}" if b == path else f"{a} needs {b}" for a, b in drawn),
    )


def _depths(path: str, edges: list[tuple[str, str]]) -> dict[str, int]:
    """Return how many steps each package is away from the interpreter at ``path``."""
    depth = {path: 0}
    # Breadth first: the first distance found is the shortest.
    todo = [path]
    for name in todo:  # grows while we look
        for upper, lower in edges:
            if lower == name and upper not in depth:
                depth[upper] = depth[name] + 1
                todo.append(upper)
    return depth


def _box(name: str, label: str, kind: str, column: int, row: int) -> Box:
    return Box(
        name=name,
        label=label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…",
        x=column * (_WIDTH + _ACROSS),
        y=row * (_HEIGHT + _DOWN),
        width=_WIDTH,
        height=_HEIGHT,
        kind=kind,
    )


def _arrow(left: Box, right: Box) -> Arrow:
    return Arrow(
        x1=left.x + _WIDTH, y1=left.y + _HEIGHT // 2, x2=right.x, y2=right.y + _HEIGHT // 2
    )
