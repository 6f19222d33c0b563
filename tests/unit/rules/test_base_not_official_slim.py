"""The rule base-not-official-slim: layers in, findings out."""

from collections.abc import Mapping

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
