"""The table: literal pages at two widths, and hostile strings that cannot leave their place."""

import re
import textwrap
from functools import cache

import msgspec
import pytest
import wcwidth

from pyimginspect.formats import render
from pyimginspect.inventory.facts import BuildTool
from pyimginspect.model import Evidence, Note
from pyimginspect.report import Finding, Report, Severity, Verdict
from tests.reports import bad_report, clean_report, finding, judged_report, with_strings

ESCAPES = re.compile(r"\x1b\[\d*m")
WIDE = "漢字かな交じり文" * 8
EMOJI = "👩‍👩‍👧‍👦🇩🇪é̂" * 21

# Pages of 100 columns begin at the margin, or they would not fit here.
HEAD_AT_100 = """\
bad.tar · acme/bad:1.4 · linux/amd64 · docker-archive
base      python 3.13 slim on debian 12 (official, certain)
size      560.2 MB in 7 layers, 8.0 MB wasted; the edits of --plan save 265.5 MB
findings  1 error, 2 warnings, 1 note

#  severity     saves  finding
-  --------  --------  -----------------------------------------------------------------------
1  error      36.2 MB  A second Python, 3.11.2 from Debian, stands beside the 3.13.1 that runs
2  warning   210.0 MB  A compiler that nothing needs at run time was left in: gcc-12 and make
3  warning    19.3 MB  apt's package lists were left in var/lib/apt/lists
4  note        8.0 MB  tmp/model.bin is deleted in layer 6, and still ships in layer 5
"""
JUDGED_HEAD = """\
bad.tar · acme/bad:1.4 · linux/amd64 · docker-archive
base      python 3.13 slim on debian 12 (official, certain)
size      560.2 MB in 7 layers, 8.0 MB wasted; the edits of --plan save 265.5 MB
findings  1 error, 1 note
verdict   fails the policy python-slim (1 failing, 1 waived, 1 known before, 1 fixed)
"""
SET_ASIDE = """\
Set aside
why                      rule                 reason              finding
-----------------------  -------------------  ------------------  ----------------------------------
waived until 2030-01-31  package-cache        the mirror is slow  apt's package lists were left in…
known                    leftover-build-tool                      A compiler that nothing needs at…
fixed                    package-cache                            pip's cache was left in root/.cac…
"""


def test_a_clean_image_at_80_columns() -> None:
    assert render(clean_report(), "table", detail=2, width=80) == textwrap.dedent("""\
        acme/good:1.4 · linux/amd64 · docker-archive
        base      python 3.13 slim on debian 12 (official, certain)
        size      130.2 MB in 6 layers
        findings  none

        Pythons
        version  path                      origin        layer     size
        -------  ------------------------  ------------  -----  -------  ----
        3.13.1   usr/local/bin/python3.13  source build      2  41.2 MB  runs
        usr/local/bin/python3.13 runs: CMD

        C library
        glibc 2.36 (usr/lib/x86_64-linux-gnu/libc.so.6, layer 0)

        Layers
        #      size        instruction
        -  --------  ----  --------------------------------------------
        0   78.0 MB  base  debian.sh --arch 'amd64' out/ 'bookworm'
        1    9.0 MB  base  RUN apt-get install -y ca-certificates
        2   43.0 MB  base  RUN wget -O python.tar.xz …; make install
        3       0 B  base  RUN for src in idle3 pip3 pydoc3; do …; done
        4  180.0 kB        RUN pip install --no-cache-dir requests
        5     400 B        COPY app /app

        Installed
        1 package and 1 Python distribution; --format json lists them all.
        """)


def test_a_bad_image_at_80_columns() -> None:
    assert render(bad_report(), "table", detail=2, width=80) == textwrap.dedent("""\
        bad.tar · acme/bad:1.4 · linux/amd64 · docker-archive
        base      python 3.13 slim on debian 12 (official, certain)
        size      560.2 MB in 7 layers, 8.0 MB wasted; the edits of --plan save 265.5 MB
        findings  1 error, 2 warnings, 1 note

        #  severity     saves  finding
        -  --------  --------  ---------------------------------------------------------
        1  error      36.2 MB  A second Python, 3.11.2 from Debian, stands beside the 3…
        2  warning   210.0 MB  A compiler that nothing needs at run time was left in: g…
        3  warning    19.3 MB  apt's package lists were left in var/lib/apt/lists
        4  note        8.0 MB  tmp/model.bin is deleted in layer 6, and still ships in…

        1. error: duplicate-python · saves 36.2 MB
           A second Python, 3.11.2 from Debian, stands beside the 3.13.1 that runs
           -         python3-yaml → python3 → python3.11 → python3.11-minimal
                     (usr/bin/python3.11)
           layer     4: RUN apt-get update && apt-get install -y build-essential
                     python3-yaml
           packages  python3-yaml, python3, python3.11, python3.11-minimal
           path      usr/lib/python3.11
           fix       Drop python3-yaml from apt-get install; write pyyaml into
                     requirements.txt.

        2. warning: leftover-build-tool · saves 210.0 MB
           A compiler that nothing needs at run time was left in: gcc-12 and make
           -         gcc-12 is installed
           layer     4: RUN apt-get update && apt-get install -y build-essential
                     python3-yaml
           packages  build-essential, gcc-12, make
           fix       Build in a first stage, or purge in the same RUN:
                     apt-get purge -y --auto-remove build-essential

        3. warning: package-cache · saves 19.3 MB
           apt's package lists were left in var/lib/apt/lists
           -         7 files (var/lib/apt/lists)
           layer     4: RUN apt-get update && apt-get install -y build-essential
                     python3-yaml
           fix       End the RUN with && rm -rf /var/lib/apt/lists/*

        4. note: deleted-but-shipped · saves 8.0 MB
           tmp/model.bin is deleted in layer 6, and still ships in layer 5
           -         a whiteout in layer 6 (tmp/model.bin, layer 6)
           layer     5: ADD https://example.org/model.bin /tmp/model.bin
           fix       Fetch, use and delete it in one RUN.

        Pythons
        version  path                      origin          layer     size
        -------  ------------------------  --------------  -----  -------  ----
        3.13.1   usr/local/bin/python3.13  source build        2  41.2 MB  runs
        3.11.2   usr/bin/python3.11        debian package      4  36.2 MB
        3.13.1   opt/venv                  environment         6  15.0 MB
        usr/local/bin/python3.13 runs: CMD

        C library
        glibc 2.36 (usr/lib/x86_64-linux-gnu/libc.so.6, layer 0)

        Layers
        #      size  wasted        instruction
        -  --------  ------  ----  -----------------------------------------------------
        0   78.0 MB          base  debian.sh --arch 'amd64' out/ 'bookworm'
        1    9.0 MB          base  RUN apt-get install -y ca-certificates
        2   43.0 MB          base  RUN wget -O python.tar.xz …; make install
        3       0 B          base  RUN for src in idle3 pip3 pydoc3; do …; done
        4  420.0 MB                RUN apt-get update && apt-get install -y build-essen…
        5    8.0 MB  8.0 MB        ADD https://example.org/model.bin /tmp/model.bin
        6    2.2 MB                RUN pip install requests && rm /tmp/model.bin

        Wasted space: 8.0 MB in 1 file
          size  removed in  stored in  path
        ------  ----------  ---------  -------------
        8.0 MB  layer 6       layer 5  tmp/model.bin

        Caches
        kind          size  files  layers  path
        ---------  -------  -----  ------  -----------------
        apt lists  19.3 MB      7  4       var/lib/apt/lists

        Build tools
        name    category          size  layer  kept by          path
        ------  ------------  --------  -----  ---------------  ------------------------
        gcc-12  compiler      210.0 MB      4  build-essential  …x86_64-linux-gnu-gcc-12
        make    build-system  240.0 kB      4                   usr/bin/make

        Installed
        6 packages and 2 Python distributions; --format json lists them all.

        Limits of this report
        - no contents over 8 MB are read (layer 5, tmp/model.bin)
        """)


def test_the_head_of_a_bad_image_at_100_columns() -> None:
    text = render(bad_report(), "table", detail=2, width=100)
    assert text.partition("\n1. error")[0] == HEAD_AT_100


def test_what_a_policy_set_aside_is_told() -> None:
    text = render(judged_report(), "table", detail=2, width=100)
    assert text.partition("\n#  severity")[0] == JUDGED_HEAD
    assert SET_ASIDE in text


@cache
def report_with(text: str) -> Report:
    return with_strings(judged_report(), text)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii", "cp437"])
@pytest.mark.parametrize(
    ("asked", "widest"), [(20, 60), (60, 60), (80, 80), (100, 100), (500, 100)]
)
@pytest.mark.parametrize(
    "text",
    ["", "\x1b[31m\r\n\x07", "x" * 1500, WIDE, EMOJI, "\u202e\u2028\udcff\u200b", "a b " * 400],
    ids=["plain", "controls", "long", "wide", "emoji", "invisible", "words"],
)
def test_no_line_is_wider_than_asked(text: str, asked: int, widest: int, encoding: str) -> None:
    page = render(report_with(text), "table", detail=2, width=asked, encoding=encoding)
    lines = page.splitlines()
    assert max(len(x) if x.isascii() else wcwidth.width(x) for x in lines) <= widest
    assert page.encode(encoding).decode(encoding) == page
    assert all(line.isprintable() for line in page.split("\n"))


def test_a_hostile_string_comes_out_as_escapes() -> None:
    report = clean_report(findings=(finding("r", "s", message="a\nb\x1b[2J\u202e\udcff"),))
    assert r"a\nb\x1b[2J\u202e\udcff" in render(report, "table", detail=2, width=100)


def test_an_output_without_the_characters_gets_others() -> None:
    report = clean_report(findings=(finding("r", "s", message="ä → b" + "." * 100),))
    page = render(report, "table", detail=2, encoding="ascii")
    assert r"1  warning   \xe4 -> b....." in page
    assert "...\n" in page


def test_colours_only_when_asked_and_nothing_else_changes() -> None:
    plain, coloured = (
        render(bad_report(), "table", detail=2, color=color) for color in (False, True)
    )
    assert "\x1b" not in plain
    assert ESCAPES.sub("", coloured) == plain
    assert "\x1b[31merror\x1b[0m" in coloured


@pytest.mark.parametrize(
    ("changes", "hidden"),
    [
        ({"caches": ()}, "Caches"),
        ({"build_tools": ()}, "Build tools"),
        ({"notes": ()}, "Limits of this report"),
        ({"pythons": (), "environments": ()}, "Pythons"),
        ({"layers": ()}, "Layers"),
        ({"os_packages": (), "distributions": ()}, "Installed"),
    ],
)
def test_an_empty_section_is_not_shown(changes: dict[str, object], hidden: str) -> None:
    titles = render(bad_report(), "table", detail=2).splitlines()
    assert hidden in titles
    assert hidden not in render(bad_report(**changes), "table", detail=2).splitlines()


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["a", "b"], "   path      a\n   path      b\n"),
        ([str(n) for n in range(9)], "   path      5\n             and 3 more paths\n"),
    ],
)
def test_long_lists_end_with_how_many_are_left(paths: list[str], told: str) -> None:
    report = clean_report(findings=(finding("r", "s", paths=tuple(paths)),))
    assert told in render(report, "table", detail=2)


def many(**severities: int) -> tuple[Finding, ...]:
    return tuple(
        finding("r", f"{severity} {n}", severity=severity)
        for severity, number in severities.items()
        for n in range(number)
    )


@pytest.mark.parametrize(
    ("findings", "fail_on", "head", "told"),
    [
        (many(error=5, warning=20), "warning", "5 errors, 20 warnings", ""),
        (
            many(error=5, warning=20, note=1),
            "warning",
            "5 errors, 20 warnings, 1 note",
            "and 1 more finding (1 note): --format json lists them all",
        ),
        (
            many(error=30, warning=2_000, note=7),
            "warning",
            "30 errors, 2,000 warnings, 7 notes",
            "and 2,012 more findings (5 errors, 2,000 warnings, 7 notes; 2,005 failing): "
            "--format json lists them all",
        ),
        (
            many(warning=30),
            None,
            "30 warnings",
            "and 5 more findings (5 warnings): --format json lists them all",
        ),
    ],
)
def test_of_many_findings_the_worst_are_listed_and_all_are_counted(
    findings: tuple[Finding, ...], fail_on: Severity | None, head: str, told: str
) -> None:
    verdict = Verdict(policy="p", passed=False, fail_on=fail_on)
    page = render(clean_report(findings=findings, verdict=verdict), "table", detail=2, width=100)
    assert f"findings  {head}\n" in page
    overview, _, details = page.partition("\n1. ")
    assert " ".join(overview.split()).endswith(told or "25 warning warning 19 of r")
    assert "\n25. " in details
    assert "\n26. " not in details


def test_an_image_that_is_all_faults_has_an_end() -> None:
    """Whatever there are thousands of: the page stays one that can be read."""
    report = judged_report()
    assert report.verdict is not None
    page = render(
        msgspec.structs.replace(
            report,
            findings=(finding("r", "s", evidence=report.base.evidence * 5_000),) * 5_000,
            verdict=msgspec.structs.replace(report.verdict, accepted=many(note=5_000)),
            pythons=report.pythons * 5_000,
            environments=tuple(
                msgspec.structs.replace(each, broken="no home")
                for each in report.environments * 5_000
            ),
            layers=report.layers * 5_000,
            caches=report.caches * 5_000,
            build_tools=report.build_tools * 5_000,
        ),
        "table",
    )
    assert len(page.splitlines()) < 1_000


def test_why_a_python_runs_and_why_another_does_not_is_told_whole() -> None:
    reason = "CMD starts ./report, a script for python3: /usr/local/bin/python3"
    report = bad_report()
    report = bad_report(
        pythons=(msgspec.structs.replace(report.pythons[0], effective_reason=reason),),
        environments=(msgspec.structs.replace(report.environments[0], broken="home is gone"),),
    )
    assert textwrap.dedent("""\
        Pythons
        version  path                      origin        layer     size
        -------  ------------------------  ------------  -----  -------  ------
        3.13.1   usr/local/bin/python3.13  source build      2  41.2 MB  runs
        3.13.1   opt/venv                  environment       6  15.0 MB  broken
        usr/local/bin/python3.13 runs: CMD starts ./report, a script for python3:
        /usr/local/bin/python3
        opt/venv is broken: home is gone
        """) in render(report, "table", detail=2, width=80)


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (60, "…cts/images/v1.4/bad.tar · acme/bad:1.4 · linux/amd64 · doc…"),
        (80, "…n/0/artifacts/images/v1.4/bad.tar · acme/bad:1.4 · linux/amd64 · docker-archive"),
        (
            100,
            "/srv/ci/builds/main/0/artifacts/images/v1.4/bad.tar · acme/bad:1.4 · linux/amd64"
            " · docker-archive",
        ),
    ],
)
def test_a_long_path_leaves_room_for_what_is_in_the_file(width: int, head: str) -> None:
    report = bad_report()
    path = "/srv/ci/builds/main/0/artifacts/images/v1.4/bad.tar"
    report = bad_report(image=msgspec.structs.replace(report.image, reference=path))
    assert render(report, "table", detail=2, width=width).splitlines()[0] == head


def test_of_many_lost_files_the_rest_are_counted() -> None:
    report = bad_report()
    waste = msgspec.structs.replace(report.waste, files=1_000)
    assert "\nand 999 more files\n" in render(bad_report(waste=waste), "table", detail=2)


def test_many_notes_are_counted() -> None:
    report = clean_report(notes=tuple(Note(what=f"oddity {n}") for n in range(1_025)))
    page = render(report, "table", detail=2)
    assert "- oddity 19\n- and 1,005 more\n" in page


@pytest.mark.parametrize("saving", [None, 0])
def test_of_a_plan_that_saves_nothing_nothing_is_said(saving: int | None) -> None:
    report = clean_report(findings=(finding("r", "s", saving=5_000_000),), saving=saving)
    assert "--plan" not in render(report, "table", detail=2, width=100)


def test_of_many_build_tools_the_rest_are_counted() -> None:
    tools = tuple(BuildTool(name=f"t{n:02}", category="compiler", layer=4) for n in range(17))
    assert "\nand 2 more: --format json lists them all\n" in render(
        clean_report(build_tools=tools), "table", detail=2
    )


def test_evidence_names_its_layer_where_a_finding_has_several() -> None:
    evidence = [Evidence(what=f"cache {n}", layer=n) for n in (1, 2)]
    both = finding("r", "s", evidence=tuple(evidence), layers=(1, 2))
    assert "cache 2 (layer 2)" in render(clean_report(findings=(both,)), "table", detail=2)
    one = finding("r", "s", evidence=tuple(evidence[:1]), layers=(1,))
    assert "cache 1 (" not in render(clean_report(findings=(one,)), "table", detail=2)
