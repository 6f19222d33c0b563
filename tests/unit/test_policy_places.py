"""Policies where people keep them: files above, the user's own, options, variables, comments."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pyimginspect.analyzers import BUILTIN as ANALYZERS
from pyimginspect.cli import main
from pyimginspect.dockerfile import Dockerfile
from pyimginspect.errors import InvalidReferenceError, PolicyError
from pyimginspect.policy import find_policy, user_policy
from pyimginspect.policy.schema import policy_schema
from tests.images import docker_archive, image

RULES = {analyzer.rule.id: analyzer.rule for analyzer in ANALYZERS}
LAYERS = (
    {"etc/os-release": "ID=debian\nVERSION_ID=8\n"},
    {"var/lib/apt/lists/index": b"x" * 1000},
    {"app/model.bin": bytes(3_000_000)},
    {"app/.wh.model.bin": ""},
)
STEPS = ["ADD rootfs.tar /", "RUN apt-get update", "RUN make model", "RUN rm /app/model.bin"]
DOCKERFILE = "FROM scratch\n{above}RUN apt-get update\nRUN make model\nRUN rm /app/model.bin\n"


@pytest.fixture
def dirty(tmp_path: Path) -> str:
    """An image with apt's lists and a file that was deleted too late."""
    path = tmp_path / "dirty.tar"
    path.write_bytes(docker_archive(image(LAYERS, history=STEPS, tag="dirty:1")))
    return str(path)


def rules_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> set[str]:
    main([*arguments, "-f", "json", "--no-cache"])
    shown = capsys.readouterr()
    assert shown.err == ""
    return {finding["rule"] for finding in json.loads(shown.out)["reports"][0]["findings"]}


# --- files --------------------------------------------------------------------------------------
def test_the_nearest_file_upwards(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    top = tmp_path / ".pyimginspect.toml"
    top.write_text("")
    assert find_policy(deep) == top
    project = tmp_path / "a" / "pyproject.toml"
    project.write_text("[tool.other]")
    assert find_policy(deep) == top
    project.write_text("[tool.pyimginspect]")
    assert find_policy(deep) == project


def test_the_user_s_own_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    place = tmp_path / "project"
    place.mkdir()
    assert find_policy(place) is None
    user = user_policy()
    assert user is not None
    user.parent.mkdir(parents=True, exist_ok=True)
    user.write_text("")
    assert find_policy(place) == user
    (place / ".pyimginspect.toml").write_text("")
    assert find_policy(place) == place / ".pyimginspect.toml"


def test_it_is_looked_for_beside_the_dockerfile(
    dirty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project, elsewhere = tmp_path / "project" / "docker", tmp_path / "elsewhere"
    project.mkdir(parents=True)
    elsewhere.mkdir()
    (tmp_path / "project" / ".pyimginspect.toml").write_text("select = 'package-cache'")
    (project / "Dockerfile").write_text(DOCKERFILE.format(above=""))
    monkeypatch.chdir(elsewhere)
    assert rules_of(capsys, dirty) > {"package-cache", "deleted-but-shipped"}
    assert rules_of(capsys, dirty, "--dockerfile", str(project / "Dockerfile")) == {"package-cache"}


# --- which rules count --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("policy", "options", "there", "gone"),
    [
        ("", (), {"package-cache", "deleted-but-shipped", "eol-distribution"}, set()),
        ("", ("--ignore", "size"), {"eol-distribution"}, {"package-cache", "deleted-but-shipped"}),
        ("", ("--select", "size"), {"package-cache", "deleted-but-shipped"}, {"eol-distribution"}),
        (
            "",
            ("--select", "size", "--ignore", "package-cache"),
            {"deleted-but-shipped"},
            {"package-cache", "eol-distribution"},
        ),
        (
            "",
            ("--ignore", "size", "--select", "package-cache,base"),
            {"package-cache", "eol-distribution"},
            {"deleted-but-shipped"},
        ),
        (
            "",
            ("--select", "package-cache", "--ignore", "package-cache"),
            set(),
            {"package-cache", "deleted-but-shipped", "eol-distribution"},
        ),
        (
            "extends = 'minimal'",
            (),
            set(),
            {"package-cache", "deleted-but-shipped"},
        ),
        (
            "extends = 'minimal'",
            ("--extend-select", "package-cache"),
            {"package-cache"},
            {"deleted-but-shipped"},
        ),
        (
            "select = ['package-cache']",
            ("--select", "base"),
            {"eol-distribution"},
            {"package-cache"},
        ),
        (
            "ignore = ['base']",
            ("--ignore", "package-cache"),
            {"deleted-but-shipped"},
            {"package-cache", "eol-distribution"},
        ),
        ("ignore = 'ALL'\nextend-select = 'base'", (), {"eol-distribution"}, {"package-cache"}),
        (
            "[rules]\npackage-cache = 'off'",
            ("--select", "ALL"),
            {"eol-distribution"},
            {"package-cache"},
        ),
        (
            "[rules]\npackage-cache = 'off'",
            ("--select", "package-cache"),
            {"package-cache"},
            {"eol-distribution"},
        ),
    ],
)
def test_select_and_ignore(
    policy: str,
    options: Sequence[str],
    there: set[str],
    gone: set[str],
    dirty: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / ".pyimginspect.toml").write_text(policy)
    monkeypatch.chdir(tmp_path)
    found = rules_of(capsys, dirty, *options)
    assert there <= found
    assert not gone & found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--select", "package-cash"], "--select names 'package-cash', which is no rule or group"),
        (["--ignore", "sise"], "did you mean 'size'?"),
    ],
)
def test_names_that_are_none(
    arguments: list[str], message: str, dirty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([dirty, *arguments]) == 2
    assert message in capsys.readouterr().err


# --- the environment ----------------------------------------------------------------------------
def test_variables_set_options(
    dirty: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYIMGINSPECT_FORMAT", "json")
    monkeypatch.setenv("PYIMGINSPECT_NO_CACHE", "1")
    monkeypatch.setenv("PYIMGINSPECT_SELECT", "package-cache,deleted-but-shipped")
    monkeypatch.setenv("PYIMGINSPECT_FAIL_ON", "never")
    assert main([dirty]) == 0
    document = json.loads(capsys.readouterr().out)["reports"][0]
    assert {finding["rule"] for finding in document["findings"]} == {
        "package-cache",
        "deleted-but-shipped",
    }
    assert main([dirty, "--fail-on", "warning", "-f", "table", "--summary"]) == 1
    assert capsys.readouterr().out.startswith("dirty:1: fails")


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("PYIMGINSPECT_FAIL_ON", "sometimes", "PYIMGINSPECT_FAIL_ON is 'sometimes' (one of error"),
        ("PYIMGINSPECT_VERIFY", "maybe", "PYIMGINSPECT_VERIFY is 'maybe' (1 or 0)"),
        ("PYIMGINSPECT_VERBOSE", "very", "PYIMGINSPECT_VERBOSE is 'very' (a number)"),
    ],
)
def test_variables_that_make_no_sense(
    variable: str,
    value: str,
    message: str,
    dirty: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    assert main([dirty]) == 2
    assert message in capsys.readouterr().err


# --- comments in the Dockerfile -----------------------------------------------------------------
@pytest.mark.parametrize(
    ("above", "waived"),
    [
        ("", set()),
        ("# pyimginspect: ignore=package-cache the mirror is slow\n", {"package-cache"}),
        ("#pyimginspect:ignore=package-cache until=2999-01-01 slow\n", {"package-cache"}),
        ("# pyimginspect: ignore=package-cache,eol-distribution slow\n", {"package-cache"}),
        # It stands beside another instruction than the one that the finding is about.
        ("# pyimginspect: ignore=deleted-but-shipped why\n", set()),
        ("# pyimginspect: ignore=package-cache until=2000-01-01 slow\n", {"expired-waiver"}),
        ("# a word on pyimginspect: ignore=package-cache\n", set()),
    ],
)
def test_a_comment_waives_what_its_instruction_brought(
    above: str,
    waived: set[str],
    dirty: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(DOCKERFILE.format(above=above))
    before = rules_of(capsys, dirty)
    after = rules_of(capsys, dirty, "--dockerfile", str(file))
    assert before ^ after == waived


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("ignore=package-cache", "line 2: the waiver has no reason"),
        ("ignore=package-cash why", "did you mean 'package-cache'?"),
        ("ignore=", "line 2: the waiver names no rule"),
        ("ignore=package-cache until=soon why", "line 2: the waiver ends on 'soon'"),
    ],
)
def test_a_comment_that_is_no_waiver(
    comment: str, message: str, dirty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(DOCKERFILE.format(above=f"# pyimginspect: {comment}\n"))
    assert main([dirty, "--dockerfile", str(file)]) == 2
    assert message in capsys.readouterr().err


def test_a_comment_within_an_instruction_is_beside_it() -> None:
    text = "FROM a\nRUN one && \\\n  # pyimginspect: ignore=package-cache why\n  two\nRUN three\n"
    (ignore,) = Dockerfile(path="f", text=text).ignores
    assert (ignore.line, " ".join(ignore.instruction.split())) == (3, "RUN one && two")
    (late,) = Dockerfile(path="f", text="FROM a\n# pyimginspect: ignore=x y\n").ignores
    assert late.instruction == ""


# --- the schema ---------------------------------------------------------------------------------
def valid(text: str) -> bool:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        if isinstance(value, list):
            return [plain(each) for each in value]
        return value if isinstance(value, str | int | bool) else value.isoformat()

    return jsonschema.Draft202012Validator(policy_schema(RULES)).is_valid(
        plain(tomllib.loads(text))
    )


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("", True),
        ("extends = 'strict'\nfail-on = 'never'\nmax-size = '1.5 GiB'\nmax-waste = '3%'", True),
        ("max-size = 500\nallowed-packages = 'git'\nallowed-bases = ['a', 'b']", True),
        ("select = ['size', 'package-cache']\nignore = 'ALL'", True),
        ("[rules]\npackage-cache = 'off'\n[rules.musl-base]\nmin-saving = '2 MB'", True),
        ("[[waivers]]\nrule = '*'\nreason = 'x'\nexpires = 2030-01-31", True),
        ("[dlopen]\nacme = ['libx.so.1']", True),
        ("fial-on = 'note'", False),
        ("fail-on = 'sometimes'", False),
        ("max-size = '5 apples'", False),
        ("select = ['sise']", False),
        ("[rules]\npackage-cash = 'off'", False),
        ("[rules.package-cache]\nmin-savings = 1", False),
        ("[[waivers]]\nrule = 'x'", False),
        ("expected-libc = 'bionic'", False),
    ],
)
def test_the_schema_takes_what_the_reader_takes(text: str, right: bool) -> None:
    from pyimginspect.policy import parse_policy

    try:
        parse_policy(text, RULES)
    except PolicyError:
        read = False
    else:
        read = True
    assert (valid(text), read) == (right, right)


# --- what holds ---------------------------------------------------------------------------------
def test_what_holds_and_where_it_is_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".pyimginspect.toml").write_text(
        "max-size = '5 MB'\n[rules]\nmusl-base = 'note'\n[[waivers]]\nrule = '*'\nreason = 'x'\n"
    )
    (tmp_path / "Dockerfile").write_text(
        DOCKERFILE.format(above="# pyimginspect: ignore=package-cache why\n")
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYIMGINSPECT_COLOR", "never")
    assert main(["--show-config", "--select", "size", "--dockerfile", "Dockerfile"]) == 0
    lines = {
        line.split("  ")[0]: [word.strip() for word in line.split("  ") if word.strip()][1:]
        for line in capsys.readouterr().out.splitlines()
    }
    file = str(tmp_path / ".pyimginspect.toml")
    assert lines["color"] == ["never", "PYIMGINSPECT_COLOR"]
    assert lines["select"] == ["size", "command line"]
    assert lines["verify"] == ["false", "default"]
    assert lines["policy.max-size"] == ["5000000", file]
    assert lines["policy.select"] == ["size", "an option"]
    assert lines["policy.rules.musl-base"] == ["enabled true, severity note", file]
    assert lines["policy.waivers.0"] == ["*", file]
    assert lines["policy.waivers.1"][1] == "Dockerfile, line 2"


def test_every_option_that_is_a_setting_has_a_variable() -> None:
    from pyimginspect.cli.arguments import build_parser, variable_of

    variables = {variable_of(action) for action in build_parser()._actions}
    assert {"PYIMGINSPECT_POLICY", "PYIMGINSPECT_PLATFORM", "PYIMGINSPECT_OUTPUT"} <= variables
    assert "PYIMGINSPECT_HELP" not in variables


def test_the_environment_is_no_part_of_a_parser_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyimginspect.cli.arguments import build_parser, parse

    monkeypatch.setenv("PYIMGINSPECT_FAIL_ON", "x")
    assert build_parser().parse_args([]).fail_on is None
    with pytest.raises(InvalidReferenceError):
        parse([])
