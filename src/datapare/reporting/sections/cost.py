"""What scoring, selection and training cost, and after how many trainings pruning pays."""

import math

from datapare.evaluation.costs import cost_model, cost_rows, describe_break_even, savings
from datapare.evaluation.verdicts import describe_loss
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show the cost of each step, and what the subset saves; None when no cost is known."""
    seconds = context.subset.seconds
    selection = math.nan if seconds is None or context.dynamics is None else seconds
    rows = cost_rows(context.arms, context.dynamics, selection)
    if not rows:
        return None
    compared, arm = context.comparison, context.arm
    model = None if compared is None or arm is None else cost_model(compared, arm, context.scoring_cost)
    if compared is None or arm is None or model is None or math.isnan(model.scoring.epochs):
        return Section("Cost", {"rows": rows, "savings": [], "pays": ""}, terms=("epoch",))
    loss = describe_loss(compared, arm, context.verdict.full)
    known = {"rows": rows, "savings": savings(model), "pays": describe_break_even(model, loss)}
    return Section("Cost", known, terms=("epoch", "break-even"))
