"""motion_blur: smear a share of the images along a line, each in a direction of its own.

    x' = mean of x along a line of length * min(H, W) pixels at an angle uniform in [0, pi), edges repeated

Source      Named in arXiv:2502.06905 (Cho, Shin, Kang, Yun, 2025), unverified; the length is ours.
Reads       image (N, H, W, C): bytes; images may have sizes of their own.
Parameters  share: fraction of the images that change; length: length of the smear, as a fraction of the shorter side.
"""

import numpy as np
from jaxtyping import Float

from datapare.methods.perturb import Image, Images, PerturbedRows, corrupted, unit


def motion_blur(image: Images, rng: np.random.Generator, *, share: float = 0.2, length: float = 0.25) -> PerturbedRows:
    """Smear floor(share * N) images over `length` of their shorter side.

    Args:
        image: uint8 (N, H, W, C), or N arrays (H, W, C) of sizes of their own.
        rng: Source of the draws; the same state gives the same change.
        share: Fraction of the images that change, in (0, 1].
        length: Length of the smear, as a fraction of the shorter side, in (0, 1].

    Returns:
        The N rows, and the changed images, one uint8 (H, W, C) per touched row.

    Raises:
        InputError: For a share or a length outside (0, 1].

    >>> dot = np.zeros((1, 9, 9, 1), np.uint8)
    >>> dot[0, 4, 4] = 250
    >>> smeared = motion_blur(dot, np.random.default_rng(0), share=1.0, length=0.6).image[0]
    >>> int((smeared > 0).sum()), int(smeared.max())
    (5, 50)
    """
    unit("length", length)
    return corrupted(image, share, rng, lambda one: corrupt_image(one, rng, length))


def corrupt_image(image: Image, rng: np.random.Generator, length: float = 0.25) -> Image:
    """Smear one image.

    Args:
        image: uint8 (H, W, C).
        rng: Source of the direction.
        length: Length of the smear, as a fraction of the shorter side.

    Returns:
        The changed image, uint8 (H, W, C).
    """
    from scipy.ndimage import convolve

    reach = int(length * min(image.shape[:2]) / 2)
    kernel = line(reach, rng.uniform(0, np.pi))[..., None]  # (L, L, 1)
    smeared: Image = np.rint(convolve(image.astype(np.float64), kernel, mode="nearest")).astype(np.uint8)
    return smeared


def line(reach: int, angle: float) -> Float[np.ndarray, "L L"]:
    """Weigh the pixels of a line through the middle alike.

    Args:
        reach: Pixels that the line reaches to both sides.
        angle: Its angle, in radians.

    Returns:
        float (L, L) with L = 2 * reach + 1, which sums to 1.

    >>> line(1, 0.0).round(2).tolist()
    [[0.0, 0.0, 0.0], [0.33, 0.33, 0.33], [0.0, 0.0, 0.0]]
    """
    along = np.arange(-reach, reach + 1)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    row, column = (np.rint(along * part).astype(int) + reach for part in (np.sin(angle), np.cos(angle)))
    kernel[row, column] = 1
    kernel /= kernel.sum()
    return kernel
