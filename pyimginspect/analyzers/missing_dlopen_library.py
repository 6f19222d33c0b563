"""Libraries that Python code opens by itself when it is imported."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._native import providers, python_of, remedies, titled
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.native import Dlopen
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER"]

RULE = Rule(
    id="missing-dlopen-library",
    title="A library that Python code loads with dlopen is missing",
    severity="error",
    policy="soundness",
    what="A distribution opens native libraries with dlopen (through cffi or ctypes) when it is"
    " imported, and the loader would not find one of them. The compiled files do not record this:"
    " it is known from the source of each distribution, which the evidence names, or from the"
    " policy's [dlopen].",
    why='pip installs such a distribution without a warning, and the import fails with "cannot'
    " load library\". Pure native libraries come from the system's package manager.",
    fix="Install the system packages that provide the libraries.",
    example="""# at fault: WeasyPrint draws with Pango
RUN pip install --no-cache-dir weasyprint

# better
RUN apt-get update && apt-get install -y --no-install-recommends \\
        libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir weasyprint
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report each distribution with all the libraries that it would miss."""
    missing: dict[tuple[str, str], list[Dlopen]] = {}
    for each in inventory.native.dlopens:
        if not each.found or each.failures:
            missing.setdefault((each.distribution.metadata, each.python), []).append(each)
    for _, opened in sorted(missing.items()):
        distribution, python = opened[0].distribution, python_of(inventory, opened[0].python)
        names = [each.names[0] for each in opened]
        # cffi code tries one name after the other, with the names of other systems among them.
        wanted = [_available(inventory, each.names) for each in opened if not each.found]
        wanted += [failure.name for each in opened for failure in each.failures]
        packages = providers(inventory, wanted)
        yield RULE.finding(
            subject=f"{distribution.name} {python.path}",
            message=f"{titled(distribution)} opens {listed(names)}, which Python {python.version}"
            f" would not {'find' if not opened[0].found else 'load'}",
            evidence=list(_evidence(opened)),
            layers=(distribution.layer,),
            instruction=inventory.instruction(distribution.layer),
            paths=(distribution.metadata,),
            packages=packages,
            fix="\n".join(remedies(inventory, wanted)),
        )


def _available(inventory: Inventory, names: tuple[str, ...]) -> str:
    """Return the first of several names that this system has a package for."""
    return next((name for name in names if providers(inventory, [name])), names[0])


def _evidence(opened: list[Dlopen]) -> Iterator[Evidence]:
    searched: dict[tuple[str, ...], list[str]] = {}
    for each in opened:
        if not each.found:
            searched.setdefault(each.searched, []).append(" or ".join(each.names))
    for directories, names in searched.items():
        distribution = opened[0].distribution
        yield Evidence(
            what=f"opens {listed(names, 12)}; searched {listed(directories, 8)}",
            path=distribution.metadata,
            layer=distribution.layer,
        )
    for each in opened:
        for failure in each.failures:
            what = f"is found for {each.names[0]}, and needs {failure.name}, which is not"
            yield Evidence(what=what, path=each.found)
    yield Evidence(what=f"known from {listed(dict.fromkeys(each.source for each in opened))}")


ANALYZER = Analyzer(rule=RULE, run=run)
