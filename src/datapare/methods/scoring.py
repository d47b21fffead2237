"""Scores of a record: by one method or all, how far they agree, and their mean over runs."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import (
    Array,
    Dynamics,
    Params,
    Provenance,
    Scores,
    check_same_dataset,
    dataset_digest,
    library_versions,
)
from datapare.errors import InputError
from datapare.methods.binding import Bound, bind, reads_passes_only
from datapare.methods.epoch_range import without_all_epochs
from datapare.methods.registry import call_params, check_params, find, names
from datapare.methods.signals import source_of
from datapare.methods.spec import ParamValue
from datapare.numerics.checked_calls import checked_call
from datapare.numerics.threads import cores, fixed_threads

Reordered = TypeVar("Reordered", Dynamics, Scores)
BLOCK = 57_344  # columns at a time: below, threads wait for each other; above, windows leave the core's cache


@fixed_threads()
@checked_call
def score(dynamics: Dynamics, method: str = "dual", **params: ParamValue) -> Scores:
    """Turn a record into one score per example, larger = keep first.

    Args:
        dynamics: The record.
        method: Name of the score.
        **params: Parameters of the score. Of those that read epochs, `first` is the first that is read (a negative one
            counts from the end) and `count` how many from there on: count=30 scores a longer record as one of 30.

    Returns:
        Scores (N,), NaN for examples never observed. Missing epochs take the example's last observed value.

    Raises:
        MissingChannelError: If the record lacks what the method reads.
        InputError: For unknown methods, and parameters that are unknown or out of range.

    >>> d = Dynamics(channels={"target_prob": [[0.0, 1.0], [1.0, 1.0]]}, label=[0, 1])
    >>> score(d, "dual", window=2).score.round(4).tolist()
    [0.3536, 0.0]
    """
    found = find("score", method)
    values = check_params(found, params)
    start = time.perf_counter()
    bound = [bind(name, found, dynamics, params=values) for name in found.reads]
    result = _run_blocks(partial(found.function, **call_params(found, values)), bound, len(dynamics))
    record = dynamics.provenance
    stamped = without_all_epochs(values)
    provenance = Provenance("score", method, stamped, None, record.dataset, library_versions(), (record,))
    return Scores(result, key=dynamics.key, seconds=time.perf_counter() - start, provenance=provenance)


def score_all(dynamics: Dynamics, **params: ParamValue) -> tuple[dict[str, Scores], dict[str, str]]:
    """Score a record by every method that it can feed; the others come back by name with the reason why not.

    Parameters go to every method that has them, such as a window.

    >>> d = Dynamics(channels={"target_prob": [[0.0, 1.0], [1.0, 1.0]]}, label=[0, 1])
    >>> scored, refused = score_all(d)
    >>> "confidence" in scored, "aum" in refused
    (True, True)
    """
    scored: dict[str, Scores] = {}
    refused: dict[str, str] = {}
    for name in names("score"):
        try:
            known = find("score", name).params
            scored[name] = score(dynamics, name, **{param: value for param, value in params.items() if param in known})
        except InputError as error:
            refused[name] = str(error)
    return scored, refused


def check_epochs(method: str, epochs: int, params: Params) -> None:
    """Raise InputError when a score needs more epochs than a record will have, before they are trained.

    >>> check_epochs("dual", 12, {"window": 3})
    """
    found = find("score", method)
    values = check_params(found, params)
    window = values.get("window")
    if isinstance(window, int) and window >= 2 and window > epochs:
        smaller = f", or pass --window {max(2, epochs // 2)}" if epochs >= 2 else ""
        raise InputError(
            f"{method} reads windows of {window} epochs, but {epochs} make the record; "
            f"record at least {window}{smaller}."
        )
    if not reads_passes_only(found):
        return
    blank = np.zeros((epochs, 1))
    dynamics = Dynamics({source_of(name): blank for name in found.reads}, np.zeros(1, dtype=np.int64))
    try:
        score(dynamics, method, **values)
    except InputError as error:
        raise InputError(f"a record of {epochs} epochs is too short for {method}: {error}") from None


def rank_correlation(scored: Mapping[str, Scores]) -> tuple[list[str], NDArray[np.float64]]:
    """Spearman correlation (M, M) between scores of the same examples; constant scores are left out.

    Only examples that every method scored count; ties share their mean rank.

    >>> rank_correlation({"a": Scores([1.0, 2.0, 3.0]), "b": Scores([9.0, 5.0, 1.0])})[1].round(2).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    known: NDArray[np.bool_] = np.all([~np.isnan(scores.score) for scores in scored.values()], axis=0)
    rank = {name: _mean_rank(scores.score[known]) for name, scores in scored.items()}
    varied = [name for name, values in rank.items() if np.ptp(values) > 0]
    return varied, np.atleast_2d(np.corrcoef([rank[name] for name in varied]))


def _mean_rank(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks (n,) from 1, the mean of their ranks for ties: scipy.stats would take a second to import."""
    _, number, count = np.unique(values, return_inverse=True, return_counts=True)
    middle: NDArray[np.float64] = count.cumsum() - (count - 1) / 2
    return middle[number]


@checked_call
def average_scores(scores: Sequence[Scores]) -> Scores:
    """Average one method's scores over several runs, such as seeds; an example counts in the runs that scored it.

    One run ranks by chance too: the authors of EL2N and GraNd average ten.

    Args:
        scores: Scores (N,) of each run, made by one method with the same parameters.

    Returns:
        Scores (N,), float64; NaN for examples that no run scored.

    Raises:
        InputError: For no scores, or those of different methods or parameters, whose mean has no meaning.
        MismatchError: For scores of different datasets.

    >>> average_scores([Scores([1.0, 2.0]), Scores([3.0, float("nan")])]).score.tolist()
    [2.0, 2.0]
    """
    if not scores:
        raise InputError("an average needs the scores of one run or more, but none were given.")
    first, *others = scores
    for other in others:
        if (other.provenance.method, other.provenance.params) != (first.provenance.method, first.provenance.params):
            raise InputError(
                f"scores of different methods or parameters have no common mean: {_describe(first)} and "
                f"{_describe(other)}; score every run alike."
            )
    check_same_dataset(*scores)
    each = np.stack([one.score for one in scores], dtype=np.float64)
    known = ~np.isnan(each)
    with np.errstate(invalid="ignore"):  # 0 / 0 where no run scored it
        mean = np.where(known, each, 0).sum(axis=0) / known.sum(axis=0)
    made_from = tuple(scored.provenance for scored in scores)
    method, dataset, runs = first.provenance.method, first.provenance.dataset, {"runs": len(scores)}
    provenance = Provenance("average_scores", method, runs, None, dataset, library_versions(), made_from)
    return Scores(mean, key=first.key, provenance=provenance)


@checked_call
def reorder(artifact: Reordered, key: NDArray[np.uint64]) -> Reordered:
    """Put a record or scores in the order of another arrangement of the same examples, matched by key.

    Args:
        artifact: A record or scores, with keys.
        key: uint64 (M,), the keys in the new order; examples whose key is not among them are left out.

    Returns:
        A record or scores of M examples; the record then belongs to the dataset of those keys.

    Raises:
        InputError: When some examples of the new arrangement are not in the artifact, or it holds no keys.

    >>> keys = np.array([7, 8, 9], dtype=np.uint64)
    >>> reorder(Scores([0.1, 0.2, 0.3], key=keys), keys[::-1]).score.tolist()
    [0.3, 0.2, 0.1]
    """
    if artifact.key is None:
        raise InputError("these artifacts hold no keys, so they cannot be matched to a re-ordered dataset.")
    order = np.argsort(artifact.key)
    place = np.minimum(np.searchsorted(artifact.key, key, sorter=order), len(order) - 1)
    position = order[place]
    known = artifact.key[position] == key
    if not known.all():
        raise InputError(
            f"{int((~known).sum()):,} of the {len(key):,} examples are not in the {type(artifact).__name__.lower()}; "
            "they are new or of another dataset: record this dataset."
        )
    if isinstance(artifact, Scores):
        predicted = None if artifact.predicted is None else artifact.predicted[position]
        means = {name: values[position] for name, values in artifact.means.items()}
        provenance = replace(artifact.provenance, dataset="")  # scores do not hold the labels that a digest needs
        return replace(
            artifact, score=artifact.score[position], predicted=predicted, means=means, key=key, provenance=provenance
        )
    label = artifact.label[position]
    provenance = replace(artifact.provenance, dataset=dataset_digest(key, label) if artifact.provenance.dataset else "")
    return replace(
        artifact,
        channels={name: values[:, position] for name, values in artifact.channels.items()},
        arrays={name: values[position] for name, values in artifact.arrays.items()},
        label=label,
        key=key,
        provenance=provenance,
    )


def _run_blocks(call: Callable[..., Array], bound: list[Bound], total: int) -> NDArray[np.float64]:
    result = np.full(total, np.nan)
    # Only scores of (T, N) channels are pointwise by law; one that reads wider arrays runs once, on all examples.
    block = BLOCK if all(b.columns or b.array.ndim == 1 for b in bound) else total
    derived = any(b.derive is not np.asarray for b in bound)  # a comparison would hide that a value is missing

    def run(start: int) -> None:
        stop = min(start + block, total)
        # Nearly always nothing is missing and no score is NaN; to look for NaN first would read the record twice.
        with np.errstate(invalid="ignore"):
            scored = None if derived else call(*(b.raw(start, stop) for b in bound))
        if scored is None or np.isnan(scored).any():
            scored = _score_filled(call, bound, start, stop)
        result[start:stop] = scored

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(run, range(0, total, block)))
    return result


def _score_filled(call: Callable[..., Array], bound: list[Bound], start: int, stop: int) -> NDArray[np.float64]:
    """Score a block with missing epochs filled; examples never observed score NaN."""
    parts = [b.part(start, stop) for b in bound]
    seen = np.ones(stop - start, dtype=bool)
    for b, part in zip(bound, parts, strict=True):
        if b.columns:
            seen &= ~np.isnan(part[0])
    result = np.full(stop - start, np.nan)
    if seen.any():
        known = (part[..., seen] if b.columns else part[seen] for b, part in zip(bound, parts, strict=True))
        result[seen] = call(*(b.derive(part) for b, part in zip(bound, known, strict=True)))
    return result


def _describe(scores: Scores) -> str:
    params = ", ".join(f"{name}={value}" for name, value in scores.provenance.params.items())
    return f"{scores.provenance.method} ({params})" if params else scores.provenance.method
