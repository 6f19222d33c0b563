"""What starts and what does not, held against containers: the same commands, the same errors."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pyimginspect import open_image
from pyimginspect.api import OpenedImage
from pyimginspect.inventory.startup import find_startup
from tests.elf import elf
from tests.integration.conftest import BuiltCorpus
from tests.integration.engine import CLIENT, Engine

TAG = "tests/startup-oracle:latest"
MESSAGES = {
    "ENOENT": ("no such file", "not found"),
    "EACCES": ("permission denied", "is a directory"),
    "ENOEXEC": ("exec format error",),
    "ELOOP": ("too many levels of symbolic links",),
    "ENOTDIR": ("not a directory",),
    "ENAMETOOLONG": ("file name too long", "no such file or directory", "not found"),
    "": ("unable to find user", "no matching entries", "__main__", "No module named"),
}

SCRIPTS = {
    "env-gone": b"#!/usr/bin/env pythonx\n",
    "env-cr": b"#!/usr/bin/env python3\r\nprint()\r\n",
    "sh-cr": b"#!/bin/sh\r\necho\r\n",
    "gone": b"#!/opt/gone/python\n",
    "ok": b"#!/usr/local/bin/python3\nprint('ok')\n",
    "spaced": b"#! \t /usr/local/bin/python3 \nprint('ok')\n",
    "bare": b"#!\n",
    "plain": b"echo plain\n",
    "empty": b"",
    "long": b"#!/" + b"d" * 300 + b"/python\n",
    "long-option": b"#!/bin/sh " + b"x" * 300 + b"\nexit 0\n",
    "limit": b"#!/" + b"/" * (252 - len("bin/true")) + b"bin/true\n",
    "over": b"#!/" + b"/" * (253 - len("bin/true")) + b"bin/true\n",
    "exec-args": b'#!/bin/sh\nset -e\nexec "$@"\n',
    "if-dash": b'#!/bin/sh\nif [ "${1#-}" != "$1" ]; then set -- python3 "$@"; fi\nexec "$@"\n',
    "case": b'#!/bin/sh\ncase "$1" in v*) exec python3 -V;; *) exec "$@";; esac\n',
    "activate": b"#!/bin/sh\n. /opt/env/bin/activate && exec python -V\n",
    "strict": b"#!/bin/sh -e\npythonx\nexit 0\n",
    "lax": b"#!/bin/sh\npythonx\nexec python3 -V\n",
    **{f"s{number}": b"#!/o/s%d\n" % (number + 1) for number in range(1, 7)},
    "s7": b"#!/usr/local/bin/python3\nprint('ok')\n",
}

ROWS: list[tuple[list[str], str, str]] = [
    (["python3", "-V"], "", ""),
    (["pythonx"], "", ""),
    (["/app/.venv/bin/python"], "", ""),
    (["/o"], "", ""),
    (["/o/ok"], "", ""),
    (["/o/ok/x"], "", ""),
    (["./ok"], "", "/o"),
    (["./ok"], "", "/made/up"),
    (["/o/loop"], "", ""),
    (["/" + "a" * 300], "", ""),
    *((["/o/" + name], "", "") for name in SCRIPTS if name not in ("exec-args", "if-dash", "case")),
    (["/o/exec-args", "python3", "-V"], "", ""),
    (["/o/exec-args", "pythonx"], "", ""),
    (["/o/if-dash", "-V"], "", ""),
    (["/o/case", "v1"], "", ""),
    (["/o/case", "pythonx"], "", ""),
    (["/o/no-x"], "", ""),
    (["/o/no-x"], "1000", ""),
    (["/o/group"], "1000", ""),
    (["/o/group"], "1000:77", ""),
    (["/o/group"], "member", ""),
    (["/o/group"], "", ""),
    (["/o/closed"], "1000", ""),
    (["/o/closed"], "", ""),
    (["/root/bin/ok"], "member", ""),
    (["/o/ok"], "nobody-at-all", ""),
    (["/o/ok"], "member:no-group", ""),
    (["/o/ok"], "4321", ""),
    (["/o/arm"], "", ""),
    (["/o/musl"], "", ""),
    (["sh", "-c", "exec pythonx"], "", ""),
    (["sh", "-c", "cd /o && exec ./no-x"], "member", ""),
    (["sh", "-c", "pythonx -V"], "", ""),
    (["sh", "-c", "pythonx || exec python3 -V"], "", ""),
    (["sh", "-c", "command -v pythonx || true; python3 -V"], "", ""),
    (["sh", "-c", "exec ${PY:-python3} -V"], "", ""),
    (["bash", "-ec", "true && pythonx"], "", ""),
    (["sh", "/o/plain"], "", ""),
    (["sh", "/o/nothing.sh"], "", ""),
    (["env", "-i", "/o/ok"], "", ""),
    (["env", "PATH=/o", "ok"], "", ""),
    (["env", "-S", "python3 -V"], "", ""),
    (["env", "python3 -V"], "", ""),
    (["env", "-C", "/o", "./ok"], "", ""),
    (["nice", "-n", "5", "pythonx"], "", ""),
    (["timeout", "-k", "1", "9", "python3", "-V"], "", ""),
    (["setpriv", "--reuid=member", "--init-groups", "/o/closed"], "", ""),
    (["setpriv", "--reuid=member", "--init-groups", "/o/ok"], "", ""),
    (["python3", "gone.py"], "", "/o"),
    (["python3", "/o"], "", ""),
    (["python3", "-um", "gone_module"], "", "/o"),
    (["python3", "-m", "json.tool", "--help"], "", "/o"),
    (["python3", "/o/closed"], "1000", ""),
]  # fmt: skip


@pytest.fixture(scope="module")
def opened(
    engine: Engine, corpus: BuiltCorpus, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenedImage]:
    place = tmp_path_factory.mktemp("startup")
    _write(place / "o")
    (place / "Dockerfile").write_text(
        f"FROM {corpus.load_into(engine, 'slim')}\n"
        "USER root\n"
        "COPY o /o\n"
        "RUN chmod 755 /o/* && chmod 644 /o/no-x && chgrp 77 /o/group && chmod 750 /o/group"
        " && chmod 700 /o/closed && groupadd -g 77 crew && useradd -u 1000 -G crew member"
        " && ln -s loop /o/loop && mkdir -m 755 /root/bin && cp /o/ok /root/bin/ok"
        " && python3 -m venv --without-pip /opt/env\n"
    )
    engine.build(place, TAG)
    archive = place / "saved.tar"
    engine.save(TAG, archive)
    with open_image(str(archive)) as image:
        yield image


def _write(place: Path) -> None:
    place.mkdir()
    ok = SCRIPTS["ok"]
    more = {"no-x": ok, "group": ok, "closed": ok, "arm": elf(static=True, machine="aarch64")}
    more["musl"] = elf(needed=["libc.so"], interp="/lib/ld-musl-x86_64.so.1")
    for name, content in {**SCRIPTS, **more}.items():
        (place / name).write_bytes(content)


def _ran(engine: Engine, command: list[str], user: str, directory: str) -> tuple[int, str]:
    """What a container of the image does with this command."""
    options = [
        *(["--user", user] if user else []),
        *(["--workdir", directory] if directory else []),
    ]
    done = subprocess.run(
        [str(CLIENT), "run", "--rm", *options, "--entrypoint", command[0], TAG, *command[1:]],
        env=engine.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize(("command", "user", "directory"), ROWS, ids=lambda value: str(value)[:60])
def test_a_container_does_what_is_said(
    engine: Engine, opened: OpenedImage, command: list[str], user: str, directory: str
) -> None:
    facts = opened.inventory
    config = msgspec.structs.replace(
        opened.image.config, entrypoint=(), cmd=tuple(command), user=user, working_dir=directory
    )
    image = msgspec.structs.replace(opened.image, config=config)
    found = find_startup(image, facts.rootfs, facts.interpreters, facts.environments)
    status, output = _ran(engine, command, user, directory)
    if found.problem is not None:
        assert status != 0, (found.problem, output)
        words = MESSAGES[found.problem.errno]
        assert any(each.lower() in output.lower() for each in words), (found.problem, output)
    elif found.status == "starts":
        assert status == 0, (found, output)
