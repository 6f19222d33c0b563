"""The base image is not an official python:3.X-slim."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import contents_of
from pyimginspect.inventory.derived.leftovers import kept_of_full, not_in_slim
from pyimginspect.inventory.facts import BaseImage
from pyimginspect.inventory.official_images import slim_image
from pyimginspect.inventory.packages.commands import install_and_clean
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted

__all__ = ["ANALYZER"]

RULE = Rule(
    id="base-not-official-slim",
    title="The base image is not an official python slim image",
    severity="warning",
    policy="base",
    what="The image has a Python and was not built from python:3.X-slim.",
    why="The official slim images contain one CPython, built from source, and no build"
    " dependencies, on the smallest Debian that manylinux wheels run on. The full variant"
    " brings"
    " compilers, version control and hundreds of development packages; a distribution's image has"
    " the distribution's Python, or none.",
    fix="Begin with FROM python:3.X-slim; build in a separate stage from the same image. Name"
    " the Debian release as well (python:3.X-slim-bookworm): without it the tag moves to the next"
    " release one day, and with it the C library and every system package.",
    example="""# at fault
FROM python:3.13

# better
FROM python:3.13-slim-bookworm
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Judge the base image of an image with a Python, where the base is known."""
    base = inventory.base
    # What is no more than a guess is the affair of unknown-base.
    if not inventory.interpreters or base.family == "unknown" or base.confidence == "guess":
        return
    if base.family == "python" and base.variant == "slim":
        return
    name = base.name or " ".join(filter(None, (base.family, base.version)))
    # A distribution's release says nothing of Python: the first interpreter does.
    version = base.version if base.family == "python" else inventory.interpreters[0].version
    evidence = list(base.evidence)
    packages: tuple[str, ...] = ()
    freed = None
    fix = f"FROM {slim_image(version, base.distribution)}"
    # Only the full variant is the slim one and more; of other bases nothing can be estimated.
    if base.variant == "full":
        packages, files = not_in_slim(inventory)
        freed = contents_of(inventory.rootfs).freed(files)
        what = f"{counted(len(packages), 'package')} of the base would not be in the slim variant"
        evidence.append(Evidence(what=f"{what} (estimated from dependencies)"))
        if needed := kept_of_full(inventory):
            fix += f", and RUN {' && '.join(install_and_clean('apt-get', needed))}"
    yield RULE.finding(
        subject=" ".join(filter(None, (base.family, base.variant))),
        message=f"the base image is {name}: {_WORDS.get(_kind(base), _OTHER)}",
        evidence=evidence,
        layers=range(base.layers),
        packages=packages,
        frees=freed,
        fix=fix,
    )


_OTHER = "not an official python image"
# Variants as in the tags of docker-library/python.
_WORDS = {
    "full": "the full variant, with compilers and headers",
    "alpine": "musl, for which wheels may be missing; see the findings about its C library",
    "windowsservercore": "Windows, which has no slim variant",
}


def _kind(base: BaseImage) -> str:
    return base.variant if base.family == "python" else ""


ANALYZER = Analyzer(rule=RULE, run=run)
