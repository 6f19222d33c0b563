"""The examples of the documentation: policies that are read, commands that are understood."""

import re
import shlex
from pathlib import Path

import pytest

from pyimginspect.analyzers import catalogue
from pyimginspect.cli.arguments import build_parser
from pyimginspect.formats import FORMATS, format_for
from pyimginspect.policy import parse_policy

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(
    r"(?:^\$ |run: |- |&& |^    )pyimginspect (.*?)(?:'?$| \||  +#| >)", re.MULTILINE
)


def blocks(language: str) -> list[str]:
    return [
        text for page in PAGES.values() for kind, text in BLOCK.findall(page) if kind == language
    ]


@pytest.mark.parametrize("text", [text for text in blocks("toml") if "entry-points" not in text])
def test_a_policy_in_the_documentation_is_one(text: str) -> None:
    policy = parse_policy(text, catalogue())
    assert policy.waivers or policy.dlopen


COMMANDS = [
    command
    for page in PAGES.values()
    for _, text in BLOCK.findall(page)
    for command in COMMAND.findall(text)
]


def test_there_are_commands_in_the_documentation() -> None:
    assert len(COMMANDS) > 10


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_the_documentation_is_understood(command: str) -> None:
    arguments = build_parser().parse_args(shlex.split(command))
    for output in arguments.output:
        assert arguments.format or format_for(output) in FORMATS


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    prose = BLOCK.sub("", PAGES[page])
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
        assert (DOCS / target).exists(), target
