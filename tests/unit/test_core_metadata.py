"""The headers of METADATA: all lines before the first empty one."""

import pytest

from pyimginspect.inventory.core_metadata import headers_of


@pytest.mark.parametrize(
    ("metadata", "headers"),
    [
        (b"", []),
        (b"Name: a", ["Name: a"]),
        (b"Name: a\n", ["Name: a"]),
        (b"Name: a\nVersion: 1\n\nLicense: no header", ["Name: a", "Version: 1"]),
        (b"Name: a\r\nVersion: 1\r\n\r\nText\r\n\r\n", ["Name: a", "Version: 1"]),
        (b"Name: a\r\r\n\r\r\nText", ["Name: a"]),
        (b"License: a\n  b\n \nName: c\n\n", ["License: a", "  b", " ", "Name: c"]),
        (b"\nName: a\n", []),
        (b"\r\nName: a\n", []),
        (b"\n\nName: a\n", []),
        (b"Name: \xe2\x82\n\n\xff", ["Name: \N{REPLACEMENT CHARACTER}"]),
    ],
)
def test_headers_end_at_the_first_empty_line(metadata: bytes, headers: list[str]) -> None:
    assert headers_of(metadata) == headers
