"""The cache of one file an entry: whole or not at all, and trimmed by use."""

import os
import threading
import time
from pathlib import Path

import pytest

from pyimginspect.errors import CacheError
from pyimginspect.fleet.folder_cache import FolderCache
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.layers.digests import digest_of
from pyimginspect.model import Digest, LayerIndex
from tests.images import layer

LAYERS = {digest_of(tar): index_layer(BytesBlob(data=tar)).index
          for tar in (layer({f"f{n}": "x" * n}) for n in range(6))}  # fmt: skip


def filled(place: Path) -> FolderCache:
    cache = FolderCache(place)
    for number, (diff_id, index) in enumerate(LAYERS.items()):
        cache.put(diff_id, None, index)
        (path,) = set(files(place)) - set(seen(place))
        os.utime(path, (0, time.time() - 10_000 + number))
    return cache


def files(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file()]


def seen(place: Path) -> list[Path]:
    """The files that have had their time set."""
    return [path for path in files(place) if path.stat().st_mtime < time.time() - 5000]


def there(cache: FolderCache) -> list[bool]:
    return [cache.holds(diff_id) for diff_id in LAYERS]


def test_what_was_put_is_there(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    assert {diff_id: cache.get(diff_id, None) for diff_id in LAYERS} == LAYERS
    assert cache.get(None, next(iter(LAYERS))) is None
    document = b'{"a": 1}'
    cache.put_document(document)
    assert cache.get_document(digest_of(document)) == document
    cache.put_report(digest_of(b"key"), b"report")
    assert cache.get_report(digest_of(b"key")) == b"report"


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    sizes = [
        path.stat().st_size for path in sorted(files(tmp_path), key=lambda p: p.stat().st_mtime)
    ]
    first, second = [*LAYERS][:2]
    assert cache.get(first, None) is not None  # used now
    assert cache.holds(second)  # a look is no use
    assert cache.trim(sum(sizes)) == 0
    assert there(cache) == [True] * 6
    left = sizes[0] + sizes[4] + sizes[5]
    assert cache.trim(left) == sum(sizes) - left
    assert there(cache) == [True, False, False, False, True, True]
    assert cache.trim(0) == left
    assert there(cache) == [False] * 6


def test_what_is_being_written_is_left_alone(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    fresh, old = (files(tmp_path)[0].parent / name for name in (".fresh", ".old"))
    for path in (fresh, old):
        path.write_bytes(b"x" * 100)
    os.utime(old, (0, time.time() - 2 * 24 * 3600))
    assert cache.trim(1 << 30) == 100
    assert fresh.exists()
    assert not old.exists()
    assert there(cache) == [True] * 6


@pytest.mark.parametrize("damage", [b"", b"x" * 10, None])
def test_a_damaged_file_is_none(damage: bytes | None, tmp_path: Path) -> None:
    cache = filled(tmp_path)
    for path in files(tmp_path):
        data = path.read_bytes()
        path.write_bytes(damage if damage is not None else data[:-1] + bytes([data[-1] ^ 1]))
    assert [cache.get(diff_id, None) for diff_id in LAYERS] == [None] * 6


def test_a_full_disk_keeps_nothing_and_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FolderCache(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    diff_id, index = next(iter(LAYERS.items()))
    cache.put(diff_id, None, index)
    assert cache.get(diff_id, None) is None
    assert files(tmp_path) == []


def test_a_place_that_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="cannot be used as a cache"):
        FolderCache(tmp_path / "file")


def test_many_at_once_see_whole_files(tmp_path: Path) -> None:
    """Writers, readers and one who trims: what is found is right, what is not is none."""
    stop = threading.Event()
    wrong: list[Digest] = []

    def use(number: int) -> None:
        cache = FolderCache(tmp_path)
        while not stop.is_set():
            for diff_id, index in LAYERS.items():
                if number % 2:
                    cache.put(diff_id, None, index)
                found: LayerIndex | None = cache.get(diff_id, None)
                if found is not None and found != index:
                    wrong.append(diff_id)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        FolderCache(tmp_path).trim(200)
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
