"""The layers of a chosen image, indexed: from the cache, or several at once."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import NamedTuple

from msgspec import Struct

from pyimginspect.errors import (
    DigestMismatchError,
    ManifestError,
    PyimginspectError,
    UnsupportedError,
)
from pyimginspect.layers import FileBlob, Indexed, index_layer
from pyimginspect.layers.blobs import Blob
from pyimginspect.layers.compression import MAGIC_LENGTH, sniff
from pyimginspect.layers.digests import Algorithms, algorithm, check_algorithm
from pyimginspect.model import History, Image, ImageConfig, Layer, LayerIndex
from pyimginspect.sources.options import Options, default_workers
from pyimginspect.sources.selection import LayerRef, Selection
from pyimginspect.sources.windows import with_one_spelling

__all__ = ["Fetch", "Opened", "build_image", "check_digests", "index_all", "layer_label"]

Fetch = Callable[[LayerRef], Blob | Indexed | None]
"""Return a layer's bytes, or its index where they have gone by already; ``None`` if absent."""


class Opened(Struct, frozen=True, kw_only=True):
    """An image with all its layers indexed; ``blobs`` are those that can be read again."""

    image: Image
    blobs: dict[int, FileBlob] = {}

    def checksum(self, layer: int, position: int) -> int | None:
        """Return the CRC-32 of an entry's content, read from the archive now if that is possible.

        ``layer`` is the layer's number, ``position`` that of the entry in its index.
        """
        blob = self.blobs.get(layer)
        if blob is None:
            return None
        entry = self.image.layers[layer].index.entries[position]
        crc = 0
        left = entry.stored
        with blob.open() as file:
            file.seek(entry.offset)
            while left:
                data = file.read(min(left, 1 << 20))
                crc = zlib.crc32(data, crc)
                left -= len(data)
        return crc


def layer_label(number: int, ref: LayerRef) -> str:
    """Return how messages name a layer: its number, and enough of its digest to find it."""
    digest = ref.digest or ref.diff_id
    return f"{number} ({digest[:19]})" if digest else f"{number} ({ref.name})"


def index_all(
    selection: Selection, fetch: Fetch, options: Options, *, remote: bool = False
) -> dict[int, Indexed]:
    """Index every layer of ``selection`` that there is, by its number; equal ones once.

    Compressed layers are read in parallel, the largest first, since decompressors run beside
    each other; uncompressed ones in a file one after the other, since sought through they cost
    Python time alone. What is ``remote`` is always held against its digests.
    """
    done: dict[int, Indexed] = {}
    first: dict[tuple[str, str | None], int] = {}
    jobs: list[_Job] = []
    for number, ref in enumerate(selection.layers):
        same = first.setdefault((ref.name, ref.digest), number)
        if same != number:
            continue
        label = layer_label(number, ref)
        try:
            got = fetch(ref)
            if got is None:
                if ref.foreign:
                    continue  # Windows: its makers forbid to pass these on, and archives obey
                raise ManifestError("the manifest names it, and it is not there")
            _check_size(got, ref)
            if remote or options.verify:
                _algorithms(ref, required=True)  # known beforehand, so say so before it is read
            cached = None
            if options.cache is not None and (remote or not options.verify):
                cached = options.cache.get(ref.diff_id, ref.digest)
        except PyimginspectError as exc:
            raise exc.at(layer=label) from exc
        if isinstance(got, Indexed):
            done[number] = got
        elif cached is not None:
            size = got.size if got.size is not None else ref.size or 0
            done[number] = Indexed(index=cached, blob_size=size)
            options.progress.finish(label, cached=True)
        else:
            jobs.append(_Job(number, label, ref, got, remote or options.verify))
    done.update(_run(jobs, options))
    for number, ref in enumerate(selection.layers):
        if (same := first[ref.name, ref.digest]) in done:
            done[number] = done[same]
            required = remote or options.verify
            _check(done[number], ref, layer_label(number, ref), required=required)
            _remember(done[number], ref, options)
    return done


class _Job(NamedTuple):
    """A layer to be read; ``digests`` tells whether it must be held against its own."""

    number: int
    label: str
    ref: LayerRef
    blob: Blob
    digests: bool


def _check_size(got: Blob | Indexed, ref: LayerRef) -> None:
    size = got.blob_size if isinstance(got, Indexed) else got.size
    if None not in (size, ref.size) and size != ref.size:
        raise DigestMismatchError(
            f"the blob has {size:,} bytes, not {ref.size:,} as its manifest says"
        )


def _run(jobs: list[_Job], options: Options) -> dict[int, Indexed]:
    serial = [job for job in jobs if _is_plain(job.blob)]
    parallel = [job for job in jobs if not _is_plain(job.blob)]
    parallel.sort(key=lambda job: -(job.blob.size or 0))
    workers = min(options.workers or default_workers(), len(parallel))
    done: dict[int, Indexed] = {}
    if workers > 1:
        done = _at_once(parallel, workers, options)
    else:
        serial += parallel
    for job in serial:
        done[job.number] = _one(job, options, threading.Event())
    return done


class _Stopped(Exception):  # noqa: N818 - it is not an error
    """Another layer has failed, or the user has lost patience."""


def _at_once(jobs: list[_Job], workers: int, options: Options) -> dict[int, Indexed]:
    stop = threading.Event()
    with ThreadPoolExecutor(workers, thread_name_prefix="layer") as pool:
        try:
            futures = {job.number: pool.submit(_one, job, options, stop) for job in jobs}
            wait(futures.values(), return_when=FIRST_EXCEPTION)
        finally:
            stop.set()  # nothing is left to do, or nobody will want it
            pool.shutdown(wait=True, cancel_futures=True)
    for _, future in sorted(futures.items()):
        if not future.cancelled() and not isinstance(future.exception(), _Stopped | None):
            future.result()
    return {number: future.result() for number, future in futures.items()}


def _is_plain(blob: Blob) -> bool:
    if not isinstance(blob, FileBlob):
        return False
    with blob.open() as file:
        return sniff(file.read(MAGIC_LENGTH)) == "none"


def _one(job: _Job, options: Options, stop: threading.Event) -> Indexed:
    def advance(count: int) -> None:
        if stop.is_set():
            raise _Stopped
        options.progress.advance(job.label, count)

    options.progress.begin(job.label, job.blob.size)
    try:
        # Hashing an uncompressed layer in a file would cost far more than reading its headers,
        # so what the cache could keep of it is not worth having (docs/cache.md).
        indexed = index_layer(
            job.blob,
            digests=job.digests or (options.cache is not None and not _is_plain(job.blob)),
            algorithms=_algorithms(job.ref, required=job.digests),
            probes=options.probes,
            limits=options.limits,
            progress=advance,
        )
        check_digests(indexed, job.ref, required=job.digests)
    except PyimginspectError as exc:
        raise exc.at(layer=job.label) from exc
    options.progress.finish(job.label, cached=False)
    return indexed


def _algorithms(ref: LayerRef, *, required: bool) -> Algorithms:
    """Return those that the digests of a layer are claimed in.

    Where one is not known, :class:`UnsupportedError` if it is ``required``, else the usual one.
    """
    claimed = []
    for digest in (ref.digest, ref.diff_id):
        try:
            claimed.append(check_algorithm(digest) if digest is not None else "sha256")
        except UnsupportedError:
            if required:
                raise
            claimed.append("sha256")
    return Algorithms(digest=(claimed[0],), diff_id=(claimed[1],))


def _check(indexed: Indexed, ref: LayerRef, label: str, *, required: bool) -> None:
    try:
        check_digests(indexed, ref, required=required)
    except PyimginspectError as exc:
        raise exc.at(layer=label) from exc


def check_digests(indexed: Indexed, ref: LayerRef, *, required: bool) -> None:
    """Raise :class:`DigestMismatchError` where computed digests are not the claimed ones.

    With ``required`` a layer that was read and summed up in another algorithm than the claimed
    one is an :class:`UnsupportedError`.
    """
    for what, computed, claimed in (
        ("blob", indexed.digests, ref.digest),
        ("uncompressed layer", indexed.diff_ids, ref.diff_id),
    ):
        if claimed is None or not computed or claimed in computed:
            continue
        name = algorithm(claimed)
        for digest in computed:
            if algorithm(digest) == name:
                raise DigestMismatchError(f"the {what} is {digest[:19]}…, not {claimed[:19]}…")
        if required:
            raise UnsupportedError(
                f"that the {what} has a digest of '{name}' was not known while it went by",
                hint="save the archive to a file",
            )


def _remember(indexed: Indexed, ref: LayerRef, options: Options) -> None:
    """Keep an index under the digests that were computed, the claimed ones if they are of them."""
    if options.cache is None or not indexed.diff_ids:
        return
    diff_id = ref.diff_id if ref.diff_id in indexed.diff_ids else indexed.diff_ids[0]
    digest = ref.digest if ref.digest in indexed.digests else indexed.digests[0]
    options.cache.put(diff_id, digest, indexed.index)


def build_image(
    selection: Selection, indexed: dict[int, Indexed], *, reference: str, source: str
) -> Image:
    """Put the chosen image and its indexed layers together."""
    count = len(selection.layers)
    steps = _steps(selection.config, count)
    nothing = LayerIndex(size=0)
    indexes = [indexed[n].index if n in indexed else nothing for n in range(count)]
    if selection.config.platform.os == "windows":
        indexes = with_one_spelling(indexes)
    layers = tuple(
        Layer(
            number=number,
            index=indexes[number],
            diff_id=ref.diff_id,
            digest=ref.digest,
            media_type=ref.media_type,
            blob_size=indexed[number].blob_size if number in indexed else ref.size,
            history=steps[number],
            absent=number not in indexed,
        )
        for number, ref in enumerate(selection.layers)
    )
    return Image(
        reference=reference,
        source=source,
        config=selection.config,
        layers=layers,
        names=selection.names,
        digest=selection.digest,
        config_digest=selection.config_digest,
        annotations=selection.annotations,
    )


def _steps(config: ImageConfig, count: int) -> list[History | None]:
    """Return the step of the history behind each layer; history is optional, and may be short."""
    steps: list[History | None] = [step for step in config.history if not step.empty_layer]
    return (steps + [None] * count)[:count]
