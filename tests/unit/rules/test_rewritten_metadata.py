"""The rule rewritten-metadata: layers in, findings out."""

import pytest

from pyimginspect.analyzers import (
    overwritten_files,
    rewritten_metadata,
)
from tests.images import Content, File, Package, debian_base, image
from tests.inventories import DEBIAN_STEP, apt, taken
from tests.unit.rules.causes import again, inventory, on_base
from tests.unit.rules.waste import MB, findings


def test_a_changed_owner_stores_everything_again() -> None:
    made = {"app/data.bin": File(MB)}
    owned = {"app/data.bin": File(MB, uid=1000, gid=1000, mode=0o640)}
    (found,) = findings(rewritten_metadata.ANALYZER.run, made, owned)
    assert (found.saving, found.layers, found.severity) == (1_000_000, (4, 5), "warning")
    assert found.evidence[1].what == (
        "layer 5 stores 1.0 MB again: changed owner from 0:0 to 1000:1000 and changed mode from"
        " 0644 to 0640"
    )
    assert findings(overwritten_files.ANALYZER.run, made, owned) == []
    assert findings(rewritten_metadata.ANALYZER.run, made, made) == []


def test_another_time_makes_no_difference_where_files_were_copied() -> None:
    copy: dict[str, Content] = {"usr/lib/big.so": File(MB, mtime=7)}
    copied = on_base(copy, steps=("COPY /usr /usr # buildkit",))
    assert again(copied).saving == 1_000_000
    assert list(rewritten_metadata.ANALYZER.run(copied)) == []
    ran = on_base(copy, steps=("RUN apt-get install --reinstall big",))
    (finding,) = rewritten_metadata.ANALYZER.run(ran)
    assert finding.message.endswith("only the time of modification changed")
    assert (finding.saving, finding.savings) == (1_000_000, {1: 1_000_000})


@pytest.mark.parametrize(
    ("changed", "words", "fix"),
    [
        (File(MB, uid=5, gid=6), "owner", "COPY --chown=5:6 in layer 4: COPY app /app"),
        (File(MB, mode=0o700), "mode", "COPY --chmod=700 in layer 4: COPY app /app"),
        (File(MB, uid=5, mode=0o700), "owner and mode",
         "COPY --chown=5:0 --chmod=700 in layer 4: COPY app /app"),
        (File(MB, pax={"SCHILY.xattr.security.capability": "x"}), "extended attributes",
         "setcap in the step that creates the files (layer 4: COPY app /app)"),
    ],
)  # fmt: skip
def test_metadata_by_what_changed(changed: File, words: str, fix: str) -> None:
    found = inventory({"app/x": File(MB)}, {"app/x": changed}, steps=("COPY app /app",))
    (finding,) = rewritten_metadata.ANALYZER.run(found)
    assert finding.message == f"/app/x (1.0 MB): stored again by layer 5; only the {words} changed"
    assert finding.fix == fix
    assert finding.savings == {4: 1_000_000}


def test_two_kinds_of_change_by_one_layer_are_two_findings() -> None:
    made = {"app/x": File(MB), "app/y": File(MB)}
    found = inventory(made, {"app/x": File(MB, uid=5), "app/y": File(MB, mode=0o700)})
    assert [f.message.rpartition("; ")[2] for f in rewritten_metadata.ANALYZER.run(found)] == [
        "only the mode changed",
        "only the owner changed",
    ]


def test_an_upgrade_that_leaves_most_files_alone_wants_a_newer_base() -> None:
    old: dict[str, Package] = {"big": {"Version": "1", "files": {"usr/share/big": File(MB)}}}
    new: dict[str, Package] = {
        "big": {"Version": "2", "files": {"usr/share/big": File(MB, mtime=9)}}
    }
    one = image(
        [debian_base() | apt(old), apt(new)], history=[DEBIAN_STEP, "RUN apt-get upgrade -y"]
    )
    (finding,) = rewritten_metadata.ANALYZER.run(taken(one))
    assert (finding.subject, finding.packages, finding.severity) == ("big", ("big",), "note")
    assert finding.fix.startswith("Start from a newer base image, which has big in this version")
