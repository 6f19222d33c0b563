"""Licences: what the metadata of distributions and packages says, and nothing more."""

import pytest

from pyimginspect.inventory.licenses import distribution_licenses, one_license
from pyimginspect.inventory.packages.apk import parse_installed
from pyimginspect.layers.licenses import is_copyright, license_names
from pyimginspect.layers.rpmheader import read_header
from tests.images import Link
from tests.inventories import on_slim, taken
from tests.rpms import header

FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("License-Expression: MIT\n", ("MIT",)),
        ("License: Old\nLicense-Expression: MIT OR Zlib\n", ("MIT OR Zlib",)),
        ("License: BSD\n", ("BSD",)),
        ("License: BSD\r\nName: x\r\n", ("BSD",)),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT\n", ("MIT",)),
        ("License: a\n        b\nClassifier: License :: Public Domain\n", ("Public Domain",)),
        ("License: " + "x" * 300 + "\n", ()),
        ("License: " + "x" * 200 + "\n", ("x" * 200,)),
        ("License: MIT\nLicense: BSD\n", ("MIT",)),
        ("Classifier: Programming Language :: Python\n"
         "Classifier: License :: OSI Approved :: MIT License\n", ("MIT License",)),
        # the first 64 KiB and fifty classifiers are read
        ("Summary: " + "x" * ((64 << 10) - 10) + "\nLicense: MIT\n", ()),
        ("Summary: " + "x" * ((64 << 10) - 23) + "\nLicense: MIT\n", ("MIT",)),
        ("".join(f"Classifier: License :: {n}\n" for n in range(100, 151)),
         tuple(str(n) for n in range(100, 150))),
        (
            "Classifier: License :: OSI Approved\n"
            "Classifier: License :: OSI Approved :: BSD License\n"
            "Classifier: License :: OSI Approved :: Apache Software License\n"
            "Classifier: Programming Language :: Python\n",
            ("Apache Software License", "BSD License"),
        ),
        ("Name: x\n\nLicense: MIT\n", ()),
        ("License:\n", ()),
        ("", ()),
        (" folded\n", ()),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_metadata(metadata: str, expected: tuple[str, ...]) -> None:
    assert distribution_licenses(metadata.encode()) == expected


def test_metadata_that_is_no_text() -> None:
    assert distribution_licenses(b"License: \xff\xfe\n") == ("\ufffd\ufffd",)
    assert distribution_licenses(b"Classifier: License :: A\n" * 100_000) == ("A",)


@pytest.mark.parametrize("text", ["", " ", "UNKNOWN", "None", "(none)", "x" * 201])
def test_fields_that_say_nothing(text: str) -> None:
    assert one_license(text) == ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            FORMAT + "\nFiles: *\nCopyright: x\nLicense: GPL-2+\n text\n License: no\n\nFiles: a\n"
            "License: Expat\n\nLicense: GPL-2+\n more\n",
            b"Expat\nGPL-2+",
        ),
        ("Format: http://svn.debian.org/wsvn/dep/web/deps/dep5.mdwn\nLicense: MIT\n", b"MIT"),
        (FORMAT, b""),
        ("Format: of my own\nLicense: MIT\n", None),
        ("Formerly known as x\nLicense: MIT\n", None),
        ("This package was debianized by…\nLicense: GPL\n", None),
    ],
)  # fmt: skip
def test_copyright_of_debian(text: str, names: bytes | None) -> None:
    assert license_names(text.encode()) == names


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("usr/share/doc/bash/copyright", True),
        ("usr/share/doc/a/b/copyright", False),
        ("opt/usr/share/doc/bash/copyright", False),
        ("usr/share/doc/copyright", False),
    ],
)
def test_where_copyright_is(path: str, expected: bool) -> None:
    assert is_copyright(path) is expected


def test_an_image_of_debian() -> None:
    """Documentation of one package may be a link to another's, as libstdc++6's is to gcc's."""
    found = taken(
        on_slim(
            {
                "usr/share/doc/libc6/copyright": FORMAT + "\nFiles: *\nLicense: LGPL-2.1+\n",
                "usr/share/doc/base-files/copyright": "for people\nLicense: GPL\n",
                "usr/share/doc/dash": Link("libc6"),
                "usr/local/lib/python3.13/site-packages/x-1.dist-info/METADATA":
                    "Metadata-Version: 2.4\nName: x\nVersion: 1\nLicense-Expression: MIT\n",
                "usr/local/lib/python3.13/site-packages/x-1.dist-info/RECORD": "",
            }
        )
    )  # fmt: skip
    licences = {package.name: package.licenses for package in found.packages.packages}
    assert licences["libc6"] == ("LGPL-2.1+",)
    assert licences["dash"] == ("LGPL-2.1+",)
    assert licences.get("base-files", ()) == ()
    (distribution,) = (each for each in found.distributions if each.name == "x")
    assert distribution.licenses == ("MIT",)
    kept = [text for path, text in found.rootfs.texts.items() if path.endswith("/copyright")]
    assert kept == [b"LGPL-2.1+"], "the texts of licences are not kept"


def test_apk_and_rpm() -> None:
    (package,) = parse_installed(b"P:x\nV:1\nL:MIT AND Zlib\n\n")
    assert package.license == "MIT AND Zlib"
    tags = {"name": "x", "version": "1", "license": "GPLv2+ and MIT"}
    found = read_header(header(tags), 1000)
    assert found.license == "GPLv2+ and MIT"
