"""Native libraries that no package manager knows of."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._native import file_evidence, install_line, providers
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.native import Library
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER"]

RULE = Rule(
    id="native-library-not-from-os",
    title="A native library was copied by hand",
    severity="warning",
    policy="native",
    what="A shared library belongs neither to a system package nor to a Python distribution: it"
    " was compiled in place, or copied from another stage.",
    why="No package manager updates it, no scanner knows its version, and nothing resolved its"
    " own dependencies. A copy from a stage with another base may not even load.",
    fix="Install the system package instead. Where there is none, document where the library"
    " comes from, and waive the finding.",
    example="""# at fault
COPY --from=build /usr/lib/x86_64-linux-gnu/libpq.so.5 /usr/local/lib/

# better
RUN apt-get update && apt-get install -y --no-install-recommends libpq5 \\
    && rm -rf /var/lib/apt/lists/*
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report them by directory and layer, but for those of the base image."""
    groups: dict[tuple[str, int], list[Library]] = {}
    for library in inventory.native.libraries:
        if library.origin == "copied" and library.layer >= inventory.base.layers:
            # By layer too, as each COPY is another line of the Dockerfile.
            place = (library.path.rpartition("/")[0], library.layer)
            groups.setdefault(place, []).append(library)
    for (directory, layer), libraries in sorted(groups.items()):
        paths = [library.path for library in libraries]
        names = sorted({library.name for library in libraries})
        # A directory of many was most often built from source on purpose (FFmpeg, GDAL): packages
        # of the system would be another version of all of it.
        packages = providers(inventory, names) if len(names) <= 4 else []
        yield RULE.finding(
            subject=directory,
            message=f"{listed(names)} in /{directory} came with no package",
            evidence=file_evidence(inventory, paths, "no package and no distribution owns it"),
            layers=(layer,),
            instruction=inventory.instruction(layer),
            paths=paths,
            packages=packages,
            fix=install_line(inventory, packages),
        )


ANALYZER = Analyzer(rule=RULE, run=run)
