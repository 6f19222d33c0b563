"""Images with two Pythons."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyimginspect.inventory.collect import Inventory
from tests.images import Content, debian_base, official_env
from tests.pythons import executable, inventory
from tests.trees import official_python

Tree = Mapping[str, Content]
OFFICIAL = "RUN /bin/sh -c wget Python-$PYTHON_VERSION.tar.xz; for src in idle3 python3; do :; done"
STEPS = ["# debian.sh --arch 'amd64' out/ 'bookworm'", OFFICIAL, 'CMD ["python3"]']
BASE: tuple[Tree, ...] = (
    {**debian_base(), "usr/bin/env": executable(), "usr/sbin/nginx": executable()},
    official_python("3.13.1"),
)


def image(*trees: Tree, steps: Sequence[str] = (), **config: Any) -> Inventory:
    lines = [*STEPS, *steps, *["COPY step"] * (len(trees) - len(steps))]
    return inventory(*BASE, *trees, env=official_env("3.13.1"), steps=lines, **config)
