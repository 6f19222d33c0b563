"""Changes of a RUN that leave its own formatting as it is."""

from collections.abc import Callable

import pytest

from pyimginspect.dockerfile.editing import (
    NotEditableError,
    add_flag,
    add_option,
    append,
    drop_command,
    drop_packages,
    insert,
    replace_command,
)
from pyimginspect.dockerfile.runs import Run

Change = Callable[[Run], str]
RECOMMENDS: Change = lambda run: add_option(run, "apt", "--no-install-recommends")  # noqa: E731
NO_CACHE: Change = lambda run: add_option(run, "pip", "--no-cache-dir")  # noqa: E731
NO_GCC: Change = lambda run: drop_packages(run, "apt", ["gcc"])  # noqa: E731
NO_GIT: Change = lambda run: drop_packages(run, "apt", ["gcc", "git"])  # noqa: E731
CLEAN: Change = lambda run: append(run, "rm -rf /x")  # noqa: E731
LIST: Change = lambda run: append(run, "x; y")  # noqa: E731
STRICT: Change = lambda run: append(run, "set -e; x; y")  # noqa: E731
LINES = "RUN apt-get update && \\\n    apt-get install -y \\\n"
HEREDOC = "RUN <<EOF\nset -e\napt-get install gcc\nEOF"


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        # an option
        (RECOMMENDS, "RUN apt-get install x", "RUN apt-get install --no-install-recommends x"),
        (RECOMMENDS, "run apt install -y x", "run apt install -y --no-install-recommends x"),
        (
            RECOMMENDS,
            "RUN apt-get -y install \\\n  x",
            "RUN apt-get -y install --no-install-recommends \\\n  x",
        ),
        (
            RECOMMENDS,
            "RUN apt-get install -t s x",
            "RUN apt-get install --no-install-recommends -t s x",
        ),
        (
            RECOMMENDS,
            "RUN if a; then apt-get install x; fi",
            "RUN if a; then apt-get install --no-install-recommends x; fi",
        ),
        (
            RECOMMENDS,
            "RUN apt-get install --no-install-recommends x",
            "RUN apt-get install --no-install-recommends x",
        ),
        (
            RECOMMENDS,
            HEREDOC,
            "RUN <<EOF\nset -e\napt-get install --no-install-recommends gcc\nEOF",
        ),
        (
            NO_CACHE,
            "RUN pip install a && python -m pip install --no-cache-dir b && pip install c",
            "RUN pip install --no-cache-dir a && python -m pip install --no-cache-dir b"
            " && pip install --no-cache-dir c",
        ),
        (NO_CACHE, "RUN pip install -e .", "RUN pip install --no-cache-dir -e ."),
        (NO_CACHE, "RUN pip install -U -e .", "RUN pip install --no-cache-dir -U -e ."),
        (NO_CACHE, "RUN pip install -qe .[all]", "RUN pip install --no-cache-dir -qe .[all]"),
        (
            NO_CACHE,
            "RUN pip install --no-deps --editable ./a b",
            "RUN pip install --no-deps --no-cache-dir --editable ./a b",
        ),
        # packages
        (NO_GCC, "RUN apt-get install gcc x", "RUN apt-get install x"),
        (NO_GCC, "RUN apt-get install x gcc=1 y", "RUN apt-get install x y"),
        (NO_GCC, f"{LINES}        gcc \\\n        x", f"{LINES}        x"),
        (NO_GCC, f"{LINES}        x \\\n        gcc", f"{LINES}        x"),
        (NO_GIT, f"{LINES}        x \\\n        gcc \\\n        git", f"{LINES}        x"),
        (
            NO_GCC,
            f"{LINES}        # tools\n        gcc \\\n        git",
            f"{LINES}        # tools\n        git",
        ),
        (
            NO_GCC,
            f"{LINES}        git \\\n        # tools\n        gcc && \\\n    a",
            f"{LINES}        git && \\\n    a",
        ),
        (
            NO_GCC,
            "RUN apt-get update && apt-get install gcc && rm -rf /var/lib/apt/lists/* && make",
            "RUN make",
        ),
        (NO_GCC, "RUN apt-get update && apt-get install gcc", ""),
        (NO_GCC, "RUN set -eux; apt-get update; apt-get install gcc;", ""),
        (
            NO_GCC,
            "RUN apt-get update && apt-get install gcc && apt-get install x",
            "RUN apt-get update && apt-get install x",
        ),
        (
            lambda run: drop_packages(run, "apt", ["gcc"], ["cpp"]),
            "RUN apt-get install gcc x",
            "RUN apt-get install cpp x",
        ),
        (
            lambda run: drop_packages(run, "pip", ["foo_bar"]),
            "RUN pip install Foo-Bar==1 -r x",
            "RUN pip install -r x",
        ),
        (
            lambda run: drop_packages(run, "pip", ["a"]),
            "RUN pip install a -r x",
            "RUN pip install -r x",
        ),
        # commands
        (CLEAN, "RUN a", "RUN a \\\n    && rm -rf /x"),
        (CLEAN, "RUN a && \\\n    b", "RUN a && \\\n    b && \\\n    rm -rf /x"),
        (CLEAN, "RUN a \\\n && b", "RUN a \\\n && b \\\n && rm -rf /x"),
        (CLEAN, "RUN a \\\r\n && b", "RUN a \\\r\n && b \\\r\n && rm -rf /x"),
        (CLEAN, "RUN set -e; \\\n  a;", "RUN set -e; \\\n  a; \\\n  rm -rf /x;"),
        (CLEAN, "RUN a; b", "RUN a; b && rm -rf /x"),
        (CLEAN, HEREDOC, "RUN <<EOF\nset -e\napt-get install gcc\nrm -rf /x\nEOF"),
        (CLEAN, "RUN <<EOF\na\nEOF", "RUN <<EOF\na &&\n    rm -rf /x\nEOF"),
        (CLEAN, "RUN <<-EOF\n\ta\n\tEOF", "RUN <<-EOF\n\ta &&\n\t    rm -rf /x\n\tEOF"),
        # What fails ends the script as before, and what could fail still can.
        (LIST, "RUN a", "RUN a \\\n    && { x; y; }"),
        (LIST, "RUN a && b", "RUN a && b && { x; y; }"),
        (LIST, "RUN a; b", "RUN a; b && { x; y; }"),
        (LIST, "RUN a || b", "RUN a || b && { x; y; }"),
        (lambda run: append(run, "x || y"), "RUN a && b", "RUN a && b && { x || y; }"),
        (lambda run: append(run, "x && y"), "RUN a && b", "RUN a && b && x && y"),
        (STRICT, "RUN a && b", "RUN a && b || exit; set -e; x; y"),
        (STRICT, "RUN set -e; a && b", "RUN set -e; a && b || exit; set -e; x; y"),
        (STRICT, "RUN set -e; a; b", "RUN set -e; a; b; set -e; x; y"),
        (STRICT, "RUN set -e && a", "RUN set -e && a || exit; set -e; x; y"),
        (lambda run: insert(run, [], "x"), "RUN a; b", "RUN x && { a; b; }"),
        (lambda run: insert(run, [], "x"), "RUN a || b", "RUN x && { a || b; }"),
        (
            lambda run: insert(run, [], "x"),
            "RUN <<EOF\na\nb\nEOF",
            "RUN <<EOF\nx &&\n    { a\nb; }\nEOF",
        ),
        (lambda run: insert(run, ["a"], "x"), "RUN a && b", "RUN a && x && b"),
        (lambda run: insert(run, ["a"], "x"), "RUN set -e; a; b", "RUN set -e; a; x; b"),
        (lambda run: insert(run, ["a"], "x"), "RUN a \\\n && b", "RUN a \\\n && x \\\n && b"),
        (lambda run: insert(run, [], "x"), "RUN a && b", "RUN x && a && b"),
        (lambda run: insert(run, [], "x"), "RUN set -e; a", "RUN set -e; x; a"),
        (lambda run: drop_command(run, ["b"]), "RUN a && b c && d", "RUN a && d"),
        (lambda run: drop_command(run, ["a"]), "RUN a && b", "RUN b"),
        (lambda run: drop_command(run, ["a"]), "RUN a", ""),
        (lambda run: drop_command(run, ["b"]), "RUN a; b && c", "RUN a; c"),
        (lambda run: drop_command(run, ["b"]), "RUN a \\\n  && b \\\n  && c", "RUN a \\\n  && c"),
        (
            lambda run: replace_command(run, ["b", "c"], "x y"),
            "RUN a && b c d > e && f",
            "RUN a && x y && f",
        ),
    ],
)
def test_changes(change: Change, before: str, after: str) -> None:
    newline = "\r\n" if "\r\n" in before else "\n"
    assert change(Run(before, newline=newline)) == after


def test_another_escape_character() -> None:
    run = Run("RUN a `\n && b", escape="`")
    assert append(run, "c") == "RUN a `\n && b `\n && c"


@pytest.mark.parametrize(
    ("change", "before", "reason"),
    [
        (CLEAN, 'RUN ["a"]', "JSON form"),
        (CLEAN, "RUN a 'b", "syntax cannot be read"),
        (CLEAN, "RUN a &", "in the background"),
        (lambda run: insert(run, [], "x"), "RUN a; b &", "in the background"),
        (LIST, "RUN a || exit; set -ux; set -ex; b", "would end at its first failure"),
        (LIST, "RUN set -e; a", "would end at its first failure"),
        (CLEAN, "RUN <<EOF cat > /x\na\nEOF", "input of one of its commands"),
        (CLEAN, "RUN <<EOF\n#!/usr/bin/python3\nprint()\nEOF", "no shell script"),
        (CLEAN, "COPY a b", "it is no RUN, but COPY"),
        (RECOMMENDS, "RUN pip install x", "installs with apt"),
        (NO_GCC, "RUN apt-get install $PKGS", "asks for gcc by name"),
        (NO_GCC, "RUN apt-get install gcc || b", "decides whether another command runs"),
        (NO_GCC, "RUN if a; then apt-get install gcc; fi; b", "a condition, a loop or a group"),
        (lambda run: insert(run, ["a"], "x"), "RUN a || b", "checks the failure of this one"),
        (lambda run: insert(run, ["z"], "x"), "RUN a", "no command of it is 'z'"),
        (lambda run: drop_command(run, ["a"]), "RUN b | a", "a condition, a loop or a group"),
        (lambda run: replace_command(run, ["a"], "x"), "RUN a && a", "several commands"),
    ],
)
def test_what_cannot_be_changed(change: Change, before: str, reason: str) -> None:
    with pytest.raises(NotEditableError, match=reason):
        change(Run(before))


@pytest.mark.parametrize(
    ("before", "flag", "after"),
    [
        ("COPY a b", "--chown=1:1", "COPY --chown=1:1 a b"),
        ("COPY --from=x a b", "--chown=1", "COPY --chown=1 --from=x a b"),
        ("COPY --chown=0 a b", "--chown=1", "COPY --chown=1 a b"),
        ("COPY --chown=1 a b", "--chown=1", "COPY --chown=1 a b"),
        ("RUN --mount=type=cache,target=/a x", "--mount=type=cache,target=/a", None),
        ("RUN --mount=type=cache,dst=/a x", "--mount=type=cache,target=/a,id=b", None),
        ("RUN x", "--mount=type=cache,target=/a", "RUN --mount=type=cache,target=/a x"),
    ],
)
def test_flags(before: str, flag: str, after: str | None) -> None:
    from pyimginspect.dockerfile import parse

    instruction = parse(before, strict=False).instructions[0]
    assert add_flag(before, instruction, flag) == (before if after is None else after)
