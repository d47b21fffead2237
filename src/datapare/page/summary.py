"""The numbers of the page: moments over epochs, coverage, keep rates. Arrays in, arrays out, one pass per channel."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.types import Dynamics, Recipe

Floats = NDArray[np.float64]
BLOCK = 16_384  # columns of a channel held at once: 8 MB for 60 epochs in float64, whatever N is


def moments(channel: NDArray[Any]) -> tuple[Floats, Floats]:
    """Mean and standard deviation (ddof 1) over the observed epochs of a channel (T, N): two arrays (N,).

    NaN is "not observed". An example never seen has neither; one seen once has no deviation.

    >>> mean, deviation = moments(np.array([[0.0, 1.0], [1.0, np.nan]]))
    >>> mean.tolist(), deviation.round(4).tolist()
    ([0.5, 1.0], [0.7071, nan])
    """
    mean = np.empty(channel.shape[1])
    deviation = np.empty(channel.shape[1])
    for columns in _blocks(channel.shape[1]):
        values = np.asarray(channel[:, columns], dtype=np.float64)  # (T, block)
        seen = np.isfinite(values)
        count = seen.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean[columns] = np.where(seen, values, 0.0).sum(axis=0) / count
            apart = np.where(seen, values - mean[columns], 0.0)
            deviation[columns] = np.sqrt((apart**2).sum(axis=0) / np.where(count > 1, count - 1, 0))
    return mean, deviation


def coverage(channel: NDArray[Any]) -> Floats:
    """Fraction of the examples observed in each epoch of a channel (T, N): (T,).

    >>> coverage(np.array([[0.5, np.nan], [0.5, 0.5]])).tolist()
    [0.5, 1.0]
    """
    seen = np.zeros(channel.shape[0])
    for columns in _blocks(channel.shape[1]):
        seen += np.count_nonzero(~np.isnan(channel[:, columns]), axis=1)
    share: Floats = seen / max(channel.shape[1], 1)
    return share


def least_coverage(dynamics: Dynamics) -> float:
    """The smallest fraction of the examples that an epoch of the record observed; 1 without channels.

    >>> least_coverage(Dynamics({"target_prob": [[0.5, np.nan], [0.5, 0.5]]}, [0, 1]))
    0.5
    """
    # the fullest channel: kl_step begins with the second epoch, and what a finished network tells has the last one only
    return max((float(coverage(values).min(initial=1.0)) for values in dynamics.channels.values()), default=1.0)


def class_counts(label: NDArray[np.int64], mask: NDArray[np.bool_], n_classes: int) -> NDArray[np.int64]:
    """Examples of each class, all and kept: (K, 2).

    >>> class_counts(np.array([0, 0, 2]), np.array([True, False, True]), 3).tolist()
    [[2, 1], [0, 0], [1, 1]]
    """
    known = label >= 0
    size = max(n_classes, int(label.max(initial=-1)) + 1)
    whole = np.bincount(label[known], minlength=size)
    kept = np.bincount(label[known & mask], minlength=size)
    return np.stack([whole, kept], axis=1).astype(np.int64)  # (K, 2)


def lineage(recipe: Recipe) -> list[Recipe]:
    """The recipes that led to an artefact, oldest first, each once.

    >>> [r.method for r in lineage(Recipe(method="beta", parents=(Recipe(method="dual"),)))]
    ['dual', 'beta']
    """
    steps: list[Recipe] = []
    for parent in recipe.parents:
        steps += [step for step in lineage(parent) if step not in steps]
    return [*steps, recipe]


def percent(fraction: float) -> str:
    """A fraction as "30 %": three digits, more where rounding would claim all or nothing.

    >>> percent(0.3), percent(1 / 3), percent(0.99999), percent(1)
    ('30 %', '33.3 %', '99.999 %', '100 %')
    """
    for digits in range(3, 9):
        text = f"{100 * fraction:.{digits}g}"
        if float(text) < 100 or fraction >= 1:
            break
    return f"{text} %"


def names_of(count: int, names: Sequence[str]) -> list[str]:
    """A name for each class number below `count`: the given one, else "class 7"."""
    return [str(names[i]) if i < len(names) else f"class {i}" for i in range(count)]


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))
