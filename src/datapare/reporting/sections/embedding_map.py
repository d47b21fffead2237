"""Where the kept examples lie in the embedding: its two principal components."""

import numpy as np

from datapare.reporting import figures
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


def build(context: ReportContext) -> Section | None:
    """Show the examples by two principal components; None without an embedding of two columns or more."""
    places = context.components
    if places is None:
        return None
    place, explained = places
    at = context.shown
    return Section(
        "Embedding map",
        {"explained": explained, "sampled": len(at) if len(at) < context.subset.total else 0},
        {"points": figures.embedding_map(place[at].astype(np.float64), context.mask[at])},
        ("embedding",),
        half=True,
    )
