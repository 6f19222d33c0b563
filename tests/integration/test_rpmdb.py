"""rpm's databases against rpm itself: built here from packages built here, and real ones."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from pyimginspect.layers.rpmdb import read_rpmdb
from pyimginspect.model import RpmPackage
from tests.integration.conftest import missing
from tests.rpms import bdb_database

FIXTURES = Path(
    os.environ.get("PYIMGINSPECT_FIXTURES")
    or Path(__file__).resolve().parents[3] / "shared" / "fixtures"
)

SPECS = {
    "alpha": """\
Name: alpha
Version: 1.2
Release: 3.el9
Epoch: 2
Summary: a package with a bit of everything
License: MIT
Vendor: Example Corp.
BuildArch: noarch
Requires: beta >= 1, /bin/sh
Requires(pre): shadow
Recommends: gamma
Provides: virtual-alpha = 9
%description
.
%install
mkdir -p %{buildroot}/usr/share/alpha/deep %{buildroot}/usr/share/doc/alpha
echo hello > %{buildroot}/usr/share/alpha/deep/file
echo text > %{buildroot}/usr/share/doc/alpha/README
ln -s deep/file %{buildroot}/usr/share/alpha/link
%files
/usr/share/alpha
%doc /usr/share/doc/alpha/README
%ghost /usr/share/alpha/ghost
""",
    "beta": """\
Name: beta
Version: 1
Release: 1
Summary: a package of many files
License: MIT
BuildArch: noarch
%description
.
%install
mkdir -p %{buildroot}/opt/beta
for number in $(seq 500); do echo $number > %{buildroot}/opt/beta/file-$number; done
%files
/opt/beta
""",
    "empty": """\
Name: empty
Version: 0
Release: 0
Summary: a package without files
License: MIT
BuildArch: noarch
%description
.
%files
""",
}


def run(*command: str | Path, stdin: bytes = b"") -> str:
    result = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode("utf-8", "surrogateescape")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a database of three packages, which rpm made."""
    for program in ("rpm", "rpmbuild"):
        if shutil.which(program) is None:
            missing(f"there is no {program}")
    top = tmp_path_factory.mktemp("rpm")
    for name, text in SPECS.items():
        (top / f"{name}.spec").write_text(text)
        run("rpmbuild", "-bb", "--define", f"_topdir {top}", top / f"{name}.spec")
    packages = sorted((top / "RPMS").rglob("*.rpm"))
    assert len(packages) == len(SPECS)
    database = top / "database"
    install = ("--justdb", "--nodeps", "--force-debian", "--install")
    run("rpm", "--dbpath", database, *install, *packages)
    return database


def ask(folder: Path, form: str) -> list[str]:
    return run("rpm", "--dbpath", folder, "--query", "--queryformat", form, "--all").splitlines()


def assert_same(packages: Sequence[RpmPackage], folder: Path) -> None:
    """The packages are those that rpm finds in `folder`, to the last file."""
    form = "%{NAME}|%{VERSION}|%{RELEASE}|%{EPOCH}|%{ARCH}|%{VENDOR}|%{SOURCERPM}|%{LONGSIZE}\\n"
    ours = [
        "|".join(
            "(none)" if value in (None, "") else str(value)
            for value in (
                *(p.name, p.version, p.release, p.epoch, p.architecture, p.vendor, p.source),
                p.size,
            )
        )
        for p in packages
    ]
    assert sorted(ours) == sorted(ask(folder, form))
    lists = {
        "files": ("%{FILESTATES:fstate} %{FILENAMES}", "normal"),
        "requires": ("- %{REQUIRENAME}", "-"),
        "provides": ("- %{PROVIDENAME}", "-"),
        "recommends": ("- %{RECOMMENDNAME}", "-"),
    }
    for attribute, (form, state) in lists.items():
        rows = [line.split(" ", 2) for line in ask(folder, f"[%{{=NAME}} {form}\\n]")]
        expected = {
            (name, value.removeprefix("/"))
            for name, got, value in rows
            if got == state and not value.startswith("rpmlib(") and value != "(none)"
        }
        found = {(p.name, one.removeprefix("/")) for p in packages for one in getattr(p, attribute)}
        assert found == expected, attribute


def headers(database: Path) -> list[bytes]:
    with closing(sqlite3.connect(database)) as connection:
        return [blob for (blob,) in connection.execute("SELECT blob FROM Packages ORDER BY hnum")]


def test_a_database_built_here(folder: Path) -> None:
    packages = read_rpmdb("rpmdb.sqlite", (folder / "rpmdb.sqlite").read_bytes())
    assert [package.name for package in packages] == sorted(SPECS)
    assert_same(packages, folder)
    assert "usr/share/alpha/deep/file" in packages[0].files


def test_the_database_of_mariner(tmp_path: Path, folder: Path) -> None:
    fixture = FIXTURES / "rpmdb" / "cbl-mariner-2.0.rpmdb.sqlite"
    if not fixture.exists():
        pytest.skip(f"no {fixture.name} in {FIXTURES}")
    shutil.copy(fixture, tmp_path / "rpmdb.sqlite")
    packages = read_rpmdb("rpmdb.sqlite", fixture.read_bytes())
    assert len(packages) == 129
    assert_same(packages, tmp_path)


def test_the_database_of_suse(tmp_path: Path, folder: Path) -> None:
    """Debian's rpm reads no NDB: its headers are handed over in a database that it does read."""
    fixture = FIXTURES / "rpmdb" / "sle15-bci.Packages.db"
    if not fixture.exists():
        pytest.skip(f"no {fixture.name} in {FIXTURES}")
    data = fixture.read_bytes()
    blobs = []
    for place in range(0, len(data) - 16, 16):
        if data.startswith(b"BlbS", place):
            length = struct.unpack_from("<I", data, place + 12)[0]
            blobs.append(data[place + 16 : place + 16 + length])
    shutil.copy(folder / "rpmdb.sqlite", tmp_path / "rpmdb.sqlite")
    with closing(sqlite3.connect(tmp_path / "rpmdb.sqlite")) as connection:
        connection.execute("DELETE FROM Packages")
        connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(b,) for b in blobs])
        connection.commit()
    packages = read_rpmdb("Packages.db", data)
    assert "sles-release" in {package.name for package in packages}
    assert_same(packages, tmp_path)


def test_a_berkeley_database(tmp_path: Path, folder: Path) -> None:
    """Written by Berkeley DB itself, by way of Perl; Debian's rpm still reads such ones."""
    if subprocess.run(["perl", "-MDB_File", "-e1"], capture_output=True, check=False).returncode:
        missing("there is no Perl with DB_File")
    program = """
        use DB_File; use Fcntl;
        tie(my %db, "DB_File", $ARGV[0], O_RDWR | O_CREAT, 0644, $DB_HASH) or die $!;
        $db{pack("V", 0)} = pack("V", 1000);
        while (my $line = <STDIN>) {
            my ($key, $hex) = split(" ", $line);
            $db{pack("V", $key)} = pack("H*", $hex);
        }
    """
    blobs = headers(folder / "rpmdb.sqlite")
    lines = "".join(f"{key} {blob.hex()}\n" for key, blob in enumerate(blobs * 20, 1))
    run("perl", "-e", program, tmp_path / "Packages", stdin=lines.encode())
    once = read_rpmdb("rpmdb.sqlite", (folder / "rpmdb.sqlite").read_bytes())
    packages = read_rpmdb("Packages", (tmp_path / "Packages").read_bytes())
    assert packages == tuple(package for package in once for _ in range(20))
    listed = run(
        "rpm", "--define", "_db_backend bdb_ro", "--dbpath", tmp_path, "--query", "--all"
    ).split()
    assert sorted(listed) == sorted(
        f"{p.name}-{p.version}-{p.release}.{p.architecture}" for p in packages
    )


def test_the_builder_of_the_unit_tests_makes_what_rpm_reads(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "Packages").write_bytes(bdb_database(headers(folder / "rpmdb.sqlite")))
    listed = run(
        "rpm", "--define", "_db_backend bdb_ro", "--dbpath", tmp_path, "--query", "--all"
    ).split()
    assert sorted(listed) == ["alpha-1.2-3.el9.noarch", "beta-1-1.noarch", "empty-0-0.noarch"]
