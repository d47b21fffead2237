"""Entropy bonus: predictions of difficult examples may stay unsure.

    loss_i = CE_i - strength * s_i * H(p_i),   s_i = exp(RMD_i / temperature) / max_j exp(RMD_j / temperature)

Source      arXiv:2304.10127, 2023 (difficulty-aware entropy regularisation). The form of s is unverified.
Reads       rmd (N,): relative Mahalanobis distances, larger = harder, as the score `rmd` gives.
Published   strength 0.2 to 0.3, temperature about 0.7, both unverified. No code was released.
Ours        The maximum is subtracted before the exponential: with distances in the hundreds it would be infinite.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from datapare.artifacts import Floats
from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.training.online.loss import Loss, numbers


@checked_call
def entropy_bonus(rmd: Sequence[float] | Floats, *, strength: float = 0.2, temperature: float = 0.7) -> Loss:
    """Return the loss that lowers cross-entropy by each prediction's entropy, most for the most difficult example.

    arXiv:2304.10127.

    Args:
        rmd: float (N,), one per example of the whole dataset, larger = harder, as `dp.score(dynamics, "rmd").score`.
        strength: Factor of the entropy, in nats, at least 0; at 0 the loss is cross-entropy.
        temperature: Difference in distance by which the entropy counts e times less, above 0.

    Returns:
        The criterion, called as `loss(index, logits, target)`.

    Raises:
        InputError: For a negative strength, a temperature that is not positive, or distances that are not finite.

    Logits 0, 0: CE = H = ln 2 = 0.6931; s = 1 for the hardest, exp(-0.7 / 0.7) = 0.3679 for the other.

    >>> import torch
    >>> loss = entropy_bonus([0.7, 0.0])
    >>> loss([0, 1], torch.zeros(2, 2), torch.tensor([0, 1])).numpy().round(4)  # ln 2 * (1 - 0.2 s)
    array([0.5545, 0.6421], dtype=float32)
    """
    if not strength >= 0 or not temperature > 0:
        raise InputError(f"strength is at least 0 and temperature above 0, not {strength} and {temperature}.")

    def losses(logits: Tensor, target: Tensor, difficulty: Tensor) -> Tensor:
        log_prob = logits.float().log_softmax(dim=1)
        entropy = -(log_prob.exp() * log_prob).sum(dim=1)
        return cross_entropy(logits.float(), target, reduction="none") - strength * difficulty * entropy

    params = {"strength": strength, "temperature": temperature}
    return Loss("entropy_bonus", difficulty(numbers("distances", rmd), temperature), params, losses)


def difficulty(rmd: NDArray[np.float64], temperature: float) -> NDArray[np.float32]:
    """Scale distances to difficulties, 1 for the largest.

    Args:
        rmd: float64 (N,).
        temperature: Difference in distance by which the difficulty falls by a factor of e.

    Returns:
        float32 (N,), 0..1.

    >>> difficulty(np.array([1000.7, 1000.0]), 0.7).astype(float).round(4).tolist()
    [1.0, 0.3679]
    """
    relative: NDArray[np.float64] = np.exp((rmd - rmd.max()) / temperature)
    return relative.astype(np.float32)
