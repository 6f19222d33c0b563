"""The command's arguments, and what ``--help`` says of them."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from pyimginspect.errors import InvalidReferenceError
from pyimginspect.formats import FORMATS
from pyimginspect.sources.time_limits import seconds_from
from pyimginspect.text import nearest

__all__ = ["build_parser", "given_options", "parse", "read_environment", "variable_of"]

_DESCRIPTION = """\
Report what is wrong with how Python was packaged in a container image, from its layers alone.
Nothing in the image is run."""

_EPILOG = """\
IMAGE is a path (an archive of docker save, an OCI archive or layout, a root file system) or a
name (asked of Docker, then Podman, then the registry). PATH:TAG chooses one of several images
in an archive. A prefix picks the kind of source: docker:, podman:, registry:, docker-archive:,
oci:, oci-archive:, rootfs:, or - for standard input (-:TAG for one of several images there).

With --fleet, IMAGE may also be @FILE or @- (a list, or the JSON of kubectl get pods), a
directory of saved images, docker:*, podman:*, or registry:HOST/PATTERN.

Exit status: 0 nothing at or above --fail-on, 1 findings, 2 could not inspect."""

_NO_SETTINGS = frozenset(
    {"help", "version", "rules", "explain", "completion", "show_config", "cache_info"}
    | {"cache_clear", "write_baseline", "images", "diff", "fix", "interactive"}
)
"""What is asked for once, and no setting that an environment could have."""

_OPTIONAL_VALUES = {
    "plan": ("edits", "dockerfile"),
    "diff": ("review", "safe"),
    "fix": ("safe", "review"),
}
"""What options with an optional value take, the default first."""

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_INPUT = "\0"  # no argument of a process can begin so


# What may be chosen is quoted up to Python 3.13, and bare from 3.14 on.
_CHOICE = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)", re.DOTALL)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with arguments as the command says everything else: in one line."""

    def error(self, message: str) -> NoReturn:
        raise InvalidReferenceError(message, hint=self._nearest(message) or "pyimginspect --help")

    def _nearest(self, message: str) -> str:
        """Return a hint where the message is about an option that is like one that exists."""
        # argparse has no hook for this; its messages are what there is to go by.
        if (choice := _CHOICE.search(message)) is not None:
            return nearest(choice[1], re.findall(r"[^\s,']+", choice[2]))
        unknown = message.removeprefix("unrecognized arguments: ").split(" ")[0]
        if unknown == message or not unknown.startswith("--"):
            return ""
        import difflib

        options = [name for action in self._actions for name in action.option_strings]
        near = difflib.get_close_matches(unknown.partition("=")[0], options, n=1, cutoff=0.8)
        return f"did you mean '{near[0]}'?" if near else ""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; ``None`` is the process's own.

    Raises :class:`InvalidReferenceError` for one that makes no sense.
    """
    given = sys.argv[1:] if arguments is None else arguments
    parser = build_parser()
    read_environment(parser)
    # argparse takes what begins with a dash for an option, unless it is one dash alone.
    args = parser.parse_args(_protected(given))
    args.images = [image.removeprefix(_INPUT) for image in args.images]
    for name in ("against", "base"):
        if (value := getattr(args, name)) is not None:
            setattr(args, name, value.removeprefix(_INPUT))
    # `--plan IMAGE`: what follows is no value of the option
    for name, values in _OPTIONAL_VALUES.items():
        value = getattr(args, name)
        if value not in (None, *values):
            args.images.insert(0, value)
            setattr(args, name, values[0])
    return args


def _protected(given: Sequence[str]) -> list[str]:
    """Return arguments with `-:TAG`, an image on standard input, marked as no option."""
    return [_INPUT + each if each.startswith("-:") else each for each in given]


def variable_of(action: argparse.Action) -> str | None:
    """Return the environment variable that sets an option, or ``None`` for what is no setting."""
    if action.dest in _NO_SETTINGS or not action.option_strings:
        return None
    return f"PYIMGINSPECT_{action.dest.upper()}"


def read_environment(parser: argparse.ArgumentParser) -> None:
    """Take the defaults of the options from their environment variables, where these are set.

    Lists are separated by commas. Raises :class:`InvalidReferenceError` for a value that the
    option does not take.
    """
    for action in parser._actions:
        name = variable_of(action)
        text = os.environ.get(name, "") if name else ""
        if not text:
            continue
        value: object = text
        if isinstance(action, argparse._StoreTrueAction):
            if text.lower() not in (*_TRUE, *_FALSE):
                raise InvalidReferenceError(f"{name} is '{text}'", hint="1 or 0")
            value = text.lower() in _TRUE
        elif isinstance(action, argparse._CountAction):
            if not text.isdecimal():
                raise InvalidReferenceError(f"{name} is '{text}'", hint="a number")
            # Python refuses to read integers of more than 4,300 digits, with an error of its own.
            value = int(text[:2])
        elif isinstance(action, argparse._AppendAction):
            value = text.split(",")
        elif action.choices is not None and text not in action.choices:
            raise InvalidReferenceError(
                f"{name} is '{text}'", hint=f"one of {', '.join(map(str, action.choices))}"
            )
        action.default = value


def given_options(arguments: Sequence[str] | None) -> frozenset[str]:
    """Return the names of the settings that the command line itself has."""
    # The environment is left out here, or its values would pass for given ones.
    parser = build_parser()
    for action in parser._actions:
        action.default = argparse.SUPPRESS
    given = sys.argv[1:] if arguments is None else arguments
    return frozenset(
        vars(parser.parse_args([_INPUT + a if a.startswith("-:") else a for a in given]))
    )


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the one command."""
    parser = _Parser(
        prog="pyimginspect",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # An abbreviation would become ambiguous, and fail, with the next option that begins so.
        allow_abbrev=False,
        add_help=False,  # argparse would not say that its help could not be written
    )
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="what to inspect")
    source = parser.add_argument_group("the image")
    source.add_argument("--platform", metavar="OS/ARCH", help="one of a multi-platform image")
    source.add_argument(
        "--verify",
        action="store_true",
        help="verify every byte against its digest, of local archives too",
    )
    source.add_argument(
        "--timeout",
        type=lambda text: seconds_from(text, "--timeout"),
        metavar="SECONDS",
        help="to wait for each answer of a registry, an engine or a credential helper",
    )
    source.add_argument(
        "--max-time",
        type=lambda text: seconds_from(text, "--max-time"),
        metavar="SECONDS",
        help="give up, with status 2, if the images are not read by then",
    )
    source.add_argument(
        "--base",
        metavar="IMAGE|N",
        help="the base image: a reference, or the number of its layers",
    )
    source.add_argument(
        "--attestations",
        choices=("index", "referrers", "never"),
        default="index",
        help="where to look for provenance and bills of materials (index)",
    )
    _add_fleet(parser)
    cache = parser.add_argument_group("the cache of layers")
    cache.add_argument("--no-cache", action="store_true", help="neither read nor write it")
    cache.add_argument(
        "--cache-dir", metavar="DIR", help="default: $PYIMGINSPECT_CACHE_DIR, else per user"
    )
    cache.add_argument(
        "--cache-size", metavar="SIZE", help="bytes it may grow to, such as 2GB; default: 512MiB"
    )
    cache.add_argument(
        "--cache-info", action="store_true", help="show its size and contents, and exit"
    )
    cache.add_argument("--cache-clear", action="store_true", help="empty it, and exit")
    out = parser.add_argument_group("the report")
    out.add_argument("-f", "--format", metavar="FORMAT", help=f"one of {', '.join(FORMATS)}")
    out.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="FILE",
        help="write to FILE, in the format of its suffix; may be repeated",
    )
    out.add_argument(
        "--layers", action="store_true", help="print instead where every stored byte ended up"
    )
    out.add_argument(
        "--plan",
        nargs="?",
        const="edits",
        metavar="dockerfile",
        help="print instead the edits that make the image smaller, or a Dockerfile with them",
    )
    out.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colour the table"
    )
    out.add_argument(
        "--against", metavar="IMAGE", help="report what changed since IMAGE; new findings fail"
    )
    out.add_argument(
        "--dockerfile",
        metavar="FILE",
        help="what the image was built from: reports name its lines, --diff and --fix change it",
    )
    out.add_argument(
        "--diff",
        nargs="?",
        const="review",
        metavar="safe",
        help="print what the plan's edits change in the --dockerfile instead",
    )
    out.add_argument(
        "--fix",
        nargs="?",
        const="safe",
        metavar="review",
        help="write the safe edits into the --dockerfile, or those too that need a review",
    )
    out.add_argument(
        "--target", metavar="STAGE", help="the stage of the --dockerfile that was built"
    )
    out.add_argument(
        "--category",
        metavar="NAME",
        default="",
        help="of the SARIF log, instead of the image's repository",
    )
    out.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="add the evidence of each finding; -vv prints all tables",
    )
    out.add_argument(
        "--interactive", action="store_true", help="walk through the image in the terminal"
    )
    out.add_argument("--summary", action="store_true", help="print one line an image")
    out.add_argument(
        "--progress",
        choices=("auto", "json", "never"),
        default="auto",
        help="a line on a terminal (default), or JSON, on standard error",
    )
    out.add_argument("-q", "--quiet", action="store_true", help="no progress, no messages")
    policy = parser.add_argument_group("the policy")
    policy.add_argument(
        "--policy", metavar="FILE", help="instead of the nearest .pyimginspect.toml"
    )
    policy.add_argument(
        "--fail-on",
        choices=("error", "warning", "note", "never"),
        help="the least severity that makes the exit status 1 (default: warning)",
    )
    for option, words in (
        ("--select", "the only rules or groups that count, in place of the policy's"),
        ("--extend-select", "rules or groups that count beside the policy's"),
        ("--ignore", "rules or groups that do not count"),
    ):
        policy.add_argument(option, action="append", default=[], metavar="RULE,…", help=words)
    policy.add_argument(
        "--show-config",
        action="store_true",
        help="show the settings in force and where each is set, and exit",
    )
    policy.add_argument("--baseline", metavar="FILE", help="findings to accept")
    policy.add_argument(
        "--write-baseline", metavar="FILE", help="accept the findings there are now"
    )
    policy.add_argument("--rules", action="store_true", help="list the rules (-f json), and exit")
    policy.add_argument("--explain", metavar="RULE", help="explain a rule, and exit")
    parser.add_argument(
        "--completion",
        choices=("bash", "zsh", "tcsh"),
        help="print completions for a shell, and exit",
    )
    parser.add_argument("-h", "--help", action="store_true", help="print this help, and exit")
    parser.add_argument(
        "--version", action="store_true", help="print the version (-f json), and exit"
    )
    return parser


def _add_fleet(parser: argparse.ArgumentParser) -> None:
    fleet = parser.add_argument_group("many images")
    fleet.add_argument(
        "--fleet", action="store_true", help="read each distinct layer once, summarise all images"
    )
    fleet.add_argument(
        "--results",
        metavar="FILE",
        help="keep the results in this file (SQLite), and continue from them",
    )
    fleet.add_argument(
        "--retry-failed", action="store_true", help="retry what failed in an earlier run"
    )
    where = fleet.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, metavar="N", help="processes (default: all CPUs)")
    where.add_argument("--cluster", metavar="URL", help="the address of a dask scheduler instead")
    fleet.add_argument(
        "--group-by",
        default="repository",
        metavar="WHAT",
        help="registry, repository, team, namespace, base or label:NAME",
    )
    fleet.add_argument(
        "--pages",
        metavar="DIR",
        help="write the full report of every image as a web page into DIR, linked from -o *.html",
    )
    fleet.add_argument(
        "--max-failures",
        type=int,
        default=0,
        metavar="N",
        help="more references that fail than N make the exit status 2 (default: 0)",
    )
    fleet.add_argument("--tags", metavar="REGEX", help="of a repository, the tags that match")
    fleet.add_argument(
        "--tags-version", metavar="SPEC", help="the tags that are versions, such as '>=1.2'"
    )
    fleet.add_argument("--newest", type=int, metavar="N", help="the N highest versions of each")
    fleet.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="GLOB",
        help="exclude repositories or names; may be repeated",
    )
