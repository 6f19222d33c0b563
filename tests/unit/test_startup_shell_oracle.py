"""What is said to fail for certain, held against what dash and bash do with the same text.

A variable that the image does not set may be set at run time, so each text is run with several.
"""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from pyimginspect.inventory.startup import find_startup
from pyimginspect.model import Image, ImageConfig
from tests.images import Content, Directory, File, debian_base, elf
from tests.pythons import inventory

PROGRAMS = ("alpha", "beta", "gamma")
STUBS = "opt/stubs"
CONDITIONS = (
    '[ "$1" = web ]', "[ $# -gt 0 ]", '[ -z "$X" ]', '[ -n "$Y" ]', "[ -f /nonexistent ]", "true",
    "false", 'test "$1" = "$2"', '! [ "$1" = web ]', '[ "${1#-}" != "$1" ]', "alpha", "nope",
    "command -v alpha", "command -v nope", "(true)", '[ ! "$1" = web ]', "cd /", "f1",
    "[ -n $E ]", "[ $E = a ]", "[ -z $E ]", "[ ! $E ]", "[ $1 = web ]", "read X <<E\nalpha\nE\n",
    '[ "$Y" = y ] && [ "$X" = 1 ]', '[ -z "${X:-}" ]', "cd /nowhere",
)  # fmt: skip
COMMANDS = (
    "alpha", "beta x", 'gamma "$@"', "exec alpha", 'exec "$@"', '"$@"', "X=1", "X=$1", "export Y",
    "unset X", "cd /", "set -- alpha b", "set -e", "set +e", "shift", "return", "exit", "exit 0",
    "f1", "f2", "nope", "exec nope", "exec $X", "exec ${X:-alpha}", 'exec "$0"', "true", "false",
    "(exec alpha)", "(exec nope)", "(exit 1)", "{ exec beta; }", "( beta )", "alpha | beta",
    "alpha | nope", "! alpha", "! nope", "for i in 1 2; do alpha; done", "for i in; do nope; done",
    "while false; do nope; done", "until true; do nope; done", "nope || beta", "nope && beta",
    "false && exec nope", "true || nope", "command alpha", "command nope", "P=nope; exec $P",
    "cd / && nope", "cd / || exec nope", '[ "$1" = web ] && exec alpha', "f1 && nope",
    "cd /nowhere", "cd /nowhere && nope", "shift 2", 'exec "${@:-alpha}"', 'exec alpha "$*"',
    "exec ${2-alpha}", "( set -e; nope; alpha )", "f2() { set -e; nope; alpha; }", "f2 && beta",
    "exec -- alpha", "time alpha", '[ -z "${X:-}" ] && exec nope',
    '[ -z "$X" ] || exec beta', "umask 022", "exec 2>&1", "X=2 f1", 'f1() { nope; }',
    "E=", "E=nope", "exec ${E:-alpha}", "exec $E", "read E <<X\nalpha\nX\n", "time f1",
    "command f1", "f1() { local E=nope; }", "f1() { exec $E; }", "E=alpha f1", ": ${E:=alpha}",
    ": $((E=1))", "for E in alpha; do :; done", "unset E",
    "while read E <<X\nalpha\nX\ndo exec $E; done", "Q=x",
    "for i in 1 2; do [ -n $Q ] && exec $E; E=alpha; Q=; done", "E=alpha :",
    "getopts a: E -a",
)  # fmt: skip
PATTERNS = ("web", "api|web", '"$X"', "*", "-*", "w?b", "$1", "al*", "1")
SUBJECTS = ("$1", '"$1"', "$X", "web", '"${1:-web}"', '"$Y"')
SETTINGS: tuple[dict[str, str], ...] = (
    {}, {"X": "1", "Y": "y"}, {"X": "beta"}, {"X": "", "Y": ""}
)  # fmt: skip


def block(chance: random.Random, depth: int) -> str:
    return "\n".join(statement(chance, depth + 1) for _ in range(chance.randrange(1, 3)))


def statement(chance: random.Random, depth: int = 0) -> str:
    kind = chance.random() if depth < 3 else 0
    if kind < 0.5:
        return chance.choice(COMMANDS)
    condition = chance.choice(CONDITIONS)
    if kind < 0.65:
        text = f"if {condition}; then\n{block(chance, depth)}\n"
        if chance.random() < 0.5:
            text += f"elif {chance.choice(CONDITIONS)}; then\n{block(chance, depth)}\n"
        if chance.random() < 0.5:
            text += f"else\n{block(chance, depth)}\n"
        return f"{text}fi"
    if kind < 0.8:
        items = [f"{chance.choice(PATTERNS)}) {block(chance, depth)}\n;;\n" for _ in range(2)]
        return f"case {chance.choice(SUBJECTS)} in\n{''.join(items)}esac"
    if kind < 0.9:
        return f"{condition} {chance.choice(['&&', '||'])} {chance.choice(COMMANDS)}"
    if kind < 0.95:
        return f"f{chance.randrange(1, 3)}() {{\n{block(chance, depth)}\n}}"
    return f"(\n{block(chance, depth)}\n)"


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_what_certainly_fails_fails_in_shells(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    static = File(elf(static=True), mode=0o755)
    tree: dict[str, Content] = {
        **debian_base(), f"bin/{shell}": static, f"{STUBS}/": Directory(),
        **{f"{STUBS}/{name}": static for name in PROGRAMS},
    }  # fmt: skip
    for name in PROGRAMS:
        (tmp_path / name).write_text(f"#!{program}\n")
        (tmp_path / name).chmod(0o755)
    found = inventory(tree)
    failing = 0
    for seed in range(2500):
        chance = random.Random(seed)
        text = "f1() { :; }\n" * chance.randrange(2) + "\n".join(
            statement(chance) for _ in range(chance.randrange(1, 4))
        )
        words = chance.choices(["web", "alpha", "-x", "nope"], k=chance.randrange(3))
        command = (shell, chance.choice(["-c", "-ec"]), text, "gamma", *words)
        config = ImageConfig(cmd=command, env=(f"PATH=/{STUBS}:/bin",))
        image = Image(reference="x", source="oci", config=config, layers=found.rootfs.layers)
        said = find_startup(image, found.rootfs, found.interpreters, found.environments)
        if said.status != "cannot-start":
            continue
        failing += 1
        for variables in SETTINGS:
            ran = subprocess.run(
                [program, *command[1:]],
                env={**variables, "PATH": os.fspath(tmp_path)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=20,
                check=False,
            )
            assert ran.returncode, (said.reason, variables, command)
    assert failing > 50
