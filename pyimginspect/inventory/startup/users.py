"""Who a container's process is: ``USER`` as runtimes read it from the image's own files.

Source: moby/sys ``user.GetExecUser``, which Docker, containerd and Podman follow: a number needs
no entry in ``/etc/passwd``, a name does; ``user:group`` leaves the supplementary groups out.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from pyimginspect.rootfs import RootFS

__all__ = [
    "GROUPS",
    "ROOT_USER",
    "USERS",
    "NoSuchUserError",
    "User",
    "find_user",
    "may_enter",
    "may_execute",
    "may_read",
]

USERS, GROUPS = "etc/passwd", "etc/group"
# Real files have some dozens of lines; only hostile ones have more than thousands.
_MOST_LINES = 20_000
# moby/sys, user/user.go: runtimes take no larger number.
_LARGEST_ID = 2**31 - 1
_EXECUTE, _READ = 1, 4


class NoSuchUserError(Exception):
    """A name that the ``file`` of users, or that of groups, does not have."""

    def __init__(self, name: str, file: str) -> None:
        super().__init__(name)
        self.file = file


class User(Struct, frozen=True, kw_only=True):
    """A process's identity. ``home`` is empty where nothing tells."""

    uid: int = 0
    groups: frozenset[int] = frozenset({0})
    name: str = ""
    home: str = ""

    def __str__(self) -> str:
        return self.name or ("root" if self.uid == 0 else str(self.uid))


ROOT_USER = User(home="/root")


class _Account(Struct, frozen=True, kw_only=True):
    """An entry of ``/etc/passwd``, or what a number without one stands for.

    ``uid`` is ``None`` where the entry has no number in its place.
    """

    uid: int | None
    gid: int = 0
    name: str = ""
    home: str


def find_user(rootfs: RootFS, spec: str) -> User | None:
    """Return whom ``USER`` names (``name``, ``uid``, ``name:group``, …).

    ``None`` where it cannot be told, since a file is there that was not kept. Raises
    :class:`NoSuchUserError` with the name that has no entry.
    """
    name, _, group = spec.partition(":")
    passwd = _lines(rootfs, USERS)
    groups = _lines(rootfs, GROUPS)
    if passwd is None or groups is None:
        return None
    account = _account(passwd, name)
    if account.uid is None:
        return None
    if group:
        memberships = frozenset({_group_id(groups, group)})
    else:
        memberships = frozenset({account.gid, *_supplementary(groups, account.name)})
    return User(uid=account.uid, groups=memberships, name=account.name, home=account.home)


def _account(passwd: list[list[str]], name: str) -> _Account:
    """Return the account of a name, or of a number, which needs no entry."""
    # GetExecUser() begins with root: an empty name leaves it at that.
    number = _number(name) if name else 0
    for fields in passwd:
        if len(fields) > 3 and _is_entry_of(fields, name, number):
            uid = _number(fields[2])
            # runc gives what looks like a comment its home, crun none; an entry cut short has none.
            home = fields[5] if len(fields) > 5 and not fields[0].startswith("#") else ""
            return _Account(uid=uid, gid=_number(fields[3]) or 0, name=fields[0], home=home)
    if number is None:
        raise NoSuchUserError(name, USERS)
    return _Account(uid=number, home="/")  # runc's getUserHome and crun, even for root


def _is_entry_of(fields: list[str], name: str, number: int | None) -> bool:
    """Whether an entry is the one meant: what is a number is no name (``GetExecUser``)."""
    return fields[0] == name if number is None else _number(fields[2]) == number


def _group_id(groups: list[list[str]], group: str) -> int:
    """Return the number of a group, which needs no entry if it is a number."""
    numbers = (
        _number(fields[2])
        for fields in groups
        if len(fields) > 2 and group in (fields[0], fields[2])
    )
    # The first entry that fits counts, by its name or its number; a number needs none.
    found = next(numbers, _number(group))
    if found is None:
        raise NoSuchUserError(group, GROUPS)
    return found


def _supplementary(groups: list[list[str]], user: str) -> Iterator[int]:
    """Yield the groups that list a user among their members."""
    for fields in groups:
        if user and len(fields) > 3 and user in fields[3].split(","):
            yield _number(fields[2]) or 0


def _lines(rootfs: RootFS, path: str) -> list[list[str]] | None:
    real = rootfs.resolve(path)
    if real is None:
        return []
    text = rootfs.texts.get(real)
    if text is None:
        return [] if not rootfs[real].size else None
    return list(_fields(text, comments=path == GROUPS))


def _fields(text: bytes, *, comments: bool) -> Iterator[list[str]]:
    for line in text.decode("utf-8", "surrogateescape").split("\n", _MOST_LINES)[:_MOST_LINES]:
        # moby/sys trims lines and passes over empty ones, and over comments among groups alone.
        if line.strip() and not (comments and line.strip().startswith("#")):
            yield [field.strip() for field in line.split(":")]


def _number(text: str) -> int | None:
    # isdigit() alone takes digits of other scripts too. Ten digits hold the largest number.
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit()) or len(digits) > 10:
        return None
    number = int(digits or "0")
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
    # The first class that fits decides, even if the next would allow more: path_resolution(7).
    if entry.uid == user.uid:
        return bool(entry.mode & bit << 6)
    if entry.gid in user.groups:
        return bool(entry.mode & bit << 3)
    return bool(entry.mode & bit)


def _has_acl(rootfs: RootFS, path: str) -> bool:
    # system.posix_acl_access, behind whatever prefix the archive gives it.
    return any("posix_acl" in each for each in rootfs[path].content.entry.xattrs)
