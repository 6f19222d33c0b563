"""What musl means for the distributions that are installed."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._native import python_of
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.wheels import Wheel
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER"]

RULE = Rule(
    id="musl-base",
    title="Compiled distributions on musl",
    severity="note",
    policy="base",
    what="The interpreter runs on musl, and distributions are installed for which no musllinux"
    " wheel was used: they were compiled in place, or are wheels for glibc. Where every compiled"
    " distribution has a musllinux wheel, there is no finding.",
    why="Without a wheel for musl a distribution has to be compiled on every build of the image,"
    " with compilers and headers to install and to remove again. Whether that is so depends on what"
    " is installed here, not on the reputation of the base.",
    fix="Look on PyPI whether a newer release of the distribution has a musllinux wheel; with many"
    " that have none, python:3.X-slim saves the compiling.",
    example="""# at fault: uWSGI has no wheel for musl, nor for anything else
FROM python:3.13-alpine
RUN apk add --no-cache --virtual .build-deps gcc libc-dev linux-headers \\
    && pip install --no-cache-dir uwsgi \\
    && apk del .build-deps

# better: one that has a wheel for musl
FROM python:3.13-alpine
RUN pip install --no-cache-dir granian
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report each interpreter on musl with distributions that are no musllinux wheels."""
    for path in sorted({wheel.python for wheel in inventory.wheels}):
        python = python_of(inventory, path)
        # By the interpreter: gcompat puts glibc's loader path on Alpine, and pip refuses manylinux
        # all the same.
        if python.libc != "musl":
            continue
        compiled = [each for each in inventory.wheels if each.python == path]
        # Tagged linux_*, as pip tags what it builds in place.
        local = [each for each in compiled if each.local]
        foreign = [each for each in compiled if each.foreign_libc]
        if local or foreign:
            yield _finding(path, compiled, local, foreign)


def _finding(path: str, compiled: list[Wheel], local: list[Wheel], foreign: list[Wheel]) -> Finding:
    without = [*local, *foreign]
    parts = [f"{listed(_names(local))} compiled in place"] if local else []
    parts += [f"{listed(_names(foreign))} built for glibc"] if foreign else []
    return RULE.finding(
        subject=path,
        message=f"{len({*map(_key, without)})} of {len(compiled)} compiled distributions on musl"
        f" came with no musllinux wheel: {'; '.join(parts)}",
        evidence=[
            Evidence(
                what=f"Tag: {', '.join(each.distribution.tags[:2])}",
                path=each.distribution.metadata,
                layer=each.distribution.layer,
            )
            for each in without
        ],
        layers=[each.distribution.layer for each in without],
        paths=[each.distribution.metadata for each in without],
    )


def _key(wheel: Wheel) -> str:
    return wheel.distribution.metadata


def _names(wheels: list[Wheel]) -> list[str]:
    return sorted({wheel.distribution.name for wheel in wheels})


ANALYZER = Analyzer(rule=RULE, run=run)
