"""Real servers on loopback for the tests of sources: Debian's registry, and a Podman service."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import IO, Final, Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.certificates import Authority, Issued
from tests.corpus.command import run

REGISTRY: Final = "/usr/bin/docker-registry"
PODMAN: Final = "/usr/bin/podman"
SKOPEO: Final = "/usr/bin/skopeo"
START_SECONDS: Final = 20.0


def missing_program(*programs: str) -> str | None:
    """Which of these is not installed, as a reason to skip."""
    for program in programs:
        if not Path(program).exists():
            return f"{program} is not installed (scripts/install_system_packages installs it)"
    return None


def skopeo_copy(source: str, target: str, *options: str) -> None:
    """Copy an image without checking signatures, and without TLS where that is not there.

    Raises:
        BuildError: skopeo could not, with what it said.
    """
    run(
        [SKOPEO, "copy", "--insecure-policy", "--quiet", "--src-tls-verify=false",
         "--dest-tls-verify=false", *options, source, target]
    )  # fmt: skip


class Service:
    """A program that runs for as long as the `with` statement does.

    What it stores, below `stored` in its directory, goes with it: other tests want the disk.
    """

    stored = "data"

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What to run."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it is ready."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._log = (self.root / "log").open("wb")
        self._process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                said = (self.root / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.command()[0]} did not start:\n{said}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(20)
        if self._log is not None:
            self._log.close()
        shutil.rmtree(self.root / self.stored, ignore_errors=True)


class Registry(Service):
    """Debian's ``docker-registry``; with `users`, only they may come in.

    With `tls` it shows that certificate, and lets in only those whom `clients` knows, if given.
    With `log_requests` its log has a line for each request.
    """

    def __init__(
        self,
        root: Path,
        users: dict[str, str] | None = None,
        *,
        tls: Issued | None = None,
        clients: Authority | None = None,
        log_requests: bool = False,
    ) -> None:
        super().__init__(root)
        self._tls = tls is not None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{probe.getsockname()[1]}"
        lines = [
            "version: 0.1",
            f"log: {{level: error, accesslog: {{disabled: {str(not log_requests).lower()}}}}}",
            f"storage: {{filesystem: {{rootdirectory: {root}/{self.stored}}}}}",
            f"http: {{addr: '{self.host}'{_tls_settings(tls, clients)}}}",
        ]
        for name, password in (users or {}).items():
            with (root / "htpasswd").open("ab") as file:
                made = subprocess.run(
                    ["/usr/bin/htpasswd", "-nbB", "-C", "4", name, password],
                    check=True,
                    capture_output=True,
                )
                file.write(made.stdout)
        if users:
            lines.append(f"auth: {{htpasswd: {{realm: tests, path: {root}/htpasswd}}}}")
        (root / "config.yml").write_text("\n".join(lines))

    def command(self) -> list[str]:
        return [REGISTRY, "serve", str(self.root / "config.yml")]

    def answers(self) -> bool:
        if self._tls:
            host, _, port = self.host.rpartition(":")
            with socket.socket() as probe:
                return probe.connect_ex((host, int(port))) == 0
        try:
            with urlopen(f"http://{self.host}/v2/", timeout=1):
                return True
        except HTTPError as exc:
            exc.close()
            return exc.code == 401
        except (URLError, OSError):
            return False


def _tls_settings(tls: Issued | None, clients: Authority | None) -> str:
    if tls is None:
        return ""
    known = f", clientcas: ['{clients.certificate}']" if clients is not None else ""
    return f", tls: {{certificate: '{tls.certificate}', key: '{tls.key}'{known}}}"


class Podman(Service):
    """A Podman service with a store of its own."""

    stored = "store"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.socket = root / "podman.sock"

    @property
    def address(self) -> str:
        """The value of ``CONTAINER_HOST`` that reaches it."""
        return f"unix://{self.socket}"

    @property
    def storage(self) -> str:
        """How `skopeo` names the store; an image's full name follows."""
        return f"containers-storage:[vfs@{self.root}/{self.stored}+{self.root}/run]"

    def command(self) -> list[str]:
        where = ["--root", f"{self.root}/{self.stored}", "--runroot", f"{self.root}/run"]
        return [
            PODMAN,
            *where,
            "--storage-driver=vfs",
            "system",
            "service",
            "--time=0",
            self.address,
        ]

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0
