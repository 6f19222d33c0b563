"""The tree of layer chains: which beginnings several images share.

Images that share a chain (OCI image specification, config.md, "Layer ChainID") have a common
ancestor, whatever it is called. Of chains that the same images have, the longest counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["find_bases"]


class _Node:
    """A chain: its top layer, and the images that begin with it."""

    def __init__(self, row: Mapping[str, Any], parent: str) -> None:
        self.parent = parent
        self.depth = int(row["position"]) + 1
        self.layer = int(row["layer"])
        self.stored = int(row["stored"])
        self.wasted = int(row["wasted"])
        self.instruction = str(row["instruction"])
        self.images: list[int] = []
        self.names: Counter[str] = Counter()


def find_bases(
    layers: Iterable[Mapping[str, Any]], savings: Iterable[Mapping[str, Any]]
) -> list[tuple[dict[str, Any], list[int]]]:
    """Return the shared chains, with the images that begin with each.

    ``layers`` are the layers of all images, by image and position; ``savings`` what the findings
    in each layer save.
    """
    nodes = _nodes(layers)
    saved = {row["layer"]: row["saving"] for row in savings}
    children: dict[str, list[str]] = {}
    for chain, node in nodes.items():
        children.setdefault(node.parent, []).append(chain)
    shared = {
        chain
        for chain, node in nodes.items()
        if len(node.images) > 1
        # Where all images go on alike, the chain above is their base.
        and all(len(nodes[c].images) < len(node.images) for c in children.get(chain, ()))
    }
    # In no order: a set's changes from run to run, and whoever asks sorts.
    return [_base(chain, nodes, shared, saved) for chain in shared]


def _nodes(layers: Iterable[Mapping[str, Any]]) -> dict[str, _Node]:
    nodes: dict[str, _Node] = {}
    below = ""
    for row in layers:
        # Rows are by image and position, so the one before is the layer below.
        parent = below if row["position"] else ""
        chain = below = row["chain"]
        node = nodes.get(chain)
        if node is None:
            node = nodes[chain] = _Node(row, parent)
        node.images.append(row["image"])
        # What lies above may use a file or not: only what no image uses is sure to be wasted.
        node.wasted = min(node.wasted, row["wasted"])
        if row["name"]:
            node.names[row["name"]] += 1
    return nodes


def _base(
    chain: str, nodes: Mapping[str, _Node], shared: set[str], saved: Mapping[int, int]
) -> tuple[dict[str, Any], list[int]]:
    top = nodes[chain]
    added = [top]
    parent = top.parent
    while parent and parent not in shared:
        added.append(nodes[parent])
        parent = nodes[parent].parent
    names: Counter[str] = Counter()
    for node in added:
        names.update(node.names)
    base = {
        "chain": chain,
        "parent": parent,
        "name": names.most_common(1)[0][0] if names else "",
        "instruction": top.instruction,
        "layers": len(added),
        "depth": top.depth,
        "stored": sum(node.stored for node in added),
        "wasted": sum(node.wasted for node in added),
        "saving": sum(saved.get(node.layer, 0) for node in added),
    }
    return base, top.images
