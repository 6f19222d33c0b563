"""apk itself, on databases that a test makes up: what would it delete?

All systems of a test are put below one directory, which a container of Alpine has mounted; there
``apk del --simulate`` is asked about each.
"""

from __future__ import annotations

import base64
import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.integration.engine import Engine

VIRTUALS = ("so:libv0.so.1", "so:libv1.so.2", "cmd:v2", "pc:v3", "/bin/v4", "v5")

__all__ = ["System", "delete", "random_system"]

_PURGING = re.compile(r"^\(\d+/\d+\) Purging (\S+) ", re.MULTILINE)


class System(NamedTuple):
    """``installed``, ``world``, and the packages to delete."""

    installed: str
    world: str
    roots: tuple[str, ...]


def delete(
    engine: Engine, image: str, folder: Path, systems: Sequence[System]
) -> list[set[str] | None]:
    """What ``apk del -r`` would delete of each system, None where it finds no way.

    `folder` is empty, and the test's own.
    """
    script = []
    for number, system in enumerate(systems):
        root = folder / f"{number}"
        for name, text in {
            "lib/apk/db/installed": system.installed,
            "lib/apk/db/triggers": "",
            "lib/apk/db/lock": "",
            "etc/apk/world": system.world,
            "etc/apk/arch": "x86_64\n",
            "etc/apk/repositories": "",
        }.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        (root / "lib/apk/db/scripts.tar").write_bytes(b"\0" * 1024)
        roots = " ".join(system.roots)
        script.append(
            f"echo '== {number}'; apk --root /t/{number} del --simulate -r {roots} || echo FAILED"
        )
    (folder / "ask").write_text("\n".join(script))
    printed = engine.docker(
        *("run", "--rm", "--network", "none", "--volume", f"{folder}:/t", image),
        *("sh", "/t/ask"),
    )
    answers = printed.split("== ")[1:]
    assert len(answers) == len(systems)
    return [None if "FAILED" in answer else set(_PURGING.findall(answer)) for answer in answers]


def random_system(random_: random.Random) -> System:
    """Packages that fit together: each dependency has one provider.

    With several, apk's answer depends on the order in which it meets them.
    """
    names = [f"p{number:02}" for number in range(random_.randint(2, 16))]
    virtuals = [virtual for virtual in VIRTUALS if random_.random() < 0.6]
    provided = {virtual: random_.choice(names) for virtual in virtuals}
    records = "\n".join(_record(random_, name, names, provided) for name in names)
    wishes = random_.sample(names, random_.randint(0, len(names)))
    roots = random_.sample(names, random_.randint(1, 2))
    return System(records, "\n".join([*sorted(wishes), ""]), tuple(sorted(roots)))


def _record(random_: random.Random, name: str, names: list[str], provided: dict[str, str]) -> str:
    others = [*(other for other in names if other != name), *sorted(provided)]
    lines = {
        "C": "Q1" + base64.b64encode(hashlib.sha1(name.encode()).digest()).decode(),
        "P": name,
        "V": "1.0-r0",
        "A": "x86_64",
        "S": "1",
        "I": "1",
        "T": f"package {name}",
        "L": "MIT",
        "D": " ".join(_some(random_, others, 0.7)),
        "p": " ".join(f"{what}=1" for what, owner in sorted(provided.items()) if owner == name),
        "i": " ".join(_some(random_, [one for one in names if one != name], 0.1)),
    }
    return "".join(f"{letter}:{value}\n" for letter, value in lines.items() if value)


def _some(random_: random.Random, words: list[str], chance: float) -> Iterator[str]:
    if words and random_.random() < chance:
        yield from random_.sample(words, random_.randint(1, min(2, len(words))))
