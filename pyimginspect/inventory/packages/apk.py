"""apk's database: the packages that are installed, and the world that was asked for.

Source: apk-tools' manual pages apk-package(5), apk-world(5), and the wiki's "Apk spec".
The letters: P name, V version, A architecture, S and I sizes, T description, o origin,
m maintainer, L license, D dependencies, p provides, i install-if, k priority among providers,
F directory, R file in it. An empty line ends a record.
"""

from __future__ import annotations

import re

from msgspec import Struct

from pyimginspect.inventory.packages.limits import split_records

__all__ = ["INSTALLED", "WORLD", "ApkPackage", "capability", "parse_installed", "parse_world"]

# Alpine 3.23 moved it to usr/lib. Where an image has both, the record in usr/lib counts.
INSTALLED = ("usr/lib/apk/db/installed", "lib/apk/db/installed")
WORLD = "etc/apk/world"

# The description that `apk add --virtual` gives to what it makes (src/app_add.c of apk-tools).
_VIRTUAL = "virtual meta package"


class ApkPackage(Struct, frozen=True, kw_only=True, gc=False):
    """A record of the database; dependencies are kept as they are written.

    ``size`` is the installed size in bytes. ``virtual`` marks what ``apk add --virtual`` made
    up: a package without files, to delete by one name what was added under it.
    """

    name: str
    version: str
    architecture: str = ""
    origin: str = ""
    maintainer: str = ""
    license: str = ""
    size: int = 0
    virtual: bool = False
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    install_if: tuple[str, ...] = ()
    priority: int = 0
    files: tuple[str, ...] = ()


def parse_installed(
    data: bytes, known: dict[str, ApkPackage | None] | None = None
) -> list[ApkPackage]:
    """Return the packages of ``installed``; ``known`` remembers records read before."""
    known = {} if known is None else known
    packages = []
    for record in split_records(data):
        try:
            package = known[record]
        except KeyError:
            package = known[record] = _read_record(record)
        if package is not None:
            packages.append(package)
    return packages


def _read_record(record: str) -> ApkPackage | None:
    fields: dict[str, str] = {}
    files = []
    prefix = ""
    for line in record.split("\n"):
        letter = line[:2]
        if letter == "R:":
            files.append(prefix + line[2:])
        elif letter == "F:":
            prefix = f"{line[2:]}/" if line[2:] else ""
        elif letter not in _OF_FILES:
            fields.setdefault(letter, line[2:])
    name = fields.get("P:", "")
    if not name:
        return None
    return ApkPackage(
        name=name,
        version=fields.get("V:", ""),
        architecture=fields.get("A:", ""),
        # A virtual package has no origin.
        origin=fields.get("o:", name),
        maintainer=fields.get("m:", ""),
        license=fields.get("L:", ""),
        size=_number(fields.get("I:", "")),
        # By custom only virtual packages have names that begin with a dot: .build-deps,
        # .python-rundeps.
        virtual=fields.get("T:") == _VIRTUAL or name.startswith("."),
        depends=tuple(fields.get("D:", "").split()),
        provides=tuple(fields.get("p:", "").split()),
        install_if=tuple(fields.get("i:", "").split()),
        priority=_number(fields.get("k:", "")),
        files=tuple(files),
    )


# Owners, modes and checksums of files: most lines of the database, and nothing asks for them.
_OF_FILES = frozenset({"a:", "Z:", "M:"})


def _number(text: str) -> int:
    # 15 digits are a petabyte. Of more than 4,300 int() makes a ValueError.
    return int(text) if text.isdecimal() and len(text) <= 15 else 0


def parse_world(data: bytes) -> list[str]:
    """Return the dependencies in ``world``: what someone asked for, as it is written."""
    return data.decode("utf-8", "surrogateescape").split()


# Operators of versions, and what comes before the tag of a repository: name@edge in the world.
_NAME_END = re.compile(r"[<>=~@]")


def capability(dependency: str) -> str:
    """Return what a dependency asks for, without version, repository, or ``!`` for a conflict.

    That is the name of a package or of something provided: ``so:…``, ``cmd:…``, ``pc:…``.
    """
    return _NAME_END.split(dependency.removeprefix("!"), maxsplit=1)[0]
