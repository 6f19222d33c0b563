"""The rule healthcheck-cannot-run: layers and a configuration in, findings out."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pyimginspect.analyzers import healthcheck_cannot_run
from pyimginspect.inventory.collect import Inventory
from tests.images import Content, File, Link
from tests.inventories import on_slim, taken
from tests.pythons import executable

SYSTEM: Mapping[str, Content] = {
    "bin/dash": executable(),
    "bin/sh": Link("dash"),
    "bin/grep": executable(),
    "usr/bin/wc": executable(),
    "usr/bin/wget": executable(),
    "etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n",
    "app/check.sh": File("#!/bin/sh\ncurl -f http://localhost/\n", mode=0o755),
    "usr/local/bin/tool": File("#!/opt/gone\n", mode=0o755),
    "usr/bin/tool": executable(),
    "app/private": File(executable().data, mode=0o700),
}


def image(test: Sequence[str], **config: Any) -> Inventory:
    one = on_slim(SYSTEM, history=["COPY . /"])
    one.config["config"].update({"Healthcheck": {"Test": [*test]}, **config})
    return taken(one)


MISSING = (
    "HEALTHCHECK always fails: no directory of PATH has a program curl"
    " (ENOENT: no such file or directory)"
)


@pytest.mark.parametrize(
    "test",
    [
        ["CMD", "curl", "-f", "http://localhost/"],
        ["CMD-SHELL", "curl -f http://localhost/"],
        ["CMD-SHELL", "curl -f http://localhost/ || exit 1"],
        ["CMD-SHELL", "curl -f http://localhost/ > /dev/null 2>&1 || exit 1"],
        ["CMD-SHELL", "curl --fail http://localhost/ || false"],
        ["CMD-SHELL", "test -f /ready && curl -f http://localhost/ || exit 255"],
        ["CMD-SHELL", "wget -q http://localhost/a && curl -f http://localhost/"],
        ["CMD-SHELL", "curl -s http://localhost/ | grep -q ok"],
        ["CMD-SHELL", "wget -qO- http://localhost/ | curl -d @- http://localhost/"],
        ["CMD-SHELL", "curl -f http://localhost:$PORT/ || exit 1"],
        ["CMD", "sh", "-c", "curl http://localhost/"],
    ],
)
def test_a_program_that_is_not_there(test: Sequence[str]) -> None:
    (finding,) = healthcheck_cannot_run.ANALYZER.run(image(test))
    assert (finding.severity, finding.subject, finding.message) == ("warning", "curl", MISSING)
    assert finding.evidence[0].what == f"HEALTHCHECK runs '{' '.join(shown(test))}'"


def shown(test: Sequence[str]) -> Sequence[str]:
    return ["/bin/sh", "-c", test[1]] if test[0] == "CMD-SHELL" else test[1:]


@pytest.mark.parametrize(
    "test",
    [
        ["NONE"],
        [],
        ["CMD"],
        ["CMD-SHELL"],
        ["OTHER", "curl"],
        ["CMD", "wget", "-q", "http://localhost/"],
        ["CMD", "python3", "-c", "import sys"],
        ["CMD-SHELL", "curl -f http://localhost/ || wget -q http://localhost/"],
        ["CMD-SHELL", "curl -f http://localhost/ || exit 0"],
        ["CMD-SHELL", "curl -f http://localhost/ || exit 256"],
        ["CMD-SHELL", "curl -f http://localhost/ || exit $?"],
        ["CMD-SHELL", "curl -f http://localhost/ || true"],
        ["CMD-SHELL", "curl -f http://localhost/; true"],
        ["CMD-SHELL", "curl -f http://localhost/ & wait"],
        ["CMD-SHELL", "! curl -f http://localhost/"],
        ["CMD-SHELL", "if curl -f http://localhost/; then exit 1; fi"],
        ["CMD-SHELL", "for n in 1 2; do curl -f http://localhost/; done"],
        ["CMD-SHELL", "until curl -f http://localhost/; do sleep 1; done"],
        ["CMD-SHELL", "curl -s http://localhost/ | grep -vq error"],
        ["CMD-SHELL", "curl -s http://localhost/ | wc -l"],
        ["CMD-SHELL", "$CLIENT http://localhost/"],
        ["CMD-SHELL", "test -S /run/app.sock"],
        ["CMD-SHELL", "/app/check.sh || exit 1"],  # what a script does is not followed so far
        ["CMD-SHELL", "curl ((("],
        ["CMD-SHELL", "echo $(curl -f http://localhost/)"],
        ["CMD-SHELL", "curl -s http://localhost/ | wc -l | grep -q 3"],
        ["CMD-SHELL", "tool"],  # a shell tries the second of that name
    ],
)
def test_a_check_that_may_succeed_is_no_finding(test: Sequence[str]) -> None:
    assert not list(healthcheck_cannot_run.ANALYZER.run(image(test)))


@pytest.mark.parametrize(
    ("test", "config", "message"),
    [
        (["CMD", "/app/health"], {}, "/app/health is in no layer of the image"),
        (["CMD", "/app/private"], {"User": "app"}, "permission denied"),
        (["CMD", "python3", "/app/health.py"], {}, "/app/health.py is in no layer"),
        (["CMD-SHELL", "true"], {"Shell": ["/bin/bash", "-c"]}, "/bin/bash is in no layer"),
        (["CMD-SHELL", "source x"], {"Shell": ["/bin/sh", "-c"]}, "has a program source"),
        # A runtime takes the first of that name.
        (["CMD", "tool"], {}, "names /opt/gone"),
    ],
)
def test_it_is_followed_as_the_command_is(
    test: Sequence[str], config: Mapping[str, Any], message: str
) -> None:
    (finding,) = healthcheck_cannot_run.ANALYZER.run(image(test, **config))
    assert message in finding.message


WITH_PYTHON = (
    "HEALTHCHECK CMD"
    ' ["python3", "-c", "import urllib.request as r; r.urlopen(\'http://localhost/\', timeout=3)"]'
)


@pytest.mark.parametrize(
    ("command", "same"),
    [
        ("curl -f http://localhost/", True),
        ("curl -fsSL --max-time 3 -o /dev/null http://localhost/ || exit 1", True),
        ("curl --fail --silent http://localhost/", True),
        ("curl -fk https://localhost/", False),  # no certificate is verified
        ("curl -f -H 'Host: x' http://localhost/", False),
        ("curl -f -X POST http://localhost/", False),
        ("curl -f http://localhost/ http://localhost/b", False),
        ("curl -f http://localhost:$PORT/", False),
        ("curl -f localhost", False),
        ("nc -z localhost 80", False),
    ],
)
def test_python_asks_the_same_where_it_is_plain(command: str, same: bool) -> None:
    (finding,) = healthcheck_cannot_run.ANALYZER.run(image(["CMD-SHELL", command]))
    assert (finding.fix == WITH_PYTHON) is same
    assert finding.fix


def test_without_python_on_path_there_is_no_such_fix() -> None:
    inventory = image(["CMD", "curl", "http://localhost/"], Env=["PATH=/bin"])
    (finding,) = healthcheck_cannot_run.ANALYZER.run(inventory)
    assert "urllib" not in finding.fix


def test_windows_checks_are_not_followed() -> None:
    one = on_slim(SYSTEM, history=["COPY . /"], platform="windows/amd64")
    one.config["config"]["Healthcheck"] = {"Test": ["CMD", "curl"]}
    assert not list(healthcheck_cannot_run.ANALYZER.run(taken(one)))
