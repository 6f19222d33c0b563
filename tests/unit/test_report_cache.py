"""Reports kept beside the indexes: when one is taken for another look, and when never."""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import pyimginspect
from pyimginspect import api, report_cache
from pyimginspect.analyzers import BUILTIN
from pyimginspect.cli import main
from pyimginspect.errors import DigestMismatchError, ImageNotFoundError
from pyimginspect.inventory import collect
from pyimginspect.layers.cache import Cache
from pyimginspect.report_cache import report_key
from tests.images import Content, docker_archive, image, oci_archive
from tests.pythons import cpython

LAYERS: list[dict[str, Content]] = [
    {**cpython("usr/local", "3.12.4"), "etc/os-release": "ID=debian\nVERSION_ID=12\n"},
    {"usr/bin/gcc": "x" * 5000, "root/.cache/pip/http/a": "y" * 9000},
]
SAMPLE = image(LAYERS, tag="acme/api:1.4")


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    with Cache(tmp_path / "cache") as opened:
        yield opened


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images whose facts were worked out, in their order."""
    seen: list[str] = []
    real = collect.take_inventory

    def take(image: Any, *arguments: Any, **settings: Any) -> Any:
        seen.append(image.reference)
        return real(image, *arguments, **settings)

    monkeypatch.setattr(collect, "take_inventory", take)
    return seen


def place(tmp_path: Path, data: bytes, name: str = "image.tar") -> str:
    path = tmp_path / name
    path.write_bytes(data)
    return str(path)


def compressed(tmp_path: Path, one: Any = SAMPLE) -> str:
    return place(tmp_path, oci_archive(one, compression="gzip"))


def test_an_image_seen_before_is_not_judged_again(
    tmp_path: Path, cache: Cache, judged: list[str]
) -> None:
    path = compressed(tmp_path)
    without = pyimginspect.inspect(path)
    assert without.findings
    judged.clear()
    first = pyimginspect.inspect(path, cache=cache)
    second = pyimginspect.inspect(path, cache=cache)
    assert judged == [path]
    assert first == second == without
    assert second.to_json() == without.to_json()


def test_the_facts_can_be_asked_for_all_the_same(tmp_path: Path, cache: Cache) -> None:
    path = compressed(tmp_path)
    report = pyimginspect.inspect(path, cache=cache)
    with api.open_image(path, cache=cache) as opened:
        assert opened.report() == report
        found = [each.path for each in opened.inventory.interpreters]
        assert found == [each.path for each in report.pythons]
        assert opened.plan.saving >= 0


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The indexes that were taken from the cache."""
    seen: list[bytes] = []
    module = import_module("pyimginspect.layers.cache")
    real = module.decode_index

    def decode(data: bytes) -> Any:
        seen.append(data)
        return real(data)

    monkeypatch.setattr(module, "decode_index", decode)
    return seen


def test_a_second_look_leaves_the_indexes_in_the_cache(
    tmp_path: Path, cache: Cache, decoded: list[bytes]
) -> None:
    path = compressed(tmp_path)
    first = pyimginspect.inspect(path, cache=cache)
    with api.open_image(path, cache=cache) as opened:
        assert opened.report() == first
        assert decoded == []
        fresh = pyimginspect.inspect(path, areas=True, plan=True)
        assert opened.report(areas=True, plan=True) == fresh
        assert len(decoded) == len(LAYERS), "another question needs them, once"
        assert opened.layers[0].index.entries
        assert len(decoded) == len(LAYERS)


def test_an_index_that_is_gone_by_then_is_read_again(tmp_path: Path, cache: Cache) -> None:
    path = compressed(tmp_path)
    first = pyimginspect.inspect(path, cache=cache)
    with api.open_image(path, cache=cache) as opened:
        cache.clear()
        assert opened.report() == first
        assert opened.image.layers[0].index.checksums is not None


def test_an_image_that_is_gone_by_then_is_an_error_that_names_it(
    tmp_path: Path, cache: Cache
) -> None:
    path = compressed(tmp_path)
    pyimginspect.inspect(path, cache=cache)
    with api.open_image(path, cache=cache) as opened:
        cache.clear()
        Path(path).unlink()
        with pytest.raises(ImageNotFoundError, match="no such file") as caught:
            opened.report()
    assert caught.value.image == path


def test_a_cache_that_cannot_tell_is_asked_for_the_indexes(
    tmp_path: Path, cache: Cache, decoded: list[bytes]
) -> None:
    class Theirs:
        """A cache of a third party's, made before there was a `holds`."""

        get, put = cache.get, cache.put
        get_document, put_document = cache.get_document, cache.put_document
        get_report, put_report = cache.get_report, cache.put_report

    path = compressed(tmp_path)
    first = pyimginspect.inspect(path, cache=Theirs())
    assert pyimginspect.inspect(path, cache=Theirs()) == first
    assert len(decoded) == len(LAYERS)


@pytest.mark.parametrize(
    "different",
    [
        {"areas": True},
        {"plan": True},
        {"base": 1},
        {"dlopen": {"wand": ("libMagickWand.so.6",)}},
    ],
)
def test_another_question_has_another_answer(
    different: dict[str, Any], tmp_path: Path, cache: Cache, judged: list[str]
) -> None:
    path = compressed(tmp_path)
    pyimginspect.inspect(path, cache=cache)
    asked = pyimginspect.inspect(path, cache=cache, **different)
    assert len(judged) == 2
    assert asked == pyimginspect.inspect(path, **different)
    assert pyimginspect.inspect(path, cache=cache, **different) == asked
    assert len(judged) == 3, "that without a cache"


@pytest.mark.parametrize(
    "other",
    [
        SAMPLE.with_config(created="2024-01-01T00:00:00Z"),
        image(LAYERS, tag="acme/api:1.5"),
        image([*LAYERS, {"srv/x": "1"}], tag="acme/api:1.4"),
        image(LAYERS[::-1], tag="acme/api:1.4"),
        image(LAYERS[:1], tag="acme/api:1.4"),
    ],
)
def test_another_image_in_the_same_place(
    other: Any, tmp_path: Path, cache: Cache, judged: list[str]
) -> None:
    pyimginspect.inspect(compressed(tmp_path), cache=cache)
    path = compressed(tmp_path, other)
    assert pyimginspect.inspect(path, cache=cache) == pyimginspect.inspect(path)
    assert len(judged) == 3


def test_the_same_image_in_another_place(tmp_path: Path, cache: Cache) -> None:
    """What the report says of its source is its own."""
    pyimginspect.inspect(compressed(tmp_path), cache=cache)
    other = place(tmp_path, oci_archive(SAMPLE, compression="gzip"), "other.tar")
    assert pyimginspect.inspect(other, cache=cache).image.reference == other


def test_other_code_judges_for_itself(
    tmp_path: Path, cache: Cache, judged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = compressed(tmp_path)
    pyimginspect.inspect(path, cache=cache)
    monkeypatch.setattr(report_cache, "code_identity", lambda: "another release")
    pyimginspect.inspect(path, cache=cache)
    assert len(judged) == 2
    monkeypatch.setattr(report_cache, "code_identity", lambda: None)  # as in a zip file
    pyimginspect.inspect(path, cache=cache)
    pyimginspect.inspect(path, cache=cache)
    assert len(judged) == 4


def test_an_edited_file_is_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "package/report_cache.py"
    module.parent.mkdir()
    monkeypatch.setattr(report_cache, "__file__", str(module))
    code = report_cache.code_identity.__wrapped__
    assert code() is None, "no files at all"
    module.write_text("a = 1")
    before = code()
    assert before is not None
    assert code() == before
    (tmp_path / "package/__pycache__").mkdir()
    (tmp_path / "package/__pycache__/x.pyc").touch()
    assert code() == before, "what Python writes there is no change"
    os.utime(module, ns=(1, 1))
    assert code() == before, "it may have been installed at another time"
    module.write_text("a = 2")
    assert code() not in (before, None)
    edited = code()
    (tmp_path / "package/more.py").touch()
    assert code() not in (before, edited, None)
    monkeypatch.setattr("packaging.__version__", "0.1")
    assert code() not in (before, edited, None)


def not_hashed(tmp_path: Path) -> str:
    return place(tmp_path, docker_archive(SAMPLE))


def no_utf8(tmp_path: Path) -> str:
    return compressed(
        tmp_path, image([{"usr/bin/python3.9\udcff": "x"}, {"a": "1"}, {".wh.a": ""}])
    )


@pytest.mark.parametrize("build", [not_hashed, no_utf8])
def test_an_image_that_is_judged_each_time(
    build: Callable[[Path], str], tmp_path: Path, cache: Cache
) -> None:
    path = build(tmp_path)
    first = pyimginspect.inspect(path, cache=cache)
    assert pyimginspect.inspect(path, cache=cache) == first == pyimginspect.inspect(path)


def test_layers_that_were_not_held_against_their_digests(
    tmp_path: Path, cache: Cache, judged: list[str]
) -> None:
    """An uncompressed archive in a file is sought through: its diff IDs are claims."""
    path = not_hashed(tmp_path)
    for _ in range(2):
        pyimginspect.inspect(path, cache=cache)
    assert len(judged) == 2
    assert cache.info().reports == 0


def test_a_lying_archive_leaves_no_report(tmp_path: Path, cache: Cache) -> None:
    honest = pyimginspect.inspect(compressed(tmp_path))
    lies = image([LAYERS[0], {"usr/bin/evil": "x"}], tag="acme/api:1.4")
    lying = lies.with_config(rootfs={"type": "layers", "diff_ids": list(SAMPLE.diff_ids)})
    with pytest.raises(DigestMismatchError):
        pyimginspect.inspect(compressed(tmp_path, lying), cache=cache)
    pyimginspect.inspect(place(tmp_path, docker_archive(lying)), cache=cache)
    assert cache.info().reports == 0
    assert pyimginspect.inspect(compressed(tmp_path), cache=cache) == honest


def test_who_verifies_wants_it_made_anew(tmp_path: Path, cache: Cache, judged: list[str]) -> None:
    path = compressed(tmp_path)
    for _ in range(2):
        pyimginspect.inspect(path, cache=cache, verify=True)
    assert len(judged) == 2
    assert cache.info().reports == 0


def test_chosen_analyzers_are_asked(tmp_path: Path, cache: Cache, judged: list[str]) -> None:
    path = compressed(tmp_path)
    assert pyimginspect.inspect(path, cache=cache).findings
    with api.open_image(path, cache=cache) as opened:
        assert not opened.report(()).findings
        assert opened.report(BUILTIN).findings
    assert len(judged) == 2


def test_analyzers_of_others_are_asked_each_time(
    tmp_path: Path, cache: Cache, judged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "third_party_analyzers", lambda: BUILTIN[:1])
    path = compressed(tmp_path)
    for _ in range(2):
        pyimginspect.inspect(path, cache=cache)
    assert len(judged) == 2
    assert cache.info().reports == 0


def test_probes_of_others_speak_each_time(
    tmp_path: Path, cache: Cache, judged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sizes:
        name, version = "sizes", 1

        def wants(self, path: str, size: int, head: bytes) -> bool:
            return False

        def read(self, path: str, content: Any) -> Any:
            raise AssertionError

    monkeypatch.setattr(api, "registered", lambda: (Sizes(),))
    path = compressed(tmp_path)
    for _ in range(2):
        pyimginspect.inspect(path, cache=cache)
    assert len(judged) == 2


def test_a_kept_report_that_is_none_is_made_again(
    tmp_path: Path, cache: Cache, judged: list[str]
) -> None:
    path = compressed(tmp_path)
    report = pyimginspect.inspect(path, cache=cache)
    with api.open_image(path, cache=cache) as opened:
        key = report_key(opened.image, [], None, "", False, False)
    assert key is not None
    assert cache.get_report(key) is not None
    cache.put_report(key, b"nothing")
    assert pyimginspect.inspect(path, cache=cache) == report
    assert len(judged) == 2
    assert pyimginspect.inspect(path, cache=cache) == report
    assert len(judged) == 2


def test_the_policy_is_applied_to_a_kept_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], judged: list[str]
) -> None:
    path = compressed(tmp_path)
    common = [path, "--cache-dir", str(tmp_path / "cache"), "--quiet"]
    assert main(common) == 1
    first = capsys.readouterr().out
    assert main(common) == 1
    assert capsys.readouterr().out == first
    assert main([*common, "--fail-on", "never"]) == 0
    assert main([*common, "--format", "json"]) == 1
    assert len(judged) == 1
    capsys.readouterr()
    assert main([*common, "--plan"]) == 1
    assert "save" in capsys.readouterr().out
    assert len(judged) == 1, "the plan was made for the report, and kept with it"


def test_a_plan_is_kept_too_without_what_the_build_was_given(
    tmp_path: Path, cache: Cache, judged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "RUN |1 TOKEN=hunter2 /bin/sh -c pip install a # buildkit"
    one = image(LAYERS, history=["ADD a /", secret], tag="acme/api:1.4")
    path = compressed(tmp_path, one)
    kept: list[bytes] = []
    put = Cache.put_report

    def keep(self: Cache, key: Any, data: bytes) -> None:
        kept.append(data)
        put(self, key, data)

    monkeypatch.setattr(Cache, "put_report", keep)
    plans = []
    for _ in range(3):
        with pyimginspect.open_image(path, cache=cache) as opened:
            plans.append(opened.plan)
            opened.report()
    assert judged == [path]
    assert plans[0] == plans[1] == plans[2]
    assert plans[0].edits
    assert "hunter2" in plans[0].steps[-1].arguments, "a Dockerfile is matched with them"
    with pyimginspect.open_image(path, cache=cache, base=1) as opened:
        assert opened.plan.edits
    assert len(judged) == 2
    assert len(kept) == 3, "the plan and the report, and another plan for another base"
    assert b"hunter2" not in b"".join(kept)
