"""Soft labels: train on what an earlier training predicted, mixed with the label.

    loss_i = (1 - weight) * CE(label_i) + weight * CE(q_i),   CE(q) = - sum_k q_k log p_k

Source      arXiv:2403.07854, 2024 (a pruned dataset with a teacher that saw all of it); the teacher there is a network,
            here it is the record.
Reads       soft labels of the whole dataset, as `datapare.training.soft_labels` makes them of a record.
Ours        q is at its own temperature, the network in training at 1, so the loss keeps its scale.
            An example without a soft label is trained on its label alone. A class masked by a logit of -inf adds
            nothing.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from datapare.artifacts import Params
from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.training.online.loss import Loss
from datapare.training.targets import SoftLabels


@checked_call
def soft_labels(soft: SoftLabels, *, weight: float = 0.5) -> Loss:
    """Return the loss that mixes the cross-entropy to the label with that to the soft label. arXiv:2403.07854.

    Args:
        soft: Soft labels of the whole dataset, also where only a subset is trained on.
        weight: Part of the soft label in the loss, 0..1.

    Returns:
        The criterion, called as `loss(index, logits, target)`.

    Raises:
        InputError: For a weight outside 0..1; and, when called, for logits of another number of classes.

    Logits 0, 0 have log-probability -ln 2 in both classes, so that both parts are 0.6931; logits ln 3, 0 are 3/4 and
    1/4: CE(label 0) = 0.2877 and CE(q) = 0.5 * 0.2877 + 0.5 * 1.3863 = 0.8370.

    >>> import numpy as np
    >>> loss = soft_labels(SoftLabels(np.array([[0.9, 0.1], [0.5, 0.5]])))
    >>> loss([0, 1], torch.tensor([[0.0, 0.0], [1.0986, 0.0]]), torch.tensor([0, 0])).numpy().round(4)
    array([0.6931, 0.5623], dtype=float32)
    """
    if not 0 <= weight <= 1:
        raise InputError(f"the weight of soft labels lies between 0 and 1, not at {weight}.")
    classes = soft.classes

    def losses(logits: Tensor, target: Tensor, probability: Tensor, *index: Tensor) -> Tensor:
        if logits.shape[1] != classes:
            raise InputError(
                f"the soft labels are of {classes} classes and the logits of {logits.shape[1]}; make both of the same "
                "dataset."
            )
        log_prob = logits.float().log_softmax(dim=1)
        log_prob = log_prob.masked_fill(log_prob == -torch.inf, 0)
        known = ~probability[:, 0].isnan()
        q = probability.float().nan_to_num(nan=0.0)
        mixed = (q * log_prob).sum(dim=1) if not index else _of_the_largest(q, index[0].long(), log_prob)
        hard = cross_entropy(logits.float(), target, reduction="none")
        return torch.where(known, (1 - weight) * hard - weight * mixed, hard)

    params: Params = {"weight": weight}
    more = () if soft.index is None else (soft.index,)
    return Loss("soft_labels", soft.probability, params, losses, more)


def _of_the_largest(q: Tensor, index: Tensor, log_prob: Tensor) -> Tensor:
    """Return sum_k q_k log p_k (B,) where q (B, k) holds the classes `index` (B, k) and spreads the rest evenly."""
    chosen = log_prob.gather(1, index)
    others = max(1, log_prob.shape[1] - index.shape[1])
    rest = (1 - q.sum(dim=1)).clamp(min=0) / others
    return (q * chosen).sum(dim=1) + rest * (log_prob.sum(dim=1) - chosen.sum(dim=1))
