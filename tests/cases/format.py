"""A case as it lies on disk: ``tests/cases/NAME/case.toml`` beside a Dockerfile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

__all__ = [
    "FOLDER",
    "Absent",
    "Case",
    "CaseError",
    "Expectations",
    "Expected",
    "Run",
    "find_cases",
    "read_case",
]

FOLDER: Final = Path(__file__).parent


class CaseError(Exception):
    """A case that cannot be used: not as the format says, it does not build, or it is not true."""


class Run(Struct, frozen=True, forbid_unknown_fields=True):
    """What a container of the image does.

    Without ``command``, the image's own ENTRYPOINT and CMD are run. ``output`` is a regular
    expression, searched in what both streams say, and in what the engine says where nothing starts.
    """

    command: tuple[str, ...] = ()
    status: int = 0
    output: str = ""


class Expected(Struct, frozen=True, forbid_unknown_fields=True):
    """A finding that must be there; all but ``rule`` and ``bytes`` are searched for as patterns.

    ``bytes`` is the finding's saving to the byte.
    """

    rule: str
    severity: Literal["", "error", "warning", "note"] = ""
    subject: str = ""
    message: str = ""
    fix: str = ""
    evidence: str = ""
    bytes: int | None = None


class Absent(Struct, frozen=True, forbid_unknown_fields=True):
    """A finding that must not be there, or that may be; an empty ``rule`` stands for every rule."""

    rule: str = ""
    severity: Literal["", "error", "warning", "note"] = ""
    subject: str = ""
    message: str = ""
    fix: str = ""


class Expectations(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``case.toml`` says.

    ``clean``: no finding above note. An error that no ``[[finding]]`` expects and no
    ``[[allowed]]`` allows is always a difference. ``accept`` names rules that a clean image and a
    fixed twin may break all the same, because the case is about something else (the policy wants
    another base than Debian's). ``report`` maps dotted paths into the report's JSON
    (``libc.version``, ``pythons.effective=True.path``) to patterns of the values there. ``plan``
    and ``no_plan`` are patterns that must and must not be found in the Dockerfile that the plan
    writes; ``rebuild`` has it built and a container of it run, which must do the same, or end with
    status 0.
    """

    reference: str
    summary: str
    run: Run = Run()
    finding: tuple[Expected, ...] = ()
    allowed: tuple[Absent, ...] = ()
    absent: tuple[Absent, ...] = ()
    clean: bool = False
    accept: tuple[str, ...] = ()
    report: dict[str, str] = {}
    plan: tuple[str, ...] = ()
    no_plan: tuple[str, ...] = ()
    rebuild: bool = False


class Case(Struct, frozen=True, kw_only=True):
    """One case: its name, its directory, and what is expected of it."""

    name: str
    folder: Path
    expects: Expectations

    @property
    def dockerfile(self) -> str:
        """The Dockerfile of the image that something is wrong with."""
        return (self.folder / "Dockerfile").read_text()

    @property
    def fixed(self) -> str | None:
        """The Dockerfile of the twin that nothing is wrong with, if there is one."""
        path = self.folder / "Dockerfile.fixed"
        return path.read_text() if path.exists() else None


def find_cases(folder: Path = FOLDER) -> tuple[Case, ...]:
    """Every case below ``folder``, by name. Raises :class:`CaseError` for one that is malformed."""
    return tuple(read_case(path.parent) for path in sorted(folder.glob("*/case.toml")))


def read_case(folder: Path) -> Case:
    """Read the case in ``folder``. Raises :class:`CaseError`."""
    path = folder / "case.toml"
    try:
        expects = msgspec.toml.decode(path.read_bytes(), type=Expectations)
    except (msgspec.MsgspecError, OSError) as exc:
        raise CaseError(f"{path}: {exc}") from exc
    if not (folder / "Dockerfile").is_file():
        raise CaseError(f"{folder}: there is no Dockerfile")
    if not expects.reference.startswith("https://"):
        raise CaseError(f"{path}: the reference must be a public address")
    if expects.clean and any(each.severity in ("error", "warning") for each in expects.finding):
        raise CaseError(f"{path}: a clean image has no finding above note")
    for pattern in _patterns(expects):
        try:
            re.compile(pattern)
        except re.error as exc:
            raise CaseError(f"{path}: {pattern!r} is no regular expression: {exc}") from exc
    return Case(name=folder.name, folder=folder, expects=expects)


def _patterns(expects: Expectations) -> Iterator[str]:
    yield expects.run.output
    yield from expects.report.values()
    yield from (*expects.plan, *expects.no_plan)
    named: tuple[Expected | Absent, ...] = (*expects.finding, *expects.absent, *expects.allowed)
    for each in named:
        yield from (each.subject, each.message, each.fix)
    yield from (each.evidence for each in expects.finding)
