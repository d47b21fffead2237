"""The demonstration: the handwritten digits of scikit-learn, pruned from end to end."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datapare.pipeline.pruning import PruneResult, prune
from datapare.pipeline.steps import Report
from datapare.storage import atomic_write

if TYPE_CHECKING:
    from datapare.training.epoch import Progress

HELD_OUT = 400  # of the 1,797 digits


def demo(
    out: str | Path = "datapare-demo",
    *,
    keep: float = 0.3,
    on_message: Report | None = None,
    progress: "Callable[[Progress], None] | None" = None,
) -> PruneResult:
    """Prune the handwritten digits of scikit-learn, which come with it: nothing is downloaded.

    Args:
        out: Folder for the digits and the results.
        keep: Fraction of the digits to keep.
        on_message: Receives one line before each step.
        progress: Receives the state of the training.

    Returns:
        The subset, and where everything lies.
    """
    train, _ = write_digits(Path(out))
    return prune(train, keep=keep, out=Path(out) / "digits.datapare", on_message=on_message, progress=progress)


def write_digits(folder: Path) -> tuple[Path, Path]:
    """Write the digits as arrays x (N, 8, 8) and y (N,), to train on and held out, unless they are there."""
    from sklearn.datasets import load_digits

    places = folder / "digits.npz", folder / "digits-test.npz"
    if all(place.is_file() for place in places):
        return places
    digits = load_digits()
    pixels = (digits.images * (255 / 16)).astype(np.uint8)  # (N, 8, 8)
    order = np.random.default_rng(0).permutation(len(pixels))
    for place, index in zip(places, (order[HELD_OUT:], order[:HELD_OUT]), strict=True):
        with atomic_write(place) as draft, draft.open("wb") as file:
            np.savez(file, x=pixels[index], y=digits.target[index])
    return places
