"""A ``COPY`` of what one ``RUN`` needs and nothing else: mounted, not stored."""

from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.plan import Edit, make_plan
from pyimginspect.plan.operations import DropCommand, MountCopied, Operation, ReplaceCommand
from tests.images import Content, Directory, File
from tests.inventories import on_slim, taken

MB = b"w" * 1_000_000
SITE = "usr/local/lib/python3.13/site-packages"
MADE: Mapping[str, Content] = {f"{SITE}/flask.py": "#"}
DIST: Mapping[str, Content] = {"srv/dist/a-1-py3-none-any.whl": File(MB)}
GONE: Mapping[str, Content] = {**MADE, "srv/.wh.dist": ""}
COPY = "COPY /dist/ /srv/dist/ # buildkit"
INSTALL = "RUN pip install --no-cache-dir /srv/dist/*.whl"


def mounted(
    layers: Sequence[Mapping[str, Content]], history: Sequence[str], cmd: Sequence[str] = ()
) -> list[Edit]:
    plan = make_plan(taken(on_slim(*layers, history=history, cmd=cmd)))
    found = [e for e in plan.edits if any(isinstance(op, MountCopied) for op in e.operations)]
    done = {layer for e in found for layer in (e.layer, *e.others)}
    assert done.isdisjoint(e.layer for e in plan.edits if e not in found), "said once"
    return found


def drop(layer: int, command: str) -> Operation:
    return DropCommand(layer=layer, words=tuple(command.split()))


@pytest.mark.parametrize(
    ("history", "operations"),
    [
        (
            [COPY, f"{INSTALL} && rm -r /srv/dist"],
            [drop(5, "rm -r /srv/dist"), MountCopied(layer=4, runs=(5,), target="/srv/dist")],
        ),
        (
            [COPY, f"{INSTALL} && rm -rf /srv/dist/*.whl /root/.cache"],
            [
                ReplaceCommand(
                    layer=5,
                    words=("rm", "-rf", "/srv/dist/*.whl", "/root/.cache"),
                    command="rm -rf /root/.cache",
                ),
                MountCopied(layer=4, runs=(5,), target="/srv/dist"),
            ],
        ),
        (
            [
                "WORKDIR /srv",
                "COPY dist ./dist # buildkit",
                "RUN pip install dist/*.whl && rm -r dist",
            ],
            [drop(6, "rm -r dist"), MountCopied(layer=5, runs=(6,), target="/srv/dist")],
        ),
    ],
)
def test_what_is_copied_used_and_deleted_is_mounted(
    history: Sequence[str], operations: Sequence[Operation]
) -> None:
    more: list[Mapping[str, Content]] = [{}] if history[0].startswith("WORKDIR") else []
    (edit,) = mounted([*more, DIST, GONE], history)
    assert list(edit.operations) == operations
    assert (edit.saving, edit.level, edit.rules) == (1_000_000, "review", ("deleted-but-shipped",))
    assert edit.kind == "delete-early"


@pytest.mark.parametrize(
    ("copy", "target"),
    [
        ("COPY a.tgz /tmp/ # buildkit", "/tmp/a.tgz"),
        ("COPY b.tgz /tmp/a.tgz # buildkit", "/tmp/a.tgz"),
        ("COPY *.tgz /tmp/ # buildkit", "/tmp"),
        ("COPY a /tmp # buildkit", "/tmp"),
    ],
)
def test_a_file_is_mounted_as_one(copy: str, target: str) -> None:
    layers: list[Mapping[str, Content]] = [
        {"tmp/a.tgz": File(MB)},
        {"opt/a": "a", "tmp/.wh.a.tgz": ""},
    ]
    (edit,) = mounted(layers, [copy, "RUN tar xf /tmp/a.tgz -C /opt && rm /tmp/a.tgz"])
    assert edit.operations[-1] == MountCopied(layer=4, runs=(5,), target=target, writable=True)
    assert edit.command == f"RUN --mount=type=bind,source=…,target={target},rw"


@pytest.mark.parametrize(("size", "edits"), [(4095, 0), (4096, 1)])
def test_what_is_less_than_a_page_is_not_mounted(size: int, edits: int) -> None:
    one: Mapping[str, Content] = {"w/a-1-py3-none-any.whl": File(MB[:size])}
    install = "RUN pip install /w/*.whl"
    gone: Mapping[str, Content] = {**MADE, ".wh.w": ""}
    assert len(mounted([one, gone], ["COPY w /w", f"{install} && rm -r /w"])) == edits
    assert len(mounted([one, MADE], ["COPY w /w", install])) == edits


SOURCE: Mapping[str, Content] = {"src/setup.py": File(MB)}
NO_SOURCE: Mapping[str, Content] = {**MADE, ".wh.src": ""}


@pytest.mark.parametrize(
    ("layers", "history", "runs"),
    [
        # setuptools writes beside the sources: what is mounted can be written to.
        ([SOURCE, NO_SOURCE], ["COPY . /src", "RUN pip install /src && rm -r /src"], (5,)),
        ([SOURCE, MADE, NO_SOURCE], ["COPY . /src", "RUN a /src", "RUN b /src && rm -r /src"],
         (5, 6)),
        # What the first RUN writes there the second one reads.
        ([SOURCE, {"src/a": ""}, NO_SOURCE],
         ["COPY . /src", "RUN a /src", "RUN b /src && rm -r /src"], ()),
        # A mount has the modes of the source, and the build context is root's.
        ([SOURCE, NO_SOURCE], ["COPY --chmod=755 . /src", "RUN /src/a && rm -r /src"], ()),
        ([SOURCE, NO_SOURCE], ["COPY --exclude=x . /src", "RUN make /src && rm -r /src"], ()),
        ([SOURCE, NO_SOURCE], ["COPY --parents a/b /src", "RUN make /src && rm -r /src"], ()),
        ([SOURCE, NO_SOURCE], ["COPY --chown=app . /src", "RUN make /src && rm -r /src"], (5,)),
        ([SOURCE, NO_SOURCE],
         ["COPY --chown=app . /src", "USER app", "RUN make /src && rm -r /src"], ()),
        ([SOURCE, MADE, NO_SOURCE],
         ["COPY --chown=app . /src", "USER x", "RUN a /src", "USER 0", "RUN b && rm -r /src"], ()),
        ([SOURCE, NO_SOURCE], ["COPY . /src", "USER app", "RUN make /src && rm -r /src"], (5,)),
        ([SOURCE, NO_SOURCE],
         ["COPY --chown=app --chmod=755 . /src", "RUN make /src && rm -r /src"], ()),
        # What a RUN makes elsewhere, or of a directory alone, is no matter.
        ([SOURCE, {"src/": Directory(), "opt/a": "a"}, NO_SOURCE],
         ["COPY . /src", "RUN a /src", "RUN b /src && rm -r /src"], (5, 6)),
        ([SOURCE, {"src/a": "", "opt/a": "a"}, NO_SOURCE],
         ["COPY . /src", "RUN a /src", "RUN b /src && rm -r /src"], ()),
        # Wheels among it, or not all of it below the target.
        ([{**SOURCE, "src/a.whl": "a"}, NO_SOURCE], ["COPY . /src", "RUN a /src && rm -r /src"],
         (5,)),
        ([{**SOURCE, "usr/b": "b"}, {**NO_SOURCE, "usr/.wh.b": ""}],
         ["COPY . /src", "RUN a /src && rm -r /src /usr/b"], ()),
    ],
)  # fmt: skip
def test_what_is_built_from_is_mounted_so_that_it_can_be_written_to(
    layers: Sequence[Mapping[str, Content]], history: Sequence[str], runs: tuple[int, ...]
) -> None:
    edits = mounted(layers, history)
    mount = MountCopied(layer=4, runs=runs, target="/src", writable=True)
    assert [each.operations[-1] for each in edits] == ([mount] if runs else [])


@pytest.mark.parametrize(
    ("before", "directory", "command", "needs"),
    [
        (None, "/", "ls /srv/dist", True),
        (None, "/", "true", False),
        ("/srv", "/srv", "ls dist", True),
        ("/srv", "/srv", "ls ./dist/a", True),
        ("/srv", "/srv", "x --links=dist/", True),
        ("/srv", "/srv", "ls distant", False),
        ("/opt/b", "/opt/b", "ls ../../srv/dist/", True),
        ("/opt", "/opt", "ls x", False),
        ("/opt", "/opt", "ls (x", True),
        # Whatever runs in the directory may read any of it.
        ("/srv/dist", "/srv/dist", "make", True),
        ("/srv/dist/a", "/srv/dist/a", "make", True),
        ("/srv/distant", "/srv/distant", "make", False),
    ],
)
def test_every_run_that_needs_it_has_the_mount(
    before: str | None, directory: str, command: str, needs: bool
) -> None:
    """Of the RUNs between the COPY and the deletion; none before them."""
    layers: list[Mapping[str, Content]] = [{"srv/": Directory()}, DIST]
    history = ["RUN mkdir /srv/dist", COPY]
    if before is not None:
        layers.append({})
        history.append(f"WORKDIR {directory}")
    first = 4 + len(layers)
    layers += [{"opt/a": "a"}, {}, GONE]
    history += [f"RUN {command}", "WORKDIR /", f"{INSTALL} && rm -r /srv/dist"]
    (edit,) = mounted(layers, history)
    runs = (first, first + 2) if needs else (first + 2,)
    assert edit.operations[-1] == MountCopied(layer=5, runs=runs, target="/srv/dist")


def test_a_deletion_of_its_own_goes() -> None:
    layers: list[Mapping[str, Content]] = [DIST, MADE, {"srv/.wh.dist": ""}]
    (edit,) = mounted(layers, [COPY, INSTALL, "RUN rm -r /srv/dist"])
    assert list(edit.operations) == [
        drop(6, "rm -r /srv/dist"),
        MountCopied(layer=4, runs=(5,), target="/srv/dist"),
    ]


@pytest.mark.parametrize(
    ("layers", "history"),
    [
        # Something of it stays.
        (
            [
                {**DIST, "srv/dist/b.txt": "b" * 5000},
                {**MADE, "srv/dist/.wh.a-1-py3-none-any.whl": ""},
            ],
            [COPY, f"{INSTALL} && rm /srv/dist/*.whl"],
        ),
        # A mount would hide what is there already.
        (
            [{"srv/dist/x": "x"}, DIST, GONE],
            ["RUN echo x > /srv/dist/x", COPY, f"{INSTALL} && rm -r /srv/dist"],
        ),
        (
            [{"srv/dist/x": "x"}, DIST, {**MADE, "srv/dist/.wh.a-1-py3-none-any.whl": ""}],
            ["RUN echo x > /srv/dist/x", COPY, f"{INSTALL} && rm /srv/dist/*.whl"],
        ),
        # Something else deletes it, or it is not certain what does.
        ([DIST, GONE], [COPY, "RUN cd /opt && pip install /srv/dist/*.whl && rm -r /srv/dist"]),
        ([DIST, GONE], [COPY, f"{INSTALL} && cd /opt && rm -r /srv/dist"]),
        ([DIST, GONE], [COPY, f"{INSTALL} && find /srv/dist -delete"]),
        ([DIST, GONE], [COPY, f"{INSTALL} && if a; then rm -r /srv/dist; fi"]),
        ([DIST, GONE], [COPY, f"{INSTALL} && cd /srv && rm -r dist"]),
        # ADD unpacks, and several sources are no one mount.
        ([DIST, GONE], ["ADD dist /srv/dist/ # buildkit", f"{INSTALL} && rm -r /srv/dist"]),
        ([DIST, GONE], ["COPY a b /srv/dist/ # buildkit", f"{INSTALL} && rm -r /srv/dist"]),
        ([DIST, GONE], ["COPY $D /srv/dist/ # buildkit", f"{INSTALL} && rm -r /srv/dist"]),
        ([DIST, GONE], ["COPY <<a /srv/dist/ # buildkit", f"{INSTALL} && rm -r /srv/dist"]),
        ([DIST, GONE], ["COPY srv / # buildkit", f"{INSTALL} && rm -r /srv/dist"]),
        # Two of them, of which each has half.
        (
            [DIST, {"srv/dist/b.whl": File(MB)}, GONE],
            ["COPY a /srv/dist", "COPY b /srv/dist", f"{INSTALL} && rm -r /srv/dist"],
        ),
        # Nothing reads it, or something else deletes the rest.
        ([DIST, {"srv/.wh.dist": ""}], [COPY, "RUN rm -r /srv/dist"]),
        (
            [{**DIST, "srv/dist/b.txt": "b"}, GONE],
            [COPY, f"{INSTALL} && rm /srv/dist/*.whl && find /srv/dist -delete"],
        ),
        # It is not known which layer is the COPY's.
        ([{"opt/a": "a"}, DIST, GONE], [COPY, f"{INSTALL} && rm -r /srv/dist"]),
    ],
)
def test_what_cannot_be_mounted_is_not(
    layers: Sequence[Mapping[str, Content]], history: Sequence[str]
) -> None:
    assert mounted(layers, history) == []


WHEELS: Mapping[str, Content] = {"whl/": Directory(), "whl/a-1-py3-none-any.whl": File(MB)}


@pytest.mark.parametrize(
    ("history", "cmd", "found"),
    [
        (["COPY /w/*.whl /whl/ # buildkit", "RUN pip install /whl/*.whl"], [], True),
        (
            ["COPY /w /whl # buildkit", "RUN pip install --no-index --find-links=/whl -r r.txt"],
            [],
            True,
        ),
        (["COPY /w /whl # buildkit", "RUN uv pip install --system /whl/*.whl"], [], True),
        (
            ["COPY /w /whl # buildkit", "RUN pip install /whl/*.whl", "RUN cp -r /whl /srv"],
            [],
            False,
        ),
        (
            ["COPY /w /whl # buildkit", "RUN pip install /whl/a*", "RUN pip install /whl/b*"],
            [],
            True,
        ),
        (["COPY /w /whl # buildkit", "RUN pip install /whl/*.whl && echo done"], [], True),
        (["COPY /w /whl # buildkit", "RUN pip download -d /x /whl/*.whl"], [], False),
        (["COPY /w /whl # buildkit", "RUN poetry install /whl/*.whl"], [], False),
        (["COPY /w /whl # buildkit", "RUN cp -r /whl /srv"], [], False),
        (["COPY /w /whl # buildkit", "RUN pip install /whl/*.whl"], ["ls", "/whl"], False),
        (["COPY /w /whl # buildkit", "RUN pip install /whl/*.whl"], ["ls", "/w"], True),
        (["COPY /w /whl # buildkit", "RUN true"], [], False),
        (
            ["COPY /w /whl # buildkit", "RUN pip install /whl/*.whl"],
            ["pip", "install", "/whl/a-1-py3-none-any.whl"],
            False,
        ),
    ],
)
def test_wheels_that_one_run_installs_are_mounted(
    history: Sequence[str], cmd: Sequence[str], found: bool
) -> None:
    more = [{f"srv/{number}": "x"} for number in range(len(history) - 2)]
    edits = mounted([WHEELS, MADE, *more], history, cmd)
    assert [(each.kind, each.saving) for each in edits] == [("narrow-copy", 1_000_000)] * found


@pytest.mark.parametrize(
    ("copied", "later", "command"),
    [
        ({"whl/r.txt": File(MB)}, {}, "pip install -r /whl/r.txt"),
        ({**WHEELS, "whl/r.txt": File(MB)}, {}, "pip install /whl/*.whl"),
        # Another layer deletes them, or stores one again.
        (WHEELS, {"whl/.wh.a-1-py3-none-any.whl": ""}, "pip install /whl/*.whl"),
        ({**WHEELS, "whl/b.whl": "b"}, {"whl/b.whl": "c"}, "pip install /whl/*.whl"),
    ],
)
def test_what_is_more_than_wheels_or_less_is_left(
    copied: Mapping[str, Content], later: Mapping[str, Content], command: str
) -> None:
    history = ["COPY /w /whl # buildkit", f"RUN {command}", "RUN find /opt -delete"]
    assert mounted([copied, MADE, later], history) == []


def test_what_a_mount_takes_out_of_a_deletion_is_not_moved_with_the_rest() -> None:
    """`rm -r` of a directory that is mounted fails."""
    plan = make_plan(
        taken(
            on_slim(
                SOURCE,
                {"tmp/big": File(MB)},
                {"app/x": "x"},
                {**NO_SOURCE, "tmp/.wh.big": ""},
                history=["COPY . /src", "RUN make /src", "COPY x /app/", "RUN rm -r /src /tmp/big"],
            )
        )
    )
    rest = ReplaceCommand(layer=7, words=("rm", "-r", "/src", "/tmp/big"), command="rm -r /tmp/big")
    assert [(each.kind, each.operations[:1]) for each in plan.edits] == [
        ("delete-early", (rest,)),
        ("advice", ()),
    ]
