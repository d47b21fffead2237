"""Soft label: keep what the network, averaged over its training, finds ambiguous.

    s_i = softmax( mean over epochs of the logits z_i ),   score_i = - sum_j s_j ln s_j

Source      arXiv:2412.10091, 2024 (data pruning for re-identification).
Reads       logit_mean (N, K): logits averaged over epochs.
Cost        12 epochs.
Not for     a record without logit_mean.
Published   12 epochs. Averaging log-probabilities gives the same soft label; averaging probabilities does not.
Ours        The relabelling and the outlier test of the same paper are in datapare.methods.label_issues.
"""

import numpy as np
from jaxtyping import Float

from datapare.numerics.embeddings import softmax


def soft_label(logit_mean: Float[np.ndarray, "N K"]) -> Float[np.ndarray, " N"]:
    """Return the entropy of the soft label. arXiv:2412.10091.

    Args:
        logit_mean: float (N, K), logits of K classes averaged over epochs.

    Returns:
        float64 (N,) in nats, between 0 and ln K; larger = more ambiguous = keep first.

    Equal logits of two classes: ln 2 = 0.6931.

    >>> soft_label(np.array([[3.0, 3.0], [1000.0, 0.0]])).round(4).tolist()
    [0.6931, 0.0]
    """
    from scipy.special import entr

    return np.asarray(entr(softmax(logit_mean)).sum(axis=1))
