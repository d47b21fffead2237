"""Images and copies of some of them, for benchmarks/peers.py: re-encoded, smaller, or brighter."""

import csv
import io

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

COPIES = 500


def prepared(folder, total, out):
    """Write train/ and copies/ as PNG and JPEG files, lists of both, and which image each copy is of."""
    cells = pq.read_table(folder / "cifar10" / "train.parquet", columns=["image"])["image"].slice(0, total).to_pylist()
    images = [Image.open(io.BytesIO(c["bytes"] if isinstance(c, dict) else c)).convert("RGB") for c in cells]
    original = np.sort(np.random.default_rng(0).choice(total, min(COPIES, total // 4), replace=False))
    for place in ("train", "copies"):
        (out / place).mkdir()
    for i, image in enumerate(images):
        image.save(out / "train" / f"{i:06}.png")
    for i, source in enumerate(original.tolist()):
        changed(images[source], i).save(out / "copies" / f"{i:06}.jpg", quality=90)
    np.save(out / "original.npy", original)
    for place in ("train", "copies"):
        with (out / f"{place}.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["file_name", "label"])
            rows.writerows([f"{place}/{image.name}", i % 2] for i, image in enumerate(sorted((out / place).iterdir())))


def changed(image, number):
    """Every third is only re-encoded, every third smaller, every third 2 % brighter."""
    if number % 3 == 0:
        return image
    if number % 3 == 1:
        return image.resize((28, 28), Image.Resampling.BICUBIC)
    return image.point(lambda value: min(255, round(value * 1.02)))
