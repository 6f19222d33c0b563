"""What a command line gives Python to run: a script, a module, or a text (``python --help``)."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from pyimginspect.inventory.startup.paths import absolute, problem, walk
from pyimginspect.inventory.startup.records import (
    CannotStartError,
    Context,
    NotKnownError,
    Process,
    Word,
)
from pyimginspect.inventory.startup.users import may_read

__all__ = ["check_arguments", "likely"]

_CLUSTER = re.compile(r"-([^cVh?mWX]*)(.?)(.*)", re.DOTALL)
"""An argument of several options of one letter, up to one that ends it or has a value."""
_VALUES = frozenset("mWX")
_LONG_VALUES = ("--check-hash-based-pycs",)  # the only one with a value: Python/getopt.c
_NOT_USUAL = frozenset("IEsSP")
"""Options that change where modules are looked up."""
_ENDING = frozenset("cVh?")
"""A text to run, the version, help: no file is run."""
_SUFFIXES = (".py", ".pyc", ".so")


def check_arguments(
    context: Context, process: Process, program: str, arguments: tuple[Word, ...]
) -> None:
    """Raise :class:`CannotStartError` where the script or module that is to run is not there."""
    target = _target(list(arguments[1:]))
    if target.script is not None:
        _check_script(context, process, arguments[0] or program, target.script)
    elif target.module is not None:
        _check_module(context, process, program, target.module)


class _Target(Struct, frozen=True, kw_only=True):
    """What is to run, where that is a file that can be looked for: a script, or a module."""

    script: str | None = None
    module: str | None = None


def _target(words: list[Word]) -> _Target:
    """Return what the arguments behind the interpreter's name lead to (CPython's ``getopt.c``)."""
    usual = True
    while words:
        word = words.pop(0)
        if word is None or word == "-":  # only known at run time, or standard input
            break
        if word.startswith("--"):
            if word in _LONG_VALUES:
                del words[:1]
            continue
        cluster = _CLUSTER.fullmatch(word)
        if cluster is None:
            return _Target(script=word)
        flags, last, rest = cluster.groups()
        usual = usual and _NOT_USUAL.isdisjoint(flags)
        if last in _ENDING:
            break
        value = rest or (words.pop(0) if words and last in _VALUES else None)
        if last == "m":
            return _Target(module=value if usual else None)
    return _Target()


def _check_script(context: Context, process: Process, name: str, word: str) -> None:
    path = absolute(word, process.directory)
    try:
        real = walk(context, path, process.user, word)
    except CannotStartError as error:
        inner = error.problem
        what = f"{name} is given {word} to run, and {inner.what}"
        directory = path.rpartition("/")[0]
        fix = f"copy it into the image, or name the file that is there in place of {word}"
        found = problem(inner.errno, word, what, path, inner.fix or fix)
        raise likely(context, found, directory) from error
    if not real:
        return
    rootfs = context.rootfs
    if rootfs[real].kind == "directory":
        if f"{real}/__main__.py" not in rootfs and f"{real}/__main__.pyc" not in rootfs:
            what = f"{name} is given the directory {word} to run, which has no __main__.py"
            raise problem("", word, what, real, f"name the file in /{real} that is to run")
    elif not may_read(rootfs, real, process.user):
        entry = rootfs[real].content.entry
        what = (
            f"user {process.user} may not read /{real}"
            f" (mode {entry.mode:04o}, owner {entry.uid}:{entry.gid})"
        )
        raise problem("EACCES", word, what, real, "copy it with COPY --chmod=644, or chown it")


def likely(context: Context, error: CannotStartError, directory: str) -> CannotStartError:
    """Mark what seems to be mounted: the directory holds nothing, or is not there."""
    real = context.rootfs.resolve(directory)
    if real == "" or (real and context.rootfs.children(real)):
        return error  # nothing is mounted at the root, or over what is there
    return CannotStartError(msgspec.structs.replace(error.problem, likely=True))


def _check_module(context: Context, process: Process, program: str, module: str) -> None:
    """Refuse a module whose package is certainly in no directory that Python imports from."""
    rootfs = context.rootfs
    sites = context.sites.get(program, context.sites.get(rootfs.resolve(program) or "", ()))
    name = module.partition(".")[0]
    if not sites or not name.isidentifier() or process.variables.get("PYTHONHOME"):
        return
    if process.directory is None:
        raise NotKnownError("the working directory, which Python imports from, is not known")
    own = rootfs.resolve(process.directory)
    # `-m` puts the working directory first on sys.path; lib-dynload has extension modules of the
    # standard library.
    places = [*sites, f"{sites[0]}/lib-dynload", *([own] if own is not None else [])]
    if name in _BUILT_IN or _may_have(context, [*places, *_python_path(context, process)], name):
        return
    if context.in_volume(process.directory):
        raise NotKnownError(f"module {name} may be in a volume")
    what = (
        f"no directory that /{program} imports from has a module {name}"
        f" (python -m {module} in {process.directory})"
    )
    fix = (
        f"install the package that provides {name} for /{program}, or copy it to"
        f" {process.directory}"
    )
    error = problem("", f"-m {name}", what, program, fix)
    if own == "" or (own is not None and _is_site(context, own)):
        raise error
    # A directory that is not there: one that may be mounted.
    raise likely(context, error, "/nowhere")


def _may_have(context: Context, places: Iterable[str | None], name: str) -> bool:
    """Whether one of the places has a module, or is not there, and may be mounted."""
    return any(place is None or _has_module(context, place, name) for place in places)


def _python_path(context: Context, process: Process) -> list[str | None]:
    """Return the real paths of what PYTHONPATH names; ``None`` for what is not there."""
    entries = process.variables.get("PYTHONPATH", "").split(":")
    return [context.rootfs.resolve(absolute(each, process.directory)) for each in entries if each]


# By these a directory adds others to sys.path, or is an archive of modules itself.
_ADDING = (".pth", ".egg", ".zip", ".egg-link")
_HARMLESS = frozenset({"distutils-precedence.pth", "_virtualenv.pth"})
"""Of setuptools and virtualenv: they change how distutils is imported."""
# Of sys.builtin_module_names, in every build: there is no file for them.
_BUILT_IN = frozenset(
    {"builtins", "sys", "time", "marshal", "itertools", "gc", "errno", "atexit", "posix", "signal"}
)


def _is_site(context: Context, directory: str) -> bool:
    """Whether a directory holds code already, so that none will be mounted over it."""
    return any(path.endswith(".py") for path in context.rootfs.children(directory))


def _has_module(context: Context, place: str, name: str) -> bool:
    """Whether ``place`` has the module, or something that may add modules when Python starts."""
    rootfs = context.rootfs
    if place in rootfs and rootfs[place].kind == "file":
        return True  # an archive: what is in it is not known
    found = f"{place}/{name}" if place else name
    package = rootfs.resolve(found)
    # Even without __init__.py, as a namespace package (PEP 420).
    if package is not None and rootfs[package].kind == "directory":
        return True
    if any(f"{found}{suffix}" in rootfs for suffix in _SUFFIXES):
        return True
    for path in rootfs.children(place):
        last = path.rpartition("/")[2]
        # The tag of the platform stands between: name.cpython-313-x86_64-linux-gnu.so.
        if last.startswith(f"{name}.") and last.endswith(".so"):
            return True
        if last.endswith(_ADDING) and last not in _HARMLESS:
            code = last.endswith(".pth")
            # site.py executes the lines of a .pth file that begin with "import".
            if not code or b"import" in rootfs.texts.get(path, b"import"):
                return True
    return False
