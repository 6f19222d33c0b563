"""What the command says of itself: rules and their pages, the cache."""

from __future__ import annotations

import json
import platform
import sys

import msgspec

from pyimginspect.analyzers import builtin_rules, catalogue
from pyimginspect.errors import PolicyError
from pyimginspect.policy import OWN_RULES
from pyimginspect.report import SCHEMA_VERSION
from pyimginspect.rules import Rule
from pyimginspect.text import counted, nearest
from pyimginspect.version import HOME, VERSION

__all__ = [
    "all_rules",
    "cache_line",
    "explanation",
    "rule_list",
    "version_line",
]


def all_rules() -> dict[str, Rule]:
    """Return the catalogue, with the rules that only a policy can break, and our own pages."""
    pages = f"{HOME}/blob/v{VERSION}/docs/rules"
    ours = {
        rule.id: msgspec.structs.replace(rule, page=f"{pages}/{rule.id}.md")
        for rule in builtin_rules()
    }
    # In this order: a third party's rule of the same name must not take the page of a built-in one.
    return {**catalogue(), **ours, **OWN_RULES}


def version_line(format_name: str | None) -> str:
    """Return name and version of this package, for people or as JSON, with what it runs on."""
    if format_name != "json":
        return f"pyimginspect {VERSION}\n"
    facts = {
        "pyimginspect": VERSION,
        "schema_version": SCHEMA_VERSION,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": f"{sys.platform}/{platform.machine()}",
        "compiled": compiled_modules(),
    }
    return json.dumps(facts, indent=2) + "\n"


def compiled_modules() -> bool:
    """Whether the modules that read layers are compiled, or Python as everything else is."""
    from importlib.machinery import ExtensionFileLoader
    from importlib.util import find_spec

    # One of the modules that setup.py may compile with mypyc; all of them are, or none.
    spec = find_spec("pyimginspect.layers.tar")
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader)


def rule_list(format_name: str | None) -> str:
    """Return the rules, a line each (id, severity, title), or all that is known of them as JSON."""
    rules = all_rules()
    if format_name == "json":
        listed = [msgspec.structs.asdict(rule) for _, rule in sorted(rules.items())]
        return json.dumps(listed, indent=2, ensure_ascii=False) + "\n"
    longest = max((len(name) for name in rules), default=0)
    return "".join(
        f"{name:{longest}}  {rule.severity:7}  {rule.title}\n"
        for name, rule in sorted(rules.items())
    )


def explanation(name: str, width: int) -> str:
    """Return a rule's page in lines of at most ``width`` columns, its example as it is.

    Raises :class:`PolicyError` where there is no such rule.
    """
    import textwrap

    rules = all_rules()
    if name not in rules:
        raise PolicyError(f"there is no rule '{name}'", hint=nearest(name, rules))
    rule = rules[name]
    what, why, fix = (
        textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
        for text in (rule.what, rule.why, rule.fix)
    )
    parts = [
        f"{rule.id} ({rule.severity}): {rule.title}",
        what,
        f"Why it matters\n{why}",
        f"What to do\n{fix}",
    ]
    if rule.example:
        parts.append(f"Example\n{rule.example.rstrip()}")
    return "\n\n".join(parts) + "\n"


def cache_line(directory: str | None, *, size: int, clear: bool) -> str:
    """Return what the cache contains, of ``size`` bytes, or did before it was emptied just now."""
    from humanize import naturalsize

    from pyimginspect.layers.cache_settings import cache_directory
    from pyimginspect.layers.cache_upkeep import cache_info, clear_cache

    info = clear_cache(directory) if clear else cache_info(directory)
    if info is None:
        return f"no cache at {cache_directory(directory)} yet"
    verb = "contained" if clear else "contains"
    contents = f"{counted(info.layers, 'layer')} and {counted(info.reports, 'result')}"
    contents_size, limit = naturalsize(info.size), naturalsize(size)
    return f"{info.path} {verb} {contents} in {contents_size} (of at most {limit})"
