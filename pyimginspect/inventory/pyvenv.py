"""``pyvenv.cfg``: what a virtual environment says of itself (PEP 405)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from pyimginspect.rootfs import RootFS

__all__ = ["Pyvenv", "home_programs", "parse_pyvenv", "pyvenv_directories"]

NAME = "pyvenv.cfg"


class Pyvenv(Struct, frozen=True, kw_only=True):
    """The keys that matter: where the base lies, its version, who made it.

    ``home`` is spelled as the file has it. ``version`` is that of the base when it was made, as
    ``venv`` (``version``), ``virtualenv`` and uv (``version_info``) write it; ``creator`` is one
    of those three names.
    """

    home: str = ""
    version: str = ""
    creator: str = "venv"
    system_site_packages: bool = False


def parse_pyvenv(data: bytes) -> Pyvenv:
    """Read ``pyvenv.cfg``, without regard to case: of ``home`` the first counts, as in getpath.

    What ``site`` reads, ``include-system-site-packages``, counts as it stands last, and is true
    where it is missing.
    """
    keys: dict[str, str] = {}
    system = "true"
    # site.py reads the file as UTF-8 whatever the locale; other bytes are kept for paths.
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        key, equals, value = line.partition("=")
        name = key.strip().lower()
        if equals:
            keys.setdefault(name, value.strip())
        if equals and name == "include-system-site-packages":
            system = value.strip().lower()
    version = keys.get("version") or keys.get("version_info", "")
    # virtualenv and uv write their own version by their name; venv writes no such key.
    creator = next((name for name in ("uv", "virtualenv") if name in keys), "venv")
    return Pyvenv(
        home=keys.get("home", ""),
        # virtualenv's version_info is that of sys: 3.11.2.final.0.
        version=version.split(".final")[0],
        creator=creator,
        system_site_packages=system == "true",
    )


def pyvenv_directories(rootfs: RootFS) -> Iterator[tuple[str, Pyvenv]]:
    """Yield every virtual environment: its directory, and what its ``pyvenv.cfg`` says."""
    for path, text in rootfs.texts.items():
        directory, _, name = path.rpartition("/")
        if name == NAME and directory:
            yield directory, parse_pyvenv(text)


def home_programs(pyvenv: Pyvenv, name: str) -> Iterator[str]:
    """Yield where the executable may be that a copy called ``name`` was made from."""
    if not pyvenv.home:
        return
    series = ".".join(pyvenv.version.split(".")[:2])
    names = (name, f"python{series}" if series else "", "python3", "python")
    yield from (f"{pyvenv.home}/{each}" for each in dict.fromkeys(names) if each)
