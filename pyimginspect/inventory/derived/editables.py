"""Distributions that were installed editable: what is imported stays where its sources are.

Sources: PEP 610 (``dir_info.editable``), PEP 660 (how: a ``.pth`` file, or an import hook), the
``MAPPING`` of setuptools' ``__editable___NAME_finder.py``, and, before PEP 660, ``NAME.egg-link``
beside ``easy-install.pth`` of ``setup.py develop``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from pyimginspect.decoding import from_json
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.runtime_python import started_in
from pyimginspect.inventory.facts import Distribution
from pyimginspect.inventory.modules import importable_names, module_at
from pyimginspect.inventory.records import recorded
from pyimginspect.inventory.search_path import pth_lines
from pyimginspect.rootfs import RootFS

__all__ = ["Editable", "find_missing_editables"]

# `MAPPING: dict[str, str] = {…}` on one line, by repr(): setuptools' editable_wheel.py. Older ones
# have no annotation.
_MAPPING = re.compile(rb"^MAPPING\b[^=\n]{0,100}=[ ]*(\{[^\n]{0,65536}\})[ ]*\r?$", re.MULTILINE)
# `name = package.module:function`, as the entry points specification has it.
_ENTRY_POINT = re.compile(rb"^[^=#\[\n]{1,200}=[ \t]*([A-Za-z_][\w.]{0,200})", re.MULTILINE)
# setuptools writes __editable__.NAME-TAG.pth and __editable___NAME_finder.py.
_HOOK = "__editable__"
_MOST = 50
"""Names of modules of one distribution that are looked for."""


class Editable(Struct, frozen=True, kw_only=True):
    """An editable install whose sources are not there to import.

    ``missing`` are the absolute paths that ``path`` (a ``.pth`` file, a finder, an egg-link or
    ``direct_url.json``) names and that are not in the image; where it is empty, ``targets`` are
    there without the ``modules``. ``project`` is the directory that was installed from.
    ``elsewhere`` is a directory of the running program that has the modules nevertheless.
    """

    name: str
    version: str = ""
    location: str
    path: str
    layer: int
    installer: str = ""
    project: str = ""
    targets: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    elsewhere: str = ""


class _DirInfo(Struct, frozen=True):
    editable: bool = False


class _DirectUrl(Struct, frozen=True):
    url: str = ""
    dir_info: _DirInfo = _DirInfo()


def find_missing_editables(inventory: Inventory) -> tuple[Editable, ...]:
    """Return the editable installs that some Python sees and cannot import, sorted by name."""
    rootfs = inventory.rootfs
    hooks = {
        path
        for path in rootfs.texts
        if path.endswith(".pth") or path.rpartition("/")[2].startswith(_HOOK)
    }
    found = []
    for each in inventory.distributions:
        if each.interpreters and not each.package:
            broken = _of_distribution(inventory, each, hooks)
            if broken is not None:
                found.append(broken)
    found += _egg_links(inventory)
    return tuple(sorted(found, key=lambda each: (each.name, each.path)))


def _of_distribution(inventory: Inventory, each: Distribution, hooks: set[str]) -> Editable | None:
    rootfs = inventory.rootfs
    rows = recorded(rootfs, each.location, each.metadata)
    # PEP 660 installs a wheel, which has a RECORD; without one it is an egg-link's.
    if rows is None:
        return None
    project = _project(rootfs.texts.get(f"{each.metadata}/direct_url.json", b""))
    mine = sorted(hooks & rows.keys())
    if not mine and not project:
        return None
    if not project and importable_names(each.location, rows):
        return None  # the .pth file is for something else than to find its modules
    directories: dict[str, str] = {}
    modules: dict[str, str] = {}
    names: set[str] = set()
    for path in mine:
        if path.endswith(".pth"):
            directories |= dict.fromkeys(_lines(rootfs, each.location, path), path)
        else:
            mapping = _mapping(rootfs.texts[path])
            names |= mapping.keys()
            modules |= dict.fromkeys(mapping.values(), path)
    if not directories and not modules:
        if not project or rootfs.resolve(project) is not None:
            return None  # a hook of the build's own: what it imports may be anywhere in there
        directories[project] = f"{each.metadata}/direct_url.json"
    names |= _names(rootfs, each)
    return _judge(inventory, each, project, directories, modules, names)


def _judge(
    inventory: Inventory,
    each: Distribution,
    project: str,
    directories: Mapping[str, str],
    modules: Mapping[str, str],
    names: set[str],
) -> Editable | None:
    rootfs = inventory.rootfs
    targets = {**directories, **modules}
    missing = [path for path in directories if rootfs.resolve(path) is None]
    missing += [path for path in modules if not _module_exists(rootfs, path)]
    # Where some of it is there, that the rest is needed is certain only of modules by their name.
    if len(missing) < len(targets) and not (missing if modules else names):
        return None
    # Where nothing says what is imported, it is mostly the project's own name.
    known = names or {each.name.replace("-", "_").replace(".", "_")}
    if _place_with(rootfs, known, _sight(inventory, each)) is not None:
        return None
    return Editable(
        name=each.name,
        version=each.version,
        location=each.location,
        path=targets[missing[0]] if missing else next(iter(targets.values())),
        layer=each.layer,
        installer=each.installer,
        project=project,
        targets=tuple(targets),
        missing=tuple(missing),
        modules=tuple(sorted(names)),
        elsewhere=_place_with(rootfs, known, sorted(started_in(inventory))) or "",
    )


def _place_with(rootfs: RootFS, names: Iterable[str], places: Iterable[str]) -> str | None:
    """Return the first of the directories that has a module of one of the names."""
    return next(
        (place for place in places for name in names if module_at(rootfs, place, name)), None
    )


def _sight(inventory: Inventory, each: Distribution) -> Iterator[str]:
    """Yield the directories that every Python which sees the distribution looks into."""
    who = set(each.interpreters)
    for python in inventory.interpreters:
        if python.path in who:
            yield from python.site_packages
    for environment in inventory.environments:
        if environment.path in who:
            yield from environment.site_packages


def _project(data: bytes) -> str:
    """Return the directory of an editable install as ``direct_url.json`` says it, or nothing."""
    try:
        found = from_json(data, _DirectUrl) if data else _DirectUrl()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    # PEP 610: only a local directory can be editable.
    if not found.dir_info.editable or not found.url.startswith("file://"):
        return ""
    try:
        path = unquote(urlsplit(found.url).path)
    except ValueError:
        return ""
    return path.rstrip("/") if path.startswith("/") else ""


def _lines(rootfs: RootFS, site: str, path: str) -> Iterator[str]:
    for line in pth_lines(rootfs.texts.get(path, b"")):
        yield line.rstrip("/") if line.startswith("/") else f"/{site}/{line}"


def _mapping(source: bytes) -> dict[str, str]:
    """Return the paths by module name of the dictionary that setuptools writes into its finder."""
    match = _MAPPING.search(source)
    if match is None:
        return {}
    try:
        # Nothing of an image is executed. Deep nesting raises the last two errors below.
        found = ast.literal_eval(match[1].decode("utf-8"))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return {}
    return {
        name: path
        for name, path in list(found.items())[:_MOST]
        if isinstance(name, str) and isinstance(path, str) and path.startswith("/")
    }


def _module_exists(rootfs: RootFS, path: str) -> bool:
    if rootfs.resolve(path) is not None:
        return True
    directory, _, name = path.rpartition("/")
    return module_at(rootfs, directory, name)


def _names(rootfs: RootFS, each: Distribution) -> set[str]:
    """Return what the distribution is imported by, as its metadata says; it need not say."""
    texts = rootfs.texts
    listed = texts.get(f"{each.metadata}/top_level.txt", b"").decode("utf-8", "replace").split()
    names = {name for name in listed[:_MOST] if name.isidentifier()}
    if not names:
        points = texts.get(f"{each.metadata}/entry_points.txt", b"")
        found = [match.decode().partition(".")[0] for match in _ENTRY_POINT.findall(points)[:_MOST]]
        names = set(found)
    return names


def _egg_links(inventory: Inventory) -> Iterable[Editable]:
    rootfs = inventory.rootfs
    seen = {d for each in inventory.interpreters for d in each.site_packages}
    seen |= {d for each in inventory.environments for d in each.site_packages}
    for path, text in rootfs.texts.items():
        site, _, file = path.rpartition("/")
        if not file.endswith(".egg-link") or site not in seen:
            continue
        target = text.decode("utf-8", "surrogateescape").partition("\n")[0].strip()
        name = file.removesuffix(".egg-link")
        if not target.startswith("/") or rootfs.resolve(target) is not None:
            continue
        # Nothing lists the modules of an egg-link: they are mostly named as the project is.
        module = re.sub(r"[-.]+", "_", name)
        modules = sorted({module, module.lower()})
        if _place_with(rootfs, modules, seen) is not None:
            continue
        yield Editable(
            name=re.sub(r"[-_.]+", "-", name).lower(),
            location=site,
            path=path,
            layer=rootfs[path].layer,
            project=target,
            targets=(target,),
            missing=(target,),
            elsewhere=_place_with(rootfs, modules, sorted(started_in(inventory))) or "",
        )
