"""Wheels against the interpreter that imports them."""

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec import structs
from packaging import tags as reference

from pyimginspect.inventory.distributions import find_distributions
from pyimginspect.inventory.facts import Distribution, Environment, Interpreter, Libc, LibcFlavor
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.tags import platforms_of
from pyimginspect.inventory.targets import Target, extension_suffix, target_of
from pyimginspect.inventory.wheels import Wheel, find_wheels, glibc_version
from pyimginspect.layers.elf import read_elf
from tests.elf import elf
from tests.images import Content
from tests.machine import rootfs_of
from tests.pythons import pypy, pythons
from tests.systems import MUSL, MUSL_FILES, X86, glibc, rootfs
from tests.unit.test_elf import Content as Bytes

PREFIX = "usr/local"
STDLIB = f"{PREFIX}/lib/python3.11"
SITE = f"{STDLIB}/site-packages"
SUFFIX = ".cpython-311-x86_64-linux-gnu.so"
MUSL_SUFFIX = ".cpython-311-x86_64-linux-musl.so"


def interpreter(
    version: str = "3.11.7", flavor: LibcFlavor = "glibc", **more: object
) -> Interpreter:
    return Interpreter(
        path=f"{PREFIX}/bin/python3.11",
        version=version,
        stdlib=STDLIB,
        site_packages=(SITE,),
        libc=flavor,
        layer=0,
        **more,  # type: ignore[arg-type]
    )


def python_files(flavor: LibcFlavor = "glibc", version: str = "2.36") -> dict[str, Content]:
    if flavor == "musl":
        files, program, suffix = MUSL_FILES, elf(interp=MUSL), MUSL_SUFFIX
    else:
        files, program = glibc(version), elf(interp=X86, needed=["libc.so.6"])
        suffix = SUFFIX
    return {
        **files,
        f"{PREFIX}/bin/python3.11": program,
        f"{STDLIB}/lib-dynload/_ssl{suffix}": elf(),
        f"{STDLIB}/lib-dynload/_bz2{suffix}": elf(),
        f"{STDLIB}/lib-dynload/_tkinter{suffix[:-3]}_failed.so": elf(),
    }


def target(
    flavor: LibcFlavor = "glibc", libc: str = "2.36", *, version: str = "3.11.7", **more: str
) -> Target:
    python = interpreter(version, flavor, **more)
    found = target_of(rootfs(python_files(flavor, libc)), python)
    assert found is not None
    return found


def distribution(name: str, tag: str, files: Mapping[str, Content]) -> dict[str, Content]:
    """Metadata and files of an installed wheel."""
    info = f"{SITE}/{name}-1.0.dist-info"
    record = "".join(f"{path},,\n" for path in [*files, f"{name}-1.0.dist-info/METADATA"])
    wheel = "Wheel-Version: 1.0\n" + "".join(f"Tag: {t}\n" for t in tag.split()) if tag else None
    tree: dict[str, Content] = {f"{SITE}/{path}": data for path, data in files.items()}
    tree |= {f"{info}/METADATA": f"Name: {name}\nVersion: 1.0\n", f"{info}/RECORD": record}
    return tree | ({f"{info}/WHEEL": wheel} if wheel else {})


def wheel_of(
    tag: str, files: Mapping[str, Content], flavor: LibcFlavor = "glibc", version: str = "2.36"
) -> Wheel:
    system = rootfs({**python_files(flavor, version), **distribution("x", tag, files)})
    pythons = (interpreter(flavor=flavor),)
    distributions = find_distributions(system, PackageDatabase(), pythons, ())
    (wheel,) = find_wheels(system, pythons, (), distributions)
    return wheel


# --- tags -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("tag", "accepted"),
    [
        ("cp311-cp311-manylinux_2_36_x86_64", True),
        ("cp311-cp311-manylinux_2_37_x86_64", False),
        ("cp311-cp311-manylinux2014_x86_64", True),
        ("cp311-cp311-manylinux2010_x86_64", True),
        ("cp311-cp311-manylinux1_x86_64", True),
        ("cp311-cp311-manylinux_2_17_aarch64", False),
        ("cp311-cp311-musllinux_1_2_x86_64", False),
        ("cp311-cp311-linux_x86_64", True),
        ("cp310-cp310-manylinux_2_17_x86_64", False),
        ("cp37-abi3-manylinux_2_17_x86_64", True),
        ("cp312-abi3-manylinux_2_17_x86_64", False),
        ("py3-none-manylinux_2_17_x86_64", True),
        ("py3-none-any", True),
        ("py2-none-any", False),
        ("pp310-pypy310_pp73-manylinux_2_17_x86_64", False),
    ],
)
def test_tags_of_an_official_python(tag: str, accepted: bool) -> None:
    assert (tag in target().tags) is accepted


def test_an_older_glibc_and_musl() -> None:
    assert "cp311-cp311-manylinux_2_31_x86_64" in target(libc="2.31").tags
    assert "cp311-cp311-manylinux_2_32_x86_64" not in target(libc="2.31").tags
    musl = target("musl").tags
    assert "cp311-cp311-musllinux_1_2_x86_64" in musl
    assert "cp311-cp311-musllinux_1_3_x86_64" not in musl
    assert not any("manylinux" in tag for tag in musl)


@pytest.mark.parametrize(
    ("machine", "flavor", "version", "platforms"),
    [
        ("x86_64", "glibc", "2.6", "manylinux_2_6 manylinux_2_5 manylinux1 linux"),
        ("x86_64", "glibc", "2.4", "linux"),
        ("aarch64", "glibc", "2.18", "manylinux_2_18 manylinux_2_17 manylinux2014 linux"),
        ("aarch64", "glibc", "2.16", "linux"),
        ("i386", "glibc", "2.5", "manylinux_2_5 manylinux1 linux"),
        ("arm", "glibc", "2.17", "manylinux_2_17 manylinux2014 linux"),
        ("x86_64", "musl", "1.2.5", "musllinux_1_2 musllinux_1_1 musllinux_1_0 linux"),
        ("x86_64", "musl", "2.0", "musllinux_2_0 linux"),
        ("x86_64", "glibc", "3.0", "linux"),
        ("x86_64", "glibc", None, "linux"),
        ("x86_64", "none", "2.36", "linux"),
    ],
)
def test_platforms(machine: str, flavor: LibcFlavor, version: str | None, platforms: str) -> None:
    """PEP 600 and PEP 656; for 32 bits what `uname -m` says of such a machine."""
    program = read_elf(Bytes(elf(machine="x86_64")))
    assert program is not None
    found = platforms_of(
        structs.replace(program, machine=machine), Libc(flavor=flavor, version=version)
    )
    name = {"i386": "i686", "arm": "armv7l"}.get(machine, machine)
    assert found == tuple(f"{each}_{name}" for each in platforms.split())


def test_pythons_before_3_8_say_that_they_use_pymalloc() -> None:
    assert "cp37-cp37m-manylinux_2_17_x86_64" in target(version="3.7.9").tags
    assert "cp37-cp37-manylinux_2_17_x86_64" not in target(version="3.7.9").tags
    assert "cp38-cp38-manylinux_2_17_x86_64" in target(version="3.8.20").tags
    assert "cp38-cp38m-manylinux_2_17_x86_64" not in target(version="3.8.20").tags


def test_free_threaded_and_old_and_other_pythons() -> None:
    free = target(libpython="usr/local/lib/libpython3.13t.so.1.0")
    assert "cp311-cp311t-linux_x86_64" in free.tags
    assert "cp311-abi3-linux_x86_64" not in free.tags
    assert ".abi3.so" not in free.suffixes
    assert ".abi3t.so" not in free.suffixes
    newer = target(version="3.15.0", libpython="usr/local/lib/libpython3.15t.so.1.0")
    assert ".abi3t.so" in newer.suffixes


@pytest.mark.parametrize(
    ("tag", "accepted"),
    [
        ("pp310-pypy310_pp73-manylinux_2_17_x86_64", True),
        ("pp310-pypy310_pp73-linux_x86_64", True),
        ("pp310-none-manylinux_2_17_x86_64", True),
        ("pp3-none-any", True),
        ("py3-none-any", True),
        ("py310-none-manylinux_2_17_x86_64", True),
        ("pp39-pypy39_pp73-manylinux_2_17_x86_64", False),
        ("pp310-pypy310_pp75-manylinux_2_17_x86_64", False),
        ("pp310-pypy310_pp73-manylinux_2_37_x86_64", False),
        ("cp310-cp310-manylinux_2_17_x86_64", False),
        ("cp37-abi3-manylinux_2_17_x86_64", False),
    ],
)
def test_tags_of_pypy(tag: str, accepted: bool) -> None:
    """As packaging's `sys_tags` gives them to pip when PyPy runs it."""
    tree = pypy("opt/pypy", "7.3.17")
    module = "opt/pypy/lib/pypy3.10/lib-dynload/_x.pypy310-pp73-x86_64-linux-gnu.so"
    (python,) = pythons(glibc(), tree)
    found = target_of(rootfs({**glibc(), **tree, module: elf()}), python)
    assert found is not None
    assert (tag in found.tags) is accepted
    assert found.suffixes == (".pypy310-pp73-x86_64-linux-gnu.so", ".so")


@pytest.mark.skipif(sys.platform != "linux", reason="the oracle is the interpreter that runs this")
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="CPython's tags are compared")
def test_packaging_has_the_same_tags_for_the_interpreter_that_runs_this() -> None:
    real = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib")).resolve()
    multiarch = Path("/usr/lib", sysconfig.get_config_var("MULTIARCH") or "nowhere")
    libraries = str(multiarch) if multiarch.exists() else "/lib"
    extensions = str(stdlib / "lib-dynload")  # not all that is installed beside it
    system = rootfs_of([str(real), extensions, "/lib64", "/usr/lib64", libraries])
    version = ".".join(map(str, sys.version_info[:3]))
    python = Interpreter(path=str(real)[1:], version=version, stdlib=str(stdlib)[1:], layer=0)
    found = target_of(system, python)
    assert found is not None
    assert extension_suffix(system, python) == sysconfig.get_config_var("EXT_SUFFIX")
    assert {str(tag) for tag in reference.sys_tags()} == found.tags


@pytest.mark.parametrize(
    ("files", "suffix"),
    [
        (python_files(), SUFFIX),
        ({f"{STDLIB}/lib-dynload/x.so": elf()}, ".so"),
        (
            {f"{STDLIB}/_sysconfigdata__linux_.py": f"vars = {{'EXT_SUFFIX': '{MUSL_SUFFIX}'}}"},
            MUSL_SUFFIX,
        ),
        ({}, ""),
    ],
)
def test_the_ending_of_extension_modules(files: dict[str, Content], suffix: str) -> None:
    assert extension_suffix(rootfs(files), interpreter()) == suffix


# --- what was built for something else ------------------------------------------------------------
MODULE = elf(needed=["libc.so.6"], verneed={"libc.so.6": ["GLIBC_2.34", "GLIBC_2.2.5"]})


def test_a_wheel_that_fits() -> None:
    wheel = wheel_of("cp311-cp311-manylinux_2_34_x86_64", {f"x/_c{SUFFIX}": MODULE, "x/a.py": ""})
    assert (wheel.compatible, wheel.local, wheel.glibc) == (True, False, "2.34")
    assert wheel.modules == wheel.files == (f"{SITE}/x/_c{SUFFIX}",)
    assert wheel.glibc_file == f"{SITE}/x/_c{SUFFIX}"
    assert (wheel.foreign_machine, wheel.foreign_libc, wheel.foreign_abi) == ((), (), ())


def test_a_manylinux_wheel_on_musl() -> None:
    wheel = wheel_of("cp311-cp311-manylinux_2_17_x86_64", {f"x/_c{SUFFIX}": MODULE}, "musl")
    assert wheel.compatible is False
    assert wheel.foreign_libc == (f"{SITE}/x/_c{SUFFIX}",)
    assert wheel.foreign_abi == wheel.foreign_libc
    assert wheel.modules == ()


def test_any_of_several_tags_will_do() -> None:
    tags = "cp311-cp311-manylinux_2_40_x86_64 cp311-cp311-manylinux_2_17_x86_64"
    assert wheel_of(tags, {f"x/_c{SUFFIX}": MODULE}).compatible is True


@pytest.mark.parametrize(
    ("path", "foreign"),
    [
        ("x/_c.cpython-310-x86_64-linux-gnu.so", True),
        ("x/_c.cpython-311-aarch64-linux-gnu.so", True),
        ("x/_c.pypy310-pp73-x86_64-linux-gnu.so", True),
        (f"x/_c{SUFFIX}", False),
        ("x/_c.abi3.so", False),
        ("x/_c.so", False),
        ("x/libc.so.1.0", False),
    ],
)
def test_names_of_another_abi(path: str, foreign: bool) -> None:
    wheel = wheel_of("cp311-cp311-linux_x86_64", {path: MODULE})
    assert wheel.foreign_abi == ((f"{SITE}/{path}",) if foreign else ())
    assert wheel.local


def test_modules_for_several_abis_in_one_wheel_are_no_fault() -> None:
    files = {"x/_c.cpython-310-x86_64-linux-gnu.so": MODULE, f"x/_c{SUFFIX}": MODULE}
    wheel = wheel_of("cp311-cp311-linux_x86_64", files)
    assert wheel.foreign_abi == ()
    assert wheel.modules == (f"{SITE}/x/_c{SUFFIX}",)


def test_another_machine() -> None:
    path = "x/_c.abi3.so"
    wheel = wheel_of(
        "cp311-abi3-manylinux_2_17_aarch64", {path: elf(machine="aarch64", needed=["libc.so.6"])}
    )
    assert (wheel.compatible, wheel.foreign_machine) == (False, (f"{SITE}/{path}",))


def test_an_unreadable_file_is_for_no_other_machine() -> None:
    wheel = wheel_of("cp311-cp311-linux_x86_64", {f"x/_c{SUFFIX}": MODULE[:63]})
    assert wheel.files == (f"{SITE}/x/_c{SUFFIX}",)
    assert (wheel.foreign_machine, wheel.foreign_libc) == ((), ())


ARM = elf(machine="aarch64", needed=["libc.so.6"])


@pytest.mark.parametrize(
    ("files", "foreign"),
    [
        # an import opens the modules, whatever stands beside them
        ({f"x/_c{SUFFIX}": MODULE, "x/libz.so.1": ARM}, []),
        ({f"x/_c{SUFFIX}": ARM, "x/libz.so.1": MODULE}, [f"x/_c{SUFFIX}"]),
        ({"x/_c.so": ARM, "x/libz.so.1": MODULE}, ["x/_c.so"]),
        ({"x/_c.abi3.so": ARM, "x/libz.so.1": MODULE}, ["x/_c.abi3.so"]),
        ({f"x/_c{SUFFIX}": MODULE, "x/_d.so": ARM}, ["x/_d.so"]),
        # a library by its name is a module of none
        ({"x/libc.so": ARM, "x/_d.so": MODULE}, []),
        ({"x/a-b.so": ARM, "x/_d.so": MODULE}, []),
        # where there are no modules one of the libraries is enough
        ({"x/libz.so.1": ARM}, ["x/libz.so.1"]),
        ({"x/libz.so.1": ARM, "x/libz-arm.so.1": ARM}, ["x/libz-arm.so.1", "x/libz.so.1"]),
        ({"x/libz.so.1": ARM, "x/libz-x86.so.1": MODULE}, []),
        # neither tests' files nor bundled ones are opened
        ({f"x/_c{SUFFIX}": MODULE, "x/tests/_d.so": ARM}, []),
        ({f"x/_c{SUFFIX}": MODULE, "x/_test_d.so": ARM}, []),
        ({f"x/_c{SUFFIX}": MODULE, "x.libs/_d.so": ARM}, []),
    ],
)
def test_what_an_import_opens(files: dict[str, Content], foreign: list[str]) -> None:
    wheel = wheel_of("cp311-cp311-manylinux_2_17_x86_64", files)
    assert wheel.foreign_machine == tuple(f"{SITE}/{path}" for path in foreign)


LIBRARY = elf(soname="libz.so.1")


@pytest.mark.parametrize(
    ("files", "libraries"),
    [
        ({"x/libz.so.1": LIBRARY}, ["x/libz.so.1"]),
        ({"x/libz.so": LIBRARY, "x/liby.so": elf(soname="liby.so")}, ["x/liby.so", "x/libz.so"]),
        ({"x/libz.so.1": LIBRARY, f"x/_c{SUFFIX}": elf(needed=["libz.so.1"])}, []),
        ({"x/libz-1234.so": LIBRARY, f"x/_c{SUFFIX}": elf(needed=["libz.so.1"])}, []),
        ({"x/libz-1234.so": LIBRARY, f"x/_c{SUFFIX}": elf(needed=["libz-1234.so"])}, []),
        ({f"x/_c{SUFFIX}": MODULE}, []),
        ({"x/program": MODULE}, []),
        ({"x/program.so": elf(interp="/lib64/ld-linux-x86-64.so.2")}, []),
        ({"x/libz.so.1": elf(executable=True)}, []),
        ({"x/tests/libz.so.1": LIBRARY}, []),
        ({"x/libz.so.1": ARM}, []),
        ({"x/libz.so.1": LIBRARY[:63]}, []),
        ({"x/libz.bin": LIBRARY}, []),
        ({"../../../../lib/libz.so.1": LIBRARY}, []),
        ({"x/_z.abi3.so": LIBRARY, "x/_c.so": MODULE}, []),
        ({"x/liby.so": elf(soname="liby.so", needed=["libz.so.1"]), "x/libz.so.1": LIBRARY},
         ["x/liby.so"]),
    ],
)  # fmt: skip
def test_libraries_that_code_may_open_by_name(
    files: dict[str, Content], libraries: list[str]
) -> None:
    wheel = wheel_of("cp311-cp311-manylinux_2_17_x86_64", files)
    assert wheel.libraries == tuple(f"{SITE}/{path}" for path in libraries)


def test_a_distribution_without_a_wheel_file_is_judged_by_its_files() -> None:
    wheel = wheel_of("", {f"x/_c{SUFFIX}": MODULE})
    assert (wheel.compatible, wheel.local) == (None, False)


@pytest.mark.parametrize(
    ("tag", "compatible"),
    [
        ("cp310.cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("CP311-CP311-Manylinux_2_17_x86_64", True),
        ("cp311-cp311-manylinux_2_99_x86_64.linux_x86_64", True),
        ("cp310-cp310.cp39-linux_x86_64", False),
        ("cp311-cp311-x-linux_x86_64", False),
        ("cp311-linux_x86_64", False),
        # Sixteen full stops are read, which no real tag has; more are not.
        ("cp311" + ".x" * 16 + "-cp311-linux_x86_64", True),
        ("cp311" + ".x" * 17 + "-cp311-linux_x86_64", False),
    ],
)
def test_a_tag_stands_for_all_that_it_is_made_of(tag: str, compatible: bool) -> None:
    assert wheel_of(tag, {f"x/_c{SUFFIX}": MODULE}).compatible is compatible


@pytest.mark.parametrize(
    ("files", "foreign"),
    [
        ({"x/_c.cpython-310-x86_64-linux-gnu.so": MODULE, "x/_c.py": ""}, []),
        ({"x/_c.cpython-310-x86_64-linux-gnu.so": MODULE, "x/_d.py": ""},
         ["x/_c.cpython-310-x86_64-linux-gnu.so"]),
        ({"x/_c.cpython-310-x86_64-linux-gnu.so": MODULE, "x/tests/_d.cp310-win.pyd": "MZ"},
         ["x/_c.cpython-310-x86_64-linux-gnu.so"]),
        ({"x/_c.cp311-win_amd64.pyd": "MZ", "x/libz.so": LIBRARY}, ["x/_c.cp311-win_amd64.pyd"]),
        ({"x/_c.cpython-311-darwin.so": "\xca\xfe", "x/libz.so": LIBRARY},
         ["x/_c.cpython-311-darwin.so"]),
        ({"x/_c.pyd": "MZ", f"x/_c{SUFFIX}": MODULE}, []),
        # one wheel for two systems
        ({"x/_c.pyd": "MZ", "x/_c.so": MODULE}, []),
        ({"x/_c.cp311-win_amd64.pyd": "MZ", "x/_c.so": MODULE}, []),
        ({"x/_c.cpython-311-darwin.so": "\xca\xfe", "x/_c.so": MODULE}, []),
        ({"x/_c.pyd": "MZ", "x/_d.so": MODULE}, ["x/_c.pyd"]),
        ({"x/_c.pyd": "MZ", "_c.so": MODULE}, ["x/_c.pyd"]),
        # Of one module that fits the others are seen to be for more than this Python.
        ({"x/_c.cpython-310-x86_64-linux-gnu.so": MODULE, f"x/_d{SUFFIX}": MODULE}, []),
    ],
)  # fmt: skip
def test_modules_that_this_python_does_not_import(
    files: dict[str, Content], foreign: list[str]
) -> None:
    wheel = wheel_of("cp311-cp311-linux_x86_64", files)
    assert wheel.foreign_abi == tuple(f"{SITE}/{path}" for path in foreign)


@pytest.mark.parametrize("name", [f"_c{SUFFIX}", "_c.cpython-310-x86_64-linux-gnu.so"])
def test_without_modules_of_its_own_any_ending_may_be_that_of_a_python(name: str) -> None:
    """As of a Python whose modules are all built in; abi3, which it imports too, says nothing."""
    bare = {path: data for path, data in python_files().items() if "/lib-dynload/" not in path}
    system = rootfs(
        {**bare, **distribution("x", "cp311-cp311-linux_x86_64", {f"x/{name}": MODULE})}
    )
    distributions = find_distributions(system, PackageDatabase(), (interpreter(),), ())
    (wheel,) = find_wheels(system, (interpreter(),), (), distributions)
    assert wheel.foreign_abi == ()


def test_a_module_for_another_system_that_is_listed_and_gone_is_none() -> None:
    tree = distribution("x", "cp311-cp311-linux_x86_64", {"x/_c.pyd": "MZ", "x/libz.so": LIBRARY})
    del tree[f"{SITE}/x/_c.pyd"]
    system = rootfs({**python_files(), **tree})
    distributions = find_distributions(system, PackageDatabase(), (interpreter(),), ())
    (wheel,) = find_wheels(system, (interpreter(),), (), distributions)
    assert wheel.foreign_abi == ()


def test_one_tag_for_a_platform_makes_it_a_wheel_of_interest() -> None:
    wheel = wheel_of("py3-none-any cp311-cp311-manylinux_2_17_x86_64", {f"x/_c{SUFFIX}": MODULE})
    assert wheel.files == (f"{SITE}/x/_c{SUFFIX}",)
    assert wheel_of("py3-none-any cp311-cp311-manylinux_2_17_x86_64", {"x/a.py": ""}).files == ()


def test_pure_python_is_no_wheel_of_interest() -> None:
    system = rootfs({**python_files(), **distribution("x", "py3-none-any", {"x/a.py": ""})})
    pythons = (interpreter(),)
    distributions = find_distributions(system, PackageDatabase(), pythons, ())
    assert len(distributions) == 1
    assert find_wheels(system, pythons, (), distributions) == ()


def test_a_tag_that_stands_for_too_many() -> None:
    many = ".".join(f"cp{n}" for n in range(400))
    wheel = wheel_of(f"{many}-{many}-{many}", {f"x/_c{SUFFIX}": MODULE})
    assert wheel.compatible is False


@pytest.mark.parametrize("tag", ["cp3..4-none-x", "cp3<<x-none-x", "--", "py3--x", "\u00e9-a-b"])
def test_what_is_no_tag_goes_with_nothing(tag: str) -> None:
    assert wheel_of(tag, {f"x/_c{SUFFIX}": MODULE}).compatible is False
    good = f"{tag} cp311-cp311-manylinux_2_17_x86_64"
    assert wheel_of(good, {f"x/_c{SUFFIX}": MODULE}).compatible is True


HOSTILE_VERSIONS = [number.replace("N", "9" * 5000) for number in ("2.N", "N.2", "2.3.N")]


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["GLIBC_2.9", "GLIBC_2.34", "GLIBC_2.2.5"], (2, 34)),
        (["GLIBC_PRIVATE", "GLIBCXX_3.4.30"], None),
        # Of more than 4,300 digits int() raises ValueError.
        *((["GLIBC_2.9", f"GLIBC_{hostile}"], (2, 9)) for hostile in HOSTILE_VERSIONS),
        (["GLIBC_2.\u0663"], None),
        ([], None),
    ],
)
def test_the_newest_version(versions: list[str], newest: tuple[int, int] | None) -> None:
    assert glibc_version(versions) == newest


def test_an_interpreter_that_nothing_is_known_of() -> None:
    assert target_of(rootfs({}), interpreter()) is None
    assert target_of(rootfs(python_files()), interpreter(version="")) is None


# --- environments ---------------------------------------------------------------------------------
VENV = "opt/venv"
VENV_SITE = f"{VENV}/lib/python3.11/site-packages"


@pytest.mark.parametrize("base", [f"{PREFIX}/bin/python3.11", None])
def test_wheels_of_an_environment_are_for_the_interpreter_below_it(base: str | None) -> None:
    """Without one, nobody knows what they must fit."""
    tree = distribution(
        "x",
        "cp311-cp311-musllinux_1_2_x86_64",
        {f"x/_c{SUFFIX}": elf(needed=["libc.musl-x86_64.so.1"])},
    )
    moved = {path.replace(SITE, VENV_SITE): content for path, content in tree.items()}
    system = rootfs({**python_files(), **moved})
    environment = Environment(
        path=VENV, home=f"/{PREFIX}/bin", base=base, site_packages=(VENV_SITE,), layer=0
    )
    pythons = (interpreter(),)
    distributions = find_distributions(system, PackageDatabase(), pythons, (environment,))
    assert [each.interpreters for each in distributions] == [(VENV,)]
    wheels = find_wheels(system, pythons, (environment,), distributions)
    if base is None:
        assert wheels == ()
        return
    (wheel,) = wheels
    assert (wheel.python, wheel.compatible) == (base, False)
    assert wheel.foreign_libc == (f"{VENV_SITE}/x/_c{SUFFIX}",)


def test_files_of_an_environment_that_no_metadata_lists_are_for_the_interpreter_below_it() -> None:
    path = f"{VENV_SITE}/x/_c{SUFFIX}"
    system = rootfs({**python_files(), path: ARM})
    environment = Environment(
        path=VENV,
        home=f"/{PREFIX}/bin",
        base=interpreter().path,
        site_packages=(VENV_SITE,),
        layer=0,
    )
    (wheel,) = find_wheels(system, (interpreter(),), (environment,), ())
    assert (wheel.distribution.location, wheel.python) == (VENV_SITE, interpreter().path)
    assert wheel.foreign_machine == (path,)


@pytest.mark.parametrize(
    ("path", "content", "name"),
    [
        ("_c.so", ARM, "_c"),
        (f"_c{SUFFIX}", ARM, "_c"),
        ("pkg/_c.so", ARM, "pkg"),
        ("pkg/sub/libz.so.1", ARM, "pkg"),
        ("libz.so.1", ARM, ""),
        ("a-b.so", ARM, ""),
        ("tool", ARM, ""),
        ("a-b/_c.so", ARM, ""),
        ("pkg/a-b/_c.so", ARM, ""),
        ("pkg/tool", elf(interp=X86), ""),
        ("pkg/tool", elf(executable=True), ""),
        ("_c.so", ARM[:63], ""),
    ],
)
def test_files_that_no_metadata_lists(path: str, content: bytes, name: str) -> None:
    system = rootfs({**python_files(), f"{SITE}/{path}": content})
    found = find_wheels(system, (interpreter(),), (), ())
    assert [each.distribution.name for each in found] == ([name] if name else [])
    assert [each.files for each in found] == ([(f"{SITE}/{path}",)] if name else [])


def test_a_distribution_beside_a_program_is_for_the_interpreter_that_runs_it() -> None:
    tree = distribution("x", "cp311-cp311-manylinux_2_17_aarch64", {f"x/_c{SUFFIX}": ARM})
    moved = {path.replace(SITE, "app"): content for path, content in tree.items()}
    system = rootfs({**python_files(), **moved})
    found = Distribution(
        name="x",
        version="1.0",
        location="app",
        metadata="app/x-1.0.dist-info",
        tags=("cp311-cp311-manylinux_2_17_aarch64",),
        interpreters=(),
        layer=0,
    )
    assert find_wheels(system, (interpreter(),), (), (found,)) == ()
    (wheel,) = find_wheels(system, (interpreter(),), (), (found,), scripts=("app",))
    assert (wheel.python, wheel.foreign_machine) == (interpreter().path, (f"app/x/_c{SUFFIX}",))


@pytest.mark.parametrize(
    ("effective", "judged"),
    [
        ([True, False], ["usr/local/bin/python3.11"]),
        ([False, True], ["opt/bin/python3.11"]),
        ([False, False], []),  # nobody knows which of them the program is started with
        ([False], ["usr/local/bin/python3.11"]),
        ([True], ["usr/local/bin/python3.11"]),
    ],
)
def test_files_beside_a_program_are_for_the_interpreter_that_runs_it(
    effective: list[bool], judged: list[str]
) -> None:
    path = f"app/_c{SUFFIX}"
    second = {place.replace(PREFIX, "opt"): data for place, data in python_files().items()}
    system = rootfs({**second, **python_files(), path: ARM})
    own = interpreter(effective=effective[0])
    pythons = [own]
    if len(effective) > 1:
        pythons.append(
            structs.replace(
                own,
                path="opt/bin/python3.11",
                stdlib="opt/lib/python3.11",
                site_packages=("opt/lib/python3.11/site-packages",),
                effective=effective[1],
            )
        )
    wheels = find_wheels(system, pythons, (), (), scripts=("app",))
    assert [wheel.python for wheel in wheels] == judged
    assert all(wheel.foreign_machine == (path,) for wheel in wheels)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_a_wheel_needs_the_newest_glibc_of_all_its_files(order: tuple[str, str]) -> None:
    versions = dict(zip(order, ("GLIBC_2.34", "GLIBC_2.9"), strict=True))
    files = {
        f"x/{name}{SUFFIX}": elf(needed=["libc.so.6"], verneed={"libc.so.6": [version]})
        for name, version in versions.items()
    }
    wheel = wheel_of("cp311-cp311-manylinux_2_34_x86_64", files)
    assert (wheel.glibc, wheel.glibc_file) == ("2.34", f"{SITE}/x/{order[0]}{SUFFIX}")


def test_of_files_that_need_the_same_glibc_the_first_is_named() -> None:
    broken = {f"x/a{SUFFIX}": MODULE[:63], f"x/b{SUFFIX}": MODULE, f"x/c{SUFFIX}": MODULE}
    wheel = wheel_of("cp311-cp311-manylinux_2_34_x86_64", broken)
    assert (wheel.glibc, wheel.glibc_file) == ("2.34", f"{SITE}/x/b{SUFFIX}")
