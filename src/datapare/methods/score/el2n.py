"""EL2N: keep what the network is wrong about early in training.

    EL2N_i = mean over epochs (and runs) of || p_i - onehot(y_i) ||_2

Source      arXiv:2107.07075, Paul, Ganguli, Dziugaite, 2021 (Data Diet).
Reads       error_norm (T, N): distance of the predicted probabilities from the label, per epoch.
Parameters  first: the first epoch that is read, from 0, or from the end when negative; count: how many epochs from
            there on, by default all; reduce: average the epochs or add them up.
Cost        10 to 20 epochs; 10 runs are advised.
Not for     small subsets by `top` where labels are wrong: those score highest.
Published   Epoch 20 of 200 on CIFAR, averaged over 10 runs, recorded in an eval pass (first=20, count=1; PRESETS).
Released    CCS and D2 sum the first ten epochs of one run's training pass (count=10, reduce="sum"); the DUAL authors'
            code reads epoch 20 of one, and on ImageNet sums epochs 1 to 10 (PRESETS); BOSS reads about the first five
            (count=5).
Ours        By default all recorded epochs count, so that a short record is scored too. Runs are averaged afterwards.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from jaxtyping import Float

from datapare.methods.epoch_range import chosen_epochs
from datapare.methods.spec import MethodSpec, ParamValue

PRESETS: Mapping[str, Mapping[str, ParamValue]] = {
    "cifar10": {"first": 20, "count": 1},
    "cifar100": {"first": 20, "count": 1},
    "imagenet": {"first": 1, "count": 10, "reduce": "sum"},
}


def el2n(
    error_norm: Float[np.ndarray, "T N"],
    *,
    first: int = 0,
    count: int | None = None,
    reduce: Literal["mean", "sum"] = "mean",
) -> Float[np.ndarray, " N"]:
    """Average or sum the norm of the prediction error over the chosen epochs. arXiv:2107.07075.

    Args:
        error_norm: float (T, N), Euclidean norm of predicted probabilities minus one-hot label, per epoch, in [0,
            sqrt(2)].
        first: First epoch that is read, from 0, or from the end when negative; default the first recorded.
        count: How many epochs from `first` on; None (default) means all that follow.
        reduce: "mean" (default) averages the epochs, "sum" adds them up.

    Returns:
        float64 (N,), between 0 and sqrt(2) for the mean; larger = more wrong = keep first.

    Raises:
        InputError: If the chosen epochs were not recorded.

    p = (0.1, 0.9) with true label 0: |(-0.9, 0.9)| = 1.2728; p = (0.8, 0.2): |(-0.2, 0.2)| = 0.2828.

    >>> error = np.array([[1.2728], [0.2828]])
    >>> el2n(error).round(4).tolist(), el2n(error, count=1).tolist(), el2n(error, reduce="sum").round(4).tolist()
    ([0.7778], [1.2728], [1.5556])
    """
    chosen = chosen_epochs(error_norm, first, count)
    total: Float[np.ndarray, " N"] = chosen.sum(axis=0, dtype=np.float64)
    return total / len(chosen) if reduce == "mean" else total


SPEC = MethodSpec(presets=PRESETS, observed="eval-pass")
