"""Scores of all examples from the scores of some, and how reliable they are."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypedDict

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.artifacts import Array, Dynamics, Params, Provenance, Scores, check_same_dataset, library_versions
from datapare.errors import InputError
from datapare.methods.binding import bind
from datapare.methods.extrapolate.knn import average, nearest
from datapare.methods.registry import Method, check_params, find
from datapare.methods.spec import ParamValue
from datapare.numerics.checked_calls import checked_call
from datapare.numerics.embeddings import check_finite
from datapare.numerics.missing import epoch_mean
from datapare.numerics.neighbors import neighbours
from datapare.numerics.sampling import draw_fraction, top_positions
from datapare.numerics.threads import fixed_threads

HELD = 5  # a fifth of the scored examples is held out at a time …
ENOUGH = 200  # … until so many, or all, have been
MIN_SEEDS = 20  # scored examples from which some are held out
OPTIMISM = "expect less against scoring everything"
KEEPS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
FINDINGS = ("chosen", "held_out")  # in the provenance's parameters: what was found from the scored examples
NEAREST = 10  # scored neighbours whose channel means an unobserved example is given

Predict = Callable[[NDArray[np.float64], np.random.Generator], tuple[NDArray[np.float64], dict[str, ParamValue]]]


class Reliability(TypedDict):
    """How well hidden scores were predicted; a correlation is None where truth or prediction is constant."""

    examples: int
    pearson: float | None
    spearman: float | None
    overlap: dict[str, float]  # keep fraction -> share of the best that were found


@fixed_threads()
@checked_call
def extrapolate(
    scores: Scores, dynamics: Dynamics, method: str = "knn", *, seed: int = 0, **params: ParamValue
) -> Scores:
    """Predict the scores that are NaN from those that are not; scored examples keep theirs.

    Args:
        scores: Scores (N,), some of every class known, NaN where not scored.
        dynamics: Holds the embedding (N, d) and the label (N,); Dynamics({}, label, arrays={"embedding": …}) will do.
        method: Name of the extrapolation.
        seed: Seed of the method's draws.
        **params: Parameters of the method.

    Returns:
        Complete scores. `predicted` (N,) marks those that were NaN. `means` holds the mean over epochs of every
        recorded channel (N,), for unobserved examples that of the nearest observed of their class, so that selection
        rules can read it. In the provenance, `chosen` are the parameters chosen from scored examples alone, and
        `held_out` is how well scored examples were predicted while theirs were hidden (None where fewer than MIN_SEEDS
        are scored): Pearson and Spearman correlation, and at several keep fractions the share of the best that were
        predicted to be among the best. It compares with the fraction's own scores: only a full run can show how far a
        run on a fraction ranks like one on everything.

    Raises:
        MissingChannelError: Without an embedding.
        InputError: For embeddings that are missing or all the same, scores that are infinite, and classes without a
            scored example.

    >>> d = Dynamics({}, [0] * 12, arrays={"embedding": np.repeat([[0.0], [9.0]], 6, axis=0)})
    >>> done = extrapolate(Scores([1.0] * 5 + [np.nan] + [3.0] * 5 + [np.nan]), d, k=5)
    >>> done.score[[5, 11]].tolist(), np.flatnonzero(done.predicted).tolist()
    ([1.0, 3.0], [5, 11])
    """
    start = time.perf_counter()
    check_same_dataset(scores, dynamics)
    found = find("extrapolate", method)
    values = check_params(found, params)
    score = np.array(scores.score, dtype=np.float64)
    arrays = {name: bind(name, found, dynamics).whole() for name in found.reads if name != "score"}
    _check(score, dynamics, arrays["embedding"])
    predict = partial(_predict, found, arrays, values)
    findings: dict[str, object] = dict.fromkeys(FINDINGS)
    unscored = np.isnan(score)
    means = {}
    if unscored.any():
        completed, findings["chosen"] = predict(score, np.random.default_rng(seed))
        if np.count_nonzero(~unscored) >= MIN_SEEDS:
            findings["held_out"] = held_out(predict, score, seed)
        score = completed
        means = channel_means(dynamics, ~unscored, arrays["embedding"])
    provenance = planned_provenance(scores, dynamics, method, seed, params)
    provenance = replace(provenance, params={**provenance.params, **findings})
    took = time.perf_counter() - start + (scores.seconds or 0.0)
    return Scores(score, predicted=unscored, means=means, key=scores.key, seconds=took, provenance=provenance)


def planned_provenance(scores: Scores, dynamics: Dynamics, method: str, seed: int, params: Params) -> Provenance:
    """Return the provenance of an extrapolation as it is known before it is computed."""
    values = check_params(find("extrapolate", method), params)
    parents = (
        (scores.provenance,)
        if dynamics.provenance in scores.provenance.parents
        else (scores.provenance, dynamics.provenance)
    )
    return Provenance("extrapolate", method, values, seed, scores.provenance.dataset, library_versions(), parents)


def without_findings(provenance: Provenance) -> Provenance:
    """Return a provenance without what was found during the extrapolation."""
    return replace(
        provenance, params={name: value for name, value in provenance.params.items() if name not in FINDINGS}
    )


def describe_reliability(provenance: Provenance, keep: float | None = None) -> str:
    r"""Describe how reliable predicted scores are: at all keep fractions, or the one nearest to `keep`.

    Empty for scores that were not extrapolated. The estimate is optimistic about scoring everything: both
    sides of it come from the same run on a fraction.

    >>> found = {"examples": 50, "pearson": 0.5, "spearman": None, "overlap": {"0.3": 0.45, "0.9": 0.95}}
    >>> print(describe_reliability(Provenance("extrapolate", "knn", {"held_out": found}), 0.25).replace("; ", "\n"))
    predicted against hidden scores of 50 examples: Pearson 0.50, Spearman unknown
    of the best 30 %, 45 % were found
    expect less against scoring everything
    """
    found = provenance.params.get("held_out")
    if found is None:
        unknown = (
            f"its reliability is unknown, as nothing was held out: fewer than {MIN_SEEDS} examples were scored, or all"
        )
        return unknown if provenance.step == "extrapolate" else ""
    pearson, spearman = ("unknown" if found[name] is None else f"{found[name]:.2f}" for name in ("pearson", "spearman"))
    share = found["overlap"]
    shown = share if keep is None else [min(share, key=lambda one: abs(float(one) - keep))]
    best = ", ".join(f"of the best {100 * float(one):g} %, {100 * share[one]:.0f} % were found" for one in shown)
    return (
        f"predicted against hidden scores of {found['examples']:,} examples: "
        f"Pearson {pearson}, Spearman {spearman}; {best}; {OPTIMISM}"
    )


def held_out(predict: Predict, score: NDArray[np.float64], seed: int) -> Reliability:
    """How well scored examples are predicted from other scored ones: Pearson, Spearman, overlap of the best.

    A fifth is hidden at a time, so predictions come from four fifths of the scored examples: a little pessimistic.
    Correlations are None where truth or prediction is constant.
    """
    from scipy.stats import pearsonr, spearmanr

    rng = np.random.default_rng([seed, HELD])
    known = rng.permutation(np.flatnonzero(~np.isnan(score)))
    parts = np.array_split(known, min(HELD, len(known)))
    guess, truth = [], []
    for part in parts[: max(1, -(-ENOUGH * HELD // len(known)))]:
        hidden = score.copy()
        hidden[part] = np.nan
        guess.append(predict(hidden, np.random.default_rng(seed))[0][part])
        truth.append(score[part])
    one, other = np.concatenate(guess), np.concatenate(truth)
    varied = len(one) > 1 and np.ptp(one) > 0 and np.ptp(other) > 0
    return {
        "examples": len(one),
        "pearson": round(float(pearsonr(one, other)[0]), 4) if varied else None,
        "spearman": round(float(spearmanr(one, other)[0]), 4) if varied else None,
        "overlap": {f"{keep:g}": round(overlap(one, other, keep), 4) for keep in KEEPS},
    }


def overlap(one: Float[np.ndarray, " N"], other: Float[np.ndarray, " N"], keep: float) -> float:
    """Share of the best of `other` that are among the best of `one`, when the fraction `keep` is the best.

    >>> overlap(np.array([1.0, 2.0, 3.0, 4.0]), np.array([4.0, 1.0, 2.0, 3.0]), 0.5)
    0.5
    """
    n = max(1, round(keep * len(one)))
    return len(np.intersect1d(top_positions(one, n), top_positions(other, n))) / n


def channel_means(dynamics: Dynamics, known: NDArray[np.bool_], embedding: Array) -> dict[str, NDArray[np.float64]]:
    """The mean over epochs of every recorded channel (N,), for examples that are not `known` that of their nearest.

    Means over neighbours, whatever predicts the score: a mean of probabilities is one, a network's output need not be.
    Neighbours of the same class, because channels are about the label.
    """
    means: dict[str, NDArray[np.float64]] = {}
    for name, channel in dynamics.channels.items():
        mean = np.full(len(known), np.nan)
        mean[known] = epoch_mean(np.asarray(channel[:, known]))
        if np.isfinite(mean[known]).all():
            means[name] = mean
    values = np.column_stack(list(means.values())) if means else np.empty((len(known), 0))
    for own in np.unique(dynamics.label) if means else ():
        reference, query = (np.flatnonzero((dynamics.label == own) & some) for some in (known, ~known))
        if not len(query):
            continue
        _, position = nearest(embedding, reference, query, min(NEAREST, len(reference)), "euclidean")
        for column, name in enumerate(means):
            means[name][query] = average(
                values[reference, column], np.zeros(position.shape), position, [NEAREST], "uniform"
            )[0]
    return means


def check_possible(label: Int[np.ndarray, " N"], fraction: float, seed: int) -> None:
    """Raise what scoring this fraction and predicting the rest would raise, before the training starts."""
    draw_fraction(label, fraction, seed)
    neighbours(np.zeros((1, 1)), np.zeros((1, 1)), 1)


def check_missing(scores: Scores) -> None:
    """Raise InputError when every example has a score, so that nothing is left to predict."""
    if not np.isnan(scores.score).any():
        label = score_label(scores.provenance)
        raise InputError(
            f"all {len(scores):,} examples have a {label} score, so there is nothing to predict; "
            "record with a --fraction to leave some unscored."
        )


def score_label(provenance: Provenance) -> str:
    """Return a label for scores: their method, or "dual+knn" where the rest is predicted.

    >>> score_label(Provenance("extrapolate", "knn", parents=(Provenance("score", "dual"),)))
    'dual+knn'
    """
    if provenance.step == "extrapolate" and provenance.parents:
        return f"{score_label(provenance.parents[0])}+{provenance.method}"
    return provenance.method


def _predict(
    found: Method,
    arrays: Mapping[str, Array],
    params: Params,
    score: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], dict[str, ParamValue]]:
    """The completed scores, and the parameters that the method chose itself."""
    tune = found.spec.tune
    chosen = {} if tune is None else tune(score, **arrays, **params)
    given: dict[str, object] = {**arrays, "score": score, "rng": rng}
    positional = {name: value for name, value in given.items() if name in found.function.__annotations__}
    completed = found.function(**positional, **{**params, **chosen})
    return np.where(np.isnan(score), completed, score), {k: v for k, v in chosen.items() if params[k] is None}


def _check(score: NDArray[np.float64], dynamics: Dynamics, embedding: Array) -> None:
    """Raise InputError for what nothing can be predicted from."""
    known = ~np.isnan(score)
    if not known.any():
        raise InputError("no example is scored, so there is nothing to predict from; score some of every class first.")
    if np.isinf(score).any():
        raise InputError(
            f"{int(np.isinf(score).sum()):,} scores are infinite, and no mean is taken of infinity; "
            "extrapolate another score."
        )
    empty = np.setdiff1d(dynamics.label[~known], dynamics.label[known])
    if len(empty):
        name = dynamics.classes[empty[0]] if dynamics.classes else empty[0]
        which = f"class {name} has" if len(empty) == 1 else f"{len(empty)} classes (first: {name}) have"
        raise InputError(
            f"{which} no scored example, so their scores cannot be predicted; score a fraction of every class, as "
            "datapare record --fraction does."
        )
    check_finite(embedding)
    if len(embedding) > 1 and not np.ptp(embedding, axis=0).any():
        raise InputError(
            "all embeddings are the same, so none is nearer than another; give better ones with datapare embed."
        )
