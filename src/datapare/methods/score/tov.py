"""ToV: keep what became easier while a network was tuned on a small target set.

    score_i = (loss_i before - loss_i after) / loss_i before

Source      arXiv:2510.00386, 2025 (train on validation); arXiv:2605.09404.
Reads       loss (T, N): of the pool, which is not trained on; the first row is before the tuning, the last after it.
Cost        A short tuning on the target set, and two forward passes over the pool.
Not for     a record of a single epoch.
Published   Loss before and after, so a record of two rows. Mixing with random examples beats the score alone.
Ours        A loss of 0 before the tuning cannot fall: its score is 0. Any two epochs serve by first and count.
"""

import numpy as np
from jaxtyping import Float


def tov(loss: Float[np.ndarray, "T N"]) -> Float[np.ndarray, " N"]:
    """Return the relative drop of the loss from the first epoch to the last. arXiv:2510.00386.

    The formula reads nothing but losses, so it also applies to a record of losses only (regression, several labels,
    language models).

    Args:
        loss: float (T, N), loss of N examples in T epochs; the first row is before the tuning, the last after it.

    Returns:
        float64 (N,), at most 1; larger = more like the target set = keep first; negative where the loss rose.

    From 2 to 0.5: three quarters of the loss are gone; from 1 to 1.5 it rose by half.

    >>> tov(np.array([[2.0, 1.0, 0.0], [0.5, 1.5, 0.0]])).tolist()
    [0.75, -0.5, 0.0]
    """
    before, after = loss[0].astype(np.float64), loss[-1].astype(np.float64)
    return np.where(before == 0, 0.0, (before - after) / np.where(before == 0, 1.0, before))
