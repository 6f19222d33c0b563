"""Operations: what an edit does to a Dockerfile, in terms of the image's layers.

An operation names the layer whose instruction it changes, never a line: so the same ones apply to
the Dockerfile that the user wrote and to the one that the image's history gives. All of them are
plain data, and are written into a plan's JSON as they are.
"""

from __future__ import annotations

from msgspec import Struct

from pyimginspect.dockerfile.installs import Manager

__all__ = [
    "AddFlag",
    "AddOption",
    "AppendCommand",
    "BuildStage",
    "DropCommand",
    "DropInstruction",
    "DropPackages",
    "InsertCommand",
    "JoinRuns",
    "Manager",
    "MountCopied",
    "NarrowCopy",
    "Operation",
    "ReplaceBase",
    "ReplaceCommand",
    "ReplaceInstructions",
    "StageCopy",
]


class AddOption(Struct, frozen=True, kw_only=True, tag="add-option"):
    """Give every installation by ``manager`` in the ``RUN`` of ``layer`` an ``option``.

    Installations that have it already are left as they are.
    """

    layer: int
    manager: Manager
    option: str


class DropPackages(Struct, frozen=True, kw_only=True, tag="drop-packages"):
    """Take the packages ``names`` out of the installations of a ``RUN``.

    ``instead`` are asked for in their place. An installation of nothing goes, and a ``RUN`` that
    did nothing else.
    """

    layer: int
    manager: Manager
    names: tuple[str, ...]
    instead: tuple[str, ...] = ()


class AppendCommand(Struct, frozen=True, kw_only=True, tag="append-command"):
    """End the ``RUN`` of ``layer`` with one more shell ``command``."""

    layer: int
    command: str


class InsertCommand(Struct, frozen=True, kw_only=True, tag="insert-command"):
    """Put a shell ``command`` after the last one of the ``RUN`` whose words begin with ``after``.

    An empty ``after`` stands for the start of the ``RUN``.
    """

    layer: int
    after: tuple[str, ...]
    command: str


class DropCommand(Struct, frozen=True, kw_only=True, tag="drop-command"):
    """Take the shell commands whose words begin with ``words`` out of a ``RUN``.

    The ``RUN`` goes where nothing else was in it.
    """

    layer: int
    words: tuple[str, ...]


class ReplaceCommand(Struct, frozen=True, kw_only=True, tag="replace-command"):
    """Put ``command`` in the place of the shell command whose words begin with ``words``."""

    layer: int
    words: tuple[str, ...]
    command: str


class JoinRuns(Struct, frozen=True, kw_only=True, tag="join-runs"):
    """Move the commands of the ``RUN`` of each of ``others`` to the end of that of ``layer``."""

    layer: int
    others: tuple[int, ...]


class AddFlag(Struct, frozen=True, kw_only=True, tag="add-flag"):
    """Give the instruction of ``layer`` a flag: ``--chown=app``, ``--mount=type=cache,…``.

    It takes the place of a flag of the same name, unless the flag may be repeated (``--mount``).
    """

    layer: int
    flag: str


class NarrowCopy(Struct, frozen=True, kw_only=True, tag="narrow-copy"):
    """Copy ``sources`` alone, in the ``COPY`` of ``layer`` that copied all of a directory.

    Each is relative to that directory, and keeps its place below the destination.
    """

    layer: int
    sources: tuple[str, ...]


class MountCopied(Struct, frozen=True, kw_only=True, tag="mount-copied"):
    """Mount what the ``COPY`` of ``layer`` copied while the ``RUN``s of layers ``runs`` run.

    ``target`` is where it was copied to, a file or a directory; the ``COPY`` goes. Where the mount
    is ``writable``, what is written to it is discarded after the ``RUN``.
    """

    layer: int
    runs: tuple[int, ...]
    target: str
    writable: bool = False


class DropInstruction(Struct, frozen=True, kw_only=True, tag="drop-instruction"):
    """Take the whole instruction of ``layer`` away."""

    layer: int


class ReplaceBase(Struct, frozen=True, kw_only=True, tag="replace-base"):
    """Begin the final stage with another ``image`` (``python:3.12-slim-bookworm``)."""

    image: str


class StageCopy(Struct, frozen=True, kw_only=True):
    """What the final stage takes from a build stage: ``COPY --from=NAME SOURCE TARGET``.

    Both paths are absolute; ``owner`` is for ``--chown``, empty for root.
    """

    source: str
    target: str
    owner: str = ""


class BuildStage(Struct, frozen=True, kw_only=True, tag="build-stage"):
    """Give the instructions of the layers ``first`` to ``last`` a stage of their own.

    The stage begins with the final stage's base and everything up to ``last``, and ends with the
    shell commands ``finish``. The final stage has, in the place of those layers, a ``RUN`` of the
    shell commands ``install`` (the packages that the results need), then the ``copies``; settings
    (``ENV``, ``WORKDIR``, ``USER``, …) stay in both. Where ``only`` names layers, nothing but
    their instructions goes from the final stage, and the ``copies`` stand where the last one did.
    """

    first: int
    last: int
    name: str
    copies: tuple[StageCopy, ...]
    install: tuple[str, ...] = ()
    finish: tuple[str, ...] = ()
    only: tuple[int, ...] = ()


class ReplaceInstructions(Struct, frozen=True, kw_only=True, tag="replace-instructions"):
    """Put ``lines`` in the place of the instructions of ``layers``, where the first one stood."""

    layers: tuple[int, ...]
    lines: tuple[str, ...]


Operation = (
    AddOption
    | DropPackages
    | AppendCommand
    | InsertCommand
    | DropCommand
    | ReplaceCommand
    | JoinRuns
    | AddFlag
    | NarrowCopy
    | MountCopied
    | DropInstruction
    | ReplaceBase
    | BuildStage
    | ReplaceInstructions
)
"""Any of them; ``type`` tells them apart in JSON."""
