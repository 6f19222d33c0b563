"""Inventories of images built in memory, mostly on a base in the form of an official python:slim.

found = taken(on_slim({"var/cache/apt/pkgcache.bin": "x"}, history=["RUN apt-get update"]))
found.base.variant, found.caches
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from msgspec import structs

from pyimginspect.api import OpenedImage
from pyimginspect.inventory.collect import Inventory
from pyimginspect.sources.opened import Opened
from pyimginspect.sources.opening import open_stream
from pyimginspect.sources.options import Options
from tests.images import (
    BASE_PACKAGES,
    Content,
    Image,
    Package,
    debian_base,
    docker_archive,
    dpkg_status,
    image,
    layer,
    official_env,
    official_python,
)
from tests.indexes import index_of

__all__ = [
    "DEBIAN_STEP",
    "OFFICIAL_STEPS",
    "apt",
    "on_slim",
    "opened",
    "read",
    "run",
    "steps",
    "taken",
]

DEBIAN_STEP = "# debian.sh --arch 'amd64' out/ 'bookworm' '@1730000000'"
_BUILDKIT = "buildkit.dockerfile.v0"


def run(command: str) -> dict[str, Any]:
    """A step as BuildKit writes one for a `RUN` in shell form."""
    return {"created_by": f"RUN /bin/sh -c {command} # buildkit", "comment": _BUILDKIT}


def steps(*lines: str | Mapping[str, Any]) -> list[str | Mapping[str, Any]]:
    """Steps of a history, `RUN …` in shell form as BuildKit writes it."""
    return [
        run(line.removeprefix("RUN "))
        if isinstance(line, str) and line.startswith("RUN ")
        else line
        for line in lines
    ]


OFFICIAL_STEPS = steps(
    DEBIAN_STEP,
    "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "RUN set -eux; apt-get update; apt-get install -y --no-install-recommends ca-certificates;",
    "ENV PYTHON_VERSION=3.13.1",
    "ENV PYTHON_SHA256=" + "0" * 64,
    'RUN savedAptMark="$(apt-mark showmanual)"; wget -O python.tar.xz'
    ' "https://www.python.org/ftp/python/Python-$PYTHON_VERSION.tar.xz"; make install;',
    "RUN set -eux; for src in idle3 pip3 pydoc3 python3 python3-config; do ln -svT $src; done",
    'CMD ["python3"]',
)


def on_slim(
    *layers: Mapping[str, Content],
    history: Sequence[str | Mapping[str, Any]] = (),
    version: str = "3.13.1",
    **more: Any,
) -> Image:
    """An image on a base of four layers, with its steps and those of `history`."""
    lines = [*OFFICIAL_STEPS, *steps(*history)]
    return image([*_base(version), *layers], history=lines, env=official_env(version), **more)


@cache
def _base(version: str) -> tuple[bytes, ...]:
    contents = {"etc/ssl/openssl.cnf": "# base\n"}
    return layer(debian_base()), layer(contents), layer(official_python(version)), layer({})


def apt(
    packages: Mapping[str, Package],
    *,
    manual: Sequence[str] = (),
    below: Mapping[str, Package] = {},
    auto_below: Sequence[str] = (),
) -> dict[str, Content]:
    """A layer in which apt installed `packages`, `manual` ones by name, on what was there."""
    automatic = {*packages, *auto_below} - {*manual}
    return dpkg_status(packages, below={**BASE_PACKAGES, **below}, automatic=automatic)


def opened(one: Image) -> OpenedImage:
    """An image read as `docker save` writes it; but of each layer's content only once."""
    return OpenedImage(read(one))


def read(one: Image) -> Opened:
    """An image as `open_stream` gives it."""
    hollow = replace(one, layers=(b"",) * len(one.layers))
    stream = io.BytesIO(docker_archive(hollow))
    found = open_stream(stream, Options(), name=None, reference="app:1")
    layers = tuple(
        structs.replace(layer, index=index_of(blob, passing=any(blob[:512])), blob_size=len(blob))
        for layer, blob in zip(found.image.layers, one.layers, strict=True)
    )
    return Opened(image=structs.replace(found.image, layers=layers))


def taken(one: Image) -> Inventory:
    """All facts about an image."""
    return opened(one).inventory
