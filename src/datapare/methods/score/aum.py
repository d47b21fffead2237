"""AUM: keep what loses against another class, returned negated: large = hard, the largest = probably mislabelled.

    AUM_i = mean over epochs of ( z_y - max_{j != y} z_j ),   score_i = -AUM_i

Source      arXiv:2001.10528, Pleiss, Zhang, Elenberg, Weinberger, 2020.
Reads       margin (T, N): logit of the true label minus the best other logit, per epoch.
Cost        150 to 200 epochs; two trainings where the threshold of its authors is used.
Not for     keeping the largest with `top` where labels are wrong: those score highest.
Published   150 epochs, learning rate 0.1, on CIFAR; margins of the training pass. High AUM is clean and easy.
Released    RCAP's library takes the margin of log-probabilities, which is the same number. CCS, D2, ELFS and SemiPrune
            take margins of probabilities: prob_aum.
"""

import numpy as np
from jaxtyping import Float


def aum(margin: Float[np.ndarray, "T N"]) -> Float[np.ndarray, " N"]:
    """Negate the logit margin averaged over epochs (minus the area under the margin). arXiv:2001.10528.

    Args:
        margin: float (T, N), logit of the true label minus the best other logit, per epoch.

    Returns:
        float64 (N,), in logits; larger = harder = keep first; positive where another class wins on average.

    Margins 1 and -3: their mean is -1, so the score is 1.

    >>> aum(np.array([[1.0], [-3.0]])).tolist()
    [1.0]
    """
    mean: Float[np.ndarray, " N"] = margin.mean(axis=0, dtype=np.float64)
    return -mean
