"""When a ranking has converged: scoring may stop by itself once more epochs hardly change what would be kept.

The examples with the largest DUAL score over the first t epochs are compared with those over the first t - 3; when at
least 95 % are the same, the ranking counts as stable. The score, the share and the distance are fixed, so that a record
does not depend on what is later selected from it.
"""

from typing import TypedDict

import numpy as np
from jaxtyping import Float

from datapare.methods.score.dual import dual
from datapare.numerics.missing import last_observed
from datapare.numerics.sampling import top_positions


class StabilityRule(TypedDict):
    """When a ranking counts as stable: what `overlap` is asked, and how much is enough."""

    score: str
    window: int
    share: float
    apart: int
    overlap: float


RULE: StabilityRule = {"score": "dual", "window": 10, "share": 0.3, "apart": 3, "overlap": 0.95}


def overlap(target_prob: Float[np.ndarray, "T N"], *, window: int = 10, share: float = 0.3, apart: int = 3) -> float:
    """Fraction of the top `share` by DUAL over all epochs that is also its top without the last `apart` epochs.

    NaN while there are fewer epochs than a window and `apart` more. Examples never observed are left out.

    >>> p = np.random.default_rng(0).random((13, 50))
    >>> bool(0 < overlap(p) < 1), overlap(p[:12]), overlap(np.concatenate([p[:10], p[:3]]), window=2, apart=0)
    (True, nan, 1.0)
    """
    if len(target_prob) < window + apart:
        return float("nan")
    filled = last_observed(target_prob)
    known = filled[:, ~np.isnan(filled[0])]
    count = max(1, int(share * known.shape[1]))
    now, before = (top_positions(dual(known[:t], window=window), count) for t in (len(known), len(known) - apart))
    return len(np.intersect1d(now, before)) / count


def ranking_converged(target_prob: Float[np.ndarray, "T N"]) -> bool:
    """Whether the ranking by these epochs is stable, by RULE.

    >>> ranking_converged(np.random.default_rng(0).random((13, 200)))
    False
    """
    same = overlap(target_prob, window=RULE["window"], share=RULE["share"], apart=RULE["apart"])
    return bool(same >= RULE["overlap"])
