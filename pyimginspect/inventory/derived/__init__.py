"""Facts that follow from an :class:`~pyimginspect.inventory.collect.Inventory`.

What stands here is worked out of all the facts together, when an analyzer or an edit asks for it,
and remembered with the inventory; ``collect`` and what it gathers know nothing of it.
"""
