"""Dockerfiles as plain users write them, given a way to a package index that leaves no trace.

A ``RUN`` that installs Python packages gets the directory ``.index`` of the build context mounted
below ``/dev/shm``, which is never a part of a layer, and arguments that name the files in it. An
argument is no environment variable of the image; the history shows it (``|4 PIP_CONFIG_FILE=…``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from pyimginspect.dockerfile import Instruction, parse

__all__ = ["INDEX", "MOUNTED", "bases", "buildable", "with_index"]

INDEX: Final = ".index"
MOUNTED: Final = "/dev/shm/index"

_ARGUMENTS: Final = (
    f"ARG PIP_CONFIG_FILE={MOUNTED}/pip.conf UV_CONFIG_FILE={MOUNTED}/uv.toml"
    f" SSL_CERT_FILE={MOUNTED}/certificates.pem REQUESTS_CA_BUNDLE={MOUNTED}/certificates.pem\n"
)
_MOUNT: Final = f"--mount=type=bind,source={INDEX},target={MOUNTED}"
_WORD: Final = re.compile(r"\s*([A-Za-z]+)\b")
_INSTALLS: Final = re.compile(r"\b(?:pip|pip3|pipx|uv|uvx|poetry|pdm|pipenv|hatch|tox)\b")
_SYNTAX: Final = re.compile(r"\A#\s*syntax\s*=", re.IGNORECASE)
_ARG: Final = re.compile(r"\s*ARG\s+(\w+)=(\S+)", re.IGNORECASE)
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_ONBUILD: Final = re.compile(r"\s*ONBUILD\s+(?=RUN\b)", re.IGNORECASE)
_FROM: Final = re.compile(r"\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_COPIED_FROM: Final = re.compile(r"(?:--from=|[,=]from=)([^\s,]+)")


def buildable(dockerfile: str) -> tuple[str, dict[str, str]]:
    """Return ``dockerfile`` for an engine without here-documents, and files for its context.

    The history is word for word what a newer engine writes: there a here-document is the argument
    of ``sh -c``, and one that is copied has the name ``<<NAME``. A frontend that ``# syntax=`` asks
    for is not fetched.
    """
    if "<<" not in dockerfile:
        return _SYNTAX.sub("# syntax ", dockerfile), {}
    document = parse(_SYNTAX.sub("# syntax ", dockerfile))
    text, position = "", 0
    files: dict[str, str] = {}
    for instruction in document.instructions:
        if not instruction.heredocs:
            continue
        text += document.text[position : instruction.start]
        flags = [document.text[flag.start : flag.end] for flag in instruction.flags]
        words = _without_heredoc(document.text, instruction, files)
        text += " ".join([instruction.keyword, *flags, json.dumps(words)])
        position = instruction.end
    return text + document.text[position:], files


def _without_heredoc(text: str, instruction: Instruction, files: dict[str, str]) -> list[str]:
    (heredoc,) = instruction.heredocs
    content = text[heredoc.start : heredoc.end]
    if instruction.keyword == "RUN":
        return ["/bin/sh", "-c", content]
    words = instruction.argument.text.split()
    files.update({word: content for word in words if word.startswith("<<")})
    return words


def with_index(dockerfile: str) -> str:
    """Return ``dockerfile`` with every ``RUN`` that installs packages able to reach an index."""
    written: list[str] = []
    open_stage = False  # whether this stage has the arguments already
    for instruction in _instructions(dockerfile):
        trigger = match[0] if (match := _ONBUILD.match(instruction)) else ""
        word = _WORD.match(instruction, len(trigger))
        name = word[1].upper() if word else ""
        if name == "FROM":
            open_stage = False
        elif word and name == "RUN" and _INSTALLS.search(instruction):
            if trigger or not open_stage:
                written.append(f"{trigger}{_ARGUMENTS}")
                open_stage = open_stage or not trigger
            instruction = f"{trigger}{word[0]} {_MOUNT}{instruction[word.end() :]}"
        written.append(instruction)
    return "".join(written)


def bases(dockerfile: str) -> tuple[str, ...]:
    """The images that ``dockerfile`` builds on or copies from, without its own stages."""
    stages, found = set(), []
    arguments: dict[str, str] = {}
    for instruction in _instructions(dockerfile):
        if match := _ARG.match(instruction):
            arguments.setdefault(match[1], match[2])
        named = [match for match in _COPIED_FROM.findall(instruction) if not match.isdecimal()]
        if match := _FROM.match(instruction):
            named.append(_VARIABLE.sub(lambda found: arguments[found[1] or found[2]], match[1]))
        found += [name for name in named if name not in stages and name != "scratch"]
        if match and match[2]:
            stages.add(match[2])
    return tuple(dict.fromkeys(found))


def _instructions(dockerfile: str) -> Iterator[str]:
    """Each instruction with its continuation lines; a comment or an empty line is one as well."""
    lines: list[str] = []
    for line in dockerfile.splitlines(keepends=True):
        lines.append(line if line.endswith("\n") else f"{line}\n")
        comment = line.lstrip().startswith("#")
        goes_on = line.rstrip().endswith("\\") and not comment
        if not goes_on and not (comment and len(lines) > 1):
            yield "".join(lines)
            lines = []
    if lines:
        yield "".join(lines)
