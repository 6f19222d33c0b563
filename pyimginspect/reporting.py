"""From the facts of an inventory to the report that holds them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pyimginspect.inventory.attested import compared
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.primary_python import marked_interpreters
from pyimginspect.inventory.facts import Area
from pyimginspect.inventory.sizes import map_sizes, uses_of
from pyimginspect.model import Image, Note
from pyimginspect.plan import Plan
from pyimginspect.report import Finding, ImageFacts, LayerFacts, Report, Waste
from pyimginspect.version import VERSION

__all__ = ["areas_of", "image_facts", "make_report", "with_edits"]

_LARGEST_LOSSES = 20
# How names begin. Other variables may be secrets, and reports are passed on.
_TOLD_VARIABLES = ("PATH", "PYTHON", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "LANG")


def make_report(inventory: Inventory, findings: list[Finding]) -> Report:
    """Put together what is known of an image and what is wrong with it, as it was judged."""
    image, ledger = inventory.image, inventory.ledger
    wasted_files = sorted(
        ledger.wasted_files, key=lambda wasted: (-wasted.size, wasted.path, wasted.layer)
    )
    accounts = ledger.layers
    stored = ledger.stored
    return Report(
        tool_version=VERSION,
        image=image_facts(image),
        size=stored,
        live=stored - ledger.waste,
        os=inventory.os,
        base=inventory.base,
        libc=inventory.libc,
        pythons=marked_interpreters(inventory),
        environments=inventory.environments,
        distributions=inventory.distributions,
        os_packages=inventory.packages.packages,
        build_tools=inventory.build_tools,
        caches=inventory.caches,
        layers=_layer_facts(inventory),
        waste=Waste(
            size=ledger.waste,
            overwritten=sum(account.overwritten for account in accounts),
            removed=sum(account.removed for account in accounts),
            repeated=sum(account.repeated for account in accounts),
            files=len(wasted_files),
            largest=tuple(wasted_files[:_LARGEST_LOSSES]),
        ),
        findings=tuple(findings),
        notes=_notes(inventory),
        startup=inventory.startup,
        attestations=compared(inventory),
    )


def with_edits(findings: Iterable[Finding], plan: Plan) -> list[Finding]:
    """Return the findings, with the text of the plan's edits as the fix of those they answer.

    An analyzer sees its own facts; whether a later instruction builds, what calls a package before
    it is removed, which edits would break the image: that is what the plan works out.
    """
    fixes: dict[str, list[str]] = {}
    for edit in plan.edits:
        for fingerprint in edit.findings:
            fixes.setdefault(fingerprint, []).append(edit.fix)
    return [
        msgspec.structs.replace(finding, fix="\n".join(dict.fromkeys(fixes[finding.fingerprint])))
        if finding.fingerprint in fixes
        else finding
        for finding in findings
    ]


def areas_of(inventory: Inventory) -> tuple[Area, ...]:
    """Return where all stored bytes are, for the map of the web page."""
    facts = inventory.packages, inventory.build_tools, inventory.caches
    return map_sizes(inventory.rootfs, uses_of(*facts, marked_interpreters(inventory)))


def image_facts(image: Image) -> ImageFacts:
    """Return what a report says of which image it is of."""
    config = image.config
    return ImageFacts(
        reference=image.reference,
        source=image.source,
        names=image.names,
        digest=image.digest,
        config_digest=image.config_digest,
        platform=str(image.platform),
        created=config.created,
        user=config.user,
        entrypoint=config.entrypoint,
        cmd=config.cmd,
        environment={
            name: value
            for name, value in sorted(config.environment().items())
            if name.startswith(_TOLD_VARIABLES)
        },
    )


def _layer_facts(inventory: Inventory) -> tuple[LayerFacts, ...]:
    return tuple(
        LayerFacts(
            number=layer.number,
            instruction=instruction,
            size=layer.index.size,
            entries=len(layer.index.entries),
            account=account,
            diff_id=layer.diff_id,
            digest=layer.digest,
            blob_size=layer.blob_size,
            created=layer.history.created if layer.history is not None else None,
            base=layer.number < inventory.base.layers,
            absent=layer.absent,
            toc_digest=layer.index.toc_digest or None,
        )
        for layer, account, instruction in zip(
            inventory.image.layers, inventory.ledger.layers, inventory.instructions, strict=True
        )
    )


def _notes(inventory: Inventory) -> tuple[Note, ...]:
    """Gather what limits and oddities kept us from knowing, each with its layer."""
    notes = [
        *inventory.rootfs.notes,
        *inventory.packages.notes,
        *inventory.records.notes,
        *inventory.native.notes,
    ]
    for layer in inventory.image.layers:
        if layer.absent:
            notes.append(Note(what="the layer is not in the archive", layer=layer.number))
        notes.extend(
            Note(what=note.what, path=note.path, layer=layer.number) for note in layer.index.notes
        )
    return tuple(notes)
