"""The rule overwritten-files: layers in, findings out."""

import pytest

from pyimginspect.analyzers import (
    deleted_but_shipped,
    overwritten_files,
)
from tests.images import Content, File, Package
from tests.inventories import apt
from tests.unit.rules.causes import causes, inventory, wheel, without
from tests.unit.rules.waste import LISTS, MB, SITE, findings


def test_files_stored_twice() -> None:
    app: dict[str, Content] = {"app/data.bin": File(MB), "app/run": "#!"}
    (found,) = findings(overwritten_files.ANALYZER.run, app, {"app/data.bin": File(b"y" * 9)})
    assert (found.subject, found.saving, found.layers) == ("/app/data.bin", 1_000_000, (4, 5))
    assert found.message.endswith("overwritten by layer 5, still stored in layer 4")
    (same,) = findings(overwritten_files.ANALYZER.run, app, app)
    assert same.message == (
        "/app (1.0 MB): stored again by layer 5, identical to the files in layer 4"
    )
    # Of two copies that are the same the second can be left out.
    assert (same.saving, same.savings) == (1_000_002, {5: 1_000_002})
    assert [e.what for e in (*found.evidence, *same.evidence)] == [
        "RUN step 0 stores 1 file (1.0 MB) that a later layer stores again",
        "layer 4 stores 1.0 MB, layer 5 replaces it",
        "RUN step 1 stores 2 files (1.0 MB) that the layers below already store at the same paths"
        " with the same content; the second copy is not needed",
        "layer 4 stores 1.0 MB, identical in layer 5",
        "layer 4 stores 2 B, identical in layer 5",
    ]


def test_small_copies_and_journals_and_caches_are_left_out() -> None:
    small = {"app/a": "x" * 1000}
    journal = {"var/cache/debconf/templates.dat": File(MB)}
    cache = {f"{LISTS}/a_Packages": File(MB)}
    for tree in (small, journal, cache):
        assert findings(overwritten_files.ANALYZER.run, tree, tree) == []


@pytest.mark.parametrize("record", [True, False])
def test_a_distribution_that_is_installed_in_another_version_is_replaced(record: bool) -> None:
    old = wheel("dateutil", "2.8.2", record=record, parser=MB, gone=b"y" * 70_000)
    new = wheel("dateutil", "2.9.0", record=record, parser=MB[:-1])
    new |= without("dateutil-2.8.2.dist-info") | {f"{SITE}/dateutil/.wh.gone.py": ""}
    found = inventory(old, new)
    assert list(deleted_but_shipped.ANALYZER.run(found)) == []
    finding = next(iter(overwritten_files.ANALYZER.run(found)))
    if record:
        assert (finding.subject, finding.packages) == ("dateutil", ("dateutil",))
        assert finding.message == (
            "dateutil 2.8.2 (1.1 MB): replaced by 2.9.0 by layer 5, still stored in layer 4"
        )
        assert finding.fix == (
            "Install the final version in one RUN with all that needs it: layers 4 and 5 are"
            " RUN step 0 and RUN step 1"
        )
        metadata = sum(len(str(old[path])) for path in old if "dist-info" in path)
        assert finding.saving == 1_070_000 + metadata


def test_a_package_that_is_upgraded_is_replaced_too() -> None:
    old: dict[str, Package] = {"git": {"Version": "1", "files": {"usr/bin/git": File(MB)}}}
    new: dict[str, Package] = {"git": {"Version": "2", "files": {"usr/bin/git": File(MB[1:])}}}
    found = inventory(apt(old), apt(new))
    assert ("replaced", "git", 1_000_000) in causes(found)
    (finding,) = overwritten_files.ANALYZER.run(found)
    assert finding.message.startswith("git 1 (1.0 MB): replaced by 2 by layer 5")
