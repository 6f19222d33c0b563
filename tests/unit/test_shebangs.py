"""Which program a script names to run it."""

import pytest

from pyimginspect.inventory.shebangs import shebang_program
from tests.images import File
from tests.systems import rootfs


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("#!/usr/bin/python3\n", "/usr/bin/python3"),
        ("#! /usr/bin/python3 -I\n", "/usr/bin/python3"),
        ("#!/usr/bin/env python3\n", "python3"),
        ("#!/usr/bin/env -S LANG=C python3 -I\n", "python3"),
        ("#!/usr/bin/env\n", None),
        ("#!\n", None),
        # pip, where the path is too long for the first line, or has blanks
        ('#!/bin/sh\n\'\'\'exec\' "/opt/a b/bin/python" "$0" "$@"\n', "/opt/a b/bin/python"),
        ("#!/bin/sh\n'''exec' /opt/venv/bin/python \"$0\"\n", "/opt/venv/bin/python"),
        ("#!/opt/it's/python\n", "/opt/it's/python"),
        ("print()\n", None),
    ],
)
def test_what_a_script_names(text: str, program: str | None) -> None:
    assert shebang_program(rootfs({"usr/bin/x": File(text, mode=0o755)}), "usr/bin/x") == program


def test_what_is_no_script() -> None:
    assert shebang_program(rootfs({"etc/x": "x"}), "usr/bin/x") is None
