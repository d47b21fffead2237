"""Perturbations: changes made to a dataset on purpose, to test how robust a method is; one file each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8
from numpy.typing import NDArray

from datapare.errors import InputError
from datapare.numerics.sampling import budget

Image = UInt8[np.ndarray, "_ _ _"]
Images = UInt8[np.ndarray, "_ _ _ _"] | Sequence[Image]  # photos have sizes of their own


@dataclass(frozen=True, eq=False)
class PerturbedRows:
    """The M rows that a perturbation of N examples gives.

    `row` (M,) is the example that each row comes from; `touched` are the sorted positions, among those M, of the
    rows that were changed or added; `label` (M,) and `image` (one (H, W, C) uint8 per touched row) are None
    where they stay.
    """

    row: NDArray[np.int64]
    touched: NDArray[np.int64]
    label: NDArray[np.int64] | None = None
    image: Sequence[NDArray[np.uint8]] | None = None


def draw(total: int, share: float, rng: np.random.Generator) -> Int[np.ndarray, " B"]:
    """Choose budget(total, share) of `total` rows, uniformly; sorted.

    >>> len(draw(10, 0.3, np.random.default_rng(0)))
    3
    """
    if not 0 < share <= 1:
        raise InputError(f"share is the fraction of examples that are touched, between 0 and 1, not {share:g}.")
    return np.sort(rng.choice(total, budget(total, share), replace=False))


def corrupted(
    image: Images, share: float, rng: np.random.Generator, corrupt_one: Callable[[Image], Image]
) -> PerturbedRows:
    """Corrupt a share of the images, one after the other."""
    touched = draw(len(image), share, rng)
    return PerturbedRows(np.arange(len(image)), touched, image=[corrupt_one(image[int(i)]) for i in touched])


def unit(name: str, value: float) -> float:
    """Return the value if it lies in (0, 1]; raises InputError otherwise.

    >>> unit("area", 0.25)
    0.25
    """
    if not 0 < value <= 1:
        raise InputError(f"{name} lies between 0 and 1, not {value:g}.")
    return value
