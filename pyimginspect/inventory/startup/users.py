"""Who a container's process is: ``USER`` as runtimes read it from the image's own files.

Source: moby/sys ``user.GetExecUser``, which Docker, containerd and Podman follow: a number needs
no entry in ``/etc/passwd``, a name does; ``user:group`` leaves the supplementary groups out.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from pyimginspect.rootfs import RootFS

__all__ = [
    "ROOT_USER",
    "NoSuchUserError",
    "User",
    "find_user",
    "may_enter",
    "may_execute",
    "may_read",
]

_MOST_LINES = 20_000
_LARGEST_ID = 2**31 - 1
_EXECUTE, _READ = 1, 4


class NoSuchUserError(Exception):
    """A name that neither ``/etc/passwd`` nor ``/etc/group`` has."""


class User(Struct, frozen=True, kw_only=True):
    """A process's identity. ``home`` is empty where nothing tells."""

    uid: int = 0
    groups: frozenset[int] = frozenset({0})
    name: str = ""
    home: str = ""

    def __str__(self) -> str:
        return self.name or ("root" if self.uid == 0 else str(self.uid))


ROOT_USER = User(home="/root")


def find_user(rootfs: RootFS, spec: str) -> User | None:
    """Return whom ``USER`` names (``name``, ``uid``, ``name:group``, …).

    ``None`` where it cannot be told, since a file is there that was not kept. Raises
    :class:`NoSuchUserError` with the name that has no entry.
    """
    name, _, group = spec.partition(":")
    passwd = _lines(rootfs, "etc/passwd")
    groups = _lines(rootfs, "etc/group")
    if passwd is None or groups is None:
        return None
    number = _number(name) if name else 0
    entry = next(
        (
            fields
            for fields in passwd
            if len(fields) > 3
            and (_number(fields[2]) == number if number is not None else fields[0] == name)
        ),
        None,
    )
    if entry is None and number is None:
        raise NoSuchUserError(name)
    uid = number if number is not None else (_number(entry[2]) if entry else None)
    gid = (_number(entry[3]) if entry else 0) or 0
    if uid is None:
        return None
    known = entry[0] if entry is not None else ""
    if group:
        wanted = _number(group)
        found = next(
            (_number(f[2]) for f in groups if len(f) > 2 and group in (f[0], f[2])), wanted
        )
        if found is None:
            raise NoSuchUserError(group)
        memberships = {found}
    else:
        memberships = {gid}
        for fields in groups:
            if known and len(fields) > 3 and known in fields[3].split(","):
                memberships.add(_number(fields[2]) or 0)
    home = entry[5] if entry is not None and len(entry) > 5 else ("/root" if uid == 0 else "/")
    return User(uid=uid, groups=frozenset(memberships), name=known, home=home)


def _lines(rootfs: RootFS, path: str) -> list[list[str]] | None:
    real = rootfs.resolve(path)
    if real is None:
        return []
    text = rootfs.texts.get(real)
    if text is None:
        return [] if not rootfs[real].size else None
    return list(_fields(text))


def _fields(text: bytes) -> Iterator[list[str]]:
    for line in text.decode("utf-8", "surrogateescape").split("\n", _MOST_LINES)[:_MOST_LINES]:
        if line.strip() and not line.startswith("#"):
            yield [field.strip() for field in line.split(":")]


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        return None
    number = int(text)
    return number if number <= _LARGEST_ID else None


# --- what a process may do ------------------------------------------------------------------------
def may_execute(rootfs: RootFS, path: str, user: User) -> bool:
    """Whether the mode of a file lets ``user`` execute it; even root needs one bit of the three."""
    if user.uid == 0:
        return bool(rootfs[path].content.entry.mode & 0o111) or _has_acl(rootfs, path)
    return _allows(rootfs, path, user, _EXECUTE)


def may_enter(rootfs: RootFS, path: str, user: User) -> bool:
    """Whether ``user`` may look anything up in a directory; root always may (DAC override)."""
    return user.uid == 0 or not path or _allows(rootfs, path, user, _EXECUTE)


def may_read(rootfs: RootFS, path: str, user: User) -> bool:
    """Whether ``user`` may read a file; root always may."""
    return user.uid == 0 or _allows(rootfs, path, user, _READ)


def _allows(rootfs: RootFS, path: str, user: User, bit: int) -> bool:
    entry = rootfs[path].content.entry
    if _has_acl(rootfs, path):
        return True  # an access control list may say more than the mode: acl(5)
    if entry.uid == user.uid:
        return bool(entry.mode & bit << 6)
    if entry.gid in user.groups:
        return bool(entry.mode & bit << 3)
    return bool(entry.mode & bit)


def _has_acl(rootfs: RootFS, path: str) -> bool:
    return any("posix_acl" in each for each in rootfs[path].content.entry.xattrs)
