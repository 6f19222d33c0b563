"""Images whose layers store bytes in vain, and the causes of that."""

import datetime
from collections.abc import Mapping

from pyimginspect.analyzers import (
    catalogue,
    count_once,
    deleted_but_shipped,
    overwritten_files,
)
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import contents_of
from pyimginspect.inventory.derived.causes import find_causes
from pyimginspect.policy.judge import apply_policy
from pyimginspect.policy.settings import Policy, Waiver
from pyimginspect.report import Finding
from tests.images import Content, File, Package, debian_base, image
from tests.inventories import DEBIAN_STEP, apt, on_slim, taken
from tests.reports import clean_report

MB = b"x" * 1_000_000
SITE = "usr/local/lib/python3.13/site-packages"
INFO = "var/lib/dpkg/info"
Tree = Mapping[str, Content]


def inventory(*layers: Tree, steps: tuple[str, ...] = ()) -> Inventory:
    lines = [*steps, *(f"RUN step {n}" for n in range(len(steps), len(layers)))]
    return taken(on_slim(*layers, history=lines))


def wheel(name: str, version: str, *, record: bool = True, **files: bytes) -> dict[str, Content]:
    """A distribution of one package, with a RECORD of its files."""
    info = f"{SITE}/{name}-{version}.dist-info"
    tree: dict[str, Content] = {
        f"{SITE}/{name}/{path}.py": File(data) for path, data in files.items()
    }
    tree[f"{info}/METADATA"] = f"Name: {name}\nVersion: {version}\n"
    if record:
        rows = [path.removeprefix(f"{SITE}/") for path in tree] + [f"{info}/RECORD"]
        tree[f"{info}/RECORD"] = "".join(f"{row},,\n" for row in rows)
    return tree


def without(*names: str) -> dict[str, Content]:
    return {f"{SITE}/.wh.{name}": "" for name in names}


def causes(found: Inventory) -> list[tuple[str, str, int]]:
    return [(cause.kind, cause.owner.name, cause.freed.size) for cause in find_causes(found)]


GIT: dict[str, Package] = {
    "git": {"Depends": "git-man", "files": {"usr/bin/git": File(b"g" * 2000)}},
    "git-man": {"files": {"usr/share/git-man": "m" * 100}},
}


def no_git() -> dict[str, Content]:
    return {
        **apt({}),
        "usr/bin/.wh.git": "",
        "usr/share/.wh.git-man": "",
        f"{INFO}/.wh.git.list": "",
        f"{INFO}/.wh.git-man.list": "",
    }


BASE: dict[str, Content] = {
    **debian_base(),
    "usr/lib/big.so": File(MB),
    "usr/lib/old": File(b"o" * 9),
}


def on_base(*layers: Tree, steps: tuple[str, ...]) -> Inventory:
    return taken(image([BASE, *layers], history=[DEBIAN_STEP, *steps]))


def again(found: Inventory) -> Finding:
    (finding,) = overwritten_files.ANALYZER.run(found)
    return finding


def left_under(found: Inventory, policy: Policy) -> list[str]:
    opened = deleted_but_shipped.ANALYZER.run(found)
    findings = tuple(count_once(opened, contents_of(found.rootfs)))
    report = clean_report(findings=findings)
    today = datetime.date(2026, 1, 1)
    return [f.subject for f in apply_policy(report, policy, catalogue(), today=today).findings]


def waived(paths: tuple[str, ...] = (), packages: tuple[str, ...] = ()) -> Policy:
    waiver = Waiver(rule="deleted-but-shipped", reason="known", paths=paths, packages=packages)
    return Policy(name="p", waivers=(waiver,))
