"""``--diff`` and ``--fix``: the edits of a plan in the user's own Dockerfile.

The exit status is that of ``ruff format``'s options: ``--diff`` ends with 1 where the file would
change and 0 where not, ``--fix`` with 0 unless an edit that it should have made did not fit.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pyimginspect import formats
from pyimginspect.cli.outputs import put
from pyimginspect.errors import DockerfileError, InvalidReferenceError, ReportError, printable
from pyimginspect.text import counted

if TYPE_CHECKING:
    from pyimginspect.plan import Patch, Plan
    from pyimginspect.plan.records import Level

__all__ = ["change_dockerfile", "changes", "check_changes", "given_dockerfile", "patched"]

_UNCHANGED, _CHANGES = 0, 1
# A thousand times the size of real ones; what is larger is no Dockerfile but a slip.
_LONGEST = 4 << 20  # bytes


def changes(args: argparse.Namespace) -> bool:
    """Whether a Dockerfile is to be changed, or the change to be shown."""
    return bool(args.diff or args.fix)


def check_changes(args: argparse.Namespace) -> None:
    """Raise :class:`InvalidReferenceError` for options that do not go together."""
    if args.target and not args.dockerfile:
        raise InvalidReferenceError("--target is a stage of --dockerfile FILE")
    if not changes(args):
        return
    option = "--fix" if args.fix else "--diff"
    if args.diff and args.fix:
        raise InvalidReferenceError("--diff shows what --fix would write: give one of them")
    if not args.dockerfile:
        raise InvalidReferenceError(f"{option} needs the Dockerfile", hint="--dockerfile FILE")
    if len(args.images) != 1:
        raise InvalidReferenceError(f"{option} is for one image and its Dockerfile")
    for name in ("against", "plan", "layers", "output", "format", "write_baseline"):
        if getattr(args, name):
            other = f"--{name.replace('_', '-')}"
            raise InvalidReferenceError(f"{option} and {other} do not go together")


def given_dockerfile(args: argparse.Namespace) -> formats.Dockerfile | None:
    """Read the Dockerfile that the command line names, byte for byte."""
    if not args.dockerfile:
        return None
    return formats.Dockerfile(
        path=args.dockerfile, text=_decoded(_read(args.dockerfile)), target=args.target
    )


def _read(path: str) -> bytes:
    try:
        # No text mode: it would turn CRLF into LF, and the difference would be every line.
        with open(path, "rb") as file:
            data = file.read(_LONGEST + 1)
    except OSError as exc:
        raise ReportError(f"{path} cannot be read: {exc.strerror}") from exc
    if len(data) > _LONGEST:
        raise DockerfileError(f"{path} is longer than {_LONGEST >> 20} MiB")
    return data


def _decoded(data: bytes) -> str:
    # So that bytes that are no UTF-8 come back as they were when the file is written.
    return data.decode("utf-8", "surrogateescape")


def change_dockerfile(plan: Plan, dockerfile: formats.Dockerfile, args: argparse.Namespace) -> int:
    """Print the difference that the plan makes, or write it; return the exit status."""
    level: Level = args.fix or args.diff
    patch = patched(plan, dockerfile, level, args.target)
    if not args.quiet:
        _say(patch, dockerfile.path, written=bool(args.fix))
    if args.diff:
        if patch.diff:
            put(patch.diff, None, exact=True)
        return _CHANGES if patch.diff else _UNCHANGED
    if patch.diff:
        _replace(Path(dockerfile.path), dockerfile.text, patch.text)
    # Advice has no operations, and what the file has already needs none.
    left = [each.edit for each in patch.skipped if each.edit.operations and not each.settled]
    wanted = [edit for edit in left if level == "review" or edit.level == "safe"]
    return _CHANGES if wanted else _UNCHANGED


def patched(plan: Plan, dockerfile: formats.Dockerfile, level: Level, target: str) -> Patch:
    """Return what a plan's edits up to ``level`` make of a Dockerfile. Raises as its patch does."""
    try:
        return plan.patch(dockerfile.text, _shown(dockerfile.path), level, target)
    except DockerfileError as exc:
        raise type(exc)(f"{dockerfile.path}: {exc.message}", hint=exc.hint) from exc


def _shown(path: str) -> str:
    """Return the path from the working directory, or the name alone where it is not below it.

    ``git apply`` and ``patch`` take it from there.
    """
    with contextlib.suppress(ValueError):  # another drive
        relative = os.path.relpath(path)
        if not relative.startswith(os.pardir):
            return relative
    return os.path.basename(path)


def _say(patch: Patch, path: str, *, written: bool) -> None:
    """Say on standard error what was done, and what was not, with the reasons."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            for line in _account(patch, written=written):
                print(f"{printable(path)}: {printable(line)}", file=sys.stderr)


def _account(patch: Patch, *, written: bool) -> Iterator[str]:
    for edit in patch.applied:
        if edit.level == "review":
            yield f"to be reviewed: {edit.words}{f': {edit.reason}' if edit.reason else ''}"
    advice = 0
    for each in patch.skipped:
        if each.edit.operations:
            yield f"not applied: {each.edit.words}: {each.reason}"
        else:
            advice += 1
    if advice:
        subject = counted(advice, "change needs", "changes need")
        yield f"{subject} a decision that no edit can make: --plan lists them"
    if patch.matched < patch.instructions:
        yield f"{patch.matched} of {patch.instructions} instructions match the image's history"
    if not patch.diff:
        yield "nothing to change"
    elif written:
        yield f"{counted(len(patch.applied), 'edit')} written"


def _replace(path: Path, before: str, after: str) -> None:
    """Write the file beside itself and rename it, with its mode, if it is still as it was read."""
    import tempfile

    # The file behind a link: os.replace() would put a file in the place of the link.
    real = Path(os.path.realpath(path))
    try:
        status = real.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ReportError(f"{path} is no regular file", hint="--diff prints the change")
        # root may write to everything, so access() alone would not respect a read-only file.
        if not status.st_mode & 0o222 or not os.access(real, os.W_OK):
            raise ReportError(f"{path} is read-only", hint="--diff prints the change")
        handle, beside = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name[:50]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(after.encode("utf-8", "surrogateescape"))
            os.chmod(beside, stat.S_IMODE(status.st_mode))
            if hasattr(os, "chown"):
                with contextlib.suppress(OSError):  # root alone may give files away
                    os.chown(beside, status.st_uid, status.st_gid)
            # An editor may have saved it meanwhile; inspecting an image can take minutes.
            if _decoded(_read(str(real))) != before:
                raise ReportError(
                    f"{path} has changed since it was read", hint="run the command again"
                )
            os.replace(beside, real)
        # KeyboardInterrupt too: no file may be left beside it.
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as exc:
        raise ReportError(f"{path} cannot be written: {exc.strerror}") from exc
