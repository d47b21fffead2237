"""The sections of the page: what each of them shows, from the nouns that are given."""

import math
from typing import Any

import numpy as np

from datapare.artifacts import Provenance
from datapare.evaluation.advice import advise, sizes
from datapare.evaluation.costs import Cost
from datapare.evaluation.record_costs import book, cost, pays, savings, scoring
from datapare.evaluation.record_summary import class_counts, coverage, learning, lineage, percent
from datapare.evaluation.statistics import mean_interval
from datapare.evaluation.verdicts import NOT_YET, Verdict, judged, verdict, worst_class
from datapare.methods.extrapolation import describe_reliability
from datapare.methods.scoring import rank_correlation
from datapare.reporting import figures, gallery, sweep_figures, tables
from datapare.reporting.beta_density import Weighting, weighting
from datapare.reporting.context import ReportContext


def contents(parts: ReportContext) -> dict[str, Any]:
    """What each section of the page shows, None where its nouns are missing; fills `parts.figures` on the way."""
    return {
        "comparison": _comparison(parts),
        "cost": _cost(parts),
        "curve": _curve(parts),
        "map": _map(parts),
        "scores": _scores(parts),
        "agreement": _agreement(parts),
        "probability": _probability(parts),
        "classes": _classes(parts),
        "examples": _examples(parts),
        "trouble": _trouble(parts),
        "provenance": _provenance(parts),
    }


def headline(parts: ReportContext) -> dict[str, Any]:
    """The sentence at the top, the facts below it, and the verdict."""
    subset, data = parts.subset, parts.data
    steps = [step for step in lineage(subset.provenance) if step.method]
    facts = {
        "dataset": "" if data is None or data.path is None else data.path.name,
        "format": "" if data is None else data.format,
        "kind": "" if data is None else data.kind,
        "classes": f"{len(parts.classes):,}" if parts.classes else "",
        "method": " → ".join(f"{step.step} {step.method}" for step in steps),
        "seed": "" if subset.provenance.seed is None else str(subset.provenance.seed),
        "digest": subset.provenance.dataset or ("" if data is None else data.digest),
    }
    return {
        "keep": subset.keep,
        "sentence": f"Kept {len(subset):,} of {subset.total:,} examples ({percent(subset.keep)})",
        "facts": {name: fact for name, fact in facts.items() if fact},
        "verdict": Verdict("not compared", NOT_YET)
        if parts.comparison is None
        else verdict(parts.arms, len(subset), subset.provenance.method, parts.comparison.held_out),
    }


def _comparison(parts: ReportContext) -> dict[str, Any] | None:
    if parts.comparison is None:
        return None
    parts.figures["accuracy"] = figures.accuracy(parts.arms)
    compared, name = parts.comparison, _judged_name(parts)
    worst = worst_class(compared, name) if name else None
    return {
        "arms": parts.arms,
        "seeds": compared.seeds,
        "worst": worst,
        "held_out": compared.held_out,
        "budget": compared.budget,
        "shortened": compared.shortened,
        "classes": any(arm.worst_class for arm in parts.arms),
        "groups": tables.groups(compared),
    }


def _once(parts: ReportContext) -> Cost:
    return Cost(math.nan, math.nan) if parts.dynamics is None else scoring(parts.dynamics, parts.scores)


def _cost(parts: ReportContext) -> dict[str, Any] | None:
    selection = math.nan if parts.subset.seconds is None or parts.dynamics is None else parts.subset.seconds
    rows = cost(parts.arms, parts.dynamics, selection)
    if not rows:
        return None
    ledger = None if parts.comparison is None else book(parts.comparison, _judged_name(parts), _once(parts))
    known = ledger is not None and not math.isnan(ledger.scoring.epochs)
    return {
        "rows": rows,
        "savings": savings(ledger) if ledger is not None and known else [],
        "pays": pays(ledger) if ledger is not None and known else "",
    }


def _curve(parts: ReportContext) -> dict[str, Any] | None:
    """Accuracy and total cost against the kept fraction, and the advice."""
    if parts.curve is None or not (tried := sizes(parts.curve, _once(parts))):
        return None
    full = parts.curve.arms.index("full")
    accuracy = mean_interval(parts.curve.accuracy[full])
    parts.figures["curve"] = sweep_figures.accuracy(tried, accuracy)
    parts.figures["curve-cost"] = sweep_figures.cost(tried)
    return {
        "advice": advise(parts.curve, parts.within, _once(parts)),
        "sizes": tried,
        "full": accuracy,
        "seeds": parts.curve.seeds,
        "budget": parts.curve.budget,
        "within": parts.within,
    }


def _judged_name(parts: ReportContext) -> str:
    arm = judged(parts.arms, len(parts.subset), parts.subset.provenance.method)
    return "" if arm is None else arm.name


def _map(parts: ReportContext) -> dict[str, Any] | None:
    if parts.moments is None:
        return None
    mean, deviation = parts.moments
    dense = parts.subset.total > figures.POINTS
    if dense:
        parts.figures["moon-count"], parts.figures["moon-share"] = figures.moon_counts(mean, deviation, parts.mask)
    else:
        parts.figures["moon"] = figures.moon(mean, deviation, parts.mask, parts.names)
    missing = int(np.count_nonzero(~np.isfinite(deviation)))
    learnt = None if parts.dynamics is None else learning(parts.dynamics)
    epochs = parts.dynamics.epochs if parts.dynamics else 0
    return {"dense": dense, "missing": missing, "epochs": epochs, "learned": learnt}


def _scores(parts: ReportContext) -> dict[str, Any] | None:
    if parts.score is None or parts.scores is None:
        return None
    parts.figures["scores"] = figures.scores(parts.score, parts.mask)
    edges = figures.score_edges(parts.score[np.isfinite(parts.score)])
    predicted = parts.scores.predicted
    return {
        "method": parts.scores.provenance.method,
        "missing": int(np.count_nonzero(np.isnan(parts.score))),
        "infinite": int(np.count_nonzero(np.isinf(parts.score))),
        "beyond": int(np.count_nonzero((parts.score < edges[0]) | (parts.score > edges[-1]))),
        "predicted": 0 if predicted is None else int(np.count_nonzero(predicted)),
        "trust": describe_reliability(parts.scores.provenance, parts.subset.keep),
    }


def _agreement(parts: ReportContext) -> dict[str, Any] | None:
    """How far the scores of several methods order the examples alike."""
    if len(parts.others) < 2:
        return None
    names, correlation = rank_correlation(parts.others)
    if len(names) < 2:
        return None
    parts.figures["agreement"] = figures.agreement(names, correlation)
    return {"methods": names}


def _probability(parts: ReportContext) -> dict[str, Any] | None:
    if parts.mean_prob is None:
        return None
    beta = _beta(parts)
    curve = None if beta is None else beta.curve
    parts.figures["probability"] = figures.probabilities(parts.mean_prob, parts.mask, curve)
    return {"beta": beta}


def is_beta(parts: ReportContext) -> bool:
    """Whether the subset was drawn by Beta sampling and its mean probabilities are known."""
    return parts.subset.provenance.method == "beta" and parts.moments is not None


def _beta(parts: ReportContext) -> Weighting | None:
    """The weighting of Beta sampling, within each class where it was applied so."""
    if not is_beta(parts) or parts.mean_prob is None or parts.score is None:
        return None
    provenance, groups = parts.subset.provenance, [np.arange(len(parts.mask))]
    if provenance.params.get("balance"):
        source = parts.dynamics or parts.data
        if source is None:
            return None
        groups = [np.flatnonzero(source.label == number) for number in np.unique(source.label)]
    return weighting(parts.mean_prob, parts.score, parts.mask, provenance.params, groups)


def _classes(parts: ReportContext) -> tables.ClassTable | None:
    source = parts.data or parts.dynamics
    if source is None:
        return None
    return tables.classes(class_counts(source.label, parts.mask, len(parts.classes)), parts.classes)


def _examples(parts: ReportContext) -> list[gallery.Gallery]:
    if parts.data is None:
        return []
    beliefs = gallery.Beliefs(
        mask=parts.mask,
        score=parts.score,
        mean_prob=parts.mean_prob,
        margin=parts.margin,
        logit_mean=None if parts.dynamics is None else parts.dynamics.arrays.get("logit_mean"),
    )
    return gallery.galleries(parts.data, beliefs)


def _trouble(parts: ReportContext) -> dict[str, Any] | None:
    channel = parts.channel("target_prob")
    share = np.ones(1) if channel is None else coverage(channel)
    if parts.dynamics is not None and parts.dynamics.provenance.params.get("fraction"):
        share = share / max(share.max(), 1e-9)  # the others were left out on purpose
    bad = () if parts.data is None else parts.data.bad
    if share.min() < 1:
        parts.figures["coverage"] = figures.observed(share)
    elif not bad:
        return None
    return {"bad": bad[:100], "n_bad": len(bad), "share": share, "low": int(share.argmin())}


def _provenance(parts: ReportContext) -> list[tables.ProvenanceRow]:
    """The recipes of all nouns as one table; what an earlier row has told is not told again."""
    rows: list[tables.ProvenanceRow] = []
    told: list[Provenance] = []
    for artifact in (parts.subset, parts.scores, parts.dynamics, parts.comparison, parts.curve):
        if artifact is not None and artifact.provenance not in told:
            rows += tables.provenance_rows(artifact.provenance, told)
    return rows
