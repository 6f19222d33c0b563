"""First lines of scripts, read for the Python that they name."""

from __future__ import annotations

import shlex

from pyimginspect.rootfs import RootFS

__all__ = ["shebang_program"]


def shebang_program(rootfs: RootFS, path: str) -> str | None:
    """Return the program that the script at ``path`` names to run it, if it is one.

    ``#!/usr/bin/env python3`` names ``python3``; pip's ``#!/bin/sh`` with ``'''exec' …`` in the
    second line names what that line runs.
    """
    first, _, second = rootfs.scripts.get(rootfs.resolve(path) or "", "").partition("\n")
    try:
        # distlib, which pip vendors, writes that for a path with spaces or of more than 127 bytes.
        words = shlex.split(second.partition("'''exec'")[2] if second else first[2:])
    except ValueError:  # a quote that is not closed
        words = first[2:].split()
    if words and words[0].rpartition("/")[2] == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else None
