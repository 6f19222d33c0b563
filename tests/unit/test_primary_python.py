"""Which Python an image is about: one decision, which finding, plan and report share."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pyimginspect.analyzers import duplicate_python
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.primary_python import (
    marked_interpreters,
    needed_packages,
    primary_python,
)
from pyimginspect.inventory.derived.replaceable import replaceable_bindings
from pyimginspect.inventory.derived.runtime_python import runtime_python, started_in
from pyimginspect.plan import make_plan, reconstruct
from pyimginspect.report import Finding
from tests.images import (
    BASE_PACKAGES,
    File,
    Link,
    Package,
    debian_base,
    dist_info,
    dpkg_status,
    official_env,
    official_python,
)
from tests.pythons import cpython, executable, inventory, venv
from tests.trees import debian_python
from tests.unit.rules.primary import STEPS, Tree, image

LOCAL, USR = "usr/local/bin/python3.13", "usr/bin/python3.11"


OPT = "opt/py/bin/python3.12"


def program(name: str, *, project: str = "") -> dict[str, Package]:
    """A package of Debian's that is written in Python: `supervisor`, `pipx`."""
    site = "usr/lib/python3/dist-packages"
    return {
        name: {
            "Depends": "python3",
            "files": {
                f"usr/bin/{name}d": File("#!/usr/bin/python3\n", mode=0o755),
                f"{site}/{name}/__init__.py": "",
                f"{site}/{name}-4.2.egg-info/PKG-INFO": (
                    f"Metadata-Version: 2.1\nName: {project or name}\nVersion: 4.2\n"
                ),
            },
        }
    }


def apt(name: str) -> Tree:
    return debian_python("3.11.2", more=program(name), manual=[name])


def duplicates(found: Inventory) -> list[Finding]:
    return list(duplicate_python.ANALYZER.run(found))


APP = dist_info("flask", "3.0")


IN_VENV = {
    **venv("opt/venv", "/usr/local/bin"),
    **dist_info("flask", "3.0", site="opt/venv/lib/python3.13/site-packages"),
}


OF_DEBIAN = dist_info("flask", "3.0", site="usr/local/lib/python3.11/dist-packages")


PIPX = {
    **venv("root/venvs/cowsay", "/usr/bin", version="3.11.2", program=Link("/usr/bin/python3")),
    **dist_info("cowsay", "6.1", site="root/venvs/cowsay/lib/python3.11/site-packages"),
    "root/venvs/cowsay/bin/cowsay": File("#!/root/venvs/cowsay/bin/python\n", mode=0o755),
}


UNDECIDED = {
    "entry.sh": File('#!/bin/sh\n[ "$A" ] && exec /usr/bin/python3\nexec python3\n', mode=0o755)
}


DECIDED = {"entry.sh": File("#!/bin/sh\nexec /usr/bin/python3 -V\n", mode=0o755)}


@pytest.mark.parametrize(
    ("trees", "config", "path"),
    [
        ((), {"cmd": ["python3"]}, LOCAL),
        ((apt("supervisor"), APP), {"cmd": ["supervisord"]}, LOCAL),
        ((apt("supervisor"),), {"cmd": ["supervisord"]}, LOCAL),
        ((apt("supervisor"), IN_VENV), {"cmd": ["/usr/bin/supervisord", "-n"]}, LOCAL),
        ((apt("supervisor"), OF_DEBIAN), {"cmd": ["supervisord"]}, LOCAL),
        ((apt("supervisor"), APP), {"cmd": ["nginx"]}, LOCAL),
        ((apt("supervisor"),), {"cmd": ["nginx"]}, LOCAL),
        ((apt("pipx"), PIPX), {"cmd": ["/root/venvs/cowsay/bin/cowsay"]}, USR),
        ((apt("pipx"), PIPX, APP), {"cmd": ["/root/venvs/cowsay/bin/cowsay"]}, LOCAL),
        ((debian_python("3.11.2"),), {"cmd": ["/usr/bin/python3", "-V"]}, USR),
        ((debian_python("3.11.2"), APP), {"cmd": ["/usr/bin/python3", "-V"]}, LOCAL),
        ((APP, debian_python("3.11.2")), {"cmd": ["/usr/bin/python3", "-V"]}, LOCAL),
        ((debian_python("3.11.2"), DECIDED), {"entrypoint": ["/entry.sh"]}, USR),
        ((debian_python("3.11.2"), UNDECIDED), {"entrypoint": ["/entry.sh"]}, LOCAL),
        ((debian_python("3.11.2"), OF_DEBIAN, UNDECIDED), {"entrypoint": ["/entry.sh"]}, LOCAL),
        ((cpython("opt/py", "3.12.1"),), {"cmd": ["/opt/py/bin/python", "-V"]}, OPT),
        ((debian_python("3.11.2"),), {"cmd": ["/gone/python"]}, LOCAL),
        ((debian_python("3.11.2"),), {}, LOCAL),
    ],
)  # fmt: skip
def test_the_python_that_an_image_is_about(
    trees: tuple[Tree, ...], config: Mapping[str, Any], path: str
) -> None:
    found = image(*trees, **config)
    primary = primary_python(found)
    assert primary is not None
    assert primary.python.path == path
    assert primary.reason
    assert [each.path for each in marked_interpreters(found) if each.primary] == [path]
    assert path not in {finding.subject for finding in duplicates(found)}
    sight = runtime_python(found)
    assert sight is None or sight.owner in (path, "opt/venv", "root/venvs/cowsay")


@pytest.mark.parametrize(
    ("trees", "path"), [((IN_VENV,), "opt/venv/bin/python"), ((), LOCAL), ((APP,), LOCAL)]
)
def test_beside_a_program_of_the_system_the_application_s_python_imports(
    trees: tuple[Tree, ...], path: str
) -> None:
    sight = runtime_python(image(apt("supervisor"), *trees, cmd=["supervisord"]))
    assert sight is not None
    assert sight.path == path


def test_where_the_program_that_starts_imports_from() -> None:
    files: Tree = {"srv/run.py": "", "work/sub/x.py": "", "other/y.py": ""}
    command = ["python3", "/srv/run.py", "sub/x.py", "y.py"]
    found = inventory(debian_base(), files, cmd=command, working_dir="/work")
    assert started_in(found) == {"work", "srv", "work/sub"}


def test_on_debian_s_own_python_a_system_program_changes_nothing() -> None:
    trees = (debian_base(), apt("supervisor"), cpython("opt/conda", "3.12.1"))
    app = dist_info("flask", "3.0", site="opt/conda/lib/python3.12/site-packages")
    found = inventory(*trees, app, cmd=["supervisord"])
    primary = primary_python(found)
    assert primary is not None
    assert (primary.python.path, primary.reason) == ("opt/conda/bin/python3.12", "it has flask")


def test_the_python_that_runs_a_system_program_is_the_application_s_where_it_has_one() -> None:
    site = "opt/conda/lib/python3.12/site-packages"
    conda = {
        **cpython("opt/conda", "3.12.1"),
        **dist_info("six", "1", site=site),
        **dist_info("attrs", "2", site=site),
    }
    trees = (debian_base(), apt("supervisor"), conda, OF_DEBIAN)
    primary = primary_python(inventory(*trees, cmd=["supervisord"]))
    assert primary is not None
    assert primary.python.path == USR


@pytest.mark.parametrize("env", [(), official_env("3.13.1")])
def test_an_official_python_is_known_by_its_variables_where_the_history_is_not(
    env: Sequence[str],
) -> None:
    site = "usr/local/lib/python3.11/dist-packages"
    trees = (debian_base(), debian_python("3.11.2"), official_python("3.13.1"))
    more = dist_info("six", "1", site=site)
    found = inventory(*trees, {**more, **OF_DEBIAN, **UNDECIDED}, entrypoint=["/e"], env=env)
    primary = primary_python(found)
    assert primary is not None
    assert (primary.python.path, primary.reason) == (
        (LOCAL, "the base image's") if env else (USR, "it has flask and 1 more")
    )


@pytest.mark.parametrize(("places", "certain"), [(["opt/py"], True), (["opt/a", "opt/b"], False)])
def test_nothing_says_which_of_two_pythons_starts(places: list[str], certain: bool) -> None:
    trees = (cpython(place, "3.12.1") for place in places)
    found = inventory(debian_base(), *trees, cmd=["/gone"])
    primary = primary_python(found)
    assert primary is not None
    assert primary.certain is certain
    assert (runtime_python(found) is not None) is certain


def test_the_packages_of_what_starts_are_needed() -> None:
    runner = {"runner": {"files": {"usr/lib/runner/bin": executable()}}}
    link = {"usr/bin/runner": Link("../lib/runner/bin")}
    tree = {**dpkg_status(runner, below=BASE_PACKAGES), **link}
    assert needed_packages(inventory(debian_base(), tree, cmd=["runner"])) == {"runner"}
    # Nothing starts: it is the Python that the image is about.
    found = inventory(debian_base(), debian_python("3.11.2"))
    assert "libpython3.11-stdlib" in needed_packages(found)
    # A program of the system runs by another Python than that one.
    found = image(apt("supervisor"), cmd=["supervisord"])
    assert "libpython3.11-stdlib" in needed_packages(found)


def test_an_image_without_python_is_about_none() -> None:
    found = inventory(debian_base())
    assert primary_python(found) is None
    assert needed_packages(found) == frozenset()


def test_supervisor_brought_a_second_python() -> None:
    steps = ["RUN apt-get install -y supervisor", "RUN pip install flask"]
    found = image(apt("supervisor"), APP, cmd=["/usr/bin/supervisord"], steps=steps)
    (finding,) = duplicates(found)
    assert finding.subject == USR
    assert finding.message == (
        "supervisor pulled in a second Python, Debian's Python 3.11.2, which runs"
        " /usr/bin/supervisord"
    )
    assert finding.saving == 0
    assert "run what starts with /usr/local/bin/python3.13" in finding.fix
    assert "supervisor" in needed_packages(found)
    assert "apt-get install -y supervisor" in reconstruct(found, make_plan(found))
    assert not [edit for edit in make_plan(found).edits if edit.kind == "bindings"]


@pytest.mark.parametrize(
    "cmd",
    [
        ("/usr/bin/python3", "-m", "supervisor"),
        ("/usr/bin/python3", "-m", "supervisor.options", "-n"),
        ("/usr/bin/python3", "/usr/bin/supervisord"),
        ("/bin/sh", "-c", "exec /usr/bin/python3 -m supervisor"),
    ],
)
def test_the_package_of_a_module_or_a_script_that_is_started_is_needed(cmd: Sequence[str]) -> None:
    found = image(apt("supervisor"), {"bin/sh": executable()}, cmd=list(cmd))
    assert "supervisor" in needed_packages(found)
    edits = make_plan(found).edits
    assert not [edit for edit in edits if "supervisor" in edit.packages]


def test_a_module_of_another_name_needs_no_package() -> None:
    found = image(apt("supervisor"), cmd=["/usr/bin/python3", "-m", "super"])
    assert "supervisor" not in needed_packages(found)


def test_what_pipx_installed_stays_until_it_is_installed_elsewhere() -> None:
    steps = ["RUN apt-get install -y pipx"]
    found = image(apt("pipx"), PIPX, cmd=["/root/venvs/cowsay/bin/cowsay"], steps=steps)
    (finding,) = duplicates(found)
    assert finding.subject == LOCAL
    assert finding.message == (
        "a second Python, Python 3.13.1 in /usr/local, is part of the base image, and the one that"
        " runs is Debian's Python 3.11.2, which pipx pulled in"
    )
    assert finding.fix == (
        "install cowsay for /usr/local/bin/python3.13 with pip and drop pipx from the apt-get line"
        " of layer 2, or start from a base image without Python and keep /usr/bin/python3.11 alone"
    )
    # pipx itself may go, for the environment was copied; the Python that it rests on stays.
    (edit,) = make_plan(found).edits
    assert edit.words == "do not install pipx"
    assert edit.keep == ("python3",)
    assert "apt-get install -y python3" in reconstruct(found, make_plan(found))


def test_no_fix_rests_on_a_guess() -> None:
    found = image(apt("supervisor"), UNDECIDED, entrypoint=["/entry.sh"])
    (finding,) = duplicates(found)
    assert "; which one runs is not known: /entry.sh decides: " in finding.message
    assert finding.fix.startswith("if /usr/local/bin/python3.13 is the one that runs, ")
    assert finding.saving == 0
    assert not make_plan(found).edits
    assert not any(each.effective for each in found.interpreters)


def test_a_python_that_something_is_installed_for_is_not_dropped_as_it_is() -> None:
    found = image(debian_python("3.11.2"), OF_DEBIAN, cmd=["python3"])
    (finding,) = duplicates(found)
    assert finding.fix.startswith("install flask for /usr/local/bin/python3.13 with pip, then drop")
    assert finding.saving == 0


def test_pip_is_never_asked_for_pip() -> None:
    more = program("python3-pip", project="pip")
    tree = debian_python("3.11.2", more=more, manual=["python3", "python3-pip"])
    steps = [STEPS[0], "RUN apt-get install -y python3 python3-pip"]
    found = inventory(debian_base(), tree, cmd=["python3"], steps=steps)
    assert "pip install" not in reconstruct(found, make_plan(found))


NO_PIP = {"usr/local/lib/python3.13/site-packages/.wh.pip-24.3.1.dist-info": ""}
SITE_OF_DEBIAN = "usr/local/lib/python3.11/dist-packages"
TWIN = dist_info("supervisor", "4.3", site=SITE_OF_DEBIAN)
UNKNOWN = debian_python(
    "3.11.2",
    more={"python3-zz": {"files": {"usr/lib/python3/dist-packages/zz.py": ""}}},
    manual=["python3-zz"],
)
BROUGHT = debian_python(
    "3.11.2", more={**program("supervisor"), "app": {"Depends": "supervisor"}}, manual=["app"]
)
INSTALL = "RUN apt-get install -y supervisor"
ALTERNATIVE = {
    "usr/bin/super": Link("/etc/alternatives/super"),
    "etc/alternatives/super": Link("/usr/bin/supervisord"),
}


@pytest.mark.parametrize(
    ("trees", "steps", "config", "replaceable"),
    [
        ((apt("supervisor"),), [], {}, True),
        # Nothing could install it; or it is installed already.
        ((apt("supervisor"), APP, NO_PIP), [], {}, False),
        ((apt("supervisor"), APP, NO_PIP, dist_info("supervisor", "4.3")), [], {}, True),
        ((apt("supervisor"), NO_PIP, dist_info("pip", "25.0", site=SITE_OF_DEBIAN)),
         [], {}, False),
        # Nobody knows by what name; nobody has asked for it.
        ((UNKNOWN,), [], {}, False),
        ((BROUGHT,), [], {}, False),
        # What starts is of it, or is not known.
        ((apt("supervisor"),), [], {"cmd": ["/usr/bin/python3", "-m", "supervisor"]}, False),
        ((apt("supervisor"), UNDECIDED), [], {"entrypoint": ["/entry.sh"], "cmd": []}, False),
        # A later step runs a program of it.
        ((apt("supervisor"), {}), [INSTALL, "RUN supervisord -n"], {}, False),
        ((apt("supervisor"), {}), [INSTALL, "RUN /usr/bin/supervisord -n"], {}, False),
        ((apt("supervisor"), {}), [INSTALL, "RUN /opt/supervisord -n"], {}, True),
        ((apt("supervisor"), {}), [INSTALL, "RUN echo supervisor"], {}, True),
        # By another name, and at the end of more words than any step has.
        (({**apt("supervisor"), **ALTERNATIVE}, {}), [INSTALL, "RUN super -n"], {}, False),
        ((apt("supervisor"), {}), [INSTALL, f"RUN {'x ' * 3999}supervisord"], {}, False),
        ((apt("supervisor"), {}), [INSTALL, f"RUN {'x ' * 4000}supervisord"], {}, True),
        ((apt("supervisor"), {}), [INSTALL, "COPY supervisord /"], {}, True),
        ((apt("supervisor"),), [f"{INSTALL} && supervisord -v"], {}, True),
    ],
)  # fmt: skip
def test_what_pip_may_install_in_place_of_a_package(
    trees: Sequence[Tree], steps: Sequence[str], config: Mapping[str, Any], replaceable: bool
) -> None:
    found = image(*trees, steps=steps, **{"cmd": ["python3"], **config})
    assert bool(replaceable_bindings(found)) is replaceable


@pytest.mark.parametrize("layer", [0, 1])
def test_a_base_s_packages_are_the_base_s(layer: int) -> None:
    trees: list[Tree] = [debian_base(), TWIN, {}]
    trees[layer] = {**trees[layer], **apt("supervisor")}
    found = inventory(*trees, steps=[STEPS[0], INSTALL, "RUN pip"], cmd=["nginx"])
    assert bool(replaceable_bindings(found)) is bool(layer)


@pytest.mark.parametrize("twin", [True, False])
def test_pip_installs_nothing_for_a_python_that_is_managed_elsewhere(twin: bool) -> None:
    pip = dist_info("pip", "25.0", site=SITE_OF_DEBIAN)
    trees = [debian_base(), apt("supervisor"), {**pip, **(TWIN if twin else {})}]
    found = inventory(*trees, steps=[STEPS[0], INSTALL, "RUN pip"], cmd=["nginx"])
    assert bool(replaceable_bindings(found)) is twin


def test_what_later_steps_run_is_kept() -> None:
    steps = ["RUN apt-get install -y pipx", "RUN pipxd install cowsay"]
    found = image(apt("pipx"), APP, cmd=["python3"], steps=steps)
    assert "apt-get install -y pipx" in reconstruct(found, make_plan(found))
