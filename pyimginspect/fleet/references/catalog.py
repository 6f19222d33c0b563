"""The repositories and tags of a registry (OCI distribution specification v1.1, "Listing tags").

``/v2/_catalog`` is distribution's own, and closed to most users where many share a registry.
There Harbor (``/api/v2.0/projects/…/repositories``) and GitLab
(``/api/v4/groups/…/registry/repositories``) have listings of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from pyimginspect.errors import RegistryError
from pyimginspect.fleet.references.choice import Choice, Skipped
from pyimginspect.fleet.references.listing import Listing, Refused
from pyimginspect.fleet.references.products import product_listing

__all__ = ["is_pattern", "registry_images"]


def is_pattern(text: str) -> bool:
    """Whether the name of an image, without its prefix, stands for many."""
    return "*" in text or "?" in text.rpartition("/")[2]


def registry_images(text: str, choice: Choice, skipped: Skipped) -> Iterator[str]:
    """Return a reference to each image that a pattern (``HOST/team/*``, ``HOST/api:*``) names.

    ``*`` stands for any characters, those of deeper paths included. Raises
    :class:`RegistryError` where the registry does not list what it has.
    """
    scheme = re.match(r"https?://|", text)
    assert scheme is not None
    prefix, rest = scheme[0], text[scheme.end() :]
    host, _, pattern = rest.partition("/")
    repositories, tag_pattern = _split(pattern or "*")
    listing = Listing(host, plain=prefix == "http://")
    try:
        for repository in _repositories(listing, repositories):
            if choice.excludes(f"{host}/{repository}"):
                skipped.add("repositories excluded", f"{host}/{repository}")
                continue
            # Not fnmatch(), which ignores case on Windows: tags differ by case everywhere.
            tags = [tag for tag in listing.tags(repository) if fnmatchcase(tag, tag_pattern)]
            for tag in choice.choose(f"{host}/{repository}", tags, skipped):
                name = f"{host}/{repository}:{tag}"
                if choice.excludes(name):
                    skipped.add("tags excluded", name)
                else:
                    yield f"registry:{prefix}{name}"
    finally:
        listing.close()


def _split(pattern: str) -> tuple[str, str]:
    repository, colon, tag = pattern.rpartition(":")
    return (repository, tag) if colon else (pattern, "*")


def _repositories(listing: Listing, pattern: str) -> Iterator[str]:
    if "*" not in pattern and "?" not in pattern:
        yield pattern
        return
    try:
        # Docker Hub and GHCR refuse it: where many share a registry, a list tells too much.
        names = listing.catalog()
    except Refused as exc:
        listed = product_listing(listing, pattern)
        if listed is None:
            raise RegistryError(
                f"{listing.host} does not list its repositories: {exc.message}",
                hint="log in with an account that may, or name each repository: "
                f"registry:{listing.host}/NAME:*, or a list of them with @FILE",
            ) from exc
        names = listed
    # In order, so that two runs begin with the same images.
    yield from sorted(name for name in names if fnmatchcase(name, pattern))
