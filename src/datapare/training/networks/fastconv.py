"""A shallow convolutional network that learns in few epochs: small images are scored with it when time matters.

    whitening   2x2 patches times their eigenvectors, both signs: fixed, from the images alone
    3 stages    convolution, 2x2 max pooling, batch norm, ReLU, convolution, batch norm, ReLU; w, 2 w, 4 w wide
    head        maximum over the picture, one linear layer, logits divided by 9

Convolutions begin as identities on their first channels. Batch norm has no factor, and its shift learns 64 times as
fast as the other weights.

Source      the ideas of airbench94, arXiv:2404.00498, Jordan, 2024. Left out are what would change the recorded
            probabilities (label smoothing, averaged weights, views at test time) and its own order of flips; ReLU takes
            the place of GELU.
Reads       normalised images (B, C, H, W) of at most 64 pixels.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, relu

from datapare.artifacts import Array
from datapare.data import Inputs
from datapare.errors import InputError
from datapare.numerics.threads import fixed_threads
from datapare.training.config import TrainingConfig
from datapare.training.networks.classifier import Classifier

NAMES = ("fastconv",)
KINDS = ("image",)

PATCH = 2  # pixels, the side of what is whitened
MOST_PIXELS = 64  # the side of an image up to which patches of two pixels are a useful first layer
WHITENED_PATCHES = 2**20  # at most, of images evenly spread over the data
FLOOR = 5e-4  # added to the variance of patches, where normalised pixels have 1
FASTER_SHIFT = 8.0  # the factor of a parameter whose steps are to be 64 times as long


def build(inputs: Inputs, num_classes: int, config: TrainingConfig) -> nn.Module:
    """Return the network for these images; InputError for larger ones than it is made for."""
    side = max(inputs.array.shape[1:3])
    if side > MOST_PIXELS:
        raise InputError(
            f"fastconv reads images of at most {MOST_PIXELS} pixels, not {side}; resize them (image_size=32, or "
            "--image-size 32), or choose another model."
        )
    return FastConv(num_classes, whitening(inputs.array), width=config.width)


class FastConv(Classifier):
    """The network on a given first layer.

    Args:
        n_classes: K.
        first: Filters (F, C, 2, 2) of the first convolution, which are not learned.
        width: Channels of the first stage.
    """

    def __init__(self, n_classes: int, first: Tensor, *, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(first.shape[1], len(first), PATCH)
        self.first.weight = nn.Parameter(first.clone(), requires_grad=False)
        nn.init.zeros_(self.first.bias)  # type: ignore[arg-type]
        wide = [len(first), width, 2 * width, 4 * width]
        self.stages = nn.Sequential(*[Stage(a, b) for a, b in pairwise(wide)])
        self.head = Ninth(4 * width, n_classes, bias=False)

    def features(self, x: Tensor) -> Tensor:
        """Return the maxima over the picture (B, 4 w)."""
        maps: Tensor = self.stages(relu(self.first(x), inplace=True))
        return maps.float().amax((2, 3))


class Stage(nn.Module):
    """Two convolutions around a pooling that halves the sides, rounded up."""

    def __init__(self, wide_in: int, wide_out: int) -> None:
        super().__init__()
        self.one, self.two = identity(wide_in, wide_out), identity(wide_out, wide_out)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.norm_one, self.norm_two = ShiftedNorm(wide_out), ShiftedNorm(wide_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, wide_out, H / 2, W / 2)."""
        x = relu(self.norm_one(self.pool(self.one(x))), inplace=True)
        return relu(self.norm_two(self.two(x)), inplace=True)


class ShiftedNorm(nn.BatchNorm2d):
    """Batch norm without a factor, with a shift whose steps are FASTER_SHIFT squared as long."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.weight.requires_grad = False

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that nn.BatchNorm2d gives it
        """Return the normalised maps (B, C, H, W)."""
        return batch_norm(
            input, self.running_mean, self.running_var, self.weight, FASTER_SHIFT * self.bias, self.training,
            self.momentum or 0.0, self.eps,
        )  # fmt: skip


class Ninth(nn.Linear):
    """A linear layer whose result is divided by 9, so that a training begins unsure and learns fast."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that nn.Linear gives it
        """Return the logits (B, K)."""
        return super().forward(input) / 9


def identity(wide_in: int, wide_out: int) -> nn.Conv2d:
    """Return a 3x3 convolution that passes its input on in its first channels; the others are drawn."""
    conv = nn.Conv2d(wide_in, wide_out, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[: min(wide_in, wide_out)])
    return conv


def whitening(images: Array) -> Tensor:
    """Return the filters (2 D, C, 2, 2) that whiten the patches of images (N, H, W, C) uint8, D = 4 C, both signs.

    Pixels are taken as the network reads them up to their mean and their scale over all channels, so that the filters
    of the largest variance respond with a variance of about one.
    """
    pixels = images.shape[1] * images.shape[2]
    some = images[:: max(1, -(-len(images) * pixels // WHITENED_PATCHES))].astype(np.float32)
    some = (some - some.mean((0, 1, 2))) / np.maximum(some.std((0, 1, 2)), 1.0)
    high, wide = some.shape[1] - PATCH + 1, some.shape[2] - PATCH + 1
    corners = [some[:, i : i + high, j : j + wide] for i in range(PATCH) for j in range(PATCH)]
    patch = np.stack(corners, axis=3).transpose(0, 1, 2, 4, 3).reshape(-1, some.shape[3] * PATCH**2)  # (P, D): C, i, j
    with fixed_threads():
        variance, vector = np.linalg.eigh(patch.T @ patch / len(patch))
    largest = np.abs(vector).argmax(0)  # an eigenvector's sign is free: its largest part is positive
    vector *= np.sign(vector[largest, np.arange(len(largest))])
    filters = (vector / np.sqrt(variance + FLOOR)).T.reshape(-1, some.shape[3], PATCH, PATCH)
    return torch.from_numpy(np.concatenate([filters, -filters]).astype(np.float32))
