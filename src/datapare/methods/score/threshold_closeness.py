"""Threshold closeness: keep what the network is, on the whole, undecided about.

    closeness_i = c_i (1 - c_i),   c the mean over epochs of p_y

Source      arXiv:2009.10795, Swayamdipta, Schwartz, Lourie, and others, 2020 (Dataset Cartography, released code).
Reads       target_prob (T, N): probability of the true label, per epoch.
Cost        5 or 6 epochs of text, up to 200 of CIFAR.
Not for     few epochs: the mean probability is then mostly that of the first ones.
Published   5 or 6 epochs of RoBERTa-large.
"""

import numpy as np
from jaxtyping import Float


def threshold_closeness(target_prob: Float[np.ndarray, "T N"]) -> Float[np.ndarray, " N"]:
    """Multiply the mean true-label probability by its complement. arXiv:2009.10795.

    Args:
        target_prob: float (T, N), probability of the true label of N examples in T epochs, in [0, 1].

    Returns:
        float64 (N,) in [0, 1/4], larger = closer to one half = keep first; always sure scores 0, right or wrong.

    >>> threshold_closeness(np.array([[0.5, 1.0], [1.0, 1.0]])).tolist()
    [0.1875, 0.0]
    """
    mean: Float[np.ndarray, " N"] = target_prob.mean(axis=0, dtype=np.float64)
    return np.asarray(mean * (1 - mean))
