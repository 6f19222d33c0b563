"""The rule incomplete-distribution: layers in, findings out."""

import pytest

from tests.images import Content, Link, dist_info, elf
from tests.pythons import inventory
from tests.unit.rules.installs import BASE, SITE, Tree, judge, without

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

# A package and what it imports of its own documentation, beside another one.
BOTO = dist_info(
    "boto",
    files={"botocore/__init__.py": "", "botocore/docs/__init__.py": "", "other/__init__.py": ""},
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
        (without(BOTO, "botocore"), "boto", "botocore is not in the image"),
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
