"""Problems of the data and the record: unreadable examples, epochs that did not observe everything."""

import numpy as np

from datapare.evaluation.record_summary import coverage
from datapare.reporting import figures
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section

LISTED = 100  # unreadable examples


def build(context: ReportContext) -> Section | None:
    """Show skipped examples and the coverage of each epoch; None when nothing is wrong."""
    channel = context.channel("target_prob")
    share = np.ones(1) if channel is None else coverage(channel)
    if context.dynamics is not None and context.dynamics.provenance.params.get("fraction"):
        share = share / max(share.max(), 1e-9)  # the others were left out on purpose
    bad = () if context.data is None else context.data.bad
    incomplete = share.min() < 1
    if not incomplete and not bad:
        return None
    return Section(
        "Data problems",
        {"bad": bad[:LISTED], "n_bad": len(bad), "least": float(share.min()), "low": int(share.argmin())},
        {"coverage": figures.observed(share)} if incomplete else {},
        ("coverage",),
    )
