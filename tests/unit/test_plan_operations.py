"""What a plan does to a Dockerfile: for each kind of fault the smallest change, and its level."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pyimginspect.plan import Edit, Plan, make_plan, wheels
from pyimginspect.plan.operations import (
    AddFlag,
    AddOption,
    AppendCommand,
    BuildStage,
    DropCommand,
    DropInstruction,
    DropPackages,
    InsertCommand,
    JoinRuns,
    NarrowCopy,
    Operation,
    ReplaceBase,
    ReplaceCommand,
    ReplaceInstructions,
    StageCopy,
)
from tests.images import (
    Content,
    Directory,
    File,
    HardLink,
    Link,
    Package,
    debian_base,
    debian_python_packages,
    dist_info,
    elf,
    image,
)
from tests.inventories import DEBIAN_STEP, apt, on_slim, steps, taken
from tests.reports import finding

MB = b"x" * 1_000_000
SITE = "usr/local/lib/python3.13/site-packages"
LISTS: Mapping[str, Content] = {"var/lib/apt/lists/a_Packages": File(MB)}
GCC: dict[str, Package] = {
    "gcc": {"Depends": "cpp", "files": {"usr/bin/gcc": File(MB, mode=0o755)}},
    "cpp": {"files": {"usr/bin/cpp": File(MB[:500_000], mode=0o755)}},
}
PQ: dict[str, Package] = {
    "libpq-dev": {"Depends": "libpq5", "files": {"usr/include/libpq-fe.h": "h" * 5000}},
    "libpq5": {"files": {"usr/lib/libpq.so.5": elf(soname="libpq.so.5")}},
}
GIT: dict[str, Package] = {"git": {"files": {"usr/bin/git": File(MB, mode=0o755)}}}
TOOLS = apt(GCC, manual=["gcc"])
PURGE = (
    "apt-get purge -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false"
    " -o APT::AutoRemove::SuggestsImportant=false gcc"
)
CLEAN = "rm -rf /var/lib/apt/lists/*"
Layers = Sequence[Mapping[str, Content]]


def built(name: str, tag: str = "cp313-cp313-linux_x86_64") -> dict[str, Content]:
    """A distribution as pip installs it: compiled here unless its tag says something else."""
    info = f"{SITE}/{name}-1.dist-info"
    return {
        **dist_info(name, "1", {f"{name}/x.py": "#"}, site=SITE),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n",
    }


def planned(layers: Layers, history: Sequence[Any]) -> Plan:
    return make_plan(taken(on_slim(*layers, history=history)))


def found(layers: Layers, history: Sequence[Any]) -> tuple[Edit, tuple[Operation, ...]]:
    """The one edit that does something."""
    plan = planned(layers, history)
    (edit,) = (each for each in plan.edits if each.operations)
    return edit, edit.operations


# --- build tools ----------------------------------------------------------------------------------
ONE_RUN: tuple[Operation, ...] = (
    DropPackages(layer=4, manager="apt", names=("gcc",)),
    InsertCommand(layer=6, after=(), command="apt-get update && apt-get install -y gcc"),
    AppendCommand(layer=6, command=PURGE),
    AppendCommand(layer=6, command=CLEAN),
)


@pytest.mark.parametrize(
    ("layers", "history", "kind", "operations"),
    [
        (  # nothing builds
            [TOOLS, {"app/x": "x"}],
            ["RUN apt-get install -y gcc", "COPY x /app/"],
            "leave-out",
            (DropPackages(layer=4, manager="apt", names=("gcc",)),),
        ),
        (  # pip took ready wheels
            [TOOLS, built("a", "py3-none-any")],
            ["RUN apt-get install -y gcc", "RUN pip install a"],
            "leave-out",
            (DropPackages(layer=4, manager="apt", names=("gcc",)),),
        ),
        (  # the same RUN builds
            [TOOLS],
            ["RUN apt-get install -y gcc && make"],
            "purge",
            (AppendCommand(layer=4, command=PURGE),),
        ),
        (  # a later RUN builds, after a COPY
            [TOOLS, {"app/r": "a"}, built("a")],
            ["RUN apt-get install -y gcc", "COPY r /app/", "RUN pip install a"],
            "purge",
            ONE_RUN,
        ),
        (  # another RUN, which builds nothing, changes nothing about that
            [TOOLS, {"app/r": "a"}, built("a"), {"app/y": "y"}, built("b", "py3-none-any")],
            [
                "RUN apt-get install -y gcc",
                "COPY r /app/",
                "RUN pip install a",
                "COPY y /app/",
                "RUN pip install b",
            ],
            "purge",
            ONE_RUN,
        ),
        (  # two RUNs build, one right after the other
            [TOOLS, {"app/r": "a"}, built("a"), built("b")],
            ["RUN apt-get install -y gcc", "COPY r /app/", "RUN pip install a", "RUN make"],
            "purge",
            (
                *ONE_RUN[:2],
                JoinRuns(layer=6, others=(7,)),
                AppendCommand(layer=7, command=PURGE),
                AppendCommand(layer=7, command=CLEAN),
            ),
        ),
        (  # what files in use need stays
            [
                apt({**GCC, **PQ}, manual=["gcc", "libpq-dev"]),
                {f"{SITE}/pq.so": elf(needed=["libpq.so.5"])},
            ],
            ["RUN apt-get install -y --no-install-recommends gcc libpq-dev", "RUN make"],
            "purge",
            (
                DropPackages(layer=4, manager="apt", names=("gcc", "libpq-dev")),
                InsertCommand(
                    layer=5,
                    after=(),
                    command="apt-get update && apt-get install -y --no-install-recommends"
                    " gcc libpq-dev",
                ),
                AppendCommand(layer=5, command=f"apt-mark manual libpq5 && {PURGE} libpq-dev"),
                AppendCommand(layer=5, command=CLEAN),
            ),
        ),
    ],
)
def test_build_tools_go_by_the_smallest_change(
    layers: Layers, history: list[str], kind: str, operations: tuple[Operation, ...]
) -> None:
    edit, done = found(layers, history)
    assert (edit.kind, edit.level) == (kind, "review")
    assert done == operations
    assert edit.reason
    assert edit.saving > 1_000_000


@pytest.mark.parametrize(
    ("command", "builds"),
    [
        # pip and its like took ready wheels, as the layer shows
        ("pip install a", False),
        ("uv sync", False),
        ("uv pip install --system a", False),
        ("poetry install", False),
        ("pdm sync", False),
        ("pip wheel a", True),
        ("poetry run x", True),
        ("npm install", True),
        ("python setup.py install", True),
        ("python -m build", True),
        ("git clone https://example.org/x", True),
        ("git config x y", False),
        ("sh x", True),
        ("./configure", True),
        ("/x/setup.sh", True),
        ("pip install a && make", True),
        ("pip list", False),
        ("apt-get install -y x", False),
        ("./x", True),  # whatever it does
        ("/srv/app/bootstrap all", True),
        ("env A=b ./x", True),
        ("/opt/venv/bin/x", False),
        ("cp ./x /y", False),
    ],
)
def test_only_what_may_compile_has_the_tools(command: str, builds: bool) -> None:
    layers: Layers = [TOOLS, {"app/r": "a"}, built("a", "py3-none-any")]
    history = ["RUN apt-get install -y gcc", "COPY r /app/", f"RUN {command}"]
    edit, done = found(layers, history)
    assert edit.kind == ("purge" if builds else "leave-out")
    assert any(isinstance(each, InsertCommand) for each in done) == builds


@pytest.mark.parametrize(
    ("command", "least"),
    [
        ("apt-get install -y gcc", 2_500_000),
        ("apt-get update && apt-get install -y gcc && apt-get clean", 2_500_000),
        # what else it makes stays
        ("apt-get install -y gcc && apt-get download x", 1_500_000),
        ("apt-get install -y gcc && fetch", 1_500_000),
        ("apt-get install -y gcc x", 1_500_000),
    ],
)
def test_a_layer_goes_whole_where_its_instruction_has_nothing_left(
    command: str, least: int
) -> None:
    plan = planned([{**TOOLS, "srv/x": File(MB)}], [f"RUN {command}"])
    (edit,) = (each for each in plan.edits if each.kind == "leave-out")
    assert least < edit.saving < least + 100_000


VENV: Mapping[str, Content] = {
    "opt/venv/pyvenv.cfg": "home = /usr/local/bin\nversion = 3.13.1\n"
    "include-system-site-packages = false\n",
    "opt/venv/bin/python": Link("/usr/local/bin/python3.13"),
    "opt/venv/lib/python3.13/site-packages/a.py": "#",
}


@pytest.mark.parametrize(
    ("made", "copies", "finish"),
    [
        (VENV, [StageCopy(source="/opt/venv", target="/opt/venv")], ()),
        (
            {
                **built("a"),
                f"{SITE}/a-1.dist-info/RECORD": "a/x.py,,\n../../../bin/a,,\n",
                "usr/local/bin/a": File("#!/usr/local/bin/python3.13\n", mode=0o755),
            },
            [
                StageCopy(source="/usr/local/bin/a", target="/usr/local/bin/a"),
                StageCopy(source=f"/{SITE}", target=f"/{SITE}"),
            ],
            ("/usr/local/bin/python3.13 -m pip uninstall -y pip",),
        ),
        (
            {"home/app/.local/lib/python3.13/site-packages/a.py": "#"},
            [StageCopy(source="/home/app/.local", target="/home/app/.local")],
            (),
        ),
        (
            {"srv/app/": Directory(uid=5, gid=6), "srv/app/x": File("x", uid=5, gid=6)},
            [StageCopy(source="/srv/app", target="/srv/app", owner="5:6")],
            (),
        ),
    ],
)
def test_a_stage_hands_over_what_people_copy(
    made: Mapping[str, Content], copies: list[StageCopy], finish: tuple[str, ...]
) -> None:
    edit, (stage,) = found(
        [TOOLS, made], ["RUN apt-get install -y gcc", "USER app", "RUN make install"]
    )
    assert (edit.kind, edit.level) == ("builder-stage", "review")
    assert stage == BuildStage(first=4, last=5, name="builder", copies=tuple(copies), finish=finish)


@pytest.mark.parametrize(
    "made", ["etc/app.conf", "usr/lib/x.so", "usr/local/lib/x.so", "etc/passwd", "x", "opt/x"]
)
def test_a_stage_hands_over_no_single_files_of_the_system(made: str) -> None:
    plan = planned(
        [TOOLS, {made: "x"}], ["RUN apt-get install -y gcc", "USER app", "RUN make install"]
    )
    (edit,) = plan.edits
    assert (edit.kind, edit.operations) == ("advice", ())
    assert edit.reason == (
        f"app, who runs layer 5, cannot install packages, and layer 5 makes /{made}, no unit to"
        " copy"
    )


@pytest.mark.parametrize("name", ["git", "nodejs", "default-jdk-headless"])
def test_what_may_be_called_at_run_time_is_a_question(name: str) -> None:
    package: dict[str, Package] = {name: {"files": {"usr/bin/x": File(MB, mode=0o755)}}}
    plan = planned([apt(package, manual=[name])], [f"RUN apt-get install -y {name}"])
    (edit,) = plan.edits
    assert (edit.kind, edit.operations) == ("advice", ())
    assert edit.words.startswith(f"does anything call {name} at run time?")


# --- what goes later ------------------------------------------------------------------------------
BIG: Mapping[str, Content] = {"tmp/big": File(MB)}
NO_BIG: Mapping[str, Content] = {"tmp/.wh.big": ""}


@pytest.mark.parametrize(
    ("layers", "history", "operations"),
    [
        (
            [BIG, NO_BIG],
            ["RUN fetch", "RUN rm /tmp/big"],
            (JoinRuns(layer=4, others=(5,)),),
        ),
        (  # a setting between, which a deletion does not notice
            [BIG, NO_BIG],
            ["RUN fetch", "ENV A=b", "RUN rm /tmp/big"],
            (AppendCommand(layer=4, command="rm /tmp/big"), DropInstruction(layer=5)),
        ),
        (
            [BIG, {"app/x": "x"}, NO_BIG],
            ["RUN fetch", "COPY x /app/", "RUN rm /tmp/big"],
            (AppendCommand(layer=4, command="rm /tmp/big"), DropInstruction(layer=6)),
        ),
        (  # what may use it comes before the deletion
            [BIG, {"opt/x": "x"}, {"app/x": "x"}, NO_BIG],
            ["RUN fetch", "RUN unpack", "COPY x /app/", "RUN rm /tmp/big"],
            (
                JoinRuns(layer=4, others=(5,)),
                AppendCommand(layer=5, command="rm /tmp/big"),
                DropInstruction(layer=7),
            ),
        ),
    ],
)
def test_a_deletion_moves_into_the_run_that_made_the_files(
    layers: Layers, history: list[str], operations: tuple[Operation, ...]
) -> None:
    edit, done = found(layers, history)
    assert (edit.kind, edit.level, edit.saving) == ("delete-early", "safe", 1_000_000)
    assert done == operations


@pytest.mark.parametrize(
    "history",
    [
        ["RUN fetch", "USER app", "RUN use", "RUN rm /tmp/big"],  # another user
        ["RUN cd /tmp && fetch", "COPY x /y", "RUN use && rm /tmp/big"],  # what uses it is after it
        ["RUN cd /tmp && fetch", "RUN use", "RUN rm /tmp/big"],  # another directory
        ["RUN export A=b && fetch", "RUN use", "RUN rm /tmp/big"],
        ["RUN fetch &", "RUN use", "RUN rm /tmp/big"],
        ["RUN A=b; fetch $A", "RUN use", "RUN rm /tmp/big"],  # a variable
        ["RUN fetch & wait", "RUN use", "RUN rm /tmp/big"],
        ["RUN set +e; fetch", "RUN use", "RUN rm /tmp/big"],
        ["RUN trap true EXIT; fetch", "RUN use", "RUN rm /tmp/big"],
        ["RUN fetch", "WORKDIR /x", "RUN rm big"],  # relative
        ["RUN fetch", "RUN rm /tmp/big"],  # of other layers
        [{"created_by": "RUN fetch # buildkit"}, "RUN use", "RUN rm /tmp/big"],  # without a shell
        ["RUN fetch", {"created_by": "RUN use # buildkit"}, "RUN use && rm /tmp/big"],
        ["COPY big /tmp/", "RUN use", "RUN rm /tmp/big"],
    ],
)
def test_what_would_run_elsewhere_is_not_joined(history: list[Any]) -> None:
    (edit,) = planned([BIG, {"app/x": "x"}, NO_BIG], history).edits
    assert (edit.kind, edit.operations) == ("advice", ())


@pytest.mark.parametrize(
    ("between", "gone", "history"),
    [
        # What COPY and WORKDIR make is not there yet: rm would fail, or it would stay.
        ({"tmp/l": Link("/etc/x")}, "tmp/.wh.l", ["COPY l /tmp/", "RUN rm /tmp/big /tmp/l"]),
        ({"tmp/l": ""}, "tmp/.wh.l", ["COPY l /tmp/", "RUN rm -f /tmp/big /tmp/l"]),
        ({"tmp/l": File(MB)}, "tmp/.wh.l", ["COPY l /tmp/", "RUN rm /tmp/big /tmp/l"]),
        ({"tmp/l/": Directory()}, "tmp/.wh.l", ["WORKDIR /tmp/l", "RUN rm -r /tmp/big /tmp/l"]),
        ({"tmp/l/a": ""}, "tmp/l/.wh..wh..opq", ["COPY a /tmp/l/", "RUN rm /tmp/big /tmp/l/*"]),
        # Another working directory.
        ({}, "", ["WORKDIR /tmp", "RUN rm big"]),
        ({}, "", ["WORKDIR /tmp", "RUN rm -f -- big"]),
        ({}, "", ["WORKDIR /tmp", "RUN unlink big"]),
        ({}, "", ["WORKDIR /tmp", "RUN find . -name big -delete"]),
        ({}, "", ["WORKDIR /tmp", "RUN find -name big -delete"]),
        ({}, "", ["WORKDIR /tmp", "RUN find -L /etc . -name big -delete"]),
        ({}, "", ["COPY a /b", "RUN find /tmp -exec ./x {} + -delete"]),
        # Another environment.
        ({}, "", ["ENV D=tmp", "COPY a /b", "RUN rm -rf /$D/big"]),
        ({}, "", ["ENV HOME=/tmp", "COPY a /b", "RUN rm ~/big"]),
        ({}, "", ["ARG HOME=/tmp", "COPY a /b", "RUN rm $HOME/big"]),
        ({}, "", ["ENV PATH=/x:/bin", "COPY a /b", "RUN rm /tmp/big && pip cache purge"]),
        # Another shell, which knows more patterns.
        ({}, "", ["COPY a /b", "RUN /bin/bash -c rm /tmp/{big,a}"]),
        # Another user.
        ({}, "", ["USER app", "COPY a /b", "RUN rm /tmp/big"]),
    ],
)
def test_a_deletion_that_would_do_something_else_earlier_is_advice(
    between: Mapping[str, Content], gone: str, history: list[str]
) -> None:
    removed = {**NO_BIG, **({gone: ""} if gone else {})}
    lines: list[Any] = ["RUN fetch", *history]
    if history[-1].startswith("RUN /bin/bash"):
        lines[-1] = {"created_by": f"{history[-1]} # buildkit", "comment": "buildkit.dockerfile.v0"}
    (edit,) = planned([BIG, between, removed], lines).edits
    assert (edit.kind, edit.operations) == ("advice", ())
    assert edit.words.startswith("delete /tmp")


@pytest.mark.parametrize(
    ("history", "command"),
    [
        (["ENV HOME=/x", "COPY a /b", "RUN set -e; rm -f /tmp/big"], "set -e; rm -f /tmp/big"),
        (["USER root", "COPY a /b", "RUN rm ~/big"], "rm ~/big"),
        (["COPY a /b", "RUN rm $HOME/big"], "rm $HOME/big"),
        (["COPY a /b", "RUN rm -r /tmp/*"], "rm -r /tmp/*"),
        (["WORKDIR /x", "RUN find -P /tmp -delete"], "find -P /tmp -delete"),
        (["WORKDIR /x", "RUN find /tmp ! -name a -delete"], "find /tmp ! -name a -delete"),
        (["COPY a /b", "RUN pip cache purge"], "pip cache purge"),
        (["ENV A=b", "COPY a /b", "RUN apt-get clean"], "apt-get clean"),
    ],
)
def test_a_deletion_that_does_the_same_earlier_moves(history: list[str], command: str) -> None:
    _, done = found([BIG, {"tmp/": Directory(), "b": "b"}, NO_BIG], ["RUN fetch", *history])
    assert done == (AppendCommand(layer=4, command=command), DropInstruction(layer=6))


def test_what_a_deletion_makes_is_not_deleted_where_it_was() -> None:
    """What moves away makes its files elsewhere, too."""
    log: Mapping[str, Content] = {"srv/log": File(MB)}
    plan = planned(
        [BIG, {"app/x": "x"}, {**NO_BIG, **log}, {"srv/.wh.log": ""}],
        [
            "RUN fetch",
            "COPY x /app/",
            "RUN rm /tmp/big && apt-get purge -y a",
            "RUN rm /srv/log",
        ],
    )
    assert [(edit.kind, edit.layer) for edit in plan.edits] == [("delete-early", 4), ("advice", 6)]


@pytest.mark.parametrize(
    ("between", "operations"),
    [
        (
            "RUN pip install a",
            (
                DropPackages(layer=4, manager="apt", names=("git",)),
                DropCommand(layer=7, words=("apt-get", "purge", "-y", "git")),
            ),
        ),
        (
            "RUN git clone https://example.org/x /app/x",
            (
                DropPackages(layer=4, manager="apt", names=("git",)),
                DropCommand(layer=7, words=("apt-get", "purge", "-y", "git")),
                InsertCommand(
                    layer=6, after=(), command="apt-get update && apt-get install -y git"
                ),
                AppendCommand(layer=6, command="apt-get purge -y git"),
                AppendCommand(layer=6, command=CLEAN),
            ),
        ),
    ],
)
def test_what_is_removed_later_is_installed_where_it_is_used(
    between: str, operations: tuple[Operation, ...]
) -> None:
    below = apt({}, manual=[])
    edit, done = found(
        [
            apt(GIT, manual=["git"]),
            {"app/r": "x"},
            {**built("a", "py3-none-any")},
            {**below, "usr/bin/.wh.git": ""},
        ],
        ["RUN apt-get install -y git", "COPY r /app/", between, "RUN apt-get purge -y git"],
    )
    assert edit.level == "review"
    assert done == operations


def tools(*names: str) -> dict[str, Package]:
    """Packages of one large program each."""
    return {name: {"files": {f"usr/bin/{name}": File(MB, mode=0o755)}} for name in names}


def purged(*names: str) -> dict[str, Content]:
    """A layer that takes them away."""
    return {**apt({}), **{f"usr/bin/.wh.{name}": "" for name in names}}


@pytest.mark.parametrize(
    ("package", "between", "kind"),
    [
        ("git", "RUN make", "leave-out"),  # make does not call it
        ("git", "RUN pip install git+https://example.org/x", "purge"),
        ("git", "RUN /usr/bin/git clone https://example.org/x", "purge"),
        ("git", "RUN apt-get install -y git-lfs", "leave-out"),
        ("gcc", "RUN make", "purge"),
        ("gcc", "RUN true", "leave-out"),
        ("git gcc", "RUN make", "purge"),
        ("git gcc", "RUN true", "leave-out"),
        ("gcc", "RUN pip install git+https://example.org/x", "purge"),
        ("curl", "RUN make", "purge"),  # a library, say, that something is built with
        ("curl", "RUN true", "leave-out"),
    ],
)
def test_what_may_use_a_package_that_is_removed_later(
    package: str, between: str, kind: str
) -> None:
    names = package.split()
    edit, done = found(
        [
            apt(tools(*names), manual=names),
            {"app/r": "x"},
            {"app/made": "x"},
            {"app/s": "x"},
            purged(*names),
        ],
        [
            f"RUN apt-get install -y {package}",
            "COPY r /app/",
            between,
            "COPY s /app/",
            f"RUN apt-get purge -y {package}",
        ],
    )
    assert (edit.kind, edit.layer, {*edit.packages}) == (kind, 4, {*names})
    assert isinstance(done[0], DropPackages)
    assert (done[0].layer, {*done[0].names}) == (4, {*names})
    them = "it" if len(names) == 1 else "them"
    package = " ".join(done[0].names)
    if kind == "leave-out":
        assert edit.words == (
            f"do not install {package}: nothing before layer 8, which removes {them}, calls {them}"
        )
    else:
        assert edit.words == f"install {package} and remove {them} again in the RUN of layer 6"


LISTS_GO = AppendCommand(layer=6, command=CLEAN)


@pytest.mark.parametrize(
    ("package", "command", "more"),
    [
        ("gcc", "make && apt-get purge -y gcc", [LISTS_GO]),
        ("gcc", "make install; apt-get remove -y gcc", [LISTS_GO]),
        ("git", "git clone https://example.org/x && apt-get purge -y git", [LISTS_GO]),
        ("gcc", f"make && apt-get purge -y gcc && {CLEAN}", []),
        ("gcc", f"{CLEAN} && make && apt-get purge -y gcc", []),
        ("curl", "curl -O https://example.org/x && apt-get purge -y curl", [LISTS_GO]),
    ],
)
def test_what_the_removing_run_itself_uses_is_installed_there(
    package: str, command: str, more: list[Operation]
) -> None:
    edit, done = found(
        [apt(tools(package), manual=[package]), {"app/r": "x"}, {"app/x": "x", **purged(package)}],
        [f"RUN apt-get install -y {package}", "COPY r /app/", f"RUN {command}"],
    )
    assert (edit.kind, edit.level) == ("purge", "review")
    assert edit.words == f"install {package} and remove it again in the RUN of layer 6"
    install = f"apt-get update && apt-get install -y {package}"
    assert done == (
        DropPackages(layer=4, manager="apt", names=(package,)),
        InsertCommand(layer=6, after=(), command=install),
        *more,
    )
    assert edit.saving == 1_000_000


def test_lists_that_came_with_what_is_moved_are_saved_too() -> None:
    edit, done = found(
        [
            {**apt(tools("gcc"), manual=["gcc"]), **LISTS},
            {"app/r": "x"},
            {"app/x": "x", "var/lib/apt/lists/.wh.a_Packages": "", **purged("gcc")},
        ],
        [
            "RUN apt-get update && apt-get install -y gcc",
            "COPY r /app/",
            f"RUN make && apt-get purge -y gcc && {CLEAN}",
        ],
    )
    assert edit.saving == 2_000_000
    assert done == (
        DropPackages(layer=4, manager="apt", names=("gcc",)),
        InsertCommand(layer=6, after=(), command="apt-get update && apt-get install -y gcc"),
    )


@pytest.mark.parametrize("beside", ["", " curl"])
def test_what_files_need_of_what_is_left_out_is_installed_by_name(beside: str) -> None:
    packages: dict[str, Package] = {
        "libpq-dev": {"Depends": "libpq5", "files": {"usr/include/libpq-fe.h": File(MB)}},
        "libpq5": {"files": {"usr/lib/libpq.so.5": elf(soname="libpq.so.5", extra=MB)}},
        **(tools("curl") if beside else {}),
    }
    status = apt({name: packages[name] for name in packages if name != "libpq-dev"})
    books = {path: data for path, data in status.items() if path.startswith("var/lib/dpkg/")}
    edit, done = found(
        [
            apt(packages, manual=["libpq-dev", "curl"]),
            {"opt/program": elf(needed=["libpq.so.5"])},
            {"app/x": "x"},
            {"app/y": "y"},
            {**books, "usr/include/.wh.libpq-fe.h": ""},
        ],
        [
            f"RUN apt-get install -y libpq-dev{beside}",
            "COPY program /opt/",
            "RUN touch /app/x",
            "COPY y /app/",
            "RUN apt-get remove -y libpq-dev",
        ],
    )
    assert edit.kind == "leave-out"
    assert edit.words.endswith("; install libpq5 by name, which files that stay need")
    assert done == (
        DropPackages(layer=4, manager="apt", names=("libpq-dev",), instead=("libpq5",)),
        DropCommand(layer=8, words=("apt-get", "remove", "-y", "libpq-dev")),
    )
    assert edit.saving == 1_000_000


def test_runs_of_which_the_last_one_removes_what_they_use_are_one() -> None:
    _, done = found(
        [
            apt(tools("gcc"), manual=["gcc"]),
            {"app/r": "x"},
            {"app/x": "x"},
            {"app/y": "y", **purged("gcc")},
        ],
        [
            "RUN apt-get install -y gcc",
            "COPY r /app/",
            "RUN make",
            "RUN make install && apt-get purge -y gcc",
        ],
    )
    assert done == (
        DropPackages(layer=4, manager="apt", names=("gcc",)),
        InsertCommand(layer=6, after=(), command="apt-get update && apt-get install -y gcc"),
        JoinRuns(layer=6, others=(7,)),
        AppendCommand(layer=7, command=CLEAN),
    )


@pytest.mark.parametrize(
    ("install", "between", "remove"),
    [
        # What uses it stands in two RUNs that cannot be one.
        ("apt-get install -y gcc", ["RUN make", "COPY s /app/"], "make && apt-get purge -y gcc"),
        ("apt-get install -y gcc", ["RUN make", "COPY s /app/", "RUN make"], "apt-get purge gcc"),
        # The RUN that installs it uses it.
        ("apt-get install -y gcc && make", ["COPY r /app/"], "make && apt-get purge -y gcc"),
        # Only root installs packages.
        ("apt-get install -y gcc", ["USER app", "RUN make", "USER root", "COPY r /app/"],
         "apt-get purge -y gcc"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_in_one_run_is_advice(
    install: str, between: list[str], remove: str
) -> None:
    layers = [{f"app/{n}": "x"} for n, line in enumerate(between) if not line.startswith("USER")]
    plan = planned(
        [apt(tools("gcc"), manual=["gcc"]), *layers, purged("gcc")],
        [f"RUN {install}", *between, f"RUN {remove}"],
    )
    assert [(each.kind, each.operations) for each in plan.edits] == [("advice", ())]


def test_what_the_installing_run_alone_uses_is_removed_there() -> None:
    edit, done = found(
        [apt(tools("gcc"), manual=["gcc"]), {"app/r": "x"}, purged("gcc")],
        ["RUN apt-get install -y gcc && make", "COPY r /app/", "RUN apt-get purge -y gcc"],
    )
    assert edit.kind == "delete-early"
    assert done == (
        AppendCommand(layer=4, command="apt-get purge -y gcc"),
        DropInstruction(layer=6),
    )


def test_what_is_asked_for_twice_is_left_out_twice() -> None:
    """Else the second instruction would install it, and nothing would remove it any more."""
    edit, done = found(
        [
            apt(tools("git"), manual=["git"]),
            {"app/r": "x"},
            apt(tools("curl"), manual=["curl"], below=tools("git")),
            {"app/s": "x"},
            purged("git", "curl"),
        ],
        [
            "RUN apt-get install -y git",
            "COPY r /app/",
            "RUN apt-get install -y git curl",
            "COPY s /app/",
            "RUN apt-get purge -y git curl",
        ],
    )
    assert edit.words == (
        "do not install git curl: nothing before layer 8, which removes them, calls them"
    )
    assert [(op.layer, {*op.names}) for op in done if isinstance(op, DropPackages)] == [
        (4, {"git"}),
        (6, {"git", "curl"}),
    ]
    assert edit.saving > 2_000_000


@pytest.mark.parametrize(
    ("words", "moves"),
    [
        ("-y gcc", True),
        ("-qq -y -V --no-install-recommends gcc=4:12", True),
        ("-y 'gcc'", True),
        ("-y gcc=$V", False),  # of a variable the text is not what is installed
        ('-y "gcc=${V}"', False),
        ("-y less gcc=$V", False),
        ("-y -t bookworm-backports gcc", False),
        ("-yt bookworm-backports gcc", False),
        ("-y --target-release=bookworm-backports gcc", False),
        ("-y -o Acquire::Check-Valid-Until=false gcc", False),
        ("-y --allow-unauthenticated gcc", False),
    ],
)
def test_packages_are_installed_elsewhere_only_by_a_command_that_installs_the_same(
    words: str, moves: bool
) -> None:
    layers: Layers = [TOOLS, {"app/r": "a"}, built("a")]
    history = [f"RUN apt-get install {words}", "COPY r /app/", "RUN pip install a"]
    edits = [each for each in planned(layers, history).edits if each.packages == ("gcc",)]
    inserted = [op for e in edits for op in e.operations if isinstance(op, InsertCommand)]
    assert bool(inserted) == moves
    removed = [*layers, {"app/s": "x"}, purged("gcc", "cpp")]
    (edit, *_) = planned(removed, [*history, "COPY s /app/", "RUN apt-get purge -y gcc cpp"]).edits
    assert any(isinstance(op, InsertCommand) for op in edit.operations) == moves


@pytest.mark.parametrize(
    ("first", "kind"),
    [("apt-get install -y gcc", "leave-out"), ("apt-get install -y gcc && make", "purge")],
)
def test_a_build_tool_that_is_asked_for_again_is_not_installed_by_that(
    first: str, kind: str
) -> None:
    layers = [TOOLS, apt(tools("curl"), manual=["curl"], below=GCC)]
    edit, done = found(layers, [f"RUN {first}", "RUN apt-get install -y curl gcc"])
    assert edit.kind == kind
    assert done[-1] == DropPackages(layer=5, manager="apt", names=("gcc",))


def test_a_build_tool_that_is_asked_for_after_the_last_build_is_not_installed_by_that() -> None:
    layers: Layers = [TOOLS, {"app/r": "a"}, built("a"), {"etc/x": "x"}]
    history = ["RUN apt-get install -y gcc", "COPY r /app/", "RUN pip install a"]
    edit, done = found(layers, [*history, "RUN apt-get install -y gcc less"])
    assert edit.kind == "purge"
    assert done[-1] == DropPackages(layer=7, manager="apt", names=("gcc",))


def test_what_is_removed_right_after_it_was_installed_is_one_run() -> None:
    edit, done = found(
        [apt(tools("git"), manual=["git"]), purged("git")],
        ["RUN apt-get install -y git", "RUN apt-get purge -y git"],
    )
    assert (edit.kind, done) == ("delete-early", (JoinRuns(layer=4, others=(5,)),))


def test_a_removal_is_one_run_with_what_installs_right_before_it() -> None:
    plan = planned(
        [
            apt(tools("git"), manual=["git"]),
            {"app/r": "x"},
            apt(tools("less"), manual=["less"], below=tools("git")),
            purged("git", "less"),
        ],
        [
            "RUN apt-get install -y git",
            "COPY r /app/",
            "RUN apt-get install -y less",
            "RUN apt-get purge -y git less",
        ],
    )
    assert [(each.kind, each.layer, each.operations) for each in plan.edits] == [
        ("delete-early", 6, (JoinRuns(layer=6, others=(7,)),)),
        ("advice", 4, ()),
    ]


def test_what_else_an_installation_makes_and_a_removal_deletes_is_stored_all_the_same() -> None:
    plan = planned(
        [
            {**apt(tools("git"), manual=["git"]), **BIG},
            {"app/r": "x"},
            {**purged("git"), **NO_BIG},
        ],
        [
            "RUN apt-get install -y git && fetch",
            "COPY r /app/",
            "RUN apt-get purge -y git && rm /tmp/big",
        ],
    )
    assert [(each.kind, each.saving, each.words) for each in plan.edits] == [
        ("advice", 1_000_000, "delete /tmp/big in the RUN that made it (layer 4), not in layer 6"),
        (
            "leave-out",
            1_000_000,
            "do not install git: nothing before layer 6, which removes it, calls it",
        ),
    ]


def test_what_is_removed_behind_a_setting_is_left_out() -> None:
    """What installs it stands right before, but with another environment."""
    edit, done = found(
        [apt(tools("git"), manual=["git"]), purged("git")],
        ["RUN apt-get install -y git", "ENV A=b", "RUN apt-get purge -y git"],
    )
    assert edit.kind == "leave-out"
    assert done == (
        DropPackages(layer=4, manager="apt", names=("git",)),
        DropCommand(layer=5, words=("apt-get", "purge", "-y", "git")),
    )


def test_what_pip_checks_out_needs_git_though_it_compiles_nothing() -> None:
    edit, _ = found(
        [
            apt(tools("git", "gcc"), manual=["git", "gcc"]),
            {"app/r": "x"},
            built("a", "py3-none-any"),
            {"app/s": "x"},
            purged("git", "gcc"),
        ],
        [
            "RUN apt-get install -y git gcc",
            "COPY r /app/",
            "RUN pip install git+https://example.org/x",
            "COPY s /app/",
            "RUN apt-get purge -y git gcc",
        ],
    )
    assert edit.kind == "purge"


def test_a_recommended_package_that_is_in_use_is_asked_for() -> None:
    packages: dict[str, Package] = {
        "curl": {"Recommends": "extra, libz9", "files": {"usr/bin/curl": File("c", mode=0o755)}},
        "extra": {"files": {"usr/share/e": File(MB)}},
        "libz9": {"files": {"usr/lib/libz9.so": elf(soname="libz9.so")}},
    }
    edit, done = found(
        [apt(packages, manual=["curl"]), {"opt/p": elf(needed=["libz9.so"])}],
        ["RUN apt-get install -y curl", "COPY p /opt/"],
    )
    assert (edit.packages, edit.keep) == (("extra",), ("libz9",))
    assert done == (
        AddOption(layer=4, manager="apt", option="--no-install-recommends"),
        DropPackages(layer=4, manager="apt", names=(), instead=("libz9",)),
    )


def test_what_a_pattern_removes_is_not_left_out() -> None:
    """It is not removed by its name, so nothing says that it goes with the other one."""
    plan = planned(
        [
            apt(tools("git", "less"), manual=["git", "less"]),
            {"app/r": "x"},
            {"app/s": "x"},
            purged("git", "less"),
        ],
        [
            "RUN apt-get install -y git less",
            "COPY r /app/",
            "RUN true",
            "RUN apt-get purge -y git 'les.*' && apt-get autoremove -y",
        ],
    )
    assert [(e.kind, e.saving) for e in plan.edits] == [
        ("advice", 1_000_000),
        ("leave-out", 1_000_000),
    ]
    assert plan.edits[1].operations == (
        DropPackages(layer=4, manager="apt", names=("git",)),
        ReplaceCommand(
            layer=7,
            words=("apt-get", "purge", "-y", "git", "les.*"),
            command="apt-get purge -y 'les.*'",
        ),
    )


# --- caches ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "command", "operations"),
    [
        (
            "root/.cache/pip/x",
            "pip install a",
            (AddOption(layer=4, manager="pip", option="--no-cache-dir"),),
        ),
        (
            "root/.cache/pip/x",
            "python -m pip install a",
            (AddOption(layer=4, manager="pip", option="--no-cache-dir"),),
        ),
        (  # not all that fills it takes the option
            "root/.cache/pip/x",
            "pip download a && pip install a",
            (AppendCommand(layer=4, command="rm -rf /root/.cache/pip"),),
        ),
        (
            "root/.cache/pip/x",
            "python -m pip wheel a && pip install a",
            (AppendCommand(layer=4, command="rm -rf /root/.cache/pip"),),
        ),
        (
            "root/.cache/uv/x",
            "uv pip install --system a && uv sync",
            (AppendCommand(layer=4, command="rm -rf /root/.cache/uv"),),
        ),
        (
            "root/.cache/uv/x",
            "uv pip install --system a",
            (AddOption(layer=4, manager="uv", option="--no-cache"),),
        ),
        (
            "root/.cache/pip/x",
            "./install.sh",
            (AppendCommand(layer=4, command="rm -rf /root/.cache/pip"),),
        ),
        (
            "root/.cache/uv/x",
            "uv sync",
            (AppendCommand(layer=4, command="rm -rf /root/.cache/uv"),),
        ),
        ("var/cache/apk/x", "apk add a", (AddOption(layer=4, manager="apk", option="--no-cache"),)),
        (
            "var/cache/dnf/x",
            "microdnf install -y a",
            (AppendCommand(layer=4, command="microdnf clean all"),),
        ),
    ],
)
def test_a_cache_is_not_kept(path: str, command: str, operations: tuple[Operation, ...]) -> None:
    edit, done = found([{path: File(MB)}], [f"RUN {command}"])
    assert (edit.level, edit.saving) == ("safe", 1_000_000)
    assert done == operations


def test_a_cache_that_is_wanted_is_mounted() -> None:
    edit, _ = found([{"root/.cache/pip/x": File(MB)}], ["RUN pip install a"])
    assert edit.alternative == "RUN --mount=type=cache,target=/root/.cache/pip"


@pytest.mark.parametrize(
    ("count", "tool", "command", "operations"),
    [
        (8, "pip", "pip install a", [True] * 8),
        (9, "pip", "pip install a", [True]),  # one option is the same for all
        (8, "ccache", "make", [True] * 8),
        (9, "ccache", "make", [False]),  # nobody deletes so many places
    ],
)
def test_caches_of_many_users_are_one_edit(
    count: int, tool: str, command: str, operations: list[bool]
) -> None:
    caches = {f"home/u{n}/.cache/{tool}/x": File(MB[:4096]) for n in range(count)}
    plan = planned([caches], [f"RUN {command}"])
    assert [bool(each.operations) for each in plan.edits] == operations
    assert [bool(each.command) for each in plan.edits] == operations
    assert plan.saving == count * 4096
    if count > 8:
        (edit,) = plan.edits
        assert edit.words.endswith(", in 9 places")
        assert edit.alternative == ""


@pytest.mark.parametrize(
    ("layers", "history", "kinds"),
    [
        # What is installed are links into the cache.
        (
            [{"root/.cache/uv/a/x.py": File(MB), f"{SITE}/x.py": Link("/root/.cache/uv/a/x.py")}],
            ["RUN uv pip install --system --link-mode=symlink x"],
            [],
        ),
        # A later layer deletes it: another edit speaks of that.
        (
            [{"root/.cache/pip/x": File(MB)}, {"root/.cache/.wh.pip": ""}],
            ["RUN pip install a", "RUN rm -r /root/.cache/pip"],
            ["delete-early"],
        ),
        ([{"root/.cache/pip/x": File(MB[:4096])}], ["RUN pip install a"], ["clean-cache"]),
        ([{"root/.cache/pip/x": File(MB[:4095])}], ["RUN pip install a"], []),
    ],
)
def test_what_is_no_cache_to_be_cleaned(
    layers: Layers, history: list[str], kinds: list[str]
) -> None:
    assert [each.kind for each in planned(layers, history).edits] == kinds


def test_a_cache_that_the_image_starts_from_stays() -> None:
    layers: Layers = [
        {"root/.cache/ccache/run": File(elf(executable=True, extra=MB), mode=0o755)},
        {"root/.cache/ccache/x": File(MB)},
    ]
    history = ["RUN make run", "RUN make"]
    plan = make_plan(taken(on_slim(*layers, history=history, cmd=["/root/.cache/ccache/run"])))
    assert [(each.kind, each.layer) for each in plan.edits] == [("clean-cache", 5)]
    (refused,) = plan.not_offered
    assert refused.edit.layer == 4
    assert refused.reason.startswith("the command would not start")


@pytest.mark.parametrize(
    ("command", "first"),
    [
        ("apt-get update", DropInstruction(layer=4)),
        ("set -eux; apt-get update", DropInstruction(layer=4)),
        ("apt-get update && apt-get install -y git", AppendCommand(layer=4, command=CLEAN)),
        ("apt-get update && apt-get clean", AppendCommand(layer=4, command=CLEAN)),
    ],
)
def test_lists_that_the_next_installation_reads_are_fetched_again(
    command: str, first: Operation
) -> None:
    _, done = found([LISTS, {"app/x": "x"}], [f"RUN {command}", "RUN apt-get install -y curl"])
    assert done == (
        first,
        InsertCommand(layer=5, after=(), command="apt-get update"),
        AppendCommand(layer=5, command=CLEAN),
    )


@pytest.mark.parametrize(
    ("command", "between", "reader"),
    [
        # Whoever has not fetched them did not install by them either.
        ("./fetch", ["RUN true"], None),
        ("apt-get install -y git", ["RUN true"], None),
        ("apt-get update && apt-get install -y git", ["RUN true"], 6),
        ("apt-get update && apt-get install -y git", ["RUN apt-get update"], None),
        ("apt-get update && apt-get install -y git", ["RUN apt-get clean"], 6),
    ],
)
def test_lists_are_fetched_again_by_the_next_that_reads_them(
    command: str, between: list[str], reader: int | None
) -> None:
    history = [f"RUN {command}", *between, "RUN apt-get install -y curl"]
    _, done = found([LISTS, {"app/x": "x"}, {"app/y": "y"}], history)
    more = (
        ()
        if reader is None
        else (
            InsertCommand(layer=reader, after=(), command="apt-get update"),
            AppendCommand(layer=reader, command=CLEAN),
        )
    )
    assert done == (AppendCommand(layer=4, command=CLEAN), *more)


@pytest.mark.parametrize(
    "command",
    [
        "apt-get upgrade -y",  # without lists it upgrades nothing
        "apt-get -y dist-upgrade",
        "apt full-upgrade",
        "apt-get build-dep -y x",
        "apt-get source x",
        "apt-cache show x",
        "aptitude install -y x",
        "xargs apt-get install -y < list",
        "for p in a b; do apt-get install -y $p; done",
        "sudo apt-get install -y x",
    ],
)
def test_whatever_reads_lists_fetches_them(command: str) -> None:
    _, done = found([LISTS, {"app/x": "x"}], ["RUN apt-get update", f"RUN {command}"])
    assert done == (
        DropInstruction(layer=4),
        InsertCommand(layer=5, after=(), command="apt-get update"),
        AppendCommand(layer=5, command=CLEAN),
    )


@pytest.mark.parametrize("text", ["apt-get install -y (x", "x (apt-cache show y"])
def test_lists_stay_where_what_reads_them_cannot_be_changed(text: str) -> None:
    history = ["RUN apt-get update && apt-get install -y y", f"RUN {text}"]
    plan = planned([LISTS, {"app/x": "x"}], history)
    assert InsertCommand(layer=5, after=(), command="apt-get update") in plan.edits[0].operations
    patch = plan.patch("\n".join(["FROM x", *history]))
    assert (len(patch.applied), len(patch.skipped)) == (0, 1)


def test_a_user_who_installs_by_sudo_fetches_lists_by_sudo() -> None:
    history = ["RUN apt-get update", "USER app", "RUN sudo apt-get install -y x"]
    _, done = found([LISTS, {"app/x": "x"}], history)
    assert done == (
        DropInstruction(layer=4),
        InsertCommand(layer=5, after=(), command="sudo apt-get update"),
        AppendCommand(layer=5, command=f"sudo {CLEAN}"),
    )


@pytest.mark.parametrize(
    ("history", "drops"),
    [
        (["RUN ./install"], False),
        (["RUN ./install now"], False),
        (["RUN true && ./install"], False),
        (["RUN /opt/install.sh"], False),
        (["RUN bash /opt/install"], False),
        (["RUN true", "RUN sh x"], False),
        (["RUN apt-get update && apt-get install -y x", "RUN ./install"], True),
        (["RUN x (y"], False),
        (["RUN bash -c 'true'"], True),
        (["RUN apt-get clean"], True),
        (["RUN apt-mark hold x"], True),
        (["RUN pip install x"], True),
    ],
)
def test_lists_that_a_script_may_read_stay(history: list[str], drops: bool) -> None:
    plan = planned([LISTS, *({f"app/{n}": "x"} for n in history)], ["RUN apt-get update", *history])
    (edit,) = (each for each in plan.edits if each.kind == "clean-cache")
    assert edit.operations == ((DropInstruction(layer=4),) if drops else ())


# --- owner and mode -------------------------------------------------------------------------------
APP: Mapping[str, Content] = {"app/x": File(MB)}
OWNED: Mapping[str, Content] = {"app/x": File(MB, uid=5, gid=6)}


def two(*, mode: int = 0o644, uid: int = 0, gid: int = 0) -> dict[str, Content]:
    """Two files, one of them in a directory of its own."""
    return {path: File(MB, mode=mode, uid=uid, gid=gid) for path in ("app/x", "app/d/y")}


USERS: Mapping[str, Content] = {
    "etc/passwd": "root:x:0:0::/:/bin/sh\napp:x:5:6::/:/bin/sh\n",
    "etc/group": "root:x:0:\napp:x:6:\n",
}


@pytest.mark.parametrize(
    ("layers", "history", "operations"),
    [
        (
            [USERS, APP, OWNED],
            ["RUN useradd app", "COPY x /app/", "RUN chown -R app:app /app"],
            (AddFlag(layer=5, flag="--chown=app:app"), DropInstruction(layer=6)),
        ),
        (  # a name without a group: COPY would take the user's number for it
            [USERS, APP, OWNED],
            ["RUN useradd app", "COPY x /app/", "RUN chown -R app /app"],
            (AddFlag(layer=5, flag="--chown=5:6"), DropInstruction(layer=6)),
        ),
        (  # the user is made later
            [APP, {**OWNED, **USERS}],
            ["COPY x /app/", "RUN useradd app && chown -R app:app /app"],
            (
                AddFlag(layer=4, flag="--chown=5:6"),
                DropCommand(layer=5, words=("chown", "-R", "app:app", "/app")),
            ),
        ),
        (  # the directory is another instruction's
            [
                {"app/": Directory()},
                APP,
                {"app/": Directory(uid=5, gid=6), **OWNED},
            ],
            ["WORKDIR /app", "COPY x /app/", "RUN chown -R 5:6 /app"],
            (
                AddFlag(layer=5, flag="--chown=5:6"),
                ReplaceInstructions(layers=(6,), lines=("RUN chown 5:6 /app",)),
            ),
        ),
        (  # the directory is there before the COPY, whose layer has an entry for it too
            [
                {"app/": Directory()},
                {"app/": Directory(), **APP},
                {"app/": Directory(uid=5, gid=6), **OWNED},
            ],
            ["WORKDIR /app", "COPY x /app/", "RUN chown -R 5:6 /app"],
            (
                AddFlag(layer=5, flag="--chown=5:6"),
                ReplaceInstructions(layers=(6,), lines=("RUN chown 5:6 /app",)),
            ),
        ),
        (  # two instructions made them
            [APP, {"app/y": File(MB)}, {**OWNED, "app/y": File(MB, uid=5, gid=6)}],
            ["COPY x /app/", "COPY y /app/", "RUN chown -R 5:6 /app"],
            (
                AddFlag(layer=4, flag="--chown=5:6"),
                AddFlag(layer=5, flag="--chown=5:6"),
                DropInstruction(layer=6),
            ),
        ),
        (
            [APP, OWNED],
            ["RUN make", "RUN chown -R 5:6 /app"],
            (AppendCommand(layer=4, command="chown -R 5:6 /app"), DropInstruction(layer=5)),
        ),
        (
            [APP, {"app/x": File(MB, mode=0o755)}],
            ["COPY x /app/", "RUN chmod +x /app/x"],
            (AddFlag(layer=4, flag="--chmod=755"), DropInstruction(layer=5)),
        ),
        (  # directories may have it too
            [two(), two(mode=0o755)],
            ["COPY . /app", "RUN chmod 755 /app/x /app/d/y"],
            (AddFlag(layer=4, flag="--chmod=755"), DropInstruction(layer=5)),
        ),
        (  # or are there before the COPY
            [{"app/d/": Directory()}, two(), two(mode=0o600)],
            ["WORKDIR /app/d", "COPY . /app", "RUN chmod 600 /app/x /app/d/y"],
            (AddFlag(layer=5, flag="--chmod=600"), DropInstruction(layer=6)),
        ),
        (  # one of two has the owner already, or the mode
            [
                {"app/x": File(MB, uid=5, gid=6), "app/y": File(MB, mode=0o755)},
                dict.fromkeys(("app/x", "app/y"), File(MB, mode=0o755, uid=5, gid=6)),
            ],
            ["COPY . /app", "RUN chown -R 5:6 /app && chmod 755 /app/x"],
            (
                AddFlag(layer=4, flag="--chown=5:6"),
                AddFlag(layer=4, flag="--chmod=755"),
                DropInstruction(layer=5),
            ),
        ),
        (
            [{**USERS, "etc/group": "staff:x:6:\n"}, APP, OWNED],
            ["RUN useradd app", "COPY x /app/", "RUN chown app:staff /app/x"],
            (AddFlag(layer=5, flag="--chown=app:staff"), DropInstruction(layer=6)),
        ),
        (  # two names of one owner, and a group that has none yet
            [USERS, two(), two(uid=5, gid=6)],
            ["RUN useradd app", "COPY . /app", "RUN chown app:app /app/x && chown 5:6 /app/d/y"],
            (AddFlag(layer=5, flag="--chown=5:6"), DropInstruction(layer=6)),
        ),
        (
            [USERS, APP, OWNED],
            ["RUN useradd app", "COPY x /app/", "RUN addgroup g && chown app:g /app/x"],
            (
                AddFlag(layer=5, flag="--chown=5:6"),
                DropCommand(layer=6, words=("chown", "app:g", "/app/x")),
            ),
        ),
    ],
)
def test_owner_and_mode_are_given_as_files_are_made(
    layers: Layers, history: list[str], operations: tuple[Operation, ...]
) -> None:
    edit, done = found(layers, history)
    assert (edit.kind, edit.level) == ("owner", "safe")
    assert done == operations


@pytest.mark.parametrize(
    ("layers", "history"),
    [
        ([APP, OWNED], ["RUN make", "RUN chown -R app:app /app"]),  # no such user then
        ([APP, OWNED], ["RUN make", "RUN if true; then chown -R 5:6 /app; fi"]),
        ([APP, OWNED], ["RUN make", "RUN ./fix.sh"]),
        (  # a part of it is in doubt
            [APP, OWNED],
            ["COPY x /app/", "RUN chown -R 5:6 /app && if x; then chown 7 /app; fi"],
        ),
        ([APP, OWNED], ["COPY x /app/", "RUN chown 5:6 /app/x && chown --reference=/a /b"]),
        # two owners, and two modes of one owner
        (
            [
                {"app/x": File(MB), "app/y": File(MB)},
                {"app/x": File(MB, uid=5, gid=6), "app/y": File(MB, uid=7, gid=8)},
            ],
            ["COPY . /app", "RUN chown 5:6 /app/x && chown 7:8 /app/y"],
        ),
        (
            [
                {"app/x": File(MB), "app/y": File(MB)},
                {
                    "app/x": File(MB, uid=5, gid=6, mode=0o700),
                    "app/y": File(MB, uid=5, gid=6, mode=0o750),
                },
            ],
            ["COPY . /app", "RUN chown -R 5:6 /app && chmod 700 /app/x && chmod 750 /app/y"],
        ),
        # another file comes with it
        (
            [{"app/x": File(MB), "app/y": File(MB)}, {"app/x": File(MB, mode=0o755)}],
            ["COPY . /app", "RUN chmod 755 /app/x"],
        ),
        # directories that only root could search
        ([two(), two(mode=0o744)], ["COPY . /app", "RUN chmod 744 /app/x /app/d/y"]),
    ],
)
def test_what_is_not_known_about_owners_is_advice(layers: Layers, history: list[str]) -> None:
    (edit,) = planned(layers, history).edits
    assert (edit.kind, edit.operations) == ("advice", ())


OWN_DIRECTORY = Directory(uid=5, gid=6)


def own(data: str) -> File:
    """A file of the application's user."""
    return File(data, uid=5, gid=6)


@pytest.mark.parametrize(
    ("layers", "history", "left"),
    [
        (  # what the same RUN makes
            [APP, {**OWNED, "app/": Directory(), "app/logs/": OWN_DIRECTORY}],
            ["COPY x /app/", "RUN mkdir -p /app/logs && chown -R 5:6 /app"],
            "chown 5:6 /app/logs",
        ),
        (
            [APP, {**OWNED, "app/log": own(""), "app/c": own("c")}],
            ["COPY x /app/", "RUN ./configure && chown -R 5:6 /app"],
            "chown 5:6 /app/c /app/log",
        ),
        (  # what it changes the content of
            [APP, {"app/c": "c"}, {**OWNED, "app/c": own("new")}],
            ["COPY x /app/", "COPY c /app/", "RUN sed -i s/a/b/ /app/c && chown -R 5:6 /app"],
            "chown 5:6 /app/c",
        ),
        (  # an empty file of another instruction, which stores nothing
            [APP, {"app/log": ""}, {**OWNED, "app/log": own("")}],
            ["COPY x /app/", "RUN touch /app/log", "RUN chown -R 5:6 /app"],
            "chown 5:6 /app/log",
        ),
        (  # a small one, whose mode is no edit of its own
            [APP, {"app/c": "c"}, {**OWNED, "app/c": File("c", mode=0o600)}],
            ["COPY x /app/", "COPY c /app/", "RUN chown 5:6 /app/x && chmod 600 /app/c"],
            "chmod 600 /app/c",
        ),
        (  # several owners
            [APP, {"srv/log": ""}, {**OWNED, "srv/log": File("", uid=7, gid=8)}],
            ["COPY x /app/", "RUN touch /srv/log", "RUN chown 5:6 /app/x && chown 7:8 /srv/log"],
            "chown 7:8 /srv/log",
        ),
        (  # what another command made as it is
            [APP, {**OWNED, "srv/": Directory(uid=7, gid=8)}],
            ["COPY x /app/", "RUN install -d -o 7 -g 8 /srv && chown -R 5:6 /app"],
            "",
        ),
    ],
)
def test_what_no_other_instruction_gives_its_owner_keeps_its_command(
    layers: Layers, history: list[str], left: str
) -> None:
    edit, done = found(layers, history)
    assert (edit.kind, edit.level) == ("owner", "safe")
    assert done[0] == AddFlag(layer=4, flag="--chown=5:6")
    commands = [
        text
        for each in done
        for text in (
            [each.command]
            if isinstance(each, ReplaceCommand)
            else [line.removeprefix("RUN ") for line in each.lines]
            if isinstance(each, ReplaceInstructions)
            else []
        )
    ]
    assert commands == ([left] if left else [])


MANY: Mapping[str, Content] = {f"app/d{n}/": OWN_DIRECTORY for n in range(9)}


@pytest.mark.parametrize(
    ("layers", "history"),
    [
        # too many to be named
        ([APP, {**OWNED, **MANY}], ["COPY x /app/", "RUN mkdir -p $D && chown -R 5:6 /app"]),
        # made after the command, or before the second one only
        (
            [APP, {**OWNED, "app/d/": OWN_DIRECTORY}],
            ["COPY x /app/", "RUN chown -R 5:6 /app && install -d -o 5 -g 6 /app/d"],
        ),
        (
            [APP, {**OWNED, "app/d/": OWN_DIRECTORY}],
            ["COPY x /app/", "RUN chown 5:6 /app/x && mkdir /app/d && chown 5:6 /app/d"],
        ),
        # a path from the working directory, which is another one where the files are made
        ([APP, {}, OWNED], ["RUN make", "WORKDIR /app", "RUN chown -R 5:6 ."]),
        ([APP, {}, OWNED], ["RUN make", "WORKDIR /app", "RUN chown -R 5:6 x"]),
        ([APP, OWNED], ["RUN make", "RUN chown -R 5:6 $HOME"]),
    ],
)
def test_owners_that_one_command_cannot_give_are_advice(layers: Layers, history: list[str]) -> None:
    (edit,) = planned(layers, history).edits
    assert (edit.kind, edit.operations) == ("advice", ())


def test_files_of_one_content_stay_one_where_they_are_made_as_they_are_to_be() -> None:
    linked: Mapping[str, Content] = {**APP, "app/y": HardLink("app/x"), "app/z": File(MB)}
    torn: Mapping[str, Content] = {f"app/{name}": File(MB, uid=5, gid=6) for name in "xyz"}
    edit, _ = found([linked, torn], ["COPY x /app/", "RUN chown -R 5:6 /app"])
    assert edit.saving == 3_000_000


def test_a_copy_is_narrowed_to_what_differs() -> None:
    edit, done = found([APP, {**APP, "app/new": "1"}], ["COPY app /app", "COPY app /app"])
    assert (edit.kind, edit.level) == ("narrow-copy", "review")
    assert done == (NarrowCopy(layer=5, sources=("new",)),)
    edit, done = found([APP, APP], ["COPY app /app", "COPY app /app"])
    assert (edit.level, done) == ("safe", (DropInstruction(layer=5),))


def test_what_came_with_what_is_removed_later_goes_by_the_same_edit() -> None:
    packages: dict[str, Package] = {
        "build-essential": {"Depends": "make", "files": {"usr/share/doc/b/x": File(MB)}},
        "make": {"files": {"usr/bin/make": File(MB, mode=0o755)}},
        "manpages": {"files": {"usr/share/man/x": File(MB)}},
    }
    gone: dict[str, Content] = {f"{p}/.wh.{n}": "" for p, n in (("usr/share/doc/b", "x"),)}
    gone |= {"usr/bin/.wh.make": "", "usr/share/man/.wh.x": ""}
    edit, done = found(
        [apt(packages, manual=["build-essential"]), {"app/r": "x"}, {**apt({}), **gone}],
        [
            "RUN apt-get install -y build-essential",
            "COPY r /app/",
            "RUN apt-get remove -y build-essential && apt-get autoremove -y",
        ],
    )
    assert edit.saving > 3_000_000
    assert done == (
        DropPackages(layer=4, manager="apt", names=("build-essential",)),
        DropCommand(layer=6, words=("apt-get", "autoremove", "-y")),
        DropCommand(layer=6, words=("apt-get", "remove", "-y", "build-essential")),
    )


@pytest.mark.parametrize(
    ("command", "before", "used"),
    [
        ("apt-get -y remove build-essential", "", 6),
        ("apt-get -y remove build-essential && rm /app/r", "rm /app/r && ", 6),
        ("make && apt-get -y remove build-essential", "", 7),
    ],
)
@pytest.mark.parametrize("needed", [False, True])
def test_what_a_removal_left_behind_goes_by_the_same_edit(
    command: str, before: str, used: int, needed: bool
) -> None:
    """`apt-get remove` without `--auto-remove` keeps all that came with a package."""
    packages: dict[str, Package] = {
        "build-essential": {"Depends": "make, libpq5", "files": {"usr/share/doc/b/x": File(MB)}},
        "make": {"files": {"usr/bin/make": File(MB, mode=0o755)}},
        "libpq5": {"files": {"usr/lib/libpq.so.5": elf(soname="libpq.so.5", extra=MB)}},
    }
    left = {name: packages[name] for name in ("make", "libpq5")}
    files = {*left["make"]["files"], *left["libpq5"]["files"]}
    below = {path: data for path, data in apt(left).items() if path not in files}
    pq = {f"{SITE}/pq.so": elf(needed=["libpq.so.5"])} if needed else {}
    edit, done = found(
        [
            apt(packages, manual=["build-essential"]),
            {"app/r": "x"},
            {**built("a", "cp313-cp313-linux_x86_64" if used == 6 else "py3-none-any"), **pq},
            {**below, "usr/share/doc/b/.wh.x": ""},
        ],
        [
            "RUN apt-get install -y build-essential",
            "COPY r /app/",
            "RUN pip install a",
            f"RUN {command}",
        ],
    )
    saved = 2_000_000 if needed else 3_000_000
    assert saved < edit.saving < saved + 100_000, "what nothing needs is not stored either"
    drop = DropCommand(layer=7, words=("apt-get", "-y", "remove", "build-essential"))
    purge = f"{PURGE.removesuffix('gcc')}build-essential"
    purge = f"{before}{'apt-mark manual libpq5 && ' * needed}{purge}"
    assert done == (
        DropPackages(layer=4, manager="apt", names=("build-essential",)),
        *([drop] if used == 6 else []),
        InsertCommand(
            layer=used, after=(), command="apt-get update && apt-get install -y build-essential"
        ),
        AppendCommand(layer=used, command=purge),
        AppendCommand(layer=used, command=CLEAN),
    )


@pytest.mark.parametrize(
    ("beside", "call", "offered"),
    [
        ({}, "true", True),
        ({"usr/local/bin/tool": File("#!/bin/sh\n", mode=0o755)}, "tool", False),
        ({"usr/local/bin/tool": File("#!/bin/sh\n", mode=0o755)}, "true", True),
        ({"var/log/dpkg.log": "log"}, "dpkg.log", True),
    ],
)
def test_what_else_a_needless_installation_makes_may_be_needed(
    beside: Mapping[str, Content], call: str, offered: bool
) -> None:
    """What the package's own scripts made, say."""
    plan = planned(
        [
            {**apt(tools("git"), manual=["git"]), **beside},
            {"app/r": "x"},
            {"app/x": "x"},
            {"app/s": "s"},
            purged("git"),
        ],
        [
            "RUN apt-get install -y git",
            "COPY r /app/",
            f"RUN {call}",
            "COPY s /app/",
            "RUN apt-get purge -y git",
        ],
    )
    assert [each.kind for each in plan.edits if each.operations] == ["leave-out"] * offered
    reasons = [each.reason for each in plan.not_offered]
    assert reasons == ["layer 6 calls tool, which would not be there"] * (not offered)


@pytest.mark.parametrize(
    ("fetch", "last", "needless"),
    [
        ("apt-get update", CLEAN, True),
        ("apt-get update", "true", True),
        ("apt-get update", f"apt-get install -y less && {CLEAN}", False),
        ("apt-get update", f"./install && {CLEAN}", False),
        ("apt-get update && fetch", CLEAN, False),
    ],
)
def test_lists_that_nothing_installs_by_any_more_are_not_fetched(
    fetch: str, last: str, needless: bool
) -> None:
    plan = planned(
        [
            LISTS,
            apt(GCC, manual=["gcc"]),
            {"app/r": "x"},
            built("a"),
            {**apt({}, manual=[]), "usr/bin/.wh.gcc": "", "usr/bin/.wh.cpp": ""},
            {"var/lib/apt/lists/.wh.a_Packages": ""} if CLEAN in last else {},
        ],
        [
            f"RUN {fetch}",
            "RUN apt-get install -y gcc",
            "COPY r /app/",
            "RUN pip install a",
            "RUN apt-get purge -y --auto-remove gcc",
            f"RUN {last}",
        ],
    )
    (edit,) = (each for each in plan.edits if each.kind == "purge")
    assert len(plan.edits) == 1 or last != CLEAN or not needless
    assert (DropInstruction(layer=4) in edit.operations) == needless
    assert (edit.others[0] == 4) == needless
    assert (
        InsertCommand(layer=7, after=(), command="apt-get update && apt-get install -y gcc")
        in edit.operations
    )
    assert (edit.saving >= 2_500_000) == needless, "the lists, and the compiler"


def test_lists_of_what_is_left_out_are_not_deleted_earlier_by_another_edit() -> None:
    edit, done = found(
        [
            LISTS,
            apt(tools("git"), manual=["git"]),
            {"app/r": "x"},
            {**purged("git"), "var/lib/apt/lists/.wh.a_Packages": ""},
        ],
        [
            "RUN apt-get update",
            "RUN apt-get install -y git",
            "COPY r /app/",
            f"RUN apt-get purge -y git && {CLEAN}",
        ],
    )
    assert edit.kind == "leave-out"
    assert done == (
        DropPackages(layer=5, manager="apt", names=("git",)),
        DropCommand(layer=7, words=("apt-get", "purge", "-y", "git")),
        DropInstruction(layer=4),
    )


def test_lists_of_what_is_left_out_are_no_reason_to_join_runs() -> None:
    edit, done = found(
        [
            LISTS,
            apt(tools("git"), manual=["git"]),
            {"var/lib/apt/lists/.wh.a_Packages": ""},
            {"app/r": "x"},
            {**purged("git"), "app/x": "x"},
        ],
        [
            "RUN apt-get update",
            "RUN apt-get install -y git",
            f"RUN {CLEAN}",
            "COPY r /app/",
            "RUN apt-get purge -y git && touch /app/x",
        ],
    )
    assert edit.kind == "leave-out"
    assert done == (
        DropPackages(layer=5, manager="apt", names=("git",)),
        DropCommand(layer=8, words=("apt-get", "purge", "-y", "git")),
        DropInstruction(layer=4),
    )


def test_lists_are_fetched_where_the_first_installation_that_stays_reads_them() -> None:
    plan = planned(
        [
            {**apt(tools("git"), manual=["git"]), **LISTS},
            {"app/r": "x"},
            apt({}, below=tools("git")),
            {"app/s": "x"},
            apt(tools("less"), manual=["less"], below=tools("git")),
            {"usr/bin/.wh.git": "", **apt({}, below=tools("less"))},
        ],
        [
            "RUN apt-get update && apt-get install -y git",
            "COPY r /app/",
            "RUN apt-get install -y git",
            "COPY s /app/",
            "RUN apt-get install -y less",
            "RUN apt-get purge -y git",
        ],
    )
    (edit,) = (each for each in plan.edits if each.kind == "leave-out")
    assert [each for each in edit.operations if isinstance(each, InsertCommand)] == [
        InsertCommand(layer=8, after=(), command="apt-get update")
    ]


@pytest.mark.parametrize(
    ("later", "again"),
    [
        ("apt-get install -y curl", True),
        ("apt-get update && apt-get install -y curl", False),
        ("true", False),
    ],
)
def test_lists_are_fetched_again_by_who_needs_those_that_are_deleted(
    later: str, again: bool
) -> None:
    """The RUN that builds deletes what it fetched, and so what an earlier one did."""
    layers: Layers = [{"etc/x": "x"}, TOOLS, {"app/r": "x"}, built("a"), {"usr/share/curl": "c"}]
    history = [
        "RUN apt-get update",
        "RUN apt-get install -y gcc",
        "COPY r /app/",
        "RUN pip install a",
        f"RUN {later}",
    ]
    (edit,) = (each for each in planned(layers, history).edits if each.kind == "purge")
    assert AppendCommand(layer=7, command=CLEAN) in edit.operations
    fetch = InsertCommand(layer=8, after=(), command="apt-get update")
    assert (fetch in edit.operations) == again
    assert (AppendCommand(layer=8, command=CLEAN) in edit.operations) == again


AUTO_PURGE = PURGE.removesuffix(" gcc")


@pytest.mark.parametrize(
    ("command", "purge"),
    [
        ("make && apt-get purge -y cpp", f"{AUTO_PURGE} gcc cpp"),
        ("make && apt-get -y remove cpp gcc-12", f"{AUTO_PURGE} gcc cpp gcc-12"),
        # What builds needs the compiler before it goes.
        ("make && apt-get purge -y cpp && pip install x", ""),
        ("make && if a; then apt-get purge -y cpp; fi", ""),
        ("make && apt-get purge -y cpp && apt-get autoremove -y", ""),
        ("make && apt-get autoremove -y", ""),
        ("make", ""),
    ],
)
def test_one_purge_in_a_run_is_enough(command: str, purge: str) -> None:
    _, done = found([TOOLS], [f"RUN apt-get install -y gcc && {command}"])
    if purge:
        words = tuple(command.removeprefix("make && ").split())
        assert done == (ReplaceCommand(layer=4, words=words, command=purge),)
    else:
        assert done == (AppendCommand(layer=4, command=PURGE),)


def version(name: str, number: str, data: bytes) -> dict[str, Content]:
    """A version of a distribution, in the base's own site-packages."""
    info = f"{SITE}/{name}-{number}.dist-info"
    return {
        f"{SITE}/{name}/data.py": File(data),
        f"{info}/METADATA": f"Name: {name}\nVersion: {number}\n",
        f"{info}/RECORD": f"{name}/data.py,,\n{name}-{number}.dist-info/METADATA,,\n",
    }


def test_what_a_later_layer_replaces_is_not_asked_for() -> None:
    new = {**version("acme", "2.0", MB[1:]), f"{SITE}/.wh.acme-1.0.dist-info": ""}
    edit, done = found(
        [version("acme", "1.0", MB), {"app/r": "x"}, new],
        ["RUN pip install acme==1.0 other", "COPY r /app/", "RUN pip install -r /app/r"],
    )
    assert (edit.kind, edit.level, edit.rules) == ("leave-out", "review", ("overwritten-files",))
    assert done == (DropPackages(layer=4, manager="pip", names=("acme",)),)
    assert edit.saving > 1_000_000


TORCH: dict[str, Content] = {
    **dist_info("torch", "2.9.0", {"torch/__init__.py": "#"}, site=SITE),
    **dist_info("nvidia-cublas-cu12", "12.8", {"nvidia/cublas.so": MB}, site=SITE),
}


@pytest.mark.parametrize(
    ("command", "environment", "operations"),
    [
        (
            "pip install torch",
            {},
            [
                AddOption(
                    layer=4,
                    manager="pip",
                    option="--extra-index-url=https://download.pytorch.org/whl/cpu",
                )
            ],
        ),
        (
            "uv pip install --system torch",
            {},
            [AddOption(layer=4, manager="uv", option="--torch-backend=cpu")],
        ),
        ("pip install torch", {"NVIDIA_VISIBLE_DEVICES": "all"}, None),
        ("poetry install", {}, []),
    ],
)
def test_torch_for_the_cpu_is_offered_where_nothing_says_a_gpu(
    command: str,
    environment: dict[str, str],
    operations: list[Operation] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wheels, "_LARGE", 1_000_000)
    history = [*(f"ENV {name}={value}" for name, value in environment.items()), f"RUN {command}"]
    one = on_slim(TORCH, history=history)
    for name, value in environment.items():
        one.config["config"]["Env"].append(f"{name}={value}")
    edits = [each for each in make_plan(taken(one)).edits if each.kind == "wheels"]
    assert [list(each.operations) for each in edits] == ([] if operations is None else [operations])


@pytest.mark.parametrize(
    ("layer", "least", "offered"),
    [
        (TORCH, 1_000_000, True),
        (TORCH, 1_000_001, False),
        # Something else than torch brought the libraries.
        ({path: file for path, file in TORCH.items() if "torch" not in path}, 1, False),
    ],
)
def test_torch_for_the_cpu_is_offered_where_it_brought_as_much(
    layer: dict[str, Content], least: int, offered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = sum(
        len(file)
        for path, file in TORCH.items()
        if "nvidia" in path and isinstance(file, str)  # its metadata
    )
    monkeypatch.setattr(wheels, "_LARGE", least + own)
    edits = make_plan(taken(on_slim(layer, history=["RUN pip install torch"]))).edits
    assert bool([each for each in edits if each.kind == "wheels"]) is offered


def test_what_torch_for_cuda_brings_is_all_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "_LARGE", 1_000_000)
    beside = {
        **dist_info("triton", "3", {"triton.so": MB}, site=SITE),
        **dist_info("nvidia-ml-py", "12", {"pynvml.py": MB}, site=SITE),  # torch needs none of it
        **dist_info("nvidia-nvjitlink", "13", {"nvidia/nvjitlink.so": MB}, site=SITE),
        **dist_info("nvidia-cudnn-frontend", "1", {"cudnn.so": MB}, site=SITE),
        **dist_info("cupy-cuda12x", "13", {"cupy.so": MB}, site=SITE),
        **dist_info("nvidia-nccl-cu12", "2", {"nvidia/nccl.so": MB, "nvidia/no": "x"}, site=SITE),
    }
    del beside[f"{SITE}/nvidia/no"]  # listed in RECORD, and not there
    later = dist_info("nvidia-cudnn-cu12", "9", {"nvidia/cudnn.so": MB}, site=SITE)
    layers: Layers = [{**TORCH, **beside}, later]
    plan = planned(layers, ["RUN pip install torch", "RUN pip install nvidia-cudnn-cu12"])
    (edit,) = (each for each in plan.edits if each.kind == "wheels")
    cuda = ("nvidia-cublas-cu12", "nvidia-nccl-cu12", "nvidia-nvjitlink")
    assert edit.packages == (*cuda, "triton")
    assert edit.estimated
    assert 4_000_000 < edit.saving < 4_010_000


# --- tools beside what may be used ----------------------------------------------------------------
SHARED: dict[str, Package] = {
    "gcc": {"Depends": "cpp", "Recommends": "libx", "files": {"usr/bin/gcc": File(MB, mode=0o755)}},
    "cpp": {"files": {"usr/bin/cpp": File(MB[:500_000], mode=0o755)}},
    "libx": {"files": {"usr/lib/libx.so.1": elf(soname="libx.so.1", extra=MB)}},
}


@pytest.mark.parametrize(
    ("relation", "saved", "recommended"),
    [("Depends", 1_500_000, []), ("Recommends", 2_500_000, [("ssh",)])],
)
def test_what_git_needs_stays_with_git_in_whichever_layer_it_came(
    relation: str, saved: int, recommended: list[tuple[str, ...]]
) -> None:
    git: dict[str, Package] = {
        "git": {relation: "ssh", "files": {"usr/bin/git": File(MB, mode=0o755)}},
        "ssh": {"Depends": "libx", "files": {"usr/bin/ssh": elf(needed=["libx.so.1"])}},
    }
    layers = [
        apt(SHARED, manual=["gcc"]),
        apt(git, manual=["git"], below=SHARED, auto_below=["cpp", "libx"]),
    ]
    history = ["RUN apt-get install -y gcc", "RUN apt-get install -y git"]
    plan = planned(layers, history)
    assert plan.not_offered == ()
    (left_out,) = (each for each in plan.edits if each.kind == "leave-out")
    assert left_out.packages == ("gcc",)
    # gcc and cpp, with the books of their layer; libx comes with ssh then, if ssh does.
    assert saved < left_out.saving < saved + 100_000
    question = next(each for each in plan.edits if each.packages == ("git",))
    assert not question.operations
    options = [each for each in plan.edits if each.kind == "no-recommends"]
    assert [each.packages for each in options] == recommended


@pytest.mark.parametrize(
    ("command", "offered"),
    [
        ("apt-get install -y curl gcc", True),
        ("apt-get install -y curl gcc && make", False),
    ],
)
def test_a_run_that_builds_keeps_what_its_compiler_recommends(command: str, offered: bool) -> None:
    """Without libc6-dev, which gcc recommends, it compiles nothing."""
    packages: dict[str, Package] = {
        **GCC,
        "gcc": {**GCC["gcc"], "Recommends": "libc6-dev"},
        "libc6-dev": {"files": {"usr/include/stdio.h": File(MB)}},
        "curl": {"Recommends": "extra", "files": {"usr/bin/curl": File("c", mode=0o755)}},
        "extra": {"files": {"usr/share/extra": File(MB)}},
    }
    plan = planned([apt(packages, manual=["curl", "gcc"])], [f"RUN {command}"])
    (edit,) = (each for each in plan.edits if each.packages == ("extra",))
    assert bool(edit.operations) == offered
    assert ("gcc recommends" in edit.reason) != offered


# --- the base -------------------------------------------------------------------------------------
SYSTEM: dict[str, Package] = {
    **debian_python_packages("3.11.2"),
    "python3-pip": {
        "Depends": "python3",
        "files": {
            "usr/bin/pip": File("#!/usr/bin/python3\n", mode=0o755),
            "usr/lib/python3/dist-packages/pip-23.0.1.dist-info/METADATA": (
                "Metadata-Version: 2.1\nName: pip\nVersion: 23.0.1\n"
            ),
        },
    },
}
DIST = "usr/local/lib/python3.11/dist-packages"
FLASK = dist_info("flask", "3.1.0", {"flask/__init__.py": "#"}, site=DIST)
PIP = "pip install --break-system-packages flask"


def on_debian(more: Mapping[str, Package], names: str, pip: str, **config: Any) -> Plan:
    """A Debian image whose only Python is the system's, with Flask from PyPI."""
    packages: dict[str, Package] = {**SYSTEM, **more}
    layers = [debian_base(), apt(packages, manual=names.split()), FLASK]
    history = steps(DEBIAN_STEP, f"RUN apt-get install -y {names}", f"RUN {pip}")
    return make_plan(taken(image(layers, history=history, **config)))


def test_an_official_image_takes_the_place_of_the_systems_python() -> None:
    plan = on_debian({}, "python3 python3-pip", PIP, cmd=["python3", "-m", "flask"])
    (edit,) = (each for each in plan.edits if each.kind == "base")
    assert edit.operations == (
        ReplaceBase(image="python:3.11-slim-bookworm"),
        DropPackages(layer=1, manager="apt", names=("python3", "python3-pip")),
        ReplaceCommand(layer=2, words=tuple(PIP.split()), command="pip install flask"),
    )
    # An image of 55 MB above Debian's, and bytecode of what pip is and imports.
    assert (edit.level, edit.adds) == ("review", 65_700_000)
    assert plan.saved_by([edit]) == edit.saving - edit.adds


@pytest.mark.parametrize(("layer", "cited"), [(0, True), (1, True), (7, False)])
def test_another_base_mends_what_is_found_in_the_lowest_layer(layer: int, cited: bool) -> None:
    layers = [debian_base(), apt(SYSTEM, manual=["python3", "python3-pip"]), FLASK]
    history = steps(DEBIAN_STEP, "RUN apt-get install -y python3 python3-pip", f"RUN {PIP}")
    inventory = taken(image(layers, history=history, cmd=["python3", "-m", "flask"]))
    edits = make_plan(inventory, [finding("base-not-official-slim", layers=(layer,))]).edits
    rules = [each.rules for each in edits if each.kind == "base"]
    assert rules in (([("base-not-official-slim",)],) if cited else ([()], []))


def test_a_layer_of_nothing_but_the_systems_python_goes_altogether() -> None:
    plan = on_debian({}, "python3 python3-pip", PIP, cmd=["python3", "-m", "flask"])
    (edit,) = (each for each in plan.edits if each.kind == "base")
    beside = on_debian({"tree": {}}, "python3 python3-pip tree", PIP, cmd=["python3"])
    (other,) = (each for each in beside.edits if each.kind == "base")
    assert edit.saving > other.saving, "dpkg writes its status in both, for tree in one alone"


OF_PYTHON: dict[str, Package] = {
    **{
        f"python3-{name}": {
            "files": {
                f"usr/lib/python3/dist-packages/{name}/__init__.py": "#",
                f"usr/lib/python3/dist-packages/{name}-1.dist-info/METADATA": "Name: x\n",
            }
        }
        for name in ("setuptools", "wheel")
    },
    "python3-pip": {
        **SYSTEM["python3-pip"],
        "Depends": "python3, python3-wheel, python3-setuptools",
    },
    "libpython3.11-stdlib": {
        "files": {
            "usr/lib/python3.11/os.py": "#",
            "usr/lib/python3.11/sitecustomize.py": "#",
            "usr/lib/python3.11/test/__init__.py": "#",
            "usr/lib/python3.11/json/__init__.py": "#",
        }
    },
}


@pytest.mark.parametrize(
    ("version", "modules", "reason"),
    [
        ("3.11.2", ("sitecustomize", "test", "wheel"), "; it does not have Debian's wheel"),
        (
            "3.13.5",
            ("setuptools", "sitecustomize", "test", "wheel"),
            "; it does not have Debian's setuptools and wheel",
        ),
    ],
)
def test_modules_that_another_python_does_not_have_are_named(
    version: str, modules: tuple[str, ...], reason: str
) -> None:
    minor = version.rpartition(".")[0]
    more: dict[str, Package] = {}
    for name, package in {**debian_python_packages(version), **OF_PYTHON}.items():
        files = package.get("files", {})
        assert isinstance(files, dict)
        moved = {path.replace("python3.11", f"python{minor}"): data for path, data in files.items()}
        more[name.replace("3.11", minor)] = {**package, "files": moved}
    depends = f"python{minor}, libpython{minor}-stdlib"
    more["python3"] = {**more["python3"], "Depends": depends}
    flask = {path.replace("python3.11", f"python{minor}"): data for path, data in FLASK.items()}
    layers = [debian_base(), apt(more, manual=["python3", "python3-pip"]), flask]
    history = steps(DEBIAN_STEP, "RUN apt-get install -y python3 python3-pip", f"RUN {PIP}")
    plan = make_plan(taken(image(layers, history=history, cmd=["python3", "-m", "flask"])))
    (edit,) = (each for each in plan.edits if each.rules == ("base-not-official-slim",))
    assert edit.modules == modules
    assert edit.reason.endswith(reason)


@pytest.mark.parametrize(
    ("lines", "adds"),
    [
        (["ENV PYTHONDONTWRITEBYTECODE=1"], 55_000_000),
        (["USER 1000"], 55_000_000),
        ([], 65_700_000),
    ],
)
def test_byte_code_of_the_other_python_is_counted_where_it_is_stored(
    lines: Sequence[str], adds: int
) -> None:
    layers = [debian_base(), apt(SYSTEM, manual=["python3", "python3-pip"]), FLASK]
    install = "RUN apt-get install -y python3 python3-pip"
    history = steps(DEBIAN_STEP, install, *lines, f"RUN {PIP}")
    plan = make_plan(taken(image(layers, history=history, cmd=["python3", "-m", "flask"])))
    (edit,) = (each for each in plan.edits if each.rules == ("base-not-official-slim",))
    assert edit.adds == adds


@pytest.mark.parametrize(
    ("more", "names", "pip", "config", "why"),
    [
        (
            {"python3-yaml": {"Depends": "python3"}},
            "python3 python3-pip python3-yaml",
            PIP,
            {},
            "python3-yaml would have to come from PyPI first",
        ),
        (
            {},
            "python3 python3-pip",
            f"/usr/bin/{PIP}",
            {},
            "layer 2 names the system's Python, which would not be there",
        ),
        (
            {},
            "python3 python3-pip",
            PIP,
            {"cmd": ["/usr/bin/python3", "-m", "flask"]},
            "the image's command names the system's Python, which would not be there",
        ),
        (
            {"supervisor": {"Depends": "python3"}},
            "python3 python3-pip supervisor",
            PIP,
            {},
            "stays: another package needs it",
        ),
    ],
)
def test_the_systems_python_stays_where_something_names_it(
    more: Mapping[str, Package], names: str, pip: str, config: Any, why: str
) -> None:
    plan = on_debian(more, names, pip, **config)
    (edit,) = (each for each in plan.edits if each.rules == ("base-not-official-slim",))
    assert (edit.kind, edit.operations) == ("advice", ())
    assert edit.reason.endswith(why)


def test_nothing_ever_asks_pip_for_pip() -> None:
    for plan in (
        on_debian({}, "python3 python3-pip", PIP),
        planned([apt(SYSTEM, manual=["python3-pip"])], ["RUN apt-get install -y python3-pip"]),
    ):
        assert not any("install --no-cache-dir pip" in edit.command for edit in plan.edits)
