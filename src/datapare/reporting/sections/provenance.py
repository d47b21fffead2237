"""How the subset was made: the steps of all artifacts."""

from datapare.artifacts import Provenance
from datapare.reporting import tables
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section:
    """Show the provenance of all artifacts as one table; a step that was listed before is not detailed again."""
    rows: list[tables.ProvenanceRow] = []
    listed: list[Provenance] = []
    for artifact in (context.subset, context.scores, context.dynamics, context.comparison, context.sweep):
        if artifact is not None and artifact.provenance not in listed:
            rows += tables.provenance_rows(artifact.provenance, listed)
    return Section("Provenance", {"rows": rows})
