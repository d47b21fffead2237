"""How many altered copies of real images are found as near-duplicates, and how many held-out images are that are none.

    python benchmarks/near_duplicates.py --data FOLDER

Copies are re-encoded, resized, brightened, turned grey, mirrored, cropped or shifted training images. Held-out images
whose nearest training image is of another class are false alarms, and bound those of the same class. Each rate is given
for several limits of the difference, the limit of datapare among them.
"""

import argparse
import io
import json
import lzma
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageEnhance, ImageOps

from datapare.data import leakage

RESULT = Path(__file__).parent / "results" / "near_duplicates.json"
LIMITS = (0.04, 0.06, leakage.SAME, 0.1, 0.12, 0.16)
SEED = 0


def encoded(image: Image.Image, quality: int) -> Image.Image:
    """The image after JPEG."""
    out = io.BytesIO()
    image.save(out, "jpeg", quality=quality)
    return Image.open(io.BytesIO(out.getvalue())).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    """The image in another size."""
    return image.resize((int(image.width * factor), int(image.height * factor)), Image.Resampling.BICUBIC)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg 90": lambda image: encoded(image, 90),
    "jpeg 50": lambda image: encoded(image, 50),
    "half size": lambda image: scaled(image, 0.5),
    "double size": lambda image: scaled(image, 2),
    "brighter by 10 %": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "brighter by 25 %": lambda image: ImageEnhance.Brightness(image).enhance(1.25),
    "contrast + 20 %": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "mirrored": ImageOps.mirror,
    "cropped by 5 %": lambda image: ImageOps.crop(image, max(1, image.width // 20)),
    "shifted by a pixel": lambda image: Image.fromarray(np.roll(np.asarray(image), 1, 1)),
}


def of_parquet(path: Path, count: int, rng: np.random.Generator) -> tuple[list[Image.Image], np.ndarray]:
    """So many images of a file, and their labels."""
    table = pq.read_table(path)
    table = table.take(rng.permutation(table.num_rows)[:count])
    cells = table["image"].to_pylist()
    content = [cell["bytes"] if isinstance(cell, dict) else cell for cell in cells]
    return [Image.open(io.BytesIO(one)).convert("RGB") for one in content], np.array(table["label"].to_pylist())


def of_idx(folder: Path, name: str, count: int, rng: np.random.Generator) -> tuple[list[Image.Image], np.ndarray]:
    """So many images of a pair of IDX files, and their labels."""
    packed = [(folder / f"{name}-{part}-ubyte.xz").read_bytes() for part in ("images-idx3", "labels-idx1")]
    pixels, label = (np.frombuffer(lzma.decompress(one), np.uint8) for one in packed)
    pixels, label = pixels[16:].reshape(-1, 28, 28), label[8:]
    at = rng.permutation(len(label))[:count]
    return [Image.fromarray(pixels[i]).convert("RGB") for i in at], label[at]


def features(images: list[Image.Image]) -> np.ndarray:
    """What datapare compares."""
    return leakage.features(np.stack([leakage.thumbnail_of(image) for image in images]))


def nearest(query: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distance to the nearest row, as a share of the contrast, and which it is."""
    square = (query**2).sum(1)[:, None] + (base**2).sum(1)[None] - 2 * query @ base.T
    at = square.argmin(axis=1)
    return np.sqrt(np.maximum(square[np.arange(len(at)), at], 0)) / leakage.SIDE, at


def rates(distance: np.ndarray) -> dict[str, float]:
    """The share below each limit."""
    return {f"{limit:g}": round(float((distance <= limit).mean()), 4) for limit in LIMITS}


def measure(
    train: list[Image.Image], label: np.ndarray, held_out: list[Image.Image], theirs: np.ndarray
) -> dict[str, object]:
    """The rates of one dataset."""
    base = features(train)
    plain, mirrored = (nearest(features(some), base) for some in (held_out, [ImageOps.mirror(one) for one in held_out]))
    turned = mirrored[0] < plain[0]
    distance, at = np.where(turned, mirrored[0], plain[0]), np.where(turned, mirrored[1], plain[1])
    other = np.where(label[at] == theirs, np.inf, distance)
    copied = np.random.default_rng(SEED).permutation(len(train))[:300]
    found: dict[str, object] = {
        "training": len(train), "held out": len(held_out), "found": rates(distance), "of another class": rates(other),
    }  # fmt: skip
    for name, change in CHANGES.items():
        copies = [change(train[i]) for i in copied]
        both = [features(some) for some in (copies, [ImageOps.mirror(one) for one in copies])]
        gap = np.min([np.sqrt(((one - base[copied]) ** 2).sum(1)) for one in both], axis=0) / leakage.SIDE
        found[name] = rates(gap)
    return found


def main() -> None:
    """Measure three datasets and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=int, default=10_000)
    parser.add_argument("--held-out", type=int, default=1_000)
    options = parser.parse_args()
    sizes, rng, root = (options.train, options.held_out), np.random.default_rng(SEED), options.data
    measured = {}
    for name, files in {"tiny_imagenet20": ("train", "val"), "cifar10": ("train", "test")}.items():
        pairs = [of_parquet(root / name / f"{file}.parquet", n, rng) for file, n in zip(files, sizes, strict=True)]
        measured[name] = measure(*pairs[0], *pairs[1])
        print(name, measured[name], flush=True)
    pairs = [of_idx(root / "fashion_mnist", name, n, rng) for name, n in zip(("train", "t10k"), sizes, strict=True)]
    measured["fashion_mnist"] = measure(*pairs[0], *pairs[1])
    about = {
        "seed": SEED, "limit": leakage.SAME, "machine": platform.machine(), "python": platform.python_version(),
        "versions": {name: version(name) for name in ("datapare", "numpy", "pillow")},
    }  # fmt: skip
    RESULT.write_text(json.dumps({"about": about, "measured": measured}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
