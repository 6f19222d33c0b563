"""A plan from an inventory: all edits, with figures that count no byte twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import msgspec

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import Content
from pyimginspect.plan.bases import edits_of_base
from pyimginspect.plan.caches import edits_of_caches
from pyimginspect.plan.check import checked
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.duplicates import edits_of_duplicates
from pyimginspect.plan.installed_twice import edits_of_upgraded_base
from pyimginspect.plan.metadata import edits_of_metadata
from pyimginspect.plan.mounts import edits_of_copied_wheels
from pyimginspect.plan.operations import ReplaceBase
from pyimginspect.plan.plan import Plan
from pyimginspect.plan.project_tools import edits_of_project_tools
from pyimginspect.plan.python import edits_of_bindings, edits_of_environments
from pyimginspect.plan.recommended import edits_of_recommended
from pyimginspect.plan.records import Edit, NotOffered, SavingPart
from pyimginspect.plan.system_python import edits_of_system_python
from pyimginspect.plan.tools import edits_of_tools
from pyimginspect.plan.waste_edits import edits_of_deleted, edits_of_overwritten
from pyimginspect.plan.wheels import edits_of_wheels
from pyimginspect.report import Finding
from pyimginspect.rules import Claim

__all__ = ["make_plan"]

_NOTABLE = 64 << 10
"""Bytes from which an edit is worth a line though it fixes no finding."""

_MOST_EDITS = 3
"""Edits that are one finding's fix: more of them are a plan, which its own fix says in short."""

_LITTLE = 0.05
"""The part of a finding's bytes that its edits may leave, or be too little to be a part of it."""

_OF_FINDINGS = frozenset({"bindings", "owner", "narrow-copy"})
"""Kinds of edits of which a finding says more: of what, in which line of which layer."""

_RATIO = 0.4
"""Compressed bytes for each byte of content where no layer is compressed: what gzip made of the
layers of a Debian image with Python, 0.37 to 0.42."""


# In this order edits are tried one by one where all of them together break something: small changes
# come before another base and stages, which touch the same instructions.
_EDITS: tuple[Callable[[Context], Iterable[Proposal]], ...] = (
    edits_of_recommended,
    edits_of_tools,
    edits_of_bindings,
    edits_of_environments,
    edits_of_caches,
    edits_of_deleted,
    edits_of_copied_wheels,
    edits_of_upgraded_base,
    edits_of_metadata,
    edits_of_overwritten,
    edits_of_duplicates,
    edits_of_wheels,
    edits_of_base,
    edits_of_system_python,
    edits_of_project_tools,
)


def make_plan(inventory: Inventory, findings: Iterable[Finding] = ()) -> Plan:
    """Return every edit that makes the image smaller, the one that saves most first.

    What ``findings`` free and no edit does is advice in their words: so they never save more than
    the plan does.
    """
    context = Context(inventory)
    ratios = _ratios(inventory)
    figured: list[tuple[Edit, frozenset[Content]]] = []
    sums: Counter[int] = Counter()
    saved: set[Content] = set()
    findings = tuple(findings)
    offered, refused = checked(context, [each for edits in _EDITS for each in edits(context)])
    offered = _without_answered(offered)
    if findings:
        cited = (_cited(each, findings) for each in offered)
        offered = [
            each
            for each in cited
            if each.edit.rules or context.contents.size(each.contents) >= _NOTABLE
        ]
    for proposal in _with_advice(context, _answering(context, offered, findings), findings):
        layers = context.contents.by_layer(proposal.contents)
        figured.append((_figured(proposal, layers, ratios), proposal.contents))
        sums.update(layers)
        # Bytes that an edit before it frees, too, are in the sum already.
        sums.subtract(context.contents.by_layer(saved & proposal.contents))
        saved |= proposal.contents
    figured.sort(key=lambda pair: _rank(pair[0]))
    layers = {layer: size for layer, size in sorted(sums.items()) if size}
    return Plan(
        reference=inventory.image.reference,
        size=inventory.ledger.stored,
        saving=sum(layers.values()),
        compressed=_compressed(
            {account.layer: account.stored for account in inventory.ledger.layers}, ratios
        ),
        compressed_saving=_compressed(layers, ratios),
        edits=tuple(edit for edit, _ in figured),
        layers=layers,
        parts=tuple(_parts(context, [contents for _, contents in figured])),
        not_offered=tuple(
            NotOffered(
                edit=_figured(each, context.contents.by_layer(each.contents), ratios), reason=why
            )
            for each, why in refused
        ),
        steps=context.steps,
    )


def _rank(edit: Edit) -> tuple[int, int, str, str]:
    # Down to the words, so that the order is the same from run to run.
    return -edit.saving, edit.layer, edit.kind, edit.words


def _parts(context: Context, contents: Sequence[frozenset[Content]]) -> Iterator[SavingPart]:
    """Yield all contents once, together those that the same edits free."""
    once, several = set[Content](), set[Content]()
    for each in contents:
        several |= once & each
        once |= each
    # Nearly all of them are the contents of one edit alone, which sets tell at once.
    parts: dict[tuple[int, ...], Collection[Content]] = {
        (number,): each - several for number, each in enumerate(contents) if not each <= several
    }
    edits: dict[Content, tuple[int, ...]] = {}
    for number, each in enumerate(contents):
        for content in each & several:
            edits[content] = (*edits.get(content, ()), number)
    shared: dict[tuple[int, ...], list[Content]] = {}
    for content, numbers in edits.items():
        shared.setdefault(numbers, []).append(content)
    for numbers, together in sorted({**parts, **shared}.items()):
        yield SavingPart(edits=numbers, size=context.contents.size(together))


def _without_answered(proposals: Sequence[Proposal]) -> list[Proposal]:
    """Return the proposals without advice on what the others do already."""
    done = frozenset[Content]().union(*(p.contents for p in proposals if p.edit.operations))
    return [p for p in proposals if p.edit.operations or not p.contents or p.contents - done]


def _cited(proposal: Proposal, findings: Sequence[Finding]) -> Proposal:
    """Return the proposal with those rules alone that find something in its layers."""
    edit = proposal.edit
    layers = {edit.layer, *edit.others, *(layer for layer, _ in proposal.contents)}
    if any(isinstance(each, ReplaceBase) for each in edit.operations):
        # Findings about a base are those of its lowest layer.
        layers.add(0)
    found = {f.rule for f in findings if not f.layers or not layers.isdisjoint(f.layers)}
    rules = tuple(rule for rule in edit.rules if rule in found)
    return proposal._replace(edit=msgspec.structs.replace(edit, rules=rules))


def _answering(
    context: Context, proposals: Sequence[Proposal], findings: Iterable[Finding]
) -> list[Proposal]:
    """Return the proposals with the findings that they answer, and that they share a text with."""
    answered: dict[int, list[Claim]] = {}
    for claim in findings:
        if isinstance(claim, Claim) and claim.frees:
            numbers = _answers(context, proposals, claim)
            if len(numbers) == 1 or not any(_finding_says_more(proposals[n].edit) for n in numbers):
                for number in numbers:
                    answered.setdefault(number, []).append(claim)
    return [
        each._replace(edit=_with_findings(each.edit, answered.get(number, ())))
        for number, each in enumerate(proposals)
    ]


def _answers(context: Context, proposals: Sequence[Proposal], claim: Claim) -> list[int]:
    """Return which proposals free the bytes of a finding, those that free most of them first."""
    size = context.contents.size
    numbers = [n for n, each in enumerate(proposals) if claim.rule in each.edit.rules]
    if len(numbers) > 1:
        numbers.sort(key=lambda n: -size(claim.frees & proposals[n].contents))
    left, chosen = claim.frees, []
    rest = claim.saving
    little = rest * _LITTLE
    for number in numbers[:_MOST_EDITS]:
        share = left & proposals[number].contents
        freed = size(share)
        if freed > little:
            left -= share
            rest -= freed
            chosen.append(number)
    return chosen if rest <= little else []


def _finding_says_more(edit: Edit) -> bool:
    """Whether the finding, which looks at the files, says more than the edit does."""
    return edit.kind in _OF_FINDINGS or (edit.kind == "advice" and not edit.packages)


def _with_findings(edit: Edit, claims: Sequence[Claim]) -> Edit:
    """Return an edit with what it answers, in the words of the finding if that says more."""
    if _finding_says_more(edit):
        if len(claims) != 1:
            return edit
        edit = msgspec.structs.replace(edit, words=claims[0].fix)
    return msgspec.structs.replace(edit, findings=tuple(each.fingerprint for each in claims))


def _with_advice(
    context: Context, proposals: Iterable[Proposal], findings: Iterable[Finding]
) -> Iterator[Proposal]:
    """Yield the proposals, and then advice for what only findings free, those that free most."""
    saved: set[Content] = set()
    for proposal in proposals:
        saved |= proposal.contents
        yield proposal
    claims = [finding for finding in findings if isinstance(finding, Claim)]
    # The largest first, as findings count shared bytes: smaller ones have less left to advise.
    for claim in sorted(claims, key=lambda claim: -claim.saving):
        left = claim.frees - saved
        if left:
            saved |= left
            layer = max(context.contents.by_layer(left))
            edit = context.edit("advice", layer, claim.fix, rules=(claim.rule,))
            # What others free of it, they say in other words.
            whole = (claim.fingerprint,) if left == claim.frees else ()
            yield Proposal(msgspec.structs.replace(edit, findings=whole), left)


def _figured(proposal: Proposal, layers: dict[int, int], ratios: dict[int, float]) -> Edit:
    return msgspec.structs.replace(
        proposal.edit, saving=sum(layers.values()), compressed=_compressed(layers, ratios)
    )


def _ratios(inventory: Inventory) -> dict[int, float]:
    """Return what part of its length each layer has in a registry, a guess for plain archives."""
    ratios = {}
    for layer in inventory.image.layers:
        blob, size = layer.blob_size, layer.index.size
        # A blob about as long as the layer is not compressed, and says nothing.
        ratios[layer.number] = blob / size if blob and blob < 0.95 * size else _RATIO
    return ratios


def _compressed(layers: dict[int, int], ratios: dict[int, float]) -> int:
    return round(sum(size * ratios[layer] for layer, size in layers.items()))
