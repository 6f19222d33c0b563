"""What keeps the health check of an image from ever succeeding.

The engine executes it in the running container, as the container's user, in its working directory
and with its environment; a status other than 0 means that the container is unhealthy. Source:
Dockerfile reference, "HEALTHCHECK".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

from msgspec import Struct

from pyimginspect.dockerfile.shell import SHELLS, Command, Script, read_script
from pyimginspect.inventory.facts import Environment, Interpreter, StartProblem, StartStep
from pyimginspect.inventory.runtimes import HEALTH_CHECK
from pyimginspect.inventory.startup import context_of, process_of
from pyimginspect.inventory.startup.records import CannotStartError, NotKnownError, Word
from pyimginspect.inventory.startup.route import Route
from pyimginspect.inventory.startup.shell_builtins import is_builtin
from pyimginspect.model import Image
from pyimginspect.rootfs import RootFS

__all__ = ["HealthProblem", "find_health_problem"]

# Programs that fail where they find nothing: POSIX, grep, "EXIT STATUS".
_FILTERS = frozenset({"grep", "egrep", "fgrep"})
# What a compound command begins with: not all that is in it has to run.
_RESERVED = frozenset({"case", "for", "function", "if", "select", "time", "until", "while"})
# 1 to 255: of a status eight bits are left, so that `exit 256` succeeds.
_FAILURE = re.compile(r"[1-9]\d?|1\d\d|2[0-4]\d|25[0-5]")


class HealthProblem(Struct, frozen=True, kw_only=True):
    """Why a health check fails, the words of the command that does, and the steps that lead there.

    A word is ``None`` where only a running container knows it.
    """

    problem: StartProblem
    words: tuple[Word, ...]
    steps: tuple[StartStep, ...] = ()


def find_health_problem(
    image: Image,
    rootfs: RootFS,
    interpreters: tuple[Interpreter, ...],
    environments: tuple[Environment, ...],
) -> HealthProblem | None:
    """Return what certainly makes every health check fail; ``None`` where nothing does."""
    words: tuple[Word, ...] = image.config.healthcheck
    if not words or image.config.platform.os == "windows":
        return None
    context = context_of(image, rootfs, interpreters, environments)
    text = _shell_text(image.config.healthcheck)
    shell = (rootfs.resolve(words[0] or "") or "").rpartition("/")[2]
    commands = [words] if text is None else [(words[0],), *_needed_commands(text, shell)]
    for command in commands:
        route = Route(context)
        try:
            route.start(command, process_of(context), HEALTH_CHECK, runtime=command[0] == words[0])
        except NotKnownError:
            pass
        except CannotStartError as error:
            return HealthProblem(problem=error.problem, words=command, steps=tuple(route.steps))
    return None


def _shell_text(words: Sequence[str]) -> str | None:
    """Return the text of ``sh -c TEXT``; ``None`` for any other command."""
    shell = len(words) == 3 and words[0].rpartition("/")[2] in SHELLS
    return words[2] if shell and words[1].strip("-") in ("c", "ec", "lc") else None


def _needed_commands(text: str, shell: str) -> Iterator[tuple[Word, ...]]:
    """Yield the commands without which a shell's text cannot end with status 0.

    They are joined by ``&&`` and nothing is tried in their place: after ``||`` comes a failure
    (``curl -f URL || exit 1``). Of a pipeline the last one, and what it searches with ``grep``.
    """
    script = read_script(text)
    operators = [item.operator for item in script.items] if script is not None else []
    if script is None or not {"", "&&", "||"}.issuperset(operators):
        return
    end = operators.index("||") if "||" in operators else len(operators)
    if not all(_fails(command) for command in script.commands if command.item >= end):
        return
    for command in chain.from_iterable(_of_item(script, number) for number in range(end)):
        if command.path and not is_builtin(command.path, shell):
            yield (command.path, *(w.text if w.literal else None for w in command.arguments))


def _of_item(script: Script, number: int) -> Iterator[Command]:
    """Yield the commands of an element that have to succeed; none of a group or a condition."""
    inside = [command for command in script.commands if command.item == number]
    item = script.items[number]
    words = script.text[item.start : item.end].split()
    pipeline = all(command.operator == "|" for command in inside[1:])
    if not inside or not pipeline or words[0] in _RESERVED or not words[0][0].isalnum():
        return
    # Without pipefail the status of a pipeline is that of its last command.
    yield inside[-1]
    if inside[1:] and all(map(_finds_nothing_in_nothing, inside[1:])):
        yield inside[0]


def _finds_nothing_in_nothing(command: Command) -> bool:
    """Whether a command of a pipeline fails where it is given no text at all."""
    options = "".join(w.text for w in command.arguments if w.text.startswith("-"))
    # -v and -L select what does not match, -c counts, -f may name a file without patterns.
    return command.program in _FILTERS and not {"v", "c", "L", "f"}.intersection(options)


def _fails(command: Command) -> bool:
    """Whether a command ends with a failure by itself: ``exit 1``, ``false``."""
    if command.program == "exit":
        return [_FAILURE.fullmatch(word.text) is not None for word in command.arguments] == [True]
    return command.program == "false"
