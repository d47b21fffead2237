"""Window: skip the very hardest, keep the next.

    subset = ranks [a, a + n) of the scores, largest first

Source      arXiv:2403.17083 (a = 5 % of the dataset); Data Diet (a of about 500 examples, EL2N on CIFAR).
Reads       score (N,).
Parameters  skip: how many of the highest scores are left out, a share below 1 or a count.
Cost        Nothing beyond the score.
Not for     a part of the ranking that was not chosen by a comparison.
Published   skip = 0.05, or a count such as 500. BWS (arXiv:2406.03057) searches the start with a fitted classifier.
Ours        A window that would run over the end is moved back, so that it holds n.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.errors import InputError
from datapare.methods.spec import Fraction
from datapare.numerics.sampling import next_positions


def window(score: Float[np.ndarray, " N"], n: int, *, skip: Fraction = 0.05) -> Int[np.ndarray, " n"]:
    """Keep the n highest scores after the first `skip`.

    The skipped are the hardest, where wrong labels gather. Equal scores: the earlier ranks first.

    Args:
        score: float (N,), larger = keep first; none NaN.
        n: How many examples to keep, at most N.
        skip: How many of the highest scores are left out: a fraction of the dataset below 1, or a count from 1 up.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For a negative skip or a count that is not whole.

    >>> score = np.array([0.1, 0.9, 0.5, 0.7, 0.3])
    >>> window(score, 2, skip=1).tolist(), window(score, 2, skip=0.4).tolist(), window(score, 4, skip=3).tolist()
    ([2, 3], [2, 4], [0, 2, 3, 4])
    """
    total = len(score)
    if skip < 0 or (skip >= 1 and skip != int(skip)):
        raise InputError(f"skip is a share of the dataset in [0, 1) or a number of examples, not {skip:g}.")
    start = int(np.floor(skip * total + 1e-9)) if skip < 1 else int(skip)
    return next_positions(score, min(start, total - n), n)
