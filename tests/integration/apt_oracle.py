"""apt itself, on a status file that a test makes up: what would it remove?

No package is touched: ``apt-get --simulate`` with every directory of apt's below one of the test's.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["CONFIGURATION", "Apt", "random_status"]

CONFIGURATION = "etc/apt/apt.conf.d/50test"

_REMOVED = re.compile(r"^(?:Purg|Remv) (\S+)", re.MULTILINE)


class Apt:
    """apt with all its state below `root`, a directory that is the test's own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("state/lists/partial", "cache/archives/partial", "etc/apt/apt.conf.d"):
            (root / name).mkdir(parents=True)
        # Read before all others, so that the machine's own configuration is not.
        config = root / "apt.conf"
        settings = {
            "Dir::Etc": root / "etc/apt",
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::State": root / "state",
            "Dir::State::status": root / "status",
            "Dir::Cache": root / "cache",
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "APT::Architecture": "amd64",
        }
        config.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
        self._config = str(config)

    def purge(
        self, status: str, extended_states: str, roots: Iterable[str], configuration: str = ""
    ) -> set[str] | None:
        """The packages that ``apt-get purge --auto-remove`` would remove; None if it refuses."""
        (self.root / "status").write_text(status)
        (self.root / "state/extended_states").write_text(extended_states)
        (self.root / CONFIGURATION).write_text(configuration)
        result = subprocess.run(
            ["apt-get", "--simulate", "purge", "--auto-remove", *roots],
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL": "C",
                "APT_CONFIG": self._config,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            return None
        return set(_REMOVED.findall(result.stdout))


def why_unavailable() -> str | None:
    """What keeps apt from being asked on this machine, or None."""
    return None if shutil.which("apt-get") else "there is no apt-get"


def random_status(random_: random.Random) -> tuple[str, str, list[str]]:
    """A status file of packages that fit together, extended states, and packages to remove.

    Every clause of a dependency has an alternative that holds, the others are anything:
    packages too old, virtual, or not there.
    """
    names = [f"p{number:02}" for number in range(random_.randint(2, 24))]
    versions = {name: f"{random_.randint(1, 9)}.{random_.randint(0, 9)}" for name in names}
    provides: dict[str, list[str]] = {}
    for name in names:
        for virtual in ("v0", "v1", "v2"):
            if random_.random() < 0.12:
                version = f" (= {random_.randint(1, 9)})" if random_.random() < 0.5 else ""
                provides.setdefault(name, []).append(virtual + version)
    stanzas = [_stanza(random_, name, versions, provides.get(name, [])) for name in names]
    automatic = [name for name in names if random_.random() < 0.7]
    states = "".join(
        f"Package: {name}\nArchitecture: amd64\nAuto-Installed: 1\n\n" for name in automatic
    )
    roots = sorted(random_.sample(names, random_.randint(1, min(3, len(names)))))
    return "\n".join(stanzas), states, roots


def _stanza(
    random_: random.Random, name: str, versions: Mapping[str, str], provides: list[str]
) -> str:
    fields = {
        "Package": name,
        "Status": "install ok installed",
        "Priority": "required" if random_.random() < 0.02 else "optional",
        "Section": random_.choice(["libs", "metapackages", "contrib/metapackages", "tasks"]),
        "Maintainer": "Nobody <nobody@example.org>",
        "Architecture": random_.choice(["all", "amd64"]),
        "Version": versions[name],
        "Description": f"package {name}",
    }
    if random_.random() < 0.02:
        fields[random_.choice(["Essential", "Important"])] = "yes"
    if random_.random() < 0.2:
        fields["Source"] = random_.choice(["s0", "s1 (1)", "s1 (2)"])
    if provides:
        fields["Provides"] = ", ".join(provides)
    others = [other for other in versions if other != name]
    for field, chance in (
        ("Depends", 0.75),
        ("Pre-Depends", 0.1),
        ("Recommends", 0.3),
        ("Suggests", 0.3),
    ):
        if others and random_.random() < chance:
            count = random_.randint(1, 2)
            holds = field.endswith("Depends")
            clauses = (_clause(random_, others, versions, holds) for _ in range(count))
            fields[field] = ", ".join(clauses)
    return "".join(f"{key}: {value}\n" for key, value in fields.items())


def _clause(
    random_: random.Random, others: list[str], versions: Mapping[str, str], holds: bool
) -> str:
    alternatives = [_anything(random_, others) for _ in range(random_.choice([0, 0, 0, 1, 2]))]
    if holds or not alternatives:
        sure = random_.choice(others)
        version = f" (>= {versions[sure]})" if random_.random() < 0.3 else ""
        alternatives.insert(random_.randint(0, len(alternatives)), sure + version)
    return " | ".join(alternatives)


def _anything(random_: random.Random, others: list[str]) -> str:
    name = random_.choice([*others, "v0", "v1", "v2", "absent"])
    if random_.random() < 0.4:
        operator = random_.choice(["<<", "<=", "=", ">=", ">>"])
        return f"{name} ({operator} {random_.randint(1, 9)})"
    return name
