"""The rule missing-dlopen-library: layers in, findings out."""

import pytest

from pyimginspect.inventory.providers import dlopened
from tests.elf import elf
from tests.trees import dist_info, dpkg_status
from tests.unit.rules.loading import LIB, SITE, debian, findings, module, only, wheel


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
