"""D2: message passing on a neighbour graph, so that the kept are hard and far from each other.

    forward   u_i = s_i + sum over neighbours j of exp(-gamma_forward * d_ij) * s_j
    repeat    add i = argmax u;  u_j <- u_j - exp(-gamma * d_ij) * max(u_i, 0) for each neighbour j of i

Source      Maharana, Yadav, Bansal, 2023; adymaharana/d2pruning.
Reads       score (N,) >= 0, larger = harder; embedding (N, d) of the last epoch; prob_margin (T, N) for the cut.
Parameters  k: nearest neighbours of each example; gamma: how fast a picked example's pull on neighbours fades with
            distance; gamma_forward: how fast the added part of a neighbour's score fades with distance; cut: share of
            the hardest examples that is dropped first; kernel: weights fall exponentially with the distance, or with
            its square; message: what neighbours lose, weighted by distance or absolute; symmetric: edges run both ways.
Cost        200 epochs, and a search for nearest neighbours.
Not for     an embedding in which distance says nothing; and scores far below zero.
Published   CIFAR at keep 0.1: forgetting scores, k = 5, gamma = 0.1, cut 0.4, balance="uniform". DataComp: k = 1,
            gamma = 1. ImageNet: max(AUM) - AUM as the score. kernel="gaussian" squares d (unverified).
Released    No gamma in the forward step: gamma_forward = 1. Edges run both ways (direct path) or only from i to its
            own k nearest (precomputed path): symmetric=False. message="absolute" subtracts the whole u_i.
            Its margins enter negated and shifted below 0, not negated, or raw, by path, so that messages raise
            neighbours; a missing budget is filled at random.
Ours        Positive starts turn negative too, once 14-25 % of a small pool is picked at gamma = 0.1; an example of
            u <= 0 is then still picked in order of u, but sends no message: messages never raise a neighbour. A score
            that goes below 0 is shifted to start at 0, which is the published rule for margins.
"""

from heapq import heapify, heappop, heapreplace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.errors import InputError
from datapare.methods.spec import MethodSpec, Presets
from datapare.numerics.embeddings import check_finite
from datapare.numerics.neighbors import neighbours
from datapare.numerics.sampling import hard_cut, summed_margin

PRESETS: Presets = {
    "cifar10": {0.1: {"k": 5, "gamma": 0.1, "cut": 0.4}},
    "cifar100": {0.1: {"k": 5, "gamma": 0.1, "cut": 0.4}},
    "datacomp": {"k": 1, "gamma": 1.0},
}

Graph = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]  # row ends, targets, distances


def d2(
    score: Float[np.ndarray, " N"],
    embedding: Float[np.ndarray, "N d"],
    prob_margin: Float[np.ndarray, "T N"],
    n: int,
    *,
    k: int = 5,
    gamma: float = 0.1,
    gamma_forward: float = 1.0,
    cut: float = 0.0,
    kernel: Literal["exponential", "gaussian"] = "exponential",
    message: Literal["weighted", "absolute"] = "weighted",
    symmetric: bool = True,
) -> Int[np.ndarray, " n"]:
    """Add, n times, the example of highest score plus neighbours' scores, and lower its neighbours.

    Neighbours are by Euclidean distance, approximate above 20,000 examples. Ties go to the earlier example.

    Args:
        score: float (N,), finite, larger = harder; shifted to start at 0 where some are negative.
        embedding: float (N, d), one row per example.
        prob_margin: float (T, N), probability of the true label minus the largest other, per epoch.
        n: How many examples to keep, at most N.
        k: Nearest neighbours of each example, at least 1.
        gamma: How fast a picked example's pull on neighbours fades with distance, at least 0; larger spares them more.
        gamma_forward: The same where neighbours' scores are added.
        cut: Fraction of the examples that is dropped first, those of lowest summed margin, in [0, 1); lowered where
            fewer than n would be left.
        kernel: exponential in the distance, or gaussian, in its square.
        message: What neighbours lose of the picked value: weighted by distance, or all of it (absolute).
        symmetric: Whether edges run both ways.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For infinite scores, missing embeddings, and parameters out of range.

    Two copies and a single row: each copy starts at 1 + 1 = 2, the second falls to 0 when the first is picked.

    >>> h, margin = np.array([[0.0], [0.0], [50.0]]), np.zeros((1, 3))
    >>> d2(np.array([1.0, 1.0, 0.5]), h, margin, 2, k=1, symmetric=False).tolist()
    [0, 2]
    """
    if not np.isfinite(score).all() or k < 1 or min(gamma, gamma_forward) < 0:
        raise InputError("d2 needs finite scores, at least 1 neighbour, and gammas of at least 0.")
    rest = hard_cut(prob_margin, cut, n)
    check_finite(embedding)
    u = score[rest].astype(np.float64)
    u -= min(float(score.min()), 0.0)
    rows = embedding if len(rest) == len(embedding) else embedding[rest]  # no copy of what may be gigabytes
    end, target, distance = neighbour_graph(rows, min(k, len(rest) - 1), symmetric=symmetric)
    if kernel == "gaussian":
        distance = distance**2
    source = np.repeat(np.arange(len(u)), np.diff(end))
    u += np.bincount(source, np.exp(-gamma_forward * distance) * u[target], minlength=len(u))
    weight = np.ones_like(distance) if message == "absolute" else np.exp(-gamma * distance)
    index: NDArray[np.int64] = rest[np.sort(_pick(u, (end, target, weight), n))]
    return index


def _pick(u: NDArray[np.float64], graph: Graph, n: int) -> NDArray[np.int64]:
    # Messages only lower, so a heap entry is an upper bound: refresh the head until it is true, then it is the largest.
    end, target, weight = graph
    heap = [(-value, i) for i, value in enumerate(u.tolist())]
    heapify(heap)
    picked = np.empty(n, dtype=np.int64)
    for place in range(n):
        while -heap[0][0] > u[heap[0][1]]:
            heapreplace(heap, (-float(u[heap[0][1]]), heap[0][1]))
        best = heappop(heap)[1]
        picked[place] = best
        if u[best] > 0:
            edges = slice(end[best], end[best + 1])
            u[target[edges]] -= weight[edges] * u[best]
    return picked


def neighbour_graph(embedding: Float[np.ndarray, "N d"], k: int, *, symmetric: bool) -> Graph:
    """Connect each example to its k nearest others, and back when symmetric, each once, ordered by source.

    Args:
        embedding: float (N, d), one row per example.
        k: Nearest neighbours of each example.
        symmetric: Whether edges run both ways.

    Returns:
        Row ends (N + 1,), targets (E,) and Euclidean distances (E,): the edges of i are ends[i] to ends[i + 1].

    >>> end, target, distance = neighbour_graph(np.array([[0.0], [1.0], [3.0]]), 1, symmetric=True)
    >>> end.tolist(), target.tolist(), distance.tolist()
    ([0, 1, 3, 4], [1, 0, 2, 1], [1.0, 1.0, 2.0, 2.0])
    """
    total = len(embedding)
    distance, target = neighbours(embedding, embedding, k + 1)
    other = (target != np.arange(total)[:, None]) & (target >= 0)  # an approximate search may find fewer
    other[:, -1] &= ~other.all(axis=1)  # a row that missed itself among its duplicates drops its farthest
    source = np.repeat(np.arange(total), other.sum(axis=1))
    edge, length = source * total + target[other], distance[other].astype(np.float32)
    if symmetric:
        both = np.concatenate([edge, target[other] * total + source])
        edge, first = np.unique(both, return_index=True)
        length = length[first % len(length)]
    end = np.searchsorted(edge, np.arange(total + 1) * total)
    return end, (edge % total).astype(np.int32), length


SPEC = MethodSpec(over_epochs={"prob_margin": summed_margin}, presets=PRESETS)
