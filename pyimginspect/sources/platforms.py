"""The platform of this machine, and the error where an image is for none that is wanted."""

from __future__ import annotations

import platform as host

from pyimginspect.errors import PlatformError
from pyimginspect.model import Platform

__all__ = ["host_platform", "no_platform"]

# uname's names and Go's (GOARCH), which images have.
_KNOWN = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    **dict.fromkeys(("i386", "i486", "i586", "i686"), "386"),
    "loongarch64": "loong64",
}
# The letters behind the number tell of the byte order and more: armv7l, armv5tejl (containerd's
# platforms, getCPUVariantFromArch). For 32 bits on an ARMv8 there is nothing newer than arm/v7.
_ARM = {"armv5": "v5", "armv6": "v6", "armv7": "v7", "armv8": "v7"}


def host_platform() -> Platform:
    """Return the platform of images that this machine would run."""
    machine = host.machine().lower()
    # Linux everywhere: engines on macOS and Windows run these images in a virtual machine.
    if variant := _ARM.get(machine[:5]):
        return Platform(os="linux", architecture="arm", variant=variant)
    return Platform(os="linux", architecture=_KNOWN.get(machine, machine or "amd64"))


def no_platform(wanted: Platform | None, there: list[str]) -> PlatformError:
    """Return the error that lists the platforms that are there."""
    listed = ", ".join(sorted(set(there))) or "none"
    return PlatformError(
        f"no image for {wanted}; there are: {listed}", hint="choose one with --platform"
    )
