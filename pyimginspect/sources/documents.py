"""Manifests, indexes and configurations: JSON that an image brought, as typed records.

Sources: OCI image specification v1.1 (descriptor.md, image-index.md, manifest.md, config.md);
Docker image specification v1.2 for ``manifest.json`` of ``docker save``.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from pyimginspect.decoding import from_json
from pyimginspect.errors import ArtifactError, ManifestError, UnsupportedError
from pyimginspect.model import History, ImageConfig, Platform, decode_json, parse_digest

__all__ = [
    "REFERENCE_TYPE",
    "Descriptor",
    "DockerImage",
    "Manifest",
    "check_config_type",
    "check_layer_type",
    "parse_config",
    "parse_docker_manifest",
    "parse_document",
]

_T = TypeVar("_T")

# OCI image specification, annotations.md; containerd has the whole name beside it.
_REF_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"
# BuildKit, docs/attestations/attestation-storage.md.
REFERENCE_TYPE = "vnd.docker.reference.type"


# Fields may be null as well as missing: Go writes an empty slice or map so, without omitempty.
class _Platform(Struct):
    os: str = ""
    architecture: str = ""
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")


class Descriptor(Struct, frozen=True, rename="camel"):
    """A pointer to a blob (descriptor.md)."""

    digest: str
    size: int = -1
    media_type: str = ""
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None
    artifact_type: str | None = None
    data: str | None = None
    urls: list[str] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names that annotations give the image behind the descriptor."""
        notes = self.annotations or {}
        return tuple(notes[key] for key in (_CONTAINERD_NAME, _REF_NAME) if notes.get(key))

    @property
    def is_attestation(self) -> bool:
        """Whether this is no image, but something said about one (BuildKit's attestations)."""
        if self.artifact_type or REFERENCE_TYPE in (self.annotations or {}):
            return True
        # BuildKit gives attestations the platform unknown/unknown, so that no runtime chooses them.
        return self.platform is not None and self.platform.os == "unknown"

    def on(self) -> Platform | None:
        """Return the platform that the descriptor names, if it names one."""
        if self.platform is None or not self.platform.os:
            return None
        return Platform(
            os=self.platform.os,
            architecture=self.platform.architecture,
            variant=self.platform.variant or "",
            os_version=self.platform.os_version or "",
        )


class Manifest(Struct, frozen=True, rename="camel"):
    """An image manifest or an image index, whichever its fields make it."""

    schema_version: int = 0
    media_type: str = ""
    artifact_type: str | None = None
    manifests: list[Descriptor] | None = None
    config: Descriptor | None = None
    layers: list[Descriptor] | None = None
    annotations: dict[str, str] | None = None
    subject: Descriptor | None = None


class DockerImage(Struct, frozen=True, rename="pascal"):
    """One image of ``docker save``'s ``manifest.json``; all names are members of the archive."""

    config: str
    layers: list[str] | None = None
    repo_tags: list[str] | None = None
    # moby, image/tarexport/tarexport.go, manifestItem.
    layer_sources: dict[str, Descriptor] | None = None  # of foreign layers, by diff ID

    @property
    def tags(self) -> tuple[str, ...]:
        """The names of the image."""
        return tuple(self.repo_tags or ())

    @property
    def members(self) -> tuple[str, ...]:
        """The members of the archive that the image is made of, the configuration first."""
        return (self.config, *(self.layers or ()))


class _RootFS(Struct):
    diff_ids: list[str] | None = None


class _History(Struct):
    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None

    def typed(self) -> History:
        """Return the step with everything that it leaves out."""
        return History(
            created=self.created,
            created_by=self.created_by or "",
            author=self.author or "",
            comment=self.comment or "",
            empty_layer=bool(self.empty_layer),
        )


class _HealthCheck(Struct, rename="pascal"):
    test: list[str] | None = None


# Shell and Healthcheck are of Docker's specification; OCI's config.md gives them no meaning.
class _Settings(Struct, rename="pascal"):
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    shell: list[str] | None = None
    user: str | None = None
    working_dir: str | None = None
    volumes: dict[str, Any] | None = None
    labels: dict[str, str] | None = None
    healthcheck: _HealthCheck | None = None

    def health_command(self) -> tuple[str, ...]:
        """Return what the health check executes; nothing where it is disabled (``NONE``)."""
        how, *words = (self.healthcheck and self.healthcheck.test) or ("NONE",)
        if how == "CMD-SHELL":
            # The shell is the image's own, as for RUN: moby, daemon/health.go, getShell.
            return (*(self.shell or ("/bin/sh", "-c")), *words[:1]) if words else ()
        return tuple(words) if how == "CMD" else ()


class _Config(Struct):
    os: str | None = None
    architecture: str | None = None
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")
    created: str | None = None
    config: _Settings | None = None
    rootfs: _RootFS | None = None
    history: list[_History] | None = None

    def on(self) -> Platform:
        """Return the platform; Linux on AMD64 where none is named, as in the first images."""
        return Platform(
            os=self.os or "linux",
            architecture=self.architecture or "amd64",
            variant=self.variant or "",
            os_version=self.os_version or "",
        )


def _decode(data: bytes, kind: Any, what: str) -> Any:
    decode_json(data, what)  # says it in one way where it is no JSON at all
    try:
        return from_json(data, kind)
    except msgspec.ValidationError as exc:
        raise ManifestError(f"{what} is not as specified: {exc}") from exc


def parse_document(data: bytes, what: str) -> Manifest:
    """Read an image manifest or an image index; schema 1 is refused as unsupported."""
    document: Manifest = _decode(data, Manifest, what)
    # It has neither a configuration nor diff IDs: the history of each layer is JSON within JSON.
    if document.schema_version == 1:
        raise UnsupportedError(
            f"{what} is of Docker's schema 1", hint="push the image again with a current client"
        )
    return document


def parse_docker_manifest(data: bytes, what: str) -> list[DockerImage]:
    """Read ``manifest.json`` of a ``docker save`` archive."""
    # The same file name, but docker save's is an array of images.
    if isinstance(decode_json(data, what), dict):
        raise UnsupportedError(
            f"{what} is that of a directory as skopeo's dir: makes it, which is not read",
            hint="skopeo copy dir:PATH oci:LAYOUT",
        )
    images: list[DockerImage] | None = _decode(data, list[DockerImage] | None, what)
    if not images:
        raise ManifestError(f"{what} lists no image")
    return images


def parse_config(data: bytes, what: str) -> ImageConfig:
    """Read an image configuration (config.md)."""
    raw: _Config = _decode(data, _Config, what)
    settings = raw.config or _Settings()
    diff_ids = (raw.rootfs.diff_ids if raw.rootfs is not None else None) or []
    return ImageConfig(
        platform=raw.on(),
        created=raw.created,
        env=tuple(settings.env or ()),
        entrypoint=tuple(settings.entrypoint or ()),
        cmd=tuple(settings.cmd or ()),
        shell=tuple(settings.shell or ()),
        user=settings.user or "",
        working_dir=settings.working_dir or "",
        healthcheck=settings.health_command(),
        volumes=tuple(settings.volumes or ()),
        labels=settings.labels or {},
        diff_ids=tuple(map(parse_digest, diff_ids)),
        history=tuple(step.typed() for step in raw.history or ()),
    )


def check_config_type(media_type: str) -> None:
    """Raise :class:`ArtifactError` for an artifact that is no image, such as a Helm chart."""
    known = ("image.config", "container.image", "octet-stream")  # the last by Docker 1.9
    if media_type and not any(word in media_type for word in known):
        raise ArtifactError(f"this is no image, but an artifact of type {media_type}")


def check_layer_type(media_type: str) -> None:
    """Raise :class:`UnsupportedError` for a layer that is no tar archive, or an encrypted one.

    :class:`ArtifactError` where it is a document: signatures (cosign) and attestations have
    those beside an image's configuration.
    """
    if media_type.endswith("json") or media_type.startswith("text/"):
        raise ArtifactError(f"this is no image, but an artifact of type {media_type}")
    # ocicrypt appends "+encrypted" to the usual type.
    if "encrypted" in media_type:
        raise UnsupportedError("the layer is encrypted", hint="decrypt the image first")
    if "erofs" in media_type or "squashfs" in media_type:
        raise UnsupportedError(f"layers of type {media_type} are not read")
