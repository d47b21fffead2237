"""SemDeDup: drop near-duplicates first.

    in each cluster, in order: m_i = max over earlier j of cos(h_i, h_j);   subset = the n smallest m

Source      Abbas, Tirumala, Simig, Ganguli, Morcos, 2023; facebookresearch/SemDeDup.
Reads       embedding (N, d), of one late epoch or from another model.
Parameters  clusters: number of clusters of k-means, by default one per 5,000 examples; order: which examples of a
            cluster are visited first, by distance to its centroid.
Cost        A forward pass, k-means (on a million rows at most), and all cosines inside each cluster.
Not for     data without near-duplicates: it then thins out whichever clusters are dense.
Published   Removes every i with m_i > 1 - eps, so its size follows from eps. 50,000 clusters on LAION. Order: farthest
            from the centroid first; "nearest" and "random" are variants. Labels are not looked at.
Ours        The budget is given, so eps follows from it: examples leave in descending order of m, which is the
            published subset whenever some eps has that size. One cluster per 5,000 examples by default. m counts
            earlier examples that are dropped themselves, as published. First of a cluster: m = -1.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.errors import InputError
from datapare.numerics.embeddings import check_finite, unit_rows
from datapare.numerics.sampling import group_order, top_positions

PER_CLUSTER = 5000  # examples; a cluster's cosines are computed in blocks of ROWS x its size
ROWS = 1024
FITTED = 1_000_000  # rows that k-means is fitted to, at most
BLOCK = 65_536  # rows assigned to clusters at a time


def semdedup(
    embedding: Float[np.ndarray, "N d"],
    n: int,
    rng: np.random.Generator,
    *,
    clusters: int | None = None,
    order: Literal["farthest", "nearest", "random"] = "farthest",
) -> Int[np.ndarray, " n"]:
    """Keep the n examples least similar to an earlier one of their cluster, so duplicates go first.

    Equal similarities: the earlier example stays.

    Args:
        embedding: float (N, d), one row per example.
        n: How many examples to keep, at most N.
        rng: Source of the draws; the same state gives the same subset.
        clusters: Clusters of k-means on the unit sphere, 1..N; None for one per 5,000 examples.
        order: In which a cluster is visited, by distance to its centroid: farthest or nearest first, or random.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For missing embeddings, and a number of clusters outside 1..N.

    >>> h = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.1], [0.6, 0.8]])
    >>> semdedup(h, 3, np.random.default_rng(0)).tolist()
    [0, 1, 3]
    """
    total = len(embedding)
    count = -(-total // PER_CLUSTER) if clusters is None else clusters
    if not 1 <= count <= total:
        raise InputError(f"clusters is between 1 and the {total:,} examples, not {count}.")
    check_finite(embedding)
    cluster = _cluster(embedding, count, rng)
    duplicate = np.empty(total)
    for member in np.split(group_order(cluster), np.cumsum(np.bincount(cluster, minlength=count))[:-1]):
        rows = unit_rows(embedding[member])
        visited = _visit(rows, order, rng)
        duplicate[member[visited]] = _similar_to_earlier(rows[visited])
    return top_positions(-duplicate, n)


def _visit(rows: NDArray[np.floating], order: str, rng: np.random.Generator) -> NDArray[np.int64]:
    if order == "random":
        return rng.permutation(len(rows))
    near = rows @ rows.sum(axis=0)
    return np.argsort(near if order == "farthest" else -near, kind="stable")


def _similar_to_earlier(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    largest = np.empty(len(rows))
    for start in range(0, len(rows), ROWS):
        cosine = rows[start : start + ROWS] @ rows[: start + ROWS].T
        earlier = np.tri(len(cosine), cosine.shape[1], k=start - 1, dtype=bool)
        largest[start : start + ROWS] = np.where(earlier, cosine, -1.0).max(axis=1)
    return largest


def _cluster(embedding: NDArray[np.floating], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the cluster of each row, by k-means on rows from all over where there are more than FITTED."""
    if count == 1:
        return np.zeros(len(embedding), dtype=np.int64)
    from sklearn.cluster import MiniBatchKMeans

    step = -(-len(embedding) // FITTED)
    means = MiniBatchKMeans(count, random_state=np.random.RandomState(rng.bit_generator))
    means.fit(unit_rows(embedding[::step]))
    if step == 1:
        found: NDArray[np.int64] = means.labels_.astype(np.int64)
        return found
    parts = [means.predict(unit_rows(embedding[start : start + BLOCK])) for start in range(0, len(embedding), BLOCK)]
    return np.concatenate(parts).astype(np.int64)
