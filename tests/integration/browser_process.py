"""What a browser needs whichever it is: a process, and a profile that goes when it does."""

import contextlib
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

__all__ = ["PATIENCE", "BrowserProcess"]

PATIENCE = 60  # seconds


class BrowserProcess(ABC):
    """A browser that is started with a new profile, as a context manager."""

    def __init__(self, name: str) -> None:
        self._folder = tempfile.TemporaryDirectory(
            prefix=f"pyimginspect-{name}-", ignore_cleanup_errors=True
        )
        self._profile = Path(self._folder.name)

    def _start(
        self,
        command: Sequence[str],
        *,
        output: IO[bytes] | int = subprocess.DEVNULL,
        environment: Mapping[str, str] | None = None,
        descriptors: Collection[int] = (),
    ) -> None:
        self._process = subprocess.Popen(
            command,
            env=environment,
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, EOFError):
            self._quit()
        self._end()

    @abstractmethod
    def _quit(self) -> None:
        """Ask the browser to go. Raises `OSError` or `EOFError` where it has gone already."""

    def _end(self) -> None:
        """Wait until it has gone, end it if it stays, and remove its profile."""
        try:
            self._process.wait(PATIENCE / 6)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()
