"""Correctness: keep what the network gets right least often, returned negated.

    score_i = - number of epochs in which example i is right

Source      arXiv:2009.10795, Swayamdipta, Schwartz, Lourie, and others, 2020 (Dataset Cartography).
Reads       correct (T, N): whether the prediction was right, per epoch (derived from the margin).
Cost        5 or 6 epochs of text, up to 200 of CIFAR.
Not for     few epochs: it takes one of T + 1 values, so that most examples tie.
Published   5 or 6 epochs of RoBERTa-large.
"""

import numpy as np
from jaxtyping import Bool, Float


def correctness(correct: Bool[np.ndarray, "T N"]) -> Float[np.ndarray, " N"]:
    """Negate the number of epochs in which the prediction was right. arXiv:2009.10795.

    Args:
        correct: bool (T, N), whether the prediction was right, per epoch.

    Returns:
        float64 (N,) of whole numbers in [-T, 0], larger = right less often = keep first.

    >>> correctness(np.array([[True, False], [True, True]])).tolist()
    [-2.0, -1.0]
    """
    return np.asarray(0.0 - np.count_nonzero(correct, axis=0))
