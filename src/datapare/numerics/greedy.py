"""Greedy selection without an N by N matrix: exact, in blocks, for the rules that pick one example after another."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.errors import InputError

BatchSource = NDArray[np.floating]
Values = NDArray[np.floating]

POOL = 2048  # rows of one round: 2048 x 512 float32 are 4 MB, what a second-level cache holds
BLOCK = 4096  # rows updated at a time
CANDIDATES = 32  # columns of similarity computed at a time
LIMIT = 100_000  # beyond this many examples one evaluation of a gain costs too much to do n times


def falling_greedy(
    rows: Float[np.ndarray, "N d"],
    value: Float[np.ndarray, " N"],
    lower: Callable[[Values, BatchSource, BatchSource], Values],
    n: int,
) -> Int[np.ndarray, " n"]:
    """Pick n times the largest value, where every pick can only lower the values of the others.

    `lower(value (M,), rows (M, d), picked (b, d))` returns the values of these rows after the picks. Values only
    fall, so while the best of a small pool stays above the best value outside it, the picks inside the pool are the
    picks of the full greedy; everything else is brought up to date once per round, as one matrix product. Equal
    values go to the earlier example. Returns positions in the order picked.
    """
    value = value.copy()
    picked: list[int] = []
    known = 0  # picks that `value` has seen
    while len(picked) < n:
        for start in range(0, len(value), BLOCK):
            part = slice(start, start + BLOCK)
            value[part] = lower(value[part], rows[part], rows[picked[known:]])
        value[picked] = -np.inf
        known = len(picked)
        picked += _round(rows, value, lower, n - known)
    return np.array(picked, dtype=np.int64)


def _round(
    rows: BatchSource, value: Values, lower: Callable[[Values, BatchSource, BatchSource], Values], n: int
) -> list[int]:
    first = int(value.argmax())
    pool = np.sort(np.argpartition(value, -POOL)[-POOL:]) if len(value) > POOL else np.arange(len(value))
    outside = np.ones(len(value), dtype=bool)
    outside[pool] = False
    bound = value[outside].max(initial=-np.inf)
    near, current = rows[pool], value[pool]
    picked = [first]
    while len(picked) < n:
        current = lower(current, near, rows[picked[-1:]])
        current[pool == picked[-1]] = -np.inf
        best = int(current.argmax())
        # Outside the pool a value may equal the bound and stand earlier, so a tie ends the round.
        if current[best] <= bound or current[best] == -np.inf:
            break
        picked.append(int(pool[best]))
    return picked


def cover_greedy(similarity: Callable[[NDArray[np.int64]], BatchSource], total: int, n: int) -> Int[np.ndarray, " n"]:
    """Pick n times the example that raises sum_i max(0, max over picked j of s_ij) most: lazy greedy, exact.

    `similarity(candidates (b,))` returns their columns (N, b), N = total. A gain can only fall, so only candidates
    whose last known gain is still the largest are computed again. Equal gains go to the earlier example. Returns
    positions in the order picked. Raises InputError above LIMIT examples.
    """
    if total > LIMIT:
        raise InputError(
            f"this rule compares every candidate with all examples, which is meant for up to {LIMIT:,} at a time, "
            f"not {total:,}; choose inside each class with balance, or use k_center."
        )
    gain = np.full(total, np.inf)
    fresh = np.zeros(total, dtype=bool)
    covered = np.zeros(total)
    picked: list[int] = []
    while len(picked) < n:
        best = int(gain.argmax())
        if not fresh[best]:
            at = _most_promising(gain, fresh)
            column = similarity(at)
            gain[at] = np.maximum(column - covered[:, None], 0).sum(axis=0, dtype=np.float64)
            fresh[at] = True
            continue
        covered = np.maximum(covered, similarity(np.array([best]))[:, 0])
        picked.append(best)
        gain[best] = -np.inf
        fresh[:] = False
    return np.array(picked, dtype=np.int64)


def _most_promising(gain: Values, fresh: NDArray[np.bool_]) -> NDArray[np.int64]:
    stale: NDArray[np.int64] = np.flatnonzero(~fresh & (gain > -np.inf))
    if len(stale) <= CANDIDATES:
        return stale
    best: NDArray[np.int64] = stale[np.argpartition(-gain[stale], CANDIDATES)[:CANDIDATES]]
    return best
