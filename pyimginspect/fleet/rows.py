"""A report → the rows that the results keep of it."""

from __future__ import annotations

import datetime
import hashlib

from pyimginspect.analyzers import catalogue
from pyimginspect.fleet.packing import pack_report
from pyimginspect.fleet.records import FindingRow, Folded, ImageRow, LayerRow, PythonRow
from pyimginspect.inventory.end_of_life import python_end
from pyimginspect.layers.digests import digest_of
from pyimginspect.model import Image
from pyimginspect.policy import Policy, apply_policy
from pyimginspect.report import Finding, Report, Verdict

__all__ = ["rows_of"]


def rows_of(key: str, report: Report, image: Image, policy: Policy, today: datetime.date) -> Folded:
    """Return what is kept of an image: the findings are those that ``policy`` lets count."""
    packed, report = pack_report(report)
    judged = apply_policy(report, policy, catalogue(), today=today)
    verdict = judged.verdict
    assert verdict is not None
    findings = [_finding(finding, verdict, waived=False) for finding in judged.findings]
    findings += [_finding(waived.finding, verdict, waived=True) for waived in verdict.waived]
    return Folded(
        image=_image(key, report, image, fails=not verdict.passed),
        layers=_layers(report),
        findings=tuple(findings),
        pythons=_pythons(report, image),
        report=packed,
    )


def _image(key: str, report: Report, image: Image, *, fails: bool) -> ImageRow:
    return ImageRow(
        key=key,
        config_digest=report.image.config_digest or "",
        platform=report.image.platform,
        created=report.image.created or "",
        os=report.os.id,
        os_version=report.os.version_id,
        libc=report.libc.flavor,
        libc_version=report.libc.version or "",
        base=report.base.name,
        base_family=report.base.family,
        base_variant=report.base.variant,
        base_layers=report.base.layers,
        size=report.size,
        live=report.live,
        fails=fails,
        labels=image.config.labels,
    )


def _layers(report: Report) -> tuple[LayerRow, ...]:
    rows = []
    chain = ""
    for layer in report.layers:
        # What has no diff ID, as a directory, is like no other layer.
        name = f"{report.image.reference}\0{layer.number}".encode("utf-8", "backslashreplace")
        identity = layer.diff_id or f"none:{hashlib.sha256(name).hexdigest()}"
        if layer.toc_digest is not None:  # not verified, so it must not be mixed up with what is
            identity += f" by {layer.toc_digest}, {layer.size}"
        # ChainID of OCI's config.md: the digest of the one below, a space, and the diff ID.
        chain = digest_of(f"{chain} {identity}".encode()) if chain else identity
        rows.append(
            LayerRow(
                identity=identity,
                chain=chain,
                size=layer.size,
                stored=layer.account.stored,
                live=layer.account.live,
                entries=layer.entries,
                blob_size=layer.blob_size,
                instruction=layer.instruction,
                base=layer.base,
            )
        )
    return tuple(rows)


def _finding(finding: Finding, verdict: Verdict, *, waived: bool) -> FindingRow:
    return FindingRow(
        rule=finding.rule,
        severity=finding.severity,
        subject=finding.subject,
        message=finding.message,
        fix=finding.fix,
        fingerprint=finding.fingerprint,
        saving=finding.saving,
        savings=_savings(finding),
        fails=not waived and verdict.fails(finding),
        waived=waived,
    )


def _savings(finding: Finding) -> dict[int, int]:
    """Return a finding's saving in each of its layers.

    An analyzer of a third party may not say where its saving is: in equal parts, then.
    """
    layers = sorted(set(finding.layers))
    if finding.savings or not layers:
        return dict.fromkeys(layers, 0) | dict(finding.savings)
    # The rest is spread over the first ones, so that the parts add up.
    part, rest = divmod(finding.saving, len(layers))
    return {layer: part + (number < rest) for number, layer in enumerate(layers)}


def _pythons(report: Report, image: Image) -> tuple[PythonRow, ...]:
    rows = []
    for python in report.pythons:
        end = python_end(python.version, image)
        rows.append(
            PythonRow(
                path=python.path,
                version=python.version,
                implementation=python.implementation,
                origin=python.origin,
                layer=python.layer,
                size=python.size,
                effective=python.effective,
                packages=python.packages,
                ends=end.date if end is not None else "",
                past_end=end is not None and end.over,
            )
        )
    return tuple(rows)
