"""A row for each finding of each reference, as Apache Parquet (extra ``parquet``)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow
from pyarrow import parquet

from pyimginspect.fleet import Fleet
from pyimginspect.formats.fleet._findings import COLUMNS, rows

__all__ = ["render"]

# A few megabytes at a time; Arrow's default is a million rows, all of which would be in memory.
_BATCH = 50_000  # rows of a row group


def render(fleet: Fleet) -> Iterator[bytes]:
    """Return a Parquet file."""
    kinds: dict[str, Any] = {"fails": pyarrow.bool_(), "waived": pyarrow.bool_()}
    kinds["saving"] = pyarrow.int64()
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS])
    file = io.BytesIO()
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        remaining = rows(fleet)
        while batch := list(islice(remaining, _BATCH)):
            columns = list(zip(*batch, strict=True))
            arrays = [
                pyarrow.array(column, field.type)
                for column, field in zip(columns, schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
    yield file.getvalue()
