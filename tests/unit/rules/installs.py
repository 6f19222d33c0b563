"""Images with distributions, some without a part of their files."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pyimginspect.analyzers.rule import Analyzer
from pyimginspect.report import Finding
from tests.images import Content, debian_base, official_python
from tests.pythons import inventory

Tree = Mapping[str, Content]
SITE = "usr/local/lib/python3.13/site-packages"
BASE: tuple[Tree, ...] = (debian_base(), official_python("3.13.1"))


def judge(name: str, *trees: Tree, **config: Any) -> list[Finding]:
    analyzer: Analyzer = import_module(f"pyimginspect.analyzers.{name}").ANALYZER
    return list(analyzer.run(inventory(*BASE, *trees, **config)))


def without(tree: Tree, *paths: str) -> dict[str, Content]:
    """A tree without some of its files, or directories of files."""
    gone = tuple(f"{SITE}/{path}" for path in paths)
    return {
        path: content
        for path, content in tree.items()
        if path not in gone and not path.startswith(tuple(f"{each}/" for each in gone))
    }
