"""The rule missing-library: layers in, findings out."""

import pytest

from pyimginspect.analyzers import missing_library
from tests.elf import elf
from tests.images import Content, File, Link
from tests.pythons import inventory
from tests.systems import X86
from tests.trees import debian_base, debian_python, dist_info, dpkg_status
from tests.unit.rules.loading import LIB, SITE, SUFFIX, debian, findings, module, only, wheel, worst

NEEDS_PQ = wheel("psycopg2", {f"psycopg2/_psycopg{SUFFIX}": module(["libpq.so.5"])})


def test_a_missing_library_and_its_package() -> None:
    finding = only(debian(), NEEDS_PQ)
    assert finding.rule == "missing-library"
    assert finding.subject == "psycopg2 libpq.so.5"
    assert finding.message == "psycopg2 1.0 needs libpq.so.5, which the loader does not find"
    assert finding.fix == (
        "RUN apt-get update && apt-get install -y --no-install-recommends libpq5"
        " && rm -rf /var/lib/apt/lists/*"
    )
    assert (finding.packages, finding.layers) == (("libpq5",), (1,))
    assert finding.instruction == "RUN layer 1"
    assert finding.evidence[0].path == f"{SITE}/psycopg2/_psycopg{SUFFIX}"
    assert finding.evidence[0].what == (
        "needs libpq.so.5; searched /usr/local/bin/../lib, /lib/x86_64-linux-gnu,"
        " /usr/lib/x86_64-linux-gnu, /lib and /usr/lib"
    )


def test_an_image_that_cannot_install_packages_gets_their_files() -> None:
    """Distroless images have neither a shell, without which RUN fails, nor apt-get."""
    tree = {path: data for path, data in debian().items() if not path.endswith(("bin/sh", "dash"))}
    assert only(tree, NEEDS_PQ).fix == (
        "Install libpq5 in a build stage, and COPY its files with those of its dependencies: this"
        " image has nothing to install packages with"
    )
    two = wheel("x", {f"x/_x{SUFFIX}": module(["libpq.so.5", "libxml2.so.2"])})
    assert only(tree, two).fix == (
        "Install libpq5 and libxml2 in a build stage, and COPY their files with those of their"
        " dependencies: this image has nothing to install packages with"
    )


@pytest.mark.parametrize(
    "more",
    [
        {f"{LIB}/libpq.so.5": elf(soname="libpq.so.5")},
        {"opt/pg/libpq.so.5": elf()},
    ],
)
def test_a_library_that_is_there(more: dict[str, Content]) -> None:
    rules = [
        f.rule for f in findings(debian(), {**NEEDS_PQ, **more}, env=["LD_LIBRARY_PATH=/opt/pg"])
    ]
    assert rules == ["native-library-not-from-os"]  # copied, but it loads


def test_a_library_where_ldconfig_was_not_run() -> None:
    tree = {
        **NEEDS_PQ,
        "opt/pg/libpq.so.5": elf(soname="libpq.so.5"),
        "etc/ld.so.conf": "/opt/pg\n",
    }
    missing = next(f for f in findings(debian(), tree) if f.rule == "missing-library")
    assert missing.fix == ("RUN ldconfig: libpq.so.5 is in /opt/pg, and not in /etc/ld.so.cache")
    base = {path: data for path, data in debian().items() if not path.endswith(("bin/sh", "dash"))}
    missing = next(f for f in findings(base, tree) if f.rule == "missing-library")
    assert missing.fix == (
        "ENV LD_LIBRARY_PATH=/opt/pg: libpq.so.5 is there, where no loader looks by itself"
    )


def test_a_library_where_no_loader_looks() -> None:
    tree = {**NEEDS_PQ, "opt/pg/libpq.so.5": elf(soname="libpq.so.5")}
    missing = next(f for f in findings(debian(), tree) if f.rule == "missing-library")
    assert missing.fix == (
        "ENV LD_LIBRARY_PATH=/opt/pg: libpq.so.5 is there, where no loader looks by itself"
    )


def test_tk_is_left_out_of_official_images_on_purpose() -> None:
    tk = f"usr/local/lib/python3.13/lib-dynload/_tkinter{SUFFIX}"
    assert findings({**debian(), tk: module(["libtk8.6.so"])}) == []
    curses = f"usr/local/lib/python3.13/lib-dynload/_curses{SUFFIX}"
    assert only(debian(), {curses: module(["libncursesw.so.6"])}).rule == "missing-library"


def test_a_program_that_misses_a_library() -> None:
    program = File(elf(needed=["libxml2.so.2", "libc.so.6"], interp=X86), mode=0o755)
    finding = only(debian(), {"usr/local/bin/tool": program})
    assert finding.message == (
        "/usr/local/bin/tool needs libxml2.so.2, which the loader does not find"
    )
    assert finding.packages == ("libxml2",)


def test_a_program_that_nobody_may_run_misses_nothing() -> None:
    program = File(elf(needed=["libxml2.so.2", "libc.so.6"], interp=X86), mode=0o666)
    assert findings(debian(), {"usr/local/bin/tool": program}) == []


def test_libraries_of_a_package_are_for_others_to_load() -> None:
    library = {"gbm/lib/libgbm.so": module(["libgone.so.1"]), "gbm/x.py": b"x"}
    tags = ["py3-none-manylinux_2_28_x86_64"]
    files = dist_info("gbm", "1.0", library, site="usr/lib/python3/dist-packages", tags=tags)
    for tree, missing in (
        (debian_python(more={"python3-gbm": {"files": files}}), False),
        ({**debian_python(), **files}, True),
    ):
        rules = {finding.rule for finding in findings(debian_base(), tree)}
        assert ("missing-library" in rules) is missing


def test_one_finding_for_all_modules_of_a_distribution() -> None:
    modules = {f"pq/_{number}{SUFFIX}": module(["libpq.so.5"]) for number in range(20)}
    finding = only(debian(), wheel("pq", modules))
    assert finding.message == "pq 1.0 needs libpq.so.5, which the loader does not find"
    assert len(finding.paths) == 20
    assert finding.evidence[-1].what == "there are 12 more of the kind"


def test_a_program_for_another_machine_misses_nothing() -> None:
    code = elf(machine="aarch64", needed=["libc.so.6"], interp="/lib/ld-linux-aarch64.so.1")
    assert findings(debian(), {"usr/local/bin/tool": File(code, mode=0o755)}) == []


def test_one_finding_for_programs_that_were_copied_together() -> None:
    def program(*needed: str) -> File:
        return File(elf(needed=[*needed, "libc.so.6"], interp=X86), mode=0o755)

    tree: dict[str, Content] = {
        "opt/bin/one": program("libxml2.so.2"),
        "opt/bin/two": program("libxml2.so.2"),
        "opt/bin/another": program("libpq.so.5"),
    }
    assert [finding.message for finding in findings(debian(), tree)] == [
        "/opt/bin/another needs libpq.so.5, which the loader does not find",
        "/opt/bin/one and /opt/bin/two need libxml2.so.2, which the loader does not find",
    ]


def test_a_package_whose_own_library_is_missing_is_the_cause() -> None:
    libpq = elf(soname="libpq.so.5", needed=["libldap-2.5.so.0", "libc.so.6"])
    package = dpkg_status({"libpq5": {"files": {f"{LIB}/libpq.so.5": libpq}}})
    twice = wheel("pq", {f"pq{SUFFIX}": module(["libpq.so.5"])})
    finding = only(debian(), {**NEEDS_PQ, **twice, **package})
    assert finding.message == (
        f"/{LIB}/libpq.so.5 of libpq5 needs libldap-2.5.so.0, which the loader does not find,"
        " so pq 1.0 and psycopg2 1.0 cannot be loaded"
    )
    assert finding.packages == ("libldap-2.5-0",)


def test_a_library_that_a_later_layer_deletes() -> None:
    files: dict[str, Content] = {
        f"{LIB}/libpq.so.5.15": elf(soname="libpq.so.5"),
        f"{LIB}/libpq.so.5": Link(f"/{LIB}/libpq.so.5.15"),
    }
    package = dpkg_status({"libpq5": {"files": files}})
    gone = {f"{LIB}/.wh.libpq.so.5.15": b"", f"{LIB}/.wh.libpq.so.5": b""}
    finding = only(debian(), {**NEEDS_PQ, **package}, gone, steps=["FROM", "RUN pip", "RUN rm"])
    assert finding.message == "psycopg2 1.0 needs libpq.so.5, which the loader does not find"
    assert finding.fix == f"Do not remove /{LIB}/libpq.so.5.15 in layer 2 (RUN rm)"
    assert finding.evidence[-1].what == "was removed by layer 2"
    assert (finding.layers, finding.packages) == ((1, 2), ("libpq5",))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (f"_curses{SUFFIX}", True),
        (f"_curses{SUFFIX[:-3]}_failed.so", False),  # what could not be imported as it was built
        (f"_curses{SUFFIX}.txt", False),
    ],
)
def test_modules_of_the_standard_library(path: str, found: bool) -> None:
    where = f"usr/local/lib/python3.13/lib-dynload/{path}"
    facts = inventory(debian(), {where: module(["libncursesw.so.6"])})
    own = f"usr/local/lib/python3.13/lib-dynload/_struct{SUFFIX}"
    modules = [(each.path, each.python, each.siblings) for each in facts.native.modules]
    assert modules == [(each, "usr/local/bin/python3.13", 1) for each in [where] * found + [own]]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("usr/local/bin/tool", True),
        ("opt/lib/libtool.so.1", False),  # a library that says its version when it is run
        ("opt/lib/tool.so.1", True),
        ("root/.cache/pip/x/tool", False),  # it is run from where it is installed
    ],
)
def test_programs_that_are_looked_at(path: str, found: bool) -> None:
    program = File(elf(needed=["libxml2.so.2", "libc.so.6"], interp=X86), mode=0o755)
    facts = inventory(debian(), {path: program, "usr/local/bin/other": program})
    paths = [each.path for each in facts.native.programs]
    assert paths == sorted(["usr/local/bin/other", *[path] * found])


def test_exactly_as_many_unreadable_elf_files_as_are_noted() -> None:
    broken = module(["libpq.so.5"])[:200]
    facts = inventory(debian(), {f"opt/{number:02}/libx.so": broken for number in range(50)})
    assert [note.path for note in facts.native.notes] == [f"opt/{n:02}/libx.so" for n in range(50)]


def test_unreadable_elf_files_are_noted_and_no_finding() -> None:
    broken = module(["libpq.so.5"])[:200]
    tree: dict[str, Content] = {f"opt/{number:02}/libx.so": broken for number in range(60)}
    facts = inventory(debian(), tree)
    notes = facts.native.notes
    assert len(notes) == 51
    assert (notes[0].path, notes[0].layer) == ("opt/00/libx.so", 1)
    assert notes[0].what.startswith("unreadable ELF: ")
    assert notes[50].what == "10 more ELF files are unreadable"
    assert [finding.rule for finding in missing_library.ANALYZER.run(facts)] == []


def test_libraries_that_all_need_each_other_cost_a_bounded_time() -> None:
    needs = [f"lib{number}.so" for number in range(400)]
    library = elf(needed=[*needs, "libc.so.6"])
    program = File(elf(needed=[*needs, "libc.so.6"], interp=X86), mode=0o755)
    tree: dict[str, Content] = {f"usr/lib/{name}": library for name in needs}
    tree |= {f"opt/{number}": program for number in range(100)}
    facts = inventory(debian(), tree)
    (note,) = facts.native.notes
    assert note.what.startswith("what ")
    assert note.what.endswith(" are too many to follow")
    assert [finding.rule for finding in missing_library.ANALYZER.run(facts)] == []


def test_a_library_that_ctypes_opens() -> None:
    library = {"lightgbm/lib/lib_lightgbm.so": module(["libgomp.so.1"]), "lightgbm/x.py": b"x"}
    finding = only(debian(), wheel("lightgbm", library, ["py3-none-manylinux_2_28_x86_64"]))
    assert (finding.rule, finding.severity) == ("missing-library", "error")
    assert finding.message == "lightgbm 1.0 needs libgomp.so.1, which the loader does not find"
    assert finding.packages == ("libgomp1",)


@pytest.mark.parametrize(
    ("files", "severity"),
    [
        ({"x/liba.so": ["libgone.so.1"], "x/a.py": None}, "error"),
        # No code to open it: a library for other packages to load.
        ({"x/liba.so": ["libgone.so.1"]}, ""),
        # One that loads is the alternative to all others.
        ({"x/lib_cpu.so": [], "x/lib_cuda.so": ["libcudart.so.12"], "x/a.py": None}, "note"),
        # What one needs of another is looked for where that one looks.
        ({"x/liba.so": [], "x/libb.so": ["liba.so"], "x/a.py": None}, "error"),
        ({"x/liba.so": ["libgone.so.1"], f"x/_c{SUFFIX}": [], "x/a.py": None}, "note"),
        ({"x.libs/libz-0123abcd.so.1": ["libgone.so.1"], f"x/_c{SUFFIX}": []}, ""),
        ({"x/tests/libz.so": ["libgone.so.1"], f"x/_c{SUFFIX}": [], "x/a.py": None}, ""),
        # Modules: most of what was compiled, or one that is imported by its own name.
        ({f"x/_a{SUFFIX}": ["libgone.so.1"], f"x/_b{SUFFIX}": ["libc.so.6"] * 20}, "note"),
        ({f"x/_a{SUFFIX}": ["libgone.so.1"] * 20, f"x/_b{SUFFIX}": []}, "error"),
        ({f"_a{SUFFIX}": ["libgone.so.1"], f"x/_b{SUFFIX}": [], f"x/_c{SUFFIX}": []}, "error"),
        ({f"x/_test_a{SUFFIX}": ["libgone.so.1"], f"x/_b{SUFFIX}": []}, ""),
        ({f"x/tests/_a{SUFFIX}": ["libgone.so.1"], f"x/_b{SUFFIX}": []}, ""),
    ],
)
def test_what_of_a_distribution_an_import_needs(
    files: dict[str, list[str] | None], severity: str
) -> None:
    tree = {path: b"code" if needed is None else module(needed) for path, needed in files.items()}
    found = findings(debian(), wheel("x", tree))
    assert worst(found) == ({"missing-library": severity} if severity else {})


def test_numbas_pools_are_alternatives() -> None:
    pools = {
        f"numba/np/ufunc/omppool{SUFFIX}": module(["libgomp.so.1.0.0"] * 30),
        f"numba/np/ufunc/tbbpool{SUFFIX}": module(["libtbb.so.12"] * 30),
        f"numba/np/ufunc/workqueue{SUFFIX}": module(),
    }
    finding = only(debian(), wheel("numba", pools))
    assert (finding.rule, finding.severity) == ("missing-library", "note")
    assert finding.message == (
        f"/{SITE}/numba/np/ufunc/omppool{SUFFIX} and /{SITE}/numba/np/ufunc/tbbpool{SUFFIX} cannot"
        " be loaded: numba 1.0 needs libgomp.so.1.0.0 and libtbb.so.12 for that, which the loader"
        " does not find"
    )
    assert finding.packages == ("libgomp1", "libtbb12")
    assert finding.evidence[-1].what.startswith(
        "numba/np/ufunc/parallel.py of numba 0.68.1 falls back"
    )


def test_a_library_that_another_distribution_loads_first() -> None:
    torch = wheel("torch", {f"torch/_C{SUFFIX}": module(), "torch/lib/libc10.so": module()})
    vision = wheel("vision", {f"vision/_C{SUFFIX}": module(["libc10.so"])})
    finding = only(debian(), {**torch, **vision})
    assert (finding.subject, finding.severity) == ("vision libc10.so", "note")


def test_what_the_container_runtime_mounts_is_no_fault_of_the_image() -> None:
    cupy = wheel("cupy", {f"cupy/_driver{SUFFIX}": module(["libcuda.so.1"])})
    program = File(elf(needed=["libnvidia-ml.so.1", "libc.so.6"], interp=X86), mode=0o755)
    found = findings(debian(), {**cupy, "usr/local/bin/smi": program})
    assert {finding.subject: finding.severity for finding in found} == {
        "usr/local/bin libnvidia-ml.so.1": "note",
        "cupy libcuda.so.1": "note",
    }
    assert all("docker run --gpus all" in finding.fix for finding in found)
    both = wheel("cupy", {f"cupy/_driver{SUFFIX}": module(["libcuda.so.1", "libgone.so.1"])})
    assert {f.subject: f.severity for f in findings(debian(), both)} == {
        "cupy libcuda.so.1": "note",
        "cupy libgone.so.1": "error",
    }


def test_a_library_that_ctypes_opens_without_metadata() -> None:
    tree: dict[str, Content] = {
        f"{SITE}/lightgbm/lib/lib_lightgbm.so": module(["libgomp.so.1"]),
        f"{SITE}/lightgbm/__init__.py": "import ctypes",
    }
    finding = only(debian(), tree)
    assert (finding.rule, finding.severity) == ("missing-library", "error")
    assert (
        finding.message == f"lightgbm in /{SITE} needs libgomp.so.1, which the loader does not find"
    )
    data = {path: content for path, content in tree.items() if path.endswith(".so")}
    assert findings(debian(), data) == []


# --- what an import makes of files that do not load -----------------------------------------------
GOOD, BAD = module(["libyes.so.1"]), module(["libnot.so.1"])  # of one size
Y_LIBS = wheel("y", {"y.libs/liby-1.so": elf(soname="liby-1.so"), "y/__init__.py": b"1"})


@pytest.mark.parametrize(
    ("files", "kind", "reason"),
    [
        (
            {f"x/_a{SUFFIX}": BAD, f"x/_b{SUFFIX}": GOOD, f"x/_c{SUFFIX}": GOOD},
            "optional",
            f"2 of its 3 extension modules load, /{SITE}/x/_b{SUFFIX} among them",
        ),
        # as many bytes load as do not, or fewer
        (
            {f"x/_a{SUFFIX}": BAD, f"x/_b{SUFFIX}": GOOD},
            "optional",
            f"1 of its 2 extension modules load, /{SITE}/x/_b{SUFFIX} among them",
        ),
        ({f"x/_a{SUFFIX}": BAD + b"\0", f"x/_b{SUFFIX}": GOOD}, "import", ""),
        # one of those that fail is imported by its own name
        (
            {f"_x{SUFFIX}": BAD, f"x/_a{SUFFIX}": BAD, f"x/_b{SUFFIX}": GOOD + bytes(9999)},
            "import",
            "",
        ),
        # what another distribution brings, and what none does
        (
            {f"x/_a{SUFFIX}": module(["liby-1.so"])},
            "preloaded",
            "a distribution of this image has that library, and may load it first",
        ),
        ({f"x/_a{SUFFIX}": module(["liby-1.so", "libnot.so.1"])}, "import", ""),
        # a library that code of its own may open
        ({"x/libx.so": BAD, "x/__init__.py": b""}, "nothing", ""),
        ({"x/libx.so": BAD, "x/__init__.py": b"", "x/a.py": b"import ctypes"}, "import", ""),
    ],
)
def test_what_an_import_makes_of_what_does_not_load(
    files: dict[str, bytes], kind: str, reason: str
) -> None:
    there: dict[str, Content] = {f"{LIB}/libyes.so.1": elf(soname="libyes.so.1")}
    native = inventory(debian(), {**wheel("x", files), **Y_LIBS, **there}).native
    found = {
        each.use
        for each in (*native.modules, *native.opened)
        if "/x-1.0" in each.distribution and not each.resolution.loads
    }
    assert {(use.kind, use.reason) for use in found} == {(kind, reason)}
