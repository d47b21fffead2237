"""Means over seeds with 95 % t-intervals: one for an arm, one for the paired difference of two arms.

    mean ± t(0.975, n - 1) · s / √n,   s with ddof = 1

Below three seeds no interval is given: with two, t is 12.7, so the interval says nothing and reads as if it did.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

MIN_SEEDS = 3  # seeds below which there is no interval


class Interval(NamedTuple):
    """A mean and the ends of its 95 % interval; the ends are NaN when there are fewer than three values."""

    mean: float
    low: float
    high: float


def mean_interval(values: Iterable[float]) -> Interval:
    """Mean of the finite `values` (one per seed) and its 95 % t-interval.

    >>> [round(x, 3) for x in mean_interval([0.70, 0.72, 0.74])]
    [0.72, 0.67, 0.77]
    >>> mean_interval([0.5, 0.75])
    Interval(mean=0.625, low=nan, high=nan)
    """
    from scipy.special import stdtrit

    seeds = np.asarray(list(values), dtype=np.float64)
    seeds = seeds[np.isfinite(seeds)]
    n = len(seeds)
    mean = float(seeds.mean()) if n else math.nan
    if n < MIN_SEEDS:
        return Interval(mean, math.nan, math.nan)
    half = float(stdtrit(n - 1, 0.975)) * float(seeds.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def paired_interval(a: Iterable[float], b: Iterable[float]) -> Interval:
    """Mean of `a - b`, seed by seed, and its 95 % t-interval; a seed that either lacks (NaN) is left out.

    >>> [round(x, 3) for x in paired_interval([0.72, 0.75, 0.74], [0.70, 0.72, 0.70])]
    [0.03, 0.005, 0.055]
    """
    one, other = (np.asarray(list(values), dtype=np.float64) for values in (a, b))
    return mean_interval(one - other)
