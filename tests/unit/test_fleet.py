"""A fleet, from references to outcomes: each layer once, each image once, nothing lost."""

import re
from pathlib import Path

import msgspec
import pytest

import pyimginspect
from pyimginspect import Fleet, inspect_fleet
from pyimginspect.errors import ClusterError, InvalidReferenceError, ResultsError
from pyimginspect.fleet import Choice, Inspection, Outcome, Plan
from pyimginspect.policy import BUILTIN, Waiver
from tests.fleets import archives, fleet, in_threads, push
from tests.images import File, Index, image, layer
from tests.layouts import descriptor
from tests.layouts import manifest as make_manifest
from tests.servers import FakeRegistry

__all__ = ["in_threads"]

pytestmark = pytest.mark.usefixtures("in_threads")


def run(references: list[str], place: Path, **options: object) -> list[Outcome]:
    plan = {"results": place / "results.sqlite3", "cache": place / "cache", **options}
    return list(inspect_fleet(references, **plan))  # type: ignore[arg-type]


def layer_gets(registry: FakeRegistry, images: int) -> int:
    """How many blobs were fetched that are no configuration, of which each image has its own."""
    configs = {one.config_digest for one in fleet(images)}
    paths = [path for method, path, _ in registry.requests if method == "GET"]
    return sum("/blobs/" in path and path.rpartition("/")[2] not in configs for path in paths)


def test_each_layer_is_read_once_and_reports_are_those_of_inspect(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        references = push(registry, 15)
        outcomes = run(references, tmp_path)
        distinct = {diff_id for one in fleet(15) for diff_id in one.diff_ids}
        assert layer_gets(registry, 15) == len(distinct)
        assert sorted(outcome.reference for outcome in outcomes) == sorted(references)
        for outcome in outcomes:
            assert outcome.report is not None, outcome.error
            assert outcome.report.to_json() == pyimginspect.inspect(outcome.reference).to_json()


def test_a_second_run_reads_no_blob_and_folds_no_image(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        references = push(registry, 4)
        first = run(references, tmp_path)
        before = len(registry.requests)
        second = run(references, tmp_path)
        asked = registry.requests[before:]
    assert not any("/blobs/" in path for _, path, _ in asked)
    assert len(asked) == len(references)
    assert all(outcome.known for outcome in second)
    reports = [{o.reference: o.report for o in outcomes} for outcomes in (first, second)]
    assert reports[0] == reports[1]


def test_many_names_are_one_fold(tmp_path: Path) -> None:
    (one,) = fleet(1)
    with FakeRegistry() as registry:
        references = [registry.add("a/b", tag, one) for tag in ("1", "2", "latest")]
        references.append(registry.add("mirror/b", "1", one, compression="zstd"))
        outcomes = run(references, tmp_path)
        for outcome in outcomes:
            assert outcome.report is not None
            assert outcome.report.to_json() == pyimginspect.inspect(outcome.reference).to_json()
    with Fleet.open(tmp_path / "results.sqlite3") as results:
        totals = results.totals()
        assert (totals.references, totals.images) == (4, 1)


def test_the_same_reference_twice_is_one_target(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        (reference,) = push(registry, 1)
        assert len(run([reference, reference], tmp_path)) == 1


def test_archives_and_registry_are_one_fleet(tmp_path: Path) -> None:
    paths = archives(tmp_path / "saved", 3)
    with FakeRegistry() as registry:
        outcomes = run([str(tmp_path / "saved"), *push(registry, 3)], tmp_path)
        assert [outcome.error for outcome in outcomes if outcome.error] == []
        for outcome in outcomes:
            assert outcome.report is not None
            assert outcome.report.to_json() == pyimginspect.inspect(outcome.reference).to_json()
    assert {outcome.reference for outcome in outcomes} >= {str(path) for path in paths}
    with Fleet.open(tmp_path / "results.sqlite3") as results:
        assert results.totals().images == 3


def test_one_image_that_fails_stops_no_other(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        references = push(registry, 3)
        missing = f"registry:{registry.host}/no/such:1"
        outcomes = run([missing, *references], tmp_path)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert [outcome.reference for outcome in failed] == [missing]
    assert failed[0].report is None
    assert "has no image" in failed[0].error
    assert missing in failed[0].error


def test_what_failed_is_tried_again_when_asked_for(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        missing = f"registry:{registry.host}/team0/app0:1.0"
        (first,) = run([missing], tmp_path)
        push(registry, 1)
        asked = len(registry.requests)
        (second,) = run([missing], tmp_path)
        assert len(registry.requests) == asked
        (third,) = run([missing], tmp_path, retry_failed=True)
    assert (first.status, first.known) == ("failed", False)
    assert (second.status, second.known, second.error) == ("failed", True, first.error)
    assert third.status == "inspected"


def test_who_lies_about_a_layer_fails_alone(tmp_path: Path) -> None:
    """Two repositories have the same layer; one of them serves other bytes for it."""
    shared = layer({"usr/lib/a": File(b"a" * 5000)})
    with FakeRegistry() as registry:
        references = []
        for name in ("honest", "liar"):
            one = image([shared, layer({f"app/{name}": "x"})], tag=f"{name}:1")
            references.append(registry.add(name, "1", one))
        blob = max(registry.blobs, key=lambda name: len(registry.blobs[name]))
        shared_blobs = {
            each["digest"]
            for name in ("honest", "liar")
            for each in msgspec.json.decode(registry.manifests[name, "1"])["layers"][:1]
        }
        (blob,) = shared_blobs
        bad = bytes(len(registry.blobs[blob]))
        registry.always(f"/v2/liar/blobs/{blob}", (200, {"Content-Length": str(len(bad))}, bad))
        for order in (references, references[::-1]):
            place = tmp_path / order[0].rpartition("/")[2].replace(":", "-")
            place.mkdir()
            outcomes = {o.reference: o for o in run(order, place)}
            assert outcomes[references[0]].status == "inspected"
            liar = outcomes[references[1]]
            if order is not references:  # it was asked first, and found out
                assert liar.status == "failed"


def test_artifacts_that_are_no_images_are_counted(tmp_path: Path) -> None:
    config = b'{"name": "chart"}'
    chart = make_manifest(
        descriptor(config, "application/vnd.cncf.helm.config.v1+json"),
        [descriptor(b"x", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
    )
    with FakeRegistry() as registry:
        (reference,) = push(registry, 1)
        registry.manifests["charts/app", "1.0"] = chart
        plan = Plan(
            references=(f"registry:{registry.host}/charts/app:1.0", reference),
            results=tmp_path / "r.sqlite3",
            cache=tmp_path,
        )
        with Inspection(plan) as inspection:
            outcomes = list(inspection)
    assert [outcome.status for outcome in outcomes] == ["inspected"]
    (names,) = inspection.skipped.names.values()
    assert dict(inspection.skipped.counts) == {"artifacts that are no images": 1}
    assert names == [f"registry:{registry.host}/charts/app:1.0"]


def test_an_exhausted_quota_defers_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with FakeRegistry() as registry:
        references = push(registry, 6)
        quota = [(429, {"Retry-After": "3600"}, b"{}")] * 10_000
        registry.fail("/team1/", quota)
        outcomes = run(references, tmp_path)
        deferred = {o.reference for o in outcomes if o.status == "deferred"}
        assert {r for r in references if "/team1/" in r} <= deferred
        registry.faults.clear()
        again = {o.reference: o for o in run(references, tmp_path)}
    assert {o.status for o in again.values()} == {"inspected"}
    assert all(again[o.reference].known for o in outcomes if o.status == "inspected")


def test_a_tag_that_moves_leads_to_its_new_image(tmp_path: Path) -> None:
    old, new = fleet(2)
    with FakeRegistry() as registry:
        reference = registry.add("a/b", "latest", old)
        (first,) = run([reference], tmp_path)
        registry.add("a/b", "latest", new)
        (second,) = run([reference], tmp_path)
    assert first.key != second.key
    with Fleet.open(tmp_path / "results.sqlite3") as results:
        assert results.totals().images == 1
        assert results.report(reference) == second.report


def test_references_that_are_no_longer_listed_are_dropped(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        references = push(registry, 3)
        run(references, tmp_path)
        run(references[:2], tmp_path)
    with Fleet.open(tmp_path / "results.sqlite3") as results:
        assert {r.name for r in results.references()} == set(references[:2])
        distinct = {d for one in list(fleet(3))[:2] for d in one.diff_ids}
        assert results.totals().layers == len(distinct)


def test_nothing_is_dropped_where_a_list_could_not_be_had(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        references = push(registry, 2)
        run(references, tmp_path)
        with pytest.raises(InvalidReferenceError, match="cannot be read"):
            run([references[0], f"@{tmp_path}/none.txt"], tmp_path)
    with Fleet.open(tmp_path / "results.sqlite3") as results:
        assert results.totals().references == 2


def test_the_policy_decides_what_fails(tmp_path: Path) -> None:
    (one,) = fleet(1)
    with FakeRegistry() as registry:
        reference = registry.add("a/b", "1", one)
        (failing,) = run([reference], tmp_path)
        waived = msgspec.structs.replace(
            BUILTIN["python-slim"], waivers=(Waiver(rule="*", reason="known"),)
        )
        (passing,) = run([reference], tmp_path, policy=waived)
    assert (failing.fails, passing.fails) == (True, False)
    assert failing.report == passing.report
    with Fleet.open(tmp_path / "results.sqlite3") as results:
        assert results.fixes() == ()


def test_platforms_of_one_name_are_asked_for_by_name(tmp_path: Path) -> None:
    both = [image([layer({"a": p})], platform=p, tag="m:1") for p in ("linux/amd64", "linux/arm64")]
    with FakeRegistry() as registry:
        reference = registry.add("m", "1", Index(images=tuple(both), tag="m:1"))
        (one,) = run([reference], tmp_path, platform="linux/arm64")
    assert one.report is not None
    assert one.report.image.platform == "linux/arm64"
    assert one.platform == "linux/arm64"


def test_all_platforms_of_a_name(tmp_path: Path) -> None:
    wanted = ["linux/amd64", "linux/arm/v7", "linux/arm64"]
    many = [image([layer({"a": each})], platform=each, tag="m:1") for each in wanted]
    with FakeRegistry() as registry:
        both = registry.add("m", "1", Index(images=tuple(many), tag="m:1"))
        single = push(registry, 1)[0]
        missing = f"registry:{registry.host}/no/such:1"
        outcomes = run([both, single, missing], tmp_path, platform="all")
        found = {(o.reference, o.platform): o for o in outcomes}
        assert {*found} == {*((both, each) for each in wanted), (single, ""), (missing, "all")}
        for each in wanted:
            report = found[both, each].report
            assert report is not None
            assert report.to_json() == pyimginspect.inspect(both, platform=each).to_json()
        assert len(run([both, single], tmp_path, platform="all")) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "--workers"),
        ({"choice": Choice(tags="(")}, "regular expression"),
        ({"choice": Choice(versions="what")}, "version specifier"),
        ({"choice": Choice(newest=0)}, "--newest"),
        ({"platform": "x"}, "no platform"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(
    options: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidReferenceError, match=re.escape(message)):
        run(["a"], tmp_path, **options)
    assert not (tmp_path / "results.sqlite3").exists()


def test_a_cluster_needs_a_shared_cache(tmp_path: Path) -> None:
    with pytest.raises(InvalidReferenceError, match="cache that they share"):
        list(inspect_fleet(["a"], cluster="tcp://127.0.0.1:1", results=tmp_path / "r"))


def test_a_results_file_has_one_run_at_a_time(tmp_path: Path) -> None:
    plan = Plan(references=("x",), results=tmp_path / "r.sqlite3", cache=tmp_path)
    with Inspection(plan), pytest.raises(ResultsError, match="another run writes to"):
        Inspection(plan).__enter__()
    with Inspection(plan):
        pass


def test_errors_of_a_cluster_are_of_the_tree() -> None:
    assert issubclass(ClusterError, pyimginspect.PyimginspectError)
