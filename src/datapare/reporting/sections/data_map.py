"""Where the kept examples lie: mean against standard deviation of the label's probability (dataset cartography)."""

import numpy as np

from datapare.evaluation.record_summary import learning_curve
from datapare.reporting import figures
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show every example as a point, or densities and a sample of points; None without a record."""
    if context.moments is None or context.dynamics is None:
        return None
    mean, deviation = context.moments
    at, reach = context.shown, float(np.max(deviation, where=np.isfinite(deviation), initial=0.0))
    drawn = {"points": figures.data_map(mean[at], deviation[at], context.mask[at], reach)}
    if len(at) < context.subset.total:
        drawn["count"], drawn["kept"] = figures.map_densities(mean, deviation, context.mask)
    return Section(
        "Data map",
        {
            "sampled": len(at) if len(at) < context.subset.total else 0,
            "missing": int(np.count_nonzero(~np.isfinite(deviation))),
            "epochs": context.dynamics.epochs,
            "learned": learning_curve(context.dynamics),
        },
        drawn,
        ("data map", "probability", "mean probability", "standard deviation", "epoch"),
        half=True,
    )
