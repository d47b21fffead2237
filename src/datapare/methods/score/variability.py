"""Variability: keep what the network changes its mind about over the training (ambiguous first).

    variability_i = standard deviation over epochs of p_y,   ddof = 0
    corrected: sqrt( v + v^2 / (T - 1) ),   v the variance

Source      arXiv:2009.10795, Swayamdipta, Schwartz, Lourie, and others, 2020 (Dataset Cartography).
Reads       target_prob (T, N): probability of the true label, per epoch.
Parameters  ddof: 0 divides by epochs, 1 by epochs - 1; corrected: add the term for few epochs.
Cost        5 or 6 epochs of text, up to 200 of CIFAR.
Not for     examples that the network has learnt before the record began: their probability does not vary.
Published   5 or 6 epochs of RoBERTa-large; the 33 % most ambiguous examples are kept.
Released    The authors' code offers the corrected form; others take ddof=1. Neither changes the ranking.
"""

import numpy as np
from jaxtyping import Float

from datapare.errors import InputError
from datapare.methods.spec import Ddof


def variability(
    target_prob: Float[np.ndarray, "T N"], *, ddof: Ddof = 0, corrected: bool = False
) -> Float[np.ndarray, " N"]:
    """Return the standard deviation of the true-label probability over epochs. arXiv:2009.10795.

    It also applies to a record of losses only (regression, several labels, language models), called on the channel:
    `variability(dynamics.channels["loss"])`.

    Args:
        target_prob: float (T, N), probability of the true label of N examples in T epochs, in [0, 1].
        ddof: 0 (default) divides the variance by T, 1 by T - 1.
        corrected: Whether to add the term for few epochs, v^2 / (T - 1), to the variance v; default False.

    Returns:
        float64 (N,) >= 0, larger = more ambiguous = keep first.

    Raises:
        InputError: If fewer than two epochs were recorded.

    p = 0, 1: variance 1/4, deviation 1/2; corrected sqrt(1/4 + 1/16) = 0.559; with ddof 1 0.7071.

    >>> p = np.array([[0.0], [1.0]])
    >>> variability(p).tolist(), variability(p, ddof=1).round(4).tolist()
    ([0.5], [0.7071])
    >>> variability(p, corrected=True).round(4).tolist()
    [0.559]
    """
    epochs = len(target_prob)
    if not 0 <= ddof < epochs or epochs < 2:
        raise InputError(f"variability needs two epochs or more, and more than ddof={ddof}, not {epochs}; record more.")
    shifted = np.subtract(target_prob, target_prob[0], dtype=np.float64)  # a constant column is exactly 0
    shifted -= shifted.mean(axis=0)
    variance: Float[np.ndarray, " N"] = np.einsum("tn,tn->n", shifted, shifted) / (epochs - ddof)
    if corrected:
        variance += variance * variance / (epochs - 1)
    return np.asarray(np.sqrt(variance))
