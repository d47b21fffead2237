"""Margin: keep what the network wavers on between two classes, whatever its label, returned negated.

    score_i = - ( p_(1) - p_(2) ),   p_(1) and p_(2) the two largest probabilities of the last epoch

Source      arXiv:1906.11829, Coleman, Yeh, Mussmann, and others, 2020 (Selection via Proxy).
Reads       prob (N, K): predicted probabilities, of one epoch. The channels cannot give the gap: where the true class
            loses, they do not know the second-best.
Cost        200 epochs, or fewer of a smaller network, and a forward pass.
Not for     finding wrong labels: it does not read the label.
Published   The last checkpoint of a small proxy, or of a short training; an eval pass. No label is used.
Released    DeepCore's class-balanced and global paths sort in opposite directions; ours keeps the smallest gap.
"""

import numpy as np
from jaxtyping import Float


def margin(prob: Float[np.ndarray, "N K"]) -> Float[np.ndarray, " N"]:
    """Negate the gap between the two largest probabilities. arXiv:1906.11829.

    Args:
        prob: float (N, K), predicted probabilities of K >= 2 classes in one epoch, in [0, 1].

    Returns:
        float64 (N,) in [-1, 0], larger = closer to a tie = keep first.

    Probabilities 0.5, 0.3, 0.2: the gap is 0.2.

    >>> margin(np.array([[0.2, 0.5, 0.3]])).round(4).tolist()
    [-0.2]
    """
    top = np.partition(prob, -2, axis=1)[:, -2:].astype(np.float64)  # (N, 2), ascending
    return np.asarray(top[:, 0] - top[:, 1])
