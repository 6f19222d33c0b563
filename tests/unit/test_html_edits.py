"""The edits of a plan on the web page: as differences of the Dockerfile that was given."""

import shutil
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec import structs

from pyimginspect.dockerfile import Dockerfile
from pyimginspect.formats import render
from pyimginspect.formats._fixes import fixes_by_edit
from pyimginspect.formats.html._edits import edits_about, edits_of
from pyimginspect.plan import NotOffered, Plan
from pyimginspect.plan.operations import (
    AppendCommand,
    BuildStage,
    DropInstruction,
    DropPackages,
    StageCopy,
)
from tests.reports import bad_report, finding
from tests.unit.test_html import Document
from tests.unit.test_patch import DOCKERFILE, NO_RECOMMENDS, edit, plan_of

CLEAN = edit(
    "delete-early",
    5,
    AppendCommand(layer=5, command="make clean"),
    words="clean up",
    command="make clean",
    level="safe",
    saving=2_000_000,
)
RECOMMENDS = edit(
    "no-recommends",
    1,
    NO_RECOMMENDS,
    words="leave recommended packages out",
    command="--no-install-recommends",
    reason="look whether they are used",
    saving=1_000_000,
)
ADVICE = edit("advice", 4, words="use wheels", command="COPY --from=builder")
STAGE = edit(
    "builder-stage",
    4,
    BuildStage(first=4, last=5, name="builder", copies=(StageCopy(source="/app", target="/app"),)),
    words="build in a stage of its own",
    command="COPY --from=builder",
)


class Texts(HTMLParser):
    """The text of every element that has an id, exactly as a browser's ``textContent``."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.by_id: dict[str, str] = {}
        self._open: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input", "br"):
            self._open.append((tag, dict(attrs).get("id")))

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            if name:
                self.by_id[name] = self.by_id.get(name, "") + data


def dockerfile(text: str = DOCKERFILE, path: str = "Dockerfile", **more: str) -> Dockerfile:
    return Dockerfile(path=path, text=text, **more)


def page_of(plan: Plan, given: Dockerfile | None) -> str:
    return render(bad_report(), "html", plan=plan, dockerfile=given)


def words_of(plan: Plan, given: Dockerfile | None) -> str:
    return " ".join(Document(page_of(plan, given)).texts)


@pytest.mark.parametrize(
    "text",
    [
        DOCKERFILE,
        DOCKERFILE.replace("\n", "\r\n"),
        DOCKERFILE.replace("    ", "\t"),
        DOCKERFILE.replace("# owner", '# <b>&amp; Zoë\'s "owner" </pre>'),
        DOCKERFILE.rstrip("\n"),
    ],
    ids=["plain", "crlf", "tabs", "markup", "no last line break"],
)
@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_what_is_copied_from_the_page_can_be_applied(text: str, tmp_path: Path) -> None:
    plan = plan_of([CLEAN, RECOMMENDS])
    texts = Texts(page_of(plan, dockerfile(text))).by_id
    for number, each in enumerate(plan.edits, 1):
        (tmp_path / "Dockerfile").write_bytes(text.encode())
        command = ["git", "apply", "--whitespace=nowarn", "-"]
        diff = texts[f"edit-{number}-text"]
        subprocess.run(command, cwd=tmp_path, input=diff.encode(), check=True)
        expected = plan_of([each]).patch(text).text
        assert (tmp_path / "Dockerfile").read_bytes() == expected.encode()
    (tmp_path / "Dockerfile").write_bytes(text.encode())
    subprocess.run(command, cwd=tmp_path, input=texts["all-edits-text"].encode(), check=True)
    assert (tmp_path / "Dockerfile").read_bytes() == plan.patch(text).text.encode()


def test_each_edit_has_its_diff_its_level_and_what_it_saves() -> None:
    words = words_of(plan_of([CLEAN, RECOMMENDS]), dockerfile())
    assert (
        "2.0 MB : clean up safe (in layer 5 , a-rule) --- a/Dockerfile +++ b/Dockerfile "
        "@@ -15,7 +15,9 @@ COPY requirements.txt . RUN pip install -r requirements.txt -RUN make "
        "+# pyimginspect: fixes a-rule +RUN make \\ + && make clean COPY . . # owner "
        "RUN chown -R 1000:1000 /app Copy 1.0 MB : leave recommended packages out review"
    ) in words
    assert "To review: look whether they are used." in words
    assert "2 edits together, as one diff: saves" in words
    assert "Each diff is of its edit alone." in words


def test_without_a_dockerfile_the_plan_says_what_to_add_and_no_fragment() -> None:
    words = words_of(plan_of([CLEAN, STAGE, ADVICE]), None)
    assert "clean up safe (in layer 5 , a-rule) make clean Copy 0 B" in words
    assert "COPY --from" not in words
    assert "--dockerfile FILE shows each edit as a diff of that file" in words


@pytest.mark.parametrize("given", [dockerfile(), None])
def test_advice_is_called_advice(given: Dockerfile | None) -> None:
    words = words_of(plan_of([ADVICE]), given)
    assert "use wheels advice (in layer 4" in words
    assert "COPY --from" not in words


def test_a_stage_is_a_diff_with_its_whole_instruction() -> None:
    words = words_of(plan_of([STAGE]), dockerfile())
    assert "+COPY --from=builder /app /app" in words


def test_the_dockerfile_of_another_image_is_said_and_the_plan_stays() -> None:
    words = words_of(plan_of([CLEAN]), dockerfile("FROM x\nRUN a\nRUN b\nRUN c\nRUN d\n"))
    assert "No diffs of Dockerfile : 0 of 4 instructions match the image's history" in words
    assert "make clean Copy" in words


def test_an_edit_that_does_not_fit_says_why() -> None:
    text = DOCKERFILE.replace("RUN make\n", 'RUN ["make"]\n')
    shown = edits_of(plan_of([CLEAN]), dockerfile(text)).shown
    assert shown[0].difference is None
    assert shown[0].reason
    assert f"Not in this Dockerfile: {shown[0].reason}." in words_of(
        plan_of([CLEAN]), dockerfile(text)
    )


def test_the_stage_that_was_built_is_the_one_that_is_changed() -> None:
    text = DOCKERFILE + "\nFROM scratch AS other\nRUN x\nRUN y\nRUN z\n"
    chosen = edits_of(plan_of([CLEAN]), dockerfile(text, target="app"))
    assert not chosen.problem
    assert chosen.shown[0].difference is not None
    assert edits_of(plan_of([CLEAN]), dockerfile(text, target="other")).problem


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("docker/Dockerfile", "docker/Dockerfile"),
        ("/home/me/Dockerfile", "Dockerfile"),
        ("../api/Dockerfile", "Dockerfile"),
        ("./Dockerfile", "Dockerfile"),
        ("<img src=x>/Dockerfile", "<img src=x>/Dockerfile"),
    ],
)
def test_a_diff_names_the_file_as_git_takes_it(path: str, name: str) -> None:
    words = words_of(plan_of([CLEAN]), dockerfile(path=path))
    assert f"--- a/{name} +++ b/{name}".replace(" ", "") in words.replace("\t", "").replace(" ", "")


@pytest.mark.parametrize(
    ("character", "shown"),
    [("\x1b[31m", "\\x1b[31m"), ("\u202e", "\\u202e"), ("\udcff", "\\udcff"), ("\x00", "\\x00")],
)
def test_what_cannot_be_shown_is_spelled_out_and_not_copied(character: str, shown: str) -> None:
    text = DOCKERFILE.replace("RUN make\n", f"# {character}\nRUN make\n")
    difference = edits_of(plan_of([CLEAN]), dockerfile(text)).shown[0].difference
    assert difference is not None
    assert not difference.exact
    page = page_of(plan_of([CLEAN]), dockerfile(text))
    page.encode()
    assert f"# {shown}" in page
    assert 'data-copy="edit-1-text"' not in page
    assert "Not the diff byte for byte" in page


def test_a_diff_beyond_all_measure_is_cut() -> None:
    text = DOCKERFILE.replace("RUN make\n", f"# {'x' * 300_000}\nRUN make\n")
    difference = edits_of(plan_of([CLEAN]), dockerfile(text)).shown[0].difference
    assert difference is not None
    assert not difference.exact
    assert sum(len(line) for _, line in difference.lines) <= 100_000


def test_findings_lead_to_their_edits() -> None:
    found = finding("a-rule", "x", layers=(5,))
    other = finding("a-rule", "y", layers=(2,))
    edits = edits_of(plan_of([RECOMMENDS, CLEAN]), None)
    assert edits_about(edits, [found, other]) == {found.fingerprint: [2], other.fingerprint: []}
    report = bad_report(findings=(structs.replace(found, fix="clean up"),))
    page = render(report, "html", plan=plan_of([RECOMMENDS, CLEAN]))
    assert '<a href="#edit-2">edit 2</a>' in page


def test_what_is_not_offered_is_said() -> None:
    plan = structs.replace(
        plan_of([CLEAN]), not_offered=(NotOffered(edit=RECOMMENDS, reason="x needs y"),)
    )
    words = words_of(plan, None)
    assert "Not offered leave recommended packages out (in layer 1 ) : x needs y" in words


def test_two_edits_of_one_instruction_are_one_diff_together() -> None:
    gone = edit("delete-early", 7, DropInstruction(layer=7), words="drop it")
    names = edit("leave-out", 1, DropPackages(layer=1, manager="apt", names=("gcc",)))
    edits = edits_of(plan_of([RECOMMENDS, names, gone]), dockerfile())
    assert edits.whole is not None
    assert edits.applied == 3
    lines = [str(line) for _, line in edits.whole.lines]
    assert sum(line.startswith("+# pyimginspect: fixes") for line in lines) == 1


def test_the_plan_of_nothing_shows_no_edits() -> None:
    assert edits_of(None, dockerfile()).shown == ()
    assert edits_of(plan_of([]), dockerfile()).shown == ()
    page = render(bad_report(findings=()), "html", plan=plan_of([]), dockerfile=dockerfile())
    assert "No known edit would make the image smaller." in page


@pytest.mark.parametrize("line", ["# a\n", "\n"])
def test_a_dockerfile_of_one_line_again_and_again_takes_no_time(line: str) -> None:
    text = DOCKERFILE.replace("RUN make\n", line * 20_000 + "RUN make\n")
    plan, given = plan_of([CLEAN, RECOMMENDS]), dockerfile(text)
    before = time.process_time()
    assert all(each.difference is not None for each in edits_of(plan, given).shown)
    assert len(fixes_by_edit(plan, given)) == 2
    assert time.process_time() - before < 5
