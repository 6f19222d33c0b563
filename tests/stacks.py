"""Random stacks of layers that container engines take: for `scripts/fuzz_layers`.

A stack stands at the root of an image of its own, or below a directory of its own in an image that
it shares with others: whatever entries, links and whiteouts do, they do it there as well.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from random import Random
from typing import Final, Literal, NamedTuple

from tests.tars import (
    Attributes,
    Content,
    Device,
    Directory,
    Fifo,
    File,
    Format,
    HardLink,
    Link,
    Sparse,
    layer,
)

__all__ = ["Stack", "blobs", "refused_by_containerd", "stack"]

Kind = Literal["file", "directory", "link", "other", "whiteout"]

_OPAQUE: Final = ".wh..wh..opq"
_NAMES: Final = ("a", "b", "c", "d")
_RARE: Final = ("n" * 250, "\udcff\udc80", "\u00e9", "a b")  # the second is no UTF-8
_MODES: Final = (0o644, 0o755, 0o700, 0o1777, 0o4755)
_OWNERS: Final = (0, 0, 0, 0, 7, 70_000, 3_000_000)  # the last is too large for seven octal digits
_KINDS: Final = {
    "file": 6,
    "directory": 4,
    "link": 3,
    "hard": 3,
    "whiteout": 3,
    "opaque": 2,
    "sparse": 1,
    "device": 1,
    "fifo": 1,
}
_LINKED: Final = ("file", "link", "other")
_END: Final = 1024  # bytes that close an archive
_HOPS: Final = 8


class Upper:
    """One layer, and what an engine has unpacked of it so far: nothing else matters to what it
    takes.

    `kinds` and `targets` are by real path; `implied` are the directories that an entry made that
    is below them, in that order; a `tidy` layer has none, as those that builders write.
    """

    def __init__(self, random: Random, below: str, tidy: bool) -> None:
        self._random = random
        self._below = below
        self._tidy = tidy
        self._named: set[str] = set()
        self._described: set[str] = set()
        self.kinds: dict[str, Kind] = {"": "directory"}
        self.targets: dict[str, str] = {}
        self.implied: list[str] = []
        self.entries: list[tuple[str, Content]] = []
        self.format: Format = random.choice(("pax", "gnu", "ustar"))

    def add(self) -> None:
        """Add an entry, unless the chosen one is none that engines take."""
        random = self._random
        parts = [self._name() for _ in range(random.randint(1, 4))]
        if self._below:
            parts = [self._below, *(() if random.random() < 0.04 else parts)]
        path = "/".join(parts)
        kind = random.choices(list(_KINDS), list(_KINDS.values()))[0]
        parent, _, name = path.rpartition("/")
        if kind == "opaque":
            parent, name = path, _OPAQUE
        real = self._resolve(parent)
        if real is None:
            return
        stands = f"{real}/{name}" if real else name
        raw = f"{parent}/{name}" if parent else name
        if kind == "whiteout":
            raw = f"{parent}/.wh.{name}" if parent else f".wh.{name}"
        # One path twice, by whatever name, is refused, and so is a whiteout of what is there.
        if raw in self._named or not self._is_free(stands, kind):
            return
        content = self._content(kind, stands)
        if content is None:
            return
        self._make(real)
        self._named.add(raw)
        self.entries.append((random.choice(("", "", "", "./")) + raw, content))

    def _name(self) -> str:
        return self._random.choice(_RARE if self._random.random() < 0.06 else _NAMES)

    def _is_free(self, stands: str, kind: str) -> bool:
        """Whether an entry may stand there: a directory may be described after what is in it."""
        if kind == "directory" and self.kinds.get(stands) == "directory":
            return stands not in self._described
        return self.kinds.get(stands, "whiteout") == "whiteout"

    def _content(self, kind: str, stands: str) -> Content:
        random = self._random
        owner, group = random.choice(_OWNERS), random.choice(_OWNERS)
        mode = random.choice(_MODES)
        if kind == "opaque":
            return File("")
        if kind == "whiteout":
            if stands in self.kinds:
                return None
            self.kinds[stands] = "whiteout"
            return File("")
        if kind == "link":
            self.targets[stands] = self._target()
            self.kinds[stands] = "link"
            return Link(self.targets[stands], uid=owner, gid=group)
        if kind == "hard":
            files = [path for path, known in self.kinds.items() if known in _LINKED]
            if not files:
                return None
            origin = random.choice(files)
            self.kinds[stands] = self.kinds[origin]
            if origin in self.targets:
                self.targets[stands] = self.targets[origin]
            return HardLink(origin, mode=mode, uid=owner, gid=group)
        if kind == "directory":
            self._described.add(stands)
            self.kinds[stands] = "directory"
            return Directory(mode=mode, uid=owner, gid=group)
        if kind in ("device", "fifo"):
            self.kinds[stands] = "other"
            if kind == "fifo":
                return Fifo(mode=mode, uid=owner, gid=group)
            block = random.random() < 0.5
            # 0/0 is a whiteout of an overlay file system's own, if it is no block device.
            major, minor = random.choice(((0, 0), (1, 0), (0, 1), (7, random.randint(2, 9))))
            return Device(major=major, minor=minor, block=block, mode=mode, uid=owner, gid=group)
        self.kinds[stands] = "file"
        if kind == "sparse" and self.format == "pax":  # Docker takes no other
            start, size = 512 * random.randint(0, 9), 512 * random.randint(10, 20)
            return Sparse(b"x" * 512, start, size, mode=mode, uid=owner, gid=group)
        return File(str(random.randint(0, 99)), mode=mode, uid=owner, gid=group)

    def _target(self) -> str:
        random = self._random
        target = self._name() + random.choice(("", "", f"/{self._name()}"))
        root = f"/{self._below}/" if self._below else "/"
        return random.choice(("", root, "../")) + target

    def _resolve(self, path: str) -> str | None:
        """Where a directory of entries is; links must lead to directories that are there."""
        real = ""
        todo = path.split("/")[::-1] if path else []
        hops = 0
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                real = posixpath.dirname(real)
                continue
            step = f"{real}/{name}" if real else name
            kind = self.kinds.get(step)
            if kind == "link":
                hops += 1
                if hops > _HOPS:
                    return None
                target = self.targets[step]
                real = "" if target.startswith("/") else real
                todo.extend(target.split("/")[::-1])
            elif kind == "directory" or (kind is None and not hops):
                real = step
            else:
                return None
        return real

    def _make(self, path: str) -> None:
        parts = path.split("/") if path else []
        for end in range(1, len(parts) + 1):
            parent = "/".join(parts[:end])
            if parent in self.kinds:
                continue
            self.kinds[parent] = "directory"
            if self._tidy:
                self._described.add(parent)
                self.entries.append((parent, Directory(mode=self._random.choice(_MODES))))
            else:
                self.implied.append(parent)

    def behind(self, path: str) -> str | None:
        """Where links of this layer lead from a path, which need not be there (`RootPath` of
        containerd's continuity). None where they lead in a circle, or through what is no
        directory."""
        real = ""
        todo = path.split("/")[::-1]
        hops = 0
        while todo:
            name = todo.pop()
            if name == "..":
                real = posixpath.dirname(real)
            elif name:
                if self.kinds.get(real, "directory") != "directory":
                    return None
                step = f"{real}/{name}" if real else name
                if self.kinds.get(step) != "link":
                    real = step
                    continue
                hops += 1
                if hops > 255:
                    return None
                real = "" if self.targets[step].startswith("/") else real
                todo.extend(self.targets[step].split("/")[::-1])
        return real


class Stack(NamedTuple):
    """Layers, the lowest first, whose entries are all `below` a directory if not at the root."""

    seed: int
    below: str
    layers: tuple[Upper, ...]

    def __str__(self) -> str:
        return "\n".join(
            f"  layer {number}, {upper.format}: "
            + ", ".join(_told(path, content) for path, content in upper.entries)
            for number, upper in enumerate(self.layers)
        )


def _told(path: str, content: Content) -> str:
    assert isinstance(content, Attributes)
    target = f" to {content.target!r}" if isinstance(content, HardLink | Link) else ""
    mode = "" if content.mode is None else f" {content.mode:o}"
    return f"{path!r} {type(content).__name__}{target}{mode} {content.uid}:{content.gid}"


def stack(seed: int) -> Stack:
    """Two to four layers of up to 16 entries each; every fiftieth is at the root."""
    random = Random(seed)
    below = f"s{seed:05}" if seed % 50 else ""
    tidy = random.random() < 0.4
    layers = []
    for _ in range(random.randint(2, 4)):
        upper = Upper(random, below, tidy)
        for _ in range(random.randint(1, 16)):
            upper.add()
        layers.append(upper)
    return Stack(seed, below, tuple(layers))


def blobs(stacks: Sequence[Stack]) -> list[bytes]:
    """The layers of an image that has all these stacks."""
    height = max(len(one.layers) for one in stacks)
    return [
        b"".join(_packed(one, number) for one in stacks if number < len(one.layers)) + bytes(_END)
        for number in range(height)
    ]


def _packed(one: Stack, number: int) -> bytes:
    upper = one.layers[number]
    parts = []
    for entry in upper.entries:
        try:
            parts.append(layer([entry], fmt=upper.format)[:-_END])
        except ValueError:  # a name or a number that ustar cannot hold
            parts.append(layer([entry], fmt="gnu")[:-_END])
    return b"".join(parts)


def refused_by_containerd(one: Stack) -> bool:
    """Whether containerd refuses a stack that the others take.

    For a directory that an entry implies it looks for that of the highest lower layer that has
    one, to make it like that (`mkparent` of its archive/path.go); in none of the layers that it
    looks at may a link lead in a circle, or a file be on the way.
    """
    for number, upper in enumerate(one.layers):
        for path in upper.implied:
            for lower in reversed(one.layers[:number]):
                source = lower.behind(path)
                if source is None:
                    return True
                if source in lower.kinds:
                    break
    return False
