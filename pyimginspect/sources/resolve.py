"""What the user wrote → the source that opens it."""

from __future__ import annotations

import os

from pyimginspect.errors import ImageNotFoundError
from pyimginspect.sources.files import open_path
from pyimginspect.sources.indexing import Opened
from pyimginspect.sources.options import Options

__all__ = ["open_reference"]


def open_reference(reference: str, options: Options) -> Opened:
    """Open an image by path, ``PATH:TAG``, or with a prefix that names the kind of source."""
    rest = reference
    for prefix in ("docker-archive:", "oci-archive:", "oci:"):
        if reference.startswith(prefix):
            rest = reference.removeprefix(prefix)
    path, name = _split(rest)
    if not os.path.exists(path):
        raise ImageNotFoundError("there is no such file", image=reference)
    return open_path(path, options, name=name, reference=reference)


def _split(text: str) -> tuple[str, str | None]:
    """Split ``PATH:TAG`` where PATH exists; a tag may hold colons too."""
    if os.path.exists(text):
        return text, None
    start = text.find(":", 2)
    while start > 0:
        if os.path.exists(text[:start]):
            return text[:start], text[start + 1 :]
        start = text.find(":", start + 1)
    return text, None
