"""A picture of the rooms: a layered drawing of who imports from whom, made of the imports alone.

The method is Sugiyama's: a row for each rank, bends where an arrow passes a row, an order of each
row that crosses few arrows, then places near the neighbours. Every step goes through sorted names,
so the same imports give the same bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.rooms import MODULES, NAME, ROOT, imports, room_of

PICTURE: Final[Path] = ROOT / "docs" / "images" / "rooms.svg"
Arrows = Mapping[str, set[str]]

_ROW: Final = 74
_BOX: Final = 32
_GAP: Final = 18
_MARGIN: Final = 16
_SWEEPS: Final = 24
_STYLE: Final = """
text { font: 14px ui-monospace, monospace; text-anchor: middle; fill: #1f2328 }
rect { fill: #f6f8fa; stroke: #59636e }
path { fill: none; stroke: #59636e; stroke-width: 1.2 }
marker path { fill: #59636e; stroke: none }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } rect { fill: #151b23; stroke: #9198a1 }
path { stroke: #9198a1 } marker path { fill: #9198a1; stroke: none }
}"""


class _Point(NamedTuple):
    """A room, or the bend of an arrow in a row that it passes."""

    row: int
    name: str
    target: str = ""


def arrows() -> dict[str, set[str]]:
    """The rooms that each room imports from."""
    found: dict[str, set[str]] = {room_of(module): set() for module in MODULES}
    for module, path in MODULES.items():
        room = room_of(module)
        for _, target in imports(path):
            if target.split(".")[0] == NAME and room_of(target) != room:
                found[room].add(room_of(target))
    return found


def ranks(drawn: Arrows) -> dict[str, int]:
    """The row of each room: one above the highest that it imports from, 0 for none."""
    found: dict[str, int] = {}
    while len(found) < len(drawn):
        ready = [room for room in drawn if room not in found and drawn[room] <= found.keys()]
        assert ready, "rooms import from each other in a circle"
        found |= {room: max((found[each] + 1 for each in drawn[room]), default=0) for room in ready}
    return found


def reduced(drawn: Arrows) -> dict[str, set[str]]:
    """The arrows without those that a longer way implies."""
    below: dict[str, set[str]] = {}
    rows = ranks(drawn)
    for room in sorted(drawn, key=lambda each: rows[each]):
        below[room] = drawn[room].union(*(below[each] for each in drawn[room]))
    return {
        room: {each for each in targets if all(each not in below[other] for other in targets)}
        for room, targets in drawn.items()
    }


def picture(drawn: Arrows) -> str:
    """The drawing as SVG."""
    rows = ranks(drawn)
    lines = _bent(reduced(drawn), rows)
    points = {_Point(row, room) for room, row in rows.items()}.union(*lines)
    placed = _places(points, lines)
    left = min(x - _width(point) / 2 for point, x in placed.items()) - _MARGIN
    right = max(x + _width(point) / 2 for point, x in placed.items()) + _MARGIN
    height = (max(rows.values()) + 1) * _ROW - (_ROW - _BOX) + 2 * _MARGIN
    at = {
        point: (round(x - left), height - _MARGIN - _BOX // 2 - point.row * _ROW)
        for point, x in placed.items()
    }
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {round(right - left)} {height}"'
            f' width="{round(right - left)}" role="img" aria-label="The rooms and their imports">',
            f"<style>{_STYLE}\n</style>",
            '<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7"'
            ' orient="auto"><path d="M0 0 8 4 0 8z"/></marker>',
            *(_arrow([at[point] for point in line]) for line in lines),
            *(_room(point, *at[point]) for point in sorted(at) if not point.target),
            "</svg>\n",
        ]
    )


def _bent(drawn: Arrows, rows: Mapping[str, int]) -> list[tuple[_Point, ...]]:
    lines = []
    for room in sorted(drawn):
        for target in sorted(drawn[room]):
            passed = range(rows[room] - 1, rows[target], -1)
            bends = (_Point(row, room, target) for row in passed)
            lines.append((_Point(rows[room], room), *bends, _Point(rows[target], target)))
    return lines


def _places(points: set[_Point], lines: list[tuple[_Point, ...]]) -> dict[_Point, float]:
    """The horizontal middle of every point."""
    above: dict[_Point, list[_Point]] = {point: [] for point in points}
    below: dict[_Point, list[_Point]] = {point: [] for point in points}
    for line in lines:
        for upper, lower in itertools.pairwise(line):
            below[upper].append(lower)
            above[lower].append(upper)
    table: list[list[_Point]] = [[] for _ in range(max(point.row for point in points) + 1)]
    for point in sorted(points):
        table[point.row].append(point)
    placed: dict[_Point, float] = {}
    for row in table:
        _spread(row, dict.fromkeys(row, 0.0), placed)
    for sweep in range(_SWEEPS):
        upwards = sweep % 2 == 0
        for row in table if upwards else reversed(table):
            near = below if upwards else above
            wanted = {point: _mean(near[point], placed, placed[point]) for point in row}
            if sweep < _SWEEPS // 2:  # the later sweeps keep the order, and look both ways
                row.sort(key=lambda point: (wanted[point], point))
            else:
                both = {point: above[point] + below[point] for point in row}
                wanted = {point: _mean(both[point], placed, placed[point]) for point in row}
            _spread(row, wanted, placed)
    return placed


def _mean(near: list[_Point], placed: Mapping[_Point, float], otherwise: float) -> float:
    return sum(placed[point] for point in near) / len(near) if near else otherwise


def _spread(row: list[_Point], wanted: Mapping[_Point, float], placed: dict[_Point, float]) -> None:
    """Place a row in its order, each point as near to what it wants as its neighbours let it.

    Neighbours that would touch become one block about the mean of what they want (the pool
    adjacent violators of isotonic regression).
    """
    offsets = [0.0]
    for one, other in itertools.pairwise(row):
        offsets.append(offsets[-1] + (_width(one) + _width(other)) / 2 + _GAP)
    blocks: list[tuple[float, int]] = []  # the sum of where their starts want to be, how many
    for point, offset in zip(row, offsets, strict=True):
        total, count = wanted[point] - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / count:
            before = blocks.pop()
            total, count = total + before[0], count + before[1]
        blocks.append((total, count))
    starts = [total / count for total, count in blocks for _ in range(count)]
    for point, start, offset in zip(row, starts, offsets, strict=True):
        placed[point] = start + offset


def _width(point: _Point) -> float:
    return 14 if point.target else 26 + 8.5 * len(point.name)


def _room(point: _Point, x: int, y: int) -> str:
    width = round(_width(point))
    box = f'x="{x - width // 2}" y="{y - _BOX // 2}" width="{width}" height="{_BOX}" rx="5"'
    return f'<rect {box}/><text x="{x}" y="{y + 5}">{point.name}</text>'


def _arrow(way: list[tuple[int, int]]) -> str:
    (x, y), *rest = way
    y += _BOX // 2
    drawn = f"M{x} {y}"
    for number, (next_x, next_y) in enumerate(rest, 1):
        end = next_y - (_BOX // 2 if number == len(rest) else 0)
        bend = (end - y) // 2
        drawn += f"C{x} {y + bend} {next_x} {end - bend} {next_x} {end}"
        x, y = next_x, end
    return f'<path class="arrow" marker-end="url(#head)" d="{drawn}"/>'
