"""Columns of arrays, as `datasets` has them (Array2D, Array3D) and as plain lists of lists of numbers."""

import numpy as np

from datapare.data.dataset import column
from datapare.data.foreign_types import Array, ArrowColumn, ArrowType, Rows
from datapare.errors import InputError


def number_depth(kind: ArrowType) -> int:
    """Return how many lists deep the numbers of a column lie: 0 for numbers, 1 for vectors; -1 where there are none.

    >>> import pyarrow as pa
    >>> number_depth(pa.list_(pa.list_(pa.uint8()))), number_depth(pa.list_(pa.string()))
    (2, -1)
    """
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = number_depth(kind.value_type)
        return inner + 1 if inner >= 0 else -1
    return 0 if pa.types.is_integer(kind) or pa.types.is_floating(kind) else -1


def stacked(rows: Rows, name: str) -> Array:
    """Return a column of arrays of one size as one array (N, …).

    Raises:
        InputError: Where one is missing or of another size.
    """
    import pyarrow as pa

    values = column(rows, name).combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values.type, pa.BaseExtensionType):
        values = values.storage
    shape = [len(values)]
    while number_depth(values.type) > 0:
        shape.append(_length(values, name))
        values = values.flatten()
    if values.null_count:
        raise InputError(f"{name!r} holds arrays in which numbers are missing; leave those rows out, or fill them in.")
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(shape)


def _length(values: ArrowColumn, name: str) -> int:
    import pyarrow.compute as pc

    found = pc.min_max(pc.list_value_length(values)).as_py()
    if values.null_count or found["min"] != found["max"]:
        sizes = "some are missing" if values.null_count else f"{found['min']} and {found['max']} along one side"
        raise InputError(
            f"{name!r} holds arrays that are not all of one size ({sizes}); save them as encoded images, or scale them."
        )
    return int(found["min"] or 0)
