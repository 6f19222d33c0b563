"""Which packages something in the image uses, though no other package depends on them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from pyimginspect.dockerfile.shell import commands
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.proofs_of_use import program_on_path, proofs_of_use
from pyimginspect.inventory.instructions import read_steps
from pyimginspect.inventory.packages import Graph
from pyimginspect.inventory.runtimes import command_words
from pyimginspect.inventory.tool_names import required_names

__all__ = ["Use", "uses_of"]

# What programs look up by a path: neither a dependency nor an ELF header tells of it.
_BY_PATH: Mapping[str, str] = {
    "ca-certificates": "programs look up certificate authorities in /etc/ssl/certs",
}


class Use(Struct, frozen=True, kw_only=True):
    """That ``package`` (a key) is in use: ``what`` is a clause that says by whom, at ``path``."""

    package: str
    what: str
    path: str = ""


def uses_of(inventory: Inventory, graph: Graph, keys: Collection[str]) -> Iterator[Use]:
    """Yield the proofs for those of the packages ``keys`` that are in use, one for each.

    These hold what starts; a library that a file of no package loads, or that a distribution
    opens; a program that a script, the image's command, a distribution or a ``RUN`` calls; a
    distribution that another one requires, which no package brought; or what is looked up by path.
    """
    seen: set[str] = set()
    for use in _all(inventory, graph, keys):
        if use.package in keys and use.package not in seen:
            seen.add(use.package)
            yield use


def _all(inventory: Inventory, graph: Graph, keys: Collection[str]) -> Iterator[Use]:
    for proof in proofs_of_use(inventory, graph, keys):
        what = proof.need or "what starts needs it"
        yield Use(package=proof.package, what=what, path=proof.path)
    yield from _called(inventory)
    yield from _required(inventory)
    for key in sorted(keys):
        if inventory.packages[key].name in _BY_PATH:
            yield Use(package=key, what=_BY_PATH[inventory.packages[key].name])


def _called(inventory: Inventory) -> Iterator[Use]:
    """Yield the packages of programs that the command and each ``RUN`` call."""
    for word in command_words(inventory.rootfs, inventory.image.config):
        yield from _uses(inventory, word, "the image's command or health check")
    for step in read_steps(inventory.image.config.history):
        if step.word != "RUN" or step.layer is None or step.layer < inventory.base.layers:
            continue
        for command in commands(step.text):
            for use in _uses(inventory, command.program, f"the RUN of layer {step.layer}"):
                # An earlier step called another program of that name, or failed to.
                if inventory.packages[use.package].installed_in <= step.layer:
                    yield use


def _uses(inventory: Inventory, name: str, who: str) -> Iterator[Use]:
    real = program_on_path(inventory, name) or ""
    for key in inventory.packages.owner(real):
        yield Use(package=key, what=f"{who} calls {name}", path=real)


def _required(inventory: Inventory) -> Iterator[Use]:
    """Yield the packages of distributions that one of no package requires, and nothing else has."""
    others = [each for each in inventory.distributions if not each.package]
    required = required_names(inventory.rootfs, others) - {each.name for each in others}
    for each in inventory.distributions:
        if each.package and each.name in required:
            what = f"a distribution that pip installed requires {each.name}"
            yield Use(package=each.package, what=what, path=each.metadata)
