"""What a fleet's results say of all its images together. Sizes and savings are in bytes."""

from __future__ import annotations

from msgspec import Struct

from pyimginspect.report import Severity

__all__ = ["Base", "Failure", "Fix", "Group", "Reference", "SharedLayer", "SharedPython", "Totals"]


class Totals(Struct, frozen=True, kw_only=True):
    """The fleet in numbers.

    What is ``summed`` counts a layer once for each image that has it, what is ``once`` counts it
    once. Bytes of a layer may be dead in one image and live in another: ``wasted_once`` is what
    is dead in every image that has the layer, at most; ``wasted_once_anywhere`` is what is dead
    in the image where most of it is.
    """

    references: int
    inspected: int
    failed: int
    deferred: int
    images: int
    failing: int
    layers: int
    stored_summed: int
    stored_once: int
    wasted_summed: int
    wasted_once: int
    wasted_once_anywhere: int


class Fix(Struct, frozen=True, kw_only=True):
    """A problem, fixed where its layer is made: all findings of one rule in one layer.

    ``saving`` counts the bytes once, however many images have the layer, and is never more than
    the layer stores; ``saving_summed`` counts them for each image. ``subjects`` are what the
    findings are about, ``fix`` and ``message`` those of the largest.
    """

    rule: str
    severity: Severity
    layer: str
    instruction: str
    subjects: tuple[str, ...]
    message: str
    fix: str
    saving: int
    saving_summed: int
    images: int
    references: tuple[str, ...]


class Base(Struct, frozen=True, kw_only=True):
    """A chain of layers that begins several images: fixed there, all of them follow.

    ``chain`` identifies its top layer with all below (the ChainID of OCI), ``parent`` the chain
    that it extends, empty for none. ``layers`` is how many it adds to that, ``depth`` how many
    it has in all. ``name`` is the base image's, as most of these images have it, where one ends
    within the layers that are added. ``stored``, ``wasted`` and ``saving`` (that of all findings)
    are of the layers that are added, each counted once.
    """

    chain: str
    parent: str
    name: str
    instruction: str
    layers: int
    depth: int
    images: int
    stored: int
    wasted: int
    saving: int
    references: tuple[str, ...]


class SharedLayer(Struct, frozen=True, kw_only=True):
    """One layer, however many images have it; ``wasted`` is at most dead in all of them."""

    diff_id: str
    instruction: str
    size: int
    blob_size: int | None
    stored: int
    wasted: int
    wasted_anywhere: int
    images: int


class SharedPython(Struct, frozen=True, kw_only=True):
    """A Python of one version that one layer brought, and the images that have it.

    ``second`` are those where another Python is the one that runs.
    """

    version: str
    implementation: str
    origin: str
    packages: tuple[str, ...]
    path: str
    layer: str
    instruction: str
    ends: str
    past_end: bool
    images: int
    second: int
    references: tuple[str, ...]


class Group(Struct, frozen=True, kw_only=True):
    """What one group of images has of one rule; ``saving`` is counted once within the group."""

    group: str
    rule: str
    severity: Severity
    images: int
    findings: int
    saving: int


class Failure(Struct, frozen=True, kw_only=True):
    """A reference that was not inspected, or not yet (``deferred``), and why."""

    reference: str
    platform: str
    status: str
    error: str


class Reference(Struct, frozen=True, kw_only=True):
    """A name and its image; ``image`` is the number of its row."""

    name: str
    platform: str
    namespace: str
    image: int
