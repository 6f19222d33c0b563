"""Conditions of a shell that can be decided from what is known: ``[ "$1" = serve ]``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyimginspect.inventory.startup.records import Word
from pyimginspect.inventory.startup.words import (
    Values,
    expand_words,
    matches,
    one_word,
    whole_number,
)

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["holds", "test_words"]

_DEEPEST = 16  # each level is a call of holds()
_NUMBERS: dict[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
}
_TEXTS = ("=", "==", "!=")
_BINARY = frozenset({*_NUMBERS, *_TEXTS})


def _both(one: bool | None, other: bool | None) -> bool | None:
    """``and`` of three values: what is false on either side is false."""
    return False if False in (one, other) else (None if None in (one, other) else True)


def _either(one: bool | None, other: bool | None) -> bool | None:
    """``or`` of three values: what is true on either side is true."""
    return True if True in (one, other) else (None if None in (one, other) else False)


# Of [[ and of lists: no side of a condition that is decided has effects, so that their order does
# not matter.
_CONNECTIVES = {"&&": _both, "||": _either}


def holds(node: Node, values: Values, depth: int = 0) -> bool | None:
    """Whether a condition is true; ``None`` where only a running container knows."""
    if depth > _DEEPEST:
        return None
    kind = node.type
    if kind in ("test_command", "parenthesized_expression"):
        return _inside(node, values, depth)
    if kind in ("negated_command", "unary_expression") and node.children[0].type == "!":
        inside = holds(node.named_children[-1], values, depth + 1)
        return None if inside is None else not inside
    if kind == "list":
        return _list(node, values, depth)
    if kind == "unary_expression":
        return _unary(node, values)
    if kind == "binary_expression":
        return _binary(node, values, depth)
    if kind == "command":
        return _command(node, values)
    return None


def _inside(node: Node, values: Values, depth: int) -> bool | None:
    if node.children[0].type == "[":
        return _bracket(node, values)
    inner = node.named_children
    return holds(inner[0], values, depth + 1) if len(inner) == 1 else None


def _command(node: Node, values: Values) -> bool | None:
    if node.child_count != node.named_child_count:
        return None  # == and =~ are no words to the grammar
    words = [word for child in node.named_children for word in expand_words(child, values)]
    if words in (["true"], [":"]):
        return True
    if words == ["false"]:
        return False
    return _test(words[1:], values) if words[:1] == ["test"] else None


def _test(words: list[Word], values: Values) -> bool | None:
    return None if "==" in words[1:3] and values.shell == "dash" else test_words(words)


def test_words(words: list[Word]) -> bool | None:
    """Decide test(1) given these words: one that is not known may be none, or several.

    An error (status 2) is no less false than what is not true.
    """
    known = [word for word in words if word is not None]
    if len(known) != len(words):
        return None
    # POSIX test goes by the number of words, so that `[ "$1" = -n ]` compares whatever $1 is, and
    # `[ -n $1 ]` without a $1 asks whether "-n" is empty.
    match known:
        case []:
            return False
        case [word]:
            return word != ""
        case ["-z" | "-n" as operator, word]:
            return (word == "") == (operator == "-z")
        case ["!", word]:
            return word == ""
        case [word, other]:  # dash takes `[ a -o ]`
            return None if "-" in (word[:1], other[:1]) else False
        case [left, operator, right] if operator in _BINARY:
            return _compared(left, operator, right)
        case ["!", "-z" | "-n", _] | ["!", _, _, _]:
            inside = test_words(words[1:]) if len(words) == 3 or words[2] in _BINARY else None
            return None if inside is None else not inside
    return None


def _bracket(node: Node, values: Values) -> bool | None:
    """Decide ``[ … ]``: a command like others, whose words the grammar takes for a condition."""
    words: list[Word] = []
    todo, end = node.children[-2:0:-1], -1
    while todo:
        each = todo.pop()
        if each.type in ("unary_expression", "binary_expression"):
            todo += reversed(each.children)
        elif each.is_named:
            if each.start_byte == end:
                return None
            text = (each.text or b"").decode(errors="replace")
            words += [text] if each.type == "test_operator" else expand_words(each, values)
            end = each.end_byte
        elif each.type in ("!", "=", "!=", "=="):
            if each.start_byte != end:
                words.append(each.type)
            elif not words or words[-1] not in ("!", "="):
                return None
            else:
                words[-1] = f"{words[-1]}{each.type}"
            end = each.end_byte
        else:
            return None  # parentheses and redirections
    return _test(words, values)


def _list(node: Node, values: Values, depth: int) -> bool | None:
    operators = {child.type for child in node.children if not child.is_named}
    sides = [holds(child, values, depth + 1) for child in node.named_children]
    if len(sides) != 2 or len(operators) != 1:
        return None
    return _both(*sides) if operators == {"&&"} else _either(*sides)


def _unary(node: Node, values: Values) -> bool | None:
    """Decide ``[[ -n $X ]]``, where nothing is split, and nothing empty dropped."""
    if node.named_child_count != 2:
        return None
    operator = (node.named_children[0].text or b"").decode(errors="replace")
    return test_words([operator, one_word(node.named_children[1], values)])


def _binary(node: Node, values: Values, depth: int) -> bool | None:
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if left is None or right is None:
        return None
    operator = "".join(
        (child.text or b"").decode(errors="replace")
        for child in node.children
        if child not in (left, right)
    )
    connective = _CONNECTIVES.get(operator)
    if connective is not None:
        return connective(holds(left, values, depth + 1), holds(right, values, depth + 1))
    if left.type == "unary_expression" and left.children[0].type == "!":
        # The grammar binds it to the operand: [ ! a = b ] is the opposite of [ a = b ].
        opposite = _comparison(left.named_children[-1], operator, right, values)
        return None if opposite is None else not opposite
    return _comparison(left, operator, right, values)


def _comparison(left: Node, operator: str, right: Node, values: Values) -> bool | None:
    word = one_word(left, values)
    # `[[ -z = a ]]` has an operator first, which the grammar takes for a word.
    if word is None or (left.text or b"").startswith(b"-"):
        return None
    if operator in ("=", "==", "!="):
        same = matches(word, right, values)
        return None if same is None else same == (operator != "!=")
    other = one_word(right, values)
    # [[ computes: 010 is eight.
    if other is None or any(each[:1] == "0" and each != "0" for each in (word, other)):
        return None
    return _compared(word, operator, other)


def _compared(left: str, operator: str, right: str) -> bool | None:
    """Decide ``[ 2 -gt 1 ]`` and ``[ a = b ]``; ``None`` for what are no whole numbers."""
    if operator in _TEXTS:
        return (left == right) == (operator != "!=")
    compare = _NUMBERS.get(operator)
    one, other = whole_number(left), whole_number(right)
    return None if compare is None or one is None or other is None else compare(one, other)
