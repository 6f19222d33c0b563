"""The rule small-thread-stack: layers in, findings out."""

import pytest

from tests.elf import elf
from tests.images import File
from tests.trees import dist_info
from tests.unit.rules.loading import COMPILED, SITE, alpine, findings


def test_small_stacks_where_nothing_asks_for_more() -> None:
    found = {f.rule: f for f in findings(alpine(stack=False), COMPILED)}
    assert found["small-thread-stack"].message == (
        "threads of Python 3.13.1 in /usr/local/bin/python3.13 get 128 KiB of stack,"
        " unless its build asked for more, also for the native code of uwsgi"
    )
    assert [f.rule for f in findings(alpine(stack=False), dist_info("pure", site=SITE))] == []


@pytest.mark.parametrize(
    ("version", "size"),
    [("1.1.16", 80), ("1.1.20", 80), ("1.1.21", 128), ("1.2.0", 128), ("unknown", 128)],
)
def test_musl_before_1_1_21_gave_less(version: str, size: int) -> None:
    loader = File(
        elf(soname="libc.musl-x86_64.so.1", extra=f"\0musl libc (x86_64)\0{version}\0".encode()),
        mode=0o755,
    )
    tree = {**alpine(stack=False), "lib/ld-musl-x86_64.so.1": loader, **COMPILED}
    found = {f.rule: f for f in findings(tree)}
    assert f" get {size} KiB of stack" in found["small-thread-stack"].message


def test_the_history_tells_what_make_was_given() -> None:
    """As in the official images: no file says anything of it."""
    make = (
        'RUN ./configure; EXTRA_CFLAGS="-DTHREAD_STACK_SIZE={}"; make "EXTRA_CFLAGS=$EXTRA_CFLAGS"'
    )
    tree = {**alpine(stack=False), **COMPILED}
    assert [f.rule for f in findings(tree, steps=[make.format("0x100000")])] == ["musl-base"]
    for size in ("0x20000", "0X20000", "131072"):
        found = {f.rule: f for f in findings(tree, steps=[make.format(size)])}
        assert found["small-thread-stack"].message == (
            "threads of Python 3.13.1 in /usr/local/bin/python3.13 get 128 KiB of stack,"
            " also for the native code of uwsgi"
        )


@pytest.mark.parametrize(
    ("asked", "size", "why"),
    [
        (64 << 10, 128, "musl 1.2.5 gives 128 KiB"),
        (128 << 10, 128, "musl 1.2.5 gives 128 KiB"),
        (192 << 10, 192, "PT_GNU_STACK requests 192 KiB"),
        (2 << 20, 0, ""),
    ],
)
def test_a_linker_flag_asks_for_more_stack(asked: int, size: int, why: str) -> None:
    libpython = elf(
        soname="libpython3.13.so.1.0",
        needed=["libc.musl-x86_64.so.1"],
        stack_size=asked,
        extra=b"\x003.13.1\0",
    )
    tree = {**COMPILED, "usr/local/lib/libpython3.13.so.1.0": libpython}
    found = {f.rule: f for f in findings(alpine(stack=False), tree)}
    if not size:
        assert "small-thread-stack" not in found
        return
    assert f" get {size} KiB of stack" in found["small-thread-stack"].message
    assert found["small-thread-stack"].evidence[0].what == why
