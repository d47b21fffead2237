"""KAKURENBO: hide what is learned, look at it again after the epoch.

    candidates  the floor(F_e N) examples of lowest last loss
    hidden      candidates whose last prediction was right with confidence >= 0.7; the others move back
    F_e         F * 1, 0.8, 0.6, 0.4 before 30 %, 60 %, 80 % and 100 % of the run
    lr          * 1 / (1 - F_e): the nominal fraction, not the realised one

Source      arXiv:2310.10102, KAKURENBO: adaptively hiding samples in deep neural network training, 2023.
Reads       loss, margin and target_prob of each example's last forward pass.
Published   F = 0.3, confidence 0.7; milestones 60, 120 and 160 of 200 epochs on CIFAR-100.
Released    The code takes the confidence over the batch instead of the classes, refreshes hidden examples in train
            mode, so that batch norm moves, and sorts constants in its first epoch: none of it is offered.
Ours        The first epoch knows nothing: it hides nothing and leaves the learning rate as it is.
"""

import math

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Floats
from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.numerics.sampling import budget
from datapare.training.online.sampler import History, Labels, Plan, Rule, Sampler, last_known

FALL = ((0.3, 1.0), (0.6, 0.8), (0.8, 0.6), (math.inf, 0.4))  # until this share of the run, this share of F


@checked_call
def kakurenbo(labels: Labels, epochs: int, *, fraction: float = 0.3, confidence: float = 0.7, seed: int = 0) -> Sampler:
    """Return the sampler that hides up to `fraction` of the examples, those learned safely.

    Multiply the learning rate by `sampler.lr_factor`, and after each epoch observe what `sampler.revisit(loader)`
    yields in eval mode, without training on it. arXiv:2310.10102.

    Args:
        labels: Class numbers, integers (N,).
        epochs: Epochs of the whole run.
        fraction: Most of the examples that an epoch hides, in [0, 1).
        confidence: Least probability of the true class of an example that may be hidden, 0..1.
        seed: Seed of the order.

    Returns:
        The sampler, for one training.

    Raises:
        InputError: For values outside these ranges.

    >>> sampler = kakurenbo([0, 1, 0, 1], epochs=10, fraction=0.5)
    >>> sampler.observe([0, 1, 2, 3], np.array([[9.0, 0.0], [0.0, 1.0], [0.0, 9.0], [0.0, 3.0]]))
    >>> sampler.end_epoch()
    >>> sampler.hidden.tolist(), sampler.lr_factor  # 0 and 3 have the lowest losses and are right, p = 0.95 and more
    ([0, 3], 2.0)
    """
    if not 0 <= fraction < 1 or not 0 <= confidence <= 1:
        raise InputError(
            f"fraction lies in [0, 1) and confidence between 0 and 1, not at {fraction} and {confidence}; give others."
        )

    def plan(epoch: int, past: History, rng: np.random.Generator) -> Plan:
        del rng  # who hides is no matter of chance
        count = len(labels)
        if not past:
            return Plan(np.arange(count))
        now = fraction_at(epoch, epochs, fraction)
        out = hide(past["loss"], past["margin"], past["target_prob"], fraction=now, confidence=confidence)
        return Plan(np.setdiff1d(np.arange(count), out), hidden=out, lr_factor=1 / (1 - now))

    params = {"fraction": fraction, "confidence": confidence}
    rule = Rule("kakurenbo", params, ("loss", "margin", "target_prob"), last_known, plan)
    return Sampler(labels, epochs, rule, seed=seed)


def fraction_at(epoch: int, epochs: int, fraction: float) -> float:
    """Return the most that an epoch may hide.

    Args:
        epoch: The epoch, from 0.
        epochs: Epochs of the whole run.
        fraction: Most of the examples that the first epochs hide, in [0, 1).

    Returns:
        F_e, a fraction.

    >>> [round(fraction_at(e, 200, 0.3), 2) for e in (59, 60, 119, 120, 159, 160, 199)]
    [0.3, 0.24, 0.24, 0.18, 0.18, 0.12, 0.12]
    """
    return fraction * next(share for until, share in FALL if epoch / epochs < until)


def hide(
    loss: Floats,
    margin: Floats,
    target_prob: Floats,
    *,
    fraction: float,
    confidence: float,
) -> NDArray[np.int64]:
    """Choose the examples to hide; of equal losses the earlier hides first.

    The confidence of a right prediction is the probability of the true class.

    Args:
        loss: float (N,), NaN where an example was never observed; it is not hidden.
        margin: float (N,), logit of the true class minus the largest other; above 0 = right.
        target_prob: float (N,), probability of the true class.
        fraction: Most of the examples to hide, in [0, 1).
        confidence: Least probability of the true class of a hidden example, 0..1.

    Returns:
        Sorted positions, int64 (m,).

    >>> hide(np.array([0.1, 0.2, 0.3]), np.array([2.0, -1.0, 2.0]), np.array([0.9, 0.8, 0.7]),
    ...      fraction=0.67, confidence=0.7)
    array([0])
    """
    count = budget(len(loss), fraction) if fraction * len(loss) >= 1 else 0
    candidate = np.argsort(loss, kind="stable")[:count]  # NaN last
    sure = (margin[candidate] > 0) & (target_prob[candidate] >= confidence)
    return np.sort(candidate[sure])
