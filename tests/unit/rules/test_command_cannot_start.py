"""The rule command-cannot-start: layers in, findings out."""

from collections.abc import Mapping
from typing import Any

import pytest

from pyimginspect.analyzers import command_cannot_start
from tests.unit.rules.primary import image


@pytest.mark.parametrize(
    ("config", "severity", "message", "fix"),
    [
        ({"cmd": ["pythonx"]}, "error",
         "CMD cannot start: no directory of PATH has a program pythonx (ENOENT: no such file or"
         " directory)", "start /usr/local/bin/python"),
        ({"entrypoint": ["/app/.venv/bin/python"], "cmd": ["x"]}, "error",
         "ENTRYPOINT cannot start: there is no /app/.venv/bin/python, for /app is in no layer of"
         " the image (ENOENT: no such file or directory)",
         "copy /app/.venv into the image, to that same path, or start /usr/local/bin/python"),
        ({"cmd": ["python3", "manage.py"], "working_dir": "/code"}, "warning",
         "CMD fails at once: python3 is given manage.py to run, and there is no /code/manage.py,"
         " for /code is in no layer of the image (ENOENT: no such file or directory)",
         "copy it into the image, or name the file that is there in place of manage.py"),
    ],
)  # fmt: skip
def test_what_cannot_start_is_reported(
    config: Mapping[str, Any], severity: str, message: str, fix: str
) -> None:
    (finding,) = command_cannot_start.ANALYZER.run(image(**config))
    assert (finding.severity, finding.message, finding.fix) == (severity, message, fix)
    assert finding.evidence


def test_what_starts_is_no_finding() -> None:
    for config in ({"cmd": ["python3"]}, {}, {"cmd": ["nginx"]}, {"cmd": ["sh", "-c", "$X"]}):
        assert not list(command_cannot_start.ANALYZER.run(image(**config)))
