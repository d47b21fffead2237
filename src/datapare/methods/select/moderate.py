"""Moderate: keep the examples neither close to nor far from their class's centre.

    distance_i = ||h_i - median of h over the class of i||   (median per coordinate)
    subset     = the n examples around the middle of all distances: ranks [(N - n) // 2, (N - n) // 2 + n)

Source      Xia, Liu, Yu, Shen, Han, Liu, 2023; tmllab/2023_ICLR_Moderate-DS.
Reads       embedding (N, d) of one late epoch, label (N,).
Cost        A trained network and a forward pass.
Not for     classes of several clusters: it measures distance to one median.
Published   One sort over all classes, so class balance is not kept; no parameters.
Released    The window's ends are rounded half to even, so 10 examples at keep 0.5 give 6; and a class of one gets a
            wrong prototype. A copy in D2's code inverts keep and returns the two tails.
Ours        Exactly n; a class of one is its own prototype.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.numerics.embeddings import squared_norms
from datapare.numerics.sampling import next_positions


def moderate(embedding: Float[np.ndarray, "N d"], label: Int[np.ndarray, " N"], n: int) -> Int[np.ndarray, " n"]:
    """Keep the n examples whose distance to their class's median embedding is closest to the middle rank.

    Equal distances rank by position.

    Args:
        embedding: float (N, d), one row per example.
        label: Class numbers, integers (N,).
        n: How many examples to keep, at most N.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For missing or infinite embeddings.

    >>> moderate(np.array([[0.0], [1.0], [2.0], [4.0], [9.0]]), np.zeros(5, dtype=int), 3).tolist()
    [0, 1, 3]
    """
    square = np.empty(len(label))  # squared distances rank alike
    for number in np.unique(label):
        member = np.flatnonzero(label == number)
        own = embedding[member].astype(np.float64)
        square[member] = squared_norms(own - np.median(own, axis=0))
    return next_positions(-square, (len(label) - n) // 2, n)
