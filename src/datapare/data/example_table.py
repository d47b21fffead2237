"""Every example of a source and what became of it, as one table for other tools."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datapare.artifacts import Scores, Subset
from datapare.data.dataset import Dataset, all_names
from datapare.data.foreign_types import Array, ArrowColumn, ArrowTable
from datapare.storage import atomic_write

T = TypeVar("T")


def example_table(
    data: Dataset,
    subset: Subset,
    scores: Scores | ArrayLike | None = None,
    mean_prob: ArrayLike | None = None,
    why: Sequence[str] | None = None,
) -> ArrowTable:
    """A `pyarrow.Table` of every example of the source in order, unreadable ones too, and whether it stays.

    Columns: name, key (uint64), label (class number), class (its name), score, mean_prob (missing where unknown),
    kept, why, and weight where the subset has weights (0 if dropped). `scores` (N,) is a `Scores` or an array,
    `mean_prob` and `why` are (N,).
    """
    import pyarrow as pa

    total = len(data) + len(data.bad)
    bad = {one.row: one for one in data.bad}
    at = np.full(total, -1)
    at[data.row] = np.arange(len(data))
    label = _spread(data.label, at, {row: one.label for row, one in bad.items()})
    reason = _spread(
        why if why is not None else [""] * len(data), at, {r: f"unreadable: {b.reason}" for r, b in bad.items()}
    )
    columns = {} if subset.weight is None else {"weight": _floats(_weight(subset), at)}
    return pa.table(
        {
            "name": pa.array(all_names(data), pa.string()),
            "key": pa.array(_spread(data.key, at, {row: one.key for row, one in bad.items()}), pa.uint64()),
            "label": pa.array(label, pa.int64()),
            "class": pa.array([data.classes[i] for i in label], pa.string()),
            "score": _floats(scores.score if isinstance(scores, Scores) else scores, at),
            "mean_prob": _floats(mean_prob, at),
            "kept": pa.array(_spread(subset.mask, at, dict.fromkeys(bad, False)), pa.bool_()),
            "why": pa.array(reason, pa.string()),
        }
        | columns
    )


def _weight(subset: Subset) -> NDArray[np.float64]:
    """The weights (N,) of all examples."""
    weight = np.zeros(subset.total)
    weight[subset.index] = subset.weight
    return weight


def _spread(values: Sequence[T] | Array, at: NDArray[np.int64], bad: dict[int, T]) -> list[T]:
    """The values (N,) of the readable examples and those of the bad ones, in source order."""
    plain = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return [bad[row] if i < 0 else plain[i] for row, i in enumerate(at)]


def _floats(values: ArrayLike | None, at: NDArray[np.int64]) -> ArrowColumn:
    import pyarrow as pa

    if values is None:
        return pa.nulls(len(at), pa.float64())
    known = np.append(np.asarray(values, np.float64), np.nan)[at]
    return pa.array(known, pa.float64(), mask=np.isnan(known))


def write_examples(table: ArrowTable, path: Path | str) -> Path:
    """Write an example table as Parquet; the file appears when it is complete."""
    import pyarrow.parquet as pq

    target = Path(path)
    with atomic_write(target) as stage:
        pq.write_table(table, stage, compression="zstd")
    return target
