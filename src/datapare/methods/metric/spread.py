"""Spread: how well a few examples of each class cover all others; larger = easier to learn from a few.

    Spread = - mean over the other examples x of min over the few x' of d(h(x), h(x'))

Source      arXiv:2211.09113, 2022; colinzhaoust/intrinsic_fewshot_hardness.
Reads       embedding (N, d): features of a pre-trained network; label (N,).
Parameters  shots: examples of each class that cover the others; aggregate: take the mean of the distances, or their
            tail; metric: how distance is measured; seed: seed of the draw of these examples.
Cost        A forward pass of a pre-trained network.
Published   Rank correlation with measured few-shot accuracy 0.467 (0.52 in the notebook). How the distance is computed
            is not released.
Released    The authors' notebook looks at the tail: minus the mean of 10^d over the examples at or above the 99.9th
            percentile of d (aggregate="tail").
Ours        d is the distance to the nearest of the few. The few are drawn here, `shots` of each class (all of a smaller
            one), so that the number is about the dataset; `coverage` takes a few-shot set and a test set of your own.
            Rows are put in an order of their own before the draw, so that the dataset's order changes nothing.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from datapare.errors import InputError
from datapare.methods.spec import Seed
from datapare.numerics.embeddings import check_finite, unit_rows
from datapare.numerics.neighbors import neighbours
from datapare.numerics.sampling import draw_within

TAIL = 99.9  # percentile
OVERFLOW = 300.0  # 10^d leaves float64 at 308


def spread(
    embedding: Float[np.ndarray, "N d"],
    label: Int[np.ndarray, " N"],
    *,
    shots: int = 16,
    aggregate: Literal["mean", "tail"] = "mean",
    metric: Literal["euclidean", "cosine"] = "euclidean",
    seed: Seed = 0,
) -> float:
    """Negate the distance of the other examples to a few of each class, aggregated. arXiv:2211.09113.

    Args:
        embedding: float (N, d), one feature vector per example, all finite.
        label: int (N,), class of each example, from 0.
        shots: Examples of each class that cover the others, fewer than the largest class has; default 16.
        aggregate: "mean" (default) averages distances d; "tail" averages 10^d from the 99.9th percentile on.
        metric: Distance, "euclidean" (default) or "cosine", in [0, 2].
        seed: Seed of the draw of the few, >= 0; default 0.

    Returns:
        A number <= 0 in units of the embedding (a mean of cosine distances: down to -2), larger = easier; only numbers
        of the same embedding and `shots` compare.

    Raises:
        InputError: If no example is left to test on, embeddings are missing, or 10^d overflows.

    One shot of each class: whichever of 0 and 1, and of 8 and 11, is drawn, the other is at distance 1 and 3.

    >>> spread(np.array([[0.0], [1.0], [8.0], [11.0]]), np.array([0, 0, 1, 1]), shots=1)
    -2.0
    """
    size = np.bincount(label)
    if shots < 1 or shots >= size.max():
        raise InputError(
            f"shots is how many examples of each class are drawn, between 1 and {size.max() - 1} here, not {shots}."
        )
    order = _own_order(embedding)
    few = order[draw_within(label[order], np.minimum(size, shots), np.random.default_rng(seed))]
    rest = np.setdiff1d(order, few)
    return coverage(embedding[few], embedding[rest], aggregate=aggregate, metric=metric)


def coverage(
    train_embedding: Float[np.ndarray, "M d"],
    test_embedding: Float[np.ndarray, "N d"],
    *,
    aggregate: Literal["mean", "tail"] = "mean",
    metric: Literal["euclidean", "cosine"] = "euclidean",
) -> float:
    """Negate the distance of test examples to the nearest of a few-shot training set, aggregated as in `spread`.

    Args:
        train_embedding: float (M, d), embedding of the training examples.
        test_embedding: float (N, d), embedding of the test examples.
        aggregate: "mean" (default) averages distances d; "tail" averages 10^d from the 99.9th percentile on.
        metric: Distance, "euclidean" (default) or "cosine", in [0, 2].

    Returns:
        A number <= 0, larger = easier.

    Raises:
        InputError: If embeddings are missing, or 10^d overflows.

    Distances 0, 1 and 2: the mean is 1; the tail is the farthest alone, 10^2.

    >>> train, test = np.array([[0.0, 0.0]]), np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    >>> coverage(train, test), coverage(train, test, aggregate="tail")
    (-1.0, -100.0)
    """
    distance = _nearest(train_embedding, test_embedding, metric)
    if aggregate == "mean":
        return -float(distance.mean())
    tail = distance[distance >= np.percentile(distance, TAIL)]
    if tail.max() > OVERFLOW:
        raise InputError(
            f'aggregate="tail" raises 10 to distances up to {tail.max():.0f}, which no number holds: scale the '
            'embedding, or take metric="cosine".'
        )
    return -float(np.mean(10.0**tail))


def _own_order(embedding: Float[np.ndarray, "N d"]) -> Int[np.ndarray, " N"]:
    """Rows in lexicographic order: it depends neither on the dataset's order nor on a vector added to all rows."""
    rank = np.zeros(len(embedding), dtype=np.int64)
    order = np.arange(len(embedding))
    for column in embedding.T:
        order = np.lexsort((column, rank))
        step = (np.diff(rank[order]) > 0) | (np.diff(column[order]) > 0)
        rank[order] = np.concatenate([[0], np.cumsum(step)])
        if rank[order[-1]] == len(embedding) - 1:
            break
    return order


def _nearest(train: Float[np.ndarray, "M d"], test: Float[np.ndarray, "N d"], metric: str) -> Float[np.ndarray, " N"]:
    for rows in (train, test):
        check_finite(rows)
    if metric == "cosine":
        train, test = unit_rows(train), unit_rows(test)
    distance, _ = neighbours(train, test, 1)
    wide: Float[np.ndarray, " N"] = distance[:, 0].astype(np.float64)
    return wide**2 / 2 if metric == "cosine" else wide
