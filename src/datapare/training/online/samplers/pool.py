"""Pool with redraw: each epoch trains on as many examples of a larger pool, drawn anew.

    pool    n + (1.8 - keep) * 0.1 * N examples, at most N, chosen once
    epoch   n of them, uniformly, without replacement

Source      IEEE Access 14, 74912, 2026 (ESPS), which calls this "10 % kept": at keep 0.1, 0.2, 0.3, 0.5 the run sees
            27, 36, 45, 63 % of the data. State how many examples a run saw where it is compared with a static subset.
Reads       nothing: no predictions have to be observed, and a plan follows from (seed, epoch) alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.numerics.sampling import budget
from datapare.storage import array_digest
from datapare.training.online.sampler import History, Labels, Plan, Rule, Sampler


@checked_call
def pool(
    labels: Labels, epochs: int, *, keep: float, index: Sequence[int] | NDArray[np.int64] | None = None, seed: int = 0
) -> Sampler:
    """Return the sampler that draws a fraction (or count) `keep` of the dataset from a pool, anew in each epoch.

    Args:
        labels: Class numbers (N,).
        epochs: Epochs of the whole run.
        keep: Fraction in (0, 1] of all N examples, or count of examples, of an epoch.
        index: Positions of the pool, integers (M,), as `dp.select(scores, keep=pool_size(N, keep))` chooses them; None
            draws from all examples.
        seed: Seed of the draws.

    Returns:
        The sampler, for one training.

    Raises:
        InputError: For positions outside the dataset or given twice, and a pool smaller than an epoch.

    >>> sampler = pool([0, 1, 0, 1, 0], epochs=2, keep=2, index=[0, 1, 4])
    >>> [len(sampler.index), set(sampler.index.tolist()) <= {0, 1, 4}]
    [2, True]
    """
    count = len(labels)
    n = budget(count, keep)
    members = _members(np.arange(count) if index is None else np.asarray(index), count, n)

    def plan(_epoch: int, _past: History, rng: np.random.Generator) -> Plan:
        return Plan(np.sort(rng.choice(members, size=n, replace=False)))

    params = {"keep": keep, "pool": len(members), "index": array_digest(members)}
    return Sampler(labels, epochs, Rule("pool", params, (), lambda past, _rows: past, plan), seed=seed)


def _members(index: NDArray[np.integer], count: int, n: int) -> NDArray[np.int64]:
    """Return the positions of a pool, sorted; raise InputError for positions that cannot be."""
    whole = index.ndim == 1 and np.issubdtype(index.dtype, np.integer)
    if not whole or not len(index) or index.min() < 0 or index.max() >= count or len(np.unique(index)) < len(index):
        raise InputError(
            f"a pool is a list of different positions between 0 and {count - 1}, not {index.dtype} of shape "
            f"{index.shape}; give the index of a subset."
        )
    if len(index) < n:
        raise InputError(
            f"each epoch draws {n:,} examples, but the pool has {len(index):,}; draw fewer or choose a larger pool."
        )
    return np.sort(index.astype(np.int64))
