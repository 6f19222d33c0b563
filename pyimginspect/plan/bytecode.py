"""Bytecode that a base image's Python stores of itself: in the first ``RUN`` that starts it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from pyimginspect.dockerfile.installs import installation_of
from pyimginspect.plan import runs
from pyimginspect.plan.context import Context

__all__ = ["WhoseBytecode", "compiled_again", "for_environment", "whose_bytecode"]

WhoseBytecode = Literal["pip", "library", "other"]
# python(1): any value that is not empty forbids bytecode.
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def whose_bytecode(path: str) -> tuple[WhoseBytecode, ...]:
    """Return whose bytecode a file is: pip's, the standard library's; nothing for another file."""
    # PEP 3147. Bytecode beside its module, as Python 2 has it, is not written by Python 3.
    if "/__pycache__/" not in path:
        return ()
    if "/site-packages/" not in path:
        return ("library",)
    return ("pip",) if "/site-packages/pip/" in path else ("other",)


def compiled_again(context: Context, first: int, names: Collection[str] = ()) -> set[WhoseBytecode]:
    """Return whose bytecode the base's Python stores from the ``RUN`` of layer ``first`` on.

    A call of pip that does nothing but install ``names`` is none: it goes.
    Whoever is not root cannot write beside its modules, and a variable forbids it. All that pip
    does makes it import nearly all of itself, and of the library the same for any program.
    """
    found: set[WhoseBytecode] = set()
    for number in context.runs(first):
        command = context.command(number) or ""
        if (
            context.variable(number, _NO_BYTECODE)
            or f"{_NO_BYTECODE}=" in command
            or context.user(number)
        ):
            continue
        for call in runs.calls(command):
            installation = installation_of(call.command)
            if call.manager == "pip" and not (
                installation is not None
                and not installation.files
                and {*runs.names_of(installation)} <= {*names}
            ):
                found.add("library")
                # An environment's pip was compiled as it was installed; the library is the base's.
                if not for_environment(context, number):
                    return {"pip", "library"}
            if call.program.startswith("python"):
                found.add("library")
    return found


def for_environment(context: Context, layer: int) -> bool:
    """Whether all that a layer installed is in virtual environments, by a pip of their own."""
    tops = tuple(f"{each.path}/" for each in context.inventory.environments)
    installed = False
    for entry in context.inventory.image.layers[layer].index.entries:
        if entry.path.endswith(".dist-info/METADATA"):
            if not entry.path.startswith(tops):
                return False
            installed = True
    return installed
