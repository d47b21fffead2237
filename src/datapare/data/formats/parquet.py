"""Parquet: one file or many of one schema."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datapare.data.decoded_sizes import parquet_bytes
from datapare.data.foreign_types import ArrowTable, ParquetFile, Rows
from datapare.data.source import OpenRequest, RawTable, SourceFiles, check_unpacked, rows_of
from datapare.data.tables import concatenated, rows_at
from datapare.errors import InputError

SUFFIXES = (".parquet",)
PRIORITY = 2
_IN_MEMORY = 4 << 30


def read(source: SourceFiles, request: OpenRequest) -> RawTable:
    """The rows of Parquet files of one schema, in memory; above 4 GiB memory-mapped from the cache of `datasets`."""
    files = source.with_suffix(SUFFIXES, request.split)
    stored = sum(file.stat().st_size for file in files)
    unpacked = [_unpacked(file, request.max_gib) for file in files]
    for file, size in zip(files, unpacked, strict=True):
        if stored <= _IN_MEMORY:
            check_unpacked(file, size, request.max_gib)
    if request.stream or max(stored, sum(unpacked)) > _IN_MEMORY:
        return RawTable(_mapped(files), source.path, files)
    tables = [_table(file) for file in files]
    return RawTable(rows_of(concatenated(tables, files), request.max_gib), source.path, files)


def peek(path: Path) -> tuple[list[str], int]:
    """The columns and the number of rows of a file, of which only the end is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise _broken(path, error) from None
    return list(found.schema_arrow.names), int(found.metadata.num_rows)


def column_texts(path: Path, name: str) -> list[str]:
    """One column of a file as texts, the rest unread."""
    import pyarrow.parquet as pq

    return [str(value) for value in pq.read_table(path, columns=[name]).column(0).to_pylist()]


def _broken(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is no Parquet file that can be read: {str(error).splitlines()[0]}")


def _unpacked(file: Path, max_gib: float) -> int:
    """Bytes that a file takes in memory, at least one per value; 0 where it cannot be read."""
    import pyarrow as pa

    try:
        return parquet_bytes(file, max_gib * 2**30)
    except (pa.ArrowException, OSError):
        return 0  # said when it is read


def _table(file: Path) -> ArrowTable:
    """One file, its dictionaries (pandas categories) as their values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file).read()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise _broken(file, error) from None
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(field.type.value_type))
    return table


def _mapped(files: Sequence[Path]) -> Rows:
    import datasets

    from datapare.data.formats.hf_datasets import quiet
    from datapare.data.source import undecoded

    with quiet():
        return undecoded(datasets.load_dataset("parquet", data_files=[str(file) for file in files], split="train"))


def write(source: Path, keep: Sequence[int], out: Path | BinaryIO) -> int:
    """The rows of one file at `keep`, in the same schema, row groups, compression and metadata; the number there were.

    Positions outside of the file are ignored. One row group is in memory at a time.
    """
    import pyarrow.parquet as pq

    at = np.asarray(keep, np.int64)
    with pq.ParquetFile(source) as file, pq.ParquetWriter(out, file.schema_arrow, **_settings(file)) as writer:
        start = 0
        for group in range(file.num_row_groups):
            stop = start + file.metadata.row_group(group).num_rows
            chosen = at[(at >= start) & (at < stop)] - start
            if len(chosen):
                writer.write_table(rows_at(file.read_row_group(group), chosen))
            start = stop
    return start


def _settings(file: ParquetFile) -> dict[str, dict[str, str]]:
    if not file.num_row_groups:
        return {}
    group = file.metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    codec = {column.path_in_schema: column.compression.lower() for column in columns}
    names = {one: "none" if one == "uncompressed" else one for one in set(codec.values())}
    return {"compression": {path: names[one] for path, one in codec.items()}}
