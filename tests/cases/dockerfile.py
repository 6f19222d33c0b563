"""Dockerfiles as plain users write them, given a way to a package index that leaves no trace.

A ``RUN`` that installs Python packages gets the directory ``.index`` of the build context mounted
below ``/dev/shm``, which is never a part of a layer, and arguments that name the files in it. An
argument is no environment variable of the image; the history shows it (``|4 PIP_CONFIG_FILE=…``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["INDEX", "MOUNTED", "bases", "with_index"]

INDEX: Final = ".index"
MOUNTED: Final = "/dev/shm/index"

_ARGUMENTS: Final = (
    f"ARG PIP_CONFIG_FILE={MOUNTED}/pip.conf UV_CONFIG_FILE={MOUNTED}/uv.toml"
    f" SSL_CERT_FILE={MOUNTED}/certificates.pem REQUESTS_CA_BUNDLE={MOUNTED}/certificates.pem\n"
)
_MOUNT: Final = f"--mount=type=bind,source={INDEX},target={MOUNTED}"
_WORD: Final = re.compile(r"\s*([A-Za-z]+)\b")
_INSTALLS: Final = re.compile(r"\b(?:pip|pip3|pipx|uv|uvx|poetry|pdm|pipenv|hatch|tox)\b")
_FROM: Final = re.compile(r"\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_COPIED_FROM: Final = re.compile(r"(?:--from=|[,=]from=)([^\s,]+)")


def with_index(dockerfile: str) -> str:
    """Return ``dockerfile`` with every ``RUN`` that installs packages able to reach an index."""
    written: list[str] = []
    open_stage = False  # whether this stage has the arguments already
    for instruction in _instructions(dockerfile):
        word = _WORD.match(instruction)
        name = word[1].upper() if word else ""
        if name == "FROM":
            open_stage = False
        elif word and name == "RUN" and _INSTALLS.search(instruction):
            if not open_stage:
                written.append(_ARGUMENTS)
                open_stage = True
            instruction = f"{word[0]} {_MOUNT}{instruction[word.end() :]}"
        written.append(instruction)
    return "".join(written)


def bases(dockerfile: str) -> tuple[str, ...]:
    """The images that ``dockerfile`` builds on or copies from, without its own stages."""
    stages, found = set(), []
    for instruction in _instructions(dockerfile):
        named = [match for match in _COPIED_FROM.findall(instruction) if not match.isdecimal()]
        if match := _FROM.match(instruction):
            named.append(match[1])
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
