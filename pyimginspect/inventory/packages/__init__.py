"""The operating system's packages: dpkg, apk and rpm, read from what the layers hold of them.

database = find_os_packages(rootfs)
database.owner("usr/bin/python3.11")            # ("python3.11-minimal",)
graph = dependency_graph(database)
why(graph, "python3.11-minimal")                # (("python3-psycopg2", "python3", …), …)
plan_removal(rootfs, database, graph, ["python3"]).orphaned
"""

from __future__ import annotations

from pyimginspect.inventory.packages.closure import (
    RemovalPlan,
    find_orphans,
    plan_removal,
    why,
)
from pyimginspect.inventory.packages.database import PackageDatabase, find_os_packages
from pyimginspect.inventory.packages.dependencies import dependency_graph
from pyimginspect.inventory.packages.graph import Graph

__all__ = [
    "Graph",
    "PackageDatabase",
    "RemovalPlan",
    "dependency_graph",
    "find_orphans",
    "find_os_packages",
    "plan_removal",
    "why",
]
