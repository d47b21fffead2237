"""How much of each class is kept."""

from datapare.evaluation.record_summary import class_counts
from datapare.reporting import tables
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show the kept fraction of every class; None without labels."""
    if context.label is None:
        return None
    counts = class_counts(context.label, context.mask, len(context.classes))
    table = tables.classes(counts, context.classes)
    return Section("Classes", {"table": table, "keep": context.subset.keep}, half=not table.rest)
