"""Programs that execute another one: what they are given first, and what they change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

import msgspec
from msgspec import Struct

from pyimginspect.inventory.startup.fixes import adds_account
from pyimginspect.inventory.startup.paths import absolute, problem
from pyimginspect.inventory.startup.records import Context, NotKnownError, Process, Word
from pyimginspect.inventory.startup.users import USERS, NoSuchUserError, find_user
from pyimginspect.inventory.tables import read_table

__all__ = ["Wrapped", "is_wrapper", "unwrap"]

# Whatever has an equals sign: env(1) asks for no name that a shell would allow.
_ASSIGNMENT = re.compile(r"[^=]+=.*", re.DOTALL)
_CLEARING = frozenset({"-i", "--ignore-environment", "-"})
"""Options of env(1) that take the environment away."""
# nice -5, the old form of nice -n 5.
_LEADS_ON = re.compile(r"-?\d+(?:\.\d+)?[smhd]?")


class _Wrapper(Struct, frozen=True, kw_only=True):
    """How a program's command line is made up.

    ``flags`` stand alone, ``values`` take the next word unless one is attached, ``opaque`` change
    what follows in a way that is not followed. ``skip`` words come before the command, ``user``
    is the number of the one that names a user, or the option that does. ``split`` options hold
    words (``env -S``), ``assignments`` and ``numbers`` (``nice -5``) may come before the
    command. ``exec`` tells programs that use execve(2), not execvp(3). ``runner`` are the words
    behind which a command is run in an environment of the project's. ``unsettled`` ones may
    change the environment.
    """

    flags: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    skip: int = 0
    user: int | str | None = None
    assignments: bool = False
    numbers: bool = False
    exec: bool = False
    unsettled: bool = False
    runner: tuple[str, ...] = ()


class _Table(Struct, frozen=True, kw_only=True):
    source: str
    date: str
    wrappers: dict[str, _Wrapper]


@cache
def _table() -> Mapping[str, _Wrapper]:
    return read_table("wrappers", _Table).wrappers


class Wrapped(Struct, frozen=True, kw_only=True):
    """The command behind a wrapper, and the process that executes it.

    ``text_runs``: a file without a format is given to a shell. ``runner``: what is not found may
    be brought by the wrapper.
    """

    arguments: tuple[Word, ...]
    process: Process
    text_runs: bool = True
    runner: bool = False


def is_wrapper(name: str) -> bool:
    """Whether a program of this name executes what its arguments say.

    busybox does not: what it is given first is the program that it is (``Program.applet``).
    """
    return name in _table()


def unwrap(
    context: Context, process: Process, name: str, arguments: tuple[Word, ...]
) -> Wrapped | None:
    """Return what ``name`` executes; ``None`` where it is given nothing to execute.

    ``arguments`` are those behind the program's name. Raises :class:`NotKnownError` for options
    that the table does not have, and :class:`CannotStartError` for a user that does not exist.
    """
    wrapper = _table()[name]
    words = list(arguments)
    if wrapper.runner:
        return _behind_runner(wrapper, process, name, words)
    options: dict[str, str] = {}
    _take_options(wrapper, name, words, options)
    changed = _assigned(process, words) if wrapper.assignments else process
    skipped = words[: wrapper.skip]
    del words[: wrapper.skip]
    if not words:
        return None
    if not _CLEARING.isdisjoint(options):
        changed = msgspec.structs.replace(changed, path=_cleared(changed.path))
    if wrapper.unsettled:
        changed = msgspec.structs.replace(changed, settled=False)
    directory = options.get("-C", options.get("--chdir"))
    if directory is not None:
        changed = msgspec.structs.replace(changed, directory=absolute(directory, process.directory))
    who = _user_of(wrapper, name, skipped, options)
    if who is not None:
        changed = _as_user(context, changed, name, who)
    return Wrapped(arguments=tuple(words), process=changed, text_runs=not wrapper.exec)


def _assigned(process: Process, words: list[Word]) -> Process:
    """Return the process after the assignments in front of ``words``, which are taken off."""
    variables, path = dict(process.variables), process.path
    while words and words[0] is not None and _ASSIGNMENT.match(words[0]):
        variable, _, value = words[0].partition("=")
        del words[0]
        variables[variable] = value
        path = value if variable == "PATH" else path
    return msgspec.structs.replace(process, variables=variables, path=path)


def _user_of(
    wrapper: _Wrapper, name: str, skipped: list[Word], options: dict[str, str]
) -> str | None:
    """Return the user that a wrapper changes to; ``None`` where it leaves that be."""
    if isinstance(wrapper.user, int):
        who = skipped[wrapper.user]
        if who is None:
            raise NotKnownError(f"the user that {name} is given is not known")
        return who
    return options.get(wrapper.user, options.get("--user")) if wrapper.user is not None else None


def _cleared(path: str | None) -> str | None:
    """``env -i`` leaves no PATH: execvp(3) then looks in ``/bin:/usr/bin``."""
    return path and "/bin:/usr/bin"


def _take_options(wrapper: _Wrapper, name: str, words: list[Word], options: dict[str, str]) -> None:
    """Move the options in front of ``words`` to ``options``."""
    while words:
        word = words[0]
        if word is None:
            raise NotKnownError(f"what {name} is given is only known at run time")
        if word == "--":
            del words[0]
            return
        # A lone hyphen is an option of env alone (-i); to others it is a word.
        if not word.startswith("-") or (word == "-" and word not in wrapper.flags):
            return
        del words[0]
        if word in wrapper.opaque:
            raise NotKnownError(f"{name} {word} changes what follows in ways that are not followed")
        if word in wrapper.flags or (wrapper.numbers and _LEADS_ON.fullmatch(word)):
            options[word] = ""
        elif (split := _after(word, wrapper.split, words)) is not None:
            words[:0] = _split_string(split)
        else:
            value = _after(word, wrapper.values, words, options)
            if value is None and not _is_cluster(word, wrapper):
                raise NotKnownError(f"{name} has an option {word} that is not known here")


def _is_cluster(word: str, wrapper: _Wrapper) -> bool:
    """Whether a word is several flags of one letter (``-Eu``)."""
    return not word.startswith("--") and all(f"-{letter}" in wrapper.flags for letter in word[1:])


def _after(
    word: str, names: tuple[str, ...], words: list[Word], options: dict[str, str] | None = None
) -> str | None:
    """Return the value of an option out of ``names``; the next word where none is attached."""
    for option in names:
        value: Word
        if word == option:
            if not words:
                return None
            value = words.pop(0)
        # As getopt_long(3) has it: --name=value, -nvalue, or the next word.
        elif option.startswith("--") and word.startswith(f"{option}="):
            value = word[len(option) + 1 :]
        elif not option.startswith("--") and word.startswith(option):
            value = word[len(option) :]
        else:
            continue
        if value is None:
            raise NotKnownError(f"the value of {option} is only known at run time")
        if options is not None:
            options[option] = value
        return value
    return None


def _split_string(text: str) -> list[Word]:
    """Return the words of ``env -S``; quotes, variables and escapes in them are not followed."""
    if any(character in text for character in "'\"$\\#"):
        raise NotKnownError("env -S is given a string with quotes, variables or escapes")
    return [*text.split()]


def _as_user(context: Context, process: Process, name: str, spec: str) -> Process:
    # Not set-user-ID, as sudo is: these change the user only with root's capabilities.
    if process.user.uid != 0 and name in ("gosu", "su-exec", "setpriv", "setuidgid"):
        raise NotKnownError(f"{name} may not change the user, since it is not run by root")
    try:
        user = find_user(context.rootfs, spec)
    except NoSuchUserError as error:
        if not context.complete or not process.settled:
            raise NotKnownError(f"whether there is a user {error} is not known") from error
        whom = f"as user {error}, who" if error.file == USERS else f"in group {error}, which"
        what = f"{name} is to run it {whom} is not in /{error.file}"
        fix = adds_account(context, str(error), error.file)
        raise problem("", name, what, error.file, fix) from error
    if user is None:
        raise NotKnownError(f"which rights user {spec} has is not known")
    variables = {key: value for key, value in process.variables.items() if key != "HOME"}
    if user.home:
        variables["HOME"] = user.home
    return msgspec.structs.replace(process, user=user, variables=variables)


def _behind_runner(
    wrapper: _Wrapper, process: Process, name: str, words: list[Word]
) -> Wrapped | None:
    """Return what a project's tool runs in the project's environment, where that is in the image.

    The tools put the environment first on PATH: ``.venv`` in the working directory, or what a
    variable names.
    """
    options: dict[str, str] = {}
    _take_options(wrapper, name, words, options)
    if words[:1] != [*wrapper.runner]:
        raise NotKnownError(f"{name} decides what runs")
    del words[0]
    _take_options(wrapper, name, words, options)
    if not words or words[0] is None or words[0].startswith("-"):
        raise NotKnownError(f"{name} decides what runs")
    # `uv run script.py` gives it to the environment's Python.
    if words[0].endswith(".py"):
        words.insert(0, "python")
    environment = process.variables.get("UV_PROJECT_ENVIRONMENT" if name == "uv" else "", "")
    project = options.get("--project", options.get("--directory", options.get("-C", "")))
    place = absolute(environment or f"{project or '.'}/.venv", process.directory)
    prefix = (
        options.get("-p", options.get("--prefix")) if "conda" in name or "mamba" in name else ""
    )
    if prefix:
        place = absolute(prefix, process.directory)
    # Not settled: the tool may make or change the environment first, as `uv run` does.
    changed = msgspec.structs.replace(process, path=f"{place}/bin", settled=False)
    return Wrapped(arguments=tuple(words), process=changed, runner=True)
