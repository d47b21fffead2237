"""Features that are not learned: with a linear head on them a recording takes seconds (`model="features"`).

    images      filters = whitened patches drawn from the images; rectified responses, averaged in four quadrants
    texts       words and pairs of neighbours, hashed, weighted by rarity, rows of unit length
    tables      the columns, and cosines of random projections of them
    embeddings  the vectors as they are

Source      Images: Coates & Ng, 2012, "Learning feature representations with k-means", with random patches in place of
            centroids. Texts: arXiv:0902.2206, Weinberger et al., 2009. Tables: Rahimi & Recht, 2007.
Ours        Images above 32 px are reduced to 32 first. Columns are standardised, but for those of texts, which are
            divided by one number together, so that rare words stay small.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, conv2d

from datapare.artifacts import Kind
from datapare.data import Encoding, Inputs
from datapare.data.encodings.base import allocate

NAME = "features"
SIDE, PATCH, FILTERS = 32, 6, 128  # pixels, pixels, number: 8 * FILTERS features
THRESHOLD = 0.25  # responses below are 0, of filters of unit length
HASHED = 1024
COSINES = 512
DRAWN = 10_000  # patches, texts or rows that whitening, rarity and scale are measured on
CHUNK = 500  # examples at a time

Floats = NDArray[np.float32]


def frozen(inputs: Inputs, *, seed: int) -> Inputs:
    """Return features of the examples that no training made, as numbers that a linear layer reads.

    Args:
        inputs: Encoded examples of any kind, N of them.
        seed: Seed of the patches and projections.

    Returns:
        Inputs of kind table, float32 (N, d), the same for the same arguments.

    >>> rows = Inputs(np.eye(3, dtype=np.float32), Encoding("embedding", width=3))
    >>> frozen(rows, seed=0).array.astype(float).round(2).tolist()
    [[1.41, -0.71, -0.71], [-0.71, 1.41, -0.71], [-0.71, -0.71, 1.41]]
    """
    made = MAKERS[inputs.encoding.kind](inputs.array, np.random.default_rng([seed, 12]))
    some = made[:: max(1, len(made) // DRAWN)]
    if inputs.encoding.kind == "text":
        mean, std = np.float32(0), np.sqrt(np.square(some).mean()).clip(1e-12)
    else:
        mean, std = some.mean(axis=0), some.std(axis=0)
        std = std.clip(max(float(std.mean()) * 1e-2, 1e-6))
    scaled = allocate(made.shape, np.float32)
    for low in range(0, len(made), CHUNK):
        scaled[low : low + CHUNK] = (made[low : low + CHUNK] - mean) / std
    return Inputs(scaled, Encoding("table", width=scaled.shape[1]))


def patch_responses(images: NDArray[np.uint8], rng: np.random.Generator) -> Floats:
    """Return how strongly random patches of the images answer in each quadrant of each image.

    Args:
        images: uint8 (N, H, W, C).
        rng: Source of the patches.

    Returns:
        float32 (N, 8 * FILTERS): responses above the threshold and, negated, below its negative; four quadrants each.
    """
    some = _planes(images[np.sort(rng.choice(len(images), min(len(images), DRAWN // 10), replace=False))])
    kernel, offset = _filters(some, rng)
    out = allocate((len(images), 8 * len(kernel)), np.float32)
    for low in range(0, len(images), CHUNK):
        found = _responses(_planes(images[low : low + CHUNK]), kernel, offset)
        both = torch.cat([(found - THRESHOLD).relu(), (-found - THRESHOLD).relu()], dim=1)
        out[low : low + CHUNK] = adaptive_avg_pool2d(both, 2).flatten(1).numpy()
    return out


def hashed_words(tokens: NDArray[np.int32], rng: np.random.Generator) -> Floats:
    """Return which words and pairs of neighbouring words each text has, in HASHED places.

    Args:
        tokens: int32 (N, L), 0 pads.
        rng: Not drawn from; hashing needs no seed.

    Returns:
        float32 (N, HASHED), rows of unit length, weighted by the logarithm of how few texts share a place.
    """
    del rng
    out = allocate((len(tokens), HASHED), np.float32)
    for low in range(0, len(tokens), CHUNK):
        some = tokens[low : low + CHUNK].astype(np.uint64)
        there = some != 0
        pair = np.where(there[:, 1:] & there[:, :-1], some[:, :-1] * np.uint64(1_000_003) + some[:, 1:], 0)
        row, column = np.nonzero(np.concatenate([there, pair != 0], axis=1))
        place = _hashed(np.concatenate([some, pair], axis=1)[row, column])
        out[low + row, place] = 1
    share = out.mean(axis=0)
    out *= np.log((1 + len(out)) / (1 + len(out) * share)).astype(np.float32)
    out /= np.maximum(np.sqrt(np.square(out).sum(axis=1, keepdims=True)), 1e-6)
    return out


def cosines(rows: Floats, rng: np.random.Generator) -> Floats:
    """Return the columns of a table and cosines of random projections of them, which bend a linear layer.

    Args:
        rows: float32 (N, F), standardised.
        rng: Source of the projections.

    Returns:
        float32 (N, F + COSINES).
    """
    width = rows.shape[1]
    scale = np.sqrt(2 / max(width * float(rows[:: max(1, len(rows) // DRAWN)].var()), 1e-12))
    direction = (rng.standard_normal((width, COSINES)) * scale).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, COSINES).astype(np.float32)
    out = allocate((len(rows), width + COSINES), np.float32)
    for low in range(0, len(rows), CHUNK):
        some = rows[low : low + CHUNK]
        out[low : low + CHUNK, :width] = some
        out[low : low + CHUNK, width:] = np.sqrt(2) * np.cos(some @ direction + phase)
    return out


def as_they_are(rows: Floats, rng: np.random.Generator) -> Floats:
    """Return the vectors themselves, float32 (N, F); nothing is drawn from `rng`."""
    del rng
    return rows


MAKERS: dict[Kind, Callable[..., Floats]] = {
    "image": patch_responses, "text": hashed_words, "table": cosines, "embedding": as_they_are,
}  # fmt: skip


def _planes(images: NDArray[np.uint8]) -> Tensor:
    """Images as (B, C, H, W) floats of 0..255, no side above SIDE."""
    planes = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    height, width = planes.shape[2:]
    return adaptive_avg_pool2d(planes, (min(height, SIDE), min(width, SIDE)))


def _filters(planes: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Kernels (K, C, h, w) that whiten and then compare with a whitened patch, and what they say of the mean patch."""
    height, width = (min(PATCH, side) for side in planes.shape[2:])
    windows = planes.unfold(2, height, 1).unfold(3, width, 1)  # (B, C, rows, columns, h, w)
    image, row, column = (rng.integers(windows.shape[axis], size=DRAWN) for axis in (0, 2, 3))
    patches = windows[image, :, row, column].flatten(1).double()  # (DRAWN, C * h * w)
    patches = (patches - patches.mean(1, keepdim=True)) / (patches.var(1, unbiased=False, keepdim=True) + 10).sqrt()
    mean = patches.mean(0)
    variance, axes = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
    whiten = axes @ torch.diag((variance.clamp(min=0) + 0.1).rsqrt()) @ axes.T
    chosen = (patches[:FILTERS] - mean) @ whiten
    chosen = chosen / chosen.norm(dim=1, keepdim=True).clamp(min=1e-9)
    kernel = chosen @ whiten
    shape = (len(kernel), planes.shape[1], height, width)
    return kernel.reshape(shape).float(), (kernel @ mean).float()


def _responses(planes: Tensor, kernel: Tensor, offset: Tensor) -> Tensor:
    """What each filter says of each patch (B, K, rows, columns), the patches freed of brightness and contrast."""
    height, width = kernel.shape[2:]
    stride = 2 if min(planes.shape[2:]) >= 2 * PATCH else 1  # neighbours say nearly the same
    grey, square = planes.mean(1, keepdim=True), planes.square().mean(1, keepdim=True)
    mean = avg_pool2d(grey, (height, width), stride)
    spread = (avg_pool2d(square, (height, width), stride) - mean.square()).clamp(min=0)
    plain = conv2d(planes, kernel, stride=stride) - mean * kernel.sum((1, 2, 3))[:, None, None]
    return plain / (spread + 10).sqrt() - offset[:, None, None]


def _hashed(number: NDArray[np.uint64]) -> NDArray[np.int64]:
    """A place below HASHED for each number, evenly spread (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((number ^ (number >> np.uint64(31))) % np.uint64(HASHED)).astype(np.int64)
