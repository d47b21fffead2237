"""Whether the subset is better than as many random examples: the arms of a comparison."""

import math

from datapare.artifacts import Comparison
from datapare.evaluation.arms import describe_redrawn, worst_class
from datapare.evaluation.costs import total_cost
from datapare.evaluation.frontier import TRAININGS
from datapare.reporting import figures, tables
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show the arms with their accuracy; None without a comparison."""
    compared = context.comparison
    if compared is None:
        return None
    return Section(
        "Comparison with random",
        {
            "arms": context.arms,
            "seeds": compared.seeds,
            "worst": None if context.arm is None else worst_class(compared, context.arm),
            "held_out": compared.held_out,
            "budget": compared.budget,
            "shortened": compared.shortened,
            "classes": any(arm.worst_class for arm in context.arms),
            "updates": any(math.isfinite(arm.updates) for arm in context.arms),
            "totals": _totals(compared),
            "redrawn": describe_redrawn(compared),
            "groups": tables.groups(compared),
        },
        {"accuracy": figures.accuracy(context.arms)},
        ("arm", "random", "95 % interval", "epoch", "strategy", f"equal {compared.budget}"),
    )


def _totals(compared: Comparison) -> list[list[float]]:
    """Return the full-dataset epochs of so many trainings of each arm; empty where the comparison holds no costs."""
    if compared.once is None:
        return []
    return [[total_cost(compared, i, n).epochs for n in TRAININGS] for i in range(len(compared))]
