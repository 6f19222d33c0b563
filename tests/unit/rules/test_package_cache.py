"""The rule package-cache: layers in, findings out."""

from pyimginspect.analyzers import (
    deleted_but_shipped,
    package_cache,
)
from tests.images import Content, File, Link, dist_info
from tests.inventories import on_slim, taken
from tests.unit.rules.waste import LISTS, MB, SITE, findings


def test_a_cache_counts_with_what_later_layers_overwrote_of_it() -> None:
    lists: dict[str, Content] = {f"{LISTS}/a_Packages": File(MB), f"{LISTS}/b_Packages": "12"}
    (found,) = findings(package_cache.ANALYZER.run, lists, {f"{LISTS}/a_Packages": "1"})
    assert found.saving == 1_000_000 + 2 + 1
    assert found.layers == (4, 5)
    assert found.instruction == "RUN step 0"  # the one that stores most of it
    assert [(e.layer, e.what) for e in found.evidence] == [
        (4, "layer 4 stores 2 B of it"),
        (4, "layer 4 stores 1.0 MB more that a later layer overwrites"),
        (5, "layer 5 stores 1 B of it"),
    ]
    assert found.fix == "End the RUN with && rm -rf /var/lib/apt/lists/*"


def test_a_cache_deleted_later_is_not_the_cache_s_affair() -> None:
    lists = {f"{LISTS}/a_Packages": File(MB)}
    gone = {f"{LISTS}/.wh.a_Packages": ""}
    assert findings(package_cache.ANALYZER.run, lists, gone) == []
    (found,) = findings(deleted_but_shipped.ANALYZER.run, lists, gone)
    assert found.subject == "/var/lib/apt"


def test_of_a_cache_of_which_a_part_is_deleted_later_the_rest_counts() -> None:
    lists: dict[str, Content] = {f"{LISTS}/a_Packages": File(MB), f"{LISTS}/b_Packages": "12"}
    (found,) = findings(package_cache.ANALYZER.run, lists, {f"{LISTS}/.wh.a_Packages": ""})
    assert found.saving == 2


def test_small_caches_are_only_noted_and_bytecode_is_not_reported() -> None:
    (found,) = findings(package_cache.ANALYZER.run, {"root/.cache/pip/a": "x"})
    assert found.severity == "note"
    assert findings(package_cache.ANALYZER.run, {f"{SITE}/__pycache__/a.pyc": "x"}) == []


def test_the_environments_that_poetry_makes_are_no_cache() -> None:
    place = "root/.cache/pypoetry"
    env = f"{place}/virtualenvs/app-x-py3.13"
    tree = {
        f"{place}/artifacts/a.whl": "12",
        f"{env}/pyvenv.cfg": "home = /usr/local/bin\nversion = 3.13.1\n"
        "include-system-site-packages = false\n",
        f"{env}/bin/python": Link("/usr/local/bin/python3.13"),
        **dist_info("six", site=f"{env}/lib/python3.13/site-packages"),
    }
    found = taken(on_slim(tree, history=["RUN poetry install"]))
    assert [(c.kind, c.path, c.size) for c in found.caches] == [("poetry", place, 2)]
    (finding,) = package_cache.run(found)
    assert finding.saving == 2
    assert finding.fix == f"End the RUN with && rm -rf /{place}/artifacts /{place}/cache"
    assert [each.path for each in found.environments] == [env]
    assert [each.name for each in found.distributions if each.location.startswith(env)] == ["six"]
