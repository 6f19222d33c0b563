"""The Debian mirrors that this machine uses, for builds that need the packages of a release.

Mirrors are taken from the machine's own ``/etc/apt``, so that the corpus can be built wherever
``apt-get`` works, and named nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SUITE: Final = "bookworm"
TRIXIE: Final = "trixie"
POCKETS: Final = ("", "-updates", "-security")
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ETC_APT: Final = Path("/etc/apt")


@dataclass(frozen=True, order=True)
class Source:
    """One suite of Debian at one mirror."""

    suite: str
    uri: str

    def stanza(self, *, types: str = "deb") -> str:
        """As in a ``.sources`` file (sources.list(5), deb822 style)."""
        return (
            f"Types: {types}\nURIs: {self.uri}\nSuites: {self.suite}\nComponents: main\n"
            f"Signed-By: {KEYRING}\n"
        )


def machine_sources(etc_apt: Path = ETC_APT, *, suite: str = SUITE) -> tuple[Source, ...]:
    """Sources of the release `suite` at the mirrors of this machine, its main suite first.

    A mirror has every release side by side: one that the machine uses for Debian 12 serves. Falls
    back on Debian's own mirror where the machine is no Debian 12.
    """
    found = {
        Source(suite=source.suite.replace(SUITE, suite, 1), uri=source.uri)
        for path in (etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*")))
        if path.is_file()
        for source in _read(path)
        if source.suite in [f"{SUITE}{pocket}" for pocket in POCKETS]
    }
    if not any(source.suite == suite for source in found):
        found = {Source(suite=suite, uri="http://deb.debian.org/debian")}
    return tuple(sorted(found))


def _read(path: Path) -> Iterator[Source]:
    if path.suffix == ".sources":
        for stanza in path.read_text().split("\n\n"):
            lines = (line for line in stanza.splitlines() if not line.startswith("#"))
            fields = {
                name.strip().lower(): value.split()
                for name, _, value in (line.partition(":") for line in lines)
            }
            if "deb" in fields.get("types", ()) and fields.get("enabled") != ["no"]:
                for suite in fields.get("suites", ()):
                    yield from (Source(suite=suite, uri=uri) for uri in fields.get("uris", ()))
    elif path.suffix == ".list":
        for line in path.read_text().splitlines():
            kind, _, rest = line.partition(" ")
            words = rest.rpartition("] ")[2].split()  # Options stand in brackets.
            if kind == "deb" and len(words) > 1:
                yield Source(suite=words[1], uri=words[0])
