"""What a container starts, and which Python that is: read off the image, never run.

The command is followed as execve(2) and a shell would follow it, as the image's user, in its
working directory, with its PATH (docs/startup.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from pyimginspect.inventory.facts import Environment, Interpreter, Startup
from pyimginspect.inventory.interpreters.executables import python_name
from pyimginspect.inventory.pyvenv import home_programs, pyvenv_directories
from pyimginspect.inventory.startup.fixes import adds_account
from pyimginspect.inventory.startup.paths import problem, walk
from pyimginspect.inventory.startup.records import (
    CannotStartError,
    Context,
    NotKnownError,
    Process,
    Result,
)
from pyimginspect.inventory.startup.route import Route
from pyimginspect.inventory.startup.users import NoSuchUserError, User, find_user
from pyimginspect.model import DEFAULT_PATH, Image, ImageConfig
from pyimginspect.rootfs import RootFS

__all__ = [
    "context_of",
    "effective_interpreters",
    "find_startup",
    "process_of",
    "python_programs",
]


def python_programs(rootfs: RootFS, interpreters: Iterable[Interpreter]) -> dict[str, str]:
    """Return, for everything that starts an interpreter, the path of its executable."""
    names: dict[str, str] = {}
    for interpreter in interpreters:
        for path in (interpreter.path, *interpreter.aliases):
            names[path] = interpreter.path
    installed = dict(names)
    for directory, pyvenv in pyvenv_directories(rootfs):
        for program in rootfs.children(f"{directory}/bin"):
            name = program.rpartition("/")[2]
            # A copy is no interpreter: its base is where ``home`` says.
            for path in (program, *home_programs(pyvenv, name)):
                real = rootfs.resolve(path)
                if real in installed:
                    names[program] = installed[real]
                    break
    return names


def find_startup(
    image: Image,
    rootfs: RootFS,
    interpreters: tuple[Interpreter, ...],
    environments: tuple[Environment, ...],
) -> Startup:
    """Follow ENTRYPOINT and CMD to the program that a container runs."""
    config = image.config
    command = (*config.entrypoint, *config.cmd)
    known = Startup(command=command, user=config.user, working_dir=config.working_dir or "/")
    if config.platform.os == "windows":
        status = "unknown" if command else "none"
        reason = "commands of Windows are not followed"
        return msgspec.structs.replace(known, status=status, reason=reason)
    context = context_of(image, rootfs, interpreters, environments)
    if not command:
        return _without_command(context, known, "the image has no ENTRYPOINT and no CMD")
    how = "ENTRYPOINT" if config.entrypoint else "CMD"
    route = Route(context)
    try:
        process = process_of(context)
        result = route.start(command, process, how, runtime=True)
    except CannotStartError as error:
        return _failing(known, how, error, route)
    except NotKnownError as error:
        return msgspec.structs.replace(
            known, status="unknown", reason=str(error), steps=tuple(route.steps)
        )
    if result.interactive:
        return _without_command(context, known, f"{how} starts a shell", result)
    return msgspec.structs.replace(
        known,
        status="starts",
        program=result.program,
        python=result.python,
        reason=_reason(how, result),
        steps=result.steps,
    )


def context_of(
    image: Image,
    rootfs: RootFS,
    interpreters: tuple[Interpreter, ...],
    environments: tuple[Environment, ...],
) -> Context:
    """Return what does not change on the way from a command to a program."""
    pythons = python_programs(rootfs, interpreters)
    return Context(
        rootfs=rootfs,
        config=image.config,
        pythons=pythons,
        sites=_sites(rootfs, pythons, interpreters, environments),
        # A bare file system (docker export) has no configuration that names its platform.
        architecture_known=image.source != "rootfs",
        complete=not any(layer.absent for layer in rootfs.layers),
    )


def _failing(known: Startup, how: str, error: CannotStartError, route: Route) -> Startup:
    """Return what is known of a command that fails; ``error`` has the Python, if that is what."""
    found, reached = error.problem, error.result
    name, *arguments = known.command
    # The shell form is stored as ["/bin/sh", "-c", TEXT], or with what SHELL names.
    shell = name.rpartition("/")[2].endswith("sh") and arguments[:1] == ["-c"]
    if shell and (found.errno, found.subject) == ("ENOENT", name):
        fix = f'write {how} in exec form, {how} ["PROGRAM", "ARGUMENT"]: there is no shell'
        found = msgspec.structs.replace(found, fix=fix)
    failing = msgspec.structs.replace(
        known,
        status="cannot-start",
        reason=found.what,
        problem=found,
        steps=tuple(route.steps),
    )
    if reached is None:
        return failing
    return msgspec.structs.replace(
        failing, program=reached.program, python=reached.python, reason=_reason(how, reached)
    )


def _reason(how: str, result: Result) -> str:
    reason = f"{how} starts {result.word}"
    if result.named:
        reason += f", a script for {result.named}"
    if not reason.endswith(f"/{result.program}"):
        reason += f": /{result.program}"
    by = next((step.how for step in result.steps[::-1] if step.how.startswith("/")), "")
    return f"{reason}, by {by}" if by and not result.named else reason


def _without_command(
    context: Context, known: Startup, why: str, result: Result | None = None
) -> Startup:
    """Return what ``python3`` means in an image that starts nothing, or a shell for people."""
    found = first_on_path(context.rootfs, context.config, context.pythons.__contains__)
    program = result.program if result is not None else ""
    reason = why
    if found is not None:
        reason = (
            f"{found[1]}: /{found[0]}" if found[1] else f"the first Python on PATH, /{found[0]}"
        )
    return msgspec.structs.replace(
        known,
        status="starts" if result is not None else "none",
        program=program,
        reason=reason,
        steps=result.steps if result is not None else (),
        shell=result is not None,
        on_path=found[0] if found is not None else "",
    )


def first_on_path(
    rootfs: RootFS, config: ImageConfig, is_python: Callable[[str], bool]
) -> tuple[str, str] | None:
    """Return the Python that the shell of such an image finds first, and by what name."""
    directories = [
        part.strip("/")
        for part in config.environment().get("PATH", DEFAULT_PATH).split(":")
        if part
    ]
    # python3 first: PEP 394 lets python be any version.
    for name in ("python3", "python"):
        for directory in directories:
            path = _file(rootfs, f"{directory}/{name}" if directory else name)
            if path is not None:
                if is_python(path):
                    return path, f"the first {name} on PATH"
                # Another file by that name hides all that follow.
                break
    for directory in directories:
        for path in rootfs.children(directory):
            if python_name(path) is not None and is_python(path):
                return path, ""
    return None


def _file(rootfs: RootFS, path: str) -> str | None:
    """Return the path itself, its directory resolved, if a file is there."""
    directory, _, name = path.rpartition("/")
    parent = rootfs.resolve(directory)
    real = rootfs.resolve(path)
    if parent is None or not real or rootfs[real].kind != "file":
        return None
    return f"{parent}/{name}" if parent else name


def process_of(context: Context) -> Process:
    """Return the process that a runtime makes of an image's configuration.

    Raises :class:`CannotStartError`, or :class:`NotKnownError` where the user is not known.
    """
    config, rootfs = context.config, context.rootfs
    try:
        user = find_user(rootfs, config.user)
    except NoSuchUserError as error:
        if not context.complete:
            raise NotKnownError(f"whether there is a user {error} is not known") from error
        what = f"USER {config.user} names {error}, which /{error.file} does not have"
        fix = adds_account(context, str(error), error.file)
        fix += " before USER, or name it by its number"
        raise problem("", "USER", what, error.file, fix) from error
    settled = user is not None
    directory = config.working_dir or "/"
    if not directory.startswith("/"):
        directory = f"/{directory}"
    _check_directory(context, directory)
    variables = dict(config.environment())
    # Runtimes add PATH and HOME where the image sets none.
    variables.setdefault("PATH", DEFAULT_PATH)
    if user is not None and user.home:
        variables.setdefault("HOME", user.home)
    return Process(
        user=user or User(),
        directory=directory,
        variables=variables,
        path=variables["PATH"],
        settled=settled,
    )


def _check_directory(context: Context, directory: str) -> None:
    """Refuse a working directory that is a file; one that is missing is made by the runtime."""
    try:
        real = walk(context, directory, User())
    except (CannotStartError, NotKnownError):
        return
    if real and context.rootfs[real].kind != "directory":
        what = f"WORKDIR {directory} is a {context.rootfs[real].kind}, no directory"
        raise problem("ENOTDIR", "WORKDIR", what, real, "name a directory as WORKDIR")


def _sites(
    rootfs: RootFS,
    pythons: Mapping[str, str],
    interpreters: tuple[Interpreter, ...],
    environments: tuple[Environment, ...],
) -> dict[str, tuple[str, ...]]:
    """Return the directories that each Python imports from, its standard library first."""
    by_path = {each.path: each for each in interpreters}
    own = {f"{each.path}/": each for each in environments}
    sites: dict[str, tuple[str, ...]] = {}
    for program, path in pythons.items():
        interpreter = by_path[path]
        if not interpreter.stdlib:
            continue
        environment = own.get(program.rsplit("/", 2)[0] + "/")
        directories = environment.site_packages if environment else interpreter.site_packages
        sites[program] = (interpreter.stdlib, *directories)
    return sites


def effective_interpreters(
    rootfs: RootFS, interpreters: tuple[Interpreter, ...], startup: Startup
) -> tuple[Interpreter, ...]:
    """Return the interpreters with the one marked that a container starts, if it is known.

    Where only a shell is started, or nothing, it is the one that PATH leads to.
    """
    chosen = startup.python
    if startup.on_path:
        chosen = python_programs(rootfs, interpreters)[startup.on_path]
    return tuple(
        msgspec.structs.replace(each, effective=True, effective_reason=startup.reason)
        if chosen and each.path == chosen
        else each
        for each in interpreters
    )
