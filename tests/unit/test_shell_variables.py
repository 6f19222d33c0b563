"""Which variables a part of a shell's text sets to what is not known."""

import pytest
from tree_sitter import Node

from pyimginspect.dockerfile.shell import parse_shell
from pyimginspect.inventory.startup.records import Process, Word
from pyimginspect.inventory.startup.shell_variables import (
    forget_all,
    locals_of,
    moves_arguments,
    set_by,
    sets,
)
from pyimginspect.inventory.startup.users import User

USUAL = {"REPLY", "MAPFILE", "OPTARG", "OPTIND"}


def parsed(text: str) -> Node:
    tree = parse_shell(text.encode())
    assert tree is not None
    return tree.root_node


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("read", "A", "-r", "B_2"), {*USUAL, "A", "r", "B_2"}),
        (("read", "-r"), {*USUAL, "r"}),
        (("getopts", "ab:", "X"), {*USUAL, "ab", "X"}),
        (("let", "X=Y+1"), {*USUAL, "X", "Y"}),
        (("read", None), {"*"}),
        (("read", "A", None), {"*"}),
        (("printf", "-v", "X", "%s", "B"), {*USUAL, "X"}),
        (("printf", "-vX", "Y"), {*USUAL, "X"}),
        (("printf", "-v", None, "Y"), {"*"}),
        (("printf", "-v"), USUAL),
        (("printf", "%s", "X"), set()),
        (("printf", None, "X"), set()),
        (("printf",), set()),
        (("echo", "X"), set()),
        (("cd", None), set()),
    ],
)
def test_what_a_builtin_sets(words: tuple[Word, ...], names: set[str]) -> None:
    assert set_by(words) == names


@pytest.mark.parametrize(
    ("text", "names", "by_expansion"),
    [
        ("A=1", {"A"}, set()),
        ("A[1]=x; B+=y", {"A", "B"}, set()),
        ("echo $A ${B} ${C:-d} ${D-e}", set(), set()),
        ('echo ${A:=b} ${C=d} "${E:=f}"', {"A", "C", "E"}, {"A", "C", "E"}),
        ("echo $((A = B + 1))", {"A", "B"}, {"A", "B"}),
        ("export A=1 B", {"A", "B"}, set()),
        ("local A; declare -x B=2; typeset C; readonly D", {"A", "B", "C", "D"}, set()),
        ("unset A", {"A"}, set()),
        ("for A in b c; do echo $A $D; done", {"A"}, set()),
        ("while read A; do B=1; done", {*USUAL, "A", "B"}, set()),
        ("getopts ab: OPT", {*USUAL, "ab", "OPT"}, set()),
        ("printf -v A x", {*USUAL, "v", "A", "x"}, set()),
        ("command read A; builtin read B", {*USUAL, "read", "A", "B"}, set()),
        ("echo A; ls B", set(), set()),
        (". /x; A=1", {"*", "A"}, set()),
        ("source x", {"*"}, set()),
        ("f() { read A; }", {*USUAL, "A"}, set()),
        ("[ -n ${A:=b} ] && C=1", {"A", "C"}, {"A"}),
    ],
)
def test_what_a_text_sets(text: str, names: set[str], by_expansion: set[str]) -> None:
    assert set(sets(parsed(text))) == names
    assert set(sets(parsed(text), within=False)) == by_expansion


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("local A=1 B", {"A", "B"}),
        ("if x; then declare A; fi; typeset -i B", {"A", "B"}),
        ("A=1; export B=2; readonly C", set()),
        ("echo local", set()),
    ],
)
def test_what_a_function_has_for_itself(text: str, names: set[str]) -> None:
    assert locals_of(parsed(text)) == names


@pytest.mark.parametrize(
    ("text", "moves"),
    [
        ("shift", True),
        ("shift 2", True),
        ("set -- a b", True),
        ("if x; then while y; do shift; done; fi", True),
        ("shifted; setup; echo shift set", False),
        ("A=shift", False),
        ("", False),
    ],
)
def test_what_moves_the_arguments(text: str, moves: bool) -> None:
    assert moves_arguments(parsed(text)) is moves


def test_what_is_forgotten() -> None:
    before = Process(user=User(), variables={"A": "1", "B": "2"}, path="/bin", settled=True)
    one = forget_all(before, ["A"])
    assert one.variables == {"B": "2"}
    assert one.forgotten == {"A"}
    assert (one.path, one.settled) == ("/bin", True)
    every = forget_all(before, ["A", "*"])
    assert every.variables == {}
    assert every.forgotten == {"*"}
    assert (every.path, every.settled) == (None, False)
    assert forget_all(before, []) == before
