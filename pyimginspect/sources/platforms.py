"""The platform of this machine, and the error where an image is for none that is wanted."""

from __future__ import annotations

import platform as host

from pyimginspect.errors import PlatformError
from pyimginspect.model import Platform

__all__ = ["host_platform", "no_platform"]


def host_platform() -> Platform:
    """Return the platform of images that this machine would run."""
    machine = host.machine().lower()
    # uname's names and Go's (GOARCH), which images have. Linux everywhere: engines on macOS and
    # Windows run these images in a virtual machine.
    known = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    return Platform(os="linux", architecture=known.get(machine, machine or "amd64"))


def no_platform(wanted: Platform | None, there: list[str]) -> PlatformError:
    """Return the error that lists the platforms that are there."""
    listed = ", ".join(sorted(set(there))) or "none"
    return PlatformError(
        f"no image for {wanted}; there are: {listed}", hint="choose one with --platform"
    )
