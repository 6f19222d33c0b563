"""Symbolic links, against the kernel: the same tree on a real file system, asked by openat2."""

import ctypes
import errno
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect import changesets
from pyimginspect.changesets import apply_layers
from pyimginspect.errors import LimitError
from pyimginspect.rootfs import RootFS
from tests.effort import examples
from tests.images import Content, HardLink, Link, Tree
from tests.unit.test_changesets import applied, stack

SYS_OPENAT2 = 437
RESOLVE_IN_ROOT = 0x10  # as chroot: absolute links and .. stay below


class Kernel:
    """A tree in a directory, resolved as a process with that root would."""

    def __init__(self, root: str, tree: Mapping[str, str | None]) -> None:
        for path, target in tree.items():
            place = os.path.join(root, path)
            if path.endswith("/"):
                os.mkdir(place)
            elif target is None:
                Path(place).touch()
            else:
                os.symlink(target, place)
        self._root = os.path.realpath(root)
        self._handle = os.open(root, os.O_PATH)
        self._open = ctypes.CDLL(None, use_errno=True).syscall

    def resolve(self, path: str) -> str | None:
        """The real path, `None` for ENOENT, ENOTDIR and ELOOP."""
        how = struct.pack("QQQ", os.O_PATH, 0, RESOLVE_IN_ROOT)
        while True:
            found = self._open(SYS_OPENAT2, self._handle, os.fsencode(path), how, len(how))
            code = ctypes.get_errno() if found < 0 else 0
            if code != errno.EAGAIN:  # something was mounted meanwhile: openat2(2)
                break
        if found < 0:
            assert code in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP), os.strerror(code)
            return None
        try:
            return os.readlink(f"/proc/self/fd/{found}").removeprefix(self._root).lstrip("/")
        finally:
            os.close(found)

    def close(self) -> None:
        os.close(self._handle)


@contextmanager
def both(tree: Mapping[str, str | None]) -> Iterator[tuple[RootFS, Kernel]]:
    """The tree as an image, and on disk; a path that ends in / is a directory."""
    content: dict[str, Content] = {
        path: None if path.endswith("/") else "x" if target is None else Link(target)
        for path, target in tree.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(folder, tree)
        try:
            yield applied(content), kernel
        finally:
            kernel.close()


def has_openat2() -> bool:
    try:
        with both({"a/": None}) as (_, kernel):
            return kernel.resolve("/../a") == "a"
    except (AttributeError, AssertionError, OSError):
        return False


on_linux = pytest.mark.skipif(not has_openat2(), reason="no openat2: not Linux, or before 5.6")

DIRECTORIES: dict[str, str | None] = dict.fromkeys(("a/", "a/b/", "c/", "f", "a/f"))
NAMES = st.sampled_from(["a", "b", "c", "f", "k", "l", "m", "..", ".", "", "missing"])
PATHS = st.tuples(st.booleans(), st.lists(NAMES, min_size=1, max_size=6)).map(
    lambda made: ("/" if made[0] else "") + ("/".join(made[1]) or ".")
)
LINKS = st.dictionaries(
    st.sampled_from([f"{place}{name}" for place in ("", "a/", "a/b/", "c/") for name in "klm"]),
    PATHS,
    min_size=1,
    max_size=8,
)


@on_linux
@examples(300)
@given(links=LINKS, paths=st.lists(PATHS, min_size=1, max_size=4))
def test_every_path_resolves_as_the_kernel_has_it(links: dict[str, str], paths: list[str]) -> None:
    with both({**DIRECTORIES, **links}) as (rootfs, kernel):
        # One after the other, so that what is remembered of one has to serve the next.
        for path in [*links, *paths, *links]:
            assert rootfs.resolve(path) == kernel.resolve(path), path


def chain(links: int, end: str = "a") -> dict[str, str | None]:
    """`l1` is so many links away from a directory."""
    return {f"l{n}": f"l{n + 1}" if n < links else end for n in range(1, links + 1)}


@on_linux
@pytest.mark.parametrize(
    ("tree", "path", "real"),
    [
        (chain(40), "l1", "a"),
        (chain(41), "l1", None),
        (chain(41), "l2", "a"),
        (chain(200), "l161", "a"),
        (chain(200), "l160", None),
        (chain(20), "l1/../l1/b", "a/b"),
        (chain(20), "l1/../l1/../l20/b", None),
        (chain(20), "l1/../l2/../l20/b", "a/b"),
        ({**chain(39), "x": "l1"}, "x/b", "a/b"),
        ({**chain(39), "x": "./l1/../l39"}, "x/b", None),
        ({"x": "y", "y": "x"}, "x", None),
        ({"x": "x/x"}, "x", None),
        ({"x": "x/../a"}, "x", None),
        ({"x": "f/"}, "x", None),
        ({"x": "a/f"}, "x", "a/f"),
        ({"x": "a/f"}, "x/", None),
        ({"x": "a/f"}, "x/..", None),
        ({"x": "/"}, "x/../a", "a"),
        ({"x": "../../../a/b/.."}, "x", "a"),
        # the end of a target is a name as well
        ({"a/x": "kf", "a/kf": None}, "a/x", "a/kf"),
        ({"a/x": "/kf", "kf": None}, "a/x", "kf"),
        ({"a/b/x": "../kf", "a/kf": None}, "a/b/x", "a/kf"),
        ({"l": "a/b/x", "a/b/x": "../kf", "a/kf": None, "kf": None}, "l", "a/kf"),
        ({"a/x": ".k", "a/.k": None}, "a/x", "a/.k"),
        ({"a/x": "b//f", "a/b/f": None}, "a/x", "a/b/f"),
        ({"a/x": "/"}, "a/x", ""),
        ({"x": "a/" + "./" * 2046 + "b"}, "x", "a/b"),
        ({"x": "a/" + "/" * 4092 + "b"}, "x", "a/b"),
    ],
)
def test_links_upon_links(tree: dict[str, str | None], path: str, real: str | None) -> None:
    with both({**DIRECTORIES, **tree}) as (rootfs, kernel):
        assert kernel.resolve(path) == real
        assert rootfs.resolve(path) == real
        for link in sorted(tree):
            assert rootfs.resolve(link) == kernel.resolve(link), link
        assert rootfs.resolve(path) == real, "another answer after others were asked"


DEEP = "a/" * 2047 + "ff"  # 4,096 bytes


@pytest.mark.parametrize(
    ("target", "real"),
    [
        ("", None),
        ("a/" + "./" * 2046 + "b/", None),
        ("ä" * 2048, None),
        ("\udcff" * 4096, None),
        (DEEP, None),
    ],
    ids=["nothing", "4096 bytes", "4096 bytes of two each", "no UTF-8", "a file far below"],
)
def test_a_link_that_no_kernel_could_make_leads_nowhere(target: str, real: str | None) -> None:
    tree: Tree = {"a/b/": None, "x": Link(target), f"{'ä' * 100}": "x", DEEP: "x"}
    assert applied(tree).resolve("x") == real


def zigzag(turns: int) -> str:
    return "a/../" * turns


def test_links_that_lead_through_each_other_are_walked_once() -> None:
    """A count of steps, not of seconds: 40 times as many without the memory."""
    links = 400
    tree: dict[str, Content] = {"a/": None}
    tree |= {f"l{n}": Link(f"{zigzag(400)}l{n + 1}") for n in range(links)}
    rootfs = applied(tree)
    steps = 0
    resolver = rootfs._resolver
    walk = resolver._step

    def counted(*args: object) -> object:
        nonlocal steps
        steps += 1
        return walk(*args)  # type: ignore[arg-type]

    resolver._step = counted  # type: ignore[method-assign, assignment]
    assert {rootfs.resolve(f"l{n}") for n in range(links)} == {None}
    assert steps < links * 410


THROUGH: dict[str, list[tuple[str, Content]]] = {
    "entries": [(f"l/{n}/f", "x") for n in range(60)],
    "whiteouts": [(f"l/{n}/.wh.f", "") for n in range(60)],
    "hard links": [(f"h{n}", HardLink("l/f")) for n in range(60)],
}


@pytest.mark.parametrize("kind", THROUGH)
def test_layers_are_not_put_through_links_for_ever(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changesets, "_MOST_STEPS", 40_000)
    link: list[tuple[str, Content]] = [("a/f", "x"), ("l", Link(f"{zigzag(400)}a"))]
    through = [*link, *THROUGH[kind]]
    assert apply_layers(stack({}, through[:42])).resolve("l") == "a"
    with pytest.raises(
        LimitError, match="links were followed through 40,000 directories"
    ) as raised:
        apply_layers(stack({}, through))
    assert "layer 1" in str(raised.value)


def test_directories_that_nobody_describes_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry of 4 kB implies 2,000 directories with 4 MB of names."""
    monkeypatch.setattr(changesets, "_MOST_IMPLIED", 9_000_000)
    deep = "/".join(["d"] * 2000)
    assert len(applied({f"0/{deep}/f": "x", f"1/{deep}/f": "x"})) == 2 * 2002 + 1
    with pytest.raises(LimitError, match="that no entry describes have 8 MiB of names") as raised:
        applied({f"{n}/{deep}/f": "x" for n in range(3)})
    assert "layer 0" in str(raised.value)
