"""Which texts of a layer are kept, by their names, and how scripts begin."""

import pytest

from pyimginspect.layers.texts import is_shell_script, shebang, wants_text


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("usr/share/doc/libc6/copyright", True),
        ("opt/copyright", False),
        ("venv/pyvenv.cfg", True),
        ("pyvenv.cfg", True),
        ("x/a-1.dist-info/METADATA", True),
        ("x/a-1.dist-info/licenses/METADATA", False),
        ("x/a.egg-info/METADATA", False),
        ("x/a.egg-info/PKG-INFO", True),
        ("x/EGG-INFO/top_level.txt", True),
        ("etc/os-release", True),
        ("usr/lib/os-release", True),
        ("opt/os-release", False),
        ("x/site-packages/a.pth", True),
        ("x/site-packages/b/a.pth", False),
        ("site-packages/a.pth", False),
        ("x/a.egg-info", True),
        ("var/lib/dpkg/info/a.list", True),
        ("etc/apt/a.list", False),
        ("list", False),
        ("x/_sysconfigdata__linux_.py", True),
        ("x/_sysconfigdata__linux_.pyc", False),
        ("_sysconfigdata__linux_.py", False),
        ("x/__editable___a_1_finder.py", True),
        ("x/__editable__.a-1.pth", False),
        ("x/site-packages/__editable__.a-1.pth", True),
        ("var/lib/dpkg/status.d/base", True),
        ("x/var/lib/dpkg/status.d/base", False),
        ("app/main.py", False),
    ],
)
def test_which_texts_are_kept(path: str, wanted: bool) -> None:
    assert wants_text(path) is wanted


@pytest.mark.parametrize(
    ("path", "head", "script"),
    [
        ("entrypoint", b"#!/bin/sh\n", True),
        ("entrypoint", b"#! /usr/bin/env -S bash -e\n", True),
        ("entrypoint", b"#!/bin/busybox sh\n", True),
        ("entrypoint", b"#!/usr/bin/python3\n", False),
        ("entrypoint", b"#!/bin/shy\n", False),
        ("start.sh", b"exec python3 -m app\n", True),
        ("usr/share/x/run.sh", b"#!/bin/sh\n", False),
        ("usr/bin/ldd", b"#!/bin/bash\n", False),
        ("usr/bin/docker-entrypoint", b"#!/bin/bash\n", True),
        ("etc/profile", b"#!/bin/sh\n", False),
        ("etc/start.sh", b"#!/bin/sh\n", True),
    ],
)
def test_which_files_are_scripts_that_a_container_may_start(
    path: str, head: bytes, script: bool
) -> None:
    assert is_shell_script(path, head) is script


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (b"#!/usr/bin/python3", "#!/usr/bin/python3"),
        (b"#!/usr/bin/python3\r\nprint()\n", "#!/usr/bin/python3\r"),
        (b"#!/bin/sh\nexec x\n", "#!/bin/sh"),
        (b"#!/bin/sh\n'''exec' \"/a b/x\" \"$0\"", "#!/bin/sh\n'''exec' \"/a b/x\" \"$0\""),
        (b"#!/bin/sh\n'''exec' /x \"$0\"\n' '''\nprint()\n", "#!/bin/sh\n'''exec' /x \"$0\""),
        (b"#!/opt/\xff/python\n", "#!/opt/\udcff/python"),
        (b"", ""),
    ],
)  # fmt: skip
def test_how_a_script_begins(head: bytes, line: str) -> None:
    assert shebang(head) == line
