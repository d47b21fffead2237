"""Groups of examples that belong together: frames of a video, pages of a document, images of a patient."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Subset
from datapare.data.columns import require
from datapare.data.dataset import Dataset, column
from datapare.data.foreign_types import Rows
from datapare.errors import InputError


def read_groups(rows: Rows, name: str) -> NDArray[np.int64]:
    """Return the number of the group (N,) that each row belongs to; a row without a value is a group of its own.

    Raises:
        InputError: Where there is no such column.
    """
    values = column(rows, require(rows.column_names, name, "group")).to_pylist()
    known: dict[str, int] = {}
    return np.array(
        [
            known.setdefault(f"row {i}" if value is None else f"value {value}", len(known))
            for i, value in enumerate(values)
        ],
        np.int64,
    )


def draw_groups(
    group: NDArray[np.int64], label: NDArray[np.int64], counts: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw whole groups until every class has about so many examples.

    Groups come in random order. One is drawn where it brings the drawn examples closer to the counts of its classes,
    and leaves no class without other examples.

    Args:
        group: The group of each example (N,).
        label: The class of each example (N,).
        counts: How many examples of each class to draw (K,).
        rng: Source of the order.

    Returns:
        Sorted positions of the drawn examples.

    >>> group, label = np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.array([0, 1] * 4)
    >>> draw_groups(group, label, np.array([2, 2]), np.random.default_rng(0)).tolist()
    [0, 1, 4, 5]
    """
    number, inverse = np.unique(group, return_inverse=True)
    table = np.zeros((len(number), len(counts)), np.int64)  # examples of each class in each group
    np.add.at(table, (inverse, label), 1)
    left, lacking = table.sum(axis=0), counts.astype(np.int64).copy()
    drawn = np.zeros(len(number), bool)
    for one in rng.permutation(len(number)).tolist():
        has = table[one]
        closer = np.abs(lacking - has).sum() < np.abs(lacking).sum()
        if closer and (left - has)[has > 0].min(initial=1) > 0:
            drawn[one] = True
            left, lacking = left - has, lacking - has
    found: NDArray[np.int64] = np.flatnonzero(drawn[inverse])
    return found


def keep_whole(mask: NDArray[np.bool_], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of whole groups that stand for a selection of single examples.

    Groups are taken by the share of their examples that were selected, the largest share first, while they fit into
    as many examples as were selected. Ties are taken in the order of the groups.

    Args:
        mask: Which examples (N,) were selected.
        group: The group of each example (N,).

    Returns:
        Sorted positions, at most as many as were selected.

    >>> keep_whole(np.array([1, 1, 0, 1, 0, 0], bool), np.array([0, 0, 1, 1, 2, 2])).tolist()
    [0, 1]
    """
    _, inverse = np.unique(group, return_inverse=True)
    size = np.bincount(inverse)
    share = np.bincount(inverse, weights=mask) / size
    left, kept = int(mask.sum()), np.zeros(len(size), bool)
    for one in np.argsort(-share, kind="stable").tolist():
        if share[one] > 0 and size[one] <= left:
            kept[one] = True
            left -= int(size[one])
    found: NDArray[np.int64] = np.flatnonzero(kept[inverse])
    return found


def whole_groups(subset: Subset, data: Dataset) -> Subset:
    """Return a subset that keeps or drops each group of the dataset whole, at most as large as the given one.

    Raises:
        InputError: Where the dataset was opened without groups, the subset has weights, or no group fits.
    """
    if data.group is None:
        raise InputError("whole groups need groups: open the dataset with group= (--group COLUMN).")
    if subset.weight is not None:
        raise InputError(
            "the rule gives weights to single examples, which whole groups do not have; choose another rule."
        )
    index = keep_whole(subset.mask, data.group)
    if not len(index):
        raise InputError(
            f"no group fits into the {len(subset):,} examples to keep; keep more, or without whole groups."
        )
    provenance = replace(subset.provenance, params={**subset.provenance.params, "whole_groups": True})
    return replace(subset, index=index, provenance=provenance)
