"""How far the dataset can be pruned: accuracy and cost against the kept fraction."""

from datapare.evaluation.advice import advise, sizes, strategies_by_size
from datapare.evaluation.arms import arms, full_arm
from datapare.reporting import sweep_figures
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show the advice, both curves, a table of sizes and one of strategies; None without a sweep with a full arm."""
    sweep = context.sweep
    place = None if sweep is None else full_arm(sweep)
    if sweep is None or place is None or not (tried := sizes(sweep, context.scoring_cost)):
        return None
    full, strategies = arms(sweep)[place].accuracy, strategies_by_size(sweep)
    advice = advise(sweep, margin=context.within / 100, dynamics=context.dynamics, scores=context.scores)
    return Section(
        "Sweep over keep fractions",
        {
            "outcome": advice.outcome,
            "advice": advice.text.removesuffix(context.verdict.note),  # said once, at the top
            "sizes": tried,
            "strategies": strategies,
            "classes": any(size.arm.worst_class for size in tried),
            "groups": any(size.arm.worst_group for size in tried),
            "full": full,
            "seeds": sweep.seeds,
            "budget": sweep.budget,
        },
        {"accuracy": sweep_figures.accuracy(tried, full, strategies), "cost": sweep_figures.cost(tried)},
        ("arm", "random", "95 % interval", "epoch", "strategy", f"equal {sweep.budget}"),
    )
