"""What goes with a package, against apt itself on made-up systems: the same set, every time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pyimginspect.changesets import apply_layers
from pyimginspect.inventory.packages import (
    dependency_graph,
    find_orphans,
    find_os_packages,
    plan_removal,
)
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.model import Layer
from pyimginspect.rootfs import RootFS
from tests.images import layer
from tests.integration.apt_oracle import CONFIGURATION, Apt, random_status, why_unavailable
from tests.integration.conftest import missing

CONFIGURATIONS = {
    "apt's own settings": "",
    "as Debian's images": 'Apt::AutoRemove::SuggestsImportant "false";\n',
    "as Debian's machines": """\
APT { NeverAutoRemove { "^p0[0-3]$"; "7"; }; };
APT { Never-MarkAuto-Sections { "metapackages"; "tasks"; }; };
""",
    "only what is required": """\
APT::AutoRemove { RecommendsImportant "0"; SuggestsImportant "no"; };
""",
}
SYSTEMS = 60


@pytest.fixture(scope="module")
def apt(tmp_path_factory: pytest.TempPathFactory) -> Apt:
    reason = why_unavailable()
    if reason is not None:
        missing(reason)
    return Apt(tmp_path_factory.mktemp("apt"))


def system(status: str, states: str, configuration: str) -> RootFS:
    tree = {
        "var/lib/dpkg/status": status,
        "var/lib/apt/extended_states": states,
        CONFIGURATION: configuration,
    }
    return apply_layers([Layer(number=0, index=index_layer(BytesBlob(data=layer(tree))).index)])


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_as_apt_does(apt: Apt, configuration: str) -> None:
    answered = 0
    for seed in range(SYSTEMS):
        status, states, roots = random_status(random.Random(seed))
        files = system(status, states, configuration)
        database = find_os_packages(files)
        graph = dependency_graph(database)
        orphans = apt.purge(status, states, [], configuration)
        assert orphans == set(find_orphans(files, graph)), f"orphans of system {seed}"
        expected = apt.purge(status, states, roots, configuration)
        if expected is None:
            continue  # apt finds no way at all where alternatives fail in a certain order.
        answered += 1
        plan = plan_removal(files, database, graph, roots)
        assert set(plan.packages) == expected, f"purge of {roots} from system {seed}"
        assert set(plan.already_orphaned) <= orphans
        assert orphans.isdisjoint(plan.orphaned)
    assert answered > 0.85 * SYSTEMS


@pytest.mark.parametrize(
    ("state", "goes"),
    [("install ok installed", True), ("hold ok installed", False)],
)
def test_a_package_on_hold(apt: Apt, state: str, goes: bool) -> None:
    status = (
        "Package: root\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n"
        "Maintainer: x\nDescription: x\nDepends: held\n\n"
        f"Package: held\nStatus: {state}\nArchitecture: amd64\nVersion: 1\n"
        "Maintainer: x\nDescription: x\n"
    )
    states = "Package: held\nArchitecture: amd64\nAuto-Installed: 1\n"
    files = system(status, states, "")
    database = find_os_packages(files)
    plan = plan_removal(files, database, dependency_graph(database), ["root"])
    assert apt.purge(status, states, ["root"]) == set(plan.packages)
    assert ("held" in plan.packages) is goes


def test_the_machine_that_runs_this(apt: Apt) -> None:
    """Hundreds of real packages, each removed in turn from what is installed here."""
    status = Path("/var/lib/dpkg/status")
    states = Path("/var/lib/apt/extended_states")
    if not status.exists() or not states.exists():
        missing("this machine has no packages of apt's")
    files = system(status.read_text(), states.read_text(), "")
    database = find_os_packages(files)
    graph = dependency_graph(database)
    names = sorted(
        package.name
        for package in database.packages
        if package.key == package.name and not package.essential
    )
    for name in names[:: max(1, len(names) // 40)]:
        expected = apt.purge(status.read_text(), states.read_text(), [name])
        if expected is not None:
            assert set(plan_removal(files, database, graph, [name]).packages) == expected, name
