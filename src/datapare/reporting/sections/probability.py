"""Whether easy or hard examples stay: densities of the mean probability, and the curve of Beta sampling."""

import numpy as np

from datapare.numerics.sampling import group_order
from datapare.reporting import figures
from datapare.reporting.beta_density import Weighting, weighting
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section

BY_BETA = {"beta", "mixed"}  # rules that draw by a Beta density, all or a part


def build(context: ReportContext) -> Section | None:
    """Show the mean probabilities of all and of the kept examples; None without a record."""
    if context.mean_prob is None:
        return None
    beta = _beta(context)
    chart = figures.probabilities(context.mean_prob, context.mask, None if beta is None else beta.curve)
    drawn_by_beta = context.subset.provenance.method in BY_BETA
    terms = ("mean probability", "probability", *(["Beta weighting"] if drawn_by_beta else []))
    return Section("Mean probability", {"beta": beta}, {"density": chart}, terms, half=True)


def _beta(context: ReportContext) -> Weighting | None:
    """Return the density of Beta sampling, within each class where it was applied so."""
    provenance, groups = context.subset.provenance, [np.arange(len(context.mask))]
    if provenance.method not in BY_BETA or context.mean_prob is None or context.score is None:
        return None
    if provenance.params.get("balance"):
        if context.label is None:
            return None
        number = context.label - min(int(context.label.min(initial=0)), 0)
        groups = np.split(group_order(number), np.cumsum(np.bincount(number))[:-1])
    return weighting(context.mean_prob, context.score, context.mask, provenance.params, groups)
