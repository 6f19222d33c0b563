"""Real paths behind symbolic links, found as a kernel finds them: path_resolution(7)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

__all__ = ["MAX_LINKS", "PathResolver"]

MAX_LINKS = 40
"""How many links are followed for one path, as by Linux: path_resolution(7)."""


class _Place:
    """Something that a path led to, and once it is known, what is below or behind it.

    A link has a ``target``; ``hops`` is how many links are followed on the way to ``real``, 0 as
    long as nobody asked.
    """

    __slots__ = ("below", "directory", "hops", "parent", "path", "real", "target")

    def __init__(
        self, path: str, parent: _Place | None, *, directory: bool, target: str | None = None
    ) -> None:
        self.path = path
        # `..` of the root is the root (path_resolution(7)).
        self.parent = parent or self
        self.directory = directory
        self.target = target
        self.below: dict[str, _Place] = {}
        self.real: _Place | None = None
        self.hops = 0


class _Walk(Struct):
    """A path that is walked: the ``place`` so far, ``None`` for nowhere, and the names ``todo``.

    It is the target of ``link``, or what was asked for; ``hops`` counts the links so far.
    """

    place: _Place | None
    todo: list[str]
    link: _Place | None = None
    hops: int = 0


class PathResolver:
    """Resolves the paths of a tree that does not change, each link's target once.

    ``look`` returns of a path whether a directory is there, and the target of a symbolic link;
    ``None`` where nothing is.
    """

    def __init__(self, look: Callable[[str], tuple[bool, str | None] | None]) -> None:
        self._look = look
        self._root = _Place("", None, directory=True)

    def resolve(self, path: str) -> str | None:
        """Walk a path step by step; ``None`` where it leads nowhere or through too many links.

        Targets of 4 kB that lead through each other would else cost 40 times their length, for
        each question again.
        """
        walk = _Walk(self._root, path.split("/")[::-1])
        waiting: list[_Walk] = []
        while True:
            ahead = self._advance(walk)
            if ahead is not None:
                # Where it leads comes first, then the same step again.
                waiting.append(walk)
                walk = ahead
                if len(waiting) > MAX_LINKS:
                    # Whoever has waited for so many is behind too many, or in a circle.
                    late = waiting.pop(0).link
                    if late is not None:
                        late.hops = 1
                continue
            link, real = walk.link, walk.place
            if link is None:
                return real.path if real is not None else None
            link.hops, link.real = walk.hops, real
            if not waiting:
                return None  # the question itself was behind too many
            walk = waiting.pop()

    def _advance(self, walk: _Walk) -> _Walk | None:
        """Walk on to the end, or up to a link that was never walked, and return its walk."""
        place, todo = walk.place, walk.todo
        while todo and place is not None:
            name = todo.pop()
            if name in ("", "."):
                continue
            step = place.parent if name == ".." else self._step(place, name)
            if step is not None and step.target is not None:
                if not step.hops:
                    todo.append(name)
                    start = self._root if step.target.startswith("/") else place
                    return _Walk(start, step.target.split("/")[::-1], step, 1)
                walk.hops += step.hops
                step = step.real if walk.hops <= MAX_LINKS else None
            # ENOTDIR. A slash at the end leaves an empty name to do: `file/` leads nowhere.
            if step is not None and todo and not step.directory:
                step = None
            walk.place = place = step
        return None

    def _step(self, place: _Place, name: str) -> _Place | None:
        """Return what is called ``name`` in a directory, whatever it is; ``None`` for nothing."""
        step = place.below.get(name)
        if step is None:
            path = f"{place.path}/{name}" if place.path else name
            found = self._look(path)
            if found is not None:
                directory, target = found
                step = place.below[name] = _Place(path, place, directory=directory, target=target)
        return step
