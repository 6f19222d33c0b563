"""From a policy file to a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from pyimginspect.errors import PolicyError
from pyimginspect.policy.settings import (
    ALL,
    BUILTIN,
    GROUPS,
    OWN_RULES,
    Policy,
    RuleSettings,
    Waiver,
)
from pyimginspect.policy.tables import Table, lines_of, read_toml
from pyimginspect.report import SEVERITIES, Severity
from pyimginspect.rules import Rule
from pyimginspect.text import nearest

__all__ = ["check_names", "find_policy", "load_policy", "parse_policy", "user_policy"]

_FILE = ".pyimginspect.toml"
_USER_FILE = "pyimginspect.toml"
_PROJECT = "pyproject.toml"
_SECTION = ("tool", "pyimginspect")
_LARGEST = 1_000_000  # bytes


def find_policy(directory: Path) -> Path | None:
    """Return the policy file that holds for a directory, or ``None``.

    It is that of the directory, else of the nearest one above it: ``.pyimginspect.toml``, or a
    ``pyproject.toml`` with a section ``[tool.pyimginspect]``. Without any it is the user's own,
    ``pyimginspect.toml`` in the directory for configuration (``~/.config`` on Linux).
    """
    start = directory.absolute()
    # The nearest alone counts, as for ruff: settings of several files are not merged.
    for place in (start, *start.parents):
        own = place / _FILE
        if own.is_file():
            return own
        project = place / _PROJECT
        # A pyproject.toml without our section is that of another tool; the search goes on above it.
        if project.is_file() and _has_section(_read(project)):
            return project
    user = user_policy()
    return user if user is not None and user.is_file() else None


def user_policy() -> Path | None:
    """Return where the user's own policy would be, or ``None`` where there is no home."""
    import platformdirs

    try:
        return Path(platformdirs.user_config_dir()) / _USER_FILE
    except (OSError, RuntimeError):
        return None


def load_policy(path: Path, rules: Mapping[str, Rule]) -> Policy:
    """Read a policy file; ``rules`` is the catalogue, by which names of rules are checked.

    Raises :class:`PolicyError` for a file that cannot be read or is not as it should be; the
    message names line and key.
    """
    return parse_policy(_read(path), rules, source=str(path), project=path.name == _PROJECT)


def parse_policy(
    text: str, rules: Mapping[str, Rule], *, source: str = "policy", project: bool = False
) -> Policy:
    """Read a policy from TOML; in a ``project``, from its section ``[tool.pyimginspect]``.

    Raises :class:`PolicyError`, with ``source`` in its message.
    """
    try:
        document = read_toml(text)
    except (ValueError, RecursionError) as exc:
        raise PolicyError(f"{source}: not TOML: {exc}") from exc
    place: tuple[str, ...] = ()
    for key in _SECTION if project else ():
        document = document.get(key, {})
        place = (*place, key)
        if not isinstance(document, dict):
            raise PolicyError(f"{source}: {'.'.join(place)} must be a table")
    table = Table(document, source, lines_of(text), place)
    base = BUILTIN[table.choice("extends", BUILTIN) or "python-slim"]
    waivers = tuple(_waiver(item, rules) for item in table.tables("waivers"))
    policy = msgspec.structs.replace(
        base,
        name=table.string("name") or (base.name if document.keys() <= {"extends"} else source),
        fail_on=_fail_on(table, base.fail_on),
        rules={**base.rules, **_rules(table.table("rules"), rules)},
        allowed_bases=table.strings("allowed-bases"),
        allowed_packages=table.strings("allowed-packages"),
        expected_libc=table.choice("expected-libc", ("glibc", "musl")),
        max_size=_max_size(table),
        max_waste=table.amount("max-waste"),
        dlopen=_dlopen(table.table("dlopen")),
        waivers=waivers,
        **{
            name.replace("-", "_"): check_names(table.strings(name), rules, table.error, name)
            for name in ("select", "extend-select", "ignore")
        },
    )
    table.finish()
    return policy


def check_names(
    names: Iterable[str],
    rules: Mapping[str, Rule],
    error: Callable[[str, str, str], PolicyError],
    place: str,
) -> tuple[str, ...]:
    """Return names of rules and groups, each of which there is.

    Raises what ``error`` makes of a message, the ``place`` of the names, and a hint.
    """
    known = {*rules, *OWN_RULES, *GROUPS, ALL}
    for name in names:
        if name not in known:
            raise error(f"names '{name}', which is no rule or group", place, nearest(name, known))
    return tuple(names)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise PolicyError(f"{path} is too large for a policy")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        raise PolicyError(f"cannot read {path}: {reason}") from exc


def _has_section(text: str) -> bool:
    """Whether a ``pyproject.toml`` speaks of us; one that is broken is its other readers' care."""
    try:
        document: Any = read_toml(text)
    except (ValueError, RecursionError):
        return False
    for key in _SECTION:
        document = document.get(key) if isinstance(document, dict) else None
    return document is not None


def _fail_on(table: Table, default: Severity | None) -> Severity | None:
    chosen = table.choice("fail-on", (*SEVERITIES, "never"))
    if chosen is None:
        return default
    return None if chosen == "never" else cast(Severity, chosen)


def _max_size(table: Table) -> int | None:
    amount = table.amount("max-size")
    if amount is not None and amount.percent:
        raise table.error("must be bytes: it is the whole that others are shares of", "max-size")
    return amount.bytes if amount is not None else None


def _rules(table: Table, rules: Mapping[str, Rule]) -> dict[str, RuleSettings]:
    """Read ``[rules]``: each is ``"off"``, a severity, or a table of settings."""
    known = {*rules, *OWN_RULES}
    settings = {}
    for name in table:
        if name not in known:
            raise table.error("is no rule", name, nearest(name, known))
        if not table.is_table(name):
            word = table.choice(name, ("off", *SEVERITIES))
            settings[name] = (
                RuleSettings(enabled=False)
                if word == "off"
                else RuleSettings(enabled=True, severity=cast(Severity, word))
            )
            continue
        options = table.table(name)
        severity = options.choice("severity", SEVERITIES)
        enabled = options.flag("enabled")
        settings[name] = RuleSettings(
            enabled=True if enabled is None else enabled,
            severity=cast("Severity | None", severity),
            min_saving=options.amount("min-saving"),
        )
        options.finish()
    return settings


def _dlopen(table: Table) -> dict[str, tuple[str, ...]]:
    from packaging.utils import canonicalize_name  # only a few policies have need of it

    # Any spelling of the name will do (PEP 503).
    return {canonicalize_name(name): table.strings(name) for name in table}


def _waiver(table: Table, rules: Mapping[str, Rule]) -> Waiver:
    rule, reason = table.string("rule"), table.string("reason")
    if rule is None or reason is None:
        raise table.error(f"has no {'rule' if rule is None else 'reason'}")
    known = {*rules, *OWN_RULES}
    # A pattern of fnmatch may match rules of plug-ins that are not installed here.
    if not any(character in rule for character in "*?[") and rule not in known:
        raise table.error("is no rule", "rule", nearest(rule, known))
    waiver = Waiver(
        rule=rule,
        reason=reason,
        paths=table.strings("path"),
        packages=table.strings("package"),
        expires=table.date("expires"),
    )
    table.finish()
    return waiver
