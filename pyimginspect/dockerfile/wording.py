"""How builders write an instruction into an image's history, and whether a step is one's.

BuildKit expands variables in everything but ``RUN``, drops flags and quotes, and prints lists as Go
does; the classic builder and buildah put a hash in the place of what was copied; kaniko writes the
Dockerfile's own line. Sources: BuildKit, ``frontend/dockerfile/dockerfile2llb/convert.go``
(``commitToHistory``) and ``convert_copy.go``; Docker, ``builder/dockerfile/internals.go``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

from pyimginspect.dockerfile.expansion import Pattern, assignments, expand, fits, is_known, joined
from pyimginspect.dockerfile.records import Instruction
from pyimginspect.dockerfile.runs import HEREDOC_ALONE
from pyimginspect.dockerfile.syntax import read_words

__all__ = ["HASHED", "Likeness", "Scope", "StepLike", "Wanted", "comparable", "wanted"]

# BuildKit writes some flags of COPY and ADD (`dispatchCopy`), and none of RUN; kaniko writes all.
_FLAGS = re.compile(r"(?:--[a-z][a-z-]*(?:=(?:\"[^\"]*\"|\S)*)?\s+)+")
# What the classic builder writes in the place of sources: a hash of all of them.
HASHED = re.compile(r"(?:file|dir|multi):[0-9a-f]{32,}")
# The marks of JSON in a Dockerfile, and those that Go's %q and %v print lists with.
_MARKS = re.compile(r"[\[\]\",\\\s]+")
_LISTS = frozenset({"CMD", "ENTRYPOINT", "SHELL", "VOLUME", "HEALTHCHECK", "ONBUILD"})
_ENDS = re.compile(r"\s*(&&|\|\||;)\s*")
_BLANKS = re.compile(r"\s+")
# What `withShell` in convert.go puts before the shell form: the default, or that of a SHELL with
# `-o pipefail`. A Dockerfile has none of it.
_SHELL = re.compile(r"(?:/usr)?/bin/(?:ba|da|a)?sh (?:-\w+ |pipefail )*-\w*c ")

# In an alignment a pair that fits in every word outweighs three that fit by what is not known.
Likeness = Literal[0, 1, 4]
"""How well a step fits: not at all; by what is not known alone; in every word."""


class StepLike(Protocol):
    """A step of an image's history."""

    @property
    def word(self) -> str: ...  # noqa: D102

    @property
    def text(self) -> str: ...  # noqa: D102

    @property
    def layer(self) -> int | None: ...  # noqa: D102

    @property
    def arguments(self) -> str: ...  # noqa: D102


class Scope:
    """The variables at one place of a Dockerfile, as far as they are known."""

    def __init__(self, given: Mapping[str, str], escape: str) -> None:
        self.given = given
        self.escape = escape
        self.globals: dict[str, str | None] = {}
        self.guessed: dict[str, str | None] = {}
        self.sure: dict[str, str | None] = {}
        self.directory: Pattern = (None,)
        self.shell = ""

    def expand(self, text: str, *, guess: bool) -> Pattern:
        """Return a text with the variables' values."""
        return expand(text, self.guessed if guess else self.sure, self.escape, guess=guess)

    def see(self, instruction: Instruction, *, top: bool = False) -> None:
        """Take in what an instruction sets; ``top`` is before the first ``FROM``."""
        if instruction.keyword == "ARG":
            for name, text in assignments("ARG", instruction.argument.text, self.escape):
                value = _text(self.expand(text, guess=True)) if text is not None else None
                if text is None:
                    # The reference, "Understand how ARG and FROM interact": without a value it
                    # takes the one that an ARG before the first FROM gave it.
                    value = self.globals.get(name)
                if top:
                    self.globals[name] = value
                # `--build-arg` comes before a default; what RUNs were given is in the history.
                self.guessed[name] = self.given.get(name, value)
                self.sure[name] = self.given.get(name)
        elif instruction.keyword == "ENV":
            pairs = assignments("ENV", instruction.argument.text, self.escape)
            for guess, values in ((True, self.guessed), (False, self.sure)):
                # All values of one ENV are expanded by what was set before it ("Environment
                # replacement").
                new = {k: _text(self.expand(v or "", guess=guess)) for k, v in pairs}
                values.update(new)
        elif instruction.keyword == "SHELL":
            self.shell = " ".join(instruction.words or ())
        elif instruction.keyword == "WORKDIR":
            self.directory = self.place(self.expand(instruction.argument.text, guess=True))

    def place(self, path: Pattern) -> Pattern:
        """Return a path as it is from the working directory."""
        first = path[0] if path else None
        if first is None or first.startswith("/"):
            return _normal(path)
        return _normal(joined((self.directory, path), "/"))


def _text(pattern: Pattern) -> str | None:
    return "".join(part or "" for part in pattern) if is_known(pattern) else None


def _normal(path: Pattern) -> Pattern:
    text = _text(path)
    return (posixpath.normpath(text),) if text else path


class Wanted(Struct, frozen=True, kw_only=True):
    """What a step has to be like to be that of an instruction.

    ``exact`` are texts that it may have, ``loose`` the same with less taken for known.
    ``places`` is where a copy went to, which is all that some builders write.
    """

    keyword: str
    exact: tuple[Pattern, ...]
    loose: tuple[Pattern, ...] = ()
    places: tuple[Pattern, ...] = ()

    def fits(self, step: StepLike, seen: str) -> Likeness:
        """Return how well a step fits; ``seen`` is its text as :func:`comparable` has it."""
        if step.word != self.keyword:
            return 0
        for pattern in self.exact:
            if fits(pattern, seen):
                return 4 if is_known(pattern) else 1
        if any(fits(pattern, seen) for pattern in self.loose):
            return 1
        # The hash says nothing of the sources' names: only the target can be compared.
        if self.places and HASHED.search(seen):
            target = seen.rpartition(" ")[2]
            targets = (target, posixpath.normpath(target or "."))
            return 1 if any(fits(p, each) for p in self.places for each in targets) else 0
        return 0


def wanted(instruction: Instruction, scope: Scope, text: str) -> Wanted:
    """Return what the step of ``instruction`` is like; ``text`` is the whole Dockerfile."""
    keyword = instruction.keyword
    if keyword == "RUN":
        runs = _runs(instruction, text)
        runs += [f"{scope.shell} {run}" for run in runs] if scope.shell else []
        return Wanted(keyword=keyword, exact=tuple((_folded(run, keyword),) for run in runs))
    guessed, sure = (_pattern(instruction, scope, guess=guess) for guess in (True, False))
    places: tuple[Pattern, ...] = ()
    if keyword in ("COPY", "ADD"):
        words = instruction.words or read_words(instruction.argument.text, scope.escape)
        target = scope.expand(words[-1], guess=True) if words else ()
        places = (target, scope.place(target)) if target else ()
    return Wanted(
        keyword=keyword,
        exact=(_folded_all(guessed, keyword),),
        loose=(_folded_all(sure, keyword),),
        places=places,
    )


def _pattern(instruction: Instruction, scope: Scope, *, guess: bool) -> Pattern:
    """Return the text that BuildKit writes for an instruction other than ``RUN``."""
    keyword, text = instruction.keyword, instruction.argument.text
    if keyword in ("COPY", "ADD"):
        words = instruction.words or read_words(text, scope.escape)
        return joined([scope.expand(word, guess=guess) for word in words])
    if keyword in ("ENV", "LABEL", "ARG"):
        return joined(
            [
                _assigned(keyword, name, value, scope, guess)
                for name, value in assignments(keyword, text, scope.escape)
            ]
        )
    if keyword == "WORKDIR":
        return scope.place(scope.expand(text, guess=guess))
    if keyword == "HEALTHCHECK":
        return (None,)  # Go prints a structure
    if keyword in _LISTS:
        return (" ".join(instruction.words) if instruction.words is not None else text,)
    return scope.expand(text, guess=guess)


def _assigned(keyword: str, name: str, value: str | None, scope: Scope, guess: bool) -> Pattern:
    """Return what is written for one name: with its value, or of an ``ARG`` that of the build."""
    name = name.strip("\"'")
    known = scope.guessed.get(name)
    # `dispatchArg` in convert.go writes the value that the build was given, not the default.
    if keyword == "ARG" and known is not None and guess is (value is None):
        return (f"{name}={known}",)
    if value is None:
        return (name,) if known is not None or guess else (name, None)
    return joined([(f"{name}=",), scope.expand(value, guess=guess or keyword == "ARG")], "")


def _runs(instruction: Instruction, text: str) -> list[str]:
    """Return a ``RUN``'s text as a shell gets it, and as it stands in the Dockerfile."""
    argument = instruction.argument.text
    if instruction.words is not None:
        return [" ".join(instruction.words), argument]
    if not instruction.heredocs:
        return [argument]
    first = instruction.heredocs[0]
    texts = [f"{argument}\n{text[first.start : instruction.end]}"]
    # `dispatchRun` in convert.go: the script alone, or the file that it is mounted as.
    if HEREDOC_ALONE.fullmatch(argument):
        body = text[first.start : first.end]
        texts.append(f"/dev/pipes/{first.name}" if body.startswith("#!") else body)
    return texts


def comparable(step: StepLike) -> str:
    """Return a step's text without what differs between builders."""
    text = step.text
    if step.word in ("COPY", "ADD", "RUN"):
        flags = _FLAGS.match(text)
        text = text[flags.end() :] if flags else text
    return _folded(text, step.word)


def _folded(text: str, keyword: str) -> str:
    """Return a text with runs of blanks made one, and without the marks of lists."""
    if keyword in _LISTS:
        text = " ".join(_MARKS.sub(" ", text).split())
        shell = _SHELL.match(text)
        text = text[shell.end() :] if shell else text
    if keyword == "RUN":
        # Where a command ends, blanks mean nothing, and tools that rewrite a history put others.
        text = _ENDS.sub(r"\1", text)
    if keyword == "EXPOSE":
        # Builders write the protocol of every port, in an order of their own.
        return " ".join(sorted(port.removesuffix("/tcp") for port in text.split()))
    return " ".join(text.split())


def _folded_all(pattern: Pattern, keyword: str) -> Pattern:
    if is_known(pattern):
        return (_folded("".join(part or "" for part in pattern), keyword),)
    folded = [part if part is None else _BLANKS.sub(" ", part) for part in pattern]
    if folded[0] is not None:
        folded[0] = folded[0].lstrip()
    if folded[-1] is not None:
        folded[-1] = folded[-1].rstrip()
    return tuple(folded)
