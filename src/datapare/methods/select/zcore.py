"""ZCore: keep what covers the embedding space alone, without labels and without training.

    repeat: a point with triangular(min, median, max) coordinates in two random dimensions
            its nearest example gains 1; that one's neighbours there lose 1 together, in proportion to 1 / distance^4
    keep the highest sums

Source      arXiv:2411.15349, 2024 (zero-shot coreset selection), and its released code.
Reads       embedding (N, d) of any network, such as those of several put side by side.
Parameters  samples: points drawn, None for 20 per example, the paper's 1,000,000 for 50,000; neighbours: examples that
            share the loss; power: how fast their parts fall with the distance.
Cost        no training: an embedding, then 20 passes over two columns per example.
Not for     subsets that should follow the density of the data: dense places lose most.
Published   samples 1,000,000, neighbours 1,000, power 4, distances in L1, sums that start at uniform random numbers.
Ours        Exact duplicates of the nearest example in both dimensions share the whole loss evenly.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.errors import InputError
from datapare.numerics.embeddings import check_finite
from datapare.numerics.sampling import top_positions

PER_EXAMPLE = 20
ENTRIES = 2**21  # of the distances held at once


def zcore(
    embedding: Float[np.ndarray, "N d"],
    n: int,
    rng: np.random.Generator,
    *,
    samples: int | None = None,
    neighbours: int = 1000,
    power: float = 4.0,
) -> Int[np.ndarray, " n"]:
    """Keep the n examples that most often lie nearest to a random point, less what their neighbours do. 2411.15349.

    Args:
        embedding: float (N, d), one row per example.
        n: How many examples to keep, at most N.
        rng: Source of the points.
        samples: Points drawn, at least 1; None draws 20 per example.
        neighbours: Examples that share the loss, at least 1.
        power: Exponent of the distance, at least 0; at 0 they share it evenly.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For missing or infinite embeddings, and parameters outside these ranges.

    The example apart from the others is kept, and one of the pile:

    >>> pile = np.array([[0.0, 0.0], [0.0, 0.1], [0.1, 0.0], [9.0, 9.0]])
    >>> 3 in zcore(pile, 2, np.random.default_rng(0)).tolist()
    True
    """
    if (samples is not None and samples < 1) or neighbours < 1 or not power >= 0:
        raise InputError(
            f"samples and neighbours are at least 1 and power at least 0, not {samples}, {neighbours} and {power}."
        )
    check_finite(embedding)
    rows = embedding.astype(np.float64)
    left = PER_EXAMPLE * len(rows) if samples is None else samples
    total = rng.random(len(rows))
    ends = np.stack([rows.min(axis=0), np.median(rows, axis=0), rows.max(axis=0)])  # (3, d)
    while left > 0:
        count = min(left, max(1, ENTRIES // len(rows)))
        dimension, point = _points(ends, count, rng)
        total += gains(rows, dimension, point, neighbours=neighbours, power=power)
        left -= count
    return top_positions(total, n)


def gains(
    rows: NDArray[np.float64],
    dimension: NDArray[np.int64],
    point: NDArray[np.float64],
    *,
    neighbours: int,
    power: float,
) -> NDArray[np.float64]:
    """Return what some points add to the sum of each example.

    Args:
        rows: float64 (N, d), the embedding.
        dimension: The two dimensions of each point, integers (S, 2).
        point: Its coordinates in them, float64 (S, 2).
        neighbours: Examples that share the loss.
        power: Exponent of the distance.

    Returns:
        float64 (N,).

    One point at the first example, whose neighbours are 1 and 2 away: 1 is shared as 16 to 1.

    >>> line = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    >>> gains(line, np.array([[0, 1]]), np.array([[0.0, 0.0]]), neighbours=2, power=4.0).round(4).tolist()
    [1.0, -0.9412, -0.0588]
    """
    first, second = rows.T[dimension[:, 0]], rows.T[dimension[:, 1]]  # (S, N)
    nearest = (np.abs(first - point[:, :1]) + np.abs(second - point[:, 1:])).argmin(axis=1)
    gained = np.bincount(nearest, minlength=len(rows)).astype(np.float64)
    each = np.arange(len(nearest))
    away = np.abs(first - first[each, nearest][:, None]) + np.abs(second - second[each, nearest][:, None])
    away[each, nearest] = np.inf
    count = min(neighbours, len(rows) - 1)
    if count < 1:
        return gained
    near = np.argpartition(away, count - 1, axis=1)[:, :count]  # (S, k)
    part = _parts(np.take_along_axis(away, near, axis=1), power)
    return gained - np.bincount(near.ravel(), part.ravel(), minlength=len(rows))


def _parts(distance: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Return the parts (S, k) of neighbours at these distances, which sum to 1: duplicates take all."""
    smallest = distance.min(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(smallest > 0, (smallest / distance) ** power, distance == 0)
    shared: NDArray[np.float64] = weight / weight.sum(axis=1, keepdims=True)
    return shared


def _points(
    ends: NDArray[np.float64], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw pairs of dimensions (S, 2), different where there are two, and triangular coordinates (S, 2) in them."""
    width = ends.shape[1]
    first = rng.integers(width, size=count)
    second = (first + rng.integers(1, width, size=count)) % width if width > 1 else first
    dimension = np.stack([first, second], axis=1)
    low, middle, high = ends[:, dimension]  # (S, 2) each
    uniform, extent = rng.random((count, 2)), high - low
    mode = np.divide(middle - low, extent, out=np.full_like(low, 0.5), where=extent > 0)
    rising = low + extent * np.sqrt(uniform * mode)
    return dimension, np.where(uniform < mode, rising, high - extent * np.sqrt((1 - uniform) * (1 - mode)))
