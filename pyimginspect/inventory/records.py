"""Which files belong to a distribution: what RECORD lists, or else what its metadata names.

Sources: "Recording installed projects" of the PyPA specifications for ``RECORD``; setuptools'
documentation for ``installed-files.txt`` and ``top_level.txt`` of ``.egg-info``.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress

from msgspec import Struct

from pyimginspect.inventory.memoize import memoized, memoized_text
from pyimginspect.rootfs import Node, RootFS

__all__ = ["Row", "files_of", "place_of", "read_record", "recorded", "rows_of"]

_MOST_ROWS = 200_000
"""Of one RECORD; the longest there are have a tenth of that."""


# More than the parts of any namespace package that come without a list of their files.
_MOST_SHARING = 50


class Row(Struct, frozen=True, gc=False):
    """One line of RECORD: the path as it is written there, hash and size where it has them."""

    path: str
    hash: str = ""
    size: int | None = None


def read_record(data: bytes) -> Iterator[Row]:
    """Yield the rows of a RECORD; what is no row is left out."""
    # csv raises an error for NUL before Python 3.11; names of files need not be UTF-8.
    text = data.decode("utf-8", "surrogateescape").replace("\0", "")
    # A reader in strict mode would raise at the first bad quote, this one goes on.
    rows = csv.reader(text.splitlines()[:_MOST_ROWS])
    with suppress(csv.Error):  # of a field longer than any path: nothing after it is believed
        for cells in rows:
            if cells and cells[0]:
                size = cells[2] if len(cells) > 2 else ""
                yield Row(
                    cells[0],
                    cells[1] if len(cells) > 1 else "",
                    int(size) if size.isascii() and size.isdecimal() and len(size) < 19 else None,
                )


@memoized_text(most=200, longest=50_000)
def rows_of(
    data: bytes, location: str, *, nodes: Mapping[str, Node] | None = None
) -> Mapping[str, str]:
    """Return where the files of a RECORD are, and the size it gives each, as it is written.

    A path that is listed twice with different sizes has none: pip copies such rows from the wheel
    (numpy 1.26.4 has one) and adds its own. Tens of thousands of rows are read for every image:
    what needs no care gets none. Paths of ``nodes`` are those, not copies of them.
    """
    there = nodes or {}
    text = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    rows: dict[str, str] = {}
    # Only a comma or a quote in a name needs quotes; without any, csv finds no more, and is slower.
    if '"' in text:
        for row in read_record(data):
            size = "" if row.size is None else str(row.size)
            place = place_of(location, row.path)
            rows[place] = size if rows.get(place, size) == size else ""
        return rows
    prefix = f"{location}/" if location else ""
    for line in text.split("\n", _MOST_ROWS)[:_MOST_ROWS]:
        path, _, rest = line.partition(",")
        if path:
            place = prefix + path if path[0] not in "./" else place_of(location, path)
            if (node := there.get(place)) is not None:
                place = node.path
            size = rest.rpartition(",")[2]
            if rows.setdefault(place, size) != size:
                rows[place] = ""
    return rows


def place_of(location: str, path: str) -> str:
    """Return the path in the image of what a RECORD in ``location`` calls ``path``.

    Absolute paths are of the image; ``..`` above the root stays in the root.
    """
    if path.startswith("/"):
        location = ""
    elif "./" not in path and "//" not in path and path[-1] not in "./":
        return f"{location}/{path}" if location else path
    parts: list[str] = []
    for part in f"{location}/{path}".split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def recorded(rootfs: RootFS, location: str, metadata: str) -> Mapping[str, str] | None:
    """Return what :func:`rows_of` does of a distribution's RECORD; ``None`` if it has none."""
    record = rootfs.texts.get(f"{metadata}/RECORD")
    if record is None:
        return None
    already = _already_read(rootfs)
    if metadata not in already:
        already[metadata] = rows_of(record, location, nodes=rootfs.nodes)
    return already[metadata]


@memoized
def _already_read(rootfs: RootFS) -> dict[str, Mapping[str, str]]:
    """Return the rows of the RECORDs that were asked for, by metadata: they are so again."""
    return {}


def files_of(rootfs: RootFS, location: str, metadata: str) -> tuple[str, ...]:
    """Return the paths in the image that belong to a distribution, whether they are there or not.

    ``metadata`` is its ``.dist-info`` or ``.egg-info``. Without a list of files it is that, and
    the packages and modules that ``top_level.txt`` names.
    """
    rows = recorded(rootfs, location, metadata)
    if rows is not None:
        return tuple(rows)
    listed = rootfs.texts.get(f"{metadata}/installed-files.txt")
    if listed is not None:
        lines = listed.decode("utf-8", "surrogateescape").splitlines()
        # pip wrote these paths relative to the metadata, not to the directory that is imported
        # from.
        return tuple(place_of(metadata, line) for line in lines if line)
    return tuple(_by_names(rootfs, location, metadata))


def _top_level(data: bytes) -> dict[str, None]:
    words = data.decode("utf-8", "surrogateescape").split()
    return dict.fromkeys(n for n in words if "/" not in n and n not in (".", ".."))


@memoized
def _crowded(rootfs: RootFS) -> frozenset[str]:
    """Return the packages that very many say are theirs: namespaces, and of none in particular.

    To walk through one for each would take the square of the time.
    """
    counts: Counter[str] = Counter()
    for path, data in rootfs.texts.items():
        if path.endswith("/top_level.txt"):
            location = path.rsplit("/", 2)[0]
            counts.update(f"{location}/{name}" for name in _top_level(data))
    return frozenset(top for top, count in counts.items() if count > _MOST_SHARING)


def _by_names(rootfs: RootFS, location: str, metadata: str) -> Iterator[str]:
    tops = [metadata]
    names = _top_level(rootfs.texts.get(f"{metadata}/top_level.txt", b""))
    tops += [f"{location}/{name}{ending}" for name in names for ending in ("", ".py")]
    crowded = _crowded(rootfs)
    for top in tops:
        if top in crowded:
            continue
        node = rootfs.get(top)
        if node is not None and node.kind == "file":
            yield top
        elif node is not None:
            yield from (below.path for below in rootfs.walk(top) if below.kind == "file")
