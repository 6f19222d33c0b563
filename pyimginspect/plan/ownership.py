"""Owner and mode that ``chown`` and ``chmod`` give to files of lower layers, and their flags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pyimginspect.inventory.derived.wasted_files import WastedContent
from pyimginspect.model import Entry
from pyimginspect.plan.context import Context
from pyimginspect.plan.runs import Call, calls, collapsed

__all__ = ["MetadataChange", "change_of", "copy_flags", "has_user", "paths_of"]

# Options, a user with or without a group, and paths (chown(1)). `:GROUP` and variables do not fit,
# and leave the commands in doubt, as do other options: `--reference=FILE` and `--from=OWNER` say
# themselves whose the files are to be, `-h`, `-H` and `-L` which, and `chmod -w` is a mode.
_OPTIONS = r"(?:(?:-[Rcfv]+|--(?:recursive|changes|silent|quiet|verbose))\s+)*"
_CHOWN = rf"chown\s+{_OPTIONS}(\w[\w.-]*(?::[\w.-]*)?)\s+\S.*"
_CHMOD = rf"chmod\s+{_OPTIONS}[\w+=][\w+=,-]*\s+\S.*"

_Pair = tuple[Entry, Entry]
"""A file as one layer makes it, and as another changes it."""


class MetadataChange(NamedTuple):
    """The commands of the ``RUN`` of a layer that give files another owner or mode."""

    layer: int
    commands: tuple[Call, ...]

    @property
    def owners(self) -> tuple[str, ...]:
        """What ``chown`` is given, ``USER`` or ``USER:GROUP``, as often as it is."""
        found = (re.fullmatch(_CHOWN, call.text) for call in self.commands)
        return tuple(match[1] for match in found if match)

    def reaches(self, path: str, program: str = "") -> bool:
        """Whether one of the commands, of one program, names a file, or a directory above it."""
        places = (
            word.rstrip("/*") if word.startswith("/") else ""
            for call in self.commands
            if program in ("", call.program)
            for word in paths_of(call)
        )
        return any(f"/{path}/".startswith(f"{place}/") for place in places)


def change_of(context: Context, layer: int) -> MetadataChange:
    """Return the commands of a layer that change owner or mode; none if one of them is in doubt."""
    found = tuple(
        call
        for call in calls(collapsed(context.command(layer) or ""))
        if call.program in ("chown", "chmod", "chgrp")
    )
    return MetadataChange(layer, found if all(map(_is_plain, found)) else ())


def _is_plain(call: Call) -> bool:
    """Whether a command always runs, and is the owner or mode and the paths that it seems to be."""
    match = re.fullmatch(_CHOWN, call.text) or re.fullmatch(_CHMOD, call.text)
    # GNU's getopt takes an option after the operands, too; busybox's ends at the first of them.
    options = [word.startswith("-") for word in call.words[1:]]
    return match is not None and call.command.always and options == sorted(options, reverse=True)


def paths_of(call: Call) -> list[str]:
    """Return the paths that ``chown`` or ``chmod`` is given."""
    return [word for word in call.words[1:] if not word.startswith("-")][1:]


# --- the flags of COPY ----------------------------------------------------------------------------
def copy_flags(
    context: Context, layer: int, change: MetadataChange, wasted: Sequence[WastedContent]
) -> list[str]:
    """Return the flags of ``COPY`` that do the same, if it brings these files and no others.

    None where one of two flags cannot do it for all files.
    """
    layers = context.inventory.rootfs.layers
    made, after = layers[layer].index.entries, layers[change.layer].index.entries
    positions = {content.position for content in wasted}
    # A flag is for all that the COPY brings.
    if any(n not in positions for n, entry in enumerate(made) if entry.stored):
        return []
    pairs = [(made[content.position], after[content.successor]) for content in wasted]
    owner, mode = _owner_flag(context, layer, change, pairs), _mode_flag(context, layer, pairs)
    if owner is None or mode is None:
        return []
    return [flag for flag in (owner, mode) if flag]


def _owner_flag(
    context: Context, layer: int, change: MetadataChange, pairs: Sequence[_Pair]
) -> str | None:
    """Return ``--chown``, nothing where no owner changes, ``None`` where files get several."""
    owners = {(new.uid, new.gid) for _, new in pairs}
    if all((old.uid, old.gid) == (new.uid, new.gid) for old, new in pairs):
        return ""
    if len(owners) > 1:
        return None
    # The name, where one command gave it: a reader knows `app`, not 10001.
    named = {*change.owners}
    name = named.pop() if len(named) == 1 else ""
    user, _, group = name.partition(":")
    # Without a group COPY takes the user's number for that, too; chown leaves it alone.
    if user and group and has_user(context, layer, name):
        return f"--chown={name}"
    uid, gid = owners.pop()
    return f"--chown={uid}:{gid}"


def _mode_flag(context: Context, layer: int, pairs: Sequence[_Pair]) -> str | None:
    """Return ``--chmod``, nothing where no mode changes, ``None`` where one does not fit all."""
    modes = {new.mode for _, new in pairs}
    if all(old.mode == new.mode for old, new in pairs):
        return ""
    mode = modes.pop()
    if modes or not _fits_directories(context, layer, mode):
        return None
    return f"--chmod={mode:o}"


def _fits_directories(context: Context, layer: int, mode: int) -> bool:
    """Whether directories that the ``COPY`` makes may have the mode of its files.

    ``--chmod`` gives it to both, and without the right to search nobody gets into a directory.
    """
    made = context.inventory.rootfs.layers[layer].index.entries
    if mode & 0o111 == 0o111 or sum(entry.kind != "directory" for entry in made) == 1:
        return True  # the directories above a single file are made as they ever were
    known = _directories(
        entry for below in context.inventory.rootfs.layers[:layer] for entry in below.index.entries
    )
    return _directories(made) <= known


def _directories(entries: Iterable[Entry]) -> set[str]:
    """Return the directories that entries are, or are in."""
    found: set[str] = set()
    for entry in entries:
        path = entry.path if entry.kind == "directory" else entry.path.rpartition("/")[0]
        while path and path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return found


# --- users ----------------------------------------------------------------------------------------
def has_user(context: Context, layer: int, owner: str) -> bool:
    """Whether user and group of ``owner`` are numbers, or known after ``layer``."""
    user, _, group = owner.partition(":")
    return all(
        # COPY --chown looks names up in the image's tables, and fails without them (reference).
        not name or name.isdecimal() or _listed(context, layer, path, name)
        for path, name in (("etc/passwd", user), ("etc/group", group))
    )


def _listed(context: Context, layer: int, path: str, name: str) -> bool:
    """Whether a table of users or groups, as it is after ``layer``, has a name."""
    text = b""
    for below in context.inventory.rootfs.layers[: layer + 1]:
        entries = below.index.entries
        texts = (t for at, t in below.index.texts.items() if entries[at].path == path)
        # The highest layer that has the table decides; the index of a layer keeps its text.
        text = next(texts, text)
    return any(line.startswith(f"{name}:".encode()) for line in text.split(b"\n"))
