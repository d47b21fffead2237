"""Encoded images: reading the bytes, proving that they decode, decoding them once."""

import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)
SMALL = 96
_KEPT_BYTES = 1 << 30
_THREADS = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def raw(cell: Any) -> bytes:
    """The encoded bytes of an image cell: bytes, {bytes, path}, or {path, offset, size} inside an archive."""
    if isinstance(cell, bytes):
        return cell
    if cell.get("bytes") is not None:
        return bytes(cell["bytes"])
    if cell.get("offset") is not None:
        with Path(cell["path"]).open("rb") as file:
            return os.pread(file.fileno(), cell["size"], cell["offset"])
    return Path(cell["path"]).read_bytes()


def decode(cell: Any, smallest: int | None = None) -> Any:
    """A loaded `PIL.Image.Image`, grey ("L") or "RGB", turned upright; with `smallest` px allowed to come out smaller.

    `smallest` lets a JPEG decode at 1/2, 1/4 or 1/8 of its size, its shorter side still at least that many pixels.
    """
    from PIL import Image

    with Image.open(io.BytesIO(raw(cell))) as image:
        return _loaded(image, smallest)


def _loaded(image: Any, smallest: int | None) -> Any:
    from PIL import ImageOps

    if smallest is not None and min(image.size) >= 2 * smallest:
        scale = smallest / min(image.size)
        image.draft(None, (round(image.width * scale), round(image.height * scale)))
    image.load()
    upright = ImageOps.exif_transpose(image) if "exif" in image.info else image
    return upright if upright.mode in {"L", "RGB"} else _grey_or_rgb(upright)


def _grey_or_rgb(image: Any) -> Any:
    from PIL import Image

    if _is_grey(image.mode) and not image.mode.startswith("I"):
        return image.convert("L")
    if image.mode.startswith("I"):  # 16-bit grey
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray((values >> 8 if values.max() > 255 else values).clip(0, 255).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers; save it with 8 bits per channel")
    see_through = image.mode == "P" and "transparency" in image.info
    return (image.convert("RGBA") if see_through else image).convert("RGB")


def _is_grey(mode: str) -> bool:
    return mode in {"L", "1", "LA"} or mode.startswith("I")


def in_threads(work: Callable[[Any], Any], items: Iterable[Any], block: int = 64) -> Iterator[Any]:
    """`map` in blocks over a thread per core, in order; decoders release the interpreter's lock."""
    from PIL import AvifImagePlugin

    # otherwise each AVIF starts its own threads: 258 instead of 133 us of processor time for a CIFAR-10 image
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    items = iter(items)
    blocks = iter(lambda: list(islice(items, block)), [])
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting = [pool.submit(_block, work, one) for one in islice(blocks, 2 * _THREADS)]
        while waiting:
            yield from waiting.pop(0).result()
            waiting += [pool.submit(_block, work, one) for one in islice(blocks, 1)]


def _block(work: Callable[[Any], Any], items: list[Any]) -> list[Any]:
    return [work(item) for item in items]


def check(items: Iterable[Any], count: int) -> tuple[dict[int, str], NDArray[np.uint8] | None]:
    """Decode each of `count` images once: {row: reason} of the bad ones, and the pixels if all are small and of a size.

    The pixels are (N good, H, W, C), C = 1 if every image is grey, else 3. Larger images are only proven readable: a
    JPEG by decoding it at an eighth of its size, a PNG by its checksums, any other by decoding it.
    """
    bad: dict[int, str] = {}
    pixels: NDArray[np.uint8] | None = None
    alike, good = True, 0
    for row, found in enumerate(in_threads(_prove, items)):
        if isinstance(found, str):
            bad[row] = found
            continue
        alike = alike and found is not None and (pixels is None or found.shape[:2] == pixels.shape[1:3])
        if alike and found is not None and 3 * found[..., 0].size * count <= _KEPT_BYTES:
            pixels = _placed(pixels, found, good, count)
            good += 1
        else:
            alike, pixels = False, None
    return bad, None if pixels is None else pixels[:good]


def _placed(pixels: NDArray[np.uint8] | None, found: NDArray[np.uint8], at: int, count: int) -> NDArray[np.uint8]:
    """The pixels with one more image (H, W, C) in its place; grey ones become RGB when the first colour comes."""
    if pixels is None:
        pixels = np.empty((count, *found.shape), np.uint8)
    if found.shape[2] > pixels.shape[3]:
        pixels = np.repeat(pixels, 3, axis=3)
    pixels[at] = found
    return pixels


def _prove(cell: Any) -> NDArray[np.uint8] | str | None:
    """Pixels of a small image, None for a larger one that can be read, the reason for one that cannot."""
    from PIL import Image

    if cell is None or (isinstance(cell, dict) and cell.get("bytes") is None and cell.get("path") is None):
        return "there is no image"
    try:
        with Image.open(io.BytesIO(raw(cell))) as image:
            if max(image.size) <= SMALL:
                pixels = np.asarray(_loaded(image, None))
                return pixels if pixels.ndim == 3 else pixels[..., None]
            if image.format == "PNG":
                image.verify()
            else:
                _loaded(image, 1)
            return None
    except FileNotFoundError:
        return "there is no such file"
    except Exception as error:  # noqa: BLE001 (a damaged file makes decoders raise anything)
        return "it is empty" if not _size(cell) else _reason(error)


def _size(cell: Any) -> int:
    try:
        return len(raw(cell))
    except OSError:
        return -1


def _reason(error: Exception) -> str:
    text = str(error).split("<_io")[0].strip() or type(error).__name__
    return "it is no image that can be read" if "cannot identify" in text else text


def headers(items: Iterable[Any]) -> list[tuple[int, int, bool]]:
    """(width, height, grey) of each image, without decoding it."""
    from PIL import Image

    found = []
    for cell in items:
        with Image.open(io.BytesIO(raw(cell))) as image:
            found.append((image.width, image.height, _is_grey(image.mode)))
    return found
