"""DUAL redraw: after a few epochs on everything, each epoch draws its examples anew by DUAL score and Beta density.

    epochs 0 .. after - 1   everything, target_prob noted
    epochs after ..         keep * N examples, drawn afresh with the weights of the rule beta on scores dual

Source      arXiv:2502.06905, Cho, Shin, Kang, Yun, 2025, for scores and weights; drawing in every epoch is ours.
Reads       target_prob of the first `after` epochs.
Ours        A static subset sees keep * N examples in all; here every epoch sees as many, but the run sees more of them,
            those that are likely to be kept most often. Scores stay as they were at the switch.
"""

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Dynamics, Scores
from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.numerics.missing import epoch_mean
from datapare.numerics.sampling import budget
from datapare.options import Balance
from datapare.training.online.sampler import BatchSource, History, Labels, Plan, Rule, Sampler


@checked_call
def dual_redraw(
    labels: Labels,
    epochs: int,
    *,
    keep: float,
    after: int,
    window: int = 10,
    c_d: float | None = 4.0,
    balance: Balance | None = None,
    seed: int = 0,
) -> Sampler:
    """Return the sampler that draws a fraction (or count) `keep` anew in each epoch after the first `after`.

    Args:
        labels: Class numbers (N,).
        epochs: Epochs of the whole run.
        keep: Fraction in (0, 1], or count of examples of an epoch.
        after: Epochs on everything, which are scored.
        window: Epochs in each window of the score.
        c_d: Of the Beta density; None fits it to the record.
        balance: How classes share the budget; None draws from all examples at once.
        seed: Seed of the draws.

    Returns:
        The sampler, for one training.

    Raises:
        InputError: When scoring starts before a window of epochs is recorded, or after the run.

    >>> sampler = dual_redraw([0, 0], epochs=3, keep=0.5, after=2, window=2)
    >>> for p in (0.2, 0.7):
    ...     sampler.observe([0, 1], np.log([[0.999, 0.001], [p, 1 - p]]))
    ...     sampler.end_epoch()
    >>> sampler.index.tolist()
    [1]
    """
    if not 2 <= window <= after < epochs:
        raise InputError(
            f"expected window ({window}) <= after ({after}) < epochs ({epochs}), with a window of at least 2: "
            "record as many epochs as a window holds, and leave some to draw in."
        )
    label = np.asarray(labels)
    budget(len(label), keep)  # an impossible keep is refused before the training

    def remember(past: History, rows: BatchSource) -> History:
        if "score" in past:
            return past
        recorded = np.vstack([*past.get("target_prob", []), rows["target_prob"]])  # (t, N)
        if len(recorded) < after:
            return {"target_prob": recorded}
        return {"score": scored(recorded, label, window=window), "mean_prob": epoch_mean(recorded)}

    def plan(epoch: int, past: History, rng: np.random.Generator) -> Plan:
        from datapare.methods.selection import select

        del epoch
        if "score" not in past:
            return Plan(np.arange(len(label)))
        known = Dynamics({"target_prob": past["mean_prob"][None]}, label)
        draw = int(rng.integers(2**31))
        subset = select(Scores(past["score"]), "beta", keep=keep, seed=draw, dynamics=known, balance=balance, c_d=c_d)
        return Plan(subset.index)

    params = {"keep": keep, "after": after, "window": window, "c_d": c_d, "balance": balance}
    return Sampler(label, epochs, Rule("dual_redraw", params, ("target_prob",), remember, plan), seed=seed)


def scored(target_prob: NDArray[np.float32], label: NDArray[np.int64], *, window: int) -> NDArray[np.float64]:
    """Score a record by DUAL.

    Args:
        target_prob: float32 (T, N), probability of the true label per epoch.
        label: Class numbers, integers (N,).
        window: Epochs in each window of the score.

    Returns:
        float64 (N,), larger = keep first.
    """
    from datapare.methods.scoring import score

    return np.asarray(score(Dynamics({"target_prob": target_prob}, label), "dual", window=window).score)
