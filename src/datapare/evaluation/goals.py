"""What the compared arms are good for: to store less, to train once for less, to train many times for less.

For each goal the arms are taken from the cheapest on: by the examples that have to be there, or by the full-dataset
epochs that one or ten trainings cost, scoring and selection included. Advised is the cheapest arm that is shown to stay
within the margin of training on everything. Without any, it is the cheapest, unless a costlier one is shown to be
better than it, and so on: an arm that costs more has to show that it is worth it. "Shown" means by a 95 % interval.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from datapare.artifacts import Comparison
from datapare.evaluation.arms import difference_to, full_arm, points
from datapare.evaluation.costs import UNKNOWN, Cost, total_cost
from datapare.evaluation.statistics import MIN_SEEDS, Interval
from datapare.evaluation.verdicts import MARGIN
from datapare.options import validated

Goal = Literal["store less", "train once", "train many times"]

MANY = 10  # trainings
START = {
    "store less": "To store or label less",
    "train once": "To train once",
    "train many times": "To train ten times",
}


@dataclass(frozen=True)
class GoalAdvice:
    """What to do for a goal: the position of the advised arm, None without one, and the sentence that states it."""

    goal: Goal
    arm: int | None
    text: str


@validated()
def advise_goals(comparison: Comparison, *, margin: float = MARGIN, scoring: Cost = UNKNOWN) -> list[GoalAdvice]:
    """Return one sentence of advice for each goal; none with fewer seeds than an interval needs.

    Args:
        comparison: The comparison.
        margin: Accuracy 0..1 below training on everything that counts as no loss.
        scoring: What scoring cost, for comparisons that do not hold it.

    >>> seeds, epochs = (0, 1, 2), [[3.0] * 3, [3.0] * 3, [10.0] * 3]
    >>> accuracy = [[0.80, 0.81, 0.82], [0.70, 0.71, 0.69], [0.80, 0.81, 0.81]]
    >>> made = Comparison(("dual", "random", "full"), seeds, accuracy, [30, 30, 100], epochs, epochs,
    ...                   roles=("subset", "random", "full"), once=[[12.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    >>> [made.arms[advice.arm] for advice in advise_goals(made, margin=0.03)]
    ['dual', 'random', 'dual']
    """
    if int(np.isfinite(comparison.accuracy).all(axis=0).sum()) < MIN_SEEDS:
        return []
    once, many = ([total_cost(comparison, i, n, scoring).epochs for i in range(len(comparison))] for n in (1, MANY))
    stored = [float(count) for count in comparison.count]
    return [
        _advise(comparison, "store less", stored, once, margin),
        _advise(comparison, "train once", once, once, margin),
        _advise(comparison, "train many times", many, once, margin),
    ]


def _advise(
    comparison: Comparison, goal: Goal, cost: Sequence[float], then: Sequence[float], margin: float
) -> GoalAdvice:
    """Advise an arm by its cost; arms of one cost are taken in the order of `then`."""
    full = full_arm(comparison)
    limit = math.inf if full is None else cost[full]
    cheaper = [i for i in range(len(cost)) if cost[i] < limit * (1 - 1e-9)]
    cheaper.sort(key=lambda i: (round(cost[i], 9), math.isnan(then[i]), round(then[i], 9)))
    if not cheaper:
        return GoalAdvice(goal, full, f"{START[goal]}: use everything; no arm is cheaper{_unknown(cost)}.")
    near = [] if full is None else [i for i in cheaper if difference_to(comparison, i, full).interval.low > -margin]
    arm = near[0] if near else _worth_it(comparison, cheaper)
    return GoalAdvice(goal, arm, f"{START[goal]}: {_reasons(comparison, arm, goal, cost, bool(near))}{_unknown(cost)}.")


def _worth_it(comparison: Comparison, cheaper: Sequence[int]) -> int:
    """Return the cheapest arm, or a costlier one that is shown to be better than each that was taken before it."""
    taken = cheaper[0]
    for arm in cheaper[1:]:
        if difference_to(comparison, arm, taken).interval.low > 0:
            taken = arm
    return taken


def _reasons(comparison: Comparison, arm: int, goal: Goal, cost: Sequence[float], near: bool) -> str:
    full, random = full_arm(comparison), comparison.baseline[arm]
    parts = [comparison.arms[arm]]
    if full is not None:
        percent = f"{100 * cost[arm] / cost[full]:.3g} %"
        apart = difference_to(comparison, arm, full).interval
        parts[0] += f", with {percent} of the examples" if goal == "store less" else f", at {percent} of the cost"
        parts.append(f"{'as good as' if near else 'against'} all data: {_interval(apart)}")
    if random is not None:
        beside = _distinct_beside(comparison, arm, random)
        parts.append(f"against random: {_interval(difference_to(comparison, arm, random).interval)}{beside}")
    return "; ".join(parts)


def _distinct_beside(comparison: Comparison, arm: int, random: int) -> str:
    """Return how many distinct examples an arm and its random arm saw, where these differ, as a clause."""
    seen, other = (float(np.nanmean(comparison.distinct[i])) for i in (arm, random))
    return "" if round(seen) == round(other) else f", which saw {other:,.0f} distinct examples and not {seen:,.0f}"


def _interval(apart: Interval) -> str:
    return f"{points(apart.mean)} points ({points(apart.low)} to {points(apart.high)})"


def _unknown(cost: Sequence[float]) -> str:
    return "; arms whose scoring cost is unknown are left out" if any(map(math.isnan, cost)) else ""
