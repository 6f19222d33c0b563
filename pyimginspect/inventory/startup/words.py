"""Words of a shell command, from the tree that tree-sitter-bash makes of it.

Source: POSIX.1-2024, Shell Command Language, 2.2 "Quoting" and 2.6 "Word Expansions".
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct

from pyimginspect.inventory.startup.records import Word

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Values", "expand_words", "line_of", "matches", "one_word", "whole_number"]

# Of one word of the text; more than that is taken for words that are not known.
_MOST_WORDS = 512
# Parameters of POSIX 2.5. The special ones only where nothing or an operator follows: ${#x} is a
# length and no $#.
_NAME = re.compile(r"[A-Za-z_]\w*|\d+|[@*#?](?=$|[:%#-])", re.ASCII)
# All that becomes several words in spite of quotes: "$@", "${@}", "${@-word}", "${@:-word}".
_QUOTED = re.compile(r'"\$(?:@|\{@(?:(:?)-([^$`"\\]*))?\})"')
_UNQUOTED = re.compile(r"\$(?:[@*]|\{[@*](?:(:?)-([^$`\"'\\~]*))?\})")
_GLOB = ("*", "?", "[")
_SPLITS = re.compile(r"[ \t\n]+")
"""What separates words where IFS is not set: no other white space."""


def whole_number(text: str) -> int | None:
    """Return a number as shells read it: a few ASCII digits, not all that Unicode calls so."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def line_of(node: Node) -> int:
    """Return the line of a text that a node begins on, from 1."""
    return int(node.start_point[0]) + 1


class Values(Struct, frozen=True, kw_only=True):
    """What expansions are replaced by: variables whose value is known, ``$0``, ``$1``, …

    ``arguments`` is ``None`` where they are not known, and ends in ``None`` where it goes on.
    ``forgotten`` are variables that may have any value, or none: ``*`` is all of the others.
    ``shell`` is the last name of the file that runs.
    """

    variables: Mapping[str, str]
    arguments: tuple[Word, ...] | None
    name: str = "sh"
    forgotten: frozenset[str] = frozenset()
    shell: str = ""


def expand_words(node: Node, values: Values) -> list[Word]:
    """Return the words that one word of the text becomes."""
    found = list(islice(_pieces(node, values), _MOST_WORDS))
    return found if len(found) < _MOST_WORDS else [*found[:-1], None]


def one_word(node: Node, values: Values) -> Word:
    """Return the text of a word where it stays one, as in ``case``, ``[[`` and assignments."""
    words = _arguments(node, values)
    if words is not None:
        return words[0] if len(words) == 1 else ("" if not words else None)
    if node.type in ("simple_expansion", "expansion"):  # neither split nor a pattern
        return _value(_text(node), values)
    return _joined(node, values)


def _pieces(node: Node, values: Values) -> Iterator[Word]:
    kind = node.type
    if kind == "command_name":
        yield from _pieces(node.named_children[0], values)
    elif (words := _arguments(node, values)) is not None:
        for word in words:
            yield from (word,) if kind == "string" else _split(word)
    elif kind in ("simple_expansion", "expansion"):
        yield from _split(_value(_text(node), values))
    else:
        yield _joined(node, values)


def _split(value: Word) -> Iterator[Word]:
    """Yield the words of an expansion without quotes; which paths a pattern fits is not known."""
    for word in _SPLITS.split(value) if value is not None else (None,):
        if word is None or _has_pattern(word):
            yield None
        elif word:
            yield word


def _has_pattern(text: str) -> bool:
    return any(character in text for character in _GLOB)


def _arguments(node: Node, values: Values) -> tuple[Word, ...] | None:
    """Return the words of ``"$@"``, ``"${@:-word}"``, ``$@`` or ``$*``; ``None`` for all else."""
    text = _text(node)
    match = _QUOTED.fullmatch(text) or _UNQUOTED.fullmatch(text)
    if match is None:
        return None
    if values.arguments is None:
        return (None,)
    if match[1] is None or values.arguments not in ((), ("",)):
        return values.arguments
    return (match[2] if match[1] else None,)  # "${@-word}" of dash is no word, and of bash one


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "surrogateescape")


def _joined(node: Node, values: Values) -> Word:
    """Return the text of what is one word whatever it holds."""
    kind, text = node.type, _text(node)
    if kind == "raw_string":
        return text[1:-1]
    if kind in ("word", "number", "extglob_pattern", "regex", "test_operator", "variable_name"):
        return _plain(text, values)
    if kind in ("simple_expansion", "expansion"):
        value = _value(text, values)  # without quotes it may become several words, or a pattern
        return None if value is None or _SPLITS.search(value) or _has_pattern(value) else value
    if kind == "string":
        return _quoted(node, values)
    if kind == "concatenation":
        parts = [_joined(child, values) for child in node.children]
        return None if None in parts else "".join(part or "" for part in parts)
    return None  # command substitution, arithmetic, processes, $'…'


def _plain(text: str, values: Values) -> Word:
    """Return an unquoted word without its backslashes; what the file system decides is unknown."""
    # Braces make several words in bash and none in dash.
    if _has_pattern(text) or "{" in text or "`" in text:
        return None
    if ":~" in text:
        return None  # a home in assignments alone: PATH=$PATH:~/.local/bin
    if text.startswith("~"):  # another user's home is in a database that may be anywhere
        home = values.variables.get("HOME") if text[1:2] in ("", "/") else None
        return None if home is None else home + text[1:]
    return _without_backslashes(text) if "\\" in text else text


def _without_backslashes(text: str) -> str:
    found, characters = [], iter(text)
    for character in characters:
        if character == "\\":
            following = next(characters, "")
            found.append("" if following == "\n" else following)
        else:
            found.append(character)
    return "".join(found)


def _quoted(node: Node, values: Values) -> Word:
    """Return what stands between double quotes.

    The grammar counts blanks between expansions to the second: what is text is recognized by the
    positions.
    """
    data = node.text or b""
    start, at, parts = node.start_byte, 1, []
    for child in node.named_children:
        if child.type == "string_content":
            continue
        text = _text(child).lstrip()
        begin = child.end_byte - start - len(text.encode("utf-8", "surrogateescape"))
        value = _value(text, values) if child.type in ("simple_expansion", "expansion") else None
        if value is None:
            return None
        parts += [_quoted_text(data[at:begin]), value]
        at = child.end_byte - start
    parts.append(_quoted_text(data[at:-1]))
    return "".join(parts)


def _quoted_text(data: bytes) -> str:
    text = data.decode("utf-8", "surrogateescape")
    if "\\" not in text:
        return text
    found, characters = [], iter(text)
    for character in characters:
        if character != "\\":
            found.append(character)
            continue
        following = next(characters, "")
        if following == "\n":
            continue
        # 2.2.3, Double-Quotes: before any other character a backslash is text.
        found.append(following if following in '$`"\\' else f"\\{following}")
    return "".join(found)


def _value(text: str, values: Values) -> Word:
    """Return what ``$name`` or ``${name…}`` stands for; ``None`` where that is not known."""
    if not text.startswith("${"):
        return _parameter(text[1:], values)
    inside = text[2:-1]
    match = _NAME.match(inside)
    if match is None:
        return None
    name, rest = match[0], inside[match.end() :]
    known = _parameter(name, values)
    if not rest:
        return known
    # 2.6.2, Parameter Expansion: with a colon an empty value is replaced like an unset one.
    if rest.startswith((":-", "-", ":=", "=")):
        if known is None and (values.forgotten & {name, "*"} or not name.isidentifier()):
            return None
        number = whole_number(name) or 0
        unset = number > len(values.arguments or ())
        return _or_default(None if unset else known, rest)
    if rest.startswith((":?", "?")):
        return known or None
    if known is None:
        return None
    return _cut(known, rest)


def _or_default(known: str | None, rest: str) -> Word:
    """Return a value, or the word that stands for one that is unset, or empty with a colon.

    ``${name:-}`` is how ``set -u`` lets a text ask for a variable that a container may set.
    """
    if known or (known is not None and not rest.startswith(":")):
        return known
    default = rest.lstrip(":")[1:]
    unknown = known is None and not default
    return None if unknown or any(c in default for c in "$`\"'\\~") else default


def _cut(known: str, rest: str) -> Word:
    """Return a value without what ``#pattern``, ``%pattern`` or ``:from:length`` takes away."""
    pattern = rest.lstrip("#%").strip("\"'")
    # Without a pattern in it, # and ## take the same away.
    if rest[0] in "#%" and not any(c in pattern for c in "$`\\*?[") and pattern:
        return known.removeprefix(pattern) if rest[0] == "#" else known.removesuffix(pattern)
    # Substrings are bash's; dash ends with "Bad substitution".
    if rest[0] == ":":
        match [whole_number(number.strip()) for number in rest[1:].split(":")]:
            case [int(begin)]:
                return known[begin:]
            case [int(begin), int(length)]:
                return known[begin : begin + length]
    return None


def _parameter(name: str, values: Values) -> Word:
    arguments = values.arguments
    number = whole_number(name)
    if number == 0:
        return values.name
    if number is not None:
        before = arguments[:number] if arguments is not None else (None,)
        if None in before:
            return None
        return before[-1] if len(before) == number else ""
    return _of_all(name, arguments) if name in "#@*" else values.variables.get(name)


def _of_all(name: str, arguments: tuple[Word, ...] | None) -> Word:
    """Return ``$#``, or all arguments as one word: several of ``"x$@"`` are several."""
    if arguments is None or None in arguments:
        return None
    if name == "#":
        return str(len(arguments))
    several = name == "@" and len(arguments) > 1
    return None if several else " ".join(word or "" for word in arguments)


def _part(node: Node, values: Values) -> Word:
    """Return a part of a pattern; ``None`` for one that is not known, or has ``*`` in quotes."""
    if node.type in ("word", "extglob_pattern"):
        return _text(node)
    text = _joined(node, values)
    return None if text is None or _has_pattern(text) else text


def matches(word: str, pattern: Node, values: Values) -> bool | None:
    """Whether a word fits a pattern of ``case``; ``None`` where that is not known."""
    text = _text(pattern)
    if pattern.type == "raw_string":
        return word == text[1:-1]
    if pattern.type in ("string", "simple_expansion", "expansion"):
        return _equals(word, pattern, values)
    if pattern.type == "concatenation":
        parts = [_part(child, values) for child in pattern.children]
        if None in parts:
            return None
        text = "".join(part or "" for part in parts)
    elif pattern.type not in ("word", "extglob_pattern", "number"):
        return None
    if any(sign in text for sign in ("$", "`", "\\", "(", "[")) or len(text) > 200:
        return None
    # fnmatch makes a regular expression of it, which may take ever longer with every star.
    if text.count("*") > 4:
        return None
    return fnmatch.fnmatchcase(word, text)


def _equals(word: str, pattern: Node, values: Values) -> bool | None:
    value = _joined(pattern, values)
    # Without quotes a backslash in the value is one of the pattern's.
    if value is None or (pattern.type != "string" and "\\" in value):
        return None
    return word == value
