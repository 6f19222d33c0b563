"""The command as a process that need not load itself: 0.03 s of CPU instead of 0.2.

    subprocess.run([*command(), "--rules"], stdout=PIPE)

A server, which has loaded the package, forks for each that is started by a client: with the
client's files, arguments, environment and directory, and its status is the client's. For what the
command does with its files. What an interpreter does when it starts (encodings, seeds of hashes,
what is imported) and what a terminal does (signals, its size) needs `python -m pyimginspect`.
"""

import atexit
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

__all__ = ["command"]

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]


@cache
def command() -> tuple[str, ...]:
    """The words that begin the command, to be followed by its arguments."""
    if sys.platform != "linux":  # where forking is safe and processes have files to wait for
        return (sys.executable, "-m", "pyimginspect")
    place = tempfile.TemporaryDirectory(prefix="pyimginspect-command-")
    socket = str(Path(place.name, "socket"))
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.commands.server", socket],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"

    def end() -> None:
        server.communicate()
        place.cleanup()

    atexit.register(end)
    return (sys.executable, "-I", "-S", str(_HERE / "client.py"), socket)
