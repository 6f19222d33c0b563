"""Symbol versions that the libraries of the image do not have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct, field

from pyimginspect.analyzers._native import Owner, Owners
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.imports import Use
from pyimginspect.inventory.loader import Resolution
from pyimginspect.inventory.wheels import glibc_version
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed

__all__ = ["ANALYZER"]

RULE = Rule(
    id="glibc-too-old",
    title="A library is too old for the files linked to it",
    severity="error",
    policy="soundness",
    what="A compiled file requires a symbol version (GLIBC_2.38, GLIBCXX_3.4.32, OPENSSL_3.2.0)"
    " that the library loaded for it does not define.",
    why="The loader fails: version `GLIBC_2.38' not found. This happens when something was"
    " compiled on a newer system than the image's, or in a build stage with a newer base.",
    fix="Use the same release in build and run stages, or a wheel for the image's C library.",
    example="""# at fault
FROM python:3.13-trixie AS build
RUN pip install --no-binary :all: --target /deps psycopg2
FROM python:3.13-slim-bookworm
COPY --from=build /deps /usr/local/lib/python3.13/site-packages
""",
)

_NUMBERS = re.compile(r"\d+")
_VERSION = re.compile(r"(\d+)\.(\d+)")
_MOST_DIGITS = 18  # of a number; 14 are a date and a time. Of more than 4,300 int() makes an error
# All files of a wheel are built on one system, and most of them want the same.
_MOST = 5


class _Wanted(Struct):
    """What the files of one owner want of one library, or of glibc's several.

    ``optional`` where all that an import asks for does without those files.
    """

    by_file: dict[str, set[str]] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)
    reason: set[str] = field(default_factory=set)
    optional: bool = True

    @property
    def versions(self) -> list[str]:
        """All versions that are wanted, the newest last."""
        return sorted(set().union(*self.by_file.values()), key=_order)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report what the files of one distribution, package or directory want of one library."""
    owners = Owners(inventory)
    groups: dict[tuple[Owner, str], _Wanted] = {}
    for resolution, use in _asked(inventory):
        for mismatch in resolution.mismatches:
            # libm, libpthread and ld-linux define versions of their own: for people they are glibc.
            of_glibc = glibc_version([mismatch.version]) is not None
            library = inventory.libc.path if of_glibc and inventory.libc.path else mismatch.path
            wanted = groups.setdefault((owners.of(mismatch.needed_by), library), _Wanted())
            wanted.by_file.setdefault(mismatch.needed_by, set()).add(mismatch.version)
            wanted.libraries.add(mismatch.path)
            wanted.reason.update({use.reason} - {""})
            wanted.optional = wanted.optional and use.kind != "import"
    for (owner, library), wanted in sorted(groups.items(), key=lambda group: group[0]):
        yield _finding(inventory, owners, owner, library, wanted)


def _asked(inventory: Inventory) -> Iterator[tuple[Resolution, Use]]:
    for module in (*inventory.native.modules, *inventory.native.opened):
        if module.use.kind != "nothing":
            yield module.resolution, module.use
    for resolution in inventory.native.programs:
        yield resolution, Use()


def _finding(
    inventory: Inventory, owners: Owners, owner: Owner, library: str, wanted: _Wanted
) -> Finding:
    by_file = dict(sorted(wanted.by_file.items()))
    versions = wanted.versions
    layers = [inventory.rootfs[path].layer for path in by_file]
    alone = owner.kind == "distribution" or len(by_file) == 1
    of_glibc = glibc_version(versions) is not None
    names = sorted({path.rpartition("/")[2] for path in wanted.libraries})
    have = _have(inventory, versions[-1], library, of_glibc=of_glibc)
    return RULE.finding(
        subject=f"{owners.subject(owner)} {library}",
        severity="note" if wanted.optional else None,
        message=f"{owners.title(owner, list(by_file))} need{'s' * alone} {listed(versions, 3)}"
        f" of {listed(names)}, {have}",
        evidence=[
            *_needs(inventory, by_file),
            *_lacks(inventory, wanted),
            *(inventory.libc.evidence[-1:] if of_glibc else ()),
            *(Evidence(what=reason) for reason in sorted(wanted.reason)),
        ],
        layers=layers,
        instruction=inventory.instruction(max(layers)),
        paths=(*by_file, *sorted(wanted.libraries)),
        fix=_fix(versions[-1], inventory.libc.version or "") if of_glibc else "",
    )


def _have(inventory: Inventory, wanted: str, library: str, *, of_glibc: bool) -> str:
    """Return what the image has instead, in words.

    The version of glibc is its own, never that of its newest symbols: libm of glibc 2.36 defines
    none newer than GLIBC_2.35.
    """
    if not of_glibc:
        return f"which here has {_newest_defined(inventory, wanted, library)}"
    version = inventory.libc.version if inventory.libc.flavor == "glibc" else None
    return f"and the glibc here is {version}" if version else "which the glibc here does not define"


def _lacks(inventory: Inventory, wanted: _Wanted) -> Iterator[Evidence]:
    for path in sorted(wanted.libraries):
        defined = set(inventory.rootfs.elf[path].version_definitions)
        lacking = [version for version in wanted.versions if version not in defined]
        layer = inventory.rootfs[path].layer
        yield Evidence(what=f"does not define {listed(lacking, 12)}", path=path, layer=layer)


def _needs(inventory: Inventory, by_file: dict[str, set[str]]) -> Iterator[Evidence]:
    for path in list(by_file)[:_MOST]:
        wanted = sorted(by_file[path], key=_order)
        layer = inventory.rootfs[path].layer
        yield Evidence(what=f"needs {listed(wanted, 12)}", path=path, layer=layer)
    if len(by_file) > _MOST:
        yield Evidence(what=f"{counted(len(by_file) - _MOST, 'more file')} do the same")


def _fix(wanted: str, have: str) -> str:
    """Return what to do about glibc itself; for other libraries the rule says it."""
    need = glibc_version([wanted])
    match = _VERSION.match(have)
    if need is None or match is None:
        return ""
    major, minor = match[1], match[2]
    return (
        f"Build it in a stage with this image's own base (glibc {major}.{minor}), install a"
        f" wheel (manylinux_{major}_{minor} or older), or start FROM a base with"
        f" glibc {need[0]}.{need[1]} or newer."
    )


def _newest_defined(inventory: Inventory, wanted: str, path: str) -> str:
    """Return the newest version of the same family that a library defines."""
    family = _family(wanted)
    defined = [v for v in inventory.rootfs.elf[path].version_definitions if _family(v) == family]
    # GLIBC_PRIVATE has no number, and is newer than nothing.
    numbered = [version for version in defined if _NUMBERS.search(version)]
    return max(numbered, key=_order) if numbered else f"no {family} version"


def _family(version: str) -> str:
    # GLIBC, GLIBCXX, CXXABI, OPENSSL, …: versions of different families have no order.
    return version.partition("_")[0]


def _order(version: str) -> tuple[list[int], str]:
    # As numbers: GLIBC_2.9 is older than GLIBC_2.10. Real versions have three or four; a hostile
    # name may have thousands, or one of thousands of digits, and is then older than all others.
    numbers = _NUMBERS.findall(version)[:8]
    return [int(n) for n in numbers if max(map(len, numbers)) <= _MOST_DIGITS], version


ANALYZER = Analyzer(rule=RULE, run=run)
