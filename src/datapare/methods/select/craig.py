"""CRAIG: keep the examples whose gradients stand in for all others, and weigh each by how many it represents.

    repeat: add argmax_j sum_i max(0, c - ||g_i - g_j|| - covered_i)
    g = (p - onehot) (x) [h; 1], the last layer's gradient, K * (d + 1) numbers that are never built:
    <g_i, g_j> = <e_i, e_j> * (<h_i, h_j> + 1),   e = p - onehot

Source      Mirzasoleiman, Bilmes, Leskovec, 2020, as in DeepCore (PatrickZH/DeepCore). Per class: balance.
Reads       prob (N, K) and embedding (N, d) of the same epoch, label (N,).
Cost        10 to 200 epochs and a forward pass, then a greedy choice inside each class.
Not for     large classes: it compares all pairs.
Published   A few epochs of training before; weight of j = number of examples nearest to j.
Released    The offset c is the largest distance + 1e-3 there; any c above the largest distance picks the same.
            Its weights start at 1, so every weight is one too high; ours sum to N.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.methods.spec import MethodSpec
from datapare.numerics.embeddings import prediction_error, squared_norms
from datapare.numerics.greedy import cover_greedy


def craig(
    prob: Float[np.ndarray, "N K"], embedding: Float[np.ndarray, "N d"], label: Int[np.ndarray, " N"], n: int
) -> Int[np.ndarray, " n"]:
    """Add, n times, the example that brings all gradients closest to their nearest kept one.

    Ties go to the earlier example.

    Args:
        prob: float (N, K), predicted class probabilities.
        embedding: float (N, d), one row per example.
        label: Class numbers, integers (N,).
        n: How many examples to keep, at most N.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For missing embeddings or predictions, and above 100,000 examples, where it should run inside each
            class.

    One class, p of the true label 0.1, 0.2, 0.9, no embedding: gradients -0.9, -0.8, -0.1 (times [1, -1]).

    >>> p = np.array([[0.1, 0.9], [0.2, 0.8], [0.9, 0.1]])
    >>> craig(p, np.zeros((3, 1)), np.zeros(3, dtype=int), 1).tolist()
    [1]
    """
    error, rows, square = _gradients(prob, embedding, label)
    offset = 2 * np.sqrt(square.max())  # no distance is larger
    order = cover_greedy(lambda at: offset - _distance(error, rows, square, at), len(rows), n)
    return np.sort(order)


def weights(
    prob: Float[np.ndarray, "N K"],
    embedding: Float[np.ndarray, "N d"],
    label: Int[np.ndarray, " N"],
    index: Int[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """Count the examples that each kept one represents: those whose gradient is nearest to its own.

    Args:
        prob: float (N, K), predicted class probabilities.
        embedding: float (N, d), one row per example.
        label: Class numbers, integers (N,).
        index: Positions of the kept examples, integers (n,).

    Returns:
        float (n,), in the order of `index`; they sum to N.

    >>> p = np.array([[0.1, 0.9], [0.2, 0.8], [0.9, 0.1]])
    >>> weights(p, np.zeros((3, 1)), np.zeros(3, dtype=int), np.array([1, 2])).tolist()
    [2.0, 1.0]
    """
    error, rows, square = _gradients(prob, embedding, label)
    closest = np.full(len(rows), np.inf)
    representative = np.empty(len(rows), dtype=np.int64)
    for place, at in enumerate(index):
        distance = _distance(error, rows, square, np.array([at])).ravel()
        representative[distance < closest] = place
        closest = np.minimum(closest, distance)
    representative[index] = np.arange(len(index))  # rounding must not give an example to its copy
    return np.bincount(representative, minlength=len(index)).astype(np.float64)


def _gradients(
    prob: NDArray[np.floating], embedding: NDArray[np.floating], label: NDArray[np.int64]
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
    error = prediction_error(prob, label)
    rows = embedding.astype(np.promote_types(embedding.dtype, np.float32))
    return error, rows, squared_norms(error) * (squared_norms(rows) + 1)


def _distance(
    error: NDArray[np.floating], rows: NDArray[np.floating], square: NDArray[np.floating], at: NDArray[np.int64]
) -> NDArray[np.floating]:
    inner = (error @ error[at].T) * (rows @ rows[at].T + 1)
    distance: NDArray[np.floating] = np.sqrt(np.maximum(square[:, None] + square[at] - 2 * inner, 0))
    distance[at, np.arange(len(at))] = 0
    return distance


SPEC = MethodSpec(weights=weights)
