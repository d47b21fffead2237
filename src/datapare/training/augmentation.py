"""Augmentation of whole batches on the device, from an explicit generator.

Images are (B, H, W, C) uint8 as decoded, before normalisation, so what a crop adds is black. One gather moves every
image of a batch by its own offset; nothing loops over examples.

    flip           half of the images, left to right
    crop           4 black pixels around, then a random window of the old size (for 32 pixels; H // 8 at other sizes)
    shift          crop by one pixel: for drawings of digits, which must not be flipped
    resized-crop   a random window of 8..100 % of the area, ratio 3/4..4/3, resized bilinearly to the old size

Released    torchvision draws a window up to ten times until it fits; here its sides are cut to the image's.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from datapare.errors import InputError
from datapare.training.shares import Share, whole


def flip(images: Tensor, generator: torch.Generator, share: Share | None = None, *, chance: float = 0.5) -> Tensor:
    """Return images (B, H, W, C), each mirrored left to right with this chance."""
    share = share or whole(len(images))
    draw = share.drawn(lambda count: torch.rand(count, generator=generator, device=images.device))
    mirrored = draw < chance
    return torch.where(mirrored[:, None, None, None], images.flip(2), images)


def crop(images: Tensor, generator: torch.Generator, share: Share | None = None, *, margin: int) -> Tensor:
    """Return a random window of size (H, W) from each image (B, H, W, C) padded with `margin` black pixels."""
    count, height, width, _ = images.shape
    padded = pad(images, (0, 0, margin, margin, margin, margin))  # (B, H + 2 margin, W + 2 margin, C)
    offset = (share or whole(count)).drawn(
        lambda batch: torch.randint(0, 2 * margin + 1, (2, batch, 1), generator=generator, device=images.device), 1
    )
    rows = offset[0] + torch.arange(height, device=images.device)  # (B, H)
    columns = offset[1] + torch.arange(width, device=images.device)  # (B, W)
    example = torch.arange(count, device=images.device)[:, None, None]
    return padded[example, rows[:, :, None], columns[:, None, :]]


def resized_crop(
    images: Tensor, generator: torch.Generator, share: Share | None = None, *, smallest: float = 0.08
) -> Tensor:
    """Return a random window of each image (B, H, W, C) resized to (H, W): uint8."""
    count, device = len(images), images.device
    draw = (share or whole(count)).drawn(lambda batch: torch.rand((4, batch), generator=generator, device=device), 1)
    area, ratio = smallest + (1 - smallest) * draw[0], (4 / 3) ** (2 * draw[1] - 1)
    wide, high = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)  # shares of the sides
    left, top = (1 - wide) * (2 * draw[2] - 1), (1 - high) * (2 * draw[3] - 1)  # centres, -1..1
    nought = torch.zeros_like(wide)
    affine = torch.stack([wide, nought, left, nought, high, top], dim=1).view(count, 2, 3)
    planes = images.permute(0, 3, 1, 2).float()  # (B, C, H, W)
    grid = affine_grid(affine, list(planes.shape), align_corners=False)
    window = grid_sample(planes, grid, padding_mode="border", align_corners=False)
    return window.round().to(torch.uint8).permute(0, 2, 3, 1)


TRANSFORMS: dict[str, Callable[..., Tensor]] = {
    "flip": flip,
    "crop": lambda images, generator, share=None: crop(images, generator, share, margin=max(1, images.shape[1] // 8)),
    "shift": lambda images, generator, share=None: crop(images, generator, share, margin=1),
    "resized-crop": resized_crop,
}


def augment(images: Tensor, names: tuple[str, ...], generator: torch.Generator, share: Share | None = None) -> Tensor:
    """Return the batch after the named transforms, in their order; InputError for an unknown name.

    Where the images are a `share` of a batch, they are changed as they are when the batch is whole.
    """
    for name in names:
        if name not in TRANSFORMS:
            raise InputError(f"there is no augmentation {name!r}; choose from {', '.join(TRANSFORMS)}.")
        images = TRANSFORMS[name](images, generator, share)
    return images
