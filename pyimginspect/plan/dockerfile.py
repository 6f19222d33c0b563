"""The Dockerfile of an image, written again from its history, with the edits of a plan in it.

A history leaves things out: ``--mount``, the stage that a ``COPY`` took from, the contents of a
build context. What is written here is to be read, and compared with the Dockerfile at hand.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from pyimginspect.errors import printable
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.runtime_python import runtime_python
from pyimginspect.inventory.instructions import Step
from pyimginspect.model import ImageConfig
from pyimginspect.plan import commands
from pyimginspect.plan.context import Context
from pyimginspect.plan.copying import copies, gather, is_plain, leave_out
from pyimginspect.plan.records import Edit, EditKind, Plan
from pyimginspect.plan.stages import Results, build_results, runtime_packages

__all__ = ["reconstruct"]

_ENDS_OF_BASES = ('["python3"]', '["python"]', '["bash"]', '["/bin/bash"]', '["/bin/sh"]', '["sh"]')
_ASSIGNMENT = re.compile(r"(?:^|\s)([A-Za-z_][\w.-]*)=")
_FROM = re.compile(r"FROM [\w.:/@+-]+", re.ASCII)
_HASHED = re.compile(r"(?:file|dir|multi):[0-9a-f]{32,}")
# In this order commands are added to a RUN: what deletes comes after what uses.
_ORDER: tuple[EditKind, ...] = (
    "leave-out",
    "bindings",
    "no-recommends",
    "delete-early",
    "owner",
    "purge",
    "environment",
    "clean-cache",
)


def reconstruct(inventory: Inventory, plan: Plan) -> str:
    """Return a Dockerfile with the edits of ``plan`` applied, each marked by a comment."""
    context = Context(inventory)
    steps = _application_steps(context)
    other = next((edit for edit in plan.edits if edit.kind == "base"), None)
    base = other.command if other is not None else f"FROM {inventory.base.name}"
    known = _FROM.fullmatch(base) is not None
    lines = [f"# Made from the history of {printable(plan.reference)}; edits are marked '# plan:'."]
    if not known:
        base = "FROM scratch"
        count = inventory.base.layers
        which = f" ({count} {'layer' if count == 1 else 'layers'})" if count else ""
        lines.append(f"# No name of the base image{which} is known: after FROM, write the one that")
        lines.append("# it is pulled by, in place of scratch.")
    if not steps:
        return "\n".join([*lines, base, "# The history has no step of the application.", ""])
    writer = _Writer(context, plan)
    staged = next((edit for edit in plan.edits if edit.kind == "builder-stage"), None)
    lines.append("")
    if other is not None:
        lines.append(f"# plan: {printable(other.words)}")
    if staged is None:
        lines.append(base)
        for step in steps:
            lines += writer.write(step)
    else:
        lines += _two_stages(context, writer, base, steps, staged)
    return "\n".join(lines) + "\n"


def _application_steps(context: Context) -> list[Step]:
    """Return the steps above the base image's."""
    layers = context.base
    if sum(step.layer is not None for step in context.steps) != len(context.inventory.image.layers):
        return []
    first = 0
    for number, step in enumerate(context.steps):
        if step.layer is not None and step.layer < layers:
            first = number + 1
    for number in range(first, len(context.steps)):
        step = context.steps[number]
        if step.layer is not None:
            break
        if step.word == "CMD" and step.text in _ENDS_OF_BASES and number + 1 < len(context.steps):
            first = number + 1
            break
    return list(context.steps[first:])


def _two_stages(
    context: Context, writer: _Writer, base: str, steps: Sequence[Step], staged: Edit
) -> Iterator[str]:
    last = max((staged.layer, *staged.others))
    cut = max(n for n, step in enumerate(steps) if step.layer == last) + 1
    uninstalls = writer.edits("environment", staged.layer, last)
    results = build_results(context, staged.layer, last, uninstalls)
    gathered = [path for path in results.paths if not is_plain(context, path)]
    installs = [edit for edit in writer.edits("bindings", staged.layer, last) if edit.command]
    early: list[Edit] = []
    if _copies_site_packages(context, results):  # or pip would run in the final stage too
        early, installs = installs, []
    yield f"# plan: {printable(staged.words)}"
    yield f"{base} AS builder"
    for step in steps[:cut]:
        if step.word not in ("CMD", "ENTRYPOINT"):
            yield from writer.plain(step)
    if any(step.word == "USER" for step in steps[:cut]) and (
        early or uninstalls or results.spare or gathered
    ):
        yield "USER root"
    yield from _runs([*early, *uninstalls])
    yield from leave_out(results.spare)
    yield from gather(gathered)
    yield ""
    yield base
    for step in steps[:cut]:
        if step.layer is not None and step.layer < staged.layer:
            yield from writer.write(step)
    packages = runtime_packages(context, staged.layer, last, writer.left_out)
    if packages:
        yield "# plan: what the build's results need at run time"
        yield f"RUN {_install(packages)}"
    if results.paths:
        yield "# plan: what the build made"
    yield from copies(context, [path for path in results.paths if path not in gathered])
    if gathered:
        yield "COPY --from=builder /result/ /"
    for step in steps[:cut]:
        if step.word == "USER":
            yield from _runs(installs)
            installs = []
        again = step.word == "WORKDIR" and step.layer is not None and step.layer >= staged.layer
        if step.layer is None or again:
            yield from writer.write(step)
    yield from _runs(installs)
    for step in steps[cut:]:
        yield from writer.write(step)


def _copies_site_packages(context: Context, results: Results) -> bool:
    """Whether what the builder's pip installs for the started Python gets into the final stage."""
    sight = runtime_python(context.inventory)
    if sight is None:
        return False
    copied = tuple(f"{path}/" for path in results.paths)
    return any(f"{place}/".startswith(copied) for place in sight.directories[:1])


def _runs(edits: Iterable[Edit]) -> Iterator[str]:
    for edit in edits:
        yield f"# plan: {printable(edit.words)}"
        yield f"RUN {printable(edit.command)}"


def _install(packages: Sequence[tuple[str, str]]) -> str:
    names = shlex.join(name for _, name in packages if name.isprintable())
    if packages[0][0] == "apk":
        return f"apk add --no-cache {names}"
    if packages[0][0] == "rpm":
        return f"dnf install -y --setopt=install_weak_deps=False {names} && dnf clean all"
    return (
        f"apt-get update \\\n    && apt-get install -y --no-install-recommends {names} \\\n"
        "    && rm -rf /var/lib/apt/lists/*"
    )


class _Writer:
    """Writes steps as instructions, with the edits of their layers."""

    def __init__(self, context: Context, plan: Plan) -> None:
        self._config = context.inventory.image.config
        self._steps = context.steps
        self._edits: dict[int, list[Edit]] = {}
        self._needless: dict[int, str] = {}
        for edit in plan.edits:
            if edit.kind not in ("base", "builder-stage"):
                self._edits.setdefault(edit.layer, []).append(edit)
            if edit.kind in ("delete-early", "owner"):
                self._needless.update(dict.fromkeys(edit.others, edit.words))
        self.left_out = {
            name for edit in plan.edits if edit.kind == "bindings" for name in edit.packages
        }

    def edits(self, kind: EditKind, first: int, last: int) -> list[Edit]:
        """Return the edits of one kind of layers ``first`` to ``last``, the lowest first."""
        layers = [layer for layer in sorted(self._edits) if first <= layer <= last]
        return [edit for layer in layers for edit in self._edits[layer] if edit.kind == kind]

    def plain(self, step: Step) -> Iterator[str]:
        """Write a step as it was."""
        if step.word == "RUN":
            yield from _run(step, commands.collapse(step.text))
        else:
            yield from self._other(step)

    def write(self, step: Step) -> Iterator[str]:
        """Write a step as it should be."""
        layer = step.layer
        edits = self._edits.get(layer, []) if layer is not None else []
        if layer in self._needless:
            yield f"# plan: gone: {printable(step.line)[:200]}"
            return
        edits = sorted(
            edits, key=lambda e: _ORDER.index(e.kind) if e.kind in _ORDER else len(_ORDER)
        )
        yield from (f"# plan: {printable(edit.words)}" for edit in edits)
        if step.word == "RUN":
            command: str | None = commands.collapse(step.text)
            if edits and command is not None and commands.is_simple(command):
                command = _edited(command, edits)
            if command:
                yield from _run(step, command)
        else:
            owner = next((edit.command for edit in edits if edit.kind == "owner"), "")
            for option in owner.split():
                name = option.partition("=")[0]
                text = re.sub(rf"{name}=\S+\s+", "", step.text)
                step = msgspec.structs.replace(step, text=f"{option} {text}")
            yield from self._other(step)

    def _other(self, step: Step) -> Iterator[str]:
        """Write what is no ``RUN``, from the image's configuration where the history is lossy."""
        word, text = step.word, step.text
        config = self._config
        if word in ("CMD", "ENTRYPOINT", "SHELL"):
            if step is not [other for other in self._steps if other.word == word][-1]:
                return
            values = {"CMD": config.cmd, "ENTRYPOINT": config.entrypoint, "SHELL": config.shell}
            text = msgspec.json.encode(values[word]).decode() if values[word] else "[]"
        elif word in ("ENV", "LABEL"):
            text = _assignments(text, config, word)
        elif word == "HEALTHCHECK":
            yield f"# {printable(step.line)}"
            return
        elif word in ("COPY", "ADD") and "<<" in text:
            # Without the lines of the here-document it would take those that follow here.
            yield "# The history does not tell what was written:"
            yield f"# {printable(step.line)}"
            return
        elif word in ("COPY", "ADD") and _HASHED.search(text):
            yield "# The history does not tell what was copied:"
        if word:
            # A backslash at the end would make the next instruction a part of this one.
            yield f"{word} {printable(text)}".rstrip("\\ ")
        elif text:
            yield f"# {printable(text)}"


_OS: tuple[commands.Manager, ...] = ("apt", "apk", "dnf")
_CACHING: tuple[commands.Manager, ...] = ("apk", "pip", "uv")


def _edited(command: str, edits: Iterable[Edit]) -> str:
    """Return a command with the edits of its layer, empty where nothing is left to run."""
    for edit in edits:
        if edit.kind in ("leave-out", "bindings"):
            for manager in _OS:
                keep = [shlex.quote(name) for name in edit.keep]
                dropped = commands.drop_packages(command, manager, edit.packages, keep)
                command = command if dropped is None else dropped
            if edit.command:
                command = f"{command} && {edit.command}" if command else edit.command
        elif edit.kind == "no-recommends":
            for name in (*map(shlex.quote, edit.keep), edit.command):
                command = commands.add_option(command, "apt", name)
        elif edit.command.startswith("--"):
            for manager in _CACHING:
                if f"{manager} cache" in edit.words:
                    command = commands.add_option(command, manager, edit.command)
        elif edit.kind != "advice" and edit.command and command:
            command = f"{command} && {edit.command}"
    return command


def _run(step: Step, command: str) -> Iterator[str]:
    parts = commands.split(command)
    # What would end in the middle, or go on below, keeps to itself in a here-document.
    open_ended = "<<" in command or command.endswith("\\") or any(p[:1] == "#" for _, p in parts)
    if "\n" in command or open_ended:
        lines = [printable(line) for line in command.split("\n")]
        mark = "END_OF_RUN"
        while mark in lines:
            mark += "_"
        yield from (f"RUN <<'{mark}'", *lines, mark)
        return
    yield from (printable(line) for line in f"RUN {commands.join(parts)}".split("\n"))


def _assignments(text: str, config: ImageConfig, word: str) -> str:
    """Quote the values of ``ENV`` and ``LABEL``, which the history shows without quotes."""
    known = config.environment().keys() if word == "ENV" else config.labels.keys()
    marks = [match for match in _ASSIGNMENT.finditer(text) if match[1] in known]
    if not marks:
        return text
    parts = []
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(text)
        value = text[mark.end() : end]
        if re.fullmatch(r"[\w./:@%+,-]*", value) is None:
            escaped = re.sub(r'(["\\$])', r"\\\1", value.strip('"'))
            value = f'"{escaped}"'
        parts.append(f"{mark[1]}={value}")
    return " ".join(parts)
