"""A Docker Engine of our own: Debian's ``dockerd``, on a socket and a data root of its own.

The integration suite needs a real engine as an oracle, and `scripts/build_corpus` one to build
images with. Neither may touch an engine that the machine already runs, so this one keeps all its
state below one directory. It is shared: whoever asks first starts it, whoever leaves last stops it,
also across processes.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

# Debian's own, by full path: another, newer client may come first on PATH, and the corpus is meant
# to show what one known engine writes.
DAEMON: Final = Path("/usr/sbin/dockerd")
CLIENT: Final = Path("/usr/bin/docker")

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1
LOG_TAIL: Final = 4000
CACHE_KEPT: Final = "10GB"  # of build steps; what images consist of is not counted


class EngineError(RuntimeError):
    """The engine could not be started or stopped, or refused a command."""


def why_unavailable() -> str | None:
    """What keeps an engine from being started on this machine, or None."""
    for program in (DAEMON, CLIENT):
        if not program.exists():
            return f"{program} is not installed (scripts/install_system_packages installs it)"
    if os.geteuid() != 0:
        return "starting dockerd needs root"
    return None


class Engine:
    """A running Docker Engine whose whole state is below `root`; use it as a context manager.

    `options` are more of dockerd's own, for an engine that nobody shares.

    Raises:
        EngineError: on entering, where `why_unavailable` gives a reason or the daemon does not
            answer; from every method, where the client ends with a status other than 0.
    """

    def __init__(self, root: Path, options: Sequence[str] = ()) -> None:
        self.root = root.resolve()
        self.options = tuple(options)
        self.socket = self.root / "docker.sock"
        self._users: IO[str] | None = None

    @property
    def host(self) -> str:
        """The value of ``DOCKER_HOST`` that reaches this engine."""
        return f"unix://{self.socket}"

    def __enter__(self) -> Engine:
        reason = why_unavailable()
        if reason is not None:
            raise EngineError(reason)
        self.root.mkdir(parents=True, exist_ok=True)
        # Every user holds `users` shared for as long as it uses the engine; the one that can get it
        # exclusively on leaving is the last. The kernel drops a crashed user's lock, so the next
        # to leave stops the daemon. `start` serialises looking for a daemon and starting one.
        self._users = (self.root / "users.lock").open("w")
        fcntl.flock(self._users, fcntl.LOCK_SH)
        try:
            with (self.root / "start.lock").open("w") as start:
                fcntl.flock(start, fcntl.LOCK_EX)
                if not self._answers():
                    self._start()
        except BaseException:
            self._users.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._users is not None
        with self._users, suppress(BlockingIOError):
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._stop()
        self._users = None

    def build(self, context: Path, tag: str) -> None:
        """Build the Dockerfile of directory `context` with BuildKit and name the image `tag`.

        ``RUN`` steps see the host's network: the engine has no bridge of its own.
        """
        self.docker("build", "--network", "host", "--tag", tag, str(context))

    def run(self, image: str, *command: str) -> str:
        """What `command` prints on standard output in a fresh, unconnected container of `image`."""
        return self.docker("run", "--rm", "--network", "none", image, *command)

    def image_id(self, image: str) -> str | None:
        """The ID (``sha256:…``) of `image`, or None if the engine does not have it."""
        listed = self.docker("image", "ls", "--no-trunc", "--quiet", image).split()
        return listed[0] if listed else None

    def save(self, image: str, target: Path) -> None:
        """Write `image`, under its tag, to `target` as ``docker save`` does."""
        self.docker("save", "--output", str(target), image)

    def load(self, archive: Path) -> None:
        """Take in the images of `archive`, a ``docker save`` archive."""
        self.docker("load", "--quiet", "--input", str(archive))

    def import_(self, rootfs: Path, tag: str, *, changes: tuple[str, ...] = ()) -> None:
        """Make an image `tag` of one layer from `rootfs`, a tar of a root file system.

        `changes` are Dockerfile instructions such as ``CMD ["sh"]``.
        """
        options = [word for change in changes for word in ("--change", change)]
        self.docker("import", *options, str(rootfs), tag)

    @contextmanager
    def export(self, image: str) -> Iterator[IO[bytes]]:
        """The tar stream ``docker export`` gives of a container created from `image`, never run."""
        container = self.docker("create", "--network", "none", image, "-").strip()
        try:
            with subprocess.Popen(
                [CLIENT, "export", container],
                env=self.environment(),
                stdout=subprocess.PIPE,
            ) as process:
                assert process.stdout is not None
                yield process.stdout
                while process.stdout.read(1 << 20):  # A reader may stop at the end-of-archive mark.
                    pass
            if process.returncode != 0:
                raise EngineError(f"docker export {image} ended with {process.returncode}")
        finally:
            self.docker("rm", "--force", container)

    def docker(self, *arguments: str) -> str:
        """Standard output of ``docker ARGUMENTS``, sent to this engine."""
        result = subprocess.run(
            [CLIENT, *arguments],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if result.returncode != 0:
            raise EngineError(
                f"docker {arguments[0]} ended with {result.returncode}:\n"
                f"{result.stdout[-LOG_TAIL:]}{result.stderr[-LOG_TAIL:]}"
            )
        return result.stdout

    def environment(self) -> Mapping[str, str]:
        """An environment in which Docker clients and libraries reach this engine and no other."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")},
            "DOCKER_HOST": self.host,
            "DOCKER_CONFIG": str(self.root / "config"),
            "DOCKER_BUILDKIT": "1",
            "BUILDKIT_PROGRESS": "plain",
        }

    def _answers(self) -> bool:
        command = [str(CLIENT), "version", "--format", "{{.Server.Version}}"]
        return (
            self.socket.exists()
            and subprocess.run(
                command, env=self.environment(), capture_output=True, check=False
            ).returncode
            == 0
        )

    def _start(self) -> None:
        log = self.root / "dockerd.log"
        settings = self.root / "daemon.json"
        # Those of /etc/docker are for another daemon. Unless told to, this one keeps every step
        # that it ever built.
        collection = {"enabled": True, "defaultKeepStorage": CACHE_KEPT}
        settings.write_text(json.dumps({"builder": {"gc": collection}}))
        command = [
            str(DAEMON),
            f"--data-root={self.root / 'data'}",
            f"--exec-root={self.root / 'exec'}",
            f"--pidfile={self.root / 'dockerd.pid'}",
            f"--config-file={settings}",
            f"--host={self.host}",
            # Neither a bridge nor packet filters: builds use the host's network, and nothing of
            # the machine's own set-up is touched.
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            *self.options,
        ]
        with log.open("wb") as output:
            # In a session of its own, since it may outlive this process: another may be using it.
            daemon = subprocess.Popen(
                command,
                env={**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if daemon.poll() is not None or time.monotonic() > deadline:
                daemon.terminate()
                tail = log.read_text(errors="replace")[-LOG_TAIL:]
                raise EngineError(f"dockerd did not come up; the end of {log}:\n{tail}")
            time.sleep(POLL_SECONDS)
        # Ended by `_stop`, perhaps by another process: not a child to warn about on collection.
        daemon.returncode = 0

    def _stop(self) -> None:
        if not self._answers():
            return  # A number left in `pidfile` may be another process's by now.
        pidfile = self.root / "dockerd.pid"
        pid = int(pidfile.read_text())
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while pidfile.exists():
            if time.monotonic() > deadline:
                raise EngineError(f"dockerd (process {pid}) did not stop within {STOP_SECONDS} s")
            time.sleep(POLL_SECONDS)
