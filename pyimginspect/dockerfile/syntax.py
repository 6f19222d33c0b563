"""The small parts of an instruction: flags, words, quotes and the JSON form."""

from __future__ import annotations

import re

import msgspec

from pyimginspect.dockerfile.logical import Logical
from pyimginspect.dockerfile.quotes import QuoteReader, flag_quoting, word_quoting
from pyimginspect.dockerfile.records import Flag

__all__ = ["SPACE", "read_flags", "read_json", "read_words", "split_keyword"]

SPACE = " \t\v\f\r\n\x85\xa0"
"""Go's ``unicode.IsSpace`` in Latin-1, which BuildKit strips lines by."""


def read_flags(line: Logical, offset: int, escape: str) -> tuple[tuple[Flag, ...], int]:
    """Return the flags at ``offset`` of a line, and where its argument begins.

    As ``extractBuilderFlags`` of BuildKit: words that begin with ``--``, quotes taken off, up to
    the first that does not, or to ``--`` alone.
    """
    text = line.text
    flags: list[Flag] = []
    while True:
        while offset < len(text) and text[offset] in SPACE:
            offset += 1
        if not text.startswith("--", offset):
            return tuple(flags), offset
        start = offset
        word, offset = _flag_word(text, offset, escape)
        # `--` alone is dropped, as in BuildKit: what follows is the argument, were it `--x`.
        if word == "--":
            return tuple(flags), offset
        name, _, value = word[2:].partition("=")
        flags.append(
            Flag(name=name, value=value, start=line.origin(start), end=line.origin_end(offset))
        )


def _flag_word(text: str, offset: int, escape: str) -> tuple[str, int]:
    reader = QuoteReader(text, flag_quoting(escape), offset)
    characters = []
    while not reader.ended and (reader.quote or text[reader.position] not in SPACE):
        characters.append(reader.read())
    return "".join(characters), reader.position


def split_keyword(line: Logical, escape: str) -> tuple[str, str]:
    """Return the keyword of a line in capitals, and its argument; ``ONBUILD`` is looked into."""
    text, offset = line.text, 0
    keyword = "ONBUILD"
    while keyword == "ONBUILD":
        _, start = read_flags(line, offset, escape)
        offset = start
        while offset < len(text) and text[offset] not in SPACE:
            offset += 1
        keyword = text[start:offset].upper()
        if offset == start:
            break
    _, offset = read_flags(line, offset, escape)
    return keyword, text[offset:].strip(SPACE)


def read_words(text: str, escape: str = "\\") -> list[str]:
    """Return the words of an argument, quotes and escapes left in; none where a quote is open."""
    reader = QuoteReader(text, word_quoting(escape))
    words: list[str] = []
    start = 0
    while not reader.ended:
        position = reader.position
        space = not reader.quote and text[position] in SPACE
        reader.read()
        if space:
            words.append(text[start:position])
            start = reader.position
    # `heredocsFromLine` passes over the lexer's error, and so finds no here-documents.
    if reader.quote:
        return []
    return [word for word in (*words, text[start:]) if word]


# What is no UTF-8 in a file, which encoding/json, and so BuildKit, replaces likewise.
_SURROGATES = re.compile("[\ud800-\udfff]")


def read_json(text: str) -> tuple[str, ...] | None:
    """Return the words of the JSON form, ``None`` where the text is none.

    An array with other values is a `ValueError`: BuildKit refuses it (`parseMaybeJSON`).
    """
    if not text.startswith("["):
        return None
    try:
        values = msgspec.json.decode(_SURROGATES.sub("\ufffd", text))
    # What encoding/json refuses is a shell's text: `[ -f x ] && make`. msgspec recurses at
    # brackets, and raises RecursionError at the interpreter's limit.
    except (msgspec.DecodeError, RecursionError):
        return None
    if not all(isinstance(value, str) for value in values):
        raise ValueError("a JSON array may have strings only")
    return tuple(values)
