"""Reports and plans of images seen before.

Facts, findings and plan are functions of an image's layers and configuration: nothing in them
asks the clock, the environment or a network (docs/decisions/kept-reports.md). So where all the
layers are known by their verified digests, the same code makes the same report of them.
"""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache
from typing import TypeVar

import msgspec

from pyimginspect.decoding import from_msgpack
from pyimginspect.layers.digests import algorithm, digest_of
from pyimginspect.model import Digest, Image, Layer, LayerIndex
from pyimginspect.report import Report
from pyimginspect.sources.options import LayerCache

__all__ = [
    "cached_report",
    "cached_result",
    "code_identity",
    "keep_report",
    "report_key",
]

_Result = TypeVar("_Result")


def report_key(image: Image, *settings: object, cached: bool = False) -> Digest | None:
    """Return the digest of all that a report of ``image`` is made from.

    That is its configuration, the digests of its layers, how it was named, what was asked for
    (``settings``), and this code. ``None`` where one of them is not known for certain; of layers
    that a cache of verified ones has (``held``) the indexes are not needed.
    """
    if (
        not all(_is_known(layer, cached) for layer in image.layers)
        or (code := code_identity()) is None
    ):
        return None
    layers = tuple(
        msgspec.structs.replace(layer, index=LayerIndex(size=0, toc_digest=layer.index.toc_digest))
        for layer in image.layers
    )
    bare = msgspec.structs.replace(image, layers=layers)
    try:
        return digest_of(msgspec.msgpack.encode((code, bare, settings)))
    except UnicodeEncodeError:  # a name that is no UTF-8
        return None


def cached_report(kept: LayerCache, key: Digest) -> Report | None:
    """Return the report kept under ``key``, if there is one."""
    return cached_result(kept, key, Report)


def cached_result(kept: LayerCache, key: Digest, kind: type[_Result]) -> _Result | None:
    """Return what is kept under ``key``, a plan say, if it is of that ``kind``."""
    data = kept.get_report(key)
    if data is None:
        return None
    try:
        return from_msgpack(data, kind)
    except msgspec.MsgspecError:
        return None


def keep_report(kept: LayerCache, key: Digest, report: msgspec.Struct) -> None:
    """Keep a report or a plan; one with names that are no UTF-8 is made again each time."""
    try:
        data = msgspec.msgpack.encode(report)
    except UnicodeEncodeError:
        return
    kept.put_report(key, data)


def _is_known(layer: Layer, cached: bool) -> bool:
    """Whether the layer's index was made from bytes that have its diff ID, or there are none.

    One that was read by a table of contents is known by that, which the key has too.

    A layer that was read through for a cache has been checked against a diff ID of SHA-256, and has
    checksums; one that was only sought through has none. See
    :func:`pyimginspect.sources.indexing.check_digests`.
    """
    if layer.absent:
        return True
    diff_id = layer.diff_id
    known = diff_id is not None and algorithm(diff_id) == "sha256"
    return known and (cached or layer.index.checksums is not None)


@cache
def code_identity() -> str | None:
    """Return what tells this code from any other, wherever and whenever it was installed.

    Its version alone would not, as it is the same while a working copy is edited. Of libraries
    ``packaging`` has a say in facts, and ``msgspec`` in how they are kept. ``None`` where the
    files cannot be read, as in a zip file.
    """
    import packaging

    root = os.path.dirname(__file__)
    sums = hashlib.sha256()
    count = 0
    try:
        for place, folders, files in os.walk(root):
            # os.walk has the order of the disk, which is another one in another copy.
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(files):
                path = os.path.join(place, name)
                with open(path, "rb", buffering=0) as file:
                    data = file.read()
                # Name and length, so that no bytes can move from one file to the next unseen.
                sums.update(repr((path[len(root) :], len(data))).encode())
                sums.update(data)
                count += 1
    except OSError:
        return None
    libraries = (packaging.__version__, msgspec.__version__, sys.version)
    return repr((sums.hexdigest(), libraries)) if count else None
