"""Symbol versions that the libraries of the image do not have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyimginspect.analyzers._native import Bearer, Bearers, instruction, listed
from pyimginspect.analyzers._words import counted
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.wheels import glibc_version
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER"]

RULE = Rule(
    id="glibc-too-old",
    title="A library is older than what was linked to it",
    severity="error",
    policy="soundness",
    what="A compiled file needs a version of symbols (GLIBC_2.38, GLIBCXX_3.4.32, OPENSSL_3.2.0)"
    " that the library which would be loaded for it does not define.",
    why="The loader refuses: version `GLIBC_2.38' not found. It happens when something was compiled"
    " on a newer system than the image's, or in a build stage with a newer base.",
    fix="Use the same release in build and run stages, or a wheel for the image's C library.",
    example="""# at fault
FROM python:3.13-trixie AS build
RUN pip install --no-binary :all: --target /deps psycopg2
FROM python:3.13-slim-bookworm
COPY --from=build /deps /usr/local/lib/python3.13/site-packages
""",
)

_NUMBERS = re.compile(r"\d+")
_MOST = 5


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report what the files of one distribution, package or directory want of one library."""
    bearers = Bearers(inventory)
    groups: dict[tuple[Bearer, str], dict[str, set[str]]] = {}
    resolutions = [module.resolution for module in inventory.native.modules]
    for resolution in (*resolutions, *inventory.native.programs):
        for mismatch in resolution.mismatches:
            key = (bearers.of(mismatch.needed_by), mismatch.path)
            wanted = groups.setdefault(key, {}).setdefault(mismatch.needed_by, set())
            wanted.add(mismatch.version)
    for (bearer, library), by_file in sorted(groups.items()):
        yield _finding(inventory, bearers, bearer, library, dict(sorted(by_file.items())))


def _finding(
    inventory: Inventory,
    bearers: Bearers,
    bearer: Bearer,
    library: str,
    by_file: dict[str, set[str]],
) -> Finding:
    wanted = sorted(set().union(*by_file.values()), key=_order)
    newest = _newest_defined(inventory, wanted[-1], library)
    layers = [inventory.rootfs[path].layer for path in by_file]
    alone = bearer.kind == "distribution" or len(by_file) == 1
    name = library.rpartition("/")[2]
    return RULE.finding(
        subject=f"{bearers.subject(bearer)} {library}",
        message=f"{bearers.title(bearer, list(by_file))} need{'s' * alone} {listed(wanted, 3)}"
        f" of {name}, which here has {newest}",
        evidence=[
            *_needs(inventory, by_file),
            Evidence(
                what=f"the newest it defines is {newest}",
                path=library,
                layer=inventory.rootfs[library].layer,
            ),
        ],
        layers=layers,
        instruction=instruction(inventory, max(layers)),
        paths=(*by_file, library),
        fix=_fix(wanted[-1], newest),
    )


def _needs(inventory: Inventory, by_file: dict[str, set[str]]) -> Iterator[Evidence]:
    for path in list(by_file)[:_MOST]:
        wanted = sorted(by_file[path], key=_order)
        layer = inventory.rootfs[path].layer
        yield Evidence(what=f"needs {listed(wanted, 12)}", path=path, layer=layer)
    if len(by_file) > _MOST:
        yield Evidence(what=f"and so do {counted(len(by_file) - _MOST, 'more file')}")


def _fix(wanted: str, newest: str) -> str:
    """Return what to do about glibc itself; for other libraries the rule says it."""
    need, have = glibc_version([wanted]), glibc_version([newest])
    if need is None or have is None:
        return ""
    return (
        f"Build it in a stage with this image's own base (glibc {have[0]}.{have[1]}), install a"
        f" wheel (manylinux_{have[0]}_{have[1]} or older), or start FROM a base with"
        f" glibc {need[0]}.{need[1]} or newer."
    )


def _newest_defined(inventory: Inventory, wanted: str, path: str) -> str:
    """Return the newest version of the same family that a library defines."""
    family = _family(wanted)
    defined = [v for v in inventory.rootfs.elf[path].version_definitions if _family(v) == family]
    numbered = [version for version in defined if _NUMBERS.search(version)]
    return max(numbered, key=_order) if numbered else f"no {family} version"


def _family(version: str) -> str:
    return version.partition("_")[0]


def _order(version: str) -> tuple[list[int], str]:
    return [int(number) for number in _NUMBERS.findall(version)[:8]], version


ANALYZER = Analyzer(rule=RULE, run=run)
