"""Which file a dynamic loader would take for a library that an executable needs.

Sources: ld.so(8) and, for musl, ``ldso/dynlink.c``. ``/etc/ld.so.cache`` is taken for what
``ldconfig`` would make of ``/etc/ld.so.conf``, the default directories last.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.model import ElfFile
from pyimginspect.rootfs import RootFS

__all__ = ["find_library", "library_directories"]

_CONF = "etc/ld.so.conf"
_CONF_DIRECTORY = "etc/ld.so.conf.d"
_MUSL_DEFAULT = ("lib", "usr/local/lib", "usr/lib")
_MULTIARCH = {
    "x86_64": "x86_64-linux-gnu",
    "aarch64": "aarch64-linux-gnu",
    "i386": "i386-linux-gnu",
    "arm": "arm-linux-gnueabihf",
    "ppc64": "powerpc64le-linux-gnu",
    "s390x": "s390x-linux-gnu",
    "riscv": "riscv64-linux-gnu",
}


def find_library(
    rootfs: RootFS, path: str, elf: ElfFile, soname: str, search: tuple[str, ...] = ()
) -> str | None:
    """Return the real path of the file that a loader would take for ``soname``, if there is one.

    ``path`` is the real path of the ELF file that needs it, ``search`` the directories of
    ``LD_LIBRARY_PATH``. A file for another processor is passed over, as loaders do.
    """
    for directory in library_directories(rootfs, path, elf, search):
        real = rootfs.resolve(f"{directory}/{soname}" if directory else soname)
        if real is None:
            continue
        other = rootfs.elf.get(real)
        if other is not None and (other.machine, other.bits) == (elf.machine, elf.bits):
            return real
    return None


def library_directories(
    rootfs: RootFS, path: str, elf: ElfFile, search: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield the directories that a loader looks in, in its order; some may not be there."""
    origin = path.rpartition("/")[0]
    if elf.rpath and not elf.runpath:
        yield from (_expand(directory, origin) for directory in elf.rpath)
    yield from (directory.strip("/") for directory in search)
    yield from (_expand(directory, origin) for directory in elf.runpath)
    if "ld-musl" in elf.interpreter:
        yield from _musl_directories(rootfs, elf.interpreter)
        return
    yield from _configured(rootfs)
    triplet = _MULTIARCH.get(elf.machine)
    for top in ("lib", "usr/lib"):
        if triplet is not None:
            yield f"{top}/{triplet}"
    yield from ("lib64", "usr/lib64") if elf.bits == 64 else ()
    yield from ("lib", "usr/lib")


def _expand(directory: str, origin: str) -> str:
    for name in ("$ORIGIN", "${ORIGIN}"):
        directory = directory.replace(name, f"/{origin}")
    return directory.strip("/")


def _musl_directories(rootfs: RootFS, interpreter: str) -> Iterator[str]:
    name = interpreter.rpartition("/")[2].removesuffix(".so.1")
    text = rootfs.texts.get(f"etc/{name}.path")
    if text is None:
        yield from _MUSL_DEFAULT
        return
    for part in text.decode("utf-8", "surrogateescape").replace("\n", ":").split(":"):
        if part.strip():
            yield part.strip().strip("/")


def _configured(rootfs: RootFS) -> Iterator[str]:
    """Yield the directories of ``ld.so.conf``: a list of them, and ``include`` of others."""
    texts = rootfs.texts
    for line in _lines(texts.get(_CONF, b"")):
        if line.startswith("include"):
            for path in rootfs.children(_CONF_DIRECTORY):
                if path.endswith(".conf"):
                    for directory in _lines(texts.get(path, b"")):
                        yield directory.strip("/")
        else:
            yield line.strip("/")


def _lines(text: bytes) -> Iterator[str]:
    for line in text.decode("utf-8", "surrogateescape").split("\n"):
        line = line.partition("#")[0].strip()
        if line:
            yield line
