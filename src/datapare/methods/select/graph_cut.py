"""Graph cut: keep what resembles the whole and not what is kept already.

    repeat: add argmax_e  lam * sum_i s_ie - 2 * sum over kept j of s_je,   s_ij = 0.5 + 0.5 cos(h_i, h_j)

Source      Iyer, Khargoankar, Bilmes, Asanani, 2021, as in DeepCore (PatrickZH/DeepCore).
Reads       embedding (N, d) of one epoch.
Parameters  lam: weight of being like all examples, against being unlike the kept ones.
Cost        5 to 200 epochs and a forward pass, then a greedy choice.
Not for     large classes: it compares all pairs.
Published   lam = 1; DeepCore takes the cosine of last-layer gradients: record those as the embedding for that.
Ours        The similarity is linear in unit vectors, so both sums are one inner product and no N x N matrix is built.
            The cosine with a row of zeros is 0.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.methods.spec import NonNegative
from datapare.numerics.embeddings import unit_rows
from datapare.numerics.greedy import BatchSource, Values, falling_greedy


def graph_cut(embedding: Float[np.ndarray, "N d"], n: int, *, lam: NonNegative = 1.0) -> Int[np.ndarray, " n"]:
    """Add, n times, the example most similar to all and least similar to the kept, `lam` weighing the first.

    Gains only fall, which lets exact picks be made in a small pool. Ties go to the earlier example.

    Args:
        embedding: float (N, d), one row per example.
        n: How many examples to keep, at most N.
        lam: Weight of the similarity to all examples, at least 0.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For missing or infinite embeddings.

    Two alike and one opposite start at 2, 2 and 1; once the first is in, its copy is at 2 - 2 and the other at 1.

    >>> graph_cut(np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]), 2).tolist()
    [0, 2]
    """
    rows = unit_rows(embedding)
    gain = lam * 0.5 * (rows @ rows.sum(axis=0)).astype(np.float64)  # less lam * N / 2, which all share
    return np.sort(falling_greedy(rows, gain, _less_similar, n))


def _less_similar(value: Values, rows: BatchSource, picked: BatchSource) -> Values:
    lowered: Values = value - len(picked) - rows @ picked.sum(axis=0)
    return lowered
