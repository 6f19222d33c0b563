"""Histories and file systems of official Python images, made from what their Dockerfiles do.

`scripts/check_official_images` reads the Dockerfiles themselves, in the history of their public
repository; the unit tests read `tests/official.jsonl`, which that script distilled from them: for
each kind of Dockerfile the words of its instructions, and of its commands those that matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from pyimginspect.changesets import apply_layers
from pyimginspect.inventory.base import find_base
from pyimginspect.inventory.facts import BaseImage
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.model import History, Image, ImageConfig, Layer, LayerIndex, Platform
from tests.images import Content, Link, debian_base, elf, layer

Builder = Literal["classic", "buildkit"]
BUILDERS: Final[tuple[Builder, ...]] = ("classic", "buildkit")

# What tells the steps of an official build apart, and whole images. Words of a shell, no more.
_MARKS: Final = (
    re.compile(r"python\.org/ftp/python/\S*?[Pp]ython-\S*?\.(?:tar\.xz|tgz|exe|msi)"),
    re.compile(r"python-\$url\S*"),
    re.compile(r"apt-mark showmanual|purge -y --auto-remove|\.build-deps|make install"),
    re.compile(r"get-pip\.py|ensurepip|pip install (?:--no-cache-dir )?virtualenv"),
    re.compile(r"pip install --upgrade pip=="),
    re.compile(r"for src in idle3|ln -s idle3 idle|ln -s python3 python|easy_install"),
)


class Step(msgspec.Struct, frozen=True):
    """An instruction: its word, and what matters of the rest."""

    word: str
    text: str


class Kind(msgspec.Struct, frozen=True, omit_defaults=True):
    """Dockerfiles that differ in versions and in nothing that matters here.

    `base` is the image they build on (`alpine`, `debian`, `debian-slim`, `buildpack-deps`,
    `windows`), `version` the lowest Python of theirs, `named` whether a variable has it, `files`
    how many there were from `first` to `last` (years).
    """

    variant: str
    base: str
    version: str
    steps: tuple[Step, ...]
    named: bool = True
    files: int = 1
    first: int = 0
    last: int = 0


# --- reading Dockerfiles --------------------------------------------------------------------------
def instructions(text: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile, their lines joined as builders join them."""
    line = ""
    for part in text.splitlines():
        stripped = part.strip()
        if stripped.startswith("#") or (not stripped and not line):
            continue
        if part.rstrip().endswith(("\\", "`")):
            line += part.rstrip()[:-1]
            continue
        word, _, rest = (line + part).strip().partition(" ")
        line = ""
        if word:
            yield word.upper(), rest.strip()


def variant_of(path: str) -> str:
    """Which variant a Dockerfile of the repository is, by its path."""
    if "windows" in path:
        return "windowsservercore"
    return next((name for name in ("alpine", "slim") if name in path), "full")


def base_of(name: str) -> str:
    """Which image a FROM line names: one of :class:`Kind`'s bases, or empty for another."""
    name, _, tag = name.rpartition("/")[2].partition(":")
    if "windows" in name or name == "servercore":
        return "windows"
    if name == "debian":
        return "debian-slim" if tag.endswith("-slim") else "debian"
    return name if name in ("alpine", "buildpack-deps") else ""


def kind_of(path: str, text: str) -> Kind:
    """The kind of one Dockerfile, with its words whole; without a base where it is on another."""
    steps, base, version, named = [], "", "", False
    for word, rest in instructions(text):
        if word == "FROM":
            base = base_of(rest.split()[0])
            continue
        if word == "ENV":
            rest = re.sub(r"^(\w+)\s+", r"\1=", rest)
            if rest.startswith("PYTHON_VERSION="):
                named = True
                version = rest.partition("=")[2]
        elif word == "RUN" and not version:
            literal = re.search(r"/Python-(\d[\d.]+)\.tar\.xz", rest)
            version = literal[1] if literal else ""
        steps.append(Step(word, rest))
    return Kind(variant_of(path), base, version, tuple(steps), named=named)


def onto(parent: Kind, kind: Kind) -> Kind:
    """What a Dockerfile makes of an image that another one built (`FROM python:3.4`)."""
    return msgspec.structs.replace(parent, steps=(*parent.steps, *kind.steps))


def distilled(kind: Kind) -> Kind:
    """The same kind without what does not matter."""
    steps = []
    for step in kind.steps:
        text = step.text
        if step.word == "RUN":
            found = [match for mark in _MARKS for match in mark.finditer(text)]
            ordered = sorted(found, key=lambda match: match.start())
            text = " ; ".join(dict.fromkeys(match[0] for match in ordered))
        elif step.word == "ENV":
            text = text.partition("=")[0] + "="
        elif step.word == "SHELL":
            text = '["powershell", "-Command", "$ErrorActionPreference = \'Stop\';"]'
        steps.append(Step(step.word, text))
    return msgspec.structs.replace(kind, steps=tuple(steps))


# --- images of them -------------------------------------------------------------------------------
Tree = Mapping[str, Content]
_BASES: Final[Mapping[str, tuple[Sequence[str], Sequence[Tree]]]] = {
    "alpine": (
        ["ADD file:0 in / "],
        [{"etc/alpine-release": "3.20.1\n", "etc/os-release": "ID=alpine\nVERSION_ID=3.20.1\n"}],
    ),
    "debian": (["ADD file:0 in / "], [debian_base(slim=False)]),
    "debian-slim": (["ADD file:0 in / "], [debian_base()]),
    "buildpack-deps": (
        ["ADD file:0 in / ", "RUN curl", "RUN git", "RUN gcc"],
        [
            debian_base(slim=False),
            {"usr/bin/curl": elf()},
            {"usr/bin/git": elf()},
            {"usr/bin/gcc": Link("gcc-12")},
        ],
    ),
    "windows": (["Apply image 10.0.20348.1", "Install update 10.0.20348.2"], [{}, {}]),
}
_indexes: dict[str, LayerIndex] = {}


def _index(name: str, tree: Tree) -> LayerIndex:
    """The index of a layer; most images share theirs."""
    if name not in _indexes:
        _indexes[name] = index_layer(BytesBlob(data=layer(tree)), digests=True).index
    return _indexes[name]


def _python(version: str, *, windows: bool) -> Tree:
    if windows:
        return {"Files/Python/python.exe": "MZ"}
    series = ".".join(version.split(".")[:2])
    return {f"usr/local/bin/python{series}": elf(), "usr/local/bin/python": Link(f"python{series}")}


def _line(step: Step, builder: Builder, shell: str) -> str:
    """One step as a builder writes it into the history."""
    if builder == "buildkit":
        if step.word == "RUN":
            return f"RUN {shell} {step.text} # buildkit"
        return f"{step.word} {step.text}" + " # buildkit" * (step.word in ("COPY", "ADD"))
    if step.word == "RUN":
        return f"{shell} {step.text}"
    return f"{shell} #(nop)  {step.word} {step.text}"


def _makes_layer(step: Step, builder: Builder) -> bool:
    return step.word in ("RUN", "COPY", "ADD") or (step.word == "WORKDIR" and builder == "buildkit")


def image_of(kind: Kind, builder: Builder) -> Image:
    """An application on such an official image, built by `builder`."""
    windows = kind.base == "windows"
    lines, trees = _BASES[kind.base]
    shell = "cmd /S /C" if windows else "/bin/sh -c"
    history = [History(created_by=line) for line in lines]
    indexes = [_index(f"{kind.base}{n}", tree) for n, tree in enumerate(trees)]
    built = max(
        (n for n, s in enumerate(kind.steps) if s.word == "RUN" and _compiles(s.text)), default=-1
    )
    for number, step in enumerate(kind.steps):
        makes = _makes_layer(step, builder)
        created_by = _line(step, builder, shell)
        history.append(History(created_by=created_by, empty_layer=not makes))
        if step.word == "SHELL":
            shell = " ".join(msgspec.json.decode(step.text, type=list[str]))
        if makes:
            tree = _python(kind.version, windows=windows) if number == built else {}
            series = ".".join(kind.version.split(".")[:2]) if number == built else ""
            indexes.append(_index(f"python{windows}{series}" if number == built else "", tree))
    history.append(History(created_by="COPY app /app # buildkit"))
    indexes.append(_index("app", {"app/main.py": "x"}))
    config = ImageConfig(
        platform=Platform(os="windows" if windows else "linux"),
        env=(f"PYTHON_VERSION={kind.version}",) if kind.named else (),
        history=tuple(history),
    )
    layers = [step for step in history if not step.empty_layer]
    return Image(
        reference="official",
        source="docker-archive",
        config=config,
        layers=tuple(
            Layer(number=n, index=index, history=layers[n]) for n, index in enumerate(indexes)
        ),
    )


def _compiles(text: str) -> bool:
    return "make install" in text or re.search(r"\.(exe|msi)", text) is not None


# --- the verdict ----------------------------------------------------------------------------------
def told(kind: Kind, builder: Builder) -> BaseImage:
    """What we say is the base of that application."""
    image = image_of(kind, builder)
    return find_base(image, apply_layers(image.layers))


def expected(kind: Kind, builder: Builder) -> tuple[str, str, str, bool, int]:
    """Family, variant, version, whether it is official, and the number of its layers."""
    end = max(number for number, step in enumerate(kind.steps) if step.word == "CMD")
    own = sum(_makes_layer(step, builder) for step in kind.steps[:end])
    layers = len(_BASES[kind.base][0]) + own
    return "python", kind.variant, kind.version, True, layers


def verdict(kind: Kind, builder: Builder) -> tuple[str, str, str, bool, int]:
    """The same of what we say."""
    base = told(kind, builder)
    return base.family, base.variant, base.version, base.official, base.layers
