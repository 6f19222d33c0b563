"""Checksums, with isal and without."""

from __future__ import annotations

import importlib
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.layers import checksums


@given(st.binary(), st.binary())
def test_sums_are_those_of_zlib(one: bytes, other: bytes) -> None:
    assert checksums.crc32(other, checksums.crc32(one)) == zlib.crc32(one + other)


def test_without_isal_they_are_by_zlib(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "isal.isal_zlib", None)
        importlib.reload(checksums)
        assert checksums.crc32 is zlib.crc32
    importlib.reload(checksums)
    assert checksums.crc32 is not zlib.crc32
