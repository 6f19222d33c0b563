"""Which files are shown: ``waste:removed package:gcc-12 distribution:numpy python:3.11 .so``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pyimginspect.errors import InvalidReferenceError
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Distribution, Interpreter
from pyimginspect.inventory.records import recorded
from pyimginspect.ledger import WastedFile
from pyimginspect.text import listed, nearest

__all__ = ["HELP", "wanted_by"]

HELP = "waste:KIND package:NAME distribution:NAME python:VERSION, or a part of a path"

Wanted = Callable[[str], bool]

# The accounts of the ledger, under words that are quicker to type.
_WASTE: dict[str, tuple[str, ...]] = {
    "any": (),
    "removed": ("removed",),
    "overwritten": ("unchanged", "metadata_changed", "content_changed", "not_compared"),
    "unchanged": ("unchanged",),
    "metadata": ("metadata_changed",),
    "content": ("content_changed",),
    "repeated": ("repeated",),
}


def wanted_by(
    text: str, inventory: Inventory, wasted: Mapping[str, WastedFile]
) -> Callable[[str], bool] | None:
    """Return which paths a filter wants, all of its words at once; ``None`` for every path.

    ``wasted`` is what is wasted of the layer. Raises :class:`InvalidReferenceError` for a word
    that names nothing that there is.
    """
    words = [_word(word, inventory, wasted) for word in text.split()]
    if not words:
        return None
    return lambda path: all(word(path) for word in words)


def _word(word: str, inventory: Inventory, wasted: Mapping[str, WastedFile]) -> Wanted:
    key, colon, value = word.partition(":")
    if not colon:
        text = word.lower()
        return lambda path: text in path.lower()
    if key == "waste":
        return _of_waste(value, wasted)
    if key == "package":
        return _of_package(value, inventory)
    if key == "distribution":
        return _of_distribution(value, inventory)
    if key == "python":
        return _of_python(value, inventory)
    keys = ("waste", "package", "distribution", "python")
    raise InvalidReferenceError(f"nothing is filtered by '{key}'", hint=nearest(key, keys))


def _of_waste(kind: str, wasted: Mapping[str, WastedFile]) -> Wanted:
    if kind not in _WASTE:
        raise InvalidReferenceError(
            f"'{kind}' is no kind of wasted space", hint=nearest(kind, _WASTE)
        )
    accounts = _WASTE[kind]
    paths = {path for path, each in wasted.items() if not accounts or each.account in accounts}
    return paths.__contains__


def _of_package(name: str, inventory: Inventory) -> Wanted:
    database = inventory.packages
    keys = [each.key for each in database.packages if name in (each.name, each.key)]
    _must_be(name, keys, "package", {each.name for each in database.packages})
    return _any_of(path for key in keys for path in database.files(key))


def _of_distribution(name: str, inventory: Inventory) -> Wanted:
    from packaging.utils import canonicalize_name  # only this filter has need of it

    wanted = canonicalize_name(name)
    found = [each for each in inventory.distributions if each.name == wanted]
    _must_be(name, found, "distribution", {each.name for each in inventory.distributions})
    return _any_of(path for each in found for path in _files(each, inventory))


def _files(distribution: Distribution, inventory: Inventory) -> Iterable[str]:
    yield distribution.metadata
    rows = recorded(inventory.rootfs, distribution.location, distribution.metadata)
    yield from rows or ()
    # Many packages have an egg-info, which has no RECORD; their manager knows the files.
    if distribution.package:
        yield from inventory.packages.files(distribution.package)


def _of_python(version: str, inventory: Inventory) -> Wanted:
    found = [each for each in inventory.interpreters if _is_called(each, version)]
    there = {each.version for each in inventory.interpreters}
    _must_be(version, found, "Python", there)
    return _any_of(
        path
        for each in found
        for path in (each.path, *each.aliases, each.stdlib, each.libpython, *each.site_packages)
        if path
    )


def _is_called(python: Interpreter, version: str) -> bool:
    return (
        python.version == version
        # With the dot: 3.1 is not 3.13.
        or python.version.startswith(f"{version}.")
        or version.lstrip("/") in (python.path, *python.aliases)
    )


def _must_be(name: str, found: Sequence[object], what: str, there: set[str]) -> None:
    if found:
        return
    hint = nearest(name, there) if there else f"the image has no {what}"
    if hint.startswith("there are"):
        hint = f"there are: {listed(sorted(there), 8)}"
    raise InvalidReferenceError(f"the image has no {what} '{name}'", hint=hint)


def _any_of(paths: Iterable[str]) -> Wanted:
    """Return whether a path is one of these, or below one."""
    tops = frozenset(paths)

    def wanted(path: str) -> bool:
        while path:
            if path in tops:
                return True
            path = path.rpartition("/")[0]
        return False

    return wanted
