"""OrderDP: of a random share of the examples, train on those with the highest last loss.

    pool    floor(share * N) examples, drawn uniformly each epoch
    kept    the floor(top * pool) of them with the highest last loss; from epoch delta * epochs on: everything

Source      arXiv:2606.08574, 2026.
Reads       loss of each example's last forward pass.
Published   share 0.8, top 0.375, so 30 % of the examples an epoch; delta 0.875; no re-weighting.
Released    An example never observed counts with a loss of 3.
Ours        Equal losses are taken in random order, so that the first epoch, which knows no loss, is a random draw.
"""

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Floats
from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.numerics.sampling import budget
from datapare.training.online.sampler import History, Labels, Plan, Rule, Sampler, last_known

START = 3.0  # loss of an example never observed


@checked_call
def orderdp(
    labels: Labels,
    epochs: int,
    *,
    share: float = 0.8,
    top: float = 0.375,
    delta: float = 0.875,
    seed: int = 0,
) -> Sampler:
    """Return the sampler that trains on the highest losses of a random share of the examples. arXiv:2606.08574.

    Args:
        labels: Class numbers (N,).
        epochs: Epochs of the whole run.
        share: Share of the examples that is drawn in each epoch, in (0, 1].
        top: Share of those that is kept, the highest losses, in (0, 1].
        delta: Share of the epochs after which everything is used, 0..1.
        seed: Seed of the draws.

    Returns:
        The sampler, for one training.

    Raises:
        InputError: For values outside these ranges, or shares that keep nothing.

    >>> sampler = orderdp([0, 1, 0, 1], epochs=8, share=1.0, top=0.5)
    >>> len(sampler.index)
    2
    >>> sampler.observe([0, 1, 2, 3], np.array([[9.0, 0.0], [9.0, 0.0], [0.0, 9.0], [0.0, 9.0]]))
    >>> sampler.end_epoch()
    >>> sampler.index.tolist()  # 1 and 2 are wrong
    [1, 2]
    """
    if not 0 < share <= 1 or not 0 < top <= 1 or not 0 <= delta <= 1:
        raise InputError(
            f"share and top lie in (0, 1] and delta between 0 and 1, not at {share}, {top} and {delta}; give others."
        )
    count = len(labels)
    drawn = budget(count, float(share))
    kept = budget(drawn, float(top))

    def plan(epoch: int, past: History, rng: np.random.Generator) -> Plan:
        if epoch / epochs >= delta:
            return Plan(np.arange(count))
        loss = past["loss"] if past else np.full(count, np.nan)
        return Plan(hardest(loss, rng, drawn=drawn, kept=kept))

    params = {"share": share, "top": top, "delta": delta}
    return Sampler(labels, epochs, Rule("orderdp", params, ("loss",), last_known, plan), seed=seed)


def hardest(loss: Floats, rng: np.random.Generator, *, drawn: int, kept: int) -> NDArray[np.int64]:
    """Choose the highest losses among random examples.

    Args:
        loss: float (N,), NaN where unknown.
        rng: Source of the draw, and of the order of equal losses.
        drawn: How many examples are drawn.
        kept: How many of those are kept.

    Returns:
        Sorted positions, int64 (kept,).

    >>> hardest(np.array([0.5, 4.0, np.nan]), np.random.default_rng(0), drawn=3, kept=2).tolist()
    [1, 2]
    """
    pool = rng.permutation(len(loss))[:drawn]
    order = np.argsort(-np.nan_to_num(loss[pool], nan=START), kind="stable")
    return np.sort(pool[order[:kept]])
