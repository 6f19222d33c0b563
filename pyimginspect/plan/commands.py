"""Edits of the shell commands in a ``RUN``: options added, packages left out, commands appended.

What is too clever for these functions (loops, conditions, commands in variables) they leave alone,
and say so by returning ``None``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

__all__ = [
    "Manager",
    "add_option",
    "collapse",
    "drop_packages",
    "installs",
    "is_simple",
    "join",
    "may_build",
    "split",
]

Manager = Literal["apt", "apk", "pip", "uv", "dnf"]
"""A program that installs packages, as it is called here."""

_BUILDS = re.compile(
    r"\b(?:pip3?|uv|poetry|pdm|pipenv|hatch|conda|mamba|npm|yarn|cargo|go|make|cmake|ninja|meson|gcc"
    r"|g\+\+|cc|c\+\+|clang|rustc|swig|cython|maturin|tox|nox)\s"
    r"|setup\.py|\./configure|-m (?:pip|build)\b"
    r"|\bgit (?:clone|submodule|fetch|checkout)"
)
_CONTROL = re.compile(r"(?:^|[;&|({]\s*)(?:if|for|while|until|case|select|function)\s")
_INSTALLERS: dict[Manager, re.Pattern[str]] = {
    "apt": re.compile(r"apt(?:-get)?(?:\s+-\S+)*\s+install\b"),
    "apk": re.compile(r"apk(?:\s+-\S+)*\s+add\b"),
    "pip": re.compile(r"(?:\bpip3?|-m pip)(?:\s+-\S+)*\s+install\b"),
    "uv": re.compile(r"\buv\s+pip\s+install\b"),
    "dnf": re.compile(r"(?:dnf|microdnf|yum)(?:\s+-\S+)*\s+install\b"),
}
_UPDATE = re.compile(r"apt(?:-get)?(?:\s+-\S+)*\s+update\s*$")


def is_simple(command: str) -> bool:
    """Whether a command is a plain sequence, which can be added to and taken from."""
    return not _CONTROL.search(command) and "\n" not in command and "<<" not in command


def may_build(command: str) -> bool:
    """Whether a command may need build tools: it installs from source, compiles or checks out."""
    return _BUILDS.search(f"{command} ") is not None


def installs(command: str, manager: Manager) -> bool:
    """Whether a command installs with ``manager``."""
    return _INSTALLERS[manager].search(command) is not None


def split(command: str) -> list[tuple[str, str]]:
    """Return the commands of a sequence, each with what stands before it: ``&&``, ``;`` or ``""``.

    Quotes, substitutions and parentheses hold together.
    """
    parts: list[tuple[str, str]] = []
    start, before, at = 0, "", 0
    depth, quote = 0, ""
    while at < len(command):
        character = command[at]
        if character == "\\" and quote != "'":
            at += 2
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character in "({":
            depth += 1
        elif character in ")}":
            depth -= 1
        elif command.startswith(";;", at):  # of a case, whose patterns close what none opened
            at += 2
            continue
        elif depth <= 0 and (command.startswith("&&", at) or character == ";"):
            parts.append((before, command[start:at].strip()))
            before = "&&" if character == "&" else ";"
            at += len(before)
            start = at
            continue
        at += 1
    parts.append((before, command[start:].strip()))
    return [(sign, part) for sign, part in parts if part]


def join(parts: list[tuple[str, str]], indent: str = "    ") -> str:
    """Return a sequence with each command on a line of its own, as a Dockerfile has it."""
    text = ""
    for sign, part in parts:
        if not text:
            text = part
        elif sign == "&&":
            text += f" \\\n{indent}&& {part}"
        else:
            text += f"; \\\n{indent}{part}"
    return text


def collapse(command: str) -> str:
    """Return a command without the runs of white space that continued lines leave behind.

    One of several lines is a here-document, and its white space may be of a meaning.
    """
    if "\n" in command:
        return command.strip()
    text: list[str] = []
    quote, escaped = "", False
    for character in command:
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in " \t":
            if text and text[-1] == " ":
                continue
            character = " "
        text.append(character)
    return "".join(text).strip()


def add_option(command: str, manager: Manager, option: str) -> str:
    """Return ``command`` with ``option`` in every installation by ``manager`` that lacks it."""

    def edit(part: str) -> str:
        match = _INSTALLERS[manager].search(part)
        if match is None or option in part.split():
            return part
        return f"{part[: match.end()]} {option}{part[match.end() :]}"

    return "".join(_spaced([(sign, edit(part)) for sign, part in split(command)]))


def drop_packages(
    command: str, manager: Manager, names: Collection[str], instead: Sequence[str] = ()
) -> str | None:
    """Return ``command`` without the packages ``names`` in its installations by ``manager``.

    ``instead`` are asked for in their place. An installation of nothing goes, and apt's update
    before it. The result is empty where nothing is left, ``None`` where none of the names is there.
    """
    parts = []
    found = False
    for sign, part in split(command):
        match = _INSTALLERS[manager].search(part)
        if match is None:
            parts.append((sign, part))
            continue
        words = part[match.end() :].split()
        kept = [word for word in words if re.split(r"[=:/]", word)[0] not in names]
        if len(kept) < len(words):
            found = True
            kept += [name for name in instead if name not in kept]
        if any(not word.startswith("-") for word in kept) or kept == words:
            parts.append((sign, f"{part[: match.end()]} {' '.join(kept)}"))
    if not found:
        return None
    if manager == "apt" and not any(installs(part, "apt") for _, part in parts):
        parts = [(sign, part) for sign, part in parts if not _UPDATE.search(part)]
        parts = [(sign, part) for sign, part in parts if not _only_cleans(part)]
    if parts:
        parts[0] = ("", parts[0][1])
    return "".join(_spaced(parts)).strip()


def _only_cleans(part: str) -> bool:
    return part.startswith(("rm -rf /var/lib/apt/lists", "apt-get clean", "set -"))


def _spaced(parts: list[tuple[str, str]]) -> Iterator[str]:
    for sign, part in parts:
        yield f" && {part}" if sign == "&&" else (f"; {part}" if sign else part)
