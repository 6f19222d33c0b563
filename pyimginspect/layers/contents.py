"""Readers of file contents: each says which files it wants, and keeps the facts of a layer."""

from __future__ import annotations

from typing import Any

from pyimginspect.errors import LayerError
from pyimginspect.layers import licenses, rpmdb, strings, texts
from pyimginspect.layers.elf import MAGIC, RandomAccess, read_elf
from pyimginspect.layers.limits import Limits
from pyimginspect.layers.probes import Probe
from pyimginspect.layers.texts import is_shell_script, wants_text
from pyimginspect.model import ElfFile, Entry, Note, RpmPackage
from pyimginspect.plugins import blamed

__all__ = [
    "Databases",
    "ElfFiles",
    "File",
    "Notes",
    "Others",
    "Reader",
    "Scripts",
    "Texts",
    "Versions",
    "may_identify",
]

_SMALLEST_ELF = 52  # bytes: Elf32_Ehdr, the shorter of the two headers
_NAMES = texts.NAMES.union(rpmdb.NAMES)
_BEGINNINGS = (*texts.BEGINNINGS, *strings.BEGINNINGS)


def may_identify(path: str) -> bool:
    """Whether the name alone does not rule out that a file's content is examined."""
    name = path[path.rfind("/") + 1 :]
    return (
        name in _NAMES
        or name[name.rfind(".") + 1 :] in texts.ENDINGS
        or name.startswith(_BEGINNINGS)
        or path.startswith(texts.DIRECTORIES)
    )


class File:
    """A file that goes by: its entry and that one's position in the layer, and its first bytes.

    ``head`` are four of them at least, unless the layer ends. ``beginning`` is what a script may
    need for its first line, and empty where the file is none.
    """

    def __init__(self, position: int, entry: Entry, head: bytes, beginning: bytes) -> None:
        self.position = position
        self.path = entry.path
        self.size = entry.stored
        self.head = head
        self.beginning = beginning


class Notes:
    """What is to be said of a layer: what limits cut off, what is damaged in it."""

    def __init__(self) -> None:
        self.all: list[Note] = []

    def add(self, what: str, path: str = "") -> None:
        """Say something of the layer, or of a file in it."""
        self.all.append(Note(what=what, path=path))


class Reader:
    """Takes a fact from each file that it wants.

    ``whole`` says whether it needs the whole content, ``mapped`` whether it needs what a loader
    would map; of a big file the others get what
    :func:`~pyimginspect.layers.elf.wanted_ranges` names.
    """

    def __init__(self, *, whole: bool = True, mapped: bool = False) -> None:
        self.whole = whole
        self.mapped = mapped

    def wants(self, file: File) -> bool:
        """Whether to read the content of a file."""
        raise NotImplementedError

    def read(self, file: File, content: RandomAccess) -> None:
        """Keep the fact that the content is."""
        raise NotImplementedError


class ElfFiles(Reader):
    """What a dynamic loader would read."""

    def __init__(self) -> None:
        super().__init__(whole=False)
        self.facts: dict[int, ElfFile] = {}

    def wants(self, file: File) -> bool:
        """Whether the file begins as an ELF file does."""
        return file.head == MAGIC and file.size >= _SMALLEST_ELF

    def read(self, file: File, content: RandomAccess) -> None:
        """Read its headers."""
        self.facts[file.position] = read_elf(content)


class Versions(Reader):
    """The versions of C libraries and interpreters."""

    def __init__(self) -> None:
        super().__init__(whole=False, mapped=True)
        self.facts: dict[int, str] = {}

    def wants(self, file: File) -> bool:
        """Whether the file has the name of one."""
        return strings.wants(file.path)

    def read(self, file: File, content: RandomAccess) -> None:
        """Find the version, if it is there."""
        version = strings.find_version(file.path, content)
        if version:
            self.facts[file.position] = version


class Texts(Reader):
    """Small text files that somebody asks for; of ``copyright`` files the names of licences."""

    def __init__(self, limits: Limits, notes: Notes) -> None:
        super().__init__()
        self.facts: dict[int, bytes] = {}
        self._longest = limits.text
        self._left = limits.texts
        self._notes = notes

    @property
    def is_nearly_full(self) -> bool:
        """Whether one more text might be too much."""
        return self._left < self._longest

    def wants(self, file: File) -> bool:
        """Whether the file has the name of one."""
        # Most copyright files are prose, and each package has one: four bytes are enough to leave
        # those unread.
        return wants_text(file.path) and (
            file.head == licenses.HEAD or not licenses.is_copyright(file.path)
        )

    def read(self, file: File, content: RandomAccess) -> None:
        """Keep the text, within limits."""
        size = file.size
        if size > self._longest or size > self._left:
            self._notes.add(f"text of {size:,} bytes was not kept", file.path)
            return
        text = bytes(content.read_at(0, size))
        kept = licenses.license_names(text) if licenses.is_copyright(file.path) else text
        if kept is not None:
            self._left -= len(kept)
            self.facts[file.position] = kept


class Scripts(Reader):
    """Shell scripts that a container may start; they are kept among the texts."""

    def __init__(self, limits: Limits, texts: Texts) -> None:
        super().__init__()
        self._texts = texts
        self._longest = limits.script
        self._left = limits.scripts

    @property
    def is_nearly_full(self) -> bool:
        """Whether one more script might be too much."""
        return self._left < self._longest

    def wants(self, file: File) -> bool:
        """Whether the file is a script, not too long, and no text that is kept anyway."""
        return (
            bool(file.beginning)
            and file.size <= min(self._longest, self._left)
            and is_shell_script(file.path, file.beginning)
            and not self._texts.wants(file)
        )

    def read(self, file: File, content: RandomAccess) -> None:
        """Keep the script."""
        # Of scripts that are too long, or too many, there is no note: their first lines are kept.
        self._left -= file.size
        self._texts.facts[file.position] = bytes(content.read_at(0, file.size))


class Databases(Reader):
    """rpm's databases."""

    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self.facts: dict[int, tuple[RpmPackage, ...]] = {}
        self._notes = notes

    def wants(self, file: File) -> bool:
        """Whether the file is where rpm has its database."""
        return rpmdb.wants(file.path)

    def read(self, file: File, content: RandomAccess) -> None:
        """Read the packages."""
        try:
            self.facts[file.position] = rpmdb.read_rpmdb(file.path, content.read_at(0, file.size))
        except LayerError as exc:  # the layer is whole, one file in it is not
            self._notes.add(f"rpm database could not be read: {exc.message}", file.path)


class Others(Reader):
    """What a third party's probe reads."""

    def __init__(self, probe: Probe, facts: dict[int, Any]) -> None:
        super().__init__()
        self.facts = facts
        self._name = probe.name
        self._probe = probe

    def wants(self, file: File) -> bool:
        """Ask the probe."""
        with blamed("the probe", self._name):
            return bool(self._probe.wants(file.path, file.size, file.head))

    def read(self, file: File, content: RandomAccess) -> None:
        """Keep what the probe returns, unless it has nothing to say."""
        with blamed("the probe", self._name):
            fact = self._probe.read(file.path, content)
        if fact is not None:
            self.facts[file.position] = fact
