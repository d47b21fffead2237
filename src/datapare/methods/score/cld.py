"""CLD: keep what improves when the validation examples of its class do.

    CLD_i = Pearson correlation over epochs of ( l_{i,t+1} - l_{i,t} ) and ( v_{y,t+1} - v_{y,t} )

Source      arXiv:2508.20230, 2025 (correlation of loss differences).
Reads       loss (T, N): loss of the example; class_loss (T, N): mean loss v of its class's validation examples, that
            is val_loss[:, label] of a (T, K) table; both per epoch, in an eval pass.
Cost        164 epochs, each with a pass over the examples and over those held out.
Not for     a record without held-out losses: it needs those of validation examples after each epoch.
Published   164 epochs; 10 % of the training data held out for validation; the largest of each class are kept.
Ours        Where the example's loss, or its class's, never changes, or by always the same, nothing correlates and the
            score is the least one, -1. A class without validation examples is NaN, and so not scored.
"""

import numpy as np
from jaxtyping import Float

from datapare.errors import InputError
from datapare.methods.spec import MethodSpec


def cld(loss: Float[np.ndarray, "T N"], class_loss: Float[np.ndarray, "T N"]) -> Float[np.ndarray, " N"]:
    """Correlate the changes of an example's loss with those of its class's validation loss. arXiv:2508.20230.

    The formula reads nothing but losses, so it also applies to a record of losses only (regression, several labels,
    language models).

    Args:
        loss: float (T, N), loss of N examples in T epochs, in the unit of the training loss.
        class_loss: float (T, N), mean loss of the validation examples of each example's class, per epoch, in the same
            unit.

    Returns:
        float64 (N,) in [-1, 1], larger = more representative = keep first.

    Raises:
        InputError: If fewer than three epochs were recorded, since one change correlates with nothing.

    Losses falling by 2 then 1, with the class falling by 2 then 1, and rising by as much.

    >>> own, of_class = np.array([[3.0, 0.0], [1.0, 2.0], [0.0, 3.0]]), np.array([[3.0, 3.0], [1.0, 1.0], [0.0, 0.0]])
    >>> cld(own, of_class).round(4).tolist()
    [1.0, -1.0]
    """
    if len(loss) < 3:
        raise InputError(f"cld compares changes between epochs and needs three epochs or more, not {len(loss)}.")
    own, other = _centred_changes(loss), _centred_changes(class_loss)
    square, other_square = _squares(own), _squares(other)
    flat = (square <= _rounding(loss)) | (other_square <= _rounding(class_loss))
    scale = np.sqrt(square * other_square)
    product = np.einsum("tn,tn->n", own, other)
    correlation: Float[np.ndarray, " N"] = np.divide(product, scale, where=~flat, out=np.full_like(scale, -1.0))
    return correlation


def _centred_changes(loss: Float[np.ndarray, "T N"]) -> Float[np.ndarray, "S N"]:
    change: Float[np.ndarray, "S N"] = np.subtract(loss[1:], loss[:-1], dtype=np.float64)
    change -= change.mean(axis=0)
    return change


def _squares(values: Float[np.ndarray, "S N"]) -> Float[np.ndarray, " N"]:
    total: Float[np.ndarray, " N"] = np.einsum("tn,tn->n", values, values)
    return total


def _rounding(loss: Float[np.ndarray, "T N"]) -> Float[np.ndarray, " N"]:
    # More than equal changes of rounded losses can differ by: each is off by eps / 2 of both its losses.
    return 4 * float(np.finfo(loss.dtype).eps) ** 2 * _squares(loss)


SPEC = MethodSpec(observed="eval-pass")
