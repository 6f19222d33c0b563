"""A certification authority for the tests, by the `openssl` command.

ca = authority()
server = ca.issue("server", "IP:127.0.0.1")      # a certificate with its key
client = ca.issue("client")
with FakeRegistry() as registry:
    registry.use_tls(server.serving(clients=ca))
"""

from __future__ import annotations

import atexit
import ssl
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Issued(NamedTuple):
    """A certificate and its key, as files in PEM form."""

    certificate: Path
    key: Path

    def serving(self, *, clients: Authority | None = None) -> ssl.SSLContext:
        """A server's context; with `clients`, only those whom that authority knows may come in."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients.certificate)
        return context


@cache
def authority(name: str = "tests") -> Authority:
    """The authority of this name: its certificate, and each that it issues, is made once."""
    place = tempfile.TemporaryDirectory(prefix="pyimginspect-authority-")
    atexit.register(place.cleanup)
    return Authority(Path(place.name), name)


class Authority:
    """An authority that keeps its files, and all that it issues, in `folder`."""

    def __init__(self, folder: Path, name: str = "tests") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._issued: dict[tuple[str, ...], Issued] = {}
        self.certificate = folder / "ca.pem"
        self._openssl(
            "req", "-x509", "-days", "2", *_NEW_KEY, "-subj", f"/CN={name}",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", "ca.key", "-out", "ca.pem",
        )  # fmt: skip

    def issue(self, name: str, *hosts: str) -> Issued:
        """A certificate, always the same for the same arguments; `hosts` are a server's
        (``IP:127.0.0.1``, ``DNS:localhost``)."""
        known = (name, *hosts)
        if known not in self._issued:
            self._issued[known] = self._issue(f"{name}-{len(self._issued)}", hosts)
        return self._issued[known]

    def _issue(self, name: str, hosts: tuple[str, ...]) -> Issued:
        usage = "serverAuth" if hosts else "clientAuth"
        lines = [f"extendedKeyUsage={usage}", "keyUsage=digitalSignature"]
        lines += ["subjectAltName=" + ",".join(hosts)] if hosts else []
        (self.folder / f"{name}.ext").write_text("\n".join(lines))
        request = [*_NEW_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key"]
        self._openssl("req", *request, "-out", f"{name}.csr")
        self._openssl(
            "x509", "-req", "-days", "2", "-in", f"{name}.csr", "-extfile", f"{name}.ext",
            "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem",
        )  # fmt: skip
        return Issued(self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
