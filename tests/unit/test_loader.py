"""The simulated loaders: tables of small systems, and processes with extensions."""

from collections.abc import Mapping

import pytest

from pyimginspect.inventory.derived.loading import loads_without
from pyimginspect.inventory.loader import TOO_MUCH, Loader, Resolution
from pyimginspect.inventory.loader.alike import likeness_of
from pyimginspect.inventory.loader.cache import CacheEntry
from pyimginspect.inventory.loader.glibc import GlibcSearch
from pyimginspect.inventory.loader.search import Found, Loaded
from pyimginspect.model import ElfFile
from tests.elf import elf
from tests.images import Content, Directory, Link
from tests.pythons import inventory
from tests.systems import MUSL, MUSL_FILES, X86, glibc, rootfs
from tests.unit.test_ld_so_cache import new_cache

LIB = "/usr/lib/x86_64-linux-gnu"
TRIPLET = "lib/x86_64-linux-gnu"


def library(name: str, *needed: str, **more: str) -> bytes:
    return elf(soname=name, needed=needed, **more)  # type: ignore[arg-type]


def program(*needed: str, **more: str) -> bytes:
    return elf(needed=[*needed, "libc.so.6"], interp=X86, **more)  # type: ignore[arg-type]


def resolve(
    files: Mapping[str, Content], path: str = "usr/bin/app", env: Mapping[str, str] = {}
) -> Resolution:
    return Loader(rootfs({**glibc(), **files}), env).library(path)


def where(resolution: Resolution) -> dict[str, tuple[str, str]]:
    """What became of each library but libc: how it was found, and where."""
    return {
        d.name: (d.how, d.opened) if d.path else ("", "")
        for d in resolution.dependencies
        if d.name != "libc.so.6"
    }


CACHED = {"etc/ld.so.cache": new_cache([("liba.so.1", "/opt/a/liba.so.1", 0x303)])}
A = library("liba.so.1")

ORDERS: dict[str, tuple[dict[str, Content], dict[str, str], tuple[str, str]]] = {
    "built-in multiarch directory": (
        {"usr/bin/app": program("liba.so.1"), f"usr/{TRIPLET}/liba.so.1": A},
        {},
        ("default", f"/{TRIPLET}/liba.so.1"),
    ),
    "built-in directory": (
        {"usr/bin/app": program("liba.so.1"), "usr/lib/liba.so.1": A},
        {},
        ("default", "/lib/liba.so.1"),
    ),
    "/usr/local/lib is not built in": (
        {
            "usr/bin/app": program("liba.so.1"),
            "usr/local/lib/liba.so.1": A,
            "etc/ld.so.conf": "/usr/local/lib\n",
        },
        {},
        ("", ""),
    ),
    "the cache": (
        {"usr/bin/app": program("liba.so.1"), "opt/a/liba.so.1": A, **CACHED},
        {},
        ("cache", "/opt/a/liba.so.1"),
    ),
    "a cache that is out of date": (
        {"usr/bin/app": program("liba.so.1"), "opt/b/liba.so.1": A, **CACHED},
        {},
        ("", ""),
    ),
    "the cache comes before the built-in directories": (
        {
            "usr/bin/app": program("liba.so.1"),
            "opt/a/liba.so.1": A,
            "usr/lib/liba.so.1": A,
            **CACHED,
        },
        {},
        ("cache", "/opt/a/liba.so.1"),
    ),
    "DT_RUNPATH comes before the cache": (
        {
            "usr/bin/app": program("liba.so.1", runpath="$ORIGIN/../r"),
            "usr/r/liba.so.1": A,
            "opt/a/liba.so.1": A,
            **CACHED,
        },
        {},
        ("runpath", "/usr/bin/../r/liba.so.1"),
    ),
    "LD_LIBRARY_PATH comes before DT_RUNPATH": (
        {
            "usr/bin/app": program("liba.so.1", runpath="/r"),
            "r/liba.so.1": A,
            "env/liba.so.1": A,
        },
        {"LD_LIBRARY_PATH": "relative::/nowhere;/env/"},
        ("environment", "/env/liba.so.1"),
    ),
    "DT_RPATH comes before LD_LIBRARY_PATH": (
        {"usr/bin/app": program("liba.so.1", rpath="/r"), "r/liba.so.1": A, "env/liba.so.1": A},
        {"LD_LIBRARY_PATH": "/env"},
        ("rpath", "/r/liba.so.1"),
    ),
    "DT_RPATH does not count beside DT_RUNPATH": (
        {
            "usr/bin/app": program("liba.so.1", rpath="/r", runpath="/n"),
            "r/liba.so.1": A,
            "env/liba.so.1": A,
        },
        {"LD_LIBRARY_PATH": "/env"},
        ("environment", "/env/liba.so.1"),
    ),
    "$LIB and $PLATFORM": (
        {
            "usr/bin/app": program("liba.so.1", runpath="/o/$LIB/${PLATFORM}"),
            f"o/{TRIPLET}/x86_64/liba.so.1": A,
        },
        {},
        ("runpath", f"/o/{TRIPLET}/x86_64/liba.so.1"),
    ),
    "another machine's file is passed over": (
        {
            "usr/bin/app": program("liba.so.1", runpath="/arm:/r"),
            "arm/liba.so.1": elf(machine="aarch64", soname="liba.so.1"),
            "r/liba.so.1": A,
        },
        {},
        ("runpath", "/r/liba.so.1"),
    ),
    "through links of file and directory": (
        {
            "usr/bin/app": program("liba.so.1", runpath="/r"),
            "r": Link("usr/real"),
            "usr/real/liba.so.1": Link("liba.so.1.0.0"),
            "usr/real/liba.so.1.0.0": A,
        },
        {},
        ("runpath", "/r/liba.so.1"),
    ),
    "a name with a slash": (
        {"usr/bin/app": program("/o/liba.so.1"), "o/liba.so.1": A},
        {},
        ("path", "/o/liba.so.1"),
    ),
    "a path from the working directory, which nobody knows": (
        {"usr/bin/app": program("o/liba.so.1"), "o/liba.so.1": A, "usr/lib/liba.so.1": A},
        {},
        ("", ""),
    ),
    "what only begins as a token does": (
        {"usr/bin/app": program("liba.so.1", runpath="$ORIGINAL:/$LIBS"), "$LIBS/liba.so.1": A},
        {},
        ("runpath", "/$LIBS/liba.so.1"),
    ),
    "the root as a directory": (
        {"usr/bin/app": program("liba.so.1", runpath="/"), "liba.so.1": A},
        {},
        ("runpath", "/liba.so.1"),
    ),
    "an entry of the cache for another machine": (
        {
            "usr/bin/app": program("liba.so.1"),
            "arm/liba.so.1": elf(machine="aarch64", soname="liba.so.1"),
            "opt/a/liba.so.1": A,
            "etc/ld.so.cache": new_cache(
                [("liba.so.1", "/arm/liba.so.1", 0xA03), ("liba.so.1", "/opt/a/liba.so.1", 0x303)]
            ),
        },
        {},
        ("cache", "/opt/a/liba.so.1"),
    ),
    "the cache says what is no longer so: another machine's": (
        {
            "usr/bin/app": program("liba.so.1"),
            "arm/liba.so.1": elf(machine="aarch64", soname="liba.so.1"),
            "usr/lib/liba.so.1": A,
            "opt/a/libz.so.1": library("libz.so.1"),
            "etc/ld.so.cache": new_cache(
                [("libz.so.1", "/opt/a/libz.so.1", 0x303), ("liba.so.1", "/arm/liba.so.1", 0x303)]
            ),
        },
        {},
        ("default", "/lib/liba.so.1"),
    ),
}


@pytest.mark.parametrize(("files", "env", "expected"), ORDERS.values(), ids=ORDERS.keys())
def test_the_order_of_glibc(
    files: dict[str, Content], env: dict[str, str], expected: tuple[str, str]
) -> None:
    (found,) = where(resolve(files, env=env)).values()
    assert found == expected


def test_what_was_searched_in_vain() -> None:
    files = {"usr/bin/app": program("liba.so.1", runpath="/r"), **CACHED}
    (missing,) = resolve(files).failures
    assert (missing.name, missing.needed_by) == ("liba.so.1", "usr/bin/app")
    assert missing.searched == (
        "/r",
        "/etc/ld.so.cache",
        f"/{TRIPLET}",
        LIB,
        "/lib",
        "/usr/lib",
    )


def test_another_machines_files_are_told_where_no_other_is_found() -> None:
    files = {
        "usr/bin/app": program("liba.so.1"),
        "usr/lib/liba.so.1": elf(machine="aarch64", soname="liba.so.1"),
    }
    (missing,) = resolve(files).failures
    assert missing.passed_over == ("usr/lib/liba.so.1",) * 2  # as /lib and as /usr/lib


# A directory can be opened and not read: "cannot read file data: Error 21", says glibc. A runtime
# makes one where a file was to be mounted that the host has not.
NO_LIBRARIES: list[tuple[str, Content, str]] = [
    ("liba.so.1", "INPUT(liba.so.2)", "it is no ELF file"),
    ("liba.so.1/", Directory(), "it is a directory"),
    ("liba.so.1", elf(executable=True), "it is no shared library (executable)"),
    ("liba.so.1", A[:5] + b"\7" + A[6:], "unreadable ELF"),
    ("liba.so.1", A[:56], "unreadable ELF"),
    ("liba.so.1", elf(machine="s390x", endian="big", soname="liba.so.1"), "it is big-endian"),
]


@pytest.mark.parametrize(("name", "content", "broken"), NO_LIBRARIES)
@pytest.mark.parametrize("cached", [False, True])
def test_what_is_no_library_makes_the_loader_of_glibc_give_up(
    name: str, content: Content, broken: str, cached: bool
) -> None:
    entries = [("libz.so.1", "/opt/z/libz.so.1", 0x303), ("liba.so.1", "/opt/liba.so.1", 0x303)]
    files: dict[str, Content] = {
        "usr/bin/app": program("liba.so.1", "libb.so.1"),
        f"{'opt' if cached else f'usr/{TRIPLET}'}/{name}": content,
        "usr/lib/liba.so.1": A,
        "usr/lib/libb.so.1": library("libb.so.1"),
        "opt/z/libz.so.1": library("libz.so.1"),
        "etc/ld.so.cache": new_cache(entries[: 1 + cached]),
    }
    (found,) = resolve(files).failures
    assert found.path == ("opt/liba.so.1" if cached else f"usr/{TRIPLET}/liba.so.1")
    assert found.broken.startswith(broken)


@pytest.mark.parametrize(("name", "content", "broken"), NO_LIBRARIES)
def test_what_is_no_library_makes_the_loader_of_musl_give_up(
    name: str, content: Content, broken: str
) -> None:
    files: dict[str, Content] = {
        "app": musl_program("liba.so.1"),
        f"lib/{name}": content,
        "usr/lib/liba.so.1": A,
    }
    (found,) = on_musl(files).failures
    assert (found.path, found.how) == ("lib/liba.so.1", "default")
    assert found.broken.startswith(broken)


def test_what_cannot_be_loaded_makes_nothing_else_load() -> None:
    """Its own libraries are not looked for, and those that come after it are."""
    files: dict[str, Content] = {
        "usr/bin/app": program("/o/liba.so.1", "libb.so.1"),
        "o/liba.so.1": elf(machine="aarch64", needed=["libz.so.1"]),
        "usr/lib/libb.so.1": library("libb.so.1"),
    }
    found = resolve(files)
    assert [each.name for each in found.dependencies] == ["/o/liba.so.1", "libb.so.1", "libc.so.6"]
    assert found.needed["/o/liba.so.1"] == ""


def test_libraries_of_libraries_and_who_asked() -> None:
    files = {
        "usr/bin/app": program("liba.so.1"),
        "usr/lib/liba.so.1": library("liba.so.1", "libb.so.1"),
    }
    resolution = resolve(files)
    assert [(d.name, d.needed_by) for d in resolution.failures] == [
        ("libb.so.1", "usr/lib/liba.so.1")
    ]
    assert resolution.needed == {
        "liba.so.1": "usr/lib/liba.so.1",
        "libc.so.6": f"usr/{TRIPLET}/libc.so.6",
    }


def test_beside_a_runpath_an_rpath_does_not_count_for_libraries_of_libraries_either() -> None:
    found = resolve(
        {
            "usr/bin/app": program("liba.so.1", rpath="/r", runpath="/n"),
            "n/liba.so.1": library("liba.so.1", "libb.so.1"),
            "r/libb.so.1": library("libb.so.1"),
        }
    )
    assert where(found) == {"liba.so.1": ("runpath", "/n/liba.so.1"), "libb.so.1": ("", "")}


def test_an_rpath_of_the_program_does_not_count_for_a_library_with_a_runpath() -> None:
    found = resolve(
        {
            "usr/bin/app": program("liba.so.1", rpath="/r"),
            "r/liba.so.1": library("liba.so.1", "libb.so.1", "libc.so.6", runpath="/n"),
            "r/libb.so.1": library("libb.so.1"),
        }
    )
    assert where(found) == {"liba.so.1": ("rpath", "/r/liba.so.1"), "libb.so.1": ("", "")}


@pytest.mark.parametrize(
    ("content", "broken"),
    [(A, ""), (elf(machine="aarch64", soname="liba.so.1"), "it is for another machine")],
)
def test_a_library_that_is_needed_by_its_path(content: bytes, broken: str) -> None:
    files: dict[str, Content] = {
        "usr/bin/app": program("/o/liba.so.1"),
        "o/liba.so.1": content,
        "usr/lib/liba.so.1": A,
    }
    found = resolve(files)
    (liba,) = [each for each in found.dependencies if each.name != "libc.so.6"]
    assert (liba.how, liba.opened, liba.broken) == ("path", "/o/liba.so.1", broken)
    assert [each.name for each in found.failures] == (["/o/liba.so.1"] if broken else [])


@pytest.mark.parametrize(
    ("passed", "found"),
    [("arm", "r"), ("arm", "opt/a"), ("arm", f"usr/{TRIPLET}")],
)
def test_what_was_passed_over_is_noted_where_another_one_is_found(passed: str, found: str) -> None:
    files = {
        "usr/bin/app": program("liba.so.1", runpath=f"/{passed}:/r"),
        f"{passed}/liba.so.1": elf(machine="aarch64", soname="liba.so.1"),
        f"{found}/liba.so.1": A,
        **CACHED,
    }
    liba = resolve(files).dependencies[0]
    assert (liba.path, liba.passed_over) == (f"{found}/liba.so.1", (f"{passed}/liba.so.1",))


def test_what_the_cache_names_for_another_machine_is_noted_too() -> None:
    files, _, _ = ORDERS["the cache says what is no longer so: another machine's"]
    liba = resolve(files).dependencies[0]
    assert (liba.path, liba.passed_over) == ("usr/lib/liba.so.1", ("arm/liba.so.1",))


def test_of_two_of_a_name_in_the_cache_the_first_is_loaded_always() -> None:
    entries = [("liba.so.1", f"/opt/{place}/liba.so.1", 0x303) for place in "ab"]
    found = resolve(
        {
            "usr/bin/app": program("liba.so.1"),
            "opt/a/liba.so.1": A,
            "opt/b/liba.so.1": A,
            "etc/ld.so.cache": new_cache(entries),
        }
    )
    (liba,) = [each for each in found.dependencies if each.name == "liba.so.1"]
    assert (liba.path, liba.alternatives) == ("opt/a/liba.so.1", ())


@pytest.mark.parametrize(("kind", "found"), [("rpath", True), ("runpath", False)])
def test_only_rpath_counts_for_the_libraries_of_libraries(kind: str, found: bool) -> None:
    files = {
        "usr/bin/app": program("liba.so.1", **{kind: "/r"}),
        "r/liba.so.1": library("liba.so.1", "libb.so.1"),
        "r/libb.so.1": library("libb.so.1"),
    }
    assert resolve(files).loads is found


def test_no_default_directories() -> None:
    system = rootfs({**glibc(), "usr/lib/liba.so.1": A, "opt/a/liba.so.1": A, **CACHED})
    facts = ElfFile(bits=64, endian="little", machine="x86_64", flags_1=0x800)
    search = GlibcSearch(system, LIB[1:] + "/ld-linux-x86-64.so.2", facts, {})
    asker = Loaded("/usr/bin/app", "usr/bin/app", facts)
    assert search.find("liba.so.1", asker).opened == "/opt/a/liba.so.1"
    assert search.find("libc.so.6", asker).real == ""
    # Nor does the cache count for what is in them.
    cache = new_cache([("liba.so.1", "/usr/lib/liba.so.1", 0x303)])
    system = rootfs({**glibc(), "usr/lib/liba.so.1": A, "etc/ld.so.cache": cache})
    search = GlibcSearch(system, LIB[1:] + "/ld-linux-x86-64.so.2", facts, {})
    found = search.find("liba.so.1", asker)
    assert (found.real, found.searched) == ("", ("/etc/ld.so.cache",))


def test_better_processors_are_recorded_or_served() -> None:
    files = {
        **glibc(),
        "usr/bin/app": program("liba.so.1"),
        "usr/lib/liba.so.1": A,
        "usr/lib/glibc-hwcaps/x86-64-v3/liba.so.1": A,
    }
    better = "usr/lib/glibc-hwcaps/x86-64-v3/liba.so.1"
    plain = Loader(rootfs(files)).library("usr/bin/app").dependencies[0]
    assert (plain.path, plain.alternatives) == ("usr/lib/liba.so.1", (better,))
    served = Loader(rootfs(files), hwcaps=("x86-64-v3",)).library("usr/bin/app").dependencies[0]
    assert (served.path, served.alternatives) == (better, ())
    other = {**files, better: elf(machine="aarch64", soname="liba.so.1")}
    for hwcaps in ((), ("x86-64-v3",)):
        plain = Loader(rootfs(other), hwcaps=hwcaps).library("usr/bin/app").dependencies[0]
        assert (plain.path, plain.alternatives) == ("usr/lib/liba.so.1", ())
    both = {**files, "usr/lib/glibc-hwcaps/x86-64-v2/liba.so.1": A}
    of_two = Loader(rootfs(both), hwcaps=("x86-64-v3", "x86-64-v2")).library("usr/bin/app")
    assert of_two.dependencies[0].path == better


V2, V3 = "opt/a/glibc-hwcaps/x86-64-v2/liba.so.1", "opt/a/glibc-hwcaps/x86-64-v3/liba.so.1"


@pytest.mark.parametrize(
    ("hwcaps", "path", "alternatives"),
    [
        ((), "opt/a/liba.so.1", (V2, V3)),
        (("x86-64-v3", "x86-64-v2"), V3, (V2,)),
        (("x86-64-v2",), V2, (V3,)),
        (("x86-64-v4",), "opt/a/liba.so.1", (V2, V3)),
    ],
)
def test_better_processors_in_the_cache(
    hwcaps: tuple[str, ...],
    path: str,
    alternatives: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = [
        CacheEntry(name="liba.so.1", path=f"/{place}", flags=0x303, hwcaps=subdirectory)
        for place, subdirectory in (
            ("opt/a/liba.so.1", ""),
            (V2, "x86-64-v2"),
            (V3, "x86-64-v3"),
        )
    ]
    monkeypatch.setattr("pyimginspect.inventory.loader.glibc.read_cache", lambda data: entries)
    files = {**glibc(), "usr/bin/app": program("liba.so.1"), "opt/a/liba.so.1": A, V2: A, V3: A}
    found = Loader(rootfs(files), hwcaps=hwcaps).library("usr/bin/app").dependencies[0]
    assert (found.how, found.path, found.alternatives) == ("cache", path, alternatives)
    # One that is for another machine would not do as well.
    lacking = {**files, alternatives[-1]: elf(machine="aarch64", soname="liba.so.1")}
    found = Loader(rootfs(lacking), hwcaps=hwcaps).library("usr/bin/app").dependencies[0]
    assert (found.path, found.alternatives) == (path, alternatives[:-1])


def test_preloads_come_first_and_are_dispensable() -> None:
    files = {"usr/bin/app": program(), "opt/libjemalloc.so.2": library("libjemalloc.so.2")}
    env = {"LD_PRELOAD": "/opt/libjemalloc.so.2:/opt/gone.so"}
    resolution = resolve(files, env=env)
    assert [(d.name, d.how, d.path) for d in resolution.dependencies[:2]] == [
        ("/opt/libjemalloc.so.2", "preload", "opt/libjemalloc.so.2"),
        ("/opt/gone.so", "preload", ""),
    ]
    assert resolution.loads


# --- symbol versions ------------------------------------------------------------------------------
def needing(**versions: list[str]) -> bytes:
    verneed = {name.replace("_so_", ".so."): wanted for name, wanted in versions.items()}
    return elf(needed=list(verneed), interp=X86, verneed=verneed)


@pytest.mark.parametrize(
    ("defined", "missing"),
    [
        (["A_1", "A_2"], []),
        (["A_1"], ["A_2"]),
        ([], []),  # a library without versions is taken as it is
    ],
)
def test_versions(defined: list[str], missing: list[str]) -> None:
    files = {
        "usr/bin/app": needing(liba_so_1=["A_1", "A_2"]),
        "usr/lib/liba.so.1": elf(soname="liba.so.1", verdef=defined),
    }
    resolution = resolve(files)
    assert [(m.version, m.name, m.path, m.needed_by) for m in resolution.mismatches] == [
        (version, "liba.so.1", "usr/lib/liba.so.1", "usr/bin/app") for version in missing
    ]
    assert resolution.loads == (not missing)


def test_versions_of_several_libraries() -> None:
    """One that is not there and one that has all that is needed hide none that lacks a version."""
    files = {
        "usr/bin/app": needing(libgone_so_1=["G_1"], liba_so_1=["A_1"], libb_so_1=["B_1", "B_2"]),
        "usr/lib/liba.so.1": elf(soname="liba.so.1", verdef=["A_1"]),
        "usr/lib/libb.so.1": elf(soname="libb.so.1", verdef=["B_1"]),
    }
    resolution = resolve(files)
    assert [each.name for each in resolution.failures] == ["libgone.so.1"]
    assert [(each.version, each.name) for each in resolution.mismatches] == [("B_2", "libb.so.1")]
    assert not resolution.loads


# --- processes ------------------------------------------------------------------------------------
PYTHON: dict[str, Content] = {
    "usr/local/bin/python3.11": elf(
        needed=["libpython3.11.so.1.0", "libc.so.6"], interp=X86, runpath="$ORIGIN/../lib"
    ),
    "usr/local/lib/libpython3.11.so.1.0": library(
        "libpython3.11.so.1.0", "libz.so.1", "libc.so.6", rpath="/opt/python-libs"
    ),
    "opt/python-libs/libz.so.1": library("libz.so.1"),
}
SITE = "usr/local/lib/python3.11/site-packages"


def imported(extension: bytes, **more: Content) -> Resolution:
    files = {**glibc(), **PYTHON, f"{SITE}/x.so": extension}
    files |= {path.replace("__", "/"): data for path, data in more.items()}
    loader = Loader(rootfs(files))
    process = loader.program("usr/local/bin/python3.11")
    assert process.resolution.loads
    return loader.library(f"{SITE}/x.so", process)


def test_what_the_interpreter_has_loaded_is_there() -> None:
    resolution = imported(elf(needed=["libpython3.11.so.1.0", "libz.so.1", "libc.so.6"]))
    assert resolution.loads
    assert resolution.dependencies == ()
    assert resolution.needed["libz.so.1"] == "opt/python-libs/libz.so.1"


def test_the_same_file_alone_lacks_it() -> None:
    resolution = resolve({**PYTHON, "x.so": elf(needed=["libz.so.1"])}, "x.so")
    assert [d.name for d in resolution.failures] == ["libz.so.1"]


def test_the_rpath_of_who_calls_dlopen_counts() -> None:
    found = imported(elf(needed=["liba.so.1"]), **{"opt__python-libs__liba.so.1": A})
    assert [(d.name, d.how) for d in found.dependencies] == [("liba.so.1", "rpath")]


def test_one_file_under_two_names_is_loaded_once() -> None:
    resolution = imported(
        elf(needed=["libz2.so"]), **{"usr__lib__libz2.so": Link("/opt/python-libs/libz.so.1")}
    )
    assert resolution.dependencies == ()
    assert resolution.needed == {"libz2.so": "opt/python-libs/libz.so.1"}


@pytest.mark.parametrize(
    ("extension", "form"),
    [
        (elf(machine="aarch64", needed=["libc.so.6"]), "aarch64 (64 bits)"),
        (elf(bits=32, needed=["libc.so.6"]), "x86_64 (32 bits)"),  # x32
    ],
)
def test_an_extension_for_another_machine(extension: bytes, form: str) -> None:
    resolution = imported(extension)
    assert resolution.problem == f"it is for {form}, the process is x86_64 (64 bits)"
    assert (resolution.flavor, resolution.dependencies) == ("glibc", ())


def test_an_extension_that_cannot_be_read() -> None:
    assert imported(A[:100]).problem.startswith("unreadable ELF")


@pytest.mark.parametrize(
    ("interpreter", "problem"),
    [
        (elf(needed=["libc.so.6"], interp="/lib/none"), "its loader /lib/none is not there"),
        (elf(static=True, executable=True), ""),
    ],
)
def test_a_python_that_has_no_loader_loads_nothing(interpreter: bytes, problem: str) -> None:
    loader = Loader(rootfs({**glibc(), "bin/python3": interpreter, "x.so": library("x.so")}))
    process = loader.program("bin/python3")
    for found in (loader.library("x.so", process), loader.open("x.so", process)):
        assert (found.problem, found.dependencies, found.loader) == (problem, (), "")


def test_programs_and_libraries_are_the_same_by_any_path() -> None:
    files = {"usr/bin/app": program("liba.so.1"), "usr/lib/liba.so.1": A, "usr/lib/x.so": A}
    links = {"bin": Link("usr/bin"), "usr/bin/named": Link("app"), "usr/x": Link("lib/x.so")}
    loader = Loader(rootfs({**glibc(), **files, **links}))
    process = loader.program("usr/bin/app")
    assert loader.program("bin/named") is process
    assert loader.library("bin/named") == loader.library("usr/bin/app")
    assert loader.library("usr/x", process).path == "usr/lib/x.so"


@pytest.mark.parametrize(
    ("name", "path", "looked_for", "failing"),
    [
        ("libz.so.1", "opt/python-libs/libz.so.1", [], []),  # it is loaded
        ("liba.so.1", "usr/lib/liba.so.1", ["liba.so.1", "libb.so.1"], ["libb.so.1"]),
        ("/usr/lib/libc.so", "usr/lib/libc.so", ["/usr/lib/libc.so"], []),
        ("libgone.so", "", ["libgone.so"], ["libgone.so"]),
    ],
)
def test_dlopen_of_a_name(name: str, path: str, looked_for: list[str], failing: list[str]) -> None:
    files = {"usr/lib/liba.so.1": library("liba.so.1", "libb.so.1"), "usr/lib/libc.so": A}
    loader = Loader(rootfs({**glibc(), **PYTHON, **files}))
    found = loader.open(name, loader.program("usr/local/bin/python3.11"))
    assert (found.path, [each.name for each in found.dependencies]) == (path, looked_for)
    assert [each.name for each in found.failures] == failing
    # A process is as it was: what one import has loaded is not there for the next.
    assert loader.open(name, loader.program("usr/local/bin/python3.11")) == found


@pytest.mark.parametrize(
    ("needed", "flavor", "loader"),
    [
        (["libc.so.6"], "glibc", f"usr/{TRIPLET}/ld-linux-x86-64.so.2"),
        (["libc.musl-x86_64.so.1"], "musl", "usr/lib/ld-musl-x86_64.so.1"),
        ([], "glibc", f"usr/{TRIPLET}/ld-linux-x86-64.so.2"),  # either would do
    ],
)
def test_of_several_loaders_a_library_is_tried_by_its_own(
    needed: list[str], flavor: str, loader: str
) -> None:
    files: dict[str, Content] = {
        **glibc(),
        "usr/lib/ld-linux.so.2": elf(machine="i386", bits=32, soname="ld-linux.so.2"),
        "usr/lib/ld-musl-x86_64.so.1": MUSL_FILES["lib/ld-musl-x86_64.so.1"],
        "x.so": elf(needed=needed),
        "x32.so": elf(machine="i386", bits=32, needed=needed),
    }
    found = Loader(rootfs(files)).library("x.so")
    assert (found.flavor, found.loader, found.problem) == (flavor, loader, "")
    assert Loader(rootfs(files)).library("x32.so").loader == "usr/lib/ld-linux.so.2"


@pytest.mark.parametrize(
    ("content", "looks"),
    [(program("liba.so.1"), 3), (needing(liba_so_1=["A_1", "A_2"]), 4)],
)
def test_there_is_an_end_to_what_is_looked_up(
    content: bytes, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and versions count, of one program, and of two that are alike for both."""
    liba = elf(soname="liba.so.1", needed=["libc.so.6"], verdef=["A_1", "A_2"])
    programs = {f"usr/bin/{name}": content for name in ("one", "two")}
    system = rootfs({**glibc(), "usr/lib/liba.so.1": liba, **programs})
    for most, problems in (
        (looks - 1, [TOO_MUCH, TOO_MUCH]),
        (looks, ["", TOO_MUCH]),
        (2 * looks - 1, ["", TOO_MUCH]),
        (2 * looks, ["", ""]),
    ):
        monkeypatch.setattr("pyimginspect.inventory.loader.process._MOST_LOOKS", most)
        loader = Loader(system)
        assert [loader.library(path).problem for path in programs] == problems


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"app": elf(interp=MUSL)}, "its loader /lib/ld-musl-x86_64.so.1 is not there"),
        ({"app": elf(interp="/o/ld.so"), "o/ld.so": "x"}, "its loader /o/ld.so is no ELF file"),
        ({"app": elf(machine="aarch64")}, "there is no loader for aarch64 (64 bits)"),
        ({"app": elf(static=True, executable=True)}, ""),
        ({"app": elf(interp=X86)[:300]}, "unreadable ELF"),
    ],
)
def test_programs_that_no_loader_starts(files: dict[str, Content], problem: str) -> None:
    resolution = resolve(files, "app")
    assert resolution.problem.startswith(problem)
    assert bool(resolution.problem) == bool(problem)


def test_a_path_without_an_elf_file() -> None:
    with pytest.raises(KeyError):
        resolve({}, "nowhere")


# --- musl -----------------------------------------------------------------------------------------
def on_musl(
    files: Mapping[str, Content], path: str = "app", env: Mapping[str, str] = {}
) -> Resolution:
    return Loader(rootfs({**MUSL_FILES, **files}), env).library(path)


def musl_program(*needed: str, **more: str) -> bytes:
    return elf(needed=[*needed, "libc.musl-x86_64.so.1"], interp=MUSL, **more)  # type: ignore[arg-type]


MUSL_ORDERS: dict[str, tuple[dict[str, Content], dict[str, str], tuple[str, str]]] = {
    "/usr/local/lib is built in": (
        {"app": musl_program("liba.so.1"), "usr/local/lib/liba.so.1": A},
        {},
        ("default", "/usr/local/lib/liba.so.1"),
    ),
    "a path file in place of what is built in": (
        {
            "app": musl_program("liba.so.1"),
            "usr/lib/liba.so.1": A,
            "o/liba.so.1": A,
            "etc/ld-musl-x86_64.path": "/n\n/o:/p\n",
        },
        {},
        ("default", "/o/liba.so.1"),
    ),
    "LD_LIBRARY_PATH comes first of all": (
        {"app": musl_program("liba.so.1", rpath="/r"), "r/liba.so.1": A, "e/liba.so.1": A},
        {"LD_LIBRARY_PATH": "/e"},
        ("environment", "/e/liba.so.1"),
    ),
    "the run path": (
        {"app": musl_program("liba.so.1", runpath="$ORIGIN/r"), "r/liba.so.1": A},
        {},
        ("runpath", "/r/liba.so.1"),
    ),
    "a token that musl does not know": (
        {"app": musl_program("liba.so.1", runpath="$LIB:/r"), "r/liba.so.1": A},
        {},
        ("", ""),
    ),
}


MUSL_ORDERS |= {
    "a loader that lies elsewhere has its path file elsewhere": (
        {
            "opt/x/lib/ld-musl-x86_64.so.1": MUSL_FILES["lib/ld-musl-x86_64.so.1"],
            "app": elf(needed=["liba.so.1"], interp="/opt/x/lib/ld-musl-x86_64.so.1"),
            "etc/ld-musl-x86_64.path": "/p",
            "p/liba.so.1": A,
            "usr/lib/liba.so.1": A,
        },
        {},
        ("default", "/usr/lib/liba.so.1"),
    ),
    "DT_RPATH": (
        {"app": musl_program("liba.so.1", rpath="${ORIGIN}/r"), "r/liba.so.1": A},
        {},
        ("rpath", "/r/liba.so.1"),
    ),
    "DT_RPATH does not count beside DT_RUNPATH": (
        {
            "app": musl_program("liba.so.1", rpath="/r", runpath="/n"),
            "r/liba.so.1": A,
            "usr/lib/liba.so.1": A,
        },
        {},
        ("default", "/usr/lib/liba.so.1"),
    ),
    "LD_LIBRARY_PATH of several directories": (
        {"app": musl_program("liba.so.1"), "r/liba.so.1": A, "e/liba.so.1": A},
        {"LD_LIBRARY_PATH": "r:/nowhere\n/e:/r"},
        ("environment", "/e/liba.so.1"),
    ),
    "the path file lies beside the loader as it is named": (
        {
            "lib": Link("usr/lib"),
            "usr/lib/ld-musl-x86_64.so.1": MUSL_FILES["lib/ld-musl-x86_64.so.1"],
            "app": musl_program("liba.so.1"),
            "etc/ld-musl-x86_64.path": "/o",
            "usr/etc/ld-musl-x86_64.path": "/p",
            "o/liba.so.1": A,
            "p/liba.so.1": A,
        },
        {},
        ("default", "/o/liba.so.1"),
    ),
    "a path, which is not searched for": (
        {"app": musl_program("/o/liba.so.1"), "o/liba.so.1": A, "lib/liba.so.1": A},
        {},
        ("path", "/o/liba.so.1"),
    ),
    "a path from the working directory, which nobody knows": (
        {"app": musl_program("o/liba.so.1"), "o/liba.so.1": A, "lib/liba.so.1": A},
        {},
        ("", ""),
    ),
}


@pytest.mark.parametrize(("files", "env", "expected"), MUSL_ORDERS.values(), ids=MUSL_ORDERS.keys())
def test_the_order_of_musl(
    files: dict[str, Content], env: dict[str, str], expected: tuple[str, str]
) -> None:
    (found,) = where(on_musl(files, env=env)).values()
    assert found == expected


def test_musl_takes_glibcs_names_for_its_own_and_compares_no_versions() -> None:
    extension = elf(
        needed=["libc.so.6", "libm.so.6", "libpthread.so.0", "ld-linux-x86-64.so.2"],
        verneed={"libc.so.6": ["GLIBC_2.34"]},
    )
    loader = Loader(rootfs({**MUSL_FILES, "bin/python3.11": musl_program(), "x.so": extension}))
    resolution = loader.library("x.so", loader.program("bin/python3.11"))
    assert [(d.name, d.path) for d in resolution.dependencies] == [("ld-linux-x86-64.so.2", "")]
    assert resolution.mismatches == ()
    assert resolution.needed["libm.so.6"] == "lib/ld-musl-x86_64.so.1"


def test_musl_does_not_pass_over_another_machines_file() -> None:
    files: dict[str, Content] = {
        "app": musl_program("liba.so.1"),
        "lib/liba.so.1": elf(machine="aarch64", soname="liba.so.1"),
        "usr/lib/liba.so.1": A,
    }
    (broken,) = on_musl(files).failures
    assert (broken.path, broken.broken) == ("lib/liba.so.1", "it is for another machine")


def test_run_paths_are_inherited_on_musl() -> None:
    files = {
        "app": musl_program("liba.so.1", runpath="/r"),
        "r/liba.so.1": library("liba.so.1", "libb.so.1"),
        "r/libb.so.1": library("libb.so.1"),
    }
    assert on_musl(files).loads


def test_what_musl_searched() -> None:
    files = {"app": musl_program("liba.so.1", runpath="/r:/lib")}
    (missing,) = on_musl(files, env={"LD_LIBRARY_PATH": "/e"}).failures
    assert missing.searched == ("/e", "/r", "/lib", "/lib", "/usr/local/lib", "/usr/lib")


def test_what_one_library_has_loaded_is_there_for_all_on_musl() -> None:
    files = {
        "app": musl_program("libx.so", "liby.so"),
        "lib/libx.so": library("libx.so", "liba.so.1", runpath="/r"),
        "lib/liby.so": library("liby.so", "liba.so.1"),
        "r/liba.so.1": A,
    }
    assert on_musl(files).loads


def test_what_is_preloaded_on_musl() -> None:
    files = {"app": musl_program("liba.so.1"), "lib/liba.so.1": A, "o/b.so": library("b.so")}
    found = on_musl(files, env={"LD_PRELOAD": "liba.so.1:/o/b.so /o/gone.so"})
    assert [(each.name, each.how, each.path) for each in found.dependencies] == [
        ("liba.so.1", "preload", "lib/liba.so.1"),
        ("/o/b.so", "preload", "o/b.so"),
        ("/o/gone.so", "preload", ""),
    ]


@pytest.mark.parametrize(("of", "loads"), [("program", True), ("libpython", False)])
def test_on_musl_the_run_paths_of_the_program_count_for_dlopen(of: str, loads: bool) -> None:
    paths = {of: "/r"}
    files = {
        "bin/python3.11": musl_program(
            "libpython3.11.so.1.0", runpath=f"/usr/local/lib:{paths.get('program', '')}"
        ),
        "usr/local/lib/libpython3.11.so.1.0": library(
            "libpython3.11.so.1.0", runpath=paths.get("libpython", "/n")
        ),
        "r/liba.so.1": A,
        "x.so": elf(needed=["liba.so.1"]),
    }
    loader = Loader(rootfs({**MUSL_FILES, **files}))
    found = loader.library("x.so", loader.program("bin/python3.11"))
    assert found.loads is loads


def test_a_link_of_glibcs_name_to_musls_loader() -> None:
    """The way of many Dockerfiles to start a program for glibc on Alpine."""
    files: dict[str, Content] = {
        "lib64/ld-linux-x86-64.so.2": Link("/lib/libc.musl-x86_64.so.1"),
        "app": program("liba.so.1"),
        "usr/local/lib/liba.so.1": A,
    }
    found = on_musl(files)
    assert (found.flavor, found.loader, found.loads) == ("musl", MUSL[1:], True)


def test_gcompat_follows_the_rules_of_musl() -> None:
    files: dict[str, Content] = {
        "lib/ld-linux-x86-64.so.2": elf(needed=["libc.musl-x86_64.so.1"]),
        "lib64/ld-linux-x86-64.so.2": Link("../lib/ld-linux-x86-64.so.2"),
        "app": program("liba.so.1"),
        "usr/local/lib/liba.so.1": A,
    }
    resolution = on_musl(files)
    assert (resolution.flavor, resolution.loader) == ("musl", "lib/ld-linux-x86-64.so.2")
    assert where(resolution)["liba.so.1"] == ("default", "/usr/local/lib/liba.so.1")


# --- hostile systems ------------------------------------------------------------------------------
def test_a_circle_of_libraries_ends() -> None:
    files = {
        "usr/bin/app": program("lib0.so"),
        **{f"usr/lib/lib{n}.so": library(f"lib{n}.so", f"lib{(n + 1) % 50}.so") for n in range(50)},
    }
    assert len(resolve(files).dependencies) == 51


def test_a_program_that_is_its_own_loader() -> None:
    data = elf(interp="/app", needed=["/app", "app"])
    resolution = resolve({"app": data}, "app")
    assert [d.name for d in resolution.failures] in ([], ["app"])


def test_names_that_are_not_utf_8() -> None:
    data = program("libab.so.1").replace(b"libab.so.1\0", b"lib\xff\xfe.so.1\0")
    (missing,) = resolve({"usr/bin/app": data}).failures
    assert missing.name == "lib\udcff\udcfe.so.1"


def test_musl_compares_no_versions() -> None:
    program = elf(
        needed=["liba.so.1", "libc.musl-x86_64.so.1"], interp=MUSL, verneed={"liba.so.1": ["V9"]}
    )
    files = {**MUSL_FILES, "usr/lib/liba.so.1": A1, "bin/app": program}
    found = Loader(rootfs(files), {}).library("bin/app")
    assert (found.loads, found.mismatches) == (True, ())


# --- programs that are alike ----------------------------------------------------------------------
def versioned(*wanted: str) -> bytes:
    return program("liba.so.1", verneed={"liba.so.1": wanted})  # type: ignore[arg-type]


A1 = elf(soname="liba.so.1", verdef=["V1", "V2"])
WANTS_B = elf(soname="liba.so.1", needed=["libb.so.1"], verneed={"libb.so.1": ["B9"]})
B1 = elf(soname="libb.so.1", verdef=["B1"])

ALIKE: dict[str, dict[str, Content]] = {
    "all there": {"usr/lib/liba.so.1": A1, "bin/a": program("liba.so.1")},
    "nothing there": {"bin/a": program("liba.so.1"), "bin/b": program("liba.so.1", "libc.so.6")},
    "versions of their own": {
        "usr/lib/liba.so.1": A1,
        **{f"bin/{n}": versioned(*wanted) for n, wanted in enumerate([["V1"], ["V9"], ["V2"]])},
    },
    "versions that a library wants": {
        "usr/lib/liba.so.1": WANTS_B,
        "usr/lib/libb.so.1": B1,
        "bin/a": versioned("V9"),
    },
    "libraries beside them": {
        "opt/one/liba.so.1": A,
        "opt/one/app": program("liba.so.1", runpath="$ORIGIN"),
        "opt/two/app": program("liba.so.1", runpath="$ORIGIN"),
    },
    "preloaded beside one": {"opt/one/liba.so.1": A, "opt/one/app": program()},
    "run paths": {
        "opt/one/liba.so.1": A,
        "bin/a": program("liba.so.1", runpath="/opt/one"),
        "bin/b": program("liba.so.1", rpath="/opt/one"),
        "bin/c": program("liba.so.1", runpath="/opt/two"),
    },
    "a path": {"usr/lib/liba.so.1": A, "bin/a": program("/usr/lib/liba.so.1")},
    "a library that needs one of them": {
        "usr/lib/liba.so.1": elf(soname="liba.so.1", needed=["two"]),
        "usr/lib/two": program("liba.so.1"),
    },
    "a library that needs one of them by its path": {
        "usr/lib/liba.so.1": elf(soname="liba.so.1", needed=["/usr/bin/two"]),
        "usr/bin/two": program("liba.so.1"),
    },
    "a program with a name": {
        "usr/lib/liba.so.1": elf(soname="liba.so.1", needed=["app"]),
        "bin/a": program("liba.so.1", soname="app"),
    },
    "another machine": {
        "usr/lib/liba.so.1": A,
        "bin/a": program("liba.so.1", machine="aarch64"),
        "bin/b": elf(needed=["liba.so.1", "libc.so.6"], interp="/lib/ld-linux.so.2"),
    },
    "no libraries": {"bin/a": elf(static=True, executable=True)},
    "no loader": {"bin/a": elf(needed=["libc.so.6"], interp="/lib/none"), "bin/b": elf()},
}


@pytest.mark.parametrize(
    "env", [{}, {"LD_PRELOAD": "$ORIGIN/liba.so.1"}, {"LD_LIBRARY_PATH": "/opt/two"}]
)
@pytest.mark.parametrize("name", ALIKE)
def test_programs_that_are_alike_load_as_each_does_alone(name: str, env: dict[str, str]) -> None:
    """Each twice and in several orders: who comes first tells for the others."""
    files = dict(ALIKE[name])
    for path, content in ALIKE[name].items():
        if not path.endswith(".so.1"):
            files |= {f"{path}0": content, f"{path}1": content}
    one, two = program("liba.so.1"), program("libc.so.6")
    files |= {"usr/bin/one": one, "usr/bin/two": files.get("usr/bin/two", two), "usr/bin/0": one}
    system = rootfs({**glibc(), **files})
    programs = [path for path, found in system.elf.items() if not found.soname.startswith("lib")]
    assert len(programs) > 3
    alone = {path: Loader(system, env).library(path) for path in programs}
    originals = [path for path in programs if not path[-1].isdigit()]
    for order in (programs, programs[::-1], [*originals[::-1], *programs]):
        loader = Loader(system, env)
        assert {path: loader.library(path) for path in order} == alone


@pytest.mark.parametrize(
    ("content", "alike"),
    [
        (program("liba.so.1"), True),
        (program("liba.so.1", runpath="/opt/one"), True),
        (program("liba.so.1", runpath="/opt/one:$ORIGIN"), False),
        (program("liba.so.1", soname="app"), False),
        (program("liba.so.1")[:200], False),
    ],
)
def test_what_names_itself_or_where_it_lies_is_like_no_other(content: bytes, alike: bool) -> None:
    found = rootfs({"bin/app": content}).elf["bin/app"]
    assert (likeness_of(found) is not None) == alike


def test_of_programs_that_are_alike_one_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of a system's programs are: a distribution has a thousand that need libc alone."""
    searched: list[str] = []
    find = GlibcSearch.find

    def noted(search: GlibcSearch, name: str, asker: Loaded) -> Found:
        searched.append(name)
        return find(search, name, asker)

    monkeypatch.setattr(GlibcSearch, "find", noted)
    programs = {f"bin/{name}": program("liba.so.1") for name in "abc"}
    programs |= {f"bin/{name}": program("libb.so.1") for name in "de"}
    loader = Loader(rootfs({**glibc(), "usr/lib/liba.so.1": A, **programs}))
    for path in programs:
        loader.library(path)
    assert searched == ["liba.so.1", "libc.so.6", "libb.so.1", "libc.so.6"]


# --- where a loader lies --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("loader", "place", "found"),
    [
        # Red Hat's and SUSE's: without multiarch, in lib64.
        ("lib64/ld-linux-x86-64.so.2", "lib64", True),
        ("lib64/ld-linux-x86-64.so.2", "usr/lib64", True),
        ("lib64/ld-linux-x86-64.so.2", "usr/lib", False),
        ("usr/lib64/ld-linux-x86-64.so.2", "usr/lib64", True),
        # Arch's: in lib.
        ("usr/lib/ld-linux-x86-64.so.2", "usr/lib", True),
        ("usr/lib/ld-linux-x86-64.so.2", "usr/lib64", False),
        ("usr/lib/ld-linux-x86-64.so.2", "o/lib", True),
        ("lib64/ld-linux-x86-64.so.2", "o/lib64", True),
        ("lib64/ld-linux-x86-64.so.2", "o/lib", False),
        ("usr/libx32/ld-linux-x32.so.2", "o/libx32", True),
        ("usr/lib32/ld-linux.so.2", "o/lib32", True),
    ],
)
def test_the_default_directories_of_a_loader(loader: str, place: str, found: bool) -> None:
    files: dict[str, Content] = {
        loader: elf(soname="ld-linux-x86-64.so.2"),
        "app": elf(interp=f"/{loader}", needed=["liba.so.1"], runpath="/o/$LIB"),
        f"{place}/liba.so.1": library("liba.so.1"),
    }
    resolution = Loader(rootfs(files), {}).program("app").resolution
    (a,) = (each for each in resolution.dependencies if each.name == "liba.so.1")
    assert bool(a.path) is found


# --- what a package's library changed -------------------------------------------------------------
PROGRAM: dict[str, Content] = {"app": elf(needed=["liba.so.1"], interp=X86)}
OWN: dict[str, Content] = {"usr/local/lib/liba.so.1": A}
OTHER_NAME: dict[str, Content] = {"usr/local/lib/libb.so.1": A}
NAMED: dict[str, Content] = {"usr/local/lib/liba.so.1": Link("libb.so.1")}
PACKAGED: dict[str, Content] = {"usr/lib/liba.so.1": A}


@pytest.mark.parametrize(
    ("layers", "layer", "expected"),
    [
        ([{**PROGRAM, **OWN}, PACKAGED], 1, True),
        ([OWN, PROGRAM, PACKAGED], 2, True),
        ([OWN, {**PROGRAM, **PACKAGED}], 1, False),  # of the same layer: linked against either
        ([OWN, PACKAGED, PROGRAM], 1, False),
        ([PROGRAM, {**OWN, **PACKAGED}], 1, False),  # there was none before
        ([PROGRAM, PACKAGED, OWN], 1, False),
        ([{**PROGRAM, **OTHER_NAME}, PACKAGED], 1, False),
        ([{**PROGRAM, **NAMED}, PACKAGED], 1, False),  # a link to nothing is none
    ],
)
def test_a_file_loads_what_was_there_before_the_package(
    layers: list[dict[str, Content]], layer: int, expected: bool
) -> None:
    assert loads_without(inventory(*layers), "app", "liba.so.1", layer) is expected
