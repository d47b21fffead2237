"""Both ends: keep the highest scores and, beside them, some of the lowest.

    subset = the floor(hard * n) examples of largest score and the n - that of least score

Source      arXiv:2009.10795, Swayamdipta, Schwartz, Lourie, and others, 2020 (Dataset Cartography, released code).
Reads       score (N,).
Parameters  hard: share of the budget for the highest scores; the lowest get the rest.
Cost        Nothing beyond the score.
Not for     labels that are wrong: the hard end holds them.
Published   hard = 0.7, as an option beside the plain top.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.errors import InputError
from datapare.numerics.sampling import top_positions


def both_ends(score: Float[np.ndarray, " N"], n: int, *, hard: float = 0.7) -> Int[np.ndarray, " n"]:
    """Keep the highest scores for the share `hard` of the budget, and the lowest for the rest.

    Equal scores: the earlier is taken first, at either end.

    Args:
        score: float (N,), larger = keep first; none NaN.
        n: How many examples to keep, at most N.
        hard: Fraction of the budget for the highest scores, 0..1.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: When hard is outside 0..1.

    Of three kept, two are the highest and one the lowest:

    >>> both_ends(np.array([0.1, 0.9, 0.5, 0.7, 0.3]), 3).tolist()
    [0, 1, 3]
    """
    if not 0 <= hard <= 1:
        raise InputError(f"hard is the share of the subset taken from the highest scores, 0..1, not {hard:g}.")
    highest = top_positions(score, int(np.floor(hard * n + 1e-9)))
    others = np.ones(len(score), dtype=bool)
    others[highest] = False
    rest = np.flatnonzero(others)
    lowest = rest[top_positions(-score[rest], n - len(highest))]
    return np.sort(np.concatenate([highest, lowest]))
