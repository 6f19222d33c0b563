"""Directories of saved images: every archive and layout in them, and every image in each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pyimginspect.errors import PyimginspectError
from pyimginspect.fleet.references.choice import Skipped
from pyimginspect.layers.compression import MAGIC_LENGTH, sniff
from pyimginspect.sources.detection import looks_like_rootfs
from pyimginspect.sources.documents import parse_docker_manifest, parse_document
from pyimginspect.sources.stores import ArchiveStore, LayoutStore

__all__ = ["is_folder", "saved_images"]

# By name, unlike a single path: to open every file below a directory would take long, and most
# of them are no archives.
_ENDINGS = (".tar", ".tgz", ".tzst", ".txz", ".tbz2", ".tar.gz", ".tar.zst", ".tar.xz", ".tar.bz2")


def is_folder(path: str) -> bool:
    """Whether ``path`` is a directory of saved images, and not itself one."""
    if not os.path.isdir(path) or _is_layout(path):
        return False
    return not looks_like_rootfs(os.listdir(path))


def saved_images(folder: str, skipped: Skipped) -> Iterator[str]:
    """Return references to all images saved below ``folder``, in the order of their paths.

    Links to directories are not followed.
    """
    for place, folders, files in os.walk(folder):
        layouts = [name for name in folders if _is_layout(os.path.join(place, name))]
        # In place: os.walk() goes into what is left in the list, and into no layout.
        folders[:] = sorted(name for name in folders if name not in layouts)
        for name in sorted([*layouts, *files]):
            path = os.path.join(place, name)
            if name in layouts or name.endswith(_ENDINGS):
                yield from images_at(path)
            else:
                skipped.add("files that are no archives", path)


def images_at(path: str) -> Iterator[str]:
    """Return a reference to each image of an archive or a layout.

    What cannot be looked into is one image, so that whoever opens it says what is wrong.
    """
    try:
        names = _names(path)
    except (PyimginspectError, OSError):
        names = []
    if len(names) < 2:
        yield path
    else:
        yield from (f"{path}:{name}" for name in names)


def _is_layout(path: str) -> bool:
    return any(Path(path, name).is_file() for name in ("index.json", "manifest.json", "oci-layout"))


def _names(path: str) -> list[str]:
    """Return a name for each different image there; none where it goes by but once."""
    store: LayoutStore | ArchiveStore
    if os.path.isdir(path):
        store = LayoutStore(path)
    else:
        with open(path, "rb") as file:
            if sniff(file.read(MAGIC_LENGTH)) != "none":
                return []
        store = ArchiveStore(path)
    manifest = store.document("manifest.json")
    if manifest is not None:
        images = parse_docker_manifest(manifest, "manifest.json")
        # Reversed, so that of an image with several names the first one stays.
        by_config = {i.config: i.repo_tags[0] for i in reversed(images) if i.repo_tags}
        return sorted(by_config.values())
    index = store.document("index.json")
    if index is None:
        return []
    listed = parse_document(index, "index.json").manifests or []
    by_digest = {
        one.digest: one.names[0] if one.names else one.digest
        for one in reversed(listed)
        if not one.is_attestation
    }
    named = sorted(by_digest.values())
    # Without names the entries are one image's platforms.
    return named if any(one.names for one in listed) else []
