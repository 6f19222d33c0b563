"""Every format, of one image or many, against another or not: docs/reports.md has the table."""

import re
from pathlib import Path

import pytest

from pyimginspect.cli import main
from pyimginspect.cli.outputs import AGAINST_FORMATS
from pyimginspect.formats import FORMATS, MANY_FORMATS
from tests.images import docker_archive, image

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reports.md"
LATE = ({"app/model.bin": bytes(3_000_000)}, {"app/.wh.model.bin": ""})


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two images, the second with something that the first has not."""
    place = tmp_path_factory.mktemp("archives")
    images = {"old": ({"etc/debian_version": "12.9\n"},), "new": LATE}
    for name, layers in images.items():
        (place / f"{name}.tar").write_bytes(docker_archive(image(layers, tag=f"{name}:1")))
    return [str(place / f"{name}.tar") for name in images]


def combinations() -> dict[str, tuple[bool, bool, bool]]:
    """What the page says of each format: of one image, of several, with --against."""
    rows = re.findall(r"^\| `(\w+)` \| (yes|–) \| (yes|–) \| (.+) \|$", PAGE.read_text(), re.M)
    return {name: (one == "yes", many == "yes", other != "–") for name, one, many, other in rows}


def test_the_page_has_every_format() -> None:
    assert list(combinations()) == list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_combination_gives_what_the_page_says(
    name: str, archives: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = archives
    one, many, against = combinations()[name]
    assert (many, against) == (name in MANY_FORMATS, name in AGAINST_FORMATS)
    for wanted, arguments in (
        (one, [new]),
        (many, [old, new]),
        (against, [new, "--against", old]),
    ):
        status = main([*arguments, "-f", name, "--no-cache", "--fail-on", "warning"])
        shown = capsys.readouterr()
        assert status == (1 if wanted else 2), (arguments, shown.err)
        assert bool(shown.out) == wanted
        if wanted:
            assert shown.err == ""
        else:
            assert "is of one image" in shown.err or "no comparison as" in shown.err


@pytest.mark.parametrize("name", ["sarif", "junit", "github", "gitlab"])
def test_against_another_image_only_new_findings_fail(
    name: str, archives: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, new = archives
    assert main([new, "--against", new, "-f", name, "--no-cache"]) == 0
    text = capsys.readouterr().out
    if name == "sarif":
        assert '"baselineState": "unchanged"' in text
        assert '"baselineState": "new"' not in text
    elif name == "junit":
        assert 'failures="0"' in text
        assert "<skipped" in text
    elif name == "github":
        assert text.startswith("::notice title=pyimginspect::new:1 passes the policy")
        assert text.count("\n") == 1
    else:
        assert text == "[]\n"


def test_the_job_summary_of_a_step(
    archives: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    main([archives[1], "-f", "github", "--no-cache"])
    text = summary.read_text()
    assert text.startswith("before\n### ❌ `new:1`")
    summary.write_text("x" * (1024 * 1024 - 10))
    main([archives[1], "-f", "github", "--no-cache"])
    assert summary.stat().st_size == 1024 * 1024 - 10  # what does not fit is left out whole
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "absent" / "summary.md"))
    assert main([archives[1], "-f", "github", "--no-cache"]) == 2
    assert "the job summary" in capsys.readouterr().err


def test_many_reports_fit_into_one_comment() -> None:
    from pyimginspect.formats import render_many
    from tests.reports import bad_report, finding

    wide = bad_report(findings=tuple(finding("r", f"s{n}" * 100) for n in range(60)))
    text = render_many([wide] * 40, "markdown")
    assert len(text) <= 65_536
    assert re.search(r"… and the reports of \d+ more images\.\n$", text)
