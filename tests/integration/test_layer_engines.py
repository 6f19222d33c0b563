"""Stacks of layers as Docker, containerd and Podman put them together, and as we do.

The table is the unit tests' own: what it expects is held here against the engines.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from pyimginspect.changesets import apply_layers
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.model import Layer
from tests.images import Tree, image
from tests.images import layer as packed
from tests.integration.conftest import missing
from tests.integration.engine import Engine
from tests.integration.layer_engines import (
    View,
    by_containerd,
    by_docker,
    by_podman,
    by_us,
    of_layers,
    refused,
    why_missing,
    without_modes,
    without_targets,
)
from tests.integration.random_layers import ENGINES, outcomes
from tests.stacks import refused_by_containerd, stack
from tests.unit.test_changesets import CASES, applied
from tests.unit.test_tar import END, PREFIXES, SEVERAL, raw_header, several

# What Docker does not take, and we read as the specification has it: one path twice, a whiteout
# of what the layer has, hard links across layers or to nothing, files used as directories, links
# into what only a lower layer has.
REFUSED = {
    "the last of one name wins",
    "whiteout hides lower layers only",
    "a directory made before its whiteout holds what the layer has",
    "through a link to what only a lower layer has",
    "a directory replaced by a link within a layer",
    "a hard link to nothing is not there",
    "a hard link to itself is not there",
    "a hard link to a directory is not there",
    "a link that changes its mind within a layer",
    "a directory behind a link that becomes a link",
    "a hard link to nowhere",
    "a hard link that climbs out of a file",
    "a hard link below a file, behind a link to one, and to the root",
    "a whiteout of what the layer has made through a link",
    "a file of the layer in the place of a device 0/0 of it",
}
# containerd looks at all layers below for a way to the directory that it is to make.
REFUSED_BY_CONTAINERD = {"a lower symbolic link loop"}
# containerd sets no attributes of the kind `trusted`.
ANOTHER_WITH_CONTAINERD = {"a directory of an overlay file system may be marked as opaque"}
# containerd and Podman simplify the target of a link.
SIMPLIFIED = {"through a link that is not written plainly"}
NAMES = [name for name in CASES if name not in REFUSED and CASES[name][0]]
TAGS = {name: f"layers/{number}:1" for number, name in enumerate(NAMES)}
IMAGES = {TAGS[name]: of_layers(CASES[name][0], TAGS[name]) for name in NAMES}


@pytest.fixture(scope="module")
def views(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, View]]:
    reason = why_missing()
    if reason is not None:
        missing(reason)
    folder = tmp_path_factory.mktemp("layers")
    refusing = {TAGS[name] for name in REFUSED_BY_CONTAINERD}
    taken = {tag: one for tag, one in IMAGES.items() if tag not in refusing}
    return {
        "Docker": by_docker(engine, IMAGES, folder),
        "containerd": by_containerd(engine, taken, folder),
        "Podman": by_podman(IMAGES, folder),
    }


@pytest.mark.parametrize("name", NAMES)
def test_layers_are_put_together_as_engines_do(
    views: dict[str, dict[str, View]], name: str
) -> None:
    trees = CASES[name][0]
    rootfs = applied(*trees)
    ours = by_us(rootfs, tuple(packed(tree) for tree in trees))
    assert ours == views["Docker"][TAGS[name]]
    alike = without_targets if name in SIMPLIFIED else dict
    assert alike(ours) == alike(views["Podman"][TAGS[name]])
    if name in REFUSED_BY_CONTAINERD | ANOTHER_WITH_CONTAINERD:
        return
    implied = {path for path in rootfs if rootfs[path].position < 0}
    theirs = views["containerd"][TAGS[name]]
    assert alike(without_modes(ours, implied)) == alike(without_modes(theirs, implied))


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_no_engine_promises_is_refused(engine: Engine, name: str, tmp_path: Path) -> None:
    one = of_layers(CASES[name][0], "layers/refused:1")
    with refused():
        by_docker(engine, {"layers/refused:1": one}, tmp_path)


@pytest.mark.parametrize("name", ENGINES)
def test_random_stacks(engine: Engine, name: str, tmp_path: Path) -> None:
    """A sample of what `scripts/fuzz_layers` tries."""
    stacks = [stack(seed) for seed in range(100)]
    seen = [*outcomes(name, ENGINES[name](engine, tmp_path), stacks)]
    assert [one for one in seen if one.differences] == []
    taken = {one.stack.seed for one in seen if one.differences is not None}
    left_out = {one.seed for one in stacks if refused_by_containerd(one)}
    assert taken == set(range(100)) - (left_out if name == "containerd" else set())
    assert len(taken) > 50


def test_containerd_refuses_directories_below_a_lower_file(engine: Engine, tmp_path: Path) -> None:
    below: Tree = {"a": "1"}
    for above, taken in (({"a/b": "2"}, True), ({"a/b/c": "2"}, False)):
        one = {"layers/below:1": of_layers([below, above], "layers/below:1")}
        assert set(by_docker(engine, one, tmp_path)["layers/below:1"]) >= {"a", "a/b"}
        with nullcontext() if taken else refused():
            by_containerd(engine, one, tmp_path)


def test_an_opaque_mark_in_the_lowest_layer_of_containerd(engine: Engine, tmp_path: Path) -> None:
    """It takes away what came before it in directories that no entry describes."""
    tree = {"d/a/x": "1", "d/b/": None, "d/b/x": "2", "d/.wh..wh..opq": "", "d/c/x": "3"}
    one = {"layers/mark:1": of_layers([tree], "layers/mark:1")}
    there = {"d", "d/b", "d/b/x", "d/c", "d/c/x"}
    assert set(by_containerd(engine, one, tmp_path)["layers/mark:1"]) == there
    assert set(by_docker(engine, one, tmp_path)["layers/mark:1"]) == there | {"d/a", "d/a/x"}


@pytest.mark.parametrize("name", ENGINES)
def test_headers_say_of_entries_what_engines_take_them_to_say(
    engine: Engine, name: str, tmp_path: Path
) -> None:
    layers = [several(headers) for headers, _ in SEVERAL]
    layers += [raw_header(b"name", tail=tail, magic=magic) + END for magic, tail, _ in PREFIXES]
    layers += [raw_header(b"d/", kind=kind) + raw_header(b"e") + END for kind in (b"\0", b"0")]
    layers += [raw_header(b".", kind=kind) + raw_header(b"e") + END for kind in (b"0", b"2")]
    layers += [packed({"a": "123"})[: 512 + 3]]
    images = {f"headers/{n}:1": image([b], tag=f"headers/{n}:1") for n, b in enumerate(layers)}
    views = ENGINES[name](engine, tmp_path)(images)
    for one, blob in zip(views.values(), layers, strict=True):
        entries = index_layer(BytesBlob(data=blob)).index
        ours = by_us(apply_layers([Layer(number=0, index=entries)]), (blob,))
        # Linux gives all links the same mode.
        assert {path: seen._replace(mode=0) for path, seen in ours.items()} == {
            path: seen._replace(mode=0) for path, seen in one.items()
        }


@pytest.mark.parametrize("without", [1, 2])
def test_a_layer_without_end_blocks_is_taken(engine: Engine, without: int, tmp_path: Path) -> None:
    blob = packed({"d/": None, "d/a": "1"})[: -512 * without]
    one = {"layers/unclosed:1": image([blob], tag="layers/unclosed:1")}
    for view in (partial(by_docker, engine), partial(by_containerd, engine), by_podman):
        assert set(view(one, tmp_path)["layers/unclosed:1"]) == {"d", "d/a"}


def test_a_truncated_layer_is_not(engine: Engine, tmp_path: Path) -> None:
    blob = packed({"d/": None, "d/a": "1" * 2000})[:1500]
    one = {"layers/cut:1": image([blob], tag="layers/cut:1")}
    for view in (partial(by_docker, engine), partial(by_containerd, engine), by_podman):
        with refused():
            view(one, tmp_path)
