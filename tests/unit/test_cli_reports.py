"""The command's outputs beyond the table: comparisons, policies, lines of a Dockerfile."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyimginspect import open_image
from pyimginspect.cli import main
from tests.images import docker_archive, image

Archive = Callable[..., str]
OLD = {"etc/debian_version": "12.9\n", "app/main.py": "print()\n"}
TOO_LATE = {"app/.wh.model.bin": ""}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Write an image of these layers, by name; its RUN lines tell what they are."""

    def write(name: str, *layers: dict[str, str | bytes]) -> str:
        path = tmp_path / f"{name}.tar"
        history = [f"RUN make layer {number}" for number in range(len(layers))]
        path.write_bytes(docker_archive(image(layers, history=history, tag=f"{name}:1")))
        return str(path)

    return write


@pytest.fixture
def old(archive: Archive) -> str:
    return archive("old", OLD)


@pytest.fixture
def new(archive: Archive) -> str:
    """The old image, a model, and the model deleted too late."""
    return archive("new", OLD, {"app/model.bin": bytes(3_000_000)}, TOO_LATE)


def run(*arguments: str) -> int:
    return main([*arguments, "--no-cache"])


def test_a_comparison_on_the_terminal(
    old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(new, "--against", old, "--fail-on", "note") == 1
    text = capsys.readouterr().out
    assert text.startswith("old:1 → new:1\nsize ")
    assert "(+3.0 MB)" in text
    assert "deleted-but-shipped" in text


@pytest.mark.parametrize(("fail_on", "status"), [("never", 0), ("warning", 1)])
def test_only_new_findings_fail(old: str, new: str, fail_on: str, status: int) -> None:
    assert run(new, "--against", old, "--fail-on", fail_on) == status
    assert run(new, "--against", new, "--fail-on", fail_on) == 0
    assert run(old, "--against", new, "--fail-on", fail_on) == 0


def test_a_comparison_in_every_format(old: str, new: str, tmp_path: Path) -> None:
    names = ("c.txt", "c.json", "c.md", "c.html")
    outputs = [argument for name in names for argument in ("-o", str(tmp_path / name))]
    assert run(new, "--against", old, *outputs) == 1
    document = json.loads((tmp_path / "c.json").read_text())
    assert document["before"]["names"] == ["old:1"]
    assert document["after"]["names"] == ["new:1"]
    assert (tmp_path / "c.md").read_text().startswith("### ❌ `old:1` → `new:1`")
    assert "<title>old:1 and new:1 compared</title>" in (tmp_path / "c.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{new}", "--against", "{old}", "-f", "cyclonedx"], "no comparison as 'cyclonedx'"),
        (["{new}", "{old}", "-f", "html"], "the format 'html' is of one image"),
        (["{new}", "{new}", "--against", "{old}"], "--against compares one image with one other"),
        (["{new}", "--against", "/nowhere.tar"], "/nowhere.tar"),
        (["{new}", "--dockerfile", "/nowhere"], "/nowhere cannot be read: No such file"),
        (["{new}", "--policy", "/nowhere.toml"], "cannot read /nowhere.toml: No such file"),
        (["{new}", "--explain", "expired-waver"], "did you mean 'expired-waiver'?"),
    ],
)
def test_wrong_arguments(
    arguments: list[str],
    message: str,
    old: str,
    new: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*(word.format(old=old, new=new) for word in arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err


def test_a_policy_file_of_the_directory_decides(
    new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(new) == 1
    (tmp_path / ".pyimginspect.toml").write_text(
        "[[waivers]]\nrule = '*'\nreason = 'a test'\nexpires = 2999-12-31\n"
    )
    capsys.readouterr()
    assert run(new, "-vv") == 0
    assert "waived until 2999-12-31  deleted-but-shipped  a test" in capsys.readouterr().out
    (tmp_path / ".pyimginspect.toml").write_text("\nwaiver = 1\n")
    assert run(new) == 2
    assert ".pyimginspect.toml, line 2: waiver is not known" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["sarif", "github"])
def test_lines_of_the_dockerfile(
    name: str, new: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM scratch\nRUN make layer 0\nRUN make \\\n  layer 1\nRUN make layer 2\n")
    run(new, "-f", name, "--dockerfile", str(file))
    text = capsys.readouterr().out
    if name == "github":
        assert f"file={file},line=5,endLine=5,title=deleted-but-shipped::" in text
    else:
        places = [
            result["locations"][0]["physicalLocation"]["region"]
            for result in json.loads(text)["runs"][0]["results"]
            if result["ruleId"] == "deleted-but-shipped"
        ]
        assert places == [{"startLine": 5, "endLine": 5}]


def test_the_rules_of_policies_are_in_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--rules") == 0
    assert "expired-waiver" in capsys.readouterr().out
    assert run("--explain", "image-too-large") == 0
    assert "max-size" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completions_name_every_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--completion", shell) == 0
    script = capsys.readouterr().out
    for option in ("--against", "--policy", "--fail-on", "--dockerfile"):
        assert option.removeprefix("--") in script


def test_bash_accepts_the_completions_and_completes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    run("--completion", "bash")
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out)
    ask = (
        f"source {script}; COMP_WORDS=(pyimginspect --fail-on e); COMP_CWORD=2;"
        "$(complete -p pyimginspect | sed 's/.*-F \\([^ ]*\\).*/\\1/') pyimginspect e --fail-on;"
        'echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run([bash, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["error"]


def test_the_report_says_what_the_whole_plan_saves(
    new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(new, "-f", "json", "--fail-on", "never") == 0
    with open_image(new) as image:
        assert (
            json.loads(capsys.readouterr().out)["reports"][0]["saving"]
            == image.plan.saving
            == 3_000_000
        )
        assert image.report().saving is None


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completions_offer_names(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--completion", shell) == 0
    script = capsys.readouterr().out
    names = ("cyclonedx", "leftover-headers", "python-slim", "warning", "docker images", "podman")
    for name in names:
        assert name in script


def test_bash_completes_images_of_the_local_engine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--completion", "bash")
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    engine = tmp_path / "docker"
    engine.write_text("#!/bin/sh\necho acme/api:1.4\necho other:2\n")
    engine.chmod(0o755)
    asked = (
        "source ./completion; COMP_LINE='pyimginspect acme/api:1'; COMP_POINT=${#COMP_LINE};"
        ' _pyimginspect_images 1; COMP_WORDBREAKS=" "; _pyimginspect_images acme/api:1'
    )
    done = subprocess.run(
        ["bash", "-c", asked],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.stdout.split() == ["1.4", "acme/api:1.4"]
