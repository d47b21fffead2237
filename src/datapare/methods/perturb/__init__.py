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

    Args:
        row: The example that each row comes from, int64 (M,).
        touched: Sorted positions, among those M, of the rows that were changed or added, int64.
        label: New class numbers, int64 (M,); None where they stay.
        image: One (H, W, C) uint8 per touched row; None where images stay.
    """

    row: NDArray[np.int64]
    touched: NDArray[np.int64]
    label: NDArray[np.int64] | None = None
    image: Sequence[NDArray[np.uint8]] | None = None


def draw(total: int, share: float, rng: np.random.Generator) -> Int[np.ndarray, " B"]:
    """Choose a share of `total` rows, uniformly.

    Args:
        total: Number of rows, N.
        share: Fraction to choose, in (0, 1].
        rng: Source of the draw.

    Returns:
        Sorted positions, int64 (B,), with B = budget(total, share).

    Raises:
        InputError: For a share outside (0, 1].

    >>> len(draw(10, 0.3, np.random.default_rng(0)))
    3
    """
    if not 0 < share <= 1:
        raise InputError(f"share is the fraction of examples that are touched, between 0 and 1, not {share:g}.")
    return np.sort(rng.choice(total, budget(total, share), replace=False))


def corrupted(
    image: Images, share: float, rng: np.random.Generator, corrupt_one: Callable[[Image], Image]
) -> PerturbedRows:
    """Corrupt a share of the images, one after the other.

    Args:
        image: uint8 (N, H, W, C), or N arrays (H, W, C) of sizes of their own.
        share: Fraction of the images that change, in (0, 1].
        rng: Source of the draws; the same state gives the same change.
        corrupt_one: Makes the corrupted image (H, W, C) from one.

    Returns:
        The N rows, and the changed images, one uint8 (H, W, C) per touched row.

    Raises:
        InputError: For a share outside (0, 1].

    >>> corrupted(np.zeros((2, 1, 1, 1), np.uint8), 1.0, np.random.default_rng(0), lambda one: one + 9).image[0].item()
    9
    """
    touched = draw(len(image), share, rng)
    return PerturbedRows(np.arange(len(image)), touched, image=[corrupt_one(image[int(i)]) for i in touched])


def unit(name: str, value: float) -> float:
    """Return the value if it lies in (0, 1].

    Args:
        name: Name of the parameter, for the message.
        value: Its value.

    Returns:
        The value.

    Raises:
        InputError: When it lies outside.

    >>> unit("area", 0.25)
    0.25
    """
    if not 0 < value <= 1:
        raise InputError(f"{name} lies between 0 and 1, not {value:g}.")
    return value
