"""What is nearly right gets a hint: prefixes, files, tags, choices."""

from pathlib import Path

import pytest

from pyimginspect.cli import main
from pyimginspect.sources.near_names import near_file, near_prefix, near_tag
from pyimginspect.sources.resolve import PREFIXES


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("dokcer:app", "did you mean 'docker:app'?"),
        ("registy:h/app:1", "did you mean 'registry:h/app:1'?"),
        ("pdoman:x", "did you mean 'podman:x'?"),
        ("docker-archiv:x.tar", "did you mean 'docker-archive:x.tar'?"),
        ("rootfss:/srv", "did you mean 'rootfs:/srv'?"),
        ("docker:app", ""),
        ("api:1.4", ""),
        ("docke", ""),
        ("dokcer:", ""),
        ("", ""),
    ],
)
def test_prefixes(reference: str, hint: str) -> None:
    assert near_prefix(reference, PREFIXES) == hint


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("bda.tar", "bad.tar"),
        ("image", "image.tar"),
        ("good.tar", None),
        ("image.tar", None),
        ("x" * 5000, None),
    ],
)
def test_files(tmp_path: Path, name: str, near: str | None) -> None:
    for there in ("bad.tar", "image.tar"):
        (tmp_path / there).touch()
    hint = f"did you mean '{tmp_path / near}'?" if near else ""
    assert near_file(str(tmp_path / name)) == hint


@pytest.mark.parametrize("path", ["/no/such/directory/x.tar", "a\0b", ""])
def test_no_directory_to_look_into(path: str) -> None:
    near_file(path)


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("acme/apl:1.4", "did you mean 'acme/api:1.4'?"),
        ("lates", "did you mean 'acme/web:latest'?"),
        ("1.5", ""),
        ("something else", ""),
    ],
)
def test_tags(wanted: str, hint: str) -> None:
    assert near_tag(wanted, ["acme/api:1.4", "acme/web:latest"]) == hint


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--fail-on", "eror", "x"], "did you mean 'error'?"),
        (["--color", "alway", "x"], "did you mean 'always'?"),
        (["--progress", "jsno", "x"], "did you mean 'json'?"),
        (["--completion", "zhs"], "did you mean 'zsh'?"),
        (["--formt", "json", "x"], "did you mean '--format'?"),
        (["--explain", "leftover-header"], "did you mean 'leftover-headers'?"),
        (["./nowhere.tar"], "there is no such file"),
    ],
)
def test_arguments(arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert hint in capsys.readouterr().err
