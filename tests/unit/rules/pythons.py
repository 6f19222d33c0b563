"""Images on an official Python, and what one rule says of them."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pyimginspect.analyzers.rule import Analyzer
from pyimginspect.report import Finding
from tests.images import (
    Content,
    File,
    Package,
    debian_base,
    debian_python,
    elf,
    official_env,
    official_python,
)
from tests.pythons import (
    inventory,
)

Tree = Mapping[str, Content]
SITE = "usr/local/lib/python3.13/site-packages"
BASE: tuple[Tree, ...] = (debian_base(), official_python("3.13.1"))
SLIM: dict[str, Any] = {"env": official_env("3.13.1"), "cmd": ["python3"]}


def judge(name: str, *trees: Tree, **config: Any) -> list[Finding]:
    analyzer: Analyzer = import_module(f"pyimginspect.analyzers.{name}").ANALYZER
    found = list(analyzer.run(inventory(*trees, **config)))
    assert all(finding.rule == analyzer.rule.id for finding in found)
    assert all(finding.evidence and "\n" not in finding.message for finding in found)
    return found


def messages(name: str, *trees: Tree, **config: Any) -> list[str]:
    return [finding.message for finding in judge(name, *trees, **config)]


PSYCOPG2: dict[str, Package] = {
    "python3-psycopg2": {
        "Version": "2.9.5-1+b1",
        "Depends": "python3 (<< 3.12), python3 (>= 3.11~), libpq5 (>= 14~)",
        "files": {
            "usr/lib/python3/dist-packages/psycopg2/__init__.py": "# psycopg2\n",
            "usr/lib/python3/dist-packages/psycopg2-2.9.5.egg-info/PKG-INFO": (
                "Metadata-Version: 2.1\nName: psycopg2\nVersion: 2.9.5\n"
            ),
        },
    },
    "libpq5": {"files": {"usr/lib/x86_64-linux-gnu/libpq.so.5": elf(soname="libpq.so.5")}},
}

BINDING = debian_python("3.11.2", more=PSYCOPG2, manual=["python3-psycopg2"])


def script(program: str) -> File:
    return File(f"#!{program}\nimport sys\n", mode=0o755)
