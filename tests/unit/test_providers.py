"""Which package of which system has a library, and what a fix says where nobody knows."""

import re
from pathlib import Path
from typing import Any

import pytest

from pyimginspect.inventory.facts import OperatingSystem
from pyimginspect.inventory.providers import advice, debian_packages, dlopened, provider
from pyimginspect.inventory.tables import read_table


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
    raspbian = OperatingSystem(id="raspbian", id_like=("debian",), version_id="13")
    assert provider("libssl.so.3", raspbian) == "libssl3t64"
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
        ("libcuda.so.1", "debian", "Run the container with the NVIDIA Container Toolkit"),
        ("libgomp-a34b3233.so.1.0.0", "debian", "Install the distribution again: libgomp-a34b3233"),
        ("libpython3.13.so.1.0", "debian", "Install the distribution with the Python that imports"),
    ],
)
def test_what_to_do_where_no_package_is_known(soname: str, system: str, said: str) -> None:
    assert advice(soname, OperatingSystem(id=system, version_id="12")).startswith(said)


def test_what_dnf_calls_a_library_of_32_bits() -> None:
    fedora = OperatingSystem(id="fedora", version_id="40")
    assert "(dnf provides 'libx.so.3()(64bit)')" in advice("libx.so.3", fedora)
    assert "(dnf provides libx.so.3)" in advice("libx.so.3", fedora, 32)


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
