"""What attestations say, in words that several formats share."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.attestations import Attestation
from pyimginspect.formats._page import Page
from pyimginspect.text import counted

__all__ = ["add_attestations", "attested_base", "attested_rows", "lines_of"]

_KINDS = {"provenance": "provenance", "sbom": "SBOM", "other": "attestation"}
# Attestations come with the image and may be of any length; real ones have some dozen materials and
# as many layers as the image.
_MOST_NAMED = 10
_MOST_SHOWN = 10
_MOST_LAYERS = 40


def attested_base(attestations: tuple[Attestation, ...]) -> str:
    """Return the base image that provenance names, with its digest; empty where none does."""
    for each in attestations:
        if each.base_name:
            return f"{each.base_name}@{each.base_digest}" if each.base_digest else each.base_name
    return ""


def attested_rows(said: Attestation) -> Iterator[tuple[str, str]]:
    """Yield what an attestation says as label and words, its contradictions last."""
    where = "in the image's index" if said.found == "index" else "among its referrers"
    kind = said.predicate_type.rpartition("://")[2] or "unknown"
    rows = (
        (_KINDS[said.kind], f"{kind}, {where}"),
        ("document", said.digest),
        ("ignored", said.ignored),
        ("builder", said.builder),
        ("base", _base(said)),
        ("source", _source(said)),
        ("materials", _materials(said)),
        ("lists", _packages(said)),
    )
    yield from ((label, words) for label, words in rows if words)
    for each in said.contradictions:
        yield "contradiction", each


def _base(said: Attestation) -> str:
    base = attested_base((said,))
    if base and said.base_layers:
        return f"{base}, {counted(said.base_layers, 'layer')} of the image"
    return base


def _source(said: Attestation) -> str:
    if not (said.dockerfile or said.source):
        return ""
    source = f"{said.source} at {said.revision}" if said.revision else said.source
    return ", ".join(word for word in (said.dockerfile, source) if word)


def _materials(said: Attestation) -> str:
    if not said.materials:
        return ""
    named = ", ".join(each.uri for each in said.materials[:_MOST_NAMED])
    return f"{counted(len(said.materials), 'material')}: {named}"


def _packages(said: Attestation) -> str:
    if said.packages is None:
        return ""
    return counted(said.packages, "package") + (f", by {said.tool}" if said.tool else "")


def lines_of(said: Attestation) -> list[tuple[int, str, str]]:
    """Return layer, lines and text of what the Dockerfile says of each layer."""
    name = said.dockerfile or "Dockerfile"
    return [
        (
            each.layer,
            f"{name}, {_span(each.first, each.last)}",
            # A backslash at a line's end joins it to the next, as the Dockerfile reference has it.
            " ".join(each.text.replace("\\\n", " ").split()),
        )
        for each in said.lines
    ]


def _span(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first} to {last}"


def add_attestations(page: Page, attestations: tuple[Attestation, ...]) -> None:
    """Add what attestations say, each as a list of labels and words."""
    if not attestations:
        return
    page.title("Attestations: claims of who built the image, not verified")
    for number, said in enumerate(attestations[:_MOST_SHOWN]):
        if number:
            page.blank()
        for label, words in attested_rows(said):
            page.paragraph(words, label=label, hang=15)
        lines = lines_of(said)
        for layer, place, text in lines[:_MOST_LAYERS]:
            page.paragraph(f"{place}: {text}", label=f"layer {layer}", hang=15)
        if len(lines) > _MOST_LAYERS:
            page.paragraph(f"and {len(lines) - _MOST_LAYERS:,} more layers", indent=15)
    if len(attestations) > _MOST_SHOWN:
        page.paragraph(f"and {len(attestations) - _MOST_SHOWN:,} more")
