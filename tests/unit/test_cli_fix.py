"""`--diff` and `--fix`: what is printed and written, and when nothing is."""

import os
import stat
from pathlib import Path

import pytest

from pyimginspect.cli import main
from tests.images import docker_archive, image

LAYERS = (
    {"etc/os-release": "ID=debian\nVERSION_ID=12\n"},
    {"app/main.py": "x"},
    {"root/.cache/pip/http/x": b"x" * 100_000, "usr/lib/x.py": b"y" * 5000},
)
HISTORY = ["ADD rootfs.tar /", "COPY main.py /app/ # buildkit"]
HISTORY += ["RUN |1 TOKEN=hunter2 /bin/sh -c pip install -r requirements.txt # buildkit"]
TEXT = "FROM x\nCOPY main.py /app/\nARG TOKEN\n# why\nRUN pip install -r requirements.txt\n"
FIXED = TEXT.replace(
    "RUN pip install", "# pyimginspect: fixes package-cache\nRUN pip install --no-cache-dir"
)


@pytest.fixture
def archive(tmp_path: Path) -> str:
    path = tmp_path / "image.tar"
    path.write_bytes(docker_archive(image(LAYERS, history=HISTORY, tag="app:1")))
    return str(path)


@pytest.fixture
def dockerfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "Dockerfile"
    path.write_text(TEXT)
    return path


def run(archive: str, *arguments: str) -> int:
    return main([*arguments, "--dockerfile", "Dockerfile", "--no-cache", "--base", "1", archive])


def test_the_difference_is_printed(
    archive: str, dockerfile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(archive, "--diff") == 1
    shown = capsys.readouterr()
    assert shown.out == (
        "--- a/Dockerfile\n+++ b/Dockerfile\n@@ -2,4 +2,5 @@\n COPY main.py /app/\n ARG TOKEN\n"
        " # why\n-RUN pip install -r requirements.txt\n+# pyimginspect: fixes package-cache\n"
        "+RUN pip install --no-cache-dir -r requirements.txt\n"
    )
    assert "hunter2" not in shown.out + shown.err
    assert dockerfile.read_text() == TEXT


@pytest.mark.parametrize(
    "options",
    [
        *(
            [],
            ["-vv"],
            ["--layers"],
            ["--plan"],
            ["--plan", "-f", "json"],
            ["--plan", "dockerfile"],
        ),
        *(["-f", name] for name in ("json", "sarif", "html", "markdown", "junit", "github")),
    ],
)
def test_no_value_of_a_build_argument_is_printed(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Newer builders write the value that a build was given into the history of ``ARG`` too."""
    argument = {"created_by": "ARG TOKEN=hunter2 two", "empty_layer": True}
    path = tmp_path / "image.tar"
    path.write_bytes(docker_archive(image(LAYERS, history=[HISTORY[0], argument, *HISTORY[1:]])))
    main([str(path), "--no-cache", "--base", "1", *options])
    shown = capsys.readouterr()
    assert "pip" in shown.out
    assert "hunter2" not in shown.out + shown.err


@pytest.mark.parametrize("option", ["--fix", "--fix=review"])
def test_the_file_is_written(
    option: str, archive: str, dockerfile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dockerfile.chmod(0o640)
    assert run(archive, option) == 0
    assert dockerfile.read_text() == FIXED
    assert stat.S_IMODE(dockerfile.stat().st_mode) == 0o640
    assert capsys.readouterr().err.endswith("Dockerfile: 1 edit written\n")
    assert os.listdir(dockerfile.parent).count("Dockerfile") == 1
    assert run(archive, "--diff") == 0
    assert run(archive, option) == 0
    assert capsys.readouterr().out == ""
    assert dockerfile.read_text() == FIXED


def test_bytes_stay_as_they_are(archive: str, dockerfile: Path) -> None:
    before = b"\xef\xbb\xbf" + TEXT.replace("# why", "# \u00e9").replace("\n", "\r\n").encode()
    dockerfile.write_bytes(before.replace(b"\xc3\xa9", b"\xe9"))  # no UTF-8
    assert run(archive, "--fix", "-q") == 0
    after = dockerfile.read_bytes()
    assert after.startswith(b"\xef\xbb\xbfFROM x\r\n")
    assert b"# \xe9\r\n# pyimginspect: fixes package-cache\r\nRUN pip install --no-cache" in after


def test_a_link_is_followed(archive: str, dockerfile: Path) -> None:
    target = dockerfile.with_name("real")
    dockerfile.rename(target)
    dockerfile.symlink_to(target)
    assert run(archive, "--fix", "-q") == 0
    assert dockerfile.is_symlink()
    assert target.read_text() == FIXED


def test_a_file_that_is_read_only_stays(
    archive: str, dockerfile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dockerfile.chmod(0o444)
    assert run(archive, "--fix") == 2
    assert "Dockerfile is read-only (--diff prints the change)" in capsys.readouterr().err
    assert dockerfile.read_text() == TEXT
    assert sorted(os.listdir(dockerfile.parent)) == ["Dockerfile", "image.tar"]


def test_a_file_that_has_changed_meanwhile_stays(
    archive: str,
    dockerfile: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chmod = os.chmod

    def meanwhile(path: str, mode: int) -> None:
        dockerfile.write_text("FROM other\n")
        chmod(path, mode)

    monkeypatch.setattr(os, "chmod", meanwhile)
    assert run(archive, "--fix") == 2
    assert "has changed since it was read" in capsys.readouterr().err
    assert dockerfile.read_text() == "FROM other\n"
    assert sorted(os.listdir(dockerfile.parent)) == ["Dockerfile", "image.tar"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM x\nRUN a\nRUN b\nRUN c\n", "Dockerfile: 0 of 3 instructions match the image's"),
        ("FROM x\nRUNN a\n", "Dockerfile: line 2: unknown instruction 'RUNN'"),
        ("FROM x\nRUN <<EOF\na\n", "Dockerfile: line 2: the here-document EOF has no end"),
        ("", "Dockerfile: the Dockerfile has no instructions"),
        ("\x00\x01", "Dockerfile: line 1: unknown instruction '\\x00\\x01'"),
    ],
)
def test_other_files_are_refused(
    text: str, message: str, archive: str, dockerfile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dockerfile.write_text(text)
    for option in ("--diff", "--fix=review"):
        assert run(archive, option) == 2
        shown = capsys.readouterr()
        assert shown.err.startswith(f"pyimginspect: {message}")
        assert shown.out == ""
    assert dockerfile.read_text() == text


def test_an_image_of_one_layer(
    dockerfile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "squashed.tar"
    path.write_bytes(docker_archive(image(LAYERS[2:], history=["Imported from -"])))
    assert run(str(path), "--diff") == 2
    assert "the image has one layer for all of them (build it without squashing)" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--diff", "--fix"], "give one of them"),
        (["--diff", "-f", "json"], "--diff and --format do not go together"),
        (["--fix", "--plan"], "--fix and --plan do not go together"),
        (["--fix", "-o", "x.json"], "--fix and --output do not go together"),
        (["--diff", "second.tar"], "one image and its Dockerfile"),
    ],
)
def test_what_does_not_go_together(
    arguments: list[str],
    message: str,
    archive: str,
    dockerfile: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(archive, *arguments) == 2
    assert message in capsys.readouterr().err


def test_the_dockerfile_has_to_be_given(archive: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--diff"], ["--fix"], ["--target", "x"]):
        assert main([*arguments, "--no-cache", archive]) == 2
        assert "--dockerfile" in capsys.readouterr().err


def test_sarif_has_the_lines_to_replace(
    archive: str, dockerfile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    run(archive, "-f", "sarif")
    results = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    (result,) = [each for each in results if each["ruleId"] == "package-cache"]
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"] == {"uri": "Dockerfile"}
    lines = TEXT.splitlines(keepends=True)
    for each in reversed(change["replacements"]):
        region = each["deletedRegion"]
        assert region["startColumn"] == region["endColumn"] == 1
        lines[region["startLine"] - 1 : region["endLine"] - 1] = [each["insertedContent"]["text"]]
    assert "".join(lines) == FIXED


@pytest.mark.parametrize("kind", ["absent", "directory", "long"])
@pytest.mark.parametrize("option", ["--diff", "--fix"])
def test_what_is_no_file_to_change(
    kind: str, option: str, archive: str, dockerfile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dockerfile.unlink()
    said = "cannot be read: No such file or directory"
    if kind == "directory":
        dockerfile.mkdir()
        said = "cannot be read: Is a directory"
    elif kind == "long":
        dockerfile.write_text("#" * (5 << 20))
        said = "is longer than 4 MiB"
    assert run(archive, option) == 2
    assert capsys.readouterr().err.startswith(f"pyimginspect: Dockerfile {said}")


@pytest.mark.parametrize(
    "secret",
    ["ARG TOKEN=hunter2", "ARG INDEX=https://me:hunter2@x/", "ARG A=hunter2", "ENV A=hunter2"],
)
def test_a_secret_is_printed_in_no_line_that_does_not_have_it(
    secret: str, archive: str, dockerfile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A diff has the lines around a change as they are, and no others."""
    far = "# far\n" * 4
    dockerfile.write_text(TEXT.replace("ARG TOKEN\n", f"{secret}\n{far}"))
    assert run(archive, "--diff") == 1
    shown = capsys.readouterr()
    assert "--no-cache-dir" in shown.out
    assert "hunter2" not in shown.out + shown.err
    assert run(archive, "--fix") == 0
    assert dockerfile.read_text().count("hunter2") == 1
