"""Programs as execve(2) of Linux executes them: permission, format, first lines, loaders.

Sources: execve(2); ``fs/exec.c``, ``fs/binfmt_script.c`` and ``fs/binfmt_elf.c`` of Linux 5.1 and
newer (which refuses a first line whose program does not end within 255 bytes).
"""

from __future__ import annotations

import msgspec

from pyimginspect.inventory.startup.fixes import (
    instead_of,
    line_endings,
    missing_file,
    other_interpreter,
)
from pyimginspect.inventory.startup.paths import absolute, problem, walk
from pyimginspect.inventory.startup.records import (
    CannotStartError,
    Context,
    NotKnownError,
    Process,
    Program,
    Word,
)
from pyimginspect.inventory.startup.users import may_execute
from pyimginspect.model import DEFAULT_PATH, ElfFile

__all__ = ["execute", "find_program"]

_BUFFER = 255  # bytes of a first line: BINPRM_BUF_SIZE without the NUL
_DEEPEST = 5  # scripts that lead to scripts: exec_binprm()
# By the names of Go (GOARCH), which configurations of images have.
_MACHINES = {
    "amd64": {"x86_64", "i386"},
    "386": {"i386", "x86_64"},
    "arm64": {"aarch64", "arm"},
    "arm": {"arm", "aarch64"},
    "ppc64le": {"ppc64le"},
    "riscv64": {"riscv64"},
    "s390x": {"s390x"},
}
"""What runs on a platform, or may do so: a 64-bit kernel runs 32-bit programs."""


def find_program(context: Context, process: Process, word: str, *, runtime: bool) -> list[str]:
    """Return the paths that execvp(3) would try for a program's name, the first that fits first.

    A container's ``runtime`` takes the first that may be executed. Raises :class:`CannotStartError`
    where there is none.
    """
    if not word:
        raise problem("ENOENT", '""', "the name of the program is empty")
    if "/" in word:
        return [absolute(word, process.directory)]
    if process.path is None:
        raise NotKnownError(f"PATH, in which {word} is looked up, is not known")
    found: list[str] = []
    refused: CannotStartError | None = None
    for directory in dict.fromkeys(process.path.split(":")):
        # An empty element of PATH is the working directory: POSIX, "Environment Variables".
        path = absolute(f"{directory or '.'}/{word}", process.directory)
        try:
            fits = _may_run(context, process, word, path)
        except CannotStartError as error:
            # execvp(3) goes on, and reports EACCES if it finds nothing else.
            if error.problem.errno == "EACCES":
                refused = refused or error
            continue
        if fits:
            found.append(path)
            if runtime:
                break
    if not found:
        raise refused or problem(
            "ENOENT",
            word,
            f"no directory of PATH has a program {word}{_path_set(context, process)}",
            fix=instead_of(context, word),
        )
    return found


def _may_run(context: Context, process: Process, word: str, path: str) -> bool:
    """Whether ``path`` is a file; one that may not be executed is refused, as EACCES."""
    real = walk(context, path, process.user, word)
    if not real or context.rootfs[real].kind != "file":
        return False
    if not may_execute(context.rootfs, real, process.user):
        raise _not_executable(context, process, word, path, real)
    return True


def _path_set(context: Context, process: Process) -> str:
    """Return PATH where it is another than the image's."""
    own = context.config.environment().get("PATH", DEFAULT_PATH)
    return "" if process.path == own else f" (PATH={process.path})"


def execute(
    context: Context,
    process: Process,
    path: str,
    arguments: tuple[Word, ...],
    *,
    subject: str,
    text_runs: bool,
) -> Program:
    """Return the program that executing ``path`` leads to, first lines of scripts followed.

    ``text_runs`` is for callers that give a file without a format to ``/bin/sh``: shells, and
    execvp(3) of glibc. Raises :class:`CannotStartError` and :class:`NotKnownError`.
    """
    rootfs, behind = context.rootfs, arguments[1:]
    scripts: list[str] = []
    interpreters: list[str] = []
    while True:
        real = _openable(context, process, path, subject, scripts, interpreters)
        elf = rootfs.elf.get(real)
        if elf is not None:
            _check_elf(context, process, real, elf, subject)
            return Program(
                path=_spelled(context, path),
                real=real,
                arguments=arguments,
                given=behind,
                scripts=tuple(scripts),
                interpreters=tuple(interpreters),
            )
        line = rootfs.scripts.get(real)
        if line is None:
            what = f"/{real} is neither an ELF file nor a script that begins with #!"
            fix = f"begin /{real} with a line such as #!/bin/sh, or give it to its program:"
            error = problem("ENOEXEC", subject, what, real, f'{fix} ["sh", "/{real}"]')
            raise _no_format(error, [*scripts, real], text_runs)
        if len(scripts) >= _DEEPEST:
            what = f"/{scripts[0]} is a script for a script, more than {_DEEPEST} deep"
            raise problem("ELOOP", subject, what, scripts[0])
        try:
            name, option = _first_line(line, real, subject)
        except CannotStartError as error:
            raise _no_format(error, [*scripts, real], text_runs) from error
        scripts.append(real)
        interpreters.append(name)
        # load_script(): the script's own name, its first argument, makes way for the path by which
        # it was executed.
        given: list[Word] = [name, *([option] if option else []), path, *arguments[1:]]
        path, arguments = absolute(name, process.directory), tuple(given)


def _no_format(error: CannotStartError, scripts: list[str], text_runs: bool) -> Exception:
    """Return what is raised where the kernel says ENOEXEC: some then let a shell read the file."""
    if not text_runs:
        return error
    return NotKnownError(f"the kernel does not execute /{scripts[0]}, so that a shell reads it")


def _spelled(context: Context, path: str) -> str:
    """Return the path with the links of its directory resolved, and not the last one."""
    directory, _, name = path.rpartition("/")
    parent = context.rootfs.resolve(directory)
    return f"{parent}/{name}" if parent else name


def _openable(
    context: Context,
    process: Process,
    path: str,
    subject: str,
    scripts: list[str],
    interpreters: list[str],
) -> str:
    """Return the real path of a file that may be executed."""
    try:
        real = walk(context, path, process.user, subject)
    except CannotStartError as error:
        if not scripts and (error.problem.errno != "ENOENT" or error.problem.fix):
            raise
        if not scripts:
            fix = missing_file(context, path)
            raise CannotStartError(msgspec.structs.replace(error.problem, fix=fix)) from error
        raise _no_interpreter(context, error, interpreters[-1], subject, scripts[-1]) from error
    kind = context.rootfs[real].kind if real else "directory"
    if kind != "file":
        what = f"/{real} is a {kind}, no program"
        raise problem("EACCES", subject, what, real, "name the program itself")
    if not may_execute(context.rootfs, real, process.user):
        raise _not_executable(context, process, subject, path, real)
    return real


def _no_interpreter(
    context: Context, error: CannotStartError, path: str, subject: str, script: str
) -> CannotStartError:
    inner = error.problem
    if path.endswith("\r"):
        what = (
            f"the first line of /{script} ends in a carriage return, so that it names"
            f" {path.rstrip()}\\r, which is no program"
        )
        return problem(inner.errno, subject, what, script, line_endings(script))
    what = f"the first line of /{script} names {path}: {inner.what}"
    fix = inner.fix or other_interpreter(context, path, script)
    return problem(inner.errno, subject, what, script, fix)


def _not_executable(
    context: Context, process: Process, subject: str, path: str, real: str
) -> CannotStartError:
    entry = context.rootfs[real].content.entry
    mode = f"mode {entry.mode:04o}, owner {entry.uid}:{entry.gid}"
    if entry.mode & 0o111:
        what = f"user {process.user} may not execute /{real} ({mode})"
    else:
        what = f"/{real} may not be executed ({mode})"
    fix = f"copy it with COPY --chmod=755, or RUN chmod a+x /{real} in the step that brings it"
    return problem("EACCES", subject, what, real, fix)


def _first_line(line: str, script: str, subject: str) -> tuple[str, str]:
    """Return program and option of a ``#!`` line, as ``load_script()`` cuts it."""
    raw = line.partition("\n")[0].encode("utf-8", "surrogateescape")
    cut = len(raw) > _BUFFER
    text = raw[2:_BUFFER].lstrip(b" \t")
    name, space, option = _split(text)
    if cut and not (name and space):
        what = f"the program in the first line of /{script} does not end within {_BUFFER} bytes"
        fix = "make the environment at a shorter path, or start its Python with the script"
        raise problem("ENOEXEC", subject, what, script, fix)
    if not name:
        what = f"the first line of /{script} names no program"
        raise problem("ENOEXEC", subject, what, script, "name one, such as #!/bin/sh")
    return name.decode("utf-8", "surrogateescape"), option.decode("utf-8", "surrogateescape")


def _split(text: bytes) -> tuple[bytes, bytes, bytes]:
    # What follows the name is one argument, blanks in it included; a NUL ends the line, as of any
    # string of C.
    text = text.rstrip(b" \t").partition(b"\0")[0]
    for number, byte in enumerate(text):
        if byte in b" \t":
            return text[:number], b" ", text[number:].strip(b" \t")
    return text, b"", b""


def _check_elf(context: Context, process: Process, real: str, elf: ElfFile, subject: str) -> None:
    """Refuse another processor's program, and one whose loader is not there."""
    if elf.error:
        raise NotKnownError(f"/{real} could not be read: {elf.error}")
    platform = context.config.platform
    fitting = _MACHINES.get(platform.architecture)
    if context.architecture_known and fitting is not None and elf.machine not in fitting:
        what = f"/{real} is a program for {elf.machine}, and the image is for {platform}"
        fix = f"copy the build for {platform}, or build with --platform of the stage it comes from"
        raise problem("ENOEXEC", subject, what, real, fix)
    if elf.kind not in ("executable", "shared"):
        what = f"/{real} is an ELF file, but no program"
        raise problem("ENOEXEC", subject, what, real)
    # Statically linked: the kernel starts it without a loader.
    if not elf.interpreter:
        return
    loader = absolute(elf.interpreter, process.directory)
    try:
        found = walk(context, loader, process.user, subject)
    except CannotStartError as error:
        raise _no_loader(context, error, elf, real, subject) from error
    kind = context.rootfs[found].kind if found else "directory"
    if kind != "file" or not may_execute(context.rootfs, found, process.user):
        what = f"/{real} requires the loader {elf.interpreter}, which may not be executed"
        raise problem("EACCES", subject, what, real)
    # load_elf_binary() returns ELIBBAD for a loader that is no ELF file.
    other = context.rootfs.elf.get(found)
    if other is None:
        what = f"/{real} requires the loader {elf.interpreter}, which is not an ELF file"
        raise problem("ELIBBAD", subject, what, real)


def _no_loader(
    context: Context, error: CannotStartError, elf: ElfFile, real: str, subject: str
) -> CannotStartError:
    musl = "ld-musl" in elf.interpreter
    made_for = "musl (Alpine)" if musl else "glibc"
    other = "glibc" if musl else "musl"
    there = "which is in no layer of the image"
    if error.problem.errno != "ENOENT":
        there = f"and {error.problem.what}"
    what = f"/{real} requires the loader {elf.interpreter} of {made_for}, {there}"
    fix = f"take a build of it for {other}, or begin with a base image that has {made_for}"
    if elf.interpreter.startswith("/nix/"):
        fix = "copy the closure of the program from the Nix store as well"
    return problem(error.problem.errno, subject, what, real, fix)
