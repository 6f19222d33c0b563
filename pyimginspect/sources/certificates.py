"""Certificates of a registry: whom to trust, and who we are to it.

Sources: containers-certs.d(5); "Verify repository client with certificates" of Docker's
manual, whose ``/etc/docker/certs.d`` is laid out the same way.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from pyimginspect.errors import RegistryError, SourceError

__all__ = [
    "Certificates",
    "certificate_directories",
    "find_certificates",
    "load_pair",
    "load_roots",
    "trusting_context",
]


class Certificates(Struct, frozen=True, kw_only=True):
    """What a directory of a registry holds: certificates of CAs, and a client's with its key."""

    roots: tuple[Path, ...] = ()
    pair: tuple[Path, Path] | None = None


def certificate_directories() -> list[Path]:
    """Return where registries have their directories, the first that has one counts.

    As Podman and skopeo look for them, then as Docker does (rootless, Desktop, Engine).
    """
    config = Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"))
    docker = Path(os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"))
    return [
        config / "containers/certs.d",
        Path("/etc/containers/certs.d"),
        config / "docker/certs.d",
        docker / "certs.d",
        Path("/etc/docker/certs.d"),
    ]


def find_certificates(registry: str, directories: Sequence[Path] | None = None) -> Certificates:
    """Return the certificates for ``registry``, a host as a reference names it, port included.

    Of several clients' certificates the first by name is taken. Raises
    :class:`RegistryError` for a certificate without its key, or a directory that cannot be read.
    """
    # Windows allows no colon in a name: moby, registry/config_windows.go, cleanPath.
    name = registry.replace(":", "") if sys.platform == "win32" else registry
    for directory in certificate_directories() if directories is None else directories:
        folder = directory / name
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue  # root's own is not for us: most registries are in no directory anyway
        except OSError as exc:
            raise RegistryError(f"{folder} cannot be read: {exc.strerror}") from exc
        pair = None
        clients = [folder / each for each in names if each.endswith(".cert")]
        if clients:
            pair = clients[0], clients[0].with_suffix(".key")
            if pair[1].name not in names:
                raise RegistryError(
                    f"the client's certificate {pair[0]} has no key {pair[1].name} beside it",
                    hint="certificates of CAs are called *.crt",
                )
        roots = tuple(folder / each for each in names if each.endswith(".crt"))
        return Certificates(roots=roots, pair=pair)
    return Certificates()


def trusting_context(certificates: Certificates, *, client: bool) -> ssl.SSLContext:
    """Return a context that trusts whom the user trusts, and the roots of ``certificates``.

    Whom the user trusts: ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE`` says it alone, else
    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, else the system and the roots of ``requests`` do. With
    ``client`` it shows the client's certificate. Raises :class:`RegistryError` for files that are
    no good.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # A Python built with --with-ssl-default-suites=openssl leaves it to OpenSSL's configuration.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # As other clients of registries: whatever certificate the user trusts ends the chain.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    environment = os.environ
    bundle = environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")
    if bundle:
        # As requests has it: the variable says it all, and the system's roots do not count.
        load_roots(context, Path(bundle), RegistryError)
    else:
        context.load_default_certs()
        if not environment.get("SSL_CERT_FILE") and not environment.get("SSL_CERT_DIR"):
            context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    for root in certificates.roots:
        load_roots(context, root, RegistryError)
    if client and certificates.pair is not None:
        load_pair(context, *certificates.pair, RegistryError)
    return context


def load_roots(context: ssl.SSLContext, path: Path, kind: type[SourceError]) -> None:
    """Trust the certificates in a file, or in a directory; raise ``kind`` where it has none."""
    try:
        if path.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except ssl.SSLError as exc:
        raise kind(f"{path} contains no certificate in PEM form") from exc
    except OSError as exc:
        raise kind(f"{path} cannot be read: {exc.strerror}") from exc


def load_pair(
    context: ssl.SSLContext, certificate: Path, key: Path, kind: type[SourceError]
) -> None:
    """Use a client's certificate and key; raise ``kind`` where they cannot be used."""

    def password() -> str:  # or a terminal would be asked
        raise kind(f"the key {key} is encrypted, and a password cannot be entered")

    try:
        context.load_cert_chain(certificate, key, password)
    except ssl.SSLError as exc:
        raise kind(f"{certificate} and {key.name} are no certificate with its key") from exc
    except OSError as exc:
        raise kind(f"{certificate} or {key.name} cannot be read: {exc.strerror}") from exc
