"""What scoring, selection and training cost, and after how many trainings pruning pays."""

import math

from datapare.evaluation.record_costs import book, cost, pays, savings
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show the cost of each step, and what the subset saves; None when no cost is known."""
    seconds = context.subset.seconds
    selection = math.nan if seconds is None or context.dynamics is None else seconds
    rows = cost(context.arms, context.dynamics, selection)
    if not rows:
        return None
    once = context.scoring_cost
    ledger = None if context.comparison is None else book(context.comparison, context.arm, once)
    if ledger is None or math.isnan(ledger.scoring.epochs):
        return Section("Cost", {"rows": rows, "savings": [], "pays": ""}, terms=("epoch",))
    known = {"rows": rows, "savings": savings(ledger), "pays": pays(ledger)}
    return Section("Cost", known, terms=("epoch", "break-even"))
