"""The slim variant in place of the full one: what it saves, and what the full one had in use."""

from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.plan import Edit, make_plan
from pyimginspect.plan.operations import InsertCommand, ReplaceBase
from tests.images import (
    Content,
    File,
    Link,
    Package,
    debian_base,
    dist_info,
    elf,
    image,
    official_env,
    official_python,
)
from tests.inventories import OFFICIAL_STEPS, apt, steps, taken

LIBRARY = "usr/local/lib/libpython3.13.so.1.0"
MODULES = "usr/local/lib/python3.13/lib-dynload"
SITE = "usr/local/lib/python3.13/site-packages"
LARGE = 20_000_000
FULL: dict[str, Package] = {
    "gcc": {"files": {"usr/bin/gcc": File(b"x" * 1_000_000, mode=0o755)}},
    "git": {"files": {"usr/bin/git": File(elf(), mode=0o755)}},
    "libpq5": {"files": {"usr/lib/libpq.so.5": elf(soname="libpq.so.5")}},
}
Layer = Mapping[str, Content]


def proposed(
    *above: Layer,
    history: Sequence[str],
    python: Layer | None = None,
    config: Mapping[str, object] | None = None,
    packages: Mapping[str, Package] = FULL,
) -> Edit:
    """The edit of the base of an image on a full variant of four layers."""
    base = [
        debian_base(slim=False),
        apt({**packages}, manual=[*packages]),
        python or official_python("3.13.1"),
        {},
    ]
    lines = [*OFFICIAL_STEPS, *steps(*history)]
    one = image([*base, *above], history=lines, env=official_env("3.13.1"))
    one.config["config"].update(config or {})
    (edit,) = (each for each in make_plan(taken(one)).edits if each.kind == "base")
    return edit


def test_an_edit_of_the_base_is_one_of_its_first_layer() -> None:
    edit = proposed({"app/x": "x"}, history=["COPY x /app/"])
    assert (edit.layer, edit.level, edit.estimated) == (0, "review", True)
    assert edit.words == (
        "begin with the slim variant; python:3.13.1-bookworm brings 3 packages more"
    )


def test_extension_modules_of_the_standard_library_are_stripped_too() -> None:
    python = official_python("3.13.1", padding=LARGE)
    plain = proposed({"app/x": "x"}, history=["COPY x /app/"], python=python)
    more: Layer = {
        f"{MODULES}/_big.cpython-313-x86_64-linux-gnu.so": b"x" * 1_000_000,
        f"{MODULES}/_link.cpython-313-x86_64-linux-gnu.so": Link("/usr/lib/libpq.so.5"),
        f"{MODULES}/README.txt": b"x" * 2_000_000,
    }
    edit = proposed({"app/x": "x"}, history=["COPY x /app/"], python={**python, **more})
    assert edit.adds - plain.adds == pytest.approx(310_000, abs=1)
    assert plain.adds == pytest.approx(0.31 * LARGE, rel=0.01)


def test_a_python_that_the_image_itself_brings_stays_as_it_is() -> None:
    own = official_python("3.13.1", padding=LARGE)
    other = {path.replace("usr/local", "opt/python"): content for path, content in own.items()}
    edit = proposed(other, history=["COPY python /opt/python"])
    assert edit.adds == 0
    assert edit.saving < LARGE


TK_BYTES = 3_000_000
TK: Package = {"files": {"usr/lib/libtk8.6.so": elf(soname="libtk8.6.so", extra=bytes(TK_BYTES))}}
TKINTER: Layer = {
    f"{MODULES}/_tkinter.cpython-313-x86_64-linux-gnu.so": elf(needed=["libtk8.6.so"])
}


@pytest.mark.parametrize(
    ("own", "needed"),
    [({"app/x": "x"}, []), ({"app/gui.so": elf(needed=["libtk8.6.so"])}, ["libtk8.6"])],
)
def test_a_slim_image_has_no_tk(own: Layer, needed: Sequence[str]) -> None:
    """Its Python has the module, and no library for it: only the application can need one."""
    python = {**official_python("3.13.1"), **TKINTER}
    history = ["RUN pip install x", "COPY . /"]
    installed_one = dist_info("x", "1", site=SITE)
    packages = {**FULL, "libtk8.6": TK}
    edit = proposed(installed_one, own, history=history, python=python, packages=packages)
    assert installed(edit) == needed
    assert (edit.saving > TK_BYTES) is (not needed)


EXTENSION: Layer = {
    **dist_info("psycopg2", "2", site=SITE),
    f"{SITE}/psycopg2/_psycopg.so": elf(needed=["libpq.so.5"]),
}


@pytest.mark.parametrize(
    ("history", "layer"),
    [
        (["RUN pip install psycopg2"], 4),
        (["USER app", "RUN pip install psycopg2"], None),  # who cannot install packages
        (["COPY psycopg2 /"], None),
    ],
)
def test_a_library_of_the_full_variant_that_is_in_use_is_installed(
    history: Sequence[str], layer: int | None
) -> None:
    edit = proposed(EXTENSION, history=history)
    install = (
        "apt-get update && apt-get install -y --no-install-recommends libpq5"
        " && rm -rf /var/lib/apt/lists/*"
    )
    assert edit.operations == (
        ()
        if layer is None
        else (
            ReplaceBase(image="python:3.13-slim-bookworm"),
            InsertCommand(layer=layer, after=(), command=install),
        )
    )


def installed(edit: Edit) -> list[str]:
    """The packages that an edit of the base installs beside the slim variant."""
    inserted = (each.command for each in edit.operations if isinstance(each, InsertCommand))
    words = next(inserted, "").partition("--no-install-recommends ")[2].partition(" &&")[0]
    return words.split()


SCRIPT = File('#!/bin/sh\nset -e\n[ -d .git ] || git clone "$SOURCE" .\nexec "$@"\n', mode=0o755)
HEALTHY: Layer = {"app/check.sh": File("#!/bin/sh\ngit status\n", mode=0o755)}


@pytest.mark.parametrize(
    ("layer", "config", "needed"),
    [
        ({"app/x": "x"}, {"Healthcheck": {"Test": ["CMD-SHELL", "git status || exit 1"]}}, ["git"]),
        ({"app/x": "x"}, {"Healthcheck": {"Test": ["CMD", "git", "status"]}}, ["git"]),
        ({"app/x": "x"}, {"Healthcheck": {"Test": ["CMD", "/usr/bin/git"]}}, ["git"]),
        (HEALTHY, {"Healthcheck": {"Test": ["CMD", "/app/check.sh"]}}, ["git"]),
        (HEALTHY, {"Healthcheck": {"Test": ["CMD-SHELL", "/app/check.sh x"]}}, ["git"]),
        ({"app/x": "x"}, {"Healthcheck": {"Test": ["NONE"]}}, []),
        ({"app/x": "x"}, {"Healthcheck": {"Test": ["CMD-SHELL", "echo git"]}}, []),
        ({"app/x": "x"}, {"Healthcheck": {}}, []),
        ({"run.sh": SCRIPT}, {"Entrypoint": ["/run.sh"], "Cmd": ["python"]}, ["git"]),
        ({"app/run.sh": SCRIPT}, {"Cmd": ["./run.sh"], "WorkingDir": "/app"}, ["git"]),
        ({"x": "x"}, {"Cmd": ["tini", "--", "sh", "-ec", "git fetch && exec gunicorn"]}, ["git"]),
        ({"x": "x"}, {"Cmd": ["git", "daemon"]}, ["git"]),
        ({"x": "x"}, {"Cmd": ["python", "-c", "git"]}, []),
        (dist_info("gitpython", "3.1", site=SITE), {}, ["git"]),
    ],
)
def test_programs_of_the_full_variant_that_a_container_calls_are_installed(
    layer: Layer, config: Mapping[str, object], needed: Sequence[str]
) -> None:
    history = ["RUN pip install x", "COPY x /"]
    edit = proposed(dist_info("x", "1", site=SITE), layer, history=history, config=config)
    assert installed(edit) == needed
