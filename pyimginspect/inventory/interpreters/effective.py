"""Which program a container starts, and which Python that makes the effective one."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator

from msgspec import Struct

from pyimginspect.inventory.interpreters.executables import python_name
from pyimginspect.model import ImageConfig
from pyimginspect.rootfs import RootFS

__all__ = ["Start", "find_start", "search_directories", "shebang_program"]

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "busybox"})
_MOST_WORDS = 64
_MOST_SCRIPTS = 4
"""Scripts that start scripts: how far they are followed."""


class Start(Struct, frozen=True, kw_only=True):
    """The Python that a container would start: the path as it is spelled, and why."""

    path: str
    because: str


def search_directories(config: ImageConfig) -> tuple[str, ...]:
    """Return the directories of ``PATH``, or of the runtimes' default where the image sets none."""
    value = config.environment().get("PATH", _DEFAULT_PATH)
    return tuple(dict.fromkeys(part.strip("/") for part in value.split(":") if part))


def find_start(
    rootfs: RootFS, config: ImageConfig, is_python: Callable[[str], bool]
) -> Start | None:
    """Return the Python that ENTRYPOINT and CMD lead to, else the first on ``PATH``.

    ``is_python`` tells whether a path, resolved or not, is an interpreter or starts one.
    Wrappers (``tini --``, a shell's ``exec``, an entrypoint script) are looked through: the first
    word that is a Python, or a script for one, counts.
    """
    command = (*config.entrypoint, *config.cmd)
    name = "ENTRYPOINT" if config.entrypoint else "CMD"
    for word in _words(command):
        program = _which(rootfs, config, word)
        chain: list[str] = []
        for _ in range(_MOST_SCRIPTS):
            if program is None:
                break
            if is_python(program):
                because = f"{name} starts {word}"
                if chain:
                    because += f", a script for {chain[-1]}"
                if not because.endswith(f"/{program}"):
                    because += f": /{program}"
                return Start(path=program, because=because)
            interpreter = shebang_program(rootfs, program)
            if interpreter is None:
                break
            chain.append(interpreter)
            program = _which(rootfs, config, interpreter)
    return _first_on_path(rootfs, config, is_python)


def _first_on_path(
    rootfs: RootFS, config: ImageConfig, is_python: Callable[[str], bool]
) -> Start | None:
    for name in ("python3", "python"):
        program = _which(rootfs, config, name)
        if program is not None and is_python(program):
            return Start(path=program, because=f"the first {name} on PATH: /{program}")
    for directory in search_directories(config):
        for path in rootfs.children(directory):
            if python_name(path) is not None and is_python(path):
                return Start(path=path, because=f"the first Python on PATH, /{path}")
    return None


def _words(command: tuple[str, ...]) -> Iterator[str]:
    """Yield the words of a command that may be programs, what a shell is given to run included."""
    for number, word in enumerate(command[:_MOST_WORDS]):
        shell = number and command[number - 1].startswith("-") and command[number - 1][-1:] == "c"
        if shell and command[0].rpartition("/")[2] in _SHELLS:
            try:
                words = shlex.split(word)
            except ValueError:  # an open quote
                words = word.split()
            for part in words[:_MOST_WORDS]:
                if part and not part.startswith("-") and part != "exec":
                    yield part
        elif word and not word.startswith("-"):
            yield word


def _which(rootfs: RootFS, config: ImageConfig, word: str) -> str | None:
    """Return the path of the program that ``word`` names, as execvp(3) would find it."""
    if "/" in word:
        place = word if word.startswith("/") else f"{config.working_dir}/{word}"
        return _file(rootfs, place)
    for directory in search_directories(config):
        found = _file(rootfs, f"{directory}/{word}" if directory else word)
        if found is not None:
            return found
    return None


def _file(rootfs: RootFS, path: str) -> str | None:
    """Return the path itself, its directory resolved, if a file can be run there."""
    directory, _, name = path.rpartition("/")
    parent = rootfs.resolve(directory)
    real = rootfs.resolve(path)
    if parent is None or real is None or rootfs[real].kind != "file":
        return None
    return f"{parent}/{name}" if parent else name


def shebang_program(rootfs: RootFS, path: str) -> str | None:
    """Return the program that the script at ``path`` names to run it, if it is one.

    ``#!/usr/bin/env python3`` names ``python3``; pip's ``#!/bin/sh`` with ``'''exec' …`` in the
    second line names what that line runs.
    """
    first, _, second = rootfs.scripts.get(rootfs.resolve(path) or "", "").partition("\n")
    try:
        words = shlex.split(second.partition("'''exec'")[2] if second else first[2:])
    except ValueError:
        words = first[2:].split()
    if words and words[0].rpartition("/")[2] == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else None
