"""What several analyzers say of interpreters and of packages in the same words."""

from __future__ import annotations

from collections.abc import Iterable

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.bindings import INSTALLERS, Binding, find_bindings, twin_of
from pyimginspect.inventory.facts import Distribution, Interpreter, OsPackage
from pyimginspect.inventory.packages.commands import tool_of
from pyimginspect.inventory.packages.ownership import stored_by_layer
from pyimginspect.text import listed

__all__ = [
    "brought_in",
    "bytecode",
    "described",
    "line_of",
    "replacement",
    "replacements",
]

_IMPLEMENTATIONS = {"cpython": "Python", "pypy": "PyPy"}
# By the ID of os-release(5), which is the origin of a Python that the system's packages own.
_ORIGINS = {
    "alpine": "Alpine's",
    "amzn": "Amazon Linux's",
    "debian": "Debian's",
    "fedora": "Fedora's",
    "rhel": "Red Hat's",
    "ubuntu": "Ubuntu's",
}


def described(python: Interpreter) -> str:
    """Return ``Debian's Python 3.11.2``, ``Python 3.13.1 in /opt``, ``… from conda in /opt``, …"""
    name = f"{_IMPLEMENTATIONS.get(python.implementation, python.implementation)} {python.version}"
    if python.origin in _ORIGINS:
        return f"{_ORIGINS[python.origin]} {name}"
    if python.origin == "pyinstaller":
        return f"{name} that PyInstaller froze into /{python.path}"
    if python.origin in ("source", "unknown"):
        return f"{name} in /{python.prefix}"
    return f"{name} from {python.origin} in /{python.prefix}"


def brought_in(inventory: Inventory, python: Interpreter) -> int:
    """Return the layer that brought an interpreter."""
    owners = inventory.packages.owner(python.path)
    return inventory.packages[owners[0]].installed_in if owners else python.layer


def replacement(
    inventory: Inventory, key: str, binding: Binding | None, twin: Distribution | None = None
) -> str:
    """Return what to do about a package that was asked for, as an edit of the Dockerfile.

    ``twin`` is what the started interpreter has already.
    """
    line = line_of(inventory, inventory.packages[key])
    if twin is not None:
        return f"drop {key} from {line}: {twin.name} {twin.version} is installed without it"
    # An image that has a Python of its own has pip with it: there is nothing to put in place.
    if binding is None or binding.project in INSTALLERS:
        return f"drop {key} from {line}, or keep it to a build stage"
    if binding.project:
        return f"pip install {binding.project} in place of {key} in {line}"
    return (
        f"install what provides {listed(binding.modules)} with pip in place of {key} in {line}:"
        " which distribution of PyPI that is, the package does not say"
    )


def replacements(inventory: Inventory, keys: Iterable[str]) -> list[str]:
    """Return what to do about several packages, those that can just be dropped together."""
    found = find_bindings(inventory)
    bindings = {binding.package: binding for binding in found}
    edits = []
    dropped: dict[str, list[str]] = {}
    for key in keys:
        binding = bindings.get(key)
        if binding is None or binding.project in INSTALLERS:
            dropped.setdefault(line_of(inventory, inventory.packages[key]), []).append(key)
        else:
            edits.append(replacement(inventory, key, binding, twin_of(inventory, binding)))
    for line, names in dropped.items():
        them = "it" if len(names) == 1 else "them"
        edits.append(f"drop {listed(names, 8)} from {line}, or keep {them} to a build stage")
    return edits


def line_of(inventory: Inventory, package: OsPackage) -> str:
    """Return which line of the Dockerfile installed a package, by its program and its layer."""
    tool = tool_of(inventory.rootfs, package.manager)
    return f"the {tool} line of layer {package.installed_in}"


def bytecode(inventory: Inventory, keys: Iterable[str]) -> int:
    """Return the bytes of ``__pycache__`` beside the modules of packages, owned by nobody."""
    packages, rootfs = inventory.packages, inventory.rootfs
    compiled: set[str] = set()
    for key in keys:
        sources = (path for path in packages.files(key) if path.endswith(".py"))
        for directory in {path.rpartition("/")[0] for path in sources}:
            # py3compile writes these when dpkg configures a package, so no .list file has them.
            cache = rootfs.children(f"{directory}/__pycache__")
            compiled.update(path for path in cache if not packages.owner(path))
    return sum(stored_by_layer(rootfs, compiled).values())
