"""An interpreter that would load the libpython of another."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._pythons import described
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Interpreter
from pyimginspect.inventory.interpreters.layout import LIBRARY_DIRECTORIES
from pyimginspect.inventory.loader import Dependency, Loader
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER", "hijacked_libpython"]

RULE = Rule(
    id="hijacked-libpython",
    title="A Python loads the libpython of another",
    severity="error",
    policy="soundness",
    what="An interpreter's executable needs libpython, and the dynamic loader would load another"
    " file than the one that belongs to the executable, or none at all. The search follows"
    " the loader's rules with the image's own files and environment: run paths,"
    " LD_LIBRARY_PATH, ld.so.cache and the default directories.",
    why="The executable of a Python built with a shared library is a few kilobytes; the"
    " interpreter is in libpython. The loader takes the first library of that name in its search"
    " order. With the wrong one, python3 runs another version or build than its standard library"
    " and its extension modules were made for. Official images were affected until 2023, when an"
    " apt package brought a libpython of the same name"
    " (docker-library/python issue 784).",
    fix="Drop the package that brings the second libpython, take its directory out of"
    " LD_LIBRARY_PATH, or link the executable with a run path of its own ($ORIGIN/../lib).",
    example="""# at fault: LD_LIBRARY_PATH is searched before a run path
FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y libpython3.11
ENV LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu

# better: nothing needs it
FROM python:3.11-slim-bookworm
""",
)


def hijacked_libpython(inventory: Inventory) -> Iterator[Finding]:
    """Report interpreters whose libpython is not theirs, or is not there."""
    # With the image's environment: LD_LIBRARY_PATH comes before RUNPATH and the cache (ld.so(8)).
    loader = Loader(inventory.rootfs, inventory.image.config.environment())
    for python in inventory.interpreters:
        elf = inventory.rootfs.elf.get(python.path)
        for name in elf.needed if elf is not None else ():  # Windows' programs are no ELF files
            # libpython3.13.so.1.0, and libpython3.so for the stable ABI.
            if name.startswith("libpython"):
                yield from _check(inventory, loader, python, name)


def _check(
    inventory: Inventory, loader: Loader, python: Interpreter, name: str
) -> Iterator[Finding]:
    resolution = loader.program(python.path).resolution
    if resolution.problem:
        return  # nothing starts here, for reasons of its own
    taken = resolution.needed.get(name, "")
    own = _own(inventory, python, name)
    if taken and (not own or taken in own):
        return
    found = next((each for each in resolution.dependencies if each.name == name), None)
    if taken:
        message = f"{described(python)} would load /{taken}, which is not its own"
        reasons = [*_taken(inventory, taken, found)]
    else:
        message = f"{described(python)} does not start: there is no {name}"
        searched = found.searched if found is not None else ()
        reasons = [Evidence(what=f"searched: {listed(searched, 10) or 'nowhere'}")]
    layer = inventory.rootfs[taken or python.path].layer
    yield RULE.finding(
        subject=python.path,
        message=message,
        evidence=[
            Evidence(what=f"/{python.path} needs {name}", path=python.path),
            *(Evidence(what=f"it was built with /{path}", path=path) for path in own),
            *reasons,
        ],
        layers=(layer,),
        instruction=inventory.instruction(layer),
        paths=[path for path in (python.path, taken, *own) if path],
        packages=inventory.packages.owner(taken) if taken else (),
    )


def _taken(inventory: Inventory, taken: str, found: Dependency | None) -> Iterator[Evidence]:
    """Yield how the loader comes by a library, and where that is from."""
    how = f" by its {found.how}" if found is not None else ""
    yield Evidence(what=f"the loader loads /{taken}{how}", path=taken)
    for key in inventory.packages.owner(taken):
        layer = inventory.packages[key].layer
        yield Evidence(what=f"package {key} brought that", package=key, layer=layer)
    version = inventory.rootfs.strings.get(taken)
    if version is not None:
        yield Evidence(what=f"this library is of Python {version}", path=taken)


def _own(inventory: Inventory, python: Interpreter, name: str) -> list[str]:
    """Return the real paths of the library of that name beside the executable."""
    places = (f"{python.prefix}/{directory}/{name}" for directory in LIBRARY_DIRECTORIES)
    return [real for real in map(inventory.rootfs.resolve, places) if real is not None]


ANALYZER = Analyzer(rule=RULE, run=hijacked_libpython)
