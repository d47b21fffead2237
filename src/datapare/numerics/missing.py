"""Missing observations: the one rule that fills them."""

import numpy as np
from jaxtyping import Float


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
