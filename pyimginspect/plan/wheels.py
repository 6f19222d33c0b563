"""Edits that take the CPU's wheels where those for CUDA weigh gigabytes and nothing says a GPU."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.dockerfile.installs import Manager
from pyimginspect.inventory.facts import Distribution
from pyimginspect.inventory.records import files_of
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.operations import AddOption, Operation
from pyimginspect.plan.runs import installs
from pyimginspect.text import sized

__all__ = ["edits_of_wheels"]

_LARGE = 500_000_000
_OPTIONS: dict[Manager, str] = {
    # pytorch.org, "Start locally", compute platform CPU: pip takes the local version "+cpu" for the
    # newer one of the two (PEP 440, "Local version identifiers").
    "pip": "--extra-index-url=https://download.pytorch.org/whl/cpu",
    # docs.astral.sh/uv/guides/integration/pytorch, "Automatic backend selection".
    "uv": "--torch-backend=cpu",
}
_FOR_GPU = ("NVIDIA_", "CUDA_")


def edits_of_wheels(context: Context) -> Iterator[Proposal]:
    """Propose PyTorch's wheels for the CPU, where those for CUDA brought NVIDIA's libraries."""
    inventory = context.inventory
    environment = inventory.image.config.environment()
    if any(name.startswith(_FOR_GPU) for name in environment) or "cuda" in inventory.base.name:
        return
    torch = next((each for each in inventory.distributions if each.name == "torch"), None)
    if torch is None or torch.layer < context.base:
        return
    with_cuda = [
        each
        for each in inventory.distributions
        if each.layer == torch.layer
        and (each.name == "triton" or (each.name.startswith("nvidia-") and "-cu" in each.name))
    ]
    contents = context.contents.behind(_files(context, with_cuda))
    size = context.contents.size(contents)
    if size < _LARGE:
        return
    command = context.command(torch.layer) or ""
    operations: list[Operation] = [
        AddOption(layer=torch.layer, manager=manager, option=option)
        for manager, option in _OPTIONS.items()
        if installs(command, manager)
    ]
    edit = context.edit(
        "wheels",
        torch.layer,
        f"install torch for the CPU: its wheels for CUDA bring {sized(size)} of NVIDIA's libraries",
        command=next((each for m, each in _OPTIONS.items() if installs(command, m)), ""),
        packages=sorted(each.name for each in with_cuda),
        estimated=True,
        operations=operations,
        reason="another build of torch: it computes on no GPU",
    )
    yield Proposal(edit, contents)


def _files(context: Context, distributions: list[Distribution]) -> Iterator[str]:
    rootfs = context.inventory.rootfs
    for each in distributions:
        for path in files_of(rootfs, each.location, each.metadata):
            node = rootfs.get(path)
            if node is not None and node.kind == "file":
                yield path
