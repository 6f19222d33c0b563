"""Words of advice about native libraries that are in the image twice."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.inventory.derived.cuda import find_cuda_pairs
from pyimginspect.inventory.derived.duplicates import find_duplicates
from pyimginspect.plan.context import Context, Proposal

__all__ = ["edits_of_duplicates"]

_RULES = ("duplicate-native-library",)


def edits_of_duplicates(context: Context) -> Iterator[Proposal]:
    """Propose to leave out the copies that nothing which was examined needs."""
    inventory = context.inventory
    titles = {each.metadata: each.name for each in inventory.distributions}
    for duplicate in find_duplicates(inventory):
        if duplicate.dropped:
            layer = max(context.packages[key].installed_in for key in duplicate.dropped)
            names = [context.packages[key].name for key in duplicate.dropped]
            words = f"do not install {' '.join(names)}: {titles[duplicate.metadata]} brings its own"
        elif duplicate.unused:
            layer = max(inventory.rootfs[path].layer for path in duplicate.unused)
            words = (
                f"do not copy libraries to /{duplicate.directory}: nothing loads them from there"
            )
        else:
            continue
        edit = context.edit("advice", layer, words, rules=_RULES)
        yield Proposal(edit, context.contents.behind(duplicate.gone))
    for pair in find_cuda_pairs(inventory):
        if pair.superfluous is not None and pair.gone:
            layer = max(inventory.rootfs[path].layer for path in pair.gone)
            words = f"do without CUDA's libraries from {pair.superfluous.title}: nothing uses them"
            edit = context.edit("advice", layer, words, rules=_RULES)
            yield Proposal(edit, context.contents.behind(pair.gone))
