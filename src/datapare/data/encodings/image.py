"""Images of any size as one array of bytes (N, H, W, C)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset, cells
from datapare.data.encodings.dispatch import Encoding, group_name
from datapare.data.image_io import SMALL, decode, headers, in_threads
from datapare.errors import InputError


def fit(data: Dataset, size: int | None) -> Encoding:
    """The size and channels that fit the images: their own up to 96 px if it is one, else a square of `size` px."""
    if size is not None and size < 1:
        raise InputError(f"image_size is a number of pixels, not {size}.")
    if data.array is not None:
        height, width, channels = data.array.shape[1:]
        if size is None and max(height, width) <= SMALL:
            return Encoding("image", height, width, channels)
        side = size or _side([min(height, width)])
        return Encoding("image", side, side, channels)
    found = headers(cells(data.rows, data.inputs[0]))
    side = size or _side([min(width, height) for width, height, _ in found])
    return Encoding("image", side, side, 1 if all(grey for _, _, grey in found) else 3)


def _side(shorter: list[int]) -> int:
    return 64 if float(np.median(shorter)) <= 128 else 128


def apply(data: Dataset, encoding: Encoding) -> NDArray[np.uint8]:
    """Pixels (N, height, width, channels), decoded by all cores."""
    shape = (encoding.height, encoding.width, encoding.channels)
    if data.array is not None and data.array.shape[1:] == shape:
        return np.asarray(data.array, np.uint8)
    out = group_name((len(data), *shape), np.uint8)

    def fitted(numbered: tuple[int, Any]) -> NDArray[np.uint8]:
        i, one = numbered
        try:
            return _fitted(one, encoding)
        except Exception as error:  # a damaged file makes decoders raise anything
            raise InputError(f"{data.name[i]} cannot be decoded ({error}); repair or remove it.") from error

    for i, pixels in enumerate(in_threads(fitted, enumerate(_pictures(data)))):
        out[i] = pixels
    return out


def _pictures(data: Dataset) -> Iterator[Any]:
    if data.array is not None:
        yield from data.array
    else:
        yield from cells(data.rows, data.inputs[0])


def _fitted(one: Any, encoding: Encoding) -> NDArray[np.uint8]:
    """One image, resized to cover (height, width) and cropped to it around its centre."""
    from PIL import Image, ImageOps

    if isinstance(one, np.ndarray):
        image = Image.fromarray(one[..., 0] if one.shape[-1] == 1 else one)
    else:
        image = decode(one, smallest=max(encoding.height, encoding.width))
    image = image.convert("L" if encoding.channels == 1 else "RGB")
    if image.size != (encoding.width, encoding.height):
        image = ImageOps.fit(image, (encoding.width, encoding.height), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(encoding.height, encoding.width, encoding.channels)
