"""The file system of the machine that runs the tests, as if it were an image's."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from pyimginspect.changesets import apply_layers
from pyimginspect.layers.elf import MAGIC, read_elf
from pyimginspect.layers.strings import find_version, wants
from pyimginspect.layers.texts import wants_text
from pyimginspect.model import ElfFile, Entry, Kind, Layer, LayerIndex
from pyimginspect.rootfs import RootFS

__all__ = ["FileContent", "rootfs_of"]


class FileContent:
    """A file's content, read where it is asked for."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size

    def read_at(self, offset: int, length: int, /) -> bytes:
        return os.pread(self.descriptor, length, offset)


def rootfs_of(places: Iterable[str]) -> RootFS:
    """The directories and files at `places` with their parents, and the links at the root."""
    entries: dict[str, Entry] = {}
    elf: dict[str, ElfFile] = {}
    texts: dict[str, bytes] = {}
    strings: dict[str, str] = {}
    for top in sorted(Path("/").iterdir()):
        if top.is_symlink():
            entries[top.name] = _entry(top)
    for place in places:
        root = Path(place)
        if not root.exists():
            continue
        for parent in reversed(root.parents[:-1]):
            entries.setdefault(str(parent)[1:], _entry(parent))
        for folder, folders, names in os.walk(root):
            folders.sort()
            for path in (Path(folder), *(Path(folder, name) for name in sorted(names + folders))):
                _add(path, entries, elf, texts, strings)
        if not root.is_dir():
            _add(root, entries, elf, texts, strings)
    keys = sorted(entries)
    index = LayerIndex(
        size=0,
        entries=tuple(entries[key] for key in keys),
        elf={number: elf[key] for number, key in enumerate(keys) if key in elf},
        texts={number: texts[key] for number, key in enumerate(keys) if key in texts},
        strings={number: strings[key] for number, key in enumerate(keys) if key in strings},
    )
    return apply_layers([Layer(number=0, index=index)])


def _add(
    path: Path,
    entries: dict[str, Entry],
    elf: dict[str, ElfFile],
    texts: dict[str, bytes],
    strings: dict[str, str],
) -> None:
    key = str(path)[1:]
    if key not in entries:
        entries[key] = _entry(path)
        if entries[key].kind == "file":
            _probe(path, key, elf, texts, strings)


def _entry(path: Path) -> Entry:
    status = path.lstat()
    kinds: dict[int, Kind] = {stat.S_IFLNK: "symlink", stat.S_IFDIR: "directory"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "file")
    return Entry(
        path=str(path)[1:],
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=0,
        gid=0,
        size=status.st_size if kind == "file" else 0,
        stored=0,
        offset=0,
        mtime=0,
        target=os.readlink(path) if kind == "symlink" else "",
    )


def _probe(
    path: Path, key: str, elf: dict[str, ElfFile], texts: dict[str, bytes], strings: dict[str, str]
) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return
        if os.pread(descriptor, 4, 0) == MAGIC:
            elf[key] = read_elf(FileContent(descriptor, status.st_size))
            if wants(key):
                version = find_version(key, FileContent(descriptor, status.st_size))
                strings |= {key: version} if version else {}
        elif wants_text(key) and key.startswith("etc/"):
            texts[key] = os.pread(descriptor, status.st_size, 0)
    finally:
        os.close(descriptor)
