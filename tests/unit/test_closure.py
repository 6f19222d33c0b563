"""Why a package is here, and what goes with it: written down as graphs of a few packages."""

from collections.abc import Mapping

import pytest

from pyimginspect.changesets import apply_layers
from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.packages import (
    RemovalPlan,
    dependency_graph,
    find_orphans,
    find_os_packages,
    plan_removal,
    why,
)
from pyimginspect.inventory.packages.apt_conf import AutoRemove, parse_auto_remove
from pyimginspect.inventory.packages.graph import Node, dependency_closure
from pyimginspect.inventory.packages.needed import needed_by_apk, needed_by_apt
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.model import Layer
from pyimginspect.rootfs import RootFS
from tests.images import Content, layer
from tests.rpms import header, sqlite_database
from tests.trees import Package, dpkg_status

DOCKER = {
    "etc/apt/apt.conf.d/docker-autoremove-suggests": 'Apt::AutoRemove::SuggestsImportant "false";'
}


def rootfs(*trees: Mapping[str, Content]) -> RootFS:
    indexes = (index_layer(BytesBlob(data=layer(tree))).index for tree in trees)
    return apply_layers(Layer(number=number, index=index) for number, index in enumerate(indexes))


def dpkg(manual: str, **packages: Mapping[str, str]) -> dict[str, Content]:
    """Packages by name, ``_`` for ``-``; those not in `manual` came along."""
    named = {name.replace("_", "-"): fields for name, fields in packages.items()}
    return dpkg_status(named, automatic=named.keys() - set(manual.split()))


def apk(world: str, **records: str) -> dict[str, Content]:
    """Records by package name, ``_`` for ``-``."""
    text = "\n".join(
        f"P:{name.replace('_', '-')}\nV:1\n{lines}\n" for name, lines in records.items()
    )
    return {"lib/apk/db/installed": text, "etc/apk/world": world.replace(" ", "\n")}


def plan(files: RootFS, *roots: str) -> RemovalPlan:
    database = find_os_packages(files)
    return plan_removal(files, database, dependency_graph(database), roots)


def reasons(files: RootFS, key: str) -> tuple[tuple[str, ...], ...]:
    return why(dependency_graph(find_os_packages(files)), key)


PSYCOPG2 = dpkg(
    "python3-psycopg2 python3-yaml git",
    python3_psycopg2={"Depends": "python3, libpq5"},
    python3_yaml={"Depends": "python3:any, libyaml-0-2", "Recommends": "extra"},
    python3={"Depends": "python3.11", "Multi-Arch": "allowed"},
    extra={},
    git={"Depends": "perl"},
    perl={},
    libpq5={},
    libyaml_0_2={"Package": "libyaml-0-2"},
    **{"python3.11": {"Depends": "libssl3"}, "libssl3": {}, "left-over": {}},
)


# --- why ------------------------------------------------------------------------------------------
def test_chains_are_the_shortest_from_what_was_asked_for() -> None:
    assert reasons(rootfs(PSYCOPG2), "libssl3") == (
        ("python3-psycopg2", "python3", "python3.11", "libssl3"),
        ("python3-yaml", "python3", "python3.11", "libssl3"),
    )


def test_what_was_asked_for_is_its_own_reason_and_others_follow() -> None:
    tree = dpkg("a b c", a={"Depends": "b"}, b={"Depends": "c"}, c={})
    assert reasons(rootfs(tree), "b") == (("b",), ("a", "b"))
    # Whatever leads to c through b is the reason for b, not for c.
    assert reasons(rootfs(tree), "c") == (("c",), ("b", "c"))


def test_a_recommendation_is_a_reason_where_there_is_no_better() -> None:
    assert reasons(rootfs(PSYCOPG2), "extra") == (("python3-yaml", "extra"),)


def test_a_circle_has_no_beginning() -> None:
    tree = dpkg("", a={"Depends": "b"}, b={"Depends": "a"})
    assert reasons(rootfs(tree), "a") == ()


def test_what_is_not_installed_has_no_reason() -> None:
    assert reasons(rootfs(PSYCOPG2), "emacs") == ()


def test_a_name_that_is_provided_is_a_link_of_the_chain() -> None:
    tree = dpkg("app", app={"Depends": "mail-agent"}, exim4={"Provides": "mail-agent (= 4)"})
    assert reasons(rootfs(tree), "exim4") == (("app", "exim4"),)


def test_without_knowledge_of_wishes_chains_begin_where_no_one_needs() -> None:
    blobs = [
        header({"name": "curl", "version": "8", "requires": ["libcurl.so.4", "/bin/sh"]}),
        header({"name": "libcurl", "version": "8", "provides": ["libcurl.so.4"]}),
        header(
            {
                "name": "bash",
                "version": "5",
                "basenames": ["sh"],
                "dirindexes": [0],
                "dirnames": ["/bin/"],
            }
        ),
    ]
    files = rootfs({"var/lib/rpm/rpmdb.sqlite": sqlite_database(blobs)})
    assert reasons(files, "libcurl") == (("curl", "libcurl"),)
    assert reasons(files, "bash") == (("curl", "bash"),)


def test_a_small_database_makes_no_graph_of_any_size() -> None:
    crowd = {f"p{n}": {"Provides": "v", "Depends": "v"} for n in range(400)}
    graph = dependency_graph(find_os_packages(rootfs(dpkg("", **crowd))))
    assert sum(len(node.requires[0][0]) for node in graph.nodes.values()) == 400 * 100


# --- apt ------------------------------------------------------------------------------------------
def test_the_parts_of_a_removal() -> None:
    result = plan(rootfs(PSYCOPG2, DOCKER), "python3")
    assert result == RemovalPlan(
        roots=("python3",),
        dependents=("python3-psycopg2", "python3-yaml"),
        orphaned=("extra", "libpq5", "libssl3", "libyaml-0-2", "python3.11"),
        already_orphaned=("left-over",),
    )
    assert result.packages == (
        "extra",
        "left-over",
        "libpq5",
        "libssl3",
        "libyaml-0-2",
        "python3",
        "python3-psycopg2",
        "python3-yaml",
        "python3.11",
    )


@pytest.mark.parametrize(
    ("field", "settings", "goes"),
    [
        ("Depends", "", False),
        ("Pre-Depends", "", False),
        ("Recommends", "", False),
        ("Suggests", "", False),
        ("Suggests", 'APT::AutoRemove::SuggestsImportant "false";', True),
        ("Recommends", 'APT::AutoRemove::SuggestsImportant "false";', False),
        ("Recommends", 'APT { AutoRemove { RecommendsImportant "0"; }; };', True),
        ("Enhances", "", True),
        # What is recommended in another version is not what is there.
        ("Recommends: held (>= 2),", "", True),
        ("Recommends: held (>= 1),", "", False),
    ],
)
def test_what_holds_a_package(field: str, settings: str, goes: bool) -> None:
    name, _, wanted = field.partition(": ")
    holder = {name: wanted or "held"}
    tree = dpkg("root holder", root={"Depends": "held"}, holder=holder, held={})
    result = plan(rootfs(tree, {"etc/apt/apt.conf.d/90test": settings}), "root")
    assert ("held" in result.orphaned) is goes


@pytest.mark.parametrize(
    ("fields", "goes"),
    [
        ({}, True),
        ({"Essential": "yes"}, False),
        ({"Important": "yes"}, False),
        ({"Protected": "yes"}, False),
        ({"Priority": "required"}, False),
        ({"Priority": "important"}, True),
        ({"Status": "hold ok installed"}, False),
    ],
)
def test_what_is_never_an_orphan(fields: dict[str, str], goes: bool) -> None:
    result = plan(rootfs(dpkg("root", root={"Depends": "held"}, held=fields)), "root")
    assert ("held" in result.orphaned) is goes


def test_priorities_count_only_where_apt_has_no_lists() -> None:
    tree = dpkg("root", root={"Depends": "held"}, held={"Priority": "required"})
    lists: dict[str, Content] = {"var/lib/apt/lists/deb_dists_main_Packages.lz4": "x"}
    assert plan(rootfs(tree), "root").orphaned == ()
    assert plan(rootfs(tree, lists), "root").orphaned == ("held",)


def test_names_that_are_never_removed() -> None:
    tree = dpkg("root", root={"Depends": "linux-image-6, other"}, **{"linux-image-6": {}}, other={})
    text = 'APT { NeverAutoRemove { "^linux-image-[a-z0-9]*$"; }; };'
    conf = {"etc/apt/apt.conf.d/01autoremove": text}
    assert plan(rootfs(tree, conf), "root").orphaned == ("other",)


@pytest.mark.parametrize(
    ("sources", "orphaned"),
    [
        ({"a": "s (1)", "b": "s (2)", "c": "c"}, ("a",)),
        ({"a": "s (2)", "b": "s (1)", "c": "c"}, ("b",)),
        ({"a": "s (1)", "b": "s (2)"}, ("a",)),
        ({"a": "s (1)", "b": "t (2)"}, ()),
        ({"a": "s (2)", "b": "s (2)", "c": "s (1)"}, ("c",)),
    ],
)
def test_of_one_source_only_the_newest_is_held(
    sources: dict[str, str], orphaned: tuple[str, ...]
) -> None:
    packages = {name: {"Provides": "virtual", "Source": s} for name, s in sources.items()}
    root, user = {"Depends": ", ".join(sources)}, {"Depends": "virtual"}
    tree = dpkg("user root", root=root, user=user, **packages)
    assert plan(rootfs(tree), "root").orphaned == orphaned


@pytest.mark.parametrize(
    ("depends", "fields", "goes"),
    [
        ("root | lib", {"Architecture": "i386"}, True),
        ("root | lib", {"Architecture": "i386", "Multi-Arch": "foreign"}, False),
        ("root | lib", {"Architecture": "all"}, False),
        ("root | lib:any", {"Architecture": "i386", "Multi-Arch": "allowed"}, False),
        ("root | lib:any", {}, False),
        ("root | lib:any", {"Architecture": "i386"}, True),
        ("root | lib:i386", {"Architecture": "i386"}, False),
        ("root | lib:i386", {}, True),
    ],
)
def test_architectures(depends: str, fields: dict[str, str], goes: bool) -> None:
    other = {"Architecture": "i386"}
    tree = dpkg("root lib user other", root={}, user={"Depends": depends}, lib=fields, other=other)
    assert (plan(rootfs(tree), "root").dependents == ("user",)) is goes


@pytest.mark.parametrize("depends", ["root (>= 9)", "root:i386", "root (= 1:0)"])
def test_the_only_package_of_a_name_is_what_an_installed_one_depends_on(depends: str) -> None:
    """dpkg was forced, or the database is of another time: the other is there all the same."""
    tree = dpkg("root user", root={}, user={"Depends": depends})
    assert plan(rootfs(tree), "root").dependents == ("user",)


def test_a_node_of_which_no_more_is_said_is_kept_by_nothing_and_preferred_by_nobody() -> None:
    app, a, b = (OsPackage(manager="apk", name=x, version="1", layer=0) for x in ("app", "a", "b"))
    nodes = {
        "app": Node(package=app, requires=((("a", "b"),),)),
        "a": Node(package=a),
        "b": Node(package=b, priority=1),
    }
    assert needed_by_apt(nodes, (), AutoRemove()) == set()
    assert needed_by_apk(nodes, {"app"}) == {"app", "b"}


def test_all_that_a_package_leans_on() -> None:
    tree = dpkg(
        "a",
        a={"Depends": "b", "Recommends": "c", "Suggests": "d"},
        b={"Depends": "a"}, c={}, d={"Recommends": "e"}, e={},
    )  # fmt: skip
    graph = dependency_graph(find_os_packages(rootfs(tree)))
    assert dependency_closure(graph, ["a"], recommended=False) == {"a", "b"}
    assert dependency_closure(graph, ["a"], recommended=True) == {"a", "b", "c", "d", "e"}


def test_a_metapackage_leaves_behind_what_it_brought() -> None:
    tree = dpkg(
        "root desktop",
        root={},
        desktop={"Depends": "root, editor", "Section": "metapackages"},
        editor={},
    )
    conf = {"etc/apt/apt.conf": 'APT::Never-MarkAuto-Sections { "metapackages"; };'}
    assert plan(rootfs(tree), "root").orphaned == ("editor",)
    assert plan(rootfs(tree, conf), "root").orphaned == ()


@pytest.mark.parametrize(
    ("depends", "goes"),
    [
        ("root", True),
        ("root | other", False),
        ("root | absent", True),
        ("root | other (>= 2)", True),
        ("root | other (>= 1)", False),
        ("root | other (<< 1.0-1)", True),
        ("root | other (<< 1.0-2)", False),
        ("root | other (<= 0.9)", True),
        ("root | other (<= 1.0-1)", False),
        ("root | other (= 1.0-1)", False),
        ("root | other (= 1.0)", True),
        ("root | other (>= 1.0-1)", False),
        ("root | other (>> 1.0-1)", True),
        ("root | other (>> 0.9)", False),
        ("root | virtual", False),
        ("root | virtual (>= 1)", True),
        ("root | versioned (>= 3)", False),
        ("root, other", True),
    ],
)
def test_what_cannot_stay(depends: str, goes: bool) -> None:
    tree = dpkg(
        "root other user",
        root={},
        user={"Depends": depends},
        other={"Version": "1.0-1", "Provides": "virtual, versioned (= 3)"},
    )
    assert (plan(rootfs(tree), "root").dependents == ("user",)) is goes


def test_orphans_as_things_are() -> None:
    files = rootfs(PSYCOPG2, DOCKER)
    assert find_orphans(files, dependency_graph(find_os_packages(files))) == ("left-over",)


def test_bytes_by_layer_and_shared_files_stay() -> None:
    base = dpkg_status({"keep": {"files": {"etc/shared": "12345"}}})
    python: dict[str, Package] = {
        "root": {"Depends": "lib", "files": {"usr/bin/root": "root"}},
        "lib": {"files": {"usr/lib/lib": "library", "etc/shared": "12345"}},
    }
    upper = dpkg_status(python, below={"keep": {}}, automatic={"lib"})
    files = rootfs(base, upper, {"usr/lib/lib": "changed later"})
    result = plan(files, "root")
    assert result.packages == ("lib", "root")
    assert result.layers == {1: len("root"), 2: len("changed later")}
    assert result.size == sum(result.layers.values())
    assert result.already_size == 0


def test_nothing_to_remove() -> None:
    assert plan(rootfs(PSYCOPG2), "emacs") == RemovalPlan(roots=())


# --- apk ------------------------------------------------------------------------------------------
ALPINE = apk(
    "app .build-deps=1 busybox",
    app="D:so:libz.so.1",
    zlib="p:so:libz.so.1=1.3",
    _build_deps="D:musl-utils",
    busybox="p:cmd:sh=1 /bin/sh",
    musl_utils="D:scanelf",
    scanelf="",
    app_doc="i:app=1 docs",
    docs="",
    left="",
).copy()
ALPINE["lib/apk/db/installed"] = str(ALPINE["lib/apk/db/installed"]).replace(
    "P:-build-deps", "P:.build-deps"
)


def test_a_virtual_package_takes_along_what_it_brought() -> None:
    result = plan(rootfs(ALPINE), ".build-deps")
    assert (result.dependents, result.orphaned) == ((), ("musl-utils", "scanelf"))
    assert result.already_orphaned == ("app-doc", "docs", "left")


def test_what_apk_adds_by_itself_stays_while_the_reasons_do() -> None:
    tree = {**ALPINE, "etc/apk/world": "app\ndocs\nbusybox\n"}
    assert plan(rootfs(tree), "docs").orphaned == ("app-doc",)
    assert "app-doc" not in plan(rootfs(tree), "busybox").packages


def test_what_apk_would_bring_back_is_kept() -> None:
    tree = {**ALPINE, "etc/apk/world": "app docs busybox"}
    result = plan(rootfs(tree), "app-doc")
    assert (result.roots, result.kept) == ((), ("app-doc",))


def test_a_library_takes_along_those_that_need_it() -> None:
    result = plan(rootfs(ALPINE), "zlib")
    assert (result.dependents, result.orphaned) == (("app",), ())


def test_of_several_providers_one_is_needed() -> None:
    records = {"app": "D:cmd:vi", "busybox": "p:cmd:vi=1\nk:10", "vim": "p:cmd:vi=9\nk:50"}
    files = rootfs(apk("app", **records))
    assert find_orphans(files, dependency_graph(find_os_packages(files))) == ("busybox",)
    files = rootfs(apk("app busybox", **records))
    assert find_orphans(files, dependency_graph(find_os_packages(files))) == ("vim",)


def test_packages_of_apk_that_need_each_other() -> None:
    records = {"app": "D:a", "a": "D:b", "b": "D:a", "c": "D:d", "d": "D:c"}
    files = rootfs(apk("app", **records))
    assert find_orphans(files, dependency_graph(find_os_packages(files))) == ("c", "d")
    assert plan(files, "app").packages == ("a", "app", "b", "c", "d")


# --- dnf ------------------------------------------------------------------------------------------
RPMS = sqlite_database(
    [
        header({"name": "git", "version": "2", "arch": "x", "requires": ["perl"]}),
        header({"name": "perl", "version": "5", "arch": "x", "recommends": ["docs"]}),
        header({"name": "docs", "version": "5", "arch": "x"}),
        header({"name": "bash", "version": "5", "arch": "x"}),
    ]
)
REASONS = """
version = "1.0"
[packages]
"git.x" = {reason = "User"}
"perl.x" = {reason = "Dependency"}
"docs.x" = {reason = "Weak Dependency"}
"bash.x" = {reason = "External User"}
"""


def test_dnf5_knows_what_it_brought() -> None:
    files = rootfs(
        {
            "usr/lib/sysimage/rpm/rpmdb.sqlite": RPMS,
            "usr/lib/sysimage/libdnf5/packages.toml": REASONS,
        }
    )
    assert plan(files, "git") == RemovalPlan(roots=("git",), orphaned=("docs", "perl"))
    assert reasons(files, "docs") == (("git", "perl", "docs"),)


def test_packages_of_dnf_that_need_each_other_or_recommend_what_goes() -> None:
    wishes = {
        "app": {"requires": ["a"], "recommends": ["root"]},
        "a": {"requires": ["b"]},
        "b": {"requires": ["a"]},
        "c": {"requires": ["d"]},
        "d": {"requires": ["c"]},
        "root": {},
    }
    rows = [header({"name": n, "version": "1", "arch": "x", **w}) for n, w in wishes.items()]
    reason = dict.fromkeys("abcd", "Dependency") | {"app": "User", "root": "User"}
    text = "[packages]\n" + "".join(f'"{n}.x" = {{reason = "{r}"}}\n' for n, r in reason.items())
    files = rootfs(
        {
            "usr/lib/sysimage/rpm/rpmdb.sqlite": sqlite_database(rows),
            "usr/lib/sysimage/libdnf5/packages.toml": text,
        }
    )
    assert plan(files, "root") == RemovalPlan(roots=("root",), already_orphaned=("c", "d"))


def test_rpm_alone_does_not_know_orphans() -> None:
    result = plan(rootfs({"usr/lib/sysimage/rpm/rpmdb.sqlite": RPMS}), "perl")
    assert result == RemovalPlan(roots=("perl",), dependents=("git",), orphans_known=False)


# --- apt.conf -------------------------------------------------------------------------------------
def test_apt_conf() -> None:
    settings = parse_auto_remove(
        {
            "etc/apt/apt.conf.d/01autoremove": b"""
// a comment; APT::AutoRemove::RecommendsImportant "no";
APT
{
  NeverAutoRemove
  {
    "^firmware-linux.*";   # another
    "^a\\.b$";
    "(a+)+$";
  };
  /* Never-MarkAuto-Sections { "wrong"; }; */
  Never-MarkAuto-Sections { "metapackages"; "tasks"; };
};
DPkg::Post-Invoke { "rm -f /x || true"; };
""",
            "etc/apt/apt.conf.d/02more": b'APT::NeverAutoRemove:: "^gcc";',
            "etc/apt/apt.conf.d/50x.dpkg-old": b'APT::AutoRemove::SuggestsImportant "no";',
            "etc/apt/apt.conf.d/60x.conf": b"aPt::autoremove { recommendsimportant off; };",
            "etc/apt/apt.conf": b"#clear APT::Never-MarkAuto-Sections;",
        }
    )
    assert (settings.recommends, settings.suggests) == (False, True)
    assert [
        name for name in ("firmware-linux-x", "a.b", "axb", "gcc-12") if settings.spares(name)
    ] == [
        "firmware-linux-x",
        "a.b",
        "gcc-12",
    ]
    assert settings.lasting == ()
    assert [note.what for note in settings.notes] == [
        "APT::NeverAutoRemove '(a+)+$' is not understood"
    ]


CONF = "etc/apt/apt.conf"
PARTS = "etc/apt/apt.conf.d"


def said(**texts: str) -> str:
    """What a configuration settles, in short: `r` and `s` unless switched off, and its lists."""
    paths = {"main": CONF, "a": f"{PARTS}/a", "b": f"{PARTS}/b.conf", "old": f"{PARTS}/c.old"}
    paths |= {"tilde": f"{PARTS}/d~", "below": f"{PARTS}/e/f"}
    found = parse_auto_remove({paths[name]: text.encode() for name, text in texts.items()})
    words = ["r"] * found.recommends + ["s"] * found.suggests
    words += [pattern.pattern for pattern in found.never]
    words += [f"={section}" for section in found.lasting]
    return " ".join(
        [*words, *(note.what.replace("APT::NeverAutoRemove ", "!") for note in found.notes)]
    )


NO_SUGGESTS = 'APT::AutoRemove::SuggestsImportant "0";'


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        # a block ends where it ends
        ({"main": 'APT { NeverAutoRemove { "^a"; "^b"; }; AutoRemove { SuggestsImportant 0; }; };'},
         "r ^a ^b"),
        ({"main": f'APT {{ NeverAutoRemove {{ "^a"; }}; }}; {NO_SUGGESTS}'}, "r ^a"),
        ({"main": f'APT::NeverAutoRemove {{ "^a"; }} {NO_SUGGESTS}'}, "r ^a"),
        ({"main": f"}} {NO_SUGGESTS}"}, "r"),
        ({"main": f"Acquire {{ {NO_SUGGESTS} }};"}, "r s"),
        ({"main": 'APT::AutoRemove { RecommendsImportant "off"; SuggestsImportant "off" };'}, ""),
        # of several strings the first counts; marks in strings are none
        ({"main": 'APT::AutoRemove::SuggestsImportant "0" "1";'}, "r"),
        ({"main": 'APT::AutoRemove::SuggestsImportant 0 1;'}, "r"),
        ({"main": 'APT::NeverAutoRemove { "a;b"; };'}, "r s !'a;b' is not understood"),
        ({"main": f'X "a; # b {{ // c"; {NO_SUGGESTS}'}, "r"),
        # what lists take, in every form
        ({"main": 'APT::NeverAutoRemove:: "^a"; APT::NeverAutoRemove:: ^b;'}, "r s ^a ^b"),
        ({"main": 'APT { NeverAutoRemove:: "^a"; };'}, "r s ^a"),
        ({"main": 'APT::Never-MarkAuto-Sections { "a"; "b/c"; };'}, "r s =a =b/c"),
        ({"main": 'APT::NeverAutoRemove "^a";'}, "r s"),  # a value of the list itself, no element
        # no space is needed anywhere, and a string may be empty
        ({"main": 'APT{NeverAutoRemove{"^a";};AutoRemove{SuggestsImportant"0";};};'}, "r ^a"),
        ({"main": f'APT::AutoRemove::RecommendsImportant ""; {NO_SUGGESTS}'}, "r"),
        ({"a": 'APT::NeverAutoRemove { "^a"; };', "main": 'APT::NeverAutoRemove "";'}, "r s ^a"),
        # comments
        ({"main": f"# {NO_SUGGESTS}"}, "r s"),
        ({"main": f"// {NO_SUGGESTS}"}, "r s"),
        ({"main": f"# x\n{NO_SUGGESTS}"}, "r"),
        ({"main": f"// x\n{NO_SUGGESTS}"}, "r"),
        ({"main": f"/* x\n */{NO_SUGGESTS}"}, "r"),
        ({"main": f"/*/ {NO_SUGGESTS} /* */"}, "r s"),
        ({"main": f"/**/{NO_SUGGESTS}"}, "r"),
        ({"main": f'#include "x"; {NO_SUGGESTS}'}, "r"),
        # lists are cleared by name, and what follows counts
        ({"a": 'APT::NeverAutoRemove { "^a"; };', "main": "#clear APT::NeverAutoRemove;"}, "r s"),
        ({"a": 'APT::NeverAutoRemove { "^a"; };', "main": "#clear APT::Other;"}, "r s ^a"),
        ({"main": 'APT::NeverAutoRemove:: "^a"; #clear X APT::NeverAutoRemove;'
                  ' APT::NeverAutoRemove:: "^b";'}, "r s ^b"),
        # which files count, and in which order: apt.conf(5)
        ({"a": NO_SUGGESTS, "main": 'APT::AutoRemove::SuggestsImportant "1";'}, "r s"),
        ({"a": NO_SUGGESTS, "b": 'APT::AutoRemove::SuggestsImportant "1";'}, "r s"),
        ({"b": NO_SUGGESTS, "a": 'APT::AutoRemove::SuggestsImportant "1";'}, "r"),
        ({"b": NO_SUGGESTS}, "r"),
        ({"old": NO_SUGGESTS}, "r s"),
        ({"tilde": NO_SUGGESTS}, "r s"),
        ({"below": NO_SUGGESTS}, "r s"),
        # what is taken for no, in any case
        ({"main": 'APT::AutoRemove::SuggestsImportant "No";'}, "r"),
        ({"main": 'APT::AutoRemove::SuggestsImportant "WITHOUT";'}, "r"),
        ({"main": 'APT::AutoRemove::SuggestsImportant "disable";'}, "r"),
        ({"main": 'APT::AutoRemove::SuggestsImportant "2";'}, "r s"),
        # regular expressions that are simple enough
        ({"main": 'APT::NeverAutoRemove { "^a*b+$"; };'}, "r s ^a*b+$"),
        ({"main": 'APT::NeverAutoRemove { "a*b*c*"; };'}, "r s !'a*b*c*' is not understood"),
        ({"main": 'APT::NeverAutoRemove { "[z-a]"; };'}, "r s !'[z-a]' is not understood"),
        ({"main": 'APT::NeverAutoRemove { "a|b"; };'}, "r s !'a|b' is not understood"),
        ({"main": 'APT::NeverAutoRemove { "a**"; };'}, "r s !'a**' is not understood"),
        ({"main": 'APT::NeverAutoRemove { "a*|b"; };'}, "r s !'a*|b' is not understood"),
    ],
)  # fmt: skip
def test_what_a_configuration_settles(texts: dict[str, str], expected: str) -> None:
    assert said(**texts) == expected


def test_without_a_configuration_apt_keeps_all_that_something_wants() -> None:
    assert parse_auto_remove({}) == AutoRemove(recommends=True, suggests=True, required=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # what stands behind scopes deeper than anyone writes is not read
        ("a {" * 32 + "};" * 32 + NO_SUGGESTS, "r"),
        ("a {" * 33 + "};" * 33 + NO_SUGGESTS, "r s"),
        # nor is what stands behind the first mebibyte, not even the end of a statement
        (NO_SUGGESTS.rjust(1 << 20), "r"),
        (NO_SUGGESTS.rjust((1 << 20) + 1), "r s"),
    ],
    ids=["deep", "too deep", "long", "too long"],
)
def test_how_much_of_a_configuration_is_read(text: str, expected: str) -> None:
    assert said(main=text) == expected


def test_how_long_expressions_and_names_may_be() -> None:
    long = {CONF: f'APT::NeverAutoRemove {{ "{"a" * 200}"; "{"b" * 201}"; }};'.encode()}
    settings = parse_auto_remove(long)
    assert [len(pattern.pattern) for pattern in settings.never] == [200]
    assert len(settings.notes) == 1
    spares = parse_auto_remove({CONF: b'APT::NeverAutoRemove { "b$"; };'}).spares
    assert (spares("a" * 199 + "b"), spares("a" * 200 + "b")) == (True, False)


def test_names_and_sections_that_a_configuration_spares() -> None:
    names = ("linux-image-6.1", "LINUX-image", "x-linux-image", "linux")
    settings = parse_auto_remove({CONF: b'APT::NeverAutoRemove { "^linux-image"; };'})
    assert [name for name in names if settings.spares(name)] == ["linux-image-6.1", "LINUX-image"]
    sections = ("metapackages", "universe/metapackages", "metapackages/x", "", "tasks")
    lasting = parse_auto_remove({CONF: b'APT::Never-MarkAuto-Sections { "metapackages"; };'})
    assert [each for each in sections if lasting.outlives(each)] == [
        "metapackages",
        "universe/metapackages",
    ]
    whole = parse_auto_remove({CONF: b'APT::Never-MarkAuto-Sections { "a/meta"; };'})
    assert [each for each in ("a/meta", "b/meta", "meta") if whole.outlives(each)] == ["a/meta"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "}",
        '"',
        '"";',
        "a",
        "a;",
        "a::",
        '::"x";',
        "{{{{" * 100,
        "/*",
        "#clear",
        ";;",
        "}}};",
    ],
)
def test_strange_configurations_change_nothing(text: str) -> None:
    assert parse_auto_remove({"etc/apt/apt.conf": text.encode()}) == AutoRemove()


# --- circles, and those behind others -------------------------------------------------------------
@pytest.mark.parametrize(
    ("packages", "root", "dependents"),
    [
        # Those that depend on a dependent, three steps away.
        (
            {"c": {"Depends": "b"}, "b": {"Depends": "a"}, "d": {"Depends": "c"}, "a": {}},
            "a", ("b", "c", "d"),
        ),
        # A circle is gone with its first member, and the search ends.
        ({"a": {"Depends": "b"}, "b": {"Depends": "c"}, "c": {"Depends": "a"}}, "a", ("b", "c")),
        ({"a": {"Depends": "a"}}, "a", ()),
        ({"b": {"Depends": "a, c"}, "c": {"Depends": "b"}, "a": {}}, "a", ("b", "c")),
        # An alternative that goes too is none.
        ({"c": {"Depends": "a | b"}, "b": {"Depends": "a"}, "a": {}}, "a", ("b", "c")),
        ({"c": {"Depends": "a | x"}, "x": {}, "a": {}}, "a", ()),
    ],
)  # fmt: skip
def test_dependents_of_dependents(
    packages: Mapping[str, Package], root: str, dependents: tuple[str, ...]
) -> None:
    files = rootfs(dpkg_status(packages, automatic=set()))
    assert plan(files, root).dependents == dependents


def test_what_holds_itself_in_a_circle_is_orphaned() -> None:
    files = rootfs(dpkg("root", root={"Depends": "a"}, a={"Depends": "b"}, b={"Depends": "a"}))
    assert plan(files, "root").orphaned == ("a", "b")


def test_chains_lead_over_recommendations_where_there_is_no_other_way() -> None:
    packages = dpkg(
        "root other",
        root={"Depends": "a"}, a={"Recommends": "b"}, b={"Depends": "c"}, c={},
        other={"Recommends": "b"}, d={},
    )  # fmt: skip
    files = rootfs(packages)
    assert reasons(files, "c") == (("other", "b", "c"), ("root", "a", "b", "c"))
    assert reasons(files, "a") == (("root", "a"),)
    assert reasons(files, "d") == ()


def test_requirements_come_before_recommendations() -> None:
    files = rootfs(
        dpkg(
            "root other",
            root={"Recommends": "a"}, other={"Depends": "b"}, b={"Depends": "a"}, a={},
        )
    )  # fmt: skip
    assert reasons(files, "a") == (("other", "b", "a"),)
