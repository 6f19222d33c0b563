"""Reads a Dockerfile as BuildKit does, and keeps the place of everything in it.

The rules are those of BuildKit's parser (``frontend/dockerfile/parser``: ``parser.go``,
``split_command.go``, ``directives.go``), not those of the reference, which says less: comments and
blank lines within an instruction are skipped, an escape character before the last one of a line
takes its meaning away, a comment that is no directive ends the directives, and here-documents are
looked for among the words of ``RUN``, ``COPY`` and ``ADD`` that are no JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyimginspect.dockerfile.logical import Logical
from pyimginspect.dockerfile.quotes import unquoted, word_quoting
from pyimginspect.dockerfile.records import Document, Heredoc, Instruction, Stage
from pyimginspect.dockerfile.syntax import (
    SPACE,
    read_flags,
    read_json,
    read_words,
    split_keyword,
)
from pyimginspect.errors import DockerfileError, printable

__all__ = ["KEYWORDS", "parse"]

# `heredocDirectives` in parser.go: those whose words may begin a here-document.
_FILES = {"ADD", "COPY", "RUN"}
_SETTINGS = {"CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "SHELL"}
_MORE_SETTINGS = {"ARG", "FROM", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
KEYWORDS = frozenset(_FILES | _SETTINGS | _MORE_SETTINGS)
"""The instructions that BuildKit knows."""

_LONGEST = 4 << 20  # characters
# `reWhitespace` in parser.go, which ends the keyword. Lines are stripped by more than that (SPACE).
_BLANK = " \t\v\f\r"
# `directiveRegexp` and `validDirectives` in directives.go; names are compared in lower case.
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = ("syntax", "escape", "check")
# What `dispatch` in parser.go gives to parseMaybeJSON or parseMaybeJSONToList. HEALTHCHECK has a
# JSON form too, but only behind its own CMD.
_JSON = _FILES | {"CMD", "ENTRYPOINT", "SHELL", "VOLUME"}
# `reHeredoc` in parser.go: a descriptor, `<<` or `<<-`, a name; bash's `<<<` does not match.
_HEREDOC = re.compile(r"\d*<<(-?)\s*([^<]+)")
# `validStageName` in instructions/parse.go, which is matched against the name in lower case.
_NAME = re.compile(r"[a-z][a-z0-9_.-]*", re.ASCII)


def parse(text: str, *, strict: bool = True, escape: str = "\\") -> Document:
    """Read a Dockerfile.

    Raises :class:`DockerfileError` where BuildKit would not take it either. What is not
    ``strict`` reads on: instructions that nobody knows, a here-document without an end. ``escape``
    is the character that a part of a Dockerfile has for it.
    """
    if len(text) > _LONGEST:
        raise DockerfileError(f"the Dockerfile is longer than {_LONGEST >> 20} MiB")
    reader = _Reader(text, strict, escape)
    instructions = tuple(reader.instructions())
    first = text.find("\n")
    document = Document(
        text=text,
        escape=reader.escape,
        # Lines that edits add end as the first one does; the others keep what they have.
        newline="\r\n" if first > 0 and text[first - 1] == "\r" else "\n",
        instructions=instructions,
        stages=tuple(_stages(instructions)),
    )
    if strict:
        _check(document)
    return document


class _Reader:
    """One pass over the lines of a text."""

    def __init__(self, text: str, strict: bool, escape: str) -> None:
        self.text = text
        self.strict = strict
        self.escape = escape
        self.lines: list[tuple[int, int]] = []  # where each begins, and ends without its break
        start = 0
        while start < len(text):
            stop = text.find("\n", start)
            stop = len(text) if stop < 0 else stop
            end = stop
            # `trimNewline` in parser.go takes every carriage return off the end.
            while end > start and text[end - 1] == "\r":
                end -= 1
            self.lines.append((start, end))
            start = stop + 1
        if text.startswith("\ufeff"):  # a byte order mark
            self.lines[0] = (1, max(self.lines[0][1], 1))

    def instructions(self) -> Iterator[Instruction]:
        """Yield the instructions one after the other."""
        self._continued = self._pattern()
        number = self._directives()
        above: int | None = None  # where the comments directly above begin
        while number < len(self.lines):
            start, end = self.lines[number]
            content = self.text[start:end].lstrip(SPACE)
            if not content or content.startswith("#"):
                above = None if not content else (start if above is None else above)
                number += 1
                continue
            first = number
            spans, number = self._logical_line(number)
            line = Logical.of(self.text, spans)
            if not line.text.strip(SPACE):
                above = None
                continue
            heredocs, number = self._heredocs(line, first, number)
            begin = self.lines[first][0] if above is None else above
            yield self._instruction(line, heredocs, (first + 1, number), begin, 0)
            above = None

    def _directives(self) -> int:
        """Read the directives at the top; return the number of the line after them."""
        seen = set()
        for number, (start, end) in enumerate(self.lines):
            # A blank line, another comment or an unknown name ends the directives: an `escape=`
            # below any of these is a comment like others.
            match = _DIRECTIVE.fullmatch(self.text[start:end].strip(SPACE))
            name = match[1].lower() if match else ""
            if match is None or name not in _DIRECTIVES:
                return number
            if name in seen:
                raise self._error(number, f"only one '{name}' directive is allowed")
            seen.add(name)
            if name == "escape":
                if match[2] not in ("\\", "`"):
                    raise self._error(number, "the escape character is neither ` nor \\")
                self.escape = match[2]
                self._continued = self._pattern()
        return len(self.lines)

    def _pattern(self) -> re.Pattern[str]:
        mark = re.escape(self.escape)
        # `lineContinuationRegex` in parser.go. Of `\\` and of `\\\` at the end neither continues
        # the line: Go's expressions cannot look further back, and BuildKit leaves it at that.
        return re.compile(rf"(?:^|(?<=[^{mark}])){mark}[ \t]*$")

    def _logical_line(self, number: int) -> tuple[list[tuple[int, int]], int]:
        """Return the spans of an instruction's lines, and the number of the line after it."""
        spans = []
        first = number
        while number < len(self.lines):
            start, end = self.lines[number]
            number += 1
            content = self.text[start:end].lstrip(SPACE)
            # BuildKit warns of blank lines here (NoEmptyContinuation), and reads on.
            if number - 1 > first and (not content or content.startswith("#")):
                continue
            match = self._continued.search(self.text[start:end])
            spans.append((start, start + match.start() if match else end))
            if match is None:
                break
        return spans, number

    def _heredocs(self, line: Logical, first: int, number: int) -> tuple[tuple[Heredoc, ...], int]:
        """Return the here-documents of a line, and the number of the line after them."""
        keyword, rest = split_keyword(line, self.escape)
        if "<<" not in rest or keyword not in _FILES or self._words(rest, first + 1) is not None:
            return (), number
        found = []
        for word in read_words(rest):
            match = _HEREDOC.fullmatch(word)
            if match is None:
                continue
            # The name is read with a backslash for escape whatever `# escape=` says:
            # `heredocFromMatch` in parser.go makes a lexer of its own.
            name, begin = unquoted(match[2], word_quoting("\\")), number
            while number < len(self.lines) and not self._is_end(number, name, bool(match[1])):
                number += 1
            if number == len(self.lines):
                if self.strict:
                    raise self._error(first, f"the here-document {printable(name)} has no end")
                break
            heredoc = Heredoc(
                name=name,
                chomp=bool(match[1]),
                expand=name == match[2],
                start=self.lines[begin][0],
                end=self.lines[number][0],
                stop=self.lines[number][1],
            )
            found.append(heredoc)
            number += 1
        return tuple(found), number

    def _is_end(self, number: int, name: str, chomp: bool) -> bool:
        start, end = self.lines[number]
        if self.text.startswith("\t", start) and chomp:
            return self.text[start:end].lstrip("\t") == name
        # Compared in place: a long here-document would be copied line by line otherwise.
        return end - start == len(name) and self.text.startswith(name, start)

    def _instruction(
        self,
        line: Logical,
        heredocs: tuple[Heredoc, ...],
        lines: tuple[int, int],
        above: int,
        begin: int,
        nested: bool = False,
    ) -> Instruction:
        text = line.text
        while begin < len(text) and text[begin] in SPACE:
            begin += 1
        end = begin
        while end < len(text) and text[end] not in _BLANK:
            end += 1
        keyword = text[begin:end].upper()
        if keyword not in KEYWORDS and self.strict:
            name = printable(text[begin:end])[:40]
            raise self._error(lines[0] - 1, f"unknown instruction '{name}'")
        flags, offset = read_flags(line, end, self.escape)
        argument = line.part(offset, max(len(text.rstrip(SPACE)), offset))
        trigger = None
        # BuildKit refuses `ONBUILD ONBUILD`, and so this is never deeper than one.
        if keyword == "ONBUILD" and argument.text and not nested:
            trigger = self._instruction(line, heredocs, lines, above, offset, nested=True)
        return Instruction(
            keyword=keyword,
            start=line.origin(begin),
            keyword_end=line.origin_end(end),
            end=self.lines[lines[1] - 1][1],
            line=lines[0],
            last_line=lines[1],
            argument=argument,
            flags=flags,
            words=self._words(argument.text, lines[0]) if keyword in _JSON else None,
            heredocs=heredocs,
            trigger=trigger,
            comments=above,
        )

    def _words(self, text: str, line: int) -> tuple[str, ...] | None:
        """Return the words of the JSON form, ``None`` for a shell's text."""
        try:
            return read_json(text)
        except ValueError as error:
            if self.strict:
                raise self._error(line - 1, str(error)) from None
            return None

    def _error(self, number: int, message: str) -> DockerfileError:
        return DockerfileError(f"line {number + 1}: {message}")


def _stages(instructions: tuple[Instruction, ...]) -> Iterator[Stage]:
    begins = [n for n, instruction in enumerate(instructions) if instruction.keyword == "FROM"]
    for number, begin in enumerate(begins):
        end = begins[number + 1] if number + 1 < len(begins) else len(instructions)
        words = instructions[begin].argument.text.split()
        # `parseBuildStageName` takes AS in any case, and turns the name into lower case.
        named = len(words) == 3 and words[1].lower() == "as"
        yield Stage(
            number=number,
            base=words[0] if words else "",
            name=words[2].lower() if named else "",
            instructions=instructions[begin:end],
        )


def _check(document: Document) -> None:
    """Raise the errors that BuildKit has for a file whose lines are fine."""
    if not document.instructions:
        raise DockerfileError("the Dockerfile has no instructions")
    for instruction in document.instructions:
        if instruction.keyword == "FROM":
            break
        # The Dockerfile reference, "FROM": nothing but ARG may precede the first one.
        if instruction.keyword != "ARG":
            raise DockerfileError(
                f"line {instruction.line}: {instruction.keyword} before the first FROM"
            )
    if not document.stages:
        raise DockerfileError("the Dockerfile has no FROM")
    for stage in document.stages:
        words = stage.origin.argument.text.split()
        if not (len(words) == 1 or (len(words) == 3 and stage.name)) or (
            stage.name and not _NAME.fullmatch(stage.name)
        ):
            raise DockerfileError(
                f"line {stage.origin.line}: FROM takes an image, or 'IMAGE AS NAME'"
            )
