"""How far the scores of several methods order the examples alike."""

import numpy as np

from datapare.methods.scoring import rank_correlation
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show the rank correlation of every pair of methods; None with fewer than two."""
    if len(context.others) < 2:
        return None
    methods, correlation = rank_correlation(context.others)
    if len(methods) < 2:
        return None
    rows = [(name, row.tolist()) for name, row in zip(methods, np.asarray(correlation), strict=True)]
    terms = ("rank correlation", "score")
    return Section("Agreement of scores", {"methods": methods, "rows": rows}, terms=terms, half=True)
