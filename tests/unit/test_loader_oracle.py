"""The simulated loaders against the real ones, on files of this machine and on built ones."""

import platform
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from pyimginspect.inventory.loader import Loader, Resolution
from pyimginspect.rootfs import RootFS
from tests.effort import examples
from tests.elf import elf
from tests.machine import rootfs_of

GLIBC = Path("/lib64/ld-linux-x86-64.so.2")
MUSL = Path("/lib/ld-musl-x86_64.so.1")
FOUND = re.compile(r"\t(\S+) => (\S+) \(0x\w+\)")
FOUND_BY_PATH = re.compile(r"\t(/\S+) \(0x\w+\)")
MISSING = re.compile(r"\t(\S+) => not found")
MISSING_IN_MUSL = re.compile(r"Error loading shared library (\S+): .* \(needed by (\S+)\)")
VERSION = re.compile(r"(\S+): version `(\S+)' not found \(required by (\S+)\)")

needs_glibc = pytest.mark.skipif(
    not GLIBC.exists() or platform.machine() != "x86_64", reason="no x86_64 glibc on this machine"
)
needs_musl = pytest.mark.skipif(
    not MUSL.exists() or platform.machine() != "x86_64", reason="no x86_64 musl on this machine"
)


class Trace(NamedTuple):
    """What a loader says of a file: libraries and where they were found, and versions it lacks."""

    libraries: list[tuple[str, str]]
    versions: list[tuple[str, str]]


def traced(loader: Path, path: Path, library_path: str = "") -> Trace:
    """What the real loader does."""
    env = {"LD_TRACE_LOADED_OBJECTS": "1", "LD_WARN": "yes"}
    if library_path:
        env["LD_LIBRARY_PATH"] = library_path
    done = subprocess.run([loader, path], capture_output=True, text=True, env=env)
    libraries = []
    for line in done.stdout.splitlines():
        if match := FOUND.fullmatch(line):
            libraries.append((match[1], match[2]))
        elif match := MISSING.fullmatch(line):
            libraries.append((match[1], ""))
        elif (match := FOUND_BY_PATH.fullmatch(line)) and match[1] != str(GLIBC):
            libraries.append((match[1], match[1]))
    versions = VERSION.findall(done.stdout + done.stderr)
    return Trace(libraries, sorted((version, real_path(by)) for _, version, by in versions))


def real_path(path: str) -> str:
    return str(Path(path).resolve())


def ours(resolution: Resolution) -> Trace:
    """What we say, in the loader's words."""
    return Trace(
        [(d.opened if "/" in d.name else d.name, d.opened) for d in resolution.dependencies],
        sorted((m.version, real_path(f"/{m.needed_by}")) for m in resolution.mismatches),
    )


def active_hwcaps() -> tuple[str, ...]:
    """The `glibc-hwcaps` subdirectories that this machine's processor may use."""
    text = subprocess.run([GLIBC, "--help"], capture_output=True, text=True).stdout
    return tuple(re.findall(r"(\S+) \(supported, searched\)", text))


def check(rootfs: RootFS, paths: list[str]) -> None:
    loader = Loader(rootfs, hwcaps=active_hwcaps())
    different = {}
    for path in paths:
        expected, got = traced(GLIBC, Path("/", path)), ours(loader.library(path))
        if expected != got:
            different[path] = (expected, got)
    assert different == {}


def usual_files(rootfs: RootFS) -> list[str]:
    """Dynamic files for this machine, without those that only hold debugging information."""
    return [
        path
        for path, facts in rootfs.elf.items()
        if facts.dynamic and (facts.machine, facts.bits) == ("x86_64", 64)
        if facts.kind in ("shared", "executable") and "/debug/" not in path and not facts.error
    ]


@needs_glibc
def test_programs_and_libraries_of_this_machine() -> None:
    site = Path(sysconfig.get_path("platlib"))
    places = ["/etc", "/lib64", "/usr/lib64", "/usr/lib/x86_64-linux-gnu"]
    if not Path("/lib").is_symlink():
        places.append("/lib/x86_64-linux-gnu")
    rootfs = rootfs_of([*places, *map(str, site.rglob("*.so*"))])
    files = usual_files(rootfs)
    check(rootfs, files[:: max(1, len(files) // 50)])


@needs_glibc
@pytest.mark.integration
def test_every_file_of_this_machine() -> None:
    site = sysconfig.get_path("platlib")
    places = ["/etc", "/bin", "/lib", "/lib64", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/local"]
    rootfs = rootfs_of([*places, site])
    check(rootfs, usual_files(rootfs))


# --- built systems --------------------------------------------------------------------------------
FOLDERS = ("a", "b", "c")
LIBRARIES = ("lib0.so", "lib1.so", "lib2.so", "lib3.so")

run_paths = st.lists(
    st.sampled_from(
        ["$ORIGIN", "${ORIGIN}/../b", "@/a", "@/b/", "@/c", "@/nowhere", "$ORIGIN/$LIB", "$WHAT/x"]
    ),
    min_size=1,
    max_size=3,
).map(":".join)
versions = st.lists(st.sampled_from(["V_1", "V_2", "V_3"]), unique=True, min_size=1, max_size=2)


@st.composite
def objects(draw: st.DrawFn, root: str, soname: str | None) -> bytes:
    """A library, or a program, with run paths, needs and versions of any kind."""
    kind = draw(st.sampled_from(["", "", "rpath", "runpath", "both"]))
    needed = draw(st.lists(st.sampled_from(LIBRARIES), unique=True, max_size=3))
    return elf(
        soname=soname,
        needed=needed,
        rpath=draw(run_paths).replace("@", root) if kind in ("rpath", "both") else None,
        runpath=draw(run_paths).replace("@", root) if kind in ("runpath", "both") else None,
        verneed={name: draw(versions) for name in needed if draw(st.booleans())},
        verdef=draw(versions) if soname and draw(st.booleans()) else (),
    )


@st.composite
def systems(draw: st.DrawFn, root: str, *, foreign: bool) -> dict[str, bytes]:
    """A program and folders of libraries, some for another machine or under another name."""
    files = {"bin/main": draw(objects(root, None))}
    for folder in FOLDERS:
        for name in draw(st.lists(st.sampled_from(LIBRARIES), unique=True)):
            soname = draw(st.sampled_from([name, name, name, "lib9.so", LIBRARIES[0]]))
            files[f"{folder}/{name}"] = draw(objects(root, soname))
            if foreign and draw(st.integers(0, 6)) == 0:
                files[f"{folder}/{name}"] = elf(machine="i386", bits=32, soname=name)
    return files


def lay_out(root: Path, files: dict[str, bytes]) -> None:
    for path in root.rglob("*.so"):
        path.unlink()
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755)


library_paths = st.lists(st.sampled_from(["@/a", "@/b", "@/c", "@/nowhere"]), max_size=2)
any_example = examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@needs_glibc
@any_example
@given(data=st.data())
def test_built_systems_on_glibc(tmp_path: Path, data: st.DataObject) -> None:
    lay_out(tmp_path, data.draw(systems(str(tmp_path), foreign=True)))
    library_path = ":".join(data.draw(library_paths)).replace("@", str(tmp_path))
    rootfs = rootfs_of([str(tmp_path), str(GLIBC.parent), str(GLIBC.resolve())])
    loader = Loader(rootfs, {"LD_LIBRARY_PATH": library_path})
    main = tmp_path / "bin/main"
    got, expected = ours(loader.library(str(main)[1:])), traced(GLIBC, main, library_path)
    assert got.libraries == expected.libraries
    if all(opened for _, opened in expected.libraries):
        # else ld.so checks versions against the stand-in that it made for a missing library
        assert got.versions == expected.versions


def traced_by_musl(path: Path, library_path: str) -> list[tuple[str, str]]:
    env = {"LD_LIBRARY_PATH": library_path} if library_path else {}
    done = subprocess.run([MUSL, "--list", path], capture_output=True, text=True, env=env)
    found = FOUND.findall(done.stdout)
    return found + [(name, "") for name, _ in MISSING_IN_MUSL.findall(done.stderr)]


@needs_musl
@any_example
@given(data=st.data())
def test_built_systems_on_musl(tmp_path: Path, data: st.DataObject) -> None:
    lay_out(tmp_path, data.draw(systems(str(tmp_path), foreign=False)))
    library_path = ":".join(data.draw(library_paths)).replace("@", str(tmp_path))
    main = tmp_path / "bin/main"
    rootfs = rootfs_of([str(tmp_path), str(MUSL), str(MUSL.resolve())])
    got = ours(Loader(rootfs, {"LD_LIBRARY_PATH": library_path}).library(str(main)[1:]))
    expected = traced_by_musl(main, library_path)
    # musl tells of a library each time that one needs it, and of those missing at the end
    assert [(n, o) for n, o in got.libraries if o] == list(
        dict.fromkeys((n, o) for n, o in expected if o)
    )
    assert {n for n, o in got.libraries if not o} == {n for n, o in expected if not o}
