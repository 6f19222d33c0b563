"""Every package that a fix can name, against apt in containers of the releases."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pyimginspect.analyzers import BUILTIN
from pyimginspect.inventory.facts import OperatingSystem
from pyimginspect.inventory.providers import dlopened, provider
from pyimginspect.inventory.tables import read_table
from tests.cases.bases import UnavailableError, provide
from tests.integration.conftest import BuiltCorpus
from tests.integration.engine import Engine

ASK = "apt-get -qq update && apt-cache pkgnames"
# Spot checks: what is asked for most, and how its package is called where.
MOST_WANTED = {
    "libgomp.so.1": {"12": "libgomp1", "13": "libgomp1"},
    "libgomp.so.1.0.0": {"12": "libgomp1", "13": "libgomp1"},
    "libGL.so.1": {"12": "libgl1", "13": "libgl1"},
    "libglib-2.0.so.0": {"12": "libglib2.0-0", "13": "libglib2.0-0t64"},
    "libgthread-2.0.so.0": {"12": "libglib2.0-0", "13": "libglib2.0-0t64"},
    "libexpat.so.1": {"12": "libexpat1", "13": "libexpat1"},
    "libodbc.so.2": {"12": "libodbc2", "13": "libodbc2"},
    "libpq.so.5": {"12": "libpq5", "13": "libpq5"},
    "libmagic.so.1": {"12": "libmagic1", "13": "libmagic1t64"},
    "libsndfile.so.1": {"12": "libsndfile1", "13": "libsndfile1"},
}


def named(version: str) -> set[str]:
    """All packages that a fix can name on this release of Debian."""
    system = OperatingSystem(id="debian", version_id=version)
    lists = read_table("debian_libraries", dict[str, Any])
    more = read_table("native_libraries", dict[str, Any])["debian"]
    sonames = {name for row in dlopened() for names in row.libraries for name in names}
    sonames.update(MOST_WANTED, more, *(lists[f"libraries{n}"] for n in ("", "_11", "_13")))
    return {provider(soname, system) for soname in sonames} - {""}


def in_examples() -> set[str]:
    """All packages that the examples of the rules install."""
    found: set[str] = set()
    for analyzer in BUILTIN:
        text = analyzer.rule.example.replace("\\\n", " ")
        for words in re.findall(r"apt-get install ([^&\n]*)", text):
            found.update(word for word in words.split() if not word.startswith("-"))
    return found


@pytest.mark.parametrize(("version", "codename"), [("12", "bookworm"), ("13", "trixie")])
def test_apt_has_them_all(engine: Engine, corpus: BuiltCorpus, version: str, codename: str) -> None:
    base = f"debian:{codename}-slim"
    try:
        provide(engine, corpus.layout, base)
    except UnavailableError as error:
        pytest.skip(str(error))
    said = engine.docker("run", "--rm", "--network", "host", base, "sh", "-c", ASK)
    names = named(version)
    assert len(names) > 1_000
    assert names - set(said.split()) == set()
    if version == "12":  # the release that the examples are about
        assert {"libpq5", "gcc"} <= in_examples() <= set(said.split())
    system = OperatingSystem(id="debian", version_id=version)
    told = {soname: provider(soname, system) for soname in MOST_WANTED}
    assert told == {soname: names[version] for soname, names in MOST_WANTED.items()}
