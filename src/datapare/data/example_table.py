"""Every example of a source and what became of it, as one table for other tools."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datapare.artifacts import Scores, Subset
from datapare.data.dataset import BadExample, Dataset, name_column
from datapare.data.foreign_types import ArrowColumn, ArrowTable, ArrowType
from datapare.storage import atomic_write

BLOCK = 262_144  # rows at a time: as Python objects five million took 2.3 GB
Reasons = Callable[[NDArray[np.int64]], ArrowColumn]  # texts (n,) of the examples at n positions


def example_table(
    data: Dataset,
    subset: Subset,
    scores: Scores | ArrayLike | None = None,
    mean_prob: ArrayLike | None = None,
    why: Sequence[str] | Reasons | None = None,
) -> ArrowTable:
    """A `pyarrow.Table` of every example of the source in order, unreadable ones too, and whether it stays.

    Columns: name, key (uint64), label (class number), class (its name), score, mean_prob (missing where unknown),
    kept, why, and weight where the subset has weights (0 if dropped). `scores` (N,) is a `Scores` or an array,
    `mean_prob` is (N,), and `why` N texts, or a function that returns those at given positions as a `pyarrow.Array`.
    """
    import pyarrow as pa

    return pa.concat_tables(example_blocks(data, subset, scores, mean_prob, why))


def example_blocks(
    data: Dataset,
    subset: Subset,
    scores: Scores | ArrayLike | None = None,
    mean_prob: ArrayLike | None = None,
    why: Sequence[str] | Reasons | None = None,
) -> Iterator[ArrowTable]:
    """The rows of `example_table`, BLOCK at a time."""
    import pyarrow as pa

    columns = _columns(data, subset, scores, mean_prob, why)
    order = np.argsort(np.concatenate([data.row, [one.row for one in data.bad]]), kind="stable")
    for start in range(0, max(1, len(order)), BLOCK):
        at = order[start : start + BLOCK]
        known = at < len(data)
        table = pa.table({name: column(at[known]) for name, column in columns.items()})
        if not known.all():
            skipped = _skipped([data.bad[i - len(data)] for i in at[~known].tolist()], data, table.schema)
            place = np.where(known, np.cumsum(known) - 1, len(table) + np.cumsum(~known) - 1)
            table = pa.concat_tables([table, skipped]).take(pa.array(place)).combine_chunks()
        yield table


def _columns(
    data: Dataset,
    subset: Subset,
    scores: Scores | ArrayLike | None,
    mean_prob: ArrayLike | None,
    why: Sequence[str] | Reasons | None,
) -> dict[str, Reasons]:
    """What each column holds of the readable examples at given positions."""
    import pyarrow as pa

    classes, mask = pa.array(data.classes, pa.string()), subset.mask
    columns: dict[str, Reasons] = {
        "name": lambda at: name_column(data, at),
        "key": lambda at: pa.array(data.key[at], pa.uint64()),
        "label": lambda at: pa.array(data.label[at], pa.int64()),
        "class": lambda at: classes.take(pa.array(data.label[at])),
        "score": _floats(scores.score if isinstance(scores, Scores) else scores),
        "mean_prob": _floats(mean_prob),
        "kept": lambda at: pa.array(mask[at]),
        "why": why if callable(why) else _texts(why),
    }
    if subset.weight is not None:
        weight = np.zeros(subset.total)
        weight[subset.index] = subset.weight
        columns["weight"] = _floats(weight)
    return columns


def _texts(values: Sequence[str] | None) -> Reasons:
    """A column of texts; empty where none are given."""
    import pyarrow as pa

    if values is None:
        return lambda at: pa.repeat("", len(at))
    return lambda at: pa.array([values[i] for i in at.tolist()], pa.string())


def _floats(values: ArrayLike | None) -> Reasons:
    """A column of numbers; missing where they are NaN, or not given."""
    import pyarrow as pa

    if values is None:
        return lambda at: pa.nulls(len(at), pa.float64())
    known = np.asarray(values)
    return lambda at: pa.array(known[at].astype(np.float64), from_pandas=True)


def _skipped(bad: Sequence[BadExample], data: Dataset, schema: ArrowType) -> ArrowTable:
    """The rows of examples that could not be read, in order."""
    import pyarrow as pa

    rows = [
        {
            "name": one.name,
            "key": one.key,
            "label": one.label,
            "class": data.classes[one.label] if one.label >= 0 else None,
            "kept": False,
            "weight": 0.0,
            "why": f"unreadable: {one.reason}",
        }
        for one in bad
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def write_examples(table: ArrowTable | Iterable[ArrowTable], path: Path | str) -> Path:
    """Write an example table, whole or in blocks of rows, as Parquet; the file appears when it is complete."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    blocks = iter([table] if isinstance(table, pa.Table) else table)
    first = next(blocks)
    target = Path(path)
    options = {"compression": "zstd", "use_dictionary": ["label", "class"]}  # the others hardly repeat a value
    with atomic_write(target) as stage, pq.ParquetWriter(stage, first.schema, **options) as file:
        for block in chain([first], blocks):
            file.write_table(block)
    return target
