"""GraNd: keep what pulls hardest on the weights.

    GraNd_i = mean over runs of || gradient of the loss of example i with respect to all weights ||_2

Source      arXiv:2107.07075, Paul, Ganguli, Dziugaite, 2021 (Data Diet).
Reads       grad_norm (T, N): norm of each example's gradient; each row is one network, of whichever run and epoch.
Cost        Up to 20 epochs and a gradient of every example; 10 runs are advised.
Not for     networks with many weights on a budget: it takes a gradient of each example.
Published   10 networks, at initialisation or an early epoch, all weights. One network instead of ten ranks differently
            (Spearman about 0.75) and makes worse subsets. datapare record takes the norms once, of the network after
            the last epoch: record several seeds and average their scores.
Released    DeepCore reads the last layer only: that is grand_last, which needs no gradients.
"""

import numpy as np
from jaxtyping import Float


def grand(grad_norm: Float[np.ndarray, "T N"]) -> Float[np.ndarray, " N"]:
    """Average the gradient norm over the networks it was taken from. arXiv:2107.07075.

    Args:
        grad_norm: float (T, N), norm of the gradient of each example's loss in all weights; each row is one network.

    Returns:
        float64 (N,) >= 0, larger = stronger pull on the weights = keep first.

    Norms 3 and 4 in two runs: 3.5.

    >>> grand(np.array([[3.0], [4.0]])).tolist()
    [3.5]
    """
    mean: Float[np.ndarray, " N"] = grad_norm.mean(axis=0, dtype=np.float64)
    return mean
