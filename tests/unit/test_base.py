"""Which layers are the base image's, in histories of many builders and by contents alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pyimginspect.errors import InvalidReferenceError
from pyimginspect.inventory.base import find_base, layers_shared
from pyimginspect.inventory.facts import BaseImage
from tests.images import (
    Content,
    Image,
    Link,
    debian_base,
    elf,
    image,
    official_env,
    official_python,
)
from tests.inventories import DEBIAN_STEP, OFFICIAL_STEPS, on_slim, run, steps, taken

Trees = Sequence[Mapping[str, Content]]
Lines = Sequence[str | Mapping[str, Any]]

APP: Mapping[str, Content] = {"app/main.py": "print()\n"}
PIP = "RUN pip install flask"
BUILD_CLASSIC = (
    '/bin/sh -c set -ex && savedAptMark="$(apt-mark showmanual)" && wget -O python.tar.xz'
    ' "https://www.python.org/ftp/python/${PYTHON_VERSION%%[a-z]*}/Python-$PYTHON_VERSION.tar.xz"'
)
CLASSIC: Lines = [
    "/bin/sh -c #(nop) ADD file:31cbb7 in / ",
    {"created_by": '/bin/sh -c #(nop)  CMD ["bash"]', "empty_layer": True},
    {"created_by": "/bin/sh -c #(nop)  ENV PYTHON_VERSION=3.8.1", "empty_layer": True},
    BUILD_CLASSIC,
    "/bin/sh -c cd /usr/local/bin && ln -s idle3 idle && ln -s pydoc3 pydoc",
    {"created_by": "/bin/sh -c #(nop)  ENV PYTHON_PIP_VERSION=19.3.1", "empty_layer": True},
    '/bin/sh -c set -ex; wget -O get-pip.py "$PYTHON_GET_PIP_URL"; python get-pip.py',
    {"created_by": '/bin/sh -c #(nop)  CMD ["python3"]', "empty_layer": True},
]
ALPINE: Mapping[str, Content] = {
    "etc/alpine-release": "3.22.1\n",
    "etc/os-release": 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.1\n',
}
GCC: Mapping[str, Content] = {"usr/bin/gcc": elf(), "usr/bin/git": elf()}


def os_release(name: str, version: str, **more: str) -> dict[str, Content]:
    fields = {"ID": name, "VERSION_ID": f'"{version}"', **more}
    return {"etc/os-release": "".join(f"{key}={value}\n" for key, value in fields.items())}


def base_of(one: Image) -> BaseImage:
    return taken(one).base


def test_an_official_slim_image_is_known_by_its_steps_and_its_contents() -> None:
    base = base_of(on_slim(APP, history=["COPY . /app # buildkit"]))
    assert (base.family, base.variant, base.version) == ("python", "slim", "3.13.1")
    assert (base.layers, base.official, base.confidence) == (4, True, "certain")
    assert base.name == "python:3.13.1-slim-bookworm"
    assert base.distribution == "debian 12"
    assert [(e.what, e.path, e.layer) for e in base.evidence[:2]] == [
        ("history: the official build's steps", "", 2),
        ("the interpreter is in that layer", "usr/local/bin/python3.13", 2),
    ]


def test_the_classic_builder_wrote_it_in_other_words_and_pip_in_a_step_of_its_own() -> None:
    trees: Trees = [debian_base(), official_python("3.8.1"), {}, {"usr/local/bin/pip9": "x"}, APP]
    one = image(trees, history=[*CLASSIC, *steps(PIP)], env=official_env("3.8.1"))
    base = base_of(one)
    assert (base.family, base.variant, base.layers) == ("python", "slim", 4)
    assert base.confidence == "certain"


def test_squashing_the_application_leaves_the_base() -> None:
    """`docker build --squash` keeps the steps, without layers, and merges into one on top."""
    lines: Lines = [
        *OFFICIAL_STEPS,
        {"created_by": "/bin/sh -c pip install flask", "empty_layer": True},
        {"created_by": "", "comment": "merge sha256:1 to sha256:2"},
    ]
    trees: Trees = [debian_base(), {}, official_python("3.13.1"), {}, APP]
    found = taken(image(trees, history=lines, env=official_env()))
    assert (found.base.layers, found.base.confidence) == (4, "certain")
    assert found.instructions[4] == "# merge sha256:1 to sha256:2"


def test_the_variant_is_told_by_contents() -> None:
    alpine = image(
        [ALPINE, {}, official_python("3.13.1", musl=True), {}, APP],
        history=steps(
            "ADD alpine-minirootfs-3.22.1-x86_64.tar.gz / # buildkit",
            *OFFICIAL_STEPS[2:],
            PIP,
        ),
        env=official_env(),
    )
    full = image(
        [debian_base(slim=False), GCC, official_python("3.13.1"), {}, APP],
        history=[*OFFICIAL_STEPS, *steps(PIP)],
        env=official_env(),
    )
    assert (base_of(alpine).variant, base_of(alpine).name) == (
        "alpine",
        "python:3.13.1-alpine3.22",
    )
    assert (base_of(full).variant, base_of(full).layers) == ("full", 4)
    assert base_of(full).name.startswith("python:3.13.1")


@pytest.mark.parametrize(
    ("build", "variant"), [("", "slim"), ("apk add --virtual .build-deps gcc; ", "alpine")]
)
def test_where_the_contents_do_not_tell_the_variant_the_build_does(
    build: str, variant: str
) -> None:
    lines = [
        run(build + line["created_by"].removeprefix("RUN /bin/sh -c "))
        if isinstance(line, Mapping) and "Python-$PYTHON_VERSION" in line["created_by"]
        else line
        for line in OFFICIAL_STEPS
    ]
    trees: Trees = [debian_base(slim=False), {}, official_python("3.13.1"), {}, APP]
    base = base_of(image(trees, history=[*lines, *steps(PIP)], env=official_env("3.13.1")))
    assert (base.family, base.variant) == ("python", variant)


@pytest.mark.parametrize(
    ("name", "trees", "lines", "env", "expected"),
    [
        (
            "the variable alone proves nothing: s2i sets it too",
            [debian_base(), official_python("3.13.1")],
            [DEBIAN_STEP, "COPY python / # buildkit"],
            official_env("3.13.1"),
            ("debian", "slim", 1, "certain"),
        ),
        (
            "a two-part version is Red Hat's",
            [os_release("rhel", "9.4"), official_python("3.13.1")],
            ["COPY dir:1 in / ", PIP],
            ("PYTHON_VERSION=3.13", "PYTHON_SHA256=0"),
            ("ubi", "", 1, "likely"),
        ),
        (
            "Debian, classic builder",
            [debian_base(), APP],
            ["/bin/sh -c #(nop) ADD file:31cbb7 in / ", PIP],
            (),
            ("debian", "slim", 1, "certain"),
        ),
        (
            "Ubuntu",
            [os_release("ubuntu", "24.04"), APP],
            ["/bin/sh -c #(nop) ADD file:31cbb7 in / ", PIP],
            (),
            ("ubuntu", "", 1, "certain"),
        ),
        (
            "Alpine",
            [ALPINE, APP],
            ["ADD alpine-minirootfs-3.22.1-x86_64.tar.gz / # buildkit", PIP],
            (),
            ("alpine", "", 1, "certain"),
        ),
        (
            "distroless has several layers of Bazel's",
            [os_release("debian", "12", PRETTY_NAME='"Distroless"'), {"a": "x"}, APP],
            ["bazel build ...", "bazel build ...", "COPY app /app # buildkit"],
            (),
            ("distroless", "", 2, "certain"),
        ),
        (
            "Wolfi, by apko",
            [os_release("wolfi", "20230201"), APP],
            ["apko", "COPY app /app # buildkit"],
            (),
            ("wolfi", "", 1, "certain"),
        ),
        (
            "a distribution without a family",
            [os_release("fedora", "42"), APP],
            ["ADD file:1 in / ", PIP],
            (),
            ("unknown", "", 1, "guess"),
        ),
        ("scratch", [APP], ["COPY app / # buildkit"], (), ("scratch", "", 0, "certain")),
        (
            "one layer from docker import",
            [{**debian_base(), **APP}],
            [{"created_by": "", "comment": "Imported from -"}],
            (),
            ("debian", "slim", 0, "guess"),
        ),
        (
            "a history of other layers",
            [debian_base(), APP, {"x": ""}],
            [DEBIAN_STEP],
            (),
            ("debian", "slim", 1, "likely"),
        ),
        ("no history", [debian_base(), APP], (), (), ("debian", "slim", 1, "likely")),
        (
            "no history, and the environment of an official image",
            [debian_base(), official_python("3.13.1"), APP],
            (),
            official_env("3.13.1"),
            ("python", "slim", 2, "guess"),
        ),
        (
            "squashed, and the environment of an official image",
            [{**debian_base(), **official_python("3.13.1"), **APP}],
            (),
            official_env("3.13.1"),
            ("python", "slim", 0, "guess"),
        ),
    ],
)
def test_other_bases(
    name: str,
    trees: Trees,
    lines: Lines,
    env: Sequence[str],
    expected: tuple[str, str, int, str],
) -> None:
    base = base_of(image(trees, history=steps(*lines), env=env or ("PATH=/bin",)))
    assert (base.family, base.variant, base.layers, base.confidence) == expected, name


@pytest.mark.parametrize(
    ("tree", "lines", "name", "official"),
    [
        (debian_base(), [DEBIAN_STEP], "debian:bookworm-slim", True),
        (debian_base(slim=False), [DEBIAN_STEP], "debian:bookworm", True),
        (os_release("debian", "12"), [DEBIAN_STEP], "", True),
        (os_release("ubuntu", "24.04"), ["ADD file:1 in / "], "ubuntu:24.04", True),
        (os_release("ubuntu", ""), ["ADD file:1 in / "], "", True),
        (ALPINE, ["ADD file:1 in / "], "alpine:3.22.1", True),
        (os_release("alpine", ""), ["ADD file:1 in / "], "", True),
        (os_release("rhel", "9.4"), ["ADD file:1 in / "], "registry.access.redhat.com/ubi9", False),
        (os_release("rhel", ""), ["ADD file:1 in / "], "", False),
        (os_release("wolfi", "20230201"), ["apko"], "", False),
        (os_release("fedora", "42"), ["ADD file:1 in / "], "", False),
        # whose image it was is a guess: it may be anybody's with Debian's files
        (debian_base(), ["COPY file:1 in / "], "debian:bookworm-slim", False),
    ],
)
def test_the_name_of_a_system_is_made_up_of_what_its_files_say(
    tree: Mapping[str, Content], lines: Lines, name: str, official: bool
) -> None:
    base = base_of(image([tree, APP], history=steps(*lines, PIP)))
    assert (base.name, base.official) == (name, official)


@pytest.mark.parametrize(
    ("trees", "lines", "layers", "confidence"),
    [
        # all that there is was made by the tool that makes bases
        ([os_release("wolfi", "1"), {"a": "x"}], ["apko", "apko 2"], 2, "certain"),
        ([os_release("wolfi", "1"), APP], ["apko " + "x" * 80, PIP], 1, "certain"),
        ([ALPINE, APP], ["ADD alpine-minirootfs-" + "3" * 80 + ".tar.gz / ", PIP], 1, "certain"),
        # Bazel below a system that it did not make
        ([debian_base(), APP], ["bazel build ...", "COPY app / # buildkit"], 1, "likely"),
        # the steps of the base, of which one made no layer
        ([debian_base(), APP], [{"created_by": "ARG RELEASE", "empty_layer": True},
         "ADD file:1 in / ", "COPY app / # buildkit"], 1, "certain"),
        # an archive, but not into the root, and a root file system above something else
        ([debian_base(), APP], ["ADD file:1 in /srv ", PIP], 1, "likely"),
        ([APP, debian_base(), APP], ["COPY a / # buildkit", "ADD file:1 in / ", PIP], 2, "likely"),
        # Red Hat's has a step of its own tool, and says nothing where it is all
        ([os_release("rhel", "9.4"), APP], ["COPY dir:1 in / ", PIP], 1, "likely"),
        ([os_release("rhel", "9.4"), APP, APP], ["COPY dir:1 in / ", PIP, PIP], 1, "likely"),
        ([os_release("rhel", "9.4")], ["COPY dir:1 in / "], 0, "guess"),
        ([os_release("rhel", "9.4")], ["ADD file:1 in / "], 1, "certain"),
    ],
)  # fmt: skip
def test_the_layers_of_a_system(trees: Trees, lines: Lines, layers: int, confidence: str) -> None:
    base = base_of(image(trees, history=steps(*lines)))
    assert (base.layers, base.confidence) == (layers, confidence)
    history = [each for each in base.evidence if each.what.startswith("history: ")]
    assert {(each.what, each.layer) for each in history} == (
        {(f"history: {made_by(lines)}", 0)} if confidence == "certain" else set()
    )
    squashed = [each.layer for each in base.evidence if each.what.endswith("squashed")]
    assert squashed == ([0] if confidence == "guess" else [])


def made_by(lines: Lines) -> str:
    """The first step that made a layer, as far as evidence quotes it."""
    first = next(line for line in lines if isinstance(line, str)).strip()
    return first.replace("file:1 in ", "file:1 ")[:80]


def test_evidence_of_debian_s_slim_variant() -> None:
    one = image([APP, debian_base(), APP], history=())
    assert [
        (each.path, each.layer)
        for each in base_of(one).evidence
        if each.what == "Debian's slim variant"
    ] == [("etc/dpkg/dpkg.cfg.d/docker", 1)]


@pytest.mark.parametrize(
    ("lines", "layers", "variant", "confidence"),
    [
        (["Apply image 10.0", "COPY a C:/", "COPY b C:/"], 1, "", "certain"),
        (["Apply image 10.0", "Install update 10.1", "COPY a C:/"], 2, "", "certain"),
        (["Apply image 10.0", "Install update 10.1", "Install update 10.2"], 3, "", "certain"),
        (["COPY a C:/", "COPY b C:/", "COPY c C:/"], 0, "", "guess"),
        (["Apply image 10.0", {"created_by": "ENV A=b", "empty_layer": True}, "Install update 10.1",
          "RUN cmd /S /C python.exe -V"], 2, "windowsservercore", "certain"),
    ],
)  # fmt: skip
def test_layers_of_windows_are_those_that_no_instruction_made(
    lines: Lines, layers: int, variant: str, confidence: str
) -> None:
    one = image([{}, {}, {}], history=steps(*lines), platform="windows/amd64")
    base = base_of(one)
    assert (base.family, base.variant, base.layers) == ("windows", variant, layers)
    assert base.confidence == confidence


OFFICIAL: tuple[Mapping[str, Content], ...] = (debian_base(), {}, official_python("3.13.1"), {})
BUILD, LINKS, END = OFFICIAL_STEPS[5:]
NO_LAYER = {"empty_layer": True}


@pytest.mark.parametrize(
    ("between", "family"),
    [
        ([{"created_by": "ENV PYTHON_PIP_VERSION=24.0", **NO_LAYER}], "python"),
        ([{"created_by": "ENV FLASK_APP=x", **NO_LAYER}], "debian"),
        ([{"created_by": 'CMD ["bash"]', **NO_LAYER}], "debian"),
        ([{"created_by": "COPY --from=build /a /usr/local", **NO_LAYER}], "debian"),
        ([{**run("make install"), **NO_LAYER}], "python"),
        ([{**run("python get-pip.py --no-cache-dir"), **NO_LAYER}], "python"),
        ([{**run("pip install --no-cache-dir virtualenv"), **NO_LAYER}], "python"),
        ([{**run("pip install virtualenvwrapper-x"), **NO_LAYER}], "python"),
        ([{**run("pip install flask"), **NO_LAYER}], "debian"),
    ],
)
def test_what_stands_between_the_build_and_the_end_of_an_official_image(
    between: Lines, family: str
) -> None:
    lines: Lines = [*OFFICIAL_STEPS[:6], *between, LINKS, END, *steps(PIP)]
    base = base_of(image([*OFFICIAL, APP], history=lines, env=official_env()))
    assert base.family == family
    assert base.layers == (4 if family == "python" else 1)


@pytest.mark.parametrize(
    ("end", "family"),
    [
        ('CMD ["python3"]', "python"),
        ('CMD ["python"]', "python"),
        ('CMD ["python2"]', "python"),
        ('CMD ["bash"]', "debian"),
        ('ENTRYPOINT ["python3"]', "debian"),
    ],
)
def test_the_end_of_an_official_image(end: str, family: str) -> None:
    lines: Lines = [*OFFICIAL_STEPS[:7], {"created_by": end, **NO_LAYER}, *steps(PIP)]
    base = base_of(image([*OFFICIAL, APP], history=lines, env=official_env()))
    assert base.family == family


def test_whoever_repeats_the_official_steps_at_the_end_has_no_official_base() -> None:
    one = image(OFFICIAL, history=OFFICIAL_STEPS[:7], env=official_env())
    assert (base_of(one).family, base_of(one).layers) == ("debian", 1)


@pytest.mark.parametrize("tree", [os_release("ubuntu", "24.04"), os_release("fedora", "42")])
def test_no_official_image_was_built_on_another_system(tree: Mapping[str, Content]) -> None:
    lines: Lines = ["ADD file:1 in / ", *OFFICIAL_STEPS[1:], *steps(PIP)]
    one = image([tree, *OFFICIAL[1:], APP], history=lines, env=official_env())
    assert (base_of(one).family, base_of(one).layers) != ("python", 4)


@pytest.mark.parametrize(
    ("url", "version"),
    [
        ("https://www.python.org/ftp/python/3.3.5/Python-3.3.5.tar.xz", "3.3.5"),
        ("https://www.python.org/ftp/python/2.7.7/Python-2.7.7.tar.xz", "2.7.7"),
        ("https://www.python.org/ftp/python/3.3.5/Python-3.3.4.tar.xz", ""),
        ("https://www.python.org/ftp/python/3.3/Python-3.3.tar.xz", ""),  # never an image
    ],
)
def test_the_first_official_images_had_the_version_in_a_step_alone(url: str, version: str) -> None:
    lines: Lines = [DEBIAN_STEP, run(f"curl -SL {url} | tar -xJ && make"), run("make install"), END]
    python = official_python(version or "3.3.5")
    one = image([debian_base(), python, {}, APP], history=[*lines, *steps(PIP)], env=("PATH=/",))
    base = base_of(one)
    assert (base.family == "python", base.version) == (bool(version), version or "12")
    assert base.layers == (3 if version else 1)


@pytest.mark.parametrize(
    ("trees", "variant", "confidence"),
    [
        ([*OFFICIAL, {**APP, **GCC}], "slim", "certain"),
        # another interpreter than the build's, below it or above it
        ([debian_base(), official_python("3.13.1"), {}, {}, APP], "slim", "likely"),
        ([*OFFICIAL, official_python("3.13.1")], "slim", "likely"),
        ([*OFFICIAL[:2], {}, official_python("3.13.1"), APP], "slim", "certain"),
        ([*OFFICIAL[:2], {}, {}, APP], "slim", "likely"),
        # a full image has both; what the application's own layers bring is not the base's
        ([debian_base(slim=False), GCC, *OFFICIAL[2:], APP], "full", "certain"),
        ([debian_base(slim=False), {"usr/bin/gcc": elf()}, *OFFICIAL[2:], APP], "slim", "certain"),
        ([debian_base(slim=False), {"usr/bin/git": elf()}, *OFFICIAL[2:], APP], "slim", "certain"),
        ([debian_base(slim=False), *OFFICIAL[1:], {**APP, **GCC}], "slim", "certain"),
        # and what was deleted above was there
        ([debian_base(slim=False), GCC, *OFFICIAL[2:], {"usr/bin/.wh.gcc": ""}], "full", "certain"),
    ],
)  # fmt: skip
def test_an_official_image_by_what_is_in_its_layers(
    trees: Trees, variant: str, confidence: str
) -> None:
    base = base_of(image(trees, history=[*OFFICIAL_STEPS, *steps(PIP)], env=official_env()))
    assert (base.family, base.variant, base.confidence) == ("python", variant, confidence)
    what = "the interpreter is in that layer"
    assert (what in {each.what for each in base.evidence}) == (confidence == "certain")


@pytest.mark.parametrize(
    ("trees", "env", "expected"),
    [
        ([*OFFICIAL[:3], APP], ["GPG_KEY=A"], ("python", "slim", 3)),
        ([*OFFICIAL[:3], APP], ["PYTHON_SHA256=0"], ("python", "slim", 3)),
        ([*OFFICIAL[:3], APP], ["PYTHON_PIP_VERSION=24"], ("debian", "slim", 1)),
        # up to the links, and never the whole image
        ([*OFFICIAL[:3], {"usr/local/bin/python": Link("python3")}, APP], ["GPG_KEY=A"],
         ("python", "slim", 4)),
        ([*OFFICIAL[:3], {"usr/local/bin/python": Link("python3")}], ["GPG_KEY=A"],
         ("python", "slim", 0)),
        # the variant that nothing tells
        ([debian_base(slim=False), official_python("3.13.1"), APP], ["GPG_KEY=A"],
         ("python", "", 2)),
        ([debian_base(slim=False), GCC, official_python("3.13.1"), APP], ["GPG_KEY=A"],
         ("python", "full", 3)),
        ([debian_base(slim=False), official_python("3.13.1"), GCC, APP], ["GPG_KEY=A"],
         ("python", "", 2)),
        ([debian_base(), APP], ["GPG_KEY=A"], ("debian", "slim", 1)),
        # all of it in the lowest layer
        ([{**debian_base(), **official_python("3.13.1")}, APP, APP], ["GPG_KEY=A"],
         ("python", "slim", 1)),
    ],
)  # fmt: skip
def test_an_official_image_without_a_history(
    trees: Trees, env: Sequence[str], expected: tuple[str, str, int]
) -> None:
    base = base_of(image(trees, history=(), env=["PYTHON_VERSION=3.13.1", *env]))
    assert (base.family, base.variant, base.layers) == expected


def test_an_official_build_in_the_lowest_layer() -> None:
    """As a squashed base has it: what that layer has besides was not there before the build."""
    lowest = {**debian_base(slim=False), **official_python("3.13.1"), **GCC}
    one = image([lowest, {}, APP], history=[*OFFICIAL_STEPS[5:], *steps(PIP)], env=official_env())
    base = base_of(one)
    assert (base.family, base.variant, base.layers) == ("python", "slim", 2)
    assert base.confidence == "certain"


def test_windows_has_layers_of_its_own_below_python() -> None:
    lines = steps(
        "Apply image 10.0.20348.169",
        "Install update 10.0.20348.2000",
        {"created_by": "ENV PYTHON_VERSION=3.13.1", "empty_layer": True},
        "RUN powershell -Command $url = ('https://www.python.org/ftp/python/{0}/python-{1}-amd64.exe'"
        " -f $v, $w); python.exe --version",
        {"created_by": 'CMD ["python"]', "empty_layer": True},
        "COPY app C:/app",
    )
    trees: Trees = [{}, {}, {"Files/Python/python.exe": "MZ"}, {"Files/app/main.py": "x"}]
    one = image(trees, history=lines, env=["PYTHON_VERSION=3.13.1"], platform="windows/amd64")
    base = base_of(one)
    assert (base.family, base.variant, base.layers) == ("python", "windowsservercore", 3)


def test_an_upgrade_above_does_not_move_the_base() -> None:
    """The interpreter was replaced by the application: the history still holds."""
    base = base_of(on_slim(official_python("3.13.1"), history=["COPY --from=x / /"]))
    assert (base.layers, base.confidence) == (4, "likely")


def test_what_the_user_says_is_believed() -> None:
    found = taken(on_slim(APP, APP, history=["COPY a /", "COPY b /"]))
    base = find_base(found.image, found.rootfs, layers=5, name="acme/python:3")
    assert (base.layers, base.name, base.confidence) == (5, "acme/python:3", "certain")
    assert base.family == "python"
    assert [each.what for each in base.evidence[-2:]] == [
        "given by the user: acme/python:3",
        "given by the user: the lowest 5 layers",
    ]


@pytest.mark.parametrize(
    ("layers", "what"),
    [(0, "the lowest 0 layers"), (1, "the lowest layer"), (6, "the lowest 6 layers")],
)
def test_how_many_layers_the_user_says(layers: int, what: str) -> None:
    found = taken(on_slim(APP, APP, history=["COPY a /", "COPY b /"]))
    base = find_base(found.image, found.rootfs, layers=layers)
    assert (base.layers, base.evidence[-1].what) == (layers, f"given by the user: {what}")


@pytest.mark.parametrize(("layers", "name"), [(4, "python:3.13.1-slim-bookworm"), (5, ""), (1, "")])
def test_a_name_that_was_told_of_other_layers_is_not_theirs(layers: int, name: str) -> None:
    found = taken(on_slim(APP, APP, history=["COPY a /", "COPY b /"]))
    assert find_base(found.image, found.rootfs, layers=layers).name == name


@pytest.mark.parametrize("layers", [-1, 7])
def test_a_base_has_no_more_layers_than_the_image(layers: int) -> None:
    found = taken(on_slim(APP, APP, history=["COPY a /", "COPY b /"]))
    with pytest.raises(InvalidReferenceError, match=f"cannot have {layers} layers.*has 6"):
        find_base(found.image, found.rootfs, layers=layers)


def test_another_image_tells_the_number_of_layers() -> None:
    base, app = taken(on_slim()), taken(on_slim(APP, history=["COPY a /"]))
    assert layers_shared(app.image, base.image) == 4
    with pytest.raises(InvalidReferenceError, match="4 of its 5 layers are below"):
        layers_shared(base.image, app.image)
