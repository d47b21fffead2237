"""FlexRand: split by difficulty, then draw from both sides.

    easy part = the lowest `split` of the scores, hard part = the rest
    share of the dataset drawn from the easy part = min(split, f / 2), from the hard part f - that,   f = n / N
    (mirrored when split > 0.5: hard share = min(1 - split, f / 2), easy share the rest)

Source      arXiv:2402.05356; ml-stat-Sustech/Efficient-Dataset-Pruning. Applied per class: balance="proportional".
Reads       score (N,), larger = harder.
Parameters  split: share of the examples, lowest scores first, that counts as easy.
Cost        Nothing beyond the score.
Not for     labels that are wrong: the hard part holds them.
Published   split is tuned over 0.05, 0.10, …, 0.95 by retraining.
Released    The smaller part is rounded to the nearest whole number, a half to the even one.
Ours        split = 0.5, half of the subset from each half, since tuning needs trainings.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.errors import InputError
from datapare.numerics.sampling import draw_within, top_positions


def flex_rand(
    score: Float[np.ndarray, " N"], n: int, rng: np.random.Generator, *, split: float = 0.5
) -> Int[np.ndarray, " n"]:
    """Draw uniformly from the easy and the hard part of the scores, half of the budget each as far as they last.

    Of equal scores at the border the earlier counts as harder.

    Args:
        score: float (N,), larger = harder; none NaN.
        n: How many examples to keep, at most N.
        rng: Source of the draws; the same state gives the same subset.
        split: Fraction of the examples, lowest scores first, that counts as easy, 0..1.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: When split is outside 0..1.

    Of 100 examples keep 30: split 0.1 gives 10 easy and 20 hard, split 0.2 gives 15 and 15.

    >>> score = np.arange(100.0)
    >>> [int((flex_rand(score, 30, np.random.default_rng(0), split=g) < 100 * g).sum()) for g in (0.1, 0.2)]
    [10, 15]
    """
    if not 0 <= split <= 1:
        raise InputError(f"split is the share of the examples that counts as easy, 0..1, not {split:g}.")
    total = len(score)
    smaller = round(min(split, 1 - split) * total)  # size of the smaller part
    from_smaller = min(smaller, n // 2)
    hard = np.zeros(total, dtype=np.int64)
    hard[top_positions(score, total - smaller if split <= 0.5 else smaller)] = 1
    share = [from_smaller, n - from_smaller] if split <= 0.5 else [n - from_smaller, from_smaller]
    return draw_within(hard, np.array(share), rng)
