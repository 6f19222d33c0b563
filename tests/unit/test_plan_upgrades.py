"""What an upgrade of the base's own pip stores, and what of it comes back without the upgrade."""

from collections.abc import Mapping, Sequence
from posixpath import normpath

import pytest

from pyimginspect.inventory.collect import Inventory
from pyimginspect.plan import make_plan
from tests.images import Content, File, debian_base, dist_info, image, official_env, official_python
from tests.inventories import OFFICIAL_STEPS, steps, taken

LIBRARY = "usr/local/lib/python3.13"
SITE = f"{LIBRARY}/site-packages"

SOURCE, BYTECODE, LIBRARY_BYTECODE, SCRIPT, OTHER = 40_000, 9_000, 5_000, 300, 20_000
"""Bytes of what the layer of the upgrade stores: each size once, so that a sum tells which."""

NO_BYTECODE = "ENV PYTHONDONTWRITEBYTECODE=1"
UPGRADE = "RUN pip install --no-cache-dir --upgrade pip"
FLASK = "RUN pip install --no-cache-dir flask"
BOTH = f"{UPGRADE} && pip install --no-cache-dir flask"


SAME = "v" * 700
"""What both versions of pip have: the layer stores it again, for its time alone."""


def on_base(*layers: Mapping[str, Content], history: Sequence[str]) -> Inventory:
    old: dict[str, bytes | str] = {"pip/__init__.py": "o", "pip/same.py": SAME}
    python = {**official_python(), **dist_info("pip", "24.3.1", old, site=SITE)}
    base: list[Mapping[str, Content]] = [debian_base(), {"etc/a": "b"}, python, {}]
    lines = [*OFFICIAL_STEPS, *steps(*history)]
    return taken(image([*base, *layers], history=lines, env=official_env("3.13.1")))


def upgrade(*, flask: bool = False) -> dict[str, Content]:
    """The layer: pip's modules and their bytecode, a script, what of the library it imported."""
    files: dict[str, bytes | str] = {
        "pip/__init__.py": "p" * SOURCE,
        "pip/same.py": SAME,
        "../../../bin/pip": "#" * SCRIPT,
    }
    installed = dist_info("pip", "25.1", files, site=SITE)
    return {
        **{normpath(path): content for path, content in installed.items()},
        f"{SITE}/pip/same.py": File(SAME, mtime=1_800_000_000),
        f"{SITE}/.wh.pip-24.3.1.dist-info": "",
        f"{SITE}/pip/__pycache__/__init__.cpython-313.pyc": File(b"c" * BYTECODE),
        f"{LIBRARY}/__pycache__/os.cpython-313.pyc": File(b"l" * LIBRARY_BYTECODE),
        **({f"{SITE}/flask/__init__.py": "f" * OTHER} if flask else {}),
    }


@pytest.mark.parametrize(
    ("history", "stays"),
    [
        # The RUN goes altogether, and with it all that it stores.
        ([UPGRADE], 0),
        ([f"{UPGRADE} && rm -rf /root/.cache"], 0),
        (["RUN python -m pip install --no-cache-dir --upgrade pip"], 0),
        # pip runs later: it compiles itself and the library there.
        ([UPGRADE, FLASK], BYTECODE + LIBRARY_BYTECODE),
        ([UPGRADE, "RUN pip install -r requirements.txt"], BYTECODE + LIBRARY_BYTECODE),
        ([UPGRADE, "RUN python -m pip check"], BYTECODE + LIBRARY_BYTECODE),
        # Any other program of Python compiles the library alone.
        ([UPGRADE, "RUN python -m compileall /app"], LIBRARY_BYTECODE),
        ([UPGRADE, "RUN make"], 0),
        # Nor does pip that has nothing left to do.
        ([UPGRADE, UPGRADE], 0),
        ([UPGRADE, f"{UPGRADE} -r requirements.txt"], BYTECODE + LIBRARY_BYTECODE),
        ([UPGRADE, FLASK, NO_BYTECODE], BYTECODE + LIBRARY_BYTECODE),
        # Nobody compiles where it is forbidden, or cannot be.
        ([NO_BYTECODE, UPGRADE, FLASK], 0),
        (["ENV A=1 PYTHONDONTWRITEBYTECODE=x", UPGRADE, FLASK], 0),
        (["ENV PYTHONDONTWRITEBYTECODE 1", UPGRADE, FLASK], 0),
        ([UPGRADE, f"RUN PYTHONDONTWRITEBYTECODE=1 {FLASK.removeprefix('RUN ')}"], 0),
        ([UPGRADE, "USER app", FLASK], 0),
        (["ENV PYTHONDONTWRITEBYTECODE=", UPGRADE, FLASK], BYTECODE + LIBRARY_BYTECODE),
        ([UPGRADE, "USER app", "RUN make", "USER root", FLASK], BYTECODE + LIBRARY_BYTECODE),
    ],
)
def test_what_the_upgrade_alone_stores_is_saved(history: Sequence[str], stays: int) -> None:
    later = [{"app/x": f"{n}"} for n in range(sum(s.startswith("RUN") for s in history) - 1)]
    inventory = on_base(upgrade(), *later, history=history)
    edits = [edit for edit in make_plan(inventory).edits if edit.packages == ("pip",)]
    stored = inventory.ledger.layers[4].stored
    assert [edit.saving for edit in edits] == [stored - stays]


def test_an_upgrade_that_a_later_one_replaces_is_that_one_s_affair() -> None:
    again: dict[str, Content] = {
        **dist_info("pip", "25.2", {"pip/__init__.py": "q" * SOURCE}, site=SITE),
        f"{SITE}/.wh.pip-25.1.dist-info": "",
    }
    inventory = on_base(upgrade(), again, history=[UPGRADE, f"{UPGRADE}==25.2"])
    leave = [e for e in make_plan(inventory).edits if "as the base image has it" in e.words]
    assert leave == []


@pytest.mark.parametrize(
    ("beside", "stays"),
    [
        ({}, LIBRARY_BYTECODE),
        # The base's own pip ran there, too.
        (dist_info("click", "8.3", site=SITE), BYTECODE + LIBRARY_BYTECODE),
    ],
)
def test_the_pip_of_an_environment_compiles_the_library_alone(
    beside: Mapping[str, Content], stays: int
) -> None:
    """It is another pip, which imports the same standard library."""
    place = "opt/venv/lib/python3.13/site-packages"
    environment: dict[str, Content] = {
        "opt/venv/pyvenv.cfg": "home = /usr/local/bin\nversion = 3.13.1\n"
        "include-system-site-packages = false\n",
        **dist_info("flask", "3.1", site=place),
        **beside,
    }
    history = [UPGRADE, "RUN . /opt/venv/bin/activate && pip install flask"]
    inventory = on_base(upgrade(), environment, history=history)
    (edit,) = (edit for edit in make_plan(inventory).edits if edit.packages == ("pip",))
    assert edit.saving == inventory.ledger.layers[4].stored - stays


@pytest.mark.parametrize(
    ("history", "stays"),
    [
        ([BOTH], OTHER + BYTECODE + LIBRARY_BYTECODE),
        ([NO_BYTECODE, BOTH], OTHER + LIBRARY_BYTECODE),
        ([f"{UPGRADE} && make"], OTHER + LIBRARY_BYTECODE),
        ([f"{UPGRADE} -r requirements.txt"], OTHER + BYTECODE + LIBRARY_BYTECODE),
    ],
)
def test_a_run_that_does_more_stores_the_rest(history: Sequence[str], stays: int) -> None:
    """Bytecode of the library may be of the other commands, whatever a variable says."""
    inventory = on_base(upgrade(flask=True), history=history)
    (edit,) = (edit for edit in make_plan(inventory).edits if edit.packages == ("pip",))
    assert edit.saving == inventory.ledger.layers[4].stored - stays


SEEDS = ("pip", "wheel")


@pytest.mark.parametrize(
    ("seeds", "command", "packages"),
    [
        (SEEDS, "pip install --upgrade pip wheel", ["pip", "wheel"]),
        # pip alone is as the base has it, if a build uses wheel as it is in the environment.
        (SEEDS, "pip install --upgrade pip wheel && python setup.py install", ["pip"]),
        # What is taken away is no upgrade.
        (("pip",), "pip install --upgrade pip && pip uninstall -y wheel", ["pip"]),
    ],
)
def test_all_that_is_upgraded_is_left_as_it_is(
    seeds: Sequence[str], command: str, packages: Sequence[str]
) -> None:
    def versions(number: str, data: str, names: Sequence[str]) -> dict[str, Content]:
        each = ({"__init__.py": data, "same.py": SAME} for _ in names)
        return {
            path: content
            for name, files in zip(names, each, strict=True)
            for path, content in dist_info(
                name, number, {f"{name}/{path}": text for path, text in files.items()}, site=SITE
            ).items()
        }

    python = {**official_python(), **versions("24.3.1", "o", SEEDS)}
    newer: dict[str, Content] = {
        **versions("25.1", "n" * SOURCE, seeds),
        **{f"{SITE}/.wh.{name}-24.3.1.dist-info": "" for name in SEEDS},
        **{f"{SITE}/{name}/same.py": File(SAME, mtime=1_800_000_000) for name in seeds},
        **{f"{SITE}/.wh.{name}": "" for name in set(SEEDS) - set(seeds)},
    }
    base: list[Mapping[str, Content]] = [debian_base(), {"etc/a": "b"}, python, {}]
    history = [*OFFICIAL_STEPS, *steps(f"RUN {command}")]
    one = image([*base, newer], history=history, env=official_env("3.13.1"))
    edits = [e for e in make_plan(taken(one)).edits if "as the base image has it" in e.words]
    assert [[*edit.packages] for edit in edits] == [packages]


@pytest.mark.parametrize(
    ("build", "offered"),
    [
        ("RUN pip install /src", True),
        ("RUN pip install --no-build-isolation /src", False),
        ("RUN cd /src && python setup.py install", False),
        ("RUN python -m build --no-isolation /src", False),
        ("RUN PIP_NO_BUILD_ISOLATION=0 pip install /src", False),
    ],
)
def test_a_build_that_uses_the_environments_setuptools_keeps_it(build: str, offered: bool) -> None:
    def setuptools(version: str, content: str) -> dict[str, Content]:
        files: dict[str, bytes | str] = {
            "setuptools/__init__.py": content,
            "setuptools/same.py": SAME,
        }
        return dict(dist_info("setuptools", version, files, site=SITE))

    python = {**official_python(), **setuptools("65.5.1", "o")}
    base: list[Mapping[str, Content]] = [debian_base(), {"etc/a": "b"}, python, {}]
    newer: dict[str, Content] = {
        **setuptools("80.9.0", "n" * SOURCE),
        f"{SITE}/setuptools/same.py": File(SAME, mtime=1_800_000_000),
        f"{SITE}/.wh.setuptools-65.5.1.dist-info": "",
    }
    history = [*OFFICIAL_STEPS, *steps("RUN pip install setuptools==80.9.0", build)]
    one = image([*base, newer, {"srv/x": "1"}], history=history, env=official_env("3.13.1"))
    edits = make_plan(taken(one)).edits
    assert any("as the base image has it" in edit.words for edit in edits) is offered
