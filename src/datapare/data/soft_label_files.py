"""Soft labels beside an exported dataset: OUT.soft_labels.npy, row i for its example i.

They are no column of the dataset and no file in its folder: a table would be trained on them as on its other columns,
and an export of the export would carry rows that are no longer its own.
"""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Array
from datapare.errors import InputError
from datapare.storage import atomic_write

SoftLabelRows = Array | tuple[Array, Array]  # (N, K), or probabilities and classes (N, k)
BLOCK = 65_536  # examples digested at once
ENDINGS = (".soft_labels.npy", ".soft_label_classes.npy")


def soft_label_files(out: Path, soft_labels: SoftLabelRows) -> dict[Path, Array]:
    """Return the file of each array, beside a dataset at `out`.

    >>> [file.name for file in soft_label_files(Path("kept"), np.eye(2))]
    ['kept.soft_labels.npy']
    """
    arrays = soft_labels if isinstance(soft_labels, tuple) else (soft_labels,)
    return {out.with_name(out.name + ending): array for ending, array in zip(ENDINGS, arrays, strict=False)}


def soft_label_digest(soft_labels: SoftLabelRows, index: NDArray[np.int64]) -> str:
    """Return a digest of the rows of the kept examples.

    >>> rows = np.eye(3)
    >>> soft_label_digest(rows, np.array([0, 2])) == soft_label_digest(rows, np.array([0, 1]))
    False
    """
    digest = hashlib.sha256()
    for array in soft_labels if isinstance(soft_labels, tuple) else (soft_labels,):
        for start in range(0, len(index), BLOCK):
            digest.update(np.ascontiguousarray(array[index[start : start + BLOCK]]).tobytes())
    return digest.hexdigest()[:32]


def is_written(soft_labels: SoftLabelRows, out: Path) -> bool:
    """Return whether all files of soft labels lie beside a dataset."""
    return all(file.is_file() for file in soft_label_files(out, soft_labels))


def check_soft_labels(soft_labels: SoftLabelRows, count: int) -> None:
    """Raise InputError unless there is one row for each of the examples of the whole dataset."""
    for array in soft_labels if isinstance(soft_labels, tuple) else (soft_labels,):
        if array.ndim != 2 or len(array) != count:
            raise InputError(
                f"soft labels have one row for each of the {count:,} examples of the dataset, (N, K), not shape "
                f"{array.shape}; make them of the record of this dataset."
            )


def write_soft_labels(soft_labels: SoftLabelRows, index: NDArray[np.int64], out: Path) -> None:
    """Write the rows of the kept examples, in the order of the exported dataset."""
    for file, array in soft_label_files(out, soft_labels).items():
        with atomic_write(file) as draft, draft.open("wb") as handle:
            np.save(handle, np.ascontiguousarray(array[index]), allow_pickle=False)
