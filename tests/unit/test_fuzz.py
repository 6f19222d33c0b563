"""Images with a few bytes or words changed: a report or a typed error, and nothing that steers.

The seeds are fixed, so that a failure is one that can be run again. What is held here of every
format is held in its own tests of images that are whole.
"""

import dataclasses
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pyimginspect.api import open_image
from pyimginspect.errors import PyimginspectError
from pyimginspect.formats import FORMATS, layers, plan, render
from tests.images import (
    Content,
    File,
    Package,
    dist_info,
    docker_archive,
    elf,
    oci_archive,
)
from tests.inventories import apt, on_slim
from tests.pythons import conda_python, venv
from tests.rpms import header, sqlite_database

SITE = "usr/local/lib/python3.13/site-packages"
WORDS = (
    *(
        "\x1b[2J",
        "\r",
        "\n",
        "\u202e",
        "\x00",
        "\x85",
        "<script x>",
        "]]>",
        "$(id)",
        "' ;",
        '"',
        "\\",
    ),
    *("\udcff", "::error::", "/", "..", " ", "9" * 5000, "--5", "a" * 3000, "1!2", "<<EOF", ".."),
    *("\nUSER root\n", "\nEND_OF_RUN\n", "=", ",", ":", "-", "[", "{", "*", "#"),
)
PACKAGES: dict[str, Package] = {
    "gcc": {"Depends": "libc6-dev | x", "files": {"usr/bin/gcc": File("x" * 9000, mode=0o755)}},
    "libc6-dev": {"files": {"usr/include/a.h": "h" * 9000}},
    "python3-yaml": {"files": {"usr/lib/python3/dist-packages/yaml/__init__.py": "x"}},
}
RPM = header({"name": "gcc", "version": "1", "requires": ["x"], "basenames": ["gcc"]})
MODULE = elf(needed=["libpq.so.5"], runpath="$ORIGIN", verneed={"libc.so.6": ["GLIBC_2.40"]})
TREES: tuple[dict[str, Content], ...] = (
    apt(PACKAGES, manual=["gcc", "python3-yaml"]),
    {
        **dist_info(
            "Psycopg2", files={"psycopg2/_x.so": MODULE}, tags=["cp313-cp313-linux_x86_64"]
        ),
        **venv("opt/venv", "/usr/local/bin"),
        **conda_python("opt/conda", "3.12.4"),
        f"{SITE}/six-1.egg-info": "Name: six\nVersion: 1\n",
        f"{SITE}/a.pth": "/opt/x\n",
        "etc/ld.so.conf": "include /etc/*.conf\n/opt/lib\n",
        "etc/apt/apt.conf": 'APT::NeverAutoRemove { "^x$"; };\n',
        "var/lib/rpm/rpmdb.sqlite": sqlite_database([RPM]),
        "root/.cache/pip/x": "x" * 9000,
    },
    {"usr/bin/.wh.gcc": "", "root/.cache/pip/x": "y" * 9000, "app/run": "#!/usr/bin/python3\n"},
)
HISTORY = ("RUN apt-get install -y gcc && make", "RUN pip install x", "COPY . /app # buildkit")


def changed(text: bytes, chance: random.Random) -> bytes:
    """Some bytes replaced by words that mean something to somebody, doubled, or cut off."""
    data = bytearray(text)
    for _ in range(chance.choice((1, 1, 3))):
        start = chance.randrange(min(len(data), 2000) + 1)
        end = start + chance.randrange(20)
        if chance.random() < 0.2:
            data[start:end] = chance.randbytes(end - start)
        elif chance.random() < 0.9:
            data[start:end] = chance.choice(WORDS).encode("utf-8", "surrogateescape")
        else:
            del data[start:]
    return bytes(data)


def damaged(tree: Mapping[str, Content], chance: random.Random) -> dict[str, Content]:
    result = dict(tree)
    for path in chance.sample(sorted(tree), min(len(tree), 3)):
        content = tree[path]
        data = content.data if isinstance(content, File) else content
        if isinstance(data, str | bytes):
            new = changed(data.encode() if isinstance(data, str) else data, chance)
            mode = content.mode if isinstance(content, File) else None
            if chance.random() < 0.2 and "\0" not in (word := chance.choice(WORDS)):
                path += word.rstrip("/") or "x"
            result[path] = File(new, mode=mode)
    return result


def config_changed(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A configuration with a word in one of its texts, or with a text of another type."""
    result: dict[str, Any] = json.loads(json.dumps(document))
    settings, steps = result["config"], result["history"]
    places: list[tuple[Any, Any]] = [(result, "architecture"), (result, "created")]
    places += [(settings["Env"], n) for n in range(len(settings["Env"]))]
    places += [(step, "created_by") for step in steps]
    holder, key = chance.choice(places)
    text = changed(str(holder[key]).encode(), chance).decode("utf-8", "replace")
    holder[key] = text if chance.random() < 0.8 else chance.choice([None, 0, [], {}, [text]])
    return result


def archive(chance: random.Random) -> bytes:
    image = on_slim(*(damaged(tree, chance) for tree in TREES), history=HISTORY)
    if chance.random() < 0.5:
        document = config_changed(dict(image.config), chance)
        document["rootfs"] = image.config["rootfs"]
        image = dataclasses.replace(image, config=document)
    data = docker_archive(image) if chance.random() < 0.7 else oci_archive(image)
    if chance.random() < 0.15:
        start = chance.randrange(0, len(data), 512)
        data = data[:start] + changed(data[start : start + 512], chance) + data[start + 512 :]
    return data


# Of the last few, each found something that has been mended since.
@pytest.mark.parametrize("seed", [*range(20), 30, 61, 198, 202, 292])
def test_damage_is_reported_or_refused(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(archive(random.Random(seed)))
    refused = ""
    try:
        with open_image(str(path)) as image:
            report = image.report(areas=True)
            told = [
                plan.render(image.plan),
                layers.render(image.layer_breakdowns),
                image.dockerfile,
            ]
            pages = {name: render(report, name, plan=image.plan) for name in FORMATS}
    except PyimginspectError as exc:
        refused = str(exc)
    if refused:
        assert refused.isprintable()
        return
    for text in (*told, pages["table"], pages["github"]):
        assert all(line.isprintable() for line in text.split("\n"))
    for page in pages.values():
        page.encode()
    assert type(report).from_json(pages["json"]).to_json() == pages["json"]
    assert "<script x>" not in pages["html"]
    assert sum(each.account.stored for each in report.layers) == report.size


def test_the_undamaged_image_is_full_of_findings(tmp_path: Path) -> None:
    """Otherwise the damage would be done to what nobody looks at."""
    path = tmp_path / "image.tar"
    path.write_bytes(docker_archive(on_slim(*TREES, history=HISTORY)))
    with open_image(str(path)) as image:
        rules = {finding.rule for finding in image.report().findings}
    assert {"leftover-build-tool", "os-python-binding", "package-cache"} <= rules
