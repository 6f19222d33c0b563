"""From a command to the program that stays: wrappers, shells, scripts and what they lead to."""

from __future__ import annotations

from itertools import count

import msgspec

from pyimginspect.dockerfile.shell import SHELLS
from pyimginspect.inventory.facts import StartStep
from pyimginspect.inventory.interpreters.executables import python_name
from pyimginspect.inventory.startup.execve import execute, find_program
from pyimginspect.inventory.startup.fixes import line_endings
from pyimginspect.inventory.startup.paths import absolute, problem, walk
from pyimginspect.inventory.startup.python_arguments import (
    check_arguments,
    likely,
)
from pyimginspect.inventory.startup.records import (
    CannotStartError,
    Context,
    NotKnownError,
    Process,
    Program,
    Result,
    Word,
)
from pyimginspect.inventory.startup.shell import Call, Ends, read_shell
from pyimginspect.inventory.startup.shell_builtins import shell_options
from pyimginspect.inventory.startup.wrappers import is_wrapper, unwrap

__all__ = ["Route", "shown"]

# Real commands have few: tini, an entry script, gosu, the program.
_MOST_STEPS = 24
_MOST_TEXTS, _MOST_COMMANDS = 64, 500
"""Of all forks together: each text may lead to several, and each of those to several more."""
_MOST_SHOWN = 12


def shown(words: tuple[Word, ...]) -> tuple[str, ...]:
    """Return the words of a command for people: … for what is not known."""
    found = tuple(word if word is not None else "…" for word in words[:_MOST_SHOWN])
    return (*found, "…") if len(words) > _MOST_SHOWN else found


class Route:
    """One way from ENTRYPOINT and CMD; ``steps`` are what it has passed."""

    def __init__(self, context: Context, steps: list[StartStep] | None = None) -> None:
        self._context = context
        self.steps = steps if steps is not None else []
        self._deep = 0
        self._texts, self._commands = count(1), count(1)
        self._dialect = ""

    def start(
        self,
        words: tuple[Word, ...],
        process: Process,
        how: str,
        *,
        runtime: bool = False,
        text_runs: bool = False,
        origin: str = "",
    ) -> Result:
        """Follow a command to its end.

        ``runtime``: a container's runtime executes it, not a program within. ``origin`` is the
        script whose first line, or first command, this is. Raises
        :class:`CannotStartError` where it certainly fails, :class:`NotKnownError` where only a
        running container tells.
        """
        self._deep += 1
        if self._deep > _MOST_STEPS or next(self._commands) > _MOST_COMMANDS:
            raise NotKnownError("one program leads to the next without end")
        word = words[0]
        if word is None:
            raise NotKnownError(f"{how} runs a command that is only known at run time")
        step = StartStep(how=how, words=shown(words), user=str(process.user))
        # A script has Windows line ends: to a shell the carriage return is part of the last word.
        if word.endswith("\r"):
            script = how.partition(" of /")[2] or how.partition(",")[0].strip("/")
            what = f"{how} ends in a carriage return, so that it names {word.rstrip()}\\r"
            raise problem("ENOENT", word.rstrip(), what, script, line_endings(script))
        try:
            program = self._execute(word, words, process, runtime, text_runs)
        except CannotStartError as error:
            self.steps.append(step)
            if not process.settled:
                raise NotKnownError(
                    f"{how} runs {word}, which cannot start: {error.problem.what}"
                ) from error
            raise
        self._passed(step, program)
        return self._beyond(program, word, process, origin)

    def _passed(self, step: StartStep, program: Program) -> None:
        """Note the file that is executed, and what first lines of scripts execute in its place."""
        first, *others = (*program.scripts, program.path)
        self.steps.append(msgspec.structs.replace(step, program=first))
        for script, named, path in zip(program.scripts, program.interpreters, others, strict=True):
            how = f"the first line of /{script}"
            self.steps.append(StartStep(how=how, words=(named,), program=path, user=step.user))

    def _execute(
        self,
        word: str,
        words: tuple[Word, ...],
        process: Process,
        runtime: bool,
        text_runs: bool,
    ) -> Program:
        paths = find_program(self._context, process, word, runtime=runtime)
        first: CannotStartError | None = None
        for path in paths:
            try:
                return execute(
                    self._context, process, path, words, subject=word, text_runs=text_runs
                )
            except CannotStartError as error:
                # execvp(3) tries the next directory; a shell and a runtime have made their choice.
                first = first or error
        if first is None:
            raise NotKnownError(f"{word} is looked up in ways that are not followed")
        raise first

    def _beyond(self, program: Program, word: str, process: Process, origin: str) -> Result:
        """Follow what a program does with its arguments."""
        script = program.scripts[0] if program.scripts else ""
        outer = (script or program.path).rpartition("/")[2]
        # Some wrappers are scripts (xvfb-run): what they do is in the table, not read from them.
        if script and is_wrapper(outer):
            return self._wrapped(program, outer, program.given, process, word)
        python = self._context.python(program.path)
        if python is not None:
            return self._python(program, python, word, process, origin)
        name, arguments = program.applet()
        if name in SHELLS:
            return self._shell(program, name, arguments, process, word)
        if name in ("su", "runuser"):
            raise NotKnownError(f"{name} starts a shell of its own, whose environment is not known")
        if is_wrapper(name):
            return self._wrapped(program, name, arguments, process, word)
        self._leads_on(name, arguments, process)
        return Result(program=script or program.path, word=word, steps=tuple(self.steps))

    def _python(
        self, program: Program, python: str, word: str, process: Process, origin: str
    ) -> Result:
        """Return the Python that was reached, once it is known to find what it is to run."""
        named = program.interpreters[-1] if program.scripts else ""
        result = Result(
            program=program.path,
            python=python,
            word=origin or word,
            named=word if origin else named,
            steps=tuple(self.steps),
        )
        # A script's own path, which the kernel gives its interpreter, has been opened already.
        opened = bool(program.scripts)
        if process.settled and python_name(program.path) is not None and not opened:
            self._check_python(program, process, result)
        return result

    def _check_python(self, program: Program, process: Process, result: Result) -> None:
        try:
            check_arguments(self._context, process, program.path, program.arguments)
        except CannotStartError as error:
            error.result = result
            raise
        except NotKnownError:
            if process.directory is not None:
                raise  # else it starts, wherever that is

    def _leads_on(self, name: str, arguments: tuple[Word, ...], process: Process) -> None:
        """Refuse to say that no Python runs where an unknown program is given one to run."""
        for word in arguments[:_MOST_SHOWN]:
            base = (word or "").rpartition("/")[2]
            if base in ("python", "python3") or (
                word
                and f"/{word.lstrip('/')}" == word
                and (self._context.python(word.lstrip("/")) is not None)
            ):
                raise NotKnownError(f"what {name} does with {word} is not known")

    # --- programs that execute others ---
    def _wrapped(
        self,
        program: Program,
        name: str,
        arguments: tuple[Word, ...],
        process: Process,
        word: str,
    ) -> Result:
        behind = unwrap(self._context, process, name, arguments)
        if behind is None:
            return Result(program=program.path, word=word, steps=tuple(self.steps))
        leads = bool(program.scripts) and name == "env"
        how = f"the first line of /{program.scripts[0]}" if leads else name
        if behind.runner:
            return self._in_environment(behind.arguments, behind.process, process, name)
        return self.start(
            behind.arguments,
            behind.process,
            how,
            text_runs=behind.text_runs,
            origin=word if leads else "",
        )

    def _in_environment(
        self, words: tuple[Word, ...], inside: Process, process: Process, name: str
    ) -> Result:
        """Follow a command in a project's environment; where that is not ready, it is made."""
        try:
            return self.start(words, inside, name)
        except (CannotStartError, NotKnownError) as error:
            raise NotKnownError(f"{name} decides which Python runs {words[0]}") from error

    # --- shells ---
    def _shell(
        self,
        program: Program,
        name: str,
        arguments: tuple[Word, ...],
        process: Process,
        word: str,
    ) -> Result:
        words, letters = shell_options(name, arguments)
        self._dialect = program.real.rpartition("/")[2]
        # bash(1), "INVOCATION": not for interactive shells, which are those that ENV is for.
        if process.variables.get("BASH_ENV") and name == "bash":
            raise NotKnownError("BASH_ENV names a file that bash reads first")
        if not words:
            if program.scripts:
                raise NotKnownError(f"what {name} reads is not known")
            return Result(
                program=program.path, word=word, steps=tuple(self.steps), interactive=True
            )
        first = words.pop(0)
        if first is None:
            raise NotKnownError(f"the script of {name} is only known at run time")
        strict = "e" in letters
        if "c" in letters:
            # sh -c TEXT NAME ARGUMENT…: the word after the text is $0.
            zero = words.pop(0) if words else name
            return self._text(
                first.encode("utf-8", "surrogateescape"),
                f"{name} -c",
                zero or name,
                tuple(words),
                process,
                strict,
            )
        return self._script(first, name, tuple(words), process, strict)

    def _script(
        self, word: str, name: str, arguments: tuple[Word, ...], process: Process, strict: bool
    ) -> Result:
        """Follow a script that a shell is given by its path."""
        context = self._context
        path = absolute(word, process.directory)
        try:
            real = walk(context, path, process.user, word)
        except CannotStartError as error:
            if not process.settled:
                raise NotKnownError(f"{name} is given {word}: {error.problem.what}") from error
            inner = error.problem
            what = f"{name} is given {word} to run, and {inner.what}"
            fix = inner.fix or f"copy {word} into the image"
            found = problem(inner.errno, word, what, path, fix)
            raise likely(context, found, path.rpartition("/")[0]) from error
        text = context.rootfs.texts.get(real)
        origin = ""
        if second := context.rootfs.scripts.get(real, "").partition("\n")[2]:
            # Of pip and distlib: what comes after it is Python.
            text, origin = b"\n" + second.encode("utf-8", "surrogateescape"), word
        elif text is None and context.rootfs[real].kind == "file" and not context.rootfs[real].size:
            text = b""
        if text is None:
            raise NotKnownError(f"/{real} decides, and its text was not kept")
        if b"\r\n" in text:
            raise NotKnownError(f"/{real} decides, and has Windows line endings")
        try:
            return self._text(text, f"/{real}", word, arguments, process, strict, origin)
        except NotKnownError as error:
            text_of = str(error)
            if text_of.startswith(f"/{real}"):
                raise
            raise NotKnownError(f"/{real} decides: {text_of}") from error

    def _text(
        self,
        text: bytes,
        how: str,
        zero: str,
        arguments: tuple[Word, ...],
        process: Process,
        strict: bool,
        origin: str = "",
    ) -> Result:
        """Follow a shell's text."""

        def check(call: Call) -> None:
            tried = self._fork()
            try:
                tried.start(call.words, call.process, how, text_runs=True)
            except NotKnownError:
                return
            except CannotStartError:
                self.steps = tried.steps
                raise

        if next(self._texts) > _MOST_TEXTS:
            raise NotKnownError("too many scripts lead to one another")
        # On the first line, so that all lines keep their numbers.
        if strict:
            text = b"set -e; " + text
        ends = read_shell(self._context, process, text, zero, arguments, check, self._dialect)
        return self._ended(ends, how, origin)

    def _fork(self) -> Route:
        other = Route(self._context, list(self.steps))
        other._deep, other._texts, other._commands = self._deep, self._texts, self._commands
        return other

    def _ended(self, ends: Ends, how: str, origin: str) -> Result:
        """Return where all ways through a text lead, if it is one place."""
        if not ends.calls and not ends.background:
            raise NotKnownError(f"{how} runs no program that stays")
        results = [self._result_of(call, ends, how, origin) for call in ends.calls]
        if len({(result.python, result.python or result.program) for result in results}) > 1:
            lines = ", ".join(str(call.line) for call in ends.calls[:4])
            raise NotKnownError(f"it may run one of several commands (lines {lines})")
        if results and (results[0].python or not ends.background):
            return results[0]
        return self._beside(ends, how, results)

    def _result_of(self, call: Call, ends: Ends, how: str, origin: str) -> Result:
        """Follow one of the commands that may end a text."""
        where = how if how.endswith(" -c") else f"{how}, line {call.line}"
        walk_on = self._fork()
        try:
            return walk_on.start(call.words, call.process, where, text_runs=True, origin=origin)
        except CannotStartError as error:
            certain = len(ends.calls) == 1 and not ends.others
            if certain and call.replaces:
                self.steps = walk_on.steps
                raise
            missing = f"line {call.line} runs {call.words[0]}, which may not be there"
            raise NotKnownError(f"{missing}: {error.problem.what}") from error

    def _beside(self, ends: Ends, how: str, results: list[Result]) -> Result:
        """Return a Python that runs in the background, where what runs in front of it is none."""
        found: dict[str, Result] = {}
        for call in ends.background:
            try:
                result = self._fork().start(call.words, call.process, how)
            except (CannotStartError, NotKnownError) as error:
                raise NotKnownError(
                    f"what line {call.line} leaves in the background is not known"
                ) from error
            if result.python:
                found.setdefault(result.python, result)
        if len(found) > 1:
            raise NotKnownError("it runs more than one Python")
        if found:
            return next(iter(found.values()))
        if results:
            return results[0]
        raise NotKnownError(f"{how} runs no program that stays")
