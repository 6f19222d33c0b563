"""The rule editable-install-missing: layers in, findings out."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.images import Content, dist_info
from tests.pythons import venv
from tests.unit.rules.installs import SITE, Tree, judge


def editable(
    files: Mapping[str, str],
    *,
    project: str | None = "/app",
    name: str = "example",
    site: str = SITE,
    **more: Any,
) -> dict[str, Content]:
    tree = dict(dist_info(name, files=dict(files), site=site, **more))
    if project is not None:
        url = {"url": f"file://{project}", "dir_info": {"editable": True}}
        tree[f"{site}/{name}-1.0.dist-info/direct_url.json"] = json.dumps(url)
    return tree


FINDER = """import sys
MAPPING: dict[str, str] = {'example': '/app/src/example', 'single': '/app/src/single'}
NAMESPACES: dict[str, list[str]] = {}
"""

HOOK = "import __editable___example_1_0_finder; __editable___example_1_0_finder.install()\n"
BY_FINDER = editable(
    {"__editable___example_1_0_finder.py": FINDER, "__editable__.example-1.0.pth": HOOK}
)

ENV = "srv/env/lib/python3.13/site-packages"
POINTS = {"example-1.0.dist-info/entry_points.txt": "[console_scripts]\nex = tool.cli:main\n"}


@pytest.mark.parametrize(
    ("tree", "names"),
    [
        (editable({"__editable__.example-1.0.pth": "/app/src\n"}), "/app/src, which is not"),
        (editable({"_example.pth": "/app/src"}), "/app/src, which is not"),
        (editable({"example.pth": "/app\n/lib/x\n"}), "/app and /lib/x, which are not"),
        # without direct_url.json, as older poetry
        (editable({"example.pth": "/app\n"}, project=None), "/app, which is not"),
        (BY_FINDER, "/app/src/example and /app/src/single, which are not"),
        # the directory is there, and the package is not
        ({**editable({"_example.pth": "/app", "example-1.0.dist-info/top_level.txt": "example"}),
          "app/README": ""}, "/app, where there is no example"),
        ({**editable({"_example.pth": "/app", **POINTS}), "app/README": ""},
         "/app, where there is no tool"),
        # one module of the finder's is there
        ({**BY_FINDER, "app/src/single.py": ""}, "/app/src/example, which is not"),
        # a hook that nothing is known of: what is imported is in the project
        (editable({"_example.pth": "import _example_hook\n", "_example_hook.py": "x"}),
         "/app, which is not in the image"),
        # relative to the directory that the .pth file is in, and with a slash at the end
        (editable({"_example.pth": "src\n"}), f"/{SITE}/src, which is not"),
        (editable({"_example.pth": "/app/src/\n"}), "/app/src, which is not"),
        (editable({"_example_hook.py": "x"}, project="/my%20app/"), "/my app, which is not"),
        # compiled into site-packages, under another name
        (editable({"_example.pth": "/app/src", "_speed.py": "x"}), "/app/src, which is not"),
        # another Python has the module, and does not see the distribution
        ({**editable({"_example.pth": "/app/src"}), "opt/py/example/__init__.py": ""},
         "/app/src, which is not"),
    ],
)  # fmt: skip
def test_sources_that_are_not_there(tree: Tree, names: str) -> None:
    (finding,) = judge("editable_install_missing", tree)
    assert (finding.severity, finding.subject) == ("error", "example")
    assert names in finding.message
    assert "without -e" in finding.fix
    assert all(each.path or each.what for each in finding.evidence)


@pytest.mark.parametrize(
    "tree",
    [
        {**editable({"_example.pth": "/app/src"}), "app/src/example/__init__.py": ""},
        {**editable({"_example.pth": "/app/src"}), "app/src/": None},  # nobody knows what it needs
        {**BY_FINDER, "app/src/example/__init__.py": "", "app/src/single.py": ""},
        {f"{SITE}/stray.pth": "/nowhere\n"},
        {f"{SITE}/stray.pth": "import sys\n"},
        dist_info("example", files={"example/__init__.py": "", "example-nspkg.pth": "/nowhere\n"}),
        dist_info("example", direct_url="file:///app"),  # installed from a directory, not editable
        # the module is installed as well
        {**editable({"_example.pth": "/app/src"}), f"{SITE}/example/__init__.py": ""},
        # compiled into site-packages, its sources elsewhere
        {**editable({"_example.pth": "/app", "example-1.0.dist-info/top_level.txt": "example"}),
         "app/example/a.py": ""},
        # one of two directories has it
        {**editable({"_example.pth": "/app/a\n/app/b\n",
                     "example-1.0.dist-info/top_level.txt": "example"}, site=ENV),
         **venv("srv/env", "/usr/local/bin"), "app/a/example/__init__.py": ""},
        # the environment that sees it has the module from elsewhere
        {**venv("srv/env", "/usr/local/bin"), f"{ENV}/example.py": "",
         **editable({"_example.pth": "/app/src"}, site=ENV)},
        # a hook that nothing is known of: what it imports may be anywhere in the project
        {**editable({"_example.pth": "import _example_hook\n", "_example_hook.py": "x", **POINTS}),
         "app/src/tool/cli.py": ""},
        # the .pth file is another affair than to find the modules
        dist_info("example", files={"other/__init__.py": "", "more.pth": "/nowhere\n"}),
        # the finder's module is installed as well
        {**editable({"__editable___example_1_0_finder.py": FINDER.replace("'single'", "'widget'")}),
         f"{SITE}/widget.py": ""},
        # a directory that no Python looks into
        editable({"_example.pth": "/app/src"}, site="opt/lone"),
        {"opt/lone/example.egg-link": "/app\n."},
        {f"{SITE}/example.egg-link": "src\n."},
    ],
)  # fmt: skip
def test_sources_that_are_there(tree: Tree) -> None:
    assert judge("editable_install_missing", tree) == []


def test_the_working_directory_has_the_module() -> None:
    tree = {**editable({"_example.pth": "/build/src"}), "app/example/__init__.py": ""}
    (finding,) = judge("editable_install_missing", tree, working_dir="/app")
    assert finding.severity == "warning"
    assert "only programs that look into /app find it" in finding.message


@pytest.mark.parametrize(
    ("installer", "fix"),
    [("uv", "uv sync --no-editable"), ("pdm", "pdm install --no-editable"),
     ("poetry 1.8.3", "poetry build"), ("flit", "pip install /app")],
)  # fmt: skip
def test_the_fix_is_the_installers(installer: str, fix: str) -> None:
    site = "app/.venv/lib/python3.13/site-packages"
    tree = {
        **venv("app/.venv", "/usr/local/bin"),
        **editable({"_example.pth": "/app/src"}, site=site, installer=installer),
    }
    (finding,) = judge("editable_install_missing", tree)
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("more", "subjects"),
    [({}, ["my-example"]), ({"app/my_example/__init__.py": ""}, []), ({"app/x": ""}, []),
     # installed as well; and the same link of an environment's
     ({f"{SITE}/my_example.py": ""}, []),
     ({**venv("srv/env", "/usr/local/bin"), f"{ENV}/Other.egg-link": "/b\n."},
      ["my-example", "other"])],
)  # fmt: skip
def test_develop_links(more: Tree, subjects: list[str]) -> None:
    tree = {f"{SITE}/My.Example.egg-link": "/app\n.", f"{SITE}/easy-install.pth": "/app\n", **more}
    assert [each.subject for each in judge("editable_install_missing", tree)] == subjects


def test_a_develop_link_whose_module_the_working_directory_has() -> None:
    tree = {f"{SITE}/example.egg-link": "/build\n.", "app/example.py": ""}
    (finding,) = judge("editable_install_missing", tree, working_dir="/app")
    assert (finding.severity, finding.subject) == ("warning", "example")


@pytest.mark.parametrize(("missing", "found"), [(50, True), (51, False)])
def test_of_one_finder_fifty_modules_are_looked_for(missing: int, found: bool) -> None:
    mapping = {f"m{number}": f"/app/m{number}" for number in range(1, 52)}
    finder = {"__editable___example_1_0_finder.py": f"MAPPING: dict = {mapping}\n"}
    there = {f"app/m{number}.py": "" for number in range(1, 52) if number != missing}
    assert bool(judge("editable_install_missing", {**editable(finder), **there})) is found


@pytest.mark.parametrize(
    "mapping",
    ["{", "{'a': 1}", "{1: '/x'}", "{**x}", "{'a': '/x'" + "}" * 70_000, "{" + "(" * 60_000 + "}"],
)
def test_finders_that_nobody_wrote(mapping: str) -> None:
    tree = editable(
        {"__editable___example_1_0_finder.py": f"MAPPING: dict = {mapping}\n"}, project=None
    )
    assert judge("editable_install_missing", tree) == []


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"url": 3}',
        '{"url": "http://x", "dir_info": {"editable": true}}',
        '{"url": "file://[", "dir_info": {"editable": true}}',
        '{"url": "file:///app", "dir_info": {"editable": false}}',
        '{"url": "file:///app", "dir_info": {}}',
        '{"dir_info": {"editable": true}}',
    ],
)
def test_direct_urls_that_name_no_directory(text: str) -> None:
    tree = editable({"x.json": ""}, project=None)
    tree[f"{SITE}/example-1.0.dist-info/direct_url.json"] = text
    assert judge("editable_install_missing", tree) == []
