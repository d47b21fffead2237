"""Margin: keep what the network wavers on between two classes, whatever its label, returned negated.

    score_i = - ( p_(1) - p_(2) ),   p = softmax of the mean logits, p_(1) and p_(2) its two largest

Source      arXiv:1906.11829, Coleman, Yeh, Mussmann, and others, 2020 (Selection via Proxy).
Reads       logit_mean (N, K): logits averaged over epochs.
Published   The last checkpoint of a small proxy, or of a short training; an eval pass. No label is used.
Ours        A record of the last epoch alone holds the published number; a longer one its mean belief. The channels
            cannot give it: where the true class loses, they do not know the second-best.
"""

import numpy as np
from jaxtyping import Float

from datapare.methods.score.soft_label import soften


def margin(logit_mean: Float[np.ndarray, "N K"]) -> Float[np.ndarray, " N"]:
    """Minus the gap between the two largest probabilities.

    Returns float64 (N,) in [-1, 0], larger = closer to a tie = keep first. arXiv:1906.11829.

    Probabilities 0.5, 0.3, 0.2: the gap is 0.2.

    >>> margin(np.log([[0.2, 0.5, 0.3]])).round(4).tolist()
    [-0.2]
    """
    top = np.partition(soften(logit_mean), -2, axis=1)[:, -2:]  # (N, 2), ascending
    return np.asarray(top[:, 0] - top[:, 1])
