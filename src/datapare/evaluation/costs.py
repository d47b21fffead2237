"""What pruning costs and what it saves, for any number of trainings.

    on the subset, n times:   scoring + selection + n * training on the subset
    on everything, n times:   n * training on everything

Costs come in seconds and in full-dataset epochs (examples seen divided by the size of the full dataset): seconds are
the wall time on this machine, epochs do not depend on the machine.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from datapare.artifacts import Comparison, Dynamics, Scores
from datapare.evaluation.arms import Arm, full_arm

TRAININGS = (1, 10)
ONCE = "once"


class Cost(NamedTuple):
    """Seconds of wall time and full-dataset epochs; NaN where unknown."""

    seconds: float
    epochs: float


UNKNOWN, FREE = Cost(math.nan, math.nan), Cost(0.0, 0.0)


@dataclass(frozen=True)
class CostModel:
    """What `scoring` and `selection` cost once, and what one training costs on the `subset` and on everything."""

    scoring: Cost
    selection: Cost
    subset: Cost
    full: Cost


@dataclass(frozen=True)
class CostRow:
    """What a step cost: full-dataset epochs and minutes of wall time, None where unknown."""

    step: str
    epochs: float | None
    minutes: float | None


@dataclass(frozen=True)
class Savings:
    """A number of trainings on the subset, scoring and selection included, against as many on everything."""

    trainings: int
    pruned: Cost
    full: Cost
    saved: Cost


def duration(seconds: float) -> str:
    """Format seconds in the unit that suits their size.

    >>> duration(0.31), duration(43), duration(-150), duration(9_000)
    ('0.3 s', '43 s', '−2.5 min', '2.5 h')
    """
    if not math.isfinite(seconds):
        return "–"
    sign, size = "−" if seconds < 0 else "", abs(seconds)
    value, unit = (size, "s") if size < 90 else (size / 60, "min") if size < 5400 else (size / 3600, "h")
    return f"{sign}{value:,.{1 if value < 10 else 0}f} {unit}"


def cost_rows(rows: Sequence[Arm], dynamics: Dynamics | None, selection: float = math.nan) -> list[CostRow]:
    """List the scoring run, when its record is given, the selection in seconds, then one training of each arm."""
    table = []
    if dynamics is not None and dynamics.epochs:
        table.append(_row(f"scoring ({ONCE})", scoring_cost(dynamics, None)))
    if math.isfinite(selection):
        table.append(_row(f"selection ({ONCE})", Cost(selection, 0.0)))
    return table + [_row(f"one training: {arm.name}", Cost(60 * arm.minutes, arm.epochs)) for arm in rows]


def scoring_cost(dynamics: Dynamics | None, scores: Scores | None) -> Cost:
    """Return what the recorded training, of all or a fraction, and turning it into scores took."""
    if dynamics is None:
        return UNKNOWN
    fraction = float(dynamics.provenance.params.get("fraction") or 1.0)
    seconds = math.nan if dynamics.seconds is None else float(dynamics.seconds.sum())
    return Cost(seconds + ((scores.seconds if scores is not None else None) or 0.0), fraction * dynamics.epochs)


def cost_model(comparison: Comparison, arm: int, scoring: Cost) -> CostModel | None:
    """Return the costs of the arm at this position, for trainings of the full schedule; None without a full arm.

    Shortened trainings are scaled up to the full schedule.
    """
    full = full_arm(comparison)
    if full is None:
        return None
    took = math.nan if comparison.select_seconds is None else float(comparison.select_seconds[arm])
    selection = Cost(took if math.isfinite(took) else 0.0, 0.0)
    return CostModel(scoring, selection, training_cost(comparison, arm), training_cost(comparison, full))


def once_cost(comparison: Comparison, arm: int, scoring: Cost = UNKNOWN) -> Cost:
    """Return what has to be spent once before the first training of an arm: recording, scoring and selection.

    `scoring` is what scoring cost, for comparisons that do not hold it; random examples and everything need none.
    """
    if comparison.once is not None and math.isfinite(comparison.once[arm, 0]):
        known = Cost(float(comparison.once[arm, 1]), float(comparison.once[arm, 0]))
    else:
        known = FREE if comparison.roles[arm] in {"random", "full"} else scoring
    took = math.nan if comparison.select_seconds is None else float(comparison.select_seconds[arm])
    return Cost(known.seconds + (took if math.isfinite(took) else 0.0), known.epochs)


def total_cost(comparison: Comparison, arm: int, trainings: int, scoring: Cost = UNKNOWN) -> Cost:
    """Return the cost of so many trainings of an arm with the full schedule, with what is spent once before."""
    both = zip(once_cost(comparison, arm, scoring), training_cost(comparison, arm), strict=True)
    return Cost(*(once + trainings * training for once, training in both))


def training_cost(comparison: Comparison, arm: int) -> Cost:
    """Return the mean cost over seeds of one training of the full schedule."""
    seconds, epochs = (np.nanmean(values[arm]) for values in (comparison.seconds, comparison.epochs))
    return Cost(float(seconds) / comparison.shortened, float(epochs) / comparison.shortened)


def pruned(model: CostModel, trainings: int) -> Cost:
    """Return the cost of scoring, selecting and training so many times on the subset.

    >>> model = CostModel(Cost(60, 30), Cost(1, 0), Cost(20, 12), Cost(60, 40))
    >>> pruned(model, 1), pruned(model, 10)
    (Cost(seconds=81, epochs=42), Cost(seconds=261, epochs=150))
    """
    once = zip(model.scoring, model.selection, model.subset, strict=True)
    return Cost(*(scoring + selection + trainings * training for scoring, selection, training in once))


def saved(model: CostModel, trainings: int) -> Cost:
    """Return what pruning saves over so many trainings on everything; negative where it costs more.

    >>> model = CostModel(Cost(60, 30), Cost(1, 0), Cost(20, 12), Cost(60, 40))
    >>> saved(model, 1), saved(model, 10)
    (Cost(seconds=-21, epochs=-2), Cost(seconds=339, epochs=250))
    """
    both = zip(model.full, pruned(model, trainings), strict=True)
    return Cost(*(trainings * full - with_pruning for full, with_pruning in both))


def break_even(model: CostModel, unit: str = "seconds") -> int | None:
    """Return the smallest number of trainings after which pruning costs no more than not pruning.

    None where it never does, and where a cost is unknown. `unit` is "seconds" or "epochs".

    >>> model = CostModel(Cost(60, 30), Cost(1, 0), Cost(20, 12), Cost(60, 40))
    >>> break_even(model), break_even(model, "epochs")
    (2, 2)
    """
    once: float = getattr(model.scoring, unit) + getattr(model.selection, unit)
    gain: float = getattr(model.full, unit) - getattr(model.subset, unit)
    if not (math.isfinite(once) and math.isfinite(gain)) or gain <= 0:
        return None
    return max(1, math.ceil(once / gain - 1e-9))


def savings(model: CostModel) -> list[Savings]:
    """Return what one and ten trainings cost and save."""
    return [
        Savings(n, pruned(model, n), Cost(n * model.full.seconds, n * model.full.epochs), saved(model, n))
        for n in TRAININGS
    ]


def describe_break_even(model: CostModel, accuracy: str = "") -> str:
    """Format the break-even in time and in epochs.

    Args:
        model: The costs.
        accuracy: What the subset is worth beside everything, as a clause, where it is not shown to be as good; a
            break-even is never named without it.

    >>> model = CostModel(Cost(60, 30), Cost(0, 0), Cost(20, 12), Cost(60, 40))
    >>> describe_break_even(model)
    'Scoring and selection have paid for themselves after 2 trainings on the subset (by epochs: after 2).'
    >>> describe_break_even(model, "−12.00 points of accuracy").partition(" have ")[0]
    'In cost alone, at −12.00 points of accuracy, scoring and selection'
    """
    times, epochs = break_even(model), break_even(model, "epochs")
    known = not math.isnan(model.scoring.seconds + model.subset.seconds)
    by_epochs = "never" if epochs is None else f"after {epochs}"
    if times is None and known:
        return f"Pruning never pays in time: a training on the subset takes no less (by epochs: {by_epochs})."
    if times is None and math.isnan(model.scoring.epochs):
        return "What scoring cost is unknown, so is when pruning has paid for itself."
    if times is None:
        paid = f"by epochs pruning has paid for itself {by_epochs}"
        return f"How long scoring took is unknown; {paid}{f', at {accuracy}' if accuracy else ''}."
    trainings = "the first training" if times == 1 else f"{times} trainings"
    paid = f"coring and selection have paid for themselves after {trainings} on the subset (by epochs: {by_epochs})."
    return f"In cost alone, at {accuracy}, s{paid}" if accuracy else f"S{paid}"


def _row(step: str, value: Cost) -> CostRow:
    return CostRow(step, _finite(value.epochs), _finite(value.seconds / 60))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
