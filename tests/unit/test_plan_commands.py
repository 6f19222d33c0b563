"""Edits of shell commands: what is added, what is left out, and what is left alone."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.plan.commands import (
    Manager,
    add_option,
    collapse,
    drop_packages,
    is_simple,
    join,
    may_build,
    split,
)


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        ("a", [("", "a")]),
        ("a && b ; c", [("", "a"), ("&&", "b"), (";", "c")]),
        ("a && b || c", [("", "a"), ("&&", "b || c")]),
        ("echo 'a && b; c' && d", [("", "echo 'a && b; c'"), ("&&", "d")]),
        ('echo "a; $(b && c)" ; d', [("", 'echo "a; $(b && c)"'), (";", "d")]),
        ("(a && b) && c", [("", "(a && b)"), ("&&", "c")]),
        ("x=$(a; b) && c", [("", "x=$(a; b)"), ("&&", "c")]),
        (r"find . -exec rm {} \; && b", [("", r"find . -exec rm {} \;"), ("&&", "b")]),
        ("a;; b ;", [("", "a;; b")]),
        (
            "case $x in a) b;; c) d; e;; esac; f",
            [("", "case $x in a) b;; c) d"), (";", "e;; esac"), (";", "f")],
        ),
        ("echo 'open", [("", "echo 'open")]),
        ("", []),
    ],
)
def test_sequences_are_split_where_a_shell_would(
    command: str, parts: list[tuple[str, str]]
) -> None:
    assert split(command) == parts


def test_a_sequence_is_written_with_a_line_for_each_command() -> None:
    assert join(split("set -eux; a && b && c")) == "set -eux; \\\n    a \\\n    && b \\\n    && c"


@given(st.lists(st.sampled_from(["a", "b 'x;y'", "c $(d && e)", "f"]), min_size=1))
def test_splitting_undoes_joining(commands: list[str]) -> None:
    parts = [("&&" if number else "", command) for number, command in enumerate(commands)]
    assert split(join(parts).replace("\\\n", "")) == parts


@given(st.text(alphabet="ab &;'\"()\\$", max_size=100))
def test_nothing_is_lost_in_splitting(command: str) -> None:
    kept = "".join(part for _, part in split(command))
    assert [c for c in kept if c in "ab$"] == [c for c in command if c in "ab$"]


@pytest.mark.parametrize(
    ("command", "collapsed"),
    [
        ("set -eux; \t\tapt-get   update", "set -eux; apt-get update"),
        ("echo 'two  spaces'   x", "echo 'two  spaces' x"),
        ("python <<EOF\nif x:\n    y\nEOF\n", "python <<EOF\nif x:\n    y\nEOF"),
        (r"""echo "a \"  b"  c""", r"""echo "a \"  b" c"""),
        (r"""echo \"  b""", r"""echo \" b"""),
    ],
)
def test_white_space_of_continued_lines_goes(command: str, collapsed: str) -> None:
    assert collapse(command) == collapsed


@pytest.mark.parametrize(
    ("command", "manager", "option", "edited"),
    [
        (
            "apt-get update && apt-get install -y gcc",
            "apt",
            "--no-install-recommends",
            "apt-get update && apt-get install --no-install-recommends -y gcc",
        ),
        ("apt -y install x", "apt", "--no-install-recommends", None),
        ("pip install x; pip3 install y", "pip", "--no-cache-dir", None),
        ("python -m pip install x", "pip", "--no-cache-dir", None),
        ("pip install --no-cache-dir x", "pip", "--no-cache-dir", "pip install --no-cache-dir x"),
        ("pip uninstall x", "pip", "--no-cache-dir", "pip uninstall x"),
        ("apk add --virtual .b gcc", "apk", "--no-cache", "apk add --no-cache --virtual .b gcc"),
        ("uv pip install x", "uv", "--no-cache", "uv pip install --no-cache x"),
        ("echo apt-get", "apt", "--no-install-recommends", "echo apt-get"),
    ],
)
def test_options_are_added_where_they_are_missing(
    command: str, manager: Manager, option: str, edited: str | None
) -> None:
    result = add_option(command, manager, option)
    if edited is None:
        assert result.count(option) == command.count("install")
        assert result.replace(f" {option}", "") == command
    else:
        assert result == edited


@pytest.mark.parametrize(
    ("command", "names", "instead", "left"),
    [
        ("apt-get install -y a b", {"a"}, (), "apt-get install -y b"),
        ("apt-get install -y a", {"a"}, (), ""),
        ("apt-get update && apt-get install -y a && rm -rf /var/lib/apt/lists/*", {"a"}, (), ""),
        (
            "apt-get update && apt-get install -y a && make",
            {"a"},
            (),
            "make",
        ),
        (
            "apt-get update && apt-get install -y a c && make",
            {"a"},
            ("b", "c"),
            "apt-get update && apt-get install -y c b && make",
        ),
        (
            "apt-get install -y a=1.0 b:amd64 c/stable",
            {"a", "b"},
            (),
            "apt-get install -y c/stable",
        ),
        ("apt-get install -y ab", {"a"}, (), None),
        ("make a", {"a"}, (), None),
    ],
)
def test_packages_are_left_out(
    command: str, names: set[str], instead: tuple[str, ...], left: str | None
) -> None:
    assert drop_packages(command, "apt", names, instead) == left


@pytest.mark.parametrize(
    ("command", "simple"),
    [
        ("apt-get update && make; ls", True),
        ("for x in a b; do echo $x; done", False),
        ("set -e; if true; then make; fi", False),
        ("echo for you", True),
        ("cat <<EOF", False),
        ("a\nb", False),
    ],
)
def test_what_is_too_clever_is_left_alone(command: str, simple: bool) -> None:
    assert is_simple(command) is simple


@pytest.mark.parametrize(
    ("command", "builds"),
    [
        ("pip install -r requirements.txt", True),
        ("python setup.py build", True),
        ("./configure && make", True),
        ("gcc -o a a.c", True),
        ("git clone https://example.org/x", True),
        ("git --version", False),
        ("chown -R app /app", False),
        ("echo makefile", False),
        ("useradd app", False),
    ],
)
def test_commands_that_may_need_build_tools(command: str, builds: bool) -> None:
    assert may_build(command) is builds


def cost(part: str, length: int) -> float:
    """The CPU time of everything that is asked of a command, the better of two."""
    command = part * (length // len(part))
    times = []
    for _ in range(2):
        start = time.process_time()
        split(command)
        collapse(command)
        is_simple(command)
        may_build(command)
        drop_packages(command, "apt", {"a"})
        add_option(command, "apt", "-q")
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("part", ["&& a ", "'", "(", "apt-get install ", "apt -y -y ", "for "])
def test_time_follows_the_length_of_hostile_commands(part: str) -> None:
    """Eight times the length; the square of it would be 64 times the time."""
    assert cost(part, 240_000) < 24 * cost(part, 30_000)
