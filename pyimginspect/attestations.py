"""What is attached to an image and says how it was built or what is in it.

An attestation is a claim of whoever built the image: a fact with its place, never trusted above
the layers. Sources: in-toto attestation framework, Statement v0.1 and v1; SLSA provenance v0.2 and
v1; BuildKit, ``docs/attestations``; SPDX 2.3; CycloneDX 1.6.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["Attestation", "AttestationMode", "Material", "SourceLines"]

AttestationMode = Literal["index", "referrers", "never"]
"""Where attestations are looked for: where the image's index lists them, in its registry's list of
referrers too, or nowhere."""


class Material(Struct, frozen=True, kw_only=True):
    """Something that went into a build, by address and digest (``algorithm:hex``, may be empty)."""

    uri: str
    digest: str = ""


class SourceLines(Struct, frozen=True, kw_only=True):
    """The lines of a Dockerfile, counted from 1, that made a layer, and what stands there."""

    layer: int
    first: int
    last: int
    text: str = ""


class Attestation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement about the image: how it was built, ``provenance``, or what is in it, ``sbom``.

    ``digest`` is that of the document, ``found`` where it was found. ``ignored`` says why nothing
    was taken from it: it is about something else, is not as specified, or could not be had.

    Of provenance: ``base_name`` and ``base_digest`` are the image that the final stage begins
    with, ``base_layers`` how many of the image's lowest layers are its (``None`` where the
    statement does not say); ``materials`` all that went in; ``dockerfile`` the name of the
    Dockerfile, ``lines`` its lines that made layers; ``source`` and ``revision`` where it is kept;
    ``builder`` who built. Values of build arguments, which may be secret, are left out.

    Of a bill of materials: ``tool`` that wrote it, ``packages`` how many it lists.

    ``contradictions`` are where it and the layers differ: the layers are right.
    """

    kind: Literal["provenance", "sbom", "other"]
    predicate_type: str
    digest: str
    found: Literal["index", "referrers"] = "index"
    ignored: str = ""
    builder: str = ""
    base_name: str = ""
    base_digest: str = ""
    base_layers: int | None = None
    materials: tuple[Material, ...] = ()
    source: str = ""
    revision: str = ""
    dockerfile: str = ""
    lines: tuple[SourceLines, ...] = ()
    tool: str = ""
    packages: int | None = None
    purls: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()
