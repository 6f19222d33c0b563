"""The commands that install and remove packages of the operating system, and clean up after it.

Findings and edits that tell people to change packages take their words from here, so that they say
the same. What each command keeps and removes was tried with the managers themselves:
``tests/integration/test_package_commands.py``, docs/decisions/package-commands.md.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from msgspec import Struct

from pyimginspect.inventory.facts import PackageManager
from pyimginspect.rootfs import RootFS

__all__ = [
    "TOOLS",
    "Tool",
    "can_install",
    "clean_caches",
    "install",
    "install_and_clean",
    "remove",
    "remove_alone",
    "tool_in",
    "tool_of",
    "update_and_install",
    "without_recommended",
]

Tool = Literal["apt-get", "apk", "dnf", "microdnf", "yum", "tdnf", "zypper"]
"""A package manager by the name of its program, as a Dockerfile calls it."""
TOOLS: Mapping[str, Tool] = {tool: tool for tool in get_args(Tool)}
"""Each of them, by the word that a command begins with."""


class _Words(Struct, frozen=True, kw_only=True):
    """``option`` is the one against recommended packages, empty where there are none."""

    install: str
    remove: str
    remove_alone: str
    clean: str
    option: str = ""


_DNF_OPTION = "--setopt=install_weak_deps=False"
# True by default: `dnf remove` removes what only its packages needed too (dnf.conf(5)).
_ALONE = "--setopt=clean_requirements_on_remove=False"
_WORDS: Mapping[Tool, _Words] = {
    "apt-get": _Words(
        install="apt-get install -y",
        remove="apt-get purge -y --auto-remove",
        remove_alone="apt-get purge -y",
        # Debian's images have apt delete archives itself (docker-clean), and the lists stay.
        clean="rm -rf /var/lib/apt/lists/*",
        option="--no-install-recommends",
    ),
    "apk": _Words(
        install="apk add --no-cache",
        # Without the network: its index would be fetched, and nothing is installed.
        remove="apk del --no-network",
        remove_alone="apk del --no-network",
        clean="",
    ),
    "dnf": _Words(
        install="dnf install -y",
        remove="dnf remove -y",
        remove_alone=f"dnf remove -y {_ALONE}",
        clean="dnf clean all",
        option=_DNF_OPTION,
    ),
    "microdnf": _Words(
        install="microdnf install -y",
        remove="microdnf remove -y",
        remove_alone=f"microdnf remove -y {_ALONE}",
        clean="microdnf clean all",
        option=_DNF_OPTION,
    ),
    # Of Red Hat 7 and its like: rpm knew no weak dependencies. Later, yum is a link to dnf.
    "yum": _Words(
        install="yum install -y",
        remove=f"yum remove -y {_ALONE.replace('False', 'True')}",
        remove_alone=f"yum remove -y {_ALONE}",
        clean="yum clean all",
    ),
    "tdnf": _Words(
        install="tdnf install -y",
        remove="tdnf autoremove -y",
        remove_alone="tdnf remove -y --noautoremove",
        clean="tdnf clean all",
    ),
    "zypper": _Words(
        install="zypper --non-interactive install",
        remove="zypper --non-interactive remove --clean-deps",
        remove_alone="zypper --non-interactive remove",
        clean="zypper clean --all",
        option="--no-recommends",
    ),
}
# Those of an image that has rpm's database; the first that is there counts.
_RPM_TOOLS: tuple[Tool, ...] = ("dnf", "microdnf", "tdnf", "zypper", "yum")
# dnf is a link to dnf-3 on Red Hat 8 and 9, and to dnf5 on Fedora 41 and newer.
_PROGRAMS = ("usr/bin/{}", "usr/bin/{}5", "usr/bin/{}-3")
# apk's own place, and the one of systems whose sbin is a part of usr/bin.
_OTHERS: Mapping[str, Tool] = {
    "sbin/apk": "apk",
    "usr/bin/apk": "apk",
    "usr/bin/apt-get": "apt-get",
}


def can_install(rootfs: RootFS, manager: PackageManager) -> bool:
    """Whether a ``RUN`` of the image can install packages: distroless and micro images cannot.

    They have no shell, or no program that installs; distroless not even dpkg's own database.
    """
    if rootfs.resolve("bin/sh") is None:
        return False
    if manager == "dpkg":
        return "var/lib/dpkg/status" in rootfs
    return manager == "apk" or _rpm_tool_in(rootfs) is not None


def tool_of(rootfs: RootFS, manager: PackageManager) -> Tool:
    """Return the program that changes the packages of ``manager`` in this image.

    Of several for rpm it is the one that Dockerfiles call; dnf where the image has none.
    """
    if manager != "rpm":
        return "apt-get" if manager == "dpkg" else "apk"
    return _rpm_tool_in(rootfs) or "dnf"


def tool_in(rootfs: RootFS) -> Tool | None:
    """Return the program of the image that installs packages; ``None`` where it has none."""
    others = (tool for path, tool in _OTHERS.items() if rootfs.resolve(path) is not None)
    return next(others, None) or _rpm_tool_in(rootfs)


def _rpm_tool_in(rootfs: RootFS) -> Tool | None:
    return next(
        (
            tool
            for tool in _RPM_TOOLS
            if any(pattern.format(tool) in rootfs for pattern in _PROGRAMS)
        ),
        None,
    )


def without_recommended(tool: Tool) -> str:
    """Return the option against recommended packages; empty for a tool that installs none."""
    return _WORDS[tool].option


def install(
    tool: Tool, names: Sequence[str], *, recommended: bool = False, virtual: str = ""
) -> str:
    """Return the command that installs packages and no more than they need.

    With ``recommended``, what they recommend as well. apk makes them the dependencies of a package
    ``virtual``, if that is given.
    """
    words = _WORDS[tool]
    option = "" if recommended else words.option
    group = f"--virtual {shlex.quote(virtual)}" if virtual else ""
    return " ".join(filter(None, (words.install, option, group, shlex.join(names))))


def update_and_install(
    tool: Tool, names: Sequence[str], *, recommended: bool = False, virtual: str = ""
) -> tuple[str, ...]:
    """Return the commands that install packages where the lists of packages may be gone."""
    # The others fetch lists themselves where they are missing or old.
    before = ("apt-get update",) if tool == "apt-get" else ()
    return (*before, install(tool, names, recommended=recommended, virtual=virtual))


def install_and_clean(tool: Tool, names: Sequence[str]) -> tuple[str, ...]:
    """Return the commands of a ``RUN`` that installs packages and leaves no cache behind."""
    return (*update_and_install(tool, names), *clean_caches(tool))


def clean_caches(tool: Tool) -> tuple[str, ...]:
    """Return the commands that delete what a tool fetched; none for apk's ``--no-cache``."""
    return tuple(filter(None, (_WORDS[tool].clean,)))


def remove(
    tool: Tool, names: Sequence[str], keep: Sequence[str] = (), *, recommended: bool = True
) -> str:
    """Return the command that removes packages, and what was installed for their sake alone.

    ``keep`` are marked as asked for before, so that they stay with all that they need. What others
    recommend or suggest stays with apt, as it does by itself, unless ``recommended`` goes too.
    """
    words = _WORDS[tool]
    command = words.remove
    if tool == "apt-get" and recommended:
        command += (
            " -o APT::AutoRemove::RecommendsImportant=false"
            " -o APT::AutoRemove::SuggestsImportant=false"
        )
    marked = ""
    if keep and tool == "apt-get":
        marked = f"apt-mark manual {shlex.join(keep)} && "
    elif keep and tool == "apk":
        # apk has no other mark than the world, and an installed package is only added to it.
        marked = f"apk add --no-network {shlex.join(keep)} && "
    elif keep:
        # dnf 4 and 5 have different words for marking packages, and microdnf has none.
        raise ValueError(f"{tool} cannot keep packages: use remove_alone")
    return f"{marked}{command} {shlex.join(names)}"


def remove_alone(tool: Tool, names: Sequence[str]) -> str:
    """Return the command that removes these packages, those that depend on them, and no others.

    apk cannot: what nobody asked for, and nothing needs, is not in its world.
    """
    return f"{_WORDS[tool].remove_alone} {shlex.join(names)}"
