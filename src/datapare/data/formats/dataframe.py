"""DataFrames of pandas and polars and tables of Arrow, as they are in memory."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset
from datapare.data.foreign_types import ArrowTable, DataFrame, Series
from datapare.data.placing import PlaceFile, file_in
from datapare.data.source import OpenRequest, RawTable, rows_of
from datapare.data.tables import rows_at
from datapare.errors import InputError


def accepts(source: object) -> bool:
    """Whether this is a DataFrame of pandas or polars, a LazyFrame, or a table of pyarrow."""
    package = type(source).__module__.partition(".")[0]
    return package in {"pandas", "polars", "pyarrow"} and type(source).__name__ in {"DataFrame", "LazyFrame", "Table"}


def read_object(source: DataFrame, request: OpenRequest) -> RawTable:  # noqa: ARG001 (every format is asked alike)
    """Read one row per row of the frame; an index of pandas that is more than row numbers is a column too."""
    table = _table(source)
    return RawTable(rows_of(table), origin=table)


def _table(frame: DataFrame) -> ArrowTable:
    import pyarrow as pa

    if type(frame).__module__.startswith("polars"):
        return (frame.collect() if type(frame).__name__ == "LazyFrame" else frame).to_arrow()
    if type(frame).__name__ == "Table":
        return frame
    if not all(isinstance(name, str) for name in frame.columns):
        frame = frame.rename(columns=str)
    if len(set(frame.columns)) < len(frame.columns):
        raise InputError(f"two columns have the same name ({', '.join(frame.columns)}); rename one.")
    try:
        return pa.Table.from_pandas(frame)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # objects of several types in one column
        mixed = [name for name in frame.columns if frame[name].dtype == object and not _fits(frame[name])]
        texts = {name: frame[name].map(str, na_action="ignore") for name in mixed}
        return pa.Table.from_pandas(frame.assign(**texts))


def _fits(column: Series) -> bool:
    import pyarrow as pa

    try:
        pa.Array.from_pandas(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return False
    return True


def write_all(data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile) -> int:  # noqa: ARG001
    """Write the rows at `keep` as a Parquet file, which both libraries read with the same types."""
    import pyarrow.parquet as pq

    table: ArrowTable = data.origin
    pq.write_table(rows_at(table, keep.tolist()), file_in(out, Path("data.parquet")))
    return int(table.num_rows)
