"""Where the parts of a saved image are: members of an archive, or files of a layout."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from pyimginspect.errors import ArchiveError, LayerError, ManifestError
from pyimginspect.layers import BytesBlob, FileBlob
from pyimginspect.layers.cursors import SeekCursor
from pyimginspect.layers.tar import read_entries
from pyimginspect.model import Digest, Entry
from pyimginspect.sources.options import LARGEST_DOCUMENT
from pyimginspect.sources.selection import LayerRef

__all__ = ["ArchiveStore", "LayoutStore", "blob_path", "damaged", "resolve_member"]

_MAX_LINKS = 40


def blob_path(digest: Digest) -> str:
    """Return where an OCI layout keeps a blob (image-layout.md, "Blobs")."""
    algorithm, _, encoded = digest.partition(":")
    return f"blobs/{algorithm}/{encoded}"


def resolve_member(name: str, links: dict[str, str]) -> str:
    """Follow symbolic links between members: Docker once saved a repeated layer as a link."""
    for _ in range(_MAX_LINKS):
        if name not in links:
            return name
        name = posixpath.normpath(posixpath.join(posixpath.dirname(name), links[name]))
    raise ArchiveError(f"the member '{name}' is a circle of links")


def damaged(exc: LayerError, *, begun: bool) -> ArchiveError:
    """Return the error for an outer archive that cannot be read, ``begun`` or not at all."""
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
            with open(path, "rb", buffering=1 << 12) as file:
                for entry in read_entries(SeekCursor(file, 0, size)):
                    self._note(entry)
        except LayerError as exc:
            raise damaged(exc, begun=bool(self._files or self._links)) from exc

    def _note(self, entry: Entry) -> None:
        if entry.kind == "file":
            self._files[entry.path] = entry
            self._links.pop(entry.path, None)
        elif entry.kind in ("symlink", "hardlink"):
            target = entry.target if entry.kind == "symlink" else f"/{entry.target}"
            self._links[entry.path] = target
            self._files.pop(entry.path, None)

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

    def blob_document(self, digest: Digest) -> bytes | None:
        """Return a small blob of the OCI layout in the archive."""
        return self.document(blob_path(digest))

    def fetch(self, ref: LayerRef) -> FileBlob:
        """Return a layer's bytes; raise :class:`ManifestError` where they are absent."""
        entry = self._find(ref.name or blob_path(ref.digest or Digest("")))
        if entry is None:
            raise ManifestError("the manifest names this layer, and the archive does not hold it")
        return FileBlob(path=self.path, offset=entry.offset, size=entry.stored)


class LayoutStore:
    """A directory with an OCI layout."""

    def __init__(self, path: str) -> None:
        self._root = Path(path)

    def document(self, name: str) -> bytes | None:
        """Return a small file of the layout."""
        path = self._root / name
        try:
            if path.stat().st_size > LARGEST_DOCUMENT:
                raise ManifestError(f"'{name}' is too large for a document")
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise ArchiveError(f"'{name}' cannot be read: {exc.strerror}") from exc

    def blob_document(self, digest: Digest) -> bytes | None:
        """Return a small blob."""
        return self.document(blob_path(digest))

    def fetch(self, ref: LayerRef) -> FileBlob | BytesBlob:
        """Return a layer's bytes; raise :class:`ManifestError` where they are absent."""
        path = self._root / blob_path(ref.digest or Digest(""))
        if not path.is_file():
            raise ManifestError("the manifest names this layer, and the layout does not hold it")
        return FileBlob(path=str(path), offset=0, size=path.stat().st_size)
