"""k nearest neighbours: an unscored example scores like the scored examples nearest to it.

    mean       s_i = (1 / k) * sum over the k nearest scored j of s_j
    weighted   s_i = sum of exp(-d_ij) * s_j / sum of exp(-d_ij),   d Euclidean, also where neighbours are by cosine

Source      arXiv:2506.09010 (score extrapolation).
Reads       score (N,), NaN where unscored; embedding (N, d); label (N,), used with same_class only.
Parameters  k: nearest scored neighbours, by default chosen on the scored examples; weight: neighbours count alike, or
            less with distance; metric: how distance is measured; same_class: look for neighbours in the example's own
            class only.
Cost        A training on the scored fraction, and a forward pass over all examples.
Published   k in 10, 20, 50, 100 on CIFAR-10; 10, 20, 50 on ImageNet-1k; 50 on Places-365; labels unused.
Released    float32 weights exp(-d) of far neighbours underflow to 0/0 = NaN; here the least d is subtracted first,
            which is the same ratio. Adversarial training (arXiv:2406.13283): k = 12, unweighted.
Ours        k None takes the k of CANDIDATES whose leave-one-out predictions of scored examples correlate most with
            their scores. same_class looks for neighbours in the example's own class: on Fashion-MNIST
            (benchmarks/results/extrapolation.json) the rank correlation with full scoring is 0.74 instead of 0.71 with
            a fifth scored, 0.84 instead of 0.81 with half, and no other with a tenth. A fraction's probabilities are
            lower than those of a record of everything; on Banking77 and SST-2 a shift to the true level was no better
            (benchmarks/results/cheap_scoring.json), so nothing is shifted. Where fewer than k are scored,
            all of them count. The search is exact for few, and above that finds 99 % of the true neighbours
            (numerics/neighbors.py).
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.artifacts import Array
from datapare.errors import InputError
from datapare.methods.spec import MethodSpec
from datapare.numerics.embeddings import check_finite, unit_rows
from datapare.numerics.neighbors import neighbours

CANDIDATES = (5, 10, 20, 50, 100)
TRIED = 2000  # scored examples whose score is predicted from the others to choose k
CHUNK = 2048
AVERAGED = 65_536  # queries at a time

Weight = Literal["uniform", "exponential"]
Metric = Literal["euclidean", "cosine"]


def knn(
    score: Float[np.ndarray, " N"],
    embedding: Float[np.ndarray, "N d"],
    label: Int[np.ndarray, " N"],
    *,
    k: int | None = None,
    weight: Weight = "uniform",
    metric: Metric = "euclidean",
    same_class: bool = False,
) -> Float[np.ndarray, " N"]:
    """Fill in unscored examples with the mean score of their k nearest scored ones. arXiv:2506.09010.

    Args:
        score: float (N,), NaN where unscored.
        embedding: float (N, d), one feature vector per example, all finite.
        label: int (N,), class of each example, read with `same_class` only.
        k: Nearest scored neighbours, at least 1; None (default) chooses among CANDIDATES, see `tune`.
        weight: Weight of a neighbour: "uniform" (default), or "exponential", exp(-distance).
        metric: Distance that chooses neighbours: "euclidean" (default) or "cosine".
        same_class: Whether to look for neighbours in the example's own class only; default False.

    Returns:
        float64 (N,), in the unit of the scores; scored examples keep theirs.

    Raises:
        InputError: If nothing (with `same_class`: nothing of a class) is scored, embeddings are missing, or k < 1.

    Scores 1 and 3 at distances 0 and ln 3: the mean is 2, weighted (1 + 3 / 3) / (1 + 1 / 3) = 1.5.

    >>> s, e, y = np.array([1.0, 3.0, np.nan]), np.array([[0.0], [np.log(3)], [0.0]]), np.zeros(3, int)
    >>> float(knn(s, e, y, k=2)[2]), round(float(knn(s, e, y, k=2, weight="exponential")[2]), 4)
    (2.0, 1.5)
    """
    check_finite(embedding)
    if k is None:
        k = tune(score, embedding, label, k=k, weight=weight, metric=metric, same_class=same_class)["k"]
    if k < 1:
        raise InputError(f"k is the number of neighbours, at least 1, not {k}.")
    result = score.astype(np.float64)
    for reference, query in _groups(score, label, same_class=same_class):
        distance, position = nearest(embedding, reference, query, min(k, len(reference)), metric)
        known = score[reference]
        for start in range(0, len(query), AVERAGED):
            part = slice(start, start + AVERAGED)
            result[query[part]] = average(known, distance[part], position[part], [k], weight)[0]
    return result


def tune(
    score: Float[np.ndarray, " N"],
    embedding: Float[np.ndarray, "N d"],
    label: Int[np.ndarray, " N"],
    *,
    k: int | None,
    weight: Weight,
    metric: Metric,
    same_class: bool,
) -> dict[str, int]:
    """Return the k to use: the given one, or the one that best predicts scored examples from the other scored ones.

    Args:
        score: float (N,), NaN where unscored.
        embedding: float (N, d), one feature vector per example, all finite.
        label: int (N,), class of each example, from 0.
        k: Number of neighbours; None chooses it.
        weight: Weight of a neighbour, "uniform" or "exponential".
        metric: Distance, "euclidean" or "cosine".
        same_class: Whether neighbours are of the example's own class.

    Returns:
        The parameter chosen, {"k": int}.

    Raises:
        InputError: If nothing (with `same_class`: nothing of a class) is scored.

    Two clusters of six: five neighbours share the cluster, ten mix both.

    >>> s, e = np.repeat([0.0, 1.0], 6), np.r_[0:6, 90:96][:, None] / 1.0
    >>> tune(s, e, np.zeros(12, int), k=None, weight="uniform", metric="euclidean", same_class=False)
    {'k': 5}
    """
    if k is not None:
        return {"k": k}
    truth, guess = [], []
    for reference, _ in _groups(score, label, same_class=same_class):
        tried = reference[:: max(1, round((~np.isnan(score)).sum() / TRIED))]
        most = min(max(CANDIDATES) + 1, len(reference))
        if most > 1:
            distance, position = nearest(embedding, reference, tried, most, metric)
            others = without_self(np.searchsorted(reference, tried), position)
            distance, position = (a[others].reshape(len(tried), most - 1) for a in (distance, position))
            truth.append(score[tried])
            guess.append(average(score[reference], distance, position, CANDIDATES, weight))
    if not truth or np.ptp(true := np.concatenate(truth)) == 0:
        return {"k": CANDIDATES[1]}
    guessed = np.concatenate(guess, axis=1)  # (len(CANDIDATES), tried)
    fit = [np.corrcoef(true, some)[0, 1] if np.ptp(some) > 0 else -1.0 for some in guessed]
    return {"k": CANDIDATES[int(np.argmax(fit))]}


def nearest(
    embedding: Array, reference: NDArray[np.int64], query: NDArray[np.int64], k: int, metric: Metric
) -> tuple[Array, NDArray[np.int64]]:
    """Return the nearest reference rows of each query row, and their Euclidean distances.

    Args:
        embedding: float (N, d), one feature vector per example.
        reference: int (R,), positions that may be neighbours.
        query: int (Q,), positions whose neighbours are wanted.
        k: Neighbours of each, at most R.
        metric: Distance that chooses neighbours, "euclidean" or "cosine".

    Returns:
        Distances (Q, k) and places in `reference` (Q, k), nearest first; -1 where an approximate search found fewer.
    """
    there, here = embedding[reference], embedding[query]
    if metric == "euclidean":
        return neighbours(there, here, k)
    _, position = neighbours(unit_rows(there), unit_rows(here), k)
    parts = [
        np.linalg.norm(there[position[start : start + CHUNK]] - here[start : start + CHUNK, None], axis=2)
        for start in range(0, len(query), CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty(position.shape), position


def average(
    score: Array, distance: Array, position: NDArray[np.int64], ks: Sequence[int], weight: Weight
) -> NDArray[np.float64]:
    """Average the scores of the first k neighbours of each query, for every k of `ks`.

    Args:
        score: float (R,), scores of the reference rows.
        distance: float (Q, k), distances, nearest first.
        position: int (Q, k), places in `score`; -1 where none was found.
        ks: Numbers of neighbours.
        weight: "uniform", or "exponential", exp(-distance).

    Returns:
        float64 (len(ks), Q); the mean of all scores where no neighbour was found.

    >>> average(np.array([1.0, 3.0]), np.array([[0.0, 1.0]]), np.array([[0, 1]]), [1, 2], "uniform").tolist()
    [[1.0], [2.0]]
    """
    found = position >= 0  # an approximate search may find fewer
    with np.errstate(invalid="ignore"):  # infinity minus infinity, where nothing was found
        mass = np.exp(-(distance.astype(np.float64) - distance[:, :1])) if weight == "exponential" else np.ones(1)
    mass = np.where(found, mass, 0.0)
    total, mean = np.cumsum(mass, axis=1), np.cumsum(mass * score[position], axis=1)
    last = [min(k, position.shape[1]) - 1 for k in ks]
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = (mean[:, last] / total[:, last]).T
    return np.where(np.isnan(means), score.mean(), means)


def without_self(own: NDArray[np.int64], position: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark all neighbours but the row itself, or the farthest where copies hid it.

    Args:
        own: int (Q,), each row's own place.
        position: int (Q, k), places of its neighbours, nearest first.

    Returns:
        bool (Q, k), False exactly once per row.

    >>> without_self(np.array([0, 1]), np.array([[0, 2], [0, 2]])).tolist()
    [[False, True], [True, False]]
    """
    others: NDArray[np.bool_] = position != own[:, None]
    others[others.all(axis=1), -1] = False
    return others


def _groups(
    score: Array, label: NDArray[np.int64], *, same_class: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Scored and unscored positions that may be neighbours: all, or class by class."""
    unscored = np.isnan(score)
    for own in np.unique(label) if same_class else [None]:
        inside = np.ones(len(label), dtype=bool) if own is None else label == own
        reference = np.flatnonzero(inside & ~unscored)
        if not len(reference):
            what = "no example" if own is None else f"no example of class {own}"
            raise InputError(f"{what} is scored, so nothing can be predicted from neighbours; score some first.")
        yield reference, np.flatnonzero(inside & unscored)


SPEC = MethodSpec(tune=tune)
