"""DLC: keep what a pre-trained network gets wrong once part of its weights is gone.

    DLC_i = mean over S thinned networks s of l_s,   l_s = cross-entropy of the logits 1 / ||f_s(x) - mu_c||,
    mu_c the mean feature of class c in the whole network; each network keeps 98 % of the weights of the one before

Source      arXiv:2402.05356, 2024 (distorting-based learning complexity).
Reads       distorted_loss (N, S): l_s, from a probe of a frozen, pre-trained network;
            datapare record takes the network it has trained.
Cost        A pre-trained network and 50 forward passes.
Not for     networks without hidden linear layers or convolutions to prune, and cheap scoring.
Published   S = 50 networks, thinned by 2 % each; the harder half, the easier half, or a mixture (FlexRand) is kept.
"""

import numpy as np
from jaxtyping import Float


def dlc(distorted_loss: Float[np.ndarray, "N S"]) -> Float[np.ndarray, " N"]:
    """Average the loss over the pruned networks. arXiv:2402.05356.

    Args:
        distorted_loss: float (N, S), cross-entropy of each example in each of S pruned networks, in nats.

    Returns:
        float64 (N,) in nats, larger = more complex = keep first.

    >>> dlc(np.array([[0.5, 1.5], [0.0, 0.5]])).tolist()
    [1.0, 0.25]
    """
    mean: Float[np.ndarray, " N"] = distorted_loss.mean(axis=1, dtype=np.float64)
    return mean
