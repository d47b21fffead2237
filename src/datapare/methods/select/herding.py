"""Herding: keep the examples whose mean stays closest to the mean of all.

    repeat: add argmin_x || (i + 1) mu - sum of kept - x ||,   i = 0, 1, …

Source      Welling, 2009, as in DeepCore (PatrickZH/DeepCore).
Reads       embedding (N, d) of one epoch.
Cost        10 to 200 epochs and a forward pass, then a pass over the embedding for every pick.
Not for     classes of several clusters: it follows the mean alone.
Published   Applied per class: balance="proportional".
Released    DeepCore takes the largest distance instead of the smallest, which drives the mean away.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.numerics.embeddings import centred, check_finite, squared_norms


def herding(embedding: Float[np.ndarray, "N d"], n: int) -> Int[np.ndarray, " n"]:
    """Add, n times, the example that brings the sum of the kept ones closest to its share of the mean.

    Each pick costs one pass over the embedding. Ties go to the earlier example.

    Args:
        embedding: float (N, d), one row per example.
        n: How many examples to keep, at most N.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For missing or infinite embeddings.

    The mean is 1: after 1 comes 0 or 2, equally far from 2 * 1 - 1 = 1, and the earlier is taken.

    >>> herding(np.array([[0.0], [1.0], [2.0], [1.0]]), 3).tolist()
    [0, 1, 3]
    """
    check_finite(embedding)
    rows = centred(embedding)  # mu is now 0
    square = squared_norms(rows)
    total = np.zeros(rows.shape[1])
    picked: list[int] = []
    for _ in range(n):
        # || -total - x ||^2 without the part that all share
        best = int((square + 2 * (rows @ total.astype(rows.dtype))).argmin())
        picked.append(best)
        square[best] = np.inf
        total += rows[best]
    return np.sort(np.array(picked, dtype=np.int64))
