"""What lies between two images: what changed, by cause, and what that weighs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from pyimginspect.report import Finding, ImageFacts, Report, as_json

__all__ = ["COMPARISON_VERSION", "Change", "Comparison", "Subject", "compare"]

COMPARISON_VERSION = 2

# A new minor version of Python moves everything; that is one change, and not thousands.
_MINOR = re.compile(r"(?<![0-9])3\.\d+")

Subject = Literal["fact", "interpreter", "os-package", "distribution", "layers"]


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is not what it was.

    ``before`` and ``after`` are versions, or what a fact says; ``None`` where the thing is not
    there. The sizes are in bytes; ``where`` tells things of one name apart.
    """

    subject: Subject
    name: str
    before: str | None = None
    after: str | None = None
    size_before: int = 0
    size_after: int = 0
    where: str = ""

    @property
    def how(self) -> Literal["added", "removed", "changed"]:
        """In one word what happened."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    @property
    def growth(self) -> int:
        """Bytes more than before; less than none where it shrank."""
        return self.size_after - self.size_before


class Comparison(Struct, frozen=True, kw_only=True):
    """What changed from one image to another, by cause.

    ``size`` and ``waste`` are bytes of file content in all layers, before and after. ``shared``
    are the layers, from the lowest up, that both images have, with their bytes. ``layers`` has
    the bytes of the base's layers and of those on top. ``new`` are the findings of the second
    image that the first has not, ``gone`` those of the first that the second has not.
    """

    comparison_version: int = COMPARISON_VERSION
    tool_version: str
    before: ImageFacts
    after: ImageFacts
    size: tuple[int, int]
    waste: tuple[int, int]
    shared_layers: int = 0
    shared_size: int = 0
    facts: tuple[Change, ...] = ()
    interpreters: tuple[Change, ...] = ()
    os_packages: tuple[Change, ...] = ()
    distributions: tuple[Change, ...] = ()
    layers: tuple[Change, ...] = ()
    new: tuple[Finding, ...] = ()
    fixed: tuple[Finding, ...] = ()
    kept: int = 0

    @property
    def growth(self) -> int:
        """Bytes that the second image stores more than the first."""
        return self.size[1] - self.size[0]

    @property
    def same(self) -> bool:
        """Whether nothing that a report tells has changed."""
        changes = (self.facts, self.interpreters, self.os_packages, self.distributions)
        return not (self.growth or self.new or self.fixed or any(changes))

    def to_json(self, *, indent: int = 2) -> str:
        """Return the comparison as JSON, the same characters from run to run."""
        return as_json(self, indent=indent)


class _Thing(Struct, frozen=True):
    """Something that an image has: its version, its bytes, and where it is."""

    name: str
    version: str
    size: int
    where: str = ""


def compare(before: Report, after: Report) -> Comparison:
    """Return what changed from the image of ``before`` to that of ``after``.

    Things are the same thing by name and place, findings by fingerprint; versions of Python in
    paths make no difference. Changes come with those first that weigh most.
    """
    shared = 0
    for old, new in zip(before.layers, after.layers, strict=False):
        if old.diff_id is None or old.diff_id != new.diff_id:
            break
        shared += 1
    old_prints = {finding.fingerprint for finding in before.findings}
    new_prints = {finding.fingerprint for finding in after.findings}
    return Comparison(
        tool_version=after.tool_version,
        before=before.image,
        after=after.image,
        size=(before.size, after.size),
        waste=(before.waste.size, after.waste.size),
        shared_layers=shared,
        shared_size=sum(layer.account.stored for layer in after.layers[:shared]),
        facts=_facts(before, after),
        interpreters=_changes("interpreter", _interpreters(before), _interpreters(after)),
        os_packages=_changes("os-package", _packages(before), _packages(after)),
        distributions=_changes("distribution", _distributions(before), _distributions(after)),
        layers=_layers(before, after),
        new=tuple(f for f in after.findings if f.fingerprint not in old_prints),
        fixed=tuple(f for f in before.findings if f.fingerprint not in new_prints),
        kept=sum(f.fingerprint in old_prints for f in after.findings),
    )


def _changes(
    subject: Subject, before: Mapping[object, _Thing], after: Mapping[object, _Thing]
) -> tuple[Change, ...]:
    changes = []
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old is not None and new is not None and old.version == new.version:
            continue
        thing = new or old
        assert thing is not None
        changes.append(
            Change(
                subject=subject,
                name=thing.name,
                before=old.version if old is not None else None,
                after=new.version if new is not None else None,
                size_before=old.size if old is not None else 0,
                size_after=new.size if new is not None else 0,
                where=thing.where,
            )
        )
    # By name as well: the order of a set of keys changes from run to run.
    return tuple(sorted(changes, key=lambda c: (-abs(c.growth), c.name, c.where)))


def _interpreters(report: Report) -> dict[object, _Thing]:
    return _things(
        _Thing(
            f"{python.implementation} ({python.origin})", python.version, python.size, python.path
        )
        for python in report.pythons
    )


def _distributions(report: Report) -> dict[object, _Thing]:
    return _things(_Thing(d.name, d.version, d.size, d.location) for d in report.distributions)


def _things(found: Iterable[_Thing]) -> dict[object, _Thing]:
    """Name things by what they are and where, and by number where that is not enough."""
    things: dict[object, _Thing] = {}
    for thing in sorted(found, key=lambda thing: (thing.name, thing.where, thing.version)):
        number = 0
        while (key := (thing.name, _MINOR.sub("3", thing.where), number)) in things:
            number += 1
        things[key] = thing
    return things


def _packages(report: Report) -> dict[object, _Thing]:
    return {
        (package.manager, package.key or package.name): _Thing(
            package.key or package.name, package.version, package.size
        )
        for package in report.os_packages
    }


def _facts(before: Report, after: Report) -> tuple[Change, ...]:
    """Return what is said once of an image, where it is said otherwise now."""
    old, new = _said(before), _said(after)
    return tuple(
        Change(subject="fact", name=name, before=old[name] or None, after=new[name] or None)
        for name in old
        if old[name] != new[name]
    )


def _said(report: Report) -> dict[str, str]:
    base, libc, image = report.base, report.libc, report.image
    running = next((python for python in report.pythons if python.effective), None)
    return {
        "base": " ".join(
            word for word in (base.family, base.version, base.variant, base.distribution) if word
        ),
        "operating system": report.os.pretty_name or report.os.id,
        "C library": f"{libc.flavor} {libc.version or ''}".strip(),
        "Python that runs": running.version if running is not None else "",
        "platform": image.platform,
        "user": image.user,
        "entrypoint": " ".join(image.entrypoint),
        "command": " ".join(image.cmd),
    }


def _layers(before: Report, after: Report) -> tuple[Change, ...]:
    """Return the bytes of the base and of what was built on it, where they are others now."""
    changes = []
    for name, base in (("base", True), ("application", False)):
        old = [layer.account.stored for layer in before.layers if layer.base is base]
        new = [layer.account.stored for layer in after.layers if layer.base is base]
        changes.append(
            Change(
                subject="layers",
                name=name,
                before=_count(len(old)),
                after=_count(len(new)),
                size_before=sum(old),
                size_after=sum(new),
            )
        )
    return tuple(c for c in changes if c.growth or c.before != c.after)


def _count(number: int) -> str | None:
    if not number:
        return None
    return "1 layer" if number == 1 else f"{number} layers"
