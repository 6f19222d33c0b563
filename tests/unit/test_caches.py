"""Caches: where they are, what they weigh, and what is none."""

import pytest

from pyimginspect.inventory.caches import INFORMATION, edit_of
from pyimginspect.inventory.facts import Cache
from tests.images import Content, HardLink
from tests.inventories import on_slim, taken

SITE = "usr/local/lib/python3.13/site-packages"


def caches(*layers: dict[str, Content]) -> tuple[Cache, ...]:
    one = on_slim(*layers, history=[f"RUN step {n}" for n in range(len(layers))])
    return taken(one).caches


@pytest.mark.parametrize(
    ("path", "kind", "top"),
    [
        ("var/lib/apt/lists/deb_Packages", "apt-lists", "var/lib/apt/lists"),
        ("var/cache/apt/archives/gcc.deb", "apt-archives", "var/cache/apt/archives"),
        ("var/cache/apt/pkgcache.bin", "apt-index", "var/cache/apt"),
        ("var/cache/apk/APKINDEX.tar.gz", "apk", "var/cache/apk"),
        ("var/cache/dnf/x/repodata", "dnf", "var/cache/dnf"),
        ("var/cache/yum/x", "yum", "var/cache/yum"),
        ("root/.cache/pip/http/a", "pip", "root/.cache/pip"),
        ("home/app/.cache/pip/http/a", "pip", "home/app/.cache/pip"),
        ("srv/web/.cache/uv/a", "uv", "srv/web/.cache/uv"),
        ("root/.cache/pypoetry/a", "poetry", "root/.cache/pypoetry"),
        ("root/.cache/go-build/a", "go", "root/.cache/go-build"),
        ("root/.npm/_cacache/a", "npm", "root/.npm/_cacache"),
        ("root/.cargo/registry/a", "cargo", "root/.cargo/registry"),
    ],
)
def test_every_cache_has_its_place(path: str, kind: str, top: str) -> None:
    assert caches({path: "12345"}) == (Cache(kind=kind, path=top, size=5, files=1, layers={4: 5}),)


def test_conda_keeps_packages_beside_its_metadata() -> None:
    found = caches({"opt/conda/conda-meta/history": "", "opt/conda/pkgs/x/a": "123"})
    assert found == (Cache(kind="conda", path="opt/conda/pkgs", size=3, files=1, layers={4: 3}),)


@pytest.mark.parametrize(
    "tree",
    [
        # what apt-get dist-clean leaves
        {"var/lib/apt/lists/deb_InRelease": "signed", "var/lib/apt/lists/deb_Release.gpg": "s"},
        {"var/lib/apt/lists/lock": "", "var/lib/apt/lists/partial/": None},
        {"var/cache/apt/archives/lock": ""},
        {"root/.cache/pip/": None},
        {"app/pip/cache": "x"},
    ],
)
def test_no_cache(tree: dict[str, Content]) -> None:
    assert caches(tree) == ()


def test_bytes_are_those_of_the_layers_that_store_what_is_live() -> None:
    lists = "var/lib/apt/lists"
    found = caches({f"{lists}/a": "111", f"{lists}/b": "2"}, {f"{lists}/a": "44444"})
    assert found == (Cache(kind="apt-lists", path=lists, size=6, files=2, layers={4: 1, 5: 5}),)


def test_a_cache_of_links_to_what_is_installed_weighs_nothing() -> None:
    """uv's cache, where it can link: deleting it frees only what is in the cache alone."""
    found = caches(
        {
            "root/.cache/uv/archive/flask.py": "1234567",
            f"{SITE}/flask.py": HardLink("root/.cache/uv/archive/flask.py"),
            "root/.cache/uv/only-here": "12",
            "root/.cache/uv/twice": HardLink("root/.cache/uv/only-here"),
        }
    )
    assert [(c.kind, c.size, c.layers) for c in found] == [("uv", 2, {4: 2})]


def test_bytecode_and_tests_are_for_information() -> None:
    found = caches(
        {
            f"{SITE}/flask/__pycache__/app.cpython-313.pyc": "1234",
            f"{SITE}/flask/tests/test_app.py": "12",
            f"{SITE}/flask/tests/__pycache__/test_app.cpython-313.pyc": "1",
            "usr/local/lib/python3.13/test/regrtest.py": "123",
        }
    )
    assert [(c.kind, c.path, c.size) for c in found] == [
        ("bytecode", SITE, 5),
        ("tests", "usr/local/lib/python3.13", 3),
        ("tests", SITE, 2),
    ]
    assert {c.kind for c in found} == INFORMATION


def test_each_cache_has_an_edit_to_paste() -> None:
    def edit(kind: str) -> str:
        return edit_of(Cache(kind=kind, path="a/b", size=1, files=1, layers={}))

    assert edit("apt-lists") == "End the RUN with && rm -rf /var/lib/apt/lists/*"
    assert edit("pip") == "pip install --no-cache-dir"
    assert edit("ccache") == "End the RUN with && rm -rf /a/b"
