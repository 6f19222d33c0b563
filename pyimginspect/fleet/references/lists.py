"""Lists of references: a line each, or what ``kubectl get pods -A -o json`` writes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from pyimginspect.decoding import from_builtins
from pyimginspect.errors import InvalidReferenceError
from pyimginspect.fleet.records import Target

__all__ = ["read_list"]

# kubectl writes some 10 kB for each pod: enough for a hundred thousand.
_LARGEST = 1 << 30  # bytes


def read_list(name: str) -> Iterator[Target]:
    """Return the targets of the list in the file ``name``, or on standard input for ``-``.

    In lines, ``#`` begins a comment. Of pods, every image that a container runs is a target, by
    the digest that the node pulled. Raises :class:`InvalidReferenceError`.
    """
    text = _read(name)
    # No reference begins so, but JSON does.
    if text.lstrip()[:1] in ("{", "["):
        yield from _pods(text, name)
        return
    for line in text.splitlines():
        # With the space: a path may have "#" in it.
        reference = line.partition(" #")[0].strip()
        if reference and not reference.startswith("#"):
            if reference.startswith("@"):
                raise InvalidReferenceError(f"the list '{name}' names another list, {reference}")
            yield Target(reference=reference)


def _read(name: str) -> str:
    try:
        if name == "-":
            if sys.stdin is None or sys.stdin.isatty():
                raise InvalidReferenceError("standard input is no list", hint="pipe one in")
            data = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise InvalidReferenceError(f"the list '{name}' has more than {_LARGEST:,} bytes")
        # Editors and PowerShell on Windows put a byte order mark before UTF-8.
        return data.decode("utf-8-sig")
    except OSError as exc:
        raise InvalidReferenceError(f"the list '{name}' cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise InvalidReferenceError(f"the list '{name}' is no text") from exc


class _Container(Struct):
    image: str = ""
    image_id: str = msgspec.field(default="", name="imageID")


class _Status(Struct, rename="camel"):
    container_statuses: list[_Container] | None = None
    init_container_statuses: list[_Container] | None = None
    # Of kubectl debug, added to a pod that runs.
    ephemeral_container_statuses: list[_Container] | None = None


class _Specification(Struct, rename="camel"):
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = None


class _Metadata(Struct):
    namespace: str = ""


class _Pod(Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    spec: _Specification = msgspec.field(default_factory=_Specification)
    status: _Status = msgspec.field(default_factory=_Status)


class _Pods(Struct):
    items: list[_Pod]


def _pods(text: str, name: str) -> Iterator[Target]:
    try:
        document: Any = msgspec.json.decode(text)
        # kubectl get pod NAME writes the pod itself, without a list around it.
        if isinstance(document, dict) and "items" not in document:
            document = {"items": [document]}
        elif isinstance(document, list):
            document = {"items": document}
        pods = from_builtins(document, _Pods)
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise InvalidReferenceError(
            f"the list '{name}' is not what kubectl get pods -o json writes: {exc}"
        ) from exc
    seen = set()
    for pod in pods.items:
        for reference in _images(pod):
            target = Target(reference=reference, namespace=pod.metadata.namespace)
            if target.key not in seen:
                seen.add(target.key)
                yield target


def _images(pod: _Pod) -> Iterator[str]:
    status = pod.status
    ran = [
        *(status.init_container_statuses or ()),
        *(status.container_statuses or ()),
        *(status.ephemeral_container_statuses or ()),
    ]
    if not ran:  # not started yet
        planned = [*(pod.spec.init_containers or ()), *(pod.spec.containers or ())]
        yield from (f"registry:{container.image}" for container in planned if container.image)
    for container in ran:
        reference = _pulled(container)
        if reference:
            yield f"registry:{reference}"


def _pulled(container: _Container) -> str:
    """Return the image that a node runs, by digest where the node tells one.

    ``imageID`` has a scheme before it by dockershim (``docker-pullable://``), and is the image's
    own ID, which no registry knows, where it was built or loaded on the node.
    """
    identity = container.image_id.rpartition("://")[2]
    return identity if "@" in identity else container.image
