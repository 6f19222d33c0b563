"""The rule python-version-mismatch: layers in, findings out."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.images import (
    debian_python,
)
from tests.pythons import (
    pypy,
    venv,
)
from tests.unit.rules.pythons import (
    BASE,
    SLIM,
    Tree,
    messages,
    script,
)

HEADER = "usr/local/include/python3.13/patchlevel.h"


@pytest.mark.parametrize(
    ("trees", "config", "expected"),
    [
        (BASE, SLIM, []),
        (BASE, {"env": ["PYTHON_VERSION=3.13"]}, []),
        ((*BASE, debian_python("3.11.2")), {**SLIM, "cmd": ["/usr/bin/python3"]},
         ["PYTHON_VERSION is 3.13.1, and Debian's Python 3.11.2 starts"]),
        (BASE, {"env": ["PYTHON_VERSION=3.13.10"]},
         ["PYTHON_VERSION is 3.13.10, and Python 3.13.1 in /usr/local starts"]),
        ((*BASE, {HEADER: '#define PY_VERSION "3.13.0"\n'}), {},
         ["/usr/local/lib/libpython3.13.so.1.0 is Python 3.13.1, and what belongs to it says"
          " 3.13.0"]),
        ((*BASE, {"usr/local/bin/x": script("/usr/local/bin/python3.12")}), SLIM,
         ["x asks for /usr/local/bin/python3.12, which is not there"]),
        ((*BASE, {f"usr/local/bin/{name}": script("/opt/python") for name in "abcd"}), SLIM,
         ["a, b and 2 more ask for /opt/python, which is not there"]),
        ((*BASE, {"usr/share/doc/x": script("/opt/python")}), SLIM, []),
        ((*BASE, {"usr/share/gdb/auto-load/usr/local/bin/python3.13-gdb.py":
          script("/opt/python"), "usr/local/bin/python3.13-gdb.py": script("/opt/python"),
          "opt/py/lib/python3.13/bin/x": script("/opt/python")}), SLIM, []),
        ((*BASE, {"opt/tools/bin/x": script("/opt/python")}), {"env": ["PATH=/opt/tools/bin"]},
         ["x asks for /opt/python, which is not there"]),
        ((*BASE, {"usr/local/bin/x": script("/usr/bin/env python3.12")}), SLIM, []),
        ((*BASE, {"usr/local/bin/x": script("/usr/local/bin/python3")}), SLIM, []),
        ((*BASE, {**venv("env", "/usr/local/bin"), "env/bin/x": script("/nowhere/python")}), SLIM,
         []),
        ((*BASE, pypy("opt/pypy", "7.3.17")), SLIM, []),
    ],
)  # fmt: skip
def test_versions_that_disagree(
    trees: tuple[Tree, ...], config: Mapping[str, Any], expected: list[str]
) -> None:
    assert messages("python_version_mismatch", *trees, **config) == expected
