"""Poetry, pdm, pipenv and uv beside the environment that they made: a stage of their own."""

from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.plan import Plan, make_plan
from pyimginspect.plan.operations import BuildStage, StageCopy
from tests.images import Content, Directory, File, Link, dist_info
from tests.inventories import on_slim, taken

MB = b"x" * 1_000_000
SITE = "usr/local/lib/python3.13/site-packages"
PYTHON = "/usr/local/bin/python3.13"
Layer = Mapping[str, Content]


def environment(
    top: str = "app/.venv", owner: int = 0, *, system: bool = False
) -> dict[str, Content]:
    files: dict[str, Content] = {
        f"{top}/pyvenv.cfg": "home = /usr/local/bin\nversion = 3.13.1\n"
        f"include-system-site-packages = {system}\n",
        f"{top}/bin/python": Link(PYTHON),
        **dist_info("flask", "3", {"flask/x.py": MB}, site=f"{top}/lib/python3.13/site-packages"),
    }
    if not owner:
        return files
    above = {path[:end] for path in files for end in range(len(path)) if path[end] == "/"}
    owned: dict[str, Content] = {
        f"{path}/": Directory(uid=owner, gid=owner) for path in above if path.startswith(top)
    }
    for path, content in files.items():
        if isinstance(content, str | bytes):
            owned[path] = File(content, uid=owner, gid=owner)
        else:
            owned[path] = content
    return owned


def installed(name: str) -> dict[str, Content]:
    """A tool as pip installs it into the system, with a requirement of its own."""
    return {
        **dist_info(name, "1", {f"{name}/x.py": MB}, requires=["toml"], site=SITE),
        **dist_info("toml", "1", {"toml/x.py": MB}, site=SITE),
    }


UV: Layer = {"bin/uv": File(MB, mode=0o755), "bin/uvx": File(MB, mode=0o755)}
FILES: Layer = {"app/pyproject.toml": "p"}
CODE: Layer = {"app/app.py": "c"}


def planned(
    layers: Sequence[Layer], history: Sequence[str], cmd: Sequence[str] = ("/app/.venv/bin/python",)
) -> Plan:
    return make_plan(taken(on_slim(*layers, history=history, cmd=cmd)))


def stages(plan: Plan) -> list[BuildStage]:
    return [each for edit in plan.edits for each in edit.operations if isinstance(each, BuildStage)]


@pytest.mark.parametrize(
    ("brings", "made", "tool"),
    [
        ("RUN pip install poetry", "RUN poetry install --no-root --only main", "poetry"),
        ("RUN pip install poetry==1.8 toml", "RUN poetry sync", "poetry"),
        ("RUN pip3 install --no-cache-dir pdm", "RUN pdm install --check --prod", "pdm"),
        ("RUN python3 -m pip install pdm", "RUN python -m venv .venv && pdm sync", "pdm"),
        ("RUN pip install pipenv", "RUN pipenv sync", "pipenv"),
        ("RUN pip install pipenv", "RUN set -e; cd /app; pipenv install --deploy", "pipenv"),
        ("RUN pip install uv", "RUN uv sync --frozen --no-dev", "uv"),
        ("RUN pip install uv", "RUN uv venv && uv pip install -r pyproject.toml", "uv"),
        ("COPY /uv /uvx /bin/", "RUN uv sync --frozen --no-dev", "uv"),
    ],
)
def test_the_final_image_gets_the_environment_alone(brings: str, made: str, tool: str) -> None:
    first = UV if brings.startswith("COPY") else installed(tool)
    cache = {f"root/.cache/{'virtualenv' if tool == 'poetry' else tool}/x": File(MB)}
    plan = planned(
        [first, FILES, {**environment(), "app/uv.lock": "l", **cache}, CODE],
        [brings, "COPY pyproject.toml /app/", made, "COPY app.py /app/"],
    )
    (stage,) = stages(plan)
    copy = StageCopy(source="/app/.venv", target="/app/.venv")
    assert stage == BuildStage(first=4, last=6, name="builder", copies=(copy,), only=(4, 6))
    (edit,) = (each for each in plan.edits if each.operations == (stage,))
    assert (edit.level, edit.packages) == ("review", (tool,))
    assert 3_000_000 <= edit.saving < 3_100_000, "the tool, what it requires, and its cache"
    text = f"FROM x\n{brings}\nCOPY pyproject.toml /app/\nENV A=1\n{made}\nCOPY app.py /app/\n"
    fixed = plan.patch(text).text
    final = fixed.rpartition("FROM x\n")[2]
    comment = "# pyimginspect: fixes wasted space (builder-stage)\n"
    assert final == (
        "COPY pyproject.toml /app/\nENV A=1\n"
        f"{comment}COPY --from=builder /app/.venv /app/.venv\nCOPY app.py /app/\n"
    )
    assert fixed.startswith(f"{comment}FROM x AS builder\n{brings}\nCOPY pyproject.toml /app/\n")


BRINGS = "RUN pip install poetry"
MADE = "RUN poetry install"


@pytest.mark.parametrize(
    ("history", "made"),
    [
        ([BRINGS, f"{MADE} && make docs"], environment()),  # what else is made is not known
        ([BRINGS, f"{MADE} && rm /etc/passwd"], environment()),
        (["RUN apt-get install -y git && pip install poetry", MADE], environment()),
        (["RUN pip install --upgrade pip poetry", MADE], environment()),
        (["RUN pip install poetry flask", MADE], environment()),
        (["RUN pip install -r requirements.txt", MADE], environment()),
        (["RUN pip install $TOOL", MADE], environment()),
        ([BRINGS, "RUN python -m venv /app/.venv"], environment()),  # the tool has no part in it
        ([BRINGS, MADE], {**environment(), "opt/data": "x"}),  # no file of the tool's
        # No requirement of the tool's: it is in another place.
        ([BRINGS, MADE], {**environment(), **dist_info("own", "1", site="opt/own")}),
        (  # uv --link-mode=symlink
            [BRINGS, MADE],
            {
                **environment(),
                "root/.cache/uv/a/x.py": "x",
                "app/.venv/lib/python3.13/site-packages/x.py": Link("/root/.cache/uv/a/x.py"),
            },
        ),
        ([BRINGS, MADE], environment(system=True)),  # it imports what the system has
        ([BRINGS, MADE], dist_info("flask", "3", site=SITE)),  # into the system
    ],
)
def test_what_cannot_be_told_apart_stays(history: list[str], made: Layer) -> None:
    assert stages(planned([installed("poetry"), made], history)) == []


@pytest.mark.parametrize(
    ("between", "offered"),
    [
        ("RUN useradd web", True),
        ("RUN apt-get update && apt-get install -y libpq5", True),
        ("RUN poetry export > /r.txt; pip list", False),
        ("RUN /app/.venv/bin/python -m compileall /app", False),
        ("RUN chown -R 1000 /app", False),
        ("RUN if true; then x; fi", False),
        ("RUN poetry run (x)", False),  # no shell reads it
    ],
)
def test_what_stays_between_needs_neither_tool_nor_environment(between: str, offered: bool) -> None:
    layers: list[Layer] = [installed("poetry"), environment(), {}, {"app/.venv/x": "x"}]
    plan = planned(layers, [BRINGS, "RUN poetry install --no-root", between, MADE])
    assert len(stages(plan)) == offered
    plan = planned([installed("poetry"), {}, environment()], [BRINGS, between, MADE])
    assert len(stages(plan)) == offered


def test_a_directory_that_is_made_between_stays_in_the_final_image() -> None:
    layers: list[Layer] = [installed("poetry"), {"srv/data/": None}, environment()]
    (stage,) = stages(planned(layers, [BRINGS, "RUN mkdir /srv/data", MADE]))
    assert stage.only == (4, 6)


@pytest.mark.parametrize(
    ("cmd", "later", "reason"),
    [
        (["poetry", "run", "x"], "RUN true", "the command would not start"),
        (["/app/.venv/bin/python"], "RUN make && poetry run x", "layer 6 calls poetry"),
        (["/app/.venv/bin/python"], "RUN make; poetry check", "layer 6 calls poetry"),
    ],
)
def test_who_calls_the_tool_keeps_it(cmd: list[str], later: str, reason: str) -> None:
    tool = {**installed("poetry"), "usr/local/bin/poetry": File("#!/bin/sh\n", mode=0o755)}
    record = tool[f"{SITE}/poetry-1.dist-info/RECORD"]
    assert isinstance(record, str | bytes)
    text = record if isinstance(record, str) else record.decode()
    tool[f"{SITE}/poetry-1.dist-info/RECORD"] = text + "../../../bin/poetry,,\n"
    plan = planned([tool, environment(), {}], [BRINGS, MADE, later], cmd)
    assert stages(plan) == []
    assert [each.reason.startswith(reason) for each in plan.not_offered] == [True]


def test_the_owner_of_the_environment_stays() -> None:
    one = planned([installed("poetry"), environment(owner=1000)], [BRINGS, MADE], ("python3",))
    assert [each.copies[0].owner for each in stages(one)] == ["1000:1000"]
    mixed = {**environment(owner=1000), "app/.venv/x": "root's"}
    assert stages(planned([installed("poetry"), mixed], [BRINGS, MADE], ("python3",))) == []


# --- figures --------------------------------------------------------------------------------------
def test_an_edit_says_what_goes() -> None:
    tool = installed("poetry")
    record = f"{SITE}/toml-1.dist-info/RECORD"
    more = {"six.py": "#", "__pycache__/six.cpython-313.pyc": "c"}
    text = tool[record]
    assert isinstance(text, str)
    tool |= {f"{SITE}/{path}": data for path, data in more.items()}
    tool[record] = text + "".join(f"{path},,\n" for path in more)
    plan = planned([tool, FILES, environment()], [BRINGS, "COPY p /app/", MADE])
    (edit,) = (each for each in plan.edits if each.kind == "builder-stage")
    assert (edit.layer, edit.others, edit.level) == (4, (6,), "review")
    assert edit.words == (
        "make /app/.venv in a stage of its own, and copy it: the final image needs no poetry"
    )
    assert edit.reason == "look whether anything calls poetry at run time"
    assert edit.modules == ("poetry", "six", "toml")


LIBRARY = "usr/local/lib/python3.13/__pycache__"
STRAY: Layer = {f"{LIBRARY}/os.cpython-313.pyc": b"c" * 5000}


@pytest.mark.parametrize(
    ("made", "later", "adds"),
    [
        (MADE, "RUN make", 0),
        (f"RUN python -m venv /app/.venv && {MADE[4:]}", "RUN make", 0),
        # It stores again what the tools' calls stored of the base's library.
        (MADE, "RUN python -m compileall /app", 5000),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_bytecode_of_the_base_goes_and_may_come_back(
    made: str, later: str, adds: int, first: bool
) -> None:
    brings = {**installed("poetry"), **(STRAY if first else {})}
    second = {**environment(), **({} if first else STRAY)}
    plain = planned([installed("poetry"), environment(), {}], [BRINGS, made, later])
    plan = planned([brings, second, {}], [BRINGS, made, later])
    saved, other = ([e for e in p.edits if e.kind == "builder-stage"] for p in (plan, plain))
    assert [each.adds for each in saved] == [adds]
    assert saved[0].saving - other[0].saving == 5000


def test_what_the_second_step_writes_again_is_saved_of_the_first() -> None:
    first = {**installed("poetry"), **environment(), "app/.venv/data": File(b"x" * 300_000)}
    again: Layer = {"app/.venv/data": "small"}
    plain = planned([{**installed("poetry"), **environment()}, again], [BRINGS_AND_MADE, MADE])
    plan = planned([first, again], [BRINGS_AND_MADE, MADE])
    saved, other = ([e for e in p.edits if e.kind == "builder-stage"] for p in (plan, plain))
    assert saved[0].saving - other[0].saving == 300_000


BRINGS_AND_MADE = f"{BRINGS} && {MADE[4:]}"


@pytest.mark.parametrize(
    ("made", "offered"),
    [
        (environment(), 1),
        (environment(system=True), 0),
        ({**environment(), "app/.venv/bin/python": Link("/nowhere/python")}, 0),  # it is broken
    ],
)
def test_only_an_environment_that_is_whole_is_copied(made: Layer, offered: int) -> None:
    plan = planned([installed("poetry"), made], [BRINGS, MADE], ("python3",))
    assert len(stages(plan)) == offered


@pytest.mark.parametrize(
    ("brings", "made", "first"),
    [
        # Something else comes with the tool, or is done where it is called.
        ("COPY /uv /x /bin/", "RUN uv sync", {**UV, "bin/x": "x"}),
        ("COPY / /", "RUN uv sync", {**UV, "tmp/x": "x"}),
        ("ADD uv uvx /bin/", "RUN uv sync", UV),
        ("RUN pip install uv", "RUN uv venv && uv pip install --system x", installed("uv")),
        ("RUN pip install uv", "RUN uv sync <<EOF", installed("uv")),
        ("RUN pip install uv", "RUN uv sync && npm install", installed("uv")),
        ("RUN pip install uv", "RUN uv sync && pip wheel x", installed("uv")),
        ("RUN pip install uv", "RUN uv sync && python x", installed("uv")),
    ],
)
def test_an_instruction_that_does_more_is_not_moved(brings: str, made: str, first: Layer) -> None:
    assert stages(planned([first, environment()], [brings, made], ("python3",))) == []
