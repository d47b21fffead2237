"""Least confidence: keep what the trained network is least confident of, whatever its label, returned negated.

    score_i = - max_j p_j = - ( p_y + max(0, -(p_y - max_{j != y} p_j)) ),   p the prediction of the last epoch

Source      arXiv:1906.11829, Coleman, Yeh, Mussmann, and others, 2020 (Selection via Proxy).
Reads       target_prob (T, N), prob_margin (T, N): together they hold the largest probability exactly.
Parameters  first: the first epoch that is read, from 0, or from the end when negative; count: how many epochs from
            there on, by default all.
Cost        200 epochs, or fewer of a smaller network, and a forward pass.
Not for     finding wrong labels: it does not read the label.
Published   The last checkpoint of a small proxy, or of a short training; an eval pass. No label is needed.
Released    DeepCore takes the largest logit for the confidence, which depends on the scale of the logits: not offered.
"""

import numpy as np
from jaxtyping import Float

from datapare.methods.epoch_range import chosen_epochs
from datapare.methods.spec import MethodSpec


def least_confidence(
    target_prob: Float[np.ndarray, "T N"],
    prob_margin: Float[np.ndarray, "T N"],
    *,
    first: int = -1,
    count: int | None = None,
) -> Float[np.ndarray, " N"]:
    """Negate the largest predicted probability in the last epoch, or averaged over the chosen ones. arXiv:1906.11829.

    Args:
        target_prob: float (T, N), probability of the true label of N examples in T epochs, in [0, 1].
        prob_margin: float (T, N), probability of the true label minus the best other probability, in [-1, 1].
        first: First epoch that is read, from 0, or from the end when negative; default the last recorded.
        count: How many epochs from `first` on; None (default) means all that follow.

    Returns:
        float64 (N,) in [-1, 0), larger = less confident = keep first.

    Raises:
        InputError: If the chosen epochs were not recorded.

    p = (0.5, 0.3, 0.2): right with label 0 (margin 0.2), wrong with label 1 (margin -0.2); the largest is 0.5 in both.

    >>> least_confidence(np.array([[0.5, 0.3]]), np.array([[0.2, -0.2]])).tolist()
    [-0.5, -0.5]
    """
    target = chosen_epochs(target_prob, first, count).sum(axis=0, dtype=np.float64)
    excess = np.minimum(chosen_epochs(prob_margin, first, count), 0)  # (C, N)
    return np.asarray((excess.sum(axis=0, dtype=np.float64) - target) / len(excess))


SPEC = MethodSpec(observed="eval-pass")
