"""How the final stage of a Dockerfile gets what the builder made: ``COPY``, or gathered first.

``COPY --from`` keeps owner and mode of what is in a directory, but not of the directory itself, nor
of those above it, and follows a link that it is given. What that would change is put into one
directory of the builder with ``cp -a --parents``, and copied with that.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pyimginspect.plan.context import Context

__all__ = ["copies", "gather", "is_plain", "leave_out"]

_NAME = re.compile(r"[\w./+:@%=,~-]+", re.ASCII)
_WIDTH = 100


def is_plain(context: Context, path: str) -> bool:
    """Whether ``COPY`` makes of a result what it is: in root's directories, with a simple name."""
    rootfs = context.inventory.rootfs
    if not _NAME.fullmatch(path) or rootfs[path].kind not in ("file", "directory"):
        return False
    top = path if rootfs[path].kind == "directory" else path.rpartition("/")[0]
    while top:
        entry = rootfs[top].entry
        if (entry.kind, entry.mode, entry.uid, entry.gid) != ("directory", 0o755, 0, 0):
            return False
        top = top.rpartition("/")[0]
    return True


def leave_out(spare: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the instructions that take from the builder what the base of the final stage has."""
    for python, names in spare.items():
        yield f"# plan: the base brings {' and '.join(names)}: the copy can do without"
        yield f"RUN {shlex.join([f'/{python}', '-m', 'pip', 'uninstall', '-y', *names])}"


def gather(paths: Iterable[str]) -> Iterator[str]:
    """Yield the instruction that puts results into one directory, as they are."""
    names = [shlex.quote(path) for path in paths if path.isprintable()]
    if names:
        yield "# plan: gather what keeps its owner, or is a link"
        yield "RUN mkdir /result && cd / && cp -a --parents \\"
        yield from (f"    {name} \\" for name in names)
        yield "    /result"


def copies(context: Context, paths: Iterable[str]) -> Iterator[str]:
    """Yield a ``COPY`` for every directory, and one for the files of each other directory."""
    sources: dict[str, list[str]] = {}
    for path in paths:
        if context.inventory.rootfs[path].kind == "directory":
            sources[f"/{path}/"] = [f"/{path}/"]
        else:
            sources.setdefault(f"/{path}"[: path.rfind("/") + 2], []).append(f"/{path}")
    for place, names in sources.items():
        line = "COPY --from=builder"
        for name in (*names, place):
            if len(line) + len(name) + 3 > _WIDTH:
                yield f"{line} \\"
                line = "   "
            line += f" {name}"
        yield line
