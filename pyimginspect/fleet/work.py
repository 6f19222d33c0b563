"""What the workers of a fleet do: plan an image, read a layer, fold an image.

Everything here is called by name in other processes, perhaps on other machines: arguments and
results are plain records and bytes. Indexes do not travel; they go through the cache that the
workers share.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import Struct

from pyimginspect import api
from pyimginspect.changesets import apply_layers
from pyimginspect.decoding import from_msgpack
from pyimginspect.errors import InvalidReferenceError, PyimginspectError
from pyimginspect.fleet.bases import SharedBases
from pyimginspect.fleet.packing import encode_named, named_as
from pyimginspect.fleet.records import Folded, Target
from pyimginspect.fleet.rows import rows_of
from pyimginspect.fleet.settings import CacheAt, Settings
from pyimginspect.layers import registered
from pyimginspect.layers.cache import Cache
from pyimginspect.model import Digest, LayerIndex, Platform
from pyimginspect.report_cache import code_identity
from pyimginspect.sources.by_contents import cached_index, index_key
from pyimginspect.sources.connections import Connections
from pyimginspect.sources.options import LayerCache, Options
from pyimginspect.sources.reading import read_layer
from pyimginspect.sources.reference import parse_name
from pyimginspect.sources.resolve import resolve
from pyimginspect.sources.resolved import Carrier, FileCarrier, Resolved
from pyimginspect.sources.selection import LayerRef

__all__ = ["Planned", "Result", "decode_result", "fold", "plan", "read", "registry_of", "words_of"]

# As many as SharedBases keeps paths (fleet/bases.py).
_MOST_ENTRIES = 60_000
"""Entries of indexes that a worker keeps decoded: those of a big base image."""


class Planned(Struct, frozen=True, kw_only=True):
    """An image that is to be inspected: what it is made of, and what it is called.

    ``key`` identifies its configuration, its layers, the code and the settings: whatever has the
    same key has the same report, but for its name. ``named`` is what a report says of the name.
    ``whole`` is true for a root file system, whose one layer has no digest to know it by.
    """

    target: Target
    key: str
    resolved: Resolved
    named: bytes = b""
    whole: bool = False

    @property
    def distinct(self) -> dict[str, int]:
        """The identities of the layers, and the position of the first that has each."""
        found: dict[str, int] = {}
        for layer in () if self.whole else self.resolved.layers:
            if layer.identity is not None and not layer.absent:
                found.setdefault(layer.identity, layer.number)
        return found

    @property
    def registry(self) -> str:
        """The host whose quota reading this takes from."""
        return registry_of(self.target)


class Reading(Struct, frozen=True, kw_only=True):
    """A layer that is to be read, and the image that has it: no more than that takes."""

    target: Target
    carrier: Carrier
    layer: LayerRef


class Result(Struct, frozen=True, kw_only=True):
    """What folding an image gives; ``named`` is what its report says of the name."""

    folded: Folded
    named: bytes


_encoder = msgspec.msgpack.Encoder()


def decode_result(data: bytes) -> Result:
    """Return what :func:`fold` returned."""
    return from_msgpack(data, Result)


def platforms(settings: Settings, target: Target) -> tuple[Target, ...]:
    """Return a target for each platform of a name in a registry; one for what has but one.

    Raises :class:`PyimginspectError`.
    """
    plain = msgspec.structs.replace(target, platform="")
    prefix, _, text = target.reference.partition(":")
    if prefix != "registry":
        return (plain,)
    from pyimginspect.sources.registry import registry_platforms

    # An index, whose platforms are all that "all" can mean; another source has one image.
    found = registry_platforms(text, _options(settings, plain))
    return tuple(msgspec.structs.replace(target, platform=each) for each in found) or (plain,)


def save(settings: Settings, service: Literal["docker", "podman"], group: Iterable[Target]) -> None:
    """Have an engine save several images at once, so that planning each finds it in the cache.

    What could not be saved together is saved alone then, or its own error is reported.
    """
    from pyimginspect.sources.daemon import save_together

    names = [target.reference.partition(":")[2] for target in group]
    # Nothing is lost: whatever is not in the cache then is saved alone.
    with contextlib.suppress(PyimginspectError):
        save_together(service, names, _options(settings, Target(reference="")))


def plan(settings: Settings, target: Target) -> Planned:
    """Find out what an image is made of.

    Nothing of its layers is read, unless they go by before it is known; they are in the cache
    then. Raises :class:`PyimginspectError`.
    """
    resolved = resolve(target.reference, _options(settings, target))
    if any(layer.diff_id is None for layer in resolved.layers):
        key = f"whole:{uuid.uuid4()}"  # what it holds is not known before it is read
        # Indexes do not travel: whoever folds it reads it again.
        bare = msgspec.structs.replace(resolved, indexed={})
        return Planned(target=target, key=key, resolved=bare, whole=True)
    for layer in resolved.layers:
        if layer.number in resolved.indexed and layer.diff_id is not None:
            _recent.put(layer.diff_id, resolved.indexed[layer.number].index)
    resolved = msgspec.structs.replace(resolved, indexed={})
    return Planned(
        target=target,
        key=_key(settings, resolved, resolved.config_digest),
        resolved=resolved,
        named=named_as(resolved),
    )


def reading(planned: Planned, position: int) -> Reading:
    """Return what :func:`read` must know to read one layer of an image."""
    layer, carrier = planned.resolved.layers[position], planned.resolved.carrier
    if isinstance(carrier, FileCarrier):
        # Only the one layer's place is sent.
        carrier = FileCarrier(blobs={layer.place: carrier.blobs[layer.place]})
    return Reading(target=planned.target, carrier=carrier, layer=layer)


def read(settings: Settings, reading: Reading) -> int:
    """Read a layer into the cache, from the image that has it; return its stored bytes."""
    layer, carrier = reading.layer, reading.carrier
    index = read_layer(carrier, layer, _options(settings, reading.target, carrier))
    if index is not None:
        _recent.put(index_key(layer, index), index)
    return layer.size or 0


def fold(settings: Settings, planned: Planned) -> bytes:
    """Inspect an image whose layers are in the cache; what is gone from there is read again."""
    target = planned.target
    if planned.whole:
        with api.open_image(
            target.reference,
            platform=target.platform or None,
            cache=open_cache(settings.cache),
            dlopen=settings.policy.dlopen,
        ) as whole:
            report = whole.report()
            content = hashlib.sha256(report.to_json().encode("utf-8", "backslashreplace"))
            key = _key(settings, planned.resolved, content.hexdigest())
            return _folded(settings, key, whole)
    options = _options(settings, target, planned.resolved.carrier)
    indexes: dict[int, LayerIndex] = {}
    for layer in planned.resolved.layers:
        if layer.absent:
            continue
        index = _recent.get(layer.diff_id) or _recent.get(layer.identity)
        if index is None:
            index = cached_index(layer, options)
        if index is None:
            index = read_layer(planned.resolved.carrier, layer, options)
        if index is not None:
            indexes[layer.number] = index
            _recent.put(index_key(layer, index), index)
    opened = api.open_resolved(
        planned.resolved,
        indexes,
        dlopen=settings.policy.dlopen,
        # The paths of Windows are spelled alike image by image, so there no two share any.
        apply=apply_layers if planned.resolved.config.platform.os == "windows" else _bases.apply,
    )
    return _folded(settings, planned.key, opened)


def _folded(settings: Settings, key: str, opened: api.OpenedImage) -> bytes:
    report = opened.report()
    folded = rows_of(key, report, opened.image, settings.policy, settings.today)
    return _encoder.encode(Result(folded=folded, named=encode_named(report)))


def words_of(error: BaseException, target: Target) -> str:
    """Return in one line why a target was not inspected."""
    if isinstance(error, PyimginspectError):
        return str(error.at(image=str(target)))
    return f"{target}: internal error: {type(error).__name__}: {error}"


def registry_of(target: Target) -> str:
    """Return the host that a target's layers come from; empty for what is on this machine."""
    # A reference may have "http://" after its prefix.
    text = target.reference.removeprefix("registry:").partition("://")[2] or target.reference
    try:
        return parse_name(text.removeprefix("registry:")).registry
    except InvalidReferenceError:
        return ""


class _Shared:
    """What all calls in this process share: caches, and connections to registries."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.caches: dict[str, LayerCache] = {}
        self.connections = Connections()


_shared = _Shared()


def open_cache(place: CacheAt) -> LayerCache:
    """Return the cache, the same one for all calls in this process."""
    if place.custom is not None:
        return place.custom
    with _shared.lock:
        key = f"{place.kind} {place.folder}"
        if key not in _shared.caches:
            _shared.caches[key] = place.open()
        return _shared.caches[key]


def close() -> None:
    """Close what calls in this process have opened, and forget it."""
    with _shared.lock:
        for each in _shared.caches.values():
            if isinstance(each, Cache):
                each.close()
        _shared.caches.clear()
        _shared.connections.close()
    _recent.clear()
    _bases.clear()


def _options(settings: Settings, target: Target, carrier: Carrier | None = None) -> Options:
    """Return how to open an image. Layers of files must be verified before others share them."""
    return Options(
        platform=Platform.parse(target.platform) if target.platform else None,
        verify=isinstance(carrier, FileCarrier),
        probes=registered(),
        cache=open_cache(settings.cache),
        # There is a process for each processor already.
        workers=1,
        connections=_shared.connections,
    )


def _key(settings: Settings, resolved: Resolved, identity: str | None) -> str:
    """Return the SHA-256 of an image's ``identity``, its diff IDs, this code and the settings.

    What the manifest's annotation says of the base image counts too, and what is attached to the
    image: the report repeats both.
    """
    probes = [probe.name for probe in registered()]
    # OCI image specification, annotations.md.
    base = resolved.annotations.get("org.opencontainers.image.base.name", "")
    layers = [(layer.diff_id, layer.absent, layer.identity) for layer in resolved.layers]
    attached = resolved.attestations
    # repr() of tuples tells where one part ends: joined texts would not.
    parts = (code_identity(), probes, settings.key, identity, layers, base, attached)
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()


class _Recent:
    """The indexes used last, decoded: a base image's are wanted again and again."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries = 0
        self._indexes: OrderedDict[str, LayerIndex] = OrderedDict()

    def get(self, diff_id: Digest | None) -> LayerIndex | None:
        """Return an index that was used lately."""
        if diff_id is None or diff_id not in self._indexes:
            return None
        self._indexes.move_to_end(diff_id)
        return self._indexes[diff_id]

    def clear(self) -> None:
        """Keep nothing any more."""
        self._indexes.clear()
        self._entries = 0

    def put(self, diff_id: Digest | None, index: LayerIndex) -> None:
        """Keep an index, and drop what was not used for longest."""
        # One that is larger than all that may be kept would push out everything, and then itself.
        if diff_id is None or diff_id in self._indexes or len(index.entries) > self._most:
            return
        self._indexes[diff_id] = index
        self._entries += len(index.entries)
        # By entries and not by number: indexes have ten of them or fifty thousand.
        while self._entries > self._most:
            _, dropped = self._indexes.popitem(last=False)
            self._entries -= len(dropped.entries)


_recent = _Recent(_MOST_ENTRIES)
_bases = SharedBases()
