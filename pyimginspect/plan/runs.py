"""The ``RUN`` steps of an image's history, as the shell commands that they are.

Only what is certain is read: what a loop or a condition holds, and what an expansion names, is seen
by name, so that no edit takes a program away that it calls.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import NamedTuple

from pyimginspect.dockerfile.installs import (
    Installation,
    Manager,
    installation_of,
    manager_of,
    package_name,
)
from pyimginspect.dockerfile.shell import Command, read_script

__all__ = [
    "OS_MANAGERS",
    "Call",
    "builds",
    "calls",
    "collapsed",
    "has_nothing_left",
    "installed_packages",
    "installs",
    "is_only_deletion",
    "is_read",
    "is_sequence",
    "keeps_state",
    "may_build",
    "names_of",
    "programs",
    "removed_packages",
    "takes_wheels",
    "tokens",
]

# What a command leaves behind in its shell, and what those that are joined to it would meet.
_STATEFUL = frozenset(
    ["cd", "pushd", "popd", "export", "unset", "umask", "source", ".", "exec", "exit", "trap"]
) | {"ulimit", "alias", "shopt", "eval", "return", "declare", "readonly", "typeset", "local"}
_HARMLESS = re.compile(r"-[eux]*o?|pipefail")
"""What ``set`` may be given: it changes nothing that a command does which succeeds."""
# apt-get(8), apt(8), apk-del(8), dnf(8) with its aliases.
_REMOVALS: dict[Manager, frozenset[str]] = {
    "apt": frozenset({"purge", "remove", "autoremove", "autopurge"}),
    "apk": frozenset({"del"}),
    "dnf": frozenset({"remove", "erase", "autoremove"}),
}
_CLEANING: dict[Manager, frozenset[str]] = {
    "apt": frozenset({"clean", "autoclean", "distclean", "dist-clean"}),
    "apk": frozenset({"cache"}),
    "dnf": frozenset({"clean"}),
    "pip": frozenset({"uninstall", "cache"}),
    "npm": frozenset({"cache"}),
    "uv": frozenset({"uninstall"}),
}
OS_MANAGERS: tuple[Manager, ...] = ("apt", "apk", "dnf")
"""The package managers of operating systems."""
# Compilers and build systems, and package managers whose packages compile as they are installed
# (npm by node-gyp).
_BUILDERS = (
    frozenset({"conda", "mamba", "npm", "npx", "yarn", "pnpm", "cargo", "go", "make", "cmake"})
    | {"ninja", "meson", "gcc", "g++", "cc", "c++", "clang", "rustc", "swig", "cython", "maturin"}
    | {"tox", "nox", "hatch", "scons", "bazel", "gem", "node-gyp", "pyinstaller", "rustup"}
)
_INSTALLERS = frozenset({"poetry", "pdm", "pipenv", "uv"})
_IDLE = frozenset(
    {"uninstall", "check", "list", "freeze", "show", "config", "cache", "export", "lock"}
) | {"venv", "self", "version", "", "debug", "inspect", "hash", "search", "python"}
"""What an installer does without building anything."""
_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_SCRIPT = re.compile(r"(?!.*/s?bin/[^/]+$).*/[^/]+", re.DOTALL)
"""A program that is named by its path, and that is in no directory of programs."""
# Packages and programs: `g++`, `python3.11`, `apt-get`, `[`.
_TOKEN = re.compile(r"[\w.+-]+|\[")
_SPACE = re.compile(r"[ \t]+")
_DELETES = frozenset({"rm", "rmdir", "unlink", "set", "true", ":"})


class Call(NamedTuple):
    """A simple command of a script, and its source."""

    command: Command
    text: str

    @property
    def words(self) -> tuple[str, ...]:
        """All words, as an operation names a command by them."""
        return self.command.texts

    @property
    def program(self) -> str:
        """The last name of the program."""
        return self.command.program

    @property
    def manager(self) -> Manager | None:
        """The package manager that is called."""
        return manager_of(self.command)[0]

    @property
    def action(self) -> str:
        """The subcommand of the manager, or of another program: its first plain argument."""
        arguments = manager_of(self.command)[1]
        return next((each.text for each in arguments if not each.text.startswith("-")), "")

    @property
    def operands(self) -> tuple[str, ...]:
        """The arguments after the action that are no options."""
        words = [each.text for each in manager_of(self.command)[1]]
        plain = [word for word in words if not word.startswith("-")]
        return tuple(plain[1:])

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that the operands name; none where no manager is called."""
        manager = self.manager
        if manager is None:
            return ()
        return tuple(package_name(word, manager) for word in self.operands)

    @property
    def removes(self) -> bool:
        """Whether packages of the OS are removed."""
        manager = self.manager
        return manager is not None and self.action in _REMOVALS.get(manager, ())


# Every kind of edit asks for the same few dozen RUNs again.
@lru_cache(maxsize=256)
def calls(text: str) -> tuple[Call, ...]:
    """Return the simple commands of a script, wherever they stand; none where it cannot be read."""
    script = read_script(text)
    if script is None:
        return ()
    return tuple(Call(each, text[each.start : each.end]) for each in script.commands)


def is_read(text: str) -> bool:
    """Whether a script's commands are known: of one that cannot be read none is."""
    return read_script(text) is not None


def tokens(text: str) -> frozenset[str]:
    """Return all in a script that may be a name, for one that cannot be read may call any."""
    return frozenset(_TOKEN.findall(text))


def is_sequence(text: str) -> bool:
    """Whether a script is a plain sequence of commands, which can be added to and taken from."""
    script = read_script(text)
    return script is not None and bool(script.items) and "<<" not in text


def programs(text: str) -> Iterator[str]:
    """Yield the words of a script, for it may call any of them: wrappers, loops, ``find -exec``."""
    found = calls(text)
    for call in found:
        yield from call.words
    if not found:
        yield from text.split()


def installs(text: str, manager: Manager) -> tuple[Installation, ...]:
    """Return the installations by ``manager`` in a script."""
    found = (installation_of(call.command) for call in calls(text))
    return tuple(each for each in found if each is not None and each.manager == manager)


def collapsed(text: str) -> str:
    """Return a script on one line without the white space that continued lines leave behind."""
    script = read_script(text)
    if script is None or "\n" in text:
        return text.strip()
    parts: list[str] = []
    at = 0
    for word in sorted((w for c in script.commands for w in c.words), key=lambda w: w.start):
        if word.start >= at:
            parts += [_SPACE.sub(" ", text[at : word.start]), text[word.start : word.end]]
            at = word.end
    return "".join([*parts, _SPACE.sub(" ", text[at:])]).strip()


def may_build(text: str) -> bool:
    """Whether a script may need build tools: it installs from source, compiles or checks out."""
    found = calls(text)
    return any(map(builds, found)) or (not found and bool(text.strip()))


def builds(call: Call) -> bool:
    """Whether a command may need build tools; what a script of the user's does is not known."""
    program, action = call.program, call.action
    if call.manager in OS_MANAGERS:
        return False
    if call.manager in ("pip", "uv") or program in _INSTALLERS:
        return action not in _IDLE
    # What git is there for as a tool of builds: the other subcommands fetch nothing.
    if program == "git":
        return action in ("clone", "submodule", "fetch", "checkout", "pull")
    # `sh build.sh`: what a script does is not known. The text after `-c` is not opened here.
    if program in _SHELLS:
        return bool(action) and "-c" not in call.words
    words = call.words[:4]
    if any(word.endswith("setup.py") for word in words) or ("-m" in words and "build" in words):
        return True
    if any(_SCRIPT.fullmatch(word) and word.endswith(f"/{program}") for word in words):
        return True
    return program in _BUILDERS or program.endswith((".sh", "configure"))


def takes_wheels(call: Call) -> bool:
    """Whether a command installs Python packages and does nothing else, by wheels (PEP 427)."""
    if call.manager == "uv":
        return True
    if call.manager == "pip":
        return call.action == "install"
    return call.program in _INSTALLERS and call.action in ("install", "sync", "add", "update")


def has_nothing_left(
    text: str, names: Collection[str], managers: Collection[Manager] = OS_MANAGERS
) -> bool:
    """Whether a script installs packages by ``managers``, only ``names``, and does nothing else."""
    found = calls(text)
    installed = False
    for call in found:
        installation = installation_of(call.command)
        if installation is not None and installation.manager in managers:
            if installation.files or not {*names_of(installation)} <= {*names}:
                return False
            installed = True
        # An update or a deletion serves the installation, and goes with it.
        elif not (_deletes(call) or (call.manager in OS_MANAGERS and call.action == "update")):
            return False
    return installed and is_sequence(text)


def names_of(installation: Installation) -> tuple[str, ...]:
    """Return the packages that an installation names, without versions."""
    return tuple(package_name(word.text, installation.manager) for word in installation.packages)


def keeps_state(text: str) -> bool:
    """Whether commands that are joined to this one would run as they ran on their own.

    They would not where it changes the directory, sets variables, ends the shell, or leaves
    something running.
    """
    script = read_script(text)
    if script is None or "<<" in text or not script.items:
        return False
    for item in script.items:
        # An assignment and a declaration are no commands, and stay; a loop is a unit of its own.
        first = text[item.start : item.end].split()[0]
        if first in _STATEFUL or (not item.simple and "=" in first):
            return False
    for call in calls(text):
        if call.command.operator == "&" or call.program in _STATEFUL or not call.words:
            return False
        if call.program == "set" and not all(map(_HARMLESS.fullmatch, call.words[1:])):
            return False
    return not text.rstrip().endswith("&")


def installed_packages(text: str, *managers: Manager) -> frozenset[str]:
    """Return the packages that a script asks ``managers`` for by name."""
    return frozenset(
        name for each in managers for found in installs(text, each) for name in names_of(found)
    )


def removed_packages(text: str) -> frozenset[str]:
    """Return the packages of the OS that a script removes by name."""
    return frozenset(name for call in calls(text) if call.removes for name in call.packages)


def is_only_deletion(text: str) -> bool:
    """Whether a script does nothing but delete files, packages and caches."""
    script = read_script(text)
    found = calls(text)
    return (
        script is not None
        and bool(found)
        and "<<" not in text
        and all(each.command.always for each in found)
        and all(map(_deletes, found))
    )


def _deletes(call: Call) -> bool:
    if call.removes or call.program in _DELETES:
        return True
    if call.program == "find":
        return "-delete" in call.words
    if call.program in ("conda", "mamba"):
        return call.action == "clean"
    manager = call.manager
    return manager is not None and call.action in _CLEANING.get(manager, ())
