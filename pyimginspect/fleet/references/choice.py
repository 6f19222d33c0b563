"""Which of many tags and names are wanted, and what was left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatchcase

from msgspec import Struct
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from pyimginspect.errors import InvalidReferenceError

__all__ = ["Choice", "Skipped"]

# Of each kind, for who wants to see what was left out; the counts are exact in any case.
_MOST_NAMED = 1000


class Skipped:
    """What references led to and was not to be inspected: how many of each kind, and which."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.names: dict[str, list[str]] = {}

    def add(self, kind: str, name: str) -> None:
        """Count what is of ``kind``; the first thousand of each kind are named, too."""
        self.counts[kind] += 1
        names = self.names.setdefault(kind, [])
        if len(names) < _MOST_NAMED:
            names.append(name)


class Choice(Struct, frozen=True, kw_only=True):
    """Filters of tags and of names; those that are not set let everything pass.

    ``tags`` is a regular expression that must match the whole tag, ``versions`` are PEP 440
    specifiers (``>=1.2,<2``), ``newest`` how many of a repository's tags are taken, the highest
    versions first. ``exclude`` are patterns, as of file names, of repositories and of names.
    """

    tags: str = ""
    versions: str = ""
    newest: int | None = None
    exclude: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise :class:`InvalidReferenceError` for a filter that makes no sense."""
        try:
            re.compile(self.tags)
        except re.error as exc:
            raise InvalidReferenceError(f"--tags is no regular expression: {exc}") from exc
        try:
            SpecifierSet(self.versions)
        except InvalidSpecifier as exc:
            raise InvalidReferenceError(
                f"--tags-version '{self.versions}' is no version specifier",
                hint="such as '>=1.2,<2'",
            ) from exc
        if self.newest is not None and self.newest < 1:
            raise InvalidReferenceError("--newest takes a number from 1")

    def excludes(self, name: str) -> bool:
        """Whether a name is left out: by its repository, or with its tag, with host or without."""
        if not self.exclude:
            return False
        name = re.sub(r"^(registry|docker|podman):(https?://)?", "", name)
        without_host = name.partition("/")[2]
        forms = {name, without_host}
        for form in (name, without_host):
            repository, colon, tag = form.rpartition(":")
            # A colon before the last slash is that of a host's port.
            if colon and "/" not in tag:
                forms.add(repository)
        return any(fnmatchcase(form, glob) for form in forms if form for glob in self.exclude)

    def choose(self, repository: str, tags: Iterable[str], skipped: Skipped) -> list[str]:
        """Return those of a repository's tags that are wanted, in the order of their names."""
        # The whole tag, as with --exclude: "1" is not meant to take "3.11-slim" as well.
        wanted = [tag for tag in tags if not self.tags or re.fullmatch(self.tags, tag)]
        if self.versions or self.newest is not None:
            wanted = self._by_version(repository, wanted, skipped)
        return sorted(wanted)

    def _by_version(self, repository: str, tags: list[str], skipped: Skipped) -> list[str]:
        specifiers = SpecifierSet(self.versions)
        early = bool(specifiers.prereleases)  # of a range that names one, pre-releases count
        versions: list[tuple[Version, str]] = []
        for tag in tags:
            try:
                version = Version(tag)  # which knows of a `v` before it
            except InvalidVersion:
                skipped.add("tags that are no versions", f"{repository}:{tag}")
                continue
            if not self.versions or specifiers.contains(version, prereleases=early):
                versions.append((version, tag))
        # By version and then by tag, so that "1.0" and "v1.0" are in one order on every run.
        versions.sort(reverse=True)
        return [tag for _, tag in versions[: self.newest]]
