"""occlusion: black out a rectangle, at a place of its own, in each of a share of the images.

    sides sqrt(area) * H and sqrt(area) * W, the corner uniform over the places where it fits

Source      Named in arXiv:2502.06905 (Cho, Shin, Kang, Yun, 2025), unverified; shape and size are ours.
Reads       image (N, H, W, C): bytes; images may have sizes of their own.
Parameters  share: fraction of the images that change; area: fraction of each image that is blacked out.
"""

import numpy as np

from datapare.methods.perturb import Image, Images, PerturbedRows, corrupted, unit


def occlusion(image: Images, rng: np.random.Generator, *, share: float = 0.2, area: float = 0.25) -> PerturbedRows:
    """Black out the fraction `area` of floor(share * N) images.

    Args:
        image: uint8 (N, H, W, C), or N arrays (H, W, C) of sizes of their own.
        rng: Source of the draws; the same state gives the same change.
        share: Fraction of the images that change, in (0, 1].
        area: Fraction of an image that is blacked out, in (0, 1].

    Returns:
        The N rows, and the changed images, one uint8 (H, W, C) per touched row.

    Raises:
        InputError: For a share or an area outside (0, 1].

    >>> white = np.full((1, 8, 8, 1), 255, np.uint8)
    >>> int((occlusion(white, np.random.default_rng(0), share=1.0, area=0.25).image[0] == 0).sum())
    16
    """
    unit("area", area)
    return corrupted(image, share, rng, lambda one: corrupt_image(one, rng, area))


def corrupt_image(image: Image, rng: np.random.Generator, area: float = 0.25) -> Image:
    """Black out one rectangle.

    Args:
        image: uint8 (H, W, C).
        rng: Source of its place and shape.
        area: Fraction of the image that is blacked out, in (0, 1].

    Returns:
        The changed image, uint8 (H, W, C).
    """
    height, width = (max(1, round(side * area**0.5)) for side in image.shape[:2])
    top, left = rng.integers(image.shape[0] - height + 1), rng.integers(image.shape[1] - width + 1)
    hidden = image.copy()
    hidden[top : top + height, left : left + width] = 0
    return hidden
