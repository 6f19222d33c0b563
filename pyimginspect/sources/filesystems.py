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
from pyimginspect.sources.options import Options
from pyimginspect.sources.resolved import (
    Carrier,
    FileCarrier,
    Resolved,
    StreamCarrier,
    in_place,
    resolved_from,
)
from pyimginspect.sources.selection import LayerRef, Selection, check_platform

__all__ = ["resolve_directory", "resolve_rootfs"]

_NAME = "root file system"
_LABEL = f"0 ({_NAME})"
# ELF's machine to Go's GOARCH, which images have. Of 64-bit PowerPC there are only images of the
# little-endian one.
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "i386": ("386", ""),
    "arm": ("arm", ""),
    "ppc64": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv": ("riscv64", ""),
}


def resolve_rootfs(blob: Blob, options: Options, *, reference: str, again: str = "") -> Resolved:
    """Read a tar archive of a root file system, compressed or not.

    ``again`` is the reference that leads to it once more. Raises :class:`LayerError`, or
    :class:`PlatformError` for another platform than asked for.
    """
    indexed = _index(blob, options)
    carrier: Carrier = StreamCarrier(reference=again)
    if isinstance(blob, FileBlob):
        carrier = FileCarrier(blobs={_NAME: in_place(blob)})
    return _resolved(indexed, carrier, options, reference)


def resolve_directory(path: str, options: Options, *, reference: str, again: str) -> Resolved:
    """Read a directory of this machine as a root file system; links are never followed.

    What cannot be read is a note of the layer's index, as if its content were zeros.
    Raises as :func:`resolve_rootfs` does.
    """
    from pyimginspect.sources.trees import Tree  # few look at one, and tarfile is not small

    tree = Tree(path)
    indexed = _index(StreamBlob(tree.stream()), options)
    index = msgspec.structs.replace(indexed.index, notes=indexed.index.notes + tuple(tree.notes))
    indexed = msgspec.structs.replace(indexed, index=index)
    return _resolved(indexed, StreamCarrier(reference=again), options, reference)


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


def _resolved(indexed: Indexed, carrier: Carrier, options: Options, reference: str) -> Resolved:
    config = ImageConfig(platform=options.platform or Platform())
    platform = _platform_of(indexed.index)
    if platform is not None:
        config = ImageConfig(platform=platform)
    layers = (LayerRef(name=_NAME, size=indexed.blob_size),)
    selection = Selection(config=config, layers=layers)
    check_platform(selection, options.platform)
    return resolved_from(
        selection, layers, carrier, reference=reference, source="rootfs", indexed={0: indexed}
    )


def _platform_of(index: LayerIndex) -> Platform | None:
    """Return the platform that most programs are built for, or ``None`` without any."""
    # Layers of Windows keep the file system in Files/, the registry in Hives/.
    if any(entry.path.startswith("Files/Windows") for entry in index.entries[:1000]):
        return Platform(os="windows")
    machines = Counter(elf.machine for elf in index.elf.values() if elf.kind != "other")
    # By name where two are as frequent, so that every run says the same.
    for machine, _ in sorted(machines.items(), key=lambda item: (-item[1], item[0])):
        if machine in _ARCHITECTURES:
            architecture, variant = _ARCHITECTURES[machine]
            return Platform(architecture=architecture, variant=variant)
    return None
