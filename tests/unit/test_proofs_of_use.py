"""What proves that an image uses a package: calls, scripts, and libraries that are opened."""

from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.proofs_of_use import Kept, program_on_path, used_by_files
from tests.images import Content, File, Package, debian_base, dist_info, elf, image
from tests.inventories import apt, on_slim, taken

SITE = "usr/local/lib/python3.13/site-packages"
PROGRAM = File(elf(), mode=0o755)
PACKAGES: Mapping[str, Package] = {
    "git": {"files": {"usr/bin/git": PROGRAM, "usr/bin/git-shell": PROGRAM}},
    "lua": {"files": {"usr/bin/lua": PROGRAM}},
    "zlib1g": {"files": {"usr/lib/x86_64-linux-gnu/libz.so.1": elf(soname="libz.so.1")}},
    "libmagic1": {"files": {"usr/lib/x86_64-linux-gnu/libmagic.so.1": elf(soname="libmagic.so.1")}},
}
EVERY = frozenset(PACKAGES)  # of which nothing uses zlib1g


def inventory(top: Mapping[str, Content], *, test: Sequence[str] = ()) -> Inventory:
    """Of an image whose layer 4 has the packages, and layer 5 what uses them; or not."""
    history = ["RUN apt-get install -y git lua libmagic1", "COPY . /"]
    one = on_slim(apt(PACKAGES, manual=[*PACKAGES]), top, history=history)
    if test:
        runtime = {**one.config["config"], "Healthcheck": {"Test": [*test]}}
        one = one.with_config(config=runtime)
    return taken(one)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("git", "usr/bin/git"),
        ("/usr/bin/git", "usr/bin/git"),
        ("/usr/bin/none", None),
        ("none", None),
        # Of a name with a directory in it, PATH is not asked.
        ("own/run", None),
        ("", None),
    ],
)
def test_the_program_that_a_name_leads_to(name: str, path: str | None) -> None:
    found = inventory({"usr/bin/own/run": PROGRAM})
    assert program_on_path(found, name) == path


CHECK = "#!/bin/sh\ngit status && git-shell && git log\n"


@pytest.mark.parametrize(
    ("top", "test", "proofs"),
    [
        ({"x": "x"}, ["CMD", "git", "status"], [("git", "", "HEALTHCHECK", "git")]),
        ({"x": "x"}, ["CMD-SHELL", "git log; git"], [("git", "", "HEALTHCHECK", "git")]),
        # The script is who calls; and one proof of a package is enough.
        (
            {"app/check.sh": File(CHECK, mode=0o755)},
            ["CMD", "/app/check.sh"],
            [("git", "app/check.sh", "", "git")],
        ),
        (
            dist_info("gitpython", "3.1", site=SITE),
            [],
            [("git", f"{SITE}/gitpython-3.1.dist-info", "", "git")],
        ),
        ({"x": "x"}, [], []),
    ],
)
def test_what_a_container_calls(
    top: Mapping[str, Content], test: Sequence[str], proofs: Sequence[tuple[str, ...]]
) -> None:
    found = used_by_files(inventory(top, test=test), EVERY)
    assert [(each.package, each.path, each.by, each.library) for each in found] == proofs


def test_who_needs_what_is_said_in_a_clause() -> None:
    kept = Kept(package="git", library="git", path="app/check.sh")
    assert kept.need == "/app/check.sh needs git"
    assert Kept(package="git", library="git", by="HEALTHCHECK").need == "HEALTHCHECK needs git"
    assert Kept(package="git", path="usr/bin/git").need == ""


MAGIC = dist_info("python-magic", "0.4.27", site=SITE)
SCRIPT: Mapping[str, Content] = {"usr/local/bin/own": File("#!/usr/bin/lua\n", mode=0o755)}
LINKED: Mapping[str, Content] = {"app/own.so": elf(needed=["libmagic.so.1"])}


@pytest.mark.parametrize(
    ("top", "package", "path"),
    [
        (MAGIC, "libmagic1", f"{SITE}/python_magic-0.4.27.dist-info"),
        (SCRIPT, "lua", "usr/local/bin/own"),
        (LINKED, "libmagic1", "app/own.so"),
    ],
    ids=["opened", "script", "linked"],
)
def test_only_what_uses_a_package_from_a_layer_on_counts(
    top: Mapping[str, Content], package: str, path: str
) -> None:
    found = inventory(top)
    for since in (0, 5):
        (proof,) = used_by_files(found, EVERY, since=since)
        assert (proof.package, proof.path) == (package, path)
    assert list(used_by_files(found, EVERY, since=6)) == []
    assert list(used_by_files(found, EVERY - {package})) == [], "nobody asks for a proof of it"


def test_what_the_lowest_layer_has_counts_unless_another_is_named() -> None:
    found = taken(image([{**debian_base(), **apt(PACKAGES), **LINKED}]))
    assert [each.package for each in used_by_files(found, EVERY)] == ["libmagic1"]
    assert list(used_by_files(found, EVERY, since=1)) == []
