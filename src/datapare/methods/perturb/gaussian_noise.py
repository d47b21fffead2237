"""gaussian_noise: add noise of its own to every pixel and channel of a share of the images.

    x' = clip(x + 255 * sigma * N(0, 1))

Source      Named in arXiv:2502.06905 (Cho, Shin, Kang, Yun, 2025), unverified; the strength is ours.
Reads       image (N, H, W, C): bytes; images may have sizes of their own.
Parameters  share: of the images that change; sigma: deviation of the noise, as a fraction of white.
"""

import numpy as np

from datapare.errors import InputError
from datapare.methods.perturb import Image, Images, PerturbedRows, corrupted


def gaussian_noise(image: Images, rng: np.random.Generator, *, share: float = 0.2, sigma: float = 0.1) -> PerturbedRows:
    """Add Gaussian noise with deviation `sigma`, as a fraction of white, to floor(share * N) images.

    Raises InputError for a share outside (0, 1] or a sigma that is not positive.

    >>> grey = np.full((1, 40, 40, 1), 128, np.uint8)
    >>> noisy = gaussian_noise(grey, np.random.default_rng(0), share=1.0, sigma=0.1).image[0]
    >>> round(float(noisy.std()) / 255, 2)
    0.1
    """
    if not sigma > 0:
        raise InputError(f"sigma is the noise's deviation as a fraction of white, above 0, not {sigma:g}.")
    return corrupted(image, share, rng, lambda one: corrupt_image(one, rng, sigma))


def corrupt_image(image: Image, rng: np.random.Generator, sigma: float = 0.1) -> Image:
    """Add noise to one image."""
    return np.rint(image + rng.normal(0, 255 * sigma, image.shape)).clip(0, 255).astype(np.uint8)
