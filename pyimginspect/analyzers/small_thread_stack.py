"""Threads with little stack."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.loader import Loader
from pyimginspect.inventory.threads import thread_stack
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER"]

RULE = Rule(
    id="small-thread-stack",
    title="Threads get a small stack",
    severity="note",
    policy="base",
    what="Threads of this interpreter get less than 1 MiB of stack: musl's default is 128 KiB (80"
    " KiB before 1.1.21), and neither the build of Python nor a linker flag asks for more, as far"
    " as the image shows: flags passed to make (EXTRA_CFLAGS) are recorded only in its history."
    " Reported only where compiled extensions are installed.",
    why="glibc gives 8 MiB, and native code is written with that in mind. Deep recursion in a"
    " thread, in a parser or a numerical library, crashes the process without a traceback. The"
    " official Alpine images build Python with THREAD_STACK_SIZE=0x100000 for that reason.",
    fix="Call threading.stack_size(1 << 20) before threads are started, which does no harm where"
    " Python asks for as much anyway, or build Python with"
    " EXTRA_CFLAGS=-DTHREAD_STACK_SIZE=0x100000 in a RUN that the image's history keeps.",
    example="""# at fault: nothing asks for more than musl gives
RUN ./configure && make && make install

# better
RUN ./configure && make EXTRA_CFLAGS=-DTHREAD_STACK_SIZE=0x100000 && make install
""",
)

# What the official Alpine images give: THREAD_STACK_SIZE=0x100000.
_ENOUGH = 1 << 20
_UNLESS = ", unless its build asked for more"
_MAIN = Evidence(what="the main thread has what ulimit -s allows, 8 MiB unless it was changed")


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report interpreters on musl that import compiled extensions."""
    loader = Loader(inventory.rootfs, inventory.image.config.environment())
    for python in inventory.interpreters:
        compiled = sorted(
            {w.distribution.name for w in inventory.wheels if w.python == python.path and w.files}
        )
        # A program of Windows is no ELF file, and its stack is of another kind.
        if not compiled or python.path not in inventory.rootfs.elf:
            continue
        # musl takes the largest PT_GNU_STACK of the objects loaded at the start (ldso/dynlink.c).
        started = loader.program(python.path).resolution
        step = inventory.instruction(python.layer)
        stack = thread_stack(inventory.rootfs, python, started, step)
        if stack is not None and stack.size < _ENOUGH:
            yield RULE.finding(
                subject=python.path,
                message=f"threads of Python {python.version} in /{python.path} get"
                f" {stack.size // 1024} KiB of stack{'' if stack.known else _UNLESS},"
                f" also for the native code of {listed(compiled, 3)}",
                evidence=[*stack.evidence, _MAIN],
                layers=(python.layer,),
                paths=(python.path,),
            )


ANALYZER = Analyzer(rule=RULE, run=run)
