"""What to write in place of a program that is not there."""

from __future__ import annotations

import shlex

from pyimginspect.inventory.interpreters.executables import python_name
from pyimginspect.inventory.packages.commands import install, tool_in
from pyimginspect.inventory.startup.records import Context
from pyimginspect.inventory.startup.users import GROUPS
from pyimginspect.model import DEFAULT_PATH

__all__ = [
    "adds_account",
    "installs",
    "instead_of",
    "line_endings",
    "missing_file",
    "other_interpreter",
]

_SHELLS = ("bash", "dash", "ash", "zsh", "ksh")
_BIN = ("bin", "sbin")


def adds_account(context: Context, name: str, file: str) -> str:
    """Return how to add a user or a group to its ``file``, by a program that the image has.

    Debian and Red Hat have ``useradd`` and ``groupadd`` (shadow), Alpine busybox's ``adduser`` and
    ``addgroup``; without a shell there is no ``RUN`` that could call one.
    """
    kind = "group" if file == GROUPS else "user"
    programs = (f"usr/sbin/{kind}add", f"usr/sbin/add{kind}")
    found = next((path for path in programs if context.rootfs.resolve(path)), None)
    if found is None or context.rootfs.resolve("bin/sh") is None:
        return f"bring a /{file} that has the {kind} {name}"
    # Without it busybox asks for a password.
    option = " -D" if found == "usr/sbin/adduser" else ""
    return f"add the {kind}: RUN {found.rpartition('/')[2]}{option} {shlex.quote(name)}"


def installs(context: Context, package: str) -> str:
    """Return the command that installs a package in the image, or nothing where it has none."""
    tool = tool_in(context.rootfs)
    return install(tool, [package]) if tool is not None else ""


def instead_of(context: Context, word: str) -> str:
    """Return what to start in place of a name that PATH does not lead to."""
    # A builtin of bash: dash, which is /bin/sh of Debian, looks for a program of that name.
    if word == "source":
        return 'write . FILE in place of source FILE, or SHELL ["/bin/bash", "-c"] before it'
    # dash takes no options of exec: `exec -a name program` looks for a program -a.
    if word.startswith("-"):
        return "leave the option out, or let bash run the script: exec of this shell has no options"
    # The kernel passes all behind the interpreter on as one argument: env looks for "python3 -u".
    if " " in word:
        return f"let env split its argument: #!/usr/bin/env -S {word}"
    return (
        _found_at(context, word)
        or _shortest_python(context, word)
        or _another_shell(context, word)
        or f"install the package that provides {word}, or copy it to a directory of PATH"
    )


def _found_at(context: Context, word: str) -> str:
    """Say where a program of that name is, or a Python of a less exact one (``python3.12``)."""
    rootfs = context.rootfs
    names = [word]
    if word.startswith(("python", "pip")):
        # python3.12, then python3 and python; pip alike.
        names += [f"{word.rstrip('.0123456789')}{series}" for series in ("3", "")]
    places = [path for path in rootfs.directories if path.rpartition("/")[2] in _BIN]
    on_path = _directories_of_path(context)
    places.sort(
        key=lambda path: (
            on_path.index(path) if path in on_path else len(on_path),
            path.count("/"),
            not path.startswith("usr/local"),
            path,
        )
    )
    candidates = ((place, name) for name in dict.fromkeys(names) for place in places)
    found = (each for each in candidates if "/".join(each) in rootfs)
    place, name = next(found, ("", ""))
    if not name:
        return ""
    if place in on_path and name != word:
        return f"start {name}, which is at /{place}/{name}"
    put = f", or put /{place} on PATH" if name == word and place not in on_path else ""
    return f"start /{place}/{name}{put}"


def _directories_of_path(context: Context) -> list[str]:
    """Return the real paths of the directories on the image's PATH: /bin is a link to usr/bin."""
    path = context.config.environment().get("PATH", DEFAULT_PATH)
    reals = (context.rootfs.resolve(each) for each in path.split(":") if each.startswith("/"))
    return [real for real in dict.fromkeys(reals) if real]


def _shortest_python(context: Context, word: str) -> str:
    """Say which Python the image has under another name altogether."""
    if not word.startswith("python"):
        return ""
    pythons = [path for path in context.pythons if python_name(path) is not None]
    return f"start /{min(pythons, key=lambda path: (len(path), path))}" if pythons else ""


def _another_shell(context: Context, word: str) -> str:
    if word not in _SHELLS:
        return ""
    command = installs(context, word)
    return "start sh in its place" + (f", or {command}" if command else "")


def missing_file(context: Context, path: str) -> str:
    """Return what to do about a program that is named by its path, and is not there."""
    top = path.rpartition("/bin/")[0]
    whole = top if top and context.rootfs.resolve(top) is None else path
    other = instead_of(context, path.rpartition("/")[2])
    fix = f"copy {whole} into the image, to that same path"
    return f"{fix}, or {other}" if other.startswith("start") else fix


def other_interpreter(context: Context, path: str, script: str) -> str:
    """Return what the first line of a script may name in place of a program that is not there."""
    name = path.rpartition("/")[2]
    if name in _SHELLS and context.rootfs.resolve("bin/sh") is not None:
        command = installs(context, name)
        fix = f"begin /{script} with #!/bin/sh, if it uses no feature of {name}"
        return f"{fix}, or {command}" if command else fix
    return f"let the first line of /{script} name a program that the image has, or bring {path}"


def line_endings(script: str) -> str:
    """Return how to store a script that has the line ends of Windows."""
    return (
        f"store /{script} with Unix line endings: *.sh text eol=lf in .gitattributes, or"
        f" RUN sed -i 's/\\r$//' /{script}"
    )
