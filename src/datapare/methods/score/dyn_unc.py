"""Dyn-Unc: keep what the network stays uncertain about while it trains.

    score_i = mean over windows w of std_w p_i

Source      arXiv:2306.05175, He, Yang, Huang, Zhao, 2023.
Reads       target_prob (T, N): probability of the true label, per epoch of the whole training.
Parameters  window: epochs in each sliding window, at least 2; windows: which of them are averaged, official
            leaves out the last, skip-two the first two; ddof: 1 divides a deviation by epochs - 1, 0 by epochs.
Cost        200 epochs on CIFAR, 90 to 300 on ImageNet.
Not for     a record of fewer epochs than the window; and data that the network has learnt before the record began.
Published   window 10; 90-300 epochs, recorded on un-augmented views before each update (two-view).
Released    windows="official" leaves the last of the T - window + 1 windows out; the DUAL authors' version uses them
            all (windows="all"); the score-extrapolation authors' starts at the third epoch with ddof=0
            (windows="skip-two"). All but the last multiply by 10, which changes no ranking.
"""

from itertools import islice
from typing import Literal

import numpy as np
from jaxtyping import Float

from datapare.errors import InputError
from datapare.methods.spec import Ddof, MethodSpec
from datapare.numerics.windows import windows as each_window

WINDOWS = {"official": (0, 1), "all": (0, 0), "skip-two": (2, 0)}  # windows left out at the start and at the end


def dyn_unc(
    target_prob: Float[np.ndarray, "T N"],
    *,
    window: int = 10,
    windows: Literal["official", "all", "skip-two"] = "all",
    ddof: Ddof = 1,
) -> Float[np.ndarray, " N"]:
    """Average the standard deviation of the true-label probability over sliding windows of epochs. arXiv:2306.05175.

    Args:
        target_prob: float (T, N), probability of the true label of N examples in T epochs, in [0, 1].
        window: Epochs in each sliding window, at least 2; default 10, as published.
        windows: Windows that are averaged: "all" (default), "official" (all but the last) or "skip-two" (from the third
            epoch on).
        ddof: 1 (default) divides a variance by window - 1, 0 by window.

    Returns:
        float64 (N,) >= 0, larger = less certain = keep first.

    Raises:
        InputError: If too few epochs were recorded for a single window.

    p = 0, 1, 1 in windows of two: deviations 0.7071 and 0, mean 0.3536.

    >>> p = np.array([[0.0], [1.0], [1.0]])
    >>> dyn_unc(p, window=2).round(4).tolist(), dyn_unc(p, window=2, windows="official").round(4).tolist()
    ([0.3536], [0.7071])
    """
    skip, drop = WINDOWS[windows]
    count = len(target_prob) - window + 1 - skip - drop
    total = np.zeros(target_prob.shape[1])
    for _, root in islice(each_window(target_prob, window), skip, skip + max(count, 0)):
        total += root
    if count < 1:
        raise InputError(
            f"windows={windows!r} of {window} epochs leave none of {len(target_prob)} epochs; record more, or "
            "choose a smaller window."
        )
    return np.asarray(total / (count * np.sqrt(window - ddof)))


SPEC = MethodSpec(observed="two-view")
