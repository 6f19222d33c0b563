"""Packages of the corpus against the package managers in the images themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache, cached_property

import pytest

from pyimginspect import open_image
from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.packages import (
    Graph,
    PackageDatabase,
    dependency_graph,
    find_orphans,
    find_os_packages,
    plan_removal,
    why,
)
from pyimginspect.rootfs import RootFS
from tests.integration.conftest import BuiltCorpus
from tests.integration.engine import Engine

DEBIAN_IMAGES = ("slim", "bad", "good", "full")

# Run in a container: for each package the real paths of its files and links, by `dpkg -L`, each
# with the number of its inode and its bytes.
OWNED_PATHS = r"""
import json, os, re, stat, subprocess
listing = subprocess.run(["dpkg-query", "-L", *os.environ["PACKAGES"].split()],
                         capture_output=True, text=True, check=True).stdout
owned = []
for block in listing.rstrip("\n").split("\n\n"):
    paths = []
    for line in block.split("\n"):
        diverted = re.fullmatch(r"(?:locally diverted|diverted by .*) to: (.*)", line)
        if diverted:
            paths[-1] = diverted[1]
        elif line.startswith("/") and line != "/.":
            paths.append(line)
    parents = {os.path.dirname(path) for path in paths}
    real = {}
    for path in paths:
        if path in parents or not os.path.lexists(path):
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            continue
        parent, name = os.path.split(path)
        status = os.lstat(path)
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        real[os.path.join(os.path.realpath(parent), name).lstrip("/")] = status.st_ino, size
    owned.append(real)
print(json.dumps(owned))
"""

Owned = dict[str, dict[str, tuple[int, int]]]


class Inspected:
    """An image of the corpus, read from its archive, and the same image in the engine."""

    def __init__(self, archive: str, run: Callable[..., str]) -> None:
        with open_image(archive) as image:
            self.rootfs: RootFS = image.rootfs
            self.instructions = [
                layer.history.created_by if layer.history else "" for layer in image.layers
            ]
        self.database: PackageDatabase = find_os_packages(self.rootfs)
        self.graph: Graph = dependency_graph(self.database)
        self.run = run

    @cached_property
    def owned(self) -> Owned:
        """What dpkg itself says: package → real path → inode and size."""
        keys = [package.key for package in self.database.packages]
        python = "/usr/local/bin/python3" if "usr/local/bin/python3" in self.rootfs else "python3"
        printed = self.run(python, "-c", OWNED_PATHS, PACKAGES=" ".join(keys))
        return dict(zip(keys, json.loads(printed), strict=True))

    def layer_of(self, package: OsPackage) -> str:
        return self.instructions[package.layer]


@pytest.fixture(scope="module")
def inspect(corpus: BuiltCorpus, engine: Engine) -> Callable[[str], Inspected]:
    @cache
    def inspected(name: str) -> Inspected:
        archive = str(corpus.archive(name))
        tag = corpus.load_into(engine, name)

        def run(*command: str, **environment: str) -> str:
            settings = [word for item in environment.items() for word in ("--env", "=".join(item))]
            return engine.docker("run", "--rm", "--network", "none", *settings, tag, *command)

        return Inspected(archive, run)

    return inspected


@pytest.fixture(params=DEBIAN_IMAGES)
def debian(request: pytest.FixtureRequest, inspect: Callable[[str], Inspected]) -> Inspected:
    return inspect(str(request.param))


def test_dpkg_query(debian: Inspected) -> None:
    form = r"${Package} ${Version} ${Architecture} ${source:Package} ${db:Status-Status}\n"
    listed = debian.run("dpkg-query", "--show", "--showformat", form).splitlines()
    ours = [
        f"{p.name} {p.version} {p.architecture} {p.source} installed"
        for p in debian.database.packages
    ]
    assert sorted(line for line in listed if line.endswith(" installed")) == sorted(ours)


def test_apt_mark(debian: Inspected) -> None:
    manual = debian.run("apt-mark", "showmanual").split()
    assert manual == [p.name for p in debian.database.packages if p.automatic is False]


def test_owned_files(debian: Inspected) -> None:
    expected = {key: sorted(paths) for key, paths in debian.owned.items()}
    assert {key: list(debian.database.files(key)) for key in expected} == expected


@pytest.mark.parametrize(
    ("image", "roots"),
    [
        ("bad", ["python3"]),
        ("bad", ["python3.11-minimal"]),
        ("bad", ["python3-psycopg2"]),
        ("bad", ["python3-psycopg2", "python3-yaml"]),
        ("bad", ["build-essential"]),
        ("bad", ["gcc-12", "binutils"]),
        ("bad", ["libpq-dev", "libxml2-dev"]),
        ("bad", ["perl"]),
        ("full", ["git"]),
        ("full", ["gcc"]),
        ("full", ["python3"]),
        ("good", ["libpq5"]),
        ("slim", ["netbase", "tzdata"]),
    ],
)
def test_apt_purge(inspect: Callable[[str], Inspected], image: str, roots: list[str]) -> None:
    """To the package, and the bytes are those of the files that go."""
    it = inspect(image)
    if any(root not in it.database for root in roots):
        pytest.fail(f"{image} has no {' '.join(roots)}: the corpus has changed")
    printed = it.run("apt-get", "--simulate", "purge", "--auto-remove", *roots)
    expected = set(re.findall(r"^(?:Purg|Remv) (\S+)", printed, re.MULTILINE))
    plan = plan_removal(it.rootfs, it.database, it.graph, roots)
    assert set(plan.packages) == expected
    assert set(plan.already_orphaned) == set(find_orphans(it.rootfs, it.graph)) - set(
        plan.roots + plan.dependents
    )
    staying = {path for key in it.owned.keys() - expected for path in it.owned[key]}
    going = (it.owned[key].items() for key in expected)
    sizes = dict(inode for paths in going for path, inode in paths if path not in staying)
    assert plan.size == sum(sizes.values()) == sum(plan.layers.values())


def test_layers_and_reasons(inspect: Callable[[str], Inspected]) -> None:
    it = inspect("bad")
    for key, words in (
        ("python3.11-minimal", "python3-psycopg2 python3-yaml"),
        ("gcc-12", "build-essential"),
        ("libpq-dev", "libpq-dev"),
    ):
        assert words in it.layer_of(it.database[key])
    assert why(it.graph, "python3.11-minimal") == (
        ("python3-psycopg2", "python3", "python3-minimal", "python3.11-minimal"),
        ("python3-yaml", "python3", "python3-minimal", "python3.11-minimal"),
    )


def test_what_was_purged_in_a_later_layer(inspect: Callable[[str], Inspected]) -> None:
    it = inspect("bad")
    (git,) = (package for package in it.database.removed if package.name == "git")
    installed, removed = git.history
    assert (installed.action, removed.action) == ("installed", "removed")
    assert "install" in it.instructions[installed.layer]
    assert "purge" in it.instructions[removed.layer]


# --- Alpine -------------------------------------------------------------------------------------
def test_apk_info(inspect: Callable[[str], Inspected]) -> None:
    it = inspect("alpine")
    listed = it.run("apk", "info", "-vv").splitlines()
    names = {f"{p.name}-{p.version}" for p in it.database.packages}
    assert names == {line.partition(" - ")[0] for line in listed}


def test_apk_files(inspect: Callable[[str], Inspected]) -> None:
    it = inspect("alpine")
    for package in it.database.packages:
        printed = it.run("apk", "info", "-q", "-L", package.name).split("\n")
        listed = {path for path in printed if path and path in it.rootfs}
        assert set(it.database.files(package.key)) == listed


def test_the_virtual_package(inspect: Callable[[str], Inspected]) -> None:
    it = inspect("alpine")
    (virtual,) = (package for package in it.database.packages if package.virtual)
    assert (virtual.name, virtual.automatic) == (".build-deps", False)
    assert "--virtual .build-deps" in it.layer_of(virtual)


def test_apk_del(inspect: Callable[[str], Inspected]) -> None:
    it = inspect("alpine")
    for package in it.database.packages:
        printed = it.run("apk", "del", "--simulate", "--no-network", "-r", package.name)
        expected = set(re.findall(r"^\(\d+/\d+\) Purging (\S+) ", printed, re.MULTILINE))
        plan = plan_removal(it.rootfs, it.database, it.graph, [package.key])
        assert set(plan.packages) == expected, f"apk del -r {package.name}"
