"""fog: lay a cloud of changing thickness over a share of the images.

    x' = (1 - a) * x + a * 255,   a = density * (1 + cloud) / 2
    cloud = value noise over octaves k = 1 .. 4: grids of 2^k + 1 random numbers a side, weight 2^-k, scaled to [0, 1]

Source      Named in arXiv:2502.06905 (Cho, Shin, Kang, Yun, 2025), unverified; cloud and density are ours.
Reads       image (N, H, W, C): bytes; images may have sizes of their own.
Parameters  share: fraction of the images that change; density: how dense the fog is where it is thickest, 1 = white.
"""

import numpy as np
from jaxtyping import Float

from datapare.methods.perturb import Image, Images, PerturbedRows, corrupted, unit


def fog(image: Images, rng: np.random.Generator, *, share: float = 0.2, density: float = 0.7) -> PerturbedRows:
    """Whiten floor(share * N) images by half of `density` where the cloud is thin, up to all of it where it is thick.

    Args:
        image: uint8 (N, H, W, C), or N arrays (H, W, C) of sizes of their own.
        rng: Source of the draws; the same state gives the same change.
        share: Fraction of the images that change, in (0, 1].
        density: Density of the thickest fog, in (0, 1]; 1 = white.

    Returns:
        The N rows, and the changed images, one uint8 (H, W, C) per touched row.

    Raises:
        InputError: For a share or a density outside (0, 1].

    >>> black = np.zeros((1, 16, 16, 1), np.uint8)
    >>> foggy = fog(black, np.random.default_rng(0), share=1.0, density=0.8).image[0]
    >>> int(foggy.min()), int(foggy.max())
    (102, 204)
    """
    unit("density", density)
    return corrupted(image, share, rng, lambda one: corrupt_image(one, rng, density))


def corrupt_image(image: Image, rng: np.random.Generator, density: float = 0.7) -> Image:
    """Lay a cloud over one image.

    Args:
        image: uint8 (H, W, C).
        rng: Source of the cloud.
        density: Density of the thickest fog, in (0, 1].

    Returns:
        The changed image, uint8 (H, W, C).
    """
    thick = density * (1 + cloud(image.shape[0], image.shape[1], rng)[..., None]) / 2
    foggy: Image = np.rint((1 - thick) * image + thick * 255).astype(np.uint8)
    return foggy


def cloud(height: int, width: int, rng: np.random.Generator) -> Float[np.ndarray, "H W"]:
    """Draw smooth random numbers, coarse ones counting more than fine ones.

    Args:
        height: Rows, H.
        width: Columns, W.
        rng: Source of the numbers.

    Returns:
        float64 (H, W), from 0 to 1.
    """
    total = np.zeros((height, width))
    for k in range(1, 5):
        grid = rng.random((2**k + 1, 2**k + 1))
        total += 2.0**-k * stretched(stretched(grid, height).T, width).T
    low, high = total.min(), total.max()
    return (total - low) / (high - low) if high > low else np.zeros_like(total)


def stretched(grid: Float[np.ndarray, "G L"], side: int) -> Float[np.ndarray, "S L"]:
    """Stretch the first axis to `side` entries, linearly between the grid's.

    Args:
        grid: float (G, L).
        side: Entries of the stretched axis, S.

    Returns:
        float (S, L).

    >>> stretched(np.array([[0.0], [2.0]]), 3).tolist()
    [[0.0], [1.0], [2.0]]
    """
    at = np.linspace(0, len(grid) - 1, side)
    below = np.minimum(at.astype(int), len(grid) - 2)
    part = (at - below)[:, None]
    between: Float[np.ndarray, "S L"] = (1 - part) * grid[below] + part * grid[below + 1]
    return between
