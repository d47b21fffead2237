"""How many bytes columns take once they are decoded: a few may stand for very many, in files of strangers."""

from pathlib import Path

import numpy as np

from datapare.data.foreign_types import ArrowColumn, ParquetFile

_TEXTS = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")


def decoded_bytes(values: ArrowColumn) -> int:
    """Return the bytes of the values of dictionaries, runs and views, each counted as often as it occurs; else 0.

    >>> import pyarrow as pa
    >>> decoded_bytes(pa.chunked_array([pa.array(["abc", "d", "abc", None]).dictionary_encode()]))
    7
    """
    return sum(_of_chunk(chunk) for chunk in values.chunks)


def _of_chunk(chunk: ArrowColumn) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(chunk.type):
        width = _widths(chunk.dictionary)
        return 0 if width is None else int(pc.sum(pc.take(width, chunk.indices), min_count=0).as_py())
    if pa.types.is_run_end_encoded(chunk.type):
        width = _widths(chunk.values)
        if width is None:
            return 8 * len(chunk)
        ends = pc.cast(chunk.run_ends, pa.int64())
        runs = pc.subtract(ends, pa.concat_arrays([pa.array([0], pa.int64()), ends[:-1]]))
        return int(pc.sum(pc.multiply(runs, width), min_count=0).as_py())
    if pa.types.is_string_view(chunk.type) or pa.types.is_binary_view(chunk.type):
        return _viewed(chunk)
    return 0


def _viewed(chunk: ArrowColumn) -> int:
    """The bytes of texts that are views; of each view of 16 bytes the first four are the length."""
    views = np.frombuffer(chunk.buffers()[1], np.int32).reshape(-1, 4)[chunk.offset : chunk.offset + len(chunk), 0]
    return int(views[chunk.is_valid().to_numpy(zero_copy_only=False)].sum(dtype=np.int64))


def _widths(values: ArrowColumn) -> ArrowColumn | None:
    """The length of each text, as int64; None for values that are no texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_fixed_size_binary(values.type):
        return pa.array([values.type.byte_width] * len(values), pa.int64())
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return pc.cast(pc.binary_length(values), pa.int64()) if any(is_kind(values.type) for is_kind in kinds) else None


def parquet_bytes(file: Path, most: float) -> int:
    """Return the bytes that a Parquet file takes in memory, counted until there are more than `most`.

    The file says how much is stored; of texts in dictionaries, which are stored once, it does not say how much they
    stand for. Where that may be too much they are read without being decoded.

    Args:
        file: The file.
        most: A number of bytes.

    Raises:
        ArrowInvalid: For a file that cannot be read.
    """
    import pyarrow.parquet as pq

    found = pq.read_metadata(file)
    groups = [found.row_group(i) for i in range(found.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    stored = sum(group.total_byte_size for group in groups)
    stored = int(max(stored, found.num_rows * found.num_columns, sum(one.num_values for one in chunks)))
    texts = [one for one in chunks if one.has_dictionary_page and one.physical_type in _TEXTS]
    if stored > most or sum(one.num_values * one.total_uncompressed_size for one in texts) <= most:
        return stored
    names = sorted({one.path_in_schema for one in texts})
    with pq.ParquetFile(file, read_dictionary=names) as opened:
        return max(stored, _read_undecoded(opened, names, most))


def _read_undecoded(opened: ParquetFile, names: list[str], most: float) -> int:
    total = 0
    for group in range(opened.num_row_groups):
        for name in names:
            total += sum(_of_chunk(_innermost(one)) for one in opened.read_row_group(group, [name]).column(0).chunks)
            if total > most:
                return total
    return total


def _innermost(values: ArrowColumn) -> ArrowColumn:
    """What lists and structs of one field hold."""
    import pyarrow as pa

    while pa.types.is_nested(values.type) and values.type.num_fields == 1:
        values = values.field(0) if pa.types.is_struct(values.type) else values.flatten()
    return values
