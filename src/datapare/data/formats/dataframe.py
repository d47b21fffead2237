"""DataFrames of pandas and polars and tables of Arrow, as they are in memory."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset
from datapare.data.foreign_types import ArrowColumn, ArrowTable, DataFrame, Series
from datapare.data.placing import PlaceFile, file_in
from datapare.data.source import OpenRequest, RawTable, rows_of
from datapare.data.tables import rows_at
from datapare.errors import InputError


def accepts(source: object) -> bool:
    """Whether this is a DataFrame of pandas or polars, a LazyFrame, or a table or a batch of pyarrow."""
    package = type(source).__module__.partition(".")[0]
    return package in {"pandas", "polars", "pyarrow"} and type(source).__name__ in {
        "DataFrame",
        "LazyFrame",
        "Table",
        "RecordBatch",
    }


def read_object(source: DataFrame, request: OpenRequest) -> RawTable:  # noqa: ARG001 (every format is asked alike)
    """Read one row per row of the frame; an index of pandas that is more than row numbers is a column too."""
    table = _table(source)
    return RawTable(rows_of(table), origin=table)


def _table(frame: DataFrame) -> ArrowTable:
    import pyarrow as pa

    if type(frame).__module__.startswith("polars"):
        return _of_polars(frame.collect() if type(frame).__name__ == "LazyFrame" else frame)
    if type(frame).__name__ == "Table":
        return frame
    if type(frame).__name__ == "RecordBatch":
        return pa.Table.from_batches([frame])
    if not all(isinstance(name, str) for name in frame.columns):
        frame = frame.rename(columns=str)
    if len(set(frame.columns)) < len(frame.columns):
        raise InputError(f"two columns have the same name ({', '.join(frame.columns)}); rename one.")
    frame = _usual(frame)
    try:
        return pa.Table.from_pandas(frame)
    except (
        pa.ArrowException,
        OverflowError,
    ):  # objects of several types in one column, or of a type that Arrow has not
        mixed = {name: _held(frame[name]) for name in frame.columns if not _fits(frame[name])}
        table = pa.Table.from_pandas(frame.drop(columns=list(mixed)))
        for name, values in mixed.items():
            table = table.add_column(min(list(frame.columns).index(name), table.num_columns), name, values)
        return table


def _of_polars(frame: DataFrame) -> ArrowTable:
    """The table of a frame of polars; columns of types that Arrow has not, such as Int128, as texts."""
    import pyarrow as pa

    try:
        return frame.to_arrow()
    except pa.ArrowException:
        odd = [one.cast(str) for one in frame.iter_columns() if not _is_arrow(one)]
        return frame.with_columns(odd).to_arrow()


def _is_arrow(column: Series) -> bool:
    import pyarrow as pa

    try:
        column.to_arrow()
    except pa.ArrowException:
        return False
    return True


def _usual(frame: DataFrame) -> DataFrame:
    """A frame of pandas without what Arrow cannot hold: sparse columns as dense ones, bins and periods as texts."""
    import pandas as pd

    made = {}
    for name, kind in frame.dtypes.items():
        if isinstance(kind, pd.SparseDtype):
            made[name] = frame[name].sparse.to_dense()
        elif isinstance(kind, pd.IntervalDtype | pd.PeriodDtype):
            made[name] = frame[name].astype(str).where(frame[name].notna(), None)
        elif isinstance(kind, pd.CategoricalDtype) and isinstance(
            kind.categories.dtype, pd.IntervalDtype | pd.PeriodDtype
        ):
            made[name] = frame[name].cat.rename_categories(str)
    if not made:
        return frame
    out = frame.copy(deep=False)
    for name, values in made.items():
        out[name] = values
    return out


def _held(column: Series) -> ArrowColumn:
    """A column of objects as Arrow holds them: images encoded, arrays as lists, and values of several types as texts.

    Other objects become bytes, which come along and are never what a model reads.
    """
    import datasets
    import pyarrow as pa

    values = [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]
    there = [value for value in values if value is not None]
    if all(hasattr(value, "getexif") for value in there):  # images of Pillow
        encode = datasets.Image().encode_example
        cells = [None if value is None else encode(value) for value in values]
        return pa.array(cells, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    if all(hasattr(value, "tolist") and getattr(value, "ndim", 0) for value in there):  # arrays and tensors
        return pa.array([None if value is None else value.tolist() for value in values])
    texts = [None if value is None else str(value) for value in values]
    if all(isinstance(value, str | int | float | bytes) for value in there):
        return pa.array(texts, pa.string())
    return pa.array([None if text is None else text.encode() for text in texts], pa.binary())


def _fits(column: Series) -> bool:
    import pyarrow as pa

    try:
        pa.Array.from_pandas(column)
    except (pa.ArrowException, OverflowError):
        return False
    return True


def write_all(data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile) -> int:  # noqa: ARG001
    """Write the rows at `keep` as a Parquet file, which both libraries read with the same types."""
    import pyarrow.parquet as pq

    table: ArrowTable = data.origin
    pq.write_table(rows_at(table, keep.tolist()), file_in(out, Path("data.parquet")))
    return int(table.num_rows)
