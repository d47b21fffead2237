"""The real datasets of evidence.py: each function returns training data, held-out data, and what was done to them."""

import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

import datapare as dp

Image = NDArray[np.uint8]
Label = NDArray[np.int64]
Source = Callable[[Path], "Pair"]


class Pair(NamedTuple):
    """Training data, held-out data that choose nothing, and the condition in words."""

    data: dp.Dataset
    test: dp.Dataset
    told: str


def fashion(folder: Path, *, examples: int = 4_000, held_out: int = 5_000) -> Pair:
    """The first training and test images of Fashion-MNIST, 28 x 28."""
    x, y = _idx(folder, "train", examples)
    x_test, y_test = _idx(folder, "t10k", held_out)
    return _arrays(x, y, x_test, y_test, f"the first {examples:,} of 60,000, clean")


def cifar10(folder: Path, *, examples: int = 10_000, held_out: int = 5_000) -> Pair:
    """The first training and test images of CIFAR-10 (AVIF)."""
    x, y = _images(folder / "cifar10/train.parquet", examples)
    x_test, y_test = _images(folder / "cifar10/test.parquet", held_out)
    return _arrays(x, y, x_test, y_test, f"the first {examples:,} of 50,000, AVIF, clean")


def cifar10_human(folder: Path) -> Pair:
    """The same images with the label of one human each (CIFAR-10N random_label1); the test labels stay clean."""
    x, clean = _images(folder / "cifar10/train.parquet", 10_000)
    x_test, y_test = _images(folder / "cifar10/test.parquet", 5_000)
    table = pq.read_table(folder / "human_labels/cifar10n_train.parquet", columns=["random_label1"])
    y = table.column(0).to_numpy()[: len(x)].astype(np.int64)
    told = f"the first 10,000 of 50,000, AVIF, one human's labels each ({np.mean(y != clean):.1%} differ)"
    return _arrays(x, y, x_test, y_test, told)


def tiny_imagenet20(folder: Path) -> Pair:
    """Twenty classes of Tiny-ImageNet."""
    return _parquet(folder / "tiny_imagenet20", "train", "val", "7,000 images at 32 px")


def sst2(folder: Path) -> Pair:
    """Sentiment of sentences and phrases; the first 20,000."""
    rows = pq.read_table(folder / "sst2/train.parquet").slice(0, 20_000)
    data = dp.open_dataset({name: np.asarray(rows[name].to_pylist()) for name in ("text", "label")})
    test = dp.open_dataset(folder / "sst2/dev.parquet", classes=data.classes, split="test")
    return Pair(data, test, "the first 20,000 of 60,614, held out: dev")


def banking77(folder: Path) -> Pair:
    """77 intents of bank customers."""
    return _parquet(folder / "banking77", "train", "test", "all")


def adult(folder: Path) -> Pair:
    """Census income: numbers and categories."""
    return _parquet(folder / "adult", "train", "test", "all")


def ag_news(folder: Path) -> Pair:
    """Four subjects of news."""
    return _parquet(folder / "ag_news", "train10k", "test", "10,001 of 120,000", input="text")


def trec(folder: Path) -> Pair:
    """Six kinds of questions."""
    return _parquet(folder / "trec", "train", "test", "all", input="text")


def clinc150(folder: Path) -> Pair:
    """150 intents of users of an assistant."""
    return _parquet(folder / "clinc150", "train", "test", "all", input="text")


def imdb(folder: Path) -> Pair:
    """Sentiment of reviews."""
    return _parquet(folder / "imdb_subset", "train", "test", "5,000 of 25,000", input="text")


def subj(folder: Path) -> Pair:
    """Subjective and objective sentences; every fourth of a fixed random order is held out."""
    rows = pq.read_table(folder / "subj/all.parquet")
    order = np.random.default_rng(0).permutation(len(rows))
    text, label = (np.asarray(rows[name].to_pylist())[order] for name in ("text", "label"))
    held = np.arange(len(order)) % 4 == 0
    data = dp.open_dataset({"text": text[~held], "label": label[~held]})
    test = dp.open_dataset({"text": text[held], "label": label[held]}, classes=data.classes)
    return Pair(data, test, "all, a quarter held out")


def cifar100(folder: Path) -> Pair:
    """The first 10,000 images of CIFAR-100 (their upper five bits) in its twenty coarse classes."""
    x, y = _images(folder / "cifar100/train.parquet", 10_000, label="coarse_label")
    x_test, y_test = _images(folder / "cifar100/test.parquet", 5_000, label="coarse_label")
    return _arrays(x, y, x_test, y_test, "the first 10,000 of 50,000, 20 coarse classes, clean")


def noisy(source: Source) -> Source:
    """The same pair with 20 % of the training labels changed to another class."""
    return _changed(source, "20 % of the labels wrong", "label_noise", share=0.2)


def corrupted(source: Source) -> Source:
    """The same pair with 20 % of the training images corrupted, by five corruptions in turn."""
    return _changed(source, "20 % of the images corrupted", "corruption", share=0.2)


def long_tailed(source: Source) -> Source:
    """The same pair with class sizes that fall exponentially to a tenth; the test classes stay even."""
    return _changed(source, "long tail, imbalance factor 0.1", "long_tail", factor=0.1)


def _changed(source: Source, told: str, method: str, **params: Any) -> Source:
    def open_changed(folder: Path) -> Pair:
        data, test, before = source(folder)
        return Pair(dp.perturb(data, method, seed=0, **params), test, before.replace("clean", told))

    return open_changed


def _parquet(folder: Path, train: str, held_out: str, told: str, **options: Any) -> Pair:
    data = dp.open_dataset(folder / f"{train}.parquet", **options)
    test = dp.open_dataset(folder / f"{held_out}.parquet", classes=data.classes, split="test", **options)
    return Pair(data, test, told)


def _arrays(x: Image, y: Label, x_test: Image, y_test: Label, told: str) -> Pair:
    data = dp.open_dataset((x, y))
    return Pair(data, dp.open_dataset((x_test, y_test), classes=data.classes), told)


def _idx(folder: Path, split: str, count: int) -> tuple[Image, Label]:
    def read(name: str, header: int) -> Image:
        with lzma.open(folder / f"fashion_mnist/{split}-{name}-ubyte.xz") as file:
            return np.frombuffer(file.read(), np.uint8)[header:]

    pixels, labels = read("images-idx3", 16), read("labels-idx1", 8)
    return pixels.reshape(-1, 28, 28)[:count], labels[:count].astype(np.int64)


def _images(path: Path, count: int, **options: str) -> tuple[Image, Label]:
    rows = pq.read_table(path).slice(0, count).to_pandas()  # so that no more images are decoded
    data = dp.open_dataset(rows, input="image", **options)
    return data.array, data.label
