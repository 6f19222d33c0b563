"""What a shell's text leads to, read off its syntax: which command ends it, and what may.

Only what certainly runs is taken for certain. Where a condition cannot be decided both ways are
followed; commands may change files, and what a later command needs is then not certainly missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from pyimginspect.dockerfile.shell import parse_shell
from pyimginspect.inventory.startup.conditions import holds
from pyimginspect.inventory.startup.records import NotKnownError, Process, Word
from pyimginspect.inventory.startup.shell_commands import Commands
from pyimginspect.inventory.startup.shell_state import (
    Call,
    State,
    asks,
    distinct,
    merged,
    not_replacing,
    statements_of,
    substitutions_of,
    succeeds,
    without,
    writes,
)
from pyimginspect.inventory.startup.shell_variables import forget_set, moves_arguments
from pyimginspect.inventory.startup.words import Values, line_of, matches, one_word

if TYPE_CHECKING:
    from tree_sitter import Node

    from pyimginspect.inventory.startup.records import Context

__all__ = ["Call", "Ends", "read_shell"]


class _Way(NamedTuple):
    """A branch of ``if`` or ``case``: whether it is certainly taken, or certainly not."""

    truth: bool | None
    statements: Sequence[tuple[Node, bool]]


class Ends(Struct, frozen=True, kw_only=True):
    """The calls that may end the text, and whether it may end without any of them.

    ``background`` are calls that run beside the last.
    """

    calls: tuple[Call, ...]
    others: bool
    background: tuple[Call, ...]


def read_shell(
    context: Context,
    process: Process,
    text: bytes,
    name: str,
    arguments: tuple[Word, ...] | None,
    check: Callable[[Call], None],
    shell: str = "",
) -> Ends:
    """Return what ends a shell's text; ``name`` and ``arguments`` are its ``$0``, ``$1``, ….

    ``shell`` is the last name of the file that runs.

    ``check`` is called with commands that certainly run and whose failure ends the shell: it
    raises :class:`CannotStartError` where they cannot be started. Raises
    :class:`NotKnownError` where the text cannot be read.
    """
    tree = parse_shell(text)
    if tree is None:
        raise NotKnownError("it is too long to be read")
    if tree.root_node.has_error:
        raise NotKnownError("its syntax could not be read")
    reader = _Reader(context, name, check, shell)
    first = State(process=process, arguments=arguments)
    state = reader.run(statements_of(tree.root_node), first, top=True)
    if state is not None:
        reader.calls += state.last
        reader.others = reader.others or state.nothing
    return Ends(
        calls=distinct(reader.calls),
        others=reader.others,
        background=distinct(reader.background),
    )


class _Reader(Commands):
    """One pass over a text: its lists, conditions, loops and blocks."""

    def run(
        self,
        statements: Sequence[tuple[Node, bool]],
        state: State,
        *,
        top: bool = False,
    ) -> State | None:
        """Run statements one after the other; ``None`` where none of the ways goes on."""
        current: State | None = state
        for number, (node, background) in enumerate(statements):
            if current is None:
                return None
            if background:
                self.beside(node, current)
                continue
            ends = top and number == len(statements) - 1
            current = self.statement(node, current, ends=ends)
        return current

    def statement(self, node: Node, state: State, *, ends: bool = False) -> State | None:
        """Follow one statement. ``ends``: it is the last one, and its status that of the shell."""
        handler = _HANDLERS.get(node.type)
        if handler is None:
            raise NotKnownError(f"line {line_of(node)} is of a kind that is not followed")
        with self.deeper():
            return handler(self, node, state, ends)

    # --- definitions and assignments ---
    def ignored(self, node: Node, state: State, ends: bool) -> State | None:
        return state

    def tested(self, node: Node, state: State, ends: bool) -> State | None:
        """``[ … ]`` and ``[[ … ]]``."""
        self.substituted(node, state)
        forget_set(node, state)
        return state

    def defined(self, node: Node, state: State, ends: bool) -> State | None:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is not None and body is not None:
            state.functions[(name.text or b"").decode(errors="replace")] = body
        return state

    def assignment(self, node: Node, state: State, ends: bool) -> State | None:
        self.substituted(node, state)
        state.process = self.assigned(node, state)
        forget_set(node, state, within=False)
        return state

    def assignments(self, node: Node, state: State, ends: bool) -> State | None:
        """``a=1 b=2``, and ``export a=1 b``: a name without a value keeps its own.

        Not that of ``local b``, which bash unsets.
        """
        self.substituted(node, state)
        if node.children[0].type in ("local", "declare", "typeset"):
            forget_set(node, state)
        for each in node.named_children:
            if each.type == "variable_assignment":
                state.process = self.assigned(each, state)
        forget_set(node, state, within=False)
        return state

    def unset(self, node: Node, state: State, ends: bool) -> State | None:
        for each in node.named_children:
            state.process = without(state.process, (each.text or b"").decode(errors="replace"))
        return state

    # --- compounds ---
    def block(self, node: Node, state: State, ends: bool) -> State | None:
        return self.run(statements_of(node), state, top=ends)

    def redirected(self, node: Node, state: State, ends: bool) -> State | None:
        body = node.child_by_field_name("body")
        redirects = [child for child in node.named_children if child.type.endswith("redirect")]
        # `cat <<EOF | sh`: the grammar puts the rest of the pipeline into the here-document.
        if any(inner.type == "pipeline" for each in redirects for inner in each.named_children):
            raise NotKnownError(f"line {line_of(node)} gives a text to a pipeline")
        for each in redirects:  # a here-document too
            self.substituted(each, state)
        if any(map(writes, redirects)):
            self.unsettle(state)
        return self.statement(body, state, ends=ends) if body is not None else state

    def subshell(self, node: Node, state: State, ends: bool) -> State | None:
        """A subshell's commands: what it sets is lost."""
        statements = statements_of(node)
        copy = state.copy(certain=state.must_succeed(ends=ends))
        self.in_subshell(state, lambda: self.run(statements, copy, top=ends), ends)
        return state

    def pipeline(self, node: Node, state: State, ends: bool) -> State | None:
        # POSIX 2.9.2, Pipelines: the status is that of the last command; a subshell may run each.
        *first, last = node.named_children
        for each in first:
            self.beside(each, state)
        copy = state.copy(certain=ends)
        self.in_subshell(state, lambda: self.statement(last, copy, ends=ends), ends)
        return state

    def beside(self, node: Node, state: State) -> None:
        """Follow a statement that a subshell runs beside what comes after it."""
        self.background += self.apart(state, partial(self.statement, node))

    def substituted(self, node: Node, state: State) -> None:
        """Follow the commands whose output words take: ``$(…)`` may change files."""
        for inner in substitutions_of(node):
            try:
                self.apart(state, partial(self.run, statements_of(inner)))
            except NotKnownError:
                self.unsettle(state)

    def apart(self, state: State, follow: Callable[[State], State | None]) -> tuple[Call, ...]:
        """Follow a subshell whose end decides nothing, and return what it may end with."""
        aside = state.copy(certain=False)
        self.in_subshell(aside, lambda: follow(aside.copy()), ends=False)
        if not aside.process.settled:
            self.unsettle(state)
        return aside.last

    def in_subshell(self, state: State, follow: Callable[[], State | None], ends: bool) -> None:
        """Note in ``state`` which calls a subshell may end with: its ``exec`` ends it alone."""
        outside = self.calls, self.others, self.ended, self.changed
        self.calls, self.others, self.changed = [], False, False
        try:
            after = follow()
            calls = (*self.calls, *(after.last if after is not None else ()))
            nothing = self.others or not calls or (after is not None and after.nothing)
            changed = self.changed
        finally:
            self.calls, self.others, self.ended, self.changed = outside
        state.nothing = nothing
        # Where the text goes on, it does so whatever comes of the call.
        state.last = calls if ends else tuple(map(not_replacing, calls))
        if changed:
            self.unsettle(state)

    def negated(self, node: Node, state: State, ends: bool) -> State | None:
        aside = state.copy(certain=False)
        self.statement(node.named_children[-1], aside)
        self.unsettle(state)
        forget_set(node, state)
        return state

    def chain(self, node: Node, state: State, ends: bool) -> State | None:
        """``a && b`` and ``a || b``. A first command at the end is taken to do what it should."""
        if len(node.named_children) != 2:
            raise NotKnownError(f"line {line_of(node)} is of a kind that is not followed")
        left, right = node.named_children
        both = node.children[1].type == "&&"
        decided = holds(left, self.values(state))
        if decided is not None:
            forget_set(left, state)
            return self.statement(right, state, ends=ends) if decided == both else state
        # With "set -e" a failure within the list does not end the shell, at its end it does.
        guarded, state.guarded = state.guarded, True
        certain, state.certain = state.certain, state.certain and both
        after = self.statement(left, state, ends=ends and both)
        if after is None:
            return None
        after.guarded, after.certain = guarded, certain
        question = left.type in ("test_command", "negated_command") or asks(left)
        # A cd that may have failed leaves no directory that is known.
        surely = succeeds(left) and after.process.directory is not None
        if both and not question and (ends or surely):
            return self.statement(right, after, ends=ends)
        return self.either(right, after)

    def either(self, node: Node, state: State) -> State | None:
        """Follow what may be run, or not."""
        taken = self.statement(node, state.copy(certain=False))
        return merged([state, *([taken] if taken is not None else [])], state)

    def branches(self, node: Node, state: State, ends: bool) -> State | None:
        return self.first_true(self.ways_of_if(node, state), state, ends)

    def cases(self, node: Node, state: State, ends: bool) -> State | None:
        value = node.child_by_field_name("value")
        if value is not None:
            self.substituted(value, state)
        return self.first_true(self.ways_of_case(node, state), state, ends)

    def first_true(self, ways: Iterator[_Way], state: State, ends: bool) -> State | None:
        """Follow the way that is certain, or all that may be taken before it."""
        after: list[State] = []
        doubt = False
        for truth, statements in ways:
            if truth is False:
                continue
            copy = state.copy(certain=truth is True and not doubt)
            reached = self.run(statements, copy, top=ends)
            if reached is not None:
                after.append(reached)
            if truth is True:
                break
            doubt = True
        else:
            after.append(state)
        return merged(after, state)

    def ways_of_if(self, node: Node, state: State) -> Iterator[_Way]:
        """Yield the branches of ``if``. A condition runs once those before it were not true."""
        conditions = [each for each in node.children_by_field_name("condition") if each.is_named]
        body = [
            each
            for each in statements_of(node)
            if each[0] not in conditions and each[0].type not in ("elif_clause", "else_clause")
        ]
        yield _Way(self.truth(conditions[0], state) if len(conditions) == 1 else None, body)
        for clause in node.named_children:
            if clause.type == "elif_clause":
                (condition, _), *statements = statements_of(clause)
                yield _Way(self.truth(condition, state), statements)
            elif clause.type == "else_clause":
                yield _Way(True, statements_of(clause))

    def truth(self, condition: Node, state: State) -> bool | None:
        """Decide a condition; what it runs where it cannot be decided may change files."""
        truth = holds(condition, self.values(state))
        forget_set(condition, state)
        if truth is None and condition.type == "test_command":
            self.substituted(condition, state)
        elif truth is None:
            self.statement(condition, state.copy(certain=False))
            self.unsettle(state)
        return truth

    def ways_of_case(self, node: Node, state: State) -> Iterator[_Way]:
        """Yield the items of ``case``, each with whether one of its patterns fits."""
        value = node.child_by_field_name("value")
        values = self.values(state)
        word = one_word(value, values) if value is not None else None
        for item in node.named_children:
            if item.type == "case_item":
                patterns = item.children_by_field_name("value")
                body = [each for each in statements_of(item) if each[0] not in patterns]
                yield _Way(_fits(word, patterns, values), body)

    def loop(self, node: Node, state: State, ends: bool) -> State | None:
        forget_set(node, state)  # another time it begins with what the last has set
        if moves_arguments(node):
            state.arguments = None
        aside = state.copy(certain=False)
        body = node.child_by_field_name("body")
        reached = self.statement(body, aside) if body is not None else None
        self.unsettle(state)
        return merged([state, *([reached] if reached is not None else [])], state)


def _fits(word: Word, patterns: list[Node], values: Values) -> bool | None:
    """Whether a word fits one of several patterns; ``*`` takes even one that is not known."""
    if any(pattern.text == b"*" for pattern in patterns):
        return True
    fits = {matches(word, pattern, values) if word is not None else None for pattern in patterns}
    return True if True in fits else (None if None in fits else False)


# By the kinds of nodes that tree-sitter-bash makes of statements. A test_command is ``[ … ]`` that
# stands alone: its status is asked by nothing. test(1) by its other name is a builtin.
_HANDLERS: dict[str, Callable[[_Reader, Node, State, bool], State | None]] = {
    "comment": _Reader.ignored,
    "test_command": _Reader.tested,
    "function_definition": _Reader.defined,
    "variable_assignment": _Reader.assignment,
    "variable_assignments": _Reader.assignments,
    "declaration_command": _Reader.assignments,
    "unset_command": _Reader.unset,
    "command": _Reader.command,
    "redirected_statement": _Reader.redirected,
    "compound_statement": _Reader.block,
    "do_group": _Reader.block,
    "subshell": _Reader.subshell,
    "pipeline": _Reader.pipeline,
    "negated_command": _Reader.negated,
    "list": _Reader.chain,
    "if_statement": _Reader.branches,
    "case_statement": _Reader.cases,
    "while_statement": _Reader.loop,
    "for_statement": _Reader.loop,
    "c_style_for_statement": _Reader.loop,
}
