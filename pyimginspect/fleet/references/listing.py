"""Lists that a registry gives in pages, each with a link to the next (RFC 8288)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests

from pyimginspect.errors import AuthenticationError, ImageNotFoundError, RegistryError
from pyimginspect.model import decode_json
from pyimginspect.sources.bodies import read_body
from pyimginspect.sources.connections import Connections
from pyimginspect.sources.transport import Transport

__all__ = ["Listing", "Refused"]

_PAGE = 1000  # names; registries may give fewer
# Larger than any real one: a thousand names of 255 characters are 250 kB, but some registries
# ignore "n" and send all that they have.
_LARGEST_PAGE = 32 << 20  # bytes
# More than any registry lists. All are kept, to notice one that goes in circles.
_MOST_NAMES = 2_000_000
# RFC 8288, 3, as the distribution specification uses it ("Listing Tags").
_NEXT = re.compile(r"<([^<>]*)>\s*;[^<]*?\brel\s*=\s*\"?next\"?", re.IGNORECASE)


class Refused(RegistryError):  # noqa: N818 - what it is
    """The registry does not give this list to us, or to nobody."""


class Listing:
    """One registry, asked for lists."""

    def __init__(self, host: str, *, plain: bool = False) -> None:
        self.host = host
        self.plain = plain
        self._connections = Connections()

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def challenge(self) -> str:
        """Return what the registry answers to who does not say who he is."""
        return self._transport("").challenge()

    def check(self, url: str) -> None:
        """Raise :class:`RegistryError` where the registry may not send us to an address."""
        self._transport("").check(url)

    def catalog(self) -> list[str]:
        """Return all repositories. Raises :class:`Refused` where they are not for us."""
        return [*self.pages(f"/v2/_catalog?n={_PAGE}", _field("repositories"))]

    def tags(self, repository: str) -> list[str]:
        """Return the tags of a repository; none where there is no such repository."""
        path = f"/v2/{quote(repository)}/tags/list?n={_PAGE}"
        try:
            return [*self.pages(path, _field("tags"), repository=repository)]
        except ImageNotFoundError:
            return []

    def pages(
        self,
        path: str,
        names_of: Callable[[Any], list[str]],
        *,
        repository: str = "",
        **headers: str,
    ) -> Iterator[str]:
        """Return the names on all pages from ``path`` on, each once.

        Raises :class:`Refused`, :class:`ImageNotFoundError` for status 404 of a repository, and
        :class:`RegistryError` for pages that lead in circles or never end.
        """
        seen: dict[str, None] = {}
        asked = set()
        following: str | None = path
        while following is not None:
            asked.add(following)
            document, link = self._page(following, repository, headers)
            before = len(seen)
            for name in names_of(document):
                if name not in seen:
                    seen[name] = None
                    yield name
            following = self._next(following, link)
            # A page that brings no new name counts too: the next address may change without end.
            if following is not None and (following in asked or len(seen) == before):
                raise RegistryError(f"{self.host} lists the same again and again")
            if len(seen) > _MOST_NAMES:
                raise RegistryError(f"{self.host} lists more than {_MOST_NAMES:,} names")

    def _page(self, path: str, repository: str, headers: dict[str, str]) -> tuple[Any, str]:
        transport = self._transport(repository)
        try:
            response = transport.get(path, **headers)
        except AuthenticationError as exc:
            raise Refused(exc.message, hint=exc.hint) from exc
        with response:
            status = response.status_code
            if status == 404 and repository:
                raise ImageNotFoundError(f"{self.host} has no repository {repository}")
            # Closed, or not built in: _catalog need not exist (distribution specification).
            if status in (401, 403, 404, 405, 501):
                raise Refused(f"it answers {status}")
            if status != 200:
                raise RegistryError(f"{self.host} answers {status}")
            try:
                data = read_body(response, _LARGEST_PAGE, transport.patience)
            except (requests.RequestException, OSError) as exc:
                raise RegistryError(f"{self.host} went away while it listed") from exc
            return decode_json(data, f"the list of {self.host}"), response.headers.get("Link", "")

    def _next(self, path: str, link: str) -> str | None:
        """Return the path of the next page, which must be on the same host."""
        # As long as the headers that servers usually take.
        found = _NEXT.search(link[:8192])
        if found is None:
            return None
        base = f"https://{self.host}{path}"
        target = urlsplit(urljoin(base, found[1]))
        # Behind a proxy some name themselves by an address of their own: the path is what counts.
        return f"{target.path}?{target.query}" if target.query else target.path

    def _transport(self, repository: str) -> Transport:
        """Return the transport for a repository: its token is good for no other."""
        return self._connections.to(self.host, repository, plain=self.plain)


def _field(name: str) -> Callable[[Any], list[str]]:
    def names_of(document: Any) -> list[str]:
        listed = document.get(name) if isinstance(document, dict) else None
        # distribution writes null for a repository that has lost its last tag.
        return [item for item in listed or () if isinstance(item, str)]

    return names_of
