"""How far the dataset can be pruned: accuracy and cost against the kept fraction."""

from datapare.evaluation.advice import advise, sizes
from datapare.evaluation.arms import arms, full_arm
from datapare.reporting import sweep_figures
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show the advice, both curves and a table of sizes; None without a sweep that holds a full arm."""
    sweep = context.sweep
    place = None if sweep is None else full_arm(sweep)
    if sweep is None or place is None or not (tried := sizes(sweep, context.scoring_cost)):
        return None
    full = arms(sweep)[place].accuracy
    advice = advise(sweep, margin=context.within / 100, dynamics=context.dynamics, scores=context.scores)
    return Section(
        "Sweep over keep fractions",
        {
            "outcome": advice.outcome,
            "advice": advice.text.removesuffix(context.verdict.note),  # said once, at the top
            "sizes": tried,
            "full": full,
            "seeds": sweep.seeds,
            "budget": sweep.budget,
        },
        {"accuracy": sweep_figures.accuracy(tried, full), "cost": sweep_figures.cost(tried)},
        ("arm", "random", "95 % interval", "epoch", f"equal {sweep.budget}"),
    )
