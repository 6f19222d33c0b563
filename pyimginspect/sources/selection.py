"""Which image is meant, out of what an archive, a layout or a registry holds."""

from __future__ import annotations

import base64
import binascii
import platform as host
from typing import NamedTuple, Protocol, TypeVar

from msgspec import Struct

from pyimginspect.errors import ImageNotFoundError, ManifestError, PlatformError
from pyimginspect.model import Digest, ImageConfig, Platform, parse_digest
from pyimginspect.sources.documents import (
    Descriptor,
    DockerImage,
    Manifest,
    check_layer_type,
    parse_config,
    parse_docker_manifest,
    parse_document,
)

__all__ = ["LayerRef", "Selection", "Store", "host_platform", "select_docker", "select_oci"]

_T = TypeVar("_T")

_MAX_DEPTH = 4
_MAX_MANIFESTS = 1000
_MAX_LAYERS = 1000


class Store(Protocol):
    """Where documents are read from, by the name that each kind of source gives them."""

    def document(self, name: str) -> bytes | None:
        """Return a small document, or ``None`` where there is none of that name."""

    def blob_document(self, digest: Digest) -> bytes | None:
        """Return a small blob by its digest, or ``None`` where it is absent."""


class LayerRef(Struct, frozen=True, kw_only=True):
    """A layer as a manifest names it: by ``name`` in a Docker archive, by ``digest`` in OCI."""

    name: str = ""
    digest: Digest | None = None
    diff_id: Digest | None = None
    media_type: str = ""
    size: int | None = None
    foreign: bool = False


class Selection(Struct, frozen=True, kw_only=True):
    """The image that was chosen: its configuration and where its layers are."""

    config: ImageConfig
    layers: tuple[LayerRef, ...]
    names: tuple[str, ...] = ()
    digest: Digest | None = None
    config_digest: Digest | None = None
    annotations: dict[str, str] = {}


class _Candidate(NamedTuple):
    descriptor: Descriptor
    names: tuple[str, ...]
    top: str  # digest of the descriptor, in the outermost index, that leads here


def host_platform() -> Platform:
    """Return the platform of images that this machine would run."""
    machine = host.machine().lower()
    known = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    return Platform(os="linux", architecture=known.get(machine, machine or "amd64"))


def _same_name(wanted: str, name: str) -> bool:
    """Whether ``wanted`` means the image called ``name`` (familiar names, or the tag alone)."""

    def full(text: str) -> str:
        text = text.removeprefix("docker.io/").removeprefix("library/")
        return text if ":" in text.rpartition("/")[2] or "@" in text else f"{text}:latest"

    return wanted == name or full(wanted) == full(name) or name.endswith(f":{wanted}")


def select_docker(data: bytes, store: Store, name: str | None) -> Selection:
    """Choose an image of a ``docker save`` archive by tag; ``data`` is its ``manifest.json``.

    Raises :class:`ImageNotFoundError`, listing what there is, where there are several and no
    tag is given, or none has it.
    """
    images = parse_docker_manifest(data, "manifest.json")
    chosen = images
    if name is not None:
        chosen = [i for i in images if any(_same_name(name, tag) for tag in i.repo_tags or ())]
    if len({(i.config, tuple(i.layers or ())) for i in chosen}) != 1:
        raise _not_one(name, [tag for i in images for tag in i.repo_tags or ["(no tag)"]])
    image = chosen[0]
    config = store.document(image.config)
    if config is None:
        raise ManifestError(f"the configuration '{image.config}' is absent")
    parsed = parse_config(config, "the configuration")
    layers = [
        LayerRef(name=layer, diff_id=diff_id)
        for layer, diff_id in _paired(image.layers or [], parsed)
    ]
    return Selection(
        config=parsed,
        layers=tuple(layers),
        names=tuple(tag for i in chosen for tag in i.repo_tags or ()),
        config_digest=_docker_id(image),
    )


def _docker_id(image: DockerImage) -> Digest | None:
    name = image.config.rpartition("/")[2].removesuffix(".json").removeprefix("sha256:")
    try:
        return parse_digest(f"sha256:{name}")
    except ManifestError:
        return None


def _not_one(wanted: str | None, there: list[str]) -> ImageNotFoundError:
    listed = ", ".join(dict.fromkeys(there)) or "images without a name"
    if wanted is None:
        return ImageNotFoundError(
            f"there are several images: {listed}", hint="name one as PATH:TAG"
        )
    return ImageNotFoundError(f"no image '{wanted}'; there are: {listed}")


def _paired(layers: list[_T], config: ImageConfig) -> list[tuple[_T, Digest]]:
    if len(layers) != len(config.diff_ids):
        raise ManifestError(
            f"the manifest names {len(layers)} layers, its configuration {len(config.diff_ids)}"
        )
    if len(layers) > _MAX_LAYERS:
        raise ManifestError(f"more than {_MAX_LAYERS} layers")
    return list(zip(layers, config.diff_ids, strict=True))


def select_oci(
    data: bytes, store: Store, *, name: str | None, platform: Platform | None
) -> Selection | None:
    """Choose an image of an OCI layout or a registry; ``data`` is an index or a manifest.

    Nested indexes are followed, attestations skipped. Without ``platform``, of several the one
    that this machine would run is taken. Returns ``None`` where the index lists no image.
    Raises :class:`ImageNotFoundError` or :class:`PlatformError`, listing what there is.
    """
    document = parse_document(data, "the index")
    if document.config is not None:
        return _from_manifest(document, None, (), store)
    candidates = _expand(document, store)
    if not candidates:
        return None
    chosen = candidates
    if name is not None:
        chosen = [
            c
            for c in candidates
            if c.top == name or any(_same_name(name, there) for there in c.names)
        ]
    # One image may have several names, and one name may stand for several platforms.
    if not chosen or (len({c.top for c in chosen}) > 1 and len({c.names for c in chosen}) > 1):
        raise _not_one(name, [c.names[0] if c.names else c.top for c in candidates])
    return _by_platform(chosen, store, platform)


def _expand(document: Manifest, store: Store) -> list[_Candidate]:
    """List the image manifests below an index."""
    found: list[_Candidate] = []
    todo = [(d, d.names, d.digest, 0) for d in reversed(document.manifests or [])]
    while todo:
        descriptor, names, top, depth = todo.pop()
        if descriptor.is_attestation:
            continue
        if depth > _MAX_DEPTH or len(found) > _MAX_MANIFESTS:
            raise ManifestError("the image index is nested too deeply, or too long")
        nested = _nested(descriptor, store)
        if nested is None:
            found.append(_Candidate(descriptor, names, top))
            continue
        todo.extend((d, names or d.names, top, depth + 1) for d in reversed(nested.manifests or []))
    return found


def _nested(descriptor: Descriptor, store: Store) -> Manifest | None:
    kind = descriptor.media_type
    if kind and "index" not in kind and "list" not in kind:
        return None
    data = store.blob_document(parse_digest(descriptor.digest))
    if data is None:
        return None
    document = parse_document(data, f"the document {descriptor.digest[:19]}")
    return document if document.manifests is not None else None


def _by_platform(
    candidates: list[_Candidate], store: Store, platform: Platform | None
) -> Selection:
    named = [(c, c.descriptor.on()) for c in candidates]
    wanted = platform
    if wanted is None and len({c.descriptor.digest for c in candidates}) > 1:
        wanted = host_platform()
    chosen = [c for c, on in named if wanted is None or on is None or wanted.accepts(on)]
    if not chosen:
        raise _no_platform(wanted, [str(on) for _, on in named if on is not None])
    names = tuple(dict.fromkeys(name for c in candidates for name in c.names))
    candidate = chosen[0]
    digest = parse_digest(candidate.descriptor.digest)
    data = store.blob_document(digest)
    if data is None:
        raise ManifestError(f"the manifest {digest[:19]} is absent")
    selection = _from_manifest(parse_document(data, "the manifest"), digest, names, store)
    if platform is not None and not platform.accepts(selection.config.platform):
        raise _no_platform(platform, [str(selection.config.platform)])
    return selection


def _no_platform(wanted: Platform | None, there: list[str]) -> PlatformError:
    listed = ", ".join(sorted(set(there))) or "none"
    return PlatformError(
        f"no image for {wanted}; there are: {listed}", hint="choose one with --platform"
    )


def _from_manifest(
    manifest: Manifest, digest: Digest | None, names: tuple[str, ...], store: Store
) -> Selection:
    if manifest.config is None:
        raise ManifestError("the manifest names no configuration")
    config_digest = parse_digest(manifest.config.digest)
    data = _inline(manifest.config) or store.blob_document(config_digest)
    if data is None:
        raise ManifestError(f"the configuration {config_digest[:19]} is absent")
    config = parse_config(data, "the configuration")
    layers = []
    for descriptor, diff_id in _paired(manifest.layers or [], config):
        check_layer_type(descriptor.media_type)
        layers.append(
            LayerRef(
                digest=parse_digest(descriptor.digest),
                diff_id=diff_id,
                media_type=descriptor.media_type,
                size=descriptor.size if descriptor.size >= 0 else None,
                foreign="foreign" in descriptor.media_type
                or "nondistributable" in descriptor.media_type,
            )
        )
    return Selection(
        config=config,
        layers=tuple(layers),
        names=names,
        digest=digest,
        config_digest=config_digest,
        annotations=manifest.annotations or {},
    )


def _inline(descriptor: Descriptor) -> bytes | None:
    """Return the content that a descriptor carries itself (descriptor.md, "data")."""
    if descriptor.data is None:
        return None
    try:
        return base64.b64decode(descriptor.data, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ManifestError("a descriptor's data is not base64") from exc
