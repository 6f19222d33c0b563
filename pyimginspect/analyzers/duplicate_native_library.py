"""One native library from two places."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.bundled import named_after
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import contents_of
from pyimginspect.inventory.derived.cuda import CudaPair, CudaSource, find_cuda_pairs
from pyimginspect.inventory.derived.duplicates import Duplicate, find_duplicates
from pyimginspect.inventory.native import Library
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed, sized

__all__ = ["ANALYZER"]

RULE = Rule(
    id="duplicate-native-library",
    title="A native library is in the image twice",
    severity="note",
    policy="native",
    what="A library is in the image from a system package, and again bundled in a wheel or copied"
    " by hand: of the same name and major version, or with the same build ID."
    " The hash that auditwheel adds to the names of bundled libraries is ignored."
    " CUDA libraries are compared wherever they come from, across versions too: the nvidia-*"
    " wheels, /usr/local/cuda, NVIDIA's packages; from 100 MB on, that is a warning.",
    why="Two copies are two versions to patch, and which one is loaded depends on who loads it,"
    " as the evidence shows. Where a wheel bundles its own copy, the system package may not"
    " be needed; a second copy of CUDA is often several gigabytes.",
    fix="Drop the system package where the finding says that nothing else requires it, or build"
    " the distribution against it (pip install --no-binary).",
    example="""# psycopg2-binary has a libpq of its own
RUN apt-get update && apt-get install -y libpq5 && pip install psycopg2-binary

# better: either of the two
RUN pip install psycopg2-binary
""",
)

_MOST = 8
_MUCH = 100_000_000
"""Bytes of CUDA's libraries from which a second copy is against the policy."""


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report what packages have as well, by who brought the second ones, and CUDA by pairs."""
    for duplicate in find_duplicates(inventory):
        yield _finding(inventory, duplicate)
    for pair in find_cuda_pairs(inventory):
        yield _cuda(inventory, pair)


def _finding(inventory: Inventory, duplicate: Duplicate) -> Finding:
    libraries = (*duplicate.packaged, *duplicate.copies)
    names = sorted({each.name for each in duplicate.packaged})
    layers = {each.layer for each in libraries}
    titles = {each.metadata: each.name for each in inventory.distributions}
    title = titles.get(duplicate.metadata, "a wheel")
    whence = (
        f"bundled in {title}" if not duplicate.directory else (f"copied to /{duplicate.directory}")
    )
    return RULE.finding(
        subject=f"{' '.join(duplicate.packages)} {whence}",
        message=f"{listed(names)} {'is' if len(names) == 1 else 'are'} in the image twice: from"
        f" {listed(duplicate.packages)} and {whence}",
        evidence=[*_evidence(inventory, libraries), *_needs(duplicate)],
        layers=layers,
        instruction=inventory.instruction(max(layers)),
        paths=[each.path for each in libraries],
        packages=duplicate.packages,
        frees=contents_of(inventory.rootfs).freed(duplicate.gone),
        fix=_fix(inventory, duplicate, title),
    )


def _fix(inventory: Inventory, duplicate: Duplicate, title: str) -> str:
    """Return what to keep: no package is to be dropped that something else needs."""
    packages = listed(duplicate.packages)
    if duplicate.directory:
        if duplicate.unused:
            gone = listed(f"/{path}" for path in duplicate.unused)
            return f"Delete {gone} in the step that copies: nothing loads it, and {packages} stays"
        return f"Delete the copies in /{duplicate.directory} and let their users load {packages}"
    edits = []
    if duplicate.dropped:
        layers = sorted({inventory.packages[key].installed_in for key in duplicate.dropped})
        where = listed(str(layer) for layer in layers)
        line = f"layer {where}" if len(layers) == 1 else f"layers {where}"
        edits.append(
            f"Do not install {listed(duplicate.dropped, 8)} in {line}: {title} loads its own copy,"
            " no other package depends on it and no other file is linked to it"
        )
    kept = [key for key in duplicate.packages if key not in duplicate.dropped]
    if kept:
        edits.append(f"Keep {listed(kept, 8)}, which others require (see the evidence)")
        edits.append(f"pip install --no-binary {title} {title} links {title} to it as well")
    return "\n".join(edits)


def _needs(duplicate: Duplicate) -> Iterator[Evidence]:
    for key, who in duplicate.needed_by:
        yield Evidence(what=f"{key} is required by {listed(who)}", package=key)
    more = len(duplicate.freed) - len(duplicate.dropped)
    if more > 0:
        more_words = counted(more, "more package")
        what = f"nothing but {listed(duplicate.dropped)} requires {more_words}"
        yield Evidence(what=what)


def _evidence(inventory: Inventory, libraries: tuple[Library, ...]) -> Iterator[Evidence]:
    bundled = {each.metadata: each.bundled for each in inventory.distributions}
    for library in libraries[:_MOST]:
        users = [f"/{path}" for path in library.loaded_by]
        what = f"loaded for {listed(users)}" if users else "no file that was examined loads it"
        named = named_after(library.name, bundled.get(library.owner, ()))
        if named is not None:
            what += f"; the distribution's SBOM says that it is {named.name} {named.version}"
        if library.build_id:
            # Eight bytes of SHA-1's twenty (ld --build-id): enough to tell builds apart by eye.
            what += f"; build ID {library.build_id[:16]}"
        package = library.owner if library.origin == "package" else ""
        yield Evidence(what=what, path=library.path, layer=library.layer, package=package)
    if len(libraries) > _MOST:
        yield Evidence(what=f"{counted(len(libraries) - _MOST, 'more file')} not listed")


# --- CUDA ---------------------------------------------------------------------------------------
def _cuda(inventory: Inventory, pair: CudaPair) -> Finding:
    first, second = pair.first, pair.second
    libraries = [*first.libraries, *second.libraries]
    layers = {each.layer for each in libraries}
    smaller = min(pair.sizes)
    how = "are in the image twice" if pair.same else "are in the image in two versions"
    names = listed(_versions(pair, name) for name in pair.names)
    return RULE.finding(
        subject=f"{first.title} {second.title}",
        severity="warning" if smaller >= _MUCH else None,
        message=f"CUDA's libraries {how}, {sized(pair.sizes[0])} from {first.title} and"
        f" {sized(pair.sizes[1])} from {second.title}: {names}",
        evidence=[
            evidence
            for source, size in ((first, pair.sizes[0]), (second, pair.sizes[1]))
            for evidence in _source(source, size)
        ],
        layers=layers,
        instruction=inventory.instruction(max(layers)),
        # A CUDA toolkit has dozens of libraries.
        paths=[each.path for each in libraries][:50],
        packages=(*first.packages, *second.packages),
        frees=contents_of(inventory.rootfs).freed(pair.gone),
        fix=_cuda_fix(pair),
    )


def _versions(pair: CudaPair, name: str) -> str:
    majors = (pair.first.majors[name], pair.second.majors[name])
    if majors[0] == majors[1]:
        # Where a library has no number in its name, none is left after the dot.
        return f"{name}.so.{majors[0]}".rstrip(".")
    return f"{name} ({majors[0]} and {majors[1]})"


def _source(source: CudaSource, size: int) -> Iterator[Evidence]:
    libraries = sorted(source.libraries, key=lambda each: each.path)
    count = counted(len(libraries), "library", "libraries")
    what = f"{source.title}: {count}, {sized(size)} in common with the other"
    yield Evidence(what=what, path=libraries[0].path, layer=libraries[0].layer)
    if source.users:
        yield Evidence(what=f"{source.title}: used by {listed(source.users, 6)}")
    else:
        yield Evidence(what=f"{source.title}: not used by any file that was examined")


def _cuda_fix(pair: CudaPair) -> str:
    gone = pair.superfluous
    # Neither can go as it is; which sentence is true depends on who uses the two.
    if gone is None:
        if pair.first.users and pair.second.users:
            return (
                f"Both are used. Install builds of {listed(pair.first.users)} and of"
                f" {listed(pair.second.users)} for one version of CUDA, so that one copy is enough"
            )
        if pair.first.users or pair.second.users:
            names = listed(pair.first.packages or pair.second.packages)
            return f"Keep both: other packages depend on {names}"
        return "Find out which of the two is used, and keep that one"
    kept = pair.first if gone is pair.second else pair.second
    why = f"{listed(kept.users)} use {kept.title}, and no file that was examined uses the other"
    if gone.kind == "packages":
        names = listed(gone.packages, 8)
        return (
            f"Do not install {names}, or begin with an image that has no CUDA libraries: {why};"
            " the driver's libcuda.so.1 comes from the host"
        )
    if gone.kind == "wheels":
        return f"Do not install {gone.title}: {why}"
    if gone.kind == "distribution":
        return f"Keep {kept.title}; {gone.title} bundles what nothing loads: {why}"
    return f"Do not copy {gone.title}, or begin with an image that has no CUDA libraries: {why}"


ANALYZER = Analyzer(rule=RULE, run=run)
