"""The books that package managers keep: rewritten whenever they run, and worth no finding."""

from __future__ import annotations

__all__ = ["is_journal"]

# What package managers rewrite whenever they run, and what no edit of a Dockerfile avoids but
# running them less often.
_JOURNALS = (
    "etc/apk/world",
    # ldconfig(8) rewrites this and the aux-cache in var/cache/ldconfig whenever a package has
    # libraries.
    "etc/ld.so.cache",
    "lib/apk/db/",
    # Emptied when a system starts: file-hierarchy(7).
    "run/",
    "usr/lib/apk/db/",
    # The database of rpm on Fedora and SUSE, and what libdnf5 notes of packages that were asked
    # for.
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
