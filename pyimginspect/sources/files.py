"""A path or a stream → the image in it, recognized by its content and not by its name."""

from __future__ import annotations

import os
from typing import BinaryIO

from pyimginspect.errors import ArchiveError, ImageNotFoundError, LayerError, PyimginspectError
from pyimginspect.layers import FileBlob, StreamBlob
from pyimginspect.layers.compression import MAGIC_LENGTH, sniff
from pyimginspect.sources.detection import HEAD, contents_of, looks_like_rootfs
from pyimginspect.sources.options import Options
from pyimginspect.sources.resolved import Resolved
from pyimginspect.sources.saved import Form, NoDocumentError, resolve_store
from pyimginspect.sources.stores import ArchiveStore, LayoutStore, damaged

__all__ = ["resolve_path", "resolve_stream"]

_HINT = "rootfs:PATH takes it as a root file system"


def resolve_path(
    path: str, options: Options, *, name: str | None, reference: str, form: Form | None = None
) -> Resolved:
    """Find the image at ``path``; ``name`` chooses one of several images there.

    ``form`` says what it is, if that is not to be guessed. Raises :class:`ImageNotFoundError`,
    :class:`ArchiveError`, :class:`ManifestError`, :class:`PlatformError`,
    :class:`UnsupportedError` or :class:`LayerError`.
    """
    try:
        if os.path.isdir(path):
            return _directory(path, options, name, reference, form)
        if not os.path.isfile(path):  # a named pipe, a device, a shell's <(…): it goes by once
            with open(path, "rb", buffering=0) as once:
                return _stream(once, options, name, reference, form)
        with open(path, "rb") as file:
            # Compressed as a whole, an archive cannot be sought through: it goes by like a pipe.
            if sniff(file.read(MAGIC_LENGTH)) == "none":
                file.seek(0)
                return _plain(file, path, options, name, reference, form)
            file.seek(0)
            again = _again(path, name, form)
            return _stream(file, options, name, reference, form, again=again)
    except FileNotFoundError as exc:
        raise ImageNotFoundError("there is no such file", image=reference) from exc
    except OSError as exc:
        raise ArchiveError(f"it cannot be read: {exc.strerror}", image=reference) from exc
    except PyimginspectError as exc:
        raise exc.at(image=reference) from exc.__cause__


def resolve_stream(
    stream: BinaryIO,
    options: Options,
    *,
    name: str | None,
    reference: str,
    form: Form | None = None,
) -> Resolved:
    """Read what goes by once in ``stream``. Raises as :func:`resolve_path` does."""
    try:
        return _stream(stream, options, name, reference, form)
    except OSError as exc:
        raise ArchiveError(f"it cannot be read: {exc.strerror}", image=reference) from exc
    except PyimginspectError as exc:
        raise exc.at(image=reference) from exc.__cause__


def _directory(
    path: str, options: Options, name: str | None, reference: str, form: Form | None
) -> Resolved:
    is_layout = any(
        os.path.exists(os.path.join(path, document)) for document in ("index.json", "manifest.json")
    )
    names = [] if is_layout else os.listdir(path)  # which tells where that is not allowed
    if form == "rootfs" or (form is None and looks_like_rootfs(names)):
        from pyimginspect.sources.filesystems import resolve_directory

        again = _again(path, None, "rootfs")
        return resolve_directory(path, options, reference=reference, again=again)
    if not is_layout:
        raise ArchiveError("the directory is no OCI layout: it has no index.json", hint=_HINT)
    return resolve_store(
        LayoutStore(path), options, name=name, reference=reference, found_as="oci", form=form
    )


def _plain(
    file: BinaryIO,
    path: str,
    options: Options,
    name: str | None,
    reference: str,
    form: Form | None,
) -> Resolved:
    """Look into an uncompressed archive, which can be sought through."""
    whole = FileBlob(path=path, offset=0, size=os.path.getsize(path))
    head = _beginning(file.read(HEAD))
    if form == "rootfs" or (form is None and contents_of(head) == "rootfs"):
        return _rootfs(whole, options, reference)
    store = ArchiveStore(path)
    try:
        return resolve_store(
            store, options, name=name, reference=reference, found_as="oci-archive", form=form
        )
    except NoDocumentError:
        # Its first members told nothing, as files at the root that are called anything.
        if form is None and looks_like_rootfs(store.members()):
            return _rootfs(whole, options, reference)
        raise


def _again(path: str, name: str | None, form: Form | None) -> str:
    """Return a reference to the same image that means the same in any working directory."""
    parts = (form, os.path.join(os.getcwd(), path), name)
    return ":".join(part for part in parts if part is not None)


def _stream(
    stream: BinaryIO,
    options: Options,
    name: str | None,
    reference: str,
    form: Form | None,
    *,
    again: str = "",
) -> Resolved:
    from pyimginspect.sources.streams import StreamStore, decompressed

    with decompressed(stream, options) as inner:
        try:
            head = _beginning(inner.peek())
        except LayerError as exc:
            raise damaged(exc, begun=True) from exc
        if form == "rootfs" or (form is None and contents_of(head) == "rootfs"):
            return _rootfs(StreamBlob(inner), options, reference, again)
        return resolve_store(
            StreamStore(inner, options),
            options,
            name=name,
            reference=reference,
            found_as="oci-archive",
            form=form,
            again=again,
        )


def _rootfs(
    blob: FileBlob | StreamBlob, options: Options, reference: str, again: str = ""
) -> Resolved:
    from pyimginspect.sources.filesystems import resolve_rootfs  # it loads what reads a layer

    return resolve_rootfs(blob, options, reference=reference, again=again)


def _beginning(head: bytes) -> bytes:
    """Return the first bytes, of which there must be some: even an empty archive has an end."""
    if not head:
        raise ArchiveError("it is empty", hint="what was to write it may have failed")
    return head
