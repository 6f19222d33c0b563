"""CUDA's libraries, which come from several places at once and weigh gigabytes.

The ``nvidia-*`` wheels that PyTorch, TensorFlow and JAX require hold the same libraries as
``/usr/local/cuda`` and NVIDIA's packages for the operating system; there are wheels for each major
version of CUDA (``nvidia-cublas-cu11``, ``-cu12``, and from 13 on ``nvidia-cublas``).

Source: NVIDIA's "CUDA Toolkit Documentation", components and their libraries; the "CUDA
Installation Guide for Linux" for the packages and the wheels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import combinations

from msgspec import Struct

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import contents_of
from pyimginspect.inventory.derived.leftovers import files_of_packages, free_packages
from pyimginspect.inventory.facts import Distribution
from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.native import Library
from pyimginspect.inventory.records import files_of
from pyimginspect.inventory.tool_names import required_names

__all__ = ["CudaPair", "CudaSource", "find_cuda_pairs", "is_cuda"]

# The components of the toolkit, with cuDNN, NCCL and TensorRT (nvinfer). Without libcuda and
# libnvidia-…: those are the driver's, and a runtime mounts them.
_LIBRARY = re.compile(
    r"(lib(?:cublas(?:Lt)?|cudart|cudnn\w*|cufftw?|cufile\w*|cupti|curand|cusolver(?:Mg)?"
    r"|cusparse(?:Lt)?|cutensor\w*|nccl|npp\w+|nvblas|nvinfer\w*|nvjpeg|nvJitLink"
    r"|nvonnxparser|nvrtc(?:-builtins)?|nvshmem\w*|nvToolsExt))\.so(?:\.(\d+)[\d.]*)?"
)
_MOST_SOURCES = 8
_WHEEL = re.compile(r"nvidia-.+?(?:-cu(\d+))?")
# /usr/local/cuda is a link to the directory of a version, cuda-12.4.
_TOOLKIT = re.compile(r"(.*?/cuda(?:-[\d.]+)?)/")
# NVIDIA's names for Debian and for RHEL alike; gds-tools is of GPUDirect Storage.
_PACKAGE = re.compile(r"(?:cuda|libcu|libnv|libnpp|libnccl|nvidia-|nsight|gds-tools).*")


class CudaSource(Struct, frozen=True, kw_only=True):
    """One place that CUDA's libraries come from.

    ``title`` names it: wheels of one CUDA, another distribution, the operating system's packages,
    a directory. ``majors`` are the libraries' major versions by their name; ``users`` the files
    that load one of them and are of another source, and the distributions that require them.
    ``metadata`` are the distributions, ``packages`` the keys that it is made of.
    """

    title: str
    kind: str
    libraries: tuple[Library, ...]
    majors: Mapping[str, str]
    users: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


class CudaPair(Struct, frozen=True, kw_only=True):
    """Two sources that have some libraries in common, by name.

    ``names`` are these libraries, ``sizes`` the bytes of them in the first and in the second;
    ``same`` tells whether all have the same major version. ``superfluous`` is the source that
    nothing uses while something uses the other; ``gone`` are the files of layers above the base
    that would be removed with it.
    """

    first: CudaSource
    second: CudaSource
    names: tuple[str, ...]
    sizes: tuple[int, int]
    same: bool
    superfluous: CudaSource | None = None
    gone: tuple[str, ...] = ()


def is_cuda(name: str) -> bool:
    """Whether a library of this soname is one of CUDA's that applications link to."""
    return _LIBRARY.fullmatch(name) is not None


@memoized
def find_cuda_pairs(inventory: Inventory) -> tuple[CudaPair, ...]:
    """Return every two sources of CUDA's libraries that have some of them in common."""
    distributions = {each.metadata: each for each in inventory.distributions}
    groups: dict[tuple[str, str], list[Library]] = {}
    for library in inventory.native.libraries:
        # What is in `stubs` is for linkers alone.
        if is_cuda(library.name) and "/stubs/" not in library.path:
            place = _place(library, distributions.get(library.owner))
            groups.setdefault(place, []).append(library)
    if len(groups) < 2:
        return ()
    # Pairs are the square of the sources; no real image has more than a few.
    largest = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))[:_MOST_SOURCES]
    sources = [_source(inventory, key, libraries) for key, libraries in sorted(largest)]
    return tuple(
        _pair(inventory, first, second)
        for first, second in combinations(sources, 2)
        if first.majors.keys() & second.majors.keys()
    )


def _place(library: Library, distribution: Distribution | None) -> tuple[str, str]:
    """Return what kind of source a library is from, and which."""
    toolkit = _TOOLKIT.match(f"/{library.path}")
    if library.origin == "package":
        return "packages", f"packages in {toolkit[1]}" if toolkit else "packages"
    if distribution is not None:
        match = _WHEEL.fullmatch(distribution.name)
        if match is None:
            return "distribution", distribution.name
        suffix = f"-cu{match[1]}" if match[1] else ""
        return "wheels", f"nvidia-*{suffix} in /{distribution.location}"
    return "directory", toolkit[1] if toolkit else f"/{library.path.rpartition('/')[0]}"


def _source(inventory: Inventory, key: tuple[str, str], libraries: Iterable[Library]) -> CudaSource:
    kind, title = key
    every = tuple(libraries)
    # CUDA's libraries load each other: that is no use of a source.
    mine = {library.path for library in every}
    owners = {library.owner for library in every if library.owner}
    users = {f"/{user}" for library in every for user in library.loaded_by if user not in mine}
    if kind in ("wheels", "distribution"):
        users |= _requirers(inventory, owners)
    majors = {}
    for library in every:
        match = _LIBRARY.fullmatch(library.name)
        if match is not None:
            majors[match[1]] = match[2] or ""
    return CudaSource(
        title=title,
        kind=kind,
        libraries=every,
        majors=majors,
        users=tuple(sorted(users)),
        metadata=tuple(sorted(owners)) if kind in ("wheels", "distribution") else (),
        packages=tuple(sorted(owners)) if kind == "packages" else (),
    )


def _requirers(inventory: Inventory, owners: Iterable[str]) -> set[str]:
    """Return the distributions that require those of a source, and are none of NVIDIA's."""
    mine = set(owners)
    names = {each.name for each in inventory.distributions if each.metadata in mine}
    found = set()
    for each in inventory.distributions:
        if _WHEEL.fullmatch(each.name) or each.metadata in mine:
            # A library of its own that a distribution loads is used by itself.
            if each.metadata in mine and not _WHEEL.fullmatch(each.name):
                found.add(each.name)
        elif names & required_names(inventory.rootfs, [each]):
            found.add(each.name)
    return found


def _pair(inventory: Inventory, first: CudaSource, second: CudaSource) -> CudaPair:
    names = sorted(first.majors.keys() & second.majors.keys())
    contents = contents_of(inventory.rootfs)
    sizes = tuple(contents.size(contents.behind(_paths(each, names))) for each in (first, second))
    superfluous, gone = _superfluous(inventory, first, second)
    return CudaPair(
        first=first,
        second=second,
        names=tuple(names),
        sizes=(sizes[0], sizes[1]),
        same=all(first.majors[name] == second.majors[name] for name in names),
        superfluous=superfluous,
        gone=gone,
    )


def _superfluous(
    inventory: Inventory, first: CudaSource, second: CudaSource
) -> tuple[CudaSource | None, tuple[str, ...]]:
    """Return the source that nothing uses while the other is used, and its files.

    Of the base image's files none would.
    """
    if bool(first.users) == bool(second.users):
        return None, ()
    source = second if first.users else first
    if source.kind == "packages":
        keys = [
            package.key
            for package in inventory.packages.packages
            if package.key in source.packages or _PACKAGE.fullmatch(package.name)
        ]
        freed = free_packages(inventory, keys)
        if not freed.issuperset(source.packages):
            return None, ()
        files = files_of_packages(inventory.rootfs, inventory.packages, freed)
    else:
        files = _files(inventory, source)
    base = inventory.base.layers
    above = sorted(path for path in files if inventory.rootfs[path].layer >= base)
    return source, tuple(above)


def _paths(source: CudaSource, names: Iterable[str]) -> list[str]:
    wanted = set(names)
    return [
        library.path
        for library in source.libraries
        if (match := _LIBRARY.fullmatch(library.name)) is not None and match[1] in wanted
    ]


def _files(inventory: Inventory, source: CudaSource) -> frozenset[str]:
    """Return the files of the distributions of a source, or else its libraries."""
    rootfs = inventory.rootfs
    paths = [library.path for library in source.libraries]
    locations = {each.metadata: each.location for each in inventory.distributions}
    if source.kind == "wheels":
        for metadata in source.metadata:
            paths += files_of(rootfs, locations[metadata], metadata)
    return frozenset(
        path for path in paths if (node := rootfs.get(path)) is not None and node.kind == "file"
    )
