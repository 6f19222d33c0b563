"""Container images built in memory: write down a tree, get the bytes that a real tool would store.

    base = layer({"etc/os-release": "ID=debian\\n", "bin/sh": Link("dash")})
    top = layer({"etc/.wh.os-release": "", "app/": None, "app/run": File("x", mode=0o755)})
    app = image([base, top], env=["PATH=/usr/local/bin:/usr/bin"], tag="acme/api:1.4")
    docker_archive(app), docker25_archive(app), oci_archive(app, compression="zstd")  # bytes
    oci_layout(app, tmp_path / "oci")                                                  # a directory

Everything is deterministic: same arguments, same bytes. Compiled files, package databases and whole
Python installations to put into a tree come from `tests.elf` and `tests.trees`.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.elf import elf
from tests.tars import (
    Compression,
    Content,
    Device,
    Directory,
    Fifo,
    File,
    HardLink,
    Link,
    Tree,
    compress,
    layer,
    names,
    tar,
)
from tests.trees import (
    BASE_PACKAGES,
    Package,
    debian_base,
    debian_python,
    debian_python_packages,
    dist_info,
    dpkg_status,
    official_env,
    official_python,
)

__all__ = [
    "BASE_PACKAGES",
    "Compression",
    "Content",
    "Device",
    "Directory",
    "Fifo",
    "File",
    "HardLink",
    "Image",
    "Index",
    "Link",
    "Package",
    "Tree",
    "compress",
    "debian_base",
    "debian_python",
    "debian_python_packages",
    "digest",
    "dist_info",
    "docker25_archive",
    "docker_archive",
    "dpkg_status",
    "elf",
    "image",
    "kaniko_archive",
    "layer",
    "names",
    "oci_archive",
    "oci_files",
    "oci_layout",
    "official_env",
    "official_python",
    "tar",
]

CREATED = "2023-11-14T22:13:20Z"


# --- images ---------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Image:
    """An image before any tool has packed it: its layers' tars and its config document."""

    layers: tuple[bytes, ...]
    config: Mapping[str, Any]
    tags: tuple[str, ...] = ()

    @property
    def diff_ids(self) -> tuple[str, ...]:
        return tuple(self.config["rootfs"]["diff_ids"])

    @property
    def config_bytes(self) -> bytes:
        return _json(self.config)

    @property
    def config_digest(self) -> str:
        return digest(self.config_bytes)

    @property
    def platform(self) -> dict[str, str]:
        keys = ("architecture", "os", "variant")
        return {key: self.config[key] for key in keys if key in self.config}

    def with_config(self, **changes: Any) -> "Image":
        """The same image with top-level keys of its config replaced (`None` removes one)."""
        merged = {**self.config, **changes}
        return replace(self, config={k: v for k, v in merged.items() if v is not None})


@dataclass(frozen=True, kw_only=True)
class Index:
    """One tag, several platforms, as `docker buildx` pushes it.

    `attestations` adds an `unknown/unknown` manifest for each image; `absent` names platforms whose
    descriptors are there and whose blobs are not, as in exports of a containerd store.
    """

    images: tuple[Image, ...]
    tag: str = "app:1"
    attestations: bool = True
    absent: tuple[str, ...] = ()


@lru_cache(64)
def digest(data: bytes) -> str:
    """`sha256:` and the hexadecimal hash of `data`: each layer's is asked for several times."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


_METADATA_ONLY = re.compile(
    r"(ARG|CMD|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER"
    r"|VOLUME)\s"
)


def image(
    layers: Sequence[bytes | Mapping[str, Content]],
    *,
    history: Sequence[str | Mapping[str, Any]] | None = None,
    env: Sequence[str] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",),
    entrypoint: Sequence[str] | None = None,
    cmd: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    user: str = "",
    workdir: str = "",
    platform: str = "linux/amd64",
    tag: str | Sequence[str] | None = "app:1",
    config: Mapping[str, Any] | None = None,
) -> Image:
    """An image of these layers, lowest first; a mapping is packed by `layer`.

    `history` has one line for each instruction, oldest first; a line that begins with an
    instruction that makes no layer (`ENV PATH=…`) is marked as such, anything else can be said with
    a mapping.
    Without `history` every layer gets a `RUN` line of its own; `history=()` leaves the key out.
    `config` replaces top-level keys of the config document.
    """
    blobs = tuple(blob if isinstance(blob, bytes) else layer(blob) for blob in layers)
    lines = [f"RUN layer {n}" for n in range(len(blobs))] if history is None else history
    os, architecture, *variant = platform.split("/")
    runtime: dict[str, Any] = {"Env": list(env)}
    optional = {
        "Entrypoint": entrypoint,
        "Cmd": cmd,
        "Labels": labels,
        "User": user,
        "WorkingDir": workdir,
    }
    runtime.update({key: value for key, value in optional.items() if value})
    document: dict[str, Any] = {
        "architecture": architecture,
        "os": os,
        **({"variant": variant[0]} if variant else {}),
        "created": CREATED,
        "config": runtime,
        "rootfs": {"type": "layers", "diff_ids": [digest(blob) for blob in blobs]},
        "history": [_history(line) for line in lines],
    }
    if not document["history"]:
        del document["history"]
    tags = (tag,) if isinstance(tag, str) else tuple(tag or ())
    return Image(layers=blobs, config={**document, **(config or {})}, tags=tags)


def _history(line: str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(line, str):
        return {"created": CREATED, **line}
    empty = _METADATA_ONLY.match(line)
    return {"created": CREATED, "created_by": line, **({"empty_layer": True} if empty else {})}


# --- docker save ----------------------------------------------------------------------------------
def docker_archive(*images: Image, manifest_first: bool = False) -> bytes:
    """What `docker save` wrote up to version 24: a folder for each layer, the manifest last.

    As there, the second occurrence of a layer's content is a symbolic link to the first.
    """
    files: dict[str, Content] = {}
    paths: dict[bytes, str] = {}
    manifest: list[dict[str, Any]] = []
    repositories: dict[str, dict[str, str]] = {}
    for one in images:
        parent, layer_paths = "", []
        for blob in one.layers:
            parent = hashlib.sha256(f"{parent} {digest(blob)}".encode()).hexdigest()
            path = f"{parent}/layer.tar"
            layer_paths.append(path)
            if path in files:
                continue
            files[f"{parent}/"] = None
            files[f"{parent}/VERSION"] = "1.0"
            files[f"{parent}/json"] = _json({"id": parent})
            files[path] = Link(f"../{paths[blob]}") if blob in paths else File(blob)
            paths.setdefault(blob, path)
        config_path = one.config_digest.removeprefix("sha256:") + ".json"
        files[config_path] = one.config_bytes
        manifest.append(
            {"Config": config_path, "RepoTags": list(one.tags) or None, "Layers": layer_paths}
        )
        for tag in one.tags:
            name, _, version = tag.rpartition(":")
            repositories.setdefault(name, {})[version] = parent
    ends: dict[str, Content] = {
        "manifest.json": _json(manifest),
        "repositories": _json(repositories),
    }
    return tar({**ends, **files} if manifest_first else {**files, **ends})


def docker25_archive(*images: Image) -> bytes:
    """What `docker save` writes since version 25: an OCI layout that has a `manifest.json` too."""
    files: dict[str, Content] = dict(oci_files(images, compression=None))
    files["manifest.json"] = _json(
        [
            {
                "Config": _blob_path(one.config_digest),
                "RepoTags": list(one.tags) or None,
                "Layers": [_blob_path(diff_id) for diff_id in map(digest, one.layers)],
            }
            for one in images
        ]
    )
    files["repositories"] = _json({})
    return tar({"blobs/": None, "blobs/sha256/": None, **dict(sorted(files.items()))})


def kaniko_archive(one: Image) -> bytes:
    """What kaniko's `--tarPath` writes: gzip layers named by digest, the config as `sha256:…`."""
    files: dict[str, Content] = {one.config_digest: one.config_bytes}
    names = []
    for blob in one.layers:
        packed = compress(blob, "gzip")
        names.append(digest(packed).removeprefix("sha256:") + ".tar.gz")
        files[names[-1]] = packed
    files["manifest.json"] = _json(
        [{"Config": one.config_digest, "RepoTags": list(one.tags), "Layers": names}]
    )
    return tar(files)


# --- OCI ------------------------------------------------------------------------------------------
_MEDIA = "application/vnd.oci.image"
_LAYER_SUFFIX = {None: "", "gzip": "+gzip", "zstd": "+zstd", "xz": "+xz", "bzip2": "+bzip2"}


def oci_layout(
    images: Image | Index | Sequence[Image | Index],
    path: Path,
    *,
    compression: Compression = "gzip",
) -> Path:
    """Write an OCI image layout into the directory `path`, made if needed, and return it."""
    for name, data in oci_files(images, compression=compression).items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return path


def oci_archive(
    images: Image | Index | Sequence[Image | Index], *, compression: Compression = "gzip"
) -> bytes:
    """An OCI image layout in one tar, as `skopeo copy` and `buildx -o type=oci` write."""
    return tar(dict(oci_files(images, compression=compression)))


def oci_files(
    images: Image | Index | Sequence[Image | Index], *, compression: Compression = "gzip"
) -> dict[str, bytes]:
    """The files of an OCI image layout, by path; tags are annotations in `index.json`."""
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"})}
    manifests: list[dict[str, Any]] = []
    for one in [images] if isinstance(images, Image | Index) else images:
        if isinstance(one, Index):
            manifests.append(_tagged(_add_index(files, one, compression), one.tag))
        else:
            descriptor = _add_manifest(files, one, compression)
            manifests += [_tagged(descriptor, tag) for tag in one.tags] or [descriptor]
    files["index.json"] = _json(
        {"schemaVersion": 2, "mediaType": f"{_MEDIA}.index.v1+json", "manifests": manifests}
    )
    return files


def _tagged(descriptor: dict[str, Any], tag: str) -> dict[str, Any]:
    annotations = {
        "io.containerd.image.name": tag,
        "org.opencontainers.image.ref.name": tag.rpartition(":")[2],
    }
    return {**descriptor, "annotations": annotations}


def _add_manifest(files: dict[str, bytes], one: Image, compression: Compression) -> dict[str, Any]:
    suffix = _LAYER_SUFFIX[compression]
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_MEDIA}.manifest.v1+json",
        "config": _add_blob(files, one.config_bytes, f"{_MEDIA}.config.v1+json"),
        "layers": [
            _add_blob(files, compress(blob, compression), f"{_MEDIA}.layer.v1.tar{suffix}")
            for blob in one.layers
        ],
    }
    return _add_blob(files, _json(manifest), f"{_MEDIA}.manifest.v1+json")


def _add_index(files: dict[str, bytes], index: Index, compression: Compression) -> dict[str, Any]:
    manifests = [
        {**_add_manifest(files, one, compression), "platform": one.platform} for one in index.images
    ]
    for name in index.absent:
        os, architecture, *variant = name.split("/")
        platform = {
            "architecture": architecture,
            "os": os,
            **({"variant": variant[0]} if variant else {}),
        }
        missing = _descriptor(f"absent {name}".encode(), f"{_MEDIA}.manifest.v1+json")
        manifests.append({**missing, "platform": platform})
    if index.attestations:
        manifests += [
            _add_attestation(files, subject) for subject in manifests[: len(index.images)]
        ]
    document = {"schemaVersion": 2, "mediaType": f"{_MEDIA}.index.v1+json", "manifests": manifests}
    return _add_blob(files, _json(document), f"{_MEDIA}.index.v1+json")


def _add_attestation(files: dict[str, bytes], subject: Mapping[str, Any]) -> dict[str, Any]:
    statement = _json(
        {"_type": "https://in-toto.io/Statement/v0.1", "subject": [subject["digest"]]}
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_MEDIA}.manifest.v1+json",
        "config": _add_blob(files, _json({"architecture": "unknown"}), f"{_MEDIA}.config.v1+json"),
        "layers": [_add_blob(files, statement, "application/vnd.in-toto+json")],
    }
    annotations = {
        "vnd.docker.reference.digest": subject["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    }
    return {
        **_add_blob(files, _json(manifest), f"{_MEDIA}.manifest.v1+json"),
        "annotations": annotations,
        "platform": {"architecture": "unknown", "os": "unknown"},
    }


def _add_blob(files: dict[str, bytes], data: bytes, media_type: str) -> dict[str, Any]:
    descriptor = _descriptor(data, media_type)
    files[_blob_path(descriptor["digest"])] = data
    return descriptor


def _descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def _blob_path(blob_digest: str) -> str:
    return "blobs/" + blob_digest.replace(":", "/")


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
