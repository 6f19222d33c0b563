"""The ledger against a replay of the layers with `tarfile`, on every image of the corpus."""

import hashlib
import json
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

import pyimginspect
from pyimginspect.plan import break_down_layers
from tests.corpus.recipes import RECIPES
from tests.integration.conftest import BuiltCorpus


@dataclass(eq=False)
class _Content:
    """Bytes that a layer stores, under how many names, and where to read them again."""

    layer: int
    path: str
    member: tarfile.TarInfo
    names: int = 1

    @property
    def metadata(self) -> tuple[object, ...]:
        m = self.member
        xattrs = {k: v for k, v in m.pax_headers.items() if k.startswith("SCHILY.xattr.")}
        return (m.mode & 0o7777, m.uid, m.gid, int(m.mtime), tuple(sorted(xattrs.items())))


WastedFile = tuple[int, str, int, int, str]
"""Layer, path, the layer that took it away, bytes, account."""


class _Replay:
    """Dictionaries of paths, changed layer by layer as the OCI specification says."""

    def __init__(self, archive: Path) -> None:
        self.stored: list[int] = []
        self.wasted_files: list[WastedFile] = []
        self._files: dict[str, _Content | None] = {}  # None: no regular file
        self._directories: set[str] = set()
        with tarfile.open(archive) as outer:
            manifest = outer.extractfile("manifest.json")
            assert manifest is not None
            self._tars = [
                tarfile.open(fileobj=outer.extractfile(name))  # noqa: SIM115 - read later
                for name in json.load(manifest)[0]["Layers"]
            ]
            for number, tar in enumerate(self._tars):
                self._apply(number, tar.getmembers())

    def _apply(self, layer: int, members: list[tarfile.TarInfo]) -> None:
        self.stored.append(sum(member.size for member in members if member.isreg()))
        for member in members:
            for path in self._hidden(member.name):
                self._remove(path, layer, None)
        for member in members:
            if not member.name.rpartition("/")[2].startswith(".wh."):
                self._put(layer, member)

    def _hidden(self, path: str) -> list[str]:
        """What a member hides, if it is a whiteout."""
        parent, _, name = path.rpartition("/")
        if name == ".wh..wh..opq":
            return self._below(parent)
        if name.startswith(".wh."):
            victim = f"{parent}/{name[4:]}".lstrip("/")
            return [victim, *self._below(victim)]
        return []

    def _put(self, layer: int, member: tarfile.TarInfo) -> None:
        path = member.name
        if member.isdir():
            if path in self._files:
                self._remove(path, layer, None)
            self._directories.add(path)
            return
        linked = self._files[member.linkname] if member.islnk() else None
        if linked is not None and self._files.get(path) is linked:
            return
        content = _Content(layer, path, member) if member.isreg() else linked
        if linked is not None:
            linked.names += 1
        if path in self._directories:
            for below in [path, *self._below(path)]:
                self._remove(below, layer, _Content(layer, path, member))
        if path in self._files:
            replaced = content if member.isreg() and content is not None else member
            self._remove(path, layer, replaced)
        self._files[path] = content

    def _below(self, path: str) -> list[str]:
        prefix = f"{path}/" if path else ""
        return [p for p in [*self._files, *self._directories] if p.startswith(prefix) and p != path]

    def _remove(self, path: str, removed_in: int, by: _Content | tarfile.TarInfo | None) -> None:
        self._directories.discard(path)
        content = self._files.pop(path, None)
        if content is None:
            return
        content.names -= 1
        if content.names == 0 and content.member.size:
            account = "removed" if by is None else self._compare(content, by)
            size = content.member.size
            self.wasted_files.append((content.layer, content.path, removed_in, size, account))

    def _compare(self, old: _Content, new: _Content | tarfile.TarInfo) -> str:
        if not isinstance(new, _Content) or not new.member.isreg():
            return "content_changed"
        if old.layer == new.layer:
            return "repeated"
        if old.member.size != new.member.size or self._digest(old) != self._digest(new):
            return "content_changed"
        return "unchanged" if old.metadata == new.metadata else "metadata_changed"

    def _digest(self, content: _Content) -> bytes:
        file = self._tars[content.layer].extractfile(content.member)
        assert file is not None
        return hashlib.sha256(file.read()).digest()


@pytest.mark.parametrize("name", RECIPES)
def test_the_ledger_equals_a_replay_to_the_byte(corpus: BuiltCorpus, name: str) -> None:
    archive = corpus.archive(name)
    replay = _Replay(archive)
    with pyimginspect.open_image(f"docker-archive:{archive}") as image:
        ledger = image.ledger
    assert [account.stored for account in ledger.layers] == replay.stored
    found = [
        (wasted.layer, wasted.path, wasted.removed_in, wasted.size, wasted.account)
        for wasted in ledger.wasted_files
    ]
    assert Counter(found) == Counter(replay.wasted_files)
    for account in ledger.layers:
        wasted = [wasted for wasted in replay.wasted_files if wasted[0] == account.layer]
        assert account.live == account.stored - sum(wasted[3] for wasted in wasted)
        for kind in (
            "unchanged",
            "metadata_changed",
            "content_changed",
            "removed",
            "repeated",
        ):
            assert getattr(account, kind) == sum(
                wasted[3] for wasted in wasted if wasted[4] == kind
            ), kind


@pytest.mark.parametrize("name", RECIPES)
def test_the_breakdowns_add_up(corpus: BuiltCorpus, name: str) -> None:
    with pyimginspect.open_image(f"docker-archive:{corpus.archive(name)}") as image:
        breakdowns = break_down_layers(image.inventory)
        ledger = image.ledger
    for breakdown in breakdowns:
        account = breakdown.account
        assert sum(breakdown.removed_by.values()) == account.removed
        assert sum(breakdown.overwritten_by.values()) == account.overwritten
        assert sum(share.live for share in breakdown.directories) <= account.live
        assert all(
            removed_in > breakdown.layer
            for removed_in in (*breakdown.removed_by, *breakdown.overwritten_by)
        )
    assert sum(breakdown.account.stored for breakdown in breakdowns) == ledger.stored
