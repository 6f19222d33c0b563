from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.apt import Source, machine_sources

DEB822 = """\
# of the installer
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://elsewhere.test/node
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: bookworm
"""

ONE_LINE = """\
# deb http://commented.test/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.test/debian bookworm main
deb-src http://mirror.test/debian bookworm main
deb http://mirror.test/security bookworm-security main
deb http://mirror.test/debian trixie main
"""

MAIN = Source(suite="bookworm", uri="http://mirror.test/debian")
UPDATES = Source(suite="bookworm-updates", uri="http://mirror.test/debian")
SECURITY = Source(suite="bookworm-security", uri="http://mirror.test/security")
FALLBACK = Source(suite="bookworm", uri="http://deb.debian.org/debian")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sources.list.d/debian.sources": DEB822}, (MAIN, SECURITY, UPDATES)),
        ({"sources.list": ONE_LINE}, (MAIN, SECURITY)),
        ({"sources.list.d/a.list": ONE_LINE, "sources.list": ONE_LINE}, (MAIN, SECURITY)),
        ({"sources.list.d/debian.sources.disabled": DEB822}, (FALLBACK,)),
        ({"sources.list": "deb http://mirror.test/debian trixie main\n"}, (FALLBACK,)),
        ({}, (FALLBACK,)),
    ],
    ids=["deb822", "one-line", "both", "disabled", "another-release", "none"],
)
def test_mirrors_of_debian_12_are_found(
    tmp_path: Path, files: dict[str, str], expected: tuple[Source, ...]
) -> None:
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert machine_sources(tmp_path) == expected


def test_a_source_reads_back_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    listing = "\n".join(source.stanza() for source in (MAIN, SECURITY, UPDATES))
    (tmp_path / "sources.list.d" / "debian.sources").write_text(listing)

    assert machine_sources(tmp_path) == (MAIN, SECURITY, UPDATES)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"sources.list": ONE_LINE},
            (
                Source(suite="trixie", uri="http://mirror.test/debian"),
                Source(suite="trixie-security", uri="http://mirror.test/security"),
            ),
        ),
        ({}, (Source(suite="trixie", uri="http://deb.debian.org/debian"),)),
    ],
    ids=["of-the-machine", "none"],
)
def test_the_mirrors_serve_another_release_as_well(
    tmp_path: Path, files: dict[str, str], expected: tuple[Source, ...]
) -> None:
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert machine_sources(tmp_path, suite="trixie") == expected
