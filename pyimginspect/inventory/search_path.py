"""Which directories an interpreter imports third-party code from, as ``site`` makes them up.

Sources: CPython's ``Lib/site.py``; Debian's and Fedora's changes to it; PEP 405 for virtual
environments; PEP 370 for the user's own directory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pyimginspect.model import ImageConfig
from pyimginspect.rootfs import RootFS

__all__ = [
    "expand",
    "home_of",
    "lambda_directories",
    "pth_lines",
    "python_path",
    "script_directories",
    "site_directories",
]

_MOST_WORDS = 64
_MOST_LINES = 10_000
"""Lines of one ``.pth`` file that are examined."""


def site_directories(
    prefix: str, stdlib: str, series: str, implementation: str, abi: str, manager: str
) -> Iterator[str]:
    """Yield the directories that ``site`` looks for, in its order; some may not be there.

    ``manager`` is the package manager that owns the executable, or empty. ``lib64`` counts for
    builds that have their standard library there (``sys.platlibdir``).
    """
    name = f"{'pypy' if implementation == 'pypy' else 'python'}{series}"
    # site.py of 3.13: free-threaded builds have directories of their own, lib/python3.13t.
    if "t" in abi:
        name += "t"
    base = f"{prefix}/" if prefix else ""
    if manager == "dpkg":
        # Debian's site.py: pip's packages in /usr/local, and one directory of dpkg's for all of
        # Python 3.
        yield f"usr/local/lib/{name}/dist-packages"
        yield f"{base}lib/python{series[:1]}/dist-packages"  # PyPy shares it
        if implementation == "cpython":
            yield f"{base}lib/{name}/dist-packages"
        return
    libraries = ("lib64", "lib") if "lib64" in stdlib.split("/") else ("lib",)
    if manager == "rpm" and prefix == "usr":
        # Fedora's Python has pip install to /usr/local, so as not to mix with what rpm installs.
        yield from (f"usr/local/{library}/{name}/site-packages" for library in libraries)
    yield from (f"{base}{library}/{name}/site-packages" for library in libraries)
    if implementation == "pypy":
        yield f"{base}site-packages"  # PyPy before 7.3.8


def home_of(user: str, environment: Mapping[str, str]) -> str:
    """Return the home directory of the image's user, as far as its configuration tells."""
    home = environment.get("HOME", "").strip("/")
    if home:
        return home
    name = user.partition(":")[0]
    # Engines take HOME from the container's /etc/passwd; these are the places by custom.
    return "root" if name in ("", "0", "root") else f"home/{name}"


def python_path(environment: Mapping[str, str], working_directory: str) -> Iterator[str]:
    """Yield the directories that ``PYTHONPATH`` names."""
    value = environment.get("PYTHONPATH", "")
    for part in value.split(":") if value else ():
        # An empty part means the directory that the program was started in.
        place = part if part.startswith("/") else f"{working_directory}/{part}"
        yield place.strip("/")


def lambda_directories(
    executable: str, series: str, environment: Mapping[str, str]
) -> Iterator[str]:
    """Yield where AWS Lambda's runtime lets its Python look: function, layers, runtime.

    Source: AWS Lambda's developer guide, "Working with layers for Python Lambda functions".
    """
    if executable.startswith("var/lang/bin/"):
        yield environment.get("LAMBDA_TASK_ROOT", "/var/task").strip("/")
        yield "opt/python"
        yield f"opt/python/lib/python{series}/site-packages"
        yield environment.get("LAMBDA_RUNTIME_DIR", "/var/runtime").strip("/")


def script_directories(rootfs: RootFS, config: ImageConfig) -> tuple[str, ...]:
    """Return the directories that ``sys.path`` begins with when the image is started.

    That of a script that ENTRYPOINT or CMD names, and the working directory, which counts for
    ``-c`` and ``-m`` (``sys.path`` in the library reference); only where Python code is there.
    """
    places = [config.working_dir]
    for word in (*config.entrypoint, *config.cmd)[:_MOST_WORDS]:
        if word.endswith(".py"):
            script = word if word.startswith("/") else f"{config.working_dir}/{word}"
            places.append(script.rpartition("/")[0])
    found = dict.fromkeys(filter(None, (_directory(rootfs, place) for place in places)))
    return tuple(place for place in found if _has_code(rootfs, place))


def _has_code(rootfs: RootFS, directory: str) -> bool:
    return any(
        path.endswith(".py") or f"{path}/__init__.py" in rootfs
        for path in rootfs.children(directory)
    )


def expand(rootfs: RootFS, directories: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``directories`` that are there, with what their ``.pth`` files add.

    Real paths, each once, in the order of the search. Lines of ``.pth`` files that begin with
    ``import`` are code, and what they would add remains unknown.
    """
    found: dict[str, None] = {}
    for directory in directories:
        real = _directory(rootfs, directory)
        if real is None or real in found:
            continue
        found[real] = None
        for path in rootfs.children(real):
            # Python 3.13 and newer leave hidden files out.
            if path.endswith(".pth") and not path.rpartition("/")[2].startswith("."):
                for added in _pth_directories(rootfs, real, path):
                    # site.py only appends these: .pth files in them are not read.
                    found.setdefault(added)
    return tuple(found)


def pth_lines(data: bytes) -> Iterator[str]:
    """Yield the lines of a ``.pth`` file that name directories; others are code or comments."""
    text = data.decode("utf-8", "surrogateescape")
    for line in text.split("\n", _MOST_LINES)[:_MOST_LINES]:
        line = line.rstrip()
        # The test of site.py itself, which executes such lines.
        if line and not line.startswith(("#", "import ", "import\t")):
            yield line


def _pth_directories(rootfs: RootFS, site: str, path: str) -> Iterator[str]:
    for line in pth_lines(rootfs.texts.get(path, b"")):
        real = _directory(rootfs, line if line.startswith("/") else f"{site}/{line}")
        if real is not None:
            yield real


def _directory(rootfs: RootFS, path: str) -> str | None:
    real = rootfs.resolve(path)
    if not real:  # nothing there; and whatever lies in the root is no package of Python's
        return None
    return real if rootfs[real].kind == "directory" else None
