"""Images with extension modules and libraries, and what all rules on loading say of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyimginspect.analyzers import BUILTIN
from pyimginspect.report import Finding
from tests.elf import elf
from tests.images import Content
from tests.pythons import apk_database, inventory
from tests.systems import MUSL_FILES
from tests.trees import debian_base, dist_info, official_python

SITE = "usr/local/lib/python3.13/site-packages"
SUFFIX = ".cpython-313-x86_64-linux-gnu.so"
MUSL_SUFFIX = ".cpython-313-x86_64-linux-musl.so"
LIB = "usr/lib/x86_64-linux-gnu"
TAG = "cp313-cp313-manylinux_2_17_x86_64"
GLIBC = [f"GLIBC_2.{minor}" for minor in (14, 17, 34, 36)] + ["GLIBC_2.2.5", "GLIBC_PRIVATE"]
RULES = {
    "duplicate-native-library",
    "foreign-libc",
    "glibc-too-old",
    "incompatible-wheel",
    "missing-dlopen-library",
    "missing-library",
    "musl-base",
    "native-library-not-from-os",
    "small-thread-stack",
    "wrong-abi",
    "wrong-architecture",
}

ANALYZERS = [analyzer for analyzer in BUILTIN if analyzer.rule.id in RULES]


def debian() -> dict[str, Content]:
    """Debian 12 with a glibc that defines versions, and an official Python."""
    text = b"\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n"
    return {
        **debian_base(),
        "etc/os-release": "ID=debian\nVERSION_ID=12\n",
        f"{LIB}/libc.so.6": elf(soname="libc.so.6", verdef=GLIBC, extra=text),
        **official_python("3.13.1"),
    }


def alpine(*, stack: bool = True) -> dict[str, Content]:
    """Alpine 3.20 with an official Python; `stack` as the official images build it."""
    tree = {
        **apk_database({"musl": MUSL_FILES}),
        "etc/os-release": "ID=alpine\nVERSION_ID=3.20.3\n",
        **official_python("3.13.1", musl=True),
    }
    if not stack:
        tree = {path: data for path, data in tree.items() if "_sysconfigdata" not in path}
    return tree


def module(needed: Sequence[str] = (), *, libc: str = "libc.so.6", **more: object) -> bytes:
    return elf(needed=[*needed, libc], **more)  # type: ignore[arg-type]


def wheel(
    name: str, files: Mapping[str, bytes], tags: Sequence[str] = (TAG,)
) -> dict[str, Content]:
    return dist_info(name, "1.0", dict(files), site=SITE, tags=tags)


def findings(*trees: Mapping[str, Content], **config: Any) -> list[Finding]:
    """What all rules of this subject say."""
    facts = inventory(*trees, **config)
    return [finding for analyzer in ANALYZERS for finding in analyzer.run(facts)]


def only(*trees: Mapping[str, Content], **config: Any) -> Finding:
    (finding,) = findings(*trees, **config)
    assert finding.layers
    return finding


COMPILED = wheel(
    "uwsgi",
    {f"uwsgi{MUSL_SUFFIX}": module(libc="libc.musl-x86_64.so.1")},
    ["cp313-cp313-linux_x86_64"],
)


def worst(found: Sequence[Finding]) -> dict[str, str]:
    """The severity of each rule's first finding, by rule."""
    return {finding.rule: finding.severity for finding in reversed(found)}
