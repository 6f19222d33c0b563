"""Which step of a history each instruction of a Dockerfile made."""

from collections.abc import Sequence

import pytest

from pyimginspect.dockerfile import parse
from pyimginspect.dockerfile.matching import match
from pyimginspect.errors import DockerfileError, DockerfileMismatchError
from pyimginspect.inventory.instructions import Step, read_steps
from pyimginspect.model import History
from pyimginspect.plan.from_history import _run

BASE = ["# debian.sh", "ENV PATH=/bin", 'CMD ["python3"]']
EMPTY = ("ENV", "CMD", "ARG", "LABEL", "USER", "EXPOSE", "ENTRYPOINT", "SHELL", "VOLUME", "STOP")


def steps_of(lines: Sequence[str]) -> tuple[Step, ...]:
    return read_steps(
        History(created_by=line, empty_layer=line.removeprefix(NOP).lstrip().startswith(EMPTY))
        for line in [*BASE, *lines]
    )


NOP = "/bin/sh -c #(nop) "
HASH = "4c1f" * 16


@pytest.mark.parametrize(
    ("instruction", "step"),
    [
        # BuildKit
        ("RUN a  && \\\n    b", "RUN /bin/sh -c a  &&     b # buildkit"),
        ("RUN a; \\\n    b || c", "RUN /bin/sh -c a \t;  b ||c # buildkit"),
        ("RUN set -e;a&&b", "RUN /bin/sh -c set -e; \ta && b # buildkit"),
        ("RUN --mount=type=cache,target=/x a", "RUN /bin/sh -c a # buildkit"),
        ("RUN a $V", "RUN |1 V=1 /bin/sh -c a $V # buildkit"),
        ('RUN ["a", "b c"]', "RUN a b c # buildkit"),
        ("RUN <<EOF\na\nb\nEOF", "RUN /bin/sh -c a\nb\n # buildkit"),
        ("RUN <<-EOF\n\ta\n\tEOF", "RUN /bin/sh -c a\n # buildkit"),
        ("RUN <<EOF\n#!/bin/sh\na\nEOF", "RUN /dev/pipes/EOF # buildkit"),
        ("RUN cat <<EOF >x\na\nEOF", "RUN /bin/sh -c cat <<EOF >x\na\nEOF # buildkit"),
        ("COPY a b ./", "COPY a b ./ # buildkit"),
        ("copy --from=x --chown=1 a b", "COPY --chown=1 a b # buildkit"),
        ('COPY ["a", "b c"]', "COPY a b c # buildkit"),
        ("COPY <<EOF /x\na\nEOF", "COPY <<EOF /x # buildkit"),
        ("ADD https://x/y /z", "ADD https://x/y /z # buildkit"),
        ("WORKDIR /app", "WORKDIR /app"),
        ("WORKDIR app", "WORKDIR /srv/app"),
        ("ENV A=\"b c\" D='e'", "ENV A=b c D=e"),
        ("ENV A b c", "ENV A=b c"),
        ("ENV A=$PATH:/x", "ENV A=/usr/bin:/bin:/x"),
        ('LABEL "a.b"="c d"', "LABEL a.b=c d"),
        ("EXPOSE 80 53/udp", "EXPOSE [53/udp 80/tcp]"),
        ("EXPOSE 80", "EXPOSE map[80/tcp:{}]"),
        ('VOLUME ["/a", "/b"]', "VOLUME [/a /b]"),
        ("CMD a $B", 'CMD ["/bin/sh" "-c" "a $B"]'),
        ('CMD ["a", "b"]', 'CMD ["a" "b"]'),
        ("ENTRYPOINT exec a", 'ENTRYPOINT ["/bin/sh" "-c" "exec a"]'),
        ("USER app", "USER app"),
        ("STOPSIGNAL SIGINT", "STOPSIGNAL SIGINT"),
        ('SHELL ["/bin/bash", "-o", "pipefail", "-c"]', "SHELL [/bin/bash -o pipefail -c]"),
        ("HEALTHCHECK CMD a", 'HEALTHCHECK &{["CMD-SHELL" "a"] "0s" "0s" "0s" \'\\x00\'}'),
        ("ARG V", "ARG V"),
        ("ARG V=2", "ARG V=2"),
        ("ARG V", "ARG V=2"),
        # the classic builder and buildah
        ("RUN a", "/bin/sh -c a"),
        ("COPY a /b/", f"{NOP}COPY file:{HASH} in /b/ "),
        ("COPY a .", f"{NOP}COPY dir:{HASH} in . "),
        ("ENV A=b", f"{NOP} ENV A=b"),
        ("CMD a", f'{NOP} CMD ["/bin/sh" "-c" "a"]'),
        ("RUN a", "|1 V=1 /bin/sh -c a"),
        # kaniko
        ("RUN a && b", "RUN a && b"),
        ("COPY a b", "COPY a b"),
    ],
)
def test_every_builder_s_wording(instruction: str, step: str) -> None:
    text = f"FROM x\n{instruction}\n"
    found = match(parse(text), steps_of([step]))
    assert found.steps == (len(BASE),)


@pytest.mark.parametrize(
    ("text", "steps", "numbers"),
    [
        ("ARG V=1\nFROM x\nARG V\nCOPY a$V b", ["ARG V=1", "COPY a1 b"], (3, 4)),
        ("FROM x\nARG V\nRUN a", ["ARG V", "RUN |1 V=2 /bin/sh -c a"], (3, 4)),
        ("FROM x\nARG V\nRUN a", ["ARG V=2", "RUN |1 V=2 /bin/sh -c a"], (3, 4)),
        ("FROM x\nARG V=1\nRUN a", ["ARG V=2", "RUN |1 V=2 /bin/sh -c a"], (3, 4)),
        ("FROM x\nARG V=1\nRUN a", ["ARG V=1", "RUN |1 V=2 /bin/sh -c a"], (3, 4)),
        ("FROM x\nARG V=1\nCOPY a-$V b", ["ARG V=1", "COPY a-2 b"], (3, 4)),
        ("FROM x\nARG V=1\nCOPY a-$V b\nRUN c", ["COPY a-2 b", "RUN |1 V=2 /bin/sh -c c"], None),
        (
            "FROM x\nENV D=/srv\nWORKDIR $D/app\nCOPY a .",
            ["ENV D=/srv", "WORKDIR /srv/app", "COPY a ."],
            None,
        ),
        ("FROM x\nCOPY ${A:-b} c", ["COPY b c"], (3,)),
        ("FROM x\nCOPY '$A' c", ["COPY $A c"], (3,)),
        ("FROM x\nCOPY \\$A c", ["COPY $A c"], (3,)),
        ("FROM x AS a\nRUN b\nFROM a\nRUN c", ["RUN /bin/sh -c b", "RUN /bin/sh -c c"], (3, 4)),
        ("FROM x AS a\nRUN b\nFROM y\nRUN c", ["RUN /bin/sh -c c"], (3,)),
        ("FROM x\nENV PATH=/bin\nRUN a", ["RUN /bin/sh -c a"], (1, 3)),
        ("FROM x\nRUN a\nRUN a", ["RUN /bin/sh -c a", "RUN /bin/sh -c a"], (3, 4)),
        ("FROM x\nRUN new\nRUN a\nRUN b", ["RUN /bin/sh -c a", "RUN /bin/sh -c b"], (None, 3, 4)),
        ("FROM x\nONBUILD RUN a\nRUN b", ["RUN /bin/sh -c b"], (3,)),
        ('FROM x\nSHELL ["tcsh", "-c"]\nRUN b', ["SHELL [tcsh -c]", "RUN tcsh -c b"], (3, 4)),
    ],
)
def test_stages_and_variables(
    text: str, steps: list[str], numbers: tuple[int | None, ...] | None
) -> None:
    found = match(parse(text), steps_of(steps))
    if numbers is None:
        assert found.matched >= 2
    else:
        assert found.steps == numbers


def test_the_stage_that_was_built() -> None:
    text = "FROM x AS dev\nRUN a\nRUN b\nFROM x AS prod\nRUN c\nRUN d\n"
    steps = steps_of(["RUN /bin/sh -c a", "RUN /bin/sh -c b"])
    assert match(parse(text), steps).chain[-1].name == "dev"
    assert match(parse(text), steps, "DEV").matched == 2
    with pytest.raises(DockerfileMismatchError, match="0 of 2 instructions match"):
        match(parse(text), steps, "prod")
    with pytest.raises(DockerfileError, match=r"no stage is named 'test'.*dev, prod"):
        match(parse(text), steps, "test")


@pytest.mark.parametrize(
    ("text", "steps", "message"),
    [
        ("FROM x\nRUN a\nRUN b\nRUN c", ["RUN z", "RUN c"], "1 of 3 .* another image"),
        ("FROM x\nRUN a\nRUN b\nWORKDIR /c\nUSER d", ["WORKDIR /c", "USER d"], "2 of 4"),
        ("FROM x\nRUN a\nRUN b", [], "0 of 2 .* one layer for all of them .*without squashing"),
    ],
)
def test_the_dockerfile_of_another_image(text: str, steps: list[str], message: str) -> None:
    with pytest.raises(DockerfileMismatchError, match=message):
        match(parse(text), steps_of(steps))


def test_what_was_fixed_before_does_not_count() -> None:
    mark = "# pyimginspect: fixes a-rule\n"
    text = f"FROM x\n{mark}RUN new\nCOPY --from=b c d\n\nRUN other\nRUN a\n"
    found = match(parse(text), steps_of(["RUN /bin/sh -c a"]))
    assert found.fixed == {0, 1}
    assert found.steps == (None, None, None, 3)


def test_another_escape_character() -> None:
    text = '# escape=`\nFROM x\nENV A=a` b B="x `\n y"\nCOPY a` b C:\\c\n'
    found = match(parse(text), steps_of(["ENV A=a b B=x  y", "COPY a b C:\\c"]))
    assert found.steps == (3, 4)


def test_too_much_to_compare() -> None:
    text = "FROM x\n" + "RUN a\n" * 2001
    with pytest.raises(DockerfileError, match="more than 2000"):
        match(parse(text), ())


@pytest.mark.parametrize(
    "command",
    [
        "set -eux; \tapt-get update; \tapt-get install -y python3 \t; rm -rf /var/lib/apt/lists/*",
        "a&&b  &&   c ;d",
        "if a; then b ;fi; for i in 1 2;do c; done",
        "echo 'x ;  y' && z",
        "a||b && (c; d )",
    ],
)
def test_a_run_that_is_written_anew_from_the_history_matches_its_step(command: str) -> None:
    step = Step(word="RUN", text=command, layer=0, arguments="")
    document = parse("FROM x\n" + "\n".join(_run(step)) + "\n")
    assert match(document, steps_of([f"RUN /bin/sh -c {command} # buildkit"])).matched == 1
