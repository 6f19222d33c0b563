"""How large a stack the threads of a Python on musl get.

The main thread's is the kernel's to give, on every C library alike: as much as RLIMIT_STACK allows
when the program starts, 8 MiB unless someone set it (setrlimit(2)). No image says anything of it.

Sources: musl's ``src/internal/pthread_impl.h`` (``DEFAULT_STACK_SIZE``: 80 KiB before 1.1.21 and
128 KiB since; at most 8 MiB) and ``ldso/dynlink.c`` (PT_GNU_STACK of what is loaded at the start
raises it); CPython's ``Python/thread_pthread.h`` (``THREAD_STACK_SIZE``, a macro of the build).

A macro that ``configure`` was given is in ``_sysconfigdata``. One that was given to ``make``, as
the official images do it (``make EXTRA_CFLAGS=…``), leaves no trace in any file: only the image's
history may show it.
"""

from __future__ import annotations

import re

from msgspec import Struct

from pyimginspect.inventory.facts import Interpreter
from pyimginspect.inventory.libc import libc_of_program
from pyimginspect.inventory.loader import Resolution
from pyimginspect.model import Evidence
from pyimginspect.rootfs import RootFS

__all__ = ["ThreadStack", "thread_stack"]

_KIB = 1024
_MUSL_MOST = 8192 * _KIB  # DEFAULT_STACK_MAX of musl, for what a program's PT_GNU_STACK asks
_MACRO = re.compile(rb"-DTHREAD_STACK_SIZE=(0[xX][0-9a-fA-F]{1,16}|\d{1,18})\b")
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class ThreadStack(Struct, frozen=True, kw_only=True):
    """The stack of a thread that Python starts, in bytes, and what decides that.

    Unless it is ``known``, no trace was found of what the build of Python asked for, and the size
    is what threads get if it asked for nothing.
    """

    size: int
    known: bool
    evidence: tuple[Evidence, ...]


def thread_stack(
    rootfs: RootFS, python: Interpreter, started: Resolution, step: str = ""
) -> ThreadStack | None:
    """Return the stack that threads of an interpreter get; ``None`` unless it runs on musl.

    ``started`` is what starting the interpreter loads, ``step`` the instruction that made the
    layer of its executable.
    """
    libc = libc_of_program(rootfs, python.path)
    if libc.flavor != "musl":
        return None
    built = _of_build(rootfs, python, step)
    if built is not None:
        return built
    version = _VERSION.match(libc.version or "")
    older = version is not None and tuple(map(int, version.groups())) < (1, 1, 21)
    size = (80 if older else 128) * _KIB
    evidence = Evidence(what=f"musl {libc.version or ''} gives {size // _KIB} KiB", path=libc.path)
    for path in (python.path, *(d.path for d in started.dependencies if d.path)):
        asked = rootfs.elf[path].stack_size or 0
        if asked > size:
            size = min(asked, _MUSL_MOST)
            evidence = Evidence(what=f"PT_GNU_STACK requests {asked // _KIB} KiB", path=path)
    return ThreadStack(size=size, known=False, evidence=(evidence,))


def _of_build(rootfs: RootFS, python: Interpreter, step: str) -> ThreadStack | None:
    texts = {
        path: rootfs.texts.get(path, b"")
        for path in (rootfs.children(python.stdlib) if python.stdlib else ())
        if "/_sysconfigdata_" in path
    }
    texts[""] = step.encode("utf-8", "replace")
    for path, text in texts.items():
        found = _MACRO.search(text)
        if found:
            size = int(found[1], 16 if found[1][:2] in (b"0x", b"0X") else 10)
            what = f"Python was built with THREAD_STACK_SIZE={found[1].decode()}"
            evidence = Evidence(what=what, path=path, layer=python.layer)
            return ThreadStack(size=size, known=True, evidence=(evidence,))
    return None
