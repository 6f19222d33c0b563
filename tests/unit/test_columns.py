"""The columns that a text takes: the same, whether Python's own functions or wcwidth say so."""

import random

import pytest
import wcwidth

from pyimginspect.formats import _columns

TEXTS = [
    "",
    " ",
    "usr/lib/libz.so",
    "a  b   c" * 20,
    "api:1.4 · linux/amd64 · docker-archive",
    "████        1.2 MB  RUN apt-get install …",
    "a-b " * 40,
    f"one {'word' * 40} that is longer than a line, and more-than-one hyphen",
    "a → b",
    "配置 was changed",
    "e\u0301 combining",
    "\x1b[31merror\x1b[0m in red, and some more words",
    "a\tb\nc",
    "no-break\xa0space and wider\u3000ones",
]
rng = random.Random(7)
MIXED = ["".join(rng.choices("ab -,·…→█", [9, 9, 5, 1, 1, 1, 1, 1, 1], k=150)) for _ in range(10)]


@pytest.mark.parametrize("text", [*TEXTS, *MIXED])
def test_it_is_as_wcwidth_says(text: str) -> None:
    taken = wcwidth.width(text)
    assert _columns.width(text) == taken
    for columns in (1, 7, 20, 60, 100):
        assert _columns.clip(text, 0, columns) == wcwidth.clip(text, 0, columns)
        assert _columns.clip(text, 3, taken) == wcwidth.clip(text, 3, taken)
    for columns in (20, 60, 100):
        lines = wcwidth.wrap(text, columns, break_on_hyphens=False)
        assert _columns.wrap(text, columns) == [line.rstrip() for line in lines]
        lines = wcwidth.wrap(
            text,
            columns,
            initial_indent=" - ",
            subsequent_indent="     ",
            break_on_hyphens=False,
        )
        wrapped = _columns.wrap(text, columns, indent=" - ", further="     ")
        assert wrapped == [line.rstrip() for line in lines]
