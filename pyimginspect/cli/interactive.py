"""``--interactive``: walk through one image in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gc
import importlib
import importlib.util
import os
import sys
import threading
from functools import cache
from typing import TYPE_CHECKING

from pyimginspect import api, formats
from pyimginspect.analyzers import catalogue
from pyimginspect.cli.about import explanation
from pyimginspect.cli.fixing import patched
from pyimginspect.cli.session import open_cache, open_one, open_progress
from pyimginspect.cli.time_limit import limited
from pyimginspect.errors import InvalidReferenceError
from pyimginspect.policy import Baseline, Policy, apply_policy
from pyimginspect.report import Report
from pyimginspect.sources.connections import Connections

if TYPE_CHECKING:
    from pyimginspect.tui.app import Look

__all__ = ["check_interactive", "look_at", "walk"]

_INSTEAD = (
    *("against", "plan", "layers", "diff", "fix", "output", "format", "fleet", "summary"),
    *("verbose", "write_baseline"),
)
"""What prints something, and so has no place beside a view that takes the terminal."""


def check_interactive(args: argparse.Namespace) -> None:
    """Raise :class:`InvalidReferenceError` where the view cannot be opened as it was asked for."""
    if not args.interactive:
        return
    for name in _INSTEAD:
        if getattr(args, name):
            other = f"--{name.replace('_', '-')}"
            raise InvalidReferenceError(f"--interactive and {other} do not go together")
    if len(args.images) > 1:
        raise InvalidReferenceError("--interactive is for one image")
    if any(image == "-" or image.startswith("-:") for image in args.images):
        raise InvalidReferenceError(
            "--interactive needs standard input for its keys", hint="name the archive's path"
        )
    if args.images and not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        raise InvalidReferenceError(
            "--interactive needs a terminal", hint="-o report.html is a report to walk through"
        )
    # terminfo's `dumb` is a terminal that cannot move its cursor; Windows sets no TERM.
    if os.environ.get("TERM", "") in ("", "dumb") and os.name == "posix":
        raise InvalidReferenceError(
            "--interactive needs a terminal that can move its cursor", hint="TERM says which it is"
        )
    if importlib.util.find_spec("textual") is None:
        raise InvalidReferenceError(
            "--interactive needs the module textual", hint="pip install 'pyimginspect[tui]'"
        )


def _is_terminal(stream: object) -> bool:
    # pythonw and `<&-` leave no stream at all.
    return stream is not None and bool(getattr(stream, "isatty", lambda: False)())


def walk(
    args: argparse.Namespace,
    policy: Policy,
    baseline: Baseline | None,
    dockerfile: formats.Dockerfile | None,
    *,
    is_process: bool,
) -> None:
    """Inspect the image, and show it until somebody quits."""
    today = datetime.datetime.now(datetime.UTC).date()
    # A quarter of a second, which an engine or a registry makes us wait anyway.
    threading.Thread(target=importlib.import_module, args=["pyimginspect.tui.app"]).start()
    with contextlib.ExitStack() as stack:
        cache = open_cache(args, stack)
        connections = stack.enter_context(Connections(args.timeout))
        with limited(args.max_time, is_process=is_process), contextlib.ExitStack() as shown:
            progress = open_progress(args, shown)
            image = stack.enter_context(
                open_one(
                    args.images[0],
                    args,
                    policy,
                    cache=cache,
                    progress=progress,
                    connections=connections,
                )
            )
            report = image.report(plan=True)
        report = apply_policy(report, policy, catalogue(), today=today, baseline=baseline)
        from pyimginspect.tui.app import INTERRUPTED, View

        gc.enable()  # this runs for as long as somebody looks, and makes circles
        view = View(look_at(image, report, dockerfile, args.target))
        view.run()
        # textual puts the terminal into raw mode, where Ctrl-C is a key and sends no signal.
        if view.return_code == INTERRUPTED:
            raise KeyboardInterrupt


def look_at(
    image: api.OpenedImage,
    report: Report,
    dockerfile: formats.Dockerfile | None = None,
    target: str = "",
) -> Look:
    """Return what the view shows of an image, and how it finds out what is asked for later."""
    from pyimginspect.tui.app import Look
    from pyimginspect.tui.files import Layers

    @cache
    def layers() -> Layers:
        return Layers(image.layers, image.ledger)

    def plan(width: int) -> str:
        from pyimginspect.formats.plan import render

        if dockerfile is None:
            return render(image.plan, width=width)
        patch = patched(image.plan, dockerfile, "review", target)
        return patch.diff or "Nothing to change: no known edit would make the image smaller."

    return Look(
        report=report,
        layers=layers,
        inventory=lambda: image.inventory,
        plan=plan,
        explain=explanation,
    )
