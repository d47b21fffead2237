"""Whether the subset is better than as many random examples: the arms of a comparison."""

import math

from datapare.evaluation.arms import worst_class
from datapare.reporting import figures, tables
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show the arms with their accuracy; None without a comparison."""
    compared = context.comparison
    if compared is None:
        return None
    once = context.scoring_cost.epochs
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
            "scored": math.isfinite(once),
            "groups": tables.groups(compared),
        },
        {
            "accuracy": figures.accuracy(context.arms),
            "frontier": figures.frontier(context.arms, once, compared.shortened),
        },
        ("arm", "random", "95 % interval", "epoch", f"equal {compared.budget}"),
    )
