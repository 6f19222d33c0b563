"""Which variables parts of a shell's text set to what is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from pyimginspect.inventory.startup.records import Process, Word
from pyimginspect.inventory.startup.shell_state import State, forget

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = [
    "different",
    "forget_all",
    "forget_set",
    "locals_of",
    "moves_arguments",
    "set_by",
    "sets",
]

# Builtins that set variables which their words name; all else in them may be no name.
_SETTING = frozenset(
    {
        "declare",
        "export",
        "getopts",
        "let",
        "local",
        "mapfile",
        "read",
        "readarray",
        "readonly",
        "typeset",
        "unset",
    }
)
_USUAL = frozenset({"REPLY", "MAPFILE", "OPTARG", "OPTIND"})
_LOCAL = (b"local", b"declare", b"typeset")
_NAMES = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_ASSIGNING = re.compile(r"\$\{([A-Za-z_]\w*):?=", re.ASCII)
_ALL = frozenset("*")


def set_by(words: tuple[Word, ...]) -> frozenset[str]:
    """Return the variables that a builtin of these words sets; ``*`` where any may be."""
    name, others = words[0], words[1:]
    if name == "printf":
        option = (others[0] if others else "") or ""
        if not option.startswith("-v"):
            return frozenset()
        others = (option[2:] or others[1],) if option[2:] or others[1:] else ()
    elif name not in _SETTING:
        return frozenset()
    if None in others:
        return _ALL
    return _USUAL.union(*(_NAMES.findall(other or "") for other in others))


def sets(node: Node, *, within: bool = True) -> Iterator[str]:
    """Yield the variables that a part of a text sets, or may.

    ``within`` is false for those alone that expansions and arithmetic set: ``${X:=a}``.
    """
    todo = [node]
    while todo:
        each = todo.pop()
        text = (each.text or b"").decode(errors="replace")
        if each.type == "expansion" and (match := _ASSIGNING.match(text)):
            yield match[1]
        elif each.type == "arithmetic_expansion" or text.startswith("(("):
            yield from _NAMES.findall(text)
        elif within and each.type == "variable_name":
            yield from _assigned(each)
        elif within and each.type == "command":
            name, _, rest = text.partition(" ")
            if name in (*_SETTING, "printf", "command", "builtin"):
                yield from (*_USUAL, *_NAMES.findall(rest))
            elif name in (".", "source"):
                yield "*"
        todo += each.named_children


def _assigned(name: Node) -> Iterator[str]:
    """Yield a name that stands in an assignment, a declaration, or before ``in``."""
    parent = name.parent
    kinds = ("variable_assignment", "declaration_command", "unset_command", "for_statement")
    if parent is not None and parent.type == "subscript":
        parent = parent.parent
    if parent is not None and parent.type in kinds:
        yield (name.text or b"").decode(errors="replace")


def forget_all(process: Process, names: Iterable[str]) -> Process:
    """Return the process with variables whose values are not known, ``*`` for all of them."""
    for name in sorted(names):
        if name == "*":
            return msgspec.structs.replace(
                process, variables={}, path=None, forgotten=_ALL, settled=False
            )
        process = forget(process, name)
    return process


def forget_set(node: Node, state: State, *, within: bool = True) -> None:
    """Forget what a part of a text may set."""
    state.process = forget_all(state.process, set(sets(node, within=within)))


def different(one: Process, other: Process) -> set[str]:
    """Return the variables that two processes do not have in common."""
    return {name for name, _ in one.variables.items() ^ other.variables.items()}


def locals_of(body: Node) -> set[str]:
    """Return the variables that a function's body may have for itself."""
    found: set[str] = set()
    todo = [body]
    while todo:
        each = todo.pop()
        if each.type == "declaration_command" and each.children[0].type.encode() in _LOCAL:
            found |= set(sets(each))
        todo += each.named_children
    return found


def moves_arguments(node: Node) -> bool:
    """Whether a part of a text may change ``$1``, ``$2``, …."""
    todo = [node]
    while todo:
        each = todo.pop()
        if each.type == "command" and (each.text or b"").split()[:1] in ([b"shift"], [b"set"]):
            return True
        todo += each.named_children
    return False
