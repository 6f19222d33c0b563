"""Provenance as BuildKit writes it: the base, the materials, and the Dockerfile's own lines.

Sources: SLSA provenance v0.2 and v1; BuildKit, ``docs/attestations/slsa-definitions.md``, for what
its builds add: with ``mode=max`` the steps of the build (LLB), which lines of the Dockerfile each
came from, and the layers that each made.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from pyimginspect.attestations import SourceLines
from pyimginspect.sources.selection import LayerRef
from pyimginspect.sources.untrusted import items, mapping, text

__all__ = ["BuildFacts", "build_facts"]

# Larger than any real ones; only hostile input has more.
_MOST_STEPS = 5_000
_MOST_LINES = 1_000  # layers with lines of a Dockerfile
_MOST_OF_ONE = 200  # lines of one instruction
_LARGEST_DOCKERFILE = 1 << 20  # characters
# Where BuildKit puts what SLSA has no field for.
_EXTENSION = "https://mobyproject.org/buildkit@v1#metadata"
# "# syntax=docker/dockerfile:1" makes the frontend's image a material, too: no base.
_FRONTENDS = ("docker/dockerfile", "docker/dockerfile-upstream")
# containerd's label for the diff ID (labels.LabelUncompressed), here as an annotation.
_UNCOMPRESSED = "containerd.io/uncompressed"


class BuildFacts(Struct, frozen=True, kw_only=True):
    """What provenance says of a build, whichever its version; see
    :class:`~pyimginspect.attestations.Attestation`."""

    builder: str
    materials: list[Any]
    source: str
    revision: str
    dockerfile: str
    lines: tuple[SourceLines, ...]
    base_name: str
    base_digest: str
    base_layers: int | None
    contradictions: tuple[str, ...]


class _Parts(Struct, frozen=True, kw_only=True):
    """The parts of a predicate, at their places in either version."""

    builder: str
    materials: list[Any]
    config: dict[str, Any]
    arguments: dict[str, Any]
    steps: list[Any]
    metadata: dict[str, Any]


def build_facts(predicate: dict[str, Any], layers: tuple[LayerRef, ...]) -> BuildFacts:
    """Return what a predicate of SLSA says; ``layers`` are those of the image, lowest first."""
    parts = _second(predicate) if "buildDefinition" in predicate else _first(predicate)
    graph = _Graph(parts.steps)
    chains = mapping(parts.metadata.get("layers"))
    step = graph.base()
    name, digest = _base(parts, graph, step)
    count, contradictions = _base_layers(chains, step, layers, name)
    vcs = mapping(parts.metadata.get("vcs"))
    source = text(parts.config.get("uri")) or text(vcs.get("source"))
    digests = mapping(parts.config.get("digest")).values()
    revision = next(map(text, digests), "") or text(vcs.get("revision"))
    return BuildFacts(
        builder=parts.builder,
        materials=parts.materials,
        source=source,
        revision=revision,
        dockerfile=text(parts.config.get("path")) or text(parts.config.get("entryPoint")),
        lines=tuple(_lines(mapping(parts.metadata.get("source")), chains, layers)),
        base_name=name,
        base_digest=digest,
        base_layers=count,
        contradictions=contradictions,
    )


def _first(predicate: dict[str, Any]) -> _Parts:
    """Version 0.2."""
    invocation = mapping(predicate.get("invocation"))
    return _Parts(
        builder=text(mapping(predicate.get("builder")).get("id")),
        materials=items(predicate.get("materials")),
        config=mapping(invocation.get("configSource")),
        arguments=mapping(mapping(invocation.get("parameters")).get("args")),
        steps=items(mapping(predicate.get("buildConfig")).get("llbDefinition")),
        metadata=mapping(mapping(predicate.get("metadata")).get(_EXTENSION)),
    )


def _second(predicate: dict[str, Any]) -> _Parts:
    """Version 1, with the names that BuildKit had for some fields at first."""
    definition = mapping(predicate.get("buildDefinition"))
    external = mapping(definition.get("externalParameters"))
    internal = mapping(definition.get("internalParameters"))
    details = mapping(predicate.get("runDetails"))
    metadata = mapping(details.get("metadata"))
    request = mapping(external.get("request") or external.get("parameters"))
    config = mapping(internal.get("buildConfig") or external.get("buildConfig"))
    return _Parts(
        builder=text(mapping(details.get("builder")).get("id")),
        materials=items(definition.get("resolvedDependencies")),
        config=mapping(external.get("configSource")),
        arguments=mapping(request.get("args")),
        steps=items(config.get("llbDefinition")),
        metadata=mapping(metadata.get("buildkit_metadata") or metadata.get(_EXTENSION)),
    )


class _Graph:
    """The steps of a build, each with what it is made from."""

    def __init__(self, steps: list[Any]) -> None:
        self._steps = {text(step.get("id")): step for step in map(mapping, steps[:_MOST_STEPS])}
        # The last step has no operation and names the result (BuildKit, toBuildSteps). Of a
        # list that is cut off it is not known.
        self._last = text(mapping(steps[-1]).get("id")) if 0 < len(steps) <= _MOST_STEPS else ""

    def base(self) -> str:
        """Return the step that the last one's file system begins with, if it is an image."""
        name, output = self._last, 0
        seen: set[str] = set()
        while name not in seen:  # a circle leads nowhere
            seen.add(name)
            step = self._steps.get(name, {})
            operation = _operation(step)
            if "source" in operation:
                return name
            inputs = items(step.get("inputs"))
            below = _below(operation, output, len(inputs))
            if below is None or not 0 <= below < len(inputs):
                return ""
            # "step3:0": an input is an output of another step, by its number.
            name, _, number = text(inputs[below]).partition(":")
            output = int(number) if number.isdecimal() and len(number) < 6 else 0
        return ""

    def identifier(self, name: str) -> str:
        """Return where a step's source comes from (``docker-image://…``)."""
        operation = _operation(self._steps.get(name, {}))
        return text(mapping(operation.get("source")).get("identifier"))


def _below(operation: dict[str, Any], output: int, inputs: int) -> int | None:
    """Return which of a step's inputs is the file system that it changes (BuildKit, ops.proto)."""
    # A RUN is executed with its root file system as the mount at "/".
    if "exec" in operation:
        mounts = map(mapping, items(mapping(operation["exec"]).get("mounts"))[:1000])
        return next(
            (_number(each.get("input")) for each in mounts if each.get("dest") == "/"), None
        )
    if "file" in operation:
        actions = [mapping(each) for each in items(mapping(operation["file"]).get("actions"))]
        at = next((n for n, a in enumerate(actions) if _number(a.get("output")) == output), None)
        while at is not None and 0 <= at < len(actions):
            below = _number(actions[at].get("input"))
            if below < inputs:
                return below
            # Beyond the step's own inputs are the outputs of earlier actions.
            at = below - inputs if below - inputs < at else None
        return None
    # A step without an operation only passes its input on.
    return 0 if not operation else None


def _operation(step: dict[str, Any]) -> dict[str, Any]:
    outer = mapping(step.get("op"))
    # The oneof of pb.Op, which Go's encoding/json writes as a field called Op.
    return mapping(outer.get("Op") or outer.get("op"))


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _base(parts: _Parts, graph: _Graph, step: str) -> tuple[str, str]:
    """Return name and digest of the base: of the steps, or of the only image that went in."""
    identifier = graph.identifier(step)
    if identifier.startswith("docker-image://"):
        name, _, digest = identifier.removeprefix("docker-image://").partition("@")
        name = name.removeprefix("docker.io/").removeprefix("library/")
        return name, digest or _digest_of(parts.materials, name)
    if parts.steps:
        return "", ""  # the steps are there, and they begin with no image, or one too far to see
    frontend = text(parts.arguments.get("source")).partition("@")[0].rpartition(":")[0]
    images = dict(_images(parts.materials))
    others = [name for name in images if not _is_frontend(name, frontend)]
    return (others[0], images[others[0]]) if len(others) == 1 else ("", "")


def _is_frontend(name: str, frontend: str) -> bool:
    repository = name.rpartition(":")[0] or name
    return repository in _FRONTENDS or (frontend != "" and repository == frontend)


def _digest_of(materials: list[Any], name: str) -> str:
    return dict(_images(materials)).get(name, "")


def _images(materials: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield name and digest of the materials that are images (``pkg:docker/…``)."""
    for each in map(mapping, materials[:_MOST_STEPS]):
        uri = text(each.get("uri"))
        if not uri.startswith("pkg:docker/"):
            continue
        # A package URL: pkg:docker/NAME@VERSION?platform=…, or with the tag among its qualifiers.
        path, _, query = uri.removeprefix("pkg:docker/").partition("?")
        repository, at, tag = path.rpartition("@")
        name = unquote(repository if at else path)
        digests = mapping(each.get("digest"))
        digest = f"sha256:{text(digests.get('sha256'))}" if digests.get("sha256") else ""
        tag = unquote(tag) if at else dict(parse_qsl(query)).get("tag", "")
        # A version may be the digest itself where the image was named by it.
        yield f"{name}:{tag}" if tag and ":" not in tag else name, digest


def _base_layers(
    chains: dict[str, Any], step: str, layers: tuple[LayerRef, ...], name: str
) -> tuple[int | None, tuple[str, ...]]:
    """Return how many layers the base has by its step, and whether the image begins with them."""
    # Output 0 of the step: of each of its layer chains the lowest layer is first.
    chain = next((c for c in map(items, items(chains.get(f"{step}:0")))), []) if step else []
    if not chain:
        return None, ()
    named = name or "its base"
    if len(chain) > len(layers):
        return None, (f"{named} has {len(chain)} layers there, this image {len(layers)} in all",)
    for number, (each, layer) in enumerate(zip(map(mapping, chain), layers, strict=False)):
        if _differs(each, layer):
            return None, (f"layer {number} of {named} is another there than in this image",)
    return len(chain), ()


def _differs(descriptor: dict[str, Any], layer: LayerRef) -> bool:
    """Whether a layer is another one for certain: the same bytes may be compressed otherwise."""
    uncompressed = text(mapping(descriptor.get("annotations")).get(_UNCOMPRESSED))
    if uncompressed and layer.diff_id:
        return uncompressed != layer.diff_id
    same_form = _form(text(descriptor.get("mediaType"))) == _form(layer.media_type)
    digest = text(descriptor.get("digest"))
    return bool(digest and layer.digest and same_form and digest != layer.digest)


def _form(media_type: str) -> str:
    """Return how a layer is compressed, whoever names it."""
    # "tar.gzip" of Docker and "tar+gzip" of OCI are the same form.
    return media_type.rpartition(".")[2].rpartition("+")[2]


def _lines(
    source: dict[str, Any], chains: dict[str, Any], layers: tuple[LayerRef, ...]
) -> Iterator[SourceLines]:
    """Yield the lines of the Dockerfile that made each layer, by the step that made it."""
    locations = mapping(source.get("locations"))
    infos = list(map(mapping, items(source.get("infos"))[:100]))
    numbers: dict[str, int] = {ref.digest: n for n, ref in enumerate(layers) if ref.digest}
    # A diff ID counts more than a blob's digest, which another compression changes.
    numbers |= {ref.diff_id: n for n, ref in enumerate(layers) if ref.diff_id}
    made: dict[int, str] = {}
    for key, outputs in list(chains.items())[:_MOST_STEPS]:
        for chain in map(items, items(outputs)[:100]):
            top = mapping(chain[-1]) if chain else {}
            uncompressed = text(mapping(top.get("annotations")).get(_UNCOMPRESSED))
            number = numbers.get(uncompressed, numbers.get(text(top.get("digest"))))
            # The step made a layer that lies where this one does, not an equal one elsewhere.
            if number is not None and number == len(chain) - 1:
                made.setdefault(number, text(key).partition(":")[0])
    texts: dict[int, list[str]] = {}
    for number, step in sorted(made.items())[:_MOST_LINES]:
        for location in map(mapping, items(mapping(locations.get(step)).get("locations"))[:1]):
            index = _number(location.get("sourceIndex"))
            if not 0 <= index < len(infos):
                continue
            if index not in texts:
                texts[index] = _source_lines(infos[index])
            first, last = _range(location)
            if 0 < first <= last:
                shown = "\n".join(texts[index][first - 1 : min(last, first + _MOST_OF_ONE)])
                yield SourceLines(layer=number, first=first, last=last, text=shown[:2000])


def _range(location: dict[str, Any]) -> tuple[int, int]:
    ranges = [mapping(each) for each in items(location.get("ranges"))[:1000]]
    starts = [_number(mapping(each.get("start")).get("line")) for each in ranges]
    ends = [_number(mapping(each.get("end")).get("line")) for each in ranges]
    return min(starts, default=0), max(ends, default=0)


def _source_lines(info: dict[str, Any]) -> list[str]:
    data = info.get("data")
    if not isinstance(data, str) or len(data) > _LARGEST_DOCKERFILE:
        return []
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace").split("\n")
    except (binascii.Error, ValueError):
        return []
