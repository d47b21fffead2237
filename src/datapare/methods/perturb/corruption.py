"""corruption: corrupt a share of the images by noise, occlusion, low resolution, fog or motion blur, a fifth each.

    kinds dealt out by a random order of the touched images, so that their counts differ by one at most

Source      arXiv:2502.06905, Cho, Shin, Kang, Yun, 2025 (unverified): the five kinds in equal shares, 20 to 40 % of the
            images in all. How strong each kind is was not published: each has the default of its own perturbation.
Reads       image (N, H, W, C): bytes; images may have sizes of their own.
Parameters  share: fraction of the images that change.
"""

from collections.abc import Callable

import numpy as np

from datapare.methods.perturb import Image, Images, PerturbedRows, draw, fog, gaussian_noise, motion_blur, occlusion
from datapare.methods.perturb.resolution import corrupt_image as lower_resolution


def corruption(image: Images, rng: np.random.Generator, *, share: float = 0.2) -> PerturbedRows:
    """Corrupt floor(share * N) images, each in one of five ways.

    Args:
        image: uint8 (N, H, W, C), or N arrays (H, W, C) of sizes of their own.
        rng: Source of the draws; the same state gives the same change.
        share: Fraction of the images that change, in (0, 1].

    Returns:
        The N rows, and the changed images, one uint8 (H, W, C) per touched row.

    Raises:
        InputError: For a share outside (0, 1].

    >>> change = corruption(np.zeros((10, 8, 8, 1), np.uint8), np.random.default_rng(0), share=0.5)
    >>> len(change.touched), sorted(int(one.max()) > 0 for one in change.image)  # noise and fog lighten black
    (5, [False, False, False, True, True])
    """
    kinds: tuple[Callable[[Image], Image], ...] = (
        lambda one: gaussian_noise.corrupt_image(one, rng),
        lambda one: occlusion.corrupt_image(one, rng),
        lower_resolution,
        lambda one: fog.corrupt_image(one, rng),
        lambda one: motion_blur.corrupt_image(one, rng),
    )
    touched = draw(len(image), share, rng)
    kind = rng.permutation(len(touched)) % len(kinds)
    corrupted = [kinds[k](image[int(i)]) for i, k in zip(touched, kind, strict=True)]
    return PerturbedRows(np.arange(len(image)), touched, image=corrupted)
