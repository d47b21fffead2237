"""Loss: keep what the trained network does worst on; the score for regression and reconstruction.

    score_i = loss of example i in the last epoch

Source      arXiv:2403.17083, 2024 (core sets for image super-resolution).
Reads       loss (T, N): one loss per example and epoch, of any task.
Parameters  first: the first epoch that is read, from 0, or from the end when negative; count: how many epochs from
            there on, by default all.
Cost        A small network trained, and a forward pass.
Not for     small subsets by `top` where labels are wrong: those score highest.
Published   Squared error of a small proxy network; the top 50 % are kept or, better, the 50 % after the top 5 %, which
            is the selection rule window.
"""

import numpy as np
from jaxtyping import Float

from datapare.methods.epoch_range import chosen_epochs


def loss(loss: Float[np.ndarray, "T N"], *, first: int = -1, count: int | None = None) -> Float[np.ndarray, " N"]:
    """Return the loss in the last epoch, or averaged over the chosen ones. arXiv:2403.17083.

    The formula reads nothing but losses, so it also applies to a record of losses only (regression, several labels,
    language models).

    Args:
        loss: float (T, N), loss of N examples in T epochs, in the unit of the training loss.
        first: First epoch that is read, from 0, or from the end when negative; default the last recorded.
        count: How many epochs from `first` on; None (default) means all that follow.

    Returns:
        float64 (N,) in the unit of the loss, larger = worse = keep first.

    Raises:
        InputError: If the chosen epochs were not recorded.

    >>> per_epoch = np.array([[0.75], [0.25]])
    >>> loss(per_epoch).tolist(), loss(per_epoch, first=0).tolist()
    ([0.25], [0.5])
    """
    mean: Float[np.ndarray, " N"] = chosen_epochs(loss, first, count).mean(axis=0, dtype=np.float64)
    return mean
