"""Paths as the kernel walks them for a user: path_resolution(7), with its errors."""

from __future__ import annotations

from pyimginspect.inventory.facts import StartProblem
from pyimginspect.inventory.startup.records import CannotStartError, Context, NotKnownError
from pyimginspect.inventory.startup.users import User, may_enter
from pyimginspect.rootfs import MAX_LINKS, target_of

__all__ = ["absolute", "problem", "walk"]

_LONGEST_PATH = 4095  # bytes: PATH_MAX without the NUL
_LONGEST_NAME = 255  # bytes: NAME_MAX
_MOUNTED = ("proc", "sys", "dev", "run/secrets", "var/run/secrets")
"""What a runtime mounts: nothing of it is in the layers."""

MEANINGS = {
    "ENOENT": "no such file or directory",
    "EACCES": "permission denied",
    "ENOEXEC": "exec format error",
    "ELOOP": "too many levels of symbolic links",
    "ENOTDIR": "not a directory",
    "ENAMETOOLONG": "file name too long",
    "ELIBBAD": "accessing a corrupted shared library",
}


def problem(errno: str, subject: str, what: str, path: str = "", fix: str = "") -> CannotStartError:
    """Return the error that ends a walk."""
    return CannotStartError(
        StartProblem(errno=errno, subject=subject, what=what, path=path.lstrip("/"), fix=fix)
    )


def absolute(path: str, directory: str | None) -> str:
    """Return ``path`` as seen from the root; :class:`NotKnownError` without a known directory."""
    if path.startswith("/"):
        return path
    if directory is None:
        raise NotKnownError(f"the working directory in which {path} is looked up is not known")
    return f"{directory.rstrip('/')}/{path}"


def walk(context: Context, path: str, user: User, subject: str = "") -> str:
    """Return the real path of what an absolute ``path`` leads to.

    Raises :class:`CannotStartError` with the errno that a system call would have, and
    :class:`NotKnownError` for what a runtime mounts, or an absent layer may have.
    """
    subject = subject or path
    if len(path.encode("utf-8", "surrogateescape")) > _LONGEST_PATH:
        what = f"its path is longer than {_LONGEST_PATH} bytes"
        raise problem("ENAMETOOLONG", subject, what, path[:200])
    rootfs = context.rootfs
    place, todo, links = "", path.split("/")[::-1], 0
    while todo:
        name = todo.pop()
        if place and rootfs[place].kind != "directory":
            if name or todo:
                raise problem("ENOTDIR", subject, f"/{place} is no directory", place)
            raise problem("ENOTDIR", subject, f"/{place} is no directory, as the / after it says")
        if name in ("", "."):
            continue
        if not may_enter(rootfs, place, user):
            raise _forbidden(context, place, user, subject)
        if name == "..":
            place = place.rpartition("/")[0]
            continue
        if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
            what = f"a name on its path is longer than {_LONGEST_NAME} bytes"
            raise problem("ENAMETOOLONG", subject, what, place)
        full = f"{place}/{name}" if place else name
        node = rootfs.get(full)
        if node is None:
            whole = "/".join([full, *todo[::-1]]) if links else ""
            raise _missing(context, full, path, subject, whole)
        if node.kind != "symlink":
            place = full
            continue
        links += 1
        if links > MAX_LINKS:
            what = f"more than {MAX_LINKS} links lie on the way, or they go in a circle"
            raise problem("ELOOP", subject, what, full)
        target = target_of(node)
        if target.startswith("/"):
            place = ""
        todo.extend(target.split("/")[::-1])
    return place


def _missing(context: Context, full: str, path: str, subject: str, whole: str) -> Exception:
    """Return what is raised for a path without an entry, on the way that ``path`` is.

    ``whole`` is the path that links lead to, if there are links on the way.
    """
    if not context.complete:
        return NotKnownError(f"/{full} may be in a layer that the archive does not have")
    if any(full == top or full.startswith(f"{top}/") for top in _MOUNTED):
        return NotKnownError(f"/{full} is mounted by the runtime")
    if any(f"/{full}/".startswith(f"{each.rstrip('/')}/") for each in context.config.volumes):
        return NotKnownError(f"/{full} may be in a volume")
    what = f"/{full} is in no layer of the image"
    if whole:
        lacks = "which" if whole == full else f"and /{full}"
        what = f"{path} leads to /{whole}, {lacks} is in no layer of the image"
        fix = f"copy what the link leads to as well, to /{whole}"
        if context.rootfs.resolve(f"{path.rpartition('/bin/')[0]}/pyvenv.cfg") is not None:
            fix += ", or make the environment with a Python that the image has, at the same path"
        return problem("ENOENT", subject, what, full, fix)
    if f"/{full}" != path:
        what = f"there is no {path}, for {what}"
    return problem("ENOENT", subject, what, full)


def _forbidden(context: Context, place: str, user: User, subject: str) -> CannotStartError:
    entry = context.rootfs[place].content.entry
    what = (
        f"user {user} may not enter /{place} (mode {entry.mode:04o}, owner {entry.uid}:{entry.gid})"
    )
    fix = f"put what user {user} runs where every user may go, such as /opt, in place of /{place}"
    if "/uv/python" in f"/{place}/" or place == "root":
        fix += " (for a Python that uv installs: UV_PYTHON_INSTALL_DIR=/opt/python)"
    fix += f", or open the directory with chmod a+x /{place}"
    return problem("EACCES", subject, what, place, fix)
