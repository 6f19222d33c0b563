"""Python packages from the operating system's package manager."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._pythons import replacement
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import contents_of
from pyimginspect.inventory.derived.bindings import Binding, find_bindings, twin_of
from pyimginspect.inventory.derived.leftovers import files_of_packages
from pyimginspect.inventory.derived.replaceable import replaceable_bindings
from pyimginspect.inventory.derived.runtime_python import RuntimePython, runtime_python
from pyimginspect.inventory.facts import Distribution
from pyimginspect.inventory.packages import Graph, dependency_graph, plan_removal, why
from pyimginspect.inventory.packages.graph import members
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER", "os_python_binding"]

RULE = Rule(
    id="os-python-binding",
    title="Python packages come from the operating system",
    severity="warning",
    policy="bindings",
    what="A package of the operating system ships importable Python: python3-yaml, py3-lxml. The"
    " finding says which distribution of PyPI it is, by the metadata that the package itself"
    " carries, and whether the interpreter that the image starts can import it at all.",
    why="The operating system's Python packages are built for the operating system's Python. In"
    " an official python image that is another one than the interpreter in /usr/local: it has"
    " to be installed with them, and what they contain cannot be imported where the"
    " application runs. Their versions are the distribution's, years behind at times, and a"
    " requirements file knows nothing of them.",
    fix="Ask pip for the distribution in place of the package, and drop the package. A library"
    " that the distribution needs at run time (libpq5, libxml2) may stay: those are what the"
    " operating system's package manager is for.",
    example="""# at fault: psycopg2 for Debian's Python; python in /usr/local cannot import it
FROM python:3.13-slim
RUN apt-get update && apt-get install -y python3-psycopg2

# better: psycopg2 where the application runs, its native library from Debian
FROM python:3.13-slim
RUN apt-get update && apt-get install -y --no-install-recommends libpq5
RUN pip install --no-cache-dir psycopg2-binary
""",
)


def os_python_binding(inventory: Inventory) -> Iterator[Finding]:
    """Report the OS packages with importable Python that layers above the base brought."""
    sight = runtime_python(inventory)
    packages = inventory.packages
    bindings = [
        binding
        for binding in find_bindings(inventory)
        if packages[binding.package].installed_in >= inventory.base.layers
    ]
    if not bindings:
        return
    graph = dependency_graph(packages)
    by_size = sorted(bindings, key=lambda one: (-packages[one.package].size, one.package))
    exact = {one.package for one in by_size[: max(_LEAST_EXACT, _WORK // len(packages.packages))]}
    # Of those that take each other along, the one that was asked for comes first and counts.
    for binding in sorted(bindings, key=lambda one: packages[one.package].automatic is not False):
        key = binding.package
        gone = _gone(inventory, graph, key) if key in exact else {key}
        yield _finding(inventory, binding, sight, gone)


# What goes with a package takes a look at all packages, for each binding: of very many, in a very
# large database, the smaller ones are told with their own files alone.
_LEAST_EXACT = 20
_WORK = 200_000


def _finding(
    inventory: Inventory, binding: Binding, sight: RuntimePython | None, gone: set[str]
) -> Finding:
    key = binding.package
    package = inventory.packages[key]
    layer = package.installed_in
    importable = sight is not None and not {*binding.locations}.isdisjoint(sight.directories)
    twin = twin_of(inventory, binding)
    message = f"{key} is {_name(binding)}"
    if importable:
        message += ", from the package manager in place of pip"
    elif sight is not None:
        message += f", which /{sight.path} cannot import"
    fix = replacement(inventory, key, binding, twin)
    # What stays until something else is changed saves nothing by itself; what came along does.
    goes = package.automatic is not False or binding in replaceable_bindings(inventory)
    files = files_of_packages(inventory.rootfs, inventory.packages, gone if goes else ())
    return RULE.finding(
        subject=package.name,
        severity="note" if importable or package.automatic else None,
        message=message,
        evidence=_evidence(inventory, binding, sight, twin),
        layers=(layer,),
        instruction=inventory.instruction(layer),
        paths=[each.metadata for each in binding.distributions] or binding.locations,
        packages=(key,),
        frees=contents_of(inventory.rootfs).freed(files),
        fix=fix,
    )


def _gone(inventory: Inventory, graph: Graph, key: str) -> set[str]:
    """Return the packages that go with a package, but for a Python that would go too.

    What that one takes is the affair of the rule about second Pythons, and counted there.
    """
    plan = plan_removal(inventory.rootfs, inventory.packages, graph, [key])
    owners = {owner for each in inventory.interpreters for owner in each.packages}
    todo = [one for owner in owners for chain in why(graph, owner) for one in chain[1:]]
    needed: set[str] = set()
    while todo:
        one = todo.pop()
        if one not in needed:
            needed.add(one)
            todo.extend(members(graph.nodes[one].requires))
    return {*plan.packages} - {*plan.already_orphaned} - needed | {key}


def _name(binding: Binding) -> str:
    """Return what the package is to Python: ``psycopg2 2.9.5``, or the modules it brings."""
    if binding.distributions:
        return listed([f"{each.name} {each.version}" for each in binding.distributions])
    return f"the Python of {listed(binding.modules)}"


def _evidence(
    inventory: Inventory, binding: Binding, sight: RuntimePython | None, twin: Distribution | None
) -> Iterator[Evidence]:
    package = inventory.packages[binding.package]
    asked = {True: "came along with another package", False: "was asked for by name"}
    if package.automatic is not None:
        yield Evidence(
            what=f"{binding.package} {package.version} {asked[package.automatic]}",
            package=binding.package,
            layer=package.installed_in,
        )
    for each in binding.distributions:
        yield Evidence(
            what=f"its metadata says {each.name} {each.version}",
            path=each.metadata,
            layer=each.layer,
            package=binding.package,
        )
    for location in binding.locations:
        yield Evidence(what=f"it puts {listed(binding.modules)} into /{location}", path=location)
    if sight is not None:
        where = listed([f"/{directory}" for directory in sight.directories]) or "nowhere"
        yield Evidence(what=f"/{sight.path} imports third-party code from {where}", path=sight.path)
    if twin is not None:
        by = f" from {twin.installer}" if twin.installer else ""
        yield Evidence(what=f"it has {twin.name} {twin.version}{by}", path=twin.metadata)


ANALYZER = Analyzer(rule=RULE, run=os_python_binding)
