"""The column that identifies an example: the named one, or one of a usual name whose values all differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datapare.data.column_names import IDS
from datapare.data.columns import require
from datapare.data.dataset import ColumnNames, column
from datapare.data.foreign_types import ArrowColumn, Rows
from datapare.data.keys import repeated_keys
from datapare.data.text_hashes import text_hashes
from datapare.errors import InputError


@dataclass(frozen=True, eq=False)
class Ids:
    """The ids of N examples.

    Attributes:
        column: The column that holds them.
        name: The ids as texts, N of them.
        key: A key of each, uint64 (N,).
    """

    column: str
    name: ColumnNames
    key: NDArray[np.uint64]


def find_ids(rows: Rows, label: str, inputs: Sequence[str], named: str | None) -> Ids | None:
    """Find the ids: of the named column, or of one of a usual name with a different value in every row.

    Raises:
        InputError: Where the named column lacks a value, or repeats one.
    """
    if named is not None:
        require(rows.column_names, named, "id")
        return _named(rows, named)
    by_name = {one.strip().lower(): one for one in reversed(rows.column_names)}
    for name in IDS:
        one = by_name.get(name)
        if one is None or one == label or (one in inputs and len(inputs) == 1) or not _could_be_id(rows, one):
            continue
        found = _ids(rows, one)
        if found is not None and _first_repeated(found) is None:
            return found
    return None


def _named(rows: Rows, name: str) -> Ids:
    missing = column(rows, name).is_null().to_numpy(zero_copy_only=False)
    if missing.any():
        raise InputError(f"the id column {name!r} is missing in row {missing.argmax()}; every example needs an id.")
    found = Ids(name, ColumnNames(text := _text(column(rows, name))), text_hashes(text))
    row = _first_repeated(found)
    if row is not None:
        raise InputError(
            f"the id column {name!r} repeats {found.name[row]!r} in row {row}; an id belongs to one example."
        )
    return found


def _ids(rows: Rows, name: str) -> Ids | None:
    """The ids of a column; None where one is missing or empty, or the first ones repeat."""
    import pyarrow.compute as pc

    values = column(rows, name)
    first = values.slice(0, 1000)
    if values.null_count or len(first.unique()) < len(first):
        return None
    text = _text(values)
    if pc.min(pc.binary_length(text)).as_py() == 0:
        return None
    return Ids(name, ColumnNames(text), text_hashes(text))


def _text(values: ArrowColumn) -> ArrowColumn:
    """The values as a chunked array of texts, as Python writes them."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return values
    if pa.types.is_integer(kind):
        return values.cast(pa.string())
    return pa.chunked_array([pa.array([str(value) for value in values.to_pylist()], pa.string())])


def _first_repeated(ids: Ids) -> int | None:
    """The first row whose id is that of an earlier row."""
    seen: set[str] = set()
    for row in repeated_keys(ids.key)[1].tolist():  # two texts may share a hash
        name = ids.name[row]
        if name in seen:
            return int(row)
        seen.add(name)
    return None


def _could_be_id(rows: Rows, name: str) -> bool:
    import pyarrow as pa

    kind = rows.data.schema.field(name).type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind))
