"""Held-out examples that are also, or nearly, training examples: an accuracy on them proves little."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from datapare.data import keys
from datapare.data.columns import require
from datapare.data.dataset import Dataset, column, images, texts
from datapare.data.image_io import in_threads

if TYPE_CHECKING:
    from PIL import Image

SIDE = 16  # pixels of the grey thumbnails that are compared
SAME = 0.08  # of the contrast: root mean square difference up to which two images are one (near_duplicates.json)
FLAT = 8.0  # of 255: contrast below which noise would be taken for content
BRIGHTER = 50.0  # of 255: difference in brightness that alone makes two images of one
_BLOCK = 1024
_SHOWN = 3


def leaks(train: Dataset, held_out: Dataset, group: str | None = None) -> list[str]:
    """Return sentences about examples and groups that are on both sides of a split.

    Args:
        train: The training examples.
        held_out: The held-out ones.
        group: Column of the groups that no split may share; None for no groups.

    Returns:
        No sentence, one or two.

    Raises:
        InputError: Where a dataset lacks the column of groups.
    """
    found = []
    pairs = near_duplicates(train, held_out)
    if len(pairs):
        shown = ", ".join(f"{held_out.name[i]} ({train.name[j]})" for i, j in pairs[:_SHOWN].tolist())
        more = ", …" if len(pairs) > _SHOWN else ""
        found.append(
            f"{len(pairs):,} of {len(held_out):,} held-out examples ({held_out.split}) have a near-duplicate in the "
            f"training data: {shown}{more}; remove them from one side, or accuracies are too high"
        )
    if group is not None and (shared := _shared_groups(train, held_out, group)):
        more = ", …" if len(shared) > _SHOWN else ""
        found.append(
            f"{len(shared):,} groups of {group!r} are in the training data and in the held-out data "
            f"({held_out.split}): {', '.join(shared[:_SHOWN])}{more}; keep each on one side"
        )
    return found


def near_duplicates(train: Dataset, held_out: Dataset) -> NDArray[np.int64]:
    """Find the held-out examples that are also training examples, whatever their labels.

    Images are compared as grey thumbnails of one contrast, mirrored too, so that another size, compression, brightness
    or contrast does not hide one (crops and shifts do); texts without case,
    spaces and punctuation; everything else value by value.

    Args:
        train: The training examples.
        held_out: Examples of the same kind; of another kind none is a duplicate.

    Returns:
        Pairs (n, 2) of positions: of the held-out example, and of one training example that is like it.

    >>> from datapare.data import open_dataset
    >>> train = open_dataset((np.eye(4), [0, 1, 0, 1]))
    >>> held_out = open_dataset((np.array([[0, 0, 0, 1], [0, 0, 0, 2], [0, 0, 3, 0], [1, 1, 0, 0.0]]), [0, 1, 0, 1]))
    >>> near_duplicates(train, held_out).tolist()
    [[0, 3]]
    """
    if train.kind != held_out.kind:
        return np.empty((0, 2), np.int64)
    if train.kind == "image":
        return _alike_images(train, held_out)
    ours, theirs = _fingerprints(train), _fingerprints(held_out)
    order = np.argsort(ours, kind="stable")
    at = order[np.minimum(np.searchsorted(ours, theirs, sorter=order), len(ours) - 1)]
    same = np.flatnonzero(ours[at] == theirs)
    return np.stack([same, at[same]], axis=1)


def _fingerprints(data: Dataset) -> NDArray[np.uint64]:
    if data.kind == "text":
        return keys.text_keys(re.sub(r"[\W_]+", "", one).casefold() or one for one in texts(data))
    if data.array is not None:
        return keys.array_keys(data.array)
    return keys.content_keys(data.rows, data.inputs, np.zeros(1, np.uint64), np.zeros(len(data), np.int64))


def _alike_images(train: Dataset, held_out: Dataset) -> NDArray[np.int64]:
    from datapare.numerics.neighbors import neighbours

    theirs = thumbnails(held_out)
    distance, nearest = neighbours(
        features(thumbnails(train)), features(np.concatenate([theirs, theirs[:, :, ::-1]])), 1
    )
    both, near = (one[:, 0].reshape(2, len(held_out)) for one in (distance, nearest))
    turned, at = both.argmin(axis=0), np.arange(len(held_out))
    same = np.flatnonzero(both[turned, at] <= SAME * SIDE)  # the root of SIDE * SIDE squares
    return np.stack([same, near[turned, at][same]], axis=1)


def features(thumbnail: NDArray[np.float32]) -> NDArray[np.float32]:
    """Thumbnails (N, SIDE, SIDE) as (N, SIDE * SIDE + 1) numbers whose distance ignores contrast, and some brightness.

    >>> one = np.arange(256, dtype=np.float32).reshape(1, 16, 16)
    >>> bool(np.linalg.norm(features(one) - features(one * 0.5 + 60)) < SAME * SIDE)
    True
    """
    flat = thumbnail.reshape(len(thumbnail), -1)
    mean = flat.mean(axis=1, keepdims=True)
    contrast = np.maximum(flat.std(axis=1, keepdims=True), FLAT)
    return np.concatenate([(flat - mean) / contrast, mean * (SAME * SIDE / BRIGHTER)], axis=1).astype(np.float32)


def thumbnails(data: Dataset) -> NDArray[np.float32]:
    """Each image as SIDE x SIDE grey values (N, SIDE, SIDE)."""
    out = np.empty((len(data), SIDE, SIDE), np.float32)
    for start in range(0, len(data), _BLOCK):
        block = images(data, range(start, min(start + _BLOCK, len(data))))
        out[start : start + len(block)] = [*in_threads(thumbnail_of, block)]
    return out


def thumbnail_of(image: "Image.Image") -> NDArray[np.float32]:
    """One image as SIDE x SIDE grey values."""
    from PIL.Image import Resampling

    # a triangle that spans whole steps, as a box takes or leaves whole pixels, others in a mirrored image
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Resampling.BILINEAR), np.float32)


def _shared_groups(train: Dataset, held_out: Dataset, group: str) -> Sequence[str]:
    both = [
        {str(value) for value in column(one.rows, require(one.rows.column_names, group, "group")).unique().to_pylist()}
        for one in (train, held_out)
    ]
    return sorted((both[0] & both[1]) - {"None"})
