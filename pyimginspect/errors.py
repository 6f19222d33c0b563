"""The exceptions of the package: one tree, every message one line that says what to do.

.. code-block:: text

    PyimginspectError
    ├── InvalidReferenceError    the words given for an image cannot be understood
    ├── ImageNotFoundError       nothing by that name, or no such image in the archive
    ├── SourceError              the place an image lives in
    │   ├── ArchiveError         not an archive of an image, or a damaged one
    │   ├── ManifestError        manifest, index or configuration missing or not as specified
    │   ├── PlatformError        no image for the platform asked for
    │   ├── UnsupportedError     a format that exists and that we do not read
    │   │   └── ArtifactError    no image, but a chart, a signature or the like
    │   ├── DaemonError          a Docker or Podman service refused or went away
    │   └── RegistryError        a registry refused or went away
    │       ├── AuthenticationError
    │       └── QuotaError       it answers no more requests of ours for now
    ├── LayerError               one layer's bytes
    │   ├── TruncatedError       the bytes end before they should
    │   ├── CorruptLayerError    a header or a compressed block does not hold
    │   ├── UnsafePathError      a name that leads out of the image
    │   ├── LimitError           more entries, bytes or nesting than we are ready to hold
    │   └── DigestMismatchError  the bytes are not those that the digest names
    ├── CacheError               the cache cannot be used
    ├── ReportError              a report that cannot be read or written
    │   └── ResultsError         the results of a fleet cannot be used
    ├── ClusterError             the cluster that is to do the work cannot be used
    ├── DockerfileError          a Dockerfile cannot be read, written or changed
    │   └── DockerfileMismatchError  it is that of another image
    ├── PluginError              an analyzer or a probe of a third party does not work
    └── PolicyError              a policy or a baseline that cannot be used
"""

from __future__ import annotations

from typing import Self

__all__ = [
    "ArchiveError",
    "ArtifactError",
    "AuthenticationError",
    "CacheError",
    "ClusterError",
    "CorruptLayerError",
    "DaemonError",
    "DigestMismatchError",
    "DockerfileError",
    "DockerfileMismatchError",
    "ImageNotFoundError",
    "InvalidReferenceError",
    "LayerError",
    "LimitError",
    "ManifestError",
    "PlatformError",
    "PluginError",
    "PolicyError",
    "PyimginspectError",
    "QuotaError",
    "RegistryError",
    "ReportError",
    "ResultsError",
    "SourceError",
    "TruncatedError",
    "UnsafePathError",
    "UnsupportedError",
    "printable",
]

_LONGEST_NAME = 200


def printable(text: str) -> str:
    """Return ``text`` as one line that is safe to send to a terminal.

    Control characters, line separators, bidirectional overrides and undecodable bytes come
    out as escapes (``\\n``, ``\\x1b``, ``\\udcff``); everything that prints stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class PyimginspectError(Exception):
    """Base of all errors that this package raises on purpose.

    ``image``, ``layer`` and ``entry`` name the place, where it is known; a caller that knows
    more than the code that raised fills the gaps with :meth:`at`. ``hint`` says what to do.
    """

    def __init__(
        self,
        message: str,
        *,
        image: str | None = None,
        layer: str | None = None,
        entry: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.image = image
        self.layer = layer
        self.entry = entry
        self.hint = hint

    def at(
        self, *, image: str | None = None, layer: str | None = None, entry: str | None = None
    ) -> Self:
        """Name the place where it is not named yet, and return the error itself."""
        self.image = self.image or image
        self.layer = self.layer or layer
        self.entry = self.entry or entry
        return self

    def __str__(self) -> str:
        place = [self.image] if self.image else []
        if self.layer:
            place.append(f"layer {self.layer}")
        if self.entry is not None:
            name = printable(self.entry)
            if len(name) > _LONGEST_NAME:
                name = name[:_LONGEST_NAME] + "…"
            place.append(f"entry '{name}'")
        line = ": ".join([*place, self.message])
        if self.hint:
            line = f"{line} ({self.hint})"
        return printable(line)


class InvalidReferenceError(PyimginspectError):
    """The words given for an image cannot be understood."""


class ImageNotFoundError(PyimginspectError):
    """Nothing by that name, or no such image in the archive."""


class SourceError(PyimginspectError):
    """The place an image lives in could not be read."""


class ArchiveError(SourceError):
    """The file is no archive of an image, or a damaged one."""


class ManifestError(SourceError):
    """A manifest, index or configuration is missing or not as its specification says."""


class PlatformError(SourceError):
    """There is no image for the platform asked for; the message lists those there are."""


class UnsupportedError(SourceError):
    """A format that exists and that this package does not read."""


class ArtifactError(UnsupportedError):
    """What a registry keeps beside images: a chart, a signature, an attestation."""


class DaemonError(SourceError):
    """A Docker or Podman service refused, or went away."""


class RegistryError(SourceError):
    """A registry refused, or went away."""


class AuthenticationError(RegistryError):
    """A registry wants other credentials, or any at all."""


class QuotaError(RegistryError):
    """A registry answers no more requests of ours for now: 429, however long we waited."""


class LayerError(PyimginspectError):
    """The bytes of one layer could not be read."""


class TruncatedError(LayerError):
    """The bytes end before they should."""


class CorruptLayerError(LayerError):
    """A header or a compressed block does not hold together."""


class UnsafePathError(LayerError):
    """A name in the layer leads out of the image (``..`` above the root)."""


class LimitError(LayerError):
    """More entries, bytes or nesting than this package is ready to hold."""


class DigestMismatchError(LayerError):
    """The bytes are not those that the digest names."""


class CacheError(PyimginspectError):
    """The cache cannot be used as asked."""


class ReportError(PyimginspectError):
    """A report cannot be read or written."""


class ResultsError(ReportError):
    """The results file of a fleet cannot be used as asked."""


class ClusterError(PyimginspectError):
    """The cluster that is to do the work cannot be used, or went away."""


class DockerfileError(PyimginspectError):
    """A Dockerfile cannot be read, written or changed; the message names the line."""


class DockerfileMismatchError(DockerfileError):
    """Most of a Dockerfile's instructions are not in the history of the image."""


class PluginError(PyimginspectError):
    """An analyzer or a probe of a third party cannot be loaded, or has failed."""


class PolicyError(PyimginspectError):
    """A policy file or a baseline cannot be used."""
