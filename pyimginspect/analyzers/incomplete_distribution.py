"""Distributions that are installed by their metadata, and whose modules are not there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.dockerfile.shell import commands
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Distribution, WastedFile
from pyimginspect.inventory.modules import MissingModules
from pyimginspect.inventory.tool_names import required_names
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed

__all__ = ["ANALYZER", "incomplete_distribution"]

# Some distributions have ten thousand files; the counts are of all.
_MOST_PATHS = 50
# What images are slimmed by on purpose once all is installed.
_INSTALLERS = frozenset({"pip", "setuptools", "uv", "wheel"})
# As the names of PEP 508 begin: what else stands after `uninstall` are options and variables.
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")

RULE = Rule(
    id="incomplete-distribution",
    title="The modules of an installed distribution are missing",
    severity="error",
    policy="soundness",
    what="The metadata of a distribution is in the image, and the packages and modules that its"
    " RECORD lists are not: another distribution that shared the files was uninstalled, a later"
    " step deleted them, or they are symbolic links that lead to nothing, as uv makes them into"
    " its cache with UV_LINK_MODE=symlink. Missing bytecode, tests, data and submodules are not"
    " counted here. That pip, setuptools or wheel were removed is a note, unless another"
    " distribution requires them.",
    why="pip list shows the distribution, pip check passes, and the import fails: with"
    " ModuleNotFoundError, or, where a directory of that name is left, with an empty namespace"
    " package that has none of the attributes that the program asks for.",
    fix="Install the distribution again (pip install --force-reinstall NAME), and do not install"
    " distributions with the same modules side by side. With uv, install with"
    " UV_LINK_MODE=copy when the cache is a mount.",
    example="""# at fault: both bring cv2, and the second uninstall takes it away
RUN pip install opencv-python opencv-python-headless && pip uninstall -y opencv-python

# better
RUN pip install opencv-python-headless

# at fault: the links lead into a mount that the image does not have
RUN --mount=type=cache,target=/root/.cache/uv UV_LINK_MODE=symlink uv pip install --system click

# better
RUN --mount=type=cache,target=/root/.cache/uv UV_LINK_MODE=copy uv pip install --system click
""",
)


def incomplete_distribution(inventory: Inventory) -> Iterator[Finding]:
    """Report what cannot be imported for want of its files, if a layer above the base is why."""
    missing_modules = inventory.records.missing_modules
    if not missing_modules:
        return
    wanted = {path for each in missing_modules.values() for path in each.paths}
    wasted_files = {
        each.path: each for each in inventory.ledger.wasted_files if each.path in wanted
    }
    linked: dict[tuple[str, str], list[Distribution]] = {}
    for each in inventory.distributions:
        modules = missing_modules.get(each.metadata)
        if modules is None:
            continue
        taken = [wasted_files[path] for path in modules.paths if path in wasted_files]
        layers = {each.layer, *(wasted.removed_in for wasted in taken)}
        if max(layers) < inventory.base.layers:
            continue
        if modules.links:
            place = (each.location, _cache_of(modules.links[0][1]))
            linked.setdefault(place, []).append(each)
        else:
            yield _incomplete(inventory, each, modules, taken, layers)
    for (location, target), distributions in sorted(linked.items()):
        yield _dangling(inventory, location, target, distributions)


def _incomplete(
    inventory: Inventory,
    each: Distribution,
    modules: MissingModules,
    taken: list[WastedFile],
    layers: set[int],
) -> Finding:
    names = listed(modules.modules)
    layer = max(layers)
    step = inventory.instruction(layer)
    evidence = [
        Evidence(what=f"{each.name} {each.version} is installed here", path=each.metadata,
                 layer=each.layer),
        *(Evidence(what="RECORD lists it, but it is missing", path=p) for p in modules.paths[:3]),
    ]  # fmt: skip
    evidence += [
        Evidence(what=f"layer {wasted.removed_in} removed it", path=wasted.path, layer=wasted.layer)
        for wasted in taken[:3]
    ]
    others = _uninstalled(step, each.name)
    if others:
        evidence.append(Evidence(what=f"the instruction uninstalls {listed(others)}", layer=layer))
    dispensable = each.name in _INSTALLERS and each.name not in _required(inventory)
    effect = (
        f"{modules.modules[0]} is imported as an empty namespace package"
        if modules.rest
        else f"import {modules.modules[0]} fails"
    )
    again = shlex.quote(f"{each.name}=={each.version}")
    fix = f"Install it again after that step: pip install --force-reinstall {again}"
    if others:
        fix = (
            f"Install only one of {listed(sorted([*others, each.name]))}: they share files, and"
            f" uninstalling one removes them; or pip install --force-reinstall {again} afterwards"
        )
    elif dispensable:
        fix = f"Remove the metadata too: pip uninstall -y {each.name}, in the step that installs it"
    return RULE.finding(
        subject=each.name,
        severity="note" if dispensable else None,
        message=f"{each.name} {each.version} in /{each.location}: {names}"
        f" {'is' if len(modules.modules) == 1 else 'are'} not in the image, so {effect}",
        evidence=evidence,
        layers=layers,
        instruction=step,
        paths=modules.paths[:_MOST_PATHS],
        fix=fix,
    )


def _required(inventory: Inventory) -> frozenset[str]:
    """Return what other distributions require, whoever installed them."""
    others = [each for each in inventory.distributions if each.name not in _INSTALLERS]
    return frozenset(required_names(inventory.rootfs, others))


def _dangling(
    inventory: Inventory, location: str, target: str, distributions: list[Distribution]
) -> Finding:
    """Return one finding for all that one missing directory took away."""
    missing_modules = inventory.records.missing_modules
    names = [f"{each.name} {each.version}" for each in distributions]
    layers = {each.layer for each in distributions}
    evidence = []
    for each in distributions[:8]:
        link, leads_to = missing_modules[each.metadata].links[0]
        what = f"{each.name}: a symbolic link to {leads_to}, which is not in the image"
        evidence.append(Evidence(what=what, path=link, layer=each.layer))
    if len(distributions) > len(evidence):
        more = counted(len(distributions) - len(evidence), "more distribution")
        evidence.append(Evidence(what=f"the same applies to {more}"))
    layer = max(layers)
    uv = any(each.installer == "uv" for each in distributions)
    fix = "Install with copies of the files"
    if uv:
        fix = "Set UV_LINK_MODE=copy in the step that installs: the links lead into a cache that"
        fix += " the image does not have"
    return RULE.finding(
        subject=distributions[0].name if len(distributions) == 1 else location,
        message=f"{listed(names)} in /{location}: the files are symbolic links into {target},"
        " which is not in the image, so that nothing can be imported from them",
        evidence=evidence,
        layers=layers,
        instruction=inventory.instruction(layer),
        paths=[path for each in distributions for path in missing_modules[each.metadata].paths][
            :_MOST_PATHS
        ],
        fix=fix,
    )


def _cache_of(target: str) -> str:
    """Return the directory that links lead into, as far as it is the same for all of them."""
    # uv unpacks into archive-v0/HASH of its cache, PDM into packages/NAME of its own: the part
    # after is another one for each wheel.
    for part in ("/archive-v", "/packages/"):
        head, found, _ = target.partition(part)
        if found:
            return head or "/"
    return target.rpartition("/")[0] or "/"


def _uninstalled(step: str, name: str) -> list[str]:
    """Return the distributions that an instruction uninstalls, other than ``name``."""
    words: list[str] = []
    for command in commands(step.removeprefix("RUN ")):
        if "uninstall" in command.texts:
            words += command.texts[command.texts.index("uninstall") + 1 :]
    # pip uninstall takes NAME==VERSION too, and looks at the name alone.
    names = [word.partition("=")[0] for word in words if _NAME.fullmatch(word.partition("=")[0])]
    # Normalised as PEP 503 has it, as metadata's names are.
    return sorted({re.sub(r"[-_.]+", "-", each).lower() for each in names} - {name})


ANALYZER = Analyzer(rule=RULE, run=incomplete_distribution)
