"""Images with attestations, as BuildKit and others attach them, put together by hand.

    files = attested(IMAGE, provenance_v1(IMAGE_LAYERS, …))

Documented in BuildKit's ``docs/attestations`` and OCI's distribution specification.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

from tests.images import Image, oci_files
from tests.layouts import blob_name, descriptor, index, manifest

V02, V1 = "https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1"
SPDX, CYCLONEDX = "https://spdx.dev/Document", "https://cyclonedx.org/bom"
IN_TOTO = "application/vnd.in-toto+json"
DOCKERFILE = """\
# syntax=docker/dockerfile:1
FROM python:3.12-slim
WORKDIR /app
RUN pip install \\
    requests
COPY . .
"""
BASE = {"sha256": "ab" * 32}
FRONTEND = "pkg:docker/docker/dockerfile@1?platform=linux%2Famd64"
PYTHON = "pkg:docker/python@3.12-slim?platform=linux%2Famd64"


def statement(predicate: Any, kind: str, subject: str, **more: Any) -> bytes:
    algorithm, _, value = subject.partition(":")
    document = {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": kind,
        "subject": [{"name": "pkg:docker/acme/api@1", "digest": {algorithm: value}}],
        "predicate": predicate,
        **more,
    }
    return json.dumps(document).encode()


def materials(*uris: str) -> list[dict[str, Any]]:
    return [{"uri": uri, "digest": BASE} for uri in uris]


def steps(base: str = "docker.io/library/python:3.12-slim") -> list[dict[str, Any]]:
    """The LLB of `DOCKERFILE`: the image, a directory made, a command, a copy of the context."""
    identifier = f"docker-image://{base}@sha256:{BASE['sha256']}"
    copy = {"copy": {"src": "/", "dest": "/app"}}
    directory = {"input": 0, "output": 0, "Action": {"mkdir": {}}}
    return [
        {"id": "step0", "op": {"Op": {"source": {"identifier": identifier}}}},
        {"id": "step1", "op": {"Op": {"source": {"identifier": "local://context"}}}},
        {
            "id": "step2",
            "op": {"Op": {"file": {"actions": [directory]}}},
            "inputs": ["step0:0"],
        },
        {
            "id": "step3",
            "op": {"Op": {"exec": {"meta": {}, "mounts": [
                {"input": 1, "dest": "/src"}, {"input": 0, "dest": "/", "output": 0},
            ]}}},
            "inputs": ["step2:0", "step1:0"],
        },
        {
            "id": "step4",
            "op": {"Op": {"file": {"actions": [
                {"input": 0, "output": -1, "Action": {"mkdir": {}}},
                {"input": 2, "secondaryInput": 1, "output": 0, "Action": copy},
            ]}}},
            "inputs": ["step3:0", "step1:0"],
        },
        {"id": "step5", "op": {"Op": None}, "inputs": ["step4:0"]},
    ]  # fmt: skip


def source(dockerfile: str = DOCKERFILE) -> dict[str, Any]:
    def at(first: int, last: int) -> dict[str, Any]:
        return {"locations": [{"ranges": [{"start": {"line": first}, "end": {"line": last}}]}]}

    data = base64.b64encode(dockerfile.encode()).decode()
    return {
        "infos": [{"filename": "Dockerfile", "language": "Dockerfile", "data": data}],
        "locations": {"step0": at(2, 2), "step2": at(3, 3), "step3": at(4, 5), "step4": at(6, 6)},
    }


def made(layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Which step made which layers: the first is the base's, and each step adds one."""
    names = ("step0:0", "step2:0", "step3:0", "step4:0")
    return {name: [list(layers[: n + 1])] for n, name in enumerate(names[: len(layers)])}


def v1(layers: Sequence[dict[str, Any]] = (), **changes: Any) -> dict[str, Any]:
    """Provenance of ``mode=max``; ``changes`` replace its parts."""
    parts: dict[str, Any] = {
        "materials": materials(FRONTEND, PYTHON),
        "steps": steps(),
        "source": source(),
        "chains": made(layers),
        "args": {"build-arg:TOKEN": "hunter2", "cmdline": "docker/dockerfile:1"},
        "metadata": "buildkit_metadata",
        **changes,
    }
    return {
        "buildDefinition": {
            "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
            "externalParameters": {
                "configSource": {"path": "Dockerfile"},
                "request": {"frontend": "gateway.v0", "args": parts["args"]},
            },
            "internalParameters": {"buildConfig": {"llbDefinition": parts["steps"]}},
            "resolvedDependencies": parts["materials"],
        },
        "runDetails": {
            "builder": {"id": "https://example.org/builds/7"},
            "metadata": {
                parts["metadata"]: {
                    "vcs": {"source": "https://example.org/api.git", "revision": "c0ffee"},
                    "source": parts["source"],
                    "layers": parts["chains"],
                },
            },
        },
    }


def v02(layers: Sequence[dict[str, Any]] = (), **changes: Any) -> dict[str, Any]:
    """The same in version 0.2."""
    new = v1(layers, **changes)
    definition, details = new["buildDefinition"], new["runDetails"]
    request = definition["externalParameters"]["request"]
    (extension,) = details["metadata"].values()
    return {
        "builder": details["builder"],
        "buildType": "https://mobyproject.org/buildkit@v1",
        "materials": definition["resolvedDependencies"],
        "invocation": {
            "configSource": {"entryPoint": "Dockerfile"},
            "parameters": request,
        },
        "buildConfig": definition["internalParameters"]["buildConfig"],
        "metadata": {"https://mobyproject.org/buildkit@v1#metadata": extension},
    }


def smallest(*uris: str) -> dict[str, Any]:
    """Provenance of ``mode=min``: neither steps nor layers."""
    return v1(materials=materials(*uris), steps=[], source={}, chains={})


def spdx(*purls: str) -> dict[str, Any]:
    packages = [
        {
            "name": purl,
            "SPDXID": f"SPDXRef-{n}",
            "externalRefs": [
                {"referenceCategory": "SECURITY", "referenceType": "cpe23Type"},
                {
                    "referenceCategory": "PACKAGE-MANAGER",
                    "referenceType": "purl",
                    "referenceLocator": purl,
                },
            ],
        }
        for n, purl in enumerate(purls)
    ]
    return {
        "spdxVersion": "SPDX-2.3",
        "creationInfo": {"creators": ["Organization: x", "Tool: buildkit-v0.18.2"]},
        "packages": packages,
    }


class Attested:
    """The files of a layout of an image with attestations beside it."""

    def __init__(self, one: Image) -> None:
        self.files = oci_files(one)
        (self.top,) = json.loads(self.files["index.json"])["manifests"][:1]
        self.digest: str = self.top["digest"]
        document = json.loads(self.files[blob_name(self._blob(self.digest))])
        self.layers: list[dict[str, Any]] = document["layers"]
        self.attached: list[dict[str, Any]] = []

    def _blob(self, name: str) -> bytes:
        return self.files["blobs/" + name.replace(":", "/")]

    def add(self, data: bytes) -> None:
        self.files[blob_name(data)] = data

    def attach(self, *documents: bytes, about: str = "", **layer: Any) -> dict[str, Any]:
        """Attach documents in a manifest, as BuildKit does."""
        config = b"{}"
        described = [{**descriptor(each, "x"), "mediaType": IN_TOTO, **layer} for each in documents]
        made_of = manifest(descriptor(config, "config.v1+json"), described)
        for each in (config, made_of, *documents):
            self.add(each)
        entry = descriptor(
            made_of,
            "manifest.v1+json",
            platform={"os": "unknown", "architecture": "unknown"},
            annotations={
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": about or self.digest,
            },
        )
        self.attached.append(entry)
        return entry

    def refer(
        self, data: bytes, media_type: str, *, subject: str = "", listed: bool = False
    ) -> dict[str, Any]:
        """Attach a document by ``subject``; in an index too where it is ``listed`` there."""
        empty = b"{}"
        made_of = manifest(
            descriptor(empty, "x", mediaType="application/vnd.oci.empty.v1+json"),
            [descriptor(data, "x", mediaType=media_type)],
            artifactType=media_type,
            subject={**self.top, "digest": subject or self.digest},
        )
        for each in (empty, made_of, data):
            self.add(each)
        entry = descriptor(made_of, "manifest.v1+json", artifactType=media_type)
        if listed:
            self.attached.append(entry)
        return entry

    def indexed(self) -> dict[str, bytes]:
        """The files, with an index of the image and its attestations as the only entry."""
        annotations = self.top.get("annotations", {})
        image = {k: v for k, v in self.top.items() if k != "annotations"}
        inner = index(
            {**image, "platform": {"os": "linux", "architecture": "amd64"}}, *self.attached
        )
        self.add(inner)
        outer = descriptor(inner, "index.v1+json", annotations=annotations)
        return {**self.files, "index.json": index(outer)}


def bundle(data: bytes, digits: bytes = b"+/") -> bytes:
    """A statement in the envelope of a Sigstore bundle, in base64 with these last two digits."""
    envelope = {
        "payload": base64.b64encode(data, digits).decode(),
        "payloadType": IN_TOTO,
        "signatures": [{"sig": "AAAA"}],
    }
    return json.dumps({"mediaType": "x", "dsseEnvelope": envelope}).encode()
