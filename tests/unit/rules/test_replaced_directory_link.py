"""The rule replaced-directory-link: layers in, findings out."""

from collections.abc import Mapping

import pytest

from pyimginspect.analyzers.replaced_directory_link import ANALYZER
from pyimginspect.report import Finding
from tests.images import Content, File, Link, elf
from tests.pythons import inventory

Tree = Mapping[str, Content]
LOADER = "/lib64/ld-linux-x86-64.so.2"
MERGED: Tree = {
    "bin": Link("usr/bin"),
    "lib64": Link("usr/lib64"),
    "usr/bin/": None,
    "usr/bin/bash": File(elf(interp=LOADER), mode=0o755),
    "usr/bin/sh": Link("dash"),
    "usr/bin/dash": File(elf(interp=LOADER), mode=0o755),
    "usr/bin/run": File("#!/bin/bash\n", mode=0o755),
    "usr/lib64/ld-linux-x86-64.so.2": File(elf(), mode=0o755),
    "usr/share/doc/a": "text",
    "doc": Link("/usr/share/doc"),
    "opt/app-1/run": File("#!/usr/bin/sh\n", mode=0o755),
    "opt/app-1/lib.so": elf(),
    "opt/app": Link("app-1"),
    "sbin": Link("usr/sbin"),
    "usr/sbin/tool": File("a program without a loader", mode=0o755),
    "usr/sbin/README": "text",
    "lib": Link("usr/lib"),
    "usr/lib/libx.so": File(elf(), mode=0o644),
    "libx32": Link("usr/libx32"),
    "usr/libx32/README": File("text", mode=0o666),
}


def judge(*trees: Tree) -> list[Finding]:
    return list(ANALYZER.run(inventory(MERGED, *trees)))


@pytest.mark.parametrize(
    ("upper", "subject", "message"),
    [
        (
            {"bin/tool": "x"},
            "bin",
            "/bin contains tool since layer 1, in the place of a link to usr/bin: /bin/bash and"
            " 3 more files are no longer found",
        ),
        (
            {"bin/": None},
            "bin",
            "/bin is a directory since layer 1, in the place of a link to usr/bin: /bin/bash and"
            " 3 more files are no longer found",
        ),
        (
            {"lib64/x/libx.so": elf()},
            "lib64",
            "/lib64 contains x/libx.so since layer 1, in the place of a link to usr/lib64:"
            f" {LOADER} is no longer found",
        ),
        (
            {"sbin/x": ""},
            "sbin",
            "/sbin contains x since layer 1, in the place of a link to usr/sbin: /sbin/tool and 1"
            " more file are no longer found",
        ),
        (
            {"lib/x": ""},
            "lib",
            "/lib contains x since layer 1, in the place of a link to usr/lib: /lib/libx.so is no"
            " longer found",
        ),
        (
            {"bin/bash": File(elf(interp=LOADER), mode=0o755), "bin/dash": "", "bin/run": ""},
            "bin",
            "/bin contains bash since layer 1, in the place of a link to usr/bin: /bin/sh is no"
            " longer found",
        ),
        (
            {
                "opt/app/data": "x",
                "usr/bin/start": File("#! /opt/app/run -x\n", mode=0o755),
            },
            "opt/app",
            "/opt/app contains data since layer 1, in the place of a link to app-1: /opt/app/run"
            " and 1 more file are no longer found",
        ),
    ],
)
def test_a_link_of_the_system_became_a_directory(upper: Tree, subject: str, message: str) -> None:
    (finding,) = judge(upper)
    assert (finding.subject, finding.message, finding.severity) == (subject, message, "error")
    assert finding.layers == (0, 1)
    assert finding.saving == 0


def test_the_evidence_names_both_layers_and_what_needs_it() -> None:
    (finding,) = judge({"bin/tool": "x"})
    assert [(each.what, each.path, each.layer) for each in finding.evidence] == [
        ("was a symbolic link to usr/bin", "bin", 0),
        ("layer 1 stores it, which makes /bin a directory", "bin/tool", 1),
        ("its loader or interpreter is /bin/bash, which is not there", "usr/bin/run", None),
        (
            "4 files in /usr/bin cannot be reached through /bin: /bin/bash among them",
            "usr/bin",
            None,
        ),
    ]
    assert finding.fix == (
        "Put what layer 1 has below /bin into /usr/bin, and leave /bin/tool out of the layer"
    )


def test_a_loader_that_programs_name_is_evidence() -> None:
    (finding,) = judge({"lib64/x": ""})
    words = f"its loader or interpreter is {LOADER}, which is not there"
    assert (words, "usr/bin/bash", None) in [
        (each.what, each.path, each.layer) for each in finding.evidence
    ]


@pytest.mark.parametrize(
    "trees",
    [
        [],
        [{"usr/bin/tool": "x"}],
        [{"libx32/x": ""}],  # text, which nobody can run
        [{"doc/b": "x"}],  # text, which nothing names
        [{"opt/app/": None}],  # an application's own affair
        [{"bin": Link("usr/bin"), "usr/bin/": None, "bin/tool": "x"}],
        [{"bin/tool": "x"}, {"bin": Link("usr/bin")}],  # mended since
        [{"bin/tool": "x"}, {".wh.bin": ""}],
        [{"lib64/ld-linux-x86-64.so.2": File(elf(), mode=0o755)}],  # all of it is there again
        [{"dangling": Link("nowhere")}, {"dangling/x": "y"}],
        [{"self": Link(".")}, {"self/x": "y"}],
    ],
)
def test_other_links_are_not(trees: list[Tree]) -> None:
    assert judge(*trees) == []
