"""FATB: keep what falls from above to below the mean loss again and again.

    fatb_i = number of epochs t with l_{i,t} > m_t and l_{i,t+1} <= m_{t+1},   m_t the mean loss of all examples

Source      Not known: only third parties describe it, and that many falls are kept is inferred from them. Experimental.
Reads       loss (T, N), per epoch; mean_loss (T, N): the mean of that epoch, the same for every example.
Parameters  first: the first epoch that is read, from 0, or from the end when negative; count: how many epochs from
            there on, by default all.
Cost        Up to 200 epochs, and retrainings to find count.
Not for     few epochs: it counts falls, so that most examples tie at 0.
Published   A cut-off epoch (count), tuned for each ratio in steps of 10 epochs.
Ours        All recorded epochs count by default. A loss at the mean is not above it.
"""

import numpy as np
from jaxtyping import Float

from datapare.methods.epoch_range import chosen_epochs


def fatb(
    loss: Float[np.ndarray, "T N"], mean_loss: Float[np.ndarray, "T N"], *, first: int = 0, count: int | None = None
) -> Float[np.ndarray, " N"]:
    """Count how often an example's loss falls from above to below the mean loss of the dataset.

    The formula reads nothing but losses, so it also applies to a record of losses only (regression, several labels,
    language models).

    Args:
        loss: float (T, N), loss of N examples in T epochs, in the unit of the training loss.
        mean_loss: float (T, N), mean loss of each epoch, the same for every example.
        first: First epoch that is read, from 0, or from the end when negative; default the first recorded.
        count: How many epochs from `first` on; None (default) means all that follow.

    Returns:
        float64 (N,) of whole numbers, larger = falls more often = keep first; NaN where a loss is NaN.

    Raises:
        InputError: If the chosen epochs were not recorded.

    Above, below, above, at the mean: two falls. Below throughout: none.

    >>> loss, mean = np.array([[3.0, 0.0], [1.0, 0.0], [3.0, 1.0], [2.0, 1.0]]), np.full((4, 2), 2.0)
    >>> fatb(loss, mean).tolist(), fatb(loss, mean, count=3).tolist()
    ([2.0, 0.0], [1.0, 0.0])
    """
    excess = chosen_epochs(loss, first, count) - chosen_epochs(mean_loss, first, count)
    above = excess > 0
    falls = np.count_nonzero(above[:-1] > above[1:], axis=0)
    return np.where(np.isnan(excess).any(axis=0), np.nan, falls)  # a comparison would hide a missing loss
