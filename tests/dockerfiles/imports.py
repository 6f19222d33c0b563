"""Run by the Python of a container: prints the modules that can be imported, one a line.

These are the top-level ones of every directory on ``sys.path`` but the standard library's own
Python modules, of which only those are tried that are compiled: they need shared libraries. A child
imports one after the other; where a module ends it, another child goes on behind that module. What
fails among the others is tried again alone: setuptools does where distutils is there before it.
"""

import contextlib
import importlib
import os
import pkgutil
import signal
import sys

SECONDS = 30


def main() -> None:
    """Try all of them."""
    standard = set(sys.stdlib_module_names)
    names = set()
    for module in pkgutil.iter_modules(path for path in sys.path if path):
        folder = os.path.basename(getattr(module.module_finder, "path", ""))
        if module.name not in standard or folder == "lib-dynload":
            names.add(module.name)
    left = sorted(names - {"__main__", "antigravity"})
    failed: list[str] = []
    while left:
        left = left[try_all(left, failed) :]
    for name in failed:
        try_all([name], [])


def try_all(names: list[str], failed: list[str]) -> int:
    """Import modules in a child; how many it was done with, that which ended it included."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        in_child(names, writer)
    os.close(writer)
    with os.fdopen(reader) as stream:
        lines = stream.read().splitlines()
    os.waitpid(child, 0)
    for line in lines:
        if line.startswith("+"):
            print(line[1:])  # noqa: T201 - this is what it is for
        else:
            failed.append(line[1:])
    return len(lines) if len(lines) == len(names) else len(lines) + 1


def in_child(names: list[str], writer: int) -> None:
    """Write a line for each module: its name, with a sign that says whether it works."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    with contextlib.suppress(BaseException):  # a module may raise anything
        for name in names:
            sign = "-"
            signal.alarm(SECONDS)
            with contextlib.suppress(Exception):
                importlib.import_module(name)
                sign = "+"
            os.write(writer, f"{sign}{name}\n".encode())
    os._exit(0)


main()
