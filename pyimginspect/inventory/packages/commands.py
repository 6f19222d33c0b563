"""The commands that install and remove packages of the operating system, and clean up after it.

Findings and edits that tell people to change packages take their words from here, so that they say
the same. What each command keeps and removes was tried with the managers themselves:
``tests/integration/test_package_commands.py``, docs/decisions/package-commands.md.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from pyimginspect.rootfs import RootFS

__all__ = [
    "Tool",
    "clean_caches",
    "install",
    "install_and_clean",
    "remove",
    "remove_alone",
    "tool_of",
    "without_recommended",
]

Tool = Literal["apt-get", "apk", "dnf", "microdnf", "yum", "tdnf", "zypper"]
"""A package manager by the name of its program, as a Dockerfile calls it."""


class _Words(Struct, frozen=True, kw_only=True):
    """``option`` is the one against recommended packages, empty where there are none."""

    install: str
    remove: str
    remove_alone: str
    clean: str
    option: str = ""


_DNF_OPTION = "--setopt=install_weak_deps=False"
_ALONE = "--setopt=clean_requirements_on_remove=False"
_WORDS: Mapping[Tool, _Words] = {
    "apt-get": _Words(
        install="apt-get install -y",
        remove="apt-get purge -y --auto-remove",
        remove_alone="apt-get purge -y",
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
_PROGRAMS = ("usr/bin/{}", "usr/bin/{}5", "usr/bin/{}-3")


def tool_of(rootfs: RootFS, manager: Literal["dpkg", "apk", "rpm"]) -> Tool:
    """Return the program that changes the packages of ``manager`` in this image.

    Of several for rpm it is the one that Dockerfiles call; dnf where the image has none.
    """
    if manager != "rpm":
        return "apt-get" if manager == "dpkg" else "apk"
    return next(
        (
            tool
            for tool in _RPM_TOOLS
            if any(pattern.format(tool) in rootfs for pattern in _PROGRAMS)
        ),
        "dnf",
    )


def without_recommended(tool: Tool) -> str:
    """Return the option against recommended packages; empty for a tool that installs none."""
    return _WORDS[tool].option


def install(tool: Tool, names: Sequence[str]) -> str:
    """Return the command that installs packages and no more than they need."""
    words = _WORDS[tool]
    return " ".join(filter(None, (words.install, words.option, shlex.join(names))))


def install_and_clean(tool: Tool, names: Sequence[str]) -> tuple[str, ...]:
    """Return the commands of a ``RUN`` that installs packages and leaves no cache behind."""
    before = ("apt-get update",) if tool == "apt-get" else ()
    return (*before, install(tool, names), *clean_caches(tool))


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
