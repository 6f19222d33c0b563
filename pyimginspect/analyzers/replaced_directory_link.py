"""Directories that a layer put in the place of links of the system, and what is out of reach."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.replaced_links import ShadowedLink, find_shadowed_links
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed

__all__ = ["ANALYZER", "replaced_directory_link"]

RULE = Rule(
    id="replaced-directory-link",
    title="A directory replaced a symbolic link of the system",
    severity="error",
    policy="soundness",
    what="A layer has a directory, or a file in one, at a path where a lower layer has a symbolic"
    " link to a directory (/bin, a link to usr/bin). Engines unpack a layer by itself, so the"
    " link is not followed: a new directory takes its place, and files that were found through"
    " the link no longer are. Reported where programs, libraries or loaders become unreachable.",
    why="Without /bin/sh no RUN in shell form, no script and no shell starts; without /lib64 no"
    " program does, since the kernel finds no loader: “no such file or directory”. Archives with an"
    " entry for bin/ do that, unpacked by ADD or by tar (s6-overlay's once did). COPY of Docker and"
    " Podman follows links; other builders may write layers without a look at those below.",
    fix="Put the files at the real path, such as /usr/bin, and no entry for the directory that is"
    " a link into the layer; tar has --keep-directory-symlink for that.",
    example="""# at fault: the archive has bin/ and bin/tool, and Debian's /bin is a link
FROM debian:bookworm-slim
ADD tools.tar.gz /

# better: at the real path
FROM debian:bookworm-slim
ADD tools.tar.gz /opt/tools
RUN ln -s /opt/tools/bin/tool /usr/bin/tool
""",
)

_MOST = 8


def replaced_directory_link(inventory: Inventory) -> Iterator[Finding]:
    """Report links that became directories, where something needs what they led to."""
    for link in find_shadowed_links(inventory.rootfs):
        yield _finding(inventory, link)


def _finding(inventory: Inventory, link: ShadowedLink) -> Finding:
    path, layer = link.path, link.layer
    # Without /bin/sh no RUN in shell form works: where it is gone, no other name says as much.
    first = sorted(link.wanted) or sorted(link.code, key=lambda name: (name != "bin/sh", name))
    itself = link.entry == path
    made = "is a directory" if itself else f"contains {link.entry[len(path) + 1 :]}"
    missing = f"/{first[0]} is"
    if link.files > 1:
        missing = f"/{first[0]} and {counted(link.files - 1, 'more file')} are"
    return RULE.finding(
        subject=path,
        message=f"/{path} {made} since layer {layer}, in the place of a link to {link.target}:"
        f" {missing} no longer found",
        evidence=_evidence(link, first),
        layers=(link.below, layer),
        instruction=inventory.instruction(layer),
        paths=[path, *first[:_MOST]],
        fix=f"Put what layer {layer} has below /{path} into /{link.real}, and leave"
        f" {'an entry for the directory' if itself else f'/{link.entry}'} out of the layer",
    )


def _evidence(link: ShadowedLink, first: list[str]) -> Iterator[Evidence]:
    path = link.path
    yield Evidence(what=f"was a symbolic link to {link.target}", path=path, layer=link.below)
    what = f"layer {link.layer} stores it, which makes /{path} a directory"
    yield Evidence(what=what, path=link.entry, layer=link.layer)
    for name, user in list(link.wanted.items())[:_MOST]:
        what = f"its loader or interpreter is /{name}, which is not there"
        yield Evidence(what=what, path=user)
    names = listed([f"/{name}" for name in first], 3)
    yield Evidence(
        what=f"{counted(link.files, 'file')} in /{link.real} cannot be reached through /{path}:"
        f" {names}" + (" among them" if link.files > len(first) else ""),
        path=link.real,
    )


ANALYZER = Analyzer(rule=RULE, run=replaced_directory_link)
