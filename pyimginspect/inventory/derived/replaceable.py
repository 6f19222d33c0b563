"""Which Python packages of the OS can go as soon as pip installs them: for finding and plan."""

from __future__ import annotations

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.bindings import INSTALLERS, Binding, find_bindings, twin_of
from pyimginspect.inventory.derived.primary_python import needed_packages, primary_python
from pyimginspect.inventory.derived.proofs_of_use import program_on_path
from pyimginspect.inventory.instructions import read_steps
from pyimginspect.inventory.memoize import memoized

__all__ = ["lacks_twin", "replaceable_bindings"]

# Of one RUN; what is longer has a here-document full of data.
_MOST_WORDS = 4000


@memoized
def replaceable_bindings(inventory: Inventory) -> tuple[Binding, ...]:
    """Return the bindings that layers above the base asked for, and that an edit can replace.

    What starts must not be of the package, and be known; no later step may name a program of it;
    and a pip must be there to install what takes its place, by a name that is known.
    """
    if inventory.startup.status == "unknown":
        return ()
    packages, needed = inventory.packages, needed_packages(inventory)
    can_install = _has_pip(inventory)
    found = []
    for binding in find_bindings(inventory):
        package = packages[binding.package]
        if (
            package.automatic is False
            and package.installed_in >= inventory.base.layers
            and package.key not in needed
            and ((can_install and binding.project) or not lacks_twin(inventory, binding))
            and package.key not in _called(inventory)
        ):
            found.append(binding)
    return tuple(found)


def lacks_twin(inventory: Inventory, binding: Binding) -> bool:
    """Whether pip has to install what takes the place of a binding."""
    return binding.project not in INSTALLERS and twin_of(inventory, binding) is None


def _has_pip(inventory: Inventory) -> bool:
    """Whether pip, as ``RUN pip install`` finds it, installs for the image's own Python."""
    primary = primary_python(inventory)
    # PEP 668: pip refuses to install there.
    if primary is None or primary.python.externally_managed:
        return False
    return any(
        each.name == "pip" and not each.package and primary.python.path in each.interpreters
        for each in inventory.distributions
    )


@memoized
def _called(inventory: Inventory) -> frozenset[str]:
    """Return the packages of programs that later steps of the Dockerfile name (``pipx install …``).

    A program may have another name by a link, as alternatives have.
    """
    packages, called = inventory.packages, set[str]()
    for step in read_steps(inventory.image.config.history):
        if step.word != "RUN" or step.layer is None:
            continue
        for word in set(step.text.split()[:_MOST_WORDS]):
            for key in packages.owner(program_on_path(inventory, word) or ""):
                if packages[key].installed_in < step.layer:
                    called.add(key)
    return frozenset(called)
