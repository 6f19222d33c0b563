"""Random stacks of layers that container engines take: for `scripts/fuzz_layers`."""

from __future__ import annotations

import posixpath
from random import Random
from typing import Final, Literal

from tests.tars import Content, Directory, File, HardLink, Link

__all__ = ["stack"]

Stack = list[list[tuple[str, Content]]]
Kind = Literal["file", "directory", "link", "whiteout"]

_NAMES: Final = ("a", "b", "c", "d")
_MODES: Final = (0o644, 0o755, 0o700, 0o1777, 0o4755)


class _Upper:
    """What an engine has unpacked of one layer so far: nothing else matters to what it takes."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._kinds: dict[str, Kind] = {"": "directory"}
        self._targets: dict[str, str] = {}
        self._named: set[str] = set()
        self.entries: list[tuple[str, Content]] = []

    def add(self) -> None:
        """Add an entry, unless the chosen one is none that engines take."""
        random = self._random
        path = "/".join(random.choice(_NAMES) for _ in range(random.randint(1, 4)))
        kind = random.choice(("file", "file", "directory", "link", "hard", "whiteout", "opaque"))
        parent, _, name = path.rpartition("/")
        if kind == "opaque":
            parent, name = path, ".wh..wh..opq"
        real = self._resolve(parent)
        if real is None:
            return
        stands = f"{real}/{name}" if real else name
        raw = f"{parent}/{name}" if parent else name
        if kind == "whiteout":
            raw = f"{parent}/.wh.{name}" if parent else f".wh.{name}"
        # One path twice, by whatever name, is refused, and so is a whiteout of what is there.
        if raw in self._named or self._kinds.get(stands, "whiteout") != "whiteout":
            return
        content = self._content(kind, stands)
        if content is None:
            return
        self._make(real)
        self._named.add(raw)
        self.entries.append((raw, content))

    def _content(self, kind: str, stands: str) -> Content:
        random = self._random
        owner = random.choice((0, 0, 0, 7))
        mode = random.choice(_MODES)
        if kind == "opaque":
            return File("")
        if kind == "whiteout":
            if stands in self._kinds:
                return None
            self._kinds[stands] = "whiteout"
            return File("")
        if kind == "link":
            target = random.choice(_NAMES) + random.choice(("", "", "/" + random.choice(_NAMES)))
            self._targets[stands] = random.choice(("", "/", "../")) + target
            self._kinds[stands] = "link"
            return Link(self._targets[stands], uid=owner)
        if kind == "hard":
            files = [path for path, known in self._kinds.items() if known in ("file", "link")]
            if not files:
                return None
            origin = random.choice(files)
            self._kinds[stands] = self._kinds[origin]
            if origin in self._targets:
                self._targets[stands] = self._targets[origin]
            return HardLink(origin, mode=mode, uid=owner)
        if kind == "directory":
            self._kinds[stands] = "directory"
            return Directory(mode=mode, uid=owner)
        self._kinds[stands] = "file"
        return File(str(random.randint(0, 99)), mode=mode, uid=owner)

    def _resolve(self, path: str) -> str | None:
        """Where a directory of entries is; links must lead to directories that are there."""
        real = ""
        todo = path.split("/")[::-1] if path else []
        hops = 0
        through = False
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                real = posixpath.dirname(real)
                continue
            step = f"{real}/{name}" if real else name
            kind = self._kinds.get(step)
            if kind == "link":
                hops += 1
                through = True
                if hops > 8:
                    return None
                target = self._targets[step]
                real = "" if target.startswith("/") else real
                todo.extend(target.split("/")[::-1])
            elif kind == "directory" or (kind is None and not through):
                real = step
            else:
                return None
        return real

    def _make(self, path: str) -> None:
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            self._kinds.setdefault("/".join(parts[:end]), "directory")


def stack(random: Random) -> Stack:
    """Two to four layers of up to a dozen entries each."""
    layers = []
    for _ in range(random.randint(2, 4)):
        upper = _Upper(random)
        for _ in range(random.randint(1, 16)):
            upper.add()
        layers.append(upper.entries)
    return layers
