"""GradMatch: keep few examples whose weighted gradients add up to the gradient of all.

    min over w >= 0 with n entries of  || sum_i w_i g_i - target ||^2 + lam * ||w||^2,   target = mean of g
    by matching pursuit: add argmax_i <g_i, target - sum_j w_j g_j>, then refit all w >= 0
    g = (p - onehot) (x) [h; 1]:   <g_i, g_j> = <e_i, e_j> * (<h_i, h_j> + 1),   e = p - onehot

Source      Killamsetty, Sivasubramanian, Ramakrishnan, De, Iyer, 2021, as in DeepCore (PatrickZH/DeepCore).
Reads       prob (N, K) and embedding (N, d) of the same epoch, label (N,). Per class: balance.
Parameters  lam: keeps the weights small.
Cost        10 to 200 epochs and a forward pass, then a pass over the embedding and a fit for every pick.
Not for     a training that ignores weights: the weights are part of the result.
Published   lam = 1; the paper's target is the sum, which only scales the weights.
Released    The pursuit may stop with fewer than n.
Ours        When no gradient points along what is left, weights no longer change and the best aligned fill the budget;
            they are kept with weight 0.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.errors import InputError
from datapare.methods.spec import MethodSpec
from datapare.numerics.embeddings import check_finite, prediction_error

TOLERANCE = 1e-10  # slope, relative to the steepest, that counts as none
LEAST = 1e-6  # below this penalty two equal gradients look like a singular fit


def grad_match(
    prob: Float[np.ndarray, "N K"],
    embedding: Float[np.ndarray, "N d"],
    label: Int[np.ndarray, " N"],
    n: int,
    *,
    lam: float = 1.0,
) -> Int[np.ndarray, " n"]:
    """Add, n times, the example whose last-layer gradient is most aligned with what the kept ones do not yet match.

    Pick m costs one product N x K x d and a fit of m weights, so run it inside each class. Ties go to the earlier
    example.

    Args:
        prob: float (N, K), predicted class probabilities.
        embedding: float (N, d), one row per example.
        label: Class numbers, integers (N,).
        n: How many examples to keep, at most N.
        lam: Penalty on squared weights, at least 1e-6; larger = smaller weights.

    Returns:
        Sorted positions, int64 (n,).

    Raises:
        InputError: For missing embeddings or predictions, and a lam below 1e-6.

    >>> p = np.array([[0.1, 0.9], [0.2, 0.8], [0.9, 0.1]])
    >>> grad_match(p, np.zeros((3, 1)), np.zeros(3, dtype=int), 1).tolist()
    [0]
    """
    if lam < LEAST:
        raise InputError(
            f"lam is the penalty on squared weights, at least {LEAST:g}, not {lam:g}: the fit of equal gradients is "
            "singular."
        )
    error, rows = _factors(prob, embedding, label)
    target = error.T @ rows  # (K, d + 1), N times the mean gradient: the weights scale alike, the picks are the same
    reach = np.einsum("nk,nk->n", error, rows @ target.T)  # <g_i, target>
    left, weight = reach.copy(), np.empty(0)
    gram = np.empty((n, n))
    picked: list[int] = []
    while len(picked) < n:
        left[picked] = -np.inf
        best = int(left.argmax())
        useful = left[best] > 0  # else nothing points along what is left, and the best aligned fill the budget
        picked.append(best)
        m = len(picked)
        gram[m - 1, :m] = gram[:m, m - 1] = (error[picked] @ error[best]) * (rows[picked] @ rows[best])
        weight = _refit(gram[:m, :m] + lam * np.eye(m), reach[picked], np.append(weight > 0, useful))
        remaining = target - (error[picked].T * weight) @ rows[picked]
        left = np.einsum("nk,nk->n", error, rows @ remaining.T)
    return np.sort(np.array(picked, dtype=np.int64))


def weights(
    prob: Float[np.ndarray, "N K"],
    embedding: Float[np.ndarray, "N d"],
    label: Int[np.ndarray, " N"],
    index: Int[np.ndarray, " n"],
    *,
    lam: float = 1.0,
) -> Float[np.ndarray, " n"]:
    """Fit the weights with which the kept gradients match the mean gradient of all best.

    Args:
        prob: float (N, K), predicted class probabilities.
        embedding: float (N, d), one row per example.
        label: Class numbers, integers (N,).
        index: Positions of the kept examples, integers (n,).
        lam: Penalty on squared weights, at least 1e-6.

    Returns:
        float (n,), at least 0, some may be 0; in the order of `index`.

    Two gradients of opposite sign, the mean on the first one's side: only that one gets a weight.

    >>> p, h, y = np.array([[0.1, 0.9], [0.9, 0.1]]), np.zeros((2, 1)), np.array([0, 1])
    >>> weights(p[:1], h[:1], y[:1], np.array([0])).round(4).tolist()  # |g|^2 = 1.62, w = 1.62 / (1.62 + 1)
    [0.6183]
    """
    error, rows = _factors(prob, embedding, label)
    target = error.T @ rows / len(rows)
    own, near = error[index], rows[index]
    gram = (own @ own.T) * (near @ near.T) + lam * np.eye(len(index))
    return _refit(gram, np.einsum("nk,nk->n", own, near @ target.T), np.ones(len(index), dtype=bool))


def _factors(
    prob: NDArray[np.floating], embedding: NDArray[np.floating], label: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = np.column_stack([embedding.astype(np.float64), np.ones(len(embedding))])  # [h; 1]
    check_finite(rows)
    return prediction_error(prob.astype(np.float64), label), rows


def _refit(gram: NDArray[np.float64], reach: NDArray[np.float64], active: NDArray[np.bool_]) -> NDArray[np.float64]:
    # min w'Gw/2 - b'w over w >= 0. The guess of who is above 0 is nearly always right, and then one solve is the answer
    # (its slopes prove it); otherwise non-negative least squares in the square root of G.
    fit = np.zeros(len(reach))
    fit[active] = np.linalg.solve(gram[np.ix_(active, active)], reach[active])
    slope = reach - gram @ fit
    if fit.min() >= 0 and slope.max() <= TOLERANCE * np.abs(reach).max():
        return fit
    from scipy.optimize import nnls

    root = np.linalg.cholesky(gram)
    weight: NDArray[np.float64] = nnls(root.T, np.linalg.solve(root, reach), maxiter=100 * len(reach))[0]
    return weight


SPEC = MethodSpec(weights=weights)
