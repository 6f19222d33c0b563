"""Parsers that read what strangers wrote, and inputs for them that go ever deeper.

A target takes bytes, and may raise :class:`PyimginspectError` alone. Inputs are mutations of a
few seeds; those that reach lines which none before has reached are mutated further.
"""

from __future__ import annotations

import resource
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from random import Random
from types import CodeType, FrameType
from typing import Any, NamedTuple

from pyimginspect.changesets import apply_layers
from pyimginspect.dockerfile.document import parse as parse_dockerfile
from pyimginspect.dockerfile.shell import commands, read_script
from pyimginspect.errors import PyimginspectError
from pyimginspect.inventory.instructions import read_steps
from pyimginspect.inventory.loader.cache import read_cache
from pyimginspect.inventory.packages.apk import parse_installed
from pyimginspect.inventory.packages.dpkg import parse_diversions, parse_md5sums, parse_status
from pyimginspect.inventory.packages.relations import compare_versions, names, read_relations
from pyimginspect.inventory.packages.rpm import parse_dnf5_reasons, parse_manifest
from pyimginspect.inventory.pyvenv import parse_pyvenv
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.layers.rpmdb import read_rpmdb
from pyimginspect.model import History, Layer
from pyimginspect.policy.file import parse_policy
from pyimginspect.sources.challenges import parse_challenges
from pyimginspect.sources.documents import parse_config, parse_docker_manifest, parse_document
from pyimginspect.sources.reference import parse_name
from tests import elf as elfs
from tests.images import File, compress, docker_archive, image, layer, oci_files
from tests.pe import windows_python
from tests.pythons import inventory, patchlevel, venv
from tests.rpms import bdb_database, header, ndb_database, sqlite_database
from tests.systems import glibc

SLOW = 2.0
"""Seconds that no input may take."""

MEMORY = 500 << 20
"""Bytes that no input may make the process grow by."""

LONGEST = 1 << 16
LEAST = 10
"""Mutated inputs that are tried however slow the machine is."""

SITE = "usr/local/lib/python3.13/site-packages"


class Target(NamedTuple):
    """A parser: ``run`` it on bytes; ``seeds`` are what it is meant to read."""

    run: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...] = ()


def text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


@cache
def python_image() -> dict[str, Any]:
    """What the images of all inputs have in common; two ELF files are worth making but once."""
    tree = {**glibc(), "usr/local/include/python3.13/patchlevel.h": patchlevel("3.13.1")}
    return tree | {"usr/local/lib/python3.13/os.py": ""}


def in_image(path: str, **others: Any) -> Callable[[bytes], object]:
    """The facts of an image that has the bytes as one of its files."""

    def run(data: bytes) -> object:
        found = inventory({**python_image(), **others, path: File(data)})
        return found.distributions, found.interpreters, found.environments, found.packages

    return run


def index(data: bytes) -> object:
    found = index_layer(BytesBlob(data=data)).index
    return [*apply_layers([Layer(number=0, index=found)])]


def as_file(path: str) -> Callable[[bytes], object]:
    return lambda data: index(layer({path: File(data, mode=0o755)}))


def notes() -> list[bytes]:
    return [
        elfs.elf(needed=["libc.so.6"], verneed={"libc.so.6": ["GLIBC_2.40"]}),
        elfs.elf(interp="/lib/ld.so", soname="x", runpath="$ORIGIN"),
    ]


def rpm_headers() -> list[bytes]:
    package = {"name": "bash", "version": "5", "requires": ["x"], "basenames": ["bash"]}
    return [header(package), header({"name": "a", "version": "1"})]


def history(line: str) -> object:
    return read_steps([History(created_by=part) for part in line.split("\0")])


def relations(line: str) -> object:
    one, _, other = line.partition("|")
    return [*read_relations(line)], names(line), compare_versions(one, other)


def name(line: str) -> object:
    with suppress(ValueError):
        line.encode()
    return parse_name(line), parse_challenges(line)


def documents() -> list[bytes]:
    files = oci_files(image([{"a": "x"}], tag="a:1"))
    return [data for path, data in files.items() if data[:1] == b"{"]


def manifests(data: bytes) -> None:
    for parse in (parse_document, parse_docker_manifest, parse_config):
        with suppress(PyimginspectError):
            parse(data, "it")


def shell(line: str) -> object:
    return commands(line), read_script(line)


STATUS = (
    b"Package: gcc\nStatus: install ok installed\nVersion: 1:2-3\nArchitecture: amd64\n"
    b"Depends: a (>= 1) | b, c\nDescription: x\n y\n\n"
)
APK = b"P:musl\nV:1.2-r0\nA:x86_64\nS:1\nI:2\nD:so:libc !x\np:so:y=1\nF:lib\nR:x\nZ:Q1\n\n"
DOCKERFILE = (
    b"# syntax=x\n# escape=`\nARG A=1\nFROM --platform=x python:3 AS b\nRUN <<E\nx\nE\n"
    b'COPY --from=b ["a", "b"]\nENV A=b C="d"\nONBUILD RUN pip install x && \\\n  # c\n  apt x\n'
)
RECORD = b'a/b.py,sha256=x,1\n"a,b",,\na-1.dist-info/RECORD,,\n../../../bin/x,,\n'
METADATA = (
    b"Metadata-Version: 2.1\nName: a\nVersion: 1.0rc1+x\nRequires-Dist: b[c]>=1;extra=='3'\n"
    b"Requires-Python: >=3\nLicense-Expression: MIT OR (GPL-2.0 AND x)\n\nbody"
)
POLICY = (
    b'extends = "strict"\nfail-on = "warning"\n[rules]\nduplicate-python = "off"\n'
    b'[[waivers]]\nrule = "x"\nuntil = 2026-01-01\nreason = "y"\n'
)
LD_CACHE = b"glibc-ld.so.cache1.1" + struct.pack("<IIB3xI12x", 1, 9, 2, 0)
LD_CACHE += struct.pack("<iIIIQ", 3, 72, 80, 0, 0) + b"libx.so\0/lib/x\0"

TARGETS: dict[str, Target] = {
    "tar": Target(index, lambda: [layer({"a/b": "x", "c": File("#!/bin/sh\n", mode=0o755)})]),
    "gzip": Target(index, lambda: [compress(layer({"a": "x"}), k) for k in ("gzip", "zstd", "xz")]),
    "elf": Target(as_file("usr/lib/libx.so.1"), notes),
    "notes": Target(as_file("lib/ld-linux-x86-64.so.2"), notes, (b"\x04\0\0\0", b"GNU\0")),
    "pe": Target(as_file("python/python.exe"), lambda: [windows_python("3.12.4")]),
    "dpkg": Target(
        lambda d: (parse_status(d), parse_md5sums(d), parse_diversions(d)), lambda: [STATUS]
    ),
    "relations": Target(text(relations), lambda: [b"a (>= 1:2~3-4) | b:any [!x] <!y>, c"]),
    "apk": Target(parse_installed, lambda: [APK]),
    "rpm-sqlite": Target(
        lambda d: read_rpmdb("rpmdb.sqlite", d), lambda: [sqlite_database(rpm_headers())]
    ),
    "rpm-ndb": Target(
        lambda d: read_rpmdb("Packages.db", d), lambda: [ndb_database(rpm_headers())]
    ),
    "rpm-bdb": Target(lambda d: read_rpmdb("Packages", d), lambda: [bdb_database(rpm_headers())]),
    "rpm-texts": Target(
        lambda d: (parse_manifest(d), parse_dnf5_reasons(d)),
        lambda: [b"bash\t5-1\t(none)\t1\tVendor\n", b'[packages]\n"x" = {reason="User"}\n'],
    ),
    "record": Target(
        in_image(f"{SITE}/a-1.dist-info/RECORD", **{f"{SITE}/a-1.dist-info/METADATA": METADATA}),
        lambda: [RECORD],
    ),
    "metadata": Target(in_image(f"{SITE}/a-1.dist-info/METADATA"), lambda: [METADATA]),
    "pyvenv": Target(
        lambda d: (parse_pyvenv(d), in_image("opt/v/pyvenv.cfg", **venv("opt/v", "/usr/bin"))(d)),
        lambda: [
            b"home = /usr/local/bin\nversion = 3.13.1\ninclude-system-site-packages = false\n"
        ],
    ),
    "ld.so.cache": Target(read_cache, lambda: [LD_CACHE, b"ld.so-1.7.0\0" + LD_CACHE]),
    "os-release": Target(in_image("etc/os-release"), lambda: [b'ID=debian\nVERSION_ID="12"\n']),
    "history": Target(
        text(history),
        lambda: [b'/bin/sh -c #(nop) CMD ["x"]\0RUN |1 A=b /bin/sh -c x # buildkit\0COPY a b'],
    ),
    "manifests": Target(manifests, documents),
    "archive": Target(index, lambda: [docker_archive(image([{"a": "x"}]))]),
    "policy": Target(text(lambda t: parse_policy(t, {})), lambda: [POLICY]),
    "dockerfile": Target(text(parse_dockerfile), lambda: [DOCKERFILE]),
    "shell": Target(
        text(shell), lambda: [b"set -e; apt-get install -y a && (b || c) | d > e <<F\nF\n"]
    ),
    "names": Target(
        text(name), lambda: [b"reg.io:5000/a/b:1@sha256:" + b"a" * 64, b'Bearer realm="x",a=b']
    ),
}
"""The parsers, by what they read."""

COMMON = (
    b"\0",
    b"\xff",
    b"\n",
    b"\n\n",
    b" ",
    b"-1",
    b"9" * 40,
    b"\x7f\xff\xff\xff",
    b"/",
    b"..",
    b"%s",
)

NUMBERS = tuple(struct.pack("<I", number) for number in (0, 1, (1 << 32) - 1, 1 << 31, 1 << 15))


def mutated(data: bytes, other: bytes, words: tuple[bytes, ...], chance: Random) -> bytes:
    """Another input: with bits turned, pieces moved, doubled, cut off, or words in it."""
    result = bytearray(data)
    random = chance.random  # what `choice` and `randrange` cost would be half of an execution
    for _ in range((1, 1, 2, 4, 8)[int(random() * 5)]):
        at = int(random() * (len(result) + 1))
        size = (1, 2, 4, 8, 30, 200)[int(random() * 6)]
        how = int(random() * 8)
        if how < 2 and result:
            result[at % len(result)] ^= 1 << int(random() * 8)
        elif how == 2:
            result[at : at + size] = chance.randbytes(size)
        elif how == 3:
            some = words if words and random() < 0.5 else COMMON
            result[at:at] = some[int(random() * len(some))]
        elif how == 4:
            del result[at : at + size]
        elif how == 5:
            result[at:at] = result[at : at + size] * (1, 1, 2, 500)[int(random() * 4)]
        elif how == 6 and other:
            start = int(random() * len(other))
            result[at : at + size] = other[start : start + size]
        else:
            number = NUMBERS[int(random() * len(NUMBERS))]
            result[at : at + 4] = number if random() < 0.5 else number[::-1]
    return bytes(result[:LONGEST])


class Lines:
    """The lines of the package that were reached, of which each is told of once."""

    def __init__(self) -> None:
        self.seen: set[tuple[CodeType, int]] = set()

    def reaches_more(self, run: Callable[[bytes], object], data: bytes) -> bool:
        before, other = len(self.seen), sys.gettrace()  # coverage's, for one
        sys.settrace(self._call)
        try:
            run(data)
        finally:
            sys.settrace(other)
        return len(self.seen) > before

    def _call(self, frame: FrameType, event: str, _: object) -> Any:
        return self._line if "/pyimginspect/" in frame.f_code.co_filename else None

    def _line(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            self.seen.add((frame.f_code, frame.f_lineno))
        return self._line


class Failed(Exception):  # noqa: N818 - of the parser
    """An input that a parser does not stand; ``data`` is the input."""

    def __init__(self, what: str, data: bytes) -> None:
        super().__init__(what)
        self.data = data


def attempt(target: Target, data: bytes) -> None:
    """Run a parser on bytes; raise :class:`Failed` for another error, much time or much memory."""
    start, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with suppress(PyimginspectError):
            target.run(data)
    except Exception as exc:
        raise Failed(f"{type(exc).__name__}: {exc}"[:200], data) from exc
    if time.process_time() - start > SLOW:
        raise Failed(f"{time.process_time() - start:.1f} s of CPU", data)
    if (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) << 10 > MEMORY:
        raise Failed("too much memory", data)


def fuzz(target: Target, seconds: float, seed: int, corpus: list[bytes]) -> Iterator[bytes]:
    """Try inputs for so many seconds of CPU, but some at least, and give each; raise
    :class:`Failed` for the first that fails."""
    chance = Random(seed)
    pool = [*target.seeds(), *corpus]
    lines = Lines()

    def traced(data: bytes) -> None:
        with suppress(PyimginspectError):
            target.run(data)

    for data in pool:
        attempt(target, data)
        lines.reaches_more(traced, data)
        yield data
    end = time.process_time() + seconds
    tried = in_vain = 0
    while tried < LEAST or time.process_time() < end:
        tried += 1
        one, other = (pool[int(chance.random() * len(pool))] for _ in range(2))
        data = mutated(one, other, target.words, chance)
        attempt(target, data)
        # Tracing costs tenfold: a third of the first inputs, few when no more lines turn up.
        if chance.random() < (0.3 if in_vain < 100 else 0.02):
            in_vain += 1
            if lines.reaches_more(traced, data):
                pool.append(data)
                in_vain = 0
        yield data
