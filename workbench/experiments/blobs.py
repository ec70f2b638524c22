"""Tables in Parquet files that are named by what they hold, so equal ones are kept once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from workbench.corpus.faults import disk_faults, is_file
from workbench.errors import ExperimentError
from workbench.system.files import replace_bytes

FOLDER = "tables"


def keep_table(folder: Path, columns: Mapping[str, Any], about: Mapping[str, str] = {}) -> str:
    """Write a table, and return its name: the sha256 of the file. `columns` are numpy arrays or
    lists of one length; a float32 matrix becomes one column of fixed-size lists."""
    content = encode(columns, about)
    name = sha256(content).hexdigest()
    path = folder / FOLDER / f"{name}.parquet"
    with disk_faults(path):
        if not is_file(path) or path.stat().st_size != len(content):
            replace_bytes(path, content)
    return name


def read_table(folder: Path, name: str) -> dict[str, Any]:
    """Columns by name: numpy arrays of numbers, lists of texts, matrices. Raises ExperimentError
    where the file is missing or has other bytes than when it was written."""
    path = folder / FOLDER / f"{name}.parquet"
    if not is_file(path):
        raise ExperimentError(
            f"{path}: missing; copy the whole folder {folder.name}, its {FOLDER} too"
        )
    with disk_faults(path):
        content = path.read_bytes()
    if sha256(content).hexdigest() != name:
        raise ExperimentError(
            f"{path}: changed after it was written (its sha256 is no longer its name); restore it "
            "from a copy"
        )
    return decode(content)


def encode(columns: Mapping[str, Any], about: Mapping[str, str]) -> bytes:
    """The bytes of a Parquet file; numbers are kept bit by bit."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {name: _arrow(values) for name, values in columns.items()}
    table = pa.table(arrays).replace_schema_metadata(dict(about) or None)
    texts = [name for name, array in arrays.items() if pa.types.is_string(array.type)]
    # Bytes of equal weight side by side compress; scores and vectors are most of a record.
    split = [path for path, kind in _leaves(table.schema) if kind in _FLOATS]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=[*texts, *_small(arrays)],
        use_byte_stream_split=split,
        write_statistics=False,
    )
    found: bytes = sink.getvalue().to_pybytes()
    return found


def decode(content: bytes) -> dict[str, Any]:
    """What `encode` was given. Raises ExperimentError for bytes that are none of its."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowInvalid, OSError) as error:
        raise ExperimentError(f"a table cannot be read ({error}); restore it from a copy") from None
    return {name: _plain(table.column(name).combine_chunks()) for name in table.column_names}


_FLOATS = ("FLOAT", "DOUBLE")


def _arrow(values: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, np.ndarray) and values.ndim == 2:
        flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).ravel())
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    if isinstance(values, np.ndarray) and values.dtype.kind == "U":
        return pa.array(values.tolist(), type=pa.string())
    if isinstance(values, list):
        return pa.array(values, type=pa.string())
    return pa.array(values)


def _plain(array: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_fixed_size_list(array.type):
        width = array.type.list_size
        return array.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    if pa.types.is_string(array.type):
        return array.to_pylist()
    return array.to_numpy(zero_copy_only=False)


@cache
def _leaves(schema: Any) -> list[tuple[str, str]]:
    """Paths and physical types of what a file of this schema has; tables have few schemas."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink)
    columns = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    found = [columns.column(i) for i in range(len(columns.names))]
    return [(column.path, str(column.physical_type)) for column in found]


def _small(arrays: Mapping[str, Any]) -> list[str]:
    """Columns of whole numbers, of which few differ."""
    import pyarrow as pa

    return [name for name, array in arrays.items() if pa.types.is_integer(array.type)]
