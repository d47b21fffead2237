"""SeTa: a window over groups of equally hard examples that slides from epoch to epoch.

    drawn   floor((1 - drop) * N) examples, uniformly each epoch
    groups  1-D k-means of their last losses into G groups, ordered by mean loss
    used    round(G * width) consecutive groups from group epoch mod (G - round(G * width) + 1) on;
            from epoch delta * epochs on: all that are drawn

Source      arXiv:2503.13385, and mrazhou/SeTa.
Reads       loss of each example's last forward pass.
Published   drop 0.1, 5 groups, width 0.9, delta 0.875 on CIFAR; no re-weighting. 4.5 groups are 4: half to even.
Ours        k-means is Lloyd's on the sorted losses from evenly spaced quantiles, without chance. Examples never
            observed are used whenever they are drawn, and all that are drawn make the first epoch.
"""

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Floats
from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.numerics.sampling import budget
from datapare.training.online.sampler import History, Labels, Plan, Rule, Sampler, last_known

STEPS = 100  # of k-means at most; it converges in a few


@checked_call
def seta(
    labels: Labels,
    epochs: int,
    *,
    drop: float = 0.1,
    groups: int = 5,
    width: float = 0.9,
    delta: float = 0.875,
    seed: int = 0,
) -> Sampler:
    """Return the sampler whose epochs use a sliding window over groups of equally hard examples. arXiv:2503.13385.

    Args:
        labels: Class numbers (N,).
        epochs: Epochs of the whole run.
        drop: Share of the examples that each epoch leaves out at random, in [0, 1).
        groups: Groups by loss, at least 1.
        width: Share of the groups that an epoch uses, in (0, 1].
        delta: Share of the epochs after which all groups are used, 0..1.
        seed: Seed of the draws.

    Returns:
        The sampler, for one training.

    Raises:
        InputError: For values outside these ranges, or a window of no group.

    >>> sampler = seta([0, 1, 0, 1], epochs=8, drop=0.0, groups=2, width=0.5)
    >>> sampler.observe([0, 1, 2, 3], np.array([[9.0, 0.0], [9.0, 0.0], [0.0, 9.0], [0.0, 9.0]]))
    >>> sampler.end_epoch()
    >>> sampler.index.tolist()  # the window of one group is at the harder one in epoch 1
    [1, 2]
    """
    if not 0 <= drop < 1 or groups < 1 or not 0 <= delta <= 1 or not (0 < width <= 1 and round(groups * width) >= 1):
        raise InputError(
            f"drop lies in [0, 1), delta between 0 and 1, and width in (0, 1] of at least one group, not at {drop}, "
            f"{delta} and {width} of {groups} groups; give others."
        )
    count = len(labels)
    drawn = budget(count, float(1 - drop))

    def plan(epoch: int, past: History, rng: np.random.Generator) -> Plan:
        pool = np.sort(rng.choice(count, drawn, replace=False))
        if not past or epoch / epochs >= delta:
            return Plan(pool)
        return Plan(pool[window_of(past["loss"][pool], epoch, groups=groups, width=width)])

    params = {"drop": drop, "groups": groups, "width": width, "delta": delta}
    return Sampler(labels, epochs, Rule("seta", params, ("loss",), last_known, plan), seed=seed)


def window_of(loss: Floats, epoch: int, *, groups: int, width: float) -> NDArray[np.bool_]:
    """Mark the losses inside the window of an epoch.

    Args:
        loss: float (n,); NaN, never observed, is always inside.
        epoch: The epoch, from 0.
        groups: Groups by loss, at least 1.
        width: Fraction of the groups in the window, in (0, 1].

    Returns:
        Booleans (n,).

    >>> window_of(np.array([0.1, 5.0, 0.2, np.nan]), 0, groups=2, width=0.5).tolist()
    [True, False, True, True]
    """
    size = round(groups * width)
    first = epoch % (groups - size + 1)
    unknown = np.isnan(loss)
    inside = np.ones(len(loss), dtype=bool)
    group = loss_groups(loss[~unknown].astype(np.float64), groups)
    inside[~unknown] = (group >= first) & (group < first + size)
    return inside if inside.any() else np.ones(len(loss), dtype=bool)


def loss_groups(loss: NDArray[np.float64], groups: int) -> NDArray[np.int64]:
    """Group losses by 1-D k-means; equal losses share a group.

    Args:
        loss: float64 (n,).
        groups: Number of groups.

    Returns:
        The group of each loss, int64 (n,), 0 = the lowest.

    >>> loss_groups(np.array([0.0, 9.0, 0.1, 10.0, 5.0]), 3).tolist()
    [0, 2, 0, 2, 1]
    """
    if not len(loss):
        return loss.astype(np.int64)
    ordered = np.sort(loss)
    total = np.concatenate([[0.0], np.cumsum(ordered)])
    centre = np.quantile(ordered, (np.arange(groups) + 0.5) / groups)
    edge = np.zeros(0, dtype=np.int64)
    for _ in range(STEPS):
        before, edge = edge, np.searchsorted(ordered, (centre[:-1] + centre[1:]) / 2, side="right")
        if np.array_equal(before, edge):
            break
        bound = np.concatenate([[0], edge, [len(ordered)]])
        size = np.diff(bound)
        centre = np.where(size > 0, np.diff(total[bound]) / np.maximum(size, 1), centre)
    return np.searchsorted((centre[:-1] + centre[1:]) / 2, loss, side="left")
