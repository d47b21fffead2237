"""Means and paired differences of accuracies, with 95 % intervals over training seeds and held-out examples.

An accuracy measured with S seeds on M held-out examples varies for two reasons: other seeds, and other examples. With
the outcome y of every seed and example known, both are components of a crossed random-effects model,

    y_sm = mu + seed_s + example_m + rest_sm,     h² = z² E + t² max(0, X - k E0)

where E = MS_example / SM, X = MS_seed / SM and E0 = MS_rest / SM are the usual mean squares, t has S - 1 degrees of
freedom, and h is half the interval's width. k = 1 - 0.6 / (S - 1) balances a seed variance of 0 (which asks for a
larger k) against one as large as E (for a smaller); benchmarks/interval_coverage.py measures the coverage.

Where only accuracies are known, the interval is the t-interval over seeds, never narrower than the binomial interval of
the held-out examples. Below three seeds there is no interval: with two, t is 12.7, and the interval uninformative.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_SEEDS = 3  # seeds below which there is no interval
CONFIDENCE = 0.95
MAX_SEEDS = 1000  # above which asking for more seeds is no advice
# Variation of a quarter of a discordant example, added to a difference so that no width is 0. Bonett and Price (2012)
# add two, which is for one seed: with several, coverage was above 99 % at accuracies of 99.5 %.
PSEUDO_EXAMPLES = 0.25

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean and the ends of its 95 % interval; the ends are NaN when there are fewer than three seeds."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval, and where its uncertainty comes from.

    Attributes:
        interval: The mean and its interval.
        seeds: Number of seeds S it is a mean over.
        per_seed: Variance of the mean that S seeds divide by S.
        fixed: Variance of the mean that more seeds do not reduce: that of the held-out examples.
    """

    interval: Interval
    seeds: int
    per_seed: float
    fixed: float

    def seeds_to_exclude(self, value: float) -> int | None:
        """Return how many seeds would exclude `value` from the interval if the mean and the spread stay as observed.

        None where more than MAX_SEEDS are needed, or where no number is enough because the held-out examples are too
        few.

        >>> estimate([[0.70, 0.74, 0.72, 0.75]]).seeds_to_exclude(0.71)
        9
        """
        distance = abs(self.interval.mean - value)
        if not math.isfinite(distance) or distance <= _quantile(CONFIDENCE, math.inf) * math.sqrt(self.fixed):
            return None
        for seeds in range(MIN_SEEDS, MAX_SEEDS + 1):
            variance = self.per_seed * _quantile(CONFIDENCE, seeds - 1) ** 2 / seeds
            if variance + _quantile(CONFIDENCE, math.inf) ** 2 * self.fixed < distance**2:
                return seeds
        return None


def mean_interval(values: Iterable[float]) -> Interval:
    """Return the mean of the finite `values` (one per seed) and its 95 % t-interval.

    >>> [round(x, 3) for x in mean_interval([0.70, 0.72, 0.74])]
    [0.72, 0.67, 0.77]
    >>> mean_interval([0.5, 0.75])
    Interval(mean=0.625, low=nan, high=nan)
    """
    return _over_seeds(np.asarray(list(values), dtype=np.float64), 0.0, CONFIDENCE).interval


def paired_interval(a: Iterable[float], b: Iterable[float]) -> Interval:
    """Return the mean of `a - b`, seed by seed, and its 95 % t-interval; a seed that either lacks (NaN) is left out.

    >>> [round(x, 3) for x in paired_interval([0.72, 0.75, 0.74], [0.70, 0.72, 0.70])]
    [0.03, 0.005, 0.055]
    """
    first, second = (np.asarray(list(values), dtype=np.float64) for values in (a, b))
    return mean_interval(first - second)


def estimate(accuracies: Iterable[Iterable[float]], examples: int = 0, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the accuracy of one arm, or the difference of two, from accuracies per seed alone.

    Args:
        accuracies: One row per arm (one, or two whose difference is wanted), one accuracy 0..1 per seed; NaN = missing.
        examples: Number of held-out examples M; 0 where unknown.
        confidence: Probability that the interval covers the true value.

    Returns:
        The t-interval over seeds, widened to the binomial interval of M examples.

    >>> [round(x, 3) for x in estimate([[0.72, 0.72, 0.72], [0.70, 0.70, 0.70]], examples=450).interval]
    [0.02, -0.039, 0.079]
    """
    rows = [np.asarray(list(row), dtype=np.float64) for row in accuracies]
    seen = np.isfinite(np.stack(rows)).all(axis=0)
    means = [float(row[seen].mean()) if seen.any() else math.nan for row in rows]
    # Agresti and Coull's two right and two wrong, so that an accuracy of 1 has a width too
    smoothed = [(mean * examples + 2) / (examples + 4) for mean in means]
    binomial = sum(p * (1 - p) for p in smoothed) / examples if examples else 0.0
    values = rows[0] if len(rows) == 1 else rows[0] - rows[1]
    return _over_seeds(values, binomial, confidence)


def difference(a: NDArray[np.bool_], b: NDArray[np.bool_], confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the difference in accuracy of two arms from the outcomes of every seed and held-out example.

    Args:
        a: Whether each prediction was right, shape (S, M).
        b: The same for the other arm, with the same seeds and examples.
        confidence: Probability that the interval covers the true value.

    >>> right = np.array([[1, 1, 0, 1], [1, 1, 1, 1], [1, 1, 0, 1]], dtype=bool)
    >>> [round(x, 2) for x in difference(right, ~right).interval]
    [0.67, -0.15, 1.0]
    """
    found = _crossed(a.astype(np.float64) - b, PSEUDO_EXAMPLES, confidence)
    mean, low, high = found.interval
    return Estimate(Interval(mean, max(low, -1.0), min(high, 1.0)), found.seeds, found.per_seed, found.fixed)


def accuracy(right: NDArray[np.bool_], confidence: float = CONFIDENCE) -> Estimate:
    """Estimate an accuracy from the outcomes (S, M) of every seed and held-out example.

    The interval is Wilson's, for as many independent examples as have the width of the crossed model, so that it stays
    between 0 and 1 and has a width at an accuracy of 1 too.

    >>> [round(x, 2) for x in accuracy(np.ones((3, 100), dtype=bool)).interval]
    [1.0, 0.96, 1.0]
    """
    found = _crossed(right.astype(np.float64), 0.0, confidence)
    mean, low, high = found.interval
    if math.isnan(low):
        return found
    ends = wilson_ends(np.array(mean), np.array((high - low) / 2), right.shape, confidence)
    return Estimate(Interval(mean, *map(float, ends)), found.seeds, found.per_seed, found.fixed)


def mean_squares(values: NDArray[np.floating], pseudo: float = 0.0) -> tuple[Floats, Floats, Floats]:
    """Return the mean squares of seeds, examples and the rest of values (…, S, M), each of shape (…).

    `pseudo` adds the variation of so many pseudo-examples, with values of 1 in every seed, to that of the examples.
    """
    seeds, examples = values.shape[-2:]
    of_seed = values.mean(axis=-1, dtype=np.float64)  # (…, S)
    of_example = values.mean(axis=-2, dtype=np.float64)  # (…, M)
    mean = of_seed.mean(axis=-1, keepdims=True)
    between_seeds = examples * ((of_seed - mean) ** 2).sum(axis=-1)
    between_examples = seeds * ((of_example - mean) ** 2).sum(axis=-1)
    total = np.square(values).sum(axis=(-2, -1), dtype=np.float64) - seeds * examples * mean[..., 0] ** 2
    rest = np.maximum(0.0, total - between_seeds - between_examples)
    between_examples = between_examples + seeds * pseudo
    return between_seeds / (seeds - 1), between_examples / (examples - 1), rest / ((seeds - 1) * (examples - 1))


def crossed_half_width(squares: tuple[Floats, Floats, Floats], shape: tuple[int, int], confidence: float) -> Floats:
    """Return half the width of the interval, from the mean squares of values of shape (S, M)."""
    of_seeds, of_examples, of_rest = squares
    z, t = _quantile(confidence, math.inf), _quantile(confidence, shape[0] - 1)
    rest = (1 - 0.6 / (shape[0] - 1)) * of_rest  # k times E0
    squared = z**2 * of_examples + t**2 * np.maximum(0.0, of_seeds - rest)
    half: Floats = np.sqrt(squared / (shape[0] * shape[1]))
    return half


def wilson_ends(mean: Floats, half: Floats, shape: tuple[int, ...], confidence: float) -> tuple[Floats, Floats]:
    """Return the ends of Wilson's interval for as many independent examples as would have that half width.

    Without any variation (an accuracy of 0 or 1) the M examples count, not the S times M outcomes.
    """
    z = _quantile(confidence, math.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        count = np.minimum(z**2 * mean * (1 - mean) / half**2, shape[0] * shape[1])
    count = np.where(half > 0, count, shape[1])
    centre = (mean + z**2 / (2 * count)) / (1 + z**2 / count)
    width = z / (1 + z**2 / count) * np.sqrt(mean * (1 - mean) / count + z**2 / (4 * count**2))
    return np.minimum(mean, np.maximum(0.0, centre - width)), np.maximum(mean, np.minimum(1.0, centre + width))


def _crossed(values: NDArray[np.float64], pseudo: float, confidence: float) -> Estimate:
    """Estimate the mean of values (S, M) with seeds and examples as crossed random effects."""
    seeds, examples = values.shape
    mean = float(values.mean())
    if seeds < MIN_SEEDS or examples < 2:
        return Estimate(Interval(mean, math.nan, math.nan), seeds, math.nan, math.nan)
    squares = mean_squares(values, pseudo)
    half = float(crossed_half_width(squares, (seeds, examples), confidence))
    fixed = max(0.0, float(squares[1] - squares[2])) / values.size
    return Estimate(Interval(mean, mean - half, mean + half), seeds, float(squares[0]) / examples, fixed)


def _over_seeds(values: NDArray[np.float64], binomial: float, confidence: float) -> Estimate:
    """Estimate the mean of the finite values (S,), with at least the variance `binomial`."""
    values = values[np.isfinite(values)]
    seeds = len(values)
    mean = float(values.mean()) if seeds else math.nan
    if seeds < MIN_SEEDS:
        return Estimate(Interval(mean, math.nan, math.nan), seeds, math.nan, math.nan)
    variance = float(values.var(ddof=1))
    half = _quantile(confidence, seeds - 1) * math.sqrt(variance / seeds)
    half = max(half, _quantile(confidence, math.inf) * math.sqrt(binomial))
    if half == 0:  # equal accuracies on an unknown number of examples
        half = math.nan
    return Estimate(Interval(mean, mean - half, mean + half), seeds, variance, binomial)


def _quantile(confidence: float, degrees: float) -> float:
    from scipy.special import ndtri, stdtrit

    upper = (1 + confidence) / 2
    return float(ndtri(upper) if math.isinf(degrees) else stdtrit(degrees, upper))
