"""Distributions without their modules, editable installs without their sources, false alarms."""

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from pyimginspect.analyzers.rule import Analyzer
from pyimginspect.report import Finding
from tests.images import Content, File, Link, debian_base, dist_info, elf, official_python
from tests.pythons import inventory, venv

Tree = Mapping[str, Content]
SITE = "usr/local/lib/python3.13/site-packages"
BASE: tuple[Tree, ...] = (debian_base(), official_python("3.13.1"))


def judge(name: str, *trees: Tree, **config: Any) -> list[Finding]:
    analyzer: Analyzer = import_module(f"pyimginspect.analyzers.{name}").ANALYZER
    return list(analyzer.run(inventory(*BASE, *trees, **config)))


def without(tree: Tree, *paths: str) -> dict[str, Content]:
    """A tree without some of its files, or directories of files."""
    gone = tuple(f"{SITE}/{path}" for path in paths)
    return {
        path: content
        for path, content in tree.items()
        if path not in gone and not path.startswith(tuple(f"{each}/" for each in gone))
    }


# --- incomplete-distribution ----------------------------------------------------------------------
CV2 = dist_info(
    "opencv-python-headless",
    "4.9",
    {
        "cv2/__init__.py": "",
        "cv2/cv2.abi3.so": elf(),
        "opencv_python_headless.libs/libavcodec-1.so": "x",
    },
)
TWO = dist_info("attrs", files={"attr/__init__.py": "", "attrs/__init__.py": ""})
SPACE = dist_info(
    "google-cloud-storage",
    files={"google/cloud/storage/__init__.py": "", "google/cloud/storage/blob.py": ""},
)
SINGLE = dist_info("six", files={"six.py": "x"})
COMPILED = dist_info("msgspec", files={"msgspec.cpython-313-x86_64-linux-gnu.so": elf()})
MIXED = dist_info(
    "mixed",
    files={
        "mixed/__init__.py": "",
        "mixed/sub/__init__.py": "",
        "mixed/data.json": "{}",
        "mixed/__init__.pyi": "",
        "tests/test_it.py": "",
        "tests/__init__.py": "",
        "_private.py": "",
    },
)
IMPLICIT = dist_info("implicit", files={"implicit/a.py": "", "implicit/b.py": ""})


@pytest.mark.parametrize(
    ("tree", "subject", "wasted"),
    [
        (without(CV2, "cv2"), "opencv-python-headless", "cv2 is not in the image"),
        (without(CV2, "cv2/__init__.py"), "opencv-python-headless",
         "cv2 is not in the image, so cv2 is imported as an empty namespace package"),
        (without(TWO, "attr"), "attrs", "attr is not in the image"),
        (without(TWO, "attr", "attrs"), "attrs", "attr and attrs are not in the image"),
        (without(SPACE, "google"), "google-cloud-storage", "google.cloud.storage is not"),
        (without(SINGLE, "six.py"), "six", "six is not in the image, so import six fails"),
        (without(COMPILED, "msgspec.cpython-313-x86_64-linux-gnu.so"), "msgspec", "import msgspec"),
        (without(IMPLICIT, "implicit"), "implicit", "implicit.a and implicit.b are not"),
    ],
)  # fmt: skip
def test_modules_that_are_lost(tree: Tree, subject: str, wasted: str) -> None:
    (finding,) = judge("incomplete_distribution", tree)
    assert (finding.severity, finding.subject) == ("error", subject)
    assert wasted in finding.message
    assert "--force-reinstall" in finding.fix
    assert judge("record_mismatch", tree) == []


def test_documentation_that_is_imported() -> None:
    files = {"botocore/__init__.py": "", "botocore/docs/__init__.py": "", "botocore/d/x.py": ""}
    (finding,) = judge(
        "incomplete_distribution", without(dist_info("botocore", files=files), "botocore/docs")
    )
    assert (finding.severity, finding.subject) == ("error", "botocore")
    assert "botocore.docs is not in the image" in finding.message


@pytest.mark.parametrize(
    "trees",
    [
        [CV2],
        [without(MIXED, "mixed/sub", "mixed/data.json", "mixed/__init__.pyi")],
        [without(MIXED, "tests", "_private.py")],
        [without(IMPLICIT, "implicit/a.py")],
        [{**without(SINGLE, "six.py"), f"{SITE}/six.pyc": "x"}],  # compileall -b
        # the same module from elsewhere on the path
        [{**without(SINGLE, "six.py"), "srv/six.py": ""}],
        # metadata of an older version beside the new one
        [{**without(COMPILED, "msgspec.cpython-313-x86_64-linux-gnu.so"),
          f"{SITE}/msgspec/__init__.py": ""}],
        # out of every Python's sight
        [{path.replace(SITE, "srv/site"): content for path, content in
          without(SINGLE, "six.py").items()}],
        [dist_info("types-six", files={"six-stubs/__init__.pyi": ""})],
    ],
)  # fmt: skip
def test_modules_that_are_there(trees: list[Tree]) -> None:
    assert judge("incomplete_distribution", *trees, env=["PYTHONPATH=/srv"]) == []


def test_byte_code_in_its_cache_alone_is_not_imported() -> None:
    tree = {**without(SINGLE, "six.py"), f"{SITE}/__pycache__/six.cpython-313.pyc": "x"}
    assert [each.subject for each in judge("incomplete_distribution", tree)] == ["six"]


def test_who_took_the_modules_away() -> None:
    steps = ["", "", "RUN pip install six", "RUN pip uninstall -y five six-too==1 && ls"]
    (finding,) = judge("incomplete_distribution", SINGLE, {f"{SITE}/.wh.six.py": ""}, steps=steps)
    assert finding.layers == (2, 3)
    evidence = [each.what for each in finding.evidence]
    assert "layer 3 removed it" in evidence
    assert "the instruction uninstalls five and six-too" in evidence
    assert finding.fix.startswith("Install only one of five, six and six-too: they share files")


@pytest.mark.parametrize(
    ("more", "severity"),
    [({}, "note"), (dist_info("gevent", requires=["setuptools"]), "error")],
)
def test_setuptools_is_removed_on_purpose_unless_it_is_required(more: Tree, severity: str) -> None:
    tree = dist_info("setuptools", files={"setuptools/__init__.py": "x"})
    (finding,) = judge("incomplete_distribution", {**tree, **more}, {f"{SITE}/.wh.setuptools": ""})
    assert finding.severity == severity
    assert "layer 3 removed it" in [each.what for each in finding.evidence]


CACHE = "/root/.cache/uv/archive-v0/Zz1"


def linked(name: str, cache: str = CACHE) -> dict[str, Content]:
    """A distribution as uv installs it with links: only what it writes itself is a file."""
    own = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
    return {
        path: content if path.endswith(own) else Link(f"{cache}{path.removeprefix(SITE)}")
        for path, content in dist_info(name, installer="uv").items()
    }


def test_links_into_a_cache_that_is_not_there() -> None:
    (finding,) = judge("incomplete_distribution", {**linked("click")})
    assert (finding.severity, finding.subject) == ("error", "click")
    assert "symbolic links into /root/.cache/uv, which is not in the image" in finding.message
    assert "UV_LINK_MODE=copy" in finding.fix
    (both,) = judge("incomplete_distribution", {**linked("click"), **linked("rich")})
    assert both.subject == SITE
    assert both.message.startswith("click 1.0 and rich 1.0 in")


def test_links_into_a_cache_that_is_there() -> None:
    cached = {
        path.replace(SITE, CACHE.lstrip("/")): content
        for path, content in dist_info("click").items()
    }
    found = inventory(*BASE, {**linked("click"), **cached})
    assert [each.name for each in found.distributions if each.name != "pip"] == ["click"]
    assert found.records.missing_modules == {}


def test_a_package_that_is_a_link_as_a_whole() -> None:
    tree = {**without(SINGLE, "six.py"), f"{SITE}/six.py": Link("/mnt/shared/six.py")}
    (finding,) = judge("incomplete_distribution", tree)
    assert "symbolic links into /mnt/shared" in finding.message
    assert "UV_LINK_MODE" not in finding.fix


# --- record-mismatch ------------------------------------------------------------------------------
def recorded(*lines: str, record: int = 0, **mtimes: int) -> dict[str, Content]:
    """The distribution foo with these lines of RECORD; files of three bytes, with their times."""
    tree: dict[str, Content] = dict(dist_info("foo", files={}, record=False))
    for line in lines:
        path = line.split(",")[0]
        tree.setdefault(f"{SITE}/{path}", File("abc", mtime=mtimes.get(path.partition(".")[0], 0)))
    text = "".join(f"{line}\n" for line in lines)
    tree[f"{SITE}/foo-1.0.dist-info/RECORD"] = File(text, mtime=record)
    return tree


@pytest.mark.parametrize(
    ("tree", "changed"),
    [
        (recorded("foo.py,,3"), []),
        (recorded("foo.py,,4"), ["foo.py"]),
        (recorded("foo.py,,4", "foo.py,,3"), []),
        (recorded("foo.py,,4", '"foo.py",,3'), []),
        (recorded("foo.py,,4", "foo.py,,4"), ["foo.py"]),
        (recorded("__pycache__/foo.cpython-313.pyc,,9", "foo.py,,3"), []),
        (recorded("foo-1.0.dist-info/INSTALLER,,44", "foo.py,,3"), []),
        (recorded("foo-1.0.dist-info/direct_url.json,,44", "foo.py,,3"), []),
        # written before RECORD was: the wheel's own error
        (recorded("foo.py,,4", record=100, foo=99), []),
        (recorded("foo.py,,4", record=100, foo=100), ["foo.py"]),
    ],
)
def test_what_is_called_changed(tree: Tree, changed: list[str]) -> None:
    findings = judge("record_mismatch", tree)
    paths = [path.removeprefix(f"{SITE}/") for each in findings for path in each.paths]
    assert paths == changed


def test_conda_edits_what_it_installs() -> None:
    prefix = "opt/conda"
    site = f"{prefix}/lib/python3.13/site-packages"
    tree = {**dist_info("foo", site=site), f"{site}/foo/__init__.py": "longer"}
    names = [path.removeprefix(f"{prefix}/") for path in tree]
    tree[f"{prefix}/conda-meta/foo-1.0-0.json"] = json.dumps({"name": "foo", "files": names})
    assert judge("record_mismatch", tree) == []


def test_scripts_of_pip_target_are_where_it_moved_them() -> None:
    tree = {
        **recorded("../../bin/foo,,3", "../../share/man/man1/foo.1,,3", "foo.py,,3"),
        f"{SITE}/bin/foo": "abc",
        f"{SITE}/share/man/man1/foo.1": "abc",
    }
    tree.pop(f"{SITE}/../../bin/foo")
    tree.pop(f"{SITE}/../../share/man/man1/foo.1")
    assert judge("record_mismatch", tree) == []


def test_missing_files_of_many_distributions_are_one_note() -> None:
    trees = [
        dist_info(f"d{n}", files={f"d{n}/__init__.py": "", f"d{n}/x.json": ""}) for n in range(9)
    ]
    tree = {path: c for each in trees for path, c in each.items() if not path.endswith(".json")}
    (finding,) = judge("record_mismatch", tree)
    assert (finding.severity, finding.subject) == ("note", SITE)
    assert finding.message.endswith(f"in /{SITE}: 9 files missing")
    assert len(finding.evidence) == 8


@pytest.mark.parametrize(
    ("file", "severity"),
    [("foo/data.json", "note"), ("foo/sub.py", "note"), ("foo/_core.abi3.so", "warning")],
)
def test_a_compiled_file_that_is_missing_is_no_slimming(file: str, severity: str) -> None:
    tree = dist_info("foo", files={"foo/__init__.py": "", file: ""})
    (finding,) = judge("record_mismatch", without(tree, file))
    assert finding.severity == severity
    assert finding.message == f"foo 1.0 in /{SITE}: 1 file missing"


# --- editable-install-missing ---------------------------------------------------------------------
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
    [({}, ["my-example"]), ({"app/my_example/__init__.py": ""}, []), ({"app/x": ""}, [])],
)
def test_develop_links(more: Tree, subjects: list[str]) -> None:
    tree = {f"{SITE}/My.Example.egg-link": "/app\n.", f"{SITE}/easy-install.pth": "/app\n", **more}
    assert [each.subject for each in judge("editable_install_missing", tree)] == subjects


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
    ],
)
def test_direct_urls_that_name_no_directory(text: str) -> None:
    tree = editable({"x.json": ""}, project=None)
    tree[f"{SITE}/example-1.0.dist-info/direct_url.json"] = text
    assert judge("editable_install_missing", tree) == []
