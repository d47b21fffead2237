"""Summaries of a record: moments over epochs, coverage, what was learned; one pass per channel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Array, Dynamics
from datapare.numerics.missing import last_observed

Floats = NDArray[np.float64]
LEARNED = 0.1  # of the way from chance to always right: below, a model has hardly learned
BLOCK = 16_384  # columns of a channel held at once: 8 MB for 60 epochs in float64, whatever N is


def moments(channel: Array) -> tuple[Floats, Floats]:
    """Return mean and standard deviation (ddof 1) over the epochs of a channel (T, N): two arrays (N,).

    Missing epochs are filled as for every method (numerics.missing); both are NaN for an example never observed.

    >>> mean, deviation = moments(np.array([[0.0, 1.0], [1.0, np.nan]]))
    >>> mean.tolist(), deviation.round(4).tolist()
    ([0.5, 1.0], [0.7071, 0.0])
    """
    mean = np.empty(channel.shape[1])
    deviation = np.empty(channel.shape[1])
    for columns in _blocks(channel.shape[1]):
        values = last_observed(np.asarray(channel[:, columns]))  # (T, block)
        mean[columns] = values.mean(axis=0, dtype=np.float64)
        if len(values) < 2:
            deviation[columns] = np.nan
            continue
        deviation[columns] = values.std(axis=0, ddof=1, dtype=np.float64)
    return mean, deviation


def coverage(channel: Array) -> Floats:
    """Return the fraction of the examples observed in each epoch of a channel (T, N): (T,).

    >>> coverage(np.array([[0.5, np.nan], [0.5, 0.5]])).tolist()
    [0.5, 1.0]
    """
    seen = np.zeros(channel.shape[0])
    for columns in _blocks(channel.shape[1]):
        seen += np.count_nonzero(~np.isnan(channel[:, columns]), axis=1)
    share: Floats = seen / max(channel.shape[1], 1)
    return share


def least_coverage(dynamics: Dynamics) -> float:
    """Return the smallest fraction of the examples that an epoch of the record observed; 1 without channels.

    >>> least_coverage(Dynamics({"target_prob": [[0.5, np.nan], [0.5, 0.5]]}, [0, 1]))
    0.5
    """
    # the fullest channel: kl_step begins with the second epoch, and signals of the final network have the last one only
    return max((float(coverage(values).min(initial=1.0)) for values in dynamics.channels.values()), default=1.0)


@dataclass(frozen=True)
class LearningCurve:
    """Fractions of the observed examples that the model was right about, in its first and its last recorded epoch.

    `chance` is what always answering with the largest class gives.
    """

    first: float
    last: float
    chance: float

    @property
    def hardly(self) -> bool:
        """Whether the last epoch is less than a tenth of the way from chance to always right."""
        return self.last < self.chance + LEARNED * (1 - self.chance)

    @property
    def text(self) -> str:
        """What was learned, as a sentence.

        >>> LearningCurve(0.2, 0.5, 0.25).text
        'the model was right about 50.0 % of the examples in its last epoch, 20.0 % in its first (chance: 25.0 %)'
        """
        text = (
            f"the model was right about {100 * self.last:.1f} % of the examples in its last epoch, "
            f"{100 * self.first:.1f} % in its first (chance: {100 * self.chance:.1f} %)"
        )
        return f"{text}: it has hardly learned, so its scores mean little; record more epochs" if self.hardly else text


def learning_curve(dynamics: Dynamics) -> LearningCurve | None:
    """Return how far the recorded model learned the labels; None where no margin was recorded.

    >>> learning_curve(Dynamics({"margin": [[-1.0, 1.0], [2.0, np.nan]]}, [0, 1]))
    LearningCurve(first=0.5, last=1.0, chance=0.5)
    """
    channel = next((dynamics.channels[name] for name in ("margin", "prob_margin") if name in dynamics.channels), None)
    if channel is None or not len(channel) or not len(dynamics):
        return None
    seen = [row[~np.isnan(row)] for row in (np.asarray(channel[0]), np.asarray(channel[-1]))]
    if not all(len(row) for row in seen):
        return None
    size = np.bincount(dynamics.label[dynamics.label >= 0], minlength=1)
    first, last = (float((row > 0).mean()) for row in seen)
    return LearningCurve(first, last, float(size.max() / max(size.sum(), 1)))


def class_counts(label: NDArray[np.int64], mask: NDArray[np.bool_], n_classes: int) -> NDArray[np.int64]:
    """Return the number of examples of each class, all and kept: (K, 2).

    >>> class_counts(np.array([0, 0, 2]), np.array([True, False, True]), 3).tolist()
    [[2, 1], [0, 0], [1, 1]]
    """
    known = label >= 0
    size = max(n_classes, int(label.max(initial=-1)) + 1)
    whole = np.bincount(label[known], minlength=size)
    kept = np.bincount(label[known & mask], minlength=size)
    return np.stack([whole, kept], axis=1).astype(np.int64)  # (K, 2)


def names_of(count: int, names: Sequence[str]) -> list[str]:
    """Return a name for each class number below `count`: the given one, else "class 7"."""
    return [str(names[i]) if i < len(names) else f"class {i}" for i in range(count)]


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))
