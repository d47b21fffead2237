"""How far to prune: the smallest subset that is shown to stay within so many points of full, and what it saves.

Of the tried sizes, from the largest down, a size passes when the 95 % interval of its paired difference to full stays
above -x points; the walk ends at the first size that fails, so that trying more sizes does not help a lucky one. Of the
sizes that pass, the smallest is advised that is also shown to beat as many random examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from datapare.artifacts import Comparison
from datapare.evaluation.costs import Cost, duration
from datapare.evaluation.record_costs import Savings, book, pays, savings
from datapare.evaluation.statistics import MIN_SEEDS, Interval, paired_interval
from datapare.evaluation.verdicts import SPLIT, Arm, arms, is_baseline, points

AdviceOutcome = Literal["prune", "no evidence", "not within", "too few seeds", "nothing saved", "no full arm"]


@dataclass(frozen=True)
class Size:
    """One tried size: its arm, the fraction kept, accuracy minus full's, random's accuracy, and what it saves."""

    arm: Arm
    keep: float
    lost: Interval
    random: Interval | None
    savings: tuple[Savings, ...]
    pays: str


@dataclass(frozen=True)
class Advice:
    """What to do, the sentence that says it, and the size that is advised, if any."""

    outcome: AdviceOutcome
    text: str
    size: Size | None = None


def sizes(comparison: Comparison, once: Cost) -> list[Size]:
    """Every arm that is neither random nor full, the largest first; `once` is what scoring took."""
    if "full" not in comparison.arms:
        return []
    rows, full = arms(comparison), comparison.arms.index("full")
    total = int(comparison.count[full])
    found = []
    for place, arm in enumerate(rows):
        ledger = book(comparison, arm.name, once)
        if is_baseline(arm.name) or ledger is None:
            continue
        lost = paired_interval(comparison.accuracy[place], comparison.accuracy[full])
        with_indices = next((r.accuracy for r in rows if r.name.startswith("random") and r.count == arm.count), None)
        found.append(Size(arm, arm.count / total, lost, with_indices, tuple(savings(ledger)), pays(ledger)))
    return sorted(found, key=lambda size: -size.keep)


def advise(comparison: Comparison, within: float, once: Cost) -> Advice:
    """The smallest size within `within` percentage points of full, or why there is none."""
    said = _advise(sizes(comparison, once), within / 100, int(np.isfinite(comparison.accuracy).all(axis=0).sum()))
    notes = [said.text]
    if comparison.shortened != 1 and said.size is not None:
        notes.append(f"Retrainings had {comparison.shortened:.3g} of the full schedule; costs are scaled up to it.")
    if comparison.held_out == "split":
        notes.append(SPLIT)
    return Advice(said.outcome, " ".join(notes), said.size)


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
            f"No tried subset is shown to stay {near}; do not prune, or try larger ones ({best.arm.name}: "
            f"{points(best.lost.mean)} points, 95 % interval {points(best.lost.low)} to {points(best.lost.high)}).",
        )
    better = [size for size in passing if size.arm.difference is not None and size.arm.difference.low > 0]
    if not better:
        smallest = passing[-1]
        return Advice(
            "no evidence",
            f"No evidence that this beats random; do not prune by it: {smallest.arm.name} stays {near}, and so may as "
            f"many random examples{_against_random(smallest)}.",
            smallest,
        )
    return _worth_it(better[-1], near)


def _worth_it(size: Size, near: str) -> Advice:
    one, ten = size.savings
    told = (
        f"{size.arm.name} is the smallest that is shown to stay {near} "
        f"({points(size.lost.mean)} points, 95 % interval {points(size.lost.low)} to {points(size.lost.high)}) "
        f"and to beat random{_against_random(size)}. With scoring counted, it saves {_told(one)} for one training and "
        f"{_told(ten)} for ten. {size.pays}"
    )
    if not max(ten.saved) > 0:
        return Advice("nothing saved", f"Nothing is saved; do not prune: {told}", size)
    return Advice("prune", f"Keep {100 * size.keep:.3g} %: {told}", size)


def _against_random(size: Size) -> str:
    apart = size.arm.difference
    if apart is None:
        return ""
    return f" ({points(apart.mean)} points, 95 % interval {points(apart.low)} to {points(apart.high)})"


def _told(one: Savings) -> str:
    """Savings in words: minutes and epochs, and which share of as many full trainings that is."""
    share = one.saved.epochs / one.full.epochs
    time = f"{duration(one.saved.seconds)}, " if np.isfinite(one.saved.seconds) else ""
    epochs, percent = f"{one.saved.epochs:.1f}", f"{100 * share:.0f}"
    return f"{time}{epochs} epochs of the full dataset ({percent} %)".replace("-", "−")
