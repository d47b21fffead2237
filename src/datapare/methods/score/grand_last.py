"""GraNd, last layer: keep what pulls hardest on the classifier; exact, and without a single gradient.

    GraNd_last_i = || p_i - onehot(y_i) ||_2 * sqrt(||h_i||^2 + 1),   h the features, 1 for the bias

Source      arXiv:2107.07075, Paul, Ganguli, Dziugaite, 2021 (Data Diet); last layer only as in DeepCore.
Reads       error_norm (T, N): norm of the prediction error, per epoch; embedding (N, d): the classifier's input.
Parameters  first: the first epoch that is read, from 0, or from the end when negative; count: how many epochs from
            there on, by default all.
Cost        Up to 20 epochs and a forward pass; 10 runs are advised.
Not for     networks whose last layer is not linear.
Published   10 networks, at initialisation or an early epoch; runs are averaged afterwards.
Ours        The gradient of a linear layer under cross-entropy is (p - onehot) times (h, 1), so its norm is the product
            of both norms. It is exact for the epoch the embedding was taken at: the last one, unless first and count
            choose otherwise.
"""

import numpy as np
from jaxtyping import Float

from datapare.methods.epoch_range import chosen_epochs


def grand_last(
    error_norm: Float[np.ndarray, "T N"],
    embedding: Float[np.ndarray, "N d"],
    *,
    first: int = -1,
    count: int | None = None,
) -> Float[np.ndarray, " N"]:
    """Average the gradient norm of the classifier's weights and bias over the chosen epochs. arXiv:2107.07075.

    Args:
        error_norm: float (T, N), Euclidean norm of predicted probabilities minus one-hot label, per epoch, in [0,
            sqrt(2)].
        embedding: float (N, d), input of the classifier, one row per example.
        first: First epoch that is read, from 0, or from the end when negative; default the last recorded.
        count: How many epochs from `first` on; None (default) means all that follow.

    Returns:
        float64 (N,) >= 0, larger = stronger pull on the classifier = keep first.

    Raises:
        InputError: If the chosen epochs were not recorded.

    An error of norm 0.5 with features (2, 2): 0.5 * sqrt(8 + 1) = 1.5.

    >>> grand_last(np.array([[0.9], [0.5]]), np.array([[2.0, 2.0]])).tolist()
    [1.5]
    """
    error = chosen_epochs(error_norm, first, count).mean(axis=0, dtype=np.float64)
    square = np.einsum("nd,nd->n", embedding, embedding, dtype=np.float64)
    return np.asarray(error * np.sqrt(square + 1))
