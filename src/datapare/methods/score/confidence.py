"""Confidence: keep the labels with the lowest probability over the training, returned negated (hard-to-learn first).

    score_i = - mean over epochs of p_y

Source      arXiv:2009.10795, Swayamdipta, Schwartz, Lourie, and others, 2020 (Dataset Cartography).
Reads       target_prob (T, N): probability of the true label, per epoch.
Cost        5 or 6 epochs of text, up to 200 of CIFAR.
Not for     small subsets by `top`: it ranks by difficulty alone, and wrong labels come first.
Published   5 or 6 epochs of RoBERTa-large.
"""

import numpy as np
from jaxtyping import Float


def confidence(target_prob: Float[np.ndarray, "T N"]) -> Float[np.ndarray, " N"]:
    """Negate the probability of the true label, averaged over epochs. arXiv:2009.10795.

    Args:
        target_prob: float (T, N), probability of the true label of N examples in T epochs, in [0, 1].

    Returns:
        float64 (N,) in [-1, 0], larger = harder to learn = keep first.

    >>> confidence(np.array([[0.25], [0.75]])).tolist()
    [-0.5]
    """
    mean: Float[np.ndarray, " N"] = target_prob.mean(axis=0, dtype=np.float64)
    return -mean
