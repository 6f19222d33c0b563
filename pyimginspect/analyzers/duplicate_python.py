"""More than one Python in an image, and who brought the second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import msgspec
from msgspec import Struct

from pyimginspect.analyzers._pythons import (
    brought_in,
    bytecode,
    described,
    line_of,
    replacements,
)
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import Freed, contents_of
from pyimginspect.inventory.derived.bindings import find_bindings
from pyimginspect.inventory.derived.leftovers import files_of_packages
from pyimginspect.inventory.derived.primary_python import (
    Primary,
    application_of,
    needed_packages,
    primary_python,
    running_python,
)
from pyimginspect.inventory.derived.replaceable import replaceable_bindings
from pyimginspect.inventory.facts import Interpreter
from pyimginspect.inventory.interpreters import interpreter_files
from pyimginspect.inventory.packages import (
    Graph,
    RemovalPlan,
    dependency_graph,
    plan_removal,
    why,
)
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed, sized

__all__ = ["ANALYZER", "duplicate_python"]

# Of a package that half the system depends on there are hundreds of chains.
_MOST_CHAINS = 5

RULE = Rule(
    id="duplicate-python",
    title="More than one Python is in the image",
    severity="warning",
    policy="bindings",
    what="The image has a second Python interpreter beside that of its base image. The finding"
    " names it, the packages that pulled it in and the dependency chain from them to it, the"
    " layer and the instruction, and everything that the package manager would remove along"
    " with those packages. Links, hard links, virtual environments and a merged /usr do not"
    " count as a second interpreter.",
    why="Two interpreters do not share a sys.path: what apt installs for one, the other cannot"
    " import, and which of them runs a script depends on PATH and on the first line of the"
    " script. The second one has its own standard library and dependencies, often tens of"
    " megabytes, perhaps another version, and must be patched like the first. Official python"
    " images"
    " build Python into /usr/local, unknown to the package manager, so installing any python3-…"
    " package with apt installs Debian's Python as well.",
    fix="Install Python packages with pip (or uv) for the image's own interpreter, and drop those"
    " of the operating system. What needs Python only at build time belongs in a build stage.",
    example="""# at fault: two interpreters: python3-psycopg2 depends on Debian's
FROM python:3.13-slim
RUN apt-get update && apt-get install -y python3-psycopg2

# better: one
FROM python:3.13-slim
RUN pip install --no-cache-dir psycopg2-binary
""",
)


class _Reason(Struct, frozen=True, kw_only=True):
    """Why a package manager has an interpreter: the chains to it, and what goes when it does.

    ``fixes`` say what to do about each of the packages at the heads of the chains.
    """

    chains: tuple[tuple[str, ...], ...]
    plan: RemovalPlan
    fixes: tuple[str, ...]
    recommended: bool


def duplicate_python(inventory: Inventory) -> Iterator[Finding]:
    """Report every interpreter but the one that the image is about.

    A second one that came with the base image, as the first did, is the choice of base.
    """
    primary = primary_python(inventory)
    if primary is None:
        return
    main = primary.python
    base = inventory.base.layers
    # By the layer of the owning package: a later upgrade of it stores the executable again, and
    # that does not make it the application's.
    main_in_base = brought_in(inventory, main) < base
    graph = None
    for python in inventory.interpreters:
        in_base = brought_in(inventory, python) < base
        if python.path == main.path or (in_base and main_in_base):
            continue
        reason = None
        if python.packages and not in_base:
            # Reading all dependencies takes time that images with one Python need not spend.
            graph = graph or dependency_graph(inventory.packages)
            reason = _reason(inventory, graph, python)
        yield _finding(inventory, primary, python, reason, in_base=in_base)


def _freed(
    inventory: Inventory, main: Interpreter, python: Interpreter, reason: _Reason | None
) -> Freed:
    """Return what goes with an interpreter: all that its packages would take, or its own files.

    Content that the Python which stays has too, by a hard link, stays. What conda's environments
    share goes with the last of them, and is said to go with each.
    """
    rootfs = inventory.rootfs
    contents = contents_of(rootfs)
    if reason is not None:
        keys = _gone(reason.plan)
        return contents.freed(files_of_packages(rootfs, inventory.packages, keys))
    files = {
        each.path: interpreter_files(rootfs, each.path, each.libpython, each.stdlib)
        for each in inventory.interpreters
        if each.path != main.path
    }
    own = {
        (node.layer, node.position)
        for path in files[python.path]
        for node in (rootfs[path].content,)
    }
    all_of_them = contents.behind(path for paths in files.values() for path in paths)
    return contents.freed(wasted=all_of_them & own)


def _reason(inventory: Inventory, graph: Graph, python: Interpreter) -> _Reason | None:
    owners = inventory.packages.owner(python.path)
    chains = [chain for owner in owners for chain in why(graph, owner)]
    roots = sorted({chain[0] for chain in chains})
    if not roots:
        return None
    return _Reason(
        chains=tuple(chains),
        plan=plan_removal(inventory.rootfs, inventory.packages, graph, roots),
        fixes=tuple(replacements(inventory, roots)),
        recommended=any(
            # Chains follow Recommends too, since apt does; a link that nothing requires is one.
            upper not in graph.required_by[lower]
            for chain in chains
            for upper, lower in pairwise(chain)
        ),
    )


def _finding(
    inventory: Inventory,
    primary: Primary,
    python: Interpreter,
    reason: _Reason | None,
    *,
    in_base: bool,
) -> Finding:
    layer = brought_in(inventory, python)
    main, running = primary.python, running_python(inventory)
    if reason is not None:
        asked = reason.plan.roots
        message = f"{listed(asked, 3)} pulled in a second Python, {described(python)}"
        packages: tuple[str, ...] = _gone(reason.plan)
        layers = {layer, *(inventory.packages[key].installed_in for key in asked)}
        edits = "; ".join(reason.fixes)
        used = not needed_packages(inventory).isdisjoint(reason.plan.packages)
        stays = used or not _are_replaceable(inventory, asked)
    else:
        where = "is part of the base image" if in_base else f"was added by layer {layer}"
        message = f"a second Python, {described(python)}, {where}"
        packages, layers = python.packages, {layer}
        edits = _fix(inventory, main, python, in_base=in_base)
        stays = used = python == running or bool(application_of(inventory, python))
    unknown = inventory.startup.status == "unknown"
    fix = _moved(inventory, main, python, edits) if used else edits
    if unknown:
        message += f"; which one runs is not known: {inventory.startup.reason}"
        fix = f"if /{main.path} is the one that runs, {edits}; otherwise make it the one that runs"
    elif in_base and main == running and (brought := _roots(inventory, main)):
        message += (
            f", and the one that runs is {described(main)}, which {listed(brought, 3)} pulled in"
        )
    elif python == running and (script := _script(inventory)):
        message += f", which runs {script}"
    # What cannot go before something else is changed saves nothing by itself.
    frees = None if stays or unknown else _freed(inventory, main, python, reason)
    return RULE.finding(
        subject=python.path,
        message=message,
        evidence=_evidence(inventory, primary, python, reason),
        layers=layers,
        instruction=inventory.instruction(layer),
        paths=(python.path, *python.aliases),
        packages=packages,
        frees=frees,
        fix=fix,
    )


def _are_replaceable(inventory: Inventory, keys: Iterable[str]) -> bool:
    """Whether an edit can do without packages: bindings only where pip can bring them."""
    bindings = {each.package for each in find_bindings(inventory)}
    ready = {each.package for each in replaceable_bindings(inventory)}
    return ready.issuperset(bindings.intersection(keys))


def _script(inventory: Inventory) -> str:
    """Return the script that the image's command runs, whose first line names its Python."""
    steps = inventory.startup.steps
    # The last step alone: an entry script before it may well have another interpreter.
    before, _, path = steps[-1].how.partition("the first line of ") if steps else ("", "", "")
    return path if not before else ""


def _from_lines(inventory: Inventory, keys: list[str]) -> str:
    """Return packages with the lines of the Dockerfile that ask for them."""
    lines: dict[str, list[str]] = {}
    for key in keys:
        package = inventory.packages[key]
        line = line_of(inventory, package)
        lines.setdefault(line, []).append(key)
    return listed([f"{listed(names)} from {line}" for line, names in lines.items()])


def _roots(inventory: Inventory, python: Interpreter) -> list[str]:
    """Return which packages that were asked for brought an interpreter."""
    owners = inventory.packages.owner(python.path)
    if not owners or brought_in(inventory, python) < inventory.base.layers:
        return []
    graph = dependency_graph(inventory.packages)
    return sorted({chain[0] for owner in owners for chain in why(graph, owner)})


def _moved(inventory: Inventory, main: Interpreter, python: Interpreter, edits: str) -> str:
    """Return what comes before a Python that is in use can go."""
    names = sorted({each.name for each in application_of(inventory, python)})
    if names:
        return f"install {listed(names)} for /{main.path} with pip, then {edits}"
    return f"run what starts with /{main.path}, then {edits}"


def _gone(plan: RemovalPlan) -> tuple[str, ...]:
    """Return what goes because the roots go, and would not go anyway."""
    # apt's next autoremove would take the orphans whatever is done here.
    return tuple(sorted({*plan.packages} - {*plan.already_orphaned}))


def _fix(inventory: Inventory, main: Interpreter, python: Interpreter, *, in_base: bool) -> str:
    if in_base:
        names = sorted({each.name for each in application_of(inventory, main)})
        roots = _roots(inventory, main)
        use = f"use /{python.path}"
        if names:
            use = f"install {listed(names)} for /{python.path} with pip"
        elif roots:
            use = f"run what starts with /{python.path}"
        drop = f" and drop {_from_lines(inventory, roots)}" if roots else ""
        return f"{use}{drop}, or start from a base image without Python and keep /{main.path} alone"
    if python.origin == "pyinstaller":
        return (
            f"install the application in /{python.path} for /{main.path} with pip, and drop the"
            f" step of layer {python.layer} that adds the frozen application"
        )
    return (
        f"install what needs /{python.path} for /{main.path}, and drop the step of layer"
        f" {python.layer} that adds it"
    )


def _evidence(
    inventory: Inventory, primary: Primary, python: Interpreter, reason: _Reason | None
) -> Iterator[Evidence]:
    main = primary.python
    yield Evidence(what=f"the first is {described(main)}: {primary.reason}", path=main.path)
    if python.effective:
        yield Evidence(what=f"the second runs: {python.effective_reason}", path=python.path)
    for found in python.evidence[-1:]:
        yield msgspec.structs.replace(found, path=found.path or python.path)
    if reason is not None:
        for chain in reason.chains[:_MOST_CHAINS]:
            package = inventory.packages[chain[0]]
            what = " → ".join(chain) if len(chain) > 1 else f"{chain[0]} was installed explicitly"
            yield Evidence(what=what, package=chain[0], layer=package.installed_in)
        if len(reason.chains) > _MOST_CHAINS:
            yield Evidence(what=counted(len(reason.chains) - _MOST_CHAINS, "more chain"))
        if reason.recommended:
            yield Evidence(what="recommended, not required: --no-install-recommends keeps it out")
        yield from _removal(inventory, reason.plan)
    for environment in inventory.environments:
        if environment.base == python.path:
            yield Evidence(what=f"/{environment.path} is based on it", path=environment.path)
    only = [
        f"{each.name} {each.version}"
        for each in inventory.distributions
        if each.interpreters == (python.path,)
    ]
    if only:
        yield Evidence(what=f"only it imports {listed(only)}")


def _removal(inventory: Inventory, plan: RemovalPlan) -> Iterator[Evidence]:
    gone = _gone(plan)
    where = listed([f"{sized(size)} in layer {layer}" for layer, size in plan.layers.items()])
    what = f"removing {listed(plan.roots)} would remove {counted(len(gone), 'package')}, {where}"
    yield Evidence(what=f"{what}: {', '.join(gone)}")
    compiled = bytecode(inventory, gone)
    if compiled:
        yield Evidence(
            what=f"{sized(compiled)} of bytecode compiled from their sources would be removed too"
        )
    if not plan.orphans_known:
        yield Evidence(
            what="which other packages would be removed is not known: no record says"
            " which were installed explicitly"
        )
    if plan.already_orphaned:
        yield Evidence(
            what="already required by nothing: "
            f"{listed(plan.already_orphaned, 8)} ({sized(plan.already_size)})"
        )


ANALYZER = Analyzer(rule=RULE, run=duplicate_python)
