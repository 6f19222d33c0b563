"""Which image is meant, out of what an archive, a layout or a registry holds."""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Struct

from pyimginspect.errors import DigestMismatchError, ImageNotFoundError, ManifestError
from pyimginspect.layers.digests import algorithm, check_algorithm, digest_of
from pyimginspect.layers.toc.annotations import toc_reference
from pyimginspect.model import Digest, ImageConfig, Platform, parse_digest
from pyimginspect.sources.documents import (
    Descriptor,
    DockerImage,
    Manifest,
    check_config_type,
    check_layer_type,
    parse_config,
    parse_docker_manifest,
    parse_document,
)
from pyimginspect.sources.layer_refs import LayerRef
from pyimginspect.sources.near_names import near_tag
from pyimginspect.sources.platforms import host_platform, no_platform

__all__ = [
    "LayerRef",
    "Selection",
    "Store",
    "check_document",
    "check_platform",
    "platforms_of",
    "select_docker",
    "select_oci",
]

_T = TypeVar("_T")

# An OCI layout of a multi-platform image nests two: index.json, then the image's own index.
_MAX_DEPTH = 4
_MAX_MANIFESTS = 1000
# Engines mount fewer: moby's layer store takes 125 (maxLayerDepth).
_MAX_LAYERS = 1000


class Store(Protocol):
    """Where documents are read from, by the name that each kind of source gives them."""

    def document(self, name: str) -> bytes | None:
        """Return a small document, or ``None`` where there is none of that name."""

    def blob_document(self, digest: Digest, *, manifest: bool = False) -> bytes | None:
        """Return a small blob by its digest, or ``None`` where it is absent.

        Registries keep each ``manifest`` (an index is one too) apart from other blobs.
        """


class Selection(Struct, frozen=True, kw_only=True):
    """The image that was chosen: its configuration and where its layers are.

    ``attached`` are what its index lists beside images: attestations, and other artifacts.
    """

    config: ImageConfig
    layers: tuple[LayerRef, ...]
    names: tuple[str, ...] = ()
    digest: Digest | None = None
    config_digest: Digest | None = None
    annotations: dict[str, str] = {}
    attached: tuple[Descriptor, ...] = ()


class _Candidate(NamedTuple):
    descriptor: Descriptor
    names: tuple[str, ...]
    top: str  # digest of the descriptor, in the outermost index, that leads here


def _same_name(wanted: str, name: str) -> bool:
    """Whether ``wanted`` means the image called ``name`` (familiar names, or the tag alone)."""

    def full(text: str) -> str:
        text = text.removeprefix("docker.io/").removeprefix("library/")
        return text if ":" in text.rpartition("/")[2] or "@" in text else f"{text}:latest"

    # The tag alone will do on either side: OCI's annotation ref.name often is no more than that.
    return wanted == name or full(wanted) == full(name) or name.endswith(f":{wanted}")


def select_docker(data: bytes, store: Store, name: str | None, *, verify: bool) -> Selection:
    """Choose an image of a ``docker save`` archive by tag; ``data`` is its ``manifest.json``.

    ``verify`` holds the configuration against the digest that is its name. Raises
    :class:`ImageNotFoundError`, listing what there is, where there are several and no tag is
    given, or none has it.
    """
    chosen = _called(parse_docker_manifest(data, "manifest.json"), name)
    image = chosen[0]
    config = store.document(image.config)
    if config is None:
        raise ManifestError(f"the configuration '{image.config}' is absent")
    claimed = _digest_in_name(image.config)
    if verify and claimed is not None:
        check_document(config, claimed, "the configuration")
    parsed = parse_config(config, "the configuration")
    foreign = image.layer_sources or {}
    layers = _paired(image.layers or [], parsed)
    return Selection(
        config=parsed,
        layers=tuple(
            LayerRef(name=layer, diff_id=diff_id, foreign=diff_id in foreign)
            for layer, diff_id in layers
        ),
        names=tuple(tag for i in chosen for tag in i.tags),
        config_digest=digest_of(config, algorithm(claimed) if claimed is not None else "sha256"),
    )


def _called(images: list[DockerImage], name: str | None) -> list[DockerImage]:
    """Return the entries of the one image that is called ``name``, or of the only one."""
    chosen = images
    if name is not None:
        chosen = [i for i in images if any(_same_name(name, tag) for tag in i.tags)]
    # An archive may list an image once for each of its tags.
    if len({i.members for i in chosen}) != 1:
        raise _not_one(name, [tag for i in images for tag in i.tags or ("(no tag)",)])
    return chosen


def _digest_in_name(member: str) -> Digest | None:
    # DIGEST.json of docker save, sha256:DIGEST of kaniko, blobs/sha256/DIGEST of Docker 25.
    name = member.rpartition("/")[2].removesuffix(".json").rpartition(":")[2]
    try:
        return parse_digest(f"{'sha512' if len(name) == 128 else 'sha256'}:{name}")
    except ManifestError:
        return None


def check_document(data: bytes, digest: Digest, what: str) -> None:
    """Raise :class:`DigestMismatchError` unless ``digest`` is that of ``data``.

    Raises :class:`UnsupportedError` for a digest of an algorithm that is not known.
    """
    computed = digest_of(data, check_algorithm(digest))
    if computed != digest:
        raise DigestMismatchError(f"{what} is {computed[:19]}…, not {digest[:19]}…")


def _content(
    descriptor: Descriptor, store: Store, what: str, *, manifest: bool = False
) -> bytes | None:
    """Return what a descriptor points to, checked against its digest; ``None`` where absent.

    A descriptor may carry the content itself (descriptor.md, "data").
    """
    digest = parse_digest(descriptor.digest)
    if descriptor.data is not None:
        try:
            data: bytes | None = base64.b64decode(descriptor.data, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise ManifestError(f"the data of {what}'s descriptor is not base64") from exc
    else:
        data = store.blob_document(digest, manifest=manifest)
    if data is not None:
        check_document(data, digest, what)
    return data


def _not_one(wanted: str | None, there: list[str]) -> ImageNotFoundError:
    listed = ", ".join(dict.fromkeys(there)) or "images without a name"
    if wanted is None:
        return ImageNotFoundError(
            f"there are several images: {listed}", hint="name one as PATH:TAG"
        )
    return ImageNotFoundError(
        f"no image '{wanted}'; there are: {listed}", hint=near_tag(wanted, there) or None
    )


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
        selection = _from_manifest(document, None, (), store)
        check_platform(selection, platform)
        return selection
    candidates, attached = _expand(document, store)
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
    selection = _by_platform(chosen, store, platform)
    return msgspec.structs.replace(selection, attached=attached)


def platforms_of(data: bytes, store: Store) -> tuple[str, ...]:
    """Return the platforms that an index has images for; none where it says none, or is none.

    Versions of Windows, which cannot be asked for, are left out.
    """
    document = parse_document(data, "the index")
    found = [each.descriptor.on() for each in _expand(document, store)[0]]
    plain = [msgspec.structs.replace(each, os_version="") for each in found if each is not None]
    return tuple(dict.fromkeys(map(str, plain)))


def _expand(document: Manifest, store: Store) -> tuple[list[_Candidate], tuple[Descriptor, ...]]:
    """List the image manifests below an index, and what is listed beside them."""
    found: list[_Candidate] = []
    attached: list[Descriptor] = []
    # A stack, so reversed: manifests are found in the order in which they are listed.
    todo = [(d, d.names, d.digest, 0) for d in reversed(document.manifests or [])]
    while todo:
        descriptor, names, top, depth = todo.pop()
        if descriptor.is_attestation:
            attached.append(descriptor)
            continue
        if depth > _MAX_DEPTH or len(found) > _MAX_MANIFESTS:
            raise ManifestError("the image index is nested too deeply, or too long")
        nested = _nested(descriptor, store)
        if nested is None:
            found.append(_Candidate(descriptor, names, top))
            continue
        todo.extend((d, names or d.names, top, depth + 1) for d in reversed(nested.manifests or []))
    return found, tuple(attached[:_MAX_MANIFESTS])


def _nested(descriptor: Descriptor, store: Store) -> Manifest | None:
    kind = descriptor.media_type
    # Docker's "manifest.list.v2" is what OCI calls an index. Without a media type the document
    # itself has to tell.
    if kind and "index" not in kind and "list" not in kind:
        return None
    what = f"the document {descriptor.digest[:19]}"
    data = _content(descriptor, store, what, manifest=True)
    if data is None:
        return None
    document = parse_document(data, what)
    return document if document.manifests is not None else None


def _by_platform(
    candidates: list[_Candidate], store: Store, platform: Platform | None
) -> Selection:
    chosen, data = _chosen(candidates, store, platform)
    digest = parse_digest(chosen.descriptor.digest)
    if data is None:
        raise ManifestError(f"the manifest {digest[:19]} is absent")
    names = tuple(dict.fromkeys(name for c in candidates for name in c.names))
    selection = _from_manifest(parse_document(data, "the manifest"), digest, names, store)
    check_platform(selection, platform)
    return selection


def _chosen(
    candidates: list[_Candidate], store: Store, platform: Platform | None
) -> tuple[_Candidate, bytes | None]:
    """Return the first candidate for a platform, and its manifest where that is there.

    Without ``platform``, of several the one that this machine would run is taken, or the only one
    whose manifest is there.
    """
    named = [(c, c.descriptor.on()) for c in candidates]
    wanted = platform
    if wanted is None and len({c.descriptor.digest for c in candidates}) > 1:
        wanted = host_platform()
    chosen = [c for c, on in named if wanted is None or on is None or wanted.accepts(on)]
    data = _manifest(chosen[0], store) if chosen else None
    # docker save of one platform keeps the index of all, without the others' blobs.
    if data is None and platform is None:
        chosen, data = _only_one_there(candidates, store)
    if not chosen:
        raise no_platform(wanted, [str(on) for _, on in named if on is not None])
    return chosen[0], data


def _manifest(candidate: _Candidate, store: Store) -> bytes | None:
    return _content(candidate.descriptor, store, "the manifest", manifest=True)


def _only_one_there(
    candidates: list[_Candidate], store: Store
) -> tuple[list[_Candidate], bytes | None]:
    """Find the one image whose manifest is there: a containerd store lists those it lacks too."""
    there: dict[str, tuple[_Candidate, bytes]] = {}
    for candidate in candidates:
        data = _manifest(candidate, store)
        if data is not None:
            there[candidate.descriptor.digest] = candidate, data
        if len(there) > 1:
            return [], None
    for candidate, data in there.values():
        return [candidate], data
    return candidates[:1], None


def check_platform(selection: Selection, platform: Platform | None) -> None:
    """Raise :class:`PlatformError` where the image chosen is not for ``platform``."""
    if platform is not None and not platform.accepts(selection.config.platform):
        raise no_platform(platform, [str(selection.config.platform)])


def _from_manifest(
    manifest: Manifest, digest: Digest | None, names: tuple[str, ...], store: Store
) -> Selection:
    if manifest.config is None:
        raise ManifestError("the manifest names no configuration")
    check_config_type(manifest.config.media_type)
    data = _content(manifest.config, store, "the configuration")
    if data is None:
        raise ManifestError(f"the configuration {manifest.config.digest[:19]} is absent")
    config = parse_config(data, "the configuration")
    return Selection(
        config=config,
        layers=tuple(_layer_ref(d, i) for d, i in _paired(manifest.layers or [], config)),
        names=names,
        digest=digest,
        config_digest=parse_digest(manifest.config.digest),
        annotations=manifest.annotations or {},
    )


def _layer_ref(descriptor: Descriptor, diff_id: Digest) -> LayerRef:
    kind = descriptor.media_type
    check_layer_type(kind)
    return LayerRef(
        digest=parse_digest(descriptor.digest),
        diff_id=diff_id,
        media_type=kind,
        size=descriptor.size if descriptor.size >= 0 else None,
        # Docker's "rootfs.foreign.diff", OCI's "layer.nondistributable": of Windows' base images.
        foreign="foreign" in kind or "nondistributable" in kind,
        toc=toc_reference(descriptor.annotations or {}),
    )
