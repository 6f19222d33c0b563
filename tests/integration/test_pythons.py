"""Interpreters, environments and distributions against what every Python says of itself."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pyimginspect import open_image
from pyimginspect.analyzers.duplicate_python import duplicate_python
from pyimginspect.analyzers.hijacked_libpython import hijacked_libpython
from pyimginspect.analyzers.os_python_binding import os_python_binding
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.distributions import normalized
from tests.integration.conftest import BuiltCorpus
from tests.integration.engine import Engine

CONTEXT = Path(__file__).parent / "pythons"
TAG = "tests/pythons:latest"
HIJACKED = "tests/hijacked:latest"
IMAGES = ("slim", "bad", "good", "full", "alpine", "pythons")

# Run inside a container by every Python there is. The places are those of `sys.path` beyond the
# standard library (PyPy's holds distributions too); of several distributions of one name the first
# is the one that is imported.
LOOK = r"""
import json, os, sys, sysconfig
try:
    from importlib.metadata import distributions
except ImportError:  # built without a module that it needs, and so without any packages
    distributions = lambda path: ()
own = {os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
places = []
for place in map(os.path.realpath, filter(None, sys.path)):
    standard = place in own or place.endswith("/lib-dynload")
    if os.path.isdir(place) and not standard and place not in places:
        places.append(place)
packages, names = [], set()
for place in filter(None, sys.path):
    here = [(d.metadata["Name"], d.version) for d in distributions(path=[place])]
    packages += [pair for pair in here if pair[0].lower() not in names]
    names.update(name.lower() for name, _ in here)
maps = [line.split()[-1] for line in open("/proc/self/maps")]
libraries = {path for path in maps if "/libpython3." in path or "/libpypy" in path}
json.dump({
    "file": os.stat("/proc/self/exe").st_ino,
    "version": ".".join(map(str, sys.version_info[:3])),
    "implementation": sys.implementation.name,
    "prefix": os.path.realpath(sys.prefix)[1:],
    "base": os.path.realpath(sys.base_prefix)[1:],
    "places": [place[1:] for place in places],
    "packages": sorted(packages),
    "library": "".join(sorted(libraries))[1:],
}, sys.stdout)
"""

# Every program and link that is called like a Python, asked one after the other; but for what conda
# unpacked to link to, which is not installed.
ASK = r"""
find / -xdev -path '*/pkgs/*' -prune -o \
    \( -type f -o -type l \) \( -name 'python*' -o -name 'pypy*' \) -perm -100 -print |
while read -r path; do
    [ "$(head -c 4 "$path" 2>/dev/null | tail -c 3)" = ELF ] || continue
    case $path in *.so|*.so.*) continue;; esac
    said=$("$path" -c "$LOOK" 2>/dev/null </dev/null) && printf '%s\t%s\n' "$path" "$said"
done
true
"""


class Seen:
    """An image as this package sees it, and as the Pythons in it see themselves."""

    def __init__(self, inventory: Inventory, run: Callable[..., str]) -> None:
        self.inventory = inventory
        self.run = run
        self.said: dict[str, dict[str, Any]] = {}
        for line in run("sh", "-c", ASK).splitlines():
            path, _, answer = line.partition("\t")
            self.said[path.lstrip("/")] = json.loads(answer)

    def interpreters(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """What each interpreter says, by all its names: one file, and one standard library."""
        names: dict[tuple[int, str], list[str]] = {}
        answers = {}
        for path, answer in self.said.items():
            if answer["prefix"] == answer["base"]:
                key = (answer["file"], answer["base"])
                names.setdefault(key, []).append(path)
                answers[key] = answer
        return {tuple(sorted(names[key])): answer for key, answer in answers.items()}

    def environments(self) -> dict[str, dict[str, Any]]:
        """What the program of each virtual environment says, by the environment's path."""
        return {a["prefix"]: a for a in self.said.values() if a["prefix"] != a["base"]}

    def answers(self) -> dict[str, dict[str, Any]]:
        """What interpreters and environments say, by their path in the inventory."""
        paths = {
            name: each.path
            for each in self.inventory.interpreters
            for name in (each.path, *each.aliases)
        }
        found = {paths.get(names[0], names[0]): a for names, a in self.interpreters().items()}
        return found | self.environments()

    def ask(self, *arguments: str, having: str = "") -> dict[str, Any]:
        """The JSON that every Python prints for these arguments, all in one container.

        `having` names a distribution: only those are asked that import it.
        """
        programs = {
            who: next(path for path, said in self.said.items() if said == answer)
            for who, answer in self.answers().items()
            if not having or any(name == having for name, _ in answer["packages"])
        }
        words = " ".join(map(shlex.quote, arguments))
        loop = f"for program; do \"$program\" {words}; printf '\\036'; done"
        printed = self.run("sh", "-c", loop, "sh", *(f"/{path}" for path in programs.values()))
        return dict(zip(programs, map(json.loads, printed.split("\x1e")[:-1]), strict=True))

    def visible(self, who: str) -> list[list[str]]:
        """The distributions that an interpreter or environment imports, as the oracle sorts."""
        return sorted(
            [each.name, each.version]
            for each in self.inventory.distributions
            if who in each.interpreters
        )


def listed(answer: dict[str, Any]) -> list[list[str]]:
    return sorted([normalized(name), version] for name, version in answer["packages"])


@pytest.fixture(scope="module")
def built(corpus: BuiltCorpus, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image with Pythons of every kind, a few packages of Debian among them."""
    corpus.load_into(engine, "slim")
    context = tmp_path_factory.mktemp("context")
    shutil.copytree(CONTEXT, context, dirs_exist_ok=True)
    sources = context / "src"
    for name, version in (
        ("plain", "1.0"),
        ("plain", "1.1"),
        ("Odd.Name_x", "2.1"),
        ("ofuser", "1.0"),
        ("target", "1.0"),
    ):
        write_wheel(sources, name, version)
    for name in ("legacy", "egg", "develop"):
        module = sources / name / f"{name}_module"
        module.mkdir(parents=True)
        (module / "__init__.py").write_text("VALUE = 1\n")
        (sources / name / "setup.py").write_text(
            f"from setuptools import setup\n"
            f"setup(name={name!r}, version='0.5', packages=['{name}_module'])\n"
        )
    engine.build(context, TAG)
    archive = tmp_path_factory.mktemp("saved") / "pythons.tar"
    engine.save(TAG, archive)
    return archive


@pytest.fixture(scope="module")
def hijacked(built: Path, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same image with a directory in LD_LIBRARY_PATH that has a libpython of the same name."""
    assert built.exists()
    context = tmp_path_factory.mktemp("context")
    library = "/opt/uv/python/cpython-3.11-linux-x86_64-gnu/lib"
    (context / "Dockerfile").write_text(f"FROM {TAG}\nENV LD_LIBRARY_PATH={library}\n")
    engine.build(context, HIJACKED)
    archive = tmp_path_factory.mktemp("saved") / "hijacked.tar"
    engine.save(HIJACKED, archive)
    return archive


def write_wheel(folder: Path, name: str, version: str) -> None:
    folder.mkdir(exist_ok=True)
    module = name.replace(".", "_").lower()
    info = f"{name}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": "VALUE = 1\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in (*files, info)))


@pytest.fixture(scope="module")
def look(
    corpus: BuiltCorpus, engine: Engine, request: pytest.FixtureRequest
) -> Callable[[str], Seen]:
    @cache
    def seen(name: str) -> Seen:
        if name == "pythons":
            archive, tag = request.getfixturevalue("built"), TAG
        elif name == "hijacked":
            archive, tag = request.getfixturevalue("hijacked"), HIJACKED
        else:
            archive, tag = corpus.archive(name), corpus.load_into(engine, name)

        def run(*command: str) -> str:
            options = ("--rm", "--network", "none", "--env", f"LOOK={LOOK}", "--entrypoint", "")
            return engine.docker("run", *options, tag, *command)

        with open_image(str(archive)) as image:
            return Seen(image.inventory, run)

    return seen


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest, look: Callable[[str], Seen]) -> Seen:
    return look(str(request.param))


def test_interpreters(image: Seen) -> None:
    """The same files under the same names; versions, prefixes and search paths are the same."""
    ours = {
        tuple(sorted((each.path, *each.aliases))): (
            each.version,
            each.implementation,
            each.prefix,
            list(each.site_packages),
        )
        for each in image.inventory.interpreters
    }
    expected = {
        names: (answer["version"], answer["implementation"], answer["prefix"], answer["places"])
        for names, answer in image.interpreters().items()
    }
    assert ours == expected


def test_environments(image: Seen) -> None:
    prefixes = {each.path: each.prefix for each in image.inventory.interpreters}
    ours = {
        each.path: (prefixes[each.base or ""], list(each.site_packages))
        for each in image.inventory.environments
        if not each.broken
    }
    expected = {
        path: (answer["base"], answer["places"]) for path, answer in image.environments().items()
    }
    assert ours == expected


def test_broken_environments(look: Callable[[str], Seen]) -> None:
    """What is called broken does not start, and what starts is not."""
    seen = look("pythons")
    broken = {each.path for each in seen.inventory.environments if each.broken}
    assert broken == {"opt/venvs/broken"}
    assert not any(path.startswith("opt/venvs/broken/") for path in seen.said)


def test_distributions(image: Seen) -> None:
    answers = image.answers()
    assert {who: image.visible(who) for who in answers} == {
        who: listed(answer) for who, answer in answers.items()
    }


def test_pip_list(image: Seen) -> None:
    """Where there is a pip, it lists the same."""
    listed_by_pip = image.ask("-m", "pip", "list", "--format", "json", having="pip")
    for who, found in listed_by_pip.items():
        expected = sorted([normalized(each["name"]), each["version"]] for each in found)
        assert image.visible(who) == expected, who
    assert listed_by_pip or "usr/local/bin/pip3" not in image.inventory.rootfs


# --- what the issue is about --------------------------------------------------------------------
SIZES = r"""
import json, os, sys
sizes = {}
for path in json.loads(os.environ["TOPS"]):
    tops = [os.path.join("/", path)]
    for top in tops:
        if os.path.isdir(top):
            tops += [os.path.join(top, name) for name in os.listdir(top)
                     if name not in ("site-packages", "dist-packages")]
        elif not os.path.islink(top):
            status = os.stat(top)
            sizes[status.st_ino] = status.st_size
print(sum(sizes.values()))
"""


def test_sizes(image: Seen) -> None:
    """Executable, libpython and standard library; every inode once, nothing of third parties."""
    for each in image.inventory.interpreters:
        tops = json.dumps([path for path in (each.path, each.libpython, each.stdlib) if path])
        printed = image.run("env", f"TOPS={tops}", f"/{each.path}", "-B", "-c", SIZES)
        assert each.size == int(printed), each.path


def test_the_effective_interpreter(image: Seen) -> None:
    """It is what a shell in the container finds; no command of these images says otherwise."""
    printed = image.run("sh", "-c", "readlink -f $(command -v python3)").strip()
    (effective,) = [each for each in image.inventory.interpreters if each.effective]
    assert f"/{effective.path}" == printed


def test_who_brought_the_second_python(look: Callable[[str], Seen]) -> None:
    """The packages are those of apt's own simulation, the bytes those of dpkg's own lists."""
    seen = look("bad")
    (finding,) = duplicate_python(seen.inventory)
    chains = [e.what for e in finding.evidence if " → " in e.what]
    roots = sorted(chain.split(" → ")[0] for chain in chains)
    assert roots == ["python3-psycopg2", "python3-yaml"]
    assert all(chain.endswith(" → python3.11-minimal") for chain in chains)
    assert "apt-get install -y python3-psycopg2 python3-yaml" in finding.instruction
    assert finding.layers == (seen.inventory.packages["python3-yaml"].layer,)

    simulated = seen.run("apt-get", "--simulate", "purge", "--auto-remove", *roots)
    gone = re.findall(r"^(?:Purg|Remv) (\S+)", simulated, re.MULTILINE)
    assert sorted(finding.packages) == sorted(gone)
    owned = 'dpkg-query -L "$0" "$@" | sort -u | while read -r f; do [ -L "$f" ] || [ -d "$f" ]'
    measured = f"{owned} || stat --format '%i %s' \"$f\"; done"
    files = seen.run("sh", "-c", measured, *gone).splitlines()
    sizes = dict(line.split() for line in files)
    owned_bytes = sum(map(int, sizes.values()))
    # What maintainer scripts compile, and dpkg's notes about the packages, go with them.
    beside = "find /usr/lib/python3* /var/lib/dpkg/info '(' -name '*.pyc' -o -path '*/info/*' ')'"
    others = seen.run("sh", "-c", f"{beside} -type f -printf '%s\\n'").split()
    assert owned_bytes <= finding.saving <= owned_bytes + sum(map(int, others))


@pytest.mark.parametrize("name", ["slim", "good", "full", "alpine"])
def test_no_second_python(look: Callable[[str], Seen], name: str) -> None:
    assert list(duplicate_python(look(name).inventory)) == []


def test_what_the_effective_interpreter_cannot_import(look: Callable[[str], Seen]) -> None:
    """The modules of a package come from elsewhere, or not at all."""
    seen = look("bad")
    findings = {finding.subject: finding for finding in os_python_binding(seen.inventory)}
    assert findings.keys() == {"python3-psycopg2", "python3-yaml"}
    for module, expected in (("psycopg2", "/usr/local/"), ("yaml", "")):
        spec = f"importlib.util.find_spec('{module}')"
        code = f"import importlib.util; print(getattr({spec}, 'origin', ''))"
        printed = seen.run("/usr/local/bin/python3", "-c", code).strip()
        assert printed.startswith(expected)
        assert "/dist-packages/" not in printed
        finding = findings[f"python3-{module}"]
        assert "which /usr/local/bin/python3 cannot import" in finding.message


@pytest.mark.parametrize("name", [*IMAGES, "hijacked"])
def test_the_library_that_is_loaded(look: Callable[[str], Seen], name: str) -> None:
    """Each process has mapped the libpython that the interpreter is said to get."""
    seen = look(name)
    answers = seen.answers()
    ours = {each.path: each.libpython for each in seen.inventory.interpreters}
    assert ours == {path: answers[path]["library"] for path in ours}
    strangers = {
        each.path
        for each in seen.inventory.interpreters
        if each.libpython and not answers[each.path]["library"].startswith(f"{each.prefix}/")
    }
    assert {finding.subject for finding in hijacked_libpython(seen.inventory)} == strangers
    assert bool(strangers) == (name == "hijacked")


# --- distributions in detail --------------------------------------------------------------------
FILES = r"""
import json, os
from importlib.metadata import distributions
sizes = {}
for d in distributions():
    if d.files is not None:
        places = {os.path.realpath(d.locate_file(f)) for f in d.files}
        found = {os.stat(p).st_ino: os.stat(p).st_size for p in places if os.path.isfile(p)}
        sizes.setdefault(os.path.realpath(d._path)[1:], sum(found.values()))
print(json.dumps(sizes))
"""


def test_sizes_of_distributions(image: Seen) -> None:
    """The bytes of the files that each lists, by the standard library's own reading."""
    checked = 0
    having = "" if any(answer["packages"] for answer in image.answers().values()) else "pip"
    for who, sizes in image.ask("-B", "-c", FILES, having=having).items():
        for each in image.inventory.distributions:
            # Of those without RECORD the standard library only knows the modules' names.
            if who in each.interpreters and f"{each.metadata}/RECORD" in image.inventory.rootfs:
                assert each.size == sizes[each.metadata], each.metadata
                checked += 1
    assert checked or not any(answer["packages"] for answer in image.answers().values())


def test_pip_inspect(image: Seen) -> None:
    """Place, installer, request and origin of each distribution, as pip tells them."""
    for who, report in image.ask("-m", "pip", "inspect", having="pip").items():
        told = {
            item["metadata_location"].lstrip("/"): item
            for item in report["installed"]
            if item["metadata_location"]  # it gives none for metadata in a single file
        }
        for each in image.inventory.distributions:
            if who not in each.interpreters:
                continue
            if each.metadata not in told:
                assert image.inventory.rootfs[each.metadata].kind == "file"
                continue
            item = told[each.metadata]
            assert each.direct_url == item.get("direct_url", {}).get("url", "")
            if each.package or not item.get("installer"):
                assert each.package or each.installer == ""
            else:
                assert (each.installer, each.requested) == (item["installer"], item["requested"])
