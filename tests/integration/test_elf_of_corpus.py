"""Our ELF reader against `readelf` and pyelftools, on every ELF file of the corpus."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyimginspect import open_image
from tests.integration.conftest import BuiltCorpus, missing
from tests.unit.test_elf_oracles import compare_with_pyelftools, from_readelf, ours, plain

IMAGES = ("slim", "good", "full", "bad", "alpine")
MAGIC = b"\x7fELF"


def elf_files(export: Path, target: Path) -> Iterator[tuple[str, Path]]:
    """The ELF files of a container, one at a time, in a file of this machine."""
    with tarfile.open(export) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None and content.read(4) == MAGIC:
                content.seek(0)
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file, 1 << 20)
                yield member.name, target


@pytest.mark.parametrize("name", IMAGES)
def test_readelf_and_pyelftools_agree(name: str, corpus: BuiltCorpus, tmp_path: Path) -> None:
    if not shutil.which("readelf"):
        missing("readelf (binutils) is not installed")
    with open_image(str(corpus.archive(name))) as image:
        facts = dict(image.rootfs.elf)
    hard_links = {path for paths in image.rootfs.hard_links.values() for path in paths}
    seen = set()
    different = []
    for path, file in elf_files(corpus.export(name), tmp_path / "file"):
        seen.add(path)
        if ours(file) != facts[path] or plain(ours(file)) != from_readelf(file):
            different.append(path)
        compare_with_pyelftools(file)
    assert different == []
    assert len(seen) > 50
    assert facts.keys() - seen <= hard_links  # of which a tar holds the content once
