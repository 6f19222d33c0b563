"""CPython's source, from Debian: the upstream tarball is a part of Debian's source package."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
from pathlib import Path
from typing import Final

from tests.corpus.apt import SUITE, machine_sources
from tests.corpus.command import BuildError, run

VERSION: Final = "3.11.2"
PACKAGE: Final = "python3.11"
# Of Python-3.11.2.tgz as python.org publishes it; Debian keeps it unchanged.
SHA256: Final = "2411c74bda5bbcfcddaf4531f66d1adc73f247f529aee981b029513aefdbf849"
ARCHIVE: Final = f"Python-{VERSION}.tar.xz"


def make(target: Path) -> None:
    """Write `ARCHIVE` into the directory `target`: the form that the official recipe unpacks.

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
        "\n".join(s.stanza(types="deb-src") for s in machine_sources() if s.suite == SUITE)
    )
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",  # The unprivileged user may not write here.
    }
    flags = [f"--option={name}={value}" for name, value in options.items()]
    for command in (["update"], ["source", "--download-only", PACKAGE]):
        run(["apt-get", "--quiet=2", *flags, *command], cwd=apt / "source")
    (tarball,) = (apt / "source").glob(f"{PACKAGE}_{VERSION}.orig.tar.gz")
    content = tarball.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise BuildError(f"{tarball.name} is not Python-{VERSION}.tgz as published by python.org")
    (target / ARCHIVE).write_bytes(lzma.compress(gzip.decompress(content), preset=1))
    shutil.rmtree(apt)
