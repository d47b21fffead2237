"""Images of any size as one array of bytes (N, H, W, C)."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset, cells
from datapare.data.encodings.base import Encoding, allocate
from datapare.data.image_io import SMALL, Cell, Decoding, decode, header, in_threads, reason_of
from datapare.errors import InputError

LARGEST = 128  # side that images are decoded at unless another is given

Source: TypeAlias = Cell | NDArray[np.uint8]  # an encoded image, or its pixels


def fit(data: Dataset, size: int | None) -> Encoding:
    """Return the size and channels that fit the images: their own up to 96 px if it is one, else a square.

    Args:
        data: The images.
        size: Side of the square in pixels; None means 64 where the median shorter side is up to 128 px, else 128.

    Raises:
        InputError: For a size below one pixel.
    """
    if size is not None and size < 1:
        raise InputError(f"image_size is a number of pixels, not {size}.")
    value_range = data.decoding.value_range
    if data.array is not None:
        height, width, channels = data.array.shape[1:]
        if size is None and max(height, width) <= SMALL:
            return Encoding("image", height, width, channels, value_range=value_range)
        side = size or _side(np.array([min(height, width)]))
        return Encoding("image", side, side, channels, value_range=value_range)
    found = np.fromiter(_headers(data), np.dtype((np.int64, 3)), len(data))
    if size is None and (found[:, :2] == found[0, :2]).all() and found[0, :2].max() <= SMALL:
        width, height, _ = found[0].tolist()
        return Encoding("image", height, width, 1 if found[:, 2].all() else 3, value_range=value_range)
    side = size or _side(found[:, :2].min(axis=1))
    return Encoding("image", side, side, 1 if found[:, 2].all() else 3, value_range=value_range)


def _headers(data: Dataset) -> Iterator[tuple[int, int, bool]]:
    """Yield (width, height, grey) of each image."""

    def read(numbered: tuple[int, Cell]) -> tuple[int, int, bool]:
        with named(data.name, numbered[0]):
            return header(numbered[1], data.decoding)

    return in_threads(read, enumerate(cells(data.rows, data.inputs[0])))


@contextmanager
def named(name: Sequence[str], at: int) -> Iterator[None]:
    """Raise InputError with the name of an image for any error inside: a damaged file makes decoders raise anything."""
    try:
        yield
    except Exception as error:
        raise InputError(f"{name[at]} cannot be decoded ({reason_of(error)}); repair or remove it.") from error


def _side(shorter: NDArray[np.int64]) -> int:
    return 64 if float(np.median(shorter)) <= LARGEST else LARGEST


def apply(data: Dataset, encoding: Encoding) -> NDArray[np.uint8]:
    """Return pixels (N, height, width, channels), decoded by all cores on the scale of the encoding."""
    shape = (encoding.height, encoding.width, encoding.channels)
    decoding = decoding_of(data, encoding)
    decoded = data.array is not None and (decoding == data.decoding or data.inputs[0] not in data.rows.column_names)
    if decoded and data.array is not None and data.array.shape[1:] == shape:
        return np.asarray(data.array, np.uint8)
    source: Iterable[Source] = data.array if decoded and data.array is not None else cells(data.rows, data.inputs[0])
    out = allocate((len(data), *shape), np.uint8)

    def pixels_of(numbered: tuple[int, Source]) -> NDArray[np.uint8]:
        with named(data.name, numbered[0]):
            return fitted(numbered[1], encoding, decoding)

    for i, pixels in enumerate(in_threads(pixels_of, enumerate(source))):
        out[i] = pixels
    return out


def decoding_of(data: Dataset, encoding: Encoding) -> Decoding:
    """Return how the images of a dataset are decoded on the scale of an encoding."""
    return replace(data.decoding, value_range=encoding.value_range)


def fitted(source: Source, encoding: Encoding, decoding: Decoding) -> NDArray[np.uint8]:
    """One image, resized to cover (height, width) and cropped to it around its centre."""
    from PIL import Image, ImageOps

    if isinstance(source, np.ndarray):
        image = Image.fromarray(source[..., 0] if source.shape[-1] == 1 else source)
    else:
        image = decode(source, decoding, smallest=max(encoding.height, encoding.width))
    image = image.convert("L" if encoding.channels == 1 else "RGB")
    if image.size != (encoding.width, encoding.height):
        image = ImageOps.fit(image, (encoding.width, encoding.height), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(encoding.height, encoding.width, encoding.channels)
