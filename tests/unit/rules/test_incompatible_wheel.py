"""The rule incompatible-wheel: layers in, findings out."""

import pytest

from tests.elf import elf
from tests.images import Content
from tests.pythons import pypy
from tests.systems import X86
from tests.trees import debian_python, dist_info
from tests.unit.rules.loading import LIB, SUFFIX, debian, findings, module, only, wheel


def test_a_wheel_for_a_newer_glibc_whose_files_load() -> None:
    new = wheel("x", {f"x/_c{SUFFIX}": module()}, ["cp313-cp313-manylinux_2_39_x86_64"])
    finding = only(debian(), new)
    assert (finding.rule, finding.severity) == ("incompatible-wheel", "warning")
    assert finding.message == (
        "x 1.0 is a wheel for cp313-cp313-manylinux_2_39_x86_64, which Python 3.13.1"
        " on glibc 2.36 does not accept"
    )


@pytest.mark.parametrize(
    ("modules", "rule", "copied_too"),
    [
        ([], "incompatible-wheel", True),
        # CPython, which shares the directory, imports them: they are for that one.
        (["lib-dynload/_x.pypy39-pp73-x86_64-linux-gnu.so"], "wrong-abi", False),
    ],
)
def test_debians_packages_are_no_wheels_for_debians_pypy(
    modules: list[str], rule: str, copied_too: bool
) -> None:
    place = "usr/lib/python3/dist-packages"
    name = "yaml/_yaml.cpython-311-x86_64-linux-gnu.so"
    tags = ["cp311-cp311-linux_x86_64"]
    yaml = dist_info("PyYAML", "6.0", {name: module()}, site=place, tags=tags)
    pypy: dict[str, Content] = {
        "usr/bin/pypy3.9": elf(needed=["libpypy3.9-c.so"], interp=X86),
        f"{LIB}/libpypy3.9-c.so": elf(soname="libpypy3.9-c.so", needed=["libc.so.6"]),
        "usr/lib/pypy3.9/os.py": "",
        **{f"usr/lib/pypy3.9/{path}": module() for path in modules},
    }
    both = {"python3-yaml": {"files": yaml}, "pypy3": {"files": pypy}}
    alone = {"pypy3": both["pypy3"]}
    packaged = findings(debian(), debian_python("3.11.2", more=both))
    copied = findings(debian(), {**debian_python("3.11.2", more=alone), **yaml})
    assert rule not in {finding.rule for finding in packaged}
    assert (rule in {finding.rule for finding in copied}) == copied_too


def test_a_wheel_for_pypy_fits_pypy() -> None:
    site, suffix = "opt/pypy/lib/pypy3.10/site-packages", ".pypy310-pp73-x86_64-linux-gnu.so"
    tree = {**pypy("opt/pypy", "7.3.17"), f"opt/pypy/lib/pypy3.10/lib-dynload/_x{suffix}": module()}
    tree |= {"opt/pypy/bin/libpypy3.10-c.so": elf(soname="libpypy3.10-c.so", needed=["libc.so.6"])}

    def rules(tag: str) -> set[str]:
        wheel = dist_info("x", "1", {f"x/_c{suffix}": module()}, site=site, tags=[tag])
        return {finding.rule for finding in findings(debian(), {**tree, **wheel})}

    assert "incompatible-wheel" not in rules("pp310-pypy310_pp73-manylinux_2_17_x86_64")
    assert "incompatible-wheel" in rules("pp39-pypy39_pp73-manylinux_2_17_x86_64")
