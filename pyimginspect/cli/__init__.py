"""The command: arguments → inspect → render → exit status, and nothing else."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gc
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec
from msgspec import Struct

from pyimginspect import api, formats
from pyimginspect.analyzers import catalogue
from pyimginspect.cli.about import (
    all_rules,
    cache_line,
    explanation,
    rule_list,
    version_line,
)
from pyimginspect.cli.arguments import build_parser, parse
from pyimginspect.cli.asides import put_asides
from pyimginspect.cli.completion import completion
from pyimginspect.cli.configuration import find_settings, show_settings
from pyimginspect.cli.fixing import (
    change_dockerfile,
    changes,
    check_changes,
    given_dockerfile,
)
from pyimginspect.cli.interactive import check_interactive, walk
from pyimginspect.cli.outputs import (
    NEW_FINDINGS_FORMATS,
    add_job_summary,
    find_outputs,
    put,
    replace,
    style,
    wants_hyperlinks,
)
from pyimginspect.cli.session import open_cache, open_one, open_progress
from pyimginspect.cli.time_limit import OutOfTime, limited
from pyimginspect.comparison import compare
from pyimginspect.errors import (
    InvalidReferenceError,
    PolicyError,
    PyimginspectError,
    printable,
)
from pyimginspect.layers.cache_settings import cache_size
from pyimginspect.policy import (
    Baseline,
    Policy,
    apply_policy,
    read_baseline,
    remember,
    write_baseline,
)
from pyimginspect.report import Failure, Report
from pyimginspect.sources.connections import Connections

if TYPE_CHECKING:
    from pyimginspect.plan import LayerBreakdown, Plan

__all__ = ["main", "run"]

_CLEAN, _FINDINGS, _FAILED = 0, 1, 2
_INTERRUPTED = 128 + signal.SIGINT


class _Result(Struct, frozen=True, kw_only=True):
    """What is told of one image: the report, and what else was asked for."""

    report: Report
    plan: Plan | None = None
    layers: tuple[LayerBreakdown, ...] | None = None
    dockerfile: str | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 clean, 1 findings, 2 could not inspect.

    130 where it was interrupted.
    """
    return _main(arguments, [], is_process=False)


def _main(arguments: Sequence[str] | None, kept: list[api.OpenedImage], *, is_process: bool) -> int:
    """Run the command; what is ``kept`` when it returns is its caller's to take apart."""
    # File names of an image may hold what the terminal's encoding does not have.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _no_collector():
            args = parse(arguments)
            if args.show_config:
                put(show_settings(args, arguments, given_dockerfile(args)), None)
                return _CLEAN
            status = _run(args, kept, is_process=is_process)
    except PyimginspectError as exc:
        return _complain(str(exc))
    except OutOfTime as exc:
        return _complain(str(exc))
    except KeyboardInterrupt:
        _complain("interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone, as `head` does; nothing more can be said to them.
        return _FAILED
    except Exception as exc:
        if os.environ.get("PYIMGINSPECT_DEBUG"):
            raise
        return _complain(
            f"internal error: {type(exc).__name__}: {exc} "
            "(PYIMGINSPECT_DEBUG=1 shows where; please report it)"
        )
    return status


def run() -> NoReturn:
    """Be the process of the command: run it, and end without taking everything apart first."""
    kept: list[api.OpenedImage] = []
    status = _main(None, kept, is_process=True)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    if status == _INTERRUPTED and os.name == "posix":
        # Whoever runs us in a loop stops too, once the signal is seen to have ended us
        # (https://www.cons.org/cracauer/sigint.html).
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status)


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Do without the collector of cycles: our records have none.

    It looks at all of them again and again while they are made: 3 s of 14 s for a million.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _complain(message: str) -> int:
    if sys.stderr is not None:  # as `2>&-` leaves it; print() would take standard output
        with contextlib.suppress(OSError):
            print(f"pyimginspect: {printable(message)}", file=sys.stderr, flush=True)
    return _FAILED


def _run(args: argparse.Namespace, kept: list[api.OpenedImage], *, is_process: bool) -> int:
    declared = _declared(args)
    if declared is not None:
        put(declared, None)
        return _CLEAN
    check_interactive(args)
    if args.fleet:
        from pyimginspect.cli.fleet import run_fleet

        with limited(args.max_time, is_process=False):
            return run_fleet(args, find_settings(args, None))
    if not args.images:
        raise InvalidReferenceError("no image given", hint="pyimginspect --help")
    check_changes(args)
    outputs = find_outputs(args)
    baseline, dockerfile = _baseline(args), given_dockerfile(args)
    policy = find_settings(args, dockerfile)
    if args.interactive:
        walk(args, policy, baseline, dockerfile, is_process=is_process)
        return _CLEAN
    named = {name for _, name in outputs}
    asides = args.against or args.layers or args.plan or changes(args)
    documents = not asides and named <= {*formats.MANY_FORMATS} - {"table"}
    page = "html" in named or ("sarif" in named and dockerfile is not None)
    with limited(args.max_time, is_process=is_process):
        results, failures = _inspect(args, policy, kept, page=page, documents=documents)
    status = _FAILED if failures else _CLEAN
    today = datetime.datetime.now(datetime.UTC).date()
    judged = [
        msgspec.structs.replace(
            result,
            report=apply_policy(result.report, policy, catalogue(), today=today, baseline=baseline),
        )
        for result in results
    ]
    if args.against:
        return _compare(judged, outputs, args, dockerfile)
    if changes(args):
        assert dockerfile is not None
        assert judged[0].plan is not None
        return change_dockerfile(judged[0].plan, dockerfile, args)
    if args.layers or args.plan:
        for target, name in outputs:
            asides = [(each.layers, each.plan, each.dockerfile) for each in judged]
            put_asides(asides, target, name, args)
        outputs = []
    for target, name in outputs:
        _write(judged, target, name, args, dockerfile, failures)
    if args.write_baseline and judged:
        replace(Path(args.write_baseline), write_baseline(judged[0].report))
        return status
    verdicts = [result.report.verdict for result in judged]
    failed = any(verdict is not None and not verdict.passed for verdict in verdicts)
    return status or (_FINDINGS if failed else _CLEAN)


def _declared(args: argparse.Namespace) -> str | None:
    """Return what the command is to say of itself; ``None`` if it is to inspect."""
    if args.help:
        return build_parser().format_help()
    if args.version:
        return version_line(args.format)
    if args.completion:
        return completion(args.completion) + "\n"
    if args.rules:
        return rule_list(args.format)
    if args.explain:
        return explanation(args.explain, style(None, args)["width"])
    if args.cache_info or args.cache_clear:
        return (
            cache_line(args.cache_dir, size=cache_size(args.cache_size), clear=args.cache_clear)
            + "\n"
        )
    return None


def _inspect(
    args: argparse.Namespace,
    policy: Policy,
    kept: list[api.OpenedImage],
    *,
    page: bool,
    documents: bool,
) -> tuple[list[_Result], list[Failure]]:
    """Inspect all images; of several, one that fails does not stop the others, the last is kept.

    Returns the results, and what could not be inspected. Of one image alone that is an error,
    unless ``documents`` are to be written, which have it.
    """
    results = []
    failures: list[Failure] = []
    with contextlib.ExitStack() as stack:
        cache = open_cache(args, stack)
        progress = open_progress(args, stack)
        connections = stack.enter_context(Connections(args.timeout))
        for reference in ([args.against] if args.against else []) + args.images:
            kept.clear()
            try:
                with open_one(
                    reference,
                    args,
                    policy,
                    cache=cache,
                    progress=progress,
                    connections=connections,
                ) as image:
                    results.append(_result(image, args, page=page))
                    kept[:] = [image]
            except PyimginspectError as exc:
                if len(args.images) == 1 and not documents:
                    raise
                _complain(str(exc.at(image=reference)))
                message = str(exc).removeprefix(f"{reference}: ")
                failures.append(Failure(reference=reference, message=message))
    return results, failures


def _result(image: api.OpenedImage, args: argparse.Namespace, *, page: bool) -> _Result:
    return _Result(
        report=image.report(areas=page, plan=not args.against),
        plan=image.plan if page or args.plan or changes(args) else None,
        layers=image.layer_breakdowns if args.layers else None,
        dockerfile=image.dockerfile if args.plan == "dockerfile" else None,
    )


def _compare(
    judged: list[_Result],
    outputs: list[tuple[Path | None, str]],
    args: argparse.Namespace,
    dockerfile: formats.Dockerfile | None,
) -> int:
    """Write what changed; new findings that the policy fails make the status 1."""
    before, after = (result.report for result in judged)
    comparison = compare(before, after)
    new = _only_new(after, before)
    for target, name in outputs:
        if name in NEW_FINDINGS_FORMATS:
            _write([msgspec.structs.replace(judged[1], report=new)], target, name, args, dockerfile)
            continue
        text = formats.render_comparison(comparison, name, **style(target, args))
        put(text, target, exact=name != "table")
    verdict = after.verdict
    failed = verdict is not None and any(map(verdict.fails, comparison.new))
    return _FINDINGS if failed else _CLEAN


def _only_new(after: Report, before: Report) -> Report:
    """Return a report with the findings that another has as known ones, and those gone as gone."""
    verdict = after.verdict
    assert verdict is not None, "a report is judged before it is compared"
    comparison = compare(before, after)
    new = {finding.fingerprint for finding in comparison.new}
    known = tuple(f for f in after.findings if f.fingerprint not in new)
    return msgspec.structs.replace(
        after,
        findings=tuple(f for f in after.findings if f.fingerprint in new),
        verdict=msgspec.structs.replace(
            verdict,
            passed=not any(map(verdict.fails, comparison.new)),
            accepted=(*verdict.accepted, *known),
            fixed=(*verdict.fixed, *map(remember, comparison.fixed)),
        ),
    )


def _write(
    results: list[_Result],
    target: Path | None,
    name: str,
    args: argparse.Namespace,
    dockerfile: formats.Dockerfile | None,
    failures: Sequence[Failure] = (),
) -> None:
    terminal = target is None and sys.stdout is not None and sys.stdout.isatty()
    options = {
        **style(target, args),
        "hyperlinks": target is None and wants_hyperlinks(terminal=terminal),
        "rules": all_rules(),
        "dockerfile": dockerfile,
        "category": args.category,
        "detail": -1 if args.summary else args.verbose,
        "plan": results[0].plan if len(results) == 1 else None,
    }
    reports = [result.report for result in results]
    text = formats.render_many(reports, name, failures=failures, **options)
    if name == "table" and len(args.images) > 1:
        from pyimginspect.formats.table import summary_of_failures, verdicts

        if args.summary:
            text += summary_of_failures(failures)
        else:
            text += "\n" * bool(text) + verdicts(reports, failures, **style(target, args))
    put(text, target, exact=name != "table")
    if name == "github":
        add_job_summary(formats.render_many(reports, "markdown", failures=failures))


def _baseline(args: argparse.Namespace) -> Baseline | None:
    if not args.baseline:
        return None
    try:
        return read_baseline(Path(args.baseline).read_bytes(), args.baseline)
    except OSError as exc:
        raise PolicyError(f"{args.baseline} cannot be read: {exc.strerror}") from exc
