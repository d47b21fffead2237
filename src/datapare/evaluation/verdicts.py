"""What a comparison shows, in numbers and in words: is the subset better than as many random examples?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Comparison, HeldOut
from datapare.errors import GateError
from datapare.evaluation.record_summary import names_of
from datapare.evaluation.statistics import MIN_SEEDS, Interval, mean_interval, paired_interval

COVERAGE = 0.95  # of the examples, that every recorded epoch saw, for a gate to be met

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
    worst_class: tuple[str, float] | None = None  # the least accurate class, and its accuracy over seeds
    worst_group: tuple[str, float] | None = None  # of the named groups, likewise


@dataclass(frozen=True)
class Verdict:
    """One outcome, and the sentence that says it honestly."""

    outcome: Outcome
    text: str


def arms(comparison: Comparison) -> list[Arm]:
    """One row per arm, in the order of the comparison."""
    return [_arm(comparison, i) for i in range(len(comparison.arms))]


NOT_YET = (
    "Not compared with random yet, so nobody knows whether this subset is worth more than as many random examples: "
    "datapare compare retrains on both and tells."
)
SPLIT = (
    "Judged on a split of the training data, which the scoring run has seen: good to choose by; "
    "compare on test data to prove it."
)


def verdict(rows: Sequence[Arm], count: int, method: str = "", held_out: HeldOut = "test") -> Verdict:
    """The verdict on the arm that trained on `count` examples chosen by `method`."""
    said = _verdict(rows, count, method)
    return said if held_out == "test" else Verdict(said.outcome, f"{said.text} {SPLIT}")


def _verdict(rows: Sequence[Arm], count: int, method: str) -> Verdict:
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
    with_indices = _random_twin(comparison, place)
    if comparison.class_accuracy is None or with_indices is None:
        return None
    change = _mean_over_seeds(comparison.class_accuracy[place] - comparison.class_accuracy[with_indices])  # (K,)
    mean = np.where(np.isfinite(change), change, 0.0)
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
    with_indices = _random_twin(comparison, i)
    apart = np.full_like(accuracy, math.nan) if with_indices is None else accuracy - comparison.accuracy[with_indices]
    return Arm(
        name=comparison.arms[i],
        count=int(comparison.count[i]),
        accuracy=mean_interval(accuracy),
        difference=None if with_indices is None else paired_interval(accuracy, comparison.accuracy[with_indices]),
        epochs=mean_interval(comparison.epochs[i]).mean,
        minutes=mean_interval(comparison.seconds[i]).mean / 60,
        values=tuple(accuracy[np.isfinite(accuracy)].tolist()),
        seeds=int(np.isfinite(apart).sum()),
        worst_class=_least(comparison.class_accuracy, i, comparison.classes),
        worst_group=_least(comparison.group_accuracy, i, comparison.groups),
    )


def _least(accuracy: NDArray[Any] | None, i: int, names: Sequence[str]) -> tuple[str, float] | None:
    """The least accurate part (A, S, parts) of arm i: its name and its mean accuracy over seeds."""
    if accuracy is None or not np.isfinite(accuracy[i]).any():
        return None
    each = _mean_over_seeds(accuracy[i])
    worst = int(np.nanargmin(each))
    return names_of(len(each), names)[worst], float(each[worst])


def _mean_over_seeds(accuracy: NDArray[Any]) -> NDArray[np.float64]:
    """Mean (parts,) of the finite entries of (S, parts); NaN where there is none."""
    seen = np.isfinite(accuracy)
    total: NDArray[np.float64] = np.where(seen, accuracy, 0.0).sum(axis=0)
    mean: NDArray[np.float64] = np.full(total.shape, math.nan)
    return np.asarray(np.divide(total, seen.sum(axis=0), out=mean, where=seen.any(axis=0)))


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
    if arm.seeds < MIN_SEEDS:
        return Verdict(
            "too few seeds",
            f"No verdict yet: with {seeds}, {arm.name} differs from random by {points(mean)} points, "
            f"but an interval needs at least {MIN_SEEDS} seeds.",
        )
    where = f"{arm.name}: {points(mean)} points, 95 % interval {points(low)} to {points(high)}, {seeds}"
    if low > 0:
        return Verdict("better", f"Better than as many random examples ({where}).")
    if high < 0:
        return Verdict("worse", f"Worse than as many random examples ({where}).")
    return Verdict(
        "no evidence", f"No evidence that this beats random; do not prune: the interval contains 0 ({where})."
    )


def check_gate(verdicts: Sequence[Verdict], coverage: float) -> None:
    """Raise GateError unless every verdict is that the subset is better, and the record saw nearly all examples.

    `coverage` is the smallest fraction of the examples that an epoch of the record observed.
    """
    unmet = [said.text for said in verdicts if said.outcome != "better"]
    if coverage < COVERAGE:
        unmet.append(f"The record saw only {100 * coverage:.1f} % of the examples in one epoch, not {COVERAGE:.0%}.")
    if unmet:
        raise GateError("the gate is not met. " + " ".join(unmet))
