"""Run by the Python of a container: prints the modules that can be imported, one a line.

These are the top-level ones of every directory on ``sys.path`` but the standard library's own
Python modules, of which only those are tried that are compiled: they need shared libraries. Each
is imported by a process of its own, since some end theirs.
"""

import contextlib
import importlib
import os
import pkgutil
import signal
import sys

SECONDS = 20


def main() -> None:
    """Try all of them."""
    standard = set(sys.stdlib_module_names)
    names = set()
    for module in pkgutil.iter_modules(path for path in sys.path if path):
        folder = os.path.basename(getattr(module.module_finder, "path", ""))
        if module.name not in standard or folder == "lib-dynload":
            names.add(module.name)
    for name in sorted(names - {"__main__"}):
        if works(name):
            print(name, flush=True)  # noqa: T201 - this is what it is for


def works(name: str) -> bool:
    """Whether the module can be imported."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    status = 1
    with contextlib.suppress(BaseException):  # a module may raise anything
        signal.alarm(SECONDS)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        importlib.import_module(name)
        status = 0
    os._exit(status)


main()
