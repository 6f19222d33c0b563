"""A CPython for musl libc, made on Debian with ``musl-gcc``.

Alpine's own compiler is out of reach where no Alpine mirror is, and Debian's ``musl-tools`` has no
libraries but musl itself: modules that need others (zlib, OpenSSL, …) stay out.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from tests.corpus.command import run
from tests.corpus.cpython import PYTHON_311

PREFIX: Final = "/usr/local"
PREBUILT: Final = "cpython-musl.tar.gz"

# configure asks the compiler for a Debian multiarch name, which no musl Python should carry. The
# kernel's headers lie in Debian's /usr/include: after all others, so that glibc's stay out.
COMPILER: Final = """\
#!/bin/sh
for argument do
    [ "$argument" != --print-multiarch ] || exit 0
done
exec musl-gcc -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu "$@"
"""

# As in the official recipe: more than musl's default of 128 KiB, or deep recursion crashes.
THREAD_STACK: Final = "-DTHREAD_STACK_SIZE=0x100000"
RUN_PATH: Final = r"-Wl,--strip-all,-rpath='\$\$ORIGIN/../lib'"


def make(target: Path, source: Path) -> None:
    """Write `PREBUILT`, an archive of ``usr/local``, into `target`; `source` has CPython's tarball.

    Raises:
        BuildError: a build step failed.
    """
    build = target / "build"
    build.mkdir()
    compiler = build / "musl-cc"
    compiler.write_text(COMPILER)
    compiler.chmod(0o755)
    root = target / "root"
    unpack = ["tar", "--extract", "--strip-components=1", f"--file={source / PYTHON_311.archive}"]
    configure = ["./configure", f"CC={compiler}", f"--prefix={PREFIX}", "--enable-shared"]
    configure += ["--build=x86_64-linux-musl", "--without-ensurepip", "--disable-test-modules"]
    make_all = ["make", f"-j{os.cpu_count()}", f"EXTRA_CFLAGS={THREAD_STACK}"]
    for command in (
        unpack,
        configure,
        [*make_all, "LDFLAGS=-Wl,--strip-all"],
        ["rm", "python"],
        [*make_all, f"LDFLAGS={RUN_PATH}", "python"],
        ["make", "install", f"DESTDIR={root}"],
    ):
        run(command, cwd=build)
    _strip_like_official(root)
    pack = ["tar", "--create", "--gzip", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]
    run([*pack, f"--file={target / PREBUILT}", f"--directory={root}", "usr"])
    shutil.rmtree(build)
    shutil.rmtree(root)


def _strip_like_official(root: Path) -> None:
    """Remove what the official recipe removes: tests, byte code, the static library."""
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir():
            if path.name in ("test", "tests", "idle_test"):
                shutil.rmtree(path)
        elif path.match("*.pyc") or path.match("libpython*.a"):
            path.unlink()
