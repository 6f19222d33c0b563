"""Quotes and escapes, by who reads them."""

from __future__ import annotations

import pytest

from pyimginspect.dockerfile.quotes import (
    SHELL,
    QuoteReader,
    Quoting,
    flag_quoting,
    unquoted,
    word_quoting,
)

WORD, FLAG = word_quoting("\\"), flag_quoting("\\")
WINDOWS = word_quoting("`")


@pytest.mark.parametrize(
    ("quoting", "text", "expected"),
    [
        (WORD, "plain", "plain"),
        (WORD, "a'b c'd", "ab cd"),
        (WORD, 'a"b\'c"d', "ab'cd"),
        (WORD, r"a\ b\'", "a b'"),
        (WORD, r"'a\b'", r"a\b"),
        (WORD, r'"\"\$\\"', '"$\\'),
        (WORD, r'"\a\`"', r"\a\`"),
        (WORD, "a\\", "a\\"),
        (WINDOWS, r"C:\a` b", r"C:\a b"),
        (WINDOWS, '"`"``\\"', '"`\\'),
        (FLAG, r"'a\'b'", "a'b"),
        (FLAG, r'"\a"', "a"),
        (FLAG, "a\\", "a"),
        (SHELL, "a\\\nb", "ab"),
        (SHELL, '"a\\\nb"', "ab"),
        (SHELL, "'a\\\nb'", "a\\\nb"),
        (SHELL, r'"\`\$\"\\"', '`$"\\'),
        (SHELL, r'"\n"', r"\n"),
    ],
)
def test_what_stands_for_itself(quoting: Quoting, text: str, expected: str) -> None:
    assert unquoted(text, quoting) == expected


def test_a_reader_knows_the_quote_that_it_is_in() -> None:
    reader = QuoteReader("a'b\"c'\"", WORD)
    quotes = []
    while not reader.ended:
        quotes.append((reader.quote, reader.read()))
    assert quotes == [("", "a"), ("", ""), ("'", "b"), ("'", '"'), ("'", "c"), ("'", ""), ("", "")]
    assert reader.quote == '"'
