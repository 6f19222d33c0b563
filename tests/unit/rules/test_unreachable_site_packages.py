"""The rule unreachable-site-packages: layers in, findings out."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.images import (
    dist_info,
)
from tests.pythons import (
    stored,
    venv,
)
from tests.systems import rootfs
from tests.unit.rules.pythons import (
    BASE,
    SITE,
    Tree,
    judge,
)

OLD = "usr/local/lib/python3.12/site-packages"


@pytest.mark.parametrize(
    ("tree", "config", "message", "why"),
    [
        (dist_info("foo", site=OLD), {},
         f"/{OLD} contains foo 1.0, and no Python of the image imports from it",
         "it is for Python 3.12, and the image has 3.13"),
        ({**dist_info("foo", site=OLD), **dist_info("bar", site=OLD)}, {},
         f"/{OLD} contains 2 distributions, and no Python of the image imports from it",
         "it is for Python 3.12, and the image has 3.13"),
        ({f"{OLD}/module.py": "x"}, {},
         f"/{OLD} contains modules, and no Python of the image imports from it",
         "it is for Python 3.12, and the image has 3.13"),
        (dist_info("foo", site="home/me/.local/lib/python3.13/site-packages"), {"user": "app"},
         "/home/me/.local/lib/python3.13/site-packages contains foo 1.0, and no Python of the image"
         " imports from it",
         "it is in the home /home/me, and the image runs as app"),
        (dist_info("foo", site="srv/deps"), {},
         "/srv/deps contains foo 1.0, and no Python of the image imports from it",
         "it is on no interpreter's search path"),
    ],
)  # fmt: skip
def test_packages_out_of_sight(
    tree: Tree, config: Mapping[str, Any], message: str, why: str
) -> None:
    (finding,) = judge("unreachable_site_packages", *BASE, tree, **config)
    assert (finding.message, finding.evidence[0].what) == (message, why)
    assert finding.saving == stored(rootfs(tree), *tree)
    assert finding.layers == (2,)


@pytest.mark.parametrize(
    ("tree", "config"),
    [
        (dist_info("foo"), {}),
        (dist_info("foo", site="srv/deps"), {"env": ["PYTHONPATH=/srv/deps"]}),
        (dist_info("foo", site="app/deps"), {"working_dir": "/app/deps"}),
        ({**dist_info("foo", site="app"), "app/main.py": ""}, {"cmd": ["python", "/app/main.py"]}),
        ({f"{OLD}/README.txt": "x"}, {}),
        ({f"{SITE}/foo/vendor/site-packages/x.py": "x"}, {}),
        ({**venv("env", "/usr/local/bin"),
          **dist_info("foo", site="env/lib/python3.13/site-packages")}, {}),
        ({"opt/conda/pkgs/x-1-0/site-packages/x.py": "x",
          "opt/conda/pkgs/x-1-0/info/index.json": "{}"}, {}),
    ],
)  # fmt: skip
def test_packages_in_sight(tree: Tree, config: Mapping[str, Any]) -> None:
    assert judge("unreachable_site_packages", *BASE, tree, **config) == []
