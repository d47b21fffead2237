"""Missing observations: the one rule that fills them."""

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

BLOCK = 65_536  # columns at a time: a copy of the whole record may not fit


def last_observed(values: Float[np.ndarray, "T N"]) -> Float[np.ndarray, "T N"]:
    """Fill missing epochs: each NaN takes the example's last observed value, leading ones the first observed.

    This is the one rule for missing observations in every score. Columns never observed stay NaN. The input comes
    back untouched, without a copy, when nothing is missing.

    >>> last_observed(np.array([[np.nan, 0.1], [0.2, np.nan], [0.4, np.nan]])).T.tolist()
    [[0.2, 0.2, 0.4], [0.1, 0.1, 0.1]]
    """
    if not np.isnan(values.min()):
        return values
    filled = np.array(values)
    for row in range(1, len(filled)):
        np.copyto(filled[row], filled[row - 1], where=np.isnan(filled[row]))
    for row in range(len(filled) - 2, -1, -1):
        np.copyto(filled[row], filled[row + 1], where=np.isnan(filled[row]))
    return filled


def epoch_mean(values: Float[np.ndarray, "T N"], *, first: int = 0) -> Float[np.ndarray, " N"]:
    """Return the mean over epochs in float64, missing epochs filled by last_observed; NaN where never observed.

    Epochs before `first` only fill missing ones.

    >>> epoch_mean(np.array([[0.2, np.nan], [np.nan, np.nan], [0.5, np.nan]])).round(4).tolist()
    [0.3, nan]
    """
    count = values.shape[1]
    mean = np.empty(count)
    for start in range(0, count, BLOCK):
        part = slice(start, start + BLOCK)
        mean[part] = last_observed(np.asarray(values[:, part]))[first:].mean(axis=0, dtype=np.float64)
    return mean


def over_epochs(channel: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation (ddof 1) over the observed epochs of a channel, NaN where there are none.

    Args:
        channel: Floats (T, N), NaN where an example was not observed.

    Returns:
        Two float64 arrays (N,).

    >>> mean, deviation = over_epochs(np.array([[1.0, np.nan], [3.0, 2.0]]))
    >>> mean.tolist(), deviation.round(2).tolist()
    ([2.0, 2.0], [1.41, nan])
    """
    values = np.ma.masked_invalid(np.asarray(channel, dtype=np.float64))
    return values.mean(axis=0).filled(np.nan), values.std(axis=0, ddof=1).filled(np.nan)
