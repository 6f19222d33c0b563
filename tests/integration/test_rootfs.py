"""The final file system of real images equals what `docker export` of a container lists."""

import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

import pyimginspect
from pyimginspect.rootfs import Node, RootFS
from tests.integration.conftest import BuiltCorpus

# What a Docker Engine puts into every container that it makes, whatever the image holds.
ADDED_BY_THE_ENGINE = {
    ".dockerenv",
    "dev",
    "dev/console",
    "dev/pts",
    "dev/shm",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "proc",
    "sys",
}
IMAGES = ("slim", "bad", "good", "full", "alpine")


class Seen(NamedTuple):
    """What both sides tell of one path."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    target: str


KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "character",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}


def exported(path: Path) -> tuple[dict[str, Seen], set[frozenset[str]]]:
    """What `docker export` lists, and which of its paths are one file."""
    found: dict[str, Seen] = {}
    links: dict[str, set[str]] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.strip("/")
            if member.islnk():
                target = member.linkname.strip("/")
                found[name] = found[target]
                links.setdefault(target, {target}).add(name)
                continue
            found[name] = Seen(
                kind=KINDS[member.type],
                mode=member.mode & 0o7777,
                uid=member.uid,
                gid=member.gid,
                size=member.size if member.isreg() else 0,
                target=member.linkname if member.issym() else "",
            )
    return found, {frozenset(names) for names in links.values()}


def seen(node: Node) -> Seen:
    entry = node.content.entry
    return Seen(
        kind=node.kind,
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
        size=entry.size,
        target=entry.target,
    )


def hard_links(rootfs: RootFS) -> set[frozenset[str]]:
    names: dict[tuple[int, int], set[str]] = {}
    for path, node in rootfs.nodes.items():
        content = node.content
        if content.position >= 0:
            names.setdefault((content.layer, content.position), set()).add(path)
    return {frozenset(paths) for paths in names.values() if len(paths) > 1}


@pytest.mark.parametrize("name", IMAGES)
def test_the_file_system_is_what_docker_exports(corpus: BuiltCorpus, name: str) -> None:
    corpus.require(name)
    theirs, their_links = exported(corpus.export(name))
    with pyimginspect.open_image(str(corpus.archive(name))) as image:
        rootfs = image.rootfs
        ours = {path: seen(rootfs[path]) for path in rootfs if path}
    differing = {
        path: (ours.get(path), theirs.get(path))
        for path in ours.keys() | theirs.keys()
        if path not in ADDED_BY_THE_ENGINE and ours.get(path) != theirs.get(path)
    }
    assert differing == {}
    assert hard_links(rootfs) == their_links
    assert len(ours) > 400


@pytest.mark.parametrize("name", IMAGES)
def test_the_accounts_add_up_to_what_the_layers_store(corpus: BuiltCorpus, name: str) -> None:
    corpus.require(name)
    with pyimginspect.open_image(str(corpus.archive(name))) as image:
        for layer, account in zip(image.layers, image.ledger.layers, strict=True):
            assert account.stored == sum(entry.stored for entry in layer.index.entries)
            assert account.stored == account.live + account.waste
        live = sum(
            node.size
            for node in image.rootfs.nodes.values()
            if node.kind == "file" and node.origin is None
        )
        assert sum(account.live for account in image.ledger.layers) == live
