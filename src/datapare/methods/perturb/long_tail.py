"""long_tail: thin the classes out, each one more than the one before.

    n_c = floor(n_max * factor^(c / (K - 1))),   c = 0 .. K-1 over the classes in their order, n_max the largest class

Source      The exponential profile that is usual for CIFAR-LT (unverified); imbalance factors 0.1 and 0.01 are in use.
Reads       label (N,).
Parameters  factor: size of the smallest class divided by that of the largest.
Ours        A class never falls below two examples, one to train on and one to hold out, nor rises above what it has.
"""

import numpy as np
from jaxtyping import Int

from datapare.methods.perturb import PerturbedRows, unit
from datapare.numerics.sampling import draw_within


def long_tail(label: Int[np.ndarray, " N"], rng: np.random.Generator, *, factor: float = 0.1) -> PerturbedRows:
    """Keep fewer and fewer examples of each class, the last `factor` times as many as the largest has.

    Classes without examples have no place in the profile.

    Args:
        label: Class numbers, integers (N,).
        rng: Source of the draws; the same state gives the same change.
        factor: Size of the smallest class divided by that of the largest, in (0, 1].

    Returns:
        The M rows that stay; none is touched.

    Raises:
        InputError: For a factor outside (0, 1].

    >>> label = np.repeat(np.arange(3), 100)
    >>> np.bincount(label[long_tail(label, np.random.default_rng(0), factor=0.01).row]).tolist()
    [100, 10, 2]
    """
    unit("factor", factor)
    size = np.bincount(label)
    present = np.flatnonzero(size)
    place = np.arange(len(present)) / max(1, len(present) - 1)
    wanted = np.floor(size.max() * factor**place + 1e-9).astype(np.int64)
    share = np.zeros_like(size)
    share[present] = np.minimum(size[present], np.maximum(2, wanted))
    return PerturbedRows(np.sort(draw_within(label, share, rng)), np.arange(0))
