"""Some examples of a dataset as a dataset of their own."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import dataset_digest
from datapare.data.dataset import Dataset, names_at


def take(data: Dataset, index: NDArray[np.int64]) -> Dataset:
    """The examples at `index` (n,) alone, in that order; `row` still says where each is in the source.

    >>> from datapare.data import open_dataset
    >>> some = take(open_dataset((np.eye(4), [0, 1, 0, 1])), np.array([1, 3]))
    >>> some.label.tolist(), some.row.tolist()
    ([1, 1], [1, 3])
    """
    name = names_at(data.name, index)
    key, label = data.key[index], data.label[index]
    return replace(
        data, rows=data.rows.select(index), label=label, key=key, name=name, row=data.row[index],
        array=None if data.array is None else data.array[index], bad=(),
        group=None if data.group is None else data.group[index], digest=dataset_digest(key, label),
    )  # fmt: skip
