"""Many threads that inspect at once, in processes that have just begun."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_threads"


def test_no_process_crashes() -> None:
    """A sample: before all decoders were made under one lock, 30 of 60 crashed."""
    command = [sys.executable, str(SCRIPT), "--processes", "6"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout.splitlines() == ["one look-up: 6 well", "with a cache: 6 well"]
    assert done.returncode == 0
