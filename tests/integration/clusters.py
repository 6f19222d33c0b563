"""A dask scheduler and its workers on this machine, each a process that may be killed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

__all__ = ["LocalCluster", "children"]

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 120

QUIET = {
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "10s",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}
"""What docs/fleet.md recommends: else each process looks fifty times a second whether it lives."""


class LocalCluster:
    """One scheduler, and so many workers of one thread, each with a nanny that restarts it."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._count = workers
        self._scheduler: subprocess.Popen[bytes] | None = None
        self._workers: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all; again at the address that it had before."""
        self._folder.mkdir(exist_ok=True)
        known = self._folder / "scheduler.json"
        known.unlink(missing_ok=True)
        port = self.address.rpartition(":")[2] or "0"
        self._scheduler = self._run(
            *("dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"),
            *("--scheduler-file", str(known)),
        )
        end = time.monotonic() + _PATIENCE
        while not (known.exists() and known.stat().st_size):
            assert time.monotonic() < end
            time.sleep(0.05)
        self.address = json.loads(known.read_text(encoding="utf-8"))["address"]
        self._workers = []
        self.add_workers(self._count, self.address)

    def add_workers(self, count: int, address: str) -> None:
        """Start so many more workers, which reach the scheduler at `address`."""
        self._workers += [
            self._run(
                *("dask_worker", address, "--nthreads", "1", "--no-dashboard"),
                *("--local-directory", str(self._folder / f"worker-{number}")),
            )
            for number in range(count)
        ]

    def stop(self) -> None:
        """End all."""
        running = [*self._workers, *([self._scheduler] if self._scheduler is not None else [])]
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def workers(self) -> list[int]:
        """The processes that do the work, by their nannies."""
        return [pid for nanny in self._workers for pid in children(nanny.pid)]

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{program}", *arguments],
                env={**os.environ, **QUIET, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )


def children(parent: int) -> list[int]:
    """The Python workers among a process's children, as ``/proc`` has them."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text(encoding="utf-8").rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[1]) == parent and fields[0] != "Z" and b"spawn_main" in command:
            found.append(int(status.parent.name))
    return found
