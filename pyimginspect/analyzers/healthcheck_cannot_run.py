"""A health check whose program is not in the image."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.proofs_of_use import program_on_path
from pyimginspect.inventory.startup.health import HealthProblem, find_health_problem
from pyimginspect.inventory.startup.paths import MEANINGS
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER", "healthcheck_cannot_run"]

RULE = Rule(
    id="healthcheck-cannot-run",
    title="The image's health check cannot run",
    severity="warning",
    policy="soundness",
    what="HEALTHCHECK calls a program that the image does not have, or that the container's user"
    " cannot execute, and nothing is tried in its place: the check fails whatever the application"
    " does. It is followed as ENTRYPOINT and CMD are; a check that another command may still save"
    " (curl URL || wget URL), or that depends on variables, is left alone.",
    why="A container whose health check fails is unhealthy for good: Docker Swarm replaces it again"
    " and again, and docker compose does not start what waits for it (condition:"
    " service_healthy). The usual cause is curl, which the full official images have and the slim"
    " ones have not. Kubernetes and Amazon ECS do not read HEALTHCHECK: they have checks of their"
    " own.",
    fix="Let the image's own Python ask: urllib.request raises an error, and Python ends with"
    " status 1, where the connection fails or the answer is 400 or more. Or install the program.",
    example="""# at fault: python:3.13-slim has no curl
FROM python:3.13-slim
HEALTHCHECK CMD curl -f http://localhost:8000/health || exit 1

# better
FROM python:3.13-slim
HEALTHCHECK CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://localhost:8000')"]
""",
)

_CLIENTS = frozenset({"curl", "wget"})
# Of RFC 3986 what needs no quoting: no quotes, spaces, `$` or backslashes, since the address goes
# into Python source within JSON within a Dockerfile.
_ADDRESS = re.compile(r"https?://[\w.:/?&=%~+\[\]-]+")
# Options that change nothing of what is asked, and their values: curl(1), wget(1).
_PLAIN = (
    r"-[fsSLqvm]+|-nv|-[qO]*O-?|-[otT]|--(?:fail|silent|show-error|location|output|max-time"
    r"|connect-timeout|spider|quiet|no-verbose|tries|timeout|output-document)(?:=\S*)?"
    r"|-|/dev/null|\d+s?"
)


def healthcheck_cannot_run(inventory: Inventory) -> Iterator[Finding]:
    """Report what keeps the health check from ever succeeding, if anything certainly does."""
    found = find_health_problem(
        inventory.image, inventory.rootfs, inventory.interpreters, inventory.environments
    )
    if found is None:
        return
    problem = found.problem
    errno = f" ({problem.errno}: {MEANINGS[problem.errno]})" if problem.errno else ""
    yield RULE.finding(
        subject=problem.subject,
        message=f"HEALTHCHECK always fails: {problem.what}{errno}",
        evidence=_evidence(inventory, found),
        paths=(problem.path,) if problem.path else (),
        fix=_with_python(inventory, found) or problem.fix,
    )


def _evidence(inventory: Inventory, found: HealthProblem) -> Iterator[Evidence]:
    words = " ".join(inventory.image.config.healthcheck)
    yield Evidence(what=f"HEALTHCHECK runs {words!r}")
    for step in found.steps[1:]:
        yield Evidence(what=f"{step.how} runs {' '.join(step.words)!r}", path=step.program)
    path = inventory.image.config.environment().get("PATH")
    if "directory of PATH" in found.problem.what:
        yield Evidence(what=f"the image sets PATH={path}" if path else "the image sets no PATH")


def _with_python(inventory: Inventory, found: HealthProblem) -> str:
    """Return a health check that asks the same with Python; nothing where it asks something else.

    The address must be known, and a Python be on PATH.
    """
    if found.problem.subject.rpartition("/")[2] not in _CLIENTS:
        return ""
    others = [word or "" for word in found.words[1:]]
    addresses = [word for word in others if _ADDRESS.fullmatch(word)]
    # python3 first: Debian's packages have no `python`.
    name = next((n for n in ("python3", "python") if program_on_path(inventory, n)), "")
    # Where a header, a method or a certificate matters, this code would not ask the same.
    known = all(word in addresses or re.fullmatch(_PLAIN, word) for word in others)
    if len(addresses) != 1 or not known or not name:
        return ""
    # urlopen() has no timeout by default, and HEALTHCHECK's own is 30 s.
    code = f"import urllib.request as r; r.urlopen('{addresses[0]}', timeout=3)"
    # The exec form, which is JSON, needs no shell and no quoting for one.
    return f"HEALTHCHECK CMD {json.dumps([name, '-c', code])}"


ANALYZER = Analyzer(rule=RULE, run=healthcheck_cannot_run)
