"""CCS: drop the hardest, then cover what is left evenly from easy to hard.

    rest   = all but the floor(cut * N) examples of lowest accumulated margin
    strata = equal widths of score over the rest, from its least to its largest
    visit strata from the smallest count up: each gives min(its size, floor(budget left / strata left)), at random

Source      Zheng, Liu, Lai, Prakash, 2023; haizhongzheng/Coverage-centric-coreset-selection.
Reads       score (N,), prob_margin (T, N): target probability minus the best other, summed over epochs for the cut.
Parameters  cut: share of the hardest examples that is dropped first; strata: number of equal ranges of the score that
            the rest is divided into.
Cost        200 epochs (60 on ImageNet) for the margins of the cut.
Not for     keeping most of a dataset: the cut drops a part of the hardest first.
Published   50 strata; cut by dataset and keep in PRESETS, after scoring over the full training (200 epochs CIFAR).
Released    The upper edge is 1.0001 * max, which loses the top examples when scores are negative; ours is inclusive.
            Another code drops the first 20 % of whatever ranking it is given; ours always cuts by margin.
Ours        Nothing is cut by default. Infinite scores belong to the outermost strata.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.errors import InputError
from datapare.methods.spec import MethodSpec
from datapare.numerics.sampling import allot, draw_within, hard_cut, stratify, summed_margin

PRESETS = {
    "cifar10": {0.7: {"cut": 0.0}, 0.5: {"cut": 0.0}, 0.3: {"cut": 0.1}, 0.2: {"cut": 0.1}, 0.1: {"cut": 0.3}},
    "cifar100": {0.7: {"cut": 0.1}, 0.5: {"cut": 0.2}, 0.3: {"cut": 0.2}, 0.2: {"cut": 0.4}, 0.1: {"cut": 0.5}},
    "imagenet": {
        0.7: {"cut": 0.0},  # unverified
        0.5: {"cut": 0.1},  # unverified
        0.3: {"cut": 0.2},  # unverified
        0.2: {"cut": 0.2},
        0.1: {"cut": 0.3},
    },
}
UNVERIFIED = {("imagenet", 0.7), ("imagenet", 0.5), ("imagenet", 0.3)}


def ccs(
    score: Float[np.ndarray, " N"],
    prob_margin: Float[np.ndarray, "T N"],
    n: int,
    rng: np.random.Generator,
    *,
    cut: float = 0.0,
    strata: int = 50,
) -> Int[np.ndarray, " n"]:
    """Draw evenly from equal-width strata of the score, after dropping the share `cut` of lowest margin.

    Sparse strata give all they have and the others share the rest, so hard and easy regions stay covered. PRESETS holds
    the published cuts.

    Args:
        score: float (N,), larger = keep first; none NaN.
        prob_margin: float (T, N), probability of the true label minus the largest other, per epoch.
        n: How many examples to keep, at most N.
        rng: Source of the draws; the same state gives the same subset.
        cut: Fraction of the examples that is dropped first, those of lowest summed margin, in [0, 1); lowered where
            fewer than n would be left.
        strata: Number of score ranges, at least 1.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For less than one stratum or a cut outside [0, 1).

    With strata of 0, 1, 4 and 10 examples and a budget of 8, they give 0, 1, 3 and 4:

    >>> score = np.array([0.0] + [0.5] * 4 + [1.0] * 10)
    >>> chosen = ccs(score, np.zeros((1, 15)), 8, np.random.default_rng(0), strata=4)
    >>> [int((score[chosen] == s).sum()) for s in (0.0, 0.5, 1.0)]
    [1, 3, 4]
    """
    if strata < 1:
        raise InputError(f"strata is the number of score ranges, at least 1, not {strata}.")
    rest = hard_cut(prob_margin, cut, n)
    stratum = stratify(score[rest], strata)
    share = allot(np.bincount(stratum, minlength=strata), n, uniform=True)
    index: NDArray[np.int64] = rest[draw_within(stratum, share, rng)]
    return index


SPEC = MethodSpec(over_epochs={"prob_margin": summed_margin}, presets=PRESETS, unverified=UNVERIFIED)
