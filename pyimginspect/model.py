"""The nouns: digest, platform, entry, layer, image, and the facts taken from contents.

Sizes are bytes. Paths are POSIX, relative to the image's root, without a leading ``/`` or
``./``, decoded as UTF-8 with ``surrogateescape``; the root itself is the empty string.
Layers are numbered from 0, the lowest first, as in the image's list of diff IDs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NewType, Self

import msgspec
from msgspec import Struct

from pyimginspect.attestations import Attestation
from pyimginspect.errors import InvalidReferenceError, ManifestError
from pyimginspect.mappings import freeze

__all__ = [
    "DEFAULT_PATH",
    "GLIBC_NAMES",
    "OPAQUE",
    "WHITEOUT",
    "ElfFile",
    "Entry",
    "Evidence",
    "History",
    "Image",
    "ImageConfig",
    "Kind",
    "Layer",
    "LayerIndex",
    "Note",
    "Platform",
    "RpmPackage",
    "VersionNeed",
    "parse_digest",
    "parse_size",
]

WHITEOUT = ".wh."
"""What the name of a whiteout begins with (OCI image specification, layer.md, "Whiteouts")."""

OPAQUE = ".wh..wh..opq"
"""The name of an opaque whiteout, which hides all that lower layers have in its directory."""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The PATH that engines set where an image sets none: ``DefaultPathEnv`` of moby."""

GLIBC_NAMES = re.compile(r"libc\.so\.6(?:\.1)?|libc-\d+\.\d+\.so")
"""The names of glibc's library: its soname (6.1 on Alpha and IA-64), and its file before 2.34."""

Digest = NewType("Digest", str)
"""``algorithm:hex`` as the OCI image specification has it (descriptor.md, "Digests")."""

# Well-formed is also what another algorithm may have made (descriptor.md, "Digests").
_DIGEST = re.compile(
    r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
    r"|(?!sha(?:256|512):)(?=[^:]{1,64}:)[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]{32,128}"
)

Kind = Literal["file", "directory", "symlink", "hardlink", "character", "block", "fifo"]
"""What an entry is. A socket never occurs: no tar format can hold one."""


def parse_digest(text: str) -> Digest:
    """Return ``text`` as a digest; raise :class:`ManifestError` where it is none."""
    if not _DIGEST.fullmatch(text):
        raise ManifestError(f"'{text[:100]}' is no digest")
    return Digest(text)


# Letters alone count as ccache's do: "5G" are decimal, "5Gi" binary.
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(text: str) -> int | None:
    """Return how many bytes ``5 MB``, ``1.5GiB`` or ``512`` are; ``None`` for what is no size."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match[3] and not match[2]):
        return None
    unit: int = (1024 if match[3] else 1000) ** _POWERS[match[2].lower()]
    return round(float(match[1]) * unit)


# As containerd's `platforms.Normalize` has them: other names, and the variant that goes unsaid.
_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}
_USUAL_VARIANTS = {"amd64": "v1", "arm64": "v8", "arm": "v7"}


class Platform(Struct, frozen=True, kw_only=True):
    """An operating system and a processor, as image indexes name them (``linux/arm64/v8``)."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""
    # The build of Windows, by which images of one platform differ (OCI image-index.md).
    os_version: str = ""

    def __str__(self) -> str:
        name = f"{self.os}/{self.architecture}"
        if self.variant:
            name += f"/{self.variant}"
        return f"{name}:{self.os_version}" if self.os_version else name

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``os/architecture[/variant]``; raise :class:`InvalidReferenceError` otherwise."""
        parts = text.split("/")
        if not 2 <= len(parts) <= 3 or not all(re.fullmatch(r"[\w.-]+", p) for p in parts):
            raise InvalidReferenceError(
                f"'{text}' is no platform", hint="write os/architecture, such as linux/arm64"
            )
        architecture = _ARCHITECTURES.get(parts[1], parts[1])
        return cls(os=parts[0], architecture=architecture, variant=parts[2] if parts[2:] else "")

    def accepts(self, other: Platform) -> bool:
        """Whether ``other`` is what was asked for; a variant or version not asked for is free."""
        usual = _USUAL_VARIANTS.get(other.architecture, "")
        return (
            (self.os, self.architecture) == (other.os, other.architecture)
            and self.variant in ("", other.variant or usual)
            and self.os_version in ("", other.os_version)
        )


# There may be millions. Nothing that they refer to can refer back, so the garbage collector may
# pass over them (gc); MessagePack has their fields without names (array_like).
class Entry(Struct, frozen=True, kw_only=True, gc=False, array_like=True, omit_defaults=True):
    """One member of a layer's tar archive, as its header describes it.

    ``size`` is the file's length as a program sees it; ``stored`` the bytes of content that the
    layer carries for it (smaller for a sparse file, 0 for whatever is no regular file).
    ``offset`` is where the content begins in the uncompressed layer. ``target`` is what a
    symbolic link says, word for word, or the normalised path that a hard link names.
    ``mode`` holds the permission bits alone. ``device`` is ``(major, minor)``. ``xattrs`` are
    ``name=hex`` strings, sorted.
    """

    path: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    stored: int
    offset: int
    mtime: int
    target: str = ""
    device: tuple[int, int] | None = None
    xattrs: tuple[str, ...] = ()


class VersionNeed(Struct, frozen=True, kw_only=True, gc=False):
    """One record of ``.gnu.version_r``: the versions that a file wants of one library.

    ``weak`` are those of ``versions`` that may be absent (``VER_FLG_WEAK``). Source: Linux
    Standard Base Core, "Symbol Versioning".
    """

    library: str
    versions: tuple[str, ...]
    weak: tuple[str, ...] = ()


class ElfFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a dynamic loader and a linker would read of an ELF file (System V gABI).

    ``error`` is set, and the rest is what could be read, where the file is not readable as ELF.
    ``stack_size`` is ``p_memsz`` of PT_GNU_STACK, ``None`` without that header.
    ``machine`` is the name of the processor as ``uname -m`` has it where that is one name, with
    byte order and class (``x86_64``, also of x32; ``aarch64``, ``ppc64le``, ``riscv64``,
    ``s390x``), ``i386`` or ``arm`` where it is not, else ``EM_<number>``; ``flags`` is ``e_flags``.
    ``kind`` is ``executable`` (ET_EXEC), ``shared`` (ET_DYN, position-independent executables
    included), ``relocatable`` or ``core`` or ``other``. ``dynamic`` tells whether there is a
    PT_DYNAMIC at all. ``flags_1`` is DT_FLAGS_1. ``frozen_python`` is the minor version of the
    Python that a program made by PyInstaller carries with it (``3.11``).
    """

    bits: Literal[0, 32, 64] = 0
    endian: Literal["", "little", "big"] = ""
    machine: str = ""
    flags: int = 0
    kind: Literal["executable", "shared", "relocatable", "core", "other"] = "other"
    dynamic: bool = False
    interpreter: str = ""
    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    flags_1: int = 0
    version_needs: tuple[VersionNeed, ...] = ()
    version_definitions: tuple[str, ...] = ()
    build_id: str = ""
    stack_size: int | None = None
    frozen_python: str = ""
    error: str = ""


class RpmPackage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One header of an rpm database, reduced to the tags that this package uses.

    ``requires`` and ``provides`` are capability names, with ``=version`` kept apart from them.
    ``files`` are paths as :class:`Entry` has them. Source: rpm's header format (v3, v4).
    """

    name: str
    version: str
    release: str = ""
    epoch: int | None = None
    architecture: str = ""
    vendor: str = ""
    license: str = ""
    source: str = ""
    size: int = 0
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class Note(Struct, frozen=True, kw_only=True, gc=False):
    """Something that a limit or an oddity kept us from knowing: recorded, never silent."""

    what: str
    path: str = ""
    layer: int | None = None


class Evidence(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One observation that a fact or a finding is based on."""

    what: str
    path: str = ""
    layer: int | None = None
    package: str = ""


class LayerIndex(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that this package knows of one layer: a pure function of the layer's bytes.

    The facts are keyed by the position of their entry in ``entries``. ``size`` is the length of
    the whole uncompressed layer, end blocks and padding included. ``texts`` holds the contents
    of files that some reader of this package asks for, whole, shell scripts among them;
    ``scripts`` the first line of executable files that begin with ``#!``; ``strings`` the
    version strings found in libraries and interpreters; ``extra`` what probes of third parties
    returned, by probe name.
    ``checksums`` holds the CRC-32 of every regular file's content, in the order of the entries;
    it is there only where every byte was read anyway, and ``None`` otherwise.

    ``toc_digest`` is set where the layer was not read whole, but by a table of contents with that
    digest (docs/table-of-contents.md). Its entries have no ``offset`` then, and ``checksums`` are
    the first 62 bits of the digests that the table gives: they compare with each other alone.
    """

    size: int
    entries: tuple[Entry, ...] = ()
    elf: dict[int, ElfFile] = {}
    texts: dict[int, bytes] = {}
    scripts: dict[int, str] = {}
    strings: dict[int, str] = {}
    rpm: dict[int, tuple[RpmPackage, ...]] = {}
    extra: dict[str, dict[int, Any]] = {}
    notes: tuple[Note, ...] = ()
    checksums: dict[int, int] | None = None
    toc_digest: str = ""

    @property
    def stored(self) -> int:
        """Bytes of file content that the layer carries: what the ledger accounts for."""
        return sum(entry.stored for entry in self.entries)


class History(Struct, frozen=True, kw_only=True):
    """One step of an image's history (OCI image specification, config.md, "history")."""

    created: str | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class ImageConfig(Struct, frozen=True, kw_only=True):
    """The parts of an image's configuration that this package reads.

    ``env`` is a list of ``NAME=value``, ``volumes`` are the declared mount points, ``healthcheck``
    is the command of ``HEALTHCHECK`` with its arguments, empty for none. Sources: OCI image
    specification, config.md; for the health check Docker image specification v1.2.
    """

    platform: Platform = Platform()
    created: str | None = None
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    shell: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    healthcheck: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    diff_ids: tuple[Digest, ...] = ()
    history: tuple[History, ...] = ()

    def __post_init__(self) -> None:
        freeze(self, "labels")

    def environment(self) -> dict[str, str]:
        """Return ``env`` as a mapping; of a name given twice the last one counts."""
        return dict(item.split("=", 1) for item in self.env if "=" in item)


class Layer(Struct, frozen=True, kw_only=True):
    """One layer of an image: its descriptors, its step of the history, and its index.

    ``digest`` and ``blob_size`` are of the blob as it is stored (often compressed) and ``None``
    where the source has no such thing; ``diff_id`` is what the configuration claims.
    ``absent`` is true for a layer whose blob the source does not hold (foreign base layers of
    Windows images): its index is empty and nothing is known of its files.
    """

    number: int
    index: LayerIndex
    diff_id: Digest | None = None
    digest: Digest | None = None
    media_type: str = ""
    blob_size: int | None = None
    history: History | None = None
    absent: bool = False


class Image(Struct, frozen=True, kw_only=True):
    """An image as a source delivers it.

    ``reference`` is what the user wrote, ``source`` the kind of place it was found in
    (``docker-archive``, ``oci``, ``oci-archive``, ``docker``, ``podman``, ``registry``,
    ``rootfs``), ``names`` the tags it carries there, ``digest`` that of its manifest,
    ``config_digest`` the image ID. ``attestations`` are what is attached to it and says something
    of it, as far as that was looked for.
    """

    reference: str
    source: str
    config: ImageConfig
    layers: tuple[Layer, ...]
    names: tuple[str, ...] = ()
    digest: Digest | None = None
    config_digest: Digest | None = None
    annotations: Mapping[str, str] = {}
    attestations: tuple[Attestation, ...] = ()

    def __post_init__(self) -> None:
        freeze(self, "annotations")

    @property
    def platform(self) -> Platform:
        """The platform that the image's configuration names."""
        return self.config.platform


def decode_json(data: bytes, what: str) -> Any:
    """Decode JSON that an image brought; raise :class:`ManifestError` where it is none."""
    try:
        return msgspec.json.decode(data)
    # What is nested too deeply is a RecursionError, text that is no UTF-8 no DecodeError.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ManifestError(f"{what} is not JSON: {exc}") from exc
