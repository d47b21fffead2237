"""PUMA: keep what lies nearest to the decision boundary, returned negated.

    score_i = - || smallest change of the input that DeepFool finds to flip the label ||

Source      arXiv:2405.06298, 2024; DeepFool: arXiv:1511.04599.
Reads       boundary_distance (N,): norm of that change, from a probe of a trained, robust network; 0 where the network
            is wrong already. datapare record takes the network it has trained, which is not made robust.
Cost        A robust network, and up to 50 gradient steps for every example.
Not for     texts, whose words cannot be moved by a gradient; and a network that was not trained to be robust.
Published   The examples farthest from the boundary are dropped; which fraction is not known.
Released    DeepCore's DeepFool scores the squared norm and keeps the smallest: the same ranking.
"""

import numpy as np
from jaxtyping import Float


def puma(boundary_distance: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Negate the distance to the decision boundary. arXiv:2405.06298.

    Args:
        boundary_distance: float (N,), norm of the smallest change of the input that flips the prediction; 0 where it is
            wrong.

    Returns:
        float64 (N,) <= 0, larger = nearer = keep first.

    >>> puma(np.array([2.0, 0.5])).tolist()
    [-2.0, -0.5]
    """
    distance: Float[np.ndarray, " N"] = boundary_distance.astype(np.float64)
    return -distance
