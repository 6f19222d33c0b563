"""What a walk from an image's command to a program passes on from step to step."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from pyimginspect.inventory.facts import StartProblem, StartStep
from pyimginspect.inventory.startup.users import User
from pyimginspect.model import DEFAULT_PATH, ImageConfig
from pyimginspect.rootfs import RootFS

__all__ = ["CannotStartError", "Context", "NotKnownError", "Process", "Program", "Word"]

Word = str | None
"""A word of a command; ``None`` for one, or several, that only a running container knows."""


class CannotStartError(Exception):
    """A program that certainly cannot be started, or that ends at once.

    ``result`` is what starts, and fails, where a Python is given what is not there.
    """

    def __init__(self, problem: StartProblem, result: Result | None = None) -> None:
        super().__init__(problem.what)
        self.problem = problem
        self.result = result


class NotKnownError(Exception):
    """What happens is only known to a running container; the message says why."""


class Process(Struct, frozen=True, kw_only=True):
    """What a process has that a program it executes inherits.

    ``directory`` is its working directory, as an absolute path, ``None`` where it is not known.
    ``variables`` are those whose value is known. ``path`` is ``PATH``, ``None`` where unknown.
    ``forgotten`` are variables that may have any value, or none: ``*`` is all of the others.
    ``settled`` is false once something ran that may have changed files, user or environment in
    ways that cannot be read off: then nothing that is missing is certainly missing.
    """

    user: User
    directory: str | None = "/"
    variables: Mapping[str, str] = {}
    forgotten: frozenset[str] = frozenset()
    path: str | None = DEFAULT_PATH
    settled: bool


class Program(Struct, frozen=True, kw_only=True):
    """What the kernel ends up executing.

    ``path`` is the file as it was found, links in its directory resolved, ``arguments`` its
    arguments, its own name first. ``scripts`` are the scripts on the way, by path,
    ``interpreters`` what their first lines name, and ``given`` the arguments of the first.
    """

    path: str
    real: str
    arguments: tuple[Word, ...]
    given: tuple[Word, ...]
    scripts: tuple[str, ...]
    interpreters: tuple[str, ...]

    def applet(self) -> tuple[str, tuple[Word, ...]]:
        """Return the last part of the name and the arguments: ``busybox sh -c …`` is ``sh``."""
        name, arguments = self.path.rpartition("/")[2], self.arguments[1:]
        # busybox is what its own name says, or the first argument where that is busybox.
        if name == "busybox" and arguments and arguments[0] is not None:
            return arguments[0], arguments[1:]
        return name, arguments


class Context(Struct, frozen=True, kw_only=True):
    """What the walk looks things up in.

    ``pythons`` maps every path that starts an interpreter, through links and environments, to
    that interpreter's own path; ``sites`` has, for the same paths, the directories that it
    imports from, standard library first.
    """

    rootfs: RootFS
    config: ImageConfig
    pythons: Mapping[str, str]
    sites: Mapping[str, tuple[str, ...]] = {}
    architecture_known: bool
    complete: bool
    """Whether the files of every layer are known: base layers of an archive may be absent."""

    def python(self, path: str) -> str | None:
        """Return the interpreter that the program at ``path`` is or leads to."""
        found = self.pythons.get(path)
        return found if found is not None else self.pythons.get(self.rootfs.resolve(path) or "")

    def in_volume(self, path: str) -> bool:
        """Whether what an absolute path names may be in a volume, which no layer holds."""
        return any(f"{path}/".startswith(f"{each.rstrip('/')}/") for each in self.config.volumes)


class Result(Struct, frozen=True, kw_only=True):
    """Where a walk ended: a program, the Python that it is, and how it was reached.

    ``word`` is how the last command spelled it, ``named`` what the last script's first line says.
    """

    program: str
    python: str = ""
    word: str = ""
    named: str = ""
    steps: tuple[StartStep, ...] = ()
    interactive: bool = False
