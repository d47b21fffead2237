"""Forgetting: keep what is learned and lost again.

    forgetting_i = number of epochs t with example i right at t and wrong at t + 1;   never right: see never_learned

Source      arXiv:1812.05159, Toneva, Sordoni, Tachet des Combes, Trischler, Bengio, Gordon, 2019.
Reads       correct (T, N): whether the prediction was right, per epoch (derived from the margin).
Parameters  never_learned: the score of an example that was never right; by default the number of epochs.
Cost        75 to 200 epochs, of 1 to 5 runs.
Not for     few epochs: it counts, so that most examples tie; and small subsets by `top` where labels are wrong.
Published   200 epochs of CIFAR's training pass, summed over 5 runs. An example never right counts as forgotten in every
            epoch: never_learned is the number of epochs.
Released    Data Diet: never_learned=inf. Dataset cartography: 1000. CCS, DUAL and DeepCore have no rule, so that the
            hardest score 0 and are dropped first as if they were easy: 0.
"""

import numpy as np
from jaxtyping import Bool, Float

from datapare.methods.spec import NonNegativeOrInfinite


def forgetting(
    correct: Bool[np.ndarray, "T N"], *, never_learned: NonNegativeOrInfinite | None = None
) -> Float[np.ndarray, " N"]:
    """Count how often an example turns from right to wrong. arXiv:1812.05159.

    Args:
        correct: bool (T, N), whether the prediction was right, per epoch.
        never_learned: Score of an example that was never right, >= 0 or infinity; None (default) means the number of
            epochs.

    Returns:
        float64 (N,) of whole numbers (unless `never_learned` is none), larger = forgotten more often = keep first.

    Right, wrong, right: forgotten once. Never right in three epochs: 3.

    >>> seen = np.array([[True, False], [False, False], [True, False]])
    >>> forgetting(seen).tolist(), forgetting(seen, never_learned=0).tolist()
    ([1.0, 3.0], [1.0, 0.0])
    """
    lost = np.count_nonzero(correct[:-1] > correct[1:], axis=0)
    never = len(correct) if never_learned is None else never_learned
    return np.where(correct.any(axis=0), lost, float(never))
