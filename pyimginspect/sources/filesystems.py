"""Root file systems without an image around them: ``docker export``, ``buildx``, a directory.

Such a thing has one layer and no configuration. Its platform is read off its programs.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from pyimginspect.errors import PyimginspectError
from pyimginspect.layers import FileBlob, Indexed, StreamBlob, index_layer
from pyimginspect.layers.blobs import Blob
from pyimginspect.model import ImageConfig, LayerIndex, Platform
from pyimginspect.sources.indexing import Opened, build_image
from pyimginspect.sources.options import Options
from pyimginspect.sources.selection import LayerRef, Selection, check_platform

__all__ = ["open_directory", "open_rootfs"]

_LABEL = "0 (root file system)"
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "i386": ("386", ""),
    "arm": ("arm", ""),
    "ppc64": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv": ("riscv64", ""),
}


def open_rootfs(blob: Blob, options: Options, *, reference: str) -> Opened:
    """Open a tar archive of a root file system, compressed or not.

    Raises :class:`LayerError`, or :class:`PlatformError` for another platform than asked for.
    """
    indexed = _index(blob, options)
    opened = _opened(indexed, options, reference)
    if isinstance(blob, FileBlob) and indexed.index.checksums is None:
        return msgspec.structs.replace(opened, blobs={0: blob})
    return opened


def open_directory(path: str, options: Options, *, reference: str) -> Opened:
    """Open a directory of this machine as a root file system; links are never followed.

    What cannot be read is a note of the layer's index, as if its content were zeros.
    Raises as :func:`open_rootfs` does.
    """
    from pyimginspect.sources.trees import Tree  # few look at one, and tarfile is not small

    tree = Tree(path)
    indexed = _index(StreamBlob(tree.stream()), options)
    index = msgspec.structs.replace(indexed.index, notes=indexed.index.notes + tuple(tree.notes))
    return _opened(msgspec.structs.replace(indexed, index=index), options, reference)


def _index(blob: Blob, options: Options) -> Indexed:
    options.progress.begin(_LABEL, blob.size)
    try:
        indexed = index_layer(
            blob,
            probes=options.probes,
            limits=options.limits,
            progress=lambda count: options.progress.advance(_LABEL, count),
        )
    except PyimginspectError as exc:
        raise exc.at(layer=_LABEL) from exc
    options.progress.finish(_LABEL, cached=False)
    return indexed


def _opened(indexed: Indexed, options: Options, reference: str) -> Opened:
    config = ImageConfig(platform=options.platform or Platform())
    platform = _platform_of(indexed.index)
    if platform is not None:
        config = ImageConfig(platform=platform)
    selection = Selection(config=config, layers=(LayerRef(name="root file system"),))
    check_platform(selection, options.platform)
    image = build_image(selection, {0: indexed}, reference=reference, source="rootfs")
    return Opened(image=image)


def _platform_of(index: LayerIndex) -> Platform | None:
    """Return the platform that most programs are built for, or ``None`` without any."""
    if any(entry.path.startswith("Files/Windows") for entry in index.entries[:1000]):
        return Platform(os="windows")
    machines = Counter(elf.machine for elf in index.elf.values() if elf.kind != "other")
    for machine, _ in sorted(machines.items(), key=lambda item: (-item[1], item[0])):
        if machine in _ARCHITECTURES:
            architecture, variant = _ARCHITECTURES[machine]
            return Platform(architecture=architecture, variant=variant)
    return None
