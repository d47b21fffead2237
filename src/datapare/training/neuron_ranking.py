"""KCM: how much the hidden neurons of a layer are needed, from weights and unlabeled inputs alone.

    K_ij = exp(-||w_i - w_j||^2 / sigma^2),   w_i = outgoing weights of neuron i
    C <- C o sqrt(K / (K C)), elementwise from C = 1 / n, until |sum dC| / sum C < alpha
    representative_i = C_ii, from 0 to 1 over the layer
    active_i = root of the sum over tokens of activation_i^2, mean over batches, divided by its length over the layer
    importance_i = representative_i * active_i

Source      arXiv:2303.04185, Nova, Dai, Schuurmans, 2023 (KCM, R2D2), as in two public re-implementations: neither
            gives sigma or alpha.
Ours        sigma^2 is the mean of the squared distances, so that the scale of the weights does not matter; alpha is
            0.01. Padding is not counted as tokens.
"""

import torch
from torch import Tensor

ALPHA = 0.01
MOST_STEPS = 200


def importance(weight: Tensor, activity: Tensor) -> Tensor:
    """Return how much each neuron of a layer is needed, larger = more; all 0 where no neuron is ever active.

    Args:
        weight: float (d, n), of the linear layer that reads the n neurons.
        activity: float (n,), at least 0: root of the sum of squared activations.

    Returns:
        float64 (n,).

    Two neurons that say the same represent each other; the third, as active as they are, is needed most.

    >>> importance(torch.tensor([[0.0, 0.0, 9.0]]), torch.ones(3)).numpy().round(3)
    array([0.   , 0.   , 0.577])
    """
    diagonal = representatives(weight.T.double())
    low, high = diagonal.min(), diagonal.max()
    spread = (diagonal - low) / (high - low) if high > low else torch.ones_like(diagonal)
    length = activity.double().norm()
    return spread * (activity.double() / length if length > 0 else 0.0)


def representatives(rows: Tensor) -> Tensor:
    """Return how much of each row no other row represents: the diagonal (n,) of C.

    Args:
        rows: float64 (n, d).

    Two copies and a row far from them: the copies have near a half each, the other near 1.

    >>> representatives(torch.tensor([[0.0], [0.0], [9.0]], dtype=torch.float64)).numpy().round(3)
    array([0.477, 0.477, 0.906])
    """
    count = len(rows)
    if count == 1:
        return torch.ones(1, dtype=rows.dtype)
    squared = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist").square()
    mean = squared.sum() / (count * (count - 1))
    kernel = torch.exp(-squared / mean) if mean > 0 else torch.ones_like(squared)
    masks = torch.full_like(kernel, 1 / count)
    for _ in range(MOST_STEPS):
        following = masks * (kernel / (kernel @ masks)).sqrt()
        change = abs(float((following - masks).sum() / masks.sum()))
        masks = following
        if change < ALPHA:
            break
    return masks.diagonal()
