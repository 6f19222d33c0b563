"""The cache where everything goes wrong: damage, kills, full disks, other versions, and lies.

scripts/fuzz_cache and scripts/check_faults do the same at length; here they run briefly.
"""

import contextlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyimginspect import inspect
from pyimginspect.cli import main
from pyimginspect.errors import PyimginspectError
from pyimginspect.layers import cache as cache_module
from pyimginspect.layers.cache import Cache
from pyimginspect.layers.digests import digest_of
from pyimginspect.layers.index_codec import StoredIndexError, decode_index, encode_index
from pyimginspect.layers.probes import version_key
from pyimginspect.model import Digest, LayerIndex
from tests.images import compress, docker_archive, image, layer, oci_archive, oci_files, tar
from tests.layouts import layout
from tests.servers import Answer, FakeRegistry

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = image([{"etc/os-release": "ID=debian\n"}, {"a": "1" * 90_000}], tag="acme/a:1")
OTHER = image([{"etc/os-release": "ID=debian\n"}, {"b": "2" * 90_000}], tag="acme/b:1")
FILE = cache_module.cache_file("x").name


def script(name: str, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "scripts" / name), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def archive(place: Path, name: str = "image.tar") -> str:
    path = place / name
    path.write_bytes(oci_archive(SAMPLE, compression="gzip"))
    return str(path)


# --- damage ---------------------------------------------------------------------------------------
@pytest.mark.slow
def test_changed_bytes_make_no_other_report() -> None:
    assert "0 false reports" in script("fuzz_cache", "0", "100")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"CREATE TABLE layers", b"CREATE T\xaeBLE layers"),  # repeated in a message, no UTF-8
        (b"CREATE TABLE layers", b"CREATE TABLE l yers"),
        (b"\x00\x00\x00\x04\x00\x00", b"\x00\x00\x00\x07\x00\x00"),  # "unsupported file format"
    ],
)
def test_a_damaged_schema_is_no_error(old: bytes, new: bytes, tmp_path: Path) -> None:
    reference = archive(tmp_path)
    with Cache(tmp_path / "cache") as cache:
        expected = inspect(reference, cache=cache).to_json()
    file = tmp_path / "cache" / FILE
    data = file.read_bytes()
    assert old in data
    file.write_bytes(data.replace(old, new, 1))
    said: list[str] = []
    for _ in range(2):
        with Cache(tmp_path / "cache", warn=said.append) as cache:
            assert inspect(reference, cache=cache).to_json() == expected
    assert len(said) <= 1


@pytest.mark.parametrize("value", [None, 7, "text", 1.5])
@pytest.mark.parametrize("column", ["layers.data", "documents.data", "total.size", "uses.size"])
def test_a_value_of_another_type(column: str, value: object, tmp_path: Path) -> None:
    """One changed byte of a row's header makes a blob, or a number, of another type."""
    reference = archive(tmp_path)
    with Cache(tmp_path / "cache") as cache:
        expected = inspect(reference, cache=cache).to_json()
        cache.put_document(b"{}")
    table, _, name = column.partition(".")
    with contextlib.closing(sqlite3.connect(tmp_path / "cache" / FILE)) as database:
        for (trigger,) in [
            *database.execute("SELECT name FROM sqlite_master WHERE type='trigger'")
        ]:
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute(f"UPDATE {table} SET {name} = ?", (value,))
        database.execute("DELETE FROM reports")
        database.commit()
    with Cache(tmp_path / "cache", size=10_000, warn=lambda _: None) as cache:
        assert cache.get_document(digest_of(b"{}")) in (None, b"{}")
        assert inspect(reference, cache=cache).to_json() == expected


def test_an_index_of_an_unknown_kind() -> None:
    data = encode_index(LayerIndex(size=7))
    for first in range(256):
        if bytes([first]) != data[:1] and first != 2:
            with pytest.raises(StoredIndexError):
                decode_index(bytes([first]) + data[1:])


# --- faults ---------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler"
)
def test_killed_and_full_at_some_changes() -> None:
    assert script("check_faults", "--every", "61").count("; 0 bad") == 4


def test_a_home_that_vanishes(tmp_path: Path) -> None:
    reference = archive(tmp_path)
    expected = inspect(reference).to_json()
    said: list[str] = []
    with Cache(tmp_path / "home/cache", warn=said.append) as cache:
        assert inspect(reference, cache=cache).to_json() == expected
        shutil.rmtree(tmp_path / "home")
        for _ in range(2):
            assert inspect(reference, cache=cache).to_json() == expected
    with Cache(tmp_path / "home/cache", warn=said.append) as cache:
        assert inspect(reference, cache=cache).to_json() == expected


def test_clocks_that_go_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = archive(tmp_path)
    expected = inspect(reference).to_json()
    chance = random.Random(1)
    for name in ("time", "monotonic"):
        real = getattr(time, name)
        monkeypatch.setattr(time, name, lambda real=real: real() - chance.randrange(1_000_000_000))
    for _ in range(5):
        with Cache(tmp_path / "cache") as cache:
            assert inspect(reference, cache=cache).to_json() == expected


def test_two_versions_at_one_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finds its own entries, whoever wrote last, and neither those of the other."""
    reference = archive(tmp_path)
    expected = inspect(reference).to_json()
    usual = version_key

    def other(*arguments: object) -> str:
        return "elf=999,texts=999"

    for turn in range(4):
        monkeypatch.setattr(cache_module, "version_key", other if turn % 2 else usual)
        monkeypatch.setattr(
            "pyimginspect.report_cache.code_identity", lambda turn=turn: f"version {turn % 2}"
        )
        with Cache(tmp_path / "cache") as cache:
            if turn % 2:  # its indexes are of another kind
                for diff_id in SAMPLE.diff_ids:
                    cache.put(Digest(diff_id), None, LayerIndex(size=turn))
                assert cache.get(Digest(SAMPLE.diff_ids[0]), None) == LayerIndex(size=turn)
            else:
                assert inspect(reference, cache=cache).to_json() == expected


# --- lies -----------------------------------------------------------------------------------------
EVIL = layer({"etc/os-release": "ID=evil\n", "usr/bin/evil": "x" * 5000})


def lying_archives(place: Path) -> list[str]:
    """Archives of the sample whose first layer is another one, in every form."""
    found = []
    for how in (None, "gzip", "zstd"):
        blobs = [compress(EVIL, how), *(compress(blob, how) for blob in SAMPLE.layers[1:])]
        for name, data in (
            ("oci", tar(layout(SAMPLE, blobs))),
            ("docker", docker_archive(SAMPLE).replace(SAMPLE.layers[0], EVIL)),
        ):
            path = place / f"{name}-{how}.tar"
            path.write_bytes(data)
            found.append(str(path))
        whole = place / f"whole-{how}.tar"
        whole.write_bytes(compress(tar(layout(SAMPLE, blobs)), "gzip"))
        found.append(str(whole))
    return found


class Lying(FakeRegistry):
    """A registry that has other bytes under the digest of a layer."""

    mode = "always"

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        status, more, data = super().answer(method, path, headers)
        if "/blobs/" in path and len(data) > 3000:
            if self.mode == "always":
                return status, more, compress(EVIL, "gzip")
            if self.mode == "resumed" and status == 206:
                data = bytes(len(data))
            if self.mode == "doubled":
                data = data[: len(data) // 2] * 2
        return status, more, data


@pytest.mark.parametrize("verify", [False, True])
def test_lies_change_no_other_report(
    verify: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an archive or a registry claims, honest images are reported as without a cache."""
    monkeypatch.setattr("pyimginspect.sources.registry.wait", lambda *_: None)
    honest = []
    for number, one in enumerate((SAMPLE, OTHER)):
        for form, data in (
            ("oci", oci_archive(one, compression="gzip")),
            ("docker", compress(docker_archive(one), "gzip")),
        ):
            path = tmp_path / f"honest-{number}-{form}.tar"
            path.write_bytes(data)
            honest.append(str(path))
    expected = [inspect(reference).to_json() for reference in honest]
    noise = image([layer({"r": random.Random(1).randbytes(9000)})])
    refused = 0
    with Cache(tmp_path / "cache") as cache, Lying() as registry:
        references = lying_archives(tmp_path)
        files = oci_files(noise, compression="gzip")
        references.append(registry.add("acme/a", "1", noise, files=files))
        for mode in ("always", "resumed", "doubled"):
            registry.mode = mode
            registry.break_after(4000, times=1)
            for reference in references:
                try:
                    inspect(reference, cache=cache, verify=verify)
                except PyimginspectError:
                    refused += 1
        assert refused > 3
        assert [inspect(reference, cache=cache).to_json() for reference in honest] == expected
        assert [inspect(reference, cache=cache).to_json() for reference in honest] == expected


def test_an_archive_that_claims_the_layers_of_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report kept for one image is given for no other that claims its configuration."""
    reference = archive(tmp_path)
    options = ["--cache-dir", str(tmp_path / "cache"), "-f", "json", "--quiet"]
    main([reference, *options])
    capsys.readouterr()
    liar = tmp_path / "liar.tar"
    data = docker_archive(OTHER)
    old, new = (json.dumps(list(each.diff_ids)).encode() for each in (OTHER, SAMPLE))
    liar.write_bytes(data.replace(old, new) if old in data else data)
    main([str(liar), "--no-cache", "-f", "json", "--quiet"])
    plain = capsys.readouterr()
    main([str(liar), *options])
    cached = capsys.readouterr()
    assert cached == plain
