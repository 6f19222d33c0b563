"""Symbol versions that the libraries of the image do not have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyimginspect.analyzers._native import instruction, listed
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
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


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report, for each file with needs that are not met, what it needs and of which library."""
    by_file: dict[tuple[str, str], dict[str, None]] = {}
    resolutions = [module.resolution for module in inventory.native.modules]
    for resolution in (*resolutions, *inventory.native.programs):
        for mismatch in resolution.mismatches:
            key = (mismatch.needed_by, mismatch.path)
            by_file.setdefault(key, {})[mismatch.version] = None
    for (needed_by, path), versions in sorted(by_file.items()):
        wanted = sorted(versions, key=_order)
        newest = _newest_defined(inventory, wanted[-1], path)
        layer = inventory.rootfs[needed_by].layer
        yield RULE.finding(
            subject=f"{needed_by} {path}",
            message=f"/{needed_by} needs {listed(wanted, 3)}, /{path} has {newest}",
            evidence=[
                Evidence(what=f"needs {listed(wanted, 12)}", path=needed_by, layer=layer),
                Evidence(
                    what=f"the newest it defines is {newest}",
                    path=path,
                    layer=inventory.rootfs[path].layer,
                ),
            ],
            layers=(layer,),
            instruction=instruction(inventory, layer),
            paths=(needed_by, path),
        )


def _newest_defined(inventory: Inventory, wanted: str, path: str) -> str:
    """Return the newest version of the same family that a library defines."""
    family = wanted.partition("_")[0]
    defined = [v for v in inventory.rootfs.elf[path].version_definitions if _family(v) == family]
    numbered = [version for version in defined if _NUMBERS.search(version)]
    return max(numbered, key=_order) if numbered else f"no {family} version"


def _family(version: str) -> str:
    return version.partition("_")[0]


def _order(version: str) -> tuple[list[int], str]:
    return [int(number) for number in _NUMBERS.findall(version)[:8]], version


ANALYZER = Analyzer(rule=RULE, run=run)
