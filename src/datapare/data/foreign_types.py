"""Names for arrays of any dtype, and for objects of packages whose types mypy does not see.

mypy skips datasets, pyarrow, pandas, transformers and fsspec (`follow_imports = "skip"` in pyproject.toml), so each
of these objects is Any to it; the names record which one is meant.
"""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]  # of any dtype and shape
Rows = Any  # datasets.Dataset, or an IterableDataset before it is read
LoadedRows = Any  # datasets.Dataset, IterableDataset or DatasetDict
ArrowTable = Any  # pyarrow.Table
ArrowColumn = Any  # pyarrow.ChunkedArray or pyarrow.Array
ArrowReader = Any  # pyarrow.ipc.RecordBatchFileReader or RecordBatchStreamReader
ArrowType = Any  # pyarrow.DataType
ArrowSchema = Any  # pyarrow.Schema
ParquetFile = Any  # pyarrow.parquet.ParquetFile
DataFrame = Any  # pandas.DataFrame, polars.DataFrame or polars.LazyFrame
Series = Any  # pandas.Series
Tokenizer = Any  # transformers.PreTrainedTokenizerBase
FileSystem = Any  # fsspec.AbstractFileSystem
PackedFile = Any  # a gzip, bz2 or lzma file, or a stream of pyarrow
Value = Any  # of a column, as pyarrow gives it to Python: a number, text, bytes, list or dict
