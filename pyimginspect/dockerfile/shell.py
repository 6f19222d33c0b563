"""The commands of a shell's text, read with tree-sitter-bash, each with its place.

Source of the terms: POSIX.1-2024, Shell Command Language, 2.9 "Shell Commands". The grammar is
bash's, which takes nearly all that ``dash`` and ``ash`` do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import Struct

from pyimginspect.dockerfile.quotes import SHELL, unquoted

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Tree

__all__ = [
    "SHELLS",
    "Command",
    "Item",
    "Operator",
    "Script",
    "Word",
    "commands",
    "parse_shell",
    "read_script",
    "squeezed",
]

Operator = Literal["", "&&", "||", ";", "&", "|", "\n"]
"""What stands before a command; empty where it is the first of its list."""

SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"})
"""The names of shells whose texts are read: those that take POSIX's language."""

# Linux gives a program no argument of more than 32 pages, 128 KiB (execve(2), MAX_ARG_STRLEN), and
# so no `sh -c` a longer text. Entry scripts are files, and may be longer.
LONGEST_SCRIPT = 256 << 10
"""Bytes of a shell's text that are examined."""

# Where a text ends and nothing is closed (`if a | a | …`, `a=(a=(…`), tree-sitter-bash 0.25 takes
# time by how much is open times what follows, 14 s for 2,000 brackets in 256 KiB, and cannot be
# interrupted meanwhile. At this product it takes half a second at most; entry points have a tenth.
_MOST_WORK = 16 << 20
_OPENING = (b"|", b"(", b")", b"{", b"<<")

_LITERAL = frozenset({"word", "number", "raw_string", "string_content", "string", "concatenation"})
_LITERAL_PARTS = _LITERAL | {"command_name", '"'}
_WRAPPERS = frozenset({"command", "eatmydata", "env", "exec", "nohup", "sudo", "time"})
# Nodes of the grammar in which blanks are content.
_WHOLE = frozenset({"string", "raw_string", "ansi_c_string", "heredoc_body", "comment", "regex"})
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=", re.ASCII)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# What POSIX calls a simple command; `export A=b`, `[ -f x ]` and `unset A` have nodes of their own.
_SIMPLE = frozenset({"command", "declaration_command", "test_command", "unset_command"})
_OPERATORS: dict[str, Operator] = {"&&": "&&", "||": "||", ";": ";", "&": "&", "\n": "\n"}
# bash's `a |& b` is short for `a 2>&1 | b`.
_OPERATORS |= {"|": "|", "|&": "|"}


class Word(Struct, frozen=True):
    """A word of a command: its place, and its text without quotes.

    One with expansions in it is not ``literal``, and its text is as it is written.
    """

    text: str
    start: int
    end: int
    literal: bool = True


class Item(Struct, frozen=True):
    """One element of the sequence that a script is: a command, a pipeline, a loop, …

    ``operator`` stands before it, from ``mark`` on (``start`` where there is none to be seen).
    ``simple`` is a single command.
    """

    start: int
    end: int
    operator: Operator
    mark: int
    simple: bool


class Command(Struct, frozen=True):
    """A simple command, wherever in a script it stands.

    ``start`` to ``end`` holds its assignments and redirections too. ``always`` is true where it
    runs in every case that nothing failed before: at the top level, after ``&&``, ``;`` or a line
    break alone. ``item`` is the element of the sequence that it is, or that it is a part of.
    """

    words: tuple[Word, ...]
    start: int
    end: int
    operator: Operator
    always: bool
    item: int

    @property
    def program(self) -> str:
        """The last name of the program: ``pip`` for ``/usr/bin/pip``; empty if it is not known."""
        return self.path.rpartition("/")[2]

    @property
    def path(self) -> str:
        """The program as it is written, by name or by path; empty if it is not known."""
        number = self._first
        if number is None or not self.words[number].literal:
            return ""
        return self.words[number].text

    @property
    def arguments(self) -> tuple[Word, ...]:
        """What the program is given."""
        number = self._first
        return () if number is None else self.words[number + 1 :]

    @property
    def texts(self) -> tuple[str, ...]:
        """The words' texts."""
        return tuple(word.text for word in self.words)

    @property
    def _first(self) -> int | None:
        number = 0
        while number < len(self.words):
            name = self.words[number].text.rpartition("/")[2]
            after = number + 1
            if name == "sudo":
                while after < len(self.words) and self.words[after].text.startswith("-"):
                    after += 2 if self.words[after].text in ("-u", "-g") else 1
            following = self.words[after].text if after < len(self.words) else "-"
            # Options of wrappers may take a value (`env -u NAME`), which only their manuals tell
            # from the program: then the wrapper counts as the program.
            if name not in _WRAPPERS or following.startswith("-"):
                return number
            number = after
            while number < len(self.words) and _ASSIGNMENT.match(self.words[number].text):
                number += 1
        return None


class Script(Struct, frozen=True):
    """A shell's text: the sequence at its top level, and all simple commands in their order."""

    text: str
    items: tuple[Item, ...]
    commands: tuple[Command, ...]

    @property
    def strict(self) -> bool:
        """Whether the first command is a ``set -e``, so that no later failure is passed over."""
        first = self.commands[0] if self.commands else None
        return (
            first is not None
            and first.program == "set"
            and (
                any(re.fullmatch(r"-[a-zA-Z]*e[a-zA-Z]*", word.text) for word in first.arguments)
                or "errexit" in first.texts
            )
        )


@cache
def _parser() -> Parser:
    # Loaded when the first text is read: 20 ms.
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def parse_shell(text: bytes) -> Tree | None:
    """Return the tree of a shell's text; ``None`` where it is too long or too much nested."""
    if len(text) > LONGEST_SCRIPT or len(text) * max(map(text.count, _OPENING)) > _MOST_WORK:
        return None
    return _parser().parse(text)


def commands(text: str) -> tuple[Command, ...]:
    """Return the simple commands of a shell's text; none where its syntax cannot be read."""
    script = read_script(text)
    return script.commands if script is not None else ()


@lru_cache(maxsize=256)
def read_script(text: str) -> Script | None:
    """Read a shell's text; ``None`` where its syntax cannot be read, or it is too long."""
    # One byte a character: then offsets are the same in both.
    tree = parse_shell(_NOT_ASCII.sub("X", text).encode("ascii"))
    if tree is None or tree.root_node.has_error:
        return None
    items = list(_items(tree.root_node))
    found: list[Command] = []
    for number, item in enumerate(items):
        found += _commands(text, item, number)
    return Script(
        text,
        tuple(
            Item(each.start, each.end, each.operator, each.mark, each.node.type in _SIMPLE)
            for each in items
        ),
        tuple(found),
    )


class _Found(NamedTuple):
    node: Node
    start: int
    end: int
    operator: Operator
    mark: int
    always: bool


def _items(root: Node) -> Iterator[_Found]:
    """Yield the elements of the sequence at the top level."""
    operator: Operator = ""
    mark = -1
    statements: list[tuple[Node, Operator, int]] = []
    background: set[int] = set()
    for child in root.children:
        if child.type == "&" and statements:
            background.add(len(statements) - 1)
        if child.type in _OPERATORS or child.type == ";;":
            operator = _OPERATORS.get(child.type, ";")
            mark = child.start_byte
        elif child.is_named and child.type != "comment":
            # The grammar has no node for a line break between two statements.
            if statements and not operator:
                operator = "\n"
            statements.append((child, operator if statements else "", mark))
            operator, mark = "", -1
    for number, (statement, before, place) in enumerate(statements):
        yield from _elements(statement, before, place, number not in background)


def _elements(node: Node, operator: Operator, mark: int, always: bool) -> Iterator[_Found]:
    """Yield the parts of a list of ``&&`` and ``||``, from the left to the right."""
    # Lists nest to the left, one level for each command: recursion would end at a thousand.
    parts: list[tuple[Node, Operator, int, int]] = []
    end = node.end_byte
    current: Node | None = node
    while current is not None:
        inner = _list_of(current)
        if inner is None:
            parts.append((current, operator, mark, end))
            break
        left, sign, right = inner
        parts.append((right, _OPERATORS[sign.type], sign.start_byte, end))
        current, end = left, left.end_byte
    doubt = False
    for part, sign_before, place, stop in reversed(parts):
        # `&&` and `||` have equal precedence and associate to the left (POSIX.1-2024, 2.9.3): what
        # follows a `||` may be skipped, and all after it with it.
        doubt = doubt or sign_before == "||"
        start = part.start_byte
        certain = always and not doubt
        yield _Found(part, start, stop, sign_before, place if place >= 0 else start, certain)


def _list_of(node: Node) -> tuple[Node, Node, Node] | None:
    """Return the two sides of a list and its operator; a redirection after it is of its last."""
    if node.type == "redirected_statement":
        body = node.child_by_field_name("body")
        if body is None or body.type != "list":
            return None
        node = body
    if node.type != "list" or len(node.children) < 3:
        return None
    left, right = node.children[0], node.children[-1]
    sign = next((child for child in node.children if child.type in ("&&", "||")), None)
    return (left, sign, right) if sign is not None else None


def _commands(text: str, item: _Found, number: int) -> Iterator[Command]:
    """Yield the simple commands of an element, its own or those within, as they stand."""
    stack: list[tuple[Node, Operator, int | None]] = [(item.node, item.operator, item.end)]
    while stack:
        node, operator, end = stack.pop()
        if node.type == "command":
            own = node is item.node or _is_body(item.node, node)
            yield Command(
                tuple(_words(text, node)),
                node.start_byte,
                end if end is not None and own else node.end_byte,
                operator,
                item.always and own,
                number,
            )
        before: Operator = ""
        inner: list[tuple[Node, Operator, int | None]] = []
        for child in node.children:
            if child.type in _OPERATORS:
                before = _OPERATORS[child.type]
            elif child.is_named:
                inner.append((child, before or (operator if not inner else ""), end))
        stack += reversed(inner)


def _is_body(item: Node, node: Node) -> bool:
    body = item.child_by_field_name("body") if item.type == "redirected_statement" else None
    return body is not None and body.start_byte == node.start_byte and body.type == "command"


def _words(text: str, node: Node) -> Iterator[Word]:
    for child in node.children:
        # Redirections are file_redirect, heredoc_redirect and herestring_redirect.
        if child.type == "variable_assignment" or child.type.endswith("redirect"):
            continue
        source, literal = text[child.start_byte : child.end_byte], _is_literal(child)
        word = unquoted(source, SHELL) if literal else source
        yield Word(word, child.start_byte, child.end_byte, literal)


def squeezed(text: str) -> str:
    """Return a shell's text with every run of blanks between its tokens made one space.

    Strings and here-documents keep theirs, and a text whose syntax cannot be read keeps all.
    """
    tree = parse_shell(_NOT_ASCII.sub("X", text).encode("ascii"))
    if tree is None or tree.root_node.has_error:
        return text.strip()
    parts: list[str] = []
    position = 0
    stack = [tree.root_node]
    while stack:
        node = stack.pop()
        if node.children and node.type not in _WHOLE:
            stack += reversed(node.children)
        elif node.end_byte > node.start_byte:
            gap = text[position : node.start_byte]
            parts.append(gap if gap.strip(" \t") else gap[:1] and " ")
            parts.append(text[node.start_byte : node.end_byte])
            position = node.end_byte
    return ("".join(parts) + text[position:]).strip()


def _is_literal(node: Node) -> bool:
    if node.type not in _LITERAL_PARTS:
        return False
    stack = list(node.children)
    while stack:
        child = stack.pop()
        if child.type not in _LITERAL_PARTS:
            return False
        stack += child.children
    return True
