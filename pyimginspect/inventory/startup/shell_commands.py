"""Simple commands and assignments of a shell's text: what each changes, or ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from pyimginspect.inventory.startup.records import NotKnownError, Process, Word
from pyimginspect.inventory.startup.shell_builtins import activate, is_builtin, is_harmless
from pyimginspect.inventory.startup.shell_state import (
    Call,
    State,
    change_directory,
    forget,
    merged,
    set_options,
    shifted,
    unsettled,
    writes,
)
from pyimginspect.inventory.startup.shell_variables import (
    different,
    forget_all,
    forget_set,
    locals_of,
    set_by,
)
from pyimginspect.inventory.startup.words import Values, expand_words, line_of, one_word

if TYPE_CHECKING:
    from tree_sitter import Node

    from pyimginspect.inventory.startup.records import Context

__all__ = ["Commands"]

# Real entry scripts have some hundred commands; a function that calls itself has no end.
_DEEPEST = 24
_MOST_STEPS = 4000
# time and builtin are words of bash: dash looks for programs by these names.
_PREFIXES = ("exec", "command", "builtin", "time")


class Commands:
    """The part of a pass that follows simple commands; ``calls`` are those that may end it.

    ``background`` are those that run beside, ``others`` tells whether it may end without any.
    ``ended`` is true once ``exec`` or ``exit`` was met, perhaps where it may not be reached,
    ``changed`` once files may have been changed, of a subshell by what it ran itself.
    """

    def __init__(
        self, context: Context, name: str, check: Callable[[Call], None], shell: str
    ) -> None:
        self._context = context
        self._shell = shell
        self._name = name
        self._check = check
        self._steps = self._depth = 0
        self._returns: list[list[State]] = []
        self.calls: list[Call] = []
        self.background: list[Call] = []
        self.others = False
        self.ended = False
        self.changed = False

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Raise :class:`NotKnownError` where a text goes too deep, or on for too long."""
        self._steps += 1
        self._depth += 1
        if self._depth > _DEEPEST or self._steps > _MOST_STEPS:
            raise NotKnownError("it is too long, or too deeply nested, to be read")
        try:
            yield
        finally:
            self._depth -= 1

    def unsettle(self, state: State) -> None:
        """Note that a command may have changed files, be it in a subshell."""
        state.process = unsettled(state.process)
        self.changed = True

    def substituted(self, node: Node, state: State) -> None:
        """Follow the commands whose output words take: of whoever knows subshells."""
        raise NotImplementedError

    def values(self, state: State) -> Values:
        """Return what expansions are replaced by."""
        return Values(
            variables=state.process.variables,
            arguments=state.arguments,
            name=self._name,
            forgotten=state.process.forgotten,
            shell=self._shell,
        )

    def statement(self, node: Node, state: State, *, ends: bool) -> State | None:
        """Follow any statement: of whoever knows the others too."""
        raise NotImplementedError

    def assigned(self, node: Node, state: State) -> Process:
        """Return the process after ``name=value``."""
        name_node, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name_node is None:
            return state.process
        name = (name_node.text or b"").decode(errors="replace").partition("[")[0]
        text = one_word(value, self.values(state)) if value is not None else ""
        if node.children[1].type != "=" or name_node.type != "variable_name":
            text = None  # x+=…, x[0]=…
        if text is not None and value is not None and self._differs(node, value, text, state):
            text = None
        if text is None:
            return forget(state.process, name)
        variables = {**state.process.variables, name: text}
        path = text if name == "PATH" else state.process.path
        forgotten = state.process.forgotten - {name}
        return msgspec.structs.replace(
            state.process, variables=variables, path=path, forgotten=forgotten
        )

    def _differs(self, node: Node, value: Node, text: str, state: State) -> bool:
        """Whether a declaration may set another value: dash splits it, ``-i`` computes."""
        if node.parent is None or node.parent.type != "declaration_command":
            return False
        options = any(child.type == "word" for child in node.parent.named_children)
        return options or expand_words(value, self.values(state)) not in ([text], [])

    def command(self, node: Node, state: State, ends: bool) -> State | None:
        """Follow a command with its assignments and redirections."""
        self.substituted(node, state)
        process = state.process
        words: list[Word] = []
        values = self.values(state)
        changes = False
        for child in node.named_children:
            if child.type == "variable_assignment":
                process = self.assigned(child, msgspec.structs.replace(state, process=process))
            elif child.type.endswith("redirect"):
                changes = changes or writes(child)
            else:
                words += expand_words(child, values)
        forget_set(node, state, within=False)
        if changes:
            self.unsettle(state)
        if not words:
            return state
        call = Call(words=tuple(words), process=process, line=line_of(node))
        return self.call(call, state, ends)

    def call(self, call: Call, state: State, ends: bool) -> State | None:
        """Follow a simple command: a function, a builtin, or a program."""
        name = call.words[0]
        # POSIX, "Command Search and Execution": functions come before programs and most builtins.
        if name is not None and name in state.functions:
            return self.function(call, state.functions[name], state, ends)
        prefixes = ("exec", "command") if self._shell == "dash" else _PREFIXES
        if name in prefixes and call.words[1:2]:
            return self.prefixed(call, state, ends)
        if name == "return" and self._returns:
            self._returns[-1].append(state)
            return None
        if name in ("exit", "return"):  # the container ends here, whatever comes after
            self.others = self.ended = True
            return None
        if is_builtin(name, self._shell):
            return self.builtin(name or "", call, state, ends)
        if state.certain and state.must_succeed(ends=ends) and not self._may_have_left():
            self._check(call)
        state.last, state.nothing = (call,), False
        if not is_harmless(call.words):
            self.unsettle(state)
        return state

    def _may_have_left(self) -> bool:
        """Whether the text, or a function, may have ended before: ``[ -n "$X" ] && exec y``."""
        return self.ended or any(self._returns)

    def builtin(self, name: str, call: Call, state: State, ends: bool) -> State:
        """Follow what the shell does itself."""
        before = state.process
        if name == "eval":
            raise NotKnownError(f"line {call.line} evaluates a text")
        if name == "set":
            return set_options(call, state)
        if name == "shift":
            state.arguments = shifted(call, state)
        elif name in (".", "source"):
            state.process = activate(self._context, state.process, call.words)
            self.changed = self.changed or not state.process.settled
        elif name == "cd":
            needed = state.must_succeed(ends=ends)
            state.process = change_directory(self._context, call, state.process, needed=needed)
        # These set variables, or change which program a name stands for.
        elif name in ("read", "mapfile", "getopts", "hash", "enable", "alias"):
            state.process = unsettled(state.process)
        # What stands before a special builtin stays in dash: X=1 export Y.
        names = set_by(call.words) | different(before, call.process)
        state.process = forget_all(state.process, names)
        return state

    def prefixed(self, call: Call, state: State, ends: bool) -> State | None:
        """Follow ``exec``, ``command`` and what else stands before a command."""
        name, words = call.words[0] or "", list(call.words[1:])
        # dash's exec has no options: the first word is the program.
        options = name != "exec" or self._shell != "dash"
        if (options and _take_options(name, words, call.line)) or not words:
            return state
        inner = msgspec.structs.replace(call, words=tuple(words))
        if name == "time":
            with self.deeper():
                return self.call(inner, state, ends)
        if name == "builtin" and not is_builtin(words[0], self._shell):
            state.last, state.nothing = (), True  # bash looks for no program
            return state
        if name != "exec":
            # `command` and `builtin` pass over functions.
            without = msgspec.structs.replace(state, functions={})
            with self.deeper():
                after = self.call(inner, without, ends)
            if after is not None:
                after.functions = state.functions
            return after
        self.calls.append(msgspec.structs.replace(inner, replaces=True))
        self.ended = True
        self.changed = self.changed or not is_harmless(inner.words)
        return None

    def function(self, call: Call, body: Node, state: State, ends: bool) -> State | None:
        """Follow a function's body, up to where it returns."""
        arguments = state.arguments
        state.arguments = call.words[1:]
        before = state.copy()
        names = locals_of(body) | different(state.process, call.process)
        state.process = call.process  # X=1 f
        self._returns.append([])
        reached = self.statement(body, state, ends=ends)
        ways = [*self._returns.pop(), *([reached] if reached is not None else [])]
        after = merged(ways, before)
        if after is not None:
            after.arguments = arguments
            after.process = forget_all(after.process, names)
        return after


def _take_options(name: str, words: list[Word], line: int) -> bool:
    """Take the options of ``exec``, ``command`` and such off ``words``.

    Returns whether they ask what the command is, and run nothing.
    """
    while words and words[0] is not None and words[0].startswith("-"):
        option = words.pop(0)
        if option == "--":
            break
        if name == "command" and option in ("-v", "-V"):
            return True
        if name == "command" and option == "-p":  # by the system's PATH, confstr(3), not by $PATH
            raise NotKnownError(f"line {line}: command -p looks in a PATH of its own")
        if name == "exec" and option == "-a" and words:
            words.pop(0)
        elif option not in ("-p", "-c", "-l"):
            raise NotKnownError(f"line {line}: {name} has an option {option}")
    return False
