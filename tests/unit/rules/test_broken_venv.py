"""The rule broken-venv: layers in, findings out."""

import pytest

from tests.images import (
    Link,
)
from tests.pythons import (
    venv,
)
from tests.unit.rules.pythons import BASE, Tree, messages, script


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (venv("env", "/usr/local/bin"), []),
        ({**venv("env", "/usr/local/bin"), "env/bin/pip": script("/env/bin/python3")}, []),
        ({**venv("env", "/usr/local/bin"), "env/bin/x": script("/usr/bin/env python3")}, []),
        ({**venv("env", "/usr/local/bin"), "env/bin/x": script("/bin/sh")}, []),
        ({**venv("env", "/usr/local/bin"), "srv/env": Link("/env"),
          "env/bin/x": script("/srv/env/bin/python3")}, []),
        (venv("env", "/build/bin"),
         ["/env does not work: bin/python leads to /build/bin/python, which is not in the"
          " image"]),
        ({**venv("env", "/usr/local/bin"), "env/bin/pip": script("/build/bin/python3"),
          "env/bin/gunicorn": script("/build/bin/python3")},
         ["gunicorn and pip in /env would start /build/bin/python3, which is not there"]),
        ({**venv("env", "/usr/local/bin"), "env/bin/pip": script("/usr/local/bin/python3")},
         ["pip in /env would start /usr/local/bin/python3, another Python"]),
        ({**venv("env", "/usr/local/bin"),
          "env/bin/x": script("/usr/bin/env -S -u B A=/usr/bin/python /build/bin/python3 -I")},
         []),
        ({**venv("env", "/usr/local/bin"),
          "env/bin/x": script("/usr/bin/env -S A=/usr/bin/python /build/bin/python3 -I")},
         ["x in /env would start /build/bin/python3, which is not there"]),
        ({**venv("env", "/usr/local/bin"), "env/bin/x": script("/usr/local/bin/python3 -c 'a")},
         ["x in /env would start /usr/local/bin/python3, another Python"]),
    ],
)  # fmt: skip
def test_broken_environments(tree: Tree, expected: list[str]) -> None:
    assert messages("broken_venv", *BASE, tree) == expected
