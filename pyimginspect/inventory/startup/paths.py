"""Paths as the kernel walks them for a user: path_resolution(7), with its errors."""

from __future__ import annotations

from pyimginspect.inventory.facts import StartProblem
from pyimginspect.inventory.startup.records import CannotStartError, Context, NotKnownError
from pyimginspect.inventory.startup.users import User, may_enter
from pyimginspect.path_resolution import MAX_LINKS
from pyimginspect.rootfs import target_of

__all__ = ["MEANINGS", "absolute", "problem", "walk"]

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
    return _Walk(context, path, user, subject).to_the_end()


class _Walk:
    """A path on its way: ``place`` is how far it came, ``todo`` the names left, the next one last.

    ``links`` counts the symbolic links that were followed.
    """

    def __init__(self, context: Context, path: str, user: User, subject: str) -> None:
        self._context = context
        self._path = path
        self._user = user
        self._subject = subject
        self.place = ""
        self.todo = path.split("/")[::-1]
        self.links = 0

    def to_the_end(self) -> str:
        """Return the real path, or raise as :func:`walk` does."""
        self._check_length(self._path, _LONGEST_PATH, "its path", self._path[:200])
        while self.todo:
            name = self.todo.pop()
            self._check_directory(name)
            if name not in ("", "."):
                self._enter(name)
        return self.place

    def _check_length(self, text: str, longest: int, what: str, path: str) -> None:
        if len(text.encode("utf-8", "surrogateescape")) > longest:
            what = f"{what} is longer than {longest} bytes"
            raise problem("ENAMETOOLONG", self._subject, what, path)

    def _check_directory(self, name: str) -> None:
        """Refuse to look ``name`` up in anything but a directory, even the one after a last /."""
        place = self.place
        if not place or self._context.rootfs[place].kind == "directory":
            return
        if name or self.todo:
            raise problem("ENOTDIR", self._subject, f"/{place} is no directory", place)
        what = f"/{place} is no directory, as the / after it says"
        raise problem("ENOTDIR", self._subject, what)

    def _enter(self, name: str) -> None:
        """Look a name up in the directory that was reached."""
        rootfs, place = self._context.rootfs, self.place
        # Every name needs search permission in its directory, the dots as well.
        if not may_enter(rootfs, place, self._user):
            raise _forbidden(self._context, place, self._user, self._subject)
        if name == "..":
            # At the root it stays the root.
            self.place = place.rpartition("/")[0]
            return
        self._check_length(name, _LONGEST_NAME, "a name on its path", place)
        full = f"{place}/{name}" if place else name
        node = rootfs.get(full)
        if node is None:
            raise self._missing(full)
        if node.kind == "symlink":
            self._follow(full, target_of(node))
        else:
            self.place = full

    def _follow(self, link: str, target: str) -> None:
        self.links += 1
        if self.links > MAX_LINKS:
            what = f"more than {MAX_LINKS} links lie on the way, or they go in a circle"
            raise problem("ELOOP", self._subject, what, link)
        if target.startswith("/"):
            self.place = ""
        self.todo.extend(target.split("/")[::-1])

    def _missing(self, full: str) -> Exception:
        """Return what is raised for a path on the way that has no entry."""
        context, path = self._context, self._path
        if not context.complete:
            return NotKnownError(f"/{full} may be in a layer that the archive does not have")
        if any(full == top or full.startswith(f"{top}/") for top in _MOUNTED):
            return NotKnownError(f"/{full} is mounted by the runtime")
        if context.in_volume(f"/{full}"):
            return NotKnownError(f"/{full} may be in a volume")
        if self.links:
            return self._missing_behind_link(full)
        what = f"/{full} is in no layer of the image"
        if f"/{full}" != path:
            what = f"there is no {path}, for {what}"
        return problem("ENOENT", self._subject, what, full)

    def _missing_behind_link(self, full: str) -> CannotStartError:
        path, whole = self._path, "/".join([full, *self.todo[::-1]])
        lacks = "which" if whole == full else f"and /{full}"
        what = f"{path} leads to /{whole}, {lacks} is in no layer of the image"
        fix = f"copy what the link leads to as well, to /{whole}"
        # bin/python of a virtual environment is a link to the Python that made it, which a COPY of
        # the environment alone leaves in its build stage.
        if self._context.rootfs.resolve(f"{path.rpartition('/bin/')[0]}/pyvenv.cfg") is not None:
            fix += ", or make the environment with a Python that the image has, at the same path"
        return problem("ENOENT", self._subject, what, full, fix)


def _forbidden(context: Context, place: str, user: User, subject: str) -> CannotStartError:
    entry = context.rootfs[place].content.entry
    what = (
        f"user {user} may not enter /{place} (mode {entry.mode:04o}, owner {entry.uid}:{entry.gid})"
    )
    fix = f"put what user {user} runs where every user may go, such as /opt, in place of /{place}"
    # By default uv keeps its Pythons in the home of who runs it, and /root lets nobody else in.
    if "/uv/python" in f"/{place}/" or place == "root":
        fix += " (for a Python that uv installs: UV_PYTHON_INSTALL_DIR=/opt/python)"
    fix += f", or open the directory with chmod a+x /{place}"
    return problem("EACCES", subject, what, place, fix)
