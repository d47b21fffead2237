"""Histograms, extremes and ranks of many values, in blocks, so that they take little memory."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Array
from datapare.evaluation.record_summary import Floats

Mask = NDArray[np.bool_]
BLOCK = 1 << 20  # values at a time, 8 MB


def histogram(values: Floats, edges: Floats, among: Mask | None = None) -> Array:
    """Count the finite values in each bin, of those chosen where `among` is given; the outermost hold what lies beyond.

    >>> histogram(np.array([0.1, 0.9, 7.0, np.nan]), np.array([0.0, 0.5, 1.0])).tolist()
    [1, 2]
    """
    count = np.zeros(len(edges) - 1, dtype=np.int64)
    for part in blocks(len(values)):
        some = values[part] if among is None else values[part][among[part]]
        count += np.histogram(np.clip(some[np.isfinite(some)], edges[0], edges[-1]), edges)[0]
    return count


def histogram_2d(x: Floats, y: Floats, edges: tuple[Floats, Floats], among: Mask | None = None) -> Floats:
    """Count the pairs of finite values in each cell, of those chosen where `among` is given.

    >>> histogram_2d(np.array([0.2, 0.8]), np.array([0.2, np.nan]), (np.array([0.0, 1.0]), np.array([0.0, 1.0])))
    array([[1.]])
    """
    count = np.zeros((len(edges[0]) - 1, len(edges[1]) - 1))
    for part in blocks(len(x)):
        seen = np.isfinite(x[part]) & np.isfinite(y[part])
        seen = seen if among is None else seen & among[part]
        count += np.histogram2d(x[part][seen], y[part][seen], edges)[0]
    return count


def smallest(key: Floats, among: Mask, count: int) -> NDArray[np.int64]:
    """Return the positions of the `count` smallest keys among the chosen; ties by position, NaN never.

    >>> smallest(np.array([0.3, np.nan, 0.1, 0.2]), np.array([True, True, False, True]), 24).tolist()
    [3, 0]
    """
    return _first(key, among, count, sign=1)


def largest(key: Floats, among: Mask, count: int) -> NDArray[np.int64]:
    """Return the positions of the `count` largest keys among the chosen; ties by position, NaN never.

    >>> largest(np.array([0.3, np.nan, 0.1, 0.3]), np.array([True, True, True, True]), 2).tolist()
    [0, 3]
    """
    return _first(key, among, count, sign=-1)


def rank(score: Floats, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 1 for the largest score, one more than the number of larger ones for any other; what has none comes last.

    >>> rank(np.array([0.2, 0.9, np.nan, 0.2]), np.arange(4)).tolist()
    [2, 1, 4, 2]
    """
    ordered = np.sort(score)  # NaN last
    known = len(score) - int(np.count_nonzero(np.isnan(score)))
    place = known - np.searchsorted(ordered[:known], score[at], side="right")
    return np.where(np.isnan(score[at]), known, place) + 1


def blocks(count: int) -> Iterator[slice]:
    """Yield the slices that cover so many values, BLOCK in each."""
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def _first(key: Floats, among: Mask, count: int, sign: int) -> NDArray[np.int64]:
    best = np.empty(0, dtype=np.int64)
    for part in blocks(len(key)):
        values = sign * key[part]
        place = np.flatnonzero(among[part] & ~np.isnan(values))
        if len(place) > count:
            place = place[values[place] <= np.partition(values[place], count)[count]]
        best = np.concatenate([best, part.start + place])
        best = best[np.argsort(sign * key[best], kind="stable")[:count]]
    return best
