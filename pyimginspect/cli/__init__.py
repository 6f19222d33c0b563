"""The command: arguments → inspect → render → exit status, and nothing else."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from pyimginspect import api
from pyimginspect.cli.about import cache_line, explanation, rule_list, version_line
from pyimginspect.cli.arguments import build_parser, parse
from pyimginspect.cli.configuration import find_settings, show_settings
from pyimginspect.cli.exit_status import CLEAN, FAILED, INTERRUPTED
from pyimginspect.cli.fixing import changes, check_changes, given_dockerfile
from pyimginspect.cli.interactive import check_interactive, walk
from pyimginspect.cli.outputs import find_outputs, put, style
from pyimginspect.cli.results import Request, Result, write_results
from pyimginspect.cli.session import allow_processes, open_cache, open_one, open_progress
from pyimginspect.cli.time_limit import OutOfTime, limited
from pyimginspect.errors import InvalidReferenceError, PolicyError, PyimginspectError, printable
from pyimginspect.layers.cache_settings import cache_size
from pyimginspect.policy import Baseline, read_baseline
from pyimginspect.report import Failure
from pyimginspect.sources.connections import Connections

__all__ = ["main", "run"]


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
                return CLEAN
            status = _run(args, kept, is_process=is_process)
    except PyimginspectError as exc:
        return _complain(str(exc))
    except OutOfTime as exc:
        return _complain(str(exc))
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone, as `head` does; nothing more can be said to them.
        return FAILED
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
    # os._exit(), by which the process ends, flushes nothing.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    if status == INTERRUPTED and os.name == "posix":
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
    return FAILED


def _run(args: argparse.Namespace, kept: list[api.OpenedImage], *, is_process: bool) -> int:
    declared = _declared(args)
    if declared is not None:
        put(declared, None)
        return CLEAN
    check_interactive(args)
    if args.fleet:
        from pyimginspect.cli.fleet import run_fleet

        with limited(args.max_time, is_process=False):
            return run_fleet(args, find_settings(args, None))
    if not args.images:
        raise InvalidReferenceError("no image given", hint="pyimginspect --help")
    check_changes(args)
    request = _requested(args)
    if args.interactive:
        walk(args, request.policy, request.baseline, request.dockerfile, is_process=is_process)
        return CLEAN
    if is_process:
        allow_processes([name for _, name in request.outputs])
    with limited(args.max_time, is_process=is_process):
        results, failures = _inspect(request, kept)
    return write_results(request, results, failures)


def _requested(args: argparse.Namespace) -> Request:
    outputs = find_outputs(args)
    baseline, dockerfile = _baseline(args), given_dockerfile(args)
    return Request(
        args=args,
        outputs=outputs,
        policy=find_settings(args, dockerfile),
        baseline=baseline,
        dockerfile=dockerfile,
    )


def _declared(args: argparse.Namespace) -> str | None:
    """Return what the command is to say of itself; ``None`` if it is to inspect."""
    if args.help:
        return build_parser().format_help()
    if args.version:
        return version_line(args.format)
    if args.completion:
        from pyimginspect.cli.completion import completion

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


def _inspect(request: Request, kept: list[api.OpenedImage]) -> tuple[list[Result], list[Failure]]:
    """Inspect all images; of several, one that fails does not stop the others, the last is kept.

    Returns the results, and what could not be inspected. Of one image alone that is an error,
    unless documents are to be written, which have it.
    """
    args, page = request.args, request.needs_areas
    results = []
    failures: list[Failure] = []
    with contextlib.ExitStack() as stack:
        cache = open_cache(args, stack)
        progress = open_progress(args, stack)
        connections = stack.enter_context(Connections(args.timeout))
        # One after the other: the layers of one image are read in parallel already.
        for reference in ([args.against] if args.against else []) + args.images:
            kept.clear()
            try:
                with open_one(
                    reference,
                    args,
                    request.policy,
                    cache=cache,
                    progress=progress,
                    connections=connections,
                ) as image:
                    results.append(_result(image, args, page=page))
                    kept[:] = [image]
            except PyimginspectError as exc:
                # SARIF, JUnit and their like have a place for it, by which a pipeline shows that it
                # failed.
                if len(args.images) == 1 and not request.documents:
                    raise
                _complain(str(exc.at(image=reference)))
                # Documents name the image beside the message.
                message = str(exc).removeprefix(f"{reference}: ")
                failures.append(Failure(reference=reference, message=message))
    return results, failures


def _result(image: api.OpenedImage, args: argparse.Namespace, *, page: bool) -> Result:
    return Result(
        report=image.report(areas=page, plan=not args.against),
        plan=image.plan if page or args.plan or changes(args) else None,
        layers=image.layer_breakdowns if args.layers else None,
        dockerfile=image.dockerfile if args.plan == "dockerfile" else None,
    )


def _baseline(args: argparse.Namespace) -> Baseline | None:
    if not args.baseline:
        return None
    try:
        return read_baseline(Path(args.baseline).read_bytes(), args.baseline)
    except OSError as exc:
        raise PolicyError(f"{args.baseline} cannot be read: {exc.strerror}") from exc
