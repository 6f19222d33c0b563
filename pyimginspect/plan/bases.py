"""Edits that begin with the slim variant of an official image in the place of the full one."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.inventory.derived.leftovers import kept_of_full, not_in_slim
from pyimginspect.inventory.official_images import slim_image
from pyimginspect.inventory.packages.commands import install_and_clean
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.operations import (
    InsertCommand,
    Operation,
    ReplaceBase,
)
from pyimginspect.text import counted

__all__ = ["edits_of_base"]

_RULES = ("base-not-official-slim",)
_WITH_SYMBOLS = 15_000_000
"""Bytes of a libpython from which on it is not stripped: 21 MB were measured, and 5.5 without."""
_STRIPPED = 0.31
"""What is left of such files in a slim image, whose build passes ``--strip-all`` to the linker."""


def edits_of_base(context: Context) -> Iterator[Proposal]:
    """Propose the slim variant in place of the full one; what that saves is an estimate."""
    base = context.inventory.base
    if base.family != "python" or base.variant != "full" or not base.layers:
        return
    keys, files = not_in_slim(context.inventory)
    full = base.name or "the full one"
    image = slim_image(base.version, base.distribution)
    unstripped = context.contents.behind(_unstripped(context))
    edit = context.edit(
        "base",
        0,
        f"begin with the slim variant; {full} brings {counted(len(keys), 'package')} more",
        command=f"FROM {image}",
        keep=kept_of_full(context.inventory),
        rules=_RULES,
        estimated=True,
        adds=round(context.contents.size(unstripped) * _STRIPPED),
        operations=_slim_operations(context, image),
        reason="another base image: look whether anything needs what it has not, such as tkinter",
    )
    yield Proposal(edit, context.contents.behind(files) | unstripped, context.behind(keys))


def _unstripped(context: Context) -> Iterator[str]:
    """Yield the ELF files of a full image's Python that have the symbols for debugging."""
    rootfs = context.inventory.rootfs
    for python in context.inventory.interpreters:
        library = rootfs.get(python.libpython) if python.libpython else None
        if library is None or library.layer >= context.base or library.entry.size < _WITH_SYMBOLS:
            continue
        yield python.libpython
        # The official build links extension modules with the LDFLAGS of the interpreter.
        for path in rootfs.children(f"{python.stdlib}/lib-dynload"):
            if path.endswith(".so") and rootfs[path].kind == "file":
                yield path


def _slim_operations(context: Context, image: str) -> list[Operation]:
    """Return the operations for the slim variant, with the libraries of the full one in use."""
    operations: list[Operation] = [ReplaceBase(image=image)]
    keep = kept_of_full(context.inventory)
    if keep:
        # In the first RUN above the base, since any later one may call what the full variant has.
        layers = context.runs(context.base)
        if not layers or context.user(layers[0]):
            return []
        command = " && ".join(install_and_clean("apt-get", keep))
        operations.append(InsertCommand(layer=layers[0], after=(), command=command))
    return operations
