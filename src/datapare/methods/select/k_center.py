"""k-center: spread the subset so that no example is far from a kept one.

    repeat: add argmax_i min over kept j of ||h_i - h_j||

Source      Greedy k-center, as in DeepCore (PatrickZH/DeepCore).
Reads       embedding (N, d) of one epoch.
Parameters  random_first: start from a random example instead of the one nearest the mean.
Cost        10 to 200 epochs and a forward pass, then a greedy choice.
Not for     data with outliers: the farthest examples are picked first.
Published   Applied per class as an option: balance.
Released    random_first=True starts from a random example.
Ours        The first is the example nearest the mean, so the subset does not depend on a seed. Distances are kept to
            the nearest centre only, never N x N.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.numerics.embeddings import centred, check_finite, squared_norms
from datapare.numerics.greedy import BatchSource, Values, falling_greedy


def k_center(
    embedding: Float[np.ndarray, "N d"], n: int, rng: np.random.Generator, *, random_first: bool = False
) -> Int[np.ndarray, " n"]:
    """Add, n times, the example farthest from all kept ones; the subset of a smaller n is contained in a larger one.

    Euclidean distance; ties go to the earlier example; duplicates come last.

    Args:
        embedding: float (N, d), one row per example.
        n: How many examples to keep, at most N.
        rng: Source of the first example, where that is random.
        random_first: Start from a random example instead of the one nearest the mean.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For missing or infinite embeddings.

    >>> k_center(np.array([[0.0], [1.0], [4.0], [10.0]]), 3, np.random.default_rng(0)).tolist()
    [0, 2, 3]
    """
    check_finite(embedding)
    around = centred(embedding)
    square = squared_norms(around)
    first = int(rng.integers(len(square))) if random_first else int(square.argmin())
    # One inner product gives a squared distance: [x, |x|^2, 1] . [-2c, 1, |c|^2].
    rows = np.column_stack([around, square, np.ones_like(square)])
    far = np.full(len(rows), np.finfo(rows.dtype).max, dtype=rows.dtype)
    far[first] = np.inf
    return np.sort(falling_greedy(rows, far, _nearer, n))


def _nearer(value: Values, rows: BatchSource, picked: BatchSource) -> Values:
    if not len(picked):
        return value
    against = np.column_stack([-2 * picked[:, :-2], picked[:, -1], picked[:, -2]])
    nearest: Values = np.minimum(value, (rows @ against.T).min(axis=1))
    return nearest
