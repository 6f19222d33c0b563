"""The system at the bottom of an image: which distribution's, and which layers are its own.

Sources: ``os-release(5)``; debuerreotype's ``debian.sh`` and ``.slimify-excludes``; the histories
and labels of the images of docker-alpine, docker-brew-ubuntu-core, Red Hat's UBI, distroless
(built by Bazel) and Wolfi (built by apko); Windows' base images, whose steps are no instructions.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from msgspec import Struct

from pyimginspect.inventory.instructions import Step
from pyimginspect.inventory.os_release import OS_RELEASE
from pyimginspect.model import Evidence, Image
from pyimginspect.rootfs import RootFS

__all__ = ["System", "find_system", "lowest_text"]

_DOCKER_CFG = "etc/dpkg/dpkg.cfg.d/docker"
# debuerreotype begins this file so in the slim variant alone.
_SLIM = b'# This is the "slim" variant'
# os-release(5), without the escapes of a shell, which none of the fields that are asked for has.
_FIELD = re.compile(r"""([A-Z_]+)=(["']?)(.*?)\2""")
# `ADD file:4c1f… /` of the classic builder, `ADD alpine-minirootfs-….tar.gz /` of BuildKit.
_ROOT_FILE_SYSTEM = re.compile(r"(?:file:|multi:|alpine-minirootfs-|\S+\.tar\b)\S* /$")

# What os-release calls a distribution, and the family that its images are.
_FAMILIES = {
    "debian": "debian",
    "ubuntu": "ubuntu",
    "alpine": "alpine",
    "rhel": "ubi",
    "wolfi": "wolfi",
    "chainguard": "wolfi",
}
# Lines of history by tools that build base images without a Dockerfile.
_MADE_BY = {"debian": "# debian.sh", "distroless": "bazel build", "wolfi": "apko"}


class System(Struct, frozen=True, kw_only=True):
    """A distribution's image, or what there is in its place.

    ``layers`` is how many of the lowest layers are its own, ``recorded`` whether the history says
    so (a guess by contents otherwise), ``codename`` what its tags go by.
    """

    family: str
    variant: str = ""
    version: str = ""
    distribution: str = ""
    codename: str = ""
    layers: int = 0
    recorded: bool
    evidence: tuple[Evidence, ...] = ()

    @property
    def name(self) -> str:
        """A name that the image may have been pulled by; empty where that would be made up."""
        if self.family == "debian" and self.codename:
            return f"debian:{self.codename}" + (f"-{self.variant}" if self.variant else "")
        if self.family in ("ubuntu", "alpine") and self.version:
            return f"{self.family}:{self.version}"
        if self.family == "ubi" and self.version:
            return f"registry.access.redhat.com/ubi{self.version.partition('.')[0]}"
        return ""


def find_system(image: Image, rootfs: RootFS, steps: Sequence[Step]) -> System:
    """Tell the system by the lowest ``os-release`` and by the first steps of the history."""
    if image.platform.os == "windows":
        return _windows(image, steps)
    # Not the file that a container sees: a layer above may have upgraded the release.
    found = lowest_text(rootfs, OS_RELEASE)
    if found is None:
        what = "no layer has an os-release"
        return System(family="scratch", recorded=bool(steps), evidence=(Evidence(what=what),))
    layer, path, text = found
    fields = {
        match[1]: match[3]
        for line in text.decode("utf-8", "replace").splitlines()
        if (match := _FIELD.fullmatch(line.strip()))
    }
    name, version = fields.get("ID", "linux"), fields.get("VERSION_ID", "")
    family = _FAMILIES.get(name, "unknown")
    # Distroless images have Debian's ID and a PRETTY_NAME of their own.
    if "distroless" in fields.get("PRETTY_NAME", "").lower():
        family = "distroless"
    evidence = [
        Evidence(what=f"os-release: ID={name} VERSION_ID={version}", path=path, layer=layer)
    ]
    variant = ""
    slim = lowest_text(rootfs, (_DOCKER_CFG,)) if family == "debian" else None
    if slim is not None and slim[2].startswith(_SLIM):
        variant = "slim"
        evidence.append(Evidence(what="Debian's slim variant", path=slim[1], layer=slim[0]))
    layers, recorded = _own_layers(family, layer, len(image.layers), steps, evidence)
    return System(
        family=family,
        variant=variant,
        version=version,
        distribution=f"{name} {version}".strip(),
        codename=fields.get("VERSION_CODENAME", ""),
        layers=layers,
        recorded=recorded,
        evidence=tuple(evidence),
    )


def lowest_text(rootfs: RootFS, paths: Collection[str]) -> tuple[int, str, bytes] | None:
    """Return layer, path and content of the lowest text file that any layer has at ``paths``."""
    for layer in rootfs.layers:
        entries = layer.index.entries
        for position, text in layer.index.texts.items():
            if entries[position].path in paths:
                return layer.number, entries[position].path, text
    return None


def _own_layers(
    family: str, layer: int, count: int, steps: Sequence[Step], evidence: list[Evidence]
) -> tuple[int, bool]:
    """Return how many layers are the system's, and whether the history tells."""
    making = [step for step in steps if step.layer is not None]
    mark = _MADE_BY.get(family)
    own = 0
    while mark and own < len(making) and making[own].text.startswith(mark):
        own += 1
    if own:
        evidence.append(Evidence(what=f"history: {making[0].line[:80]}", layer=0))
        return own, True
    if (
        making
        and layer == 0
        and making[0].word == "ADD"
        and _ROOT_FILE_SYSTEM.search(making[0].text)
    ):
        evidence.append(Evidence(what=f"history: {making[0].line[:80]}", layer=0))
        return 1, True
    if count == 1:
        what = "one layer contains both the base image and everything above it: squashed"
        evidence.append(Evidence(what=what, layer=0))
        return 0, False
    return layer + 1, False


def _windows(image: Image, steps: Sequence[Step]) -> System:
    """Windows' own layers come first and no instruction made them; their blobs are often absent."""
    making = [step for step in steps if step.layer is not None]
    own = 0
    while own < len(making) and not making[own].word:
        own += 1
    version = image.platform.os_version
    return System(
        family="windows",
        variant="windowsservercore" if any("python.exe" in s.text for s in making) else "",
        version=version,
        distribution=f"windows {version}".strip(),
        layers=own,
        recorded=own > 0,
        evidence=(Evidence(what=f"platform {image.platform}"),),
    )
