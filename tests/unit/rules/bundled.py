"""Images with libraries that wheels bundle."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyimginspect.report import Finding
from tests.elf import elf
from tests.images import Content, File, Package
from tests.trees import dist_info

SITE = "usr/local/lib/python3.13/site-packages"
SUFFIX = ".cpython-313-x86_64-linux-gnu.so"
LIB = "usr/lib/x86_64-linux-gnu"
TAG = "cp313-cp313-manylinux_2_17_x86_64"


def wheel(name: str, files: Mapping[str, bytes | str], **more: Any) -> dict[str, Content]:
    return dist_info(name, "1.0", dict(files), site=SITE, tags=[TAG], **more)


def library(soname: str, size: int = 0, needed: Sequence[str] = (), **more: Any) -> bytes:
    return elf(soname=soname, needed=[*needed, "libc.so.6"], extra=bytes(size), **more)


def whats(finding: Finding) -> str:
    return "\n".join(each.what for each in finding.evidence)


PQ: dict[str, Package] = {
    "libpq5": {
        "Depends": "libldap-2.5-0",
        "files": {f"{LIB}/libpq.so.5": File(library("libpq.so.5", 3000, ["libldap-2.5.so.0"]))},
    },
    "libldap-2.5-0": {"files": {f"{LIB}/libldap-2.5.so.0": File(library("libldap-2.5.so.0", 900))}},
}

BINARY = wheel(
    "psycopg2-binary",
    {
        f"psycopg2/_psycopg{SUFFIX}": elf(
            needed=["libpq-a17e3caa.so.5.17", "libc.so.6"],
            runpath="$ORIGIN/../psycopg2_binary.libs",
        ),
        "psycopg2_binary.libs/libpq-a17e3caa.so.5.17": library("libpq-a17e3caa.so.5.17", 50),
    },
)

ALL = ["libpq5"]
