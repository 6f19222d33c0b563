"""What a container starts, held against rows of images and commands.

`tests/integration/test_startup_oracle.py` asks a real engine for a part of them.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pyimginspect.inventory.facts import Startup
from pyimginspect.model import Image, ImageConfig, Layer, Platform
from pyimginspect.path_resolution import MAX_LINKS
from tests.images import Content, Directory, File, Link, debian_base, elf, official_python
from tests.pythons import cpython, executable, frozen, inventory, venv
from tests.systems import rootfs
from tests.trees import debian_python

Tree = Mapping[str, Content]

PASSWD = (
    "root:x:0:0:root:/root:/bin/bash\n"
    "app:x:1000:1000::/home/app:/bin/sh\n"
    "ops:x:1001:1001::/home/ops:/bin/sh\n"
)
GROUP = "root:x:0:\napp:x:1000:\nops:x:1001:\nstaff:x:50:ops\n"
LOCAL, USR = "usr/local/bin/python3.13", "usr/bin/python3.11"


def sh(text: str, mode: int = 0o755) -> File:
    return File(f"#!/bin/sh\n{text}\n", mode=mode)


def py(first: str, mode: int = 0o755) -> File:
    return File(f"{first}\nprint()\n", mode=mode)


SYSTEM: dict[str, Content] = {
    "etc/passwd": PASSWD,
    "etc/group": GROUP,
    "root/": Directory(mode=0o700),
    "tmp/": Directory(mode=0o1777),
    **{f"usr/bin/{name}": executable() for name in ("env", "bash", "nice", "timeout", "tini")},
    **{f"usr/sbin/{name}": executable() for name in ("gosu", "nginx", "su-exec", "setpriv")},
    "usr/local/bin/dumb-init": executable(),
}
APP: dict[str, Content] = {
    "app/": None,
    "app/main.py": "print()\n",
    "app/pkg/__init__.py": "",
    "usr/local/lib/python3.13/venv/__init__.py": "",
    "app/tool": py("#!/usr/bin/env python3"),
    "app/usr": py("#!/usr/bin/python3"),
    "app/private.py": File("print()\n", mode=0o600),
    "app/no-x": py("#!/usr/bin/python3", mode=0o644),
    "app/plain": File("echo hello\n", mode=0o755),
    "app/empty": File("", mode=0o755),
    "app/cr": py("#!/usr/bin/env python3\r"),
    "app/cr.sh": File("#!/bin/sh\r\nexec python3\r\n", mode=0o755),
    "app/bare": py("#!"),
    "app/spaced": py("#! \t /usr/bin/python3 "),
    "app/gone": py("#!/opt/gone/bin/python"),
    "app/loop": Link("loop"),
    "app/arm": File(elf(needed=["libc.so.6"], machine="aarch64"), mode=0o755),
    "app/i386": File(elf(static=True, machine="i386", bits=32), mode=0o755),
    "app/musl": executable(musl=True),
    "app/frozen": frozen("3.12"),
    "app/static": File(elf(static=True), mode=0o755),
    "app/group": File(elf(static=True), mode=0o750, uid=0, gid=50),
    "app/deep1": py("#!/app/usr"),
    "app/long": py("#!/" + "d" * 260 + "/python"),
    "app/long-arg": py("#!/usr/bin/python3 " + "x" * 260),
    "app/rel": py("#!bin/python3"),
    "root/": Directory(mode=0o700),
    "root/bin/python3": Link("/usr/local/bin/python3"),
    "root/py/python3": executable(),
    "opt/root-python": Link("/root/py/python3"),
    **venv("opt/venv", "/usr/local/bin"),
    "opt/venv/bin/serve": py("#!/opt/venv/bin/python"),
    **{f"app/s{number}": py(f"#!/app/s{number + 1}") for number in range(1, 8)},
    "app/s8": py("#!/usr/bin/python3"),
}
PIP: dict[str, Content] = {
    f"usr/bin/{name}": executable() for name in ("pip", "uv", "sleep", "sudo", "nsjail")
}
BUSYBOX: dict[str, Content] = {"usr/bin/busybox": executable()}
PROJECT: dict[str, Content] = {
    **{f"usr/bin/{name}": executable() for name in ("uv", "pdm", "conda", "mamba")},
    **venv("srv/.venv", "/usr/local/bin"),
    "srv/main.py": "",
}
BASE: tuple[Tree, ...] = (
    {**debian_base(), **SYSTEM},
    official_python("3.13.1"),
    debian_python("3.11.2"),
    APP,
)


def startup(
    *trees: Tree,
    entrypoint: Sequence[str] = (),
    cmd: Sequence[str] = (),
    more: Tree | None = None,
    **config: Any,
) -> Startup:
    layers = trees or BASE
    return inventory(
        *layers, *([more] if more else []), entrypoint=entrypoint, cmd=cmd, **config
    ).startup


# --- what starts ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("command", "program", "python", "config"),
    [
        (["python3", "/app/main.py"], "usr/local/bin/python3", LOCAL, {}),
        (["python3", "main.py"], "usr/local/bin/python3", LOCAL, {"working_dir": "/app"}),
        (["/usr/bin/python3", "-c", "x"], "usr/bin/python3", USR, {}),
        (["python3", "-m", "pkg"], "usr/local/bin/python3", LOCAL, {"working_dir": "/app"}),
        (["/opt/venv/bin/python", "-m", "web"], "opt/venv/bin/python", LOCAL,
         {"more": {"opt/venv/lib/python3.13/site-packages/web.py": ""}}),
        (["python3", "-um", "site"], "usr/local/bin/python3", LOCAL, {}),
        (["python3", "-W", "ignore", "-Xdev", "/app/main.py"], "usr/local/bin/python3", LOCAL, {}),
        (["/app/tool"], "usr/local/bin/python3", LOCAL, {"user": "app"}),
        (["./tool"], "usr/local/bin/python3", LOCAL, {"working_dir": "/app"}),
        (["/app/usr"], "usr/bin/python3", USR, {}),
        # A directory on PATH is no program; execvp(3) tries the next where one fails.
        (["python3"], "usr/local/bin/python3", LOCAL,
         {"env": ["PATH=/srv:/usr/local/bin"], "more": {"srv/python3/": None}}),
        (["tini", "python3"], "usr/local/bin/python3", LOCAL,
         {"env": ["PATH=/srv:/usr/local/bin:/bin"], "more": {"srv/python3": py("#!/opt/gone")}}),
        (["/app/spaced"], "usr/bin/python3", USR, {}),
        (["/app/deep1"], "usr/bin/python3", USR, {}),
        (["/app/s4"], "usr/bin/python3", USR, {}),
        (["/app/long-arg"], "usr/bin/python3", USR, {}),
        (["/app/rel"], "usr/local/bin/python3", LOCAL, {"working_dir": "/usr/local"}),
        (["/opt/venv/bin/serve"], "opt/venv/bin/python", LOCAL, {}),
        (["serve"], "opt/venv/bin/python", LOCAL, {"env": ["PATH=/opt/venv/bin:/bin"]}),
        (["nginx", "-g", "daemon off;"], "usr/sbin/nginx", "", {}),
        (["/app/static"], "app/static", "", {"user": "1234"}),
        (["/app/i386"], "app/i386", "", {}),
        (["/app/group"], "app/group", "", {"user": "ops"}),
        (["/app/group"], "app/group", "", {"user": "1234:50"}),
        (["tini", "-g", "--", "python3", "-V"], "usr/local/bin/python3", LOCAL, {}),
        (["tini", "-e", "143", "python3", "-V"], "usr/local/bin/python3", LOCAL, {}),
        (["dumb-init", "--rewrite", "15:2", "/app/usr"], "usr/bin/python3", USR, {}),
        (["gosu", "app", "/app/usr"], "usr/bin/python3", USR, {}),
        (["su-exec", "app:staff", "/app/group"], "app/group", "", {}),
        (["setpriv", "--reuid=app", "--init-groups", "/app/usr"], "usr/bin/python3", USR, {}),
        (["env", "-i", "A=b", "/app/usr"], "usr/bin/python3", USR, {}),
        (["env", "PATH=/usr/bin", "python3", "-V"], "usr/bin/python3", USR, {}),
        (["env", "-S", "python3 -u -V"], "usr/local/bin/python3", LOCAL, {}),
        (["nice", "-n", "5", "python3", "-V"], "usr/local/bin/python3", LOCAL, {}),
        (["nice", "-5", "python3", "-V"], "usr/local/bin/python3", LOCAL, {}),
        (["timeout", "-k", "5", "60", "python3", "-V"], "usr/local/bin/python3", LOCAL, {}),
        (["python3", "-V", "gone.py"], "usr/local/bin/python3", LOCAL, {}),
        (["/app/frozen", "gone.yml"], "app/frozen", "app/frozen", {}),
        (["bash", "-euo", "pipefail", "-c", "python3 -V"], "usr/local/bin/python3", LOCAL, {}),
        (["sh", "-c", "exec python3 -V"], "usr/local/bin/python3", LOCAL, {}),
        (["sh", "-ec", "cd /app && python3 main.py"], "usr/local/bin/python3", LOCAL, {}),
        (["sh", "-c", "python3 -V > /proc/1/fd/1 2>&1"], "usr/local/bin/python3", LOCAL, {}),
        (["sh", "-c", ". /opt/venv/bin/activate && exec serve"], "opt/venv/bin/python", LOCAL, {}),
        (["bash", "-c", "source /opt/venv/bin/activate; serve"], "opt/venv/bin/python", LOCAL, {}),
        (["sh", "-c", "exec ${PY:-/usr/bin/python3} -V"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "exec $PY -V"], "usr/bin/python3", USR, {"env": ["PY=/usr/bin/python3"]}),
        (["sh", "-c", 'exec "$0" "$@"', "python3", "-V"], "usr/local/bin/python3", LOCAL, {}),
        (["bash", "-c", "export PATH=/usr/bin:$PATH; python3 -V"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "/app/usr & wait"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "command -v gunicorn || true; exec /app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "/app/static & exec nginx"], "usr/sbin/nginx", "", {}),
        (["sh", "-c", "command python3 -V"], "usr/local/bin/python3", LOCAL, {}),
        (["env", "-S", "nice -n 5", "/app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "exec /app/usr"], "usr/bin/python3", USR, {"env": ["BASH_ENV=/app/plain"]}),
        (["bash", "-c", "exec -a x python3 -V"], "usr/local/bin/python3", LOCAL, {}),
        (["bash", "-c", "exec -- python3 -V"], "usr/local/bin/python3", LOCAL, {}),
        (["bash", "-c", "time -p python3 -V"], "usr/local/bin/python3", LOCAL, {}),
        (["sh", "-ec", "set +e\npythonx\nexec /app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-ec", "set +o errexit\npythonx\nexec /app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "set -o nounset\npythonx\nexec /app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-c", 'set -- /app/usr x; exec "$@"'], "usr/bin/python3", USR, {}),
        (["sh", "-c", "set -u /app/usr x; exec $1"], "usr/bin/python3", USR, {}),
        (["sh", "-c", 'exec "${@:-nginx}"', "x", "/app/usr", "-v"], "usr/bin/python3", USR, {}),
        (["sh", "-c", 'exec "${@:-/app/usr}"'], "usr/bin/python3", USR, {}),
        (["sh", "-c", "exec ${1-/app/usr}"], "usr/bin/python3", USR, {}),
        (["sh", "-c", 'if [ -z "${X:-}" ]; then exit 1; fi; exec /app/usr'],
         "usr/bin/python3", USR, {}),
        (["sh", "-c", "cd pkg; cd ..; exec ./usr"], "usr/bin/python3", USR,
         {"working_dir": "/app"}),
        # A failure within a list, or in a subshell that is no last command, does not end the shell.
        (["sh", "-c", "f() { set -e; pythonx; true; }; f && exec /app/usr"],
         "usr/bin/python3", USR, {}),
        (["sh", "-c", "( set -e; pythonx; nginx ); exec /app/usr"], "usr/bin/python3", USR, {}),
        # Whatever the directory, it is this Python that starts.
        (["sh", "-c", "cd /gone; exec python3 main.py"], "usr/local/bin/python3", LOCAL, {}),
        (["sh", "-c", "cd $X; exec python3 -m gone"], "usr/local/bin/python3", LOCAL, {}),
        (["sh", "-c", 'A=$E; if [ -z "$A" ]; then exec /app/usr; fi; nginx'],
         "usr/bin/python3", USR, {"env": ["E="]}),
        (["python3", "/srv/dir"], "usr/local/bin/python3", LOCAL,
         {"more": {"srv/dir/__main__.py": ""}}),
        (["python3", "/srv/dir"], "usr/local/bin/python3", LOCAL,
         {"more": {"srv/dir/__main__.pyc": "x"}}),
        (["/srv/v/bin/python3", "-V"], "srv/v/bin/python3", USR,
         {"more": {"srv/v/pyvenv.cfg": "home = /usr/local/bin\n",
                   "srv/v/bin/python3": Link("/usr/bin/python3.11")}}),
        (["poetry", "run", "python", "-V"], "srv/.venv/bin/python", LOCAL,
         {"working_dir": "/srv", "more": {"usr/bin/poetry": py("#!/usr/bin/python3"),
                                          **venv("srv/.venv", "/usr/local/bin")}}),
        (["sh", "-c", "exec ~/run"], "usr/bin/python3", USR,
         {"user": "app", "more": {"home/app/run": py("#!/usr/bin/python3")}}),
        (["gosu", "app", "sh", "-c", "exec ~/run"], "usr/bin/python3", USR,
         {"more": {"home/app/run": py("#!/usr/bin/python3")}}),
        # Who runs it is not known, and it starts whoever that is.
        (["/app/usr"], "usr/bin/python3", USR,
         {"more": {"etc/passwd": Link("/data/users"), "data/users": PASSWD}}),
        # Root looks things up in directories that let nobody in.
        (["/priv/usr"], "usr/bin/python3", USR,
         {"more": {"priv/": Directory(mode=0o600, uid=1000),
                   "priv/usr": py("#!/usr/bin/python3")}}),
        (["busybox", "sh", "-c", "exec /app/usr"], "usr/bin/python3", USR, {"more": BUSYBOX}),
        (["sh", "-c", 'exec busybox "$X"'], "usr/bin/busybox", "", {"more": BUSYBOX}),
        (["busybox"], "usr/bin/busybox", "", {"more": BUSYBOX}),
        # A tool by another path than its own, whose first line leads on.
        (["/srv/poetry", "run", "python", "-V"], "srv/.venv/bin/python", LOCAL,
         {"working_dir": "/srv", "more": {"srv/poetry": Link("/opt/tool/poetry"), **PROJECT,
                                          "opt/tool/poetry": py("#!/usr/bin/env python3")}}),
        (["uv", "--quiet", "run", "--no-sync", "python", "-V"], "srv/.venv/bin/python", LOCAL,
         {"working_dir": "/srv", "more": PROJECT}),
        # What the project's environment lacks the tool may bring.
        (["uv", "run", "python", "gone.py"], "srv/.venv/bin/python", LOCAL,
         {"working_dir": "/srv", "more": PROJECT}),
        (["uv", "run", "main.py"], "srv/.venv/bin/python", LOCAL,
         {"working_dir": "/srv", "more": PROJECT}),
        (["uv", "run", "python", "-V"], "opt/venv/bin/python", LOCAL,
         {"working_dir": "/srv", "env": ["UV_PROJECT_ENVIRONMENT=/opt/venv"], "more": PROJECT}),
        (["pdm", "run", "python", "-V"], "srv/.venv/bin/python", LOCAL,
         {"working_dir": "/srv", "env": ["UV_PROJECT_ENVIRONMENT=/opt/venv"], "more": PROJECT}),
        (["pdm", "-p", "/srv", "run", "python", "-V"], "srv/.venv/bin/python", LOCAL,
         {"working_dir": "/srv", "more": PROJECT}),
        (["conda", "run", "-p", "/opt/venv", "python", "-V"], "opt/venv/bin/python", LOCAL,
         {"more": PROJECT}),
        (["mamba", "run", "-p", "/opt/venv", "python", "-V"], "opt/venv/bin/python", LOCAL,
         {"more": PROJECT}),
        (["env", "-", "PATH=/usr/bin", "python3", "-V"], "usr/bin/python3", USR, {}),
        (["sudo", "-En", "/app/usr"], "usr/bin/python3", USR, {"more": PIP}),
        (["sudo", "-u", "ops", "/app/usr"], "usr/bin/python3", USR, {"user": "app", "more": PIP}),
        # An unknown program is no Python, whatever it is given but a Python's path or name.
        (["nsjail", "/usr/bin/env"], "usr/bin/nsjail", "", {"more": PIP}),
        (["nsjail", "usr/bin/python3.11"], "usr/bin/nsjail", "", {"more": PIP}),
        (["sh", "-c", 'exec nsjail "$X"'], "usr/bin/nsjail", "", {"more": PIP}),
        (["sh", "--", "/app/run.sh"], "usr/bin/python3", USR,
         {"more": {"app/run.sh": "exec /app/usr\n"}}),
        (["bash", "--norc", "-c", "/app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-c", '"$@"', "sh", "/srv/a b"], "usr/bin/python3", USR,
         {"more": {"srv/a b": py("#!/usr/bin/python3")}}),
        (["sh", "-c", "cd /opt; . venv/bin/activate; exec serve"],
         "opt/venv/bin/python", LOCAL, {}),
        (["sh", "-c", '. /opt/venv/bin/activate; export PATH="$PATH:/x"; exec serve'],
         "opt/venv/bin/python", LOCAL, {}),
        # What fails beside the text, in a condition or in a loop does not end it.
        (["sh", "-ec", "pythonx & exec /app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "exit & exec /app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "exec nginx & exec /app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "/app/usr & exec python3 -V"], "usr/local/bin/python3", LOCAL, {}),
        (["sh", "-ec", "! pythonx\nexec /app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-ec", "if pythonx; then echo; fi\nexec /app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-ec", "for i in $X; do pythonx; done\nexec /app/usr"],
         "usr/bin/python3", USR, {}),
        (["sh", "-c", "[ -f /x ] && set -e; pythonx; exec /app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "while true; do /app/usr; done"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "if [ -f /x ]; then echo; else echo; fi; exec /app/usr"],
         "usr/bin/python3", USR, {}),
        (["sh", "-ec", "echo $(pythonx)\nexec /app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "! exec /app/usr"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "if exec /app/usr; then :; fi"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "/app/usr | python3 -V"], "usr/local/bin/python3", LOCAL, {}),
        # What is the same whichever way was taken is known.
        (["sh", "-c", "X=/app/usr; if [ -f /x ]; then Y=1; fi; exec $X"],
         "usr/bin/python3", USR, {}),
        (["sh", "-c", 'if [ -f /x ]; then Y=1; fi; exec "$@"', "sh", "/app/usr"],
         "usr/bin/python3", USR, {}),
        (["sh", "-c", "if [ -f /x ]; then Y=1; fi; exec python3 -V"],
         "usr/local/bin/python3", LOCAL, {}),
        (["sh", "-c", "if [ -f /x ]; then Y=1; fi; exec ./usr"], "usr/bin/python3", USR,
         {"working_dir": "/app"}),
        (["sh", "-c", "f() { exec /app/usr; }; command echo; f"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "set -o nounset /app/usr x; exec $1"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "set /app/usr; exec $1"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "set - /app/usr; exec $1"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "set - -/app/usr; exec ${1#-}"], "usr/bin/python3", USR, {}),
        (["sh", "-c", "f() { exec /app/usr; }; " + "[ -f /x ] && f; " * 17 + "f"],
         "usr/bin/python3", USR, {}),
        (["sh", "-c", 'shift 2; exec "$@"', "sh", "x", "y", "/app/usr"],
         "usr/bin/python3", USR, {}),
        (["sh", "-c", 'shift; exec "${1:-/app/usr}"', "sh", "x"], "usr/bin/python3", USR, {}),
    ],
)  # fmt: skip
def test_what_starts(
    command: list[str], program: str, python: str, config: Mapping[str, Any]
) -> None:
    found = startup(cmd=command, **config)
    assert found.status == "starts", found.reason
    assert (found.program, found.python) == (program, python)
    # The reason says what is executed, and what a script's first line makes of it.
    script = bool(python) and found.steps[-1].how.startswith("the first line of /")
    assert found.reason.startswith("CMD starts ")
    assert (", a script for " in found.reason) == script
    assert ", by " not in found.reason
    assert found.reason.endswith(f"/{program}") or script


# --- what cannot start ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("command", "errno", "words", "config"),
    [
        (["pythonx"], "ENOENT", "no directory of PATH has a program pythonx", {}),
        (["python3"], "ENOENT", "no directory of PATH", {"env": ["PATH=/app:/srv"]}),
        (["python3"], "ENOENT", "names /opt/gone",
         {"env": ["PATH=/srv:/usr/local/bin"], "more": {"srv/python3": py("#!/opt/gone")}}),
        (["/app/.venv/bin/python"], "ENOENT", "/app/.venv is in no layer", {}),
        (["./nothing"], "ENOENT", "/app/nothing is in no layer", {"working_dir": "/app"}),
        ([""], "ENOENT", "empty", {}),
        (["/app"], "EACCES", "/app is a directory, no program", {}),
        (["/app/main.py/x"], "ENOTDIR", "/app/main.py is no directory", {}),
        (["/app/tool/"], "ENOTDIR", "no directory", {}),
        (["/app/loop"], "ELOOP", "in a circle", {}),
        (["/" + "a" * 300], "ENAMETOOLONG", "255 bytes", {}),
        (["/" + "a/" * 2100], "ENAMETOOLONG", "4095 bytes", {}),
        (["/app/no-x"], "EACCES", "may not be executed (mode 0644", {}),
        (["no-x"], "EACCES", "may not be executed", {"env": ["PATH=/app"]}),
        (["/app/group"], "EACCES", "user app may not execute /app/group", {"user": "app"}),
        (["/app/group"], "EACCES", "user 1234 may not", {"user": "1234"}),
        (["/opt/root-python"], "EACCES", "app may not enter /root (mode 0700", {"user": "app"}),
        (["/root/py/python3"], "EACCES", "user app may not enter /root", {"user": "1000"}),
        (["/app/plain"], "ENOEXEC", "neither an ELF file nor a script", {}),
        (["/app/empty"], "ENOEXEC", "neither an ELF file nor a script", {}),
        (["/app/bare"], "ENOEXEC", "names no program", {}),
        (["/app/cr.sh"], "ENOENT", "ends in a carriage return", {}),
        (["/app/cr"], "ENOENT", "python3\\r", {}),
        (["/app/gone"], "ENOENT", "names /opt/gone/bin/python: there is no /opt", {}),
        (["/app/long"], "ENOEXEC", "does not end within 255 bytes", {}),
        (["/app/rel"], "ENOENT", "names bin/python3", {"working_dir": "/app"}),
        (["/app/s3"], "ELOOP", "/app/s3 is a script for a script, more than 5 deep", {}),
        (["/srv/x"], "ENOEXEC", "/app/plain is neither", {"more": {"srv/x": py("#!/app/plain")}}),
        (["/app/s1"], "ELOOP", "a script for a script, more than 5 deep", {}),
        (["/app/arm"], "ENOEXEC", "a program for aarch64, and the image is for linux/amd64", {}),
        (["/app/musl"], "ENOENT", "requires the loader /lib/ld-musl-x86_64.so.1 of musl", {}),
        (["python3", "/app/gone.py"], "ENOENT", "/app/gone.py is in no layer", {}),
        (["python3", "-u", "/app/gone.py"], "ENOENT", "/app/gone.py is in no layer", {}),
        (["python3", "/app/private.py"], "EACCES", "may not read /app/private.py", {"user": "app"}),
        (["python3", "/app"], "", "has no __main__.py", {}),
        (["python3", "-m", "gone.web"], "", "has a module gone", {"working_dir": "/app"}),
        (["tini", "--", "pythonx"], "ENOENT", "no directory of PATH", {}),
        (["gosu", "nobody", "/app/usr"], "", "user nobody, who is not in /etc/passwd", {}),
        (["gosu", "app:crew", "/app/usr"], "", "in group crew, which is not in /etc/group", {}),
        (["gosu", "app", "/root/bin/python3"], "EACCES", "user app may not enter /root", {}),
        (["env", "-i", "dumb-init", "-V"], "ENOENT", "PATH=/bin:/usr/bin", {}),
        (["env", "python3 -u"], "ENOENT", "program python3 -u", {}),
        (["sh", "-c", "exec pythonx"], "ENOENT", "no directory of PATH", {}),
        (["sh", "-c", "cd /app && exec ./no-x"], "EACCES", "may not be executed", {}),
        (["sh", "-c", "pythonx app.py"], "ENOENT", "no directory of PATH", {}),
        (["sh", "-c", "cd /gone && exec ./usr"], "ENOENT", "/gone is in no layer", {}),
        (["sh", "-ec", "cd /gone\nexec ./usr"], "ENOENT", "/gone is in no layer", {}),
        (["sh", "-c", "cd $X; exec python3 /app/gone.py"], "ENOENT", "gone.py is in no layer", {}),
        (["sh", "-c", "set -e && pythonx; nginx"], "ENOENT", "program pythonx", {}),
        (["sh", "-ec", "(pythonx; nginx); nginx"], "ENOENT", "program pythonx", {}),
        # dash has no options of exec, and no time.
        (["sh", "-c", "exec -a x python3"], "ENOENT", "has a program -a", {}),
        (["sh", "-c", "exec -- python3"], "ENOENT", "has a program --", {}),
        (["sh", "-c", "time python3"], "ENOENT", "has a program time", {}),
        (["sh", "-c", "(exit 1); pythonx"], "ENOENT", "no directory of PATH", {}),
        (["sh", "-c", "f() { return; }; f; pythonx"], "ENOENT", "no directory of PATH", {}),
        (["sh", "-c", "(exec pythonx)"], "ENOENT", "no directory of PATH", {}),
        (["sh", "-ec", "pythonx\nexec /app/usr"], "ENOENT", "no directory of PATH", {}),
        (["sh", "-c", "source /opt/venv/bin/activate && serve"], "ENOENT", "program source", {}),
        (["sh", "/app/gone.sh"], "ENOENT", "/app/gone.sh is in no layer", {}),
        (["python3", "--check-hash-based-pycs", "always", "/app/gone.py"], "ENOENT", "gone.py", {}),
        (["sh", "-c", "set -e\npythonx\nexec /app/usr"], "ENOENT", "program pythonx", {}),
        (["sh", "-c", "if true; then pythonx; fi"], "ENOENT", "program pythonx", {}),
        (["sh", "-c", "set -o errexit\npythonx\nexec /app/usr"], "ENOENT", "program pythonx", {}),
        (["/app/usr"], "", "USER who names who, which /etc/passwd does not have", {"user": "who"}),
        (["/app/usr"], "", "names crew, which /etc/group does not have", {"user": "app:crew"}),
        (["/app/usr"], "ENOTDIR", "WORKDIR /app/tool is a file", {"working_dir": "/app/tool"}),
        (["/app/owned"], "EACCES", "user app may not execute /app/owned (mode 0601",
         {"user": "app", "more": {"app/owned": File(elf(static=True), mode=0o601, uid=1000)}}),
        (["/srv/x"], "ENOENT", "names /ddd", {"more": {"srv/x": py("#!/" + "d" * 252)}}),
        (["nginx"], "EACCES", "which may not be executed",
         {"more": {"lib64/ld-linux-x86-64.so.2": File(elf(static=True), mode=0o644)}}),
        (["nginx"], "EACCES", "which may not be executed",
         {"more": {"lib64/ld-linux-x86-64.so.2/": None}}),
        (["/app/musl"], "ELOOP", "of musl (Alpine), and more than",
         {"more": {"lib/ld-musl-x86_64.so.1": Link("ld-musl-x86_64.so.1")}}),
        # These leave the file system as it is: what comes after them is missing for certain.
        (["sh", "-c", "python3 -V; exec pythonx"], "ENOENT", "program pythonx", {}),
        (["sh", "-c", "exec pythonx 2>&1"], "ENOENT", "program pythonx", {}),
        (["sh", "-c", "echo > /dev/null; exec pythonx"], "ENOENT", "program pythonx", {}),
        (["sh", "-c", "cat < /etc/passwd; exec pythonx"], "ENOENT", "program pythonx", {}),
        (["sh", "-c", "X=$(id -u); exec pythonx"], "ENOENT", "program pythonx", {}),
        (["sh", "-c", "case $X in a|*) pythonx;; esac"], "ENOENT", "program pythonx", {}),
        (["sh", "-c", "ls | grep x; exec pythonx"], "ENOENT", "program pythonx", {}),
        (["sh", "-c", "ls | pythonx"], "ENOENT", "program pythonx", {}),
        (["nice", "A=b", "python3"], "ENOENT", "program A=b", {}),
    ],
)  # fmt: skip
def test_what_cannot_start(
    command: list[str], errno: str, words: str, config: Mapping[str, Any]
) -> None:
    found = startup(cmd=command, **config)
    assert found.status == "cannot-start", found.reason
    assert found.problem is not None
    assert (found.problem.errno, words in found.problem.what) == (errno, True), found.problem.what
    what = found.problem.what
    assert not what.startswith("usr/")
    assert ("as the / after it says" in what) == command[0].endswith("tool/")
    assert f"/{found.problem.path}" in f"/{what}" or what.startswith(("its path", "more than"))


MADE = "/root/.local/share/uv/python/cpython-3.13.5/bin/python3.13"


@pytest.mark.parametrize(
    ("target", "more", "what", "fix"),
    [
        (
            MADE,
            {"srv/env/pyvenv.cfg": "home = /root\n"},
            f"/srv/env/bin/python leads to {MADE}, and /root/.local is in no layer of the image",
            f"copy what the link leads to as well, to {MADE}, or make the environment with a"
            " Python that the image has, at the same path",
        ),
        (
            "/usr/bin/python3.14",
            {},
            "/srv/env/bin/python leads to /usr/bin/python3.14, which is in no layer of the image",
            "copy what the link leads to as well, to /usr/bin/python3.14",
        ),
        (
            "../gone/python",
            {},
            "/srv/env/bin/python leads to /srv/env/gone/python, and /srv/env/gone is in no layer"
            " of the image",
            "copy what the link leads to as well, to /srv/env/gone/python",
        ),
    ],
)
def test_a_link_to_what_was_not_copied(
    target: str, more: dict[str, Content], what: str, fix: str
) -> None:
    tree = {"srv/env/bin/python": Link(target), **more}
    for command in (["/srv/env/bin/python"], ["/srv/env/bin/python", "-c", "pass"]):
        found = startup(cmd=command, more=tree).problem
        assert found is not None
        assert (found.errno, found.what, found.fix) == ("ENOENT", what, fix)


def test_the_longest_path_name_and_chain_of_links() -> None:
    tree: dict[str, Content] = {f"l/{n}": Link(f"{n + 1}") for n in range(MAX_LINKS + 1)}
    tree[f"l/{MAX_LINKS + 1}"] = executable()
    for command, errno in (
        ("/" + "a" * 255, "ENOENT"),
        ("/" + "a" * 256, "ENAMETOOLONG"),
        ("/" + "a/" * 2046 + "ab", "ENOENT"),
        ("/" + "a/" * 2047 + "a", "ENAMETOOLONG"),
        ("/l/1", None),
        ("/l/0", "ELOOP"),
    ):
        found = startup(cmd=[command], more=tree)
        assert (found.problem.errno if found.problem else None) == errno, command
    whole = startup(cmd=["/" + "a/" * 2047 + "a"], more=tree).problem
    assert whole is not None
    assert whole.path == ("a/" * 100)[:199]  # so much of it is shown


@pytest.mark.parametrize(
    ("place", "uv"), [("root", True), ("srv/uv/python", True), ("srv/private", False)]
)
def test_what_to_do_about_a_directory_that_the_user_may_not_enter(place: str, uv: bool) -> None:
    tree: dict[str, Content] = {f"{place}/": Directory(mode=0o700), f"{place}/x": executable()}
    found = startup(cmd=[f"/{place}/x"], user="app", more=tree).problem
    assert found is not None
    hint = " (for a Python that uv installs: UV_PYTHON_INSTALL_DIR=/opt/python)" if uv else ""
    assert found.fix == (
        f"put what user app runs where every user may go, such as /opt, in place of /{place}{hint},"
        f" or open the directory with chmod a+x /{place}"
    )


@pytest.mark.parametrize("shell", ["/bin/zsh", "/opt/bin/bash"])
def test_a_shell_form_without_the_shell(shell: str) -> None:
    found = startup(cmd=[shell, "-c", "python3"]).problem
    assert found is not None
    assert found.fix == 'write CMD in exec form, CMD ["PROGRAM", "ARGUMENT"]: there is no shell'


APT, DNF = {"usr/bin/apt-get": executable()}, {"usr/bin/dnf": executable()}
APK, MICRODNF = {"sbin/apk": executable()}, {"usr/bin/microdnf": executable()}


@pytest.mark.parametrize(
    ("command", "fix", "config"),
    [
        (["sh", "-c", "exec -a x y"], "leave the option out, or let bash run the script: exec of"
         " this shell has no options", {}),
        (["env", "python3 -u"], "let env split its argument: #!/usr/bin/env -S python3 -u", {}),
        (
            ["sh", "-c", "source x && y"],
            'write . FILE in place of source FILE, or SHELL ["/bin/bash", "-c"] before it',
            {},
        ),
        # What PATH leads to comes first, whatever else the image has (/root/bin/python3).
        (["python3.12"], "start python3, which is at /usr/local/bin/python3", {}),
        (["python3.12"], "start python3, which is at /usr/bin/python3", {"env": ["PATH=/bin"]}),
        (["pip3.9"], "start pip3, which is at /usr/local/bin/pip3", {}),
        # Where it does not, the name is of no use.
        (["python3.12"], "start /opt/bin/python3",
         {"env": ["PATH=/app"], "more": {"opt/bin/python3": executable()}}),
        (["gosu"], "start /usr/sbin/gosu, or put /usr/sbin on PATH", {"env": ["PATH=/app"]}),
        (["x11"], "start /usr/local/bin/x11, or put /usr/local/bin on PATH",
         {"env": ["PATH=/app"],
          "more": {"opt/a/bin/x11": executable(), "usr/local/bin/x11": executable()}}),
        (["/srv/x/python3"], "copy /srv/x/python3 into the image, to that same path, or start"
         " /usr/local/bin/python3", {}),
        (["zsh"], "start sh in its place", {}),
        (["zsh"], "start sh in its place, or apt-get install -y --no-install-recommends zsh",
         {"more": APT}),
        (["zsh"], "start sh in its place, or apk add --no-cache zsh", {"more": APK}),
        (["zsh"], "start sh in its place, or microdnf install -y"
         " --setopt=install_weak_deps=False zsh", {"more": MICRODNF}),
        (["fish"], "install the package that provides fish, or copy it to a directory of PATH", {}),
        (["/app/.venv/bin/python"],
         "copy /app/.venv into the image, to that same path, or start /usr/local/bin/python", {}),
        (["/opt/venv/bin/gone"], "copy /opt/venv/bin/gone into the image, to that same path", {}),
        (["/srv/x/tool"], "copy /srv/x/tool into the image, to that same path", {}),
        (["/app/gone"], "let the first line of /app/gone name a program that the image has, or"
         " bring /opt/gone/bin/python", {}),
        (["/x"], "begin /x with #!/bin/sh, if it uses no feature of zsh, or dnf install"
         " -y --setopt=install_weak_deps=False zsh",
         {"more": {"x": py("#!/opt/zsh"), **DNF}}),
        (["/x"], "begin /x with #!/bin/sh, if it uses no feature of zsh",
         {"more": {"x": py("#!/opt/zsh")}}),
        (["python3", "/app/gone.py"],
         "copy it into the image, or name the file that is there in place of /app/gone.py", {}),
        (["python3", "/srv/run.py"], "copy what the link leads to as well, to /gone.py",
         {"more": {"srv/run.py": Link("/gone.py")}}),
        (["sh", "/app/gone.sh"], "copy /app/gone.sh into the image", {}),
        (["sh", "/srv/run.sh"], "copy what the link leads to as well, to /gone.sh",
         {"more": {"srv/run.sh": Link("/gone.sh")}}),
        (["/app/cr"], "store /app/cr with Unix line endings: *.sh text eol=lf in .gitattributes, or"
         " RUN sed -i 's/\\r$//' /app/cr", {}),
        (["/app/cr.sh"], "store /app/cr.sh with Unix line endings: *.sh text eol=lf in"
         " .gitattributes, or RUN sed -i 's/\\r$//' /app/cr.sh", {}),
        (["/app/musl"], "take a build of it for glibc, or begin with a base image that has musl"
         " (Alpine)", {}),
        (["/srv/nix"], "copy the closure of the program from the Nix store as well",
         {"more": {"srv/nix": File(elf(needed=["libc.so.6"], interp="/nix/store/x/ld.so"),
                                   mode=0o755)}}),
        # Accounts are made by what the image has: shadow's programs, or busybox's.
        (["/app/usr"], "add the user: RUN useradd who before USER, or name it by its number",
         {"user": "who", "more": {"usr/sbin/useradd": "", "usr/sbin/adduser": ""}}),
        (["/app/usr"], "add the group: RUN groupadd crew before USER, or name it by its number",
         {"user": "app:crew", "more": {"usr/sbin/groupadd": ""}}),
        (["/app/usr"], "add the user: RUN adduser -D who before USER, or name it by its number",
         {"user": "who", "more": {"usr/sbin/adduser": ""}}),
        (["gosu", "app:a b", "/app/usr"], "add the group: RUN addgroup 'a b'",
         {"more": {"usr/sbin/addgroup": ""}}),
        (["gosu", "who", "/app/usr"], "bring a /etc/passwd that has the user who", {}),
        (["gosu", "app:crew", "/app/usr"], "bring a /etc/group that has the group crew", {}),
        (["gosu", "who", "/app/usr"], "bring a /etc/passwd that has the user who",
         {"more": {"usr/sbin/useradd": "", "bin/.wh.sh": "", "usr/bin/.wh.sh": ""}}),
        (["/x.sh"], "store /x.sh with Unix line endings: *.sh text eol=lf in .gitattributes, or"
         " RUN sed -i 's/\\r$//' /x.sh",
         {"more": {"x.sh": sh("exec 'python3\r'")}}),
    ],
)  # fmt: skip
def test_what_to_do_about_a_program_that_is_not_there(
    command: list[str], fix: str, config: Mapping[str, Any]
) -> None:
    found = startup(cmd=command, **config).problem
    assert found is not None
    assert found.fix == fix


def test_a_python_by_another_name_is_the_one_of_the_shortest_path() -> None:
    links = ("bin/python", "bin/python3")
    trees = ({**cpython("opt/a", "3.13.1")}, {**cpython("opt/longer", "3.13.1")})
    layers = (
        {name: data for name, data in tree.items() if not name.endswith(links)} for tree in trees
    )
    found = startup(debian_base(), {"app": frozen("3.12")}, *layers, cmd=["python3"]).problem
    assert found is not None
    assert found.fix == "start /opt/a/bin/python3.13"


SITE = "usr/local/lib/python3.13/site-packages"


LIB: dict[str, Content] = {"srv/lib/web.py": "", "srv/web.zip": "PK"}


@pytest.mark.parametrize(
    ("command", "env", "missing"),
    [
        (["python3", "-m", "web"], [], True),
        (["python3", "-m", "web"], ["PYTHONPATH=/opt/venv/bin"], True),
        (["python3", "-m", "web"], ["PYTHONPATH=/srv/lib"], False),
        (["python3", "-m", "web"], ["PYTHONPATH=:../srv/lib"], False),
        (["python3", "-m", "web"], ["PYTHONPATH=/srv:/srv/web.zip"], False),
        (["python3", "-m", "web"], ["PYTHONPATH=/mounted"], False),
        (["env", "PYTHONPATH=/srv/lib", "python3", "-m", "web"], [], False),
        (["sh", "-c", "PYTHONPATH=/srv/lib exec python3 -m web"], [], False),
        (["sh", "-c", "export PYTHONPATH=/srv/lib; python3 -m web"], [], False),
        (["sh", "-c", "export PYTHONPATH=$PYTHONPATH:/srv/lib; python3 -m web"], [], False),
        (["python3", "-m", "web"], ["PYTHONHOME=/opt"], False),
        (["sh", "-c", "export PYTHONHOME=$X; python3 -m web"], [], False),
        (["python3", "-m", "no-module"], [], False),
        (["/srv/python3", "-m", "web"], [], True),
        (["python3", "-m", "web"], ["PYTHONPATH=/srv/web.zip"], False),
        # A program without a standard library of its own: where it imports from is not known.
        (["/srv/bin/python3.13", "-m", "web"], [], False),
    ],
)
def test_a_module_from_where_variables_say(
    command: list[str], env: list[str], missing: bool
) -> None:
    more = {
        **LIB,
        "srv/python3": Link("/usr/local/bin/python3.13"),
        "srv/bin/python3.13": executable("3.13.1"),
    }
    found = startup(cmd=command, env=env, working_dir="/app", more=more)
    assert found.python == (LOCAL if "/srv/bin/" not in command[0] else "srv/bin/python3.13")
    assert (found.problem is not None) is missing


@pytest.mark.parametrize(
    ("tree", "directory", "likely"),
    [
        # What has the module, or may bring it when Python starts.
        ({f"{SITE}/web.cpython-313-x86_64-linux-gnu.so": executable()}, "/app", None),
        ({f"{SITE}/web.py": ""}, "/app", None),
        ({f"{SITE}/hook.pth": "import hook\n"}, "/app", None),
        ({f"{SITE}/web-1.egg": "zip"}, "/app", None),
        ({"usr/local/lib/python3.13/lib-dynload/web.so": executable()}, "/app", None),
        ({"web/main.py": ""}, "/", None),
        ({"web.py": ""}, "/", None),
        # What does not.
        ({f"{SITE}/distutils-precedence.pth": "import os"}, "/app", False),
        ({f"{SITE}/more.pth": "/srv\n"}, "/app", False),
        ({f"{SITE}/website.so": executable()}, "/app", False),
        ({f"{SITE}/web.txt": ""}, "/app", False),
        # Over what holds no code, a directory may be mounted that has the module.
        ({"x": ""}, "/", False),
        ({"srv/a.py": ""}, "/srv", False),
        ({"srv/data.txt": ""}, "/srv", True),
        ({}, "/srv", True),
    ],
)
def test_where_a_module_may_come_from(tree: Tree, directory: str, likely: bool | None) -> None:
    found = startup(cmd=["python3", "-m", "web"], working_dir=directory, more=tree or {"x": ""})
    assert found.python == LOCAL
    assert (found.problem.likely if found.problem else None) is likely


# --- what is not known, and what is no matter -----------------------------------------------------
@pytest.mark.parametrize(
    ("command", "config"),
    [
        (["sh", "-c", "exec $RUNNER"], {}),
        (["sh", "-c", "exec ${RUNNER} app"], {}),
        (["sh", "-c", 'if [ -n "$X" ]; then exec /usr/bin/python3; fi; exec python3'], {}),
        (["sh", "-c", "[ -f /cfg ] && exec /usr/bin/python3; exec python3"], {}),
        (["sh", "-c", "pythonx || exec pythony"], {}),
        (["sh", "-c", "pip install x && exec gunicorn app:app"], {"more": PIP}),
        (["sh", "-c", "python3 -m venv /v && /v/bin/python"], {}),
        (["sh", "-c", "eval \"$CMD\""], {}),
        (["sh", "-c", "command -p pythonx"], {}),
        (["bash", "-c", "pythonx"], {"env": ["BASH_ENV=/app/plain"]}),
        # Without quotes a value is split, and what it holds may be a pattern.
        (["sh", "-c", "exec /usr/bin/$APP"], {"env": ["APP=python3 -V"]}),
        (["sh", "-c", "exec python3 $FILES"], {"env": ["FILES=/app/m*.py"]}),
        (["bash", "-c", "exec -z pythonx"], {}),
        (["bash", "-c", "exec -a x"], {}),
        (["sh", "-c", "/app/static & wait"], {}),
        (["sh", "-c", 'if [ -n "$X" ]; then echo; elif true; then pythonx; fi'], {}),
        (["sh", "-c", ". /etc/profile; exec pythonx"], {}),
        (["sh", "-c", "alias pythonx=python3; pythonx"], {}),
        (["sh", "-c", "f() { pythonx; }; python3 -V || f"], {}),
        (["sh", "-c", "while true; do pythonx; done"], {}),
        (["sh", "-c", "echo 'open"], {}),
        (["bash", "-c", "A=/app; A+=/usr; exec $A"], {}),
        (["sh", "-c", "> /srv/pythonx echo hi; exec /srv/pythonx"], {}),
        (["sh", "-c", "exec /app/usr > /srv/pythonx; exec /srv/pythonx"], {}),
        (["bash", "-c", "A=/app; A[0]=/app/usr; exec $A"], {}),
        # What the kernel does not execute a shell reads, and so does execvp(3).
        (["sh", "-c", "exec /app/plain"], {}),
        (["sh", "-c", "/app/bare"], {}),
        (["env", "/app/long"], {}),
        (["bash", "-c", "exec /srv/x"], {"more": {"srv/x": py("#!/app/plain")}}),
        # A directory that is not there: the shell stays where it is.
        (["sh", "-c", "cd /gone; exec ./usr"], {"working_dir": "/app"}),
        (["sh", "-c", "cd /gone || true; exec ./usr"], {"working_dir": "/app"}),
        (["sh", "-ec", "cd /gone && pythonx\numask 022"], {}),
        (["sh", "-c", "cd /app/tool; exec ./usr"], {"working_dir": "/app"}),
        (["sh", "-c", "cd /root; exec ./usr"], {"working_dir": "/app", "user": "app"}),
        (["sh", "-c", "cd -P /app; exec ./usr"], {}),
        # The kernel goes up from where the link leads to, the shell from where the link is.
        (["sh", "-c", "cd /srv/link; cd ..; exec ./usr"],
         {"more": {"srv/link": Link("/opt/venv/bin"), "srv/usr": py("#!/usr/bin/python3")}}),
        (["bash", "-c", 'shift 2; exec "$@"', "bash", "pythonx"], {}),
        (["sh", "-c", 'exec "/app/$@"', "sh", "x", "y"], {}),
        (["sh", "-c", "echo x > /tmp/run; chmod +x /tmp/run; /tmp/run"], {}),
        (["bash", "-lc", "pythonx"], {}),
        (["sh", "-c", "exec $(which pythonx)"], {}),
        (["sh", "-c", '[ -n "$X" ] && exec /app/usr; pythonx'], {}),
        (["sh", "-c", '[ -n "$X" ] && exec /app/usr; (pythonx)'], {}),
        (["sh", "-c", 'if [ -n "$X" ]; then exit 0; fi; pythonx'], {}),
        (["sh", "-c", 'case $X in a) exec /app/usr;; esac; pythonx'], {}),
        (["sh", "-c", 'f() { [ -n "$X" ] && return; pythonx; }; set -e; f; /app/usr'], {}),
        (["sh", "-c", "f() { if [ -f /cfg ]; then exec /app/usr; fi; }; f; pythonx"], {}),
        (["sh", "-c", "(if [ -f /cfg ]; then exec pythonx; fi)"], {}),
        (["sh", "-c", "(exec pythonx); exit"], {}),
        (["sh", "-c", "(exec pythonx); umask 022"], {}),
        (["sh", "-c", "export PATH=$PATH:~/.local/bin; exec pythonx"], {}),
        (["sh", "-c", "PATH=~/bin:~app/bin exec pythonx"], {}),
        (["sh", "-c", "exec ~app/bin/pythonx"], {}),
        (["env", "--split-what", "x"], {}),
        # Options that change where modules are looked up.
        (["python3", "-E", "-m", "gone"], {"working_dir": "/app"}),
        (["python3", "-Im", "gone"], {"working_dir": "/app"}),
        (["python3", "-m"], {}),
        (["/proc/self/exe"], {}),
        # It keeps root's capabilities up to the program: a container showed it.
        (["setpriv", "--reuid=app", "--init-groups", "/opt/root-python"], {}),
        (["/dev/shm/run"], {}),
        (["sh", "-s"], {}),
        (["uv", "run", "app.py"], {"more": PIP, "working_dir": "/app"}),
        (["nsjail", "--", "/usr/bin/python3"], {"more": PIP}),
        (["sudo", "-u", "app", "pythonx"], {"more": PIP}),
        (["sh", "-c", "gosu app pythonx || true; sleep 1"], {"more": PIP}),
        # Subshells, what runs beside, and substitutions change files as well.
        (["sh", "-c", "(pip install x; ls); exec pythonx"], {"more": PIP}),
        (["sh", "-c", "(pip install x; exit 0); exec pythonx"], {"more": PIP}),
        (["sh", "-c", "(exec pip install x); exec pythonx"], {"more": PIP}),
        (["sh", "-c", "(. /app/plain); exec pythonx"], {}),
        (["sh", "-c", "(ls > /usr/bin/pythonx; ls); exec pythonx"], {}),
        (["sh", "-c", "((pip install x); ls); exec pythonx"], {"more": PIP}),
        (["sh", "-c", "pip install x & wait; exec pythonx"], {"more": PIP}),
        (["sh", "-c", "echo $(pip install x); exec pythonx"], {"more": PIP}),
        (["sh", "-c", 'X="$(pip install x)"; exec pythonx'], {"more": PIP}),
        (["sh", "-c", '[ -n "$(pip install x)" ] || true; exec pythonx'], {"more": PIP}),
        (["sh", "-c", 'if [ "$(pip install x)" ]; then :; fi; exec pythonx'], {"more": PIP}),
        (["sh", "-c", "case $(pip install x) in *) exec pythonx;; esac"], {"more": PIP}),
        (["sh", "-c", "cat <<E\n$(pip install x)\nE\nexec pythonx"], {"more": PIP}),
        (["sh", "-c", "cat < $(pip install x); exec pythonx"], {"more": PIP}),
        (["sh", "-c", 'export X="$(pip install x)"; exec pythonx'], {"more": PIP}),
        (["bash", "-c", "cat <(pip install x); exec pythonx"], {"more": PIP}),
        (["sh", "-c", "echo $(eval $X); exec pythonx"], {}),
        (["sh", "-c", "! pip install x; exec pythonx"], {"more": PIP}),
        (["sh", "-c", "until pip install x; do sleep 1; done; exec pythonx"], {"more": PIP}),
        (["sh", "-c", "pip install x | cat; exec pythonx"], {"more": PIP}),
        (["sh", "-c", "ls | pip install x; exec pythonx"], {"more": PIP}),
        (["sh", "-c", "nsjail x; exec pythonx"], {"more": PIP}),
        (["sh", "-c", "if pip install x; then :; fi; exec pythonx"], {"more": PIP}),
        (["sh", "-c", "if [ -f /x ]; then pip install x; fi; exec pythonx"], {"more": PIP}),
        (["sh", "-c", "pip install x; exec gosu nobody /app/usr"], {"more": PIP}),
        (["sh", "-c", "echo > /usr/bin/pythonx 2>&1; exec pythonx"], {}),
        (["sh", "-c", ". /etc/profile; exec /srv/pythonx"], {}),
        (["sh", "-c", '. "$X"; exec pythonx'], {}),
        (["sh", "-c", "cd $X; . venv/bin/activate; exec pythonx"], {}),
        (["sh", "-c", ". /app/bin/activate; exec pythonx"], {"more": {"app/bin/activate": ""}}),
        (["sh", "-c", "export PATH=$X; . /opt/venv/bin/activate; exec pythonx"], {}),
        # What a variable was before is not what it is.
        (["bash", "-c", "X=gone; read X; exec $X"], {}),
        (["bash", "-c", "X=gone; read X; exec ${X:-gone}"], {}),
        (["bash", "-c", "X=gone; read -r $Y; exec $X"], {}),
        (["bash", "-c", "X=gone; if read X; then exec $X; fi; exec $X"], {}),
        (["bash", "-c", "X=gone; ! read X; exec $X"], {}),
        (["bash", "-c", "X=gone; while read X; do exec $X; done; exec $X"], {}),
        (["bash", "-c", "X=gone; for i in 1 2; do [ -f /x ] && exec $X; X=nginx; done"], {}),
        (["bash", "-c", "X=gone; for X in nginx; do :; done; exec $X"], {}),
        (["bash", "-c", "X=gone; select X in nginx; do exec $X; done; exec $X"], {}),
        (["bash", "-c", "X=gone; getopts a: X -a b; exec $X"], {}),
        (["bash", "-c", "X=gone; mapfile X; exec $X"], {}),
        (["bash", "-c", "X=gone; readarray -t X; exec $X"], {}),
        (["bash", "-c", "X=gone; printf -v X nginx; exec $X"], {}),
        (["bash", "-c", "X=gone; printf -vX nginx; exec $X"], {}),
        (["bash", "-c", "X=gone; let X=1; exec $X"], {}),
        (["bash", "-c", "X=gone; ((X=1)); exec $X"], {}),
        (["bash", "-c", "X=gone; : $((X=1)); exec $X"], {}),
        (["bash", "-c", "X=; : ${X:=nginx}; exec ${X:-gone}"], {}),
        (["bash", "-c", "X=; [ -n \"${X:=nginx}\" ] && exec ${X:-gone}"], {}),
        (["bash", "-c", "X=gone; export X=$(cat /x); exec $X"], {}),
        (["bash", "-c", "X=nginx; f() { local X=gone; }; f; exec $X"], {}),
        (["bash", "-c", "X=gone; f() { exec $X; }; X=nginx f"], {}),
        (["bash", "-c", "X=gone; builtin read X; exec $X"], {}),
        (["bash", "-c", "X=nginx; if [ -f /x ]; then unset X; fi; exec ${X:-gone}"], {}),
        (["bash", "-c", ". /etc/profile; exec ${X:-/srv/gone}"], {}),
        (["bash", "-c", "X=gone; X=nginx export X; exec $X"], {}),
        (["sh", "-c", "if [ -f /x ]; then export PYTHONPATH=/l; fi; exec python3 -m web"], {}),
        (["bash", "-c", 'while [ -f /x ]; do [ "$1" = a ] && exec $2; shift; done', "x", "b", "c"],
         {}),
        # Functions: time runs them, builtin and command do not.
        (["bash", "-c", "gone() { exec nginx; }; time gone"], {}),
        (["bash", "-c", "nginx() { exec gone; }; command nginx"], {}),
        (["bash", "-c", "builtin gone; exec nginx"], {}),
        (["bash", "-c", "X=; [ -n $X ] && exec nginx; exec gone"], {}),
        # Who asks first starts it only if it is there.
        (["sh", "-c", "command -v pythonx && exec pythonx"], {}),
        (["sh", "-c", "[ -f /x ] && exec pythonx"], {}),
        (["sh", "-c", "if [ -f /x ]; then pythonx && nginx; fi"], {}),
        (["sh", "-c", "if [ -f /x ]; then (exec pythonx); fi"], {}),
        (["sh", "-c", "nginx -t && exec pythonx; exec /app/usr"], {}),
        (["sh", "-c", "if [ -f /x ]; then PATH=/opt; fi; exec pythonx"], {}),
        (["sh", "-ec", "pythonx | nginx"], {}),
        (["uv", "run"], {"more": PIP}),
    ],
)  # fmt: skip
def test_what_is_left_alone(command: list[str], config: Mapping[str, Any]) -> None:
    found = startup(cmd=command, **config)
    assert found.problem is None
    assert found.status in ("unknown", "starts")
    assert found.reason


FIVE = ("nginx", "/app/static", "/app/i386", "/app/group", "python3")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["uv", "run", "gunicorn"], "uv decides which Python runs gunicorn"),
        (["nsjail", "python3"], "what nsjail does with python3 is not known"),
        (["nsjail", "/usr/bin/python3.11"], "what nsjail does with /usr/bin/python3.11"),
        (["nsjail", "/bin/python3.11"], "what nsjail does with /bin/python3.11"),
        (["sudo", "-Ez", "/app/usr"], "sudo has an option -Ez"),
        (["sudo", "-zE", "/app/usr"], "sudo has an option -zE"),
        (["gosu", "ops", "/app/usr"], "gosu may not change the user"),
        (["tini", "-5", "python3"], "tini has an option -5"),
        (["env", "-S", "python3 '-V'"], "env -S is given a string with quotes"),
        (["sh", "-c", "if [ -f /x ]; then exec nginx; else exec /app/static; fi"],
         "it may run one of several commands (lines 1, 1)"),
        (["sh", "-c", "\n".join(f"[ -f /x ] && exec {each}" for each in FIVE)],
         "(lines 1, 2, 3, 4)"),
        (["sh", "-c", "if [ -f /x ]; then exec /app/usr; elif [ -f /y ]; then exec python3 -V; fi"
          "; exec /app/usr"], "one of several commands"),
        (["sh", "-c", "if [ -f /x ]; then X=nginx; else X=/app/usr; fi; exec $X"], "run time"),
        (["sh", "-c", 'if [ -f /x ]; then set -- nginx; fi; exec "$@"', "sh", "/app/usr"],
         "run time"),
        (["sh", "-c", "if [ -f /x ]; then cd /app; fi; exec ./usr"], "working directory"),
        (["sh", "-c", "X=/app/usr; for i in a; do X=nginx; done; exec $X"], "run time"),
        (["sh", "-c", "X=/app/usr; for X in a; do :; done; exec $X"], "run time"),
        (["sh", "-c", "X=/app/usr; unset X; exec $X"], "run time"),
        (["sh", "-c", "set $X; shift; exec $1"], "run time"),
        (["sh", "-c", "if nginx -t; then :; fi"], "runs no program that stays"),
        (["sh", "/app/empty"], "runs no program that stays"),
        (["sh", "-c", "command -v python3"], "runs no program that stays"),
        (["sh", "-c", "command -p nginx; exec /app/usr"], "a PATH of its own"),
        (["sh", "-c", "/app/usr & python3 -V & wait"], "more than one Python"),
        (["sh", "-c", "exec python3 -V <<EOF | cat\nx\nEOF"], "gives a text to a pipeline"),
    ],
)  # fmt: skip
def test_what_is_not_known_and_why(command: list[str], reason: str) -> None:
    found = startup(cmd=command, user="app" if command[0] == "gosu" else "", more=PIP)
    assert (found.status, reason in found.reason) == ("unknown", True), found.reason


@pytest.mark.parametrize(
    ("command", "text", "most"),
    [
        # Programs that execute one another, by themselves and from a shell's text.
        (["tini", "--"], "", 23),
        (["/e.sh"], "exec {}/app/usr", 22),
        # Statements in one another, and functions; commands of a text, one step or two of each.
        (["/e.sh"], "{}exec /app/usr{}", 23),
        (["/e.sh"], "{}exec /app/usr", 23),
        (["/e.sh"], "{}exec /app/usr", 3999),
        (["/e.sh"], "set -e\n{}exec /app/usr", 498),
        # Commands that may be the last.
        (["/e.sh"], "{}", 16),
    ],
)
def test_what_is_too_much_is_not_known(command: list[str], text: str, most: int) -> None:
    for number, status in ((most, "starts"), (most + 1, "unknown")):
        if not text:
            found = startup(cmd=[*command * number, "/app/usr"])
        else:
            found = startup(cmd=command, more={"e.sh": sh(repeated(text, number, most))})
        assert found.status == status, found.reason
        assert "end" in found.reason or "nested" in found.reason or status == "starts"


def repeated(text: str, number: int, most: int) -> str:
    """A text with so many of what the limit is for."""
    before = {22: "tini -- ", 23: "command ", 3999: "true\n", 498: "nginx\n"}
    if most == 16:
        return ways("/app/usr", number)
    if text.endswith("{}"):
        return text.format("{ " * number, "; }" * number)
    return text.format(before[most] * number)


def test_so_many_scripts_are_read() -> None:
    tree = {"one.sh": sh("exec /app/usr $1"), "six.sh": sh(ways("/one.sh", 6))}
    for more, status in ((0, "starts"), (1, "unknown")):  # 1 + 9 + 9 * 6, and one more
        text = ways("/one.sh", more) + "\n" + ways("/six.sh", 9)
        found = startup(cmd=["/e.sh"], more={**tree, "e.sh": sh(text)})
        assert found.status == status, found.reason


def ways(program: str, number: int) -> str:
    """A text that may end in so many calls of a program."""
    return "\n".join(f"[ -f /{n} ] && exec {program} {n}" for n in range(number))


@pytest.mark.parametrize(
    "text",
    [
        "command " * 3000 + "python3",
        "if [ -f /x ]; then exec /e.sh a; fi; if [ -f /x ]; then exec /e.sh b; fi; exec /e.sh",
        "set -e\n/e.sh\n/e.sh\n/e.sh",
    ],
)
def test_scripts_that_lead_to_one_another_cost_little(text: str) -> None:
    assert startup(entrypoint=["/e.sh"], more={"e.sh": sh(text)}).status == "unknown"


@pytest.mark.parametrize(
    ("script", "cmd", "python"),
    [
        ('set -e\nexec "$@"', ["/app/usr"], USR),
        ('if [ "${1#-}" != "$1" ]; then set -- /app/usr "$@"; fi\nexec "$@"', ["-x"], USR),
        ('if [ "${1#-}" != "$1" ]; then set -- /app/usr "$@"; fi\nexec "$@"', ["python3"], LOCAL),
        ('case "$1" in web) exec /app/usr;; *) exec "$@";; esac', ["web"], USR),
        ('case "$1" in web|api) exec /app/usr;; *) exec "$@";; esac', ["python3"], LOCAL),
        ('main() { exec "$@"; }\nmain "$@"', ["/app/usr"], USR),
        ('shift\nexec "$@"', ["x", "/app/usr"], USR),
        ('if [ $# -gt 0 ]; then exec "$@"; else exec python3; fi', ["/app/usr"], USR),
        ('if [ $# -gt 0 ]; then exec "$@"; else exec python3; fi', [], LOCAL),
        ('[ "$1" = "x" ] && exec python3\nexec /app/usr', ["y"], USR),
        ("until nc -z db 5432; do sleep 1; done\nexec /app/usr", [], USR),
        ("if [ -f /cfg ]; then . /cfg; fi\nexec /app/usr", [], USR),
        ("/app/usr migrate\nexec python3 -V", [], LOCAL),
        ("/app/usr migrate &\nexec nginx", [], USR),
        ('exec gosu app "$0" "$@"', [], None),
        ("if [ -n \"$A\" ]; then exec /usr/bin/python3 -V; else exec /app/usr; fi", [], USR),
        ("if [ -n \"$A\" ]; then exec /usr/bin/python3 -V; else exec python3; fi", [], None),
        ("exec python3 -V <<EOF\nx\nEOF", [], LOCAL),
        ("(cd /app; ls)\n{ exec /app/usr; }", [], USR),
        ("exec \"$PREFIX\"/python3", [], None),
        ("A=1 /app/usr | nginx", [], USR),
        ("function f { return 0; }\nf\nexec /app/usr", [], USR),
        ("trap 'kill 1' TERM\numask 022\nexec /app/usr", [], USR),
        ("#".ljust(5000, "x") + "\nexec /app/usr\r", [], None),
    ],
)  # fmt: skip
def test_which_python_an_entry_script_leads_to(
    script: str, cmd: list[str], python: str | None
) -> None:
    found = startup(entrypoint=["/entry.sh"], cmd=cmd, more={"entry.sh": sh(script)})
    assert found.problem is None, found.problem
    if python is None:
        assert (found.status, found.python) == ("unknown", ""), found.reason
        assert "/entry.sh" in found.reason
    else:
        assert (found.status, found.python) == ("starts", python), found.reason
        named = ", a script for " in found.reason
        assert (", by /entry.sh, line " in found.reason) is not named


# --- around it ------------------------------------------------------------------------------------
def test_the_steps_say_how() -> None:
    found = startup(
        entrypoint=["tini", "--", "/entry.sh"],
        cmd=["python3", "-V"],
        more={"entry.sh": sh('exec gosu app "$@"')},
    )
    assert [(step.how, step.program, step.user) for step in found.steps] == [
        ("ENTRYPOINT", "usr/bin/tini", "root"),
        ("tini", "entry.sh", "root"),
        ("the first line of /entry.sh", "usr/bin/sh", "root"),
        ("/entry.sh, line 2", "usr/sbin/gosu", "root"),
        ("gosu", "usr/local/bin/python3", "app"),
    ]
    assert found.reason.endswith(", by /entry.sh, line 2")
    assert found.working_dir == "/"
    assert startup(cmd=["/app/usr"], working_dir="/app").working_dir == "/app"
    # Whom a wrapper changes to, by either form of its option.
    for command, user in (
        (["setpriv", "--reuid=app", "/app/usr"], "app"),
        (["sudo", "-u", "ops", "/app/usr"], "ops"),
        (["sudo", "--user=app", "/app/usr"], "app"),
        (["tini", "/app/usr"], "root"),
    ):
        assert startup(cmd=command, more=PIP).steps[1].user == user
    # What fails is the last of them.
    steps = startup(cmd=["tini", "--", "pythonx"]).steps
    assert [(step.how, step.words, step.program) for step in steps] == [
        ("CMD", ("tini", "--", "pythonx"), "usr/bin/tini"),
        ("tini", ("pythonx",), ""),
    ]


def test_a_step_has_the_first_words_of_its_command() -> None:
    for number in (12, 13):
        command = ["python3", "-c", *map(str, range(number - 2))]
        (step,) = startup(cmd=command).steps
        assert step.words == (*command[:12], *["…"] * (number - 12))
    found = startup(cmd=["sh", "-c", 'exec python3 "$X"'])
    assert found.steps[-1].words == ("python3", "…")


def test_a_shell_for_people_and_no_command_show_what_path_leads_to() -> None:
    for command in ([], ["bash"], ["/bin/sh"]):
        found = startup(cmd=command)
        assert (found.on_path, found.python) == ("usr/local/bin/python3", "")
        assert found.reason == "the first python3 on PATH: /usr/local/bin/python3"
        assert found.shell == bool(command)
        assert (found.program, found.status) == (
            ("usr/bin/bash" if command == ["bash"] else "usr/bin/sh", "starts")
            if command
            else ("", "none")
        )
    for command, reason in (
        ([], "the image has no ENTRYPOINT and no CMD"), (["sh"], "CMD starts a shell"),
    ):  # fmt: skip
        found = startup(debian_base(), cmd=command)
        assert (found.on_path, found.python, found.reason) == ("", "", reason)


def test_which_python_is_first_on_path() -> None:
    links = ("bin/python", "bin/python3")
    only = {k: v for k, v in cpython("opt/a", "3.13.1").items() if not k.endswith(links)}
    only |= {"srv/python3.9": sh("true")}  # by its name alone
    found = startup(debian_base(), only, env=["PATH=/srv:/opt/a/bin"])
    assert (found.on_path, found.reason) == (
        "opt/a/bin/python3.13",
        "the first Python on PATH, /opt/a/bin/python3.13",
    )
    # A python3 that is none hides the one behind it, and python is what is found.
    found = startup(env=["PATH=/srv:/usr/local/bin"], more={"srv/python3": sh("true")})
    assert found.reason == "the first python on PATH: /usr/local/bin/python"


def test_the_python_that_starts_is_marked() -> None:
    for command, path in ((["/app/usr"], USR), (["sh"], LOCAL), (["nginx"], None)):
        found = inventory(*BASE, cmd=command)
        marked = [
            (each.path, each.effective_reason) for each in found.interpreters if each.effective
        ]
        assert marked == ([(path, found.startup.reason)] if path else [])


def test_files_that_a_volume_may_bring_are_not_missing() -> None:
    layers = rootfs(*BASE)
    config = ImageConfig(cmd=("python3", "/data/app.py"), volumes=("/data",), env=())
    from pyimginspect.inventory.startup import find_startup

    found = inventory(*BASE)
    image = Image(reference="x", source="oci", config=config, layers=layers.layers)
    told = find_startup(image, layers, found.interpreters, found.environments)
    assert told.status == "unknown"


def test_a_script_in_an_empty_directory_may_be_mounted() -> None:
    for tree, command in (
        ({"code/": None}, ["python3", "manage.py"]),
        ({}, ["python3", "manage.py"]),
        ({}, ["sh", "./run.sh"]),
        ({}, ["python3", "-m", "web"]),
    ):
        found = startup(cmd=command, working_dir="/code", more={"x": "", **tree})
        assert found.problem is not None
        assert found.problem.likely
    for script in ("/gone.py", "/app/gone.py"):  # nothing is mounted over what is there
        problem = startup(cmd=["python3", script]).problem
        assert problem is not None
        assert not problem.likely


def test_a_missing_base_layer_makes_nothing_missing() -> None:
    from pyimginspect.changesets import apply_layers
    from pyimginspect.inventory.startup import find_startup
    from pyimginspect.model import LayerIndex

    layers = (
        Layer(number=0, index=LayerIndex(size=0), absent=True),
        Layer(number=1, index=LayerIndex(size=0)),
    )
    image = Image(reference="x", source="oci", config=ImageConfig(cmd=("python3",)), layers=layers)
    assert find_startup(image, apply_layers(layers), (), ()).status == "unknown"


def test_commands_of_windows_are_left_alone() -> None:
    from pyimginspect.changesets import apply_layers
    from pyimginspect.inventory.startup import find_startup

    config = ImageConfig(cmd=("python",), platform=Platform(os="windows"))
    image = Image(reference="x", source="oci", config=config, layers=())
    assert find_startup(image, apply_layers(()), (), ()).status == "unknown"


WORDS = [
    "sh", "-c", "python3", "exec", "env", "-S", "-i", "--", "tini", "gosu", "app", "/app/tool",
    '"$@"', "$X", "${X:-y}", "&&", "||", "|", ";", "(", ")", "{", "}", "if", "then", "fi", "do",
    "done", "while", "case", "esac", "in", "*)", ";;", "'", '"', "`", "$(", "\\", "\n", "<<EOF",
    "set", "-e", "shift", "/entry.sh", "-m", "", "=", "A=b", "uv", "run", "nice", "\udcff", "\0",
    "function", "f()", "return", "exit", "${", "}", "[[", "]]", "!", "&", ">", "x" * 300, "é",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_any_command_is_read_to_an_end(seed: int) -> None:
    from pyimginspect.inventory.startup import find_startup

    chance = random.Random(seed)
    found = inventory(*BASE)
    for _ in range(120):
        text = " ".join(chance.choices(WORDS, k=chance.randrange(1, 16)))
        words = chance.choices(WORDS, k=chance.randrange(1, 8))
        command = chance.choice(
            [("sh", "-c", text, *words), tuple(words), ("tini", "--", "bash", "-ec", text)]
        )
        config = ImageConfig(cmd=command, user=chance.choice(["", "app", "1:1", "\udcff", ":"]))
        image = Image(reference="x", source="oci", config=config, layers=found.rootfs.layers)
        told = find_startup(image, found.rootfs, found.interpreters, found.environments)
        assert (told.status == "cannot-start") == (told.problem is not None)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "python3" + ")" * 5000,
        "if a; then " * 800 + "b" + "; fi" * 800,
        "f() { f; }; f",
        "f() { g; }; g() { f; f; }; f",
        "a && " * 4000 + "b",
        "$(" * 500 + ")" * 500,
        "x=" + "y" * 60000,
        "case x in " + "a) b;; " * 5000 + "esac",
        "".join(f"if [ $a{n} ]; then x{n}; else y{n}; fi\n" for n in range(1500)),
        "\n".join("exec $x" if n % 2 else "a || b" for n in range(3000)),
        # Digits to Unicode, and no numbers to a shell, nor to int().
        "[ 1 -eq ² ] && exec python3",
        "[ ٣ -eq 3 ] && exec python3; [[ ² -gt ¹ ]]",
        "X=abc; exec ${X:²} ${X:1:²} ${X:٣} $٣ $²",
        "shift ²; shift ٣; exec $1",
    ],
)
def test_hostile_texts_cost_little(text: str) -> None:
    found = startup(entrypoint=["/e.sh"], more={"e.sh": sh(text)})
    assert found.problem is None or found.problem.errno
