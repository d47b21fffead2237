"""GLISTER: keep the examples whose gradient step lowers the loss most, looking one step ahead.

    repeat: add argmax_i <g_i, G>,   G = gradient of the mean loss at W - (eta / n) * sum of the kept g
    g = (p - onehot) (x) [h; 1], the last layer's gradient: <g_i, G> = e_i . (G [h_i; 1]),   e = p - onehot

Source      Killamsetty, Sivasubramanian, Ramakrishnan, Iyer, 2021, as in DeepCore (PatrickZH/DeepCore).
Reads       prob (N, K) and embedding (N, d) of the same epoch, label (N,). Per class: balance.
Parameters  eta: rate of the step that the whole subset makes.
Cost        10 to 200 epochs and a forward pass, then a pass over the embedding for every pick.
Not for     a record without probabilities and an embedding of the trained network.
Published   Needs validation data; eta not known.
Released    DeepCore passes the update of G under a misspelt name, so it never runs and the rule is a plain top.
Ours        The loss is that of the examples themselves, and the whole subset together makes one step of rate
            eta = 0.1. The step is taken exactly: the last layer is linear, so new logits follow from <g_i, .>.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.errors import InputError
from datapare.numerics.embeddings import check_finite, prediction_error, softmax


def glister(
    prob: Float[np.ndarray, "N K"],
    embedding: Float[np.ndarray, "N d"],
    label: Int[np.ndarray, " N"],
    n: int,
    *,
    eta: float = 0.1,
) -> Int[np.ndarray, " n"]:
    """Add, n times, the example whose last-layer gradient is most aligned with that of the loss still to be lowered.

    Each pick costs two products N x K x d, so run it inside each class. Ties go to the earlier example.

    Args:
        prob: float (N, K), predicted class probabilities.
        embedding: float (N, d), one row per example.
        label: Class numbers, integers (N,).
        n: How many examples to keep, at most N.
        eta: Learning rate of the step that the whole subset makes, at least 0; at 0 the rule is the n most aligned.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For missing embeddings or predictions, and a negative eta.

    >>> p = np.array([[0.1, 0.9], [0.2, 0.8], [0.9, 0.1]])
    >>> glister(p, np.zeros((3, 1)), np.zeros(3, dtype=int), 2).tolist()
    [0, 1]
    """
    if eta < 0:
        raise InputError(f"eta is the rate of a gradient step, at least 0, not {eta:g}.")
    error = prediction_error(prob, label)
    rows = np.column_stack([embedding.astype(error.dtype), np.ones(len(error), dtype=error.dtype)])  # [h; 1]
    check_finite(rows)
    log_prob = np.log(np.maximum(prob, np.finfo(error.dtype).tiny), dtype=error.dtype)
    moved, picked, open_ = error, [], np.ones(len(error), dtype=bool)
    for _ in range(n):
        gradient = moved.T @ rows  # (K, d + 1), N times that of the mean loss: the scale ranks nothing
        alignment = np.einsum("nk,nk->n", error, rows @ gradient.T)
        best = int(np.where(open_, alignment, -np.inf).argmax())
        picked.append(best)
        open_[best] = False
        # W moves by -(eta / n) * e (x) [h; 1], so the logits of x move by -(eta / n) * e * <[h; 1], [h_x; 1]>.
        log_prob -= (eta / n) * np.outer(rows @ rows[best], error[best])
        moved = prediction_error(softmax(log_prob), label)
    return np.sort(np.array(picked, dtype=np.int64))
