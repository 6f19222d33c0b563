"""Provenance and bills of materials that are attached to images: read, and held against layers."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pyimginspect
from pyimginspect.attestations import Attestation, Material
from pyimginspect.cli import main
from pyimginspect.formats import render
from pyimginspect.layers.cache import Cache
from pyimginspect.report import Report
from tests.attested import (
    BASE,
    CYCLONEDX,
    DOCKERFILE,
    FRONTEND,
    IN_TOTO,
    PYTHON,
    SPDX,
    V02,
    V1,
    Attested,
    bundle,
    materials,
    smallest,
    spdx,
    statement,
    steps,
    v02,
    v1,
)
from tests.images import image
from tests.inventories import on_slim
from tests.layouts import index
from tests.servers import FakeRegistry

DPKG = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9

Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.2.13
"""
SAMPLE = image(
    [
        {
            "etc/os-release": "ID=debian\nVERSION_ID=12\n",
            "etc/debian_version": "12.1\n",
            "var/lib/dpkg/status": DPKG,
        },
        {"app/.keep": ""},
        {"app/requests.py": "x"},
        {"app/main.py": "y"},
    ]
)
BASE_DIGEST = f"sha256:{BASE['sha256']}"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda _: None)
    with FakeRegistry() as running:
        yield running


def write(folder: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        path = folder / "layout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(folder / "layout")


def report_of(tmp_path: Path, one: Attested, **options: Any) -> Report:
    return pyimginspect.inspect(write(tmp_path, one.indexed()), **options)


def said(tmp_path: Path, predicate: Any, kind: str = V1) -> Attestation:
    one = Attested(SAMPLE)
    one.attach(statement(predicate, kind, one.digest))
    (found,) = report_of(tmp_path, one).attestations
    return found


# --- what is read ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("write_predicate", "kind", "name"),
    [
        (v1, V1, "buildkit_metadata"),
        (v1, V1, "https://mobyproject.org/buildkit@v1#metadata"),
        (v02, V02, "buildkit_metadata"),
    ],
)
def test_provenance_of_every_step(
    tmp_path: Path, write_predicate: Callable[..., Any], kind: str, name: str
) -> None:
    one = Attested(SAMPLE)
    one.attach(statement(write_predicate(one.layers, metadata=name), kind, one.digest))
    report = report_of(tmp_path, one)
    (found,) = report.attestations
    assert (found.kind, found.predicate_type, found.found) == ("provenance", kind, "index")
    assert (found.base_name, found.base_digest, found.base_layers) == (
        "python:3.12-slim",
        BASE_DIGEST,
        1,
    )
    assert found.materials == (
        Material(uri=FRONTEND, digest=BASE_DIGEST),
        Material(uri=PYTHON, digest=BASE_DIGEST),
    )
    assert (found.dockerfile, found.builder) == ("Dockerfile", "https://example.org/builds/7")
    assert (found.source, found.revision) == ("https://example.org/api.git", "c0ffee")
    assert [(each.layer, each.first, each.last) for each in found.lines] == [
        (0, 2, 2),
        (1, 3, 3),
        (2, 4, 5),
        (3, 6, 6),
    ]
    assert found.lines[2].text == "RUN pip install \\\n    requests"
    assert found.ignored == ""
    assert found.contradictions == ()
    assert "hunter2" not in report.to_json(), "values of build arguments may be secret"


@pytest.mark.parametrize(
    ("uris", "base"),
    [
        ([FRONTEND, PYTHON], "python:3.12-slim"),
        ([PYTHON], "python:3.12-slim"),
        (["pkg:docker/ghcr.io/acme/base@2?platform=linux%2Famd64"], "ghcr.io/acme/base:2"),
        (["pkg:docker/python?digest=sha256:ab&platform=linux%2Famd64"], "python"),
        ([FRONTEND, PYTHON, "pkg:docker/golang@1.23"], ""),  # which of them, nothing says
        ([FRONTEND], ""),
        (["https://example.org/a.tar", "git+https://example.org/x"], ""),
        ([], ""),
    ],
)
def test_the_base_of_materials_alone(tmp_path: Path, uris: list[str], base: str) -> None:
    found = said(tmp_path, smallest(*uris))
    assert found.base_name == base
    assert (found.base_digest == BASE_DIGEST) is bool(base)
    assert len(found.materials) == len(uris)


def test_another_frontend_is_no_base(tmp_path: Path) -> None:
    predicate = smallest("pkg:docker/acme/frontend@2", PYTHON)
    request = predicate["buildDefinition"]["externalParameters"]["request"]
    request["args"] = {"source": "acme/frontend:2@sha256:00"}
    assert said(tmp_path, predicate).base_name == "python:3.12-slim"


def test_of_several_images_the_steps_tell_the_base(tmp_path: Path) -> None:
    found = said(tmp_path, v1(materials=materials(PYTHON, "pkg:docker/golang@1.23")))
    assert found.base_name == "python:3.12-slim"


def test_a_build_from_scratch_has_no_base(tmp_path: Path) -> None:
    only = [
        {"id": "step0", "op": {"Op": {"source": {"identifier": "local://context"}}}},
        {
            "id": "step1",
            "op": {"Op": {"file": {"actions": [{"input": -1, "secondaryInput": 0, "output": 0}]}}},
            "inputs": ["step0:0"],
        },
        {"id": "step2", "op": {"Op": None}, "inputs": ["step1:0"]},
    ]
    found = said(tmp_path, v1(steps=only, materials=materials(PYTHON)))
    assert (found.base_name, found.base_digest) == ("", "")


BILLS = {
    "SPDX": (spdx("pkg:deb/debian/libc6@2.36-9?arch=amd64"), SPDX, "buildkit-v0.18.2"),
    "CycloneDX": (
        {
            "bomFormat": "CycloneDX",
            "metadata": {"tools": {"components": [{"name": "syft"}]}},
            "components": [{"name": "libc6", "purl": "pkg:deb/debian/libc6@2.36-9"}],
        },
        CYCLONEDX,
        "syft",
    ),
}


@pytest.mark.parametrize(("bill", "kind", "tool"), BILLS.values(), ids=BILLS)
def test_a_bill_of_materials(tmp_path: Path, bill: Any, kind: str, tool: str) -> None:
    found = said(tmp_path, bill, kind)
    assert (found.kind, found.packages, found.tool) == ("sbom", 1, tool)
    assert found.purls == ()
    assert found.contradictions == ()


# --- against the layers ---------------------------------------------------------------------------
def test_the_layers_are_right_about_packages(tmp_path: Path) -> None:
    bill = spdx(
        "pkg:deb/debian/libc6@2.36-9?arch=amd64",
        "pkg:deb/debian/zlib1g@1%3A1.2.13?arch=amd64",
        "pkg:deb/debian/openssl@3.0.1",
        "pkg:deb/debian/libc6@2.37",
        "pkg:apk/alpine/musl@1",
        "pkg:rpm/fedora/glibc@2.36",
        "pkg:pypi/vendored@1.0",
        "no purl",
    )
    (words,) = said(tmp_path, bill, SPDX).contradictions
    assert words == (
        "it lists system packages that are not installed: "
        "musl 1, libc6 2.37, openssl 3.0.1 and 1 more"
    )


@pytest.mark.parametrize(("missing", "more"), [(3, ""), (4, " and 1 more"), (6, " and 3 more")])
def test_three_packages_are_named(tmp_path: Path, missing: int, more: str) -> None:
    bill = spdx(*(f"pkg:deb/debian/p{number}@1" for number in range(missing)))
    (words,) = said(tmp_path, bill, SPDX).contradictions
    assert words.endswith(f"not installed: p0 1, p1 1, p2 1{more}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("library/alpine:3.20", "it names alpine:3.20 as the base"),
        ("library/ubuntu:24.04", "it names ubuntu:24.04 as the base"),
        ("library/python:3.12-alpine", "it names python:3.12-alpine as the base"),
        ("library/debian:12", ""),
        ("library/python:3.12-slim", ""),
        ("acme/alpine:3", ""),  # may be anything
    ],
)
def test_the_layers_are_right_about_the_base(tmp_path: Path, name: str, words: str) -> None:
    found = said(tmp_path, v1(steps=steps(f"docker.io/{name}")))
    assert found.contradictions == ((f"{words}, and the layers have debian",) if words else ())


@pytest.mark.parametrize(
    ("tag", "contradicted"),
    [
        ("3.13-slim", False),
        ("3.13.1", False),
        ("3", False),
        ("slim", False),  # whichever that was
        ("3.12-slim", True),
        ("3.13.2-slim", True),
        ("2", True),
        ("3.1-slim", True),
    ],
)
def test_the_layers_are_right_about_the_base_s_python(
    tmp_path: Path, tag: str, contradicted: bool
) -> None:
    one = Attested(on_slim())
    predicate = v1(steps=steps(f"docker.io/library/python:{tag}"))
    one.attach(statement(predicate, V1, one.digest))
    (found,) = report_of(tmp_path, one).attestations
    words = f"it names python:{tag} as the base, and the layers have Python 3.13.1"
    assert found.contradictions == ((words,) if contradicted else ())


def test_layers_of_another_base_are_a_contradiction(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    other = [{**one.layers[0], "digest": f"sha256:{'cd' * 32}"}, *one.layers[1:]]
    one.attach(statement(v1(other), V1, one.digest))
    report = report_of(tmp_path, one)
    (found,) = report.attestations
    assert found.base_layers is None
    assert found.contradictions == (
        "layer 0 of python:3.12-slim is another there than in this image",
    )
    assert "1 attestation contradicts the layers: -v says how" in render(report)


def test_layers_compressed_otherwise_are_none(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    zstd = "application/vnd.oci.image.layer.v1.tar+zstd"
    other = [{**one.layers[0], "digest": f"sha256:{'cd' * 32}", "mediaType": zstd}]
    one.attach(statement(v1(other), V1, one.digest))
    (found,) = report_of(tmp_path, one).attestations
    assert (found.base_layers, found.contradictions) == (1, ())


def test_a_base_with_more_layers_than_the_image(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    predicate = v1(one.layers, chains={"step0:0": [[*one.layers, one.layers[0]]]})
    one.attach(statement(predicate, V1, one.digest))
    (found,) = report_of(tmp_path, one).attestations
    assert found.contradictions == ("python:3.12-slim has 5 layers there, this image 4 in all",)


def test_the_report_s_base_is_that_of_the_layers(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    plain = report_of(tmp_path / "plain", one)
    one.attach(statement(v1(one.layers), V1, one.digest))
    report = report_of(tmp_path / "attested", one)
    assert report.base == plain.base
    assert report.findings == plain.findings
    assert (plain.attestations, len(report.attestations)) == ((), 1)


# --- what is not about this image, or not as it should be -----------------------------------------
def test_a_statement_about_another_image_is_ignored_and_said(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    one.attach(statement(v1(one.layers), V1, f"sha256:{'ee' * 32}"))
    (found,) = report_of(tmp_path, one).attestations
    assert (found.kind, found.base_name) == ("other", "")
    assert found.ignored == "it is about sha256:eeeeeeeeeeee…, not about this image"


def test_that_of_another_platform_is_left_alone(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    other = f"sha256:{'ee' * 32}"
    one.attach(statement(v1(one.layers), V1, other), about=other)
    assert report_of(tmp_path, one).attestations == ()


@pytest.mark.parametrize("what", ["config", "layer"])
def test_a_statement_may_be_about_something_within(tmp_path: Path, what: str) -> None:
    one = Attested(SAMPLE)
    subject = SAMPLE.config_digest if what == "config" else one.layers[1]["digest"]
    one.attach(statement(v1(one.layers), V1, subject))
    (found,) = report_of(tmp_path, one).attestations
    assert found.base_name == "python:3.12-slim"


@pytest.mark.parametrize("subject", [[], None])
def test_buildkit_names_no_subject_of_an_image_without_a_name(tmp_path: Path, subject: Any) -> None:
    """`buildctl build --output type=oci`: the manifest that lists the statement names the image."""
    one = Attested(SAMPLE)
    document = json.loads(statement(v02(one.layers), V02, one.digest))
    one.attach(json.dumps({**document, "subject": subject}).encode())
    (found,) = report_of(tmp_path, one).attestations
    assert (found.ignored, found.base_name) == ("", "python:3.12-slim")


@pytest.mark.parametrize(
    ("digits", "reason"),
    [
        (b"+/", ""),
        (b"-_", ""),
        (b"+_", "its payload is not base64"),
        (b"-/", "its payload is not base64"),
        (b".!", "its payload is not base64"),
    ],
)
def test_an_envelope_is_in_either_base64(tmp_path: Path, digits: bytes, reason: str) -> None:
    """DSSE: standard or URL-safe, and verifiers must accept either."""
    one = Attested(SAMPLE)
    # Of each digit some, whatever is before them.
    envelope = bundle(statement(v1(one.layers), V1, one.digest, x="???~~~" * 9 + ">>" * 9), digits)
    assert all(
        digit in json.loads(envelope)["dsseEnvelope"]["payload"].encode() for digit in digits
    )
    one.attach(envelope)
    (found,) = report_of(tmp_path, one).attestations
    assert found.ignored == reason
    assert found.base_name == ("" if reason else "python:3.12-slim")


HOSTILE: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"\xff\x00", "the attestation is not JSON"),
    "deep": (b"[" * 100_000, "the attestation is not JSON"),
    "a list": (b"[1, 2]", "documents of its type are not read"),
    "nothing": (b"{}", "documents of its type are not read"),
    "no subject": (json.dumps({"predicateType": V1, "subject": 7}).encode(), "about nothing"),
    "no digest": (json.dumps({"predicateType": V1, "subject": [{}]}).encode(), "about nothing"),
    "an envelope of nothing": (b'{"payload": "%%%", "payloadType": "x"}', "is not base64"),
}


@pytest.mark.parametrize(("data", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_statement_is_ignored(tmp_path: Path, data: bytes, reason: str) -> None:
    one = Attested(SAMPLE)
    one.attach(data)
    (found,) = report_of(tmp_path, one).attestations
    assert reason in found.ignored


ODD: list[Any] = [None, 7, "x", [], [7], {"x": []}, [{"x": {}}], [[[]]], {"": None}, [{"id": 1}]]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("where", ["materials", "steps", "source", "chains", "args"])
@pytest.mark.parametrize(("write_predicate", "kind"), [(v1, V1), (v02, V02)])
def test_no_value_is_trusted(
    tmp_path: Path, write_predicate: Callable[..., Any], kind: str, where: str, odd: Any
) -> None:
    one = Attested(SAMPLE)
    one.attach(statement(write_predicate(one.layers, **{where: odd}), kind, one.digest))
    report = report_of(tmp_path, one)
    assert len(report.attestations) == 1
    assert Report.from_json(report.to_json()) == report


@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, {"locations": {"step3": {"locations": [
    {"sourceIndex": 9, "ranges": [{"start": {"line": -1}, "end": {"line": 10**30}}]}]}},
    "infos": [{"data": "%%%"}]}])  # fmt: skip
def test_no_lines_are_made_up(tmp_path: Path, odd: Any) -> None:
    one = Attested(SAMPLE)
    one.attach(statement(v1(one.layers, source=odd), V1, one.digest))
    (found,) = report_of(tmp_path, one).attestations
    assert found.lines == ()


def test_a_circle_of_steps_ends(tmp_path: Path) -> None:
    circle = [
        {"id": f"step{n}", "op": {"Op": None}, "inputs": [f"step{(n + 1) % 50}:0"]}
        for n in range(50)
    ]
    assert said(tmp_path, v1(steps=circle)).base_name == ""


def test_a_document_that_is_another_than_its_digest_is_ignored(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    right = statement(v1(one.layers), V1, one.digest)
    one.attach(right)
    files = one.indexed()
    name = next(name for name, data in files.items() if data == right)
    files[name] = right.replace(b"python", b"pytham")
    (found,) = pyimginspect.inspect(write(tmp_path, files)).attestations
    assert "the attestation is sha256:" in found.ignored
    assert found.base_name == ""


def test_one_that_is_absent_or_too_large_is_ignored(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    absent = statement(v1(one.layers), V1, one.digest)
    one.attach(absent)
    large = statement(smallest(PYTHON), V1, one.digest)
    one.attach(large, size=1 << 30)
    files = {name: data for name, data in one.indexed().items() if data != absent}
    reasons = [a.ignored for a in pyimginspect.inspect(write(tmp_path, files)).attestations]
    assert reasons == ["it is not there", "it has 1,073,741,824 bytes, more than are read"]


def test_a_thousand_attestations_are_not_all_read(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    for number in range(100):
        one.attach(statement({"n": number}, V1, one.digest))
    assert len(report_of(tmp_path, one).attestations) == 16


def test_neither_documents_nor_bytes_are_without_end(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    one.attach(*(statement({"n": number}, V1, one.digest) for number in range(32)))
    one.attach(*(statement({"m": number}, V1, one.digest) for number in range(32)))
    found = report_of(tmp_path / "many", one).attestations
    beyond = [each for each in found if "more attestations than are read" in each.ignored]
    assert (len(found), len(beyond)) == (64, 18)
    one = Attested(SAMPLE)
    one.attach(*(statement({"n": "x" * (4_000_000 + n)}, V1, one.digest) for n in range(8)))
    found = report_of(tmp_path / "large", one).attestations
    beyond = [each for each in found if "more attestations than are read" in each.ignored]
    assert (len(found), len(beyond)) == (8, 3)


@pytest.mark.parametrize("count", [5_000])
def test_a_circle_of_large_steps_takes_no_time(tmp_path: Path, count: int) -> None:
    actions = [{"input": 0, "output": n} for n in range(count)]
    file = {"Op": {"file": {"actions": actions}}}
    circle = [
        {"id": "a", "op": file, "inputs": ["b:1"]},
        {"id": "b", "op": file, "inputs": ["a:0"]},
    ]
    many = [{"id": f"step{n}", "op": {}} for n in range(4_000)]
    before = time.process_time()
    assert said(tmp_path, v1(steps=[*many, *circle])).base_name == ""
    assert time.process_time() - before < 5


def test_names_are_text_wherever_they_stand(tmp_path: Path) -> None:
    evil = "<script>window.pwned = 1</script>\x1b[31m\u202e"
    one = Attested(SAMPLE)
    predicate = v1(one.layers, materials=materials(evil), steps=steps(f"docker.io/{evil}"))
    predicate["runDetails"]["builder"]["id"] = evil
    one.attach(statement(predicate, V1, one.digest))
    report = report_of(tmp_path, one)
    page = render(report, "html")
    assert "<script>window" not in page
    assert "&lt;script&gt;window" in page
    for text in (render(report, detail=1), render(report, detail=2)):
        assert "\x1b[31m" not in text
        assert "\u202e" not in text
    for name in ("cyclonedx", "spdx"):
        json.loads(render(report, name))


# --- registries -----------------------------------------------------------------------------------
def serve(registry: FakeRegistry, one: Attested, *, indexed: bool = True) -> str:
    return registry.add("api", "1", SAMPLE, files=one.indexed() if indexed else one.files)


def test_a_registry_s_index(registry: FakeRegistry) -> None:
    one = Attested(SAMPLE)
    one.attach(statement(v1(one.layers), V1, one.digest))
    reference = serve(registry, one)
    (found,) = pyimginspect.inspect(reference).attestations
    assert found.base_name == "python:3.12-slim"
    with_them = len(registry.requests)
    assert len(registry.asked("/blobs/")) == 1 + 4 + 1, "configuration, layers, one statement"
    registry.requests.clear()
    assert pyimginspect.inspect(reference, attestations="never").attestations == ()
    assert with_them - len(registry.requests) == 2, "a manifest and a statement"


def test_nothing_is_asked_for_where_nothing_points_to_any(registry: FakeRegistry) -> None:
    reference = serve(registry, Attested(SAMPLE))
    pyimginspect.inspect(reference)
    asked = len(registry.requests)
    registry.requests.clear()
    pyimginspect.inspect(reference, attestations="never")
    assert len(registry.requests) == asked
    assert registry.asked("referrers") == []


@pytest.mark.parametrize("by_tag", [False, True], ids=["API", "tag"])
def test_referrers(registry: FakeRegistry, by_tag: bool) -> None:
    one = Attested(SAMPLE)
    entries = [
        one.refer(bundle(statement(v1(one.layers), V1, one.digest)),
                  "application/vnd.dev.sigstore.bundle.v0.3+json"),
        one.refer(json.dumps(spdx("pkg:deb/debian/libc6@2")).encode(), "application/spdx+json"),
        one.refer(b"signature", "application/vnd.dev.cosign.artifact.sig.v1+json"),
        one.refer(statement(v1(), V1, one.digest), IN_TOTO, subject=f"sha256:{'ee' * 32}"),
    ]  # fmt: skip
    listing = index(*entries)
    reference = serve(registry, one, indexed=False)
    if by_tag:
        registry.manifests["api", one.digest.replace(":", "-")] = listing
    else:
        registry.always(f"/v2/api/referrers/{one.digest}$", (200, {}, listing))
    assert pyimginspect.inspect(reference).attestations == (), "only where it is asked for"
    assert registry.asked("referrers") == []
    found = pyimginspect.inspect(reference, attestations="referrers").attestations
    assert [(a.kind, a.found, a.ignored) for a in found] == [
        ("provenance", "referrers", ""),
        ("sbom", "referrers", ""),
        ("other", "referrers", "it is about another image"),
    ]
    assert found[0].base_name == "python:3.12-slim"


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_list_of_referrers_that_cannot_be_had_is_said(
    registry: FakeRegistry, status: int
) -> None:
    reference = serve(registry, Attested(SAMPLE), indexed=False)
    registry.always("referrers", (status, {}, b"no"))
    (found,) = pyimginspect.inspect(reference, attestations="referrers").attestations
    assert found.ignored.startswith("the list of referrers could not be read: ")


def test_artifacts_of_a_layout_by_their_subject(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    one.refer(statement(v1(one.layers), V1, one.digest), IN_TOTO, listed=True)
    one.refer(statement(v1(), V1, one.digest), IN_TOTO, subject=f"sha256:{'ee' * 32}", listed=True)
    files = {**one.files, "index.json": index(one.top, *one.attached)}
    (found,) = pyimginspect.inspect(write(tmp_path, files)).attestations
    assert (found.kind, found.found) == ("provenance", "index")


# --- what is shown --------------------------------------------------------------------------------
def test_the_report_says_what_is_attested(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    one.attach(statement(v1(one.layers), V1, one.digest))
    report = report_of(tmp_path, one)
    text = " ".join(render(report, detail=1, width=100).split())
    assert "Attestations: claims of who built the image, not verified" in text
    base = f"base python:3.12-slim@{BASE_DIGEST}, 1 layer of the image"
    assert base.replace(" ", "") in text.replace(" ", "")
    assert "layer 2 Dockerfile, lines 4 to 5: RUN pip install requests layer 3" in text
    assert "Attestations" not in render(report)
    assert 'id="attestations"' in render(report, "html")
    for name in ("cyclonedx", "spdx"):
        assert f"python:3.12-slim@{BASE_DIGEST}" in render(report, name)
    assert DOCKERFILE.splitlines()[1] in report.to_json()


def test_the_option_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = Attested(SAMPLE)
    one.attach(statement(v1(one.layers), V1, one.digest))
    path = write(tmp_path, one.indexed())
    for option, count in (("index", 1), ("referrers", 1), ("never", 0)):
        main([path, "-q", "--no-cache", "-f", "json", "--attestations", option])
        (report,) = json.loads(capsys.readouterr().out)["reports"]
        assert len(report.get("attestations", [])) == count
    assert main([path, "--attestations", "indx"]) == 2
    assert "index" in capsys.readouterr().err


def test_a_report_from_the_cache_has_them_too(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    one.attach(statement(v1(one.layers), V1, one.digest))
    path = write(tmp_path, one.indexed())
    with Cache(tmp_path / "cache") as cache:
        first = pyimginspect.inspect(path, cache=cache)
        assert pyimginspect.inspect(path, cache=cache) == first
        assert pyimginspect.inspect(path, cache=cache, attestations="never").attestations == ()
    assert len(first.attestations) == 1


# --- fleets ---------------------------------------------------------------------------------------
def test_a_fleet_reports_what_inspect_does(tmp_path: Path) -> None:
    one = Attested(SAMPLE)
    one.attach(statement(v1(one.layers), V1, one.digest))
    with FakeRegistry() as running:
        attested = running.add("api", "1", SAMPLE, files=one.indexed())
        plain = running.add("plain", "1", SAMPLE)
        command: dict[str, Any] = {
            "results": tmp_path / "r.sqlite3",
            "cache": tmp_path / "cache",
            "workers": 1,
        }
        for _ in range(2):
            outcomes = list(pyimginspect.inspect_fleet([attested, plain], **command))
            for outcome in outcomes:
                assert outcome.report is not None
                assert outcome.report.to_json() == pyimginspect.inspect(outcome.reference).to_json()
            running.requests.clear()
        before = len(running.requests)
        list(pyimginspect.inspect_fleet([attested, plain], **command))
        assert [each for each in running.requests[before:] if "/blobs/" in str(each)] == []
        # The same layers and configuration, without what is attached: another report.
        counts = {o.reference: len(o.report.attestations) for o in outcomes if o.report}
        assert counts == {attested: 1, plain: 0}
