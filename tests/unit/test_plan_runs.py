"""What a RUN's script does, as far as it is certain: tables of scripts."""

import pytest

from pyimginspect.dockerfile.installs import Manager
from pyimginspect.plan.runs import (
    OS_MANAGERS,
    builds,
    calls,
    collapsed,
    has_nothing_left,
    installed_packages,
    is_only_deletion,
    is_sequence,
    keeps_state,
    may_build,
    programs,
    removed_packages,
    takes_wheels,
)

UNREADABLE = "make 'x   y"
HERE = "cat <<EOF > /x\na\nEOF"


@pytest.mark.parametrize(
    ("command", "action", "operands", "packages", "removes"),
    [
        ("apt-get -y install a b=1", "install", ("a", "b=1"), ("a", "b"), False),
        ("apt-get purge -y a", "purge", ("a",), ("a",), True),
        ("apk del .deps", "del", (".deps",), (".deps",), True),
        ("dnf -y erase a", "erase", ("a",), ("a",), True),
        ("pip uninstall -y Flask==1", "uninstall", ("Flask==1",), ("flask",), False),
        ("make all", "all", (), (), False),
        ("make", "", (), (), False),
    ],
)
def test_what_a_command_does_with_packages(
    command: str,
    action: str,
    operands: tuple[str, ...],
    packages: tuple[str, ...],
    removes: bool,
) -> None:
    (call,) = calls(command)
    assert (call.action, call.operands, call.packages) == (action, operands, packages)
    assert call.removes is removes


@pytest.mark.parametrize(
    ("script", "one_line"),
    [
        ("  a \t  b   c ", "a b c"),
        ("a && \\\n   b", "a && \\\n   b"),
        ("a &&     b;   c", "a && b; c"),
        ("a 'x   y'   z", "a 'x   y' z"),
        ('"x   y"   z', '"x   y" z'),
        ('a   "$(b   c)"   d', 'a "$(b   c)" d'),
        (f" {UNREADABLE} ", UNREADABLE),
        ("", ""),
    ],
)
def test_white_space_between_words_is_one_space(script: str, one_line: str) -> None:
    assert collapsed(script) == one_line


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("a b && find -exec c", ["a", "b", "find", "-exec", "c"]),
        ("for x in a; do b $x; done", ["b", "$x"]),
        (UNREADABLE, ["make", "'x", "y"]),
        ("", []),
    ],
)
def test_any_word_may_be_a_program(script: str, words: list[str]) -> None:
    assert list(programs(script)) == words


@pytest.mark.parametrize(
    ("script", "sequence"),
    [("a && b", True), ("if a; then b; fi", True), (HERE, False), (UNREADABLE, False), ("", False)],
)
def test_only_to_a_script_that_can_be_read_something_is_added(script: str, sequence: bool) -> None:
    assert is_sequence(script) is sequence


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("make", True),
        ("x86_64-linux-gnu-gcc", False),
        ("/src/configure", True),
        ("install.sh", True),
        ("setup", False),
        ("git clone x", True),
        ("git config x", False),
        ("sh x", True),
        ("sh", False),
        ("bash -c x", False),
        ("python setup.py", True),
        ("a b c setup.py", True),
        ("a b c d setup.py", False),
        ("python -m build", True),
        ("python -m x", False),
        ("python build", False),
        ("./x", True),
        ("env A=b ./x", True),
        ("cp ./x /y", False),
        ("/opt/venv/bin/x", False),
        ("apt-get install make", False),
        ("dnf builddep x", False),
        ("pip install x", True),
        ("pip list", False),
        ("uv sync", True),
        ("uv venv", False),
        ("poetry install", True),
        ("poetry lock", False),
    ],
)
def test_what_may_need_build_tools(command: str, expected: bool) -> None:
    (call,) = calls(command)
    assert builds(call) is expected
    assert may_build(f"true && {command}") is expected


@pytest.mark.parametrize(("script", "expected"), [("", False), ("  ", False), (UNREADABLE, True)])
def test_what_cannot_be_read_may_build(script: str, expected: bool) -> None:
    assert may_build(script) is expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("uv pip install x", True),
        ("pip install x", True),
        ("pip wheel x", False),
        ("poetry install", True),
        ("pdm sync", True),
        ("poetry run x", False),
        ("make install", False),
    ],
)
def test_what_takes_wheels_where_there_are_any(command: str, expected: bool) -> None:
    (call,) = calls(command)
    assert takes_wheels(call) is expected


@pytest.mark.parametrize(
    ("script", "managers", "expected"),
    [
        ("apt-get install -y a", OS_MANAGERS, True),
        ("apt-get update && apt-get install -y a b && rm -rf /x", OS_MANAGERS, True),
        ("apk update && apk add a", OS_MANAGERS, True),
        ("apt-get install -y a c", OS_MANAGERS, False),
        ("apt-get upgrade && apt-get install -y a", OS_MANAGERS, False),
        ("apt-get update", OS_MANAGERS, False),
        ("apt-get install -y a && make", OS_MANAGERS, False),
        ("pip install a", OS_MANAGERS, False),
        ("pip install a", ("pip",), True),
        ("pip install a && npm update", ("pip",), False),
        ("pip install a -r r.txt", ("pip",), False),
        (f"apt-get install -y a; {HERE}", OS_MANAGERS, False),
        ("rm x; apt-get install -y a <<EOF\nEOF", OS_MANAGERS, False),
        ("", OS_MANAGERS, False),
    ],
)
def test_what_is_left_without_packages(
    script: str, managers: tuple[Manager, ...], expected: bool
) -> None:
    assert has_nothing_left(script, ("a", "b"), managers) is expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("a && b", True),
        ("if cd_ x; then y; fi", True),
        ("A=b c", True),
        ("set -e; a", True),
        ("set -euxo pipefail; a", True),
        ("set +e; a", False),
        ("set -o pipefail -ux; a", True),
        ("set -f; a", False),  # no patterns
        ("set -e -f; a", False),
        ("set -a; a", False),
        ("set -o noglob; a", False),
        ("set -- a; b", False),
        ("A=b", False),
        ("A=b; c", False),
        ("a && cd /x", False),
        ("cd /x && a", False),
        ("(cd /x && a)", False),
        ("export A=b", False),
        ("a &", False),
        ("a & wait", False),
        (HERE, False),
        (UNREADABLE, False),
        ("", False),
    ],
)
def test_what_leaves_its_shell_as_it_was(script: str, expected: bool) -> None:
    assert keeps_state(script) is expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("rm x", True),
        ("set -e; rm x && true", True),
        ("rm x && make", False),
        ("rm x || rm y", False),  # behind others, y would go where one of those fails
        ("if a; then rm x; fi", False),
        ("find / -name x -delete", True),
        ("find / -name x", False),
        ("conda clean -a", True),
        ("conda install x", False),
        ("pip cache purge", True),
        ("pip uninstall -y x", True),
        ("pip install x", False),
        ("apt-get clean", True),
        ("apt-get purge -y x", True),
        ("apt-get install -y x", False),
        ("apk cache clean", True),
        ("dnf clean all", True),
        ("uv pip uninstall x", True),
        (f"rm x; {HERE}", False),
        ("rm y <<EOF\nEOF", False),
        (UNREADABLE, False),
        ("", False),
    ],
)
def test_what_does_nothing_but_delete(script: str, expected: bool) -> None:
    assert is_only_deletion(script) is expected


def test_packages_are_known_by_name() -> None:
    script = "apt-get install -y a=1 b && pip install C>=2 && apt-get purge -y b && pip uninstall c"
    assert installed_packages(script, "apt") == {"a", "b"}
    assert installed_packages(script, "apt", "pip") == {"a", "b", "c"}
    assert removed_packages(script) == {"b"}
