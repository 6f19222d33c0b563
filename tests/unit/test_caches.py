"""Caches: where they are, what they weigh, and what is none."""

import pytest

from pyimginspect.analyzers import BUILTIN, package_cache
from pyimginspect.inventory.cache_places import in_cache
from pyimginspect.inventory.caches import INFORMATION, edit_of
from pyimginspect.inventory.facts import Cache
from tests.images import Content, File, HardLink, Link, dist_info, elf
from tests.inventories import on_slim, taken
from tests.pythons import venv
from tests.systems import X86, rootfs

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
        ("root/.cache/rattler/cache/pkgs/a", "conda", "root/.cache/rattler"),
        ("root/.conda/pkgs/a", "conda", "root/.conda/pkgs"),
        # put elsewhere, and known by what the tool makes there
        ("xdg/pip/http-v2/a", "pip", "xdg/pip"),
        ("root/micromamba/pkgs/urls.txt", "conda", "root/micromamba/pkgs"),
        ("srv/tools/pkgs/urls", "conda", "srv/tools/pkgs"),
        ("mamba/pkgs/six-1.17-0/info/index.json", "conda", "mamba/pkgs"),
        # a cache in a cache is a part of it
        ("root/.cache/pip/home/.cache/uv/a", "pip", "root/.cache/pip"),
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
        {"srv/app/__pycache__/main.cpython-313.pyc": "x"},  # no library
        {"app/pip/cache": "x"},
    ],
)
def test_no_cache(tree: dict[str, Content]) -> None:
    assert caches(tree) == ()


def test_lists_beside_signed_files_are_lists() -> None:
    (found,) = caches({f"var/lib/apt/lists/deb_{name}": "12" for name in ("InRelease", "Packages")})
    assert (found.kind, found.size) == ("apt-lists", 4)


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


UV = {
    "opt/uv/CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55",
    "opt/uv/.gitignore": "*",
    "opt/uv/archive-v0/Xy/six.py": "12345",
    "opt/uv/simple-v16/pypi/six.rkyv": "1",
}


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (UV, [("uv", "opt/uv")]),
        ({"srv/uv/CACHEDIR.TAG": "Signature:", "srv/uv/archive-v0/a": "1"}, [("uv", "srv/uv")]),
        # among other things, only what is uv's
        ({**UV, "opt/uv/bin/uv": "x"},
         [("uv", "opt/uv/archive-v0"), ("uv", "opt/uv/simple-v16")]),
        ({"mamba/pkgs/six/info/index.json": "{}", "mamba/pkgs/tmp/a": "1"},
         [("conda", "mamba/pkgs")]),
        ({"var/pc/artifacts/a": "1", "var/pc/cache/repositories/b": "1"}, [("poetry", "var/pc")]),
        ({"srv/c/hashes/a": "1", "srv/c/metadata/b": "1", "srv/c/wheels/b": "1"},
         [("pdm", "srv/c")]),
        ({"srv/p/selfcheck/a": "1", "srv/p/wheels/b": "1"}, [("pip", "srv/p")]),
        # names that others use as well
        ({"app/archive-v2/a": "1"}, []),
        ({"app/artifacts/a": "1", "app/main.py": "1"}, []),
        ({"app/hashes/a": "1", "app/metadata/a": "1", "app/x": "1"}, []),
        ({"app/selfcheck/a": "1"}, []),
        ({"app/pkgs/a/b.py": "1"}, []),
        ({"app/pkgs/": None}, []),
        ({"app/pkgs/a/b.py": "1", "app/conda-meta/a.json": "{}"}, []),
    ],
)  # fmt: skip
def test_caches_elsewhere_go_by_what_is_in_them(
    tree: dict[str, Content], expected: list[tuple[str, str]]
) -> None:
    assert sorted((cache.kind, cache.path) for cache in caches(tree)) == expected


CACHED = {
    **UV,
    **dist_info("lxml", site="opt/uv/archive-v0/Ab"),
    "opt/uv/archive-v0/Ab/lxml/libxml2.so.2": elf(soname="libxml2.so.2"),
    "opt/uv/archive-v0/Ab/lxml/.git/HEAD": "ref",
    "opt/uv/archive-v0/Ab/lxml/libz.a": "x",
    "opt/uv/archive-v0/Ab/bin/gcc": "x",
    "opt/uv/archive-v0/Ab/bin/run": File(elf(needed=["libno.so.1"], interp=X86), mode=0o755),
    "opt/uv/archive-v0/Cd/lib/python3.9/site-packages/a.py": "x",
    "opt/uv/builds-v0/.tmp1/pyvenv.cfg": "home = /usr/local/bin\n",
}


def test_a_cache_is_nothing_else() -> None:
    found = taken(on_slim(CACHED, history=["RUN uv pip install lxml"]))
    assert [each.name for each in found.distributions] == ["pip"]
    assert (found.environments, found.build_tools) == ((), ())
    findings = [f for each in BUILTIN for f in each.run(found) if each.rule.id != "package-cache"]
    assert findings == []


@pytest.mark.parametrize("homes", [1, 21])
def test_what_is_in_a_cache_of_however_many(homes: int) -> None:
    system = rootfs({f"home/user{n}/.cache/pip/http/a": "1" for n in range(homes)})
    asked = ("home/user0/.cache/pip", "home/user0/.cache/pip/http/a", "home/user0/a", "usr/lib/a")
    assert [in_cache(system, path) for path in asked] == [True, True, False, False]


def test_environments_of_poetry_are_no_cache() -> None:
    """They are below its cache, unless it is told otherwise, and applications run in them."""
    cache = "root/.cache/pypoetry"
    environment = f"{cache}/virtualenvs/app-py3.13"
    tree = {
        **venv(environment, "/usr/local/bin"),
        **dist_info("flask", site=f"{environment}/lib/python3.13/site-packages"),
        **dist_info("six", site=f"{cache}/cache/lib/python3.13/site-packages"),
        f"{cache}/artifacts/a.whl": "12345",
    }
    found = taken(on_slim(tree, history=["RUN poetry install"]))
    assert [each.name for each in found.distributions] == ["flask", "pip"]
    assert [each.path for each in found.environments] == [environment]
    (kept,) = [each for each in found.caches if each.kind == "poetry"]
    below = [path for path in tree if path.startswith(f"{cache}/") and environment not in path]
    assert (kept.path, kept.files) == (cache, len(below))


def test_a_cache_that_links_lead_into_is_no_debris() -> None:
    tree = {**UV, "opt/uv/archive-v0/Xy/six.py": "x" * 2_000_000}
    links = {f"{SITE}/six.py": Link("/opt/uv/archive-v0/Xy/six.py")}
    (plain,) = package_cache.run(taken(on_slim(tree)))
    (linked,) = package_cache.run(taken(on_slim(tree, links)))
    assert (plain.severity, linked.severity) == ("warning", "note")
    assert plain.saving > 2_000_000
    assert linked.saving == 0
    assert "UV_LINK_MODE=copy" in linked.fix
    assert linked.evidence[-1].path == f"{SITE}/six.py"
