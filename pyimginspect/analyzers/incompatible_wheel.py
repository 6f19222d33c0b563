"""Wheels that pip would not have installed here."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._native import fits, python_of, titled
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER"]

RULE = Rule(
    id="incompatible-wheel",
    title="A wheel's tags do not fit the interpreter",
    severity="warning",
    policy="soundness",
    what="None of the tags in a distribution's WHEEL file is one that the interpreter accepts, with"
    " its version and with the C library of this image; its files showed no worse problem. Files"
    " from system packages are not judged.",
    why="pip would have refused it, so it was copied from elsewhere. That its files load does not"
    " mean that they work with an older C library, or on a Python that they were not built for.",
    fix="Install the distribution in this image, or in a build stage with the same base.",
    example="""# at fault: the build stage has a newer C library, and takes newer wheels
FROM python:3.13-slim-trixie AS build
RUN pip install --target /deps some-package
FROM python:3.13-slim-bullseye
COPY --from=build /deps /usr/local/lib/python3.13/site-packages

# better
FROM python:3.13-slim-bullseye AS build
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report wheels by their tags, unless their files tell of something worse."""
    for wheel in inventory.wheels:
        # What the OS packages was no wheel that pip chose, and Debian shares it with its PyPy.
        # `is not False`: None is a wheel without tags, of which nothing can be said.
        if wheel.compatible is not False or not fits(wheel) or wheel.distribution.package:
            continue
        python = python_of(inventory, wheel.python)
        tags = wheel.distribution.tags
        layer = wheel.distribution.layer
        libc = f"{python.libc} {python.libc_version or ''}".strip()
        evidence = [
            Evidence(what=f"Tag: {tag}", path=wheel.distribution.metadata, layer=layer)
            # A wheel has two or three as a rule; a hostile WHEEL may have any number.
            for tag in tags[:5]
        ]
        evidence.append(Evidence(what=f"Python {python.version} on {libc}", path=wheel.python))
        if wheel.glibc:
            what = f"its files need glibc {wheel.glibc}"
            evidence.append(Evidence(what=what, path=wheel.glibc_file))
        yield RULE.finding(
            subject=f"{wheel.distribution.name} {wheel.python}",
            message=f"{titled(wheel.distribution)} is a wheel for {listed(tags, 2)},"
            f" which Python {python.version} on {libc} does not accept",
            evidence=evidence,
            layers=(layer,),
            instruction=inventory.instruction(layer),
            paths=(wheel.distribution.metadata,),
        )


ANALYZER = Analyzer(rule=RULE, run=run)
