"""What attestations say, in words that several formats share."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.attestations import Attestation
from pyimginspect.formats._page import Page
from pyimginspect.text import counted

__all__ = ["add_attestations", "attested_base", "attested_rows", "lines_of"]

_KINDS = {"provenance": "provenance", "sbom": "SBOM", "other": "attestation"}
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
    yield _KINDS[said.kind], f"{kind}, {where}"
    if said.digest:
        yield "document", said.digest
    if said.ignored:
        yield "ignored", said.ignored
    if said.builder:
        yield "builder", said.builder
    if base := attested_base((said,)):
        count = f", {counted(said.base_layers, 'layer')} of the image" if said.base_layers else ""
        yield "base", f"{base}{count}"
    if said.dockerfile or said.source:
        source = f"{said.source} at {said.revision}" if said.revision else said.source
        yield "source", ", ".join(word for word in (said.dockerfile, source) if word)
    if said.materials:
        named = [each.uri for each in said.materials]
        yield "materials", f"{counted(len(named), 'material')}: {', '.join(named[:_MOST_NAMED])}"
    if said.packages is not None:
        tool = f", by {said.tool}" if said.tool else ""
        yield "lists", f"{counted(said.packages, 'package')}{tool}"
    for each in said.contradictions:
        yield "contradiction", each


def lines_of(said: Attestation) -> list[tuple[int, str, str]]:
    """Return layer, lines and text of what the Dockerfile says of each layer."""
    name = said.dockerfile or "Dockerfile"
    return [
        (
            each.layer,
            f"{name}, {_span(each.first, each.last)}",
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
