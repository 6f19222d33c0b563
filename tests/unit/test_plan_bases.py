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
    "git": {"files": {"usr/bin/git": File("g", mode=0o755)}},
    "libpq5": {"files": {"usr/lib/libpq.so.5": elf(soname="libpq.so.5")}},
}
Layer = Mapping[str, Content]


def proposed(*above: Layer, history: Sequence[str], python: Layer | None = None) -> Edit:
    """The edit of the base of an image on a full variant of four layers."""
    base = [
        debian_base(slim=False),
        apt(FULL, manual=[*FULL]),
        python or official_python("3.13.1"),
        {},
    ]
    lines = [*OFFICIAL_STEPS, *steps(*history)]
    one = image([*base, *above], history=lines, env=official_env("3.13.1"))
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
