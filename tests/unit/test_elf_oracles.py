"""Our ELF reader against `readelf` and pyelftools, on the files of this machine."""

import os
import re
import shutil
import stat
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection

from pyimginspect.layers.elf import MAGIC, read_elf
from pyimginspect.model import ElfFile
from tests.unit.test_elf import Content

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the oracles need ELF files")

PLACES = (
    Path("/usr/bin"),
    Path("/usr/lib"),
    Path("/usr/local"),
    Path(sysconfig.get_path("platlib")),
    Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib"),
)
# Debugging information has program headers and no segments; tests of tools are broken on purpose.
PASSED_OVER = ("/debug/.build-id/", "/testdata/")


NAMED_LIKE_ONE = re.compile(r"\.so\b|\.[ao]$|/(?:bin|sbin|libexec)/[^/.]+$")


def elf_files() -> Iterator[Path]:
    """All ELF files of this machine's usual places, each once, in a stable order."""
    seen = set()
    for place in PLACES:
        for folder, folders, names in os.walk(place):
            folders.sort()
            for name in sorted(names):
                path = f"{folder}/{name}"
                try:
                    status = os.lstat(path)
                    if not stat.S_ISREG(status.st_mode) or status.st_ino in seen:
                        continue
                    with open(path, "rb", buffering=0) as file:
                        magic = file.read(4)
                except OSError:
                    continue
                seen.add(status.st_ino)
                if magic == MAGIC and not any(part in path for part in PASSED_OVER):
                    yield Path(path)


# Where linkers, distributions and wheels put them: to walk through all places takes 0.8 s.
MULTIARCH = sysconfig.get_config_var("MULTIARCH") or ""
DIRECTORIES = (
    "/usr/bin",
    f"/usr/lib/{MULTIARCH}",
    "/usr/lib64",
    "/usr/local/bin",
    sysconfig.get_config_var("LIBDIR") or "/usr/lib",
    f"{sysconfig.get_path('stdlib')}/lib-dynload",
    *map(str, Path(sysconfig.get_path("platlib")).glob("*/")),
)
LARGEST = 20_000_000  # readelf takes a second for LLVM


def sample() -> list[Path]:
    """About 150 of them, of the directories that have most."""
    files = [
        Path(entry.path)
        for place in dict.fromkeys(DIRECTORIES)
        if os.path.isdir(place)
        for entry in sorted(os.scandir(place), key=lambda entry: entry.name)
        if NAMED_LIKE_ONE.search(entry.path) and entry.is_file(follow_symlinks=False)
    ]
    few = files[:: max(1, len(files) // 300)]  # with scripts among them
    found = [path for path in few if is_elf(path) and path.stat().st_size <= LARGEST]
    return found[:: -(-len(found) // 150) or 1]


def is_elf(path: Path) -> bool:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


SAMPLE = sample()


def ours(path: Path) -> ElfFile:
    return read_elf(Content(path.read_bytes()))


def from_readelf(path: Path) -> ElfFile:
    """What `readelf` prints of a file, in our terms."""
    command = ["readelf", "-h", "-d", "-V", "-l", "-n", "-W", str(path)]
    text = subprocess.run(
        command, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": os.environ["PATH"]}
    ).stdout

    def all_of(pattern: str) -> list[str]:
        return re.findall(pattern, text, re.MULTILINE)

    def one(pattern: str) -> str:
        found = all_of(pattern)
        return found[-1] if found else ""

    def directories(pattern: str) -> tuple[str, ...]:
        found = all_of(pattern)
        return tuple(found[-1].split(":")) if found else ()

    needs: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
    pattern = (
        r"Version: 1 +File: (?P<file>\S+) +Cnt|"
        r"Name: (?P<name>\S+) +Flags: (?P<flags>.*?) +Version: \d"
    )
    section = text.partition("Version needs section")[2].partition("\n\n")[0]
    for match in re.finditer(pattern, section):
        if match["file"]:
            needs.append((match["file"], (), ()))
        else:
            file, names, weak = needs[-1]
            extra = (match["name"],) if "WEAK" in match["flags"] else ()
            needs[-1] = (file, (*names, match["name"]), weak + extra)
    defined = text.partition("Version definition section")[2].partition("\n\n")[0]
    stack = one(r"^  GNU_STACK +0x\w+ 0x\w+ 0x\w+ 0x\w+ (0x\w+) ")
    kinds = {"DYN": "shared", "EXEC": "executable", "REL": "relocatable", "CORE": "core"}
    return ElfFile(
        bits=64 if "ELF64" in text else 32,
        endian="little" if "little endian" in text else "big",
        machine="",
        flags=int(one(r"^  Flags: +(0x\w+)"), 16),
        kind=kinds.get(one(r"^  Type: +(\w+)"), "other"),  # type: ignore[arg-type]
        dynamic=bool(re.search(r"^  DYNAMIC ", text, re.MULTILINE)),
        interpreter=one(r"Requesting program interpreter: (.*)\]$"),
        needed=tuple(all_of(r"\(NEEDED\) +Shared library: \[(.*)\]$")),
        soname=one(r"\(SONAME\) +Library soname: \[(.*)\]$"),
        rpath=directories(r"\(RPATH\) +Library rpath: \[(.*)\]$"),
        runpath=directories(r"\(RUNPATH\) +Library runpath: \[(.*)\]$"),
        flags_1=flags_1(one(r"\(FLAGS_1\) +Flags: (.*)$")),
        version_needs=tuple(
            {"library": file, "versions": names, "weak": weak}  # type: ignore[misc]
            for file, names, weak in needs
        ),
        version_definitions=tuple(
            re.findall(r"Flags: (?!BASE).*?Index: \d+ +Cnt: \d+ +Name: (\S+)", defined)
        ),
        # Go's own linker puts this note into a section and into no segment: no loader sees it.
        build_id=ours(path).build_id if "GO BUILDID" in text else one(r"Build ID: (\w+)$"),
        stack_size=int(stack, 16) if stack else None,
    )


FLAGS_1 = {"NOW": 1, "GLOBAL": 2, "NODELETE": 8, "INITFIRST": 0x20, "NOOPEN": 0x40, "PIE": 1 << 27}
FLAGS_1 |= {"ORIGIN": 0x80, "INTERPOSE": 0x400, "NODEFLIB": 0x800, "NODUMP": 0x1000}


def flags_1(text: str) -> int:
    return sum(FLAGS_1[name] for name in text.split())


def plain(facts: ElfFile) -> ElfFile:
    """Our result in the shape of `from_readelf`."""
    return ElfFile(
        **{
            **{name: getattr(facts, name) for name in facts.__struct_fields__},
            "machine": "",
            "version_needs": tuple(
                {"library": n.library, "versions": n.versions, "weak": n.weak}
                for n in facts.version_needs
            ),
        }
    )


def from_pyelftools(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        elf = ELFFile(file)
        segments = list(elf.iter_segments())
        dynamic = [s for s in segments if isinstance(s, DynamicSegment) and s["p_filesz"]]
        tags = list(dynamic[0].iter_tags()) if dynamic else []
        needs: dict[str, list[str]] = {}
        defined: list[str] = []
        for section in elf.iter_sections():
            if isinstance(section, GNUVerNeedSection):
                for need, versions in section.iter_versions():
                    needs.setdefault(str(need.name), []).extend(v.name for v in versions)
            elif isinstance(section, GNUVerDefSection):
                for definition, names in section.iter_versions():
                    if not definition["vd_flags"] & 1:
                        defined.append(next(names).name)

        def texts(tag: str, attribute: str) -> list[str]:
            return [getattr(t, attribute) for t in tags if t.entry.d_tag == tag]

        return {
            "needed": texts("DT_NEEDED", "needed"),
            "soname": texts("DT_SONAME", "soname"),
            "rpath": texts("DT_RPATH", "rpath"),
            "runpath": texts("DT_RUNPATH", "runpath"),
            "needs": needs,
            "defined": defined,
            "machine": MACHINES.get(elf.get_machine_arch()),
        }


MACHINES = {"x64": "x86_64", "x86": "i386", "AArch64": "aarch64", "ARM": "arm"}


def compare_with_pyelftools(path: Path) -> None:
    try:
        expected = from_pyelftools(path)
    except ELFError:
        assert ours(path).error
        return
    facts = ours(path)
    assert expected == {
        "needed": list(facts.needed),
        "soname": [facts.soname] if facts.soname else [],
        "rpath": [":".join(facts.rpath)] if facts.rpath else [],
        "runpath": [":".join(facts.runpath)] if facts.runpath else [],
        "needs": {n.library: list(n.versions) for n in facts.version_needs},
        "defined": list(facts.version_definitions),
        "machine": facts.machine if facts.machine in MACHINES.values() else None,
    }


@pytest.mark.skipif(not shutil.which("readelf"), reason="readelf (binutils) is not installed")
@pytest.mark.parametrize("path", SAMPLE, ids=str)
def test_readelf_agrees(path: Path) -> None:
    assert plain(ours(path)) == from_readelf(path)


@pytest.mark.parametrize("path", SAMPLE[::3], ids=str)
def test_pyelftools_agrees(path: Path) -> None:
    compare_with_pyelftools(path)


@pytest.mark.integration
def test_readelf_agrees_on_every_file_of_this_machine() -> None:
    different = [str(path) for path in elf_files() if plain(ours(path)) != from_readelf(path)]
    assert different == []


@pytest.mark.integration
def test_pyelftools_agrees_on_every_file_of_this_machine() -> None:
    for path in elf_files():
        compare_with_pyelftools(path)
