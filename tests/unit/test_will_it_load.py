"""The rules about loading, from whole images to findings."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pyimginspect.analyzers import BUILTIN, glibc_too_old, missing_library
from pyimginspect.inventory.facts import OperatingSystem
from pyimginspect.inventory.providers import advice, debian_packages, dlopened, provider
from pyimginspect.inventory.tables import read_table
from pyimginspect.report import Finding
from tests.elf import elf
from tests.images import Content, File, Link
from tests.pythons import apk_database, inventory
from tests.systems import MUSL, MUSL_FILES, X86
from tests.trees import debian_base, debian_python, dist_info, dpkg_status, official_python

SITE = "usr/local/lib/python3.13/site-packages"
SUFFIX = ".cpython-313-x86_64-linux-gnu.so"
MUSL_SUFFIX = ".cpython-313-x86_64-linux-musl.so"
LIB = "usr/lib/x86_64-linux-gnu"
TAG = "cp313-cp313-manylinux_2_17_x86_64"
GLIBC = [f"GLIBC_2.{minor}" for minor in (14, 17, 34, 36)] + ["GLIBC_2.2.5", "GLIBC_PRIVATE"]
RULES = {
    "duplicate-native-library",
    "foreign-libc",
    "glibc-too-old",
    "incompatible-wheel",
    "missing-dlopen-library",
    "missing-library",
    "musl-base",
    "native-library-not-from-os",
    "small-thread-stack",
    "wrong-abi",
    "wrong-architecture",
}
ANALYZERS = [analyzer for analyzer in BUILTIN if analyzer.rule.id in RULES]


def debian() -> dict[str, Content]:
    """Debian 12 with a glibc that defines versions, and an official Python."""
    text = b"\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n"
    return {
        **debian_base(),
        "etc/os-release": "ID=debian\nVERSION_ID=12\n",
        f"{LIB}/libc.so.6": elf(soname="libc.so.6", verdef=GLIBC, extra=text),
        **official_python("3.13.1"),
    }


def alpine(*, stack: bool = True) -> dict[str, Content]:
    """Alpine 3.20 with an official Python; `stack` as the official images build it."""
    tree = {
        **apk_database({"musl": MUSL_FILES}),
        "etc/os-release": "ID=alpine\nVERSION_ID=3.20.3\n",
        **official_python("3.13.1", musl=True),
    }
    if not stack:
        tree = {path: data for path, data in tree.items() if "_sysconfigdata" not in path}
    return tree


def module(needed: Sequence[str] = (), *, libc: str = "libc.so.6", **more: object) -> bytes:
    return elf(needed=[*needed, libc], **more)  # type: ignore[arg-type]


def wheel(
    name: str, files: Mapping[str, bytes], tags: Sequence[str] = (TAG,)
) -> dict[str, Content]:
    return dist_info(name, "1.0", dict(files), site=SITE, tags=tags)


def findings(*trees: Mapping[str, Content], **config: Any) -> list[Finding]:
    """What all rules of this subject say."""
    facts = inventory(*trees, **config)
    return [finding for analyzer in ANALYZERS for finding in analyzer.run(facts)]


def only(*trees: Mapping[str, Content], **config: Any) -> Finding:
    (finding,) = findings(*trees, **config)
    assert finding.layers
    return finding


@pytest.mark.parametrize("base", [debian(), alpine()], ids=["debian", "alpine"])
def test_a_good_image_has_no_finding(base: dict[str, Content]) -> None:
    musl = "lib/ld-musl-x86_64.so.1" in base
    suffix, tag = (MUSL_SUFFIX, "musllinux_1_2") if musl else (SUFFIX, "manylinux_2_17")
    libc = "libc.musl-x86_64.so.1" if musl else "libc.so.6"
    fits = wheel("good", {f"good/_c{suffix}": module(libc=libc)}, [f"cp313-cp313-{tag}_x86_64"])
    assert findings(base, {**fits, **dist_info("pure", site=SITE)}) == []


# --- missing libraries ----------------------------------------------------------------------------
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


# --- dlopen ---------------------------------------------------------------------------------------
def test_weasyprint_without_pango() -> None:
    finding = only(debian(), dist_info("weasyprint", "70.0", site=SITE))
    assert finding.rule == "missing-dlopen-library"
    assert finding.message == (
        "weasyprint 70.0 opens libgobject-2.0.so.0, libpango-1.0.so.0, libharfbuzz.so.0 and"
        " 2 more, which Python 3.13.1 would not find"
    )
    assert finding.packages == (
        "libfontconfig1",
        "libglib2.0-0",
        "libharfbuzz0b",
        "libpango-1.0-0",
        "libpangoft2-1.0-0",
    )


def test_weasyprint_with_pango() -> None:
    names = [
        names[0]
        for row in dlopened()
        if row.distribution == "weasyprint"
        for names in row.libraries
    ]
    libraries = {f"{LIB}/{name}": elf(soname=name) for name in names}
    packages = dpkg_status({"libpango-1.0-0": {"files": libraries}})
    assert findings(debian(), {**dist_info("weasyprint", "70.0", site=SITE), **packages}) == []


def test_a_library_that_cannot_load_what_it_needs_itself() -> None:
    tree = {
        **dist_info("python-magic", "0.4.27", site=SITE),
        f"{LIB}/libmagic.so.1": module(["liblzma.so.5"]),
    }
    finding = next(f for f in findings(debian(), tree) if f.rule == "missing-dlopen-library")
    assert (
        finding.message
        == "python-magic 0.4.27 opens libmagic.so.1, which Python 3.13.1 would not load"
    )
    assert finding.packages == ("liblzma5",)


def test_distributions_that_bring_their_library() -> None:
    bundled = {
        "_soundfile_data/libsndfile_x86_64.so": elf(),
        "soundfile.py": b"",
    }
    tree = {
        **dist_info("psycopg", site=SITE),
        **dist_info("psycopg-binary", site=SITE),
        **wheel("soundfile", bundled, ["py2.py3-none-manylinux_2_28_x86_64"]),
    }
    assert findings(debian(), tree) == []
    assert [f.subject for f in findings(debian(), dist_info("psycopg", site=SITE))] == [
        "psycopg usr/local/bin/python3.13"
    ]


FONTS = {"acme-fonts": ("libharfbuzz.so.0",)}


def test_a_policy_tells_of_a_library() -> None:
    tree = dist_info("acme_fonts", site=SITE)
    assert findings(debian(), tree) == []
    finding = only(debian(), tree, dlopen=FONTS)
    assert finding.rule == "missing-dlopen-library"
    assert finding.subject == "acme-fonts usr/local/bin/python3.13"
    assert finding.packages == ("libharfbuzz0b",)
    assert finding.evidence[-1].what == "known from the policy's [dlopen]"
    there = {f"{LIB}/libharfbuzz.so.0": elf(soname="libharfbuzz.so.0")}
    package = dpkg_status({"libharfbuzz0b": {"files": there}})
    assert findings(debian(), {**tree, **package}, dlopen=FONTS) == []


def test_a_policy_adds_to_what_is_known() -> None:
    tree = dist_info("python-magic", "0.4.27", site=SITE)
    more = {"python-magic": ("libmagic.so.1", "libacme.so.2")}
    finding = only(debian(), tree, dlopen=more)
    assert finding.message == (
        "python-magic 0.4.27 opens libmagic.so.1 and libacme.so.2, which Python 3.13.1"
        " would not find"
    )
    # A distribution that brings the known ones does not bring the policy's.
    brings = {**tree, **dist_info("python-magic-bin", site=SITE)}
    assert findings(debian(), brings) == []
    assert only(debian(), brings, dlopen={"python-magic": ("libacme.so.2",)}).message == (
        "python-magic 0.4.27 opens libacme.so.2, which Python 3.13.1 would not find"
    )


@pytest.mark.parametrize(
    ("version", "package"), [("12", "libmagickwand-6.q16-6"), ("13", "libmagickwand-7.q16hdri-10")]
)
def test_of_several_libraries_the_one_that_the_release_has(version: str, package: str) -> None:
    system = {**debian(), "etc/os-release": f"ID=debian\nVERSION_ID={version}\n"}
    assert only(system, dist_info("wand", "0.7.2", site=SITE)).packages == (package,)


# --- what was built for something else ------------------------------------------------------------
def test_a_manylinux_extension_on_alpine() -> None:
    tree = wheel("numpy", {f"numpy/_core{SUFFIX}": module()})
    found = {f.rule: f for f in findings(alpine(), tree)}
    assert set(found) == {"foreign-libc", "musl-base"}
    finding = found["foreign-libc"]
    assert "musllinux wheel" in finding.fix
    assert finding.message == (
        "numpy 1.0 is compiled for glibc, Python 3.13.1 in /usr/local/bin/python3.13 runs on musl"
    )
    assert [(e.what, e.path) for e in finding.evidence] == [
        ("for glibc: dependency on libc.so.6", f"{SITE}/numpy/_core{SUFFIX}"),
        ("its loader is /lib/ld-musl-x86_64.so.1", "usr/local/bin/python3.13"),
    ]
    assert found["musl-base"].message == (
        "1 of 1 compiled distributions on musl came with no musllinux wheel: numpy built for glibc"
    )


def test_a_program_without_its_loader() -> None:
    program = File(elf(interp=MUSL, needed=["libc.musl-x86_64.so.1"]), mode=0o755)
    finding = only(debian(), {"usr/local/bin/tool": program})
    assert (finding.rule, finding.subject) == ("foreign-libc", MUSL)
    assert finding.message == (
        "/usr/local/bin/tool cannot be started: the loader /lib/ld-musl-x86_64.so.1 is not in"
        " the image"
    )


def test_another_processor() -> None:
    arm = wheel(
        "numpy",
        {
            "numpy/_core.cpython-313-aarch64-linux-gnu.so": elf(
                machine="aarch64", needed=["libc.so.6"]
            )
        },
        ["cp313-cp313-manylinux_2_17_aarch64"],
    )
    finding = only(debian(), arm)
    assert finding.rule == "wrong-architecture"
    assert finding.message == (
        "numpy 1.0 is compiled for aarch64 (64 bits), Python 3.13.1 for x86_64 (64 bits)"
    )


def test_another_python() -> None:
    old = wheel(
        "lxml",
        {"lxml/etree.cpython-311-x86_64-linux-gnu.so": module()},
        ["cp311-cp311-" + TAG[12:]],
    )
    finding = only(debian(), old)
    assert finding.rule == "wrong-abi"
    assert finding.message == (
        "lxml 1.0 cannot be imported by Python 3.13.1 in /usr/local/bin/python3.13:"
        " its modules are named .cpython-311-x86_64-linux-gnu.so"
    )


MACH_O = b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01" + bytes(24)


@pytest.mark.parametrize(
    ("name", "content", "tag"),
    [
        ("ujson.cpython-313-darwin.so", MACH_O, "cp313-cp313-macosx_11_0_arm64"),
        ("x/_c.cpython-313t-darwin.so", MACH_O, "cp313-cp313t-macosx_11_0_arm64"),
        ("x/_c.cp313-win_amd64.pyd", b"MZ" + bytes(62), "cp313-cp313-win_amd64"),
        ("x/_c.pyd", b"MZ" + bytes(62), "cp313-abi3-win_amd64"),
    ],
)
def test_a_wheel_for_another_system(name: str, content: bytes, tag: str) -> None:
    finding = only(debian(), wheel("x", {name: content}, [tag]))
    assert (finding.rule, finding.severity) == ("wrong-abi", "error")
    assert finding.message == (
        "x 1.0 cannot be imported by Python 3.13.1 in /usr/local/bin/python3.13:"
        f" its modules are named {name[name.index('.') :]}"
    )
    assert finding.paths == (f"{SITE}/{name}",)


@pytest.mark.parametrize(
    ("files", "tags"),
    [
        # with modules of this system beside them, as wheels for all systems have
        ({f"x/_c{SUFFIX}": module(), "x/_c.cp313-win_amd64.pyd": b"MZ"}, (TAG,)),
        ({"x/_c.cp313-win_amd64.pyd": b"MZ", "x/__init__.py": b""}, ("py3-none-any",)),
        ({"x/_c.cpython-313-darwin.so": MACH_O, "x/_c.py": b""}, ("py3-none-any",)),
        ({"tests/_c.cpython-313-darwin.so": MACH_O, f"x/_c{SUFFIX}": module()}, (TAG,)),
    ],
)
def test_files_for_another_system_that_do_no_harm(
    files: dict[str, bytes], tags: Sequence[str]
) -> None:
    assert findings(debian(), wheel("x", files, tags)) == []


def test_a_wheel_for_a_newer_glibc_whose_files_load() -> None:
    new = wheel("x", {f"x/_c{SUFFIX}": module()}, ["cp313-cp313-manylinux_2_39_x86_64"])
    finding = only(debian(), new)
    assert (finding.rule, finding.severity) == ("incompatible-wheel", "warning")
    assert finding.message == (
        "x 1.0 is a wheel for cp313-cp313-manylinux_2_39_x86_64, which Python 3.13.1"
        " on glibc 2.36 does not accept"
    )


@pytest.mark.parametrize(
    ("modules", "rule", "copied_too"),
    [
        ([], "incompatible-wheel", True),
        # CPython, which shares the directory, imports them: they are for that one.
        (["lib-dynload/_x.pypy39-pp73-x86_64-linux-gnu.so"], "wrong-abi", False),
    ],
)
def test_debians_packages_are_no_wheels_for_debians_pypy(
    modules: list[str], rule: str, copied_too: bool
) -> None:
    place = "usr/lib/python3/dist-packages"
    name = "yaml/_yaml.cpython-311-x86_64-linux-gnu.so"
    tags = ["cp311-cp311-linux_x86_64"]
    yaml = dist_info("PyYAML", "6.0", {name: module()}, site=place, tags=tags)
    pypy: dict[str, Content] = {
        "usr/bin/pypy3.9": elf(needed=["libpypy3.9-c.so"], interp=X86),
        f"{LIB}/libpypy3.9-c.so": elf(soname="libpypy3.9-c.so", needed=["libc.so.6"]),
        "usr/lib/pypy3.9/os.py": "",
        **{f"usr/lib/pypy3.9/{path}": module() for path in modules},
    }
    both = {"python3-yaml": {"files": yaml}, "pypy3": {"files": pypy}}
    alone = {"pypy3": both["pypy3"]}
    packaged = findings(debian(), debian_python("3.11.2", more=both))
    copied = findings(debian(), {**debian_python("3.11.2", more=alone), **yaml})
    assert rule not in {finding.rule for finding in packaged}
    assert (rule in {finding.rule for finding in copied}) == copied_too


def test_versions_that_glibc_does_not_define() -> None:
    versions = {"libc.so.6": ["GLIBC_2.38", "GLIBC_2.17", "GLIBC_2.41"]}
    built = wheel("x", {f"x/_c{SUFFIX}": module(verneed=versions)}, ["cp313-cp313-linux_x86_64"])
    finding = only(debian(), built)
    assert finding.rule == "glibc-too-old"
    assert finding.message == (
        "x 1.0 needs GLIBC_2.38 and GLIBC_2.41 of libc.so.6, and the glibc here is 2.36"
    )
    assert [(e.path, e.what) for e in finding.evidence] == [
        (f"{SITE}/x/_c{SUFFIX}", "needs GLIBC_2.38 and GLIBC_2.41"),
        (f"{LIB}/libc.so.6", "does not define GLIBC_2.38 and GLIBC_2.41"),
        (f"{LIB}/libc.so.6", "GNU C Library 2.36, it says"),
    ]
    assert finding.fix == (
        "Build it in a stage with this image's own base (glibc 2.36), install a wheel"
        " (manylinux_2_36 or older), or start FROM a base with glibc 2.41 or newer."
    )


def test_versions_are_told_once_for_a_distribution_and_for_a_directory() -> None:
    newer = {"libc.so.6": ["GLIBC_2.38"]}
    modules = {f"x/_{n}{SUFFIX}": module(verneed=newer) for n in range(20)}
    programs: dict[str, Content] = {
        f"opt/tools/{name}": File(elf(needed=["libc.so.6"], interp=X86, verneed=newer), mode=0o755)
        for name in "ab"
    }
    built = wheel("x", modules, ["cp313-cp313-linux_x86_64"])
    directory, distribution = findings(debian(), {**built, **programs})
    assert distribution.message == (
        "x 1.0 needs GLIBC_2.38 of libc.so.6, and the glibc here is 2.36"
    )
    assert len(distribution.paths) == 21
    assert distribution.evidence[5].what == "15 more files do the same"
    assert directory.message == (
        "/opt/tools/a and /opt/tools/b need GLIBC_2.38 of libc.so.6, and the glibc here is 2.36"
    )


def test_what_another_library_lacks_has_no_advice_on_glibc() -> None:
    tree = {
        **wheel("x", {f"x/_c{SUFFIX}": module(["libz.so.1"], verneed={"libz.so.1": ["ZLIB_2"]})}),
        **dpkg_status(
            {
                "zlib1g": {
                    "files": {f"{LIB}/libz.so.1": elf(soname="libz.so.1", verdef=["z", "Z_1"])}
                }
            }
        ),
    }
    finding = only(debian(), tree)
    assert finding.message == "x 1.0 needs ZLIB_2 of libz.so.1, which here has no ZLIB version"
    assert finding.fix == glibc_too_old.RULE.fix


# --- musl -----------------------------------------------------------------------------------------
COMPILED = wheel(
    "uwsgi",
    {f"uwsgi{MUSL_SUFFIX}": module(libc="libc.musl-x86_64.so.1")},
    ["cp313-cp313-linux_x86_64"],
)


def test_what_was_compiled_in_place_on_musl() -> None:
    finding = only(alpine(), COMPILED)
    assert finding.rule == "musl-base"
    assert finding.message == (
        "1 of 1 compiled distributions on musl came with no musllinux wheel:"
        " uwsgi compiled in place"
    )
    assert finding.severity == "note"


def test_small_stacks_where_nothing_asks_for_more() -> None:
    found = {f.rule: f for f in findings(alpine(stack=False), COMPILED)}
    assert found["small-thread-stack"].message == (
        "threads of Python 3.13.1 in /usr/local/bin/python3.13 get 128 KiB of stack,"
        " unless its build asked for more, also for the native code of uwsgi"
    )
    assert [f.rule for f in findings(alpine(stack=False), dist_info("pure", site=SITE))] == []


def test_the_history_tells_what_make_was_given() -> None:
    """As in the official images: no file says anything of it."""
    make = (
        'RUN ./configure; EXTRA_CFLAGS="-DTHREAD_STACK_SIZE={}"; make "EXTRA_CFLAGS=$EXTRA_CFLAGS"'
    )
    tree = {**alpine(stack=False), **COMPILED}
    assert [f.rule for f in findings(tree, steps=[make.format("0x100000")])] == ["musl-base"]
    found = {f.rule: f for f in findings(tree, steps=[make.format("0x20000")])}
    assert found["small-thread-stack"].message == (
        "threads of Python 3.13.1 in /usr/local/bin/python3.13 get 128 KiB of stack,"
        " also for the native code of uwsgi"
    )


def test_a_linker_flag_asks_for_more_stack() -> None:
    libpython = elf(
        soname="libpython3.13.so.1.0",
        needed=["libc.musl-x86_64.so.1"],
        stack_size=2 << 20,
        extra=b"\x003.13.1\0",
    )
    tree = {**COMPILED, "usr/local/lib/libpython3.13.so.1.0": libpython}
    assert "small-thread-stack" not in {f.rule for f in findings(alpine(stack=False), tree)}


# --- where libraries come from --------------------------------------------------------------------
def test_a_library_copied_by_hand() -> None:
    tree: dict[str, Content] = {
        "opt/lib/libfoo.so.1": elf(soname="libfoo.so.1"),
        "opt/lib/libbar.so.2.0": elf(soname="libbar.so.2"),
        "opt/lib/libbar.so.2": Link("libbar.so.2.0"),
    }
    finding = only(debian(), tree)
    assert (finding.rule, finding.subject) == ("native-library-not-from-os", "opt/lib")
    assert finding.message == "libbar.so.2 and libfoo.so.1 in /opt/lib came with no package"
    assert finding.paths == ("opt/lib/libbar.so.2.0", "opt/lib/libfoo.so.1")


BUNDLED = wheel(
    "psycopg2-binary",
    {
        f"psycopg2/_psycopg{SUFFIX}": module(
            ["libpq-9b38f5e3.so.5.17"], runpath="$ORIGIN/../psycopg2_binary.libs"
        ),
        "psycopg2_binary.libs/libpq-9b38f5e3.so.5.17": elf(soname="libpq-9b38f5e3.so.5.17"),
    },
)


def test_a_wheels_own_library_beside_a_package_that_was_asked_for() -> None:
    package = {"files": {f"{LIB}/libpq.so.5.17": elf(soname="libpq.so.5.17")}}
    tree = {**BUNDLED, **dpkg_status({"libpq5": package})}
    finding = only(debian(), tree)
    assert finding.rule == "duplicate-native-library"
    assert (
        finding.message
        == "libpq.so.5.17 is in the image twice: from libpq5 and bundled in psycopg2-binary"
    )
    assert {e.what for e in finding.evidence} == {
        "no file that was examined loads it",
        f"loaded for /{SITE}/psycopg2/_psycopg{SUFFIX}",
    }


def test_one_build_under_two_names() -> None:
    def built(soname: str) -> bytes:
        return elf(soname=soname, build_id=bytes(20))

    package = dpkg_status({"libpq5": {"files": {f"{LIB}/libpq.so.5": built("libpq.so.5")}}})
    finding = only(
        debian(), {**package, **wheel("own", {"own.libs/libmine.so": built("libmine.so")})}
    )
    assert finding.message == "libpq.so.5 is in the image twice: from libpq5 and bundled in own"
    assert "; build ID 0000000000000000" in finding.evidence[0].what


def test_all_that_one_wheel_doubles_is_one_finding() -> None:
    names = [f"lib{letter}.so.1" for letter in "abcde"]
    bundled = {f"many.libs/{name}": elf(soname=name) for name in names}
    packages: dict[str, Content] = dpkg_status(
        {f"lib{n[3]}1": {"files": {f"{LIB}/{n}": elf(soname=n)}} for n in names}
    )
    finding = only(debian(), {**wheel("many", bundled), **packages})
    assert finding.message == (
        "liba.so.1, libb.so.1, libc.so.1 and 2 more are in the image twice: from liba1, libb1,"
        " libc1 and 2 more and bundled in many"
    )
    assert finding.packages == ("liba1", "libb1", "libc1", "libd1", "libe1")
    assert finding.evidence[-1].what == "2 more files not listed"


def test_a_wheels_own_library_alone_is_how_wheels_are_made() -> None:
    assert findings(debian(), BUNDLED) == []


# --- files that are not what they say -------------------------------------------------------------
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


# --- which package has a library ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("soname", "system", "version", "package"),
    [
        ("libpq.so.5", "debian", "12", "libpq5"),
        ("libpango-1.0.so.0", "debian", "12", "libpango-1.0-0"),
        ("libgobject-2.0.so.0", "debian", "12", "libglib2.0-0"),
        ("libgobject-2.0.so.0", "debian", "13", "libglib2.0-0t64"),
        ("libgobject-2.0.so.0", "ubuntu", "24.04", "libglib2.0-0t64"),
        ("libgobject-2.0.so.0", "ubuntu", "22.04", "libglib2.0-0"),
        ("libMagickWand-6.Q16.so.6", "debian", "12", "libmagickwand-6.q16-6"),
        ("libMagickWand-6.Q16.so.6", "debian", "13", ""),
        ("libMagickWand-7.Q16.so.10", "debian", "13", "libmagickwand-7.q16-10"),
        ("libssl.so.1.1", "debian", "11", "libssl1.1"),
        ("libssl.so.1.1", "debian", "12", ""),
        ("libssl.so.1.1", "ubuntu", "20.04", "libssl1.1"),
        ("libarchive.so.13", "debian", "12", "libarchive13"),
        ("libarchive.so.13", "debian", "13", "libarchive13t64"),
        ("libcurl-gnutls.so.4", "debian", "13", "libcurl3t64-gnutls"),
        ("libgeos_c.so.1", "debian", "13", "libgeos-c1t64"),
        ("libpq.so.5", "debian", "13", "libpq5"),
        ("libicuuc.so.72", "debian", "12", "libicu72"),
        ("libicuuc.so.76", "debian", "13", "libicu76"),
        ("libbrotlidec.so.1", "debian", "12", "libbrotli1"),
        ("libatk-1.0.so.0", "debian", "13", "libatk1.0-0t64"),
        ("libgtk-3.so.0", "ubuntu", "24.04", "libgtk-3-0t64"),
        ("libdb-5.3.so", "debian", "12", "libdb5.3"),
        ("libstdc++.so.6", "debian", "12", "libstdc++6"),
        ("weird", "debian", "12", ""),
        ("libpango-1.0.so.0", "alpine", "3.20", "pango"),
        ("libwhatever.so.3", "alpine", "3.20", ""),
        ("libpango-1.0.so.0", "fedora", "40", "pango"),
        ("libwhatever.so.3", "rhel", "9", ""),
        ("libwhatever.so.3", "debian", "12", ""),
        ("libgomp.so.1.0.0", "debian", "13", "libgomp1"),
        ("libgfortran-0352e75f.so.5.0.0", "debian", "12", ""),
        ("libgomp-a34b3233.so.1.0.0", "alpine", "3.20", ""),
        ("libpython3.13.so.1.0", "debian", "13", ""),
        ("libodbc.so.2", "debian", "12", "libodbc2"),
        ("libodbc.so.2", "debian", "11", "libodbc1"),
        ("libffi.so.7", "debian", "11", "libffi7"),
        ("libffi.so.7", "debian", "12", ""),
        ("libgtk-3.so.0", "ubuntu", "22.04", "libgtk-3-0"),
        ("libgomp.so.1", "ubuntu", "", ""),
        ("libgomp.so.1", "debian", "14", ""),
        ("libpq.so.5", "nixos", "24", ""),
        ("/opt/libx.so.1", "debian", "12", ""),
    ],
)
def test_providers(soname: str, system: str, version: str, package: str) -> None:
    assert provider(soname, OperatingSystem(id=system, version_id=version)) == package


def test_dpkg_knows_the_same_packages() -> None:
    """What packages say of their own libraries, deb-shlibs(5)."""
    files = sorted(Path("/var/lib/dpkg/info").glob("*.shlibs"))
    os_release = Path("/etc/os-release").read_text() if files else ""
    release = re.search(r"^VERSION_ID=\"(1[23])\"$", os_release, re.M)
    if release is None:
        pytest.skip("this is no Debian 12 or 13")
    system = OperatingSystem(id="debian", version_id=release[1])
    right, wrong = 0, []
    for file in files:
        for line in file.read_text().splitlines():
            words = line.split()
            if len(words) > 2 and not words[0].endswith(":"):
                library, version, package = words[:3]
                sonames = (f"{library}.so.{version}", f"{library}-{version}.so")
                if package in {provider(soname, system) for soname in sonames}:
                    right += 1
                else:
                    wrong.append((library, version, package))
    # Left are libraries that are not for others, and packages from elsewhere.
    assert right > 10 * len(wrong), wrong


def test_a_relative_of_debian_and_a_release_without_a_number() -> None:
    mint = OperatingSystem(id="linuxmint", id_like=("ubuntu", "debian"), version_id="22")
    assert provider("libssl.so.3", mint) == ""
    raspbian = OperatingSystem(id="raspbian", id_like=("debian",), version_id="12")
    assert provider("libssl.so.3", raspbian) == "libssl3"
    assert provider("libssl.so.3", OperatingSystem(id="debian", version_id="sid")) == ""
    assert advice("libssl.so.3", mint) == (
        "Install the package that has libssl.so.3 (apt-file search libssl.so.3)."
    )


@pytest.mark.parametrize(
    ("soname", "system", "said"),
    [
        ("libmosek64.so", "debian", "Install the package that has libmosek64.so (apt-file search"),
        ("libx.so.3", "alpine", "Install the package that has libx.so.3 (apk add --no-cache so:"),
        (
            "libx.so.3",
            "rhel",
            "Install the package that has libx.so.3 (dnf provides 'libx.so.3()(64",
        ),
        ("libx.so.3", "nixos", "Install the package that has libx.so.3."),
        ("libgomp-a34b3233.so.1.0.0", "debian", "Install the distribution again: libgomp-a34b3233"),
        ("libpython3.13.so.1.0", "debian", "Install the distribution with the Python that imports"),
    ],
)
def test_what_to_do_where_no_package_is_known(soname: str, system: str, said: str) -> None:
    assert advice(soname, OperatingSystem(id=system, version_id="12")).startswith(said)


def test_every_name_that_a_fix_can_print_is_in_the_lists_of_its_release() -> None:
    lists = read_table("debian_libraries", dict[str, Any])
    table = read_table("native_libraries", dict[str, Any])
    sonames = {
        *lists["libraries"],
        *lists["libraries_11"],
        *lists["libraries_13"],
        *table["debian"],
    }
    sonames |= {name for row in dlopened() for names in row.libraries for name in names}
    assert len(sonames) > 5_000
    for version in ("10", "11", "12", "13", "14"):
        system = OperatingSystem(id="debian", version_id=version)
        told = {provider(soname, system) for soname in sonames} - {""}
        assert told <= debian_packages(version)
        assert bool(told) == (version in ("11", "12", "13"))
    for version in ("22.04", "24.04"):
        told = {provider(s, OperatingSystem(id="ubuntu", version_id=version)) for s in sonames}
        assert told <= {"", *table["ubuntu"]}


# --- compiled files without metadata, and what an import does without -----------------------------
FOREIGN = ".cpython-312-x86_64-linux-gnu.so"
TWELVE = ["cp312-cp312-manylinux_2_17_x86_64"]


def worst(found: Sequence[Finding]) -> dict[str, str]:
    """The severity of each rule's first finding, by rule."""
    return {finding.rule: finding.severity for finding in reversed(found)}


@pytest.mark.parametrize("place", [SITE, "opt/python", "app", "app/vendor"])
@pytest.mark.parametrize("name", ["numpy/_core/_umath", "_speed"])
def test_a_module_of_another_python_without_metadata(place: str, name: str) -> None:
    tree: dict[str, Content] = {f"{place}/{name}{FOREIGN}": module(), f"{place}/main.py": "x"}
    config: dict[str, Any] = {
        "env": ["PYTHONPATH=/opt/python:vendor"],
        "working_dir": "/app",
        "cmd": ["python3.13"],
    }
    finding = only(debian(), tree, **config)
    assert (finding.rule, finding.severity) == ("wrong-abi", "error")
    top = name.partition("/")[0]
    assert finding.message == (
        f"{top} in /{place} cannot be imported by Python 3.13.1 in /usr/local/bin/python3.13:"
        f" its modules are named {FOREIGN}"
    )
    assert finding.subject == f"{top} usr/local/bin/python3.13"


@pytest.mark.parametrize(
    "path",
    [
        "srv/other/numpy/_umath{}",  # nobody imports from there
        "app/.venv-old/x/_umath{}",
        "app/node_modules/a-b/_umath{}",
        "app/tests/_umath{}",
        "app/pkg/testdata/_umath{}",
        "app/build/lib.linux-x86_64-cpython-312/_umath{}",
    ],
)
def test_modules_of_another_python_that_nothing_imports(path: str) -> None:
    tree: dict[str, Content] = {path.format(FOREIGN): module(), "app/main.py": "x"}
    assert findings(debian(), tree, working_dir="/app", cmd=["python3.13", "main.py"]) == []


def test_the_directory_of_the_script_that_is_started() -> None:
    tree: dict[str, Content] = {"srv/job.py": "x", f"srv/fast{FOREIGN}": module()}
    started = findings(debian(), tree, cmd=["python3.13", "/srv/job.py"])
    assert worst(started) == {"wrong-abi": "error"}
    assert findings(debian(), tree, cmd=["python3.13"]) == []


def test_source_beside_a_compiled_module_is_imported_instead() -> None:
    source = {f"md/_c{FOREIGN}": module(), "md/_c.py": b"x"}
    assert worst(findings(debian(), wheel("md", source, TWELVE))) == {
        "incompatible-wheel": "warning"
    }
    both = wheel("md", source | {f"md/_d{FOREIGN}": module()}, TWELVE)
    assert worst(findings(debian(), both)) == {"wrong-abi": "error"}


def test_modules_that_a_package_does_without_are_a_note() -> None:
    markup = {f"markupsafe/_speedups{FOREIGN}": module(), "markupsafe/__init__.py": b"x"}
    finding = only(debian(), wheel("MarkupSafe", markup, TWELVE))
    assert (finding.rule, finding.severity) == ("wrong-abi", "note")
    assert finding.evidence[-1].what == (
        "markupsafe/__init__.py of MarkupSafe 3.0.4 falls back to markupsafe/_native.py where that"
        " import fails"
    )


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


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        ({"x/data/libx.so": "aarch64", "x/a.py": ""}, "wrong-architecture"),
        ({"x/data/arm/libx.so": "aarch64", "x/data/intel/libx.so": "x86_64"}, ""),
        ({f"x/_c{SUFFIX}": "x86_64", "x/data/libx.so": "aarch64"}, ""),
        ({"x/tests/data/y.so": "aarch64", "x/a.py": ""}, ""),
        ({"x/_c.abi3.so": "aarch64"}, "wrong-architecture"),
    ],
)
def test_files_for_other_machines(files: dict[str, str], rule: str) -> None:
    tree = {
        path: elf(machine=machine, needed=["libc.so.6"]) if machine else b"code"
        for path, machine in files.items()
    }
    assert set(worst(findings(debian(), wheel("x", tree)))) == ({rule} if rule else set())


def test_the_same_for_a_package_without_metadata() -> None:
    tree: dict[str, Content] = {
        f"{SITE}/fast/_c{SUFFIX}": module(["libpq.so.5"]),
        f"{SITE}/fast/__init__.py": "import fast._c",
    }
    finding = only(debian(), tree)
    assert finding.message == f"fast in /{SITE} needs libpq.so.5, which the loader does not find"
    assert finding.subject == "fast libpq.so.5"


def test_pythonpath_is_for_all_pythons_and_a_bundle_for_one() -> None:
    second = debian_python("3.11.2")
    tree: dict[str, Content] = {f"opt/python/x/_c{SUFFIX}": module()}
    config: dict[str, Any] = {"env": ["PYTHONPATH=/opt/python"], "cmd": ["python3.13"]}
    assert "wrong-abi" not in worst(findings({**debian(), **second}, tree, **config))
    other: dict[str, Content] = {"opt/python/x/_c.cpython-311-x86_64-linux-gnu.so": module()}
    assert worst(findings({**debian(), **second}, other, **config))["wrong-abi"] == "error"


def test_the_glibc_here_is_its_own_version_and_not_that_of_libm() -> None:
    libm = elf(soname="libm.so.6", needed=["libc.so.6"], verdef=["GLIBC_2.29", "GLIBC_2.35"])
    needs = {"libm.so.6": ["GLIBC_2.38"], "libc.so.6": ["GLIBC_2.38"]}
    built = wheel("x", {f"x/_c{SUFFIX}": module(["libm.so.6"], verneed=needs)}, ())
    finding = only({**debian(), f"{LIB}/libm.so.6": libm}, built)
    assert finding.message == (
        "x 1.0 needs GLIBC_2.38 of libc.so.6 and libm.so.6, and the glibc here is 2.36"
    )
    text = " ".join([finding.message, finding.fix, *(each.what for each in finding.evidence)])
    assert "2.35" not in text
    assert "manylinux_2_36 or older" in finding.fix


def test_glibc_that_does_not_say_its_version_has_it_from_the_package() -> None:
    silent = {f"{LIB}/libc.so.6": elf(soname="libc.so.6", verdef=GLIBC)}
    built = wheel("x", {f"x/_c{SUFFIX}": module(verneed={"libc.so.6": ["GLIBC_2.38"]})}, ())
    package = dpkg_status({"libc6": {"Version": "2.36-9+deb12u10", "files": silent}})
    finding = only({**debian(), **package}, built)
    assert finding.message == "x 1.0 needs GLIBC_2.38 of libc.so.6, and the glibc here is 2.36"
    assert finding.evidence[-1].what == "GNU C Library 2.36-9+deb12u10, as dpkg has it"


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


def test_what_auditwheel_bundled_is_no_library_copied_by_hand() -> None:
    tree: dict[str, Content] = {
        f"opt/python/numpy/_core/_umath{SUFFIX}": module(
            ["libblas64_.so"], runpath="$ORIGIN/../../numpy.libs"
        ),
        "opt/python/numpy.libs/libblas64_.so": elf(soname="libblas64_.so", needed=["libc.so.6"]),
    }
    assert findings(debian(), tree, env=["PYTHONPATH=/opt/python"]) == []
