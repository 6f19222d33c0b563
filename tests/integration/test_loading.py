"""What loads, against the loaders and the Pythons of real containers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache

import pytest

from pyimginspect import open_image
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.loader import Loader, Resolution
from pyimginspect.inventory.targets import target_of
from pyimginspect.inventory.threads import thread_stack
from tests.corpus.musl import THREAD_STACK
from tests.integration.conftest import BuiltCorpus
from tests.integration.engine import Engine

GLIBC_IMAGES = ("slim", "good", "full", "bad")
ALL_IMAGES = (*GLIBC_IMAGES, "alpine")

FOUND = re.compile(r"\t(\S+) => (\S+) \(0x\w+\)")
MISSING = re.compile(r"\t(\S+) => not found")
VERSION = re.compile(r"\S+: \S+: version `(\S+)' not found \(required by (\S+)\)")
MISSING_IN_MUSL = re.compile(r"Error loading shared library (\S+): .* \(needed by (\S+)\)")
ACTIVE = re.compile(r"(\S+) \(supported, searched\)")

GLIBC = r"""
export LD_TRACE_LOADED_OBJECTS=1 LD_WARN=yes
for path do echo "== $path"; /lib64/ld-linux-x86-64.so.2 "$path" 2>&1; done
true
"""
MUSL = r"""
for path do echo "== $path"; /lib/ld-musl-x86_64.so.1 --list "$path" 2>&1; done
true
"""

# Each module is loaded in a process of its own. What the loader says against it comes as an
# ImportError that names the file; what a module says against itself, or a crash, is not about
# loading.
IMPORT = r"""
import importlib.machinery, importlib.util, json, os, sys
loads = {}
for path in sys.argv[1:]:
    reader, writer = os.pipe()
    if not os.fork():
        name = os.path.basename(path).partition(".")[0]
        loader = importlib.machinery.ExtensionFileLoader(name, path)
        answer = ""
        try:
            loader.create_module(importlib.util.spec_from_file_location(name, path, loader=loader))
        except ImportError as error:
            if error.path == path and "does not define" not in str(error):
                answer = str(error)
        except BaseException:
            pass
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    loads[path] = os.fdopen(reader).read()
    os.wait()
json.dump(loads, sys.stdout)
"""

TAGS = r"""
import json, sys
try:
    from pip._vendor.packaging import tags
except ImportError:
    tags = None
json.dump([str(tag) for tag in tags.sys_tags()] if tags else None, sys.stdout)
"""


class Container:
    """An image's inventory, and a way to run something in it."""

    def __init__(self, corpus: BuiltCorpus, engine: Engine, name: str) -> None:
        self.tag = corpus.load_into(engine, name)
        self.engine = engine
        with open_image(str(corpus.archive(name))) as image:
            self.inventory: Inventory = image.inventory

    def run(self, *command: str) -> str:
        return self.engine.run(self.tag, *command)


Containers = Callable[[str], Container]


@pytest.fixture(scope="module")
def containers(corpus: BuiltCorpus, engine: Engine) -> Containers:
    return cache(lambda name: Container(corpus, engine, name))


def sections(text: str) -> dict[str, str]:
    """What was said of each path."""
    found = {}
    for part in text.split("== ")[1:]:
        path, _, said = part.partition("\n")
        found[path] = said
    return found


def dynamic_files(container: Container) -> list[str]:
    """Every file for this machine that a loader would look at."""
    return [
        f"/{path}"
        for path, facts in container.inventory.rootfs.elf.items()
        if facts.dynamic and (facts.machine, facts.bits) == ("x86_64", 64)
    ]


def ours(resolution: Resolution) -> list[tuple[str, str]]:
    return [(each.name, each.opened) for each in resolution.dependencies]


@pytest.mark.parametrize("name", GLIBC_IMAGES)
def test_glibc_finds_every_library_where_we_say(name: str, containers: Containers) -> None:
    container = containers(name)
    active = tuple(ACTIVE.findall(container.run("/lib64/ld-linux-x86-64.so.2", "--help")))
    env = container.inventory.image.config.environment()
    loader = Loader(container.inventory.rootfs, env, active)
    paths = dynamic_files(container)
    assert len(paths) > 500
    different = {}
    for path, said in sections(container.run("sh", "-c", GLIBC, "sh", *paths)).items():
        expected = []
        for line in said.splitlines():
            if match := FOUND.fullmatch(line):
                expected.append((match[1], match[2]))
            elif match := MISSING.fullmatch(line):
                expected.append((match[1], ""))
        resolution = loader.library(path)
        versions = {(version, by.lstrip("/")) for version, by in VERSION.findall(said)}
        mismatches = {(each.version, each.needed_by) for each in resolution.mismatches}
        if ours(resolution) != expected or len(versions) != len(mismatches):
            different[path] = (said, resolution)
    assert different == {}


def test_musl_finds_every_library_where_we_say(containers: Containers) -> None:
    container = containers("alpine")
    loader = Loader(container.inventory.rootfs, container.inventory.image.config.environment())
    paths = dynamic_files(container)
    assert len(paths) > 50
    different = {}
    for path, said in sections(container.run("sh", "-c", MUSL, "sh", *paths)).items():
        expected = dict(FOUND.findall(said)) | {n: "" for n, _ in MISSING_IN_MUSL.findall(said)}
        resolution = loader.library(path)
        itself = {name: opened for name, opened in expected.items() if "ld-musl" in opened}
        got = {each.name: each.opened for each in resolution.dependencies}
        if {**got, **itself} != expected:
            different[path] = (said, resolution)
    assert different == {}


@pytest.mark.parametrize("name", ALL_IMAGES)
def test_modules_load_exactly_where_we_say(name: str, containers: Containers) -> None:
    container = containers(name)
    by_python: dict[str, dict[str, Resolution]] = {}
    for module in container.inventory.native.modules:
        by_python.setdefault(module.python, {})[f"/{module.path}"] = module.resolution
    assert by_python
    for python, modules in by_python.items():
        said = json.loads(container.run(f"/{python}", "-c", IMPORT, *modules))
        assert {path: not error for path, error in said.items()} == {
            path: resolution.loads for path, resolution in modules.items()
        }


@pytest.mark.parametrize("name", GLIBC_IMAGES)
def test_pip_has_the_same_tags(name: str, containers: Containers) -> None:
    container = containers(name)
    compared = 0
    for python in container.inventory.interpreters:
        tags = json.loads(container.run(f"/{python.path}", "-c", TAGS))
        target = target_of(container.inventory.rootfs, python)
        assert target is not None
        if tags is not None:
            # newer releases of packaging have this one, that of pip 23.0 has not
            newer = "cp{}{}-none-any".format(*target.version)
            assert {*tags, newer} == target.tags
            compared += 1
    assert compared


# The memory above the guard pages that threads bring, and the main thread's limit. The least of
# several: the kernel makes one of a thread's memory and what lies next to it.
STACKS = r"""
import json, sys, threading
def guarded():
    sizes, guard = {}, 0
    for line in open("/proc/self/maps"):
        where, mode, _, _, inode = line.split()[:5]
        start, stop = (int(part, 16) for part in where.split("-"))
        if mode == "rw-p" and inode == "0" and start == guard:
            sizes[start] = stop - start
        guard = stop if mode == "---p" and inode == "0" else 0
    return sizes
before, done = guarded(), threading.Event()
for _ in range(8):
    threading.Thread(target=done.wait).start()
new = [size for start, size in guarded().items() if start not in before]
done.set()
limits = [line.split() for line in open("/proc/self/limits") if line.startswith("Max stack")]
json.dump([min(new), int(limits[0][3])], sys.stdout)
"""


def test_threads_on_musl_get_the_stack_that_we_say(containers: Containers) -> None:
    container = containers("alpine")
    facts = container.inventory
    (python,) = facts.interpreters
    started = Loader(facts.rootfs).program(python.path).resolution
    size, main = json.loads(container.run(f"/{python.path}", "-c", STACKS))
    assert main == 8 << 20
    # This one was built as the official images are, and copied: no file, and no step, says so.
    silent = thread_stack(facts.rootfs, python, started, facts.instructions[python.layer])
    assert silent is not None
    assert (silent.known, silent.size) == (False, 128 << 10)
    told = thread_stack(facts.rootfs, python, started, f"RUN make EXTRA_CFLAGS={THREAD_STACK}")
    assert told is not None
    assert told.known
    # Beside the stack there is what the thread itself needs (pthread_create.c of musl).
    assert told.size <= size < told.size + (16 << 10)


def test_image_b_lacks_what_weasyprint_opens(containers: Containers) -> None:
    container = containers("bad")
    opened = [d for d in container.inventory.native.dlopens if d.distribution.name == "weasyprint"]
    assert opened
    code = "import cffi, sys\n" + "".join(
        f"try: cffi.FFI().dlopen({d.names[0]!r}); print('yes')\nexcept OSError: print('no')\n"
        for d in opened
    )
    said = container.run(f"/{opened[0].python}", "-c", code).split()
    assert said == ["yes" if each.found and not each.failures else "no" for each in opened]
    assert "no" in said
