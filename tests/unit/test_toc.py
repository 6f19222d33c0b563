"""Layers read by their tables of contents: equal reports, fewer bytes, and no lie that spreads."""

import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import pyimginspect
from pyimginspect import Fleet, inspect_fleet
from pyimginspect.cli import main
from pyimginspect.errors import ManifestError
from pyimginspect.layers.cache import Cache
from pyimginspect.layers.toc import TocReference, toc_reference
from pyimginspect.layers.toc.annotations import Place
from pyimginspect.model import Digest, parse_digest
from pyimginspect.report import Report
from pyimginspect.sources.blob_ranges import read_together
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from pyimginspect.sources.transport import Transport
from tests.contents import (
    CHUNKED,
    ESTARGZ_DIGEST,
    ESTARGZ_SIZE,
    Document,
    Packed,
    estargz,
    gzipped,
    packed_files,
    zstd_chunked,
)
from tests.contract import assert_valid_image
from tests.fleets import in_threads
from tests.images import (
    Content,
    Device,
    Directory,
    Fifo,
    File,
    HardLink,
    Link,
    debian_base,
    digest,
    docker_archive,
    image,
    layer,
    official_env,
    official_python,
)
from tests.servers import FakeRegistry

__all__ = ["in_threads"]

Pack = Callable[..., Packed]
PACKS: dict[str, Pack] = {"zstd:chunked": zstd_chunked, "eStargz": estargz}


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that no compression makes smaller."""
    return random.Random(seed).randbytes(size)


BASE = layer(debian_base())
PYTHON = layer(official_python("3.13.1"))
APP = layer(
    [
        ("app/", Directory(mode=0o750, uid=1000)),
        ("app/weights.npy", noise(400_000)),
        ("app/start.sh", File("#!/bin/sh\nexec python3 -m app\n", mode=0o755)),
        ("app/run", File("#!/usr/bin/env python3\n", mode=0o755)),
        ("app/empty", b""),
        ("app/holes.data", noise(70_000) + bytes(200_000) + noise(5)),
        ("app/link", Link("../app/run")),
        ("app/other", HardLink("app/holes.data")),
        ("app/capable", File("x", pax={"SCHILY.xattr.user.note": "kept", "mtime": "1.5"})),
        ("app/größe" + "x" * 120, "long"),
        ("dev/null", Device(major=1, minor=3)),
        ("dev/pipe", Fifo()),
        ("usr/share/doc/.wh.python", b""),
        ("usr/local/lib/.wh..wh..opq", b""),
    ]
)
CHOWNED = layer([("app/weights.npy", File(noise(400_000), uid=1000)), ("app/run", "changed")])
TREES = (BASE, PYTHON, APP, CHOWNED)


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda _: None)


def push(registry: FakeRegistry, name: str, layers: list[Packed], user: str = "") -> str:
    one = image([each.tar for each in layers], env=official_env("3.13.1"), user=user)
    return registry.add(name, "1", one, files=packed_files(one, layers))


def read_by_toc(report: Report) -> list[bool]:
    return [each.toc_digest is not None for each in report.layers]


def plain(report: Report) -> dict[str, Any]:
    """All that a report says, but for how its layers were read."""
    document: dict[str, Any] = json.loads(report.to_json())
    for each in document["layers"]:
        each.pop("toc_digest", None)
    return document


def whole(reference: str) -> dict[str, Any]:
    return plain(pyimginspect.inspect(reference, verify=True))


@pytest.mark.parametrize("allowed", [True, False])
def test_modules_are_loaded_while_a_registry_answers(
    allowed: bool, registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_for_reports.py").write_text("NUMBER = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    modules = ("pyimginspect.no_such_module", "only_for_reports")
    monkeypatch.setattr("pyimginspect.sources.processes._allowed", modules if allowed else None)
    monkeypatch.setattr("pyimginspect.sources.indexing.default_workers", lambda: 2)
    reference = push(registry, "acme/api", [zstd_chunked(tree) for tree in TREES])
    assert all(read_by_toc(pyimginspect.inspect(reference)))
    assert (sys.modules.pop("only_for_reports", None) is not None) is allowed


# --- equal reports --------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", PACKS)
@pytest.mark.parametrize("chunk", [1 << 16, 4 << 20, 1000])
def test_the_report_is_that_of_the_whole_image(
    registry: FakeRegistry, kind: str, chunk: int
) -> None:
    layers = [PACKS[kind](tar, chunk=chunk) for tar in TREES]
    reference = push(registry, "app", layers)
    report = pyimginspect.inspect(reference)
    assert read_by_toc(report) == [True] * 4
    stored = sum(len(each.blob) for each in layers)
    assert registry.sent < stored / 3
    assert plain(report) == whole(reference)
    assert report.waste.size  # of what was stored again, with its owner changed


@pytest.mark.parametrize("kind", PACKS)
def test_the_index_is_that_of_the_whole_layer(registry: FakeRegistry, kind: str) -> None:
    reference = push(registry, "app", [PACKS[kind](tar) for tar in TREES])
    opened = open_reference(reference, Options())
    assert_valid_image(opened.image)
    other = open_reference(reference, Options(verify=True))
    assert any(each.index.elf for each in opened.image.layers)
    assert any(each.index.strings for each in opened.image.layers)
    for mine, theirs in zip(opened.image.layers, other.image.layers, strict=True):
        bare = [msgspec.structs.replace(entry, offset=0, mtime=0) for entry in theirs.index.entries]
        assert [msgspec.structs.replace(e, mtime=0) for e in mine.index.entries] == bare
        times = [(e.path, e.mtime) for e in mine.index.entries if e.path != "app/capable"]
        assert times == [(e.path, e.mtime) for e in theirs.index.entries if e.path != "app/capable"]
        for name in ("size", "elf", "texts", "scripts", "strings", "rpm", "notes"):
            assert getattr(mine.index, name) == getattr(theirs.index, name), name


@pytest.mark.parametrize("kind", PACKS)
@pytest.mark.parametrize("which", [(0,), (3,), (1, 2), (0, 3)])
def test_layers_with_and_without_a_table_are_compared(
    registry: FakeRegistry, kind: str, which: tuple[int, ...]
) -> None:
    layers = [
        PACKS[kind](tar) if number in which else gzipped(tar) for number, tar in enumerate(TREES)
    ]
    reference = push(registry, "app", layers)
    report = pyimginspect.inspect(reference)
    assert read_by_toc(report) == [number in which for number in range(4)]
    assert plain(report) == whole(reference)
    (again,) = [each for each in report.waste.largest if each.path == "app/weights.npy"]
    assert again.account == "metadata_changed"


def test_what_cannot_be_fetched_any_more_is_not_compared(registry: FakeRegistry) -> None:
    layers = [gzipped(BASE), gzipped(PYTHON), zstd_chunked(APP), gzipped(CHOWNED)]
    reference = push(registry, "app", layers)
    opened = open_reference(reference, Options())
    registry.ranges = False
    position = [e.path for e in opened.image.layers[2].index.entries].index("app/run")
    assert opened.checksum(2, position) is None


# --- when it is read whole ------------------------------------------------------------------------
def first(document: Document, name: str) -> Document:
    (found, *_) = (item for item in document["entries"] if item["name"] == name)
    assert isinstance(found, dict)
    return found


def change(name: str, /, **values: Any) -> Callable[[Document], None]:
    return lambda document: first(document, name).update(values)


def without(name: str, *keys: str) -> Callable[[Document], None]:
    def edit(document: Document) -> None:
        for key in keys:
            del first(document, name)[key]

    return edit


def add(**item: Any) -> Callable[[Document], None]:
    return lambda document: document["entries"].append(item)


def swap(document: Document) -> None:
    entries = document["entries"]
    one, other = (entries.index(first(document, name)) for name in ("app/start.sh", "app/run"))
    entries[one], entries[other] = entries[other], entries[one]


def swap_directories(document: Document) -> None:
    """Of entries without content only what zstd:chunked has beside tells the order."""
    if "tarSplitDigest" in document:
        entries = document["entries"]
        entries[0], entries[-1] = entries[-1], entries[0]
    else:
        swap(document)


def drop_chunk(document: Document) -> None:
    entries = document["entries"]
    (number, *_) = (n for n, item in enumerate(entries) if item["type"] == "chunk")
    del entries[number]


LIES: dict[str, Callable[[Document], None]] = {
    "another version": lambda document: document.update(version=2),
    "no entries": lambda document: document.pop("entries"),
    "entries of another type": lambda document: document.update(entries={"a": 1}),
    "unknown type": change("app/run", type="socket"),
    "no type": without("app/run", "type"),
    "a path that leads out": change("app/run", name="../../etc/passwd"),
    "a link that leads out": change("app/other", linkName="../../../etc/passwd"),
    "a name with NUL": change("app/run", name="app/r\0un"),
    "a name that was no UTF-8": change("app/run", name="app/r�n"),
    "half a surrogate": change("app/run", name="app/\ud800"),
    "no name": change("app/run", name=""),
    "a file that ends with a slash": change("app/run", name="app/run/"),
    "a path twice": add(type="dir", name="app/"),
    "the listing itself": add(type="reg", name="stargz.index.json"),
    "a negative size": change("app/run", size=-1),
    "a huge size": change("app/run", size=1 << 62),
    "a number beyond 64 bits": change("app/run", uid=1 << 70),
    "a size that is too small": change("app/weights.npy", size=10),
    "a size that is too large": change("app/run", size=1 << 40),
    "a time in the year 1": change("app/run", modtime="0001-01-01T00:00:00Z"),
    "no time": change("app/run", modtime="yesterday"),
    "an attribute that is not base64": change("app/run", xattrs={"user.a": "***"}),
    "an offset before": change("app/run", offset=3),
    "an offset after the contents": change("app/run", offset=1 << 40),
    "a negative offset": change("app/run", offset=-5),
    "contents elsewhere": lambda document: change(
        "app/run", offset=first(document, "app/run")["offset"] + 1
    )(document),
    "several files in one member": change("app/run", innerOffset=5),
    "a wrong digest": change("app/run", digest=digest(b"x"), chunkDigest=digest(b"x")),
    "an unknown digest": change("app/run", digest="md5:0", chunkDigest="md5:0"),
    "an unknown kind of chunk": change("app/run", chunkType="ones"),
    "no digest": change("app/run", digest="", chunkDigest=""),
    "a missing chunk": drop_chunk,
    "a chunk of another file": change("app/", type="chunk"),
    "another order": swap,
    "another order of what has no content": swap_directories,
}  # fmt: skip


@pytest.mark.parametrize("kind", PACKS)
@pytest.mark.parametrize("lie", LIES)
def test_a_table_that_does_not_hold_together_is_not_used(
    registry: FakeRegistry, kind: str, lie: str
) -> None:
    packed = PACKS[kind](APP, edit=LIES[lie])
    reference = push(registry, "app", [packed])
    report = pyimginspect.inspect(reference)
    assert read_by_toc(report) == [False]
    assert plain(report) == whole(reference)


def test_contents_that_begin_at_their_end(registry: FakeRegistry) -> None:
    place = int(zstd_chunked(APP).annotations[POSITION].split(":")[0])
    last = change("app/größe" + "x" * 120, offset=place)
    reference = push(registry, "app", [zstd_chunked(APP, edit=last)])
    report = pyimginspect.inspect(reference)
    assert read_by_toc(report) == [False]
    assert plain(report) == whole(reference)


def annotated(packed: Packed, **changes: str | None) -> Packed:
    merged = {**packed.annotations, **changes}
    kept = {key: value for key, value in merged.items() if value is not None}
    return packed._replace(annotations=kept)


CHECKSUM, POSITION = f"{CHUNKED}manifest-checksum", f"{CHUNKED}manifest-position"
TAR_SPLIT = f"{CHUNKED}tarsplit-position"
ANNOTATIONS: dict[str, tuple[Pack, dict[str, str | None]]] = {
    "another digest": (zstd_chunked, {CHECKSUM: digest(b"")}),
    "no digest at all": (zstd_chunked, {CHECKSUM: "sha256:xyz"}),
    "an unknown digest": (zstd_chunked, {CHECKSUM: "blake3:" + "a" * 64}),
    "no position": (zstd_chunked, {POSITION: None}),
    "another kind": (zstd_chunked, {POSITION: "8:8:8:2"}),
    "too few numbers": (zstd_chunked, {POSITION: "8:8"}),
    "a negative number": (zstd_chunked, {POSITION: "-8:8:8:1"}),
    "an endless number": (zstd_chunked, {POSITION: "9" * 5000 + ":8:8:1"}),
    "outside of the blob": (zstd_chunked, {POSITION: "99999999999:8:8:1"}),
    "of no bytes": (zstd_chunked, {POSITION: "8:0:8:1"}),
    "oversized": (zstd_chunked, {POSITION: "8:8:9999999999:1"}),
    "no tar-split": (zstd_chunked, {TAR_SPLIT: None}),
    "tar-split elsewhere": (zstd_chunked, {TAR_SPLIT: "8:8:8"}),
    "eStargz, another digest": (estargz, {ESTARGZ_DIGEST: digest(b"")}),
    "eStargz, no length": (estargz, {ESTARGZ_SIZE: None}),
    "eStargz, no number": (estargz, {ESTARGZ_SIZE: "many"}),
    "eStargz in zstd": (
        zstd_chunked,
        {CHECKSUM: None, ESTARGZ_DIGEST: digest(b""), ESTARGZ_SIZE: "5"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ANNOTATIONS)
def test_a_descriptor_that_makes_no_sense(registry: FakeRegistry, case: str) -> None:
    pack, changes = ANNOTATIONS[case]
    reference = push(registry, "app", [annotated(pack(APP), **changes)])
    report = pyimginspect.inspect(reference)
    assert read_by_toc(report) == [False]
    assert plain(report) == whole(reference)


def test_podman_before_tar_split(registry: FakeRegistry) -> None:
    """How long the layer is cannot be known then."""
    reference = push(registry, "app", [zstd_chunked(APP, tar_split=False)])
    assert read_by_toc(pyimginspect.inspect(reference)) == [False]
    sized = annotated(zstd_chunked(APP, tar_split=False), **{ESTARGZ_SIZE: str(len(APP))})
    assert read_by_toc(pyimginspect.inspect(push(registry, "sized", [sized]))) == [True]


@pytest.mark.parametrize("kind", PACKS)
def test_an_archive_that_is_not_closed(registry: FakeRegistry, kind: str) -> None:
    """A report says so of a layer; of its listing nobody could tell."""
    reference = push(registry, "app", [PACKS[kind](layer({"a": "1"})[:-1024])])
    report = pyimginspect.inspect(reference)
    assert plain(report) == whole(reference)


@pytest.mark.parametrize("kind", PACKS)
def test_a_registry_without_ranges(registry: FakeRegistry, kind: str) -> None:
    registry.ranges = False
    reference = push(registry, "app", [PACKS[kind](tar) for tar in TREES])
    report = pyimginspect.inspect(reference)
    assert read_by_toc(report) == [False] * 4
    assert plain(report) == whole(reference)


RANGES: dict[str, dict[str, str]] = {
    "another range": {"Content-Range": "bytes 1-5/9999"},
    "no range": {},
    "nonsense": {"Content-Range": "bytes here-there/*"},
}


@pytest.mark.parametrize("case", RANGES)
def test_a_registry_that_sends_another_range(registry: FakeRegistry, case: str) -> None:
    packed = zstd_chunked(APP)
    reference = push(registry, "app", [packed])
    registry.fail(f"blobs/{digest(packed.blob)}", [(206, RANGES[case], b"12345")])
    report = pyimginspect.inspect(reference)
    assert read_by_toc(report) == [False]
    assert plain(report) == whole(reference)


@pytest.mark.parametrize("kind", PACKS)
def test_a_connection_that_breaks_within_a_range(registry: FakeRegistry, kind: str) -> None:
    reference = push(registry, "app", [PACKS[kind](tar) for tar in TREES])
    registry.break_after(2_000, times=3)
    assert read_by_toc(pyimginspect.inspect(reference)) == [True] * 4


@pytest.mark.parametrize("kind", PACKS)
def test_ranges_far_from_each_other(registry: FakeRegistry, kind: str) -> None:
    """By one request, or one each where the registry knows one range at a time."""
    pairs: list[tuple[str, Content]] = []
    for n in range(40):
        pairs.append((f"opt/{n:03}.npy", noise(50_000, n)))
        pairs.append((f"opt/{n:03}", File(f"#!/bin/sh\n: {n}\n", mode=0o755)))
    packed = PACKS[kind](layer(pairs))
    reference = push(registry, "app", [packed])
    once = pyimginspect.inspect(reference)
    assert read_by_toc(once) == [True]
    assert plain(once) == whole(reference)
    blob = f"blobs/{digest(packed.blob)}"
    assert len(registry.asked(blob)) <= 5  # the whole blob is one of them
    registry.requests.clear()
    registry.multipart = False
    assert pyimginspect.inspect(reference) == once
    assert len(registry.asked(blob)) >= 40


def test_no_more_is_fetched_than_is_wanted(registry: FakeRegistry) -> None:
    """Equal chunks once; what lies between two only where each would be a request of its own."""
    same = noise(40_000, 1)
    pairs: list[tuple[str, Content]] = []
    for n in range(60):
        pairs.append((f"opt/{n:03}.npy", noise(9_000, n)))
        pairs.append((f"opt/{n:03}", File(f"#!/bin/sh\n: {n}\n", mode=0o755)))
        pairs += [(f"opt/same{n}", File(same, mode=0o755))] * (n % 20 == 0)
    reference = push(registry, "app", [zstd_chunked(layer(pairs))])
    once = pyimginspect.inspect(reference)
    assert read_by_toc(once) == [True]
    assert 40_000 < registry.sent < 80_000
    registry.requests.clear()
    registry.multipart = False
    assert pyimginspect.inspect(reference) == once
    assert len(registry.asked("blobs/")) < 10


@pytest.mark.parametrize("count", [2, 200, 201, 400, 402])
def test_many_ranges_of_a_blob(registry: FakeRegistry, count: int) -> None:
    """A part of them by each request, and a single one as what it is."""
    blob = noise(20_000)
    registry.blobs[digest(blob)] = blob
    path = f"/v2/app/blobs/{digest(blob)}"
    transport = Transport(registry.host, plain=True)
    ranges = [(40 * n, 40 * n + 7) for n in range(count)]
    found = read_together(transport, path, ranges)
    assert found == [blob[start:stop] for start, stop in ranges]
    assert len(registry.asked("blobs")) == -(-count // 200)
    registry.multipart = False
    assert read_together(transport, path, ranges) is None
    transport.close()


SEVERAL = [(0, 5), (20, 25)]
BODIES: dict[str, tuple[str, bytes]] = {
    "no boundary": ("multipart/byteranges", b""),
    "an endless boundary": (f"multipart/byteranges; boundary={'x' * 10_000}", b""),
    "nothing": ("multipart/byteranges; boundary=A", b""),
    "too little": (
        "multipart/byteranges; boundary=A",
        b"--A\r\nContent-Range: bytes 0-4/30\r\n\r\n12345"
        b"\r\n--A\r\nContent-Range: bytes 20-24/30\r\n\r\n123",
    ),
    "too much": ("multipart/byteranges; boundary=A", bytes(100_000)),
    "another range": (
        "multipart/byteranges; boundary=A",
        b"--A\r\nContent-Range: bytes 1-5/30\r\n\r\n12345",
    ),
    "no range": ("multipart/byteranges; boundary=A", b"--A\r\nX: y\r\n\r\n12345"),
    "no end of the header": ("multipart/byteranges; boundary=A", b"--A" + b"x" * 2000),
    "something else": ("text/plain", b"12345"),
}


@pytest.mark.parametrize("case", BODIES)
def test_an_answer_that_is_not_the_ranges(registry: FakeRegistry, case: str) -> None:
    kind, body = BODIES[case]
    registry.always("blobs", (206, {"Content-Type": kind}, body))
    transport = Transport(registry.host, plain=True)
    assert read_together(transport, "/v2/app/blobs/x", SEVERAL) is None
    transport.close()


def test_a_busy_registry_is_asked_again(registry: FakeRegistry) -> None:
    packed = zstd_chunked(APP)
    reference = push(registry, "app", [packed])
    registry.fail(f"blobs/{digest(packed.blob)}", [(503, {}, b""), (429, {}, b"")])
    assert read_by_toc(pyimginspect.inspect(reference)) == [True]


def test_a_redirect_is_followed(registry: FakeRegistry) -> None:
    with FakeRegistry() as store:
        packed = zstd_chunked(APP)
        reference = push(registry, "app", [packed])
        push(store, "app", [packed])
        registry.blobs.setdefault("", b"")
        registry.redirect = f"http://{store.host}"
        report = pyimginspect.inspect(reference)
        assert read_by_toc(report) == [True]
        assert all("authorization" not in headers for headers in store.asked("blobs"))


def test_who_wants_most_of_a_layer_reads_all_of_it(registry: FakeRegistry) -> None:
    tar = layer({f"opt/{n}": File(noise(3000, n), mode=0o755) for n in range(200)})
    reference = push(registry, "app", [zstd_chunked(tar)])
    assert read_by_toc(pyimginspect.inspect(reference)) == [False]


def test_verify_reads_every_byte(registry: FakeRegistry, tmp_path: Path) -> None:
    reference = push(registry, "app", [zstd_chunked(tar) for tar in TREES])
    with Cache(tmp_path / "cache") as cache:
        assert read_by_toc(pyimginspect.inspect(reference, cache=cache)) == [True] * 4
        report = pyimginspect.inspect(reference, cache=cache, verify=True)
        assert read_by_toc(report) == [False] * 4
        # What is verified is preferred from then on.
        assert read_by_toc(pyimginspect.inspect(reference, cache=cache)) == [False] * 4


@pytest.mark.parametrize(("options", "said"), [(["-v"], True), (["-vv"], True), ([], False)])
def test_the_text_says_so_to_who_asks_for_evidence(
    registry: FakeRegistry,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: bool,
) -> None:
    reference = push(registry, "app", [zstd_chunked(BASE), gzipped(PYTHON), zstd_chunked(APP)])
    main([reference, "--no-cache", *options])
    text = " ".join(capsys.readouterr().out.split())
    assert ("layers 0, 2: content taken from their tables of contents" in text) == said


# --- the cache ------------------------------------------------------------------------------------
def test_a_second_look_fetches_nothing(registry: FakeRegistry, tmp_path: Path) -> None:
    reference = push(registry, "app", [zstd_chunked(tar) for tar in TREES])
    with Cache(tmp_path / "cache") as cache:
        once = pyimginspect.inspect(reference, cache=cache)
        registry.requests.clear()
        again = pyimginspect.inspect(reference, cache=cache)
        assert not registry.asked("blobs/")
        assert again == once
        with pyimginspect.open_image(reference, cache=cache) as opened:
            assert all(each.index.toc_digest for each in opened.layers)
        assert not registry.asked("blobs/")


def hide(document: Document) -> None:
    """Say that the program is another file, with a content that the layer has as well."""
    entries = document["entries"]
    run = first(document, "app/run")
    entries.remove(run)
    first(document, "app/start.sh")["mode"] = 0o644


HONEST, LYING = zstd_chunked(APP), zstd_chunked(APP, tar_split=False, edit=hide)
LYING = annotated(LYING, **{ESTARGZ_SIZE: str(len(APP) + 512)})


def test_a_lie_that_holds_together_changes_no_other_report(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    """The same layer by its blob, by an honest table and from an archive, with one cache."""
    lying = push(registry, "lying", [LYING])
    honest = push(registry, "honest", [HONEST])
    bare = push(registry, "bare", [gzipped(APP)])
    archive = tmp_path / "image.tar"
    archive.write_bytes(docker_archive(image([APP])))
    blob_of_lying = tmp_path / "layout"
    for name, data in packed_files(image([APP]), [LYING]).items():
        (blob_of_lying / name).parent.mkdir(parents=True, exist_ok=True)
        (blob_of_lying / name).write_bytes(data)
    others = [honest, bare, str(archive), f"oci:{blob_of_lying}"]
    before = [plain(pyimginspect.inspect(each)) for each in others]
    with Cache(tmp_path / "cache") as cache:
        told = pyimginspect.inspect(lying, cache=cache)
        assert read_by_toc(told) == [True]
        assert told.layers[0].entries == pyimginspect.inspect(bare).layers[0].entries - 1
        for _ in range(2):
            after = [plain(pyimginspect.inspect(each, cache=cache)) for each in others]
            assert after == before
        assert pyimginspect.inspect(lying, cache=cache, verify=True).layers[0].entries == 14
        # The blob is verified now, and nobody is told the lie again.
        assert pyimginspect.inspect(lying, cache=cache).layers[0].toc_digest is None


def test_a_lie_about_the_length_stays_with_who_tells_it(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    true, false = estargz(APP), annotated(estargz(APP), **{ESTARGZ_SIZE: "5"})
    lying, honest = push(registry, "lying", [false]), push(registry, "honest", [true])
    before = pyimginspect.inspect(honest).to_json()
    with Cache(tmp_path / "cache") as cache:
        assert pyimginspect.inspect(lying, cache=cache).layers[0].size == 5
        assert pyimginspect.inspect(honest, cache=cache).to_json() == before
        assert pyimginspect.inspect(lying, cache=cache).layers[0].size == 5


def test_no_digest_leads_to_what_a_table_says() -> None:
    """Neither a diff ID nor a blob's digest can be the key that it is kept under."""
    toc = TocReference(kind="eStargz", digest=Digest(digest(b"")), size=1)
    with pytest.raises(ManifestError):
        parse_digest(toc.key)


# --- a fleet --------------------------------------------------------------------------------------
def inspected(references: list[str], place: Path) -> dict[str, dict[str, Any]]:
    outcomes = inspect_fleet(references, results=place / "results.sqlite3", cache=place / "cache")
    reports = {outcome.reference: outcome.report for outcome in outcomes}
    return {name: plain(report) for name, report in reports.items() if report}


@pytest.mark.usefixtures("in_threads")
def test_a_fleet_gives_the_same_reports_and_reads_each_table_once(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    base = zstd_chunked(BASE)
    references = [
        push(registry, f"app{n}", [base, zstd_chunked(layer({"app/n": str(n)}))]) for n in range(4)
    ]
    reports = inspected(references, tmp_path)
    asked = len(registry.asked(f"blobs/{digest(base.blob)}"))
    registry.requests.clear()
    for reference in references:
        assert reports[reference] == plain(pyimginspect.inspect(reference))
    assert len(registry.asked(f"blobs/{digest(base.blob)}")) == 4 * asked
    registry.requests.clear()
    assert inspected(references, tmp_path) == reports
    assert not registry.asked("blobs/")


@pytest.mark.usefixtures("in_threads")
@pytest.mark.parametrize("order", [1, -1])
def test_a_lie_in_a_fleet_changes_no_other_report(
    registry: FakeRegistry, tmp_path: Path, order: int
) -> None:
    """Whoever comes first: with the same diff ID, and with the same table before another blob."""
    documents: list[Document] = []
    zstd_chunked(APP, edit=documents.append)
    place = first(documents[0], "app/run")["offset"]
    broken = HONEST._replace(blob=HONEST.blob[:place] + bytes(20) + HONEST.blob[place + 20 :])
    layers = {"lying": LYING, "honest": HONEST, "bare": gzipped(APP), "broken": broken}
    references = [push(registry, name, [one], user=name) for name, one in layers.items()]
    reports = inspected(references[::order], tmp_path)
    for name in references[1:3]:
        assert reports[name] == whole(name)
    # A verified index, where somebody else's layer gave one, is better than any table.
    assert reports[references[0]]["layers"][0]["entries"] in (13, 14)
    with Fleet.open(tmp_path / "results.sqlite3") as results:
        rows = list(results.query("SELECT diff_id, entries, size FROM layer"))
    known = {row["diff_id"]: (row["entries"], row["size"]) for row in rows}
    assert known[digest(APP)] == (14, len(APP))
    assert set(known.values()) <= {(14, len(APP)), (13, len(APP) + 512)}


# --- annotations ----------------------------------------------------------------------------------
def test_references() -> None:
    sum_ = Digest(digest(b""))
    assert toc_reference({}) is None
    assert toc_reference({ESTARGZ_DIGEST: sum_}) == TocReference(kind="eStargz", digest=sum_)
    found = toc_reference({CHECKSUM: sum_, POSITION: "1:2:3:1", TAR_SPLIT: "4:5:6"})
    assert found == TocReference(
        kind="zstd:chunked", digest=sum_, place=Place(1, 2, 3), tar_split=Place(4, 5, 6)
    )
    other = toc_reference({ESTARGZ_DIGEST: sum_})
    assert found is not None
    assert other is not None
    assert found.key != other.key
