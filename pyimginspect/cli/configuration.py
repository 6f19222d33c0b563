"""The policy that holds for a run: found, overruled by options, and shown with its origins."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from pyimginspect import formats
from pyimginspect.analyzers import catalogue
from pyimginspect.cli.arguments import build_parser, given_options, variable_of
from pyimginspect.errors import PolicyError, printable
from pyimginspect.policy import (
    BUILTIN,
    Policy,
    Waiver,
    check_names,
    find_policy,
    load_policy,
)

__all__ = ["find_settings", "show_settings", "waivers_in"]

_DEFAULT_POLICY = "python-slim"
_SHOWN = (
    "name",
    "fail_on",
    "select",
    "extend_select",
    "ignore",
    "allowed_bases",
    "allowed_packages",
    "expected_libc",
    "max_size",
    "max_waste",
    "dlopen",
)
"""What a policy says as a whole, beside its rules and waivers."""


def find_settings(args: argparse.Namespace, dockerfile: formats.Dockerfile | None) -> Policy:
    """Return the policy: that of ``--policy``, of the nearest file, of the user, or the default.

    The nearest file is looked for from the Dockerfile upwards where one is given, else from the
    working directory. Options overrule it; waivers in the Dockerfile come on top.
    """
    policy, _ = _policy(args)
    if args.fail_on:
        fail_on = None if args.fail_on == "never" else args.fail_on
        policy = msgspec.structs.replace(policy, fail_on=fail_on)
    changes: dict[str, object] = {}
    for name in ("select", "extend_select", "ignore"):
        names = [each for value in getattr(args, name) for each in value.split(",") if each]
        option = f"--{name.replace('_', '-')}"
        checked = check_names(names, catalogue(), _complaint, option)
        if checked:
            # To ignore one rule more, or to add one, must not drop those that the policy names.
            changes[name] = checked if name == "select" else (*getattr(policy, name), *checked)
    if dockerfile is not None:
        changes["waivers"] = (*policy.waivers, *waivers_in(dockerfile))
    return msgspec.structs.replace(policy, **changes)


def _complaint(message: str, place: str, hint: str) -> PolicyError:
    return PolicyError(f"{place} {message}", hint=hint)


def _policy(args: argparse.Namespace) -> tuple[Policy, str]:
    """Return the policy and where it is from."""
    if args.policy in BUILTIN:
        return BUILTIN[args.policy], "built in"
    if args.policy:
        return load_policy(Path(args.policy), catalogue()), args.policy
    # In a repository of several images each has its policy beside its Dockerfile.
    path = find_policy(Path(args.dockerfile).parent if args.dockerfile else Path())
    if path is None:
        return BUILTIN[_DEFAULT_POLICY], "built in"
    return load_policy(_shortened(path), catalogue()), str(path)


def _shortened(path: Path) -> Path:
    """Return a path as it is seen from the working directory, where it lies below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def waivers_in(dockerfile: formats.Dockerfile) -> Iterator[Waiver]:
    """Yield the waivers that comments of a Dockerfile make, each for its instruction.

    Raises :class:`PolicyError` for a comment that is no waiver as it should be.
    """
    for ignore in dockerfile.ignores:
        place = f"{dockerfile.path}, line {ignore.line}"

        # `place` as a default, or every closure of the loop would see the last one.
        def complaint(message: str, _: str, hint: str, place: str = place) -> PolicyError:
            return PolicyError(f"{place}: the waiver {message}", hint=hint)

        if not ignore.rules:
            raise complaint("names no rule", "", "ignore=package-cache")
        check_names(ignore.rules, catalogue(), complaint, "")
        if not ignore.reason:
            raise complaint("has no reason", "", "write it behind the rule")
        if not ignore.instruction:
            raise complaint("stands beside no instruction", "", "put it above one")
        try:
            until = datetime.date.fromisoformat(ignore.until) if ignore.until else None
        except ValueError as exc:
            raise complaint(f"ends on '{ignore.until}'", "", "a date such as 2030-12-31") from exc
        for rule in ignore.rules:
            yield Waiver(
                rule=rule,
                reason=ignore.reason,
                expires=until,
                instruction=ignore.instruction,
                place=place,
            )


def show_settings(
    args: argparse.Namespace,
    arguments: Sequence[str] | None,
    dockerfile: formats.Dockerfile | None,
) -> str:
    """Return every setting with its value and where it is from, a line each."""
    given = given_options(arguments)
    lines = []
    for action in build_parser()._actions:
        variable = variable_of(action)
        if variable is None:
            continue
        value, default = getattr(args, action.dest), action.default
        origin = "default"
        if action.dest in given:
            origin = "command line"
        elif value != default:
            origin = variable
        lines.append((action.dest.replace("_", "-"), value, origin))
    policy, origin = _policy(args)
    settings_in_force = find_settings(args, dockerfile)
    for name in _SHOWN:
        value = getattr(settings_in_force, name)
        where = origin if value == getattr(policy, name) else "an option"
        lines.append((f"policy.{name.replace('_', '-')}", value, where))
    lines += [
        (f"policy.rules.{name}", setting, origin)
        for name, setting in settings_in_force.rules.items()
    ]
    lines += [
        (f"policy.waivers.{number}", waiver.words, waiver.place or origin)
        for number, waiver in enumerate(settings_in_force.waivers)
    ]
    shown = [(name, printable(_shown(value)), where) for name, value, where in lines]
    widths = [max(len(line[n]) for line in shown) for n in (0, 1)]
    return "".join(
        # A long list of rules must not push the last column out of the terminal.
        f"{name:{widths[0]}}  {value:{min(40, widths[1])}}  {printable(where)}\n"
        for name, value, where in shown
    )


def _shown(value: object) -> str:
    if value is None or value == "" or value == () or value == [] or value == {}:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, msgspec.Struct):
        parts = msgspec.structs.asdict(value).items()
        return ", ".join(f"{name} {_shown(each)}" for name, each in parts if each is not None)
    return str(value).lower() if isinstance(value, bool) else str(value)
