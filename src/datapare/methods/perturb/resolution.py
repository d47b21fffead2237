"""resolution: shrink a share of the images and enlarge them again, so that their details are gone.

    x' = enlarge(shrink(x)): the mean over boxes down to scale * H by scale * W, bilinear back up

Source      Named in arXiv:2502.06905 (Cho, Shin, Kang, Yun, 2025), unverified; filters and scale are ours.
Reads       image (N, H, W, C): bytes; images may have sizes of their own.
Parameters  share: fraction of the images that change; scale: fraction of height and width that remains in
            detail.
"""

import numpy as np

from datapare.methods.perturb import Image, Images, PerturbedRows, corrupted, unit


def resolution(image: Images, rng: np.random.Generator, *, share: float = 0.2, scale: float = 0.25) -> PerturbedRows:
    """Leave floor(share * N) images only `scale` of their height and width in detail.

    Args:
        image: uint8 (N, H, W, C), or N arrays (H, W, C) of sizes of their own.
        rng: Source of the draws; the same state gives the same change.
        share: Fraction of the images that change, in (0, 1].
        scale: Fraction of height and width that remains in detail, in (0, 1].

    Returns:
        The N rows, and the changed images, one uint8 (H, W, C) per touched row.

    Raises:
        InputError: For a share or a scale outside (0, 1].

    >>> checks = (np.indices((4, 4)).sum(0) % 2 * 254).astype(np.uint8).reshape(1, 4, 4, 1)
    >>> np.unique(resolution(checks, np.random.default_rng(0), share=1.0, scale=0.5).image[0]).tolist()
    [127]
    """
    unit("scale", scale)
    return corrupted(image, share, rng, lambda one: corrupt_image(one, scale))


def corrupt_image(image: Image, scale: float = 0.25) -> Image:
    """Shrink and enlarge one image.

    Args:
        image: uint8 (H, W, C).
        scale: Fraction of height and width that remains in detail, in (0, 1].

    Returns:
        The changed image, uint8 (H, W, C).
    """
    from PIL import Image as Picture

    height, width = image.shape[:2]
    small = max(1, round(width * scale)), max(1, round(height * scale))
    channels = []
    for c in range(image.shape[2]):
        shrunk = Picture.fromarray(image[..., c]).resize(small, Picture.Resampling.BOX)
        channels.append(np.asarray(shrunk.resize((width, height), Picture.Resampling.BILINEAR)))
    return np.stack(channels, axis=-1)  # (H, W, C)
