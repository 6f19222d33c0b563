"""Files stored again only because their owner, mode or time changed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyimginspect.analyzers._leftovers import NOTABLE
from pyimginspect.analyzers._waste import (
    covering,
    largest,
    layers_of,
    makers_of,
    named,
    owned_packages,
    shortened,
)
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.causes import Cause, find_causes
from pyimginspect.inventory.derived.wasted_files import Change, WastedContent, places_of
from pyimginspect.model import Entry, Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed, sized

__all__ = ["ANALYZER"]

RULE = Rule(
    id="rewritten-metadata",
    title="Files are stored twice for a change of owner, mode or time",
    severity="warning",
    policy="size",
    what="A layer changes the owner, mode, extended attributes or time of files in lower layers"
    " and leaves their content unchanged: chown -R, chmod, setcap, or a package that is"
    " reinstalled or upgraded with most of its files unchanged. There is one finding for each"
    " layer and each kind of change.",
    why="A layer stores whole files: changing one bit of the metadata stores all bytes again.",
    fix="Set owner and mode where the files are created: COPY --chown and --chmod, or chown and"
    " chmod in the same RUN.",
    example="""# at fault
COPY app /app
COPY run.sh /usr/local/bin/
RUN chown -R app:app /app
RUN chmod 755 /usr/local/bin/run.sh

# better
COPY --chown=app:app app /app
COPY --chmod=755 run.sh /usr/local/bin/
""",
)

# As in overwritten-files: less is noise that many a RUN makes.
_LEAST = 65_536
_WORDS: dict[Change, str] = {
    "owner": "owner",
    "mode": "mode",
    "xattrs": "extended attributes",
    "time": "time of modification",
}
# chown [OPTION]... OWNER[:GROUP] FILE: the names, since the layer has the numbers alone, and COPY
# --chown looks up both in the image.
_CHOWN = re.compile(r"\bchown\s+(?:-\S+\s+)*([\w.-]+(?::[\w.-]*)?)\s")


def run(inventory: Inventory) -> Iterator[Finding]:
    """Find them, one finding for each layer above the base and each kind of change."""
    for cause in find_causes(inventory):
        if cause.kind == "rewritten" and cause.size >= _LEAST:
            yield _finding(inventory, cause)


def _finding(inventory: Inventory, cause: Cause) -> Finding:
    tops = places_of(cause.wasted_files)
    what = _changed(cause)
    whose = [owner for owner in cause.owners if owner.kind != "directory"]
    # dpkg and rpm unpack every file of a new version, changed or not, with its build's time.
    upgraded = cause.changes == {"time"} and bool(whose)
    subject = whose[0].name if upgraded else tops[0]
    about = named(whose) if upgraded else listed(tops)
    return RULE.finding(
        subject=subject,
        # What an upgrade stores again as it was is no fault of its own until it is much.
        severity=None if cause.freed.size >= NOTABLE * (10 if upgraded else 1) else "note",
        message=f"{about} ({sized(cause.size)}): stored again by layer {cause.removed_in};"
        f" only the {what} changed",
        evidence=_evidence(inventory, cause),
        layers=layers_of(cause),
        instruction=inventory.instructions[cause.removed_in],
        paths=covering(cause.wasted_files),
        packages=owned_packages(cause),
        frees=cause.freed,
        fix=_fix(inventory, cause),
    )


def _changed(cause: Cause) -> str:
    # In the table's order: the changes are a set, whose order differs from run to run.
    words = [_WORDS[change] for change in _WORDS if change in cause.changes]
    return listed(words) or "time of modification"


def _evidence(inventory: Inventory, cause: Cause) -> Iterator[Evidence]:
    files = counted(len(cause.wasted_files), "file")
    instruction = shortened(inventory.instructions[cause.removed_in])
    yield Evidence(
        what=f"{instruction or f'layer {cause.removed_in}'} stores {files}"
        f" ({sized(cause.size)}) of {makers_of(cause)} again; content unchanged, only the"
        f" {_changed(cause)} differs",
        layer=cause.removed_in,
    )
    for wasted in largest(cause.wasted_files):
        yield Evidence(what=_difference(inventory, wasted), path=wasted.path, layer=wasted.layer)


def _entries(inventory: Inventory, wasted: WastedContent) -> tuple[Entry, Entry]:
    layers = inventory.rootfs.layers
    old = layers[wasted.layer].index.entries[wasted.position]
    return old, layers[wasted.removed_in].index.entries[wasted.successor]


def _difference(inventory: Inventory, wasted: WastedContent) -> str:
    """Say what the later layer made of the file."""
    old, new = _entries(inventory, wasted)
    parts = []
    if (old.uid, old.gid) != (new.uid, new.gid):
        parts.append(f"changed owner from {old.uid}:{old.gid} to {new.uid}:{new.gid}")
    if old.mode != new.mode:
        parts.append(f"changed mode from {old.mode:04o} to {new.mode:04o}")
    if old.xattrs != new.xattrs:
        names = sorted({xattr.partition("=")[0] for xattr in {*old.xattrs} ^ {*new.xattrs}})
        parts.append(f"changed extended attributes {listed(names)}")
    if not parts:
        parts.append("changed time of modification")
    return f"layer {wasted.removed_in} stores {sized(wasted.size)} again: {listed(parts)}"


# --- fixes ----------------------------------------------------------------------------------------
def _fix(inventory: Inventory, cause: Cause) -> str:
    base = inventory.base.layers
    in_base = cause.makers[0] < base
    removed_in = inventory.instructions[cause.removed_in]
    if cause.changes <= {"time"}:
        return _fix_of_times(cause, in_base=in_base)
    words = {"owner": "chown", "mode": "chmod", "xattrs": "setcap"}
    command = " and ".join(words[change] for change in words if change in cause.changes)
    if in_base:
        return (
            f"Leave the files of the base image as they are: restrict {command} in layer"
            f" {cause.removed_in} to files of the layers above it."
        )
    maker = inventory.instructions[cause.makers[0]]
    word = maker.partition(" ")[0]
    options = _options(inventory, cause, removed_in)
    if word in ("COPY", "ADD") and options and len(cause.makers) == 1:
        return f"{word} {options} in layer {cause.makers[0]}: {shortened(maker)}"
    made = "RUN that creates the files" if word == "RUN" else "step that creates the files"
    return f"{command} in the {made} (layer {cause.makers[0]}: {shortened(maker)})"


def _options(inventory: Inventory, cause: Cause, removed_in: str) -> str:
    """Return the options of ``COPY`` that do what the later layer did; empty for no such ones."""
    # COPY has no option for these: what setcap(8) writes is made in a RUN.
    if "xattrs" in cause.changes:
        return ""
    new = [_entries(inventory, wasted)[1] for wasted in cause.wasted_files]
    options = []
    if "owner" in cause.changes:
        match = _CHOWN.search(removed_in)
        owners = {(entry.uid, entry.gid) for entry in new}
        if match is None and len(owners) > 1:
            return ""
        uid, gid = min(owners)
        options.append(f"--chown={match[1] if match else f'{uid}:{gid}'}")
    if "mode" in cause.changes:
        modes = {entry.mode for entry in new}
        if len(modes) > 1:
            return ""
        options.append(f"--chmod={min(modes):o}")
    return " ".join(options)


def _fix_of_times(cause: Cause, *, in_base: bool) -> str:
    whose = named([owner for owner in cause.owners if owner.kind != "directory"])
    if in_base and whose:
        return (
            f"Start from a newer base image, which has {whose} in this version, or upgrade in the"
            f" base image's own build: layer {cause.removed_in} stores all files of the packages"
            " again."
        )
    if in_base:
        return f"Leave the files of the base image as they are in layer {cause.removed_in}."
    return (
        f"Do in one RUN what layers {cause.makers[0]} and {cause.removed_in} do to the same files."
    )


ANALYZER = Analyzer(rule=RULE, run=run)
