"""Where a Python comes from: the OS packages and the tools that lay one out."""

from collections.abc import Mapping

import pytest

from tests.images import (
    Content,
    File,
    HardLink,
    Link,
    debian_python,
    dpkg_status,
    elf,
)
from tests.pythons import (
    apk_database,
    conda_python,
    cpython,
    executable,
    frozen,
    pypy,
    python,
    pythons,
    venv,
)
from tests.rpms import header, sqlite_database
from tests.systems import MUSL_FILES, glibc, rootfs

Tree = Mapping[str, Content]


def debian_pypy() -> dict[str, Content]:
    files: dict[str, Content] = {
        "usr/bin/pypy3.9": executable(needed=["libpypy3.9-c.so"]),
        "usr/bin/pypy3": Link("pypy3.9"),
        "usr/lib/x86_64-linux-gnu/libpypy3.9-c.so": elf(soname="libpypy3.9-c.so"),
        "usr/lib/pypy3.9/os.py": "",
        "usr/lib/pypy3.9/dist-packages/README": "",
        "usr/lib/python3/dist-packages/x.py": "",
    }
    return {**dpkg_status({"pypy3": {"Version": "7.3.11+dfsg-2", "files": files}})}


def fedora(version: str, prefix: str = "usr", path: str = "") -> dict[str, Content]:
    tree = cpython(prefix, version, lib="lib64")
    if path:
        tree[path] = tree.pop(f"{prefix}/bin/python{version.rpartition('.')[0]}")
        tree["usr/bin/python3"] = Link(f"/{path}")
    files = [name for name, content in tree.items() if content is not None]
    record = header(
        {
            "name": "python3",
            "version": version,
            "release": "9.el9",
            "arch": "x86_64",
            "dirnames": sorted({f"/{name.rpartition('/')[0]}/" for name in files}),
            "basenames": [name.rpartition("/")[2] for name in files],
            "dirindexes": [
                sorted({f"/{each.rpartition('/')[0]}/" for each in files}).index(
                    f"/{name.rpartition('/')[0]}/"
                )
                for name in files
            ],
        }
    )
    return {**tree, "var/lib/rpm/rpmdb.sqlite": sqlite_database([record])}


def packaged_python(version: str) -> dict[str, Content]:
    return {
        **dpkg_status(
            {"python3.13-minimal": {"Version": version, "files": cpython("usr", "3.13.1")}}
        ),
        "etc/os-release": "ID=ubuntu\n",
    }


DEADSNAKES = "deb https://ppa.launchpadcontent.net/deadsnakes/ppa/ubuntu jammy main\n"
UV = "root/.local/share/uv/python/cpython-3.12.3-linux-x86_64-gnu"
NIX = "nix/store/0c6xrgyz1p5gzpbwnkmbsvpmgkr2y1lr-python3-3.11.9"
PAKETO = "layers/paketo-buildpacks_cpython/cpython"
BREW = "home/linuxbrew/.linuxbrew/Cellar/python@3.12/3.12.4"

ORIGINS: dict[str, tuple[Tree, str, str, str]] = {
    "debian": (
        {**debian_python("3.11.2"), "etc/os-release": "ID=debian\n"},
        "usr/bin/python3.11",
        "3.11.2",
        "debian",
    ),
    "ubuntu": (
        {**debian_python("3.12.3"), "etc/os-release": "ID=ubuntu\n"},
        "usr/bin/python3.12",
        "3.12.3",
        "ubuntu",
    ),
    "deadsnakes": (
        dpkg_status(
            {
                "python3.13-minimal": {
                    "Version": "3.13.1-1+jammy1",
                    "Maintainer": "Anthony Sottile (deadsnakes) <a@example.org>",
                    "files": cpython("usr", "3.13.1"),
                }
            }
        ),
        "usr/bin/python3.13",
        "3.13.1",
        "deadsnakes",
    ),
    "deadsnakes, by its archive": (
        {
            **packaged_python("3.13.1-1+jammy1"),
            "etc/apt/sources.list.d/a.list": "deb https://example.org/apt stable main\n",
            "etc/apt/sources.list.d/deadsnakes.list": DEADSNAKES,
        },
        "usr/bin/python3.13",
        "3.13.1",
        "deadsnakes",
    ),
    "another archive than deadsnakes": (
        {
            **packaged_python("3.13.1-1+jammy1"),
            "etc/apt/sources.list.d/a.list": "deb https://example.org/apt stable main\n",
            "etc/apt/sources.list": DEADSNAKES,
        },
        "usr/bin/python3.13",
        "3.13.1",
        "ubuntu",
    ),
    "the distribution's, beside the archive of deadsnakes": (
        {
            **packaged_python("3.13.1-1ubuntu2"),
            "etc/apt/sources.list.d/deadsnakes.list": DEADSNAKES,
        },
        "usr/bin/python3.13",
        "3.13.1",
        "ubuntu",
    ),
    "distroless": (
        {
            "etc/os-release": "ID=debian\n",
            **cpython("usr", "3.13.5"),
            "var/lib/dpkg/status.d/python3.13-minimal": (
                "Package: python3.13-minimal\nVersion: 3.13.5-2\nArchitecture: amd64\n"
            ),
            "var/lib/dpkg/status.d/python3.13-minimal.md5sums": (
                "d41d8cd98f00b204e9800998ecf8427e  usr/bin/python3.13\n"
            ),
        },
        "usr/bin/python3.13",
        "3.13.5",
        "debian",
    ),
    "alpine": (
        {
            **apk_database(
                {"python3": cpython("usr", "3.12.12", shared=True, musl=True)},
                versions={"python3": "3.12.12-r0"},
            ),
            "etc/os-release": "ID=alpine\nVERSION_ID=3.22.1\n",
        },
        "usr/bin/python3.12",
        "3.12.12",
        "alpine",
    ),
    "wolfi": (
        {
            **apk_database(
                {"python-3.13-base": cpython("usr", "3.13.7", shared=True)},
                versions={"python-3.13-base": "3.13.7-r2"},
            ),
            "etc/os-release": "ID=wolfi\n",
        },
        "usr/bin/python3.13",
        "3.13.7",
        "wolfi",
    ),
    "fedora": (
        {**fedora("3.9.21"), "etc/os-release": 'ID="rhel"\n'},
        "usr/bin/python3.9",
        "3.9.21",
        "rhel",
    ),
    "platform-python": (
        {
            **fedora("3.6.8", path="usr/libexec/platform-python3.6"),
            "etc/os-release": "ID=rhel\n",
        },
        "usr/libexec/platform-python3.6",
        "3.6.8",
        "rhel",
    ),
    "lambda": (
        cpython("var/lang", "3.12.4", shared=True, headers=True),
        "var/lang/bin/python3.12",
        "3.12.4",
        "lambda",
    ),
    "conda": (
        conda_python("opt/conda", "3.11.9"),
        "opt/conda/bin/python3.11",
        "3.11.9",
        "conda",
    ),
    "pyenv": (
        {
            **cpython("root/.pyenv/versions/3.11.4", "3.11.4", headers=True),
            "root/.pyenv/shims/python3": File("#!/usr/bin/env bash\n", mode=0o755),
        },
        "root/.pyenv/versions/3.11.4/bin/python3.11",
        "3.11.4",
        "pyenv",
    ),
    "pyenv elsewhere": (
        {
            **cpython("opt/tools/versions/3.11.4", "3.11.4"),
            "opt/tools/shims/python3": File("#!/usr/bin/env bash\n", mode=0o755),
        },
        "opt/tools/versions/3.11.4/bin/python3.11",
        "3.11.4",
        "pyenv",
    ),
    "uv": (
        {**cpython(UV, "3.12.3"), f"{UV[:-21]}-linux-x86_64-gnu": Link(UV.rpartition("/")[2])},
        f"{UV}/bin/python3.12",
        "3.12.3",
        "uv",
    ),
    "uv elsewhere": (
        {
            **cpython("python/cpython-3.12.3", "3.12.3"),
            "python/cpython-3.12.3/lib/python3.12/EXTERNALLY-MANAGED": (
                "[externally-managed]\nError=This Python installation is managed by uv\n"
            ),
        },
        "python/cpython-3.12.3/bin/python3.12",
        "3.12.3",
        "uv",
    ),
    "pypy": (pypy("opt/pypy", "7.3.17"), "opt/pypy/bin/pypy3.10", "3.10.14", "pypy"),
    "pypy of debian": (
        {**debian_pypy(), "etc/os-release": "ID=debian\n"},
        "usr/bin/pypy3.9",
        "3.9",
        "debian",
    ),
    "nix": (cpython(NIX, "3.11.9"), f"{NIX}/bin/python3.11", "3.11.9", "nix"),
    "a buildpack": (
        {**cpython(PAKETO, "3.12.4"), "cnb/lifecycle/launcher": executable()},
        f"{PAKETO}/bin/python3.12",
        "3.12.4",
        "buildpack",
    ),
    "a buildpack, without its launcher": (
        {
            **cpython("layers/heroku_python/python", "3.12.4"),
            "layers/config/metadata.toml": "[[processes]]\n",
        },
        "layers/heroku_python/python/bin/python3.12",
        "3.12.4",
        "buildpack",
    ),
    "a directory that is called like the buildpacks'": (
        cpython(PAKETO, "3.12.4"),
        f"{PAKETO}/bin/python3.12",
        "3.12.4",
        "source",
    ),
    "homebrew": (cpython(BREW, "3.12.4"), f"{BREW}/bin/python3.12", "3.12.4", "homebrew"),
    "pyinstaller": (
        {
            "opt/app/serve": executable(),
            "opt/app/_internal/libpython3.12.so.1.0": elf(
                soname="libpython3.12.so.1.0", extra=b"\x003.12.4\0"
            ),
            "opt/app/_internal/base_library.zip": "PK",
        },
        "opt/app/serve",
        "3.12.4",
        "pyinstaller",
    ),
    "pyinstaller before 6": (
        {
            "opt/app/serve": executable(),
            "opt/app/libpython3.9.so.1.0": elf(soname="libpython3.9.so.1.0", extra=b"\x003.9.18\0"),
            "opt/app/base_library.zip": "PK",
        },
        "opt/app/serve",
        "3.9.18",
        "pyinstaller",
    ),
    "pyinstaller, one file": ({"srv/app": frozen("3.12")}, "srv/app", "3.12", "pyinstaller"),
    "pyinstaller, packaged": (
        dpkg_status({"app": {"Version": "7", "files": {"usr/bin/app": frozen("3.9")}}}),
        "usr/bin/app",
        "3.9",
        "pyinstaller",
    ),
    "s2i": (
        {
            **fedora("3.9.21"),
            **venv("opt/app-root", "/usr/bin", program=Link("/usr/bin/python3"), version="3.9.21"),
            "etc/os-release": "ID=rhel\n",
        },
        "usr/bin/python3.9",
        "3.9.21",
        "rhel",
    ),
    "anywhere": (cpython("srv/py", "3.8.20"), "srv/py/bin/python3.8", "3.8.20", "source"),
}


@pytest.mark.parametrize("case", ORIGINS)
def test_origins(case: str) -> None:
    tree, path, version, origin = ORIGINS[case]
    base: Tree = MUSL_FILES if case == "alpine" else glibc()
    found = python(base, tree)
    assert (found.path, found.version, found.origin) == (path, version, origin)
    assert found.libc == ("musl" if case == "alpine" else "glibc")
    assert found.implementation == ("pypy" if "pypy" in case else "cpython")
    assert found.stdlib or origin == "pyinstaller"
    system = rootfs(base, tree)
    assert all(each.package or (each.path and each.path in system) for each in found.evidence)
    assert found.evidence


def test_a_frozen_application_is_one_python_under_all_its_names() -> None:
    tree: Tree = {
        "srv/app": frozen("3.12"),
        "srv/same": HardLink("srv/app"),
        "opt/serve": frozen("3.12"),
        "opt/worker": frozen("3.12"),
        "opt/helper": executable(),
        "opt/_internal/libpython3.12.so.1.0": elf(soname="libpython3.12.so.1.0"),
        "opt/_internal/base_library.zip": "PK",
        "usr/local/bin/python3": frozen("3.11"),
    }
    found = pythons(glibc(), tree)
    assert [(each.path, each.aliases, each.prefix) for each in found] == [
        ("opt/serve", ("opt/worker",), "opt/_internal"),
        ("srv/app", ("srv/same",), "srv"),
        ("usr/local/bin/python3", (), "usr/local/bin"),
    ]


def test_debians_pypy_shares_a_directory_with_debians_cpython() -> None:
    assert python(glibc(), debian_pypy()).site_packages == ("usr/lib/python3/dist-packages",)
