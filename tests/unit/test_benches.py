"""The scripts that measure, as far as they can be tried in a moment."""

from __future__ import annotations

import runpy
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.mark.parametrize("name", ["bench_check", "bench_limits", "bench_sources"])
def test_functions_of_a_script_run_in_other_processes(name: str) -> None:
    program = runpy.run_path(str(SCRIPTS / "bench"))["program"](name)
    with ProcessPoolExecutor(1) as aside:
        assert aside.submit(len, program.__doc__).result() == len(program.__doc__)
        assert aside.submit(callable, program.main).result()
