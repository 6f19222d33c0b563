"""Changes of one instruction's text, which leave all the rest of it as it is.

Each function takes an instruction as it is written and returns what to write instead; an empty
text where nothing would be left of it. Line breaks, indentation and where ``&&`` stands (at the end
of a line or at the start of the next) are those of the text. :class:`NotEditableError` says why
something cannot be done.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from pyimginspect.dockerfile.installs import (
    Installation,
    Manager,
    installation_of,
    manager_of,
    package_name,
)
from pyimginspect.dockerfile.records import Instruction
from pyimginspect.dockerfile.runs import NotEditableError, Run, replaced
from pyimginspect.dockerfile.shell import Command, Item, Word, read_script

__all__ = [
    "NotEditableError",
    "add_flag",
    "add_option",
    "append",
    "drop_command",
    "drop_packages",
    "grouped",
    "insert",
    "replace_command",
]


def add_option(run: Run, manager: Manager, option: str) -> str:
    """Give every installation by ``manager`` an ``option`` that it has not yet."""
    found = _installations(run, manager)
    if not found:
        raise NotEditableError(f"no command of it installs with {manager}")
    name = option.partition("=")[0]
    changes = []
    for each in found:
        given = {word.text.partition("=")[0] for word in each.options} | {
            word.text for word in each.options
        }
        # A long option that is there with another value was meant so; two values contradict.
        if option in given or (name.startswith("--") and name in given):
            continue
        place = run.end(_after_options(run, each))
        changes.append((place, place, f" {option}"))
    return replaced(run.text, changes)


def _installations(run: Run, manager: Manager) -> list[Installation]:
    found = [installation_of(command) for command in run.script.commands]
    return [each for each in found if each is not None and each.manager == manager]


# pip joins short options, and `-e` takes the next word: in `-qe .` it has to be the last.
_EDITABLE = re.compile(r"-[a-z]*e|--editable")


def _after_options(run: Run, installation: Installation) -> int:
    """Return where the short options end that follow the verb on its line."""
    place = installation.verb.end
    line = run.line_end(run.end(place))
    for word in installation.command.words:
        if word.start < installation.verb.end:
            continue
        plain = re.fullmatch(r"-[a-z]+|--[a-z-]+", word.text) and word in installation.options
        if _EDITABLE.fullmatch(word.text) and installation.manager in ("pip", "uv"):
            break  # the next word is what is installed so
        if not plain or run.end(word.end) > line:
            break
        following = [w for w in installation.options if w.start > word.end]
        if following and not following[0].text.startswith("-"):
            break  # it may be this one's value
        place = word.end
    return place


class _Shortened(NamedTuple):
    """An installation and its words that go, which name ``dropped`` packages.

    ``asked`` is what it installs instead; ``empty`` is one that is left without a package.
    """

    command: Command
    words: tuple[Word, ...]
    dropped: frozenset[str]
    asked: tuple[str, ...]
    empty: bool


def drop_packages(
    run: Run, manager: Manager, names: Collection[str], instead: Sequence[str] = ()
) -> str:
    """Take packages out of the installations by ``manager``, and ask for ``instead``.

    An installation that is left without a package goes, and with the last one of apt its update
    and what clears its lists.
    """
    wanted = frozenset(package_name(name, manager) for name in names)
    found = [*_shortened(run, manager, wanted, instead)]
    missing = wanted.difference(*(each.dropped for each in found))
    if missing:
        named = ", ".join(sorted(missing))
        raise NotEditableError(f"no command of it asks for {named} by name")
    gone = [each.command for each in found if each.empty]
    changes = [change for each in found if not each.empty for change in _without_words(run, each)]
    text = replaced(run.text, changes)
    if not gone:
        return text
    if changes:  # what goes is looked for again, in the text as it is now
        run = run.again(text)
        texts = {command.texts for command in gone}
        gone = [command for command in run.script.commands if command.texts in texts]
    return _without_installations(run, manager, gone)


def _shortened(
    run: Run, manager: Manager, wanted: frozenset[str], instead: Sequence[str]
) -> Iterator[_Shortened]:
    """Yield the installations that name any of the packages ``wanted``."""
    for each in _installations(run, manager):
        names = {word: package_name(word.text, manager) for word in each.packages}
        words = tuple(word for word, name in names.items() if name in wanted)
        if words:
            kept = {word.text for word, name in names.items() if name not in wanted}
            asked = tuple(name for name in instead if name not in kept)
            empty = not (kept or asked or each.files)
            yield _Shortened(each.command, words, wanted.intersection(names.values()), asked, empty)


def _without_words(run: Run, shortened: _Shortened) -> Iterator[tuple[int, int, str]]:
    """Yield the changes that take words out of a command; the first makes way for others."""
    words, asked = shortened.words, shortened.asked
    stays = {word for word in shortened.command.words if word not in words}
    if asked:
        yield run.start(words[0].start), run.end(words[0].end), " ".join(asked)
        stays.add(words[0])
    for word in words[1:] if asked else words:
        start, end = run.start(word.start), run.end(word.end)
        line, line_end = run.line_start(start), run.line_end(end)
        alone = not run.text[line:start].strip() and run.text[end:line_end].strip() == run.escape
        if alone and line_end > end:
            yield line, line_end, ""
        else:
            yield run.end(max(each.end for each in stays if each.end <= word.start)), end, ""


def _without_installations(run: Run, manager: Manager, gone: Sequence[Command]) -> str:
    numbers = {_item_of(run, command) for command in gone}
    left = [e for e in _installations(run, manager) if e.command.item not in numbers]
    # An installation that stays still reads the lists that these fetch.
    if not left and manager == "apt":
        numbers |= {
            command.item
            for command in run.script.commands
            if command.always and _only_serves_apt(command)
        }
    return _without_items(run, numbers)


def _only_serves_apt(command: Command) -> bool:
    manager, arguments = manager_of(command)
    texts = [word.text for word in arguments]
    if manager == "apt":
        return any(verb in texts for verb in ("update", "clean", "autoclean", "dist-clean"))
    lists = [text for text in texts if not text.startswith("-")]
    return (
        command.program == "rm"
        and bool(lists)
        and all(text.startswith("/var/lib/apt/lists") for text in lists)
    )


def drop_command(run: Run, words: Sequence[str]) -> str:
    """Take out the commands whose words begin with ``words``."""
    return _without_items(run, {_item_of(run, command) for command in _find(run, words)})


def replace_command(run: Run, words: Sequence[str], command: str) -> str:
    """Put ``command`` in the place of those whose words begin with ``words``."""
    found = _find(run, words)
    if len(found) > 1:
        raise NotEditableError(f"several commands of it are '{' '.join(words)}'")
    each = found[0]
    return replaced(run.text, [(run.start(each.start), run.end(each.end), command)])


def _find(run: Run, words: Sequence[str]) -> list[Command]:
    found = [c for c in run.script.commands if c.texts[: len(words)] == tuple(words)]
    if not found or not words:
        raise NotEditableError(f"no command of it is '{' '.join(words)}'")
    return found


def _item_of(run: Run, command: Command) -> int:
    if not command.always or not run.script.items[command.item].simple:
        raise NotEditableError("a condition, a loop or a group has the command in it")
    return command.item


def _without_items(run: Run, numbers: Collection[int]) -> str:
    """Take elements out of the sequence; what stood before each goes with it."""
    kept = [n for n in range(len(run.script.items)) if n not in numbers]
    if all(_is_setting(run, n) for n in kept):
        return ""
    return replaced(run.text, [(*_extent(run, number, kept), "") for number in sorted(numbers)])


_CONDITIONAL = ("||", "&")


def _extent(run: Run, number: int, kept: Sequence[int]) -> tuple[int, int]:
    """Return from where to where an element goes, with what joins it to those that are kept."""
    items = run.script.items
    before = [items[n] for n in kept if n < number]
    behind = [items[n] for n in kept if n > number]
    operator = items[number].operator
    after = items[number + 1].operator if number + 1 < len(items) else ""
    if operator in _CONDITIONAL or after in _CONDITIONAL:
        raise NotEditableError("what is to go decides whether another command runs")
    # `a; b && c` without b is `a; c`, not `a && c`: a failure of a was passed over before.
    joins = bool(behind) and after == "&&" and operator != "&&"
    if not before or joins:
        return run.start(items[number].start), run.start(behind[0].start)
    return run.end(before[-1].end), run.end(items[number].end)


def _is_setting(run: Run, number: int) -> bool:
    item = run.script.items[number]
    return run.script.text[item.start : item.end].split()[:1] in (["set"], [":"], ["true"])


def append(run: Run, command: str) -> str:
    """End the sequence with one more command, or with a list of them.

    What fails in the sequence ends it still, where ``a && b; c`` would go on with ``c``: a list is
    grouped (POSIX.1-2024, 2.9.4.1), but for one with ``set -e``, which has no effect in a group
    that anything follows (2.8.1).
    """
    items, added = run.script.items, read_script(command)
    if not items:
        raise NotEditableError("there is no command in it")
    last = len(items) - 1
    if grouped(command) == command:
        return _inserted(run, last, command)
    if added is not None and added.strict:
        apart = run.script.strict and items[-1].operator != "&&"
        # `exit` without an operand gives the status of the command before it (POSIX, `exit`).
        return _inserted(run, last, command, between="" if apart else " || exit; ")
    if any(map(_ends_at_failure, run.script.commands)):
        raise NotEditableError("after set -e what is added would end at its first failure")
    return _inserted(run, last, grouped(command))


def _ends_at_failure(command: Command) -> bool:
    """Whether a command is a ``set -e``."""
    options = (word.text for word in command.arguments)
    return command.program == "set" and any(o.startswith("-") and "e" in o for o in options)


def grouped(command: str) -> str:
    """Return a list of commands as one, in braces; a command, or a chain by ``&&``, as it is."""
    script = read_script(command)
    chain = script is None or all(item.operator in ("", "&&") for item in script.items)
    return command if chain else f"{{ {command}; }}"


def insert(run: Run, after: Sequence[str], command: str) -> str:
    """Put a command after the last one whose words begin with ``after``; at the start for none."""
    if after:
        return _inserted(run, _item_of(run, _find(run, after)[-1]), command)
    # Behind a leading `set -e`, so that what is added is under it, too.
    first = next((n for n in range(len(run.script.items)) if not _is_setting(run, n)), None)
    if first is None:
        raise NotEditableError("there is no command in it")
    if first:
        return _inserted(run, first - 1, command)
    items = run.script.items
    place, end = run.start(items[0].start), run.end(items[-1].end)
    between = run.between(0, strict=False)
    new = _in_lines(command, between) + between
    if all(item.operator in ("", "&&") for item in items):
        return replaced(run.text, [(place, place, new)])
    if run.script.text[items[-1].end :].lstrip().startswith("&"):
        raise NotEditableError("its last command runs in the background")
    # Where the new command fails, nothing of the list may run after it.
    return replaced(run.text, [(place, place, f"{new}{{ "), (end, end, "; }")])


def _in_lines(command: str, between: str) -> str:
    """Return a chain of commands in the style of the text around it."""
    script = read_script(command)
    if script is None or "\n" in command or "\n" not in between:
        return command
    if any(item.operator not in ("", "&&") for item in script.items):
        return command
    parts = [command[item.start : item.end] for item in script.items]
    return between.join(parts)


def _inserted(run: Run, number: int, command: str, between: str = "") -> str:
    items = run.script.items
    item = items[number]
    following: Item | None = items[number + 1] if number + 1 < len(items) else None
    # After "a || b" a command that is joined by && would belong to b alone, and so it does in a
    # shell: "a || b && c" runs c where either went well.
    if following is not None and following.operator in _CONDITIONAL:
        raise NotEditableError("the next command checks the failure of this one")
    if run.script.text[item.end :].lstrip().startswith("&") and following is None:
        raise NotEditableError("its last command runs in the background")
    strict = run.script.strict and (following or item).operator != "&&"
    place = run.end(item.end)
    command = _in_lines(command, run.between(number, strict=False))
    between = between or run.between(number, strict=strict)
    return replaced(run.text, [(place, place, between + command)])


# `AddStrings` of BuildKit lets a flag be given several times; --device and --exclude are never
# added here. Two mounts of one target would hide each other.
_REPEATED = ("mount",)


def add_flag(text: str, instruction: Instruction, flag: str) -> str:
    """Give an instruction a flag, in the place of one of the same name."""
    name, _, value = flag.removeprefix("--").partition("=")
    same = [each for each in instruction.flags if each.name == name]
    if any(each.value == value for each in same):
        return text
    if name in _REPEATED:
        target = _target(value)
        if target and any(_target(each.value) == target for each in same):
            return text
    elif same:
        return replaced(text, [(same[0].start, same[0].end, flag)])
    place = instruction.keyword_end
    return replaced(text, [(place, place, f" {flag}")])


def _target(mount: str) -> str:
    fields = dict(part.partition("=")[::2] for part in mount.split(","))
    # Three names of one field (Dockerfile reference, "RUN --mount=type=bind").
    return fields.get("target") or fields.get("dst") or fields.get("destination") or ""
