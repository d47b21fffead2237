"""H-score: keep what some runs get right from start to end and others do not.

    H_i = number of runs in which example i is right in every epoch;   keep 0 < H < R, R runs

Source      arXiv:2407.08887, 2024.
Reads       runs_correct (N, R): whether example i is right in every epoch of run r, an array computed from R records:
            np.stack([(d.channels["margin"] > 0).all(axis=0) for d in records], axis=1).
Cost        6 runs of 3 epochs.
Not for     a single recording: it counts runs of several seeds.
Published   6 runs of 3 epochs (2 on the largest sets), RoBERTa-large. The size of the subset follows from the data.
Ours        Inside the band the score is R - H, harder first, so that smaller budgets are not filled by position;
            outside it is 0. The published subset is score > 0.
"""

import numpy as np
from jaxtyping import Bool, Float

from datapare.errors import InputError


def h_score(runs_correct: Bool[np.ndarray, "N R"]) -> Float[np.ndarray, " N"]:
    """Count the runs that fail on an example at least once; 0 where all runs do or none does. arXiv:2407.08887.

    Args:
        runs_correct: bool (N, R), whether each example is right in every epoch of each of R runs.

    Returns:
        float64 (N,) of whole numbers in [0, R - 1], larger = harder = keep first.

    Raises:
        InputError: If there are fewer than two runs, which leave the band empty.

    Three runs: right in one of them, in all, in none.

    >>> h_score(np.array([[True, False, False], [True, True, True], [False, False, False]])).tolist()
    [2.0, 0.0, 0.0]
    """
    runs = runs_correct.shape[1]
    if runs < 2:
        raise InputError(f"h_score compares runs, so runs_correct needs two columns or more, not {runs}; record again.")
    failed = runs - np.count_nonzero(runs_correct, axis=1)
    return np.where(failed < runs, failed, 0).astype(np.float64)
