"""Which scores were kept."""

import numpy as np

from datapare.methods.extrapolation import describe_reliability
from datapare.reporting import figures
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show the histogram of the scores; None without scores."""
    score, scores = context.score, context.scores
    if score is None or scores is None:
        return None
    edges = figures.score_edges(score)
    outside = np.isfinite(score) & ((score < edges[0]) | (score > edges[-1]))
    return Section(
        "Scores",
        {
            "method": scores.provenance.method,
            "missing": int(np.count_nonzero(np.isnan(score))),
            "infinite": int(np.count_nonzero(np.isinf(score))),
            "beyond": int(np.count_nonzero(outside)),
            "predicted": 0 if scores.predicted is None else int(np.count_nonzero(scores.predicted)),
            "reliability": describe_reliability(scores.provenance, context.subset.keep),
        },
        {"histogram": figures.scores(score, context.mask)},
        ("score",),
        half=True,
    )
