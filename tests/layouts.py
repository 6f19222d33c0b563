"""OCI layouts put together by hand, for what `tests.images` would not write: odd or broken ones.

`FIXTURES` is where real images of other projects are, if they are.
"""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.images import Image, digest

FIXTURES = Path(
    os.environ.get("PYIMGINSPECT_FIXTURES", Path(__file__).parents[2] / "shared" / "fixtures")
)

MEDIA = "application/vnd.oci.image"


def blob_name(data: bytes) -> str:
    return "blobs/" + digest(data).replace(":", "/")


def descriptor(content: bytes, kind: str, **more: Any) -> dict[str, Any]:
    """A descriptor of `content`; `more` adds to it, or replaces (`mediaType="…"`)."""
    return {"mediaType": f"{MEDIA}.{kind}", "digest": digest(content), "size": len(content), **more}


def manifest(config: Mapping[str, Any], layers: Sequence[Mapping[str, Any]], **more: Any) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": config,
        "layers": list(layers),
        **more,
    }
    return json.dumps(document).encode()


def index(*manifests: Mapping[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": list(manifests)}).encode()


def layout(
    one: Image,
    blobs: Sequence[bytes],
    *,
    layer: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    inline: bool = False,
) -> dict[str, bytes]:
    """The files of a layout of `one`, its layers stored as `blobs`.

    `layer` and `config` add to their descriptors; with `inline` the manifest and the configuration
    are data of their descriptors, and no blobs.
    """

    def data(content: bytes) -> dict[str, Any]:
        return {"data": base64.b64encode(content).decode()} if inline else {}

    settings = one.config_bytes
    document = manifest(
        descriptor(settings, "config.v1+json", **data(settings), **(config or {})),
        [descriptor(blob, "layer.v1.tar", **(layer or {})) for blob in blobs],
    )
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    files["index.json"] = index(descriptor(document, "manifest.v1+json", **data(document)))
    kept = list(blobs) if inline else [settings, document, *blobs]
    return {**files, **{blob_name(blob): blob for blob in kept}}
