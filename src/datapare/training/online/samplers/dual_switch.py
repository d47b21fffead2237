"""DUAL switch: train on everything while recording, then go on, in the same run, with the subset DUAL and Beta choose.

    epochs 0 .. after - 1   everything, target_prob noted
    epochs after ..         the subset that score "dual" and selection "beta" give for this record

Source      arXiv:2502.06905, Cho, Shin, Kang, Yun, 2025, for scores and selection; going on in the same run is ours.
Reads       target_prob of the first `after` epochs.
Published   after 30 of 200 epochs, window 10, c_d 4 (CIFAR-100), no balance; there a new network is trained.
Ours        Nothing is trained twice. A schedule counted in epochs fits itself: fewer updates each, the same curve. A
            fitted c_d with a budget for each class was 3.5 points worse here than what is published
            (benchmarks/during.py), perhaps because the network already knows the easier examples they keep.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Dynamics
from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.numerics.sampling import budget
from datapare.training.online.sampler import BatchSource, History, Labels, Plan, Rule, Sampler


@checked_call
def dual_switch(
    labels: Labels,
    epochs: int,
    *,
    keep: float,
    after: int,
    window: int = 10,
    c_d: float | None = 4.0,
    balance: Literal["proportional", "uniform"] | None = None,
    seed: int = 0,
) -> Sampler:
    """Return the sampler that trains on everything first and then on the fraction (or count) `keep`.

    The subset is the one that `score` and `select` choose, with this seed, from a record of the same epochs.
    arXiv:2502.06905.

    Args:
        labels: Class numbers, integers (N,).
        epochs: Epochs of the whole run.
        keep: Fraction in (0, 1], or count of examples that stay.
        after: Epochs on everything, which are scored.
        window: Epochs in each window of the score.
        c_d: Of the Beta density; None fits it to the record.
        balance: How classes share the budget; None chooses from all examples at once.
        seed: Seed of the choice and of the order.

    Returns:
        The sampler, for one training.

    Raises:
        InputError: When the switch comes before a window of epochs is recorded, or after the run.

    >>> sampler = dual_switch([0, 0], epochs=3, keep=0.5, after=2, window=2)
    >>> for p in (0.2, 0.7):
    ...     sampler.observe([0, 1], np.log([[0.999, 0.001], [p, 1 - p]]))
    ...     sampler.end_epoch()
    >>> sampler.index.tolist()
    [1]
    """
    if not 2 <= window <= after < epochs:
        raise InputError(
            f"expected window ({window}) <= after ({after}) < epochs ({epochs}), with a window of at least 2: "
            "record as many epochs as a window holds, and leave some for the subset."
        )
    label = np.asarray(labels)
    budget(len(label), keep)  # an impossible keep is refused before the training, not at the switch

    def remember(past: History, rows: BatchSource) -> History:
        if "kept" in past:
            return past
        recorded = np.vstack([*past.get("target_prob", []), rows["target_prob"]])  # (t, N)
        if len(recorded) < after:
            return {"target_prob": recorded}
        return {"kept": switch(recorded, label, keep=keep, window=window, c_d=c_d, balance=balance, seed=seed)}

    def plan(epoch: int, past: History, rng: np.random.Generator) -> Plan:
        del epoch, rng  # the draw was made at the switch
        return Plan(past["kept"] if "kept" in past else np.arange(len(label)))

    params = {"keep": keep, "after": after, "window": window, "c_d": c_d, "balance": balance}
    return Sampler(label, epochs, Rule("dual_switch", params, ("target_prob",), remember, plan), seed=seed)


def switch(
    target_prob: NDArray[np.float32],
    label: NDArray[np.int64],
    *,
    keep: float,
    window: int,
    c_d: float | None,
    balance: Literal["proportional", "uniform"] | None,
    seed: int,
) -> NDArray[np.int64]:
    """Choose by DUAL and Beta from a record.

    Args:
        target_prob: float32 (T, N), probability of the true label per epoch.
        label: Class numbers, integers (N,).
        keep: Fraction in (0, 1], or count of examples that stay.
        window: Epochs in each window of the score.
        c_d: Of the Beta density; None fits it to the record.
        balance: How classes share the budget; None chooses from all examples at once.
        seed: Seed of the choice.

    Returns:
        Sorted positions, int64 (n,).
    """
    from datapare.methods.scoring import score
    from datapare.methods.selection import select

    dynamics = Dynamics({"target_prob": target_prob}, label)
    scores = score(dynamics, "dual", window=window)
    subset = select(scores, "beta", keep=keep, seed=seed, dynamics=dynamics, balance=balance, c_d=c_d)
    return np.asarray(subset.index)
