"""The operating system's packages: dpkg, apk and rpm, read from what the layers hold of them."""

from __future__ import annotations

from pyimginspect.inventory.packages.database import PackageDatabase, find_os_packages

__all__ = ["PackageDatabase", "find_os_packages"]
