"""The rule leftover-headers: layers in, findings out."""

from collections.abc import Mapping

from pyimginspect.analyzers import (
    leftover_headers,
)
from tests.images import (
    Content,
    Package,
    dist_info,
    elf,
)
from tests.inventories import apt
from tests.unit.rules.leftovers import BUILD, PQ, SITE, findings, package_list

PSYCOPG: Mapping[str, Content] = {
    f"{SITE}/psycopg2/_psycopg.so": elf(needed=["libpq.so.5", "libc.so.6"])
}


def test_headers_are_reported_apart_and_name_who_was_asked_for() -> None:
    (found,) = findings(leftover_headers.ANALYZER.run, apt(BUILD, manual=["build-essential"]))
    assert found.packages == ("libc6-dev", "libgcc-12-dev")
    assert found.subject == "build-essential"
    assert found.saving == 20 + 10 + len(package_list("libc6-dev")) + len(
        package_list("libgcc-12-dev")
    )


def test_a_library_that_a_file_in_use_needs_must_stay() -> None:
    (found,) = findings(leftover_headers.ANALYZER.run, apt(PQ, manual=["libpq-dev"]), PSYCOPG)
    assert found.packages == ("libpq-dev", "libssl-dev")
    proof = found.evidence[-1]
    assert proof.path == f"{SITE}/psycopg2/_psycopg.so"
    assert proof.package == "libpq5"
    assert proof.what.endswith("_psycopg.so needs libpq.so.5: libpq5 must stay")
    assert found.fix == (
        "Install them in a build stage only; or, if no later RUN builds, end this one with"
        " && apt-mark manual libpq5"
        " && apt-get purge -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false"
        " -o APT::AutoRemove::SuggestsImportant=false libpq-dev"
    )


def test_a_library_that_is_opened_by_name_must_stay_too() -> None:
    """No ELF header tells that python-magic opens libmagic."""
    packages: dict[str, Package] = {
        "libmagic-dev": {"Depends": "libmagic1", "files": {"usr/include/magic.h": "h" * 9}},
        "libmagic1": {
            "files": {"usr/lib/x86_64-linux-gnu/libmagic.so.1": elf(soname="libmagic.so.1")}
        },
    }
    magic = dist_info("python-magic", "0.4.27", site=SITE)
    layer = apt(packages, manual=["libmagic-dev"])
    (with_it,) = findings(leftover_headers.ANALYZER.run, layer, magic)
    assert with_it.packages == ("libmagic-dev",)
    assert with_it.evidence[-1].what.endswith("needs libmagic.so.1: libmagic1 must stay")
    assert with_it.evidence[-1].path == f"{SITE}/python_magic-0.4.27.dist-info"
    (without_it,) = findings(leftover_headers.ANALYZER.run, layer)
    assert without_it.packages == ("libmagic-dev", "libmagic1")


def test_a_library_that_nothing_needs_goes() -> None:
    (found,) = findings(leftover_headers.ANALYZER.run, apt(PQ, manual=["libpq-dev"]))
    assert found.packages == ("libpq-dev", "libpq5", "libssl-dev")
    assert "install" not in found.fix.partition("&&")[2]
