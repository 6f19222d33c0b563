"""Images with build tools left in them."""

from collections.abc import Callable, Iterable, Mapping

from pyimginspect.inventory.collect import Inventory
from pyimginspect.report import Finding
from tests.images import (
    Content,
    File,
    Package,
    elf,
)
from tests.inventories import apt, on_slim, taken

SITE = "usr/local/lib/python3.13/site-packages"
BUILD: dict[str, Package] = {
    "build-essential": {"Depends": "gcc, make, dpkg-dev"},
    "gcc": {"Depends": "gcc-12"},
    "gcc-12": {
        "Depends": "libisl23, libgcc-12-dev",
        "Recommends": "libc6-dev",
        "files": {"usr/bin/gcc-12": File(b"g" * 1000, mode=0o755)},
    },
    "libisl23": {"files": {"usr/lib/libisl.so.23": File(b"i" * 100, mode=0o644)}},
    "libgcc-12-dev": {"files": {"usr/lib/gcc/libgcc.a": "a" * 10}},
    "libc6-dev": {"files": {"usr/include/stdio.h": "h" * 20}},
    "make": {"files": {"usr/bin/make": File(b"m" * 200, mode=0o755)}},
    "dpkg-dev": {"Recommends": "fakeroot"},
    "fakeroot": {"files": {"usr/bin/fakeroot": "f" * 7}},
}

PQ: dict[str, Package] = {
    "libpq-dev": {
        "Depends": "libpq5, libssl-dev",
        "files": {"usr/include/libpq-fe.h": "h" * 30},
    },
    "libpq5": {
        "files": {"usr/lib/x86_64-linux-gnu/libpq.so.5": elf(soname="libpq.so.5")},
    },
    "libssl-dev": {"files": {"usr/include/openssl/ssl.h": "h" * 40}},
}

Run = Callable[[Inventory], Iterable[Finding]]


def findings(run: Run, *layers: Mapping[str, Content]) -> list[Finding]:
    lines = [f"RUN step {n}" for n in range(len(layers))]
    return list(run(taken(on_slim(*layers, history=lines))))


def package_list(name: str) -> str:
    """What dpkg notes of a package's files: these bytes go with the package."""
    tree = apt(BUILD, manual=["build-essential"])
    text = tree[f"var/lib/dpkg/info/{name}.list"]
    assert isinstance(text, str)
    return text
