"""Python packages from the operating system's package manager."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
from pyimginspect.text import counted, listed

__all__ = ["ANALYZER", "os_python_binding"]

RULE = Rule(
    id="os-python-binding",
    title="Python packages come from the operating system",
    severity="warning",
    policy="bindings",
    what="A system package ships importable Python: python3-yaml, py3-lxml. The finding says"
    " which PyPI distribution it is, from the metadata in the package, and whether the"
    " interpreter that the image starts can import it at all.",
    why="The operating system's Python packages are built for the operating system's Python. In"
    " an official python image that is not the interpreter in /usr/local: it is installed as"
    " their dependency, and the application's interpreter cannot import them. Their versions"
    " are the distribution's, sometimes years old, and no requirements file lists them.",
    fix="Install the distribution with pip instead, and drop the package. Native libraries that"
    " the distribution needs at run time (libpq5, libxml2) may stay: those are what the"
    " system's package manager is for.",
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
    """Report the OS packages with importable Python that layers above the base brought.

    One finding for each package that was asked for: what it brought is fixed with it.
    """
    sight = runtime_python(inventory)
    packages = inventory.packages
    bindings = {
        binding.package: binding
        for binding in find_bindings(inventory)
        if packages[binding.package].installed_in >= inventory.base.layers
    }
    if not bindings:
        return
    graph = dependency_graph(packages)
    # The largest get the exact answer: there it matters most.
    by_size = sorted(bindings, key=lambda key: (-packages[key].size, key))
    exact = {*by_size[: max(_LEAST_EXACT, _WORK // len(packages.packages))]}
    for root, brought in _by_root(inventory, graph, bindings).items():
        binding = bindings.get(root)
        if binding is not None:
            gone = _gone(inventory, graph, root) if root in exact else {root}
            yield _finding(inventory, binding, sight, gone, brought)
        else:
            gone = {each.package for each in brought}
            for key in gone & exact:
                gone |= _gone(inventory, graph, key)
            yield _of_another(inventory, root, brought, sight, gone)


def _by_root(
    inventory: Inventory, graph: Graph, bindings: Mapping[str, Binding]
) -> dict[str, list[Binding]]:
    """Return the bindings that each package brought by itself, the roots that are bindings first.

    A root is a package that was asked for, or a binding that no such package leads to.
    """
    asked = {
        key
        for key, node in graph.nodes.items()
        if node.package.automatic is False and node.package.installed_in >= inventory.base.layers
    }
    roots = sorted(asked, key=lambda key: (key not in bindings, -inventory.packages[key].size, key))
    roots += [key for key in bindings if key not in asked]
    claimed = asked & bindings.keys()
    found: dict[str, list[Binding]] = {}
    seen: set[str] = set()
    for root in roots:
        if root in claimed and root not in asked:
            continue  # another root brought it
        brought = {key for key in _behind(graph, root, seen) if key in bindings} - claimed
        if root in bindings or brought:
            claimed |= {root, *brought}
            found[root] = [bindings[key] for key in sorted(brought)]
    return found


def _behind(graph: Graph, root: str, seen: set[str]) -> Iterator[str]:
    """Yield the packages that were installed as dependencies of ``root``, or theirs.

    ``seen`` are those that another root led to before; what is yielded is added to it.
    """
    todo = [root]
    while todo:
        node = graph.nodes[todo.pop()]
        # apt installs Recommends by default, so they may have come that way.
        for key in members((*node.requires, *node.recommends)):
            if key not in seen and graph.nodes[key].package.automatic is not False:
                seen.add(key)
                todo.append(key)
                yield key


# What goes with a package takes a look at all packages, for each binding: of very many, in a very
# large database, the smaller ones are told with their own files alone.
_LEAST_EXACT = 20
_WORK = 200_000
_MOST_BROUGHT = 12


def _finding(
    inventory: Inventory,
    binding: Binding,
    sight: RuntimePython | None,
    gone: set[str],
    brought: Sequence[Binding],
) -> Finding:
    key = binding.package
    package = inventory.packages[key]
    layer = package.installed_in
    importable = _is_importable(binding, sight)
    twin = twin_of(inventory, binding)
    message = f"{key} is {_name(binding)}"
    if importable:
        message += ", installed by the package manager instead of pip"
    elif sight is not None:
        message += f", which /{sight.path} cannot import"
    fix = replacement(inventory, key, binding, twin)
    # What stays until something else is changed saves nothing by itself; what came with it does.
    goes = package.automatic is not False or binding in replaceable_bindings(inventory)
    files = files_of_packages(inventory.rootfs, inventory.packages, gone if goes else ())
    return RULE.finding(
        subject=package.name,
        severity="note" if importable or package.automatic else None,
        message=message,
        evidence=_evidence(inventory, binding, sight, twin, brought),
        layers=(layer,),
        instruction=inventory.instruction(layer),
        paths=[each.metadata for each in binding.distributions] or binding.locations,
        packages=(key, *(each.package for each in brought)),
        frees=contents_of(inventory.rootfs).freed(files),
        fix=fix,
    )


def _of_another(
    inventory: Inventory,
    root: str,
    brought: Sequence[Binding],
    sight: RuntimePython | None,
    gone: set[str],
) -> Finding:
    """Return the note about a package that is no binding itself, and brought some."""
    package = inventory.packages[root]
    layer = package.installed_in
    names = [each.package for each in brought]
    message = f"{root} brought {listed(names)}, the operating system's Python packages"
    if sight is not None and not any(_is_importable(each, sight) for each in brought):
        message += f", which /{sight.path} cannot import"
    return RULE.finding(
        subject=package.name,
        severity="note",
        message=message,
        evidence=(*_brought(inventory, root, brought), *_sight(sight)),
        layers=(layer,),
        instruction=inventory.instruction(layer),
        paths=[each.metadata for one in brought for each in one.distributions]
        or [place for one in brought for place in one.locations],
        packages=(root, *names),
        frees=contents_of(inventory.rootfs).freed(
            files_of_packages(inventory.rootfs, inventory.packages, gone)
        ),
        fix=f"leave {root} out if nothing in the image runs it, or keep it to a build stage",
    )


def _is_importable(binding: Binding, sight: RuntimePython | None) -> bool:
    return sight is not None and not {*binding.locations}.isdisjoint(sight.directories)


def _gone(inventory: Inventory, graph: Graph, key: str) -> set[str]:
    """Return the packages that go with a package, but for a Python that would be removed too.

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
    inventory: Inventory,
    binding: Binding,
    sight: RuntimePython | None,
    twin: Distribution | None,
    brought: Sequence[Binding],
) -> Iterator[Evidence]:
    package = inventory.packages[binding.package]
    asked = {True: "was installed as a dependency", False: "was installed explicitly"}
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
    yield from _brought(inventory, binding.package, brought)
    yield from _sight(sight)
    if twin is not None:
        by = f" from {twin.installer}" if twin.installer else ""
        yield Evidence(what=f"it has {twin.name} {twin.version}{by}", path=twin.metadata)


def _brought(inventory: Inventory, root: str, brought: Sequence[Binding]) -> Iterator[Evidence]:
    """Yield which bindings a package brought as its dependencies."""
    for each in brought[:_MOST_BROUGHT]:
        yield Evidence(
            what=f"{root} brought {each.package}, which is {_name(each)}",
            package=each.package,
            layer=inventory.packages[each.package].installed_in,
        )
    more = len(brought) - _MOST_BROUGHT
    if more > 0:
        yield Evidence(what=f"and {counted(more, 'more Python package')}", package=root)


def _sight(sight: RuntimePython | None) -> Iterator[Evidence]:
    if sight is not None:
        where = listed([f"/{directory}" for directory in sight.directories]) or "nowhere"
        yield Evidence(what=f"/{sight.path} imports third-party code from {where}", path=sight.path)


ANALYZER = Analyzer(rule=RULE, run=os_python_binding)
