"""Names of images, as Docker's reference implementation reads them."""

import io
import os
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.errors import (
    ArchiveError,
    DaemonError,
    ImageNotFoundError,
    InvalidReferenceError,
    PyimginspectError,
    RegistryError,
)
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from pyimginspect.sources.reference import parse_name
from pyimginspect.sources.resolve import split_path
from tests.contract import one_line
from tests.images import Compression, compress, docker_archive, image, oci_layout, tar

HEX = "0123456789abcdef" * 4
SHA = f"sha256:{HEX}"


# The first part is from the tests of distribution/reference (reference_test.go, normalize_test.go).
@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("python", "docker.io", "library/python", "latest", None),
        ("python:3.11-slim", "docker.io", "library/python", "3.11-slim", None),
        ("acme/api", "docker.io", "acme/api", "latest", None),
        ("docker.io/python", "docker.io", "library/python", "latest", None),
        ("index.docker.io/python", "docker.io", "library/python", "latest", None),
        ("docker.io/library/python:3", "docker.io", "library/python", "3", None),
        ("localhost/api", "localhost", "api", "latest", None),
        ("localhost:5000/api:1", "localhost:5000", "api", "1", None),
        ("test.com/repo:tag", "test.com", "repo", "tag", None),
        ("test:5000/repo", "test:5000", "repo", "latest", None),
        ("test:5000/repo:tag", "test:5000", "repo", "tag", None),
        (f"test:5000/repo@{SHA}", "test:5000", "repo", None, SHA),
        (f"test:5000/repo:tag@{SHA}", "test:5000", "repo", "tag", SHA),
        ("lowercase:Uppercase", "docker.io", "library/lowercase", "Uppercase", None),
        ("Uppercase/lowercase:tag", "Uppercase", "lowercase", "tag", None),
        ("sub-dom1.foo.com/bar/baz/quux", "sub-dom1.foo.com", "bar/baz/quux", "latest", None),
        (
            "b.gcr.io/test.example.com/my-app:t.e",
            "b.gcr.io",
            "test.example.com/my-app",
            "t.e",
            None,
        ),
        ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com", None),
        ("foo_bar.com:8080", "docker.io", "library/foo_bar.com", "8080", None),
        ("foo/foo_bar.com:8080", "docker.io", "foo/foo_bar.com", "8080", None),
        ("[2001:db8::1]:5000/repo:tag", "[2001:db8::1]:5000", "repo", "tag", None),
        ("a__b/c.d/e---f", "docker.io", "a__b/c.d/e---f", "latest", None),
        ("ghcr.io/a/b:1", "ghcr.io", "a/b", "1", None),
        (SHA, "docker.io", "library/sha256", HEX, None),
    ],
)
def test_names(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    name = parse_name(text)
    assert (name.registry, name.repository, name.tag, name.digest) == (
        registry,
        repository,
        tag,
        digest,
    )
    assert parse_name(str(name)) == name
    assert parse_name(name.familiar) == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", ""),
        (":justtag", ""),
        (f"@{SHA}", ""),
        ("repo@sha256:ffff", "no digest"),
        (f"validname@blake3:{HEX}", "digests of 'blake3' cannot be checked"),
        (f"validname@SHA256:{HEX}", "no digest"),
        ("Uppercase:tag", "lowercase"),
        ("test:5000/Uppercase/lowercase:tag", "lowercase"),
        ("a/" * 128 + "a:tag", ""),
        ("aa/asdf$$^/aa", ""),
        ("foo//bar", ""),
        ("foo/", ""),
        ("-foo/bar", ""),
        ("foo..bar", ""),
        ("foo:bad tag", "no tag"),
        ("foo:" + "t" * 129, "no tag"),
        ("foo:", "no tag"),
        ("[fe80::1%eth0]:5000/repo", "host"),
        ("ex_ample.com/a", "host"),
        ("a\nb", ""),
        ("caf\xe9", ""),
        ("\u212aelvin", ""),
        ("x\0", ""),
    ],
)
def test_what_is_no_name(text: str, why: str) -> None:
    with pytest.raises(InvalidReferenceError) as caught:
        parse_name(text)
    one_line(str(caught.value))
    assert why in str(caught.value)


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_a_typed_error(text: str) -> None:
    try:
        name = parse_name(text)
    except InvalidReferenceError as exc:
        one_line(str(exc))
    else:
        assert parse_name(str(name)) == name


# --- where things are looked for ------------------------------------------------------------------
SAMPLE = image([{"etc/os-release": "ID=debian\n"}], tag="acme/api:1.4")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No engine, and no network."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/none.sock")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("reference", "kind", "words"),
    [
        ("app.tar", ImageNotFoundError, ["no such file"]),
        ("app.tar:1.4", ImageNotFoundError, ["no such file"]),
        ("app.tar.gz", ImageNotFoundError, ["no such file"]),
        ("./app", ImageNotFoundError, ["no such file"]),
        ("/none/app", ImageNotFoundError, ["no such file"]),
        ("~/app", ImageNotFoundError, ["no such file"]),
        ("docker-archive:app", ImageNotFoundError, ["no such file"]),
        ("oci:app", ImageNotFoundError, ["no such file"]),
        ("rootfs:app", ImageNotFoundError, ["no such file"]),
        ("Not A Name", InvalidReferenceError, ["Not A Name"]),
        ("", InvalidReferenceError, ["the name of the image is empty"]),
        ("./loop", ImageNotFoundError, ["cannot be examined: Too many levels of symbolic links"]),
        ("./lost.tar", ImageNotFoundError, ["it is a dangling symbolic link"]),
        ("docker://acme/api", InvalidReferenceError, ["is no URL (registry:HOST/NAME asks"]),
        ("https://acme.example/api", InvalidReferenceError, ["is no URL"]),
        ("x" * 5000 + "/Y", InvalidReferenceError, ["lowercase"]),
        ("acme/api", RegistryError, ["docker: no", "podman: no", "registry: no", "(save it with"]),
        ("docker:acme/api", DaemonError, ["no Docker service listens at unix:///"]),
        ("podman:acme/api", DaemonError, ["no Podman service listens at", "podman.socket"]),
        ("docker:../../x", InvalidReferenceError, []),
        ("podman:a?b=c", InvalidReferenceError, []),
        ("registry:", InvalidReferenceError, []),
    ],
)  # fmt: skip
def test_what_is_not_found(reference: str, kind: type[PyimginspectError], words: list[str]) -> None:
    Path("loop").symlink_to("loop")
    Path("lost.tar").symlink_to("elsewhere")
    with pytest.raises(kind) as caught:
        open_reference(reference, Options())
    one_line(str(caught.value))
    assert len(str(caught.value)) < 1000
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "reference",
    ["registry:https://me:{}@acme.example/api", "https://me:{}@acme.example/api"],
)
def test_a_password_in_a_name_is_not_repeated(reference: str) -> None:
    """A variable of the CI may have put it there, and the CI's log is public."""
    with pytest.raises(InvalidReferenceError) as caught:
        open_reference(reference.format("hunter2"), Options())
    assert "hunter2" not in str(caught.value)


def test_a_directory_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.listdir", refuse)
    for reference in (f"oci:{tmp_path}", str(tmp_path)):
        with pytest.raises(ArchiveError, match="cannot be read: Permission denied"):
            open_reference(reference, Options())


def test_a_path_comes_before_a_name(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/api").write_bytes(docker_archive(SAMPLE))
    assert open_reference("acme/api", Options()).image.source == "docker-archive"
    assert open_reference("acme/api:1.4", Options()).image.source == "docker-archive"
    with pytest.raises(DaemonError):
        open_reference("docker:acme/api", Options())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("there", ("there", None)),
        ("there:1.4", ("there", "1.4")),
        ("there:host:5000/a:1", ("there", "host:5000/a:1")),
        ("with:colon", ("with:colon", None)),
        ("with:colon:tag", ("with:colon", "tag")),
        ("none:1", ("none:1", None)),
    ],
)
def test_a_path_and_a_tag(text: str, expected: tuple[str, str | None], tmp_path: Path) -> None:
    for name in ("there", "with:colon"):
        (tmp_path / name).touch()
    assert split_path(text) == expected


class NotATerminal(io.BytesIO):
    @property
    def buffer(self) -> "NotATerminal":
        return self

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation("this is a pipe")

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, 1000) if size and size > 0 else size)  # as pipes do

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize(
    "reference", ["-", "-:acme/api:1.4", "docker-archive:-", "docker-archive:-:acme/api:1.4"]
)
@pytest.mark.parametrize("wrap", [None, "gzip", "xz"])
def test_standard_input(reference: str, wrap: Compression, monkeypatch: pytest.MonkeyPatch) -> None:
    data = compress(docker_archive(SAMPLE), wrap)
    monkeypatch.setattr(sys, "stdin", NotATerminal(data))
    found = open_reference(reference, Options()).image
    assert found.source == "docker-archive"
    assert [e.path for e in found.layers[0].index.entries] == ["etc/os-release"]


@pytest.mark.parametrize("reference", ["-", "rootfs:-"])
def test_a_root_file_system_on_standard_input(
    reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", NotATerminal(tar({".dockerenv": "", "etc/hosts": ""})))
    assert open_reference(reference, Options()).image.source == "rootfs"


def test_nothing_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", NotATerminal())
    with pytest.raises(ArchiveError, match=r"^-: it is empty \("):
        open_reference("-", Options())


@pytest.mark.parametrize("name", ["empty.tar", "rootfs:empty.tar", "empty.tar:1.4"])
def test_an_empty_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty.tar").touch()
    with pytest.raises(ArchiveError, match="it is empty"):
        open_reference(name, Options())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("reference", ["pipe", "pipe:acme/api:1.4", "docker-archive:pipe"])
@pytest.mark.parametrize("wrap", [None, "gzip"])
def test_a_named_pipe(reference: str, wrap: Compression, tmp_path: Path) -> None:
    """As `<(docker save …)` makes one: it cannot be sought in, nor opened a second time."""
    os.mkfifo(tmp_path / "pipe")
    data = compress(docker_archive(SAMPLE), wrap)
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
    writer.start()
    try:
        found = open_reference(reference, Options()).image
    finally:
        writer.join(10)
    assert found.source == "docker-archive"
    assert [e.path for e in found.layers[0].index.entries] == ["etc/os-release"]


def test_a_terminal_as_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(NotATerminal):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(InvalidReferenceError, match="terminal"):
        open_reference("-", Options())


def test_a_layout_by_its_prefix(tmp_path: Path) -> None:
    oci_layout(SAMPLE, tmp_path / "oci")
    assert open_reference("oci:oci", Options()).image.source == "oci"
    assert open_reference(f"oci:{tmp_path}/oci:1.4", Options()).image.source == "oci"
