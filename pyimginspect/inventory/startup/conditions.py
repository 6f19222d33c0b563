"""Conditions of a shell that can be decided from what is known: ``[ "$1" = serve ]``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyimginspect.inventory.startup.records import Word
from pyimginspect.inventory.startup.words import Values, expand_words, matches, whole_number

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


def _both(one: bool | None, other: bool | None) -> bool | None:
    """``and`` of three values: what is false on either side is false."""
    return False if False in (one, other) else (None if None in (one, other) else True)


def _either(one: bool | None, other: bool | None) -> bool | None:
    """``or`` of three values: what is true on either side is true."""
    return True if True in (one, other) else (None if None in (one, other) else False)


# -a and -o of test(1), && and || of [[ and of lists: no side of a condition that is decided has
# effects, so that their order does not matter.
_CONNECTIVES = {"&&": _both, "-a": _both, "||": _either, "-o": _either}


def holds(node: Node, values: Values, depth: int = 0) -> bool | None:
    """Whether a condition is true; ``None`` where only a running container knows."""
    if depth > _DEEPEST:
        return None
    kind = node.type
    if kind in ("test_command", "parenthesized_expression"):
        inner = node.named_children
        return holds(inner[0], values, depth + 1) if len(inner) == 1 else None
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
        words = [word for child in node.named_children for word in expand_words(child, values)]
        return _command(words)
    return None


def _command(words: list[Word]) -> bool | None:
    if words in (["true"], [":"]):
        return True
    if words == ["false"]:
        return False
    return test_words(words[1:]) if words[:1] == ["test"] else None


def test_words(words: list[Word]) -> bool | None:
    """Decide test(1) given these words, in the forms of two and three of them."""
    # POSIX test goes by the number of words, so that `[ "$1" = -n ]` compares whatever $1 is.
    if len(words) == 2 and words[0] in ("-z", "-n"):
        return None if words[1] is None else (words[1] == "") == (words[0] == "-z")
    if len(words) == 3 and words[0] is not None and words[2] is not None:
        if words[1] in ("=", "=="):
            return words[0] == words[2]
        if words[1] == "!=":
            return words[0] != words[2]
    return None


def _list(node: Node, values: Values, depth: int) -> bool | None:
    operators = {child.type for child in node.children if not child.is_named}
    sides = [holds(child, values, depth + 1) for child in node.named_children]
    if len(sides) != 2 or len(operators) != 1:
        return None
    return _both(*sides) if operators == {"&&"} else _either(*sides)


def _unary(node: Node, values: Values) -> bool | None:
    if node.named_child_count != 2:
        return None
    operator = (node.named_children[0].text or b"").decode(errors="replace")
    words = expand_words(node.named_children[1], values)
    if len(words) > 1 or None in words:
        return None
    return test_words([operator, words[0] if words else ""])


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
    words = expand_words(left, values)
    if len(words) != 1 or words[0] is None:
        return None
    if operator in ("=", "==", "!="):
        same = matches(words[0], right, values)
        return None if same is None else same == (operator != "!=")
    return _compared(words[0], operator, expand_words(right, values))


def _compared(number: str, operator: str, others: list[Word]) -> bool | None:
    """Decide ``[ 2 -gt 1 ]``; ``None`` for what are no whole numbers."""
    compare = _NUMBERS.get(operator)
    if compare is None or len(others) != 1 or others[0] is None:
        return None
    one, other = whole_number(number), whole_number(others[0])
    return compare(one, other) if one is not None and other is not None else None
