"""An interrupted command stops at once, says so by its status, and stops the loop around it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


def take_interrupts() -> None:
    """What a shell starts in the background ignores them, and so do all that it starts itself."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def waiting(tmp_path: Path) -> subprocess.Popen[str]:
    """The command, waiting for an image on a pipe that nothing is written to."""
    pipe = tmp_path / "image"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-m", "pyimginspect", str(pipe), "--no-cache"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=take_interrupts,
    )
    writer = os.open(pipe, os.O_WRONLY)  # returns once the command has opened it to read
    time.sleep(0.3)
    os.set_inheritable(writer, False)
    return process


def test_an_interrupt_ends_it_as_a_signal_does(tmp_path: Path) -> None:
    process = waiting(tmp_path)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT  # which a shell calls 130
    assert (out, err) == ("", "pyimginspect: interrupted\n")


def test_a_loop_around_it_stops_too(tmp_path: Path) -> None:
    pipe = tmp_path / "image"
    os.mkfifo(pipe)
    command = f"{sys.executable} -m pyimginspect {pipe} --no-cache"
    script = f"for n in 1 2 3; do echo $n; {command}; done"
    shell = subprocess.Popen(
        ["bash", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=take_interrupts,
        start_new_session=True,
    )
    os.open(pipe, os.O_WRONLY)
    time.sleep(0.3)
    os.killpg(shell.pid, signal.SIGINT)  # as a terminal does
    out, _ = shell.communicate(timeout=20)
    assert out == "1\n"


def test_termination_is_the_system_s_own(tmp_path: Path) -> None:
    process = waiting(tmp_path)
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM  # which a shell calls 143
