"""The command for a fleet: ``pyimginspect --fleet REFERENCE…``."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pyimginspect.cli.exit_status import CLEAN, FAILED, FINDINGS
from pyimginspect.cli.fleet_pages import address_of, write_pages
from pyimginspect.cli.outputs import put_pieces, style
from pyimginspect.cli.session import open_fleet_progress
from pyimginspect.errors import InvalidReferenceError, ReportError, printable
from pyimginspect.fleet import Choice, Fleet, Inspection, Plan
from pyimginspect.fleet.queries import groups
from pyimginspect.formats.fleet import FLEET_FORMATS, fleet_format_for, render_fleet
from pyimginspect.layers.cache_settings import cache_size
from pyimginspect.policy import Policy

__all__ = ["run_fleet"]


def run_fleet(args: argparse.Namespace, policy: Policy) -> int:
    """Inspect a fleet, write what was asked for, and return the exit status.

    2 where nothing was inspected or more than ``--max-failures`` failed, 1 where an image fails
    the policy, else 0.
    """
    outputs = _outputs(args)
    if args.timeout is not None:
        os.environ["PYIMGINSPECT_TIMEOUT"] = str(args.timeout)  # the worker processes have it too
    groups(args.group_by)  # says at once what nothing can be grouped by
    with contextlib.ExitStack() as stack:
        folder = _cache_folder(args, stack)
        watcher = open_fleet_progress(args, stack)
        inspection = stack.enter_context(Inspection(_plan(args, policy, folder), watcher))
        inspected = failed = deferred = 0
        failing = False
        for outcome in inspection:
            inspected += outcome.status == "inspected"
            deferred += outcome.status == "deferred"
            failing = failing or outcome.fails
            if outcome.status == "failed":
                failed += 1
                _say(args, outcome.error)
        for _, why in inspection.unexpanded:
            failed += 1
            _say(args, why)
        for line in _asides(inspection, deferred):
            _say(args, line)
        # From the file of results: reports of 10,000 images need not fit into memory.
        with Fleet.open(inspection.results) as fleet:
            if args.pages:
                write_pages(fleet, Path(args.pages), policy)
            for target, name in outputs:
                options = {**style(target, args), "group_by": args.group_by}
                options["pages"] = address_of(args.pages, target)
                put_pieces(render_fleet(fleet, name, **options), target, exact=name != "table")
    if not inspected or failed > args.max_failures:
        return FAILED
    return FINDINGS if failing else CLEAN


def _plan(args: argparse.Namespace, policy: Policy, folder: str | None) -> Plan:
    if not args.images:
        raise InvalidReferenceError("no image given", hint="pyimginspect --help")
    return Plan(
        references=tuple(args.images),
        platform=args.platform or "",
        choice=Choice(
            tags=args.tags or "",
            versions=args.tags_version or "",
            newest=args.newest,
            exclude=tuple(args.exclude),
        ),
        policy=policy,
        workers=args.workers,
        cluster=args.cluster,
        results=args.results,
        cache=folder,
        cache_size=_cache_size(args),
        retry_failed=args.retry_failed,
    )


def _cache_size(args: argparse.Namespace) -> int | None:
    """Return the size that was asked for; a cluster's cache has none unless it was."""
    asked = args.cache_size or os.environ.get("PYIMGINSPECT_CACHE_SIZE")
    return None if args.cluster and not asked else cache_size(args.cache_size)


def _cache_folder(args: argparse.Namespace, stack: contextlib.ExitStack) -> str | None:
    """Return the directory of the cache; without one, of a cache that goes with the run."""
    if not args.no_cache:
        folder: str | None = args.cache_dir
        return folder
    import tempfile

    # A layer is read once for all images that have it, and the processes hand it on by a cache.
    temporary = tempfile.TemporaryDirectory(prefix="pyimginspect-", ignore_cleanup_errors=True)
    return stack.enter_context(temporary)


def _outputs(args: argparse.Namespace) -> list[tuple[Path | None, str]]:
    for option in ("against", "baseline", "write_baseline", "plan", "layers", "base", "dockerfile"):
        if getattr(args, option):
            raise InvalidReferenceError(
                f"--{option.replace('_', '-')} is of one image, not a fleet"
            )
    outputs: list[tuple[Path | None, str]] = []
    for name in args.output:
        path = Path(name)
        if any(path == other for other, _ in outputs):
            raise ReportError(f"two outputs to one file, '{name}'")
        outputs.append((path, args.format or fleet_format_for(path)))
    outputs = outputs or [(None, args.format or "table")]
    for _, chosen in outputs:
        if chosen not in FLEET_FORMATS:
            known = ", ".join(FLEET_FORMATS)
            raise ReportError(f"there is no fleet format '{chosen}'", hint=f"there are {known}")
    return outputs


def _asides(inspection: Inspection, deferred: int) -> Iterator[str]:
    """Say what was left out, and what is no longer there."""
    if deferred:
        yield f"{deferred:,} deferred, as a quota is exhausted: the same command goes on later"
    for kind, number in sorted(inspection.skipped.counts.items()):
        names = inspection.skipped.names[kind]
        more = ", …" if number > len(names[:3]) else ""
        yield f"left out: {number:,} {kind} ({', '.join(names[:3])}{more})"
    if inspection.dropped:
        yield f"{inspection.dropped:,} references of earlier runs are no longer listed"


def _say(args: argparse.Namespace, message: str) -> None:
    if not args.quiet and sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(f"pyimginspect: {printable(message)}", file=sys.stderr, flush=True)
