"""Compiled files for the other C library."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._native import file_evidence, python_of, titled
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.imports import unneeded
from pyimginspect.inventory.libc import wanted_libc
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER"]

RULE = Rule(
    id="foreign-libc",
    title="Compiled files are linked to another C library",
    severity="error",
    policy="soundness",
    what="Extension modules are linked to glibc while the interpreter runs on musl, or the other"
    " way round; or a program requires a loader that is not in the image.",
    why="The two C libraries share symbol names but are not compatible. A manylinux wheel on"
    " Alpine fails"
    " when it is imported; a program whose loader is missing is reported by the shell as not found"
    " though the file is there.",
    fix="Install the distribution in this image: pip takes a musllinux wheel on Alpine, or"
    " compiles. Where there is none, take a base with glibc (python:3.X-slim).",
    example="""# at fault: wheels for glibc
FROM python:3.13-slim AS build
RUN pip install --target /deps numpy
FROM python:3.13-alpine
COPY --from=build /deps /usr/local/lib/python3.13/site-packages

# better: one base for both stages
FROM python:3.13-slim AS build
RUN pip install --target /deps numpy
FROM python:3.13-slim
COPY --from=build /deps /usr/local/lib/python3.13/site-packages
""",
)


_FIX = {
    "glibc": "Install it in this image, or in a build stage that has glibc too: pip takes a"
    " manylinux wheel, or compiles.",
    "musl": "Install it in this image, or in a build stage that has musl too: pip takes a musllinux"
    " wheel, or compiles. Where there is no such wheel, take a base with glibc"
    " (python:3.X-slim).",
}


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report distributions, and programs without their loader."""
    yield from _distributions(inventory)
    yield from _programs(inventory)


def _distributions(inventory: Inventory) -> Iterator[Finding]:
    for wheel in inventory.wheels:
        if not wheel.foreign_libc:
            continue
        wanted, why = wanted_libc(inventory.rootfs.elf[wheel.foreign_libc[0]])
        python = python_of(inventory, wheel.python)
        # PT_INTERP, which a Python that is linked statically does not have.
        loader = inventory.rootfs.elf[wheel.python].interpreter
        layer = wheel.distribution.layer
        spared = unneeded(wheel, wheel.foreign_libc)
        yield RULE.finding(
            subject=f"{wheel.distribution.name} {wheel.python}",
            severity="note" if spared else None,
            message=f"{titled(wheel.distribution)} is compiled for {wanted},"
            f" Python {python.version} in /{wheel.python} runs on {python.libc}",
            evidence=[
                *file_evidence(inventory, wheel.foreign_libc, f"for {wanted}: {why}"),
                Evidence(
                    what=f"its loader is {loader}" if loader else f"it is linked to {python.libc}",
                    path=wheel.python,
                    layer=python.layer,
                ),
                *([Evidence(what=spared.reason)] if spared else []),
            ],
            layers=(layer,),
            instruction=inventory.instruction(layer),
            paths=wheel.foreign_libc,
            fix=_FIX.get(python.libc, ""),
        )


def _programs(inventory: Inventory) -> Iterator[Finding]:
    """One finding for each loader that is missing."""
    by_loader: dict[str, list[str]] = {}
    for resolution in inventory.native.programs:
        loader = inventory.rootfs.elf[resolution.path].interpreter
        # Other problems of programs are missing-library's; this is about the loader alone.
        if resolution.problem and inventory.rootfs.resolve(loader) is None:
            by_loader.setdefault(loader, []).append(resolution.path)
    for loader, paths in sorted(by_loader.items()):
        layers = [inventory.rootfs[path].layer for path in paths]
        # What the base image has, no line of this Dockerfile can change.
        if max(layers) < inventory.base.layers:
            continue
        yield RULE.finding(
            subject=loader,
            message=f"{listed([f'/{path}' for path in paths])} cannot be started:"
            f" the loader {loader} is not in the image",
            evidence=file_evidence(inventory, paths, f"requires the loader {loader}"),
            layers=layers,
            instruction=inventory.instruction(max(layers)),
            paths=paths,
            fix=f"Take builds for {inventory.libc.flavor}, or static ones.",
        )


ANALYZER = Analyzer(rule=RULE, run=run)
