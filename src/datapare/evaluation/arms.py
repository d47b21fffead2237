"""The arms of a comparison as rows: accuracy, differences to random and to all data, cost, worst class and group."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Comparison, Role, Subset, subset_digest
from datapare.errors import InputError
from datapare.evaluation.record_summary import names_of
from datapare.evaluation.statistics import CONFIDENCE, Estimate, Interval, accuracy, difference, estimate, mean_interval


@dataclass(frozen=True)
class Arm:
    """One row of a comparison.

    Attributes:
        name: Name of the arm, for display.
        role: What it trains on: a chosen subset, a random draw, or everything.
        count: Number of training examples.
        accuracy: Accuracy 0..1 and its 95 % interval.
        difference: Accuracy minus that of random examples of the same size; None for arms that have no such baseline.
        against_full: Accuracy minus that of training on everything; None for that arm itself and without one.
        epochs: Full-dataset epochs of one training.
        minutes: Wall time of one training.
        values: Accuracy per seed.
        seeds: Seeds that this arm and its baseline both have.
        worst_class: The least accurate class and its accuracy over seeds.
        worst_group: The least accurate named group and its accuracy over seeds.
        strategy: Name of its strategy.
        distinct: Distinct examples that a training saw, mean over seeds.
        updates: Updates of a training, mean over seeds; NaN where unknown.
    """

    name: str
    role: Role
    count: int
    accuracy: Interval
    difference: Interval | None
    against_full: Interval | None
    epochs: float
    minutes: float
    values: tuple[float, ...]
    seeds: int
    worst_class: tuple[str, float] | None = None
    worst_group: tuple[str, float] | None = None
    strategy: str = ""
    distinct: float = math.nan
    updates: float = math.nan


def arms(comparison: Comparison) -> list[Arm]:
    """Return one row per arm, in the order of the comparison."""
    return [_arm(comparison, i) for i in range(len(comparison.arms))]


def find_arm(comparison: Comparison, subset: Subset | str | None = None) -> int | None:
    """Return the position of the arm that trained on a subset, None where the comparison has none.

    Args:
        comparison: The comparison.
        subset: The subset, found by its digest; or the name of an arm; or None for the only subset of the comparison.

    Raises:
        InputError: If `subset` is None and the comparison has several subsets.
    """
    chosen = [i for i, role in enumerate(comparison.roles) if role == "subset"]
    if isinstance(subset, str):
        return next((i for i in chosen if comparison.arms[i] == subset), None)
    if subset is None:
        if len(chosen) != 1:
            names = ", ".join(repr(comparison.arms[i]) for i in chosen)
            raise InputError(f"the comparison has {len(chosen)} subsets; name one of {names}.")
        return chosen[0]
    digest = subset_digest(subset)
    found = next((i for i in chosen if comparison.subset_digest[i] == digest), None)
    return found if found is not None else _by_provenance(comparison, chosen, subset)


def difference_to(comparison: Comparison, arm: int, other: int, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the accuracy of one arm minus that of another, paired by seed and, where known, by held-out example."""
    first, second = comparison.correct(arm), comparison.correct(other)
    if first is not None and second is not None:
        return difference(first, second, confidence)
    return estimate(comparison.accuracy[[arm, other]], comparison.held_out_count, confidence)


def full_arm(comparison: Comparison) -> int | None:
    """Return the position of the arm that trained on everything, None where there is none."""
    return comparison.roles.index("full") if "full" in comparison.roles else None


def worst_class(comparison: Comparison, arm: int) -> tuple[str, float] | None:
    """Return the class that loses most accuracy from random to this arm, and its mean change over seeds.

    None without accuracies per class, or when no class loses.
    """
    random = comparison.baseline[arm]
    if comparison.class_accuracy is None or random is None:
        return None
    change = _mean_over_seeds(comparison.class_accuracy[arm] - comparison.class_accuracy[random])  # (K,)
    mean = np.where(np.isfinite(change), change, 0.0)
    worst = int(mean.argmin())
    return (names_of(len(mean), comparison.classes)[worst], float(mean[worst])) if mean[worst] < 0 else None


def describe_redrawn(comparison: Comparison) -> str:
    """Return which arms see more distinct examples than the random arm beside them, as a sentence; "" without any."""
    seen = [round(float(np.nanmean(row))) for row in comparison.distinct]
    parts = []
    for random in dict.fromkeys(comparison.baseline):
        beside = [i for i, other in enumerate(comparison.baseline) if other == random]
        more = [f"{comparison.arms[i]} {seen[i]:,}" for i in beside if random is not None and seen[i] != seen[random]]
        if random is not None and more:
            parts.append(f"{comparison.arms[random]} saw {seen[random]:,} distinct examples, {', '.join(more)}")
    return f"At equal updates, not at equal data: {'; '.join(parts)}." if parts else ""


def points(fraction: float) -> str:
    """Format a difference of accuracies in percentage points, signed.

    >>> points(0.0123), points(-0.2)
    ('+1.23', '−20.00')
    """
    return f"{100 * fraction:+.2f}".replace("-", "−")


def _by_provenance(comparison: Comparison, chosen: Sequence[int], subset: Subset) -> int | None:
    """Comparisons of format 1 hold no digests, but the provenance of each subset, in the order of the arms."""
    parents = comparison.provenance.parents
    if any(comparison.subset_digest) or len(parents) != len(chosen):
        return None
    return next((i for i, parent in zip(chosen, parents, strict=True) if parent == subset.provenance), None)


def _arm(comparison: Comparison, i: int) -> Arm:
    values, random, full = comparison.accuracy[i], comparison.baseline[i], full_arm(comparison)
    apart = np.full_like(values, math.nan) if random is None else values - comparison.accuracy[random]
    right = comparison.correct(i)
    known = estimate(values[None], comparison.held_out_count) if right is None else accuracy(right)
    return Arm(
        name=comparison.arms[i],
        role=comparison.roles[i],
        count=int(comparison.count[i]),
        accuracy=known.interval,
        difference=None if random is None else difference_to(comparison, i, random).interval,
        against_full=None if full in (None, i) else difference_to(comparison, i, full).interval,
        epochs=mean_interval(comparison.epochs[i]).mean,
        minutes=mean_interval(comparison.seconds[i]).mean / 60,
        values=tuple(values[np.isfinite(values)].tolist()),
        seeds=int(np.isfinite(apart).sum()),
        worst_class=_least(comparison.class_accuracy, i, comparison.classes),
        worst_group=_least(comparison.group_accuracy, i, comparison.groups),
        strategy=comparison.strategies[i],
        distinct=mean_interval(comparison.distinct[i]).mean,
        updates=math.nan if comparison.updates is None else mean_interval(comparison.updates[i]).mean,
    )


def _least(accuracies: NDArray[np.floating] | None, i: int, names: Sequence[str]) -> tuple[str, float] | None:
    """Return the least accurate part (A, S, parts) of arm i: its name and its mean accuracy over seeds."""
    if accuracies is None or not np.isfinite(accuracies[i]).any():
        return None
    each = _mean_over_seeds(accuracies[i])
    worst = int(np.nanargmin(each))
    return names_of(len(each), names)[worst], float(each[worst])


def _mean_over_seeds(accuracies: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean (parts,) of the finite entries of (S, parts); NaN where there is none."""
    seen = np.isfinite(accuracies)
    total: NDArray[np.float64] = np.where(seen, accuracies, 0.0).sum(axis=0)
    mean: NDArray[np.float64] = np.full(total.shape, math.nan)
    return np.asarray(np.divide(total, seen.sum(axis=0), out=mean, where=seen.any(axis=0)))
