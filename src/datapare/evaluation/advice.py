"""How far to prune: the smallest subset that is shown to stay within so many points of full, and what it saves.

Of the tried sizes, from the largest down, a size passes when the 95 % interval of its paired difference to full stays
above -x points; the walk ends at the first size that fails, so that trying more sizes does not help one that passes by
chance. Of the sizes that pass, the smallest is advised that is also shown to beat as many random examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from datapare.artifacts import Comparison, Dynamics, Scores
from datapare.evaluation.arms import Arm, arms, difference_to, full_arm, points
from datapare.evaluation.costs import (
    Cost,
    Savings,
    cost_model,
    describe_break_even,
    duration,
    savings,
    scoring_cost,
)
from datapare.evaluation.statistics import MIN_SEEDS, Interval
from datapare.evaluation.verdicts import MARGIN, SPLIT
from datapare.options import validated

AdviceOutcome = Literal["prune", "no evidence", "not within", "too few seeds", "nothing saved", "no full arm"]


@dataclass(frozen=True)
class Size:
    """One tried size of a sweep.

    Attributes:
        arm: Its arm.
        keep: Fraction kept.
        lost: Accuracy minus that of training on everything.
        random: Accuracy of as many random examples.
        savings: What one and ten trainings save.
        pays: The break-even, as a sentence.
    """

    arm: Arm
    keep: float
    lost: Interval
    random: Interval | None
    savings: tuple[Savings, ...]
    pays: str


@dataclass(frozen=True)
class Advice:
    """What to do, the sentence that states it, and the size that is advised, if any."""

    outcome: AdviceOutcome
    text: str
    size: Size | None = None


def sizes(comparison: Comparison, scoring: Cost) -> list[Size]:
    """Return every subset arm, the largest first; `scoring` is what scoring cost."""
    full = full_arm(comparison)
    if full is None:
        return []
    rows = arms(comparison)
    total = int(comparison.count[full])
    tried = []
    for place, arm in enumerate(rows):
        model, random = cost_model(comparison, place, scoring), comparison.baseline[place]
        if arm.role != "subset" or model is None:
            continue
        lost = difference_to(comparison, place, full).interval
        accuracy = None if random is None else rows[random].accuracy
        text = describe_break_even(model)
        tried.append(Size(arm, arm.count / total, lost, accuracy, tuple(savings(model)), text))
    return sorted(tried, key=lambda size: -size.keep)


def strategies_by_size(comparison: Comparison) -> dict[str, list[tuple[float, Arm]]]:
    """Return by name of the strategy its arms with the kept fraction that each is beside, the largest first.

    >>> one = [[1.0], [1.0], [1.0]]
    >>> made = Comparison(("random", "full", "short"), (0,), [[0.7], [0.9], [0.8]], [30, 100, 100], one, one,
    ...                   roles=("random", "full", "strategy"), baseline=(None, None, 0),
    ...                   strategies=("random", "full", "short"))
    >>> [(name, [keep for keep, _ in found]) for name, found in strategies_by_size(made).items()]
    [('short', [0.3])]
    """
    full = full_arm(comparison)
    found: dict[str, list[tuple[float, Arm]]] = {}
    for arm, random in zip(arms(comparison), comparison.baseline, strict=True):
        if arm.role == "strategy" and full is not None and random is not None:
            keep = float(comparison.count[random] / comparison.count[full])
            found.setdefault(arm.strategy, []).append((keep, arm))
    return {name: sorted(each, key=lambda one: -one[0]) for name, each in found.items()}


@validated()
def advise(
    comparison: Comparison,
    *,
    margin: float = MARGIN,
    dynamics: Dynamics | None = None,
    scores: Scores | None = None,
) -> Advice:
    """Advise the smallest size whose accuracy stays within a margin of training on everything, or explain why none is.

    Args:
        comparison: From `sweep`.
        margin: Accuracy 0..1 below training on everything that counts as no loss.
        dynamics: The record that the subsets were chosen by, for the cost of scoring; None where it is not known.
        scores: Its scores, likewise.

    Returns:
        The outcome, the sentence that states it, and the advised size, None where no size is.

    >>> compared = Comparison(("random", "dual"), (0, 1), [[0.7, 0.7], [0.8, 0.8]], [3, 3], [[3.0, 3.0]] * 2,
    ...                       [[1.0, 1.0]] * 2, roles=("random", "subset"))
    >>> advise(compared).outcome
    'no full arm'
    """
    seeds = int(np.isfinite(comparison.accuracy).all(axis=0).sum())
    advice = _advise(sizes(comparison, scoring_cost(dynamics, scores)), margin, seeds)
    notes = [advice.text]
    if comparison.shortened != 1 and advice.size is not None:
        notes.append(f"Retrainings had {comparison.shortened:.3g} of the full schedule; costs are scaled up to it.")
    if comparison.held_out == "split":
        notes.append(SPLIT)
    return Advice(advice.outcome, " ".join(notes), advice.size)


def _advise(tried: Sequence[Size], within: float, seeds: int) -> Advice:
    near = f"within {100 * within:g} point{'' if within == 0.01 else 's'} of full"
    if not tried:
        return Advice("no full arm", "No advice: training on everything is not among the arms.")
    if seeds < MIN_SEEDS:
        return Advice("too few seeds", f"No advice yet: intervals need at least {MIN_SEEDS} seeds, here are {seeds}.")
    passing: list[Size] = []
    for size in tried:
        if not size.lost.low > -within:
            break
        passing.append(size)
    if not passing:
        best = tried[0]
        return Advice(
            "not within",
            f"No tried subset is shown to stay {near}; try larger ones, or more seeds ({best.arm.name}: "
            f"{points(best.lost.mean)} points, 95 % interval {points(best.lost.low)} to {points(best.lost.high)}).",
        )
    better = [size for size in passing if size.arm.difference is not None and size.arm.difference.low > 0]
    if not better:
        smallest = passing[-1]
        return Advice(
            "no evidence",
            f"No evidence that this beats random: {smallest.arm.name} stays {near}, and so may as many random "
            f"examples, which cost nothing to choose{_against_random(smallest)}.",
            smallest,
        )
    return _worth_it(better[-1], near)


def _worth_it(size: Size, near: str) -> Advice:
    one, ten = size.savings
    text = (
        f"{size.arm.name} is the smallest that is shown to stay {near} "
        f"({points(size.lost.mean)} points, 95 % interval {points(size.lost.low)} to {points(size.lost.high)}) "
        f"and to beat random{_against_random(size)}. With scoring counted, it saves {_describe(one)} for one training "
        f"and {_describe(ten)} for ten. {size.pays}"
    )
    if not max(ten.saved) > 0:
        return Advice("nothing saved", f"Nothing is saved within ten trainings: {text}", size)
    return Advice("prune", f"Keep {100 * size.keep:.3g} %: {text}", size)


def _against_random(size: Size) -> str:
    apart = size.arm.difference
    if apart is None:
        return ""
    return f" ({points(apart.mean)} points, 95 % interval {points(apart.low)} to {points(apart.high)})"


def _describe(one: Savings) -> str:
    """Format savings: time, epochs, and their fraction of as many full trainings."""
    fraction = one.saved.epochs / one.full.epochs
    time = f"{duration(one.saved.seconds)}, " if np.isfinite(one.saved.seconds) else ""
    epochs, percent = f"{one.saved.epochs:.1f}", f"{100 * fraction:.0f}"
    return f"{time}{epochs} epochs of the full dataset ({percent} %)".replace("-", "−")
