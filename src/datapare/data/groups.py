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

    Groups are numbered in the order of their first rows. They are found on the column's own memory.

    Raises:
        InputError: Where there is no such column, or its values are neither numbers nor texts.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column(rows, require(rows.column_names, name, "group"))
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_nested(values.type):
        raise InputError(
            f"group names the column {name!r}, which holds {values.type}; a group is a number, a text or a date."
        )
    valued = pc.invert(pc.is_null(values, nan_is_null=True))
    has = valued.to_numpy()
    number = np.empty(len(has), np.int64)
    if has.any():
        codes = values.filter(valued).dictionary_encode().unify_dictionaries()
        number[has] = np.concatenate([chunk.indices.to_numpy() for chunk in codes.chunks])
    number[~has] = int(number[has].max(initial=-1)) + 1 + np.arange(int((~has).sum()))
    return by_first_row(number)


def by_first_row(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the groups (N,), renumbered from 0 in the order of their first rows.

    >>> by_first_row(np.array([7, 2, 7, 5])).tolist()
    [0, 1, 0, 2]
    """
    _, first, inverse = np.unique(number, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    found: NDArray[np.int64] = rank[inverse]
    return found


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
    inverse = np.unique(group, return_inverse=True)[1]
    classes = len(counts)
    pair, size = np.unique(inverse * classes + label, return_counts=True)  # a group and one of its classes
    start = np.searchsorted(pair, np.arange(int(inverse.max(initial=-1)) + 2) * classes).tolist()
    members, sizes = (pair % classes).tolist(), size.tolist()
    left, lacking = np.bincount(label, minlength=classes).tolist(), counts.tolist()
    drawn, missing = np.zeros(len(start) - 1, bool), sum(max(one, 0) for one in lacking)
    for one in rng.permutation(len(drawn)).tolist():
        if missing <= 0:  # whatever is drawn would be too much
            break
        has = range(start[one], start[one + 1])
        closer = sum(abs(lacking[members[i]] - sizes[i]) - abs(lacking[members[i]]) for i in has) < 0
        if closer and all(left[members[i]] > sizes[i] for i in has):
            drawn[one] = True
            for i in has:
                missing -= min(max(lacking[members[i]], 0), sizes[i])
                left[members[i]] -= sizes[i]
                lacking[members[i]] -= sizes[i]
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
    order = np.argsort(-share, kind="stable")
    order = order[share[order] > 0]
    left, kept = int(mask.sum()), np.zeros(len(size), bool)
    for one, examples in zip(order.tolist(), size[order].tolist(), strict=True):
        if examples <= left:
            kept[one] = True
            left -= examples
        if not left:
            break
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
