"""Mixed: one part of the budget by Beta sampling, the rest at random; never far below random, whatever the scores say.

    first = n - round(share * n) by the rule beta at keep = first / N;   the rest uniformly from what is left

Source      Ours. A draw that in part ignores the weights is a defensive mixture (Hesterberg, Technometrics 37, 1995).
Reads       score (N,), target_prob (T, N).
Parameters  share: the part that is drawn at random, 0 = beta alone, 1 = random; c_d: bends how fast the density moves
            from hard to easy as more is dropped, larger = later, fitted by default; total: alpha + beta, larger =
            narrower; anchor: how many top-scored examples fix where the density starts.
Cost        Nothing beyond that of beta.
Not for     repeating published results of beta: give that rule by name.
Published   c_d, for beta; the mixture is not.
Ours        Half at random bounds what a misleading record costs. Where beta gained, this gained 40 to 110 % of it; on
            SST-2, where beta lay below random, this lay nearer (benchmarks/evidence.py).
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.methods.select import beta as by_beta
from datapare.methods.select.beta import PRESETS, UNVERIFIED
from datapare.methods.spec import Count, Fraction, MethodSpec, NonNegative, Positive
from datapare.numerics.missing import epoch_mean


def mixed(
    score: Float[np.ndarray, " N"],
    target_prob: Float[np.ndarray, "T N"],
    n: int,
    rng: np.random.Generator,
    *,
    share: Fraction = 0.5,
    c_d: NonNegative | None = None,
    total: Positive = 15.0,
    anchor: Count = 1,
) -> Int[np.ndarray, " n"]:
    """Draw a part of n examples by Beta sampling and the rest uniformly from those that are left.

    Args:
        score: float (N,), at least 0, larger = drawn more often.
        target_prob: float (T, N), probability of the true label per epoch, NaN where not observed.
        n: How many examples to keep, at most N.
        rng: Source of the draws; the same state gives the same subset.
        share: The part of the n that is drawn at random, 0..1.
        c_d: As of beta; None fits it to the part that beta draws.
        total: As of beta.
        anchor: As of beta.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For negative or infinite scores, and an anchor below 1.

    >>> p = np.array([[0.2, 0.5, 0.9], [0.4, 0.7, 0.9]])
    >>> mixed(np.array([0.2, 0.3, 0.0]), p, 2, np.random.default_rng(0)).tolist()
    [0, 1]
    """
    first = by_scores(n, share)
    chosen = np.arange(0)
    if first:
        chosen = by_beta.beta(score, target_prob, first, rng, c_d=c_d, total=total, anchor=anchor)
    left = np.ones(len(score), dtype=bool)
    left[chosen] = False
    more = rng.choice(np.flatnonzero(left), size=n - first, replace=False)
    return np.sort(np.concatenate([chosen, more]))


def by_scores(n: int, share: float) -> int:
    """Return how many of n examples the scores decide on; the odd one is theirs.

    >>> by_scores(4, 0.5), by_scores(3, 0.5), by_scores(1, 0.5), by_scores(3, 1.0)
    (2, 2, 1, 0)
    """
    return n - int(n * share)


def fit(
    score: Float[np.ndarray, " N"],
    target_prob: Float[np.ndarray, "T N"],
    n: int,
    *,
    augmented: bool,
    share: float,
    c_d: float | None,
    total: float,
    anchor: int,
) -> dict[str, float]:
    """Fit c_d to a whole dataset, as beta does for the part that it draws; nothing when it was given.

    Args:
        score: float (N,), at least 0.
        target_prob: float (T, N), probability of the true label per epoch.
        n: How many examples to keep, at most N.
        augmented: Whether the probabilities are those of augmented inputs.
        share: The part drawn at random.
        c_d: The given value; None to fit it.
        total: alpha + beta.
        anchor: How many top-scored examples fix the start of the density.

    Returns:
        The fitted parameters by name: c_d, or none.

    >>> p = np.array([[0.2, 0.5, 0.9], [0.4, 0.7, 0.9]])
    >>> fit(np.array([0.2, 0.3, 0.0]), p, 2, augmented=True, share=0.5, c_d=None, total=15.0, anchor=1)
    {'c_d': 4.0}
    """
    first = max(1, by_scores(n, share))
    return by_beta.fit(score, target_prob, first, augmented=augmented, c_d=c_d, total=total, anchor=anchor)


SPEC = MethodSpec(fit_params=fit, over_epochs={"target_prob": epoch_mean}, presets=PRESETS, unverified=UNVERIFIED)
