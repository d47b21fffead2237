"""Entropy: keep what the trained network cannot decide on, whatever its label.

    entropy_i = - sum_j p_j ln p_j,   p the prediction of the last epoch

Source      arXiv:1906.11829, Coleman, Yeh, Mussmann, and others, 2020 (Selection via Proxy).
Reads       entropy (T, N): entropy of the predicted probabilities in nats, per epoch.
Parameters  first: the first epoch that is read, from 0, or from the end when negative; count: how many epochs from
            there on, by default all.
Cost        200 epochs, or fewer of a smaller network, and a forward pass.
Not for     finding wrong labels: it does not read the label.
Published   The last checkpoint of a small proxy, or of a short training; an eval pass. No label is used.
Released    CCS, D2 and the DUAL authors' code guard the logarithm, ln(p + 1e-10), which lowers the entropy by less than
            K * 1e-10; the last reads the training pass.
"""

import numpy as np
from jaxtyping import Float

from datapare.methods.epoch_range import chosen_epochs
from datapare.methods.spec import MethodSpec


def entropy(entropy: Float[np.ndarray, "T N"], *, first: int = -1, count: int | None = None) -> Float[np.ndarray, " N"]:
    """Return the entropy of the prediction in the last epoch, or averaged over the chosen ones. arXiv:1906.11829.

    Args:
        entropy: float (T, N), entropy of the predicted probabilities per epoch, in nats.
        first: First epoch that is read, from 0, or from the end when negative; default the last recorded.
        count: How many epochs from `first` on; None (default) means all that follow.

    Returns:
        float64 (N,) in nats, larger = less decided = keep first.

    Raises:
        InputError: If the chosen epochs were not recorded.

    Even odds between two classes: ln 2 = 0.6931.

    >>> entropy(np.array([[0.1], [0.6931]])).tolist()
    [0.6931]
    """
    mean: Float[np.ndarray, " N"] = chosen_epochs(entropy, first, count).mean(axis=0, dtype=np.float64)
    return mean


SPEC = MethodSpec(observed="eval-pass")
