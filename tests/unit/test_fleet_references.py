"""References of a fleet → the images that they name."""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from pyimginspect.errors import InvalidReferenceError, PyimginspectError
from pyimginspect.fleet.records import Target
from pyimginspect.fleet.references import Choice, Skipped, expand, lists
from tests.fleets import fleet, push
from tests.images import docker_archive, image, layer, oci_layout
from tests.servers import FakeEngine, FakeRegistry, TokenServer


def expanded(
    *references: str, skipped: Skipped | None = None, platform: str = "", **choice: Any
) -> list[Target]:
    def failed(reference: str, error: PyimginspectError) -> None:
        raise error

    return list(
        expand(
            references,
            Choice(**choice),
            skipped if skipped is not None else Skipped(),
            platform=platform,
            failed=failed,
        )
    )


def names(*references: str, **options: Any) -> list[str]:
    return [target.reference for target in expanded(*references, **options)]


# --- lists ----------------------------------------------------------------------------------------
def test_names_are_themselves() -> None:
    assert names("python:3.13", "docker:a/b", "x.tar") == ["python:3.13", "docker:a/b", "x.tar"]


def test_a_list_has_a_line_for_each(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(
        b"\xef\xbb\xbf# all\n\na/b:1 # the first\n  c/d@sha256:00\r\n#x\nregistry:h/e#f\n"
    )
    assert names(f"@{path}") == ["a/b:1", "c/d@sha256:00", "registry:h/e#f"]


def test_a_list_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    assert names("@-", "c") == ["a", "b", "c"]


def test_a_list_may_name_directories(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "a.tar").write_bytes(docker_archive(*fleet(1)))
    (tmp_path / "list").write_text(f"{tmp_path}/saved\n")
    assert names(f"@{tmp_path}/list") == [f"{tmp_path}/saved/a.tar"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"@other\n", "names another list, @other"),
        (b"\xff\xfe\x00", "is no text"),
        (b'{"items": 3}', "is not what kubectl"),
        (b"{", "is not what kubectl"),
        (b"[" * 100_000, "is not what kubectl"),
    ],
)
def test_lists_that_are_none(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(PyimginspectError, match=re.escape(words)):
        names(f"@{tmp_path}/list")


@pytest.mark.parametrize("name", ["list", "-"])
def test_a_list_over_its_limit_is_refused_and_not_cut(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last line may be half a name, which is another image's."""
    name = name if name == "-" else str(tmp_path / name)

    def read(content: bytes) -> list[str]:
        (tmp_path / "list").write_bytes(content)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return names(f"@{name}")

    monkeypatch.setattr(lists, "_LARGEST", 1200)
    assert read(b"python\n".ljust(1200, b"\n")) == ["python"]
    with pytest.raises(InvalidReferenceError) as caught:
        read(b"python\n".ljust(1201, b"\n"))
    assert str(caught.value) == f"the list '{name}' has more than 1,200 bytes"


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PyimginspectError, match="cannot be read: No such file"):
        names(f"@{tmp_path}/list")


ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")


def pod(namespace: str, *containers: tuple[str, str], **more: Any) -> dict[str, Any]:
    statuses = [{"image": name, "imageID": identity} for name, identity in containers]
    return {
        "metadata": {"namespace": namespace},
        "spec": {"containers": [{"image": name} for name, _ in containers]},
        "status": {"containerStatuses": statuses, **more},
    }


def test_the_pods_of_a_cluster(tmp_path: Path) -> None:
    pods = [
        pod("shop", ("nginx:1", f"docker.io/library/nginx@{ONE}")),
        pod("shop", ("nginx:1", f"docker.io/library/nginx@{ONE}")),  # a replica
        pod("web", ("nginx:1", f"docker-pullable://nginx@{ONE}")),  # by dockershim
        pod("web", ("own/local:1", f"sha256:{'3' * 64}")),  # built on the node
        pod(
            "jobs",
            ("ghcr.io/a/b", f"ghcr.io/a/b@{TWO}"),
            initContainerStatuses=[{"image": "busybox", "imageID": f"docker.io/busybox@{ONE}"}],
        ),
        {"metadata": {"namespace": "new"}, "spec": {"containers": [{"image": "pending:1"}]}},
    ]
    (tmp_path / "pods.json").write_text(json.dumps({"kind": "List", "items": pods}))
    assert [(t.reference, t.namespace) for t in expanded(f"@{tmp_path}/pods.json")] == [
        (f"registry:docker.io/library/nginx@{ONE}", "shop"),
        (f"registry:nginx@{ONE}", "web"),
        ("registry:own/local:1", "web"),
        (f"registry:docker.io/busybox@{ONE}", "jobs"),
        (f"registry:ghcr.io/a/b@{TWO}", "jobs"),
        ("registry:pending:1", "new"),
    ]


def test_one_pod_is_a_list_too(tmp_path: Path) -> None:
    (tmp_path / "pod.json").write_text(json.dumps(pod("a", ("x:1", f"r.io/x@{ONE}"))))
    assert names(f"@{tmp_path}/pod.json") == [f"registry:r.io/x@{ONE}"]


# --- directories ----------------------------------------------------------------------------------
def test_a_directory_of_archives_and_layouts(tmp_path: Path) -> None:
    one, two = fleet(2)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "b.tar").write_bytes(docker_archive(one))
    (tmp_path / "both.tar").write_bytes(docker_archive(one, two))
    (tmp_path / "notes.md").write_text("x")
    oci_layout(two, tmp_path / "deep" / "er" / "layout")
    skipped = Skipped()
    assert names(str(tmp_path), skipped=skipped) == [
        f"{tmp_path}/b.tar",
        f"{tmp_path}/both.tar:team0/app0:1.0",
        f"{tmp_path}/both.tar:team1/app1:1.1",
        f"{tmp_path}/deep/er/layout",
    ]
    assert skipped.names == {"files that are no archives": [f"{tmp_path}/notes.md"]}


def test_a_layout_or_a_root_file_system_is_one_image(tmp_path: Path) -> None:
    oci_layout(next(iter(fleet(1))), tmp_path / "layout")
    (tmp_path / "root" / "usr").mkdir(parents=True)
    paths = [str(tmp_path / "layout"), str(tmp_path / "root")]
    assert names(*paths) == paths


def test_what_is_damaged_is_left_to_who_opens_it(tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(b"what" * 1000)
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout" / "index.json").write_text("{")
    assert names(str(tmp_path)) == [f"{tmp_path}/bad.tar", f"{tmp_path}/layout"]


# --- engines --------------------------------------------------------------------------------------
def test_the_images_of_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeEngine() as engine:
        engine.add("a", b"", ONE, "acme/api:1", "acme/api:latest")
        engine.add("b", b"", TWO, "other:1")
        engine.add("c", b"", f"sha256:{'3' * 64}")
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        monkeypatch.setenv("CONTAINER_HOST", engine.address)
        skipped = Skipped()
        assert names("docker:*", skipped=skipped) == ["docker:acme/api:1", "docker:other:1"]
        assert names("docker:acme/*") == ["docker:acme/api:1"]
        assert names("podman:oth*") == ["podman:other:1"]
        assert dict(skipped.counts) == {"images without a name": 1}


# --- registries -----------------------------------------------------------------------------------
@pytest.mark.parametrize("page", [1, 2, 1000])
def test_a_registry_is_listed_page_by_page(page: int) -> None:
    with FakeRegistry() as registry:
        registry.page = page
        references = push(registry, 7)
        assert names(f"registry:{registry.host}/*") == sorted(references)
        wanted = sorted(r for r in references if "/team1/" in r)
        assert names(f"registry:{registry.host}/team1/*") == wanted
        assert names(f"registry:http://{registry.host}/team1/*") == [
            r.replace("registry:", "registry:http://") for r in wanted
        ]


def tagged(registry: FakeRegistry, *tags: str) -> str:
    (one,) = fleet(1)
    for tag in tags:
        registry.add("team/api", tag, one)
    return f"registry:{registry.host}/team/api"


def test_the_tags_of_one_repository_need_no_catalog() -> None:
    with FakeRegistry() as registry:
        name = tagged(registry, "1", "2")
        registry.always("_catalog", (403, {}, b"{}"))
        assert names(f"{name}:*") == [f"{name}:1", f"{name}:2"]
        assert names(f"{name}:2*") == [f"{name}:2"]
        assert names(f"registry:{registry.host}/team/none:*") == []


VERSIONS = ("1.0", "v1.2", "1.10", "2.0", "2.1rc1", "latest", "main", "1.2-slim")


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"tags": r"1\..*"}, ["1.0", "1.10", "1.2-slim"]),
        ({"tags": "latest|main"}, ["latest", "main"]),
        ({"versions": ">=1.2"}, ["1.10", "2.0", "v1.2"]),
        ({"versions": ">=1.2,<2"}, ["1.10", "v1.2"]),
        ({"versions": ">=2.1rc1"}, ["2.1rc1"]),
        ({"newest": 2}, ["2.0", "2.1rc1"]),
        ({"newest": 1, "versions": "<2"}, ["1.10"]),
        ({"newest": 1, "tags": r"1\.\d+"}, ["1.10"]),
        ({"exclude": ("*:latest", "*:main")}, ["1.0", "1.10", "1.2-slim", "2.0", "2.1rc1", "v1.2"]),
        ({"exclude": ("team/*",)}, []),
        ({"exclude": ("*/team/api",)}, []),
    ],
)
def test_filters_of_tags(choice: dict[str, Any], wanted: list[str]) -> None:
    with FakeRegistry() as registry:
        name = tagged(registry, *VERSIONS)
        skipped = Skipped()
        assert names(f"{name}:*", skipped=skipped, **choice) == [f"{name}:{tag}" for tag in wanted]
        unread = [] if "tags" in choice or "exclude" in choice else ["1.2-slim", "latest", "main"]
        where = name.removeprefix("registry:")
        listed = skipped.names.get("tags that are no versions", [])
        assert listed == [f"{where}:{tag}" for tag in unread]


def test_platforms_are_passed_on() -> None:
    assert [t.platform for t in expanded("a", "b", platform="linux/arm64")] == ["linux/arm64"] * 2


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_registry_that_lists_nothing_says_what_to_do(status: int) -> None:
    with FakeRegistry() as registry:
        push(registry, 1)
        registry.always("_catalog|/api/", (status, {}, b"{}"))
        with pytest.raises(PyimginspectError, match="does not list its repositories") as caught:
            names(f"registry:{registry.host}/team0/*")
    assert "name each repository" in str(caught.value)


def test_pages_that_never_end() -> None:
    with FakeRegistry() as registry:
        push(registry, 1)
        count = iter(range(10_000))

        def endless(_: str, path: str) -> tuple[int, dict[str, str], bytes] | None:
            if "_catalog" not in path:
                return None
            link = f'</v2/_catalog?last={next(count)}>; rel="next"'
            return 200, {"Link": link}, b'{"repositories": ["a"]}'

        registry.faults.append(endless)
        with pytest.raises(PyimginspectError, match="the same again and again"):
            names(f"registry:{registry.host}/*")


@pytest.mark.parametrize("body", [b"[]", b'{"repositories": null}', b'{"repositories": [1]}'])
def test_lists_without_a_name(body: bytes) -> None:
    with FakeRegistry() as registry:
        registry.always("_catalog", (200, {}, body))
        assert names(f"registry:{registry.host}/*") == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff"])
def test_lists_that_make_no_sense(body: bytes) -> None:
    with FakeRegistry() as registry:
        registry.always("_catalog", (200, {}, body))
        with pytest.raises(PyimginspectError, match="not JSON"):
            names(f"registry:{registry.host}/*")


def test_harbor_lists_a_project() -> None:
    with FakeRegistry() as registry:
        references = push(registry, 6)
        registry.always("_catalog", (401, {"WWW-Authenticate": 'Basic realm="x"'}, b"{}"))
        pages = [["team1/app1"], ["team1/app4"]]

        def harbor(_: str, path: str) -> tuple[int, dict[str, str], bytes] | None:
            found = re.fullmatch(r"/api/v2.0/projects/team1/repositories\?page=(\d)&.*", path)
            if found is None:
                return None
            number = int(found[1])
            link = f'<{path.replace("page=1", "page=2")}>; rel="next"'
            body = json.dumps([{"id": 1, "name": name} for name in pages[number - 1]]).encode()
            return 200, {"Link": link} if number == 1 else {}, body

        registry.faults.append(harbor)
        wanted = sorted(r for r in references if "/team1/" in r)
        assert names(f"registry:{registry.host}/team1/*") == wanted


def test_gitlab_lists_a_group() -> None:
    with FakeRegistry() as registry, TokenServer() as gitlab:
        references = push(registry, 6)
        realm = f'Bearer realm="http://{gitlab.host}/jwt/auth",service="container_registry"'

        def closed(_: str, path: str) -> tuple[int, dict[str, str], bytes] | None:
            if path.startswith("/v2/_catalog") or path == "/v2/":
                return 401, {"WWW-Authenticate": f'{realm},scope="registry:catalog:*"'}, b"{}"
            return None

        registry.faults.append(closed)
        answers = {
            "/api/v4/groups/team2/registry/repositories?per_page=100": json.dumps(
                [{"path": "team2/app2"}, {"path": "team2/app5"}]
            ).encode()
        }
        gitlab.paths = answers
        wanted = sorted(r for r in references if "/team2/" in r)
        assert names(f"registry:{registry.host}/team2/*") == wanted


def test_a_pattern_that_meets_no_repository_is_nothing() -> None:
    with FakeRegistry() as registry:
        push(registry, 1)
        assert names(f"registry:{registry.host}/none/*") == []


def test_images_with_one_layer_are_in_layouts_too(tmp_path: Path) -> None:
    one = image([layer({"a": "x"})], tag=None)
    oci_layout(one, tmp_path / "deep" / "layout")
    assert names(str(tmp_path / "deep")) == [f"{tmp_path}/deep/layout"]
