"""Edits that mount what ``RUN``s need, in place of a ``COPY`` that stores it.

Sources: "RUN --mount=type=bind" in the Dockerfile reference, which reads from the build context or
from another stage, and stores nothing. Without ``rw`` nothing can be written there, which builds do
(setuptools, since pip 21.3 builds in the tree of the sources).
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.derived.causes import Cause
from pyimginspect.plan.context import LEAST, Context, Proposal
from pyimginspect.plan.operations import DropCommand, MountCopied, Operation, ReplaceCommand
from pyimginspect.plan.runs import Call, calls, is_only_deletion, is_read, is_sequence
from pyimginspect.text import listed

__all__ = ["edits_of_copied_wheels", "edits_of_deleted_copies"]

# The wildcards of a COPY are those of Go's filepath.Match (reference, "COPY", "Pattern matching").
_GLOB = re.compile(r"[*?\[]")
_REASON = (
    "needs BuildKit, and what is mounted is not there in any other RUN: look whether one reads it"
)


class _Copied(NamedTuple):
    """What a ``COPY`` of one source stored: its files, and where a mount of the same would be."""

    layer: int
    target: str
    paths: frozenset[str]


def edits_of_deleted_copies(context: Context, causes: Sequence[Cause]) -> Iterator[Proposal]:
    """Yield proposals for files that are copied, used by a ``RUN``, and deleted."""
    groups: dict[tuple[int, int], set[Content]] = {}
    for cause in causes:
        if cause.kind == "deleted" and len(cause.makers) == 1:
            found = groups.setdefault((cause.makers[0], cause.removed_in), set())
            found |= cause.freed.contents
    for (layer, removed_in), contents in sorted(groups.items()):
        copied = _copied(context, layer)
        if copied is None or context.contents.size(contents) < LEAST:
            continue
        runs, operations = _without_deletion(context, copied, removed_in)
        # All that the COPY stores must be deleted, or what is left of it would be missing.
        if not operations or not contents >= context.stored_by(layer):
            continue
        if _same_by_mount(context, copied, runs):
            rules = ("deleted-but-shipped",)
            yield _proposal(context, copied, runs, operations, frozenset(contents), rules=rules)


def edits_of_copied_wheels(context: Context) -> Iterator[Proposal]:
    """Propose to mount the wheels that a ``COPY`` stores and nothing but ``RUN``s installs."""
    rootfs = context.inventory.rootfs
    for layer in sorted(context.by_layer):
        wheels = layer >= context.base and _only_wheels(context, layer)
        copied = _copied(context, layer) if wheels else None
        if copied is None or _is_started(context, copied):
            continue
        # What a later layer replaced or removed is no wheel of this COPY any more.
        there = frozenset(p for p in copied.paths if p in rootfs and rootfs[p].layer == layer)
        contents = context.contents.behind(there)
        users = _users(context, copied)
        installed = bool(users) and all(_installs(context, user) for user in users)
        if installed and there == copied.paths and context.contents.size(contents) >= LEAST:
            yield _proposal(context, copied, users, [], contents, gone=there)


def _proposal(
    context: Context,
    copied: _Copied,
    runs: Sequence[int],
    operations: Sequence[Operation],
    contents: frozenset[Content],
    *,
    gone: frozenset[str] = frozenset(),
    rules: tuple[str, ...] = (),
) -> Proposal:
    # pip only reads wheels; an sdist or a tree of sources may be built where it lies.
    writable = not all(path.endswith(".whl") for path in copied.paths)
    mount = MountCopied(
        layer=copied.layer, runs=tuple(runs), target=copied.target, writable=writable
    )
    where = f"layer {listed([f'{run}' for run in runs])}"
    edit = context.edit(
        "delete-early" if rules else "narrow-copy",
        copied.layer,
        f"mount {copied.target} in the RUN of {where}, which stores nothing of it",
        command=f"RUN --mount=type=bind,source=…,target={copied.target}{',rw' * writable}",
        rules=rules,
        others=[*runs],
        operations=[*operations, mount],
        reason=_REASON,
    )
    return Proposal(edit, contents, gone, (copied.layer, runs[-1]))


def _only_wheels(context: Context, layer: int) -> bool:
    return all(
        entry.path.endswith(".whl")
        for entry in context.inventory.image.layers[layer].index.entries
        if entry.kind != "directory"
    )


# --- the COPY -------------------------------------------------------------------------------------
def _copied(context: Context, layer: int) -> _Copied | None:
    """Return what a layer's ``COPY`` of one file or directory stored, ``None`` for another."""
    words = _source_and_target(context, layer)
    paths = frozenset(
        entry.path
        for entry in context.inventory.image.layers[layer].index.entries
        if entry.kind != "directory"
    )
    if words is None or not paths:
        return None
    source, target = words
    if len(paths) == 1 and not _GLOB.search(source):
        (path,) = paths
        # `COPY a /b` makes /b, `COPY a /b/` makes /b/a: what was stored tells which.
        if f"/{path}" in (target, f"{target}/{posixpath.basename(source.rstrip('/'))}"):
            return _Copied(layer, f"/{path}", paths)
    top = f"{target[1:]}/"
    inside = all(path.startswith(top) for path in paths)
    return _Copied(layer, target, paths) if inside and not _hides(context, layer, target) else None


def _source_and_target(context: Context, layer: int) -> tuple[str, str] | None:
    """Return the one source of a ``COPY`` and its absolute target; ``None`` for ``/``, and others.

    Variables and here-documents are not read. A mount has the modes of the source, and all of it.
    """
    step = context.by_layer.get(layer)
    if step is None or step.word != "COPY" or "$" in step.text or "<<" in step.text:
        return None
    flags = [word for word in step.text.split() if word.startswith("--")]
    if any(flag.startswith(("--chmod", "--parents", "--exclude")) for flag in flags):
        return None
    words = [word for word in step.text.split() if not word.startswith("--")]
    if len(words) != 2:
        return None
    target = posixpath.normpath(posixpath.join(context.directory(layer), words[1]))
    # Nothing can be mounted over the root directory.
    return (words[0], target) if target != "/" else None


def _hides(context: Context, layer: int, target: str) -> bool:
    """Whether a directory to be mounted over has anything in it that lower layers made."""
    top = f"{target[1:]}/"
    return any(
        entry.path.startswith(top) and entry.kind != "directory"
        for each in context.inventory.image.layers[:layer]
        for entry in each.index.entries
    )


def _same_by_mount(context: Context, copied: _Copied, runs: Sequence[int]) -> bool:
    """Whether ``RUN``s find in a mount what they found in what was copied.

    Whatever one of them writes there the next one does not see, and all is root's.
    """
    top = f"{copied.target[1:]}/"
    written = any(
        f"{entry.path}/".startswith(top) and entry.kind != "directory"
        for layer in runs[:-1]
        for entry in context.inventory.image.layers[layer].index.entries
    )
    # Files of a mount keep the owner that they have in their source, and in a context that is root.
    owned = "--chown" in context.by_layer[copied.layer].text
    return not written and not (owned and any(map(context.user, runs)))


# --- the RUNs -------------------------------------------------------------------------------------
def _users(context: Context, copied: _Copied, last: int | None = None) -> list[int]:
    """Return the later ``RUN``s, up to that of layer ``last``, that name what was copied."""
    return [n for n in context.runs(copied.layer + 1, last) if _mentions(context, n, copied)]


def _mentions(context: Context, layer: int, copied: _Copied) -> bool:
    """Whether a ``RUN`` may read what was copied: it names it, or works in the directory."""
    directory = context.directory(layer)
    # In that directory `pip install .` names nothing of it.
    if f"{directory}/".startswith(f"{copied.target}/"):
        return True
    command = context.command(layer) or ""
    # What a script that cannot be read names is not known.
    if not is_read(command):
        return True
    relative = posixpath.relpath(copied.target, directory)
    # An option may have it too: --find-links=./dist.
    words = (word.rpartition("=")[2] for call in calls(command) for word in call.words)
    named = (f"{word.removeprefix('./')}/".startswith(f"{relative}/") for word in words)
    return copied.target in command or any(named)


def _installs(context: Context, layer: int) -> bool:
    found = calls(context.command(layer) or "")
    return any(call.manager in ("pip", "uv") and call.action == "install" for call in found)


def _is_started(context: Context, copied: _Copied) -> bool:
    config = context.inventory.image.config
    return any(
        ".whl" in word or word == copied.target for word in (*config.entrypoint, *config.cmd)
    )


def _without_deletion(
    context: Context, copied: _Copied, removed_in: int
) -> tuple[list[int], list[Operation]]:
    """Return the ``RUN``s that need what was copied, and what takes the deletion out of another.

    Nothing where something else deletes it.
    """
    command = context.command(removed_in)
    # After a `cd` the words of `rm` are relative to another directory.
    if command is None or not is_sequence(command) or "cd " in command:
        return [], []
    directory = context.directory(removed_in)
    deleting = [call for call in calls(command) if call.program == "rm" and call.command.always]
    covering = {
        word: covered
        for call in deleting
        for word in call.words[1:]
        if (covered := _covered_by(word, directory, copied))
    }
    users = _users(context, copied, removed_in - 1)
    if not is_only_deletion(command):
        users.append(removed_in)
    if not users or copied.paths.difference(*covering.values()):
        return [], []
    return users, [each for call in deleting for each in _without_words(removed_in, call, covering)]


def _covered_by(word: str, directory: str, copied: _Copied) -> frozenset[str]:
    """Return the paths of what was copied that a word of an ``rm`` deletes; an option, none."""
    if word.startswith("-"):
        return frozenset()
    return frozenset(path for path in copied.paths if _covered(word, directory, path))


def _covered(word: str, directory: str, path: str) -> bool:
    """Whether ``rm -r word`` deletes a path."""
    pattern = posixpath.normpath(posixpath.join(directory, word))
    parts = f"/{path}".split("/")
    depth = pattern.count("/") + 1
    # fnmatch's `*` goes over slashes, a shell's does not (glob(7)): so both have as many parts.
    return len(parts) >= depth and fnmatchcase("/".join(parts[:depth]), pattern)


def _without_words(layer: int, call: Call, words: Collection[str]) -> Iterator[Operation]:
    """Yield what takes ``words`` out of a command, or the command where only options are left."""
    rest = [word for word in call.words[1:] if word not in words]
    if len(rest) == len(call.words[1:]):
        return
    if all(word.startswith("-") for word in rest):
        yield DropCommand(layer=layer, words=call.words)
    else:
        yield ReplaceCommand(
            layer=layer, words=call.words, command=shlex.join([call.words[0], *rest])
        )
