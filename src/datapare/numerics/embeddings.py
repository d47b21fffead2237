"""Rows of features and of predictions: norms, directions, probabilities, errors."""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import DTypeLike, NDArray

from datapare.errors import InputError

ROWS = 16_384  # rows at a time where a copy in float64 would be large


def squared_norms(embedding: Float[np.ndarray, "N d"]) -> Float[np.ndarray, " N"]:
    """Squared Euclidean norm of each row; raises InputError when a row is missing (NaN) or not finite.

    >>> squared_norms(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [25.0, 0.0]
    """
    square = np.empty(len(embedding), dtype=np.promote_types(embedding.dtype, np.float32))
    for start in range(0, len(embedding), ROWS):
        rows = embedding[start : start + ROWS].astype(square.dtype, copy=False)
        square[start : start + ROWS] = np.einsum("nd,nd->n", rows, rows)
    unknown = int((~np.isfinite(square)).sum())
    if unknown:
        raise InputError(
            f"{unknown:,} of {len(embedding):,} embeddings are missing or not finite; record one for every example."
        )
    return square


def check_finite(embedding: Float[np.ndarray, "N d"]) -> None:
    """Raise InputError when a row is missing (NaN) or not finite.

    >>> check_finite(np.array([[3.0, 4.0]]))
    """
    squared_norms(embedding)


def unit_rows(embedding: Float[np.ndarray, "N d"]) -> Float[np.ndarray, "N d"]:
    """Rows scaled to length 1, so that inner products are cosines; rows of zeros stay zero.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    # float16 overflows at a norm of 256, so half-precision embeddings are widened first.
    wide = embedding.astype(np.promote_types(embedding.dtype, np.float32), copy=False)
    norm = np.sqrt(squared_norms(wide))
    unit: NDArray[np.floating] = wide / np.where(norm > 0, norm, 1)[:, None]
    return unit


def centred(
    embedding: Float[np.ndarray, "N d"],
    centre: Float[np.ndarray, " d"] | None = None,
    *,
    dtype: DTypeLike | None = None,
) -> Float[np.ndarray, "N d"]:
    """Return the rows minus a centre, their mean by default: what all rows share costs no digits then.

    Computed in float64; the result has the given type, or the rows' own and float32 at least. Squared
    distances by matrix products, |x|^2 + |y|^2 - 2 x.y, lose all digits where |x| is far larger than |x - y|.

    >>> centred(np.array([[1e9], [1e9 + 0.5]])).tolist(), centred(np.array([[3.0]]), np.array([1.0])).tolist()
    ([[-0.25], [0.25]], [[2.0]])
    """
    if centre is None:
        centre = embedding.mean(axis=0, dtype=np.float64)
    rows = np.empty(embedding.shape, dtype=dtype or np.promote_types(embedding.dtype, np.float32))
    for start in range(0, len(rows), ROWS):
        part = slice(start, start + ROWS)
        np.subtract(embedding[part], centre, out=rows[part], dtype=np.float64, casting="unsafe")
    return rows


def softmax(logits: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
    """Return the probabilities of the classes, in float64; a logit of -inf, of a masked class, gives exactly 0.

    >>> softmax(np.log([[0.25, 0.75]])).round(4).tolist()
    [[0.25, 0.75]]
    """
    odds = np.subtract(logits, logits.max(axis=1, keepdims=True), dtype=np.float64)
    np.exp(odds, out=odds)
    odds /= odds.sum(axis=1, keepdims=True)
    return np.asarray(odds)


def prediction_error(prob: Float[np.ndarray, "N K"], label: Int[np.ndarray, " N"]) -> Float[np.ndarray, "N K"]:
    """Predicted probabilities minus the one-hot label: the gradient of the cross-entropy in the logits.

    Raises InputError when a prediction is missing (NaN) or not finite.

    >>> prediction_error(np.array([[0.75, 0.25]]), np.array([0])).tolist()
    [[-0.25, 0.25]]
    """
    error = prob.astype(np.promote_types(prob.dtype, np.float32))
    error[np.arange(len(label)), label] -= 1
    unknown = int((~np.isfinite(error).all(axis=1)).sum())
    if unknown:
        raise InputError(
            f"{unknown:,} of {len(prob):,} predictions are missing or not finite; record prob for every example."
        )
    return error
