"""Top: keep the highest scores.

    subset = the n examples of largest score

Source      Every score paper; ties go to the earlier example.
Reads       score (N,).
Cost        Nothing beyond the score.
Not for     small subsets by difficulty: it keeps the hardest, wrong labels among them.
Released    Reference codes keep the tail of an unstable ascending sort; n = 0 then keeps everything.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.numerics.sampling import top_positions


def top(score: Float[np.ndarray, " N"], n: int) -> Int[np.ndarray, " n"]:
    """Keep the n highest scores; ties go to the earlier example, so a larger n only adds.

    Args:
        score: float (N,), larger = keep first; none NaN.
        n: How many examples to keep, at most N.

    Returns:
        Sorted positions, int64 (n,).

    >>> top(np.array([0.1, 0.9, 0.5, 0.9]), 2).tolist()
    [1, 3]
    """
    return top_positions(score, n)
