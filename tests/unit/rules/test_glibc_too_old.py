"""The rule glibc-too-old: layers in, findings out."""

import pytest

from pyimginspect.analyzers import glibc_too_old
from tests.elf import elf
from tests.images import Content, File
from tests.systems import X86
from tests.trees import dpkg_status
from tests.unit.rules.loading import GLIBC, LIB, SITE, SUFFIX, debian, findings, module, only, wheel


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


@pytest.mark.parametrize("hostile", ["GLIBC_2.N", "GLIBC_N.2", "GLIBC_2.3.N"])
def test_a_version_of_thousands_of_digits_is_older_than_all_others(hostile: str) -> None:
    hostile = hostile.replace("N", "9" * 5000)  # int() raises ValueError
    ordered = [hostile, "GLIBC_2.9", "GLIBC_2.38"]
    versions = {"libc.so.6": ordered[::-1]}
    built = wheel("x", {f"x/_c{SUFFIX}": module(verneed=versions)}, ["cp313-cp313-linux_x86_64"])
    finding = only(debian(), built)
    assert finding.message.endswith(
        ", GLIBC_2.9 and GLIBC_2.38 of libc.so.6, and the glibc here is 2.36"
    )
    assert finding.fix.endswith("with glibc 2.38 or newer.")
    assert sorted(versions["libc.so.6"], key=glibc_too_old._order) == ordered


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
