"""What goes with a package, against apk itself on made-up systems: the same set, every time."""

from __future__ import annotations

import random
from pathlib import Path

from pyimginspect.changesets import apply_layers
from pyimginspect.inventory.packages import dependency_graph, find_os_packages, plan_removal
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.model import Layer
from tests.images import layer
from tests.integration.apk_oracle import delete, random_system
from tests.integration.conftest import BuiltCorpus
from tests.integration.engine import Engine

SYSTEMS = 250


def test_as_apk_does(corpus: BuiltCorpus, engine: Engine, tmp_path: Path) -> None:
    image = corpus.load_into(engine, "alpine")
    systems = [random_system(random.Random(seed)) for seed in range(SYSTEMS)]
    answers = delete(engine, image, tmp_path, systems)
    for seed, (system, expected) in enumerate(zip(systems, answers, strict=True)):
        assert expected is not None, f"apk finds no way for system {seed}"
        tree = {"lib/apk/db/installed": system.installed, "etc/apk/world": system.world}
        files = apply_layers(
            [Layer(number=0, index=index_layer(BytesBlob(data=layer(tree))).index)]
        )
        database = find_os_packages(files)
        plan = plan_removal(files, database, dependency_graph(database), system.roots)
        assert set(plan.packages) == expected, f"del -r {system.roots} from system {seed}"
