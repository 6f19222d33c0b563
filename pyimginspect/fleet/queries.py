"""The questions that are asked of a results file, in SQL."""

from __future__ import annotations

from pyimginspect.errors import InvalidReferenceError

__all__ = [
    "CHAINS",
    "FAILED",
    "FIXES",
    "FIX_IMAGES",
    "LAYERS",
    "LAYER_SAVINGS",
    "PYTHONS",
    "REFERENCES",
    "REPORT",
    "TOTALS",
    "groups",
]

# Of each finding in a layer, what it saves there: counted once, though every image has it.
_EACH = """
SELECT finding.rule, finding.subject, finding_layer.layer,
    max(finding_layer.saving) AS saving, sum(finding_layer.saving) AS summed
FROM finding JOIN finding_layer ON finding_layer.finding = finding.id
WHERE NOT finding.waived
GROUP BY finding.rule, finding.subject, finding_layer.layer
"""

# A layer's waste differs from image to image, by what lies above it.
TOTALS = """
WITH once AS (
    SELECT layer.stored, min(wasted) AS least, max(wasted) AS most
    FROM image_layer JOIN layer ON layer.id = image_layer.layer
    GROUP BY layer.id
)
SELECT
    (SELECT count(*) FROM reference) AS "references",
    (SELECT count(*) FROM reference WHERE status = 'inspected') AS inspected,
    (SELECT count(*) FROM reference WHERE status = 'failed') AS failed,
    (SELECT count(*) FROM reference WHERE status = 'deferred') AS deferred,
    (SELECT count(*) FROM image) AS images,
    (SELECT count(*) FROM image WHERE fails) AS failing,
    (SELECT count(*) FROM once) AS layers,
    (SELECT ifnull(sum(size), 0) FROM image) AS stored_summed,
    (SELECT ifnull(sum(stored), 0) FROM once) AS stored_once,
    (SELECT ifnull(sum(size - live), 0) FROM image) AS wasted_summed,
    (SELECT ifnull(sum(least), 0) FROM once) AS wasted_once,
    (SELECT ifnull(sum(most), 0) FROM once) AS wasted_once_anywhere
"""

# Findings of one rule may overlap in a layer: no fix saves more than the layer stores.
FIXES = f"""
WITH each AS ({_EACH}),
fixes AS (
    SELECT rule, layer, sum(saving) AS saving, sum(summed) AS summed,
        json_group_array(subject) AS subjects
    FROM each GROUP BY rule, layer
),
largest AS (
    SELECT finding.rule, finding_layer.layer, finding.severity, finding.message, finding.fix,
        row_number() OVER (
            PARTITION BY finding.rule, finding_layer.layer
            ORDER BY finding_layer.saving DESC, finding.subject, finding.id
        ) AS place
    FROM finding JOIN finding_layer ON finding_layer.finding = finding.id
    WHERE NOT finding.waived
)
SELECT fixes.rule, largest.severity, fixes.layer AS number, layer.diff_id AS layer,
    (SELECT instruction FROM image_layer WHERE image_layer.layer = layer.id LIMIT 1) AS instruction,
    fixes.subjects, largest.message, largest.fix,
    min(fixes.saving, layer.stored) AS saving, fixes.summed AS saving_summed
FROM fixes
JOIN largest ON largest.rule = fixes.rule AND largest.layer = fixes.layer AND largest.place = 1
JOIN layer ON layer.id = fixes.layer
ORDER BY 9 DESC, fixes.summed DESC, fixes.rule, layer.diff_id
"""

FIX_IMAGES = """
SELECT DISTINCT finding.rule, finding_layer.layer, finding.image
FROM finding JOIN finding_layer ON finding_layer.finding = finding.id
WHERE NOT finding.waived
"""

CHAINS = """
SELECT image_layer.image, image_layer.position, image_layer.chain, image_layer.layer,
    image_layer.instruction, image_layer.wasted, layer.stored,
    CASE WHEN image.base_layers = image_layer.position + 1 THEN image.base ELSE '' END AS name
FROM image_layer
JOIN image ON image.id = image_layer.image
JOIN layer ON layer.id = image_layer.layer
ORDER BY image_layer.image, image_layer.position
"""

LAYER_SAVINGS = f"""
SELECT each.layer, min(sum(each.saving), layer.stored) AS saving
FROM ({_EACH}) AS each JOIN layer ON layer.id = each.layer
GROUP BY each.layer
"""

LAYERS = """
SELECT layer.diff_id, min(image_layer.instruction) AS instruction, layer.size, layer.blob_size,
    layer.stored, min(image_layer.wasted) AS wasted, max(image_layer.wasted) AS wasted_anywhere,
    count(DISTINCT image_layer.image) AS images
FROM image_layer JOIN layer ON layer.id = image_layer.layer
GROUP BY layer.id
ORDER BY images DESC, layer.stored DESC, layer.diff_id
"""

# "second" needs another that is the effective one: an image without any has no second Python.
PYTHONS = """
SELECT python.version, python.implementation, python.origin, python.packages,
    min(python.path) AS path, layer.diff_id AS layer,
    (SELECT instruction FROM image_layer WHERE image_layer.layer = layer.id LIMIT 1) AS instruction,
    python.ends, max(python.past_end) AS past_end,
    sum(NOT python.effective AND EXISTS (
        SELECT 1 FROM python AS other WHERE other.image = python.image AND other.effective
    )) AS second,
    json_group_array(python.image) AS image_list
FROM python JOIN layer ON layer.id = python.layer
GROUP BY python.version, python.implementation, python.origin, python.packages, layer.id
ORDER BY count(DISTINCT python.image) DESC, python.version, layer.diff_id
"""

# "status = 'deferred'" is 0 or 1 in SQLite, so what really failed comes first.
FAILED = """
SELECT name AS reference, platform, status, error FROM reference
WHERE status != 'inspected' ORDER BY status = 'deferred', name, platform
"""

REFERENCES = """
SELECT name, platform, namespace, image FROM reference
WHERE status = 'inspected' ORDER BY name, platform
"""

REPORT = """
SELECT image.report, reference.named FROM reference JOIN image ON image.id = reference.image
WHERE reference.name = ? AND reference.platform = ?
"""

_GROUPS = {
    "registry": "reference.registry",
    "repository": "trim(reference.registry || '/' || reference.repository, '/')",
    "team": "CASE instr(reference.repository, '/') WHEN 0 THEN reference.repository"
    " ELSE substr(reference.repository, 1, instr(reference.repository, '/') - 1) END",
    "namespace": "reference.namespace",
    "base": "image.base",
}


def groups(by: str) -> tuple[str, tuple[str, ...]]:
    """Return the statement that groups images ``by`` something, and its values.

    Raises :class:`InvalidReferenceError` for what nothing can be grouped by.
    """
    values: tuple[str, ...] = ()
    if by.startswith("label:"):
        # Not json_extract(), whose paths are divided at dots: most names of labels have some.
        expression = "ifnull((SELECT value FROM json_each(image.labels) WHERE key = ?), '')"
        values = (by.removeprefix("label:"),)
    elif by in _GROUPS:
        expression = _GROUPS[by]
    else:
        known = ", ".join([*_GROUPS, "label:NAME"])
        raise InvalidReferenceError(f"images are not grouped by '{by}'", hint=f"there are {known}")
    return (
        f"""
WITH member AS (
    SELECT DISTINCT {expression} AS name, image.id AS image
    FROM reference JOIN image ON image.id = reference.image
),
once AS (
    SELECT member.name, finding.rule, finding.subject, finding_layer.layer,
        max(finding_layer.saving) AS saving
    FROM member JOIN finding ON finding.image = member.image
    JOIN finding_layer ON finding_layer.finding = finding.id
    WHERE NOT finding.waived
    GROUP BY member.name, finding.rule, finding.subject, finding_layer.layer
),
saved AS (SELECT name, rule, sum(saving) AS saving FROM once GROUP BY name, rule),
counted AS (
    SELECT member.name, finding.rule, count(DISTINCT member.image) AS images, count(*) AS findings,
        min(CASE finding.severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END) AS worst
    FROM member JOIN finding ON finding.image = member.image
    WHERE NOT finding.waived
    GROUP BY member.name, finding.rule
)
SELECT counted.name AS "group", counted.rule,
    CASE counted.worst WHEN 0 THEN 'error' WHEN 1 THEN 'warning' ELSE 'note' END AS severity,
    counted.images, counted.findings, ifnull(saved.saving, 0) AS saving
FROM counted LEFT JOIN saved ON saved.name = counted.name AND saved.rule = counted.rule
ORDER BY counted.name, counted.rule
""",
        values,
    )
