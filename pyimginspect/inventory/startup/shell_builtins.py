"""What a shell does itself, and programs that leave the file system's programs alone."""

from __future__ import annotations

from functools import cache

import msgspec
from msgspec import Struct

from pyimginspect.inventory.startup.records import Context, NotKnownError, Process, Word
from pyimginspect.inventory.tables import read_table

__all__ = ["activate", "is_builtin", "is_harmless", "shell_options"]


# What bash has and dash looks for on PATH.
_NOT_OF_DASH = frozenset(
    {
        "builtin",
        "declare",
        "enable",
        "let",
        "mapfile",
        "popd",
        "pushd",
        "shopt",
        "readarray",
        "source",
        "typeset",
    }
)


class _Table(Struct, frozen=True, kw_only=True):
    """``builtins`` a shell does itself: where some are programs as well, the shell's own are taken.

    ``harmless`` are met in entry points, and add or remove no program.
    """

    source: str
    date: str
    builtins: frozenset[str]
    harmless: frozenset[str]


@cache
def _table() -> _Table:
    return read_table("shell_commands", _Table)


def is_builtin(name: str | None, shell: str = "") -> bool:
    """Whether POSIX's shell, bash or dash have a command of this name in themselves.

    ``shell`` is the file that runs, by its last name: dash has fewer of them than the others.
    """
    if shell == "dash" and name in _NOT_OF_DASH:
        return False
    return name in _table().builtins


def is_harmless(words: tuple[Word, ...]) -> bool:
    """Whether a command certainly installs, writes and removes no program."""
    name = (words[0] or "").rpartition("/")[2]
    # Modules that install or make programs; a text, or standard input, may do anything.
    if name.startswith("python"):
        return not (set(words) & {"pip", "venv", "virtualenv", "ensurepip", "uv", "-c", "-"})
    return name in _table().harmless


def activate(context: Context, process: Process, words: tuple[Word, ...]) -> Process:
    """Return the process after ``. FILE``; that of a virtual environment puts it on PATH.

    What any other file does is not known.
    """
    rootfs = context.rootfs
    name = words[1] if words[1:] else None
    nothing = msgspec.structs.replace(
        process, path=None, variables={}, forgotten=frozenset("*"), settled=False
    )
    if name is None or not name.endswith("/bin/activate"):
        return nothing
    if not name.startswith("/"):
        if process.directory is None:
            return nothing
        name = f"{process.directory.rstrip('/')}/{name.removeprefix('./')}"
    environment = name.removesuffix("/bin/activate")
    real = rootfs.resolve(environment)
    if real is None or f"{real}/pyvenv.cfg" not in rootfs:
        return nothing
    path = None if process.path is None else f"{environment}/bin:{process.path}"
    variables = {**process.variables, "VIRTUAL_ENV": environment}
    if path is not None:
        variables["PATH"] = path
    return msgspec.structs.replace(process, path=path, variables=variables)


def shell_options(name: str, arguments: tuple[Word, ...]) -> tuple[list[Word], set[str]]:
    """Return a shell's arguments behind its options, and the letters of those.

    Raises :class:`NotKnownError` for a shell that reads other files first, as a login shell does.
    """
    words, letters = list(arguments), set[str]()
    while words and words[0] is not None and words[0][:1] in ("-", "+") and words[0] != "-":
        option = words.pop(0) or ""
        if option == "--":
            break
        # Options of bash that read less than usual, or change how the text is read.
        if option in ("--norc", "--noprofile", "--posix"):
            continue
        # -l is a login shell, -i an interactive one, -s reads standard input, -r is restricted.
        if option.startswith("--") or set("lirs") & set(option):
            raise NotKnownError(f"{name} {option} reads files first that change its environment")
        letters |= {*option[1:]} if option[0] == "-" else set()
        # -o, and -O of bash, take the next word; letters may stand before it: -euo pipefail.
        if option[-1] in "oO" and words:
            words.pop(0)
    return words, letters
