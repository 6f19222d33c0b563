"""Runtimes and programs that what is installed calls: they are needed, and no build tools.

Node is the usual one: a build installs it for a frontend, and JupyterHub's proxy runs on it. What
tells: a program on PATH whose first line names it, the command of the image, a distribution that
is known to call it (``data/build_tools.json``, with a source for each), and, of Java, jars.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from msgspec import Struct

from pyimginspect.dockerfile.shell import SHELLS, commands
from pyimginspect.inventory.cache_places import in_cache
from pyimginspect.inventory.facts import Distribution
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.tables import read_table
from pyimginspect.model import DEFAULT_PATH, ImageConfig
from pyimginspect.rootfs import RootFS

__all__ = [
    "COMMAND",
    "HEALTH_CHECK",
    "Caller",
    "called_programs",
    "callers",
    "command_words",
    "interpreted_programs",
    "runtime_of",
    "used_runtimes",
]

COMMAND = "the command of the image"
HEALTH_CHECK = "HEALTHCHECK"
_WORD = re.compile(r"[^\s;&|()<>`\"'$]+")
# What package managers of Node bring for themselves.
_OF_NODE = re.compile(r"/node_modules/(?:npm|corepack|yarn|pnpm|node-gyp|n)/|/yarn-v\d|/pnpm/")
# Jars that come with a JDK, or that build tools of Java keep for themselves.
_JARS = re.compile(r"/(?:jvm|maven|\.m2|gradle|\.gradle|ant|sbt|kotlinc?)[^/]*/")
# Entry points are shorter and call a handful of scripts: more is data, or hostile.
_MOST_TEXT = 100_000
_MOST_SCRIPTS = 20
# Options of a shell may stand in one word: `-lc`, `-exc`.
_TEXT_OPTION = re.compile(r"-[a-z]*c")


class Caller(Struct, frozen=True, kw_only=True):
    """A distribution that runs a program, and the page that says so."""

    distribution: str
    program: str
    source: str


class _Runtime(Struct, frozen=True, kw_only=True):
    programs: tuple[str, ...]
    tools: str


class _Table(Struct, frozen=True, kw_only=True):
    runtimes: dict[str, _Runtime]
    callers: tuple[Caller, ...]


@cache
def _table() -> _Table:
    return read_table("build_tools", _Table)


@cache
def _patterns() -> Mapping[str, re.Pattern[str]]:
    return {name: re.compile(each.tools) for name, each in _table().runtimes.items()}


@cache
def _by_program() -> Mapping[str, str]:
    return {program: name for name, each in _table().runtimes.items() for program in each.programs}


@cache
def callers() -> Mapping[str, tuple[Caller, ...]]:
    """Return what distributions are known to call, by their normalised names."""
    found: dict[str, tuple[Caller, ...]] = {}
    for each in _table().callers:
        found[each.distribution] = (*found.get(each.distribution, ()), each)
    return found


def runtime_of(tool: str) -> str | None:
    """Return the runtime that a build tool of this name is a part of: ``node`` of ``npm``."""
    return next((name for name, each in _patterns().items() if each.fullmatch(tool)), None)


def used_runtimes(
    rootfs: RootFS,
    config: ImageConfig,
    packages: PackageDatabase,
    distributions: Iterable[Distribution],
) -> Mapping[str, str]:
    """Return the runtimes that something installed needs, and what: a path or a distribution."""
    used: dict[str, str] = {}
    for word in command_words(rootfs, config):
        name = _by_program().get(word.rpartition("/")[2])
        if name is not None:
            used.setdefault(name, COMMAND)
    for each in distributions:
        for caller in callers().get(each.name, ()):
            used.setdefault(_by_program()[caller.program], each.name)
    for path, program, _ in interpreted_programs(rootfs, config, packages):
        if program in _by_program():
            used.setdefault(_by_program()[program], f"/{path}")
    jar = next(_jars(rootfs, packages), None) if "java" not in used else None
    if jar is not None:
        used["java"] = f"/{jar}"
    return used


def interpreted_programs(
    rootfs: RootFS, config: ImageConfig, packages: PackageDatabase
) -> Iterator[tuple[str, str, str]]:
    """Yield the scripts on PATH that no package owns, and the program that their ``#!`` starts.

    That is its name, and its real path, empty where it is not there. Packages say themselves what
    they need; so do npm and its like, which came with Node.
    """
    directories = config.environment().get("PATH", DEFAULT_PATH).split(":")
    places = [rootfs.resolve(each) for each in directories if each.startswith("/")]
    for place in places:
        for path in rootfs.children(place) if place else ():
            real = rootfs.resolve(path) if rootfs[path].kind == "symlink" else path
            line = rootfs.scripts.get(real or "")
            if line is None or real is None or packages.owner(real) or in_cache(rootfs, real):
                continue
            if not _OF_NODE.search(f"/{real}"):
                name = _interpreter(line)
                yield path, name.rpartition("/")[2], _started(rootfs, places, name)


def _interpreter(line: str) -> str:
    """Return what a ``#!`` line calls the program that it starts, ``env`` left out."""
    words = line.removeprefix("#!").split()
    # env(1): options such as -S, and NAME=VALUE, stand before the program.
    names = [word for word in words if not word.startswith("-") and "=" not in word]
    if names and names[0].rpartition("/")[2] == "env":
        names = names[1:]
    return names[0] if names else ""


def _started(rootfs: RootFS, places: Iterable[str | None], name: str) -> str:
    """Return the real path of a program: at its own path, or in the first place on PATH."""
    if name.startswith("/"):
        return rootfs.resolve(name) or ""
    found = (rootfs.resolve(f"/{place}/{name}") for place in places if place and name)
    return next((path for path in found if path), "")


def command_words(rootfs: RootFS, config: ImageConfig) -> Iterator[str]:
    """Yield the words of the image's command and health check, and of scripts that these name."""
    for argument in (*config.entrypoint, *config.cmd, *config.healthcheck):
        yield from _WORD.findall(argument[:_MOST_TEXT])
        place = argument if argument.startswith("/") else f"{config.working_dir}/{argument}"
        text = rootfs.texts.get(rootfs.resolve(place) or "", b"")
        for line in text[:_MOST_TEXT].decode("utf-8", "replace").split("\n"):
            if not line.lstrip().startswith("#"):
                yield from _WORD.findall(line)


def called_programs(rootfs: RootFS, config: ImageConfig) -> Iterator[tuple[str, str]]:
    """Yield what the health check calls, and shell scripts of it and of the image's command.

    That is each program, as it is named there, and who calls it: the path of the script,
    ``HEALTHCHECK``, or ``ENTRYPOINT and CMD`` for what these pass to a shell.
    """
    if config.healthcheck:
        yield config.healthcheck[0], HEALTH_CHECK
    command = (*config.entrypoint, *config.cmd)
    todo = [(text, "ENTRYPOINT and CMD") for text in _shell_texts(command)]
    todo += [(text, HEALTH_CHECK) for text in _shell_texts(config.healthcheck)]
    named = deque([*command, *config.healthcheck])
    scripts: dict[str, None] = {}
    while todo or named:
        if not todo:
            real = _shell_script(rootfs, config, named.popleft())
            if real is None or real in scripts or len(scripts) == _MOST_SCRIPTS:
                continue
            scripts[real] = None
            todo.append((rootfs.texts[real].decode("utf-8", "replace"), f"/{real}"))
        text, who = todo.pop()
        for each in commands(text[:_MOST_TEXT]):
            if each.path:
                yield each.path, who
                named.append(each.path)


def _shell_texts(words: Sequence[str]) -> Iterator[str]:
    """Yield what the words of a command pass to a shell as its text, after ``-c``."""
    shell = option = False
    for word in words:
        if option:
            yield word
        option = shell and bool(_TEXT_OPTION.fullmatch(word))
        shell = word.rpartition("/")[2] in SHELLS or (shell and word.startswith("-"))


def _shell_script(rootfs: RootFS, config: ImageConfig, word: str) -> str | None:
    """Return the real path of the shell script that a word names by its path, if it does."""
    real = rootfs.resolve(word if word.startswith("/") else f"{config.working_dir}/{word}")
    line = rootfs.scripts.get(real or "", "").partition("\n")[0]
    is_shell = _interpreter(line).rpartition("/")[2] in SHELLS
    return real if real in rootfs.texts and is_shell else None


def _jars(rootfs: RootFS, packages: PackageDatabase) -> Iterator[str]:
    """Yield the archives of Java classes that no package owns and no build tool brought."""
    for path in rootfs.archives[".jar"]:
        if _JARS.search(f"/{path}") or packages.owner(path) or in_cache(rootfs, path):
            continue
        yield path
