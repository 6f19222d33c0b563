"""Which small text files are worth keeping: those that some reader of this package asks for."""

from __future__ import annotations

import re

from pyimginspect.layers.licenses import is_copyright

__all__ = [
    "BEGINNINGS",
    "DIRECTORIES",
    "ENDINGS",
    "NAMES",
    "is_shell_script",
    "shebang",
    "wants_text",
]

_DIST_INFO = (".dist-info/",)
_EGG_INFO = (".egg-info/", "/EGG-INFO/")
_METADATA = _DIST_INFO + _EGG_INFO

# A file's name, and what its directory must end with; no condition where there is none.
_NAMES: dict[str, tuple[str, ...]] = {
    "METADATA": _DIST_INFO,
    "RECORD": _DIST_INFO,
    "WHEEL": _METADATA,
    "INSTALLER": _METADATA,
    "REQUESTED": _METADATA,  # PEP 376: a user asked for it, and no dependency
    "direct_url.json": _METADATA,  # PEP 610
    "top_level.txt": _METADATA,
    "entry_points.txt": _METADATA,
    "PKG-INFO": _EGG_INFO,
    "installed-files.txt": _EGG_INFO,
    "pyvenv.cfg": (),
    "build-details.json": (),  # PEP 739
    "EXTERNALLY-MANAGED": (),  # PEP 668
    "patchlevel.h": (),  # PY_VERSION, in Python's headers
    "os-release": ("etc/", "usr/lib/"),
    "alpine-release": ("etc/",),
    "debian_version": ("etc/",),
    "redhat-release": ("etc/",),
    "ld.so.conf": ("etc/",),
    "ld.so.cache": ("etc/",),
    "passwd": ("etc/",),
    "group": ("etc/",),
    "world": ("etc/apk/",),  # what apk was asked to install
    "docker": ("etc/dpkg/dpkg.cfg.d/",),  # says which images of Debian are slim
    "installed": ("lib/apk/db/",),
    "status": ("var/lib/dpkg/",),
    "diversions": ("var/lib/dpkg/",),
    "extended_states": ("var/lib/apt/",),  # what apt installed as a dependency
    "apt.conf": ("etc/apt/",),
    "sources.list": ("etc/apt/",),
    "container-manifest-2": ("var/lib/rpmmanifest/",),  # of distroless images of Azure Linux
    "packages.toml": ("usr/lib/sysimage/libdnf5/",),  # why dnf5 installed what
    "copyright": ("usr/share/doc/",),  # of each package: see is_copyright
}
# A file's ending, and what its whole path must match.
_ENDINGS: dict[str, re.Pattern[str]] = {
    "list": re.compile(r"(var/lib/dpkg/info|etc/apt/sources\.list\.d)/[^/]+"),
    "sources": re.compile(r"etc/apt/sources\.list\.d/[^/]+"),
    "conf": re.compile(r"(usr/)?etc/ld\.so\.conf\.d/[^/]+|etc/apt/apt\.conf\.d/[^/]+"),
    "path": re.compile(r"etc/ld-musl-[^/]+"),
    "pth": re.compile(r".*/(site|dist)-packages/[^/]+"),
    "egg-link": re.compile(r".*/(site|dist)-packages/[^/]+"),
    "egg-info": re.compile(r".*[^/]"),
    "json": re.compile(r".*conda-meta/[^/]+|.*\.dist-info/sboms/[^/]+"),
}
# How a file's name begins: Python's build configuration, and setuptools' editable finders.
BEGINNINGS = ("_sysconfigdata_", "__editable__")
# Shell scripts can be what a container starts, unless they lie where programs keep their parts.
_SCRIPT = ".sh"
DIRECTORIES = ("var/lib/dpkg/status.d/", "etc/apt/apt.conf.d/")
# What the files' names have of which anything is kept here: quick to ask of every file.
NAMES = frozenset(_NAMES)
ENDINGS = frozenset({*_ENDINGS, _SCRIPT[1:]})
# `#!/bin/sh`, `#! /usr/bin/env -S bash -e`, `#!/bin/busybox sh`.
_SHELL = re.compile(
    rb"#![ \t]*(?:/[^\s]*/)?(?:env[ \t]+(?:-\S+[ \t]+)*)?(?:/[^\s]*/)?(?:busybox[ \t]+)?"
    rb"(?:ba|da|a|k|z|mk)?sh(?:\s|$)"
)
_PARTS = re.compile(
    r"usr/(?:share|lib|libexec|include)/|(?:var|etc)/(?!.*\.sh$)|.*/(?:node_modules|\.git|pkgs)/"
    # Of the system's own scripts none begins a container; some images put theirs beside them.
    r"|(?:usr/)?s?bin/(?!.*(?:boot|docker|entry|init|launch|main|run|serve|start|\.sh$))"
)


def is_shell_script(path: str, head: bytes) -> bool:
    """Whether a file, by its name and first line, is a shell script that a container may start."""
    if not path.endswith(_SCRIPT) and _SHELL.match(head) is None:
        return False
    return _PARTS.match(path) is None


def wants_text(path: str) -> bool:
    """Whether the content of the file at ``path`` is kept in the layer's index."""
    directory, _, name = path.rpartition("/")
    places = _NAMES.get(name)
    if name == "copyright":
        return is_copyright(path)
    if places is not None:
        return not places or f"{directory}/".endswith(places)
    pattern = _ENDINGS.get(name.rpartition(".")[2])
    if pattern is not None and pattern.fullmatch(path):
        return True
    if name.startswith(BEGINNINGS):
        return name.endswith(".py") and bool(directory)
    return path.startswith(DIRECTORIES)


def shebang(head: bytes) -> str:
    """Return the first line of a script, and the second where the first only leads there.

    A carriage return at its end is kept, for a kernel takes it for part of the line.

    pip and distlib write ``#!/bin/sh`` and then ``'''exec' "/long/path/python" …`` for an
    interpreter whose path is too long, or has a space, for a kernel's ``#!``.
    """
    lines = head.split(b"\n", 2)
    kept = lines[:2] if len(lines) > 1 and lines[1].startswith(b"'''exec'") else lines[:1]
    return b"\n".join(kept).decode("utf-8", "surrogateescape")
