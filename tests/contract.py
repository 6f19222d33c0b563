"""What must hold of every image, whatever source delivered it.

`assert_valid_image(image)` is run on every source, real and built in code; `content(image)` is what
has to be the same for one image on every road (all but the fields that are the source's own).
"""

from typing import Any

import msgspec

from pyimginspect.layers.index_codec import decode_index, encode_index
from pyimginspect.layers.licenses import is_copyright
from pyimginspect.model import Entry, Image, Layer, LayerIndex, Note, parse_digest

SOURCES = {"docker-archive", "oci", "oci-archive", "docker", "podman", "registry", "rootfs"}


def assert_valid_image(image: Image) -> None:
    """Fail, naming what is wrong, unless `image` is what `pyimginspect.model` says of one."""
    assert image.source in SOURCES
    assert image.reference
    for digest in (image.digest, image.config_digest, *image.config.diff_ids):
        if digest is not None:
            assert parse_digest(digest) == digest
    if image.source != "rootfs":
        assert tuple(layer.diff_id for layer in image.layers) == image.config.diff_ids
    assert [layer.number for layer in image.layers] == list(range(len(image.layers)))
    steps = [step for step in image.config.history if not step.empty_layer]
    for layer in image.layers:
        if layer.number < len(steps):
            assert layer.history == steps[layer.number]
        _assert_valid_layer(layer)


def _assert_valid_layer(layer: Layer) -> None:
    assert layer.blob_size is None or layer.blob_size >= 0
    if layer.absent:
        assert layer.index == LayerIndex(size=0), "nothing is known of an absent layer"
        return
    _assert_valid_index(layer.index)


def _assert_valid_index(index: LayerIndex) -> None:
    end = 0
    for entry in index.entries:
        _assert_valid_entry(entry)
        if not index.toc_digest:  # which does not say where in the archive they lie
            assert entry.offset >= end, "entries lie one after the other"
            end = entry.offset + entry.stored
    assert decode_index(encode_index(index)) == index, "it does not survive being written down"
    assert index.size >= end
    assert index.stored <= index.size
    for facts in (index.elf, index.texts, index.scripts, index.strings, index.rpm):
        for position in facts:
            assert index.entries[position].kind == "file"
    for position, text in index.texts.items():
        entry = index.entries[position]
        if is_copyright(entry.path):  # of which the names of licences alone are kept
            assert len(text) <= entry.stored
        else:
            assert len(text) == entry.stored
    if index.checksums is not None:
        stored = {n for n, entry in enumerate(index.entries) if entry.stored}
        assert set(index.checksums) == stored


def _assert_valid_entry(entry: Entry) -> None:
    assert not entry.path.startswith(("/", "./", "../")), entry
    assert not entry.path.endswith("/"), entry
    assert ".." not in entry.path.split("/"), entry
    assert entry.stored >= 0, entry
    assert bool(entry.target) <= (entry.kind in ("symlink", "hardlink")), entry
    assert (entry.device is not None) == (entry.kind in ("character", "block")), entry
    if entry.kind != "file":
        assert entry.stored == 0, entry


def content(image: Image, *, ignoring_time: bool = False) -> dict[str, Any]:
    """What one image has on every road: its configuration and its layers' indexes.

    `ignoring_time` leaves out the times of files, which some roads do not keep.
    """
    return {
        "config": image.config,
        "layers": [
            (layer.diff_id, layer.history, layer.absent, _facts(layer.index, ignoring_time))
            for layer in image.layers
        ],
    }


def _facts(index: LayerIndex, ignoring_time: bool) -> LayerIndex:
    """The index without checksums, which are there only where every byte was read."""
    entries = index.entries
    if ignoring_time:
        entries = tuple(msgspec.structs.replace(entry, mtime=0) for entry in entries)
    return msgspec.structs.replace(index, entries=entries, checksums=None)


def notes(image: Image) -> list[Note]:
    """Every note of every layer."""
    return [note for layer in image.layers for note in layer.index.notes]


def one_line(message: str) -> None:
    """Fail unless `message` is one printable line of a bearable length."""
    assert message.isprintable(), repr(message)
    assert len(message) < 700, "too long for a line"
