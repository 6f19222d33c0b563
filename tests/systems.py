"""Whole file systems built in memory: layers in, what a container would see out.

rootfs({**glibc("2.36"), "bin/sh": elf(interp=X86)}, {"etc/os-release": "ID=debian"})
"""

from collections.abc import Mapping

from pyimginspect.changesets import apply_layers
from pyimginspect.model import Layer
from pyimginspect.rootfs import RootFS
from tests.elf import elf
from tests.images import Content, File, Link, layer
from tests.indexes import index_of

__all__ = ["MUSL", "MUSL_FILES", "X86", "glibc", "rootfs"]

X86 = "/lib64/ld-linux-x86-64.so.2"
MUSL = "/lib/ld-musl-x86_64.so.1"


def rootfs(*trees: Mapping[str, Content]) -> RootFS:
    """The final file system of these layers."""
    return apply_layers(
        Layer(number=number, index=index_of(layer(tree))) for number, tree in enumerate(trees)
    )


def glibc(version: str = "2.36", triplet: str = "x86_64-linux-gnu") -> dict[str, Content]:
    """Debian's files of glibc, with merged `/usr`."""
    text = (
        f"\0GNU C Library (Debian GLIBC {version}-9) stable release version {version}.\n".encode()
    )
    return {
        "lib": Link("usr/lib"),
        "lib64": Link("usr/lib64"),
        f"usr/lib/{triplet}/libc.so.6": elf(soname="libc.so.6", extra=text),
        f"usr/lib/{triplet}/ld-linux-x86-64.so.2": File(
            elf(soname="ld-linux-x86-64.so.2"), mode=0o755
        ),
        "usr/lib64/ld-linux-x86-64.so.2": Link(f"/lib/{triplet}/ld-linux-x86-64.so.2"),
    }


MUSL_FILES: dict[str, Content] = {
    "lib/ld-musl-x86_64.so.1": File(
        elf(
            soname="libc.musl-x86_64.so.1",
            extra=b"\0musl libc (x86_64)\nVersion %s\n\x001.2.5\0",
        ),
        mode=0o755,
    ),
    "lib/libc.musl-x86_64.so.1": Link("ld-musl-x86_64.so.1"),
}
