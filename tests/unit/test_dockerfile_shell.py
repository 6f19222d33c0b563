"""The commands of a RUN, their places, and what they install."""

import pytest

from pyimginspect.dockerfile.installs import installation_of, package_name
from pyimginspect.dockerfile.shell import commands, parse_shell, read_script, squeezed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a b", [("a", ["b"], "", True)]),
        ("a && b; c", [("a", [], "", True), ("b", [], "&&", True), ("c", [], ";", True)]),
        ("a || b", [("a", [], "", True), ("b", [], "||", False)]),
        ("a || b && c", [("a", [], "", True), ("b", [], "||", False), ("c", [], "&&", False)]),
        ("a || b; c", [("a", [], "", True), ("b", [], "||", False), ("c", [], ";", True)]),
        ("a & b", [("a", [], "", False), ("b", [], "&", True)]),
        ("a | b", [("a", [], "", False), ("b", [], "|", False)]),
        ("(a)", [("a", [], "", False)]),
        ("if a; then b; fi", [("a", [], "", False), ("b", [], ";", False)]),
        ("for x in 1 2; do a $x; done", [("a", ["$x"], ";", False)]),
        ("A=1 a > b 2>&1", [("a", [], "", True)]),
        ("/usr/bin/a 'x y' \"z\" \\$w", [("a", ["x y", "z", "$w"], "", True)]),
        ("exec a", [("a", [], "", True)]),
        ("env X=1 Y=2 a b", [("a", ["b"], "", True)]),
        ("sudo -E -u root a", [("a", [], "", True)]),
        ("a\nb", [("a", [], "", True), ("b", [], "\n", True)]),
        ("a # b\n# c\nd", [("a", [], "", True), ("d", [], "\n", True)]),
        ("$A b", [("", ["b"], "", True)]),
        ("a é && ü", [("a", ["é"], "", True), ("ü", [], "&&", True)]),
        ("a 'b", []),
        ("if a", []),
        ("", []),
        ("x" * (257 << 10), []),
    ],
)
def test_commands(text: str, found: list[tuple[str, list[str], str, bool]]) -> None:
    seen = commands(text)
    assert [
        (each.program, [word.text for word in each.arguments], each.operator, each.always)
        for each in seen
    ] == found
    for each in seen:
        for word in each.words:
            assert word.text.strip("$\\") in text[word.start : word.end].replace("\\", "")


def test_places() -> None:
    text = "set -e; apt-get update > /x && pip install 'a b'"
    script = read_script(text)
    assert script is not None
    assert script.strict
    assert [text[each.start : each.end] for each in script.items] == [
        "set -e",
        "apt-get update > /x",
        "pip install 'a b'",
    ]
    assert [text[each.mark :][: len(each.operator)] for each in script.items] == ["", ";", "&&"]
    assert [each.item for each in script.commands] == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "strict"),
    [
        ("set -eux; a", True),
        ("set -o errexit; a", True),
        ("set -x; a", False),
        ("a; set -e", False),
        ("", False),
    ],
)
def test_whether_a_failure_ends_it(text: str, strict: bool) -> None:
    script = read_script(text)
    assert script is not None
    assert script.strict is strict


@pytest.mark.parametrize(
    ("text", "manager", "packages", "options"),
    [
        ("apt-get install -y a b=1", "apt", ["a", "b=1"], ["-y"]),
        ("apt -y -t stable install a", "apt", ["a"], ["-y", "-t", "stable"]),
        ("apt-get -o X=y install a", "apt", ["a"], ["-o", "X=y"]),
        ("apk add --no-cache -t .b a", "apk", ["a"], ["--no-cache", "-t", ".b"]),
        ("pip install -r r.txt a", "pip", ["a"], ["-r", "r.txt"]),
        ("python3 -m pip --quiet install a[b]", "pip", ["a[b]"], ["--quiet"]),
        ("python -I -m pip install a", "pip", ["a"], []),
        ("pip3.11 install a", "pip", ["a"], []),
        ("uv pip install --system a", "uv", ["a"], ["--system"]),
        ("microdnf install -y a", "dnf", ["a"], ["-y"]),
        ("npm ci", "npm", [], []),
    ],
)
def test_installations(text: str, manager: str, packages: list[str], options: list[str]) -> None:
    found = installation_of(commands(text)[0])
    assert found is not None
    assert found.manager == manager
    assert [word.text for word in found.packages] == packages
    assert [word.text for word in found.options] == options
    assert found.files is ("-r" in options)


@pytest.mark.parametrize(
    "text", ["apt-get update", "pip uninstall a", "apk del a", "python -m venv pip", "uv sync", "a"]
)
def test_no_installations(text: str) -> None:
    assert installation_of(commands(text)[0]) is None


@pytest.mark.parametrize(
    ("word", "manager", "name"),
    [
        ("gcc:amd64=4:12", "apt", "gcc"),
        ("a/stable", "apt", "a"),
        ("a~=1.2", "apk", "a"),
        ("Foo_Bar[x]>=1; y", "pip", "foo-bar"),
        ("a @ https://x", "pip", "a"),
        ("a", "dnf", "a"),
    ],
)
def test_names(word: str, manager: str, name: str) -> None:
    assert package_name(word, manager) == name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "squeezed_text"),
    [
        ("a   &&\t b  'x   y'", "a && b 'x   y'"),
        ('a  "b   $c"  ${d:-e}', 'a "b   $c" ${d:-e}'),
        ("a  'b", "a  'b"),
        ("  a  ", "a"),
        ("a\\  b", "a\\  b"),
    ],
)
def test_blanks_between_words(text: str, squeezed_text: str) -> None:
    assert squeezed(text) == squeezed_text


@pytest.mark.parametrize("unit", ["a | ", "a=(", "a) ", "${a", "<<F "])
def test_what_would_take_the_square_of_its_length_is_not_read(unit: str) -> None:
    assert read_script("if " + unit * 12_000) is None
    assert parse_shell((unit * 12_000).encode()) is None
    assert parse_shell((unit * 500).encode()) is not None


def test_a_long_script_of_many_commands_is_read() -> None:
    text = 'if [ "$a" = b ]; then c="$(d | e)"; fi\n' * 500
    assert len(commands(text)) == 1000
