"""From a reference to a report: the public functions, and the rooms put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from pyimginspect.analyzers import third_party_analyzers
from pyimginspect.arriving_layers import ArrivingLayers
from pyimginspect.attestations import AttestationMode
from pyimginspect.errors import LayerError
from pyimginspect.layers.probes import registered
from pyimginspect.model import Digest, Image, Layer, LayerIndex, Platform
from pyimginspect.report import Finding, Report
from pyimginspect.report_cache import cached_report, cached_result, keep_report, report_key
from pyimginspect.sources.connections import Connections
from pyimginspect.sources.opened import Later, Opened, assemble
from pyimginspect.sources.opening import open_or_later, open_reference
from pyimginspect.sources.options import LayerCache, NoProgress, Options, Reporter
from pyimginspect.sources.resolved import Resolved
from pyimginspect.version import VERSION

# What works an image out is loaded where that is done: a second look needs none of it, and
# loading all of it takes longer than everything else that such a look does.
if TYPE_CHECKING:
    from pyimginspect.analyzers import Analyzer
    from pyimginspect.inventory.collect import Inventory
    from pyimginspect.ledger import Ledger
    from pyimginspect.plan import LayerBreakdown, Plan
    from pyimginspect.rootfs import RootFS

__all__ = [
    "OpenedImage",
    "inspect",
    "open_image",
    "open_resolved",
    "tool_version",
]


class OpenedImage:
    """An image whose layers have been read; everything else is worked out when asked for."""

    def __init__(
        self,
        opened: Opened | Later,
        dlopen: Mapping[str, tuple[str, ...]] | None = None,
        *,
        base_layers: int | None = None,
        base_name: str = "",
        kept: LayerCache | None = None,
        apply: Callable[[tuple[Layer, ...]], RootFS] | None = None,
    ) -> None:
        self._source = opened
        self._apply = apply
        self._kept = kept
        self._dlopen = dlopen
        self._base_layers = base_layers
        self._base_name = base_name

    @cached_property
    def _opened(self) -> Opened:
        return self._source.open() if isinstance(self._source, Later) else self._source

    @property
    def image(self) -> Image:
        """The image: its configuration, and its layers with their indexes."""
        return self._opened.image

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, the lowest first."""
        return self.image.layers

    @cached_property
    def rootfs(self) -> RootFS:
        """The file system that a container would see.

        Raises :class:`~pyimginspect.errors.CorruptLayerError` for a layer that none can apply.
        """
        from pyimginspect.changesets import apply_layers

        try:
            return (self._apply or apply_layers)(self.layers)
        except LayerError as exc:
            raise exc.at(image=self.image.reference) from exc

    @cached_property
    def ledger(self) -> Ledger:
        """What became of every stored byte."""
        from pyimginspect.ledger import build_ledger

        return build_ledger(self.rootfs, self._opened.checksum)

    @cached_property
    def inventory(self) -> Inventory:
        """All facts: interpreters, packages, distributions, leftovers."""
        from pyimginspect.inventory.collect import take_inventory

        return take_inventory(
            self.image,
            self.rootfs,
            self.ledger,
            self._dlopen,
            base_layers=self._base_layers,
            base_name=self._base_name,
        )

    @cached_property
    def plan(self) -> Plan:
        """The edits that make the image smaller, and what each and all of them save."""
        from pyimginspect.inventory.instructions import read_steps
        from pyimginspect.plan import Plan, make_plan

        kept = self._kept if not third_party_analyzers() else None
        key = self._report_key("plan") if kept is not None else None
        if kept is None or key is None:
            return make_plan(self.inventory, self._claims)
        plan = cached_result(kept, key, Plan)
        if plan is not None:
            steps = read_steps(self._source.image.config.history)
            return msgspec.structs.replace(plan, steps=steps)
        plan = make_plan(self.inventory, self._claims)
        # Its steps may have secrets among the build arguments; the configuration has them anyway.
        keep_report(kept, key, msgspec.structs.replace(plan, steps=()))
        return plan

    @cached_property
    def _claims(self) -> tuple[Finding, ...]:
        """What all analyzers find, each as if it were the only one."""
        from pyimginspect.analyzers import all_analyzers, run_analyzers

        return run_analyzers(all_analyzers(), self.inventory)

    @property
    def dockerfile(self) -> str:
        """A Dockerfile as the history tells it, with the plan's edits applied and marked."""
        from pyimginspect.plan import reconstruct

        return reconstruct(self.inventory, self.plan)

    @property
    def layer_breakdowns(self) -> tuple[LayerBreakdown, ...]:
        """What each layer stores, what is left of it, and who took the rest."""
        from pyimginspect.plan import break_down_layers

        return break_down_layers(self.inventory)

    def report(
        self,
        analyzers: tuple[Analyzer, ...] | None = None,
        *,
        areas: bool = False,
        plan: bool = False,
    ) -> Report:
        """Judge the facts by the built-in and installed analyzers, or by those given.

        With ``areas`` the report also says where all stored bytes are, for the map of the web
        page; with ``plan`` what the edits of the :attr:`plan` save together. By the built-in
        analyzers, an image that was opened with a cache is not judged again.
        """
        # Those of third parties may ask the clock or a network (docs/decisions/kept-reports.md).
        if analyzers is not None or self._kept is None or third_party_analyzers():
            return self._judge(analyzers, areas=areas, plan=plan)
        key = self._report_key(areas, plan)
        report = cached_report(self._kept, key) if key is not None else None
        if report is None:
            report = self._judge(None, areas=areas, plan=plan)
            if key is not None:
                keep_report(self._kept, key, report)
        return report

    def _report_key(self, *settings: object) -> Digest | None:
        dlopen = sorted((self._dlopen or {}).items())
        # An image is opened later only where the cache has all its layers.
        cached = isinstance(self._source, Later)
        asked = (dlopen, self._base_layers, self._base_name, *settings)
        return report_key(self._source.image, *asked, cached=cached)

    def _judge(self, chosen: tuple[Analyzer, ...] | None, *, areas: bool, plan: bool) -> Report:
        from pyimginspect.analyzers import count_once, run_analyzers
        from pyimginspect.inventory.contents import contents_of
        from pyimginspect.reporting import areas_of, make_report, with_edits

        claims = self._claims if chosen is None else run_analyzers(chosen, self.inventory)
        findings = count_once(claims, contents_of(self.rootfs))
        if any(finding.saving or finding.shared for finding in findings):
            findings = with_edits(findings, self.plan)
        report = make_report(self.inventory, sorted(findings, key=lambda finding: finding.order))
        return msgspec.structs.replace(
            report,
            areas=areas_of(self.inventory) if areas else (),
            saving=self.plan.saving if plan else None,
        )


@contextmanager
def open_image(
    reference: str,
    *,
    platform: str | Platform | None = None,
    verify: bool = False,
    cache: LayerCache | None = None,
    progress: Reporter | None = None,
    dlopen: Mapping[str, tuple[str, ...]] | None = None,
    base: str | int | None = None,
    connections: Connections | None = None,
    attestations: AttestationMode = "index",
) -> Iterator[OpenedImage]:
    """Open an image by tag, by path, or with a prefix that names the kind of source.

    ``platform`` (``os/architecture[/variant]``) picks one of a multi-platform image; ``verify``
    holds every blob of a local archive against its digest. ``dlopen`` are the sonames that
    distributions open at run time, by normalised name, beside those that are known: a policy's
    ``dlopen``. ``base`` says outright what the base image is: another image, or how many of
    the lowest layers are its. ``connections`` are those to registries that many images share.
    ``attestations`` are looked for in the image's ``index``, in the list of its ``referrers``
    too, or ``never``.
    Raises :class:`~pyimginspect.errors.PyimginspectError`.
    """
    options = Options(
        platform=Platform.parse(platform) if isinstance(platform, str) else platform,
        verify=verify,
        probes=registered(),
        cache=cache,
        progress=progress or NoProgress(),
        connections=connections,
        attestations=attestations,
    )
    arriving = ArrivingLayers()
    opened = open_or_later(reference, msgspec.structs.replace(options, arrived=arriving.add))
    name, count = "", None
    # A longer number is no count of layers: it is taken for a name.
    if isinstance(base, int) or (base is not None and base.isdecimal() and len(base) < 10):
        count = int(base)
    elif base is not None:
        from pyimginspect.inventory.base import layers_shared
        from pyimginspect.sources.reference import pulled_as

        # Without `arrived`: the layers of the base are not those that are applied here.
        below = open_reference(base, options).image
        name, count = pulled_as(base, below), layers_shared(opened.image, below)
    # What was made with probes of others is theirs to vouch for; who verifies wants it made again.
    kept = cache if not verify and not options.probes else None
    yield OpenedImage(
        opened, dlopen, base_layers=count, base_name=name, kept=kept, apply=arriving.rootfs
    )


def open_resolved(
    resolved: Resolved,
    indexes: Mapping[int, LayerIndex],
    *,
    cache: LayerCache | None = None,
    dlopen: Mapping[str, tuple[str, ...]] | None = None,
    apply: Callable[[tuple[Layer, ...]], RootFS] | None = None,
) -> OpenedImage:
    """Put a resolved image and the indexes of its layers, by their numbers, together.

    It is the image that :func:`open_image` opens, and its report is the same. A ``cache`` is
    where the report is kept; the indexes must have been read with the installed probes, and
    from what was not to be verified. ``apply`` is what makes a file system of layers, for callers
    that have that of the lowest already.
    """
    kept = cache if not registered() else None
    return OpenedImage(assemble(resolved, indexes), dlopen, kept=kept, apply=apply)


def inspect(
    reference: str,
    *,
    platform: str | Platform | None = None,
    verify: bool = False,
    cache: LayerCache | None = None,
    progress: Reporter | None = None,
    dlopen: Mapping[str, tuple[str, ...]] | None = None,
    base: str | int | None = None,
    connections: Connections | None = None,
    attestations: AttestationMode = "index",
    areas: bool = False,
    plan: bool = False,
) -> Report:
    """Inspect an image and return the report, with ``areas`` and ``saving`` where wanted.

    ``areas`` and ``plan`` are those of :meth:`OpenedImage.report`. The other arguments and the
    errors are those of :func:`open_image`.
    """
    with open_image(
        reference,
        platform=platform,
        verify=verify,
        cache=cache,
        progress=progress,
        dlopen=dlopen,
        base=base,
        connections=connections,
        attestations=attestations,
    ) as image:
        return image.report(areas=areas, plan=plan)


def tool_version() -> str:
    """Return the version of this package."""
    return VERSION
