"""Beta: ratio-adaptive sampling; the more is dropped, the easier the examples that stay.

    w_i = BetaPDF(m_i; alpha, beta) * score_i,   m_i = mean over epochs of the true-label probability
    beta = 15 * (1 - mu) * (1 - r ** c_d),    alpha = total - beta,   r = 1 - keep
    mu = m of the top-scored example;            draw n without replacement with weights w

Source      arXiv:2502.06905, Cho, Shin, Kang, Yun, 2025.
Reads       score (N,), target_prob (T, N).
Parameters  c_d: bends how fast the density moves from hard to easy as more is dropped, larger = later; fitted by
            default; total: alpha + beta, larger = narrower; anchor: how many top-scored examples fix where the density
            starts.
Cost        Nothing beyond the score and its record.
Not for     scores that may be negative; and a record without target_prob.
Published   c_d = 4 on CIFAR-100, 11 on ImageNet-1k (CIFAR-10: 5.5, unverified); total 15; mu from the top example.
            SemiPrune (arXiv:2605.23198): 4 on SUN397 and Caltech-101 after 30 epochs, 3 on Tiny-ImageNet-C after 50.
Released    The code uses total=16 and mu over the ten best, anchor=10. An unused ImageNet variant raises r to
            2 + c_d: pass c_d + 2.
Ours        alpha and beta are at least 1, since below 1 the density diverges at 0 or 1 and a handful of points would
            take the whole draw. Without a c_d, a record of augmented inputs gets 4, as published for such; any other
            gets 4 or less, so much that the kept examples are no harder, on average, than all: a network that
            sees the same inputs in every epoch overfits them, and what then stays uncertain is not worth learning.
            m is clipped to [1e-6, 1 - 1e-6], so that an m of exactly 0 or 1 has a small weight instead of none.
            Examples of score 0 are drawn, uniformly, only when all others are in.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.errors import InputError
from datapare.methods.spec import Count, MethodSpec, NonNegative, Positive
from datapare.numerics.missing import epoch_mean
from datapare.numerics.sampling import top_positions, weighted_draw

Column = Float[np.ndarray, " N"]
CLIP = 1e-6
PRESETS = {
    "cifar10": {"c_d": 5.5},  # unverified
    "cifar100": {"c_d": 4.0},
    "imagenet": {"c_d": 11.0},
    "sun397": {"c_d": 4.0},
    "caltech101": {"c_d": 4.0},
    "tiny-imagenet-c": {"c_d": 3.0},
}
UNVERIFIED = {"cifar10"}
FITTED = 20_000  # examples, evenly spaced, that a fit of c_d looks at
RANGE = (0.05, 4.0)  # of a fitted c_d: nearly always at its easiest, and what was published for CIFAR-100
CONCENTRATION = 15.0  # the constant of beta; `total` varies alpha alone, as in the released code


def beta(
    score: Float[np.ndarray, " N"],
    target_prob: Float[np.ndarray, "T N"],
    n: int,
    rng: np.random.Generator,
    *,
    c_d: NonNegative | None = None,
    total: Positive = 15.0,
    anchor: Count = 1,
) -> Int[np.ndarray, " n"]:
    """Draw n examples by score times a Beta density over mean true-label probability that moves with the ratio.

    arXiv:2502.06905.

    Args:
        score: float (N,), at least 0, larger = drawn more often.
        target_prob: float (T, N), probability of the true label per epoch, NaN where not observed.
        n: How many examples to keep, at most N.
        rng: Source of the draws; the same state gives the same subset.
        c_d: How fast the density moves from the hardest region to the easiest as more is dropped, larger = later; None
            fits it, to at most 4.
        total: alpha + beta, larger = narrower density.
        anchor: How many top-scored examples fix the start of the density.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For negative or infinite scores, which are no weights, and an anchor below 1.

    >>> p = np.array([[0.2, 0.5, 0.9], [0.4, 0.7, 0.9]])
    >>> beta(np.array([0.2, 0.3, 0.0]), p, 2, np.random.default_rng(0)).tolist()
    [0, 1]
    """
    if score.min() < 0 or not np.isfinite(score.max()):
        raise InputError("beta weights examples by score, so none may be negative or infinite; choose top instead.")
    if anchor < 1:
        raise InputError(f"anchor is the number of top-scored examples, at least 1, not {anchor}.")
    mean_prob, mu = _start(score, target_prob, anchor)
    c_d = fitted_c_d(score, mean_prob, mu, n, total=total) if c_d is None else c_d
    a, b = beta_parameters(mu, 1 - n / len(score), c_d=c_d, total=total)
    return weighted_draw(_weighed(_logs(score, mean_prob), a, b), n, rng)


def fit(
    score: Column,
    target_prob: Float[np.ndarray, "T N"],
    n: int,
    *,
    augmented: bool,
    c_d: float | None,
    total: float,
    anchor: int,
) -> dict[str, float]:
    """Fit c_d to a whole dataset, before its classes share the budget; nothing when it was given.

    Args:
        score: float (N,), at least 0.
        target_prob: float (T, N), probability of the true label per epoch.
        n: How many examples to keep, at most N.
        augmented: Whether the probabilities are those of augmented inputs.
        c_d: The given value; None to fit it.
        total: alpha + beta.
        anchor: How many top-scored examples fix the start of the density.

    Returns:
        The fitted parameters by name: c_d, or none.

    >>> p = np.array([[0.2, 0.5, 0.9], [0.4, 0.7, 0.9]])
    >>> fit(np.array([0.2, 0.3, 0.0]), p, 2, augmented=True, c_d=None, total=15.0, anchor=1)
    {'c_d': 4.0}
    """
    if c_d is not None:
        return {}
    if augmented:
        return {"c_d": RANGE[1]}
    return {"c_d": fitted_c_d(score, *_start(score, target_prob, anchor), n=n, total=total)}


def fitted_c_d(score: Column, mean_prob: Column, mu: float, n: int, *, total: float = 15.0) -> float:
    """Find the c_d with which n drawn examples have the mean of `mean_prob` that all have.

    Bisection on at most 20,000 evenly spaced examples and one fixed noise, so that it depends on its arguments alone.

    Args:
        score: float (N,), at least 0.
        mean_prob: float (N,) in (0, 1), mean over epochs of the true-label probability.
        mu: Mean probability of the top-scored examples, in (0, 1).
        n: How many examples to keep, at most N.
        total: alpha + beta.

    Returns:
        c_d, the nearer end of 0.05..4 when none inside fits.

    Of many easy and few hard examples, equally scored, the hard ones are not all kept:

    >>> easy_and_hard = np.repeat([0.9, 0.2], [900, 100])
    >>> round(fitted_c_d(np.ones(1000), easy_and_hard, 0.2, 200), 1)
    3.5
    """
    step = -(-len(score) // FITTED)
    logs, where, count = _logs(score[::step], mean_prob[::step]), mean_prob[::step], max(1, round(n / step))
    noise, target = np.random.default_rng(0).gumbel(size=len(where)), mean_prob.mean()
    low, high = RANGE
    for _ in range(16):
        middle = float(np.sqrt(low * high))
        a, b = beta_parameters(mu, 1 - n / len(score), c_d=middle, total=total)
        kept = top_positions(_weighed(logs, a, b) + noise, count)
        low, high = (middle, high) if where[kept].mean() > target else (low, middle)
    return float(np.sqrt(low * high))


def _start(score: Column, target_prob: Float[np.ndarray, "T N"], anchor: int) -> tuple[Column, float]:
    return start_from(score, epoch_mean(target_prob), anchor)


def start_from(score: Float[np.ndarray, " N"], mean_prob: Float[np.ndarray, " N"], anchor: int) -> tuple[Column, float]:
    """Return the mean probabilities (N,) inside (0, 1), and mu: their mean over the `anchor` highest scores.

    >>> start_from(np.array([0.1, 0.9]), np.array([0.0, 0.4]), 1)[1]
    0.4
    """
    inside: Column = np.clip(mean_prob.astype(np.float64), CLIP, 1 - CLIP)
    return inside, float(inside[top_positions(score, anchor)].mean())


def _logs(score: Float[np.ndarray, " N"], mean_prob: Float[np.ndarray, " N"]) -> tuple[Column, Column, Column]:
    with np.errstate(divide="ignore"):
        return np.log(score, dtype=np.float64), np.log(mean_prob), np.log1p(-mean_prob)


def _weighed(logs: tuple[Column, Column, Column], a: float, b: float) -> Column:
    score, prob, rest = logs
    return score + (a - 1) * prob + (b - 1) * rest


def beta_parameters(mu: float, r: float, *, c_d: float = 4.0, total: float = 15.0) -> tuple[float, float]:
    """Return alpha and beta of the density, each at least 1.

    Args:
        mu: Mean probability of the top-scored examples, in (0, 1).
        r: Pruning ratio, the fraction that is dropped, 0..1.
        c_d: How fast the density moves as more is dropped.
        total: alpha + beta.

    Returns:
        (alpha, beta).

    At mu = 0.3, half dropped and c_d = 4: beta = 15 * 0.7 * (1 - 0.5 ** 4) = 9.8438, alpha = 15 - beta = 5.1562.

    >>> tuple(round(x, 4) for x in beta_parameters(0.3, 0.5))
    (5.1562, 9.8438)
    """
    b = CONCENTRATION * (1 - mu) * (1 - r**c_d)
    return max(total - b, 1.0), max(b, 1.0)


SPEC = MethodSpec(fit_params=fit, over_epochs={"target_prob": epoch_mean}, presets=PRESETS, unverified=UNVERIFIED)
