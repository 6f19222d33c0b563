"""The pages of docs/rules/, made of the catalogue's own words."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from pyimginspect.analyzers import BUILTIN
from pyimginspect.rules import Rule

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "docs" / "rules"
TABLE = ROOT / "pyimginspect" / "data" / "rules.json"

GROUPS: Mapping[str, str] = {
    "base": "Rule 1: start from an official python image",
    "bindings": "Rule 2: Python packages by pip",
    "native": "Rule 3: native libraries by the operating system",
    "size": "What was left behind",
    "soundness": "Will it work",
}


def pages() -> dict[str, str]:
    """The text of every page, by file name."""
    rules = sorted((analyzer.rule for analyzer in BUILTIN), key=lambda rule: rule.id)
    return {"README.md": _index(rules), **{f"{rule.id}.md": _page(rule) for rule in rules}}


def table() -> bytes:
    """The rules for those who need no analyzer, as the package reads them."""
    rules = tuple(analyzer.rule for analyzer in BUILTIN)
    return msgspec.json.format(msgspec.json.encode(rules), indent=1) + b"\n"


def _page(rule: Rule) -> str:
    parts = [
        f"# {rule.id}: {rule.title}",
        f"{rule.severity} · {GROUPS[rule.policy]}",
        f"## What it means\n{_flowing(rule.what)}",
        f"## Why it matters\n{_flowing(rule.why)}",
        f"## What to do\n{_flowing(rule.fix)}",
    ]
    if rule.example:
        parts.append(f"## Example\n```dockerfile\n{rule.example.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def _flowing(text: str) -> str:
    """Each paragraph on one line: the width of a page is the reader's business."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def _index(rules: list[Rule]) -> str:
    parts = ["# The rules", "`pyimginspect --rules` lists them, `--explain RULE` prints a page."]
    for group, heading in GROUPS.items():
        rows = [
            f"| [{rule.id}]({rule.id}.md) | {rule.severity} | {rule.title} |"
            for rule in rules
            if rule.policy == group
        ]
        if rows:
            parts.append(
                "\n".join([f"## {heading}", "| rule | severity | |", "|---|---|---|", *rows])
            )
    return "\n\n".join(parts) + "\n"
