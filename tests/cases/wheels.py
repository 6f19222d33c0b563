"""The local directory of wheels: what cases pin is downloaded once, by pip itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

__all__ = ["collect", "pinned"]

_PINNED: Final = re.compile(r"(?<![\w.-])([A-Za-z][\w.-]*)(?:\[[\w,-]*\])?==([0-9][\w.!+]*)")
_PYTHON: Final = re.compile(r"\bpython:(3\.\d+)")
_PLATFORMS: Final = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_24_x86_64")
_DEBIANS_PYTHON: Final = "3.11"


def collect(folder: Path, dockerfile: str, context: Path, target: Path) -> None:
    """Put the wheels that a case pins into ``target``, downloading those that ``folder`` lacks.

    What has no wheel for Debian, or cannot be downloaded, is left to the index.
    """
    texts = [dockerfile, *(path.read_text() for path in context.glob("*requirements*.txt"))]
    python = match[1] if (match := _PYTHON.search(dockerfile)) else _DEBIANS_PYTHON
    store = folder / python
    store.mkdir(parents=True, exist_ok=True)
    target.mkdir()
    for name, version in dict.fromkeys(pinned("\n".join(texts))):
        for wheel in _find(store, name, version) or _download(store, python, name, version):
            shutil.copy2(wheel, target)


def pinned(text: str) -> Iterator[tuple[str, str]]:
    """Yield the normalised name and the version of every ``NAME==VERSION`` in a text."""
    for name, version in _PINNED.findall(text):
        yield canonicalize_name(name), version.rstrip(".")


def _find(store: Path, name: str, version: str) -> list[Path]:
    found = []
    for path in store.glob("*.whl"):
        try:
            known, number, *_ = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if known == name and str(number) == version:
            found.append(path)
    return found


def _download(store: Path, python: str, name: str, version: str) -> list[Path]:
    refused = store / f"{name}-{version}.none"
    if not refused.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", f"--python-version={python}", f"--dest={store}"]
        command += [f"--platform={platform}" for platform in _platforms()]
        result = subprocess.run(
            [*command, f"{name}=={version}"], capture_output=True, stdin=subprocess.DEVNULL
        )
        if b"No matching distribution" in result.stderr:
            refused.write_bytes(result.stderr)
    return _find(store, name, version)


def _platforms() -> Iterator[str]:
    yield from _PLATFORMS
    yield from (f"manylinux_2_{minor}_x86_64" for minor in (17, 12, 5))
    yield "manylinux2014_x86_64"
