"""Edits that take the CPU's wheels where those for CUDA weigh gigabytes and nothing says a GPU."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyimginspect.dockerfile.installs import Manager
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Distribution
from pyimginspect.inventory.records import files_of
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.operations import AddOption
from pyimginspect.plan.runs import installs
from pyimginspect.text import sized

__all__ = ["edits_of_wheels"]

# torch for CUDA requires gigabytes; less is no whole CUDA, and not worth another index.
_LARGE = 500_000_000
_OPTIONS: dict[Manager, str] = {
    # pytorch.org, "Start locally", compute platform CPU: pip takes the local version "+cpu" for the
    # newer one of the two (PEP 440, "Local version identifiers").
    "pip": "--extra-index-url=https://download.pytorch.org/whl/cpu",
    # docs.astral.sh/uv/guides/integration/pytorch, "Automatic backend selection".
    "uv": "--torch-backend=cpu",
}
# What torch's wheels require. CUDA's release is a suffix of the names up to 12 (-cu11, -cu12), and
# of those that are released apart from CUDA; from 13 on the others have none. Not all of NVIDIA's
# is CUDA's: nvidia-ml-py, nvidia-cudnn-frontend.
_CUDA = re.compile(
    r"triton|nvidia-(?:cublas|cuda-(?:cupti|nvrtc|runtime)|cudnn|cufft|cufile|curand|cusolver"
    r"|cusparse|cusparselt|nccl|nvjitlink|nvshmem|nvtx)(?:-cu\d+)?"
)
# NVIDIA_VISIBLE_DEVICES and its like ask NVIDIA's container runtime for a GPU; nvidia/cuda images
# set CUDA_VERSION.
_FOR_GPU = ("NVIDIA_", "CUDA_")


def edits_of_wheels(context: Context) -> Iterator[Proposal]:
    """Propose PyTorch's wheels for the CPU, where those for CUDA brought NVIDIA's libraries."""
    inventory = context.inventory
    torch = next((each for each in inventory.distributions if each.name == "torch"), None)
    if _is_for_gpu(inventory) or torch is None or torch.layer < context.base:
        return
    with_cuda = [
        each for each in inventory.distributions if each.layer == torch.layer and _is_of_cuda(each)
    ]
    contents = context.contents.behind(_files(context, with_cuda))
    size = context.contents.size(contents)
    if size < _LARGE:
        return
    command = context.command(torch.layer) or ""
    operations = [
        AddOption(layer=torch.layer, manager=manager, option=option)
        for manager, option in _OPTIONS.items()
        if installs(command, manager)
    ]
    edit = context.edit(
        "wheels",
        torch.layer,
        f"install torch for the CPU: its wheels for CUDA bring {sized(size)} of NVIDIA's libraries",
        command=operations[0].option if operations else "",
        packages=sorted(each.name for each in with_cuda),
        estimated=True,
        operations=operations,
        reason="another build of torch: it computes on no GPU",
    )
    yield Proposal(edit, contents)


def _is_for_gpu(inventory: Inventory) -> bool:
    """Whether anything says that the image is for a GPU: its environment, or its base."""
    environment = inventory.image.config.environment()
    return any(name.startswith(_FOR_GPU) for name in environment) or "cuda" in inventory.base.name


def _is_of_cuda(distribution: Distribution) -> bool:
    """Whether torch requires a distribution for CUDA alone: ``nvidia-cublas-cu12``, ``triton``."""
    return _CUDA.fullmatch(distribution.name) is not None


def _files(context: Context, distributions: list[Distribution]) -> Iterator[str]:
    rootfs = context.inventory.rootfs
    for each in distributions:
        for path in files_of(rootfs, each.location, each.metadata):
            node = rootfs.get(path)
            if node is not None and node.kind == "file":
                yield path
