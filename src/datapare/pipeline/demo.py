"""The demonstration: the handwritten digits of scikit-learn, pruned from end to end."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from datapare.artifacts import Array
from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.pipeline.pruning import PruneResult, prune
from datapare.pipeline.steps import Report
from datapare.storage import atomic_write

if TYPE_CHECKING:
    from datapare.training.epoch import Progress

HELD_OUT = 400  # of the 1,797 digits


@checked_call
def demo(
    out: str | Path = "datapare-demo",
    *,
    keep: float = 0.3,
    on_message: Report | None = None,
    progress: "Callable[[Progress], None] | Literal[False] | None" = None,
) -> PruneResult:
    """Prune the handwritten digits of scikit-learn, which come with it: nothing is downloaded.

    Args:
        out: Folder for the digits and the results.
        keep: Fraction of the digits to keep.
        on_message: Receives one line before each step.
        progress: Receives the state of the training. None shows a bar in terminals and notebooks, False none.

    Returns:
        The subset, and where everything lies.
    """
    train, _ = write_digits(Path(out))
    return prune(train, keep=keep, out=Path(out) / "digits.datapare", on_message=on_message, progress=progress)


def write_digits(folder: Path) -> tuple[Path, Path]:
    """Write the digits as arrays x (N, 8, 8) and y (N,), to train on and held out, unless they are there."""
    from sklearn.datasets import load_digits

    places = folder / "digits.npz", folder / "digits-test.npz"
    digits = load_digits()
    pixels = (digits.images * (255 / 16)).astype(np.uint8)  # (N, 8, 8)
    order = np.random.default_rng(0).permutation(len(pixels))
    for place, index in zip(places, (order[HELD_OUT:], order[:HELD_OUT]), strict=True):
        if os.path.lexists(place):
            _check_ours(place, pixels[index])
            continue
        with atomic_write(place, replace=False) as draft, draft.open("wb") as file:
            np.savez(file, x=pixels[index], y=digits.target[index])
    return places


def _check_ours(place: Path, pixels: Array) -> None:
    """Raise InputError unless a file holds the digits that were to be written there."""
    try:
        with np.load(place, allow_pickle=False) as found:
            same = np.array_equal(found["x"], pixels)
    except Exception:  # noqa: BLE001 - a damaged archive raises many things
        same = False
    if not same:
        raise InputError(f"{place} exists and holds something else than the digits; choose another --out.")
