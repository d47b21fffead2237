"""duplicates: add a share of the examples a second time, as collected datasets often have them.

    M = N + floor(share * N): the copies stand at the end, in the order of their originals

Source      Ours.
Reads       label (N,).
Parameters  share: fraction of the examples that are appended once more.
"""

import numpy as np
from jaxtyping import Int

from datapare.methods.perturb import PerturbedRows, draw


def duplicates(label: Int[np.ndarray, " N"], rng: np.random.Generator, *, share: float = 0.1) -> PerturbedRows:
    """Append exactly floor(share * N) copies of different examples.

    Args:
        label: Class numbers, integers (N,), for their number only.
        rng: Source of the draws; the same state gives the same change.
        share: Fraction of the examples that is appended once more, in (0, 1].

    Returns:
        The M rows; touched are the copies.

    Raises:
        InputError: For a share outside (0, 1].

    >>> change = duplicates(np.array([0, 1]), np.random.default_rng(0), share=1.0)
    >>> change.row.tolist(), change.touched.tolist()
    ([0, 1, 0, 1], [2, 3])
    """
    copied = draw(len(label), share, rng)
    return PerturbedRows(np.r_[np.arange(len(label)), copied], len(label) + np.arange(len(copied)))
