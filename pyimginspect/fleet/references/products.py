"""The repositories of registries whose ``_catalog`` is closed, by their products' own lists.

Sources: Harbor's API v2.0 (``api/v2.0/swagger.yaml``: listRepositories, listAllRepositories);
GitLab's container registry API ("List registry repositories").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from pyimginspect.errors import PyimginspectError
from pyimginspect.fleet.references.listing import Listing
from pyimginspect.sources.challenges import parse_challenges
from pyimginspect.sources.credentials import find_credentials

__all__ = ["product_listing"]

# What fnmatch gives a meaning.
_WILD = set("*?[")


def product_listing(listing: Listing, pattern: str) -> list[str] | None:
    """Return the repositories that may match ``pattern``; ``None`` where no product lists them."""
    challenge = parse_challenges(listing.challenge()).get("bearer", {})
    realm = urlsplit(challenge.get("realm", ""))
    # GitLab's own token service; everything else is tried as Harbor.
    if realm.path.endswith("/jwt/auth"):
        return _first_of(_gitlab(listing, realm.scheme, realm.netloc, pattern))
    return _first_of(_harbor(listing, pattern))


def _first_of(attempts: Iterator[Iterator[str]]) -> list[str] | None:
    """Return the first list that is given."""
    for names in attempts:
        try:
            return [*names]
        except PyimginspectError:
            continue
    return None


def _harbor(listing: Listing, pattern: str) -> Iterator[Iterator[str]]:
    project, slash, _ = pattern.partition("/")
    path = "/api/v2.0/repositories"
    if slash and not _WILD & set(project):
        path = f"/api/v2.0/projects/{quote(project, safe='')}/repositories"
    yield listing.pages(f"{path}?page=1&page_size=100", _each("name"))


def _gitlab(listing: Listing, scheme: str, host: str, pattern: str) -> Iterator[Iterator[str]]:
    """Ask for a group's repositories, then for a project's: a path does not tell which it is.

    The host is where the registry sends everybody's credentials for tokens.
    """
    parts = pattern.split("/")
    fixed = []
    for part in parts[:-1]:
        if _WILD & set(part):
            break
        fixed.append(part)
    listing.check(f"{scheme}://{host}/")
    credentials = find_credentials(listing.host, "").found
    # GitLab's header for access tokens, which also are passwords for its registry.
    headers = {"PRIVATE-TOKEN": credentials.secret} if credentials is not None else {}
    api = Listing(host, plain=scheme == "http")
    try:
        while fixed:
            # One path segment: GitLab's API takes a path for an ID with its slashes encoded.
            identity = quote("/".join(fixed), safe="")
            for kind in ("groups", "projects"):
                path = f"/api/v4/{kind}/{identity}/registry/repositories?per_page=100"
                yield api.pages(path, _each("path"), **headers)
            fixed.pop()
    finally:
        api.close()


def _each(field: str) -> Any:
    def names_of(document: Any) -> list[str]:
        items = document if isinstance(document, list) else []
        named = [item.get(field) for item in items if isinstance(item, dict)]
        return [name for name in named if isinstance(name, str)]

    return names_of
