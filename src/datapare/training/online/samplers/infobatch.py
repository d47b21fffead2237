"""InfoBatch: drop some of what is learned better than average, and let the rest of it count for them.

    loss_i < mean loss:   kept with probability 1 - drop, and its loss times 1 / (1 - drop)
    others:               kept, times 1;          from epoch delta * epochs on: everything, times 1

so that the expected weight of every example is 1 and the expected gradient that of the whole dataset.

Source      arXiv:2303.04947, Qin and others, 2024, and NUS-HPC-AI-Lab/InfoBatch.
Reads       loss of each example's last forward pass, before weighting.
Published   drop 0.5, delta 0.875. What is saved is no parameter: about 25 to 35 % of the examples at 0.5.
Released    Draws an exact count of those below the mean, floor((1 - drop) * count), and keeps at least a tenth of them:
            exact=True, floor=0.1. Called ratio, which is kept in one copy of the code and dropped in the other: the
            same at 0.5 only. Scores start at a constant, which the rounding of the mean can put below itself, so that
            the first epoch drops and doubles everything.
Ours        Examples never observed are kept with weight 1, and so is the whole first epoch. Below the mean means by
            more than float32 rounds, so that equal losses drop nothing.
            BLS (arXiv:2604.04681), the mean loss of the batches that an example was in, is not offered: a rule
            sees examples, no batches.
"""

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Floats
from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.training.online.sampler import History, Labels, Plan, Rule, Sampler, last_known

ROUNDING = 1e-6  # relative; losses are float32, whose digits end at 6e-8


@checked_call
def infobatch(
    labels: Labels,
    epochs: int,
    *,
    drop: float = 0.5,
    delta: float = 0.875,
    exact: bool = False,
    floor: float = 0.0,
    seed: int = 0,
) -> Sampler:
    """Return the sampler that drops examples below the mean loss with probability `drop`, without bias.

    Multiply each example's loss by `sampler.weight(index)` and take the batch's mean. arXiv:2303.04947.

    Args:
        labels: Class numbers (N,).
        epochs: Epochs of the whole run.
        drop: Share of the examples below the mean loss that is dropped, in [0, 1).
        delta: Share of the epochs after which everything is used, 0..1.
        exact: Draw an exact count, floor((1 - drop) * count), instead of each example on its own.
        floor: Least share of the examples below the mean that is kept, 0..1.
        seed: Seed of the draws.

    Returns:
        The sampler, for one training.

    Raises:
        InputError: For values outside these ranges.

    >>> sampler = infobatch([0, 1], epochs=8)
    >>> sampler.observe([0, 1], np.array([[9.0, 0.0], [9.0, 0.0]]))
    >>> sampler.end_epoch()
    >>> sampler.index.tolist(), sampler.weight([0, 1]).tolist()  # 0 is learned: here it stays, and counts twice
    ([0, 1], [2.0, 1.0])
    """
    if not 0 <= drop < 1 or not 0 <= delta <= 1 or not 0 <= floor <= 1:
        raise InputError(
            f"drop lies in [0, 1), delta and floor between 0 and 1, not at {drop}, {delta} and {floor}; give others."
        )
    dropped = min(drop, 1 - floor)

    def plan(epoch: int, past: History, rng: np.random.Generator) -> Plan:
        if not past or epoch / epochs >= delta:
            return Plan(np.arange(len(labels)))
        return Plan(*thin(past["loss"], rng, drop=dropped, exact=exact))

    params = {"drop": drop, "delta": delta, "exact": exact, "floor": floor}
    rule = Rule("infobatch", params, ("loss",), last_known, plan)
    return Sampler(labels, epochs, rule, seed=seed)


def thin(
    loss: Floats, rng: np.random.Generator, *, drop: float, exact: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Draw the examples of an epoch, and weigh them so that the mean loss is unbiased.

    Args:
        loss: float (N,), NaN where unknown.
        rng: Source of the draws.
        drop: Fraction of the examples below the mean loss that is dropped, in [0, 1).
        exact: Draw an exact count instead of each example on its own.

    Returns:
        Sorted positions kept, int64 (n,), and every example's weight, float32 (N,).

    The mean of 1, 1 and 4 is 2: both ones are below, one of them is drawn, and its weight is 1 / (1 - 0.5).

    >>> index, weight = thin(np.array([1.0, 1.0, 4.0]), np.random.default_rng(0), drop=0.5)
    >>> index.tolist(), weight.tolist()
    ([0, 2], [2.0, 2.0, 1.0])
    """
    known = loss[~np.isnan(loss)]
    mean = known.mean(dtype=np.float64) if len(known) else 0.0
    below = loss < mean - ROUNDING * abs(mean)
    if exact:
        easy = np.flatnonzero(below)
        chosen = np.zeros(len(loss), dtype=bool)
        chosen[rng.choice(easy, int((1 - drop) * len(easy) + 1e-9), replace=False)] = True
    else:
        chosen = rng.random(len(loss)) >= drop
    return np.flatnonzero(~below | chosen), np.where(below, 1 / (1 - drop), 1.0).astype(np.float32)
