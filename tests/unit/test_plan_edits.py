"""The kinds of edits, one by one: when each is proposed, what it saves, how it is carried out."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pyimginspect.analyzers import os_python_binding
from pyimginspect.plan import Edit, Plan, make_plan, reconstruct
from pyimginspect.plan.lists import CLEAN
from pyimginspect.plan.operations import AppendCommand, InsertCommand, ReplaceBase
from tests.images import (
    BASE_PACKAGES,
    Content,
    File,
    Link,
    Package,
    debian_base,
    debian_python_packages,
    dist_info,
    elf,
    image,
    official_env,
    official_python,
)
from tests.inventories import OFFICIAL_STEPS, apt, on_slim, steps, taken

MB = b"x" * 1_000_000
SITE = "usr/local/lib/python3.13/site-packages"
VENV = "opt/venv/lib/python3.13/site-packages"


def planned(*layers: Mapping[str, Content], history: Sequence[Any]) -> tuple[Plan, str]:
    inventory = taken(on_slim(*layers, history=history))
    plan = make_plan(inventory)
    return plan, reconstruct(inventory, plan)


def of_kind(plan: Plan, kind: str) -> Edit:
    (edit,) = (edit for edit in plan.edits if edit.kind == kind)
    return edit


# --- Python ---------------------------------------------------------------------------------------
YAML: dict[str, Package] = {
    **debian_python_packages("3.11.2"),
    "python3-yaml": {
        "Depends": "python3, libyaml-0-2",
        "files": {
            "usr/lib/python3/dist-packages/yaml/__init__.py": "# yaml\n",
            "usr/lib/python3/dist-packages/PyYAML-6.0.dist-info/METADATA": (
                "Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0\n"
            ),
        },
    },
    "libyaml-0-2": {
        "files": {"usr/lib/x86_64-linux-gnu/libyaml-0.so.2": elf(soname="libyaml-0.so.2")}
    },
}
YAML_LAYER = {
    **apt(YAML, manual=["python3-yaml"]),
    "usr/lib/python3/dist-packages/yaml/__pycache__/__init__.cpython-311.pyc": "c" * 999,
}


def test_bindings_from_apt_go_with_the_python_that_they_brought() -> None:
    lines = ["RUN apt-get update && apt-get install -y python3-yaml libfoo"]
    inventory = taken(on_slim(YAML_LAYER, history=lines))
    plan = make_plan(inventory)
    edit = of_kind(plan, "bindings")
    assert edit.packages == ("python3-yaml",)
    assert edit.estimated, "what pip installs weighs something too"
    owned = sum(inventory.packages[name].size for name in YAML)
    assert edit.saving > owned + 999, "bytecode that maintainer scripts compiled goes too"
    assert reconstruct(inventory, plan).endswith(
        "RUN apt-get update \\\n    && apt-get install -y libfoo \\\n"
        "    && pip install --no-cache-dir pyyaml\n"
    )


def test_a_layer_of_nothing_but_bindings_goes_altogether() -> None:
    """Where pip has the same, no RUN is left, and the layer with all its books goes."""
    wheel = dist_info("PyYAML", "6.0.3", site=SITE)
    plan, dockerfile = planned(
        YAML_LAYER, wheel, history=["RUN apt-get install -y python3-yaml", "RUN pip install PyYAML"]
    )
    edit = of_kind(plan, "bindings")
    assert (edit.command, edit.estimated) == ("", False)
    assert edit.words.endswith("pip has installed the same already")
    inventory = taken(
        on_slim(
            YAML_LAYER,
            wheel,
            history=["RUN apt-get install -y python3-yaml", "RUN pip install PyYAML"],
        )
    )
    assert edit.saving == inventory.ledger.layers[4].stored
    assert "apt-get" not in dockerfile


@pytest.mark.parametrize(
    ("started", "site", "asks"),
    [
        ("/usr/local/bin/python3.13", SITE, ""),
        ("/usr/local/bin/python3.13", VENV, "pyyaml"),
        ("/opt/venv/bin/python", VENV, ""),
        ("/opt/venv/bin/python", SITE, "pyyaml"),
    ],
)
def test_only_what_the_started_python_imports_replaces_a_binding(
    started: str, site: str, asks: str
) -> None:
    """The edit of the plan and the fix of the finding say the same."""
    environment: dict[str, Content] = {
        "opt/venv/pyvenv.cfg": "home = /usr/local/bin\nversion = 3.13.1\n"
        "include-system-site-packages = false\n",
        "opt/venv/bin/python": Link("/usr/local/bin/python3.13"),
    }
    one = on_slim(
        YAML_LAYER,
        {**environment, **dist_info("PyYAML", "6.0.3", site=site)},
        history=[
            "RUN apt-get install -y python3-yaml",
            "COPY / /",
            f'CMD ["{started}", "-m", "a"]',
        ],
        cmd=[started, "-m", "a"],
    )
    inventory = taken(one)
    edit = of_kind(make_plan(inventory), "bindings")
    pip = started.replace("python", "pip") if "venv" in started else "pip"
    assert edit.command == (f"{pip} install --no-cache-dir {asks}" if asks else "")
    (finding,) = os_python_binding.ANALYZER.run(inventory)
    assert finding.fix.startswith(
        "pip install pyyaml in place of python3-yaml"
        if asks
        else "drop python3-yaml from the apt-get line"
    )


def test_a_library_that_pip_s_extension_needs_is_asked_for_in_their_place() -> None:
    wheel = {
        **dist_info("PyYAML", "6.0.3", site=SITE),
        f"{SITE}/yaml/_yaml.so": elf(needed=["libyaml-0.so.2"]),
    }
    plan, dockerfile = planned(
        YAML_LAYER, wheel, history=["RUN apt-get install -y python3-yaml", "RUN pip install PyYAML"]
    )
    assert of_kind(plan, "bindings").keep == ("libyaml-0-2",)
    assert "RUN apt-get install -y libyaml-0-2\n" in dockerfile


@pytest.mark.parametrize(
    ("between", "layer"),
    [
        ([], 6),
        (["USER app"], 4),  # whose packages root does not see
    ],
)
def test_a_package_from_pypi_is_installed_beside_others_for_the_same_python(
    between: Sequence[str], layer: int
) -> None:
    environment: dict[str, Content] = {
        "opt/venv/pyvenv.cfg": "home = /usr/local/bin\nversion = 3.13.1\n"
        "include-system-site-packages = false\n",
        "opt/venv/bin/python": Link("/usr/local/bin/python3.13"),
        **dist_info("black", "1", site=VENV),
    }
    history = [
        "RUN apt-get install -y python3-yaml libfoo",
        "RUN /opt/venv/bin/pip install black",
        *between,
        "RUN pip install flask",
    ]
    plan, _ = planned(YAML_LAYER, environment, dist_info("flask", "3", site=SITE), history=history)
    (append,) = (op for op in of_kind(plan, "bindings").operations if isinstance(op, AppendCommand))
    assert append == AppendCommand(layer=layer, command="pip install --no-cache-dir pyyaml")


def test_build_tools_from_pypi_are_taken_out_of_a_copied_environment() -> None:
    environment: dict[str, Content] = {
        "opt/venv/pyvenv.cfg": "home = /usr/local/bin\nversion = 3.13.1\n"
        "include-system-site-packages = false\n",
        "opt/venv/bin/python": Link("/usr/local/bin/python3.13"),
        **dist_info("pip", "25.0", site=VENV),
        **dist_info("cmake", "4.2.0", site=VENV, files={"cmake/data.bin": MB}),
        **dist_info("flask", "3.1.0", site=VENV),
    }
    plan, _ = planned(environment, history=["COPY /opt/venv /opt/venv # buildkit"])
    edit = of_kind(plan, "environment")
    assert edit.command == "/opt/venv/bin/python -m pip uninstall -y cmake"
    assert edit.saving > 1_000_000


FULL: dict[str, Package] = {
    "gcc": {"files": {"usr/bin/gcc": File(MB, mode=0o755)}},
    "git": {"files": {"usr/bin/git": File(MB, mode=0o755)}},
}


def test_the_full_variant_is_replaced_by_the_slim_one() -> None:
    one = image(
        [debian_base(slim=False), apt(FULL, manual=[*FULL]), official_python("3.13.1"), {}, {}],
        history=[*OFFICIAL_STEPS, *steps("COPY app /app # buildkit")],
        env=official_env("3.13.1"),
    )
    inventory = taken(one)
    plan = make_plan(inventory)
    edit = of_kind(plan, "base")
    assert (edit.command, edit.estimated) == ("FROM python:3.13-slim-bookworm", True)
    assert edit.saving > 2_000_000
    dockerfile = reconstruct(inventory, plan)
    mark = "# pyimginspect: fixes base-not-official-slim"
    assert f"\n{mark}\nFROM python:3.13-slim-bookworm\nCOPY app /app\n" in dockerfile


@pytest.mark.parametrize(("padding", "adds"), [(0, 0), (20_000_000, 6_200_000)])
def test_a_slim_python_is_stripped(padding: int, adds: int) -> None:
    """Its build gives the linker ``--strip-all``; that of the full variant does not."""
    python = official_python("3.13.1", padding=padding)
    one = image(
        [debian_base(slim=False), apt(FULL, manual=[*FULL]), python, {}, {}],
        history=[*OFFICIAL_STEPS, *steps("COPY app /app # buildkit")],
        env=official_env("3.13.1"),
    )
    edit = of_kind(make_plan(taken(one)), "base")
    assert edit.adds == pytest.approx(adds, rel=0.01)
    assert (edit.saving > 20_000_000) == bool(padding)


@pytest.mark.parametrize(
    ("own", "install"),
    [
        ([], ""),  # the base's Python loads libssl, for which the slim variant has it too
        (["libxml2.so.2"], "libxml2"),
        (["libxml2.so.2", "libssl.so.3", "libapt.so.6", "libz.so.1"], "libssl3 libxml2"),
    ],
)
def test_libraries_of_the_full_variant_that_the_application_loads(
    own: list[str], install: str
) -> None:
    def library(name: str) -> Package:
        return {"files": {f"usr/lib/{name}": elf(soname=name)}}

    system: dict[str, Package] = {
        **BASE_PACKAGES,
        "libapt6": {**library("libapt.so.6"), "Recommends": "libxml2", "Depends": "zlib1g"},
    }
    full: dict[str, Package] = {
        **FULL,
        "libxml2": library("libxml2.so.2"),
        "libssl3": library("libssl.so.3"),
        "zlib1g": library("libz.so.1"),
    }
    python: dict[str, Content] = {
        **official_python("3.13.1"),
        "usr/local/lib/python3.13/lib-dynload/_ssl.so": elf(needed=["libssl.so.3", "libc.so.6"]),
    }
    base = {**debian_base(slim=False), **apt(system)}
    program = {"usr/local/bin/own": File(elf(needed=[*own, "libc.so.6"]), mode=0o755)}
    one = image(
        [base, apt(full, manual=[*FULL], below=system), python, {}, program],
        history=[*OFFICIAL_STEPS, *steps("RUN curl -o /usr/local/bin/own https://example.org")],
        env=official_env("3.13.1"),
    )
    (replaced, *inserted) = of_kind(make_plan(taken(one)), "base").operations
    assert replaced == ReplaceBase(image="python:3.13-slim-bookworm")
    command = f"apt-get update && apt-get install -y --no-install-recommends {install} && {CLEAN}"
    assert inserted == ([InsertCommand(layer=4, after=(), command=command)] if install else [])


def test_what_a_slim_image_has_of_itself_is_not_saved() -> None:
    packages: dict[str, Package] = {
        **FULL,
        "ca-certificates": {"Depends": "openssl"},
        "openssl": {"files": {"usr/bin/openssl": File(MB, mode=0o755)}},
    }
    layers = [debian_base(slim=False), apt(packages, manual=[*FULL]), official_python("3.13.1")]
    history = [*OFFICIAL_STEPS, *steps("COPY app /app # buildkit")]
    one = image([*layers, {}, {}], history=history, env=official_env("3.13.1"))
    assert 2_000_000 < of_kind(make_plan(taken(one)), "base").saving < 2_500_000


# --- packages -------------------------------------------------------------------------------------
def test_recommended_packages_are_not_installed() -> None:
    packages: dict[str, Package] = {
        "curl": {"Recommends": "extra"},
        "extra": {"files": {"usr/share/extra": File(MB)}},
    }
    plan, dockerfile = planned(
        apt(packages, manual=["curl"]), history=["RUN apt-get install -y curl"]
    )
    edit = of_kind(plan, "no-recommends")
    assert edit.packages == ("extra",)
    assert edit.saving > 1_000_000
    assert "RUN apt-get install -y --no-install-recommends curl\n" in dockerfile


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("tool", "layer 5 calls tool, which would not be there"),  # a link to what goes
        ("both", None),  # which another package has, too
        ("tool-2", "layer 5 calls tool-2, which would not be there"),
    ],
)
def test_links_of_a_package_go_with_it(call: str, reason: str | None) -> None:
    both = {"usr/bin/both": File("#!/bin/sh\n", mode=0o755)}
    packages: dict[str, Package] = {
        "less": {"files": both},
        "gcc": {
            "files": {
                "usr/bin/gcc": File(MB, mode=0o755),
                "usr/bin/tool-2": File("#!/bin/sh\n", mode=0o755),
                "usr/bin/tool": Link("tool-2"),
                **both,
            }
        },
    }
    history = ["RUN apt-get install -y gcc less", f"RUN {call}"]
    plan, _ = planned(apt(packages, manual=["gcc", "less"]), {"app/x": "x"}, history=history)
    refused = [each.reason for each in plan.not_offered]
    assert refused == ([] if reason is None else [reason])
    assert [each.kind for each in plan.edits] == (["leave-out"] if reason is None else [])


def test_what_a_package_generates_goes_with_it() -> None:
    """Maintainer scripts made it, and nobody owns it; what another package has there stays."""
    packages: dict[str, Package] = {
        "curl": {"Recommends": "shared-mime-info"},
        "shared-mime-info": {"files": {"usr/share/mime/packages/a.xml": File(MB)}},
        "other": {"files": {"usr/share/mime/packages/b.xml": File(MB)}},
    }
    layer = {**apt(packages, manual=["curl", "other"]), "usr/share/mime/mime.cache": File(MB)}
    plan, _ = planned(layer, history=["RUN apt-get install -y curl other"])
    assert 2_000_000 < of_kind(plan, "no-recommends").saving < 2_100_000


def _alpine(*layers: Mapping[str, Content], history: Sequence[str]) -> tuple[Plan, str]:
    base: Mapping[str, Content] = {
        "etc/alpine-release": "3.22.1\n",
        "etc/os-release": "ID=alpine\nVERSION_ID=3.22.1\n",
    }
    lines = ["ADD alpine-minirootfs-3.22.1-x86_64.tar.gz / # buildkit", *history]
    inventory = taken(image([base, *layers], history=steps(*lines)))
    plan = make_plan(inventory)
    return plan, reconstruct(inventory, plan)


DEPS: Mapping[str, Content] = {
    "lib/apk/db/installed": (
        "P:.build-deps\nV:1\nA:noarch\nT:virtual meta package\nD:gcc\n\n"
        "P:gcc\nV:14\nA:x86_64\nF:usr/bin\nR:gcc\n\n"
    ),
    "etc/apk/world": ".build-deps=1\n",
    "usr/bin/gcc": File(MB, mode=0o755),
}


def test_a_virtual_package_is_deleted_where_it_was_added() -> None:
    plan, dockerfile = _alpine(DEPS, history=["RUN apk add --virtual .build-deps gcc && make"])
    edit = of_kind(plan, "purge")
    assert (edit.saving, edit.rules) == (1_000_000, ("leftover-virtual-package",))
    assert dockerfile.endswith("    && make \\\n    && apk del --no-network .build-deps\n")


@pytest.mark.parametrize(
    ("command", "kind"), [("make", "purge"), ("pip install x", "purge"), ("true", "leave-out")]
)
def test_what_apk_deletes_where_it_is_used_is_added_there(command: str, kind: str) -> None:
    made: Mapping[str, Content] = {
        "lib/apk/db/installed": "P:gcc\nV:14\nA:x86_64\nF:usr/bin\nR:gcc\n\n",
        "etc/apk/world": "gcc\n",
        "usr/bin/gcc": File(MB, mode=0o755),
    }
    gone: Mapping[str, Content] = {
        "lib/apk/db/installed": "",
        "etc/apk/world": "",
        "usr/bin/.wh.gcc": "",
    }
    history = ["RUN apk add gcc", "COPY r /app/", f"RUN {command} && apk del gcc"]
    plan, dockerfile = _alpine(made, {"app/r": "r"}, gone, history=history)
    assert [edit.kind for edit in plan.edits if edit.operations] == [kind]
    added = f"RUN apk add --no-cache gcc \\\n    && {command} \\\n    && apk del gcc\n"
    assert dockerfile.endswith(added) == (kind == "purge")
    assert "RUN apk add gcc\n" not in dockerfile


def test_files_without_a_package_are_left_to_words() -> None:
    plan, _ = planned(
        {"usr/local/go/bin/go": File(MB, mode=0o755)}, history=["COPY go /usr/local/go # buildkit"]
    )
    edit = of_kind(plan, "advice")
    assert (edit.words, edit.saving) == ("do not bring /usr/local/go", 1_000_000)


# --- bytes that nobody sees -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "command", "line"),
    [
        (
            "root/.cache/pip/http/x",
            "pip install flask",
            "RUN pip install --no-cache-dir flask\n",
        ),
        ("var/cache/apk/x", "apk add curl", "RUN apk add --no-cache curl\n"),
        (
            "var/cache/dnf/x",
            "dnf install -y x",
            "RUN dnf install -y x \\\n    && dnf clean all\n",
        ),
        ("root/.cache/ccache/x", "make", "RUN make \\\n    && rm -rf /root/.cache/ccache\n"),
        (
            "root/.cache/pip/http/x",
            "for x in a; do pip install $x; done",
            "RUN for x in a; do pip install --no-cache-dir $x; done\n",
        ),
    ],
)
def test_caches_are_not_kept(path: str, command: str, line: str) -> None:
    plan, dockerfile = planned({path: File(MB)}, history=[f"RUN {command}"])
    assert of_kind(plan, "clean-cache").saving == 1_000_000
    assert line in dockerfile


def test_what_is_stored_again_is_said_in_words() -> None:
    app: dict[str, Content] = {"app/data.bin": File(MB)}
    plan, _ = planned(app, {"app/data.bin": File(MB[:-1])}, history=["COPY a /app", "COPY b /app"])
    edit = of_kind(plan, "advice")
    assert (edit.words, edit.saving, edit.layer) == (
        "store /app/data.bin once: layer 5 stores it again",
        1_000_000,
        5,
    )


def test_a_changed_owner_of_the_base_s_files_saves_the_second_copy() -> None:
    system: dict[str, Content] = {**debian_base(), "srv/data.bin": File(MB)}
    owned: dict[str, Content] = {"srv/data.bin": File(MB, uid=7)}
    inventory = taken(image([system, owned], history=steps("# debian.sh x", "RUN chown -R 7 /srv")))
    plan = make_plan(inventory)
    assert (of_kind(plan, "advice").saving, plan.layers) == (1_000_000, {1: 1_000_000})


def test_a_heredoc_stays_one() -> None:
    script = {"created_by": "RUN /bin/sh -c set -e\nmake\nmake install # buildkit"}
    _, dockerfile = planned({"app/x": "y"}, history=[script])
    assert "RUN <<'END_OF_RUN'\nset -e\nmake\nmake install\nEND_OF_RUN\n" in dockerfile


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("a\nEND_OF_RUN\nUSER root", ["RUN <<'END_OF_RUN_'", "a", "END_OF_RUN", "USER root"]),
        ("cat <<EOF", ["RUN <<'END_OF_RUN'", "cat <<EOF", "END_OF_RUN"]),
        ("echo a\\", ["RUN <<'END_OF_RUN'", "echo a\\", "END_OF_RUN"]),
        ("a; # b", ["RUN <<'END_OF_RUN'", "a; # b", "END_OF_RUN"]),
        ("a\rUSER root \x1b[2J", ["RUN a\\rUSER root \\x1b[2J"]),
        ("a\x85b\u2028c && d", ["RUN a\\x85b\\u2028c \\", "    && d"]),
    ],
)
def test_a_command_stays_in_its_instruction(command: str, lines: list[str]) -> None:
    """Whatever a history says, the step after it is still one of its own."""
    history = [{"created_by": f"RUN /bin/sh -c {command} # buildkit"}, "USER nobody"]
    _, dockerfile = planned({"app/x": "y"}, history=history)
    said = dockerfile.split("\n")
    start = said.index(lines[0])
    assert said[start : start + len(lines)] == lines
    assert said[-2:] == ["USER nobody", ""]
    assert all(line.isprintable() for line in said)


@pytest.mark.parametrize(
    ("step", "line"),
    [
        ("COPY <<EOF /x # buildkit", "# COPY <<EOF /x"),
        ("COPY a /b\\", "COPY a /b"),
        ("LABEL a=b\\ \\", "LABEL a=b"),
        ("WORKDIR /a\nUSER root", "WORKDIR /a\\nUSER root"),
        ("# comment \\\nUSER root", "# # comment \\\\nUSER root"),
    ],
)
def test_a_step_takes_none_of_the_next(step: str, line: str) -> None:
    _, dockerfile = planned({"app/x": "y"}, history=[{"created_by": step}, "USER nobody"])
    assert dockerfile.endswith(f"{line}\nUSER nobody\n")


def test_names_from_an_image_are_quoted_in_commands() -> None:
    home = "home/a; curl x | sh;"
    dev: dict[str, Package] = {"lib$(id)-dev": {"files": {"usr/include/a.h": File(MB)}}}
    plan, dockerfile = planned(
        {**apt(dev, manual=["lib$(id)-dev"]), f"{home}/.npm/_cacache/x": File(MB)},
        history=["RUN make && apt-get install -y x && npm ci"],
    )
    assert of_kind(plan, "clean-cache").command == f"rm -rf '/{home}/.npm/_cacache'"
    assert of_kind(plan, "purge").command.endswith(" 'lib$(id)-dev'")
    assert f"&& rm -rf '/{home}/.npm/_cacache'" in dockerfile


# --- words ----------------------------------------------------------------------------------------


# --- libraries of the base ------------------------------------------------------------------------
LIBPYTHON = "libpython3.13.so.1.0"
DEV: Mapping[str, Package] = {
    "gcc": {
        "files": {"usr/bin/gcc": File(b"\x7fELF" + MB, mode=0o755)},
        "Depends": "libpython3.13",
    },
    "libpython3.13": {
        "files": {f"usr/lib/x86_64-linux-gnu/{LIBPYTHON}": elf(soname=LIBPYTHON, extra=MB)}
    },
}


@pytest.mark.parametrize(
    ("before", "after", "keep"),
    [
        # The base's own stub of the ABI found the base's libpython before apt brought another.
        ({"usr/local/lib/libpython3.so": elf(needed=[LIBPYTHON])}, {}, ()),
        ({"opt/embeds": elf(needed=[LIBPYTHON])}, {}, ()),
        # What came after may have been linked to it.
        ({}, {"usr/local/lib/libnew.so": elf(needed=[LIBPYTHON])}, ("libpython3.13",)),
    ],
)
def test_what_loaded_before_a_package_came_does_not_keep_it(
    before: Mapping[str, Content], after: Mapping[str, Content], keep: tuple[str, ...]
) -> None:
    layers = [{"etc/a": "b", **before}, apt(DEV, manual=["gcc"]), {"etc/c": "d", **after}]
    history = ["COPY a /", "RUN apt-get install -y gcc", "COPY b /"]
    plan, _ = planned(*layers, history=history)
    edit = of_kind(plan, "leave-out")
    assert edit.packages == ("gcc",)
    assert edit.keep == keep
    assert edit.saving > (1_000_000 if keep else 2_000_000)


def test_a_library_that_only_the_package_has_is_kept() -> None:
    """Copied before apt ran, the program never loaded without it."""
    program: dict[str, Content] = {"opt/program": elf(needed=["libfoo.so.1"])}
    plan, _ = planned(
        program, apt(FOO, manual=["gcc"]), history=["COPY a /", "RUN apt-get install -y gcc"]
    )
    assert of_kind(plan, "leave-out").keep == ("libfoo1",)


FOO: Mapping[str, Package] = {
    "gcc": {"files": {"usr/bin/gcc": File(b"\x7fELF" + MB, mode=0o755)}, "Depends": "libfoo1"},
    "libfoo1": {"files": {"usr/lib/x86_64-linux-gnu/libfoo.so.1": elf(soname="libfoo.so.1")}},
}


def test_a_library_that_a_build_tool_needs_too_goes_with_both() -> None:
    library = elf(soname="libyaml-0.so.2", extra=MB)
    packages: dict[str, Package] = {
        **YAML,
        "libyaml-0-2": {"files": {"usr/lib/x86_64-linux-gnu/libyaml-0.so.2": library}},
        "gcc": {"Depends": "libyaml-0-2", "files": {"usr/bin/gcc": File(MB, mode=0o755)}},
    }
    plan, _ = planned(
        apt(packages, manual=["python3-yaml", "gcc"]),
        history=["RUN apt-get install -y python3-yaml gcc"],
    )
    assert 1_000_000 < of_kind(plan, "bindings").saving < 1_100_000


def test_a_build_tool_that_somebody_asked_for_stays_without_the_binding_that_needs_it() -> None:
    """apt installs it all the same, by its name: the edit does not save it."""
    packages: dict[str, Package] = {
        **YAML,
        "python3-yaml": {**YAML["python3-yaml"], "Depends": "python3, libyaml-0-2, gcc"},
        "gcc": {"files": {"usr/bin/gcc": File(MB, mode=0o755)}},
    }
    plan, _ = planned(
        apt(packages, manual=["python3-yaml", "gcc"]),
        history=["RUN apt-get install -y python3-yaml gcc"],
    )
    assert 0 < of_kind(plan, "bindings").saving < 100_000


def test_one_binding_that_pip_has_installed_already_is_reason_enough() -> None:
    """In the place of wheel nothing is installed: no application asks for it."""
    wheel: dict[str, Package] = {
        "python3-wheel": {
            "Depends": "python3",
            "files": {
                "usr/lib/python3/dist-packages/wheel/__init__.py": "#",
                "usr/lib/python3/dist-packages/wheel-0.38.4.dist-info/METADATA": (
                    "Metadata-Version: 2.1\nName: wheel\nVersion: 0.38.4\n"
                ),
            },
        }
    }
    plan, _ = planned(
        apt({**YAML, **wheel}, manual=["python3-wheel", "python3-yaml"]),
        dist_info("PyYAML", "6.0.3", site=SITE),
        history=["RUN apt-get install -y python3-wheel python3-yaml", "RUN pip install PyYAML"],
    )
    assert of_kind(plan, "bindings").words == (
        "do not install python3-wheel python3-yaml: pip has installed the same already"
    )


ENVIRONMENT: Mapping[str, Content] = {
    "opt/venv/pyvenv.cfg": "home = /usr/local/bin\nversion = 3.13.1\n"
    "include-system-site-packages = false\n",
    "opt/venv/bin/python": Link("/usr/local/bin/python3.13"),
    **dist_info("flask", "3", site=VENV),
}
ENVIRONMENTS_PIP: Mapping[str, Content] = {"opt/venv/bin/pip": File("#!/bin/sh\n", mode=0o755)}


@pytest.mark.parametrize(
    ("layers", "history", "layer"),
    [
        (
            [YAML_LAYER, {**ENVIRONMENT, **ENVIRONMENTS_PIP}],
            ["RUN apt-get install -y python3-yaml", "RUN python -m venv /opt/venv"],
            5,
        ),
        (
            [{**ENVIRONMENT, **ENVIRONMENTS_PIP}, YAML_LAYER],
            ["RUN python -m venv /opt/venv", "RUN apt-get install -y python3-yaml"],
            5,
        ),
        # Where it is copied, or has no pip, nothing can be installed.
        (
            [YAML_LAYER, {**ENVIRONMENT, **ENVIRONMENTS_PIP}],
            ["RUN apt-get install -y python3-yaml", "COPY venv /opt/venv"],
            None,
        ),
        (
            [YAML_LAYER, ENVIRONMENT],
            ["RUN apt-get install -y python3-yaml", "RUN uv venv /opt/venv"],
            None,
        ),
    ],
)
def test_a_package_for_an_environment_is_installed_once_that_is_there(
    layers: Sequence[Mapping[str, Content]], history: Sequence[str], layer: int | None
) -> None:
    started = "/opt/venv/bin/python"
    one = on_slim(*layers, history=[*history, f'CMD ["{started}"]'], cmd=[started, "-m", "flask"])
    edit = of_kind(make_plan(taken(one)), "bindings")
    assert edit.command == "/opt/venv/bin/pip install --no-cache-dir pyyaml"
    appended = [op for op in edit.operations if isinstance(op, AppendCommand)]
    assert appended == ([] if layer is None else [AppendCommand(layer=layer, command=edit.command)])


def test_lists_that_a_layer_of_bindings_fetched_are_fetched_by_the_next() -> None:
    wheel = dist_info("PyYAML", "6.0.3", site=SITE)
    history = [
        "RUN apt-get update && apt-get install -y python3-yaml",
        "RUN pip install PyYAML",
        "RUN apt-get install -y curl",
    ]
    plan, _ = planned(YAML_LAYER, wheel, {"usr/bin/curl": "c"}, history=history)
    fetch = InsertCommand(layer=6, after=(), command="apt-get update")
    assert fetch in of_kind(plan, "bindings").operations


def test_a_package_whose_name_on_pypi_is_not_known_stays() -> None:
    packages: dict[str, Package] = {
        **debian_python_packages("3.11.2"),
        "python3-own": {
            "Depends": "python3",
            "files": {"usr/lib/python3/dist-packages/own/__init__.py": "#"},
        },
    }
    plan, _ = planned(
        apt(packages, manual=["python3-own"]), history=["RUN apt-get install -y python3-own"]
    )
    assert not [edit for edit in plan.edits if edit.kind == "bindings"]


def test_build_tools_that_packages_bring_are_not_taken_out_by_pip() -> None:
    packages: dict[str, Package] = {
        **debian_python_packages("3.11.2"),
        "cython3": {
            "Depends": "python3",
            "files": {
                "usr/lib/python3/dist-packages/Cython-3.0.dist-info/METADATA": (
                    "Metadata-Version: 2.1\nName: Cython\nVersion: 3.0\n"
                ),
                "usr/lib/python3/dist-packages/cython.py": MB,
            },
        },
    }
    plan, _ = planned(apt(packages, manual=["cython3"]), history=["RUN apt-get install -y cython3"])
    assert not [edit for edit in plan.edits if edit.kind == "environment"]


@pytest.mark.parametrize(
    ("line", "pip", "command", "runs"),
    [
        ("RUN make", True, "/opt/venv/bin/python -m pip uninstall -y cmake", True),
        ("COPY /opt/venv /opt/venv", True, "/opt/venv/bin/python -m pip uninstall -y cmake", False),
        ("RUN make <<EOF", True, "/opt/venv/bin/python -m pip uninstall -y cmake", False),
        # The base's pip is none of the environment's.
        ("RUN make", False, "", False),
    ],
)
def test_build_tools_are_taken_out_by_the_environments_own_pip(
    line: str, pip: bool, command: str, runs: bool
) -> None:
    cmake = dist_info("cmake", "4.2.0", site=VENV, files={"cmake/data.bin": MB, "cmake/no": "x"})
    del cmake[f"{VENV}/cmake/no"]  # listed in RECORD, and not there
    seeds = dist_info("pip", "25.0", site=VENV) if pip else {}
    plan, _ = planned({**ENVIRONMENT, **seeds, **cmake}, history=[line])
    edit = of_kind(plan, "environment")
    assert edit.words == "take cmake out of /opt/venv before it is copied, or after the build"
    assert (edit.command, edit.packages, edit.layer) == (command, ("cmake",), 4)
    assert edit.operations == ((AppendCommand(layer=4, command=command),) if runs else ())
    assert edit.reason == "look whether the application calls any of them"
