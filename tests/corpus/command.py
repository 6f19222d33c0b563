"""Running the programs that the corpus is made with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

OUTPUT_TAIL: Final = 4000


class BuildError(RuntimeError):
    """The corpus could not be built; for a program that failed, with the end of its output."""


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run `command`, with `environment` on top of this process's, and keep its output back.

    Raises:
        BuildError: it ended with a status other than 0.
    """
    result = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        words = " ".join(command)
        raise BuildError(f"{words} ended with {result.returncode}:\n{result.stdout[-OUTPUT_TAIL:]}")
