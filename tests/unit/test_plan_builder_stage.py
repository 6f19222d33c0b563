"""A stage of its own for what builds: what is copied out of it, and what the final one installs."""

from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.plan import Edit, make_plan
from pyimginspect.plan.operations import BuildStage
from tests.images import Content, File, Link, Package, dist_info, elf
from tests.inventories import apt, on_slim, taken
from tests.pythons import cpython

MB = b"x" * 1_000_000
LIBRARY = "usr/local/lib/python3.13"
SITE = f"{LIBRARY}/site-packages"
VENV_SITE = "opt/venv/lib/python3.13/site-packages"
OPT_SITE = "opt/python/lib/python3.12/site-packages"
Layer = Mapping[str, Content]

GCC: dict[str, Package] = {
    "gcc": {
        "files": {"usr/bin/gcc": File(MB, mode=0o755), "usr/share/gcc/printers.py": "#"},
        "Depends": "libpq-dev",
    },
    "libpq-dev": {"Depends": "libpq5", "files": {"usr/include/libpq-fe.h": "h" * 5000}},
    "libpq5": {"files": {"usr/lib/libpq.so.5": elf(soname="libpq.so.5")}},
    "curl": {"Depends": "libcurl4", "files": {"usr/bin/curl": File("c", mode=0o755)}},
    "libcurl4": {"files": {"usr/lib/libcurl.so.4": elf(soname="libcurl.so.4")}},
}
TOOLS: Layer = {
    **apt(GCC, manual=["gcc", "curl"]),
    # What maintainer scripts make: bytecode of a package's module, and an alternative.
    "usr/share/gcc/__pycache__/printers.cpython-311.pyc": "c" * 999,
    "usr/bin/cc": Link("/etc/alternatives/cc"),
}
PYVENV: Layer = {
    "opt/venv/pyvenv.cfg": "home = /usr/local/bin\nversion = 3.13.1\n"
    "include-system-site-packages = false\n",
    "opt/venv/bin/python": Link("/usr/local/bin/python3.13"),
    f"{VENV_SITE}/first.py": "#",
}
INSTALL = "RUN apt-get install -y gcc curl"


def proposed(below: Layer, tools: Layer, made: Layer, install: str = INSTALL) -> Edit:
    """The edit for tools of layer 5 that layer 6 builds with, run by one who cannot install."""
    history = ["COPY a /", install, "USER app", "RUN make install"]
    plan = make_plan(taken(on_slim(below, tools, made, history=history)))
    (edit,) = (each for each in plan.edits if each.kind in ("builder-stage", "advice"))
    return edit


def stage_of(edit: Edit) -> BuildStage:
    (stage,) = edit.operations
    assert isinstance(stage, BuildStage)
    return stage


@pytest.mark.parametrize(
    ("below", "tools", "made", "copies"),
    [
        # An environment is copied whole, though its directories were there before.
        (PYVENV, {}, {f"{VENV_SITE}/a/x.py": "#"}, ["/opt/venv"]),
        ({"x": "x"}, {}, PYVENV, ["/opt/venv"]),
        # What the RUN of the tools makes itself is copied, too.
        ({"x": "x"}, {"srv/src/x": "x"}, PYVENV, ["/opt/venv", "/srv/src"]),
        # The highest directory with nothing of the layers below in it, though each layer that
        # changes something in a directory has an entry for it.
        ({"opt/app/x": "x"}, {}, {"opt/app/": None, "opt/app/a/b/x": "x"}, ["/opt/app/a"]),
        ({"srv/app/": None, "x": "x"}, {}, {"srv/app/": None, "srv/app/x": "x"}, ["/srv/app"]),
        ({"x": "x"}, {"opt/app/a/x": "x"}, {"opt/app/a/b/x": "x"}, ["/opt/app"]),
        # Caches, the packages' own files and what maintainer scripts made of them stay behind.
        ({"x": "x"}, {}, {**PYVENV, "root/.cache/pip/x": "x" * 9000}, ["/opt/venv"]),
        ({"x": "x"}, {}, {**PYVENV, "usr/bin/gcc": File("new", mode=0o755)}, ["/opt/venv"]),
        # So does bytecode of the base's library.
        (
            {"x": "x"},
            {},
            {**PYVENV, f"{LIBRARY}/__pycache__/os.cpython-313.pyc": "c"},
            ["/opt/venv"],
        ),
        # Of a Python outside /usr/local no directory that was there before is copied.
        (
            cpython("opt/python", "3.12.4"),
            {},
            dist_info("a", "1", {"a/x.py": "#"}, site=OPT_SITE),
            [f"/{OPT_SITE}/a", f"/{OPT_SITE}/a-1.dist-info"],
        ),
    ],
)
def test_what_the_build_makes_is_copied(
    below: Layer, tools: Layer, made: Layer, copies: Sequence[str]
) -> None:
    stage = stage_of(proposed(below, {**TOOLS, **tools}, made))
    assert [each.source for each in stage.copies] == copies
    assert (stage.first, stage.last) == (5, 6)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("usr/share/empty/", None),
        ("usr/local/share/empty/", None),
        ("usr/lib/libpq.so", Link("libpq.so.5")),
        ("usr/bin/c99", Link("/usr/bin/gcc")),
        ("usr/bin/dangling", Link("/nowhere")),
        ("usr/bin/python-of-mine", Link("/etc/alternatives/mine")),
        ("etc/alternatives/mine", Link("/opt/venv/bin/python")),
        ("tmp/x", "x"),
        # Bytecode of modules that were there before.
        ("__pycache__/top.cpython-313.pyc", "c"),
        ("srv/__pycache__/low.cpython-313.pyc", "c"),
    ],
)
def test_traces_of_packages_and_of_running_python_stay_behind(path: str, content: Content) -> None:
    below: Layer = {"top.py": "#", "srv/low.py": "#", "srv/x": "x"}
    tools = {**TOOLS, "etc/alternatives/mine": Link("/opt/venv/bin/python")}
    for layers in ((tools, {**PYVENV, path: content}), ({**tools, path: content}, PYVENV)):
        stage = stage_of(proposed(below, *layers))
        assert [each.source for each in stage.copies] == ["/opt/venv"]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("usr/bin/mine", Link("/opt/venv/bin/python")),
        ("usr/bin/mine", Link("../../opt/venv/bin/python")),
        ("usr/local/bin/mine", Link("/usr/bin/gcc")),
        ("opt/mine", Link("/nowhere")),
        ("srv/other", "x"),
        ("srv/__pycache__/other.cpython-313.pyc", "c"),
        ("srv/__pycache__/low.cpython-313.txt", "c"),
    ],
)
def test_what_somebody_made_does_not(path: str, content: Content) -> None:
    below: Layer = {"srv/low.py": "#", "srv/x": "x", "srv/__pycache__/low.cpython-312.pyc": "c"}
    edit = proposed(below, TOOLS, {**PYVENV, path: content})
    assert edit.reason.endswith(f"layer 6 makes /{path}, no unit to copy")


def test_bytecode_of_what_the_build_changed_is_copied_with_it() -> None:
    below: Layer = {"srv/low.py": "#", "srv/x": "x"}
    made = {**PYVENV, "srv/low.py": "# new", "srv/__pycache__/low.cpython-313.pyc": "c"}
    edit = proposed(below, TOOLS, made)
    assert edit.reason.endswith("layer 6 makes /srv/low.py, no unit to copy")


def test_an_empty_directory_that_the_build_makes_is_copied() -> None:
    stage = stage_of(proposed({"x": "x"}, TOOLS, {"srv/": None, "srv/app/": None}))
    assert [each.source for each in stage.copies] == ["/srv/app"]


def test_a_file_beside_those_of_a_lower_layer_is_no_unit() -> None:
    """To copy their directory would store them once more."""
    edit = proposed({"app/x": MB}, TOOLS, {"app/": None, "app/made.so": "x"})
    assert (edit.kind, edit.operations) == ("advice", ())
    assert edit.reason.endswith("layer 6 makes /app/made.so, no unit to copy")


def test_a_script_outside_of_usr_local_is_no_unit() -> None:
    files = {"a/x.py": "#", "../../../bin/a": "#!/opt/python/bin/python3.12\n"}
    made = {
        path.replace("lib/python3.12/site-packages/../../../", ""): content
        for path, content in dist_info("a", "1", files, site=OPT_SITE).items()
    }
    edit = proposed(cpython("opt/python", "3.12.4"), TOOLS, made)
    assert (edit.kind, edit.operations) == ("advice", ())
    assert edit.reason.endswith("layer 6 makes /opt/python/bin/a, no unit to copy")


EXTENSION: Layer = {f"{VENV_SITE}/pq.so": elf(needed=["libpq.so.5"])}


@pytest.mark.parametrize(
    ("made", "kept", "them"),
    [
        # Somebody asked for curl, and an extension loads libpq.
        ({**PYVENV, **EXTENSION}, "curl libpq5", "them"),
        (PYVENV, "curl", "it"),
    ],
)
def test_the_final_stage_installs_what_stays_of_the_packages(
    made: Layer, kept: str, them: str
) -> None:
    edit = proposed({"x": "x"}, TOOLS, made)
    assert edit.words == (
        "build in a stage of its own (layers 5 to 6), install gcc there alone, and copy the"
        f" result; install {kept} in the final stage: files that stay need {them}"
    )
    assert stage_of(edit).install == (
        "apt-get update",
        f"apt-get install -y --no-install-recommends {kept}",
        "rm -rf /var/lib/apt/lists/*",
    )


def test_the_final_stage_installs_nothing_where_only_tools_came() -> None:
    only: dict[str, Package] = {"gcc": {"files": {"usr/bin/gcc": File(MB, mode=0o755)}}}
    other: dict[str, Package] = {"less": {"files": {"usr/bin/less": File("l", mode=0o755)}}}
    below = apt(other, manual=["less"])
    tools = apt(only, manual=["gcc"], below=other)
    edit = proposed(below, tools, PYVENV, install="RUN apt-get install -y gcc")
    assert stage_of(edit).install == ()
    assert edit.words.endswith("and copy the result")


def test_what_came_with_the_tools_of_the_first_layer_stays_behind() -> None:
    history = ["RUN apt-get install -y gcc", "USER app", "RUN make install"]
    (edit,) = make_plan(taken(on_slim(TOOLS, PYVENV, history=history))).edits
    assert [each.source for each in stage_of(edit).copies] == ["/opt/venv"]


# --- bytes ----------------------------------------------------------------------------------------
def test_what_is_made_and_removed_within_the_stage_stays_there() -> None:
    sizes = {"tools": 2_000_000, "before": 30_000_000, "own": 400_000, "later": 50_000}
    big = {name: File(b"x" * size) for name, size in sizes.items()}
    tools = {**TOOLS, "srv/tools": big["tools"]}
    first = {**PYVENV, "srv/own": big["own"], "srv/later": big["later"], "srv/.wh.before": ""}
    second: Layer = {
        **dist_info("b", "1", {"b.py": "#"}, site=VENV_SITE, tags=["cp313-cp313-linux_x86_64"]),
        "srv/.wh.tools": "",
        "srv/.wh.own": "",
    }
    history = ["COPY a /", INSTALL, "USER app", "RUN make install", "RUN pip install b", "RUN rm x"]
    last: Layer = {"srv/.wh.later": ""}
    below: Layer = {"srv/before": big["before"], "srv/x": "x"}
    plain = proposed({"srv/x": "x"}, TOOLS, PYVENV)
    plan = make_plan(taken(on_slim(below, tools, first, second, last, history=history)))
    (edit,) = (each for each in plan.edits if each.kind == "builder-stage")
    assert (edit.layer, edit.others) == (5, (6, 7))
    assert edit.saving - plain.saving == sizes["tools"] + sizes["own"]


def test_bytecode_of_the_base_stays_in_the_stage() -> None:
    compiled: Layer = {f"{LIBRARY}/__pycache__/os.cpython-313.pyc": "c" * 7000}
    plain = proposed({"x": "x"}, TOOLS, PYVENV)
    edit = proposed({"x": "x"}, TOOLS, {**PYVENV, **compiled})
    assert plain.saving >= 1_000_000
    assert edit.saving - plain.saving == 7000


# --- site-packages that are copied whole ----------------------------------------------------------
def test_the_copy_has_nothing_of_what_the_base_has_in_it() -> None:
    """pip takes them out in the stage, itself last: not what has been changed since.

    Nor what has no RECORD, of which pip says that it cannot be uninstalled.
    """
    below = dict(dist_info("unknown", "1", site=SITE, record=False))
    for name in ("flask", "wheel", "changed"):
        below |= dist_info(name, "1", {f"{name}.py": "#", f"{name}_more.py": "#"}, site=SITE)
    tools = {**TOOLS, **dist_info("early", "1", site=SITE), f"{SITE}/changed.py": "# changed"}
    made = dist_info("late", "1", site=SITE)
    stage = stage_of(proposed(below, tools, made))
    assert [each.source for each in stage.copies] == [f"/{SITE}"]
    assert stage.finish == ("/usr/local/bin/python3.13 -m pip uninstall -y flask wheel pip",)
