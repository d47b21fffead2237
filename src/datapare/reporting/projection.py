"""Two coordinates for each example of an embedding, to draw it."""

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Array

FITTED = 20_000  # rows that the directions are computed from


def principal_components(embedding: Array) -> tuple[NDArray[np.float64], float] | None:
    """Return the first two principal components (N, 2) of an embedding (N, d), and their fraction of its variance.

    The sign of each is that which makes its largest weight positive. None with fewer than two columns or three rows.

    >>> place, fraction = principal_components(np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0], [3.0, 1.0]]))
    >>> place[:, 0].tolist(), round(fraction, 6)
    ([-1.5, 1.5, -1.5, 1.5], 1.0)
    """
    if embedding.ndim != 2 or embedding.shape[1] < 2 or len(embedding) < 3:
        return None
    rows = np.asarray(embedding[:: max(1, len(embedding) // FITTED)], dtype=np.float64)
    middle = rows.mean(axis=0)
    variance, axes = np.linalg.eigh(np.cov(rows, rowvar=False))
    if not np.isfinite(variance).all() or variance.sum() <= 0:
        return None
    chosen = axes[:, :-3:-1]  # (d, 2), the largest first
    chosen = chosen * np.sign(chosen[np.abs(chosen).argmax(axis=0), [0, 1]])
    place = np.empty((len(embedding), 2))
    for start in range(0, len(embedding), FITTED):
        part = slice(start, start + FITTED)
        place[part] = (np.asarray(embedding[part], dtype=np.float64) - middle) @ chosen
    return place, float(variance[-2:].sum() / variance.sum())
