"""Beta: ratio-adaptive sampling; the more is dropped, the easier the examples that stay.

    w_i = BetaPDF(m_i; alpha, beta) * score_i,   m_i = mean over epochs of the true-label probability
    beta = 15 * (1 - mu) * (1 - r ** c_d),    alpha = total - beta,   r = 1 - keep
    mu = m of the top-scored example;            draw n without replacement with weights w

Source      arXiv:2502.06905, Cho, Shin, Kang, Yun, 2025.
Reads       score (N,), target_prob (T, N).
Published   c_d = 4 on CIFAR-100, 11 on ImageNet-1k (CIFAR-10: 5.5, unverified); total 15; mu from the top example.
Released    The code uses total=16 and mu over the ten best, anchor=10. An unused ImageNet variant raises r to
            2 + c_d: pass c_d + 2.
Ours        alpha and beta are at least 1, since below 1 the density diverges at 0 or 1 and a handful of points would
            take the whole draw. m is clipped to [1e-6, 1 - 1e-6], so that an m of exactly 0 or 1 has a small weight
            instead of none. Examples of score 0 are drawn, uniformly, only when all others are in.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.errors import InputError
from datapare.numerics import top_positions, weighted_draw

CLIP = 1e-6
PRESETS = {
    "cifar10": {"c_d": 5.5},  # unverified
    "cifar100": {"c_d": 4.0},
    "imagenet": {"c_d": 11.0},
}
UNVERIFIED = {"cifar10"}
CONCENTRATION = 15.0  # the constant of beta; `total` varies alpha alone, as in the released code


def beta(
    score: Float[np.ndarray, " N"],
    target_prob: Float[np.ndarray, "T N"],
    n: int,
    rng: np.random.Generator,
    *,
    c_d: float = 4.0,
    total: float = 15.0,
    anchor: int = 1,
) -> Int[np.ndarray, " n"]:
    """Draw n examples by score times a Beta density over mean true-label probability that moves with the ratio.

    `c_d` bends how fast the density moves from the hardest region to the easiest as more is dropped (larger: later);
    `total` is alpha + beta; `anchor` is how many top-scored examples fix the start of the density. Returns sorted
    positions (n,). Raises InputError for negative or infinite scores: they are no weights. arXiv:2502.06905.

    >>> p = np.array([[0.2, 0.5, 0.9], [0.4, 0.7, 0.9]])
    >>> beta(np.array([0.2, 0.3, 0.0]), p, 2, np.random.default_rng(0)).tolist()
    [0, 1]
    """
    if score.min() < 0 or not np.isfinite(score.max()):
        raise InputError("beta weights examples by score, so none may be negative or infinite; choose top instead.")
    if anchor < 1:
        raise InputError(f"anchor is the number of top-scored examples, at least 1, not {anchor}.")
    mean_prob = np.clip(target_prob.mean(axis=0, dtype=np.float64), CLIP, 1 - CLIP)
    mu = float(mean_prob[top_positions(score, anchor)].mean())
    a, b = beta_parameters(mu, 1 - n / len(score), c_d=c_d, total=total)
    with np.errstate(divide="ignore"):
        log_weight = np.log(score, dtype=np.float64)
    log_weight += (a - 1) * np.log(mean_prob)
    log_weight += (b - 1) * np.log1p(-mean_prob)
    return weighted_draw(log_weight, n, rng)


def beta_parameters(mu: float, r: float, *, c_d: float = 4.0, total: float = 15.0) -> tuple[float, float]:
    """Alpha and beta of the density at pruning ratio r when the top example has mean probability mu.

    At mu = 0.3, half dropped and c_d = 4: beta = 15 * 0.7 * (1 - 0.5 ** 4) = 9.8438, alpha = 15 - beta = 5.1562.

    >>> tuple(round(x, 4) for x in beta_parameters(0.3, 0.5))
    (5.1562, 9.8438)
    """
    b = CONCENTRATION * (1 - mu) * (1 - r**c_d)
    return max(total - b, 1.0), max(b, 1.0)
