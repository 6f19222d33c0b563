"""Where the reports go: files whole or not at all, and standard output."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from pyimginspect import formats
from pyimginspect.cli.about import nearest
from pyimginspect.errors import InvalidReferenceError, ReportError

__all__ = ["find_outputs", "put", "replace", "style"]

_WIDEST = 100


def find_outputs(args: argparse.Namespace) -> list[tuple[Path | None, str]]:
    """Return where to write, and in which format; ``None`` is standard output."""
    outputs: list[tuple[Path | None, str]] = []
    for name in args.output:
        path = Path(name)
        if any(path == other for other, _ in outputs):
            raise ReportError(f"two outputs to one file, '{name}'")
        outputs.append((path, args.format or formats.format_for(path)))
    if not outputs:
        outputs.append((None, args.format or "table"))
    known = formats.COMPARISON_FORMATS if args.against else formats.FORMATS
    for _, chosen in outputs:
        if chosen not in known:
            what = "comparison as" if args.against else "format"
            raise ReportError(f"there is no {what} '{chosen}'", hint=nearest(chosen, known))
    if args.against and len(args.images) != 1:
        raise InvalidReferenceError("--against compares one image with one other")
    if len(args.images) > 1 and any(chosen not in ("table", "json") for _, chosen in outputs):
        raise ReportError("several images go into a table or JSON only")
    return outputs


def style(target: Path | None, args: argparse.Namespace) -> dict[str, Any]:
    """Return how wide and how colourful text may be where it goes."""
    terminal = target is None and sys.stdout.isatty()
    color = args.color == "always" or (
        args.color == "auto" and terminal and not os.environ.get("NO_COLOR")
    )
    width = min(_WIDEST, shutil.get_terminal_size().columns) if terminal else _WIDEST
    encoding = (sys.stdout.encoding if target is None else None) or "utf-8"
    return {"width": width, "color": color, "encoding": encoding}


def put(text: str, target: Path | None) -> None:
    """Write text to a file, or to standard output."""
    if target is None:
        sys.stdout.write(text)
    else:
        replace(target, text)


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all: beside it, then renamed."""
    try:
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(beside, 0o666 & ~umask)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as exc:
        raise ReportError(f"{path} cannot be written: {exc.strerror}") from exc
