"""Where the reports go: files whole or not at all, and standard output."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pyimginspect import formats
from pyimginspect.errors import InvalidReferenceError, ReportError
from pyimginspect.text import nearest

__all__ = [
    "AGAINST_FORMATS",
    "NEW_FINDINGS_FORMATS",
    "add_job_summary",
    "discard",
    "find_outputs",
    "put",
    "put_pieces",
    "replace",
    "style",
]

_WIDEST = 100  # columns: longer lines are hard to read

NEW_FINDINGS_FORMATS = ("sarif", "junit", "github", "gitlab")
"""With ``--against`` these are the report itself, with what the other image had as known."""

AGAINST_FORMATS = (*formats.COMPARISON_FORMATS, *NEW_FINDINGS_FORMATS)
"""The formats that ``--against`` can write."""


def find_outputs(args: argparse.Namespace) -> list[tuple[Path | None, str]]:
    """Return where to write, and in which format; ``None`` is standard output."""
    outputs = _targets(args)
    chosen = [name for _, name in outputs]
    if args.plan and args.layers and "json" in chosen:
        raise ReportError("--plan and --layers are two JSON documents: ask for one of them")
    known, what = _possible(args)
    for name in chosen:
        if name not in known:
            raise ReportError(f"there is no {what} '{name}'", hint=nearest(name, known))
    if args.against and len(args.images) != 1:
        raise InvalidReferenceError("--against compares one image with one other")
    if len(args.images) > 1:
        _check_several(chosen, args)
    return outputs


def _targets(args: argparse.Namespace) -> list[tuple[Path | None, str]]:
    outputs: list[tuple[Path | None, str]] = []
    for name in args.output:
        path = Path(name)
        if any(path == other for other, _ in outputs):
            raise ReportError(f"two outputs to one file, '{name}'")
        outputs.append((path, args.format or _format_for(path, args)))
    return outputs or [(None, args.format or "table")]


def _possible(args: argparse.Namespace) -> tuple[tuple[str, ...], str]:
    """Return the formats of what is asked for, and what a message calls one of them."""
    if args.plan == "dockerfile":
        return ("table",), "plan as"
    if args.plan or args.layers:
        return ("table", "json"), "plan as" if args.plan else "list of layers as"
    if args.against:
        return AGAINST_FORMATS, "comparison as"
    return formats.FORMATS, "format"


def _check_several(chosen: Sequence[str], args: argparse.Namespace) -> None:
    """Raise :class:`ReportError` for what can be written of one image alone."""
    for name in chosen:
        if name not in formats.MANY_FORMATS:
            raise ReportError(
                f"the format '{name}' is of one image",
                hint=f"several images go into {', '.join(formats.MANY_FORMATS)}",
            )
    if args.write_baseline:
        raise ReportError("a baseline is of one image")


def _format_for(path: Path, args: argparse.Namespace) -> str:
    """Return the format of a file's suffix; a Dockerfile is text, whatever its name."""
    return "table" if args.plan == "dockerfile" else formats.format_for(path)


def style(target: Path | None, args: argparse.Namespace) -> dict[str, Any]:
    """Return how wide and how colourful text may be where it goes."""
    terminal = target is None and sys.stdout is not None and sys.stdout.isatty()
    color = args.color == "always" or (
        args.color == "auto" and target is None and wants_color(terminal=terminal)
    )
    width = _WIDEST
    # Of a pipe or a file the size is a guess from the environment, which would differ from run to
    # run.
    if terminal:
        import shutil  # it loads every compression

        width = min(_WIDEST, shutil.get_terminal_size().columns)
    encoding = getattr(sys.stdout, "encoding", None) if target is None else None
    encoding = encoding or "utf-8"
    return {"width": width, "color": color, "encoding": encoding}


# TERM_PROGRAM and TERM of terminals that show OSC 8 as links.
_LINK_TERMINALS = frozenset(
    {"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "Tabby", "rio", "zed"}
)
_LINK_TERMS = ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm", "contour")
_FIRST_VTE = 5000  # 0.50.1 crashed on links; terminals of GNOME say 7600 by now


def wants_hyperlinks(*, terminal: bool) -> bool:
    """Whether links (OSC 8) are wanted: FORCE_HYPERLINK, else by what the terminal says it is.

    Only terminals that are known to have links get them, as others may print the addresses.
    ``FORCE_HYPERLINK`` is the convention of https://github.com/chalk/supports-hyperlinks: "0" for
    none, anything else for links.
    """
    environment = os.environ
    if (forced := environment.get("FORCE_HYPERLINK")) is not None:
        return forced not in ("0", "")
    # As supports-hyperlinks has it: logs of CI systems have no links.
    if not terminal or environment.get("TERM") == "dumb" or environment.get("CI"):
        return False
    vte = environment.get("VTE_VERSION", "")
    return (
        environment.get("TERM_PROGRAM") in _LINK_TERMINALS
        or environment.get("TERM", "").startswith(_LINK_TERMS)
        # Windows Terminal and Konsole set variables of their own and a common TERM.
        or bool(environment.get("WT_SESSION") or environment.get("KONSOLE_VERSION"))
        or (vte.isdecimal() and len(vte) < 9 and int(vte) > _FIRST_VTE)
    )


def wants_color(*, terminal: bool) -> bool:
    """Whether the environment wants colours: NO_COLOR, then FORCE_COLOR, then the terminal.

    As https://no-color.org and https://force-color.org have it: a variable that is set and not
    empty counts, whatever it says.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return terminal and os.environ.get("TERM") != "dumb"


def put(text: str, target: Path | None, *, exact: bool = False) -> None:
    """Write text to a file, or to standard output.

    Files are UTF-8. So is what must arrive ``exact`` and does not go to a terminal: JSON with
    the escapes of a narrower encoding in it would be JSON no more.
    """
    if target is not None:
        replace(target, text)
        return
    try:
        if sys.stdout is None:  # as `>&-` leaves it
            raise ReportError("standard output is closed", hint="-o FILE writes to a file")
        if exact and hasattr(sys.stdout, "buffer") and not sys.stdout.isatty():
            sys.stdout.flush()
            sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        else:
            sys.stdout.write(text)
        sys.stdout.flush()
    # `head` has read enough: main() ends without a word then.
    except BrokenPipeError:
        discard()
        raise
    except OSError as exc:
        discard()
        raise ReportError(f"standard output cannot be written: {exc.strerror}") from exc


def put_pieces(pieces: Iterable[bytes], target: Path | None, *, exact: bool = False) -> None:
    """Write pieces of UTF-8 to a file, whole or not at all, or to standard output."""
    if target is not None:
        replace(target, pieces)
        return
    for piece in pieces:
        put(piece.decode("utf-8", "backslashreplace"), None, exact=exact)


def discard() -> None:
    """Let what standard output still holds go nowhere: at exit it would fail once more."""
    with contextlib.suppress(OSError, ValueError):  # in tests it may be no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def replace(path: Path, text: str | Iterable[bytes]) -> None:
    """Write a file whole or not at all: beside it, then renamed.

    A link is followed. A pipe or a device, such as ``/dev/stdout``, is written to as it is.
    """
    import tempfile

    pieces = [text.encode()] if isinstance(text, str) else text
    try:
        # A rename would put a plain file in the place of /dev/stdout or a named pipe.
        if path.exists() and not (path.is_file() or path.is_dir()):
            with open(path, "wb") as special:
                special.writelines(pieces)
            return
        path = Path(os.path.realpath(path))
        # In the same directory, as a rename does not reach over file systems; the name is cut since
        # 255 bytes are the most (NAME_MAX).
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(pieces)
            # There is no way to read it but to set it; mkstemp() has ignored it and made 0600.
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(beside, 0o666 & ~umask)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise ReportError(f"{path} cannot be written: {exc.strerror}") from exc


_LONGEST_SUMMARY = 1024 * 1024
"""Bytes that GitHub takes for the summary of a step (workflow commands, "Adding a job summary")."""


def add_job_summary(text: str) -> None:
    """Append Markdown to the summary of the GitHub Actions step that runs this, if one does.

    What does not fit any more is left out whole. Raises :class:`ReportError` where the file that
    the runner names cannot be written.
    """
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    path, data = Path(name), text.encode("utf-8", "backslashreplace") + b"\n"
    try:
        written = path.stat().st_size if path.exists() else 0
        if written + len(data) <= _LONGEST_SUMMARY:
            with path.open("ab") as file:
                file.write(data)
    except OSError as exc:
        raise ReportError(f"the job summary {name} cannot be written: {exc.strerror}") from exc
