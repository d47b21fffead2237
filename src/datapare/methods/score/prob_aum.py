"""AUM of probabilities: keep what loses against another class, returned negated: large = hard.

    score_i = - mean over epochs of ( p_y - max_{j != y} p_j )

Source      arXiv:2210.15809, Zheng, Liu, Lai, Prakash, 2022 (CCS), after AUM, arXiv:2001.10528.
Reads       prob_margin (T, N): probability of the true label minus the best other probability, per epoch.
Parameters  first: the first epoch that is read, from 0, or from the end when negative; count: how many epochs from
            there on, by default all; reduce: average the epochs or add them up.
Cost        200 epochs on CIFAR, 60 on ImageNet.
Not for     keeping the largest with `top` where labels are wrong: those score highest.
Published   200 epochs on CIFAR, 60 on ImageNet-1k.
Released    CCS, D2, ELFS and SemiPrune sum over epochs (reduce="sum"): the same ranking. The DUAL authors' code in
            effect reads the last epoch only (first=-1), and keeps the easiest instead of the hardest: not offered.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

from datapare.methods.epoch_range import chosen_epochs


def prob_aum(
    prob_margin: Float[np.ndarray, "T N"],
    *,
    first: int = 0,
    count: int | None = None,
    reduce: Literal["mean", "sum"] = "mean",
) -> Float[np.ndarray, " N"]:
    """Negate the probability margin, averaged or summed over the chosen epochs. arXiv:2210.15809.

    Args:
        prob_margin: float (T, N), probability of the true label minus the best other probability, in [-1, 1].
        first: First epoch that is read, from 0, or from the end when negative; default the first recorded.
        count: How many epochs from `first` on; None (default) means all that follow.
        reduce: "mean" (default) averages the epochs, "sum" adds them up.

    Returns:
        float64 (N,), between -1 and 1 for the mean; larger = harder = keep first.

    Raises:
        InputError: If the chosen epochs were not recorded.

    Margins 0.5 and -0.25: sum 0.25, mean 0.125.

    >>> m = np.array([[0.5], [-0.25]])
    >>> prob_aum(m).tolist(), prob_aum(m, reduce="sum").tolist(), prob_aum(m, first=-1).tolist()
    ([-0.125], [-0.25], [0.25])
    """
    chosen = chosen_epochs(prob_margin, first, count)
    total: Float[np.ndarray, " N"] = chosen.sum(axis=0, dtype=np.float64)
    return -total / len(chosen) if reduce == "mean" else -total
