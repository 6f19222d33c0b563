"""The findings of all references as one flat table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyimginspect.fleet import Fleet

__all__ = ["COLUMNS", "rows"]

COLUMNS = (
    "reference",
    "platform",
    "registry",
    "repository",
    "tag",
    "namespace",
    "config_digest",
    "base",
    "rule",
    "severity",
    "subject",
    "message",
    "fix",
    "fingerprint",
    "fails",
    "waived",
    "layer",
    "saving",
)
"""``saving`` is that in ``layer``: a finding in several layers has a row for each."""

_STATEMENT = """
SELECT reference.name, reference.platform, reference.registry, reference.repository,
    reference.tag, reference.namespace, image.config_digest, image.base,
    finding.rule, finding.severity, finding.subject, finding.message, finding.fix,
    finding.fingerprint, finding.fails, finding.waived,
    ifnull(layer.diff_id, '') AS layer, ifnull(finding_layer.saving, 0) AS saving
FROM reference
JOIN image ON image.id = reference.image
JOIN finding ON finding.image = image.id
LEFT JOIN finding_layer ON finding_layer.finding = finding.id
LEFT JOIN layer ON layer.id = finding_layer.layer
ORDER BY reference.name, reference.platform, finding.id, finding_layer.layer
"""


def rows(fleet: Fleet) -> Iterator[tuple[Any, ...]]:
    """Return the rows, in the order of :data:`COLUMNS`."""
    for row in fleet.query(_STATEMENT):
        values = dict(zip(COLUMNS, row.values(), strict=True))
        values["fails"], values["waived"] = bool(values["fails"]), bool(values["waived"])
        yield tuple(values.values())
