"""The planned image, worked out on the layers at hand, and what is asked of it.

An edit that takes anything away is offered only if nothing that stays can miss it: what starts
still starts, what loaded still loads, every ``RUN`` still finds the programs that it calls, the
Python that the container uses is there with its library, and what later steps remove is there to be
removed. All edits are asked about at once, and one by one only if that fails.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyimginspect.plan.check_files import (
    of_distributions,
    of_libraries,
    of_pythons,
    of_run_time,
    of_scripts,
    of_start,
)
from pyimginspect.plan.check_steps import (
    brings_python,
    of_builds,
    of_programs,
    of_steps,
    operations_of,
)
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.operations import ReplaceBase

__all__ = ["checked", "fault_of"]


def checked(
    context: Context, proposals: Sequence[Proposal]
) -> tuple[list[Proposal], list[tuple[Proposal, str]]]:
    """Return the proposals that break nothing, and the others, each with what it would break.

    Proposals without operations change nothing, and are not asked about.
    """
    edits = [each for each in proposals if each.edit.operations]
    if not edits or fault_of(context, edits) is None:
        return [*proposals], []
    good: list[Proposal] = []
    bad: list[tuple[Proposal, str]] = []
    for proposal in proposals:
        if not proposal.edit.operations:
            good.append(proposal)
            continue
        # With those that were found good, as one edit may need the other: a removal that another
        # edit drops would not find its package otherwise.
        others = [each for each in good if each.edit.operations]
        fault = fault_of(context, [*others, proposal])
        if fault is None:
            good.append(proposal)
        else:
            bad.append((proposal, fault))
    return good, bad


def fault_of(context: Context, proposals: Sequence[Proposal]) -> str | None:
    """Return what the image would miss after the edits of ``proposals``, as a clause."""
    gone = frozenset[str]().union(*(proposal.gone for proposal in proposals))
    # Proposals name waste too, which the final file system has not.
    gone &= context.inventory.rootfs.nodes.keys()
    if not gone:
        return next(of_steps(context, proposals), None)
    replaced = any(isinstance(op, ReplaceBase) for op in operations_of(proposals))
    official = any(brings_python(proposal) for proposal in proposals)
    # Generators: the first fault ends the questions.
    faults = (
        # Another base brings a Python of its own, which these two know nothing of.
        *(() if replaced else (of_pythons(context, gone), of_start(context, gone))),
        of_libraries(context, gone, official),
        of_scripts(context, gone, official),
        of_distributions(context, gone),
        of_run_time(context, gone),
        of_builds(context, proposals),
        of_programs(context, proposals),
        of_steps(context, proposals),
    )
    return next((fault for each in faults for fault in each), None)
