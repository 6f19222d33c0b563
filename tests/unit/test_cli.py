"""The command: what it prints where, and with which exit status."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pyimginspect.cli import main
from tests.commands import command
from tests.images import (
    Link,
    compress,
    debian_base,
    dist_info,
    docker_archive,
    image,
    layer,
    oci_archive,
    official_env,
    official_python,
    tar,
)

ROOT = Path(__file__).resolve().parents[2]

CLEAN = image(
    [debian_base(), official_python("3.11.2"), {}],
    history=[
        "# debian.sh --arch 'amd64' out/ 'bookworm' '@1700000000'",
        "ENV PYTHON_VERSION=3.11.2",
        "RUN /bin/sh -c set -eux; wget -O python.tar.xz "
        '"https://www.python.org/ftp/python/${PYTHON_VERSION%%[a-z]*}/Python-$PYTHON_VERSION.tar.xz"'
        "; make install # buildkit",
        "RUN /bin/sh -c set -eux; for src in idle3 pip3 pydoc3 python3 python3-config; do "
        "ln -svT $src; done # buildkit",
        'CMD ["python3"]',
    ],
    env=official_env("3.11.2"),
    cmd=["python3"],
    tag="clean:1",
)
DIRTY = image(
    [{"etc/os-release": "ID=debian\n"}, {"root/.cache/pip/wheels/x": "x" * 4_000_000}],
    tag="dirty:1",
)


@pytest.fixture
def dirty(tmp_path: Path) -> str:
    path = tmp_path / "dirty.tar"
    path.write_bytes(docker_archive(DIRTY))
    return str(path)


def run(*arguments: str) -> int:
    return main(list(arguments))


def test_findings_make_the_status_one(dirty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(dirty) == 1
    out, err = capsys.readouterr()
    assert "/root/.cache/pip is left in the image" in out
    assert err == ""


def test_a_policy_tells_what_a_distribution_opens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = "usr/local/lib/python3.11/site-packages"
    base = {**debian_base(), **official_python("3.11.2")}
    archive, policy = tmp_path / "fonts.tar", tmp_path / "policy.toml"
    archive.write_bytes(docker_archive(image([base, dist_info("acme_fonts", site=site)])))
    policy.write_text("[dlopen]\nAcme_Fonts = ['libacme.so.1']\n")
    run(str(archive))
    assert "libacme.so.1" not in capsys.readouterr().out
    assert run("--policy", str(policy), str(archive)) == 1
    assert "acme-fonts 1.0 opens libacme.so.1, which Python 3.11.2 would not find" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("fail_on", "status"), [("note", 1), ("warning", 1), ("error", 0), ("never", 0)]
)
def test_the_threshold(dirty: str, fail_on: str, status: int) -> None:
    assert run("--fail-on", fail_on, dirty) == status


def test_json_is_the_same_from_run_to_run(dirty: str) -> None:
    command = [sys.executable, "-m", "pyimginspect", "--format", "json", dirty]
    outputs = {
        subprocess.run(
            command,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            check=False,
        ).stdout
        for seed in ("1", "2", "3")
    }
    (output,) = outputs
    assert json.loads(output)["schema_version"] == 2


def test_several_outputs_of_one_run(dirty: str, tmp_path: Path) -> None:
    text, data = tmp_path / "report.txt", tmp_path / "report.json"
    assert run("-o", str(text), "-o", str(data), dirty) == 1
    assert "package-cache" in text.read_text()
    assert json.loads(data.read_text())["reports"][0]["image"]["names"] == ["dirty:1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "dirty.tar",
        "report.json",
        "report.txt",
    ]


def test_several_images(dirty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "json", dirty, dirty) == 1
    assert [one["image"]["names"] for one in json.loads(capsys.readouterr().out)["reports"]] == [
        ["dirty:1"],
        ["dirty:1"],
    ]
    missing = str(tmp_path / "missing.tar")
    assert run(dirty, missing, dirty) == 2
    table = capsys.readouterr().out.rpartition("\n\n")[2].splitlines()
    assert [line.split()[:2] for line in table[3:5]] == [["dirty:1", "fails"]] * 2
    assert "missing.tar  not inspected  " in table[5]
    assert run("--format", "json", missing, dirty) == 2
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (len(document["reports"]), len(document["errors"])) == (1, 1)
    assert "missing.tar" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no image given"),
        (["--format", "jsn", "x"], "there is no format 'jsn' (did you mean 'json'?)"),
        (["-o", "report.xyz", "x"], "report.xyz"),
        (["-o", "a.json", "-o", "a.json", "x"], "two outputs to one file"),
        (["--explain", "duplicate-pyton"], "did you mean 'duplicate-python'?"),
        (["--formt", "json", "x"], "did you mean '--format'?"),
        (["--fail-onn=never", "x"], "did you mean '--fail-on'?"),
        (["--zzz", "x"], "unrecognized arguments: --zzz (pyimginspect --help)"),
        (["--platform", "linux", "x"], "'linux' is no platform"),
        (["--baseline", "none.json", "x"], "none.json cannot be read"),
        (["--policy", "none.toml", "x"], "none.toml"),
        (["--write-baseline", "b.json", "x", "x"], "a baseline is of one image"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "x").write_bytes(docker_archive(DIRTY))
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pyimginspect: ")
    assert err.count("\n") == 1
    assert message in err
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


EVIL = "evil\x1b]0;owned\x07\nname\u202e"
BAD: dict[str, bytes] = {
    "not an archive": b"hello\n",
    "empty": b"",
    "no manifest": tar({"repositories": "{}"}),
    "null manifest": tar({"manifest.json": "null"}),
    "truncated": docker_archive(DIRTY)[:-4096],
    "truncated gzip": compress(docker_archive(DIRTY), "gzip")[:-100],
    "evil names": docker_archive(image([layer({f"../{EVIL}": "x"})])),
    "circle": docker_archive(image([{EVIL: Link(EVIL), f"{EVIL}/x": "y"}])),
    "zero manifests": oci_archive([]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_images_are_one_line_and_status_two(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.tar"
    path.write_bytes(BAD[name])
    monkeypatch.chdir(tmp_path)
    assert run("-o", "report.json", "-o", "report.txt", str(path)) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"pyimginspect: {path}: ")
    assert err.endswith("\n")
    assert err[:-1].isprintable()
    assert [left.name for left in tmp_path.iterdir()] == ["bad.tar"]


def test_a_fault_of_our_own_is_one_line_too(
    dirty: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("pyimginspect.api.open_image", fail)
    assert run(dirty) == 2
    err = capsys.readouterr().err
    assert err.startswith("pyimginspect: internal error: ZeroDivisionError: by\\nzero")
    assert err.count("\n") == 1
    monkeypatch.setenv("PYIMGINSPECT_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(dirty)


def test_a_reader_that_goes_away_is_no_traceback(dirty: str) -> None:
    done = subprocess.run(
        f"{shlex.join([*command(), dirty])} | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_the_catalogue_and_its_pages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--rules") == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == sorted(listed)
    assert {"duplicate-python", "package-cache"} <= set(listed)
    for rule in listed:
        assert run("--explain", rule) == 0
        page = capsys.readouterr().out
        assert page.startswith(f"{rule} (")
        assert max(map(len, page.splitlines())) <= 100
        assert "\n\nWhy it matters\n" in page


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("pyimginspect ")


def test_a_clean_image_is_status_zero(tmp_path: Path) -> None:
    path = tmp_path / "clean.tar"
    path.write_bytes(docker_archive(CLEAN))
    assert run(str(path)) == 0


def test_baselines_accept_what_was_there(
    dirty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = str(tmp_path / "baseline.json")
    assert run("--write-baseline", baseline, dirty) == 0
    assert run("--baseline", baseline, dirty) == 0
    assert run(dirty) == 1


def test_layers_and_plan_are_printed_instead(
    dirty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--layers", dirty) == 1
    assert capsys.readouterr().out.startswith("Layers: where every stored byte ended up\n")
    assert run("--plan", dirty) == 1
    assert capsys.readouterr().out.startswith(f"Plan for {dirty}"[:40])
    assert run("--fail-on", "never", "--plan", "dockerfile", dirty) == 0
    assert "\n# pyimginspect: fixes " in capsys.readouterr().out
    for options, name, field in (
        (["--plan"], "plan.json", "edits"),
        (["--layers"], "layers.json", "layers"),
    ):
        file = tmp_path / name
        assert run(*options, "-o", str(file), dirty) == 1
        assert json.loads(file.read_text())[field]
        assert capsys.readouterr().out == ""
        assert run(*options, "-f", "json", dirty) == 1
        assert capsys.readouterr().out == file.read_text()
    written = tmp_path / "Dockerfile.new"
    assert run("--plan", "dockerfile", "-o", str(written), dirty) == 1
    assert "\n# pyimginspect: fixes " in written.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--plan", "-f", "sarif"),
        ("--layers", "-f", "html"),
        ("--plan", "dockerfile", "-f", "json"),
        ("--plan", "--layers", "-f", "json"),
    ],
)
def test_no_format_is_ignored_in_silence(
    arguments: tuple[str, ...], dirty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, dirty) == 2
    assert "pyimginspect: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("1", ""),
        ("tagged.tar", "acme/base:1"),
        ("tagged.tar:b:2", "b:2"),
        ("bare.tar", ""),
        ("oci.tar", ""),
    ],
)
def test_the_base_can_be_said_outright(
    base: str,
    name: str,
    dirty: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for file, tags in (("tagged.tar", ["docker.io/acme/base:1", "b:2"]), ("bare.tar", [])):
        lowest = image([DIRTY.layers[0]], tag=tags)
        (tmp_path / file).write_bytes(docker_archive(lowest))
    tags_only = oci_archive(image([DIRTY.layers[0]], tag="1"))
    (tmp_path / "oci.tar").write_bytes(tags_only)
    monkeypatch.chdir(tmp_path)
    run("-o", "report.json", "--base", base, dirty)
    facts = json.loads((tmp_path / "report.json").read_text())["reports"][0]
    assert [one["base"] for one in facts["layers"]] == [True, False]
    assert facts["base"]["name"] == name
    from_line = f"FROM {name}\n" if name else "FROM scratch\n"
    capsys.readouterr()
    run("--plan", "dockerfile", "--base", base, dirty)
    dockerfile = capsys.readouterr().out
    assert f"\n{from_line}" in dockerfile
    assert (
        "# No name of the base image (1 layer) is known: after FROM, write the one that\n"
        "# it is pulled by, in place of scratch.\n" in dockerfile
    ) == (not name)


def test_a_base_that_it_is_not(
    dirty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.tar"
    other.write_bytes(docker_archive(image([{"x": "y"}])))
    assert run("--base", str(other), dirty) == 2
    assert run("--base", "7", dirty) == 2
    assert "7 layers" in capsys.readouterr().err
