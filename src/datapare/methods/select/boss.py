"""BOSS: facility location that favours examples of a chosen difficulty.

    rest = all but the floor(cut * N) examples of lowest accumulated margin
    e_j  = (score_j - min) / (max - min) over the rest,   b_j = BetaPDF(e_j; c, a)
    repeat: add argmax_j sum_i max(0, s_ij - max over kept of s_i.),   s_ij = cos(h_i, h_j) * b_j

Source      BOSS, ICML 2024. Applied per class: balance="proportional".
Reads       score (N,) (EL2N of the first 5 epochs), prob_margin (T, N), embedding (N, d).
Parameters  c: first parameter of the Beta density; a: second parameter of the Beta density; cut: share of the hardest
            examples that is dropped first.
Cost        5 to 200 epochs, then a greedy choice inside each class.
Not for     large classes: each step looks at the similarities of all that are left.
Published   Tiny-ImageNet at keep 0.1: ResNet-34, 100 epochs, c = 2, a = 2, cut 0.1 (README; 0.7 in the code and in the
            table of cuts). Other cuts in PRESETS.
Released    The code silently overrides its command line's cut.
Ours        Nothing is cut by default. Equal scores all weigh the same.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.errors import InputError
from datapare.methods.spec import MethodSpec
from datapare.numerics.embeddings import unit_rows
from datapare.numerics.greedy import cover_greedy
from datapare.numerics.sampling import hard_cut, summed_margin

PRESETS = {
    "svhn": {0.7: {"cut": 0.0}, 0.5: {"cut": 0.0}, 0.3: {"cut": 0.1}, 0.2: {"cut": 0.1}, 0.1: {"cut": 0.1}}
    | {0.16: {"cut": 0.1}, 0.12: {"cut": 0.1}, 0.08: {"cut": 0.2}, 0.05: {"cut": 0.2}}
    | {0.04: {"cut": 0.3}, 0.03: {"cut": 0.3}, 0.02: {"cut": 0.5}, 0.01: {"cut": 0.8}},
    "tiny-imagenet": {0.5: {"cut": 0.4}, 0.3: {"cut": 0.5}, 0.2: {"cut": 0.6}, 0.1: {"cut": 0.7}},
}


def boss(
    score: Float[np.ndarray, " N"],
    prob_margin: Float[np.ndarray, "T N"],
    embedding: Float[np.ndarray, "N d"],
    n: int,
    *,
    c: float = 2.0,
    a: float = 2.0,
    cut: float = 0.0,
) -> Int[np.ndarray, " n"]:
    """Add, n times, the example that covers the rest best, its similarities scaled by a Beta density of its score.

    Ties go to the earlier example. PRESETS holds the published cuts.

    Args:
        score: float (N,), finite, scaled to 0..1 for the density.
        prob_margin: float (T, N), probability of the true label minus the largest other, per epoch.
        embedding: float (N, d), one row per example.
        n: How many examples to keep, at most N.
        c: First parameter of the density, at least 1.
        a: Its second parameter, at least 1.
        cut: Fraction of the examples that is dropped first, those of lowest summed margin, in [0, 1); lowered where
            fewer than n would be left.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For missing embeddings, infinite scores, c or a below 1, a cut outside [0, 1), and above 100,000
            examples.

    >>> h = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 0.2], [0.0, 1.0]])
    >>> boss(np.array([0.0, 0.5, 1.0, 0.4]), np.zeros((1, 4)), h, 2).tolist()
    [1, 3]
    """
    if not np.isfinite(score).all() or min(c, a) < 1:
        raise InputError("boss needs finite scores, and c and a of at least 1, below which its density is infinite.")
    rest = hard_cut(prob_margin, cut, n)
    rows = unit_rows(embedding[rest])
    weight = _density(score[rest].astype(np.float64), c, a).astype(rows.dtype)
    order = cover_greedy(lambda at: (rows @ rows[at].T) * weight[at], len(rows), n)
    index: NDArray[np.int64] = rest[np.sort(order)]
    return index


def _density(score: Float[np.ndarray, " M"], c: float, a: float) -> Float[np.ndarray, " M"]:
    # Without the Beta function, a factor that all gains share.
    low, high = score.min(), score.max()
    if low == high:
        return np.ones_like(score)
    e = (score - low) / (high - low)
    density: Float[np.ndarray, " M"] = e ** (c - 1) * (1 - e) ** (a - 1)
    return density


SPEC = MethodSpec(over_epochs={"prob_margin": summed_margin}, presets=PRESETS)
