"""Workflow commands: literal lines, and names that cannot end one."""

import re

import pytest

from pyimginspect.formats import Dockerfile, render
from tests.reports import DOCKERFILE, bad_report, clean_report, finding, judged_report, with_strings

COMMAND = re.compile(r"::(error|warning|notice) (?:[a-zA-Z]+=[^,:\n]*,?)+::[^\n]*")


def test_a_judged_image() -> None:
    assert render(judged_report(), "github", dockerfile=DOCKERFILE) == (
        "::error title=pyimginspect::acme/bad:1.4 fails the policy python-slim "
        "(1 failing, 1 waived, 1 known before, 1 fixed)\n"
        "::error file=docker/Dockerfile,line=3,endLine=5,title=duplicate-python::"
        "A second Python, 3.11.2 from Debian, stands beside the 3.13.1 that runs (saves 36.2 MB)"
        "%0ADrop python3-yaml from apt-get install; write pyyaml into requirements.txt.\n"
        "::notice file=docker/Dockerfile,line=7,endLine=7,title=deleted-but-shipped::"
        "tmp/model.bin is deleted in layer 6, and still ships in layer 5 (saves 8.0 MB)"
        "%0AFetch, use and delete it in one RUN.\n"
    )


def test_a_clean_image() -> None:
    assert render(clean_report(), "github") == (
        "::notice title=pyimginspect::acme/good:1.4 has findings: none\n"
    )


def test_a_file_that_has_not_the_instruction_is_named_without_a_line() -> None:
    other = Dockerfile(path="a,b:c%", text="FROM scratch\n")
    text = render(clean_report(findings=(finding("r", "s"),)), "github", dockerfile=other)
    assert text.endswith("\n::warning file=a%2Cb%3Ac%25,title=r::s of r\n")


@pytest.mark.parametrize("text", ["\n::error::", "\r\n::set-env name=x::y", "%0A", "::", ",file=x"])
def test_a_name_cannot_begin_another_command(text: str) -> None:
    page = render(with_strings(bad_report(), text), "github", dockerfile=DOCKERFILE)
    lines = page.removesuffix("\n").split("\n")
    assert len(lines) == len(bad_report().findings) + 1
    assert all(COMMAND.fullmatch(line) for line in lines)


@pytest.mark.parametrize(
    ("instruction", "lines"),
    [
        ("FROM python:3.13-slim", (2, 2)),
        ("RUN apt-get update && apt-get install -y build-essential python3-yaml", (3, 5)),
        ("RUN apt-get update &&     apt-get install -y build-essential python3-yaml", (3, 5)),
        ("run apt-get update && apt-get install -y build-essential python3-yaml", (3, 5)),
        ("ADD https://example.org/model.bin /tmp/model.bin", (7, 7)),
        ("RUN pip install -r r.txt", (8, 9)),
        ("COPY app /app", (10, 10)),
        ("RUN echo 1", None),
        ("RUN echo hello", (15, 15)),
        ("RUN", None),
        ("", None),
        ("CMD python", None),
    ],
)
def test_where_an_instruction_stands(instruction: str, lines: tuple[int, int] | None) -> None:
    text = (
        "# comment\n"
        "FROM python:3.13-slim\n"
        "RUN apt-get update && \\\n"
        "    # why\n"
        "    apt-get install -y build-essential python3-yaml\n"
        "\n"
        "ADD --chown=1:1 https://example.org/model.bin /tmp/model.bin\n"
        "RUN --mount=type=cache,target=/root/.cache --network=none \\\n"
        "  pip install -r r.txt\n"
        "COPY --from=build --chmod=755 app /app\n"
        "RUN <<-'EOF'\n"
        "\tRUN echo 1\n"
        "\tEOF\n"
        "   \n"
        "  RUN   echo hello\n"
        "# CMD python\n"
        "ENTRYPOINT x \\\n"
    )
    assert Dockerfile(path="f", text=text).lines_of(instruction) == lines


def test_another_escape_character() -> None:
    text = "# escape=`\nFROM a\nRUN one `\n  two \\\nRUN three\n"
    file = Dockerfile(path="f", text=text)
    assert file.lines_of("RUN one two \\") == (3, 4)
    assert file.lines_of("RUN three") == (5, 5)


@pytest.mark.parametrize("text", ["", "\\", "RUN a \\", "RUN <<E", "RUN <<E <<E\n", "#", "\n\n"])
def test_an_unfinished_file_ends(text: str) -> None:
    assert Dockerfile(path="f", text=text).lines_of("RUN x") is None


def test_no_more_than_github_shows_of_each_kind() -> None:
    notes = tuple(finding("n", f"s{n}", severity="note") for n in range(12))
    warnings = tuple(finding("w", f"s{n}") for n in range(11))
    first, *rest = render(clean_report(findings=warnings + notes), "github").splitlines()
    assert first == (
        "::notice title=pyimginspect::acme/good:1.4 has findings: 11 warnings, 12 notes; "
        "4 more findings in the job summary"
    )
    kinds = [line.split()[0] for line in rest]
    # The verdict is a notice, so that nine more have room.
    assert (kinds.count("::warning"), kinds.count("::notice"), len(kinds)) == (10, 9, 19)
