"""Two-ended: drop the hardest share, then the easiest until the budget is met.

    order  = examples from the lowest accumulated margin (hardest) to the highest
    subset = order[c : c + n],   c = floor(cut * N)

Source      eltsai/elfs; cyseul/SemiPrune (arXiv:2605.23198).
Reads       prob_margin (T, N): target probability minus the best other, summed over epochs.
Parameters  cut: share of the hardest examples that is dropped first; by default as many as at the easy end.
Cost        200 epochs (60 on ImageNet) for the margins.
Not for     a record without margins.
Published   cut by dataset and keep in PRESETS (ELFS); SemiPrune tries the cuts of GRID for each keep.
Released    The codes read margins under pseudo-labels; record with such labels for that.
Ours        Without a cut, half of what is dropped is taken from each end. Equal margins: the earlier is the easier.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.methods.spec import MethodSpec
from datapare.numerics.sampling import hard_cut, summed_margin, top_positions

PRESETS = {"cifar10": {0.1: {"cut": 0.4}}, "imagenet": {0.1: {"cut": 0.3}}}
GRID = {0.7: (0.0, 0.3), 0.5: (0.1, 0.4), 0.3: (0.2, 0.6), 0.2: (0.3, 0.7), 0.1: (0.4, 0.8)}  # keep: first, last cut


def two_ended(prob_margin: Float[np.ndarray, "T N"], n: int, *, cut: float | None = None) -> Int[np.ndarray, " n"]:
    """Keep the n hardest examples by accumulated margin that remain after the share `cut` of hardest is dropped.

    PRESETS and GRID hold the published cuts.

    Args:
        prob_margin: float (T, N), probability of the true label minus the largest other, per epoch.
        n: How many examples to keep, at most N.
        cut: Fraction of the examples that is dropped at the hard end, in [0, 1), lowered where fewer than n would be
            left; None drops as many there as at the easy end.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For a cut outside [0, 1).

    >>> margin = np.array([[-0.5, 0.1, 0.4, 0.7, 0.9]])
    >>> two_ended(margin, 2, cut=0.2).tolist(), two_ended(margin, 3).tolist()
    ([1, 2], [1, 2, 3])
    """
    margin = summed_margin(prob_margin)
    rest = hard_cut(margin[None], (len(margin) - n) / 2 / len(margin) if cut is None else cut, n)
    index: NDArray[np.int64] = rest[top_positions(-margin[rest], n)]
    return index


SPEC = MethodSpec(over_epochs={"prob_margin": summed_margin}, presets=PRESETS)
