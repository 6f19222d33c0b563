"""Images of an engine that have been seen before, put together from the cache."""

from __future__ import annotations

import msgspec

from pyimginspect.errors import ManifestError
from pyimginspect.layers import Indexed
from pyimginspect.model import Digest, ImageConfig, decode_json, parse_digest
from pyimginspect.sources.cached_layers import is_held
from pyimginspect.sources.documents import parse_config
from pyimginspect.sources.options import LayerCache, Options
from pyimginspect.sources.resolved import Resolved, StreamCarrier, resolved_from
from pyimginspect.sources.selection import LayerRef, Selection, check_platform, select_oci

__all__ = ["image_in_cache", "is_in_cache", "without_archive"]


def image_in_cache(
    identity: str, carrier: StreamCarrier, options: Options, *, reference: str, source: str
) -> Resolved | None:
    """Return an image without a byte of it, if all that it is made of has been seen before.

    ``identity`` is its ID, ``carrier`` where it is to be had again.
    """
    selection = _known(identity, options)
    cache = options.cache
    if selection is None or cache is None:
        return None
    indexed = {}
    layers = []
    for number, ref in enumerate(selection.layers):
        index = cache.get(ref.diff_id, ref.digest)
        if index is None:
            return None
        size = ref.size if ref.size is not None else index.size
        indexed[number] = Indexed(index=index, blob_size=size)
        layers.append(msgspec.structs.replace(ref, number=number, size=size, toc=None))
    check_platform(selection, options.platform)
    return resolved_from(
        selection,
        tuple(layers),
        carrier,
        reference=reference,
        source=source,
        indexed=indexed,
    )


def without_archive(resolved: Resolved, identity: str) -> Resolved:
    """Return an image of an engine as :func:`image_in_cache` does.

    Where its ID is the digest of its configuration, there is no manifest: the one in an archive,
    and the digests that it has, were made when it was saved, by Docker since version 25.
    """
    if resolved.config_digest != identity:
        return resolved
    layers = tuple(
        msgspec.structs.replace(ref, name=ref.diff_id or ref.name, digest=None, media_type="")
        for ref in resolved.layers
    )
    return msgspec.structs.replace(resolved, layers=layers, digest=None, annotations={})


def is_in_cache(identity: str, options: Options) -> bool:
    """Whether the image of that ID would be found by :func:`image_in_cache`."""
    selection = _known(identity, options)
    layers = selection.layers if selection is not None else ()
    refs = [msgspec.structs.replace(ref, size=ref.size or 0, toc=None) for ref in layers]
    return selection is not None and is_held(refs, options)


def _known(identity: str, options: Options) -> Selection | None:
    """Return the image that an engine's ID leads to, as far as the cache has its documents.

    An image's ID is the digest of its configuration, or of its manifest where the engine keeps
    images in containerd's store; either leads to the diff IDs, and these to the indexes.
    """
    cache = options.cache
    # What is to be verified has to go by: an engine's ID vouches for no byte that it would send.
    if cache is None or options.verify:
        return None
    try:
        digest = parse_digest(identity)
        data = cache.get_document(digest)
        return _select(data, digest, cache, options) if data is not None else None
    except ManifestError:
        return None


class _Kept:
    """The documents in the cache, as a store."""

    def __init__(self, cache: LayerCache) -> None:
        self._cache = cache

    def document(self, name: str) -> bytes | None:
        return None

    def blob_document(self, digest: Digest, *, manifest: bool = False) -> bytes | None:
        return self._cache.get_document(digest)


def _select(data: bytes, identity: Digest, cache: LayerCache, options: Options) -> Selection | None:
    # A configuration: a manifest or an index has no such field.
    if "rootfs" in decode_json(data, "the configuration"):
        config: ImageConfig = parse_config(data, "the configuration")
        layers = tuple(LayerRef(name=d, diff_id=d) for d in config.diff_ids)
        return Selection(config=config, layers=layers, config_digest=identity)
    return select_oci(data, _Kept(cache), name=None, platform=options.platform)
