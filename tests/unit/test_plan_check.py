"""What is asked of the planned image: which edits are dropped, and why, and which are offered."""

import io
from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.api import OpenedImage
from pyimginspect.inventory.collect import Inventory
from pyimginspect.plan import make_plan
from pyimginspect.plan.check import checked, fault_of
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.operations import (
    AddOption,
    AppendCommand,
    BuildStage,
    DropCommand,
    DropInstruction,
    InsertCommand,
    JoinRuns,
    Operation,
    ReplaceBase,
    ReplaceCommand,
    ReplaceInstructions,
)
from pyimginspect.plan.records import EditKind
from pyimginspect.sources.opening import open_stream
from pyimginspect.sources.options import Options
from tests.images import Content, File, Image, Link, Package, dist_info, docker_archive, elf
from tests.inventories import apt, on_slim, taken
from tests.pythons import cpython

LOADER = "/lib64/ld-linux-x86-64.so.2"
LIB = "usr/local/lib/python3.13"
SITE = f"{LIB}/site-packages"
VENV = "opt/venv/lib/python3.13/site-packages"
MB = b"x" * 1_000_000
OPTION = AddOption(layer=4, manager="apt", option="--no-install-recommends")
Layer = Mapping[str, Content]

APPLICATION: Layer = {
    "opt/venv/pyvenv.cfg": "home = /usr/local/bin\nversion = 3.13.1\n"
    "include-system-site-packages = false\n",
    "opt/venv/bin/python": Link("/usr/local/bin/python3.13"),
    "opt/venv/bin/python3": Link("python"),
    f"{VENV}/app/__main__.py": "",
    "usr/bin/tool": File("#!/bin/sh\n", mode=0o755),
    "usr/bin/both": File("#!/bin/sh\n", mode=0o755),
    "usr/local/bin/both": File("#!/bin/sh\n", mode=0o755),
    "usr/bin/perl": File(elf(needed=["libperl.so.5"], interp=LOADER, executable=True), mode=0o755),
    "usr/lib/libperl.so.5": elf(soname="libperl.so.5"),
    "usr/bin/script": File("#!/usr/bin/perl\n", mode=0o755),
    "usr/bin/gcc": elf(),
    "usr/bin/git": elf(),
    "usr/lib/libgone.so.1": elf(soname="libgone.so.1"),
    "usr/lib/libused.so.1": elf(soname="libused.so.1", needed=["libgone.so.1"]),
    "usr/share/doc/a": "a",
    **dist_info("tool", "1", {"tool/__main__.py": "", "tool/__init__.py": ""}, site=SITE),
    **dist_info("needed", "1", site=SITE),
    **dist_info("needing", "1", site=SITE, requires=["needed"]),
    f"{SITE}/needing/x.so": elf(needed=["libused.so.1"]),
}


def context_of(
    *history: str,
    layers: Sequence[Layer] = (),
    cmd: Sequence[str] = ("python3", "-m", "needing"),
    base: int = 4,
) -> Context:
    """An image whose layer 4 brings APPLICATION, and whose history has `history` above that."""
    above: list[Layer] = [{} for line in history if line.startswith("RUN ")]
    one = on_slim(APPLICATION, *(layers or above), history=["COPY / /", *history], cmd=cmd)
    return Context(_on(one, base))


def _on(one: Image, base: int) -> Inventory:
    """All facts about an image whose lowest layers, so many, are its base's."""
    opened = open_stream(io.BytesIO(docker_archive(one)), Options(), name=None, reference="app:1")
    return OpenedImage(opened, base_layers=base).inventory


def proposal(
    context: Context,
    *gone: str,
    operations: Sequence[Operation] = (OPTION,),
    there: tuple[int, int] | None = None,
    kind: EditKind = "leave-out",
    packages: Sequence[str] = (),
    layer: int = 4,
) -> Proposal:
    edit = context.edit(kind, layer, "do it", packages=list(packages), operations=tuple(operations))
    return Proposal(edit, frozenset(), frozenset(gone), there)


# --- the Python that the container uses -----------------------------------------------------------
@pytest.mark.parametrize(
    ("gone", "fault"),
    [
        (
            "usr/local/bin/python3.13",
            "the Python that the container uses, /usr/local/bin/python3.13, would go",
        ),
        (
            "usr/local/bin/python3",
            "the Python that the container uses, /usr/local/bin/python3.13, would go",
        ),
        (
            "usr/local/lib/libpython3.13.so.1.0",
            "the Python that the container uses, /usr/local/bin/python3.13, would go",
        ),
        (
            f"{LIB}/os.py",
            f"/{LIB}/os.py would go, of the library of the Python that the container uses",
        ),
        (f"{LIB}/idlelib/__init__.py", None),
        (f"{LIB}/site-packages/tool/__init__.py", None),
        ("usr/share/doc/a", None),
    ],
)
def test_the_python_that_the_container_uses_stays(gone: str, fault: str | None) -> None:
    context = context_of()
    assert fault_of(context, [proposal(context, gone)]) == fault


@pytest.mark.parametrize(
    ("gone", "fault"),
    [
        (f"{LIB}/os.py", f"/{LIB}/os.py would go, of the library"),
        # The link lib leads to lib64.
        ("opt/python/lib64/python3.12/os.py", "/opt/python/lib64/python3.12/os.py would go, of"),
        ("opt/other/lib/python3.11/os.py", None),
    ],
)
def test_so_does_another_python_that_starts(gone: str, fault: str | None) -> None:
    """The base's has the application, and the command starts another one."""
    started = {**cpython("opt/python", "3.12.4", lib="lib64"), "opt/python/lib": Link("lib64")}
    layers = [{**started, **cpython("opt/other", "3.11.2")}]
    context = context_of("COPY p /opt/", layers=layers, cmd=["/opt/python/bin/python3"])
    found = fault_of(context, [proposal(context, gone)])
    assert found is None if fault is None else found and found.startswith(fault)


def test_another_base_brings_a_python_of_its_own() -> None:
    context = context_of(cmd=["sh"])
    base = ReplaceBase(image="python:3.13-slim")
    gone = "usr/local/bin/python3.13"
    assert fault_of(context, [proposal(context, gone)])
    another = proposal(context, gone, operations=[base])
    assert fault_of(context, [another]) is None
    assert fault_of(context, [proposal(context, "usr/share/doc/a"), another]) is None


# --- what starts ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cmd", "gone", "fault"),
    [
        (["tool"], "usr/bin/tool", "would not start: no directory of PATH has a program tool"),
        (["/usr/bin/tool"], "usr/bin/tool", "would not start: /usr/bin/tool is in no layer"),
        (["script"], "usr/bin/perl", "would not start: the first line of /usr/bin/script names"),
        (["/opt/venv/bin/python"], "opt/venv/bin/python", "the command would"),
        (["/opt/venv/bin/python", "-m", "app"], "opt/venv/pyvenv.cfg", "the command would not"),
        (["tool"], "usr/share/doc/a", None),
        (["tool"], "usr/bin/perl", "/usr/bin/script is a script for"),
        (["both"], "usr/local/bin/both", "the command would start /usr/bin/both, not /usr/local"),
        (["/opt/venv/bin/python"], "usr/bin/tool", None),
        (["/opt/venv/bin/python", "-m", "app"], "usr/bin/tool", None),
    ],
)
def test_what_starts_still_starts(cmd: list[str], gone: str, fault: str | None) -> None:
    context = context_of(cmd=cmd)
    found = fault_of(context, [proposal(context, gone)])
    assert found is None if fault is None else found and fault in found


# --- what loads -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("gone", "fault"),
    [
        (["usr/lib/libperl.so.5"], "/usr/bin/perl loads /usr/lib/libperl.so.5, which would go"),
        (
            ["usr/lib/libused.so.1"],
            f"/{SITE}/needing/x.so loads /usr/lib/libused.so.1, which would go",
        ),
        (
            ["usr/lib/libgone.so.1"],
            "/usr/lib/libused.so.1 loads /usr/lib/libgone.so.1, which would go",
        ),
        (["usr/lib/libperl.so.5", "usr/bin/perl", "usr/bin/script"], None),
        (
            ["usr/lib/libgone.so.1", "usr/lib/libused.so.1"],
            f"/{SITE}/needing/x.so loads /usr/lib/libused.so.1, which would go",
        ),
        (["usr/lib/libgone.so.1", "usr/lib/libused.so.1", f"{SITE}/needing/x.so"], None),
    ],
)
def test_what_loaded_still_loads(gone: list[str], fault: str | None) -> None:
    context = context_of()
    assert fault_of(context, [proposal(context, *gone)]) == fault


@pytest.mark.parametrize(
    ("gone", "fault"),
    [
        (["usr/lib/libmagic.so.1"], "python-magic opens /usr/lib/libmagic.so.1, which would go"),
        (["usr/lib/libmagic.so.1", f"{SITE}/python_magic-1.dist-info/METADATA"], None),
        ([f"{SITE}/python_magic-1.dist-info/METADATA"], None),
        (["usr/share/doc/a"], None),
    ],
)
def test_what_a_distribution_opens_by_itself_stays(gone: list[str], fault: str | None) -> None:
    magic: Layer = {
        **dist_info("python-magic", "1", site=SITE),
        "usr/lib/libmagic.so.1": elf(soname="libmagic.so.1"),
    }
    context = context_of("RUN pip install python-magic", layers=[magic])
    assert fault_of(context, [proposal(context, *gone)]) == fault


@pytest.mark.parametrize(
    ("image", "gone", "fault"),
    [
        # pip writes the scripts of distributions again, for the other Python.
        ("python:3.13-slim", ["opt/python/bin/python3.12"], None),
        ("python:3.13-slim", ["usr/bin/perl"], "/usr/bin/script is a script for /usr/bin/perl"),
        ("debian:12-slim", ["opt/python/bin/python3.12"], "/usr/bin/flask is a script for /opt/py"),
        ("", ["opt/python/bin/python3.12"], "/usr/bin/flask is a script for /opt/python/bin/py"),
        ("", ["opt/python/bin/python3.12", "usr/bin/flask"], None),
    ],
)
def test_a_script_keeps_its_interpreter(image: str, gone: list[str], fault: str | None) -> None:
    script = File("#!/opt/python/bin/python3.12\n", mode=0o755)
    layers = [{**cpython("opt/python", "3.12.4"), "usr/bin/flask": script}]
    context = context_of("COPY p /opt/", layers=layers, cmd=["sh"])
    operations: list[Operation] = [ReplaceBase(image=image), OPTION] if image else [OPTION]
    found = fault_of(context, [proposal(context, *gone, operations=operations)])
    assert found is None if fault is None else found and found.startswith(fault)


@pytest.mark.parametrize(
    ("gone", "fault"),
    [
        (["usr/bin/perl"], "/usr/bin/script is a script for"),
        (["usr/bin/perl", "usr/bin/script"], None),
        ([f"{SITE}/needed-1.dist-info/METADATA"], "a distribution that stays requires needed"),
        (
            [f"{SITE}/needed-1.dist-info/METADATA", f"{SITE}/needing-1.dist-info/METADATA"],
            None,
        ),
        ([f"{SITE}/tool-1.dist-info/METADATA"], None),
    ],
)
def test_what_is_required_stays(gone: list[str], fault: str | None) -> None:
    context = context_of()
    found = fault_of(context, [proposal(context, *gone)])
    assert found is None if fault is None else found and fault in found


def test_what_compiles_as_it_runs_keeps_its_compiler() -> None:
    packages: dict[str, Package] = {"gcc": {"files": {"usr/bin/gcc": File("x", mode=0o755)}}}
    for name, fault in [
        ("triton", "triton uses such tools at run time"),
        ("pythran", "pythran uses such tools at run time"),
        ("cppyy", "cppyy uses such tools at run time"),
        ("flask", None),
    ]:
        layers = [apt(packages, manual=["gcc"]), dist_info(name, "1", site=SITE)]
        history = ["RUN apt-get install -y gcc", f"COPY {name} /"]
        context = Context(taken(on_slim(*layers, history=history)))
        assert fault_of(context, [proposal(context, "usr/bin/gcc")]) == fault, name


# --- what later steps call ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("command", "gone", "fault"),
    [
        ("tool --all", "usr/bin/tool", "layer 5 calls tool, which would not be there"),
        ("/usr/bin/tool", "usr/bin/tool", "layer 5 calls /usr/bin/tool, which would"),
        ("set -e; if true; then tool; fi", "usr/bin/tool", "layer 5 calls tool, which would"),
        ("env tool", "usr/bin/tool", "layer 5 calls tool, which would"),
        ("for x in a b; do tool $x; done", "usr/bin/tool", "layer 5 calls tool, which would"),
        ("python3 -m tool", f"{SITE}/tool/__main__.py", "layer 5 calls python3 -m tool, which"),
        ("python -m tool x", f"{SITE}/tool/__main__.py", "layer 5 calls python -m tool, which"),
        ("echo tool", "usr/share/doc/a", None),
        ("other", "usr/bin/tool", None),
        ("python3 -m other", f"{SITE}/tool/__main__.py", None),
        ("/opt/tool", "usr/bin/tool", None),
        ("other -m tool", f"{SITE}/tool/__main__.py", None),
        ("python3 tool", f"{SITE}/tool/__main__.py", None),
        ("python3 -m", f"{SITE}/tool/__main__.py", None),
        ("a b tool", "usr/bin/tool", None),
        ("x (a; /usr/bin/tool", "usr/bin/tool", "layer 5 may call tool, which would not be there"),
        ("x (python3 -m tool", f"{SITE}/tool/__main__.py", "layer 5 may call tool, which would"),
        ("x (tools", "usr/bin/tool", None),
    ],
)
def test_every_run_finds_the_programs_that_it_calls(
    command: str, gone: str, fault: str | None
) -> None:
    context = context_of(f"RUN {command}")
    found = fault_of(context, [proposal(context, gone)])
    assert found is None if fault is None else found and found.startswith(fault)


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("tool", "layer 5 calls tool, which would not be there"),
        ("python3 x", None),
        ("python3 -m tool", None),
        ("pip3 list", None),
    ],
)
def test_a_base_with_a_python_has_its_programs(command: str, fault: str | None) -> None:
    context = context_of(f"RUN {command}", cmd=["sh"])
    gone = [f"usr/local/bin/{name}" for name in ("python3.13", "python3", "pip3")]
    gone += ["usr/bin/tool", f"{SITE}/tool/__main__.py"]
    operations: list[Operation] = [OPTION, ReplaceBase(image="python:3.13-slim")]
    assert fault_of(context, [proposal(context, *gone, operations=operations)]) == fault


@pytest.mark.parametrize(
    ("more", "gone", "fault"),
    [
        ({}, [], "layer 5 calls python3 -m tool, which would not be there"),
        ({f"{LIB}/tool/__main__.py": ""}, [], None),
        (
            {"opt/python/lib/python3.12/tool/__main__.py": ""},
            ["opt/python/lib/python3.12/tool/__main__.py"],
            "layer 5 calls python3 -m tool",
        ),
        # Only the Pythons that stay have any.
        (
            {"opt/python/lib/python3.12/tool/__main__.py": ""},
            ["opt/python/bin/python3.12"],
            "layer 5 calls python3 -m tool",
        ),
    ],
)
def test_a_module_may_be_in_another_directory(
    more: Layer, gone: list[str], fault: str | None
) -> None:
    layer = {**cpython("opt/python", "3.12.4"), **more}
    context = context_of("RUN python3 -m tool", "COPY p /", layers=[{}, layer], cmd=["sh"])
    found = fault_of(context, [proposal(context, f"{SITE}/tool/__main__.py", *gone)])
    assert found is None if fault is None else found and found.startswith(fault)


@pytest.mark.parametrize(
    ("command", "gone", "fault"),
    [
        ("late", ["usr/bin/late"], None),  # what layer 5 calls is not what layer 6 brings
        ("late", ["usr/bin/late", "usr/bin/absent"], None),
        ("tool", ["usr/bin/late", "usr/bin/tool"], "layer 5 calls tool, which would not be there"),
    ],
)
def test_what_comes_later_is_not_called(command: str, gone: list[str], fault: str | None) -> None:
    late: Layer = {"usr/bin/late": File("#!/bin/sh\n", mode=0o755)}
    context = context_of(f"RUN {command}", "COPY late /usr/bin/", layers=[{}, late])
    assert fault_of(context, [proposal(context, *gone)]) == fault


@pytest.mark.parametrize(
    ("operations", "there", "found"),
    [
        ([OPTION], None, "layer 5 calls tool, which would not be there"),
        ([DropCommand(layer=4, words=("tool",))], None, "layer 5 calls tool"),
        ([DropCommand(layer=5, words=("other",))], None, "layer 5 calls tool"),
        ([OPTION], (3, 4), "layer 5 calls tool"),
        ([OPTION], (6, 7), "layer 5 calls tool"),
        ([DropCommand(layer=5, words=("tool",))], None, None),
        ([ReplaceCommand(layer=5, words=("tool", "-x"), command="true")], None, None),
        ([DropInstruction(layer=5)], None, None),
        ([ReplaceInstructions(layers=(5,), lines=("RUN true",))], None, None),
        ([OPTION], (4, 5), None),
        ([OPTION], (5, 5), None),
        ([OPTION], (4, 6), None),
    ],
)
def test_a_command_that_goes_needs_no_program(
    operations: list[Operation], there: tuple[int, int] | None, found: str | None
) -> None:
    context = context_of("RUN tool -x")
    fault = fault_of(
        context, [proposal(context, "usr/bin/tool", operations=operations, there=there)]
    )
    assert fault is None if found is None else fault and fault.startswith(found)


@pytest.mark.parametrize(
    ("command", "gone", "fault"),
    [
        ("tool --all", "usr/bin/tool", "layer 5 calls tool"),
        ("make all", "usr/bin/gcc", "layer 5 may compile something"),
        ("python3 -m tool", f"{SITE}/tool/__main__.py", "layer 5 calls python3 -m tool"),
    ],
)
def test_the_commands_of_the_base_are_no_affair_of_the_plan(
    command: str, gone: str, fault: str
) -> None:
    """They ran when the base was built, and do not run again."""
    own = context_of(f"RUN {command}", "RUN other", base=5)
    assert (fault_of(own, [proposal(own, gone)]) or "").startswith(fault)
    base = context_of(f"RUN {command}", "RUN other", base=6)
    assert fault_of(base, [proposal(base, gone)]) is None


@pytest.mark.parametrize(
    ("command", "gone", "fault"),
    [
        ("pip install ./a", "usr/bin/gcc", "layer 5 may compile something, and gcc would"),
        ("make all", "usr/bin/gcc", "layer 5 may compile something, and gcc would"),
        ("./configure", "usr/bin/gcc", "layer 5 may compile something, and gcc would"),
        ("cargo build", "usr/bin/gcc", "layer 5 may compile something, and gcc would"),
        ("apt-get install -y x", "usr/bin/gcc", None),
        ("pip uninstall -y x", "usr/bin/gcc", None),
        ("make all", "usr/bin/git", None),
        ("make all", "opt/none/bin/gcc", None),  # which is not there
        ("make all", "usr/share/gcc", None),
        ("make all", "usr/bin/x86_64-linux-gnu-g++-12", None),
    ],
)
def test_what_compiles_finds_its_compiler(command: str, gone: str, fault: str | None) -> None:
    context = context_of(f"RUN {command}")
    found = fault_of(context, [proposal(context, gone)])
    assert found is None if fault is None else found and found.startswith(fault)
    assert fault_of(context, [proposal(context, gone, there=(5, 5))]) is None


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ('{"url": "https://x/a.git", "vcs_info": {"vcs": "git", "commit_id": "1"}}', True),
        ('{"url": "ssh://git@x/a.git", "vcs_info": {"vcs": "git", "commit_id": "2"}}', True),
        ('{"url": "file:///a", "vcs_info": {"vcs": "git", "commit_id": "3"}}', True),
        ('{"url": "https://x/a-1.whl", "archive_info": {}}', False),
    ],
)
def test_what_is_checked_out_finds_git(url: str, fault: bool) -> None:
    installed = dist_info("a", "1", site=SITE, direct_url=url)
    context = context_of("RUN pip install a", layers=[installed])
    found = fault_of(context, [proposal(context, "usr/bin/git")])
    if fault:
        assert found == "layer 5 installs from version control, and git would not be there"
    else:
        assert found is None


# --- what later steps remove ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("command", "kind", "fault"),
    [
        ("apt-get purge -y gcc", "leave-out", True),
        ("apt-get remove -y x gcc", "purge", True),
        ("apt remove gcc", "bindings", True),
        ("apk del gcc", "builder-stage", True),
        ("dnf remove -y gcc && dnf clean all", "leave-out", True),
        ("apt-get install -y gcc", "leave-out", False),
        ("apt-get purge -y gcc-12", "leave-out", False),
        ("apt-get purge -y gcc", "clean-cache", False),
        ("echo gcc", "leave-out", False),
    ],
)
@pytest.mark.parametrize("gone", [(), ("usr/share/doc/a",)])
def test_each_package_that_is_purged_is_there(
    command: str, kind: EditKind, fault: bool, gone: tuple[str, ...]
) -> None:
    context = context_of(f"RUN {command}")
    found = fault_of(context, [proposal(context, *gone, kind=kind, packages=["gcc"])])
    assert found == ("layer 5 removes gcc, which would not be there" if fault else None)


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("apt-get purge -y gcc (x", "layer 5 may remove gcc, which would not be there"),
        ("apt-get purge -y gcc-12 (x", None),
    ],
)
def test_what_cannot_be_read_may_remove_all_that_it_names(command: str, fault: str | None) -> None:
    context = context_of(f"RUN {command}")
    assert fault_of(context, [proposal(context, kind="leave-out", packages=["gcc"])]) == fault


def test_of_several_packages_the_first_by_name_is_given() -> None:
    context = context_of("RUN apt-get purge -y tree gcc less")
    found = fault_of(context, [proposal(context, packages=["tree", "less", "none"])])
    assert found == "layer 5 removes less, which would not be there"


def test_a_removal_that_goes_too_needs_no_package() -> None:
    context = context_of("RUN apt-get purge -y gcc && true")
    dropped: list[Operation] = [
        DropCommand(layer=5, words=("apt-get", "purge", "-y", "gcc")),
        DropInstruction(layer=5),
        ReplaceInstructions(layers=(5,), lines=("RUN true",)),
    ]
    for operation in dropped:
        edit = proposal(context, packages=["gcc"], operations=[operation])
        assert fault_of(context, [edit]) is None
    kept = proposal(context, packages=["gcc"], operations=[DropInstruction(layer=4)])
    assert fault_of(context, [kept])


def test_one_build_stage_is_enough() -> None:
    context = context_of()
    stage = BuildStage(first=4, last=4, name="builder", copies=())
    one = proposal(context, operations=[stage])
    assert fault_of(context, [one]) is None
    assert fault_of(context, [one, one]) == "another edit makes a stage of the same instructions"


@pytest.mark.parametrize(
    ("operation", "kind", "only", "fault"),
    [
        (AppendCommand(layer=4, command="x"), "purge", (4,), True),
        (InsertCommand(layer=4, after=(), command="x"), "purge", (4, 5), True),
        (JoinRuns(layer=4, others=(5,)), "delete-early", (4,), True),
        (AppendCommand(layer=4, command="x"), "clean-cache", (4,), False),
        (AppendCommand(layer=5, command="x"), "purge", (4,), False),
        (AppendCommand(layer=4, command="x"), "purge", (), False),
        (DropInstruction(layer=4), "purge", (4,), False),
    ],
)
def test_what_is_added_to_the_instructions_of_a_stage_would_not_be_copied(
    operation: Operation, kind: EditKind, only: tuple[int, ...], fault: bool
) -> None:
    context = context_of("RUN x")
    stage = BuildStage(first=4, last=5, name="builder", copies=(), only=only)
    edits = [
        proposal(context, operations=[stage]),
        proposal(context, operations=[operation], kind=kind),
    ]
    text = "what another edit adds to the same instructions would not be copied"
    assert fault_of(context, edits) == (text if fault else None)


# --- several edits --------------------------------------------------------------------------------
def test_an_edit_that_breaks_something_is_dropped_and_the_others_stay() -> None:
    context = context_of("RUN tool")
    good = proposal(context, "usr/share/doc/a")
    bad = proposal(context, "usr/bin/tool")
    advice = proposal(context, "usr/local/bin/python3.13", operations=())
    offered, refused = checked(context, [bad, advice, good])
    assert offered == [advice, good]
    assert refused == [(bad, "layer 5 calls tool, which would not be there")]
    assert checked(context, [advice]) == ([advice], []), "advice changes nothing"
    assert checked(context, []) == ([], [])


def test_two_stages_of_their_own_are_one_too_many() -> None:
    context = context_of()
    stages = [
        proposal(context, operations=[BuildStage(first=4, last=4, name=name, copies=())])
        for name in ("one", "two")
    ]
    assert checked(context, stages) == (
        stages[:1],
        [(stages[1], "another edit makes a stage of the same instructions")],
    )


def test_what_needs_the_other_edit_is_offered_only_with_it() -> None:
    context = context_of("RUN tool")
    rest = proposal(context, f"{SITE}/needed-1.dist-info/METADATA")
    whole = proposal(context, f"{SITE}/needing-1.dist-info/METADATA")
    assert checked(context, [rest, whole]) == ([rest, whole], [])
    offered, refused = checked(context, [rest, proposal(context, "usr/bin/tool"), whole])
    assert offered == [whole]
    assert [why for _, why in refused] == [
        "a distribution that stays requires needed",
        "layer 5 calls tool, which would not be there",
    ]


def test_a_plan_names_what_it_does_not_offer() -> None:
    packages: dict[str, Package] = {"cpp": {"files": {"usr/bin/cpp": File(MB, mode=0o755)}}}
    history = ["RUN apt-get install -y cpp", "RUN cpp a b"]
    plan = make_plan(taken(on_slim(apt(packages, manual=["cpp"]), {}, history=history)))
    (refused,) = plan.not_offered
    assert refused.edit.packages == ("cpp",)
    assert refused.reason == "layer 5 calls cpp, which would not be there"
    assert not [each for each in plan.edits if each.operations]


# --- the base -------------------------------------------------------------------------------------
TOOL: dict[str, Package] = {
    "gcc": {"Recommends": "libx", "files": {"usr/bin/gcc": File(MB, mode=0o755)}},
    "libx": {"files": {"usr/lib/libx.so.1": File(MB)}},
}
CURL: dict[str, Package] = {
    "curl": {"Recommends": "libx", "files": {"usr/bin/curl": File(MB, mode=0o755)}},
    "libx": TOOL["libx"],
}
BUILT_ON: dict[str, tuple[Layer, str]] = {
    "apt's lists": ({"var/lib/apt/lists/a_Packages": File(MB)}, "RUN apt-get update"),
    "pip's cache": ({"root/.cache/pip/http/a/b/c/d/e/abcde": File(MB)}, "RUN pip install a"),
    "build tools": (apt(TOOL, manual=["gcc"]), "RUN apt-get install -y gcc"),
    "recommended packages": (apt(CURL, manual=["curl"]), "RUN apt-get install -y curl"),
    "a build tool of pip's": (
        dist_info("cython", "3", {"cython.py": MB}, site=SITE),
        "RUN pip install cython",
    ),
    "files": ({"opt/big": File(MB)}, "RUN head -c 1000000 /dev/zero > /opt/big"),
}


@pytest.mark.parametrize("name", BUILT_ON)
def test_no_edit_changes_an_instruction_of_the_base(name: str) -> None:
    """Its Dockerfile is somebody else's; in a layer of the image's own the same is edited."""
    files, line = BUILT_ON[name]
    deleted = name == "files"
    above: Layer = {"opt/.wh.big": ""} if deleted else {"app/x": "x"}
    last = "RUN rm /opt/big" if deleted else "COPY x /app/"
    one = on_slim(files, above, history=[line, last])
    changed = {base: _changed(one, base) for base in (4, 5)}
    assert 4 in changed[4], "above the base it is edited"
    assert all(layer >= 5 for layer in changed[5])


def _changed(one: Image, base: int) -> set[int]:
    """The layers whose instructions the edits of a plan change, on a base of so many layers."""
    plan = make_plan(_on(one, base))
    return {
        layer
        for edit in plan.edits
        for operation in edit.operations
        for layer in (edit.layer, *edit.others, getattr(operation, "layer", edit.layer))
    }


@pytest.mark.parametrize(("base", "wasted"), [(4, 1), (5, 0)])
def test_what_the_base_stored_is_no_waste_of_the_image(base: int, wasted: int) -> None:
    layers: list[Layer] = [{"opt/big": File(MB)}, {"opt/.wh.big": ""}]
    history = ["COPY big /opt/", "RUN rm /opt/big"]
    context = Context(_on(on_slim(*layers, history=history), base))
    found = context.wasted(lambda each: context.path_of((each.layer, each.position)) == "opt/big")
    assert len(found) == wasted
