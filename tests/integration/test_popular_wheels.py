"""The most installed binary wheels in one image: what we call broken is what ``import`` refuses.

Chosen on 2026-11-27: of PyPI's 15,000 most downloaded projects, by their rank, the first 39 whose
newest release has a wheel with ELF files for CPython 3.11 and 3.13 on manylinux x86_64. Versions
are pinned so that verdicts stay what they are.

An untouched image tells little, for there everything loads. So the same image is judged once more
with libraries of the system deleted that half of the wheels need.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pyimginspect import Report
from pyimginspect.inventory.collect import Inventory
from tests.cases.bases import UnavailableError
from tests.cases.bench import Bench
from tests.cases.format import Case, Expectations
from tests.integration.conftest import BuiltCorpus
from tests.integration.engine import Engine
from tests.integration.test_loading import IMPORT

# By rank, from 8 to 169.
PINS = """
charset-normalizer==3.5.3 cryptography==50.0.2 pyyaml==6.0.4 cffi==2.1.1 numpy==2.4.6
pydantic-core==2.50.5 protobuf==7.36.2 pandas==3.1.1 markupsafe==3.0.4 aiohttp==3.14.5 yarl==1.25.1
multidict==7.2.1 propcache==0.5.4 frozenlist==1.8.0 rpds-py==2026.9.1 pillow==13.0.0
greenlet==3.5.6 grpcio==1.85.3 wrapt==2.5.2 pyarrow==26.0.1 websockets==17.4 scipy==1.17.1
sqlalchemy==2.1.9 tomli==2.5.0 lxml==6.1.3 psutil==7.2.2 regex==2026.11.19 watchfiles==1.3.0
jiter==0.19.0 coverage==7.17.5 grpcio-tools==1.85.1 msgpack==1.2.4 psycopg2-binary==2.9.13
ruff==0.17.6 pynacl==1.6.2 uvloop==0.23.0 httptools==0.9.0 fonttools==4.68.0 matplotlib==3.11.2
"""
NAMES = frozenset(each.partition("==")[0] for each in PINS.split())

# What people import, or run, where the package itself loads nothing that was compiled.
INNER = {
    "PIL": "PIL.Image",
    "cryptography": "cryptography.hazmat.bindings._rust",
    "google": "google.protobuf.message",
    "grpc_tools": "grpc_tools.protoc",
    "lxml": "lxml.etree",
    "nacl": "nacl.bindings",
    "ruff": "subprocess; subprocess.run(['ruff', '--version'], check=True)",
}
# What is broken for another's sake: the finding is of that one.
CAUSES = {"pandas": "numpy"}
RULES = frozenset(
    {
        "foreign-libc",
        "glibc-too-old",
        "hijacked-libpython",
        "missing-dlopen-library",
        "missing-library",
        "wrong-abi",
        "wrong-architecture",
    }
)
GONE = "RUN rm /usr/lib/x86_64-linux-gnu/libstdc++.so.6* /usr/lib/x86_64-linux-gnu/libgcc_s.so.1"
IMAGES = {
    "bookworm": "FROM python:3.11-slim",
    "trixie": "FROM python:3.13-slim",
    "without libstdc++": f"FROM python:3.11-slim\n{GONE}",
}

# Imports each name in a process of its own, and says what it said at the end.
TOP = r"""
import json, subprocess, sys
said = {}
for name in sys.argv[1:]:
    done = subprocess.run([sys.executable, "-c", "import " + name], capture_output=True, text=True)
    said[name] = done.stderr.strip()[-300:] or "it ended" if done.returncode else ""
json.dump(said, sys.stdout)
"""


class Popular(NamedTuple):
    """An image with all of them, what is said of it, and a way to run something in it."""

    tag: str
    report: Report
    inventory: Inventory
    broken: bool


@pytest.fixture(scope="module", params=IMAGES)
def popular(
    request: pytest.FixtureRequest,
    engine: Engine,
    corpus: BuiltCorpus,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Popular]:
    folder: Path = tmp_path_factory.mktemp("popular")
    first, _, more = IMAGES[request.param].partition("\n")
    install = f"RUN pip install --no-cache-dir {' '.join(PINS.split())}"
    (folder / "Dockerfile").write_text("\n".join([first, install, more]))
    name = f"popular-{request.param.replace(' ', '-').replace('+', 'x')}"
    case = Case(name=name, folder=folder, expects=Expectations(reference="", summary=""))
    try:
        with Bench(engine, corpus.layout) as bench, bench.image(case) as (tag, image):
            yield Popular(tag, image.report(), image.inventory, bool(more))
    except UnavailableError as error:
        pytest.skip(str(error))


def top_level(inventory: Inventory) -> dict[str, set[str]]:
    """The modules and packages that each of the wheels brings, by distribution."""
    found: dict[str, set[str]] = {name: set() for name in NAMES}
    for each in inventory.distributions:
        if each.name not in NAMES:
            continue
        record = inventory.rootfs.texts[f"{each.metadata}/RECORD"].decode()
        for line in record.splitlines():
            first, slash, rest = line.partition(",")[0].partition("/")
            if slash and first.isidentifier() and rest.endswith((".py", ".so")):
                found[each.name].add(INNER.get(first, first))
            elif not slash and first.endswith((".py", ".so")):
                found[each.name].add(first.partition(".")[0])
    return {name: modules - {"pylab", "mpl_toolkits"} for name, modules in found.items()}


def test_what_is_called_broken_cannot_be_imported_and_the_other_way_round(
    engine: Engine, popular: Popular
) -> None:
    modules = top_level(popular.inventory)
    assert all(modules.values())
    every = sorted(set().union(*modules.values()))
    said = json.loads(engine.run(popular.tag, "python3", "-c", TOP, *every))
    called = {
        finding.subject.split()[0]
        for finding in popular.report.findings
        if finding.rule in RULES and finding.severity == "error"
    }
    wrong = {
        name: (name in called, {each: said[each] for each in sorted(names) if said[each]})
        for name, names in sorted(modules.items())
        if (not called.isdisjoint({name, CAUSES.get(name)})) != any(said[each] for each in names)
    }
    assert wrong == {}
    assert ("numpy" in called) == popular.broken  # or all of this would say nothing


def test_every_extension_module_does_what_is_said_of_it(engine: Engine, popular: Popular) -> None:
    paths = {f"/{each.path}": each.resolution for each in popular.inventory.native.modules}
    assert len(paths) > 300
    loads = json.loads(engine.run(popular.tag, "python3", "-c", IMPORT, *sorted(paths)))
    wrong = {
        path: (resolution.failures, loads[path])
        for path, resolution in paths.items()
        if resolution.loads == bool(loads[path])
    }
    assert wrong == {}
