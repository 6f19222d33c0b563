"""What a shell has at a place of its text, and how single commands change it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from pyimginspect.inventory.startup.paths import absolute, walk
from pyimginspect.inventory.startup.records import (
    CannotStartError,
    Context,
    NotKnownError,
    Process,
    Word,
)
from pyimginspect.inventory.startup.users import may_enter
from pyimginspect.inventory.startup.words import whole_number

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = [
    "Call",
    "State",
    "asks",
    "change_directory",
    "distinct",
    "forget",
    "merged",
    "not_replacing",
    "set_options",
    "shifted",
    "statements_of",
    "substitutions_of",
    "succeeds",
    "unsettled",
    "without",
    "writes",
]

MOST_ENDS = 16
"""Commands that may be a text's last: of more, nothing is said."""


class Call(Struct, frozen=True, kw_only=True):
    """A command that is executed: its words, by which process, and in which line of the text.

    ``replaces``: by ``exec``, so that nothing of the shell comes after it.
    """

    words: tuple[Word, ...]
    process: Process
    line: int
    replaces: bool = False


class State(Struct, kw_only=True):
    """What a shell has at a place of its text. ``last`` are the calls that may have been last.

    ``strict`` is ``set -e``, which has no effect where the place is ``guarded``: in a list, but for
    its end. ``certain`` is false where the place may not be reached.
    """

    process: Process
    arguments: tuple[Word, ...] | None
    functions: dict[str, Node] = {}
    last: tuple[Call, ...] = ()
    nothing: bool = True
    strict: bool = False
    certain: bool = True
    guarded: bool = False

    def must_succeed(self, *, ends: bool) -> bool:
        """Whether the text ends where a command fails; ``ends``: it is the last one."""
        return ends or (self.strict and not self.guarded)

    def copy(self, *, certain: bool = True) -> State:
        """Return what a way begins with; not ``certain`` where it may not be taken."""
        new = msgspec.structs.replace(self, functions=dict(self.functions))
        new.certain = self.certain and certain
        return new


def not_replacing(call: Call) -> Call:
    """Return the call of a shell that goes on after it."""
    return msgspec.structs.replace(call, replaces=False)


def distinct(calls: Iterable[Call]) -> tuple[Call, ...]:
    """Return calls without repetition; :class:`NotKnownError` where they are too many."""
    found: list[Call] = []
    for call in calls:
        if call in found:
            continue
        if len(found) == MOST_ENDS:
            raise NotKnownError(f"it may end in more than {MOST_ENDS} commands")
        found.append(call)
    return tuple(found)


def merged(states: Iterable[State], before: State) -> State | None:
    """Return what is certain after one of several ways was taken."""
    every = list(states)
    if not every:
        return None
    found = every[0].copy()
    for other in every[1:]:
        found.process = _both(found.process, other.process)
        if found.arguments != other.arguments:
            found.arguments = None
        found.last = distinct((*found.last, *other.last))
        found.nothing = found.nothing or other.nothing
        found.strict = found.strict and other.strict
        found.functions = {**other.functions, **found.functions}
    found.certain = before.certain
    return found


def _both(one: Process, other: Process) -> Process:
    # What only one of them has, or each its own, may be anything a later text asks for.
    for name in sorted({name for name, _ in one.variables.items() ^ other.variables.items()}):
        one = forget(one, name)
    return msgspec.structs.replace(
        one,
        forgotten=one.forgotten | other.forgotten,
        path=one.path if one.path == other.path else None,
        directory=one.directory if one.directory == other.directory else None,
        settled=one.settled and other.settled,
    )


def unsettled(process: Process) -> Process:
    """Return the process after something that may have changed files."""
    return msgspec.structs.replace(process, settled=False) if process.settled else process


def forget(process: Process, name: str) -> Process:
    """Return the process with a variable whose value is not known.

    Without knowing where Python imports from, nothing that is missing is certainly missing.
    """
    settled = process.settled and name not in ("PYTHONPATH", "PYTHONHOME")
    process = without(process, name)
    forgotten = process.forgotten | {name}
    return msgspec.structs.replace(process, forgotten=forgotten, settled=settled)


def without(process: Process, name: str) -> Process:
    """Return the process with a variable unset."""
    variables = {key: value for key, value in process.variables.items() if key != name}
    path = None if name == "PATH" else process.path
    forgotten = process.forgotten - {name}
    return msgspec.structs.replace(process, variables=variables, path=path, forgotten=forgotten)


def set_options(call: Call, state: State) -> State:
    """Return the state after ``set``: options of the shell, and its arguments."""
    words = call.words[1:]
    while words and words[0] is not None and words[0][:1] in ("-", "+") and words[0] != "+":
        word, words = words[0], words[1:]
        # `set --` alone leaves no arguments.
        if word == "--":
            state.arguments = words
            return state
        if word == "-":
            break
        # Letters may stand together, the one that takes a word last: set -euo pipefail.
        if "e" in word[1:] and not word.startswith("--"):
            state.strict = word[0] == "-"
        if word.endswith("o"):
            option, words = (words[0] if words else None), words[1:]
            if option == "errexit":
                state.strict = word[0] == "-"
    if words:
        state.arguments = words if words[0] is not None else None
    return state


def shifted(call: Call, state: State) -> tuple[Word, ...] | None:
    """Return the arguments after ``shift``; ``None`` where they are not known."""
    word = call.words[1] if call.words[1:] else "1"
    number = whole_number(word) if word is not None else None
    if state.arguments is None or number is None or number > len(state.arguments):
        return None  # too many: dash ends, bash leaves the arguments as they are
    gone = state.arguments[:number]
    return None if None in gone else state.arguments[number:]


def change_directory(context: Context, call: Call, process: Process, *, needed: bool) -> Process:
    """Return the process after ``cd``. ``needed``: the text goes on only if that succeeds.

    Where it may have failed, or ``..`` leads to another directory than the kernel would say (POSIX:
    ``cd`` takes off the last name, even of a link), the directory is not known.
    """
    unknown = msgspec.structs.replace(process, directory=None)
    target = call.words[1] if len(call.words) == 2 else None
    # `cd` alone goes home, `cd -` back, and -P resolves links.
    if not target or target.startswith("-"):
        return unknown
    try:
        path = absolute(target, process.directory)
    except NotKnownError:
        return unknown
    place = posixpath.normpath(path)
    able = same = True  # so is what is looked up there, where this is not known
    try:
        real = walk(context, f"{path}/", process.user)
        able = may_enter(context.rootfs, real, process.user)
        same = real == walk(context, place, process.user)
    except NotKnownError:
        pass
    except CannotStartError:
        able = False
    goes_on = same and (able or needed)
    return msgspec.structs.replace(process, directory=place) if goes_on else unknown


def writes(redirect: Node) -> bool:
    """Whether a redirection writes a file of the image's."""
    # Devices are no files of the image (>/dev/null), and >&2 names a descriptor.
    operator = next((child.type for child in redirect.children if not child.is_named), "")
    target = redirect.child_by_field_name("destination")
    text = (target.text or b"") if target is not None else b""
    return (
        operator.startswith((">", "&>"))
        and not text.startswith((b"/dev/", b"&"))
        and not text.isdigit()
    )


def asks(node: Node) -> bool:
    """Whether a command is there for its status alone: ``command -v x && …``."""
    words = (node.text or b"").split()[:1]
    return words in ([b"command"], [b"type"], [b"which"], [b"grep"], [b"test"], [b"hash"])


def succeeds(node: Node) -> bool:
    """Whether a command fails where something is amiss alone: ``cd``, ``export``, ``echo``."""
    words = (node.text or b"").split()[:1]
    return node.type == "declaration_command" or words in (
        [b"cd"],
        [b"export"],
        [b"echo"],
        [b"."],
        [b"source"],
        [b"set"],
        [b":"],
        [b"true"],
        [b"umask"],
        [b"ulimit"],
    )


def statements_of(node: Node) -> list[tuple[Node, bool]]:
    """Return the statements of a block, each with whether it is left to the background."""
    found: list[tuple[Node, bool]] = []
    for child in node.children:
        if child.type == "&" and found:
            found[-1] = found[-1][0], True
        elif child.is_named and child.type != "comment":
            found.append((child, False))
    return found


def substitutions_of(node: Node) -> list[Node]:
    """Return the outermost ``$(…)`` and ``<(…)`` of a command."""
    found: list[Node] = []
    todo = [node]
    while todo:
        each = todo.pop()
        if each.type in ("command_substitution", "process_substitution"):
            found.append(each)
        else:
            todo += each.named_children
    return found
