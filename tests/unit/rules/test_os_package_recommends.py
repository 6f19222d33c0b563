"""The rule os-package-recommends: layers in, findings out."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pyimginspect.analyzers import os_package_recommends
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.leftovers import files_of_packages
from pyimginspect.inventory.derived.recommended import find_recommended
from pyimginspect.report import Finding
from tests.images import Content, File, Package, dist_info, elf
from tests.inventories import apt, on_slim, taken
from tests.rpms import header, sqlite_database

SITE = "usr/local/lib/python3.13/site-packages"
PLAIN = "RUN apt-get install -y curl"


def program(path: str, size: int = 100) -> dict[str, Content]:
    return {path: File(b"x" * size, mode=0o755)}


CURL: dict[str, Package] = {
    "curl": {"Depends": "libcurl4", "Recommends": "doc", "files": program("usr/bin/curl")},
    "libcurl4": {"Recommends": "mailer, absent", "files": program("usr/lib/libcurl.so.4")},
    "doc": {"files": program("usr/share/curl/book", 30)},
    "mailer": {"Depends": "libmail", "Recommends": "extra", "files": program("usr/sbin/mail", 50)},
    "libmail": {"files": {"usr/lib/libmail.so.1": elf(soname="libmail.so.1")}},
    "extra": {"files": program("usr/bin/extra", 7)},
}

ALL = {"doc", "extra", "libmail", "mailer"}


def found(
    run: str = PLAIN,
    packages: Mapping[str, Package] = CURL,
    *,
    manual: Sequence[str] = ("curl",),
    files: Mapping[str, Content] = {},
    later: Sequence[tuple[str, Mapping[str, Content]]] = (),
    **more: Any,
) -> Inventory:
    steps = [run, *(step for step, _ in later)]
    layers = [{**apt(packages, manual=manual), **files}, *(layer for _, layer in later)]
    return taken(on_slim(*layers, history=steps, **more))


def absent(inventory: Inventory) -> set[str]:
    return {key for each in find_recommended(inventory) for key in each.packages}


def findings(inventory: Inventory) -> list[Finding]:
    return list(os_package_recommends.ANALYZER.run(inventory))


@pytest.mark.parametrize(
    "run",
    [
        "RUN apt-get install -y curl",
        "RUN apt install curl -y",
        "RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get -yq install curl",
        "RUN set -e; aptitude install -y curl",
        "RUN sudo apt-get install curl",
        "RUN apt-get install -y $PACKAGES",
        "RUN if true; then apt-get install -y curl; fi",
        "RUN xargs apt-get install -y < packages",
        "RUN bash -c 'apt-get install -y curl'",
        "RUN bash -c 'apt-get install -y --no-install-recommends git; apt-get install -y curl'",
        "RUN apt-get install -y curl=1 && apt-get install -y --no-install-recommends git",
        "RUN apt-get install -y -o APT::Install-Recommends=true curl",
        "RUN for p in curl; do apt-get install -y $p; done",
    ],
)
def test_installations_that_bring_them(run: str) -> None:
    assert absent(found(run)) == ALL


@pytest.mark.parametrize(
    "run",
    [
        "RUN apt-get install -y --no-install-recommends curl",
        "RUN apt-get --no-install-recommends install -y curl",
        "RUN apt-get install -y -o APT::Install-Recommends=false curl",
        "RUN apt-get -oAPT::Install-Recommends=0 install curl",
        'RUN apt-get install --option "apt::install-recommends"=no curl',
        "RUN aptitude install -R -y curl",
        "RUN bash -c 'apt-get --no-install-recommends install -y curl'",
        "RUN xargs apt-get install --no-install-recommends -y < packages",
        "RUN pip install curl",
        "RUN /setup.sh",
        "COPY / /",
        # What was asked for by name there is git, and nobody knows who asked for curl.
        "RUN apt-get install -y git && apt-get install -y --no-install-recommends curl",
    ],
)
def test_installations_that_bring_none(run: str) -> None:
    assert findings(found(run)) == []


@pytest.mark.parametrize(
    ("value", "there"), [("false", False), ("0", False), ("true", True), ("", True)]
)
def test_apt_may_be_configured_to_bring_none(value: str, there: bool) -> None:
    line = f'APT::Install-Recommends "{value}";\n'
    assert bool(findings(found(files={"etc/apt/apt.conf.d/99own": line}))) is there


def test_one_finding_a_root_with_what_it_brought() -> None:
    packages: dict[str, Package] = {
        **CURL,
        "git": {"Recommends": "doc, ssh", "files": program("usr/bin/git")},
        "ssh": {"files": program("usr/bin/ssh", 11)},
    }
    inventory = found("RUN apt-get install -y git curl", packages, manual=["curl", "git"])
    (layer,) = find_recommended(inventory)
    assert (layer.asked, layer.complete, layer.layer) == (("git", "curl"), True, 4)
    assert {root.root: root.packages for root in layer.roots} == {
        "curl": ("doc", "extra", "libmail", "mailer"),
        "git": ("ssh",),
    }
    of_curl = next(root for root in layer.roots if root.root == "curl")
    assert [(each.upper, each.lower, each.packages) for each in of_curl.recommendations] == [
        ("curl", "doc", ("doc",)),
        ("libcurl4", "mailer", ("extra", "libmail", "mailer")),
    ]


@pytest.mark.parametrize(
    ("packages", "manual", "expected"),
    [
        # Required by something else that stays, whatever recommends it.
        ({"git": {"Depends": "mailer"}}, ("curl", "git"), {"doc", "extra"}),
        # The first alternative that is there counts as needed, and every provider of it.
        ({"git": {"Depends": "libcurl4 | mailer"}}, ("curl", "git"), ALL),
        (
            {"git": {"Depends": "agent"}, "mailer": {**CURL["mailer"], "Provides": "agent"}},
            ("curl", "git"), {"doc", "extra"},
        ),
        ({"git": {"Depends": "other | mailer"}}, ("curl", "git"), {"doc", "extra"}),
        ({"git": {"Pre-Depends": "libmail"}}, ("curl", "git"), {"doc", "extra", "mailer"}),
        # Asked for by name.
        ({}, ("curl", "mailer"), {"doc", "extra"}),
        # A circle of recommendations that nothing leads to has another reason to be here.
        ({"a": {"Recommends": "b"}, "b": {"Recommends": "a"}}, ("curl",), ALL),
        # One that depends on itself, and two on each other.
        (
            {"extra": {"Depends": "extra, back"}, "back": {"Depends": "extra"}},
            ("curl",), {*ALL, "back"},
        ),
        # What dpkg calls essential stays.
        ({"extra": {"Essential": "yes"}}, ("curl",), {"doc", "libmail", "mailer"}),
        # What is only suggested did not come by recommendation.
        ({"curl": {"Suggests": "doc"}}, ("curl",), set()),
    ],
)  # fmt: skip
def test_what_would_not_be_here(
    packages: dict[str, Package], manual: Sequence[str], expected: set[str]
) -> None:
    run = f"RUN apt-get install -y {' '.join(manual)}"
    assert absent(found(run, {**CURL, **packages}, manual=manual)) == expected


def test_what_a_later_layer_depends_on_would_come_then() -> None:
    upper = apt(
        {"git": {"Depends": "mailer"}}, manual=["git"], below=CURL, auto_below=[*ALL, "libcurl4"]
    )
    later = [("RUN apt-get install -y --no-install-recommends git", upper)]
    assert absent(found(later=later)) == {"doc", "extra"}


def test_the_base_image_is_not_judged() -> None:
    inventory = taken(on_slim({"app": "x"}, history=["COPY . /app"]))
    assert find_recommended(inventory) == ()


@pytest.mark.parametrize(
    ("files", "later", "more", "use"),
    [
        (
            {"app/ext.so": elf(needed=["libmail.so.1"])}, [], {},
            ("libmail", "/app/ext.so needs libmail.so.1"),
        ),
        ({}, [], {"cmd": ["/usr/sbin/mail", "-f"]}, ("mailer", "what starts needs it")),
        (
            {}, [], {"cmd": ["/usr/bin/curl", "--pager", "extra"]},
            ("extra", "the image's command or health check calls extra"),
        ),
        (
            {"run.sh": File("#!/bin/sh\nextra &\nexec curl x\n", mode=0o755)}, [],
            {"cmd": ["/run.sh"]}, ("extra", "/run.sh needs extra"),
        ),
        ({}, [("RUN curl x; extra; extra", {})], {}, ("extra", "the RUN of layer 5 calls extra")),
        (
            {}, [("RUN cd / && env A=b /usr/bin/extra", {})], {},
            ("extra", "the RUN of layer 5 calls extra"),
        ),
        (
            {"usr/local/bin/tool": File("#!/usr/bin/extra\n", mode=0o755)}, [], {},
            ("extra", "/usr/local/bin/tool needs extra"),
        ),
    ],
)  # fmt: skip
def test_what_is_in_use_must_be_asked_for(
    files: dict[str, Content],
    later: list[tuple[str, Mapping[str, Content]]],
    more: dict[str, Any],
    use: tuple[str, str],
) -> None:
    inventory = found(files=files, later=later, **more)
    (layer,) = find_recommended(inventory)
    assert [(each.package, each.what) for each in layer.in_use] == [use]
    assert use[0] not in layer.packages
    (finding,) = findings(inventory)
    assert finding.fix == (
        f"In the RUN of layer 4: apt-get install -y --no-install-recommends curl {use[0]}"
    )
    assert f"{use[0]} is recommended and in use: {use[1]}" in [e.what for e in finding.evidence]


def test_what_the_same_step_calls_is_in_use() -> None:
    assert absent(found(f"{PLAIN} && extra x")) == ALL - {"extra"}


@pytest.mark.parametrize("step", ["COPY extra /", "ENTRYPOINT extra", "RUN echo extra"])
def test_what_only_looks_like_a_call(step: str) -> None:
    assert absent(found(later=[(step, {})])) == ALL


def test_what_ran_before_the_installation_does_not_use_it() -> None:
    layers: list[Mapping[str, Content]] = [{"x": ""}, apt(CURL, manual=["curl"])]
    steps = ["RUN command extra || extra", PLAIN]
    assert absent(taken(on_slim(*layers, history=steps))) == ALL


def test_what_a_package_generated_is_its_own_and_nobody_elses() -> None:
    packages: dict[str, Package] = {
        "shared-mime-info": {"files": {"usr/share/mime/packages/a.xml": "x"}},
        "other": {"files": {"usr/share/mime/other.xml": "y"}},
    }
    generated = {"usr/share/mime/mime.cache": "c", "usr/share/mime/sub/l": "z"}
    inventory = found(packages=packages, files=generated)
    files = files_of_packages(inventory.rootfs, inventory.packages, {"shared-mime-info"})
    assert files == {
        "usr/share/mime/packages/a.xml",
        "var/lib/dpkg/info/shared-mime-info.list",
        *generated,
    }


def test_certificates_are_looked_up_by_path() -> None:
    packages: dict[str, Package] = {
        "curl": {"Recommends": "ca-certificates, doc", "files": program("usr/bin/curl")},
        "ca-certificates": {"Depends": "openssl"},
        "openssl": {},
        "doc": {},
    }
    assert absent(found(packages=packages)) == {"doc"}
    del packages["doc"]
    assert findings(found(packages=packages)) == []


def test_a_distribution_that_another_requires_is_in_use() -> None:
    packages: dict[str, Package] = {
        "curl": {"Recommends": "python3-yaml, doc", "files": program("usr/bin/curl")},
        "python3-yaml": {"files": dist_info("PyYAML", "6.0", site="usr/lib/python3/dist-packages")},
        "doc": {},
    }
    user = dist_info("app", "1", site=SITE, requires=["pyyaml>=5"])
    assert absent(found(packages=packages, files=user)) == {"doc"}
    other = dist_info("app", "1", site=SITE, requires=["six"])
    assert absent(found(packages=packages, files=other)) == {"doc", "python3-yaml"}


RPMS = [
    header(
        {"name": "git", "version": "2", "arch": "x", "requires": ["perl"], "recommends": ["less"]}
    ),
    header({"name": "perl", "version": "5", "arch": "x", "recommends": ["docs"]}),
    header({"name": "docs", "version": "5", "arch": "x", "requires": ["man"]}),
    header({"name": "man", "version": "5", "arch": "x"}),
    header({"name": "less", "version": "5", "arch": "x"}),
]

BASE = header({"name": "bash", "version": "5", "arch": "x"})
DATABASE = "usr/lib/sysimage/rpm/rpmdb.sqlite"


def fedora(run: str, *, tool: str = "dnf", **files: Content) -> Inventory:
    from tests.images import image

    layers: list[Mapping[str, Content]] = [
        {
            DATABASE: sqlite_database([BASE]),
            f"usr/bin/{tool}": "x",
            "etc/os-release": "ID=fedora\n",
        },
        {DATABASE: sqlite_database([BASE, *RPMS]), **files},
    ]
    return taken(image(layers, history=["ADD file:0123 in /", f"RUN {run}"]))


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("dnf install -y git", {"docs", "less", "man"}),
        ("dnf -y install git man", {"docs", "less"}),
        ("microdnf install git", {"docs", "less", "man"}),
        ("dnf install -y --setopt=install_weak_deps=False git", set()),
        ("dnf install --setopt install_weak_deps=0 -y git", set()),
        ("dnf install -y $PACKAGES", set()),  # nobody knows what was asked for
        ("dnf install -y perl", {"docs", "man"}),  # and who asked for git, and less with it
    ],
)
def test_weak_dependencies_of_rpm(run: str, expected: set[str]) -> None:
    assert absent(fedora(run)) == expected


def test_dnf5_knows_what_was_asked_for() -> None:
    reasons = "".join(
        f'"{name}.x" = {{reason = "{reason}"}}\n'
        for name, reason in [
            ("git", "User"), ("perl", "Dependency"), ("docs", "Weak Dependency"),
            ("man", "Dependency"), ("less", "User"),
        ]
    )  # fmt: skip
    files = {"usr/lib/sysimage/libdnf5/packages.toml": f'version = "1.0"\n[packages]\n{reasons}'}
    inventory = fedora("dnf install -y $PACKAGES", **files)
    assert absent(inventory) == {"docs", "man"}
    (finding,) = findings(inventory)
    assert finding.fix == "Add --setopt=install_weak_deps=False to the dnf install of layer 1"


def test_the_command_is_the_tool_s_of_the_image() -> None:
    (finding,) = findings(fedora("microdnf install git", tool="microdnf"))
    assert finding.fix == (
        "In the RUN of layer 1: microdnf install -y --setopt=install_weak_deps=False git"
    )
    assert finding.message == "git brought 3 packages that it only recommends: docs and less"


def test_the_finding() -> None:
    packages: dict[str, Package] = {
        **CURL, "mailer": {**CURL["mailer"], "files": program("usr/sbin/mail", 2_000_000)}
    }  # fmt: skip
    (finding,) = findings(found(packages=packages))
    assert (finding.severity, finding.subject, finding.layers) == ("warning", "curl", (4,))
    assert finding.message == "curl brought 4 packages that it only recommends: mailer and doc"
    assert finding.packages == ("doc", "extra", "libmail", "mailer")
    assert [each.what for each in finding.evidence] == [
        "curl was asked for by name, without --no-install-recommends",
        "libcurl4 recommends mailer, which brought 2 more packages: 2.0 MB",
        "curl recommends doc: 30 B",
        "4 packages would not be here with the option: doc, extra, libmail, mailer",
    ]
    (small,) = findings(found())
    assert small.severity == "note"
