"""What may be a secret in the history of ``ARG`` is written into no Dockerfile."""

import pytest

from pyimginspect.plan import make_plan
from pyimginspect.plan.from_history import from_history
from tests.inventories import on_slim, taken

LEFT_OUT = "# The value may be a secret, and is not written here: give it with --build-arg\n"


@pytest.mark.parametrize(
    ("argument", "written"),
    [
        ("VERSION=3.11", "VERSION=3.11"),
        ("VERSION=v1.2.3-rc1", "VERSION=v1.2.3-rc1"),
        ("VARIANT=slim", "VARIANT=slim"),
        ("DEBUG=false", "DEBUG=false"),
        ("REQUIREMENTS=requirements/prod.txt", "REQUIREMENTS=requirements/prod.txt"),
        ("HOME=/srv/app", "HOME=/srv/app"),
        ("KEYCLOAK_VERSION=26", "KEYCLOAK_VERSION=26"),
        ("NAME", "NAME"),
        ("TOKEN", "TOKEN"),
        ("EMPTY=", "EMPTY="),
        ("TOKEN=hunter2", None),
        ("NPM_TOKEN=abc", None),
        ("DB_PASS=swordfish", None),
        ("SSH_KEY=abc", None),
        ("SENTRY_DSN=abc", None),
        ("EXTRA=hunter2", None),
        ("INDEX=https://me:hunter2@pypi.example/simple", None),
        ("INDEX=https://pypi.example/simple", None),
        ("ID=AKIAIOSFODNN7EXAMPLE", None),
        ("SUM=9f86d081884c7d659a2feaa0c55ad015", None),
        ("PHRASE=correct-horse-battery-staple-and-then-some-more", None),
        ("A=1 B=hunter2", None),
    ],
)
def test_an_argument_keeps_no_value_that_may_be_a_secret(
    argument: str, written: str | None
) -> None:
    run = {"created_by": "RUN |1 X=hunter2 /bin/sh -c make x # buildkit"}
    one = on_slim({"app/x": "x"}, history=[f"ARG {argument}", run])
    inventory = taken(one)
    text = from_history(inventory)
    name = argument.partition("=")[0]
    assert (f"{LEFT_OUT}ARG {name}\n" if written is None else f"\nARG {written}\n") in text
    assert (LEFT_OUT in text) == (written is None)
    assert "hunter2" not in text
    assert "hunter2" not in make_plan(inventory).patch(text).text
