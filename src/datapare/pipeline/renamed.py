"""Find the examples of a record whose image files were renamed or moved, by what the files hold."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Dynamics
from datapare.data import Dataset
from datapare.data.file_contents import are_files, file_keys
from datapare.errors import is_refused

if TYPE_CHECKING:
    from datapare.pipeline.reuse import Match

CONTENTS = "contents.npy"  # uint64 (N, 2) in a run folder: the key of each example, and that of its file's content


def save_contents(folder: Path, data: Dataset, *, reuse: bool = False) -> None:
    """Write what the files of a dataset hold into its run folder; nothing where the examples are no files.

    With `reuse`, files whose example is there already are not read again.
    """
    if not are_files(data):
        return
    known = _load(folder) if reuse else np.empty((0, 2), np.uint64)
    content, lacking = _looked_up(known, data.key)
    content[lacking] = file_keys(data, np.flatnonzero(lacking).tolist())
    with storage.atomic_write(folder / CONTENTS) as stage, stage.open("wb") as file:
        np.save(file, np.stack([data.key, content], axis=1))


def with_renamed(found: "Match", record: Dynamics, data: Dataset, folder: Path) -> "Match":
    """Return a match in which new examples are known that are files of lost ones under other names, of the same class.

    >>> from datapare.data import open_dataset
    >>> from datapare.pipeline.reuse import match
    >>> data = open_dataset((np.eye(4), [0, 1, 0, 1]))
    >>> record = Dynamics({"target_prob": np.zeros((2, 4))}, data.label, key=data.key, classes=data.classes)
    >>> with_renamed(match(record, data), record, data, Path("nowhere")).position.tolist()
    [0, 1, 2, 3]
    """
    known = _load(folder)
    if not len(known) or not found.new or not found.missing or record.key is None or not are_files(data):
        return found
    lost = np.setdiff1d(np.arange(len(record.key)), found.position)
    content, lacking = _looked_up(known, record.key[lost])
    before = [(int(key), _class(record.classes, int(record.label[i]))) for key, i in zip(content, lost, strict=True)]
    places: dict[tuple[int, str], list[int]] = {}
    for one, i, unknown in zip(before, lost.tolist(), lacking.tolist(), strict=True):
        if not unknown:
            places.setdefault(one, []).append(i)
    position = found.position.copy()
    new = np.flatnonzero(position < 0)
    for i, key in zip(new.tolist(), file_keys(data, new.tolist()).tolist(), strict=True):
        same = places.get((key, data.classes[int(data.label[i])]))
        if same:
            position[i] = same.pop(0)
    gained = int((position >= 0).sum() - (found.position >= 0).sum())
    return replace(found, position=position, missing=found.missing - gained)


def _class(names: tuple[str, ...], number: int) -> str:
    return names[number] if names else str(number)


def _load(folder: Path) -> NDArray[np.uint64]:
    place = folder / CONTENTS
    empty = np.empty((0, 2), np.uint64)
    if not place.is_file():
        return empty
    try:
        loaded = np.load(place, allow_pickle=False)
    except Exception as error:  # damaged, which raises many things: nothing is known by content then
        if is_refused(error):
            raise
        return empty
    fits = isinstance(loaded, np.ndarray) and loaded.dtype == np.uint64 and loaded.shape[1:] == (2,)
    return loaded if fits else empty


def _looked_up(known: NDArray[np.uint64], key: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """The content key of each example key (n,), and which of them are not known."""
    if not len(known):
        return np.zeros(len(key), np.uint64), np.ones(len(key), bool)
    order = np.argsort(known[:, 0])
    at = order[np.minimum(np.searchsorted(known[:, 0], key, sorter=order), len(order) - 1)]
    return known[at, 1].copy(), known[at, 0] != key
