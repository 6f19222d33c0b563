"""``python -m pyimginspect IMAGE``, and the command of that name."""

from __future__ import annotations

import gc
from typing import NoReturn


def run() -> NoReturn:
    """Be the process of the command."""
    # Modules leave nothing behind that the collector of cycles could free: it costs them 10 ms.
    gc.disable()
    from pyimginspect.cli import run as run_command

    run_command()


if __name__ == "__main__":
    run()
