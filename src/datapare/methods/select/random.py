"""Random: the line every method has to beat.

    subset = n examples drawn uniformly without replacement

Source      The baseline of every paper.
Reads       score (N,), for its length only.
Cost        Nothing.
Not for     nothing: compare every other rule with it.
Released    Some baselines take the first n examples; this one draws.
"""

import numpy as np
from jaxtyping import Float, Int


def random(score: Float[np.ndarray, " N"], n: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    """Draw n examples uniformly, without replacement; the scores are not looked at.

    Args:
        score: float (N,), for its length only.
        n: How many examples to keep, at most N.
        rng: Source of the draws; the same state gives the same subset.

    Returns:
        Sorted positions, int64 (n,).

    >>> random(np.zeros(5), 2, np.random.default_rng(0)).tolist()
    [3, 4]
    """
    return np.sort(rng.choice(len(score), size=n, replace=False))
