"""``--pages DIR``: the full report of every image of a fleet, a file each."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from urllib.parse import quote

from pyimginspect.analyzers import catalogue
from pyimginspect.cli.outputs import put
from pyimginspect.errors import ReportError
from pyimginspect.fleet import Fleet
from pyimginspect.formats.fleet.pages import render_pages
from pyimginspect.policy import Policy, apply_policy
from pyimginspect.report import Report

__all__ = ["address_of", "write_pages"]


def write_pages(fleet: Fleet, folder: Path, policy: Policy) -> None:
    """Write the page of each image that has none in the directory yet.

    Raises :class:`ReportError` where it cannot be written.
    """
    today = datetime.datetime.now(datetime.UTC).date()
    rules = catalogue()

    def judge(report: Report) -> Report:
        return apply_policy(report, policy, rules, today=today)

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ReportError(f"{folder} cannot be written: {exc.strerror}") from exc
    for name, page in render_pages(fleet, judge, rules, is_there=lambda n: (folder / n).exists()):
        put(page, folder / name)


def address_of(folder: str | None, target: Path | None) -> str:
    """Return the directory of the pages as a link in the file at ``target`` has it."""
    if folder is None:
        return ""
    try:
        if target is not None:
            relative = os.path.relpath(folder, target.parent)
            return f"{quote(relative.replace(os.sep, '/'))}/"
    except ValueError:  # on another drive of Windows
        pass
    return f"{Path(folder).absolute().as_uri()}/"
