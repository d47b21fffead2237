"""ESPS: keep what the network keeps changing its mind about, by the angle between consecutive predictions.

    score_i = mean over steps t of 1 - cos(p_t, p_t+1)

Source      arXiv: none; Hu210/esps-data-pruning, IEEE Access 14, 74912, 2026.
Reads       cos_step (T, N): 1 - cosine of consecutive probability vectors, whose first row is not known.
Cost        10 epochs.
Not for     a record without cos_step, which is made on request only.
Published   The first 10 epochs (count=10) of a training pass, highest first, with a pool that is redrawn in each epoch:
            at keep 0.1 the run sees 27 % of the data. Alone, the static top of the score is far below random.
Ours        ESPS-N, for noisy labels, keeps the lowest of ESPS + 1 - mean p_y. It prefers easy examples, against the
            orientation of scores here, and so is not offered: rule two_ended drops the hardest.
"""

import numpy as np
from jaxtyping import Float

from datapare.errors import InputError


def esps(cos_step: Float[np.ndarray, "T N"]) -> Float[np.ndarray, " N"]:
    """Average the turn of the predicted probabilities from epoch to epoch.

    Args:
        cos_step: float (T, N), 1 - cosine of the probabilities of consecutive epochs, in [0, 1]; the first row is not
            read.

    Returns:
        float64 (N,) in [0, 1], larger = less certain = keep first.

    Raises:
        InputError: If fewer than two epochs were recorded.

    Turns of 0.1 and 0.3 after the unknown first row: 0.2.

    >>> esps(np.array([[np.nan], [0.1], [0.3]])).round(4).tolist()
    [0.2]
    """
    if len(cos_step) < 2:
        raise InputError("esps compares consecutive epochs, so it needs two or more; record more, or choose others.")
    mean: Float[np.ndarray, " N"] = cos_step[1:].mean(axis=0, dtype=np.float64)
    return mean
