"""Which layers are the base image's: recognized by the history first, by contents second.

Official ``python`` images are known by :mod:`pyimginspect.inventory.base_python`, the system
below them, or below anything else, by :mod:`pyimginspect.inventory.base_system`. Whoever knows
better says so, and is believed.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pyimginspect.errors import InvalidReferenceError
from pyimginspect.inventory.base_python import OfficialPython, find_official_python
from pyimginspect.inventory.base_system import System, find_system
from pyimginspect.inventory.facts import BaseImage
from pyimginspect.inventory.instructions import read_steps
from pyimginspect.model import Evidence, Image
from pyimginspect.rootfs import RootFS

__all__ = ["find_base", "layers_shared"]

# A key that the OCI image specification defines (annotations.md).
_NAMED = "org.opencontainers.image.base.name"


def find_base(image: Image, rootfs: RootFS, layers: int | None = None, name: str = "") -> BaseImage:
    """Return the base image of ``image``.

    ``layers`` says outright how many of the lowest layers are the base's, ``name`` what it is
    called (:func:`layers_shared` tells the number by another image). Raises
    :class:`InvalidReferenceError` where the image has fewer layers.
    """
    steps = read_steps(image.config.history)
    if sum(step.layer is not None for step in steps) != len(image.layers):
        steps = ()  # a history of other layers than these proves nothing
    system = find_system(image, rootfs, steps)
    python = find_official_python(image, rootfs, steps, system)
    base = _of_python(python, system) if python is not None else _of_system(system)
    named = name or image.annotations.get(_NAMED, "")
    if named:
        what = "given by the user" if name else f"annotation {_NAMED}"
        evidence = (*base.evidence, Evidence(what=f"{what}: {named}"))
        base = msgspec.structs.replace(base, name=named, evidence=evidence)
    if layers is None:
        return base
    if not 0 <= layers <= len(image.layers):
        raise InvalidReferenceError(
            f"the base image cannot have {layers} layers", hint=f"the image has {len(image.layers)}"
        )
    if layers != base.layers and not named:
        base = msgspec.structs.replace(base, name="")  # it was the name of other layers
    lowest = "lowest layer" if layers == 1 else f"lowest {layers} layers"
    recorded = Evidence(what=f"given by the user: the {lowest}")
    return msgspec.structs.replace(
        base, layers=layers, confidence="certain", evidence=(*base.evidence, recorded)
    )


def layers_shared(image: Image, base: Image) -> int:
    """Return the number of layers of ``base``, on which ``image`` must have been built.

    Raises :class:`InvalidReferenceError` unless the lowest layers of ``image`` are all of those of
    ``base``.
    """
    # diff IDs, of uncompressed layers: digests of blobs differ with the compression of each
    # registry.
    own: Sequence[str] = image.config.diff_ids
    other: Sequence[str] = base.config.diff_ids
    same = 0
    for one, two in zip(own, other, strict=False):
        if one != two:
            break
        same += 1
    if same < len(other):
        raise InvalidReferenceError(
            f"'{base.reference}' is not the base image: {same} of its {len(other)} layers are below"
            f" '{image.reference}'",
            hint="name another image, or give the number of layers",
        )
    return same


def _of_python(python: OfficialPython, system: System) -> BaseImage:
    if python.variant == "alpine":
        # Tags have Alpine's release without its last part: 3.12.1-alpine3.19.
        suffix = f"alpine{'.'.join(system.version.split('.')[:2])}"
    elif python.variant == "slim":
        suffix = f"slim-{system.codename}" if system.codename else "slim"
    else:
        suffix = python.variant if python.variant == "windowsservercore" else system.codename
    return BaseImage(
        family="python",
        variant=python.variant,
        version=python.version,
        distribution=system.distribution,
        official=True,
        layers=python.layers,
        name=f"python:{python.version}-{suffix}".removesuffix("-"),
        confidence="certain"
        if python.recorded and python.confirmed
        else ("likely" if python.recorded else "guess"),
        evidence=python.evidence + system.evidence,
    )


def _of_system(system: System) -> BaseImage:
    known = system.family != "unknown"
    return BaseImage(
        family=system.family,
        variant=system.variant,
        version=system.version,
        distribution=system.distribution,
        # Of the families only these are Docker Official Images; the others are their vendors' own.
        official=system.recorded and system.family in ("debian", "ubuntu", "alpine"),
        layers=system.layers,
        name=system.name,
        confidence="certain"
        if system.recorded and known
        else ("likely" if system.layers and known else "guess"),
        evidence=system.evidence,
    )
