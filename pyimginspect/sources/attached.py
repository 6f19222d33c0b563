"""Which attestations an image has, and their documents: from an index, or a list of referrers.

Sources: BuildKit, ``docs/attestations/attestation-storage.md``; OCI image specification v1.1
(manifest.md, "subject"); OCI distribution specification v1.1, "Listing Referrers".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from pyimginspect.attestations import Attestation
from pyimginspect.errors import PyimginspectError
from pyimginspect.model import Digest, parse_digest
from pyimginspect.sources.documents import REFERENCE_TYPE, Descriptor, Manifest, parse_document
from pyimginspect.sources.options import LARGEST_DOCUMENT, Options
from pyimginspect.sources.selection import Selection, Store, check_document
from pyimginspect.sources.statements import read_statement

__all__ = ["descriptors_in", "read_attestations"]

# Larger than any real one: BuildKit attaches one manifest of two documents to each image. Whoever
# may push to the repository may attach more.
_MOST_MANIFESTS = 16  # of one image
_MOST_DOCUMENTS = 32  # of one image
_MOST_BYTES = 4 * LARGEST_DOCUMENT  # of one image
# BuildKit, docs/attestations/attestation-storage.md.
_DOCKER_DIGEST = "vnd.docker.reference.digest"
_PREDICATE = "in-toto.io/predicate-type"
# In the media types of statements, of DSSE's envelopes and of Sigstore's bundles around them.
_STATEMENTS = ("in-toto", "dsse", "sigstore.bundle")
_BILLS = ("spdx", "cyclonedx")

Found = Literal["index", "referrers"]


class _Document(NamedTuple):
    descriptor: Descriptor
    found: Found


def descriptors_in(data: bytes) -> tuple[Descriptor, ...]:
    """Return what a list of referrers, which is an index, has. Raises :class:`ManifestError`."""
    return tuple(parse_document(data, "the list of referrers").manifests or ())


def read_attestations(
    selection: Selection,
    store: Store,
    options: Options,
    referrers: Callable[[Digest], tuple[Descriptor, ...]] | None = None,
) -> tuple[Attestation, ...]:
    """Return what is attached to an image: by its index, by a layout, or by its ``referrers``.

    ``options`` say whether they are wanted at all, and whether ``referrers`` is to be asked.
    Nothing that is wrong with them is an error: they say so themselves.
    """
    if selection.digest is None or options.attestations == "never":
        return ()
    listed = [_Document(each, "index") for each in selection.attached if _is_about(each, selection)]
    found: dict[str, Attestation] = {}
    if options.attestations == "referrers" and referrers is not None:
        known = {each.descriptor.digest for each in listed}
        try:
            others = referrers(selection.digest)
            listed += [_Document(each, "referrers") for each in others if each.digest not in known]
        except PyimginspectError as exc:
            reason = f"the list of referrers could not be read: {exc.message}"
            found[""] = _ignored(Descriptor(digest=""), "referrers", reason)
    wanted = [each for each in listed if _is_wanted(each.descriptor)]
    limited = _Limited(store)
    for manifest in wanted[:_MOST_MANIFESTS]:
        for each in _read_manifest(manifest, selection, limited):
            found.setdefault(each.digest, each)
    return tuple(found.values())


class _Limited:
    """A store that gives so many documents, and so many bytes, and then no more."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._documents = _MOST_MANIFESTS + _MOST_DOCUMENTS
        self._bytes = _MOST_BYTES

    def document(self, name: str) -> bytes | None:
        return None

    def blob_document(self, digest: Digest, *, manifest: bool = False) -> bytes | None:
        if self._documents == 0 or self._bytes <= 0:
            raise PyimginspectError("there are more attestations than are read")
        self._documents -= 1
        data = self._store.blob_document(digest, manifest=manifest)
        self._bytes -= len(data or b"")
        return data


def _is_about(descriptor: Descriptor, selection: Selection) -> bool:
    """Whether a descriptor may be about the image: BuildKit's say which, others in themselves."""
    about = (descriptor.annotations or {}).get(_DOCKER_DIGEST)
    return about is None or about == selection.digest


def _is_wanted(descriptor: Descriptor) -> bool:
    """Whether attestations or bills of materials may be behind a descriptor: no signatures."""
    kind = (descriptor.annotations or {}).get(REFERENCE_TYPE)
    if kind is not None:
        return kind == "attestation-manifest"
    return _is_document(descriptor.artifact_type or "")


def _is_document(media_type: str) -> bool:
    return any(word in media_type for word in (*_STATEMENTS, *_BILLS))


def _read_manifest(listed: _Document, selection: Selection, store: Store) -> Iterator[Attestation]:
    descriptor, found = listed
    try:
        manifest = _parsed(descriptor, store)
    except PyimginspectError as exc:
        yield _ignored(descriptor, found, exc.message)
        return
    by_docker = REFERENCE_TYPE in (descriptor.annotations or {})
    subject = manifest.subject.digest if manifest.subject is not None else ""
    # BuildKit's manifests have no subject, but an annotation of their descriptor that says it.
    if subject != selection.digest and not (by_docker and not subject):
        if found == "referrers":  # who was asked for them says that it is about this image
            yield _ignored(descriptor, found, "it is about another image")
        return
    for each in (manifest.layers or [])[:_MOST_DOCUMENTS]:
        if _is_document(each.media_type):
            yield _read(each, found, selection, store)


def _parsed(descriptor: Descriptor, store: Store) -> Manifest:
    return parse_document(_content(descriptor, store, manifest=True), "the attestation's manifest")


def _read(descriptor: Descriptor, found: Found, selection: Selection, store: Store) -> Attestation:
    try:
        data = _content(descriptor, store)
    except PyimginspectError as exc:
        return _ignored(descriptor, found, exc.message)
    about = [selection.digest, selection.config_digest, *(ref.digest for ref in selection.layers)]
    named = [each for each in about if each is not None]
    return read_statement(data, named, selection.layers, _ignored(descriptor, found, ""))


def _content(descriptor: Descriptor, store: Store, *, manifest: bool = False) -> bytes:
    digest: Digest = parse_digest(descriptor.digest)
    if descriptor.size > LARGEST_DOCUMENT:
        raise PyimginspectError(f"it has {descriptor.size:,} bytes, more than are read")
    data = store.blob_document(digest, manifest=manifest)
    if data is None:
        raise PyimginspectError("it is not there")
    check_document(data, digest, "the attestation")
    return data


def _ignored(descriptor: Descriptor, found: Found, reason: str) -> Attestation:
    notes = descriptor.annotations or {}
    kind = notes.get(_PREDICATE) or descriptor.artifact_type or ""
    return Attestation(
        kind="other",
        predicate_type=kind[:200],
        digest=descriptor.digest[:200],
        found=found,
        ignored=reason,
    )
