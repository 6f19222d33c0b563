"""The words of every package manager, and the command that removes no more than it says."""

from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.purging import purge_command
from pyimginspect.inventory.facts import PackageManager
from pyimginspect.inventory.packages import commands
from pyimginspect.inventory.packages.commands import (
    Tool,
    can_install,
    install,
    install_and_clean,
    remove,
    remove_alone,
    tool_in,
    tool_of,
    update_and_install,
    without_recommended,
)
from tests.images import Content, File, Link, Package, image
from tests.inventories import apt, on_slim, taken
from tests.rpms import header, sqlite_database
from tests.systems import rootfs

_NOT_IMPORTANT = (
    " -o APT::AutoRemove::RecommendsImportant=false -o APT::AutoRemove::SuggestsImportant=false"
)


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        (
            "apt-get",
            [
                "apt-get update",
                "apt-get install -y --no-install-recommends a 'b c'",
                "rm -rf /var/lib/apt/lists/*",
            ],
        ),
        ("apk", ["apk add --no-cache a 'b c'"]),
        (
            "dnf",
            ["dnf install -y --setopt=install_weak_deps=False a 'b c'", "dnf clean all"],
        ),
        (
            "microdnf",
            ["microdnf install -y --setopt=install_weak_deps=False a 'b c'", "microdnf clean all"],
        ),
        ("yum", ["yum install -y a 'b c'", "yum clean all"]),
        ("tdnf", ["tdnf install -y a 'b c'", "tdnf clean all"]),
        (
            "zypper",
            ["zypper --non-interactive install --no-recommends a 'b c'", "zypper clean --all"],
        ),
    ],
)
def test_installing(tool: Tool, words: list[str]) -> None:
    assert list(install_and_clean(tool, ["a", "b c"])) == words
    assert install(tool, ["a", "b c"]) in words
    assert without_recommended(tool) in install(tool, ["a"])


@pytest.mark.parametrize(
    ("tool", "recommended", "virtual", "words"),
    [
        ("apt-get", False, "", ["apt-get update", "apt-get install -y --no-install-recommends a"]),
        ("apt-get", True, "", ["apt-get update", "apt-get install -y a"]),
        ("apk", False, "", ["apk add --no-cache a"]),
        ("apk", True, "a b", ["apk add --no-cache --virtual 'a b' a"]),
        ("dnf", True, "", ["dnf install -y a"]),
        ("microdnf", False, "", ["microdnf install -y --setopt=install_weak_deps=False a"]),
    ],
)
def test_installing_what_others_cleaned_up_after(
    tool: Tool, recommended: bool, virtual: str, words: list[str]
) -> None:
    found = update_and_install(tool, ["a"], recommended=recommended, virtual=virtual)
    assert list(found) == words


SHELL = {"bin/sh": "x"}


@pytest.mark.parametrize(
    ("manager", "files", "can"),
    [
        ("dpkg", {**SHELL, "var/lib/dpkg/status": ""}, True),
        ("dpkg", {"var/lib/dpkg/status": ""}, False),
        ("dpkg", {**SHELL, "var/lib/dpkg/status.d/libc6": ""}, False),  # distroless:debug
        ("apk", SHELL, True),
        ("apk", {}, False),
        ("rpm", {**SHELL, "usr/bin/microdnf": ""}, True),
        ("rpm", SHELL, False),  # ubi-micro
        ("rpm", {"usr/bin/dnf": ""}, False),
        ("apk", {"bin": Link("usr/bin"), "usr/bin/sh": ""}, True),
        ("apk", {"bin/sh": Link("/nowhere")}, False),
    ],
)
def test_images_that_can_install_packages(
    manager: PackageManager, files: Mapping[str, Content], can: bool
) -> None:
    assert can_install(rootfs(files), manager) is can


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        ([], None),
        (["sbin/apk"], "apk"),
        (["usr/bin/apk"], "apk"),
        (["usr/bin/apt-get", "usr/bin/dnf"], "apt-get"),
        (["usr/bin/microdnf", "usr/bin/yum"], "microdnf"),
        (["usr/bin/zypper"], "zypper"),
        (["usr/bin/dnf5"], "dnf"),
    ],
)
def test_the_tool_that_is_there(files: list[str], tool: Tool | None) -> None:
    assert tool_in(rootfs(dict.fromkeys(files, ""))) == tool


def test_every_tool_by_its_word() -> None:
    words = ["apt-get", "apk", "dnf", "microdnf", "yum", "tdnf", "zypper"]
    assert list(commands.TOOLS) == list(commands.TOOLS.values()) == words


@pytest.mark.parametrize(
    ("tool", "keep", "command"),
    [
        ("apt-get", [], f"apt-get purge -y --auto-remove{_NOT_IMPORTANT} a b"),
        (
            "apt-get",
            ["c", "d e"],
            f"apt-mark manual c 'd e' && apt-get purge -y --auto-remove{_NOT_IMPORTANT} a b",
        ),
        ("apk", [], "apk del --no-network a b"),
        ("apk", ["c"], "apk add --no-network c && apk del --no-network a b"),
        ("dnf", [], "dnf remove -y a b"),
        ("microdnf", [], "microdnf remove -y a b"),
        ("yum", [], "yum remove -y --setopt=clean_requirements_on_remove=True a b"),
        ("tdnf", [], "tdnf autoremove -y a b"),
        ("zypper", [], "zypper --non-interactive remove --clean-deps a b"),
    ],
)
def test_removing(tool: Tool, keep: Sequence[str], command: str) -> None:
    assert remove(tool, ["a", "b"], keep) == command


def test_what_apt_keeps_by_itself_may_stay() -> None:
    command = "apt-get purge -y --auto-remove a"
    assert remove("apt-get", ["a"], recommended=False) == command


@pytest.mark.parametrize(
    ("tool", "command"),
    [
        ("apt-get", "apt-get purge -y a b"),
        ("dnf", "dnf remove -y --setopt=clean_requirements_on_remove=False a b"),
        ("microdnf", "microdnf remove -y --setopt=clean_requirements_on_remove=False a b"),
        ("yum", "yum remove -y --setopt=clean_requirements_on_remove=False a b"),
        ("tdnf", "tdnf remove -y --noautoremove a b"),
        ("zypper", "zypper --non-interactive remove a b"),
    ],
)
def test_removing_nothing_else(tool: Tool, command: str) -> None:
    assert remove_alone(tool, ["a", "b"]) == command


@pytest.mark.parametrize("tool", ["dnf", "microdnf", "yum", "tdnf", "zypper"])
def test_tools_of_rpm_cannot_mark_packages(tool: Tool) -> None:
    with pytest.raises(ValueError, match="cannot keep"):
        remove(tool, ["a"], ["b"])


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        ([], "dnf"),
        (["usr/bin/dnf"], "dnf"),
        (["usr/bin/dnf5"], "dnf"),
        (["usr/bin/dnf-3", "usr/bin/yum"], "dnf"),
        (["usr/bin/microdnf"], "microdnf"),
        (["usr/bin/yum"], "yum"),
        (["usr/bin/yum", "usr/bin/tdnf"], "tdnf"),
        (["usr/bin/zypper"], "zypper"),
    ],
)
def test_the_tool_is_the_one_that_the_image_has(files: list[str], tool: Tool) -> None:
    tree: dict[str, Content] = {path: File("x", mode=0o755) for path in files}
    assert tool_of(rootfs(tree or {"x": ""}), "rpm") == tool


def test_other_databases_have_one_tool() -> None:
    assert [tool_of(rootfs({"usr/bin/dnf": "x"}), m) for m in ("dpkg", "apk")] == ["apt-get", "apk"]


# --- what must stay -------------------------------------------------------------------------------
TOOLS: dict[str, Package] = {
    "gcc": {"Depends": "cpp, libgcc"},
    "cpp": {},
    "libgcc": {},
    "tool": {"Recommends": "useful", "Suggests": "idea"},
    "idea": {},
    "useful": {"Depends": "library"},
    "library": {},
}


def of_apt(packages: Mapping[str, Package], manual: Sequence[str]) -> Inventory:
    return taken(on_slim(apt(packages, manual=manual), history=["RUN x"]))


@pytest.mark.parametrize(
    ("kept", "marked"),
    [
        # With useful its library stays; libgcc is not among those that may go.
        ([], "idea libgcc useful"),
        (["libgcc"], "idea libgcc useful"),
        (["useful", "libgcc"], "idea libgcc useful"),
        (["cpp"], "cpp idea libgcc useful"),
    ],
)
def test_what_others_recommend_is_marked_before_apt_removes(kept: list[str], marked: str) -> None:
    inventory = of_apt(TOOLS, ["gcc", "tool"])
    command = purge_command(inventory, [inventory.packages["gcc"]], ["gcc", "cpp"], kept)
    assert command == remove("apt-get", ["gcc"], marked.split())


def test_nothing_is_marked_where_nothing_else_would_go() -> None:
    inventory = of_apt({name: TOOLS[name] for name in ("gcc", "cpp", "libgcc")}, ["gcc"])
    keys = ["gcc", "cpp", "libgcc"]
    command = purge_command(inventory, [inventory.packages["gcc"]], keys, [])
    assert command == remove("apt-get", ["gcc"])


def test_rpm_names_all_where_something_must_stay() -> None:
    packages = [
        header({"name": name, "version": "1", "arch": "x"}) for name in ("gcc", "cpp", "lib")
    ]
    tree: dict[str, Content] = {"usr/lib/sysimage/rpm/rpmdb.sqlite": sqlite_database(packages)}
    inventory = taken(image([tree], history=["RUN x"]))
    asked = [inventory.packages["gcc"]]
    assert purge_command(inventory, asked, ["gcc", "cpp"], []) == "dnf remove -y gcc"
    assert purge_command(inventory, asked, ["gcc", "cpp"], ["lib"]) == (
        "dnf remove -y --setopt=clean_requirements_on_remove=False cpp gcc"
    )
