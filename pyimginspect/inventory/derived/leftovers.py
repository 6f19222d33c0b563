"""What would be removed with the build tools, what must stay, and whose bytes that would be.

``apt-get purge --auto-remove`` is not the measure here: a build that keeps its tools to a stage of
its own never installs them, so that what only recommended them is no reason to keep them. What a
program outside of all packages needs (a wheel's extension, linked to ``libpq.so.5``) is one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.primary_python import starting_packages
from pyimginspect.inventory.derived.proofs_of_use import Kept, proofs_of_use, used_by_files
from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.official_images import TKINTER
from pyimginspect.inventory.packages import Graph, PackageDatabase, dependency_graph
from pyimginspect.inventory.packages.dpkg import INFO
from pyimginspect.inventory.packages.graph import dependency_closure
from pyimginspect.inventory.packages.removable import owned_alone, owned_together
from pyimginspect.inventory.tool_names import kind_of_package
from pyimginspect.rootfs import RootFS

__all__ = [
    "Leftovers",
    "bytecode_of",
    "files_of_packages",
    "find_leftovers",
    "free_packages",
    "kept_of_full",
    "not_in_slim",
    "tkinter_of_base",
    "without",
]


class Leftovers(Struct, frozen=True, kw_only=True):
    """The packages that an image could do without if its build tools had gone with the build.

    ``tools``, ``headers`` and ``virtual`` share them out, each by the layer that installed them:
    headers and static libraries, what virtual packages hold, and all else. ``recommended`` came
    along with packages that stay, and only by recommendation.
    """

    tools: Mapping[int, tuple[str, ...]] = {}
    headers: Mapping[int, tuple[str, ...]] = {}
    virtual: Mapping[int, tuple[str, ...]] = {}
    recommended: Mapping[int, tuple[str, ...]] = {}
    kept: tuple[Kept, ...] = ()

    @property
    def packages(self) -> frozenset[str]:
        """All of them, by key."""
        groups = (self.tools, self.headers, self.virtual, self.recommended)
        return frozenset(key for group in groups for keys in group.values() for key in keys)


@memoized
def find_leftovers(inventory: Inventory) -> Leftovers:
    """Find what goes with the build tools that no runtime package depends on."""
    packages = inventory.packages
    tools = {tool.package for tool in inventory.build_tools if tool.package and not tool.kept_by}
    if not any(package.installed_in >= inventory.base.layers for package in packages.packages):
        return Leftovers()
    graph = dependency_graph(packages)
    free, kept = without(inventory, graph, tools)
    mine = free & (dependency_closure(graph, tools, recommended=True) | tools)
    of_virtual = dependency_closure(
        graph, [key for key in tools if packages[key].virtual], recommended=False
    )
    virtual = mine & of_virtual
    programs = [key for key in tools if not _is_header(packages, key)]
    of_programs = dependency_closure(graph, programs, recommended=True)
    headers = {key for key in mine - virtual if key not in of_programs or _is_header(packages, key)}
    return Leftovers(
        tools=_by_layer(packages, mine - virtual - headers),
        headers=_by_layer(packages, headers),
        virtual=_by_layer(packages, virtual),
        recommended=_by_layer(packages, free - mine),
        kept=kept,
    )


def _by_layer(packages: PackageDatabase, keys: Iterable[str]) -> dict[int, tuple[str, ...]]:
    """Return packages by the layer that installed them, all in order."""
    layers: dict[int, list[str]] = {}
    for key in sorted(keys):
        layers.setdefault(packages[key].installed_in, []).append(key)
    return {layer: tuple(layers[layer]) for layer in sorted(layers)}


def _is_header(packages: PackageDatabase, key: str) -> bool:
    return kind_of_package(packages[key]) in ("headers", "static-library")


def without(
    inventory: Inventory, graph: Graph, dropped: Collection[str]
) -> tuple[frozenset[str], tuple[Kept, ...]]:
    """Return what layers above the base need not install if ``dropped`` packages are not wanted.

    These are the dropped and what nothing that stays depends on, and the proofs for those that
    stay because a file that is no package's needs them. What starts, and a Python that is in
    use, always stays.
    """
    base = inventory.base
    roots = [
        package.key
        for package in inventory.packages.packages
        if package.key not in dropped
        and (
            # None, where no record is kept, may be a package that somebody asked for.
            package.installed_in < base.layers or package.essential or package.automatic is not True
        )
    ]
    free = graph.nodes.keys() - dependency_closure(graph, roots, recommended=False)
    kept = tuple(proofs_of_use(inventory, graph, free, dropped))
    # What is in use needs its own dependencies as well.
    if kept:
        roots += [proof.package for proof in kept]
        free = graph.nodes.keys() - dependency_closure(graph, roots, recommended=False)
    return frozenset(free), kept


def free_packages(inventory: Inventory, keys: Collection[str]) -> frozenset[str]:
    """Return the packages that would be removed with ``keys``; those of build tools are left out.

    Only packages of layers above the base count: what is in the base is the base's.
    """
    if not keys:
        return frozenset()
    graph = dependency_graph(inventory.packages)
    # What could be removed already has nothing to do with these packages.
    before, _ = without(inventory, graph, ())
    free, _ = without(inventory, graph, set(keys))
    leftovers = find_leftovers(inventory).packages
    return frozenset(
        key
        for key in free - before - leftovers
        if inventory.packages[key].installed_in >= inventory.base.layers
    )


# --- the full variant -----------------------------------------------------------------------------
# What Debian's slim variant leaves out (debuerreotype's .slimify-excludes), copyright files apart.
_DOCUMENTS = tuple(
    f"usr/share/{name}/" for name in ("doc", "groff", "info", "linda", "lintian", "locale", "man")
)


def kept_of_full(inventory: Inventory) -> tuple[str, ...]:
    """Return the names of packages of a full base image that the application needs.

    They hold what starts, or what its files load or call. The slim variant has none of them.
    """
    base, packages = inventory.base, inventory.packages
    of_base = {each.key for each in packages.packages if each.installed_in < base.layers}
    # Debian's own layer is the lowest; those of buildpack-deps and of Python lie above it.
    roots = [each.key for each in packages.packages if each.installed_in == 0]
    graph = dependency_graph(packages)
    own = dependency_closure(graph, roots, recommended=False)
    more = of_base - own
    needed = {proof.package for proof in used_by_files(inventory, more, since=base.layers)}
    needed |= starting_packages(inventory) & more
    return tuple(sorted({packages[key].name for key in needed}))


_OF_SLIM = frozenset({"ca-certificates", "netbase", "tzdata"})
"""What the slim variant installs for Python, and nothing depends on."""


@memoized
def tkinter_of_base(inventory: Inventory) -> frozenset[str]:
    """Return the extension modules of tkinter that the base image has."""
    rootfs, layers = inventory.rootfs, inventory.base.layers
    modules = (path for path in rootfs.elf if path.rpartition("/")[2].startswith(TKINTER))
    return frozenset(path for path in modules if rootfs[path].layer < layers)


@memoized
def not_in_slim(inventory: Inventory) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return what an official full image has and a slim one would not: packages, and all files.

    What is not needed by the system at the bottom, by the Python in ``/usr/local``, or by what
    the application installed is taken for absent; so is documentation. An estimate, of course.
    """
    packages, base = inventory.packages, inventory.base
    roots = [
        package.key
        for package in packages.packages
        if package.installed_in == 0
        or package.essential
        or package.name in _OF_SLIM
        or (package.installed_in >= base.layers and package.automatic is not True)
    ]
    graph = dependency_graph(packages)
    free = graph.nodes.keys() - dependency_closure(graph, roots, recommended=False)
    tkinter = tkinter_of_base(inventory)
    roots += [proof.package for proof in used_by_files(inventory, free, ignored=tkinter)]
    roots += starting_packages(inventory)
    free = graph.nodes.keys() - dependency_closure(graph, roots, recommended=False)
    files = set(files_of_packages(inventory.rootfs, packages, free))
    files.update(
        path
        for path, node in inventory.rootfs.nodes.items()
        if path.startswith(_DOCUMENTS)
        and node.layer < base.layers
        and node.kind == "file"
        # .slimify-excludes keeps these: Debian's policy (12.5) wants one of each package.
        and not path.endswith("/copyright")
    )
    return tuple(sorted(free)), frozenset(files)


# --- bytes --------------------------------------------------------------------------------------
def files_of_packages(
    rootfs: RootFS, packages: PackageDatabase, keys: Collection[str]
) -> frozenset[str]:
    """Return the files that would not be there without the packages ``keys``.

    Those that they own alone, dpkg's notes about them, and the bytecode of their modules, which
    maintainer scripts compile and nobody owns.
    """
    already, chosen = _files_already(packages), frozenset(keys)
    if chosen not in already:
        already[chosen] = frozenset(_files_of(rootfs, packages, chosen))
    return already[chosen]


@memoized
def _files_already(packages: PackageDatabase) -> dict[frozenset[str], frozenset[str]]:
    """Return what was found so far: findings and edits ask for the same packages."""
    return {}


def _files_of(rootfs: RootFS, packages: PackageDatabase, keys: frozenset[str]) -> set[str]:
    already = _files_of_one(packages)
    for key in keys - already.keys():
        already[key] = frozenset(_made_by(rootfs, packages, key))
    together = _with_bytecode(rootfs, owned_together(packages, keys))
    return together.union(*(already[key] for key in keys))


@memoized
def _files_of_one(packages: PackageDatabase) -> dict[str, frozenset[str]]:
    """Return what was found so far of single packages: most are in several questions."""
    return {}


def _made_by(rootfs: RootFS, packages: PackageDatabase, key: str) -> set[str]:
    """Return the files of one package, without those that it owns with others."""
    found = _with_bytecode(rootfs, owned_alone(packages).get(key, ()))
    package = packages[key]
    if package.manager == "dpkg":
        found.update(_notes(rootfs).get(package.name, ()))
        found.update(_generated(rootfs, packages, package.name))
    return found


def _with_bytecode(rootfs: RootFS, owned: Collection[str]) -> set[str]:
    """Return the files among these paths, no links, and what was compiled of the modules."""
    nodes = rootfs.nodes
    found = {path for path in owned if nodes[path].kind == "file"}
    found.update(bytecode_of(rootfs, owned))
    return found


_GENERATED = {"shared-mime-info": "usr/share/mime"}
"""What a package's maintainer scripts generate, and purge, below a directory (Debian's postrm)."""


def _generated(rootfs: RootFS, packages: PackageDatabase, name: str) -> Iterator[str]:
    """Yield the files that the maintainer scripts of a package generated, and nobody owns."""
    top = _GENERATED.get(name)
    for node in rootfs.walk(top) if top is not None else ():
        if node.kind == "file" and not packages.owners.get(node.path):
            yield node.path


@memoized
def _notes(rootfs: RootFS) -> dict[str, list[str]]:
    """Return dpkg's notes about each package, by its name: ``NAME[:ARCHITECTURE].KIND``."""
    notes: dict[str, list[str]] = {}
    for path in rootfs.children(INFO):
        # With the architecture where a package is `Multi-Arch: same`, which may be there for
        # several.
        stem = path[len(INFO) + 1 :].rpartition(".")[0]
        notes.setdefault(stem.partition(":")[0], []).append(path)
    return notes


def bytecode_of(rootfs: RootFS, owned: Iterable[str]) -> Iterator[str]:
    """Yield what was compiled of the modules among these files, whoever owns it."""
    already = _compiled(rootfs)
    for path in owned:
        if path.endswith(".py"):
            directory, _, name = path.rpartition("/")
            if directory not in already:
                already[directory] = _compiled_in(rootfs, directory)
            yield from already[directory].get(name[:-3], ())


@memoized
def _compiled(rootfs: RootFS) -> dict[str, dict[str, list[str]]]:
    """Return what was found so far, by the directory and the names of modules in it."""
    return {}


def _compiled_in(rootfs: RootFS, directory: str) -> dict[str, list[str]]:
    """Return the bytecode of a directory's modules, by their names."""
    found: dict[str, list[str]] = {}
    for path in rootfs.children(f"{directory}/__pycache__"):
        # PEP 3147: STEM.TAG.pyc, with `.opt-1` and the like behind the tag.
        found.setdefault(path.rpartition("/")[2].partition(".")[0], []).append(path)
    return found
