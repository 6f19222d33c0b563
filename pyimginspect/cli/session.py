"""What the readings of one command share: processes, the cache, the progress shown."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyimginspect import api
from pyimginspect.errors import CacheError, printable
from pyimginspect.layers import registered
from pyimginspect.layers.cache_settings import cache_size
from pyimginspect.policy import Policy
from pyimginspect.sources import processes
from pyimginspect.sources.connections import Connections
from pyimginspect.sources.options import Reporter

if TYPE_CHECKING:
    from pyimginspect.cli.fleet_progress import FleetProgress
    from pyimginspect.layers.cache import Cache

__all__ = ["allow_processes", "open_cache", "open_fleet_progress", "open_one", "open_progress"]


# What a report loads, the largest parts; it is loaded while other processes read the layers.
REPORT_MODULES = (
    "pyimginspect.changesets",
    "pyimginspect.reporting",
    "pyimginspect.analyzers.builtin",
    "packaging.tags",
    "pyimginspect.plan.planner",
    "tree_sitter_bash",
    "tree_sitter",
)


def allow_processes(formats: Sequence[str]) -> None:
    """Let layers be read by forked processes, and load what writes these formats meanwhile."""
    processes.allow((*REPORT_MODULES, *(f"pyimginspect.formats.{name}" for name in formats)))


def open_progress(args: argparse.Namespace, stack: contextlib.ExitStack) -> Reporter | None:
    """Return what shows progress, loaded only where it is seen."""
    terminal = sys.stderr is not None and sys.stderr.isatty() and not args.quiet
    # tqdm is not loaded then: most runs are in pipelines, where no one looks.
    if args.progress != "json" and not (terminal and args.progress == "auto"):
        return None
    from pyimginspect.progress import progress_for

    shown = progress_for(quiet=args.quiet, term=os.environ.get("TERM", ""), how=args.progress)
    return stack.enter_context(shown) if shown is not None else None


def open_fleet_progress(
    args: argparse.Namespace, stack: contextlib.ExitStack
) -> FleetProgress | None:
    """Return what shows the progress of a fleet, where somebody looks."""
    if args.quiet or args.progress == "never":
        return None
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    from pyimginspect.cli.fleet_progress import FleetProgress

    return stack.enter_context(FleetProgress(sys.stderr))


def open_one(
    reference: str,
    args: argparse.Namespace,
    policy: Policy,
    *,
    cache: Cache | None,
    progress: Reporter | None,
    connections: Connections,
) -> contextlib.AbstractContextManager[api.OpenedImage]:
    """Open an image as the command line says."""
    return api.open_image(
        reference,
        platform=args.platform,
        verify=args.verify,
        cache=cache,
        progress=progress,
        dlopen=policy.dlopen,
        base=args.base,
        connections=connections,
        attestations=args.attestations,
    )


def open_cache(args: argparse.Namespace, stack: contextlib.ExitStack) -> Cache | None:
    """Open the cache; one that cannot be had is missed only by who asked for it."""
    if args.no_cache:
        return None
    from pyimginspect.layers.cache import Cache  # it brings sqlite3

    def warn(message: str) -> None:
        if not args.quiet and sys.stderr is not None:
            with contextlib.suppress(OSError):
                print(f"pyimginspect: {printable(message)}", file=sys.stderr)

    size = cache_size(args.cache_size)
    try:
        cache = Cache(args.cache_dir, probes=registered(), size=size, warn=warn)
        return stack.enter_context(cache)
    # A read-only home is common in CI, and no reason to fail; a directory that was named is.
    except CacheError as exc:
        if args.cache_dir:
            raise
        warn(str(exc))
        return None
