"""Loss: keep what the trained network does worst on; the score for regression and reconstruction.

    score_i = loss of example i in the last epoch

Source      arXiv:2403.17083, 2024 (core sets for image super-resolution).
Reads       loss (T, N): one loss per example and epoch, of any task.
Parameters  first: the first epoch that is read, from 0, or from the end when negative; count: how many epochs from
            there on, by default all.
Cost        A small network trained, and a forward pass.
Published   Squared error of a small proxy network; the top 50 % are kept or, better, the 50 % after the top 5 %, which
            is the selection rule window.
"""

import numpy as np
from jaxtyping import Float

from datapare.methods.epoch_range import chosen_epochs


def loss(loss: Float[np.ndarray, "T N"], *, first: int = -1, count: int | None = None) -> Float[np.ndarray, " N"]:
    """Loss in the last epoch, or averaged over the chosen ones.

    Returns float64 (N,) in the unit of the loss, larger = worse = keep first. Raises InputError when the chosen epochs
    were not recorded. arXiv:2403.17083.

    >>> per_epoch = np.array([[0.75], [0.25]])
    >>> loss(per_epoch).tolist(), loss(per_epoch, first=0).tolist()
    ([0.25], [0.5])
    """
    mean: Float[np.ndarray, " N"] = chosen_epochs(loss, first, count).mean(axis=0, dtype=np.float64)
    return mean
