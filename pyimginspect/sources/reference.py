"""Names of images: ``python``, ``ghcr.io/acme/api:1.4``, ``localhost:5000/x@sha256:…``.

The grammar is that of the reference implementation of the OCI distribution specification
(distribution/reference, ``reference.go`` and ``normalize.go``), with Docker's familiar names.
"""

from __future__ import annotations

import re
from contextlib import suppress

from msgspec import Struct

from pyimginspect.errors import InvalidReferenceError, ManifestError, UnsupportedError
from pyimginspect.layers.digests import check_algorithm
from pyimginspect.model import Digest, Image, parse_digest

__all__ = ["Name", "parse_name", "pulled_as", "without_userinfo"]

# Separators are a dot, one or two underscores, or any number of dashes (regexp.go).
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
# An IPv6 address stands in brackets, as in URLs (RFC 3986, 3.2.2).
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
# ASCII, as ``\w`` is in Go's regular expressions.
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
# RepositoryNameTotalLengthMax of reference.go: of the path alone, without the host.
_LONGEST_REPOSITORY = 255
_USERINFO = re.compile(r"//[^/@]*@")
_HUB = "docker.io"


class Name(Struct, frozen=True, kw_only=True):
    """A reference in full: registry, repository, and a tag or a digest or both."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @property
    def familiar(self) -> str:
        """The name as people write it: without the parts that Docker adds by itself."""
        text = f"{self.registry}/{self.repository}"
        if self.registry == _HUB:
            text = self.repository.removeprefix("library/")
        if self.tag is not None:
            text = f"{text}:{self.tag}"
        return f"{text}@{self.digest}" if self.digest is not None else text

    def __str__(self) -> str:
        text = f"{self.registry}/{self.repository}"
        if self.tag is not None:
            text = f"{text}:{self.tag}"
        return f"{text}@{self.digest}" if self.digest is not None else text


def without_userinfo(text: str) -> str:
    """Return ``text`` without the user's name and password that an address in it may have."""
    return _USERINFO.sub("//…@", text)


def parse_name(text: str) -> Name:
    """Read the name of an image; without tag and digest the tag is ``latest``.

    Raises :class:`InvalidReferenceError`, saying what is wrong with it.
    """
    if not text:
        raise InvalidReferenceError("the name of the image is empty")
    if "://" in text or text.startswith("//"):  # as skopeo has it; perhaps with a password
        raise InvalidReferenceError(
            "the name of an image is no URL", hint="registry:HOST/NAME asks a registry"
        )
    # The digest is taken off first, since it has a colon of its own.
    rest, at, digest_text = text.partition("@")
    digest = None
    if at:
        try:
            digest = parse_digest(digest_text)
            check_algorithm(digest)
        except ManifestError as exc:
            raise _invalid("what follows the @ is no digest") from exc
        except UnsupportedError as exc:
            raise _invalid(exc.message) from exc
    tag: str | None = None
    # A colon before the last slash is that of the host's port.
    colon = rest.rfind(":")
    if colon > rest.rfind("/"):
        rest, tag = rest[:colon], rest[colon + 1 :]
        if not _TAG.fullmatch(tag):
            raise _invalid(f"'{tag[:130]}' is no tag")
    registry, repository = _split(rest)
    if not _HOST.fullmatch(registry):
        raise _invalid(f"'{registry[:100]}' is no host name")
    if len(repository) > _LONGEST_REPOSITORY or not _REPOSITORY.fullmatch(repository):
        if _REPOSITORY.fullmatch(repository.lower()):
            raise _invalid("names of images are lowercase")
        raise _invalid("it is neither a path that exists nor the name of an image")
    if tag is None and digest is None:
        # A digest is enough: TagNameOnly of normalize.go leaves it alone, too.
        tag = "latest"
    return Name(registry=registry, repository=repository, tag=tag, digest=digest)


def _split(text: str) -> tuple[str, str]:
    """Split host and repository: a first part is a host by its dot, colon or capitals."""
    first, slash, rest = text.partition("/")
    # normalize.go, splitDockerDomain: repositories are lowercase, so capitals can only be a host's.
    is_host = first == "localhost" or first.lower() != first or bool(set(".:[") & set(first))
    if not slash or not is_host:
        first, rest = _HUB, text
    # legacyDefaultDomain of normalize.go, which old configurations still have.
    elif first == "index.docker.io":
        first = _HUB
    if first == _HUB and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def _invalid(why: str) -> InvalidReferenceError:
    return InvalidReferenceError(why)


def pulled_as(reference: str, image: Image) -> str:
    """Return the name by which an image can be pulled; empty where it only is a file.

    A file is no name for a Dockerfile, but what the file calls its image may be one; an OCI
    layout often has the tag alone, which is none.
    """
    if image.source in ("docker", "podman", "registry"):
        names: tuple[str, ...] = (reference.removeprefix(f"{image.source}:"),)
    else:
        names = tuple(name for name in image.names if {*"/:@"} & {*name})
    # What was asked for by name, as PATH:NAME, goes by that name.
    for name in sorted(names, key=lambda name: not reference.endswith(f":{name}")):
        with suppress(InvalidReferenceError):
            return parse_name(name).familiar
    return ""
