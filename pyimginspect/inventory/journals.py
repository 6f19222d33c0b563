"""The books that package managers keep: rewritten whenever they run, and worth no finding."""

from __future__ import annotations

__all__ = ["is_journal"]

# What package managers rewrite whenever they run, and what no edit of a Dockerfile avoids but
# running them less often.
_JOURNALS = (
    "etc/apk/world",
    "etc/ld.so.cache",
    "lib/apk/db/",
    "run/",
    "usr/lib/apk/db/",
    "usr/lib/sysimage/",
    "var/cache/apt/",
    "var/cache/debconf/",
    "var/cache/ldconfig/",
    "var/lib/apt/",
    "var/lib/dnf/",
    "var/lib/dpkg/",
    "var/lib/rpm/",
    "var/log/",
)


def is_journal(path: str) -> bool:
    """Whether a file belongs to a package manager's own books; apt's lists are no such thing."""
    return path.startswith(_JOURNALS) and not path.startswith("var/lib/apt/lists/")
