"""gaussian_noise: add noise of its own to every pixel and channel of a share of the images.

    x' = clip(x + 255 * sigma * N(0, 1))

Source      Named in arXiv:2502.06905 (Cho, Shin, Kang, Yun, 2025), unverified; the strength is ours.
Reads       image (N, H, W, C): bytes; images may have sizes of their own.
Parameters  share: fraction of the images that change; sigma: deviation of the noise, as a fraction of white.
"""

import numpy as np

from datapare.errors import InputError
from datapare.methods.perturb import Image, Images, PerturbedRows, corrupted


def gaussian_noise(image: Images, rng: np.random.Generator, *, share: float = 0.2, sigma: float = 0.1) -> PerturbedRows:
    """Add Gaussian noise to floor(share * N) images.

    Args:
        image: uint8 (N, H, W, C), or N arrays (H, W, C) of sizes of their own.
        rng: Source of the draws; the same state gives the same change.
        share: Fraction of the images that change, in (0, 1].
        sigma: Standard deviation of the noise, above 0, as a fraction of white.

    Returns:
        The N rows, and the changed images, one uint8 (H, W, C) per touched row.

    Raises:
        InputError: For a share outside (0, 1] or a sigma that is not positive.

    >>> grey = np.full((1, 40, 40, 1), 128, np.uint8)
    >>> noisy = gaussian_noise(grey, np.random.default_rng(0), share=1.0, sigma=0.1).image[0]
    >>> round(float(noisy.std()) / 255, 2)
    0.1
    """
    if not sigma > 0:
        raise InputError(f"sigma is the noise's deviation as a fraction of white, above 0, not {sigma:g}.")
    return corrupted(image, share, rng, lambda one: corrupt_image(one, rng, sigma))


def corrupt_image(image: Image, rng: np.random.Generator, sigma: float = 0.1) -> Image:
    """Add noise to one image.

    Args:
        image: uint8 (H, W, C).
        rng: Source of the noise.
        sigma: Standard deviation of the noise, as a fraction of white.

    Returns:
        The changed image, uint8 (H, W, C).
    """
    return np.rint(image + rng.normal(0, 255 * sigma, image.shape)).clip(0, 255).astype(np.uint8)
