"""The format of cases, how they are compared, and how their Dockerfiles reach an index."""

from pathlib import Path
from typing import Any

import pytest

from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from tests.cases.bench import Outcome
from tests.cases.comparison import above_note, differences
from tests.cases.dockerfile import bases, with_index
from tests.cases.format import Case, CaseError, Expectations, find_cases, read_case
from tests.cases.table import summary, table
from tests.cases.wheels import pinned
from tests.reports import clean_report, finding

HEAD = 'reference = "https://example.org/1"\nsummary = "s"\n'


def written(folder: Path, toml: str) -> Path:
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "case.toml").write_text(toml)
    return folder


def expects(toml: str, folder: Path) -> Expectations:
    return read_case(written(folder, HEAD + toml)).expects


def test_a_case_is_read_from_its_directory(tmp_path: Path) -> None:
    case = read_case(written(tmp_path, f'{HEAD}[run]\nstatus = 1\n[[finding]]\nrule = "r"\n'))
    assert (case.name, case.expects.run.status, case.fixed) == (tmp_path.name, 1, None)
    assert [each.rule for each in case.expects.finding] == ["r"]
    (tmp_path / "Dockerfile.fixed").write_text("FROM twin\n")
    assert case.fixed == "FROM twin\n"


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ('summary = "s"', "reference"),
        ('reference = "issue 7"\nsummary = "s"', "public address"),
        (f"{HEAD}statsu = 1", "statsu"),
        (f'{HEAD}[[finding]]\nrule = "r"\nseverity = "fatal"', "fatal"),
        (f'{HEAD}[[finding]]\nrule = "r"\nfix = "("', "regular expression"),
        (f'{HEAD}[run]\noutput = "["', "regular expression"),
        (f'{HEAD}clean = true\n[[finding]]\nrule = "r"\nseverity = "error"', "clean"),
        ("no = toml = this", "case.toml"),
    ],
)
def test_a_malformed_case_is_refused(tmp_path: Path, toml: str, reason: str) -> None:
    with pytest.raises(CaseError, match=reason):
        read_case(written(tmp_path, toml))


def test_a_case_has_a_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text(HEAD)
    with pytest.raises(CaseError, match="no Dockerfile"):
        read_case(tmp_path)


def test_the_cases_of_this_repository_can_be_read() -> None:
    names = [case.name for case in find_cases()]
    assert names == sorted(names) != []


ERROR = finding(
    rule="missing-library",
    subject="lightgbm libgomp.so.1",
    severity="error",
    message="lightgbm needs libgomp.so.1",
    fix="apt-get install libgomp1",
    saving=7,
    evidence=(Evidence(what="DT_NEEDED", path="usr/lib/x.so"),),
)
NOTE = finding(rule="package-cache", severity="note", saving=12)


@pytest.mark.parametrize(
    ("toml", "found", "lines"),
    [
        ("", (), []),
        ("", (NOTE,), []),
        ("", (ERROR,), ["unexpected error: error missing-library lightgbm"]),
        ('[[finding]]\nrule = "missing-library"', (ERROR,), []),
        ('[[finding]]\nrule = "missing-library"', (NOTE,), ["missing: missing-library"]),
        ('[[finding]]\nrule = "missing-library"\nsubject = "^light"\nbytes = 7', (ERROR,), []),
        ('[[finding]]\nrule = "missing-library"\nevidence = "x.so: DT_N"', (ERROR,), []),
        (
            '[[finding]]\nrule = "package-cache"\nbytes = 13',
            (NOTE,),
            ["missing: package-cache bytes=13; there is note package-cache"],
        ),
        (
            '[[finding]]\nrule = "package-cache"\nseverity = "warning"',
            (NOTE,),
            ["missing: package-cache severity='warning'"],
        ),
        (
            '[[finding]]\nrule = "missing-library"\nfix = "libgomp1\\\\.0"',
            (ERROR,),
            ["missing: missing-library fix=", "unexpected error"],
        ),
        (
            '[[finding]]\nrule = "missing-library"\nevidence = "RUNPATH"',
            (ERROR,),
            ["missing: missing-library evidence=", "unexpected error"],
        ),
        ('[[allowed]]\nrule = "missing-library"', (ERROR,), []),
        (
            '[[allowed]]\nrule = "missing-library"\nsubject = "scipy"',
            (ERROR,),
            ["unexpected error"],
        ),
        ('[[absent]]\nrule = "package-cache"', (NOTE,), ["should not be there: note"]),
        ('[[absent]]\nrule = "package-cache"\nsubject = "pip"', (NOTE,), []),
        ('[[absent]]\nfix = "libgomp1"', (NOTE,), []),
        ('[[absent]]\nseverity = "note"', (NOTE,), ["should not be there: note"]),
        ("clean = true", (NOTE,), []),
        ("clean = true", (ERROR,), ["not clean: error missing-library"]),
        ('clean = true\naccept = ["missing-library"]', (ERROR,), []),
        ('clean = true\naccept = ["package-cache"]', (ERROR,), ["not clean: error"]),
    ],
)
def test_a_report_is_compared(
    tmp_path: Path, toml: str, found: tuple[Finding, ...], lines: list[str]
) -> None:
    said = differences(expects(toml, tmp_path), clean_report(findings=found))
    assert len(said) == len(lines), said
    assert all(line.startswith(start) for line, start in zip(said, lines, strict=True)), said


@pytest.mark.parametrize(
    ("path", "pattern", "value"),
    [
        ("libc.flavor", "^glibc$", None),
        ("libc.flavor", "musl", "'glibc'"),
        ("pythons.0.version", r"^3\.\d+", None),
        ("pythons.99.version", "3", "''"),
        ("pythons.effective=True.path", "^usr/local/bin/python3", None),
        ("pythons.effective=False.path", "x", "''"),
        ("pythons.version", "3", "''"),
        ("libc.flavor.deeper", "^$", None),
    ],
)
def test_facts_of_the_report_are_compared(
    tmp_path: Path, path: str, pattern: str, value: str | None
) -> None:
    wanted = expects(f"[report]\n\"{path}\" = '{pattern}'", tmp_path)
    said = differences(wanted, clean_report())
    assert said == (() if value is None else (f"report: {path} is {value}, not {pattern!r}",))


def test_the_plan_is_compared(tmp_path: Path) -> None:
    wanted = expects('plan = ["^FROM a$", "chmod"]\nno_plan = ["RUN .*", "chown"]', tmp_path)
    assert differences(wanted, clean_report(), "FROM a\nRUN true\n") == (
        "the plan's Dockerfile lacks 'chmod'",
        "the plan's Dockerfile has 'RUN true'",
    )


def test_what_is_above_a_note_is_told() -> None:
    assert above_note(clean_report(findings=(NOTE,))) == ()
    assert len(above_note(clean_report(findings=(ERROR, NOTE)))) == 1


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("FROM a", ["a"]),
        ("from --platform=linux/amd64 a:1 as b\nFROM b\n", ["a:1"]),
        (
            "FROM a AS b\nFROM c\nCOPY --from=b / /\nCOPY --from=0 / /\nCOPY --from=d / /",
            ["a", "c", "d"],
        ),
        ("FROM scratch\n", []),
        ("FROM a\nRUN --mount=type=bind,from=uv:1,source=/uv,target=/uv x", ["a", "uv:1"]),
        ("FROM a\nFROM a", ["a"]),
    ],
)
def test_bases_are_found(text: str, names: list[str]) -> None:
    assert list(bases(text)) == names


MOUNT = "--mount=type=bind,source=.index,target=/dev/shm/index"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FROM a\nRUN apt-get update\n", ["FROM a", "RUN apt-get update"]),
        ("FROM a\nRUN pip install x", ["FROM a", "ARG", f"RUN {MOUNT} pip install x"]),
        (
            "FROM a\nRUN true\nRUN a && \\\n  pip install x\nRUN uv sync\n",
            [
                "FROM a",
                "RUN true",
                "ARG",
                f"RUN {MOUNT} a && \\",
                "  pip install x",
                f"RUN {MOUNT} uv sync",
            ],
        ),
        (
            "FROM a AS b\nRUN pip x\nFROM c\nRUN pip x\n",
            ["FROM a AS b", "ARG", f"RUN {MOUNT} pip x", "FROM c", "ARG", f"RUN {MOUNT} pip x"],
        ),
        ('FROM a\nCMD ["pip"]\n# RUN pip\n', ["FROM a", 'CMD ["pip"]', "# RUN pip"]),
        (
            "FROM a\nRUN true \\\n# pip\n && true\n",
            ["FROM a", "ARG", f"RUN {MOUNT} true \\", "# pip", " && true"],
        ),
        ("FROM a\nCMD x \\\nRUN pip\n", ["FROM a", "CMD x \\", "RUN pip"]),
        ("FROM a\nRUN piper\n", ["FROM a", "RUN piper"]),
    ],
)
def test_steps_that_install_reach_an_index(text: str, lines: list[str]) -> None:
    written = with_index(text).splitlines()
    short = ["ARG" if line.startswith("ARG PIP_CONFIG_FILE=") else line for line in written]
    assert short == lines


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "pip install numpy==1.26.4 'a_b[c,d]==2.0.post1'",
            [("numpy", "1.26.4"), ("a-b", "2.0.post1")],
        ),
        ("x >= 1, y===2, z == 3", []),
        ("uv==0.1.\n", [("uv", "0.1")]),
    ],
)
def test_pinned_versions_are_found(text: str, found: list[tuple[str, str]]) -> None:
    assert list(pinned(text)) == found


def outcome(name: str, tmp_path: Path, **changes: Any) -> Outcome:
    case = Case(name=name, folder=tmp_path, expects=expects("", tmp_path))
    return Outcome(**{"case": case, "verdict": "right", **changes})


def test_the_table_shows_what_differs(tmp_path: Path) -> None:
    outcomes = [
        outcome("a", tmp_path, truth="0: fine"),
        outcome("b", tmp_path, verdict="wrong", lines=("missing: x", "not clean: y")),
        outcome("c", tmp_path, verdict="left out"),
    ]
    lines = table(outcomes).splitlines()
    assert lines[0].split() == ["case", "truth", "verdict", "what", "differs"]
    assert lines[2].split() == ["a", "0:", "fine", "right"]
    assert lines[3].split() == ["b", "wrong", "missing:", "x"]
    assert lines[4].split() == ["not", "clean:", "y"]
    assert summary(outcomes) == "3 cases: 1 right, 1 wrong, 1 left out"
    assert [each.failed for each in outcomes] == [False, True, False]
