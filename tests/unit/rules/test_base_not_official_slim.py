"""The rule base-not-official-slim: layers in, findings out."""

from collections.abc import Mapping

import pytest

from pyimginspect.analyzers import (
    base_not_official_slim,
    leftover_build_tool,
    leftover_headers,
    unknown_base,
)
from tests.images import (
    Content,
    File,
    Link,
    Package,
    debian_base,
    elf,
    image,
    official_env,
    official_python,
)
from tests.inventories import OFFICIAL_STEPS, apt, taken
from tests.unit.rules.leftovers import BUILD, findings

MB = 1_000_000


def test_the_slim_base_is_as_it_should_be() -> None:
    assert findings(base_not_official_slim.ANALYZER.run, {"app": "x"}) == []
    assert findings(unknown_base.ANALYZER.run, {"app": "x"}) == []


def test_another_base_is_reported_where_there_is_a_python() -> None:
    python: Mapping[str, Content] = {
        "usr/local/bin/python3.12": File(elf(extra=b"\x003.12.4\0"), mode=0o755),
        "usr/local/lib/python3.12/os.py": "# os\n",
        "usr/local/include/python3.12/patchlevel.h": '#define PY_VERSION "3.12.4"\n',
    }
    lines = ["/bin/sh -c #(nop) ADD file:1 in / ", "COPY python / # buildkit"]
    (found,) = base_not_official_slim.ANALYZER.run(
        taken(image([debian_base(), python], history=lines))
    )
    assert found.subject == "debian slim"
    assert found.message == "the base image is debian:bookworm-slim: not an official python image"
    assert found.fix == "FROM python:3.12-slim-bookworm"
    without = taken(image([debian_base(), {"app": "x"}], history=lines))
    assert [*base_not_official_slim.ANALYZER.run(without)] == []


DOC = "usr/share/doc/git"


@pytest.mark.parametrize(
    ("packages", "left", "mb"),
    [
        # What the application asked for keeps what it depends on, and not what that recommends.
        ({"xml": {"Depends": "libxml2", "Recommends": "git"}}, ["git"], 1),
        ({}, ["git", "libxml2"], 3),
        # So does what one of its files loads.
        ({"own": {}}, ["git"], 1),
        ({"own": {}, "xml": {"Recommends": "libxml2"}}, ["git"], 1),
    ],
)
def test_what_a_slim_image_would_not_have(
    packages: dict[str, Package], left: list[str], mb: int
) -> None:
    full: dict[str, Package] = {
        "git": {"files": {"usr/bin/git": File(bytes(MB))}},
        "libxml2": {
            "Recommends": "git",
            "files": {"usr/lib/libxml2.so.2": elf(soname="libxml2.so.2", extra=bytes(2 * MB))},
        },
    }
    documents: dict[str, Content] = {
        f"{DOC}/README": File(bytes(4 * MB)), f"{DOC}/copyright": File(bytes(8 * MB)),
    }  # fmt: skip
    system = {**debian_base(slim=False), **documents}
    tools = {**apt(full, manual=[*full]), "usr/bin/gcc": Link("gcc-12")}
    layers = [system, tools, official_python("3.13.1"), {}]
    above: dict[str, Content] = {"usr/share/doc/app/README": File(bytes(16 * MB))}
    if "own" in packages:
        above["usr/local/bin/own"] = File(elf(needed=["libxml2.so.2"]), mode=0o755)
    if "xml" in packages:
        above |= apt({"xml": packages["xml"]}, manual=["xml"], below=full)
    one = image([*layers, above], history=[*OFFICIAL_STEPS, "COPY a /"], env=official_env("3.13.1"))
    (found,) = base_not_official_slim.ANALYZER.run(taken(one))
    assert list(found.packages) == left
    assert found.saving // MB == 4 + mb
    install = (
        ", and RUN apt-get update && apt-get install -y --no-install-recommends libxml2"
        " && rm -rf /var/lib/apt/lists/*"
    )
    assert found.fix == "FROM python:3.13-slim-bookworm" + (install if "own" in packages else "")


FULL: dict[str, Package] = {
    "git": {"files": {"usr/bin/git": File(bytes(MB), mode=0o755)}},
    "libxml2": {"files": {"usr/lib/libxml2.so.2": elf(soname="libxml2.so.2")}},
}
NEW: dict[str, Package] = {"new": {"files": {"usr/lib/libnew.so.1": elf(soname="libnew.so.1")}}}


@pytest.mark.parametrize(
    ("above", "command", "left", "install"),
    [
        # Python's own tkinter may stay without its libraries; the application's may not.
        ({"app/_tkinter.so": elf(needed=["libxml2.so.2"])}, "/bin/sh", ["git"], "libxml2"),
        ({}, "/usr/bin/git", ["libxml2"], "git"),
        # What a RUN of the application installs is installed on the slim base as well.
        (
            {**apt(NEW, manual=["new"], below=FULL), "app/own.so": elf(needed=["libnew.so.1"])},
            "/bin/sh", ["git", "libxml2"], "",
        ),
    ],
)  # fmt: skip
def test_what_the_application_needs_of_a_full_base(
    above: dict[str, Content], command: str, left: list[str], install: str
) -> None:
    tools = {**apt(FULL, manual=[*FULL]), "usr/bin/gcc": Link("gcc-12")}
    one = image(
        [debian_base(slim=False), tools, official_python("3.13.1"), {}, above],
        history=[*OFFICIAL_STEPS, "COPY a /"],
        env=official_env("3.13.1"),
        cmd=[command],
    )
    (found,) = base_not_official_slim.ANALYZER.run(taken(one))
    assert list(found.packages) == left
    assert (f" install -y --no-install-recommends {install} " in found.fix) is bool(install)
    assert ("apt-get" in found.fix) is bool(install)


def test_the_full_variant_is_the_choice_of_a_base() -> None:
    """What it brings is reported once, as far as nothing needs it."""
    system = debian_base(slim=False)
    doc: Mapping[str, Content] = {"usr/share/doc/dash/README": "d" * 11}
    packages: dict[str, Package] = {
        **BUILD,
        "git": {"files": {"usr/bin/git": File(b"g" * 500, mode=0o755)}},
        "libffi8": {"files": {"usr/lib/libffi.so.8": elf(soname="libffi.so.8")}},
        "libffi-dev": {"Depends": "libffi8", "files": {"usr/include/ffi.h": "h" * 60}},
    }
    tools = apt(packages, manual=["git", "build-essential", "libffi-dev"])
    python: Mapping[str, Content] = {
        **official_python("3.13.1"),
        "usr/local/lib/python3.13/lib-dynload/_ctypes.so": elf(needed=["libffi.so.8"]),
    }
    one = image(
        [{**system, **doc}, {**tools, "usr/bin/gcc": Link("gcc-12")}, python, {}],
        history=OFFICIAL_STEPS,
        env=official_env("3.13.1"),
    )
    inventory = taken(one)
    assert (inventory.base.variant, inventory.base.layers) == ("full", 4)
    (found,) = base_not_official_slim.ANALYZER.run(inventory)
    assert found.fix == "FROM python:3.13-slim-bookworm"
    assert "git" in found.packages
    assert "libffi-dev" in found.packages
    assert "libffi8" not in found.packages  # Python's ctypes needs it
    assert found.saving > 1000 + 100 + 200 + 500 + 60 + 11
    for run in (leftover_build_tool.ANALYZER.run, leftover_headers.ANALYZER.run):
        assert [*run(inventory)] == []
