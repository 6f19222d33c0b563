"""Names of official ``python`` images that a Dockerfile can begin with.

Source: the Dockerfiles that docker-library/python has had, by series and Debian release.
"""

from __future__ import annotations

import re

__all__ = ["TKINTER", "slim_image"]

TKINTER = "_tkinter."
"""How the name of tkinter's extension module begins. The slim images have it, and leave out Tk: of
what their build looks through for libraries to keep, it is left out (Dockerfile-linux.template)."""

# By VERSION_ID of os-release: the release's name, and the minor versions of Python 3, from the
# first to the last, of which there was a slim image on it. A newer Python is not guessed.
_DEBIAN = {
    "9": ("stretch", 6, 7),
    "10": ("buster", 6, 11),
    "11": ("bullseye", 6, 13),
    "12": ("bookworm", 7, 14),
    "13": ("trixie", 9, 14),
}
_SERIES = re.compile(r"(\d{1,3})\.(\d{1,3})(?![\d])", re.ASCII)


def slim_image(version: str, distribution: str) -> str:
    """Return the official slim image for a Python: ``python:3.11-slim-bookworm``.

    ``distribution`` is what is installed now, ``debian 12``: an image that is built again is to
    stay on that release. Without an official image on it the tag names no release.
    """
    found = _SERIES.match(version)
    if found is None:
        return "python:3-slim"
    image = f"python:{found[0]}-slim"
    name, _, release = distribution.partition(" ")
    if name != "debian" or found[1] != "3" or release not in _DEBIAN:
        return image
    codename, first, last = _DEBIAN[release]
    return f"{image}-{codename}" if first <= int(found[2]) <= last else image
