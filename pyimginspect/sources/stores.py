"""Where the parts of a saved image are: members of an archive, or files of a layout."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from pyimginspect.errors import (
    ArchiveError,
    LayerError,
    LimitError,
    ManifestError,
    UnsafePathError,
)
from pyimginspect.layers import FileBlob, Limits
from pyimginspect.layers.cursors import SeekCursor
from pyimginspect.layers.tar import normalise, read_entries
from pyimginspect.model import Digest, Entry
from pyimginspect.sources.options import LARGEST_DOCUMENT
from pyimginspect.sources.selection import LayerRef

__all__ = [
    "OUTER_LIMITS",
    "ArchiveStore",
    "LayoutStore",
    "blob_path",
    "damaged",
    "member_name",
    "resolve_member",
]

# As many as Linux follows (path_resolution(7)).
_MAX_LINKS = 40

# An engine's archive of 50 images has a few thousand members; only hostile input has more.
OUTER_LIMITS = Limits(entries=200_000)
"""Of the archive itself, whose members are layers and documents."""


def blob_path(digest: Digest) -> str:
    """Return where an OCI layout keeps a blob (image-layout.md, "Blobs")."""
    algorithm, _, encoded = digest.partition(":")
    return f"blobs/{algorithm}/{encoded}"


def resolve_member(name: str, links: dict[str, str]) -> str:
    """Follow symbolic links between members: Docker once saved a repeated layer as a link."""
    for _ in range(_MAX_LINKS):
        if name not in links:
            return name
        # Within the archive: a target that climbs out of it names no member.
        name = posixpath.normpath(posixpath.join(posixpath.dirname(name), links[name]))
    raise ArchiveError(f"the member '{name}' is a symbolic link loop")


def member_name(ref: LayerRef) -> str:
    """Return the name under which an archive or a layout holds a layer."""
    if ref.name or ref.digest is None:
        return ref.name
    return blob_path(ref.digest)


def damaged(exc: LayerError, *, begun: bool) -> ArchiveError:
    """Return the error for an outer archive that cannot be read, ``begun`` or not at all."""
    if isinstance(exc, LimitError):
        return ArchiveError(f"the archive is not read: {exc}")
    if isinstance(exc, UnsafePathError):  # an archive for certain, whatever it is of
        hint = "write it with names relative to its root: tar -C ROOT -cf FILE ."
        return ArchiveError(f"the archive is not read: {exc}", hint=hint)
    if begun:
        return ArchiveError(f"the archive is damaged: {exc}")
    return ArchiveError("the file is no archive of an image", hint="expected a tar archive")


class ArchiveStore:
    """An uncompressed archive in a file, sought through."""

    def __init__(self, path: str) -> None:
        """List the members. Raises :class:`ArchiveError` for what is no tar archive."""
        self.path = path
        self._files: dict[str, Entry] = {}
        self._links: dict[str, str] = {}
        size = os.path.getsize(path)
        try:
            # Headers lie a layer apart: a larger buffer would mostly read content that is skipped.
            with open(path, "rb", buffering=1 << 12) as file:
                for entry in read_entries(SeekCursor(file, 0, size), OUTER_LIMITS):
                    self._note(entry)
        except LayerError as exc:
            raise damaged(exc, begun=bool(self._files or self._links)) from exc

    def _note(self, entry: Entry) -> None:
        if entry.kind == "file":
            self._files[entry.path] = entry
            self._links.pop(entry.path, None)
        elif entry.kind in ("symlink", "hardlink"):
            # A hard link's target is a path from the root of the archive, wherever the link is.
            target = entry.target if entry.kind == "symlink" else f"/{entry.target}"
            self._links[entry.path] = target
            self._files.pop(entry.path, None)

    def members(self) -> list[str]:
        """Return the names of all files in the archive."""
        return [*self._files, *self._links]

    def _find(self, name: str) -> Entry | None:
        return self._files.get(resolve_member(name, self._links).lstrip("/"))

    def document(self, name: str) -> bytes | None:
        """Return a small member."""
        entry = self._find(name)
        if entry is None:
            return None
        if entry.stored > LARGEST_DOCUMENT:
            raise ManifestError(f"'{name}' has {entry.stored:,} bytes, too many for a document")
        with open(self.path, "rb") as file:
            file.seek(entry.offset)
            return file.read(entry.stored)

    def blob_document(self, digest: Digest, *, manifest: bool = False) -> bytes | None:
        """Return a small blob of the OCI layout in the archive."""
        return self.document(blob_path(digest))

    def fetch(self, ref: LayerRef) -> FileBlob | None:
        """Return a layer's bytes, or ``None`` where they are absent."""
        entry = self._find(member_name(ref))
        if entry is None:
            return None
        return FileBlob(path=self.path, offset=entry.offset, size=entry.stored)


class LayoutStore:
    """A directory with an OCI layout. Its blobs may be symbolic links."""

    def __init__(self, path: str) -> None:
        self._root = Path(path)

    def _path(self, name: str) -> Path | None:
        """Return a regular file of the layout; its name cannot lead out of it."""
        # manifest.json names members as it likes, "../../etc/passwd" included.
        path = self._root / normalise(name.encode("utf-8", "surrogateescape"))
        return path if path.is_file() else None

    def document(self, name: str) -> bytes | None:
        """Return a small file of the layout."""
        path = self._path(name)
        if path is None:
            return None
        try:
            with path.open("rb") as file:
                data = file.read(LARGEST_DOCUMENT + 1)
        except OSError as exc:
            raise ArchiveError(f"'{name}' cannot be read: {exc.strerror}") from exc
        if len(data) > LARGEST_DOCUMENT:
            raise ManifestError(f"'{name}' has too many bytes for a document")
        return data

    def blob_document(self, digest: Digest, *, manifest: bool = False) -> bytes | None:
        """Return a small blob."""
        return self.document(blob_path(digest))

    def fetch(self, ref: LayerRef) -> FileBlob | None:
        """Return a layer's bytes, or ``None`` where they are absent."""
        path = self._path(member_name(ref))
        if path is None:
            return None
        return FileBlob(path=str(path), offset=0, size=path.stat().st_size)
