"""The command: arguments → inspect → render → exit status, and nothing else."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import difflib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from humanize import naturalsize

from pyimginspect import api, formats
from pyimginspect.analyzers import catalogue
from pyimginspect.arguments import build_parser
from pyimginspect.comparison import compare
from pyimginspect.errors import (
    CacheError,
    InvalidReferenceError,
    PolicyError,
    PyimginspectError,
    ReportError,
    printable,
)
from pyimginspect.layers import registered
from pyimginspect.layers.cache import Cache, cache_info, clear_cache
from pyimginspect.policy import (
    BUILTIN,
    OWN_RULES,
    Baseline,
    Policy,
    apply_policy,
    find_policy,
    load_policy,
    read_baseline,
    write_baseline,
)
from pyimginspect.report import Report
from pyimginspect.rules import Rule
from pyimginspect.sources.options import Reporter

__all__ = ["main"]

_CLEAN, _FINDINGS, _FAILED = 0, 1, 2
_WIDEST = 100
_DEFAULT_POLICY = "python-slim"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 clean, 1 findings, 2 could not inspect."""
    # File names of an image may hold what the terminal's encoding does not have.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(build_parser().parse_args(arguments))
        sys.stdout.flush()
    except PyimginspectError as exc:
        return _complain(str(exc))
    except KeyboardInterrupt:
        return _complain("interrupted")
    except BrokenPipeError:
        # Whoever read us has gone, as `head` does; nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except Exception as exc:
        if os.environ.get("PYIMGINSPECT_DEBUG"):
            raise
        return _complain(
            f"a fault in pyimginspect itself: {type(exc).__name__}: {exc} "
            "(PYIMGINSPECT_DEBUG=1 shows where; please report it)"
        )
    return status


def _complain(message: str) -> int:
    with contextlib.suppress(OSError):
        print(f"pyimginspect: {printable(message)}", file=sys.stderr)
    return _FAILED


def _run(args: argparse.Namespace) -> int:
    if args.version:
        print(f"pyimginspect {api.tool_version()}")
        return _CLEAN
    if args.completion:
        print(_completion(args.completion))
        return _CLEAN
    if args.rules:
        _print_rules(_rules())
        return _CLEAN
    if args.explain:
        print(_explanation(_rule(args.explain)), end="")
        return _CLEAN
    if args.cache_info or args.cache_clear:
        _tell_cache(args)
        return _CLEAN
    if not args.images:
        raise InvalidReferenceError("no image given", hint="pyimginspect --help")
    outputs, dockerfile = _outputs(args), _dockerfile(args)
    policy, baseline = _policy(args), _baseline(args)
    today = datetime.datetime.now(datetime.UTC).date()
    reports, status = _inspect(args, policy, areas=any(name == "html" for _, name in outputs))
    reports = [
        apply_policy(report, policy, catalogue(), today=today, baseline=baseline)
        for report in reports
    ]
    if args.against:
        return _compare(reports, outputs, args)
    for target, name in outputs:
        _write(reports, target, name, args, dockerfile)
    if args.write_baseline and reports:
        _replace(Path(args.write_baseline), write_baseline(reports[0]))
        return status
    failed = any(report.verdict is not None and not report.verdict.passed for report in reports)
    return status or (_FINDINGS if failed else _CLEAN)


def _compare(
    reports: list[Report], outputs: list[tuple[Path | None, str]], args: argparse.Namespace
) -> int:
    """Write what changed; new findings that the policy fails make the status 1."""
    before, after = reports
    comparison = compare(before, after)
    for target, name in outputs:
        style = _style(target, args)
        _put(formats.render_comparison(comparison, name, **style), target)
    verdict = after.verdict
    failed = verdict is not None and any(map(verdict.fails, comparison.new))
    return _FINDINGS if failed else _CLEAN


def _inspect(args: argparse.Namespace, policy: Policy, *, areas: bool) -> tuple[list[Report], int]:
    """Inspect all images; of several, one that fails does not stop the others."""
    reports = []
    status = _CLEAN
    with contextlib.ExitStack() as stack:
        cache = _cache(args, stack)
        progress = _progress(args, stack)
        for reference in ([args.against] if args.against else []) + args.images:
            try:
                report = api.inspect(
                    reference,
                    platform=args.platform,
                    verify=args.verify,
                    cache=cache,
                    progress=progress,
                    dlopen=policy.dlopen,
                    areas=areas,
                )
            except PyimginspectError as exc:
                if len(args.images) == 1:
                    raise
                status = _complain(str(exc.at(image=reference)))
            else:
                reports.append(report)
    return reports, status


def _progress(args: argparse.Namespace, stack: contextlib.ExitStack) -> Reporter | None:
    """Return what shows progress, loaded only where somebody looks."""
    if args.quiet or not sys.stderr.isatty():
        return None
    from pyimginspect.progress import TerminalProgress

    return stack.enter_context(TerminalProgress(sys.stderr))


def _cache(args: argparse.Namespace, stack: contextlib.ExitStack) -> Cache | None:
    """Open the cache; one that cannot be had is missed only by who asked for it."""
    if args.no_cache:
        return None

    def warn(message: str) -> None:
        if not args.quiet:
            print(f"pyimginspect: {printable(message)}", file=sys.stderr)

    try:
        return stack.enter_context(Cache(args.cache_dir, probes=registered(), warn=warn))
    except CacheError as exc:
        if args.cache_dir:
            raise
        warn(str(exc))
        return None


def _tell_cache(args: argparse.Namespace) -> None:
    info = clear_cache(args.cache_dir) if args.cache_clear else cache_info(args.cache_dir)
    verb = "held" if args.cache_clear else "holds"
    size, limit = naturalsize(info.size), naturalsize(info.limit)
    print(f"{info.path} {verb} {info.layers} layers in {size} (of at most {limit})")


def _policy(args: argparse.Namespace) -> Policy:
    if args.policy in BUILTIN:
        policy = BUILTIN[args.policy]
    else:
        path = Path(args.policy) if args.policy else find_policy(Path())
        policy = load_policy(path, catalogue()) if path else BUILTIN[_DEFAULT_POLICY]
    if args.fail_on:
        fail_on = None if args.fail_on == "never" else args.fail_on
        policy = msgspec.structs.replace(policy, fail_on=fail_on)
    return policy


def _baseline(args: argparse.Namespace) -> Baseline | None:
    if not args.baseline:
        return None
    try:
        return read_baseline(Path(args.baseline).read_bytes(), args.baseline)
    except OSError as exc:
        raise PolicyError(f"{args.baseline} cannot be read: {exc.strerror}") from exc


def _dockerfile(args: argparse.Namespace) -> formats.Dockerfile | None:
    if not args.dockerfile:
        return None
    try:
        text = Path(args.dockerfile).read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise ReportError(f"{args.dockerfile} cannot be read: {exc.strerror}") from exc
    return formats.Dockerfile(path=args.dockerfile, text=text)


def _outputs(args: argparse.Namespace) -> list[tuple[Path | None, str]]:
    """Return where to write, and in which format; ``None`` is standard output."""
    outputs: list[tuple[Path | None, str]] = []
    for name in args.output:
        path = Path(name)
        if any(path == other for other, _ in outputs):
            raise ReportError(f"two outputs to one file, '{name}'")
        outputs.append((path, args.format or formats.format_for(path)))
    if not outputs:
        outputs.append((None, args.format or "table"))
    known = formats.COMPARISON_FORMATS if args.against else formats.FORMATS
    for _, chosen in outputs:
        if chosen not in known:
            what = "comparison as" if args.against else "format"
            raise ReportError(f"there is no {what} '{chosen}'", hint=_nearest(chosen, known))
    if args.against and len(args.images) != 1:
        raise InvalidReferenceError("--against compares one image with one other")
    if len(args.images) > 1 and any(chosen not in ("table", "json") for _, chosen in outputs):
        raise ReportError("several images go into a table or JSON only")
    return outputs


def _style(target: Path | None, args: argparse.Namespace) -> dict[str, Any]:
    """Return how wide and how colourful text may be where it goes."""
    terminal = target is None and sys.stdout.isatty()
    color = args.color == "always" or (
        args.color == "auto" and terminal and not os.environ.get("NO_COLOR")
    )
    width = min(_WIDEST, shutil.get_terminal_size().columns) if terminal else _WIDEST
    encoding = sys.stdout.encoding if target is None else "utf-8"
    return {"width": width, "color": color, "encoding": encoding}


def _write(
    reports: list[Report],
    target: Path | None,
    name: str,
    args: argparse.Namespace,
    dockerfile: formats.Dockerfile | None,
) -> None:
    options = {**_style(target, args), "rules": _rules(), "dockerfile": dockerfile}
    texts = [formats.render(report, name, **options) for report in reports]
    text = "\n".join(texts)
    if name == "json" and len(args.images) > 1:
        text = "[\n" + ",\n".join(part.rstrip("\n") for part in texts) + "\n]\n"
    _put(text, target)


def _put(text: str, target: Path | None) -> None:
    if target is None:
        sys.stdout.write(text)
    else:
        _replace(target, text)


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all: beside it, then renamed."""
    try:
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(beside, 0o666 & ~umask)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as exc:
        raise ReportError(f"{path} cannot be written: {exc.strerror}") from exc


def _rules() -> dict[str, Rule]:
    """Return the catalogue, with the rules that only a policy can break."""
    return {**catalogue(), **OWN_RULES}


def _rule(name: str) -> Rule:
    rules = _rules()
    if name not in rules:
        raise PolicyError(f"there is no rule '{name}'", hint=_nearest(name, rules))
    return rules[name]


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(sorted(known))}"


def _completion(shell: str) -> str:
    """Return the script that makes a shell complete this command's options and files."""
    import shtab

    parser = build_parser()
    for action in parser._actions:
        if action.metavar in ("FILE", "IMAGE"):
            setattr(action, "complete", shtab.FILE)  # noqa: B010  # shtab's own attribute
    return shtab.complete(parser, shell)


def _print_rules(rules: dict[str, Rule]) -> None:
    longest = max((len(name) for name in rules), default=0)
    for name, rule in sorted(rules.items()):
        print(f"{name:{longest}}  {rule.severity:7}  {rule.title}")


def _explanation(rule: Rule) -> str:
    """Return a rule's page for the terminal."""
    parts = [
        f"{rule.id} ({rule.severity}): {rule.title}",
        rule.what,
        f"Why it matters\n{rule.why}",
        f"What to do\n{rule.fix}",
    ]
    if rule.example:
        parts.append(f"Example\n{rule.example.rstrip()}")
    return "\n\n".join(parts) + "\n"
