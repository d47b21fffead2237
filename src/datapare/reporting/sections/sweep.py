"""How far the dataset can be pruned: accuracy and cost against the kept fraction."""

from datapare.evaluation.advice import advise, sizes
from datapare.evaluation.statistics import mean_interval
from datapare.reporting import sweep_figures
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show the advice, both curves and a table of sizes; None without a sweep that holds a full arm."""
    sweep = context.sweep
    if sweep is None or not (tried := sizes(sweep, context.scoring_cost)):
        return None
    full = mean_interval(sweep.accuracy[sweep.arms.index("full")])
    return Section(
        "Sweep over keep fractions",
        {
            "advice": advise(sweep, context.within, context.scoring_cost),
            "sizes": tried,
            "full": full,
            "seeds": sweep.seeds,
            "budget": sweep.budget,
        },
        {"accuracy": sweep_figures.accuracy(tried, full), "cost": sweep_figures.cost(tried)},
        ("arm", "random", "95 % interval", "epoch", f"equal {sweep.budget}"),
    )
