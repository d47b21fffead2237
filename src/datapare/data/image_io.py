"""Read encoded images: the bytes, a safe decoder, 8-bit pixels on one scale, and the check that all of them decode."""

import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from datapare.data.remote import is_url
from datapare.data.shard_copies import shard_copy
from datapare.numerics.threads import cores

if TYPE_CHECKING:
    from PIL import Image, ImageFile

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)
# the decoders that may see a file, whatever its name says: Pillow would hand PostScript to an interpreter otherwise
DECODERS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "DIB", "GIF", "TIFF", "PPM")
MAX_PIXELS = 89_478_485  # where Pillow starts to warn: a quarter of a GiB of RGB
SMALL = 96
RANGE_SAMPLE = 256
_KEPT_BYTES = 1 << 30
_MOST_THREADS = 8


class ImageReference(TypedDict, total=False):
    """An encoded image: its bytes, or the file it is, or its place (offset, size) in an archive file or at a URL."""

    bytes: bytes | None
    path: str | None
    offset: int | None
    size: int | None


Cell: TypeAlias = bytes | ImageReference | None
Range: TypeAlias = tuple[float, float]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Decoding:
    """How encoded images become 8-bit pixels, the same for every image of a dataset.

    Attributes:
        max_pixels: Images with more pixels are refused before they are decoded.
        value_range: The values shown as black and as white in images of more than 8 bits per channel; None where no
            image of the dataset is such a one, or where that is not known yet.
    """

    max_pixels: int = MAX_PIXELS
    value_range: Range | None = None


def image_bytes(cell: Cell) -> bytes:
    """Return the encoded bytes of an image cell: bytes, {bytes, path}, or {path, offset, size} inside an archive."""
    if cell is None:
        raise ValueError("there is no image")
    if isinstance(cell, bytes):
        return cell
    if (stored := cell.get("bytes")) is not None:
        return bytes(stored)
    if (path := cell.get("path")) is None:
        raise ValueError("there is no image")
    if (offset := cell.get("offset")) is not None:
        if is_url(path):
            return shard_copy(path).read_at(offset, cell.get("size") or 0)
        with Path(path).open("rb") as file:
            return os.pread(file.fileno(), cell.get("size") or 0, offset)
    return Path(path).read_bytes()


def decode(cell: Cell, decoding: Decoding | None = None, smallest: int | None = None) -> "Image.Image":
    """Decode an image to grey ("L") or "RGB", turned upright, transparent parts over white.

    Args:
        cell: The encoded image.
        decoding: Limit and scale; by default those of a dataset without images of more than 8 bits.
        smallest: Lets a JPEG be decoded at 1/2, 1/4 or 1/8 of its size, its shorter side still at least that many
            pixels.

    Raises:
        ValueError: For an image above the limit; a damaged image makes decoders raise anything.
    """
    decoding = decoding or Decoding()
    with open_image(cell, decoding.max_pixels) as image:
        return _loaded(image, decoding.value_range or (0.0, 65535.0), smallest)


def open_image(cell: Cell, max_pixels: int = MAX_PIXELS) -> "ImageFile.ImageFile":
    """Read the header of an encoded image with one of `DECODERS`, and refuse it above `max_pixels`."""
    from PIL import Image

    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = max_pixels  # the user asked for more; Pillow has one limit per process
    try:
        image = Image.open(io.BytesIO(image_bytes(cell)), formats=DECODERS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(_too_large("far more", max_pixels)) from None
    if image.width * image.height > max_pixels:
        raise ValueError(_too_large(f"{image.width:,} x {image.height:,}", max_pixels))
    return image


def _too_large(size: str, max_pixels: int) -> str:
    return f"it has {size} pixels, and the limit is {max_pixels:,} in all; raise it with --max-pixels if you trust it"


def _loaded(image: "ImageFile.ImageFile", value_range: Range, smallest: int | None) -> "Image.Image":
    from PIL import ImageOps

    if smallest is not None and min(image.size) >= 2 * smallest:
        scale = smallest / min(image.size)
        image.draft(None, (round(image.width * scale), round(image.height * scale)))
    values = deep_values(image)
    shown: Image.Image = image
    if values is not None:
        shown = _as_8_bits(values, value_range)
        shown.info.update({name: image.info[name] for name in ("exif",) if name in image.info})
    shown.load()
    upright = ImageOps.exif_transpose(shown) if "exif" in shown.info else shown
    plain = upright.mode in {"L", "RGB"} and "transparency" not in upright.info
    return upright if plain else _over_white(upright)


def _over_white(image: "Image.Image") -> "Image.Image":
    """The image in grey or RGB; what is transparent shows a white ground."""
    from PIL import Image

    mode = "L" if _is_grey(image.mode) else "RGB"
    if not image.has_transparency_data:
        return image.convert(mode)
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert(mode)


def _is_grey(mode: str) -> bool:
    return mode in {"L", "1", "LA", "La", "F"} or mode.startswith("I")


def deep_values(image: "ImageFile.ImageFile") -> NDArray[np.float64] | None:
    """Decode the values of an image of more than 8 bits per channel; None, and nothing decoded, for any other.

    Returns:
        (H, W) of grey images, (H, W, 3) of RGB, (H, W, 4) with alpha, which runs from 0 to 65535.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        image.load()
        return np.nan_to_num(np.asarray(image, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    raw = _raw_mode(image)
    if raw.partition(";")[0] != image.mode or ";16" not in raw:
        return None
    # Pillow keeps the high bytes of 16-bit colours alone; read in the other byte order, it keeps the low ones
    swapped = raw[:-1] + ("L" if raw.endswith("B") else "B")
    with open_image(image.fp.getvalue(), image.width * image.height) as again:  # type: ignore[union-attr]
        again.tile = [tile._replace(args=_with_raw_mode(tile.args, swapped)) for tile in again.tile]
        low = np.asarray(again, np.float64)
    image.load()
    return np.asarray(image, np.float64) * 256 + low


def _raw_mode(image: "ImageFile.ImageFile") -> str:
    """How the pixels are stored in the file, such as "RGB;16B"; empty where the decoder does not say."""
    args = image.tile[0].args if image.tile else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _with_raw_mode(args: tuple[object, ...] | str | None, raw: str) -> tuple[object, ...] | str:
    return (raw, *args[1:]) if isinstance(args, tuple) else raw


def _as_8_bits(values: NDArray[np.float64], value_range: Range) -> "Image.Image":
    from PIL import Image

    black, white = value_range
    colour = values[..., :3] if values.ndim == 3 else values
    shown = np.rint((colour.clip(black, white) - black) * (255 / (white - black))).astype(np.uint8)
    if values.ndim == 3 and values.shape[2] == 4:
        alpha = np.rint(values[..., 3:] * (255 / 65535)).astype(np.uint8)
        return Image.fromarray(np.concatenate([shown, alpha], axis=2))
    return Image.fromarray(shown)


def display_range(low: float, high: float) -> Range:
    """The values shown as black and white where a dataset's values run from `low` to `high`: 0, 1 or powers of two.

    Rounding to powers of two gives the splits of a dataset, and its subsets, the same range.

    >>> display_range(0, 2499), display_range(0, 0.7), display_range(-1000, 3000)
    ((0.0, 4095.0), (0.0, 1.0), (-1024.0, 4095.0))
    """
    white = 1.0 if high <= 1 else max(255.0, 2.0 ** np.ceil(np.log2(high + 1)) - 1)
    black = 0.0 if low >= 0 else -(2.0 ** np.ceil(np.log2(-low)))
    return float(black), float(white)


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], block: int = 64) -> Iterator[Result]:
    """Yield `work(item)` of each item in order, computed in blocks over a thread per core.

    Decoders release the interpreter's lock, so threads are enough.
    """
    from PIL import AvifImagePlugin

    # otherwise each AVIF starts its own threads: 258 instead of 133 us of processor time for a CIFAR-10 image
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    items = iter(items)
    blocks = iter(lambda: list(islice(items, block)), [])
    threads = min(_MOST_THREADS, cores())
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(_block, work, batch) for batch in islice(blocks, 2 * threads)]
        while waiting:
            yield from waiting.pop(0).result()
            waiting += [pool.submit(_block, work, batch) for batch in islice(blocks, 1)]


def _block(work: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [work(item) for item in items]


@dataclass(frozen=True, eq=False)
class ImageCheck:
    """What decoding every image of a dataset showed.

    Attributes:
        bad: {row: reason} of the images that cannot be decoded.
        pixels: The decoded images (N good, H, W, C) uint8 where all are small and of one size; C = 1 if all are grey.
        decoding: How to decode them again.
    """

    bad: dict[int, str]
    pixels: NDArray[np.uint8] | None
    decoding: Decoding


def validate_images(
    items: Callable[[], Iterable[Cell]],
    count: int,
    decoding: Decoding | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImageCheck:
    """Decode each image once, as training does: one that passes here can be trained on.

    A JPEG of more than 96 px is decoded at an eighth of its size, which reads all of its data. Where images of more
    than 8 bits are among them, all are decoded a second time on the scale that fits the values of all.

    Args:
        items: Returns the `count` encoded images in order; called once or twice.
        count: How many there are.
        decoding: Limit and scale; without a scale it is found.
        progress: Called with (images checked, `count`) now and then.
    """
    decoding = decoding or Decoding()
    found = _validate(items(), count, decoding, progress)
    if found.decoding.value_range == decoding.value_range:
        return found
    return _validate(items(), count, found.decoding, progress)


def _validate(
    items: Iterable[Cell], count: int, decoding: Decoding, progress: Callable[[int, int], None] | None
) -> ImageCheck:
    bad: dict[int, str] = {}
    ranges: list[Range] = []
    pixels: NDArray[np.uint8] | None = None
    alike, good = True, 0
    for row, found in enumerate(in_threads(lambda cell: _try_to_decode(cell, decoding), items)):
        if progress is not None and row % 256 == 0:
            progress(row, count)
        if isinstance(found, str):
            bad[row] = found
            continue
        if isinstance(found, tuple):
            ranges.append(found)
        small = isinstance(found, np.ndarray)
        alike = alike and small and (pixels is None or found.shape[:2] == pixels.shape[1:3])  # type: ignore[union-attr]
        if alike and isinstance(found, np.ndarray) and 3 * found[..., 0].size * count <= _KEPT_BYTES:
            pixels = _placed(pixels, found, good, count)
            good += 1
        else:
            alike, pixels = False, None
    if progress is not None:
        progress(count, count)
    return ImageCheck(bad, None if pixels is None else pixels[:good], _with_range(decoding, ranges))


def _with_range(decoding: Decoding, ranges: list[Range]) -> Decoding:
    if not ranges or decoding.value_range is not None:
        return decoding
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return replace(decoding, value_range=display_range(low, high))


def sampled_decoding(
    items: Callable[[list[int]], Iterable[Cell]], count: int, max_pixels: int = MAX_PIXELS
) -> Decoding:
    """Return limit and scale for images that are not checked: the scale fits up to 256 of them, evenly spaced."""
    rows = np.unique(np.linspace(0, count - 1, min(count, RANGE_SAMPLE)).astype(int)).tolist() if count else []
    return _validate(items(rows), len(rows), Decoding(max_pixels), None).decoding


def _placed(pixels: NDArray[np.uint8] | None, found: NDArray[np.uint8], at: int, count: int) -> NDArray[np.uint8]:
    """The pixels with one more image (H, W, C) in its place; grey ones become RGB when the first colour comes."""
    if pixels is None:
        pixels = np.empty((count, *found.shape), np.uint8)
    if found.shape[2] > pixels.shape[3]:
        pixels = np.repeat(pixels, 3, axis=3)
    pixels[at] = found
    return pixels


def _try_to_decode(cell: Cell, decoding: Decoding) -> NDArray[np.uint8] | Range | str | None:
    """Pixels of a small image, None for a larger one that can be decoded, the reason for one that cannot.

    Of an image of more than 8 bits the least and greatest value, while the scale of the dataset is not known.
    """
    try:
        with open_image(cell, decoding.max_pixels) as image:
            if decoding.value_range is None and (values := deep_values(image)) is not None:
                colour = values[..., :3] if values.ndim == 3 else values
                return float(colour.min()), float(colour.max())
            small = max(image.size) <= SMALL
            shown = _loaded(image, decoding.value_range or (0.0, 65535.0), None if small else 1)
            pixels = np.asarray(shown) if small else None
            return pixels if pixels is None or pixels.ndim == 3 else pixels[..., None]
    except FileNotFoundError:
        return "there is no such file"
    except Exception as error:  # noqa: BLE001 (a damaged file makes decoders raise anything)
        return "it is empty" if _is_empty(cell) else reason_of(error)


def _is_empty(cell: Cell) -> bool:
    try:
        return not image_bytes(cell)
    except (OSError, ValueError):
        return False


def reason_of(error: Exception) -> str:
    """Return why an image cannot be decoded, from what a decoder raised."""
    text = str(error).split("<_io")[0].strip() or type(error).__name__
    return "it is no image that can be read" if "cannot identify" in text else text


def header(cell: Cell, decoding: Decoding) -> tuple[int, int, bool]:
    """Return (width, height, grey) of an image, without decoding it."""
    with open_image(cell, decoding.max_pixels) as image:
        return image.width, image.height, _is_grey(image.mode)
