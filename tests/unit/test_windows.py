"""Windows images: layers below `Files/`, capitals that do not count, a Python from python.org."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pyimginspect import api
from pyimginspect.model import Entry, LayerIndex, Platform
from pyimginspect.sources.windows import with_one_spelling
from tests.images import File, Image, dist_info, image, tar
from tests.layouts import blob_name, layout
from tests.pe import pe, windows_python

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

# As docker-library/python writes its Dockerfile for Windows, the base layers are Microsoft's.
HISTORY: list[str | Mapping[str, Any]] = [
    "Apply image 10.0.20348.169",
    "Install update 10.0.20348.2000",
    {"created_by": "ENV PYTHONIOENCODING=UTF-8", "empty_layer": True},
    {"created_by": "ENV PYTHON_VERSION=3.13.1", "empty_layer": True},
    "RUN powershell -Command $url = ('https://www.python.org/ftp/python/{0}/python-{1}-amd64.exe'"
    " -f ($env:PYTHON_VERSION -replace '[a-z]+[0-9]*$', ''), $env:PYTHON_VERSION);"
    " python.exe --version",
    {"created_by": 'CMD ["python"]', "empty_layer": True},
    "RUN powershell pip install requests",
]


def windows_image() -> Image:
    python = {
        "Files/": None,
        "Files/Python/": None,
        "Files/Python/python.exe": windows_python("3.13.1"),
        "Files/Python/python313.dll": windows_python("3.13.1"),
        "Files/Python/Lib/": None,
        "Files/Python/Lib/os.py": "import sys\n" * 100,
        "Files/Python/Lib/site-packages/": None,
        "Hives/Software_Delta": b"regf" + bytes(600),
    }
    application = {
        **{
            f"Files/python/lib/Site-Packages/{name.partition('site-packages/')[2]}": data
            for name, data in dist_info("requests", "2.32.3").items()
        },
        "Files/app/.venv/pyvenv.cfg": "home = C:\\Python\nversion = 3.13.1\n",
        "Files/app/.venv/Scripts/python.exe": windows_python("3.13.1"),
        "Files/app/tool.exe": pe((1, 0, 0, 0)),
    }
    base = {"Files/Windows/System32/kernel32.dll": pe((10, 0, 20348, 1))}
    return image(
        [base, {"Files/Windows/notepad.exe": "x"}, python, application],
        history=HISTORY,
        env=["PYTHONIOENCODING=UTF-8", "PYTHON_VERSION=3.13.1"],
        cmd=["python"],
        platform="windows/amd64",
    ).with_config(**{"os.version": "10.0.20348.2000"})


@pytest.fixture
def reference(tmp_path: Path) -> str:
    """The image as it is passed on: without Microsoft's own layers."""
    one = windows_image()
    files = layout(one, one.layers, layer={"mediaType": FOREIGN})
    for blob in one.layers[:2]:
        del files[blob_name(blob)]
    path = tmp_path / "windows.tar"
    path.write_bytes(tar(files))
    return str(path)


def test_the_report_of_an_official_python_on_windows(reference: str) -> None:
    report = api.inspect(reference, platform="windows/amd64")
    assert [each.absent for each in report.layers] == [True, True, False, False]
    assert (report.base.family, report.base.variant) == ("python", "windowsservercore")
    assert report.libc.flavor == "ucrt"
    (python,) = report.pythons
    assert (python.path, python.version) == ("Files/Python/python.exe", "3.13.1")
    assert python.libc == "ucrt"
    assert python.architecture == "x86_64"
    assert python.layer == 2
    assert python.effective
    assert python.libpython == "Files/Python/python313.dll"
    assert python.site_packages == ("Files/Python/Lib/site-packages",)
    sizes = [len(windows_python("3.13.1"))] * 2 + [1100]
    assert python.size == sum(sizes)


def test_an_environment_is_no_further_python(reference: str) -> None:
    assert len(api.inspect(reference).pythons) == 1


def test_another_python_comes_first_on_the_path(tmp_path: Path) -> None:
    one = windows_image()
    second = image(
        [*one.layers, {"Files/Tools/Py 12/Python.EXE": windows_python("3.12.4")}],
        history=[*HISTORY, "COPY tools C:/Tools"],
        env=["Path=C:\\Tools\\Py 12;C:\\Windows"],
        platform="windows/amd64",
    )
    path = tmp_path / "windows.tar"
    path.write_bytes(tar(layout(second, second.layers)))
    found = {each.path: (each.version, each.effective) for each in api.inspect(str(path)).pythons}
    assert found == {
        "Files/Python/python.exe": ("3.13.1", False),
        "Files/Tools/Py 12/Python.EXE": ("3.12.4", True),
    }


def test_a_path_is_one_file_however_it_is_spelled(reference: str) -> None:
    with api.open_image(reference) as opened:
        paths = set(opened.rootfs)
    assert "Files/Python/Lib/site-packages/requests-2.32.3.dist-info/METADATA" in paths
    assert not [path for path in paths if path.startswith("Files/python")]


def entry(path: str, **more: object) -> Entry:
    fields = {"mode": 0, "uid": 0, "gid": 0, "size": 0, "stored": 0, "offset": 0, "mtime": 0}
    return Entry(path=path, **{"kind": "file", **fields, **more})  # type: ignore[arg-type]


def test_spelling() -> None:
    layers = [
        LayerIndex(size=0, entries=(entry("Files/A", kind="directory"), entry("Files/A/B.txt"))),
        LayerIndex(
            size=0,
            entries=(
                entry("files/a/b.TXT"),
                entry("FILES/a/.wh.b.txt"),
                entry("Files/a/.wh..wh..opq"),
                entry("Files/New/x"),
                entry("Files/a/link", kind="hardlink", target="files/NEW/X"),
            ),
        ),
        LayerIndex(size=0, entries=(entry("files/new/Y"), entry("files/a"))),
    ]
    spelled = [[e.path for e in index.entries] for index in with_one_spelling(layers)]
    assert spelled == [
        ["Files/A", "Files/A/B.txt"],
        [
            "Files/A/B.txt",
            "Files/A/.wh.B.txt",
            "Files/A/.wh..wh..opq",
            "Files/New/x",
            "Files/A/link",
        ],
        ["Files/New/Y", "Files/A"],
    ]
    assert with_one_spelling(layers)[1].entries[4].target == "Files/New/x"


def test_linux_tells_capitals(tmp_path: Path) -> None:
    one = image([{"a/File": File("1")}, {"A/file": File("2")}])
    path = tmp_path / "linux.tar"
    path.write_bytes(tar(layout(one, one.layers)))
    with api.open_image(str(path), platform=Platform()) as opened:
        assert {"a/File", "A/file"} <= set(opened.rootfs)
