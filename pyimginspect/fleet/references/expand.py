"""References, lists, patterns and directories → targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from pyimginspect.errors import PyimginspectError
from pyimginspect.fleet.records import Target
from pyimginspect.fleet.references.catalog import is_pattern, registry_images
from pyimginspect.fleet.references.choice import Choice, Skipped
from pyimginspect.fleet.references.folders import is_folder, saved_images
from pyimginspect.fleet.references.installed import installed_images
from pyimginspect.fleet.references.lists import read_list

__all__ = ["expand"]

Failed = Callable[[str, PyimginspectError], None]


def expand(
    references: Iterable[str],
    choice: Choice,
    skipped: Skipped,
    *,
    platform: str = "",
    failed: Failed,
) -> Iterator[Target]:
    """Return a target for each image that ``references`` name, as they are found.

    A reference may be a name, ``@FILE`` or ``@-`` for a list, a directory of saved images,
    ``docker:*``, ``podman:*`` or ``registry:HOST/PATTERN``. One that cannot be expanded is told
    to ``failed``, and the others go on.
    """
    for reference in references:
        try:
            for target in _expand(reference, choice, skipped):
                if choice.excludes(target.reference):
                    skipped.add("images excluded", target.reference)
                else:
                    yield msgspec.structs.replace(target, platform=platform)
        except PyimginspectError as exc:
            failed(reference, exc)


def _expand(reference: str, choice: Choice, skipped: Skipped) -> Iterator[Target]:
    if reference.startswith("@"):
        for target in read_list(reference[1:]):
            for each in _images(target.reference, choice, skipped):
                yield msgspec.structs.replace(target, reference=each)
        return
    yield from (Target(reference=each) for each in _images(reference, choice, skipped))


def _images(reference: str, choice: Choice, skipped: Skipped) -> Iterator[str]:
    prefix, _, rest = reference.partition(":")
    if prefix == "registry" and is_pattern(rest):
        yield from registry_images(rest, choice, skipped)
    elif prefix == "docker" and "*" in rest:
        yield from installed_images("docker", rest, skipped)
    elif prefix == "podman" and "*" in rest:
        yield from installed_images("podman", rest, skipped)
    elif is_folder(reference):
        yield from saved_images(reference, skipped)
    else:
        yield reference
