"""DUAL: keep what is hard and still uncertain early in training.

    DUAL_i = mean over windows w of (1 - mean_w p_i) * std_w p_i,   std with ddof = 1

Source      arXiv:2502.06905, Cho, Shin, Kang, Yun, 2025.
Reads       target_prob (T, N): probability of the true label, per epoch.
Parameters  window: epochs in each sliding window, at least 2.
Cost        30 epochs on CIFAR, 60 on ImageNet.
Not for     a record of fewer epochs than the window; then take a smaller window, or el2n.
Published   window 10; T = 30 epochs on CIFAR-10/100 (of a 200-epoch schedule), 60 on ImageNet-1k.
Released    The authors' code multiplies each deviation by 10: the same ranking, and the same weights once normalised.
"""

from functools import partial

import numpy as np
from jaxtyping import Float

from datapare.numerics.windows import windows


def dual(target_prob: Float[np.ndarray, "T N"], *, window: int = 10) -> Float[np.ndarray, " N"]:
    """Multiply difficulty by uncertainty, and average over sliding windows of epochs. arXiv:2502.06905.

    Args:
        target_prob: float (T, N), probability of the true label of N examples in T epochs, in [0, 1].
        window: Epochs in each sliding window, at least 2; default 10, as published.

    Returns:
        float64 (N,) >= 0, larger = harder and less certain = keep first; a constant probability scores 0.

    Raises:
        InputError: If fewer epochs were recorded than the window is long, or the window has fewer than 2.

    One window of p = 0, 1: mean 1/2, deviation sqrt(1/2), so (1 - 1/2) * 0.7071 = 0.3536.

    >>> dual(np.array([[0.0], [1.0]]), window=2).round(4).tolist()
    [0.3536]
    """
    total = np.zeros(target_prob.shape[1])
    for difficulty, root in windows(target_prob, window, read=partial(np.subtract, 1.0)):
        total += np.multiply(difficulty, root, out=root)
    count = len(target_prob) - window + 1
    return np.asarray(total / (count * window * np.sqrt(window - 1)))
