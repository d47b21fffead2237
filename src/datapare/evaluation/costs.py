"""What pruning costs and what it saves, for any number of trainings.

    on the subset, n times:   scoring + selection + n * training on the subset
    on everything, n times:   n * training on everything

Costs come in seconds and in full-dataset epochs (examples seen divided by the size of the full dataset): seconds are
what a person waits for on this machine, epochs do not depend on the machine.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds of wall time and full-dataset epochs; NaN where nobody wrote it down."""

    seconds: float
    epochs: float


def duration(seconds: float) -> str:
    """Seconds in the unit that a person would say them in.

    >>> duration(0.31), duration(43), duration(-150), duration(9_000)
    ('0.3 s', '43 s', '−2.5 min', '2.5 h')
    """
    if not math.isfinite(seconds):
        return "–"
    sign, size = "−" if seconds < 0 else "", abs(seconds)
    value, unit = (size, "s") if size < 90 else (size / 60, "min") if size < 5400 else (size / 3600, "h")
    return f"{sign}{value:,.{1 if value < 10 else 0}f} {unit}"


@dataclass(frozen=True)
class CostModel:
    """What is paid once (`scoring`, `selection`) and what one training costs, on the `subset` and on everything."""

    scoring: Cost
    selection: Cost
    subset: Cost
    full: Cost


def pruned(ledger: CostModel, trainings: int) -> Cost:
    """Cost of scoring, selecting and training so many times on the subset.

    >>> book = CostModel(Cost(60, 30), Cost(1, 0), Cost(20, 12), Cost(60, 40))
    >>> pruned(book, 1), pruned(book, 10)
    (Cost(seconds=81, epochs=42), Cost(seconds=261, epochs=150))
    """
    once = zip(ledger.scoring, ledger.selection, ledger.subset, strict=True)
    return Cost(*(scoring + selection + trainings * training for scoring, selection, training in once))


def saved(ledger: CostModel, trainings: int) -> Cost:
    """What pruning saves over so many trainings on everything; negative where it costs more than it saves.

    >>> book = CostModel(Cost(60, 30), Cost(1, 0), Cost(20, 12), Cost(60, 40))
    >>> saved(book, 1), saved(book, 10)
    (Cost(seconds=-21, epochs=-2), Cost(seconds=339, epochs=250))
    """
    both = zip(ledger.full, pruned(ledger, trainings), strict=True)
    return Cost(*(trainings * full - with_pruning for full, with_pruning in both))


def break_even(ledger: CostModel, unit: str = "seconds") -> int | None:
    """The smallest number of trainings after which pruning has paid for itself; None where it never does.

    None also where a cost is unknown. `unit` is "seconds" or "epochs".

    >>> book = CostModel(Cost(60, 30), Cost(1, 0), Cost(20, 12), Cost(60, 40))
    >>> break_even(book), break_even(book, "epochs")
    (2, 2)
    """
    once: float = getattr(ledger.scoring, unit) + getattr(ledger.selection, unit)
    gain: float = getattr(ledger.full, unit) - getattr(ledger.subset, unit)
    if not (math.isfinite(once) and math.isfinite(gain)) or gain <= 0:
        return None
    return max(1, math.ceil(once / gain - 1e-9))
