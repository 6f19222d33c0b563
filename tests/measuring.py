"""Processes timed in turn, and the table of what was measured: for the `scripts/bench…`.

mine, theirs = in_turn([ours(), "-m", "pyimginspect", IMAGE], ["skopeo", "copy", …])
print_table([Row("against skopeo", f"{ratio(mine, theirs):.2f} x", "1.3 x", ratio(…) <= 1.3)])
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.corpus.layout import Corpus

ROOT = Path(__file__).resolve().parent.parent
RUNS = 5


class Run(NamedTuple):
    """One run of a whole process: seconds on the clock, peak resident memory in MB, CPU seconds."""

    seconds: float
    memory: float
    cpu: float


class Row(NamedTuple):
    """One line of the table."""

    name: str
    measured: str
    bar: str
    met: bool | None


def environment() -> dict[str, str]:
    """An environment in which a second run may use what the first one compiled."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def run(*command: str) -> Run:
    """Run a process to its end and account for it; never for less memory than this one takes."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(), cwd="/"
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Run(seconds, usage.ru_maxrss / 1000, usage.ru_utime + usage.ru_stime)


def in_turn(first: list[str], second: list[str], runs: int = RUNS) -> tuple[list[Run], list[Run]]:
    """Run two commands A B A B …, after one run of each that does not count."""
    run(*first)
    run(*second)
    pairs = [(run(*first), run(*second)) for _ in range(runs)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def median(runs: list[Run]) -> float:
    """Return the median of the runs' seconds."""
    return statistics.median(one.seconds for one in runs)


def ratio(a: list[Run], b: list[Run]) -> float:
    """The median of A/B, pair by pair: it holds where the machine's speed drifts."""
    return statistics.median(x.seconds / y.seconds for x, y in zip(a, b, strict=True))


def compared(first: list[Run], second: list[Run]) -> str:
    """Say what two commands took, on the clock and of the processors."""
    a, b = (statistics.median(one.cpu for one in runs) for runs in (first, second))
    return f"{median(first):.2f} s against {median(second):.2f} s; CPU {a:.2f} s, {b:.2f} s"


def installed(name: str, *requirements: str) -> Path:
    """The `bin` of a virtual environment with these requirements, made if it is not there."""
    where = Corpus.default().root / "bench" / name
    if not (where / "done").exists():
        shutil.rmtree(where, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(where)], check=True)
        subprocess.run(
            [str(where / "bin/pip"), "install", "-q", *requirements], check=True, env=environment()
        )
        (where / "done").touch()
    return where / "bin"


def ours() -> str:
    """The interpreter of an environment with the package installed as a user would."""
    where = installed("pyimginspect", str(ROOT))
    again = ["install", "-q", "--force-reinstall", "--no-deps", str(ROOT)]
    subprocess.run([str(where / "pip"), *again], check=True, env=environment())
    return str(where / "python")


def print_table(rows: Sequence[Row]) -> None:
    """Print the rows in columns, each with whether its bar was met."""
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]  # type: ignore[arg-type]
    for row in rows:
        mark = {True: "met", False: "NOT MET", None: ""}[row.met]
        cells = (f"{cell:{width}}" for cell, width in zip(row[:3], widths, strict=True))
        print("  ".join([*cells, mark]).rstrip())  # noqa: T201 - the scripts' own output
