"""The layers of a chosen image, indexed: from the cache, or several at once."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from pyimginspect.errors import (
    DigestMismatchError,
    ManifestError,
    PyimginspectError,
    UnsupportedError,
)
from pyimginspect.layers import FileBlob, Indexed
from pyimginspect.layers.blobs import Blob
from pyimginspect.layers.compression import MAGIC_LENGTH, sniff
from pyimginspect.layers.digests import Algorithms, algorithm, check_algorithm
from pyimginspect.model import LayerIndex
from pyimginspect.sources.by_contents import by_contents, cached_index, keep_by_contents, usable_toc
from pyimginspect.sources.options import NoProgress, Options, default_workers
from pyimginspect.sources.processes import load_meanwhile, meanwhile, processes_for
from pyimginspect.sources.selection import LayerRef

__all__ = ["Fetch", "Located", "check_digests", "index_all", "layer_label", "locate"]

Fetch = Callable[[LayerRef], Blob | Indexed | None]
"""Return a layer's bytes, or its index where they have gone by already; ``None`` if absent."""


class Located(NamedTuple):
    """Layers whose bytes, or whose indexes, are at hand: ``found`` by their numbers."""

    layers: tuple[LayerRef, ...]
    found: Mapping[int, Blob | Indexed]


def layer_label(ref: LayerRef) -> str:
    """Return how messages name a layer: its number, and enough of its digest to find it."""
    digest = ref.digest or ref.diff_id
    return f"{ref.number} ({digest[:19]})" if digest else f"{ref.number} ({ref.name})"


def locate(
    layers: Iterable[LayerRef], fetch: Fetch, options: Options, *, remote: bool = False
) -> Located:
    """Find out where the bytes of each layer are, and how many, without reading any.

    Equal layers are looked for once. What is ``remote`` is always checked against its digests, so
    those must be of an algorithm that is known.
    """
    refs: list[LayerRef] = []
    found: dict[int, Blob | Indexed] = {}
    first: dict[tuple[str, str | None], LayerRef] = {}
    for number, given in enumerate(layers):
        toc = usable_toc(given, options) if remote else None
        ref = msgspec.structs.replace(given, number=number, toc=toc)
        known = first.get((ref.name, ref.digest))
        # By place and not by diff ID: two blobs of one diff ID may be compressed differently.
        if known is None:
            try:
                got = fetch(ref)
                if got is None and not ref.foreign:
                    raise ManifestError("the manifest names it, but it is missing")
                if got is not None:
                    _check_size(got, ref)
                    found[number] = got
                    if remote or options.verify:  # known beforehand: say so before it is read
                        _algorithms(ref, required=True)
            except PyimginspectError as exc:
                raise exc.at(layer=layer_label(ref)) from exc
            # Windows' makers forbid to pass base layers on, and archives obey: they are absent.
            size = ref.size if got is None else _size_of(got)
            ref = msgspec.structs.replace(ref, size=size, absent=got is None)
            first[ref.name, ref.digest] = ref
        else:
            ref = msgspec.structs.replace(ref, size=known.size, absent=known.absent)
            if known.number in found:
                found[number] = found[known.number]
        refs.append(ref)
    return Located(layers=tuple(refs), found=found)


def index_all(located: Located, options: Options, *, remote: bool = False) -> dict[int, Indexed]:
    """Index every layer that there is, by its number; equal ones once.

    Compressed layers are read in parallel, the largest first, since decompressors run beside
    each other; uncompressed ones in a file one after the other, since sought through they cost
    Python time alone. What is ``remote`` is always checked against its digests.
    """
    done: dict[int, Indexed] = {}
    first: dict[tuple[str, str | None], int] = {}
    equal: dict[int, list[int]] = {}
    jobs: list[_Job] = []
    required = remote or options.verify
    for ref in located.layers:
        got = located.found.get(ref.number)
        if got is None:
            continue
        number = first.setdefault((ref.name, ref.digest), ref.number)
        equal.setdefault(number, []).append(ref.number)
        if number != ref.number:
            continue
        label = layer_label(ref)
        if isinstance(got, Indexed):
            done[ref.number] = got
            continue
        cached = cached_index(ref, options) if remote or not options.verify else None
        if cached is not None:
            done[ref.number] = Indexed(index=cached, blob_size=ref.size or 0)
            options.progress.finish(label, cached=True)
        else:
            jobs.append(_Job(ref.number, label, ref, got, required))
    options.progress.expect(len(jobs), sum(job.blob.size or 0 for job in jobs))
    done.update(_run(jobs, _Arrivals(equal, done, options), options))
    for ref in located.layers:
        if (same := first.get((ref.name, ref.digest))) in done:
            done[ref.number] = done[same]
            _check(done[ref.number], ref, layer_label(ref), required=required)
            _remember(done[ref.number], ref, options)
    return done


class _Job(NamedTuple):
    """A layer to be read; ``digests`` tells whether it must be checked against its own."""

    number: int
    label: str
    ref: LayerRef
    blob: Blob
    digests: bool


def _size_of(got: Blob | Indexed) -> int | None:
    return got.blob_size if isinstance(got, Indexed) else got.size


def _check_size(got: Blob | Indexed, ref: LayerRef) -> None:
    size = _size_of(got)
    if None not in (size, ref.size) and size != ref.size:
        raise DigestMismatchError(
            f"the blob has {size:,} bytes, not {ref.size:,} as its manifest says"
        )


def _run(jobs: list[_Job], arrivals: _Arrivals, options: Options) -> dict[int, Indexed]:
    done = _apart(jobs, arrivals, options)
    jobs = [job for job in jobs if job.number not in done]
    serial = [job for job in jobs if _is_plain(job.blob)]
    parallel = [job for job in jobs if not _is_plain(job.blob)]
    # Whatever is begun last ends last, and should be short.
    parallel.sort(key=lambda job: -(job.blob.size or 0))
    workers = min(options.workers or default_workers(), len(parallel))
    if workers > 1:
        done.update(_at_once(parallel, workers, options))
    else:
        serial += parallel
    for job in serial:
        done[job.number] = _one(job, options, threading.Event())
    return done


class _Arrivals:
    """Tells whoever wants to know which layers have arrived, while others are being read.

    ``equal`` are the numbers of the layers that are equal, by the first; ``known`` are those that
    the cache had.
    """

    def __init__(
        self, equal: Mapping[int, list[int]], known: Mapping[int, Indexed], options: Options
    ) -> None:
        self._equal = equal
        self._known = known
        self._arrived = options.arrived

    def add(self, number: int, index: LayerIndex) -> None:
        """A layer has arrived, and with it all that are equal."""
        if self._arrived is not None:
            for each in self._equal[number]:
                self._arrived(each, index)

    def meanwhile(self) -> Iterator[str]:
        """Do what is to be done while others read, and name each step."""
        for name in meanwhile():
            with contextlib.suppress(ImportError):  # whoever needs it says so
                importlib.import_module(name)
            yield name
        for number, indexed in self._known.items():
            self.add(number, indexed.index)
            yield str(number)


class _Apart:
    """Layers in files, which processes of their own read, and the progress of that."""

    def __init__(self, jobs: list[_Job], arrivals: _Arrivals, options: Options) -> None:
        self._jobs = jobs
        self._arrivals = arrivals
        self._options = msgspec.structs.replace(options, progress=NoProgress())
        self._progress = options.progress
        self._counts = [0] * len(jobs)

    def read(self, number: int, advance: Callable[[int], None]) -> Indexed:
        """Read a layer, in whichever process this is."""
        return _index(self._jobs[number], self._options, advance)

    def begun(self, number: int) -> None:
        """A layer is being read."""
        self._progress.begin(self._jobs[number].label, self._jobs[number].blob.size)

    def advanced(self, number: int, count: int) -> None:
        """So many bytes more of it were read."""
        self._counts[number] += count
        self._progress.advance(self._jobs[number].label, count)

    def finished(self, number: int, indexed: Indexed) -> None:
        """A layer was read."""
        self._progress.finish(self._jobs[number].label, cached=False)
        self._arrivals.add(self._jobs[number].number, indexed.index)

    def take_back(self, number: int) -> None:
        """What was read of a layer is to be read again."""
        self.advanced(number, -self._counts[number])


def _apart(jobs: list[_Job], arrivals: _Arrivals, options: Options) -> dict[int, Indexed]:
    """Return what other processes made of the layers in files, the largest first."""
    # A third party's probe need not survive a fork, and who says how many workers means threads.
    if options.probes or options.workers:
        return {}
    files = [job for job in jobs if isinstance(job.blob, FileBlob)]
    files.sort(key=lambda job: -(job.blob.size or 0))
    workers = processes_for([job.blob.size or 0 for job in files])
    if not workers:
        return {}
    from pyimginspect.sources.forked import read_by_processes

    reading = _Apart(files, arrivals, options)
    read, failed = read_by_processes(reading, len(files), workers, arrivals.meanwhile())
    for number in set(range(len(files))) - set(read):
        reading.take_back(number)
    done = {files[number].number: indexed for number, indexed in read.items()}
    if failed is not None:  # it most likely fails again, and says why
        done[files[failed].number] = _one(files[failed], options, threading.Event())
    return done


class _Stopped(Exception):  # noqa: N818 - it is not an error
    """Another layer has failed, or the user has lost patience."""


def _at_once(jobs: list[_Job], workers: int, options: Options) -> dict[int, Indexed]:
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    stop = threading.Event()
    with ThreadPoolExecutor(workers, thread_name_prefix="layer") as pool:
        try:
            futures = {job.number: pool.submit(_one, job, options, stop) for job in jobs}
            load_meanwhile()
            wait(futures.values(), return_when=FIRST_EXCEPTION)
        finally:
            stop.set()  # nothing is left to do, or nobody will want it
            pool.shutdown(wait=True, cancel_futures=True)
    # The error of the lowest layer that failed, whichever came first: the same on every run.
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
    indexed = _index(job, options, advance)
    options.progress.finish(job.label, cached=False)
    return indexed


def _index(job: _Job, options: Options, advance: Callable[[int], None]) -> Indexed:
    from pyimginspect.layers import index_layer

    try:
        # Hashing an uncompressed layer in a file would cost far more than reading its headers,
        # so what the cache could keep of it is not worth having (docs/cache.md).
        indexed = by_contents(job.ref, job.blob, options, advance) or index_layer(
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
        # A stream is summed up before its documents tell the algorithm, so there may be several.
        name = algorithm(claimed)
        for digest in computed:
            if algorithm(digest) == name:
                raise DigestMismatchError(f"the {what} is {digest[:19]}…, not {claimed[:19]}…")
        if required:
            raise UnsupportedError(
                f"the {what} has a digest of '{name}', which was not known while it was read",
                hint="save the archive to a file",
            )


def _remember(indexed: Indexed, ref: LayerRef, options: Options) -> None:
    """Keep an index under the digests that were computed, the claimed ones if they are of them."""
    if options.cache is None or keep_by_contents(indexed, ref, options.cache):
        return
    if not indexed.diff_ids:
        return
    diff_id = ref.diff_id if ref.diff_id in indexed.diff_ids else indexed.diff_ids[0]
    digest = ref.digest if ref.digest in indexed.digests else indexed.digests[0]
    options.cache.put(diff_id, digest, indexed.index)
