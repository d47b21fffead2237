"""Facility location: keep the examples that best stand in for all others.

    repeat: add argmax_e sum_i max(0, s_ie - max over kept j of s_ij),   s_ij = 0.5 + 0.5 cos(h_i, h_j)

Source      Greedy submodular cover, as in DeepCore (PatrickZH/DeepCore).
Reads       embedding (N, d) of one epoch.
Cost        5 to 200 epochs and a forward pass, then a greedy choice inside each class.
Not for     large classes: it compares all pairs.
Published   DeepCore takes the cosine of last-layer gradients: record those as the embedding for that. Per class:
            balance.
Ours        Lazy greedy, in blocks of columns: exact, and never N x N in memory. The cosine with a row of zeros is 0.
            SubZeroCore (arXiv:2509.21748) weighs the similarities by density; how is not known, so it is not offered.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.numerics.embeddings import unit_rows
from datapare.numerics.greedy import cover_greedy


def facility_location(embedding: Float[np.ndarray, "N d"], n: int) -> Int[np.ndarray, " n"]:
    """Add, n times, the example that raises most the similarity of every example to its nearest kept one.

    Ties go to the earlier example.

    Args:
        embedding: float (N, d), one row per example.
        n: How many examples to keep, at most N.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For missing or infinite embeddings, and above 100,000 examples, where it should run inside each
            class.

    Three alike and one at a right angle: the first gains 3 + 0.5, then its copies gain 0 and the other 1 - 0.5.

    >>> facility_location(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 2).tolist()
    [0, 3]
    """
    rows = unit_rows(embedding)
    return np.sort(cover_greedy(lambda at: 0.5 + 0.5 * (rows @ rows[at].T), len(rows), n))
