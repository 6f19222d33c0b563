"""Edits that keep build tools, and what only came along, out of the image."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from pyimginspect.inventory.build_tools import loose_files
from pyimginspect.inventory.facts import OsPackage
from pyimginspect.plan import commands
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.stages import stray_bytecode

__all__ = ["edits_of_recommended", "edits_of_tools"]


def edits_of_tools(context: Context) -> Iterator[Proposal]:
    """Propose where build tools should be: in another stage, in one ``RUN``, or nowhere.

    A stage of its own is needed where a later instruction builds something; else the ``RUN`` that
    brought the tools may have used them; else nothing did.
    """
    found = context.leftovers
    layers: dict[int, list[str]] = {}
    for group in (found.tools, found.headers, found.virtual):
        for layer, members in group.items():
            layers.setdefault(layer, []).extend(members)
    staged = []
    for layer, keys in sorted(layers.items()):
        asked = _asked_for(context, layer, keys)
        command = context.command(layer)
        if _only_recommended(context, layer, keys):
            continue
        last = _last_build(context, layer)
        if found.virtual.get(layer) and last is None:
            names = [p.name for p in asked if p.virtual]
            what = f"delete {' '.join(names)} in the RUN that added it"
            yield _purge(context, layer, keys, f"apk del --no-network {shlex.join(names)}", what)
        elif last is not None:
            staged.append((layer, keys, asked, last))
        elif command is not None and commands.may_build(_without_installs(command)):
            what = "purge the build tools in the RUN that used them"
            yield _purge(context, layer, keys, _purge_command(context, layer, asked), what)
        else:
            names = [package.name for package in asked]
            edit = context.edit(
                "leave-out",
                layer,
                f"do not install {' '.join(names)}: no later instruction builds anything",
                packages=names,
                keep=_kept(context, layer),
                rules=_TOOL_RULES,
            )
            emptied = context.emptied(layer, edit.packages, edit.keep)
            yield Proposal(edit, context.behind_packages(keys) | emptied)
    if staged:
        yield _staged(context, staged)
    yield from _loose(context)


_TOOL_RULES = ("leftover-build-tool", "leftover-headers")


def _staged(
    context: Context, staged: list[tuple[int, list[str], list[OsPackage], int]]
) -> Proposal:
    """Propose a stage of its own for everything from the first tools to the last build."""
    first, last = staged[0][0], max(last for *_, last in staged)
    keys = [key for _, layer_keys, _, _ in staged for key in layer_keys]
    names = [package.name for _, _, asked, _ in staged for package in asked]
    kept = sorted({proof.package for proof in context.leftovers.kept})
    words = (
        f"build in a stage of its own (layers {first} to {last}), install {' '.join(names)} there"
        " alone, and copy the result"
    )
    if kept:
        words += f"; install {' '.join(kept)} in the final stage: files that stay need them"
    edit = context.edit(
        "builder-stage",
        first,
        words,
        command="COPY --from=builder",
        packages=names,
        rules=_TOOL_RULES,
        others=list(range(first + 1, last + 1)),
    )
    # What is made and lost within the stage stays there too, and bytecode of the base's modules.
    wasted = context.wasted(
        lambda removal, _: first <= removal.layer and removal.removed_in <= last
    )
    stray = context.contents.behind(stray_bytecode(context, first, last))
    return Proposal(edit, context.behind_packages(keys) | wasted | stray)


def _purge(context: Context, layer: int, keys: list[str], command: str, words: str) -> Proposal:
    rules = ("leftover-virtual-package",) if "apk del" in command else _TOOL_RULES
    edit = context.edit("purge", layer, words, command=command, rules=rules)
    return Proposal(edit, context.behind_packages(keys))


def _purge_command(context: Context, layer: int, asked: list[OsPackage]) -> str:
    names = shlex.join(package.name for package in asked)
    kept = _kept(context, layer)
    if asked[0].manager == "apk":
        keep = f"apk add --no-cache {shlex.join(kept)} && " if kept else ""
        return f"{keep}apk del --no-network {names}"
    if asked[0].manager == "rpm":
        return f"dnf remove -y {names}"
    keep = f"apt-mark manual {shlex.join(kept)} && " if kept else ""
    # Recommended packages would stay for as long as anything in the base suggests them.
    return (
        f"{keep}apt-get purge -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false"
        f" -o APT::AutoRemove::SuggestsImportant=false {names}"
    )


def _kept(context: Context, layer: int) -> list[str]:
    """Return the runtime packages that came with a layer's tools, and that files in use need."""
    packages = {context.packages[proof.package] for proof in context.leftovers.kept}
    return sorted(package.name for package in packages if package.installed_in == layer)


def _asked_for(context: Context, layer: int, keys: list[str]) -> list[OsPackage]:
    tools = {tool.package for tool in context.inventory.build_tools}
    packages = [context.packages[key] for key in sorted(keys)]
    asked = [package for package in packages if package.automatic is False]
    known = [package for package in packages if package.key in tools]
    return asked or known or packages


def _without_installs(command: str) -> str:
    parts = [
        part
        for _, part in commands.split(command)
        if not any(commands.installs(part, manager) for manager in ("apt", "apk", "dnf"))
    ]
    return " ; ".join(parts)


def _last_build(context: Context, layer: int) -> int | None:
    """Return the last layer above ``layer`` whose command may need build tools, if any."""
    later = [
        number
        for number, step in context.by_layer.items()
        if number > layer
        and step.word == "RUN"
        and commands.may_build(_without_installs(step.text))
    ]
    return max(later, default=None)


def _loose(context: Context) -> Iterator[Proposal]:
    files = loose_files(context.inventory.rootfs, context.packages, context.inventory.base)
    layers: dict[int, list[str]] = {}
    tops: dict[int, list[str]] = {}
    for tool in context.inventory.build_tools:
        if not tool.package:
            layers.setdefault(tool.layer, []).extend(files.get((tool.name, tool.path), ()))
            tops.setdefault(tool.layer, []).append(f"/{tool.path}")
    for layer, paths in sorted(layers.items()):
        words = f"do not bring {', '.join(tops[layer][:4])}"
        words += f" and {len(tops[layer]) - 4} more" if len(tops[layer]) > 4 else ""
        edit = context.edit("advice", layer, words, rules=_TOOL_RULES)
        yield Proposal(edit, context.contents.behind(paths))


def edits_of_recommended(context: Context) -> Iterator[Proposal]:
    """Propose to do without what packages that stay only recommend."""
    found = context.leftovers
    layers: dict[int, list[str]] = {}
    for group in (found.recommended, found.tools, found.headers):
        for layer, keys in group.items():
            if _only_recommended(context, layer, keys):
                layers.setdefault(layer, []).extend(keys)
    for layer, members in sorted(layers.items()):
        names = [context.packages[key].name for key in members]
        edit = context.edit(
            "no-recommends",
            layer,
            f"install no recommended packages: {len(names)} are here for no other reason",
            command="--no-install-recommends",
            packages=names,
            keep=_kept(context, layer),
            rules=_TOOL_RULES,
        )
        yield Proposal(edit, context.behind_packages(members))


def _only_recommended(context: Context, layer: int, keys: Sequence[str]) -> bool:
    """Whether nobody asked for packages that came with a plain ``apt-get install``.

    As nothing that stays depends on them (see :func:`find_leftovers`), they are there because
    others recommend them.
    """
    command = context.command(layer) or ""
    if not commands.installs(command, "apt") or "--no-install-recommends" in command:
        return False
    asked = [key for key in context.leftovers.packages if context.packages[key].automatic is False]
    return not any(context.packages[key].installed_in == layer for key in asked) and all(
        context.packages[key].automatic for key in keys
    )
