"""What the fleet's page shows, as arrays in the fewest words: 10,000 images fit into one file.

Strings that repeat are given once and referred to by number; the whole is compressed, and taken
apart by the browser (``DecompressionStream``). What the page can work out, such as the images of
a fix, is not in it.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import msgspec

from pyimginspect.errors import printable
from pyimginspect.fleet import Fleet
from pyimginspect.formats.fleet.pages import page_name
from pyimginspect.report import SEVERITIES

__all__ = ["pack", "page_data"]

_LONGEST = 200
_LONGEST_FIX = 400

_IMAGES = """
SELECT image.id, image.key, min(reference.name) AS name, count(*) - 1 AS others, image.platform,
    image.base, image.size, image.size - image.live AS wasted, image.fails
FROM image JOIN reference ON reference.image = image.id
GROUP BY image.id ORDER BY name, image.platform
"""
_LAYERS = "SELECT image, layer, wasted, chain FROM image_layer ORDER BY image, position"
_FINDINGS = """
SELECT finding.id, finding.image, finding.rule, finding.severity, finding.subject,
    finding.message, finding.fix, finding.saving, finding.waived,
    (SELECT group_concat(layer) FROM finding_layer
        WHERE finding_layer.finding = finding.id) AS layers
FROM finding ORDER BY finding.image, finding.id
"""


def pack(data: dict[str, Any]) -> str:
    """Return data as text that may stand in a script element."""
    # Base64 has no `<`, so nothing can end the element; level 9, since it is made once and sent
    # often.
    return base64.b64encode(zlib.compress(msgspec.json.encode(data), 9)).decode()


def page_data(fleet: Fleet, group_by: str, pages: str = "") -> dict[str, Any]:
    """Return all that the page shows; ``pages`` is the directory of the images' own pages."""
    layers, numbers = _layers(fleet)
    bases, chains = _bases(fleet)
    images, places = _images(fleet, numbers, chains, pages)
    findings, rules = _findings(fleet, images, places, numbers)
    return {
        "severities": SEVERITIES,
        "pages": pages,
        "rules": rules,
        "layers": layers,
        "bases": bases,
        "images": images,
        "findings": findings,
        "fixes": _fixes(fleet, rules, numbers),
        "pythons": _pythons(fleet, numbers),
        "groups": _groups(fleet, group_by),
        "failed": [
            [_text(f.reference), f.platform, f.status, _text(f.error, _LONGEST_FIX)]
            for f in fleet.failed()
        ],
    }


def _text(text: str, longest: int = _LONGEST) -> str:
    # One more, to know whether anything is left out; and cut first, as printable() looks at each
    # character.
    text = printable(text[: longest + 1])
    return text if len(text) <= longest else f"{text[:longest]}…"


def _layers(fleet: Fleet) -> tuple[list[list[Any]], dict[str, int]]:
    """Return the layers, and the number of each by its diff ID."""
    layers = fleet.layers()
    rows = [
        [
            # sha256: and twelve digits, as `docker images` shows them.
            *(layer.diff_id[:19], _text(layer.instruction), layer.stored, layer.blob_size or 0),
            *(layer.wasted, layer.wasted_anywhere, layer.images),
        ]
        for layer in layers
    ]
    return rows, {layer.diff_id: number for number, layer in enumerate(layers)}


def _bases(fleet: Fleet) -> tuple[list[list[Any]], dict[str, int]]:
    """Return the shared chains, and the number of each by its identifier."""
    bases = fleet.bases()
    numbers = {base.chain: number for number, base in enumerate(bases)}
    rows = [
        [
            *(_text(base.name), base.chain[:19], _text(base.instruction), base.layers, base.depth),
            *(base.images, base.stored, base.wasted, base.saving, numbers.get(base.parent, -1)),
        ]
        for base in bases
    ]
    return rows, numbers


def _images(
    fleet: Fleet, numbers: dict[str, int], chains: dict[str, int], pages: str
) -> tuple[list[list[Any]], dict[int, int]]:
    """Return the images with their layers, and the place of each by its row."""
    images: list[list[Any]] = []
    places: dict[int, int] = {}
    for row in fleet.query(_IMAGES):
        places[row["id"]] = len(images)
        name, base = _text(row["name"]), _text(row["base"])
        images.append(
            [
                *(name, row["others"], row["platform"], base, row["size"], row["wasted"]),
                # The deepest shared chain, layers, wasted bytes of those that have any, findings.
                *(row["fails"], -1, [], [], []),
                *((page_name(row["key"], row["name"]),) if pages else ()),
            ]
        )
    known = {row["id"]: row["diff_id"] for row in fleet.query("SELECT id, diff_id FROM layer")}
    for row in fleet.query(_LAYERS):
        if row["image"] not in places:
            continue
        image = images[places[row["image"]]]
        if row["chain"] in chains:
            # Layers come from the lowest up, so the deepest is the last to be written.
            image[7] = chains[row["chain"]]
        if row["wasted"]:
            image[9].append([len(image[8]), row["wasted"]])
        image[8].append(numbers[known[row["layer"]]])
    return images, places


def _findings(
    fleet: Fleet, images: list[list[Any]], places: dict[int, int], numbers: dict[str, int]
) -> tuple[list[list[Any]], list[str]]:
    """Return the different findings, and put their numbers and savings into the images."""
    known = {row["id"]: row["diff_id"] for row in fleet.query("SELECT id, diff_id FROM layer")}
    rules: dict[str, int] = {}
    found: dict[tuple[Any, ...], int] = {}
    for row in fleet.query(_FINDINGS):
        if row["image"] not in places:
            continue
        # group_concat() gives text, and NULL for a finding about no layer.
        layers = [numbers[known[int(layer)]] for layer in (row["layers"] or "").split(",") if layer]
        finding = (
            rules.setdefault(row["rule"], len(rules)),
            SEVERITIES.index(row["severity"]),
            _text(row["subject"]),
            _text(row["message"]),
            _text(row["fix"], _LONGEST_FIX),
            row["waived"],
            tuple(sorted(layers)),
        )
        number = found.setdefault(finding, len(found))
        images[places[row["image"]]][10].append([number, row["saving"]])
    return [list(finding) for finding in found], list(rules)


def _fixes(fleet: Fleet, rules: list[str], numbers: dict[str, int]) -> list[list[Any]]:
    return [
        [
            *(rules.index(fix.rule), SEVERITIES.index(fix.severity), numbers[fix.layer]),
            *([_text(subject) for subject in fix.subjects[:3]], len(fix.subjects)),
            *(_text(fix.message), _text(fix.fix, _LONGEST_FIX)),
            *(fix.saving, fix.saving_summed, fix.images),
        ]
        for fix in fleet.fixes()
    ]


def _pythons(fleet: Fleet, numbers: dict[str, int]) -> list[list[Any]]:
    return [
        [
            *(python.version, python.implementation, python.origin, _text(python.path)),
            *(numbers[python.layer], _text(" ".join(python.packages)), python.ends),
            *(int(python.past_end), python.images, python.second),
        ]
        for python in fleet.pythons()
    ]


def _groups(fleet: Fleet, group_by: str) -> dict[str, Any]:
    """Return the matrix of rules and groups: the numbers of images."""
    cells: dict[str, dict[str, int]] = {}
    sums: dict[str, int] = {}
    for group in fleet.groups(group_by):
        cells.setdefault(group.group, {})[group.rule] = group.images
        sums[group.rule] = sums.get(group.rule, 0) + group.images
    rules = sorted(sums, key=lambda rule: (-sums[rule], rule))
    rows = [
        [_text(name) or "(none)", [of.get(rule, 0) for rule in rules]]
        for name, of in sorted(cells.items())
    ]
    return {"by": group_by, "rules": rules, "rows": rows}
