"""CPython's source, from Debian: the upstream tarball is a part of Debian's source package."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.corpus.apt import SUITE, TRIXIE, machine_sources
from tests.corpus.command import BuildError, run


@dataclass(frozen=True)
class Release:
    """A release of CPython, and the Debian release that has it as source.

    `sha256` is that of the tarball as python.org publishes it; Debian keeps it unchanged.
    """

    version: str
    suite: str
    suffix: str
    sha256: str

    @property
    def package(self) -> str:
        """The name of Debian's source package."""
        return f"python{self.version.rpartition('.')[0]}"

    @property
    def archive(self) -> str:
        """The file that the official recipe unpacks."""
        return f"Python-{self.version}.tar.xz"


PYTHON_311: Final = Release(
    version="3.11.2",
    suite=SUITE,
    suffix="tar.gz",
    sha256="2411c74bda5bbcfcddaf4531f66d1adc73f247f529aee981b029513aefdbf849",
)
PYTHON_313: Final = Release(
    version="3.13.5",
    suite=TRIXIE,
    suffix="tar.xz",
    sha256="93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640",
)


def make(target: Path, *, release: Release = PYTHON_311) -> None:
    """Write the archive of `release` into the directory `target`.

    Raises:
        BuildError: apt-get failed, or what it brought is not the upstream tarball.
    """
    apt = target / "apt"
    for folder in ("lists/partial", "cache/archives/partial", "source"):
        (apt / folder).mkdir(parents=True)
    # Source packages need "deb-src" lines, which few machines have: a list of our own has them, and
    # the machine's lists stay as they are.
    sources = apt / "list.sources"
    sources.write_text(
        "\n".join(
            source.stanza(types="deb-src")
            for source in machine_sources(suite=release.suite)
            if source.suite == release.suite
        )
    )
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",  # The unprivileged user may not write here.
    }
    flags = [f"--option={name}={value}" for name, value in options.items()]
    for command in (["update"], ["source", "--download-only", release.package]):
        run(["apt-get", "--quiet=2", *flags, *command], cwd=apt / "source")
    (tarball,) = (apt / "source").glob(f"{release.package}_{release.version}.orig.{release.suffix}")
    content = tarball.read_bytes()
    if hashlib.sha256(content).hexdigest() != release.sha256:
        raise BuildError(f"{tarball.name} is not CPython {release.version} as python.org has it")
    if release.suffix == "tar.gz":
        content = lzma.compress(gzip.decompress(content), preset=1)
    (target / release.archive).write_bytes(content)
    shutil.rmtree(apt)
