"""Accuracy for the money: each arm against its total cost, for several numbers of trainings, and what to do."""

from datapare.evaluation.frontier import TRAININGS, frontier
from datapare.evaluation.goals import advise_goals
from datapare.reporting import figures
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show the advice for each goal and a chart for each number of trainings; None without a comparison."""
    compared, scoring = context.comparison, context.scoring_cost
    if compared is None:
        return None
    charts = {
        f"trainings_{n}": figures.frontier(
            frontier(compared, n, scoring), f"full-dataset epochs of {n} training{'' if n == 1 else 's'} in all"
        )
        for n in TRAININGS
    }
    advice = advise_goals(compared, margin=context.within / 100, scoring=scoring)
    unknown = [offer.arm.name for offer in frontier(compared, 1, scoring) if offer.cost.epochs != offer.cost.epochs]
    data = {"advice": [one.text for one in advice], "unknown": unknown, "shortened": compared.shortened}
    return Section("Accuracy for the cost", data, charts, ("arm", "random", "95 % interval", "epoch", "strategy"))
