"""Which programs the health check, the command and their scripts call."""

import pytest

from pyimginspect.inventory.runtimes import called_programs
from pyimginspect.model import ImageConfig
from tests.images import Content, File
from tests.systems import rootfs

COMMAND = "ENTRYPOINT and CMD"


def script(text: str, shell: str = "/bin/sh") -> File:
    return File(f"#!{shell}\n{text}\n", mode=0o755)


TREE: dict[str, Content] = {
    "app/run.sh": script("curl -f http://localhost/\nexec uvicorn app:app"),
    "app/bash.sh": script("./run.sh", "/usr/bin/env bash"),
    "app/main.py": script("import os", "/usr/bin/env python3"),
    "app/plain.sh": "git fetch\n",
    "usr/local/bin/again.sh": script("/usr/local/bin/again.sh\nwget -q x"),
}


@pytest.mark.parametrize(
    ("config", "called"),
    [
        ({}, []),
        ({"cmd": ("uvicorn", "app:app")}, []),
        ({"healthcheck": ("curl", "-f", "x")}, [("curl", "HEALTHCHECK")]),
        (
            {"healthcheck": ("/bin/sh", "-c", "wget x || exit 1")},
            [("/bin/sh", "HEALTHCHECK"), ("wget", "HEALTHCHECK"), ("exit", "HEALTHCHECK")],
        ),
        ({"cmd": ("sh", "-ec", "git pull")}, [("git", COMMAND)]),
        ({"cmd": ("/bin/bash", "-l", "-c", "git pull")}, [("git", COMMAND)]),
        ({"entrypoint": ("tini", "--", "sh", "-c"), "cmd": ("git pull",)}, [("git", COMMAND)]),
        ({"cmd": ("python3", "-c", "git")}, []),
        ({"cmd": ("sh", "/app/main.py", "-c", "git")}, []),
        ({"cmd": ("sh", "--login", "git")}, []),
        ({"cmd": ("/app/run.sh",)}, [("curl", "/app/run.sh"), ("uvicorn", "/app/run.sh")]),
        (
            {"cmd": ("run.sh",), "working_dir": "/app"},
            [("curl", "/app/run.sh"), ("uvicorn", "/app/run.sh")],
        ),
        ({"cmd": ("run.sh",), "working_dir": "/srv"}, []),
        ({"cmd": ("/run.sh",), "working_dir": "/app"}, []),
        (
            {"cmd": ("/app/bash.sh",), "working_dir": "/app"},
            [
                ("./run.sh", "/app/bash.sh"),
                ("curl", "/app/run.sh"),
                ("uvicorn", "/app/run.sh"),
            ],
        ),
        ({"cmd": ("/app/main.py",)}, []),
        ({"cmd": ("/app/plain.sh",)}, []),
        (
            {"cmd": ("/usr/local/bin/again.sh",)},
            [
                ("/usr/local/bin/again.sh", "/usr/local/bin/again.sh"),
                ("wget", "/usr/local/bin/again.sh"),
            ],
        ),
    ],
)
def test_what_is_called(config: dict[str, object], called: list[tuple[str, str]]) -> None:
    image = ImageConfig(**config)  # type: ignore[arg-type]
    assert list(called_programs(rootfs(TREE), image)) == called


def test_scripts_that_call_one_another_are_followed_so_far() -> None:
    tree = {f"app/{n}.sh": script(f"/app/{n + 1}.sh") for n in range(30)}
    found = list(called_programs(rootfs(tree), ImageConfig(cmd=("/app/0.sh",))))
    assert found == [(f"/app/{n + 1}.sh", f"/app/{n}.sh") for n in range(20)]
