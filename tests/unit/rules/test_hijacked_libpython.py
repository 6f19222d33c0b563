"""The rule hijacked-libpython: layers in, findings out."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.images import (
    Content,
    File,
    Link,
    Package,
    debian_base,
    debian_python,
    elf,
)
from tests.pythons import (
    cpython,
)
from tests.systems import X86, glibc
from tests.unit.rules.pythons import (
    Tree,
    judge,
    messages,
)
from tests.unit.test_ld_so_cache import new_cache

LIBRARY = "libpython3.11.so.1.0"
STUB = elf(needed=[LIBRARY, "libc.so.6"], interp=X86)
OWN: dict[str, Content] = {
    **cpython("usr/local", "3.11.9", shared=True),
    "usr/local/bin/python3.11": File(STUB, mode=0o755),
}

CACHE = {"etc/ld.so.cache": new_cache([(LIBRARY, f"/usr/local/lib/{LIBRARY}", 0x303)])}
OTHER: dict[str, Content] = {
    f"usr/lib/x86_64-linux-gnu/{LIBRARY}": elf(soname=LIBRARY, extra=b"\x003.11.2\0")
}


# The headers tell the version; whose library is loaded is the question.
HEADERS = {"usr/local/include/python3.11/patchlevel.h": '#define PY_VERSION "3.11.9"\n'}


@pytest.mark.parametrize(
    ("trees", "config", "expected"),
    [
        ([OWN, CACHE], {}, []),
        ([OWN, OTHER, CACHE], {}, []),
        (
            [OWN, OTHER],
            {},
            [
                "Python 3.11.9 in /usr/local would load /usr/lib/x86_64-linux-gnu/"
                f"{LIBRARY}, which is not its own"
            ],
        ),
        (
            [cpython("usr/local", "3.11.9", shared=True), OTHER],
            {},
            [],  # a run path of its own
        ),
        (
            [cpython("usr/local", "3.11.9", shared=True), {f"opt/{LIBRARY}": elf(soname=LIBRARY)}],
            {"env": ["LD_LIBRARY_PATH=/opt"]},
            [],  # DT_RPATH comes before
        ),
        (
            [OWN, {f"opt/{LIBRARY}": elf(soname=LIBRARY)}, CACHE],
            {"env": ["LD_LIBRARY_PATH=/opt"]},
            [f"Python 3.11.9 in /usr/local would load /opt/{LIBRARY}, which is not its own"],
        ),
        (
            [OWN, {f"usr/local/lib/.wh.{LIBRARY}": ""}],
            {},
            [f"Python 3.11.9 in /usr/local does not start: there is no {LIBRARY}"],
        ),
        ([OWN, {"lib64": Link("nowhere")}], {}, []),
        ([cpython("usr/local", "3.11.9")], {}, []),
    ],
)
def test_hijacked_libraries(
    trees: list[Tree], config: Mapping[str, Any], expected: list[str]
) -> None:
    assert messages("hijacked_libpython", glibc(), HEADERS, *trees, **config) == expected


def test_who_brought_the_wrong_library() -> None:
    more: dict[str, Package] = {"libpython3.11": {"Version": "3.11.2-6", "files": OTHER}}
    trees = (debian_base(), OWN, debian_python("3.11.2", more=more, manual=["libpython3.11"]))
    (finding,) = judge("hijacked_libpython", *trees)
    assert (finding.packages, finding.layers) == (("libpython3.11",), (2,))
    assert "this library is of Python 3.11.2" in [evidence.what for evidence in finding.evidence]
