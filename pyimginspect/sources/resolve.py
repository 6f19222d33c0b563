"""What the user wrote → the source that has it (docs/sources.md tells the order)."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import get_args

from pyimginspect.errors import (
    DaemonError,
    ImageNotFoundError,
    InvalidReferenceError,
    PyimginspectError,
    RegistryError,
)
from pyimginspect.sources.files import resolve_path, resolve_stream
from pyimginspect.sources.near_names import near_file, near_prefix
from pyimginspect.sources.options import Options
from pyimginspect.sources.reference import parse_name, without_userinfo
from pyimginspect.sources.resolved import Resolved
from pyimginspect.sources.saved import Form

__all__ = ["PREFIXES", "resolve", "shown_reference"]

_LONGEST_SHOWN = 300

_Resolve = Callable[[str, Options, str], Resolved]

# Names that can only be of a file, so that no engine and no registry is asked for a misspelled
# one; a tag may follow.
_ARCHIVE = re.compile(r".*\.(tar|tgz|tbz2?|txz|tzst)(\.(gz|zst|zstd|xz|bz2))?(:[^/]*)?", re.DOTALL)


def _docker(text: str, options: Options, reference: str) -> Resolved:
    from pyimginspect.sources.daemon import resolve_docker

    return resolve_docker(text, options, reference=reference)


def _podman(text: str, options: Options, reference: str) -> Resolved:
    from pyimginspect.sources.daemon import resolve_podman

    return resolve_podman(text, options, reference=reference)


def _registry(text: str, options: Options, reference: str) -> Resolved:
    from pyimginspect.sources.registry import resolve_registry

    return resolve_registry(text, options, reference=reference)


_NAMED: dict[str, _Resolve] = {"docker": _docker, "podman": _podman, "registry": _registry}
_FORMS: dict[str, Form] = {form: form for form in get_args(Form)}

PREFIXES = (*_NAMED, *_FORMS)
"""What may stand before a colon to say where an image is."""


def resolve(reference: str, options: Options) -> Resolved:
    """Find an image and read the documents that describe it, wherever it lives.

    Without a prefix an existing path is opened as what its content says, and a name is looked
    for in Docker, then in Podman, then in its registry. ``-`` is standard input. Where an
    image's layers go by before its documents are known, they are read.

    Raises :class:`InvalidReferenceError`, :class:`ImageNotFoundError`, and what the source
    raises: :class:`SourceError` and :class:`LayerError` in their many kinds.
    """
    prefix, colon, rest = reference.partition(":")
    try:
        if colon and prefix in _NAMED:
            return _NAMED[prefix](rest, options, reference)
        if colon and prefix in _FORMS:
            return _saved(rest, options, reference, _FORMS[prefix])
        # A path before a name: a directory called "python" is what is meant where there is one.
        if reference == "-" or reference.startswith("-:") or _exists(reference):
            return _saved(reference, options, reference, None)
        return _search(reference, options)
    except PyimginspectError as exc:
        raise exc.at(image=shown_reference(reference)) from exc.__cause__


def shown_reference(reference: str) -> str:
    """Return a reference as messages name it: not all of a very long one, and no password."""
    text = without_userinfo(reference)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _saved(text: str, options: Options, reference: str, form: Form | None) -> Resolved:
    if text == "-" or text.startswith("-:"):
        if sys.stdin is None:
            raise InvalidReferenceError("standard input is closed", hint="pipe an archive in")
        if sys.stdin.isatty():
            raise InvalidReferenceError("standard input is a terminal", hint="pipe an archive in")
        # The raw stream: a thread that waits in a buffered one would hold its lock at exit.
        stream = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        return resolve_stream(
            stream, options, name=text[2:] or None, reference=reference, form=form
        )
    path, name = split_path(text)
    return resolve_path(path, options, name=name, reference=reference, form=form)


def _exists(text: str) -> bool:
    return text != "" and os.path.exists(split_path(text)[0])


def split_path(text: str) -> tuple[str, str | None]:
    """Split ``PATH:TAG`` where PATH exists; a tag may hold colons too."""
    if os.path.exists(text):
        return text, None
    start = text.find(":", 2)  # not that of C:\\
    while start > 0:
        if os.path.exists(text[:start]):
            return text[:start], text[start + 1 :]
        start = text.find(":", start + 1)
    return text, None


def _why_not_there(path: str) -> str:
    """Say why a path does not exist, or why that cannot be told."""
    try:
        os.stat(path)
    except OSError as exc:
        if not isinstance(exc, FileNotFoundError | NotADirectoryError):
            return f"it cannot be examined: {exc.strerror}"
        if os.path.islink(path):
            return "it is a dangling symbolic link"
    except ValueError:  # a null byte
        pass
    return "there is no such file"


def _search(reference: str, options: Options) -> Resolved:
    """Ask every place that may know an image by its name, one after the other."""
    # A leading dot, slash or tilde begins no name of an image either.
    if "\0" in reference or _ARCHIVE.fullmatch(reference) or reference.startswith((".", "/", "~")):
        raise ImageNotFoundError(_why_not_there(reference), hint=near_file(reference) or None)
    parse_name(reference)
    said = []
    last: PyimginspectError | None = None
    for place, resolve_named in _NAMED.items():
        try:
            return resolve_named(reference, options, reference)
        except (DaemonError, ImageNotFoundError, RegistryError) as exc:
            said.append(f"{place}: {exc.message}")
            last = exc
    hint = near_prefix(reference, PREFIXES) or near_file(reference)
    hint = hint or "save it with docker save, or name the source: docker:, podman:, registry:"
    # The registry is asked last, and its error is the one that has a status and a hint.
    if isinstance(last, RegistryError):
        raise type(last)("; ".join(said), hint=last.hint or hint) from last
    raise ImageNotFoundError(
        f"neither a path, nor found elsewhere: {'; '.join(said)}", hint=hint
    ) from last
