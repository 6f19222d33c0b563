"""Poetry, pdm, pipenv or uv left beside the virtual environment that it made.

Their documentation has the environment made in a build stage, and copied: the final image needs
nothing but that. Where a tool installs into the system's own ``site-packages``, its requirements
and the application's are one, and no edit takes them apart.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.derived.leftovers import bytecode_of
from pyimginspect.inventory.facts import Environment
from pyimginspect.inventory.records import files_of
from pyimginspect.inventory.tool_names import required_names
from pyimginspect.plan.bytecode import compiled_again, whose_bytecode
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.operations import BuildStage, StageCopy
from pyimginspect.plan.runs import (
    OS_MANAGERS,
    Call,
    calls,
    installed_packages,
    installs,
    is_read,
    is_sequence,
)
from pyimginspect.plan.stages import stray_bytecode
from pyimginspect.rootfs import RootFS

__all__ = ["edits_of_project_tools"]

_TOOLS = frozenset({"poetry", "pdm", "pipenv", "uv", "uvx"})
# Not compiled before it is needed, which few images do.
_LEFT = (
    r"(?:.*/)?(?:poetry\.lock|pdm\.lock|uv\.lock|Pipfile\.lock|\.pdm-python|\.pdm-build/.*)"
    r"|(?:root|home/[^/]+)/\.(?:cache|config|local/state|local/share)"
    r"/(?:pypoetry|pdm|uv|pip|pipenv|virtualenv)/.*"
    r"|tmp/.*|var/tmp/.*"
)
"""What the tools write beside the environment: locks, settings, caches."""
# uv's documentation copies it from its image: `COPY --from=ghcr.io/astral-sh/uv /uv /uvx /bin/`.
_BINARY = re.compile(r"(?:.+/)?bin/uvx?")
# What prepares a call of the tool, or tells something, and leaves nothing that must stay.
_IDLE = frozenset(
    {"set", "true", ":", "echo", "which", "ls", "cd", "export", "mkdir", ".", "source"}
)

# What may stand between and stay: it calls neither a tool nor an environment.
_OTHERS = frozenset(
    {"useradd", "adduser", "groupadd", "addgroup", "mkdir", "set", "rm", "apt-mark"}
)


class _Found(NamedTuple):
    """The layers that install the tools or call them, and the environments that these made."""

    layers: tuple[int, ...]
    tools: tuple[str, ...]
    environments: tuple[Environment, ...]


class _Parts(NamedTuple):
    """The paths that layers made: those of environments stay, the others go but for directories."""

    stays: frozenset[str]
    gone: frozenset[str]


def edits_of_project_tools(context: Context) -> Iterator[Proposal]:
    """Propose a build stage for tools that are there for nothing but their environment."""
    found = _find(context)
    parts = _parts(context, found) if found is not None else None
    if found is None or parts is None:
        return
    first, last = found.layers[0], found.layers[-1]
    names = " and ".join(found.tools)
    places = " ".join(f"/{each.path}" for each in found.environments)
    stored = frozenset[Content]().union(*map(context.stored_by, found.layers))
    wasted = context.wasted(lambda removal: removal.removed_in <= last)
    kept = {each for each in stored - wasted if context.path_of(each) in parts.stays}
    edit = context.edit(
        "builder-stage",
        first,
        f"make {places} in a stage of its own, and copy it: the final image needs no {names}",
        command="COPY --from=builder",
        packages=found.tools,
        others=list(found.layers[1:]),
        modules=sorted(_modules(context, parts.gone)),
        adds=_compiled(context, stored, last),
        operations=tuple(_stage(context, found, parts.stays)),
        reason=f"look whether anything calls {names} at run time",
    )
    yield Proposal(edit, stored - kept, parts.gone, (first, last))


def _parts(context: Context, found: _Found) -> _Parts | None:
    """Return what layers made, ``None`` where more comes from them than tools and environments."""
    rootfs = context.inventory.rootfs
    made = {path for path, node in rootfs.nodes.items() if path and node.layer in found.layers}
    tops = tuple(f"{each.path}/" for each in found.environments)
    stays = frozenset(path for path in made if path.startswith(tops))
    gone = frozenset(path for path in made - stays if rootfs[path].kind != "directory")
    of_tools = _of_tools(context, found)
    if not all(path in of_tools or re.fullmatch(_LEFT, path) for path in gone):
        return None
    if not made.isdisjoint(_targets(rootfs, stays) - stays):
        return None  # links into uv's cache, with --link-mode=symlink
    return _Parts(stays, gone)


def _targets(rootfs: RootFS, paths: Iterable[str]) -> set[str | None]:
    """Return what the symbolic links among ``paths`` lead to."""
    return {rootfs.resolve(path) for path in paths if rootfs[path].kind == "symlink"}


def _stage(context: Context, found: _Found, stays: Collection[str]) -> Iterator[BuildStage]:
    """Yield the stage that makes the environments; none if one of them cannot be copied."""
    copies = [_copy(context, stays, each) for each in found.environments]
    whole = tuple(each for each in copies if each is not None)
    if len(whole) == len(copies):
        first, last = found.layers[0], found.layers[-1]
        yield BuildStage(first=first, last=last, name="builder", copies=whole, only=found.layers)


def _of_tools(context: Context, found: _Found) -> set[str]:
    """Return the files of the tools, of what they require, and of byte code beside them."""
    inventory = context.inventory
    homes = {each.location for each in inventory.distributions if each.name in found.tools}
    files = {
        path
        for each in inventory.distributions
        if each.location in homes and each.layer in found.layers
        for path in files_of(inventory.rootfs, each.location, each.metadata)
    }
    compiled = {*bytecode_of(inventory.rootfs, files)}
    compiled.update(stray_bytecode(context, found.layers[0], found.layers[-1]))
    binaries = {path for path in inventory.rootfs.nodes if _BINARY.fullmatch(path)}
    return files | compiled | binaries


def _copy(context: Context, paths: Collection[str], made: Environment) -> StageCopy | None:
    """Return how an environment is copied, ``None`` where its files are not all one user's."""
    rootfs, top = context.inventory.rootfs, f"{made.path}/"
    owners = {
        (rootfs[path].entry.uid, rootfs[path].entry.gid)
        for path in paths
        # The owner of a symbolic link gives nobody any right (symlink(7)).
        if path.startswith(top) and rootfs[path].kind != "symlink"
    }
    # COPY --chown gives one owner to all that it copies.
    if len(owners) != 1:
        return None
    uid, gid = owners.pop()
    owner = "" if (uid, gid) == (0, 0) else f"{uid}:{gid}"
    return StageCopy(source=f"/{made.path}", target=f"/{made.path}", owner=owner)


def _modules(context: Context, gone: Collection[str]) -> set[str]:
    """Return the top-level modules that the Python of the system does not have any more."""
    sites = {each.location for each in context.inventory.distributions}
    found = set()
    for path in gone:
        site = next((each for each in sites if path.startswith(f"{each}/")), "")
        name = path[len(site) + 1 :].partition("/")[0].partition(".")[0] if site else ""
        # Leaves out `*.dist-info` and files that nothing can import.
        if name.isidentifier() and name != "__pycache__":
            found.add(name)
    return found


def _compiled(context: Context, stored: Collection[Content], last: int) -> int:
    """Return the bytes of byte code of the base's Python that a later ``RUN`` stores instead."""
    whose = compiled_again(context, last + 1)
    return context.contents.size(
        frozenset(
            each for each in stored if not whose.isdisjoint(whose_bytecode(context.path_of(each)))
        )
    )


def _find(context: Context) -> _Found | None:
    """Return what is to be staged, ``None`` where there is nothing or it is not certain."""
    layers = tuple(
        layer
        for layer, step in sorted(context.by_layer.items())
        if layer >= context.base and _is_of_tools(context, layer, step.word, step.text)
    )
    tools = _tools_in(context, layers)
    environments = tuple(_made_by(context, layers, tools)) if tools else ()
    if not environments or not _others_can_do_without(context, layers):
        return None
    return _Found(layers, tuple(sorted(tools)), environments)


def _tools_in(context: Context, layers: Collection[int]) -> set[str]:
    """Return the names of the tools that layers bring: uv as a program alone, or distributions."""
    # A copied uv brings no distribution whose name would tell.
    copied = {"uv" for layer in layers if context.by_layer[layer].word == "COPY"}
    return copied.union(
        each.name
        for each in context.inventory.distributions
        if each.name in _TOOLS and each.layer in layers
    )


def _made_by(
    context: Context, layers: Collection[int], tools: Collection[str]
) -> Iterator[Environment]:
    """Yield the environments that layers made for the application: complete, not the tools' own."""
    # A tool may be installed in an environment of its own: that is not what it made.
    homes = {
        python
        for each in context.inventory.distributions
        if each.name in tools
        for python in each.interpreters
    }
    for each in context.inventory.environments:
        # An environment that sees the system's site-packages is not complete by itself.
        whole = not (each.broken or each.system_site_packages)
        if whole and each.layer in layers and each.path not in homes:
            yield each


def _others_can_do_without(context: Context, layers: Sequence[int]) -> bool:
    """Whether what stays between ``layers`` calls neither the tools nor the environments."""
    between = (n for n in context.runs(layers[0], layers[-1]) if n not in layers)
    texts = [context.command(layer) or "" for layer in between]
    return all(map(is_read, texts)) and all(
        call.program in _OTHERS or call.manager in OS_MANAGERS
        for text in texts
        for call in calls(text)
    )


def _is_of_tools(context: Context, layer: int, word: str, text: str) -> bool:
    """Whether a layer brings such a tool, or is what it made, and does nothing else."""
    if word == "COPY":
        paths = [
            entry.path
            for entry in context.inventory.rootfs.layers[layer].index.entries
            if entry.kind != "directory"
        ]
        return bool(paths) and all(_BINARY.fullmatch(path) for path in paths)
    if word != "RUN" or not is_sequence(text):
        return False
    found = calls(text)
    roles = [_role(context, call) for call in found]
    return None not in roles and any(roles)


def _role(context: Context, call: Call) -> bool | None:
    """Whether a command installs or calls a tool; ``None`` for what else must stay."""
    # `uv pip install --system` installs into the Python that stays.
    if call.program in _TOOLS and not (call.manager == "uv" and "--system" in call.words):
        return True
    if call.manager == "pip" and call.action == "install":
        return True if _installs_tools(context, call) else None
    if call.program.startswith("python") and call.words[1:3] == ("-m", "venv"):
        return False
    return False if call.program in _IDLE else None


def _installs_tools(context: Context, call: Call) -> bool:
    """Whether pip installs such tools, by name, and nothing but what they require."""
    names = installed_packages(call.text, "pip")
    # A requirements file may name anything.
    if any(each.files for each in installs(call.text, "pip")):
        return False
    return bool(names & _TOOLS) and names <= _closure(context, names & _TOOLS)


def _closure(context: Context, names: Collection[str]) -> set[str]:
    """Return names of distributions with all that they require."""
    by_name = {each.name: each for each in context.inventory.distributions}
    found, todo = set[str](), [*names]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            if name in by_name:
                todo.extend(required_names(context.inventory.rootfs, [by_name[name]]))
    # These are the base's, whoever requires them.
    return found - {"pip", "setuptools", "wheel"}
