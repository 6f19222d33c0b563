"""What a shell command installs, with which package manager, and where its words stand.

The options that take a value are those of the managers' manuals: ``apt-get(8)``, ``apk-add(8)``,
``dnf(8)``, ``pip install --help``, ``uv pip install --help``.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from pyimginspect.dockerfile.shell import Command, Word

__all__ = ["Installation", "Manager", "installation_of", "manager_of", "package_name"]

Manager = Literal["apt", "apk", "dnf", "pip", "uv", "npm"]
"""A program that installs packages; ``apt`` is apt-get too, ``dnf`` is microdnf and yum too,
``pip`` is ``python -m pip`` too, ``uv`` is ``uv pip``."""

_PROGRAMS: dict[str, Manager] = {
    "apt": "apt",
    "apt-get": "apt",
    "aptitude": "apt",
    "apk": "apk",
    "dnf": "dnf",
    "microdnf": "dnf",
    "tdnf": "dnf",
    "yum": "dnf",
    "npm": "npm",
}
# With the aliases that dnf(8) and npm-install(1) list. What installs without naming packages,
# `apt-get upgrade` say, is no installation here: there is nothing to take out of it.
_VERBS: dict[Manager, frozenset[str]] = {
    "apt": frozenset({"install"}),
    "apk": frozenset({"add"}),
    "dnf": frozenset({"install", "in"}),
    "pip": frozenset({"install"}),
    "uv": frozenset({"install"}),
    "npm": frozenset({"install", "i", "add", "ci"}),
}
# The versioned names that pip and Python install beside the plain one. pipx is another program.
_PIP = re.compile(r"pip(?:3|[23]\.\d+)?")
_PYTHON = re.compile(r"python(?:3|[23]\.\d+)?|pypy3?")
_OF_PIP = (
    "-r --requirement -c --constraint -t --target -i --index-url --extra-index-url -f --find-links"
    " --prefix --root --src --platform --python-version --implementation --abi --no-binary"
    " --only-binary --progress-bar --trusted-host --proxy --retries --timeout --cert --client-cert"
    " --cache-dir --log --exists-action --upgrade-strategy --global-option --install-option"
    " --build-option -C --config-settings --python --report --keyring-provider --use-feature"
    " --use-deprecated --hash --group --build-constraint"
)
_WITH_VALUE: dict[Manager, frozenset[str]] = {
    "apt": frozenset({"-t", "--target-release", "--default-release", "-o", "--option", "-c"})
    | {"--config-file", "-a", "--host-architecture"},
    "apk": frozenset({"-t", "--virtual", "-X", "--repository", "-p", "--root", "--arch"})
    | {"--keys-dir", "--repositories-file", "--cache-dir", "--wait", "--progress-fd"},
    "dnf": frozenset({"-c", "--config", "-x", "--exclude", "--enablerepo", "--disablerepo"})
    | {"--repo", "--repoid", "--setopt", "--releasever", "--installroot", "-d", "-e"},
    "pip": frozenset(_OF_PIP.split()),
    "uv": frozenset(_OF_PIP.split())
    | {"-p", "--index", "--default-index", "--override", "--link-mode", "--resolution", "--extra"}
    | {"--index-strategy", "--prerelease", "--exclude-newer", "--overrides", "--directory"},
    "npm": frozenset({"--prefix", "--cache", "--registry", "-w", "--workspace", "--omit"}),
}


class Installation(Struct, frozen=True):
    """An installation: the ``command`` by which a ``manager`` is asked for ``packages``.

    ``verb`` is the word that makes it one (``install``, ``add``); ``options`` are what stands
    around the packages, values of their own words included.
    """

    manager: Manager
    command: Command
    verb: Word
    packages: tuple[Word, ...]
    options: tuple[Word, ...]

    @property
    def files(self) -> bool:
        """Whether names come out of a file too: ``-r requirements.txt``."""
        names = ("-r", "--requirement", "--group")
        return any(word.text.partition("=")[0] in names for word in self.options)


def manager_of(command: Command) -> tuple[Manager | None, tuple[Word, ...]]:
    """Return the package manager that a command is, and what it is given."""
    program, arguments = command.program, command.arguments
    if program in _PROGRAMS:
        return _PROGRAMS[program], arguments
    if _PIP.fullmatch(program):
        return "pip", arguments
    texts = tuple(word.text for word in arguments)
    if _PYTHON.fullmatch(program):
        first = next((n for n, text in enumerate(texts) if not _is_flag_of_python(text)), 0)
        if texts[first : first + 2] == ("-m", "pip"):
            return "pip", arguments[first + 2 :]
    # Options for all of uv may stand before it: `uv --no-cache pip install`.
    if program == "uv" and "pip" in texts[:3]:
        return "uv", arguments[texts.index("pip") + 1 :]
    return None, arguments


def _is_flag_of_python(text: str) -> bool:
    # Those without a value (`python --help`): after -W or -X the next word is theirs.
    return re.fullmatch(r"-[BEIOPRSbdhiqsuv]+", text) is not None


def installation_of(command: Command) -> Installation | None:
    """Return what a command installs, ``None`` where it is no installation."""
    manager, arguments = manager_of(command)
    if manager is None:
        return None
    with_value = _WITH_VALUE[manager]
    verb: Word | None = None
    packages: list[Word] = []
    options: list[Word] = []
    value = False
    for word in arguments:
        if value:
            options.append(word)
            value = False
        elif word.text.startswith("-") and len(word.text) > 1:
            options.append(word)
            value = word.text in with_value
        elif verb is None:
            if word.text not in _VERBS[manager]:
                return None
            verb = word
        else:
            packages.append(word)
    if verb is None:
        return None
    return Installation(manager, command, verb, tuple(packages), tuple(options))


def package_name(text: str, manager: Manager) -> str:
    """Return the name in a word that asks for a package: ``gcc`` in ``gcc:amd64=4:12.2.0-3``."""
    if manager == "apt":
        # apt-get(8), "install": `name=version`, `name:architecture`, `name/release`.
        return re.split(r"[=:/]", text)[0]
    if manager == "apk":
        # apk-world(5): versions by `=`, `<`, `>` and `~`, a tagged repository by `@`.
        return re.split(r"[=<>~@]", text)[0]
    if manager in ("pip", "uv"):
        # PEP 508: extras, versions, a marker after `;`, a URL after `@`.
        name = re.split(r"[\s\[=<>~!;@(]", text)[0]
        return re.sub(r"[-_.]+", "-", name).lower()  # PEP 503
    return text
