"""The rule deleted-but-shipped: layers in, findings out."""

import pytest

from pyimginspect.analyzers import (
    deleted_but_shipped,
)
from tests.images import Content, File, Package, debian_base, image
from tests.inventories import DEBIAN_STEP, apt, on_slim, taken
from tests.unit.rules.causes import (
    GIT,
    inventory,
    left_under,
    no_git,
    waived,
    wheel,
    without,
)
from tests.unit.rules.waste import MB, SITE, findings


def test_files_deleted_later_are_named_by_their_package() -> None:
    git: dict[str, Package] = {
        "git": {"Depends": "git-man", "files": {"usr/bin/git": File(MB)}},
        "git-man": {"files": {"usr/share/git-man": "m"}},
    }
    gone: dict[str, Content] = {
        **apt({}),
        "usr/bin/.wh.git": "",
        "usr/share/.wh.git-man": "",
        "var/lib/dpkg/info/.wh.git.list": "",
        "var/lib/dpkg/info/.wh.git-man.list": "",
    }
    (found,) = findings(deleted_but_shipped.ANALYZER.run, apt(git, manual=["git"]), gone)
    assert found.subject == "git"
    assert found.message == "git and git-man (1.0 MB): removed by layer 5, still stored in layer 4"
    assert (found.layers, found.instruction) == ((4, 5), "RUN step 1")
    assert found.saving == 1_000_001  # dpkg's own notes are journals
    assert found.paths == ("usr/bin/git", "usr/share/git-man")
    assert found.severity == "warning"


def test_or_by_the_distribution() -> None:
    info = f"{SITE}/scikit_learn-1.7.dist-info"
    made: dict[str, Content] = {
        f"{info}/METADATA": "Name: scikit-learn\n",
        f"{SITE}/sklearn/a.so": File(MB),
    }
    gone = {f"{info}/.wh.METADATA": "", f"{SITE}/.wh.sklearn": ""}
    (found,) = findings(deleted_but_shipped.ANALYZER.run, made, gone)
    assert found.subject == "scikit-learn"


def test_or_by_the_directory() -> None:
    (found,) = findings(
        deleted_but_shipped.ANALYZER.run, {"tmp/build/a": "12", "tmp/b": "1"}, {".wh.tmp": ""}
    )
    assert (found.subject, found.severity, found.saving) == ("/tmp", "note", 3)


@pytest.mark.parametrize(
    "layers",
    [
        [{"app/a": "x"}, {"app/b": "y"}],
        [{"var/log/dpkg.log": "x"}, {"var/log/.wh.dpkg.log": ""}],  # a journal
        [{"app/.wh.a": ""}],  # nothing was there
        [{"etc/ssl/.wh.openssl.cnf": ""}],  # the base's, and small
    ],
)
def test_nothing_deleted(layers: list[dict[str, Content]]) -> None:
    assert findings(deleted_but_shipped.ANALYZER.run, *layers) == []


def test_what_is_deleted_of_the_base_saves_nothing() -> None:
    base: dict[str, Content] = {**debian_base(), "usr/share/big.bin": File(MB)}
    gone: dict[str, Content] = {"usr/share/.wh.big.bin": ""}
    one = image([base, gone], history=[DEBIAN_STEP, "RUN rm"])
    (found,) = deleted_but_shipped.ANALYZER.run(taken(one))
    assert (found.saving, found.severity, found.layers) == (0, "note", (1,))
    assert found.message == (
        "/usr/share/big.bin (1.0 MB) of the base image: removed by layer 1, still stored in layer 0"
    )


@pytest.mark.parametrize(
    ("step", "fix"),
    [
        (
            "RUN make",
            "Remove the files in the RUN that creates them (layer 4: RUN make), or do not create"
            " them.",
        ),
        (
            "ADD https://example.org/model.bin /tmp/",
            "Do not ADD what only a RUN needs (layer 4: ADD https://example.org/model.bin /tmp/);"
            " that RUN can download it and remove it.",
        ),
        (
            "COPY model.bin /tmp/",
            "Do not COPY what only a RUN needs (layer 4: COPY model.bin /tmp/);"
            " that RUN can read it through --mount=type=bind.",
        ),
        ("", "Remove the files in the step that creates them (layer 4), or do not create them."),
    ],
)
def test_the_fix_goes_with_the_instruction_that_stored_the_files(step: str, fix: str) -> None:
    made: dict[str, Content] = {"tmp/model.bin": File(MB)}
    one = on_slim(made, {"tmp/.wh.model.bin": ""}, history=[step, "RUN rm /tmp/model.bin"])
    (found,) = deleted_but_shipped.ANALYZER.run(taken(one))
    assert found.fix == fix


def test_one_run_that_deletes_of_two_owners_gives_two_findings() -> None:
    scipy = wheel("scipy", "1.15.2", core=MB)
    gone = no_git() | without("scipy", "scipy-1.15.2.dist-info")
    found = inventory(apt(GIT, manual=["git"]), scipy, gone)
    first, second = deleted_but_shipped.ANALYZER.run(found)
    record = sum(len(str(scipy[path])) for path in scipy if "dist-info" in path)
    assert (first.subject, first.saving, first.layers) == ("scipy", 1_000_000 + record, (5, 6))
    assert (first.packages, first.savings) == (("scipy",), {5: first.saving})
    assert (second.subject, second.saving, second.layers) == ("git", 2100, (4, 6))
    assert second.packages == ("git", "git-man")
    assert second.message == "git and git-man (2.1 kB): removed by layer 6, still stored in layer 4"


def test_a_waiver_of_some_of_very_many_paths_hides_nothing() -> None:
    tree = {f"data/{n}/{m}": File(b"x" * (m + 1)) for n in range(3) for m in range(9)}
    found = inventory({**tree, "data/keep": "k"}, {f"data/.wh.{n}": "" for n in range(3)})
    assert [f.paths for f in deleted_but_shipped.ANALYZER.run(found)] == [
        (f"data/{n}",) for n in range(3)
    ]
    assert left_under(found, waived(paths=("data/0/*",))) == ["/data/1", "/data/2"]
    assert left_under(found, waived(paths=("data/0/8", "data/0/7"))) == [
        f"/data/{n}" for n in range(3)
    ]
