"""The commands that findings and edits name, given to apt and apk: what stays, and what goes."""

from __future__ import annotations

import re
import shlex

import pytest

from pyimginspect.inventory.packages.commands import install, remove, remove_alone
from tests.integration.conftest import BuiltCorpus
from tests.integration.engine import Engine

BUILD = ("gcc", "git", "libpq-dev")
_LIST = "dpkg-query -W -f '${Package}\\n'"
_ALONE = "apt-get -s install --no-install-recommends libpq5 | sed -n 's/^Inst \\([^ ]*\\).*/\\1/p'"


def sections(engine: Engine, image: str, *commands: str) -> list[set[str]]:
    """What each of ``commands`` prints, as names, in one container that has the network."""
    script = "set -e\n" + "\n".join(f"echo =====\n{command}" for command in commands)
    output = engine.docker("run", "--rm", "--network", "host", image, "sh", "-c", script)
    return [set(part.split()) for part in output.split("=====\n")[1:]]


def quietly(command: str) -> str:
    return f"({command}) > /dev/null 2>&1"


@pytest.mark.parametrize("name", ["slim", "slim13"])
def test_apt(engine: Engine, corpus: BuiltCorpus, name: str) -> None:
    base, alone, after, last = sections(
        engine,
        corpus.load_into(engine, name),
        f"{_LIST}; {quietly('apt-get update')}",
        f"{quietly(install('apt-get', BUILD))}; apt-mark showmanual > /dev/null"
        f"; {quietly(remove('apt-get', BUILD, ['libpq5']))}"
        f"; {_ALONE}",
        f"{_LIST}; rm -rf /var/lib/apt/lists/*",
        # Without lists, and nothing but what is named.
        f"{quietly(remove_alone('apt-get', ['libpq5']))}; {_LIST}",
    )
    assert alone == set()  # it is there, with all that it needs
    assert base < after
    assert "libpq5" in after
    assert not {"gcc", "cpp", "git", "libpq-dev", "libssl-dev", "libidn2-0"} & after - base
    assert after - last == {"libpq5"}
    # What stays beyond the base is what libpq5 alone would have brought.
    (needed,) = sections(
        engine,
        corpus.load_into(engine, name),
        f"{quietly('apt-get update')}; {_ALONE}",
    )
    assert after - base == needed


def test_apk(engine: Engine, corpus: BuiltCorpus) -> None:
    image = corpus.load_into(engine, "alpine")
    command = remove("apk", [".build-deps"], ["scanelf"])
    script = f"apk info; echo =====; {command}; echo =====; apk info; cat /etc/apk/world"
    output = engine.run(image, "sh", "-c", script)
    before, _, after = (set(part.split()) for part in output.split("=====\n"))
    assert {".build-deps", "scanelf"} <= before
    assert "scanelf" in after
    assert ".build-deps" not in after
    assert not any(name.startswith(".build-deps") for name in after)


def test_words_are_quoted_for_the_shell() -> None:
    command = install("apt-get", ["a b", "c;d"])
    assert shlex.split(command)[-2:] == ["a b", "c;d"]
    assert re.search(r"'c;d'$", command)
