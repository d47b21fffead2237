"""TDDS weighting: batches that hold high-scored examples count more.

    w_i = (s_i - min s) / (max s - min s) over the whole dataset;   batch loss = mean CE * mean w

Source      arXiv:2311.13613, Zhang, Du, Li, Xie, Zhou, 2023, and the released training code.
Reads       score (N,) of the whole dataset, also where only a subset is trained on.
Published   On in the authors' training on subsets; the DUAL authors' repository trains without it.
Released    The batch's mean weight multiplies the batch's mean loss. Weighting each example by its own score is
            another method, and not what was released.
Ours        Constant scores (0/0 in the formula) weigh 1, as a score at the maximum does.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from datapare.artifacts import Floats
from datapare.numerics.checked_calls import checked_call
from datapare.training.online.loss import Loss, numbers


@checked_call
def tdds_weighting(score: Sequence[float] | Floats) -> Loss:
    """Return the loss that scales each batch's cross-entropy by the batch's mean normalised score.

    arXiv:2311.13613.

    Args:
        score: float (N,), one per example of the whole dataset, as `dp.score(dynamics, "tdds").score`.

    Returns:
        The criterion, called as `loss(index, logits, target)`.

    Raises:
        InputError: For scores that are not finite.

    >>> import torch
    >>> loss = tdds_weighting([1.0, 3.0, 2.0])
    >>> loss([1, 2], torch.zeros(2, 2), torch.tensor([0, 1])).numpy().round(4)  # ln 2 * (1 + 0.5) / 2
    array([0.5199, 0.5199], dtype=float32)
    """
    return Loss("tdds_weighting", weights(numbers("scores", score)), {}, losses)


def weights(score: NDArray[np.float64]) -> NDArray[np.float32]:
    """Move scores to 0..1 by the lowest and highest of the dataset; constant scores become 1.

    Args:
        score: float64 (N,).

    Returns:
        float32 (N,).

    >>> weights(np.array([1.0, 3.0, 2.0])).tolist(), weights(np.array([2.0, 2.0])).tolist()
    ([0.0, 1.0, 0.5], [1.0, 1.0])
    """
    low, high = score.min(), score.max()
    normal = (score - low) / (high - low) if high > low else np.ones_like(score)
    return normal.astype(np.float32)


def losses(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return cross-entropies times the mean of the batch's weights.

    Args:
        logits: float (B, K).
        target: Class numbers, integers (B,).
        weight: float (B,).

    Returns:
        float (B,).
    """
    return cross_entropy(logits.float(), target, reduction="none") * weight.mean()
