"""The facts that the inventory finds: interpreters, packages, distributions, leftovers.

Every fact names its ``layer`` (a number, counted from 0): the one that put it into the image as
it stands. The instruction behind a layer is in the report's list of layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from pyimginspect.ledger import LayerAccount, WastedFile
from pyimginspect.mappings import freeze
from pyimginspect.model import Evidence

__all__ = [
    "Area",
    "BaseImage",
    "BuildTool",
    "Bundled",
    "Cache",
    "Distribution",
    "Environment",
    "Interpreter",
    "LayerAccount",
    "Libc",
    "LibcFlavor",
    "OperatingSystem",
    "OsPackage",
    "PackageEvent",
    "PackageManager",
    "StartProblem",
    "StartStep",
    "Startup",
    "Use",
    "WastedFile",
]

PackageManager = Literal["dpkg", "apk", "rpm"]
"""A package manager of operating systems, by the name of its database."""

LibcFlavor = Literal["glibc", "musl", "ucrt", "none", "unknown"]
"""``ucrt`` on Windows, ``none`` where nothing in the image is dynamically linked."""


class OperatingSystem(Struct, frozen=True, kw_only=True):
    """What ``os-release`` says (os-release(5)); empty strings where it says nothing."""

    id: str = ""
    version_id: str = ""
    codename: str = ""
    pretty_name: str = ""
    id_like: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class Libc(Struct, frozen=True, kw_only=True):
    """The C library: its flavour, its version (``2.36``, ``1.2.5``) and how we know.

    ``foreign_loaders`` are loaders of another C library that are in the image too.
    """

    flavor: LibcFlavor
    version: str | None = None
    path: str = ""
    loader: str = ""
    layer: int | None = None
    foreign_loaders: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


# gc=False: a record of scalars cannot be part of a cycle, and there are thousands of them.
class PackageEvent(Struct, frozen=True, kw_only=True, gc=False):
    """A change of one OS package between the databases of successive layers."""

    layer: int
    action: Literal["installed", "upgraded", "removed"]
    version: str


class OsPackage(Struct, frozen=True, kw_only=True):
    """A package of the operating system's package manager, installed in the final image.

    ``key`` is what the package goes by wherever one is named: its name, or, where several
    packages share that, ``name:architecture``, and so on until no other has it.
    ``automatic`` is ``False`` for what someone asked for by name, ``None`` where the manager
    does not tell. ``depends`` is a conjunction of alternatives: each inner tuple lists names any
    of which will do (versions and architecture qualifiers dropped; pre-dependencies included).
    ``provides`` are the other names it answers to. ``installed_size`` is what the database
    claims, in bytes; ``size`` the bytes of the files that it owns in the final file system.
    ``layer`` is the one whose database first shows the version that is there now.
    ``virtual`` marks apk's virtual packages (``apk add --virtual``). ``essential`` packages are
    never removed on their own accord (dpkg: Essential or Important). ``licenses`` are what its
    metadata says, word for word: one expression (apk, rpm), or the names that a machine-readable
    ``copyright`` has (dpkg).
    """

    manager: PackageManager
    key: str = ""
    name: str
    version: str
    architecture: str = ""
    source: str = ""
    maintainer: str = ""
    licenses: tuple[str, ...] = ()
    section: str = ""
    automatic: bool | None = None
    essential: bool = False
    virtual: bool = False
    depends: tuple[tuple[str, ...], ...] = ()
    recommends: tuple[tuple[str, ...], ...] = ()
    suggests: tuple[tuple[str, ...], ...] = ()
    conflicts: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    installed_size: int = 0
    size: int = 0
    layer: int
    history: tuple[PackageEvent, ...] = ()

    @property
    def installed_in(self) -> int:
        """The layer that installed the package, whichever upgraded it since."""
        # The last one: a package may have been removed and installed again.
        installed = (event.layer for event in self.history[::-1] if event.action == "installed")
        return next(installed, self.layer)


class Interpreter(Struct, frozen=True, kw_only=True):
    """One Python interpreter; links, hard links and virtual environments are no second one.

    ``path`` is the real executable, ``aliases`` the other paths that lead to it, ``size`` the
    bytes of executable, libpython and standard library, each file once. ``packages`` own it,
    ``layer`` put the executable there. ``effective`` is true for the one that the image's
    ENTRYPOINT and CMD start, or PATH where they start nothing else, and ``effective_reason``
    says why; for none of them where that is not known. ``primary`` is true for the one that the
    application is installed for: the others are second Pythons.
    ``site_packages`` are the directories it would import third-party code from.
    """

    path: str
    version: str
    implementation: str = "cpython"
    origin: str = "unknown"
    aliases: tuple[str, ...] = ()
    prefix: str = ""
    stdlib: str = ""
    libpython: str = ""
    site_packages: tuple[str, ...] = ()
    architecture: str = ""
    libc: LibcFlavor = "unknown"
    libc_version: str | None = None
    packages: tuple[str, ...] = ()
    layer: int
    size: int = 0
    effective: bool = False
    effective_reason: str = ""
    primary: bool = False
    externally_managed: bool = False
    evidence: tuple[Evidence, ...] = ()


class StartStep(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One program on the way from ENTRYPOINT and CMD to what a container runs.

    ``how`` says what started it (``ENTRYPOINT``, ``the first line of /entry.sh``, ``tini``),
    ``words`` are its command as far as it is known, ``…`` for what is not; ``program`` is the
    file that is executed, ``user`` who executes it.
    """

    how: str
    words: tuple[str, ...]
    program: str = ""
    user: str = ""


class StartProblem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a command cannot be started.

    ``errno`` is the error's name as errno(3) has it, or empty where the program starts and ends
    at once; ``what`` is a clause of a sentence, ``path`` where it lies, ``subject`` the program as
    the command spells it. ``likely`` marks what may be brought at run time, by a mount.
    """

    errno: str
    subject: str
    what: str
    path: str = ""
    fix: str = ""
    likely: bool = False


class Startup(Struct, frozen=True, kw_only=True):
    """What a container of the image starts, as execve(2) and a shell would.

    ``status`` is ``starts``; ``cannot-start``, and ``problem`` says why; ``unknown``, and
    ``reason`` says what decides; or ``none`` for an image without a command. ``command`` is
    ENTRYPOINT and CMD, ``user`` and ``working_dir`` those of the process. ``program`` is the
    program that stays, ``python`` the path of the interpreter that runs it, and empty where it
    is no Python. ``steps`` lead from one to the other. ``shell`` is true where nothing but a
    shell is started, for people; there, and without a command, ``on_path`` is the Python that
    PATH leads to, as it is spelled there.
    """

    status: Literal["starts", "cannot-start", "unknown", "none"] = "none"
    command: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    program: str = ""
    python: str = ""
    reason: str = ""
    steps: tuple[StartStep, ...] = ()
    problem: StartProblem | None = None
    shell: bool = False
    on_path: str = ""


class Environment(Struct, frozen=True, kw_only=True):
    """A virtual environment (PEP 405): a directory with ``pyvenv.cfg``.

    ``base`` is the path of the interpreter it is based on, or ``None`` where ``home`` does not
    lead to one inside the image; ``broken`` then says what is wrong.
    """

    path: str
    home: str
    base: str | None = None
    version: str = ""
    creator: str = ""
    system_site_packages: bool = False
    site_packages: tuple[str, ...] = ()
    broken: str = ""
    layer: int
    size: int = 0


class Bundled(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a distribution says that is part of it, in the SBOM at ``path`` (PEP 770).

    ``purl`` is its package URL, empty where the SBOM has none.
    """

    name: str
    version: str = ""
    purl: str = ""
    path: str


class Distribution(Struct, frozen=True, kw_only=True):
    """An installed Python distribution (``.dist-info``, ``.egg-info``).

    ``name`` is normalised (PEP 503). ``location`` is the directory that is on ``sys.path``,
    ``metadata`` the path of its metadata, ``size`` the bytes of the files in RECORD, or of its
    directories where there is no RECORD. ``installer`` is who put it there: ``pip``, ``uv``,
    ``conda``, or ``dpkg``, ``apk``, ``rpm`` where ``package`` owns it. ``tags`` are the wheel's
    (PEP 425); ``interpreters`` the paths of interpreters and environments that import it.
    ``bundled`` are the native libraries that its own SBOMs list, ``components`` what else they
    do, crates mostly. ``licenses`` are what its metadata says, word for word: one expression, or
    the names of its classifiers.
    """

    name: str
    version: str
    location: str
    metadata: str
    size: int = 0
    files: int = 0
    installer: str = ""
    package: str = ""
    requested: bool | None = None
    direct_url: str = ""
    tags: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    bundled: tuple[Bundled, ...] = ()
    components: tuple[Bundled, ...] = ()
    licenses: tuple[str, ...] = ()
    layer: int


BuildToolKind = Literal[
    "meta",
    "compiler",
    "binutils",
    "build-system",
    "headers",
    "static-library",
    "toolchain",
    "version-control",
]


class BuildTool(Struct, frozen=True, kw_only=True):
    """Something that is needed to build software, and not to run it.

    Either a package of the OS (``package``; ``path`` is then its most telling file, or empty)
    or a file that no package owns. ``paths`` counts the files behind ``size``.
    ``kept_by`` are packages, installed for their own sake, that depend on it.
    """

    name: str
    category: BuildToolKind
    package: str = ""
    path: str = ""
    size: int = 0
    paths: int = 0
    layer: int
    kept_by: tuple[str, ...] = ()


class Cache(Struct, frozen=True, kw_only=True):
    """What a package manager left to speed up a next time that never comes, or other debris.

    ``layers`` maps the number of each layer that stores part of it to the bytes there.
    """

    kind: str
    path: str
    size: int
    files: int
    layers: Mapping[int, int]

    def __post_init__(self) -> None:
        # msgspec freezes the attributes of a record, not a dictionary that one of them is.
        freeze(self, "layers")


class BaseImage(Struct, frozen=True, kw_only=True):
    """The image that this one was built from, as far as history and content tell.

    ``family`` is ``python``, ``debian``, ``ubuntu``, ``alpine``, ``ubi``, ``distroless``,
    ``wolfi``, ``windows``, ``scratch`` or ``unknown``; ``variant`` is ``slim``, ``full``,
    ``alpine``, ``windowsservercore`` or empty; ``layers`` how many of the image's layers, from
    the lowest up, are the base's. ``confidence`` is ``certain``, ``likely`` or ``guess``.
    """

    family: str
    variant: str = ""
    version: str = ""
    distribution: str = ""
    official: bool = False
    layers: int = 0
    name: str = ""
    confidence: Literal["certain", "likely", "guess"] = "guess"
    evidence: tuple[Evidence, ...] = ()


Use = Literal["live", "build-tool", "cache", "second-python", "overwritten", "removed", "repeated"]
"""What stored bytes are for, or how they were wasted."""


class Area(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A piece of the map of stored bytes: one large file, or many small ones of a directory.

    ``path`` is a file where ``files`` is 0; else a directory, below which ``files`` files that
    have no area of their own hold ``size`` bytes between them.
    """

    layer: int
    path: str
    size: int
    use: Use = "live"
    files: int = 0
