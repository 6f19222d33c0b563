"""The Dockerfile of an image, written again from its history.

A history leaves things out: ``--mount``, the stage that a ``COPY`` took from, the contents of a
build context, the name of the base image. Where something is missing a comment says so. The edits
of a plan are made in it by :mod:`pyimginspect.plan.patch`, as in a Dockerfile that somebody wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from pyimginspect.dockerfile.matching import FIXED
from pyimginspect.dockerfile.shell import read_script, squeezed
from pyimginspect.dockerfile.wording import HASHED
from pyimginspect.errors import DockerfileError, printable
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.instructions import Step
from pyimginspect.model import ImageConfig
from pyimginspect.plan.context import Context
from pyimginspect.plan.plan import Plan

__all__ = ["from_history", "reconstruct"]

# The CMD that ends the official images of Python, Debian, Ubuntu and Alpine. It has no layer by
# which it could be counted to the base.
_ENDS_OF_BASES = ('["python3"]', '["python"]', '["bash"]', '["/bin/bash"]', '["/bin/sh"]', '["sh"]')
_ASSIGNMENT = re.compile(r"(?:^|\s)([A-Za-z_][\w.-]*)=")
# Only what can follow FROM as one word: a name comes out of the image, and is not trusted.
_IMAGE = re.compile(r"[\w.:/@+-]+", re.ASCII)
_SECRET = re.compile(
    r"(?i)token|secret|passw|credential|api_?key|private|(?:^|_)(?:pass|pwd|key|auth|dsn)(?:$|_)"
)
_PLAIN = re.compile(
    r"(?:true|false|[a-z]+(?:[._/-][a-z]+)*|v?\d+(?:\.\d+)*(?:[.-]?[a-z]+\d*)?|/[a-z\d./_-]*|)"
)
"""Values that are no secret: a version, a number, words in small letters, a path. A history has
the value that the build was given in the place of the default, and no mark of it."""
_HEADER = "# Made from the history of "


def reconstruct(inventory: Inventory, plan: Plan) -> str:
    """Return the Dockerfile of an image with the edits of ``plan``.

    A comment above each instruction that an edit changed names the rules; what could not be
    edited is said at the top.
    """
    text = from_history(inventory)
    try:
        patch = plan.patch(text)
    except DockerfileError as exc:
        return f"# No edit is made: {printable(str(exc))}\n{text}"
    left = [each for each in patch.skipped if each.edit.operations and not each.settled]
    lines = [f"# Not edited: {printable(e.edit.words)}: {printable(e.reason)}" for e in left]
    head, _, rest = patch.text.partition("\n")
    return "\n".join([head, *lines, rest])


def from_history(inventory: Inventory) -> str:
    """Return the Dockerfile that an image's history tells of, without any edit."""
    context = Context(inventory)
    steps = application_steps(context)
    lines = [
        f"{_HEADER}{printable(inventory.image.reference)}; edits are marked '{FIXED.strip()}'."
    ]
    name = inventory.base.name
    if name and _IMAGE.fullmatch(name):
        lines += ["", f"FROM {name}"]
    else:
        count = inventory.base.layers
        which = f" ({count} {'layer' if count == 1 else 'layers'})" if count else ""
        lines.append(f"# No name of the base image{which} is known: after FROM, write the one that")
        lines += ["# it is pulled by, in place of scratch.", "", "FROM scratch"]
    if not steps:
        lines.append("# The history has no step of the application.")
    writer = _Writer(inventory.image.config, context.steps)
    for step in steps:
        lines += writer.write(step)
    return "\n".join(lines) + "\n"


def application_steps(context: Context) -> Sequence[Step]:
    """Return the steps above the base image's; none where the history does not fit the layers."""
    steps = context.steps
    if not context.history_fits:
        return ()
    first = 0
    for number, step in enumerate(steps):
        if step.layer is not None and step.layer < context.base:
            first = number + 1
    for number in range(first, len(steps)):
        step = steps[number]
        if step.layer is not None:
            break
        if step.word == "CMD" and step.text in _ENDS_OF_BASES and number + 1 < len(steps):
            return steps[number + 1 :]
    return steps[first:]


# Characters: no version is longer, and few paths are; keys and tokens often are.
_LONGEST = 40


class _Writer:
    """Writes steps as instructions, from the image's configuration where a history is lossy."""

    def __init__(self, config: ImageConfig, steps: Sequence[Step]) -> None:
        self._config = config
        self._last = {step.word: step for step in steps}

    def write(self, step: Step) -> Iterator[str]:
        """Yield the lines of one instruction."""
        word, text = step.word, step.text
        if word == "RUN":
            yield from _run(step)
            return
        if word in ("CMD", "ENTRYPOINT", "SHELL"):
            # The last one decides (reference, "CMD"), and the configuration has its words without
            # the loss of Go's %q.
            if step is not self._last[word]:
                return
            config = self._config
            values = {"CMD": config.cmd, "ENTRYPOINT": config.entrypoint, "SHELL": config.shell}
            text = msgspec.json.encode(values[word]).decode() if values[word] else "[]"
        elif word in ("ENV", "LABEL"):
            text = self._assignments(text, word)
        elif word == "ARG":
            yield from _argument(text)
            return
        elif word == "HEALTHCHECK":
            yield f"# {printable(step.line)}"
            return
        elif word in ("COPY", "ADD"):
            missing = _missing(text)
            if missing:
                yield f"# The history does not tell {missing}:"
            if "<<" in text:
                # Without the lines of the here-document it would take those that follow here.
                yield f"# {printable(step.line)}"
                return
        if word:
            # A backslash at the end would make the next instruction a part of this one.
            yield f"{word} {printable(text)}".rstrip("\\ ")
        elif text:
            yield f"# {printable(text)}"

    def _assignments(self, text: str, word: str) -> str:
        """Quote the values of ``ENV`` and ``LABEL``, which the history shows without quotes."""
        config = self._config
        # A value may itself have `NAME=` in it: only names that the configuration has begin one.
        known = config.environment().keys() if word == "ENV" else config.labels.keys()
        marks = [match for match in _ASSIGNMENT.finditer(text) if match[1] in known]
        if not marks:
            return text
        parts = []
        for number, mark in enumerate(marks):
            end = marks[number + 1].start() if number + 1 < len(marks) else len(text)
            value = text[mark.end() : end]
            if re.fullmatch(r"[\w./:@%+,-]*", value) is None:
                # These keep a meaning within double quotes (`processDoubleQuote` in lex.go).
                escaped = re.sub(r'(["\\$])', r"\\\1", value.strip('"'))
                value = f'"{escaped}"'
            parts.append(f"{mark[1]}={value}")
        return " ".join(parts)


def _argument(text: str) -> Iterator[str]:
    """Yield the lines of an ``ARG``, without the value of what may be a secret."""
    name, _, value = text.partition("=")
    plain = len(value) <= _LONGEST and _PLAIN.fullmatch(value.strip("\"'"))
    if value and (_SECRET.search(name) or not plain):
        yield "# The value may be a secret, and is not written here: give it with --build-arg"
        text = name
    yield f"ARG {printable(text)}".rstrip("\\ ")


def _missing(text: str) -> str:
    """Return what a history does not tell of a ``COPY``, empty where it tells all."""
    if "<<" in text:
        return "what was written"
    if HASHED.search(text):
        return "what was copied"
    words = [word for word in text.split() if not word.startswith("--")]
    if len(words) > 1 and all(word.startswith("/") for word in words[:-1]):
        return "from which stage or image this was copied, if from any"
    return ""


def _run(step: Step) -> Iterator[str]:
    command = step.text.strip() if "\n" in step.text else squeezed(step.text)
    script = read_script(command)
    # What would end in the middle, or go on below, keeps to itself in a here-document.
    if "\n" in command or "<<" in command or command.endswith("\\") or _has_comment(command):
        lines = [printable(line) for line in command.split("\n")]
        # A line that is the mark itself would end the here-document, and the rest be instructions.
        mark = "END_OF_RUN"
        while mark in lines:
            mark += "_"
        yield from (f"RUN <<'{mark}'", *lines, mark)
        return
    if script is None:
        yield f"RUN {printable(command)}"
        return
    text = ""
    for number, item in enumerate(script.items):
        part = command[item.start : item.end]
        if not number:
            text = command[: item.start] + part
        elif item.operator in ("&&", "||"):
            text += f" \\\n    {item.operator} {part}"
        else:
            between = command[script.items[number - 1].end : item.start].strip()
            text += f"{between if between != '&' else ' &'} \\\n    {part}"
    rest = command[script.items[-1].end :] if script.items else command
    yield from (printable(line) for line in f"RUN {text}{rest}".split("\n"))


def _has_comment(command: str) -> bool:
    script = read_script(command)
    if script is None:
        return "#" in command
    gaps = [0, *(item.end for item in script.items)]
    return any(command[gap:].lstrip(" \t;&").startswith("#") for gap in gaps)
