"""The rule wrong-architecture: layers in, findings out."""

import pytest

from tests.elf import elf
from tests.images import Content
from tests.unit.rules.loading import SITE, SUFFIX, debian, findings, module, only, wheel, worst


def test_another_processor() -> None:
    arm = wheel(
        "numpy",
        {
            "numpy/_core.cpython-313-aarch64-linux-gnu.so": elf(
                machine="aarch64", needed=["libc.so.6"]
            )
        },
        ["cp313-cp313-manylinux_2_17_aarch64"],
    )
    finding = only(debian(), arm)
    assert finding.rule == "wrong-architecture"
    assert finding.message == (
        "numpy 1.0 is compiled for aarch64 (64 bits), Python 3.13.1 for x86_64 (64 bits)"
    )


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        ({"x/data/libx.so": "aarch64", "x/a.py": ""}, "wrong-architecture"),
        ({"x/data/arm/libx.so": "aarch64", "x/data/intel/libx.so": "x86_64"}, ""),
        ({f"x/_c{SUFFIX}": "x86_64", "x/data/libx.so": "aarch64"}, ""),
        ({"x/tests/data/y.so": "aarch64", "x/a.py": ""}, ""),
        ({"x/_c.abi3.so": "aarch64"}, "wrong-architecture"),
    ],
)
def test_files_for_other_machines(files: dict[str, str], rule: str) -> None:
    tree = {
        path: elf(machine=machine, needed=["libc.so.6"]) if machine else b"code"
        for path, machine in files.items()
    }
    assert set(worst(findings(debian(), wheel("x", tree)))) == ({rule} if rule else set())


def test_the_same_for_a_package_without_metadata() -> None:
    tree: dict[str, Content] = {
        f"{SITE}/fast/_c{SUFFIX}": module(["libpq.so.5"]),
        f"{SITE}/fast/__init__.py": "import fast._c",
    }
    finding = only(debian(), tree)
    assert finding.message == f"fast in /{SITE} needs libpq.so.5, which the loader does not find"
    assert finding.subject == "fast libpq.so.5"
