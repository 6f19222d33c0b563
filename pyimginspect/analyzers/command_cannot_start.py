"""A command that the image's own configuration names, and that no container can start."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import StartProblem, StartStep
from pyimginspect.inventory.startup.paths import MEANINGS
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER", "command_cannot_start"]

# tini, an entry script, gosu, env and the program are five; longer chains are generated.
_MOST_STEPS = 6

RULE = Rule(
    id="command-cannot-start",
    title="The image's command cannot start",
    severity="error",
    policy="soundness",
    what="A container of the image fails as it starts. ENTRYPOINT and CMD are followed as the"
    " kernel and a shell would, by the image's USER, in its WORKDIR, with its PATH: through tini,"
    " gosu, env and entry scripts, through links and the first lines of scripts, up to the"
    " program and its loader. Something along that path does not exist, cannot be entered, read"
    " or executed, or is a program for another system. The finding names the error as errno(3)"
    " does."
    " Only what certainly runs is judged: anything that depends on conditions, on variables set"
    " at run time, or on files that a volume may contain is left alone. A script passed to Python"
    " from an empty directory is a warning, since it may be mounted.",
    why="Such an image builds, passes a scan and is pushed; the failure shows in production, as"
    " exit"
    " status 126 or 127, often with a message that names the wrong file: the kernel says that a"
    " script does not exist when the program in its first line does not, and that a program does"
    " not exist when its loader does not. Permissions are tested as root while building and fail"
    " as USER app.",
    fix="Start the image once where it is built (docker run --rm IMAGE). Name programs that"
    " exist, copy environments to the path that they were created for, keep programs that"
    " USER runs out of /root, and store scripts with LF line endings and mode 755.",
    example="""# at fault: Debian has no program called python, and app may not enter /root
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3
USER app
CMD ["python", "/root/app.py"]

# better
FROM python:3.13-slim
COPY --chmod=644 app.py /app/app.py
USER 1000
CMD ["python", "/app/app.py"]
""",
)


def command_cannot_start(inventory: Inventory) -> Iterator[Finding]:
    """Report what keeps ENTRYPOINT and CMD from starting, if anything certainly does."""
    startup = inventory.startup
    problem = startup.problem
    if problem is None:
        return
    how = startup.steps[0].how if startup.steps else "the command"
    verb = "fails at once" if startup.python else "cannot start"
    errno = f" ({problem.errno}: {MEANINGS[problem.errno]})" if problem.errno else ""
    node = inventory.rootfs.get(problem.path)
    layers = () if node is None else (node.layer,)
    yield RULE.finding(
        subject=problem.subject,
        # A bind mount or a volume may bring the script: Compose files for development do that.
        severity="warning" if problem.likely else None,
        message=f"{how} {verb}: {problem.what}{errno}",
        evidence=_evidence(inventory, problem, startup.steps),
        layers=layers,
        instruction=inventory.instruction(layers[0]) if layers else "",
        paths=(problem.path,) if problem.path else (),
        fix=problem.fix,
    )


def _evidence(
    inventory: Inventory, problem: StartProblem, steps: tuple[StartStep, ...]
) -> Iterator[Evidence]:
    for step in steps[:_MOST_STEPS]:
        words = " ".join(step.words)
        what = f"{step.how} runs {words!r}"
        if step.user:
            what += f" as user {step.user}"
        if step.program:
            what += f", which is /{step.program}"
        yield Evidence(what=what, path=step.program)
    config = inventory.image.config
    # Where the image has no PATH, engines set one of their own (DEFAULT_PATH).
    if "directory of PATH" in problem.what:
        path = config.environment().get("PATH")
        yield Evidence(what=f"the image sets PATH={path}" if path else "the image sets no PATH")
    node = inventory.rootfs.get(problem.path)
    if node is not None and problem.path:
        entry = node.content.entry
        what = f"/{problem.path} is a {node.kind} of mode {entry.mode:04o}, owner"
        yield Evidence(what=f"{what} {entry.uid}:{entry.gid}", path=problem.path, layer=node.layer)
    if problem.likely:
        yield Evidence(what="its directory is empty, and may be mounted at run time")


ANALYZER = Analyzer(rule=RULE, run=command_cannot_start)
