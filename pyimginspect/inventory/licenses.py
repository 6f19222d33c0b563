"""What metadata says of licences, word for word: nothing is guessed from texts.

Sources: the PyPA specification "Core metadata" (``License-Expression``, PEP 639; ``License`` and
classifiers, which it takes the place of), DEP-5 for Debian's ``copyright``.
"""

from __future__ import annotations

from pyimginspect.inventory.core_metadata import headers_of
from pyimginspect.rootfs import RootFS

__all__ = ["debian_licenses", "distribution_licenses", "one_license"]

# No expression or name of a licence is as long: what is longer is the text of one.
_LONGEST = 200
_MOST = 50
_MOST_HEADERS = 64 << 10  # bytes of METADATA
_CLASSIFIER = "License ::"
# setuptools wrote UNKNOWN for a field without a value, and rpm prints (none).
_NOTHING = frozenset({"", "unknown", "none", "(none)"})


def one_license(text: str) -> tuple[str, ...]:
    """Return a field that holds one expression, or nothing where it says nothing."""
    text = text.strip()
    return () if text.lower() in _NOTHING or len(text) > _LONGEST else (text,)


def distribution_licenses(metadata: bytes) -> tuple[str, ...]:
    """Return what METADATA or PKG-INFO says: its expression, else its license, else classifiers.

    A ``License`` of several lines is the text of one, which names none.
    """
    fields: dict[str, list[str]] = {}
    last: list[str] = []
    for line in headers_of(metadata[:_MOST_HEADERS]):
        # A header may be folded: the field above goes on.
        if line[0] in " \t":
            last.append(line.strip())
            continue
        last = []
        # Most headers are others; what classifies by licence has the word in its value.
        if "License" in line:
            key, _, value = line.partition(":")
            if key in ("License-Expression", "License") and key not in fields:
                last = fields[key] = [value.strip()]
            elif key == "Classifier" and value.strip().startswith(_CLASSIFIER):
                fields.setdefault(key, []).append(value.strip())
    for key in ("License-Expression", "License"):
        value_lines = fields.get(key, [])
        if len(value_lines) == 1 and (found := one_license(value_lines[0])):
            return found
    # `License :: OSI Approved` alone names a group of licences and none of them.
    names = [each.rpartition("::")[2].strip() for each in fields.get("Classifier", ())]
    return tuple(sorted({each for each in names if each and each != "OSI Approved"})[:_MOST])


def debian_licenses(rootfs: RootFS, package: str) -> tuple[str, ...]:
    """Return the names of the licences in a package's ``copyright``, if that is for machines."""
    path = f"usr/share/doc/{package}/copyright"
    text = rootfs.texts.get(path)
    if text is None:
        text = rootfs.texts.get(rootfs.resolve(path) or "", b"")
    # Of such a file the index keeps the names alone, one to a line.
    names = text.decode("utf-8", "replace").split("\n")
    return tuple(name[:_LONGEST] for name in names if name)[:_MOST]
