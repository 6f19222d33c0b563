"""Steps of a Dockerfile, read back from an image's history.

Builders write the same instruction in different ways. BuildKit: ``RUN /bin/sh -c make # buildkit``,
with build arguments ``RUN |1 A=b /bin/sh -c make # buildkit``. The classic builder, and buildah
after it: ``/bin/sh -c #(nop) COPY file:4c1f… in /app`` and ``/bin/sh -c make``. kaniko writes the
Dockerfile's own line. On Windows the shell is ``cmd /S /C`` or ``powershell -Command``. Tools that
know no Dockerfile (buildpacks, ko, jib, Nix, Bazel, apko) write who they are. What buildah appends
is taken off by :mod:`pyimginspect.inventory.buildah_history`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from pyimginspect.inventory.buildah_history import without_flags, without_metadata
from pyimginspect.model import History

__all__ = ["Shell", "Step", "instruction_of", "read_step", "read_steps"]

Shell = Literal["", "sh", "other"]
"""What a ``RUN`` is given to: nothing (an exec form), ``/bin/sh -c``, or another ``SHELL``."""

_WORDS = (
    "ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL"
    "|STOPSIGNAL|USER|VOLUME|WORKDIR"
)
_INSTRUCTION = re.compile(rf"({_WORDS})(?=\s|$)\s*")
# Builders before BuildKit note so what runs no command: moby, builder/dockerfile/dispatchers.go.
_NOP = re.compile(r"(?:/bin/sh -c|cmd /S /C|powershell -Command .{0,200}?)\s+#\(nop\)\s*")
# With options before the text, as SHELL ["/bin/bash", "-o", "pipefail", "-c"] gives them.
_POSIX = re.compile(r"(?:/usr)?(?:/bin/)?(?:ba|da|a|z|k)?sh(?: -[\w-]+| pipefail)*? -\w*c(?:\s+|$)")
_WINDOWS = re.compile(
    r"(?i:cmd(?:\.exe)? /S /C|(?:powershell|pwsh)(?:\.exe)?(?: -\w+)*? -Command)\s+"
)
_PLAIN = re.compile(r"/bin/sh -c(?:\s+|$)")
# Before the command stand how many build arguments were given, and these: `|1 A=b /bin/sh -c …`.
_ARGUMENTS = re.compile(r"\|(\d{1,4}) ")
# Of the steps that run or copy something: commitToHistory in BuildKit's dockerfile2llb/convert.go.
_SUFFIX = "# buildkit"
# The classic builder records checksums in place of the sources; `multi:` is that of several.
_HASHED = re.compile(r"(--link |--chown=[^\s]*?|)((?:file|dir|multi):.*) in (.*)", re.DOTALL)
# How Go prints lists and maps: `VOLUME [/a /b]`, `EXPOSE map[80/tcp:{}]`, later `[80/tcp]`.
_PRINTED = re.compile(r"(?:map)?\[([^\[\]\"]*)\]")


class Step(Struct, frozen=True, kw_only=True):
    """One instruction of a Dockerfile.

    ``word`` is ``RUN``, ``COPY``, …; empty for a line that is no instruction (a comment of the
    tool that made a base image), which ``text`` then holds whole. ``text`` keeps line breaks.
    ``layer`` is the number of the layer that the step made, ``None`` where it made none.
    ``arguments`` are the build arguments that a ``RUN`` was given, as ``NAME=value``.
    """

    word: str
    text: str
    layer: int | None = None
    shell: Shell = ""
    arguments: str = ""

    @property
    def line(self) -> str:
        """The instruction on one line, runs of white space made one space."""
        return " ".join(f"{self.word} {self.text}".split())


def read_steps(history: Iterable[History]) -> tuple[Step, ...]:
    """Return all steps of an image's history, each with the number of its layer.

    The numbers are right where the history has an entry for each layer, as its specification
    wants it; the caller compares their count with that of the layers.
    """
    steps = []
    number = 0
    for record in history:
        steps.append(read_step(record, None if record.empty_layer else number))
        number += not record.empty_layer
    return tuple(steps)


def instruction_of(history: History | None) -> str:
    """Return a layer's step in the words of a Dockerfile, on one line; empty where unknown."""
    return read_step(history).line if history is not None else ""


def read_step(history: History, layer: int | None = None) -> Step:
    """Read one line of history; ``layer`` is the number of the layer that it made, if any."""
    line = history.created_by.strip()
    if not line:
        # `docker import` and some squashing tools leave a comment, and no instruction.
        comment = history.comment.strip()
        return Step(word="", text=f"# {comment}" if comment else "", layer=layer)
    by_buildkit = line.endswith(_SUFFIX)
    line = line[: -len(_SUFFIX)].rstrip() if by_buildkit else without_metadata(line)
    nop = _NOP.match(line)
    if nop:
        line = line[nop.end() :]
    match = _INSTRUCTION.match(line)
    if match and match[1] != "RUN":
        return Step(word=match[1], text=_argument(line[match.end() :], match[1]), layer=layer)
    if match:
        step = _read_run(line[match.end() :], layer, said=True)
        if by_buildkit or step.shell or step.text.startswith("["):
            return step
        # kaniko's, as the Dockerfile has it: without a shell's name, which only JSON means.
        return Step(
            word="RUN",
            text=without_flags(step.text),
            layer=layer,
            shell="sh",
            arguments=step.arguments,
        )
    if nop:
        return Step(word="", text=line, layer=layer)
    return _read_run(line, layer, said=False)


def _read_run(line: str, layer: int | None, *, said: bool) -> Step:
    """Read what follows ``RUN``, or a bare command, which only a shell makes a ``RUN``."""
    line, arguments = _split_arguments(line)
    shell: Shell = ""
    for pattern in (_POSIX, _WINDOWS):
        match = pattern.match(line)
        if match:
            shell = "sh" if _PLAIN.match(line) else "other"
            line = line[match.end() :]
            break
    if not said and not shell and not arguments:
        return Step(word="", text=line, layer=layer)
    text = without_flags(line.strip()) if not said else line.strip()
    return Step(word="RUN", text=text, layer=layer, shell=shell, arguments=arguments)


def _split_arguments(line: str) -> tuple[str, str]:
    """Take ``|2 A=b C=d `` off a command; values may hold spaces, and nothing marks their end."""
    count = _ARGUMENTS.match(line)
    if not count:
        return line, ""
    rest = line[count.end() :]
    # The first shell ends the values: BuildKit joins all by spaces and quotes none
    # (runCommandString).
    ends = [
        found
        for mark in (" /bin/sh -c", " /bin/bash ", " /bin/ash ", " cmd /S /C", " powershell ")
        if (found := rest.find(mark)) >= 0
    ]
    if ends:
        return rest[min(ends) + 1 :], rest[: min(ends)]
    # An exec form: a value with a space in it cannot be distinguished from the command.
    parts = rest.split(" ", int(count[1]))
    return parts[-1], " ".join(parts[:-1])


def _argument(text: str, word: str) -> str:
    """Return what an instruction is given, as a Dockerfile has it, where a builder has not."""
    text = text.strip()
    if word in ("ADD", "COPY"):
        return _classic_copy(text)
    if word in ("EXPOSE", "VOLUME"):
        printed = _PRINTED.fullmatch(text)
        if printed:
            return printed[1].replace(":{}", "")
    return text


def _classic_copy(text: str) -> str:
    """Turn ``--chown=1:1file:HASH in /app/`` of the classic builder into what it was.

    Of the sources only a hash is left: ``--chown=1:1 file:HASH /app/``.
    """
    match = _HASHED.match(text)
    if not match:
        return text
    flag, source, target = match.groups()
    return f"{flag.strip()} {source} {target.strip()}".lstrip()
