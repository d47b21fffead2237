"""What a comparison says about cost: a table of every stage, and the ledger of one subset."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datapare.artifacts import Comparison, Dynamics, Scores
from datapare.evaluation.costs import Cost, CostModel, break_even, pruned, saved
from datapare.evaluation.verdicts import Arm

TRAININGS = (1, 10)
ONCE = "once"


@dataclass(frozen=True)
class CostRow:
    """What a step cost; epochs are full-dataset epochs, minutes wall time, None where nobody wrote it down."""

    step: str
    epochs: float | None
    minutes: float | None


@dataclass(frozen=True)
class Savings:
    """So many trainings on the subset, scoring and selection included, against as many on everything."""

    trainings: int
    pruned: Cost
    full: Cost
    saved: Cost


def cost(rows: Sequence[Arm], dynamics: Dynamics | None, selection: float = math.nan) -> list[CostRow]:
    """The scoring run, when its record is given, selection in seconds, then one training of each arm."""
    table = []
    if dynamics is not None and dynamics.epochs:
        table.append(_row(f"scoring ({ONCE})", scoring(dynamics, None)))
    if math.isfinite(selection):
        table.append(_row(f"selection ({ONCE})", Cost(selection, 0.0)))
    return table + [_row(f"one training: {arm.name}", Cost(60 * arm.minutes, arm.epochs)) for arm in rows]


def scoring(dynamics: Dynamics, scores: Scores | None) -> Cost:
    """What the recorded training, of all or a fraction, and turning it into scores took."""
    share = float(dynamics.provenance.params.get("fraction") or 1.0)
    seconds = math.nan if dynamics.seconds is None else float(dynamics.seconds.sum())
    return Cost(seconds + ((scores.seconds if scores is not None else None) or 0.0), share * dynamics.epochs)


def book(comparison: Comparison, name: str, once: Cost) -> CostModel | None:
    """The ledger of arm `name`, for trainings of the full schedule; None without that arm or a full one.

    `once` is what scoring took. Shortened trainings are scaled up to the full schedule.
    """
    if name not in comparison.arms or "full" not in comparison.arms:
        return None
    place = comparison.arms.index(name)
    took = math.nan if comparison.select_seconds is None else float(comparison.select_seconds[place])
    training, full = (_training(comparison, i) for i in (place, comparison.arms.index("full")))
    return CostModel(once, Cost(took if math.isfinite(took) else 0.0, 0.0), training, full)


def savings(ledger: CostModel) -> list[Savings]:
    """What one and ten trainings cost and save."""
    return [
        Savings(n, pruned(ledger, n), Cost(n * ledger.full.seconds, n * ledger.full.epochs), saved(ledger, n))
        for n in TRAININGS
    ]


def pays(ledger: CostModel) -> str:
    """The break-even in words, in time and in epochs.

    >>> pays(CostModel(Cost(60, 30), Cost(0, 0), Cost(20, 12), Cost(60, 40)))
    'Scoring and selection have paid for themselves after 2 trainings on the subset (by epochs: after 2).'
    """
    times, epochs = break_even(ledger), break_even(ledger, "epochs")
    known = not math.isnan(ledger.scoring.seconds + ledger.subset.seconds)
    by_epochs = "never" if epochs is None else f"after {epochs}"
    if times is None and known:
        return f"Pruning never pays in time: a training on the subset takes no less (by epochs: {by_epochs})."
    if times is None:
        return f"How long scoring took was not written down; by epochs pruning has paid for itself {by_epochs}."
    trainings = "the first training" if times == 1 else f"{times} trainings"
    return f"Scoring and selection have paid for themselves after {trainings} on the subset (by epochs: {by_epochs})."


def _training(comparison: Comparison, place: int) -> Cost:
    seconds, epochs = (np.nanmean(values[place]) for values in (comparison.seconds, comparison.epochs))
    return Cost(float(seconds) / comparison.shortened, float(epochs) / comparison.shortened)


def _row(step: str, value: Cost) -> CostRow:
    return CostRow(step, _finite(value.epochs), _finite(value.seconds / 60))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
