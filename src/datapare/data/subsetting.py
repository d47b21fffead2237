"""Some examples of a dataset as a dataset of their own, or all of them in another order."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset, Identity, names_at


def take(data: Dataset, index: NDArray[np.int64]) -> Dataset:
    """The examples at `index` (n,) alone, in that order; `row` still says where each is in the source.

    >>> from datapare.data import open_dataset
    >>> some = take(open_dataset((np.eye(4), [0, 1, 0, 1])), np.array([1, 3]))
    >>> some.label.tolist(), some.row.tolist()
    ([1, 1], [1, 3])
    """
    name = names_at(data.name, index)
    label = data.label[index]
    return replace(
        data, rows=data.rows.select(index), label=label, identity=Identity(data.key[index], label), name=name,
        row=data.row[index], array=None if data.array is None else data.array[index], bad=(),
        group=None if data.group is None else data.group[index],
    )  # fmt: skip


def in_order_of(data: Dataset, key: NDArray[np.uint64] | None) -> Dataset:
    """The dataset in the order of these keys (N,) where it holds the same examples in another one; else as it is.

    >>> from datapare.data import open_dataset
    >>> x, y = np.eye(4), np.array([0, 1, 0, 1])
    >>> before, now = open_dataset((x, y)), open_dataset((x[[2, 3, 0, 1]], y))
    >>> same = in_order_of(now, before.key)
    >>> same.digest == before.digest, same.row.tolist()
    (True, [2, 3, 0, 1])
    """
    if key is None or len(key) != len(data) or np.array_equal(key, data.key):
        return data
    here, there = np.argsort(data.key), np.argsort(key)
    if not np.array_equal(data.key[here], key[there]):
        return data
    position = np.empty(len(data), np.int64)
    position[there] = here
    return replace(take(data, position), bad=data.bad)
