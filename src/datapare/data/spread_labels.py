"""A label that is spread over one column of 0 and 1 for each class, as one column."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datapare.data.foreign_types import ArrowTable
from datapare.errors import InputError


def is_mark(value: str | None) -> bool:
    """Whether a text is 0 or 1."""
    return (value or "").strip() in {"0", "1", "0.0", "1.0"}


def with_one_label(table: ArrowTable, spread: Sequence[str], path: Path) -> ArrowTable:
    """Return the table with a column `label` of the names of the columns that hold the single 1 of each row.

    Args:
        table: The table of a list.
        spread: Those columns; where there are none the table is returned as it is.
        path: The list, for messages.

    Raises:
        InputError: For rows of several classes, or of none.
    """
    import pyarrow as pa

    if not spread:
        return table
    marks = np.stack([table[name].cast(pa.float64()).to_numpy() for name in spread], axis=1)
    several = np.flatnonzero((marks != 0).sum(axis=1) != 1)
    if len(several):
        count = int((marks[several[0]] != 0).sum())
        raise InputError(
            f"{path} has {len(several):,} rows that do not say one class, the first in row {several[0]} says "
            f"{count}: one class is read for each image; leave one 1 in each row, or take those rows out."
        )
    names = np.array([name.strip() for name in spread])
    return table.append_column("label", pa.array(names[marks.argmax(axis=1)].tolist(), pa.string()))
