"""What a comparison shows, in numbers and in words: is the subset better than as many random examples?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from datapare.intervals import FEWEST, Interval, mean_interval, paired_interval
from datapare.page.summary import names_of
from datapare.types import Comparison

Outcome = Literal["better", "no evidence", "worse", "too few seeds", "no random arm", "not compared"]


@dataclass(frozen=True)
class Arm:
    """One row of the comparison: accuracies are fractions 0..1, epochs full-dataset epochs, minutes wall time.

    `difference` is this arm minus random at equal size, paired by seed; None for random itself and for arms that no
    random arm matches. `values` are the accuracies per seed.
    """

    name: str
    count: int
    accuracy: Interval
    difference: Interval | None
    epochs: float
    minutes: float
    values: tuple[float, ...]
    seeds: int  # that this arm and its random twin both have


@dataclass(frozen=True)
class Verdict:
    """One outcome, and the sentence that says it honestly."""

    outcome: Outcome
    text: str


def arms(comparison: Comparison) -> list[Arm]:
    """One row per arm, in the order of the comparison."""
    return [_arm(comparison, i) for i in range(len(comparison.arms))]


def verdict(rows: Sequence[Arm], count: int, method: str = "") -> Verdict:
    """The verdict on the arm that trained on `count` examples chosen by `method`."""
    arm = judged(rows, count, method)
    if arm is None:
        return Verdict("not compared", f"No verdict: the comparison holds no subset of {count:,} examples.")
    if arm.difference is None:
        text = f"No verdict on {arm.name}: no random arm has the same {arm.count:,} examples."
        return Verdict("no random arm", text)
    return _judge(arm, arm.difference)


def is_baseline(name: str) -> bool:
    """Whether an arm is one that a comparison adds itself: random at some size, or all examples.

    >>> is_baseline("random keep 0.3"), is_baseline("full"), is_baseline("fuller")
    (True, True, False)
    """
    return name == "full" or name.startswith("random")


def worst_class(comparison: Comparison, name: str) -> tuple[str, float] | None:
    """The class that loses most accuracy from random at equal size to arm `name`, and its mean change over seeds.

    None without accuracies per class, or when no class loses.
    """
    place = comparison.arms.index(name)
    twin = _random_twin(comparison, place)
    if comparison.class_accuracy is None or twin is None:
        return None
    change = comparison.class_accuracy[place] - comparison.class_accuracy[twin]  # (S, K)
    seen = np.isfinite(change)
    mean = np.where(seen, change, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)  # (K,)
    worst = int(mean.argmin())
    return (names_of(len(mean), comparison.classes)[worst], float(mean[worst])) if mean[worst] < 0 else None


def points(fraction: float) -> str:
    """A difference of accuracies in percentage points, signed.

    >>> points(0.0123), points(-0.2)
    ('+1.23', '−20.00')
    """
    return f"{100 * fraction:+.2f}".replace("-", "−")


def _arm(comparison: Comparison, i: int) -> Arm:
    accuracy = comparison.accuracy[i]
    twin = _random_twin(comparison, i)
    apart = np.full_like(accuracy, math.nan) if twin is None else accuracy - comparison.accuracy[twin]
    return Arm(
        name=comparison.arms[i],
        count=int(comparison.count[i]),
        accuracy=mean_interval(accuracy),
        difference=None if twin is None else paired_interval(accuracy, comparison.accuracy[twin]),
        epochs=mean_interval(comparison.epochs[i]).mean,
        minutes=mean_interval(comparison.seconds[i]).mean / 60,
        values=tuple(accuracy[np.isfinite(accuracy)].tolist()),
        seeds=int(np.isfinite(apart).sum()),
    )


def _random_twin(comparison: Comparison, i: int) -> int | None:
    if comparison.arms[i].startswith("random"):
        return None
    same_size = (
        j
        for j, name in enumerate(comparison.arms)
        if name.startswith("random") and comparison.count[j] == comparison.count[i]
    )
    return next(same_size, None)


def judged(rows: Sequence[Arm], count: int, method: str) -> Arm | None:
    """The arm a verdict on the subset is about: as many examples, neither random nor full, the method in its name."""
    candidates = [arm for arm in rows if arm.count == count and not is_baseline(arm.name)]
    return next((arm for arm in candidates if method and method in arm.name), next(iter(candidates), None))


def _judge(arm: Arm, difference: Interval) -> Verdict:
    mean, low, high = difference
    seeds = f"{arm.seeds} seed{'' if arm.seeds == 1 else 's'}"
    if arm.seeds < FEWEST:
        return Verdict(
            "too few seeds",
            f"No verdict yet: with {seeds}, {arm.name} differs from random by {points(mean)} points, "
            f"but an interval needs at least {FEWEST} seeds.",
        )
    where = f"{arm.name}: {points(mean)} points, 95 % interval {points(low)} to {points(high)}, {seeds}"
    if low > 0:
        return Verdict("better", f"Better than as many random examples ({where}).")
    if high < 0:
        return Verdict("worse", f"Worse than as many random examples ({where}).")
    return Verdict("no evidence", f"No evidence that this beats random: the interval contains 0 ({where}).")
