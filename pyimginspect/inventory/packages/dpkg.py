"""dpkg's database and apt's record of what was asked for: bytes in, records out.

Sources: dpkg(1) and dpkg-query(1) for the files, deb822(5) for their syntax, deb-control(5) for
the fields, apt-mark(8) for ``extended_states``. Distroless images have no ``status`` but one file
a package in ``status.d``, with ``.md5sums`` beside it instead of a list of files.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from pyimginspect.inventory.memoize import memoized_text
from pyimginspect.inventory.packages.limits import split_records

__all__ = [
    "DIVERSIONS",
    "EXTENDED_STATES",
    "INFO",
    "STATUS",
    "STATUS_D",
    "DpkgPackage",
    "parse_automatic",
    "parse_diversions",
    "parse_list",
    "parse_md5sums",
    "parse_status",
]

# dpkg(1), "FILES"; distroless images have a file for each package in status.d; apt-mark(8).
STATUS = "var/lib/dpkg/status"
STATUS_D = "var/lib/dpkg/status.d"
INFO = "var/lib/dpkg/info"
DIVERSIONS = "var/lib/dpkg/diversions"
EXTENDED_STATES = "var/lib/apt/extended_states"


class DpkgPackage(Struct, frozen=True, kw_only=True, gc=False):
    """An installed package as its stanza has it; relations are kept as they are written.

    ``size`` is ``Installed-Size`` in bytes. ``essential`` is true for Essential, and for
    Important or Protected packages, which apt treats alike.
    """

    name: str
    version: str
    architecture: str = ""
    source: str = ""
    source_version: str = ""
    maintainer: str = ""
    section: str = ""
    priority: str = ""
    multi_arch: str = ""
    essential: bool = False
    held: bool = False
    size: int = 0
    depends: str = ""
    recommends: str = ""
    suggests: str = ""
    conflicts: str = ""
    provides: str = ""


def parse_status(
    data: bytes, known: dict[str, DpkgPackage | None] | None = None
) -> list[DpkgPackage]:
    """Return the packages of ``status``, or of a file of ``status.d``, that are installed.

    A stanza without a ``Status`` counts as installed (``status.d`` has none); one that only has
    configuration files left, or is half installed, does not. ``known`` remembers stanzas: the
    databases of successive layers are mostly the same, word for word.
    """
    known = {} if known is None else known
    packages = []
    for stanza in split_records(data):
        try:
            package = known[stanza]
        except KeyError:
            package = known[stanza] = _read_stanza(stanza)
        if package is not None:
            packages.append(package)
    return packages


@memoized_text(most=2000, longest=10_000)
def _read_stanza(stanza: str) -> DpkgPackage | None:
    get = _fields(stanza).get
    name = get("package", "")
    # Three words, dpkg(1): what is wanted, an error flag, the state. `status.d` has no such field.
    want, _, status = get("status", "install ok installed").partition(" ")
    if not name or status.rpartition(" ")[2] not in _INSTALLED:
        return None
    version = get("version", "")
    # "name (version)" where the source package's version is another, or its name alone.
    source, _, source_version = get("source", name).partition(" ")
    size = get("installed-size", "")
    depends = get("depends", "")
    before = get("pre-depends", "")
    return DpkgPackage(
        name=name,
        version=version,
        architecture=get("architecture", ""),
        source=source,
        source_version=source_version.strip("() ") or version,
        maintainer=get("maintainer", ""),
        section=get("section", ""),
        priority=get("priority", ""),
        multi_arch=get("multi-arch", ""),
        essential="yes" in (get("essential"), get("important"), get("protected")),
        held=want == "hold",
        # Installed-Size is in KiB: deb-control(5). More than 12 digits are not meant as a size.
        size=int(size) * 1024 if len(size) <= 12 and size.isdecimal() else 0,
        # Pre-Depends differ in the order of installing alone.
        depends=f"{before}, {depends}" if before else depends,
        recommends=get("recommends", ""),
        suggests=get("suggests", ""),
        conflicts=get("conflicts", ""),
        provides=get("provides", ""),
    )


# A package that waits for triggers is installed and configured (dpkg(1), "Package states").
_INSTALLED = frozenset({"installed", "triggers-awaited", "triggers-pending"})


def _fields(stanza: str) -> dict[str, str]:
    """Return the fields of a stanza, names in lower case; of a name given twice the first."""
    fields: dict[str, str] = {}
    last = ""
    for line in stanza.split("\n"):
        if line and line[0] in " \t":
            # Only a folded relation is worth joining; texts are not examined.
            if last in _FOLDED:
                fields[last] += line
            continue
        name, colon, value = line.partition(":")
        if colon:
            last = name.lower()
            fields.setdefault(last, value.strip())
    return fields


_FOLDED = frozenset({"depends", "pre-depends", "recommends", "suggests", "conflicts", "provides"})


def parse_list(data: bytes) -> list[str]:
    """Return the paths of a ``.list`` file, directories included, relative to the root.

    They are as the package was built: on a system with merged ``/usr`` they may lead through
    links (``lib/…``), and files that were diverted stand under the name they had.
    """
    text = data.decode("utf-8", "surrogateescape")
    # The first line is "/.", the root. A path may hold a newline only in hostile packages.
    paths = text.removesuffix("\n").removeprefix("/").split("\n/")
    return [path for path in paths if path and path != "."]


def parse_md5sums(data: bytes) -> list[str]:
    """Return the paths of a ``.md5sums`` file: regular files, no configuration files."""
    text = data.decode("utf-8", "surrogateescape")
    # The form of md5sum(1): a sum, two blanks and a path, which may have blanks in it.
    lines = (line.split("  ", 1) for line in text.split("\n"))
    return [line[1].removeprefix("./").lstrip("/") for line in lines if len(line) == 2]


def parse_diversions(data: bytes) -> dict[str, tuple[str, str]]:
    """Return, for every diverted path, where it went and the package that may keep the name.

    The package is ``:`` for a diversion that the administrator made (dpkg-divert(1)).
    """
    # Three lines each: a path, where it went, and a package.
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    records = zip(lines[::3], lines[1::3], lines[2::3], strict=False)
    return {source.lstrip("/"): (to.lstrip("/"), package) for source, to, package in records}


def parse_automatic(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield name and architecture of what ``extended_states`` calls installed automatically."""
    for stanza in data.decode("utf-8", "surrogateescape").split("\n\n"):
        get = _fields(stanza).get
        if get("auto-installed") == "1":
            yield get("package", ""), get("architecture", "")
