"""Where the files of an export go: in the folder or in one file, with everything that is no example beside them."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset
from datapare.data.paths import walk
from datapare.errors import InputError
from datapare.storage import place_of

PlaceFile = Callable[[Path, Path], object]
WriteFile = Callable[[Path, Sequence[int], Path], int]


def placing(how: str) -> PlaceFile:
    """Return the function that puts one file in another place: a copy, a hard link or a symbolic link to it."""
    if how == "hardlink":
        return lambda source, target: target.hardlink_to(source.resolve())
    if how == "symlink":
        return lambda source, target: target.symlink_to(source.resolve())
    return shutil.copy2


def folder_of(data: Dataset) -> Path:
    """Return the path that the dataset was read from; raise InputError where it has none."""
    if data.path is None:
        advice = "open it without stream to write it, or write lists with as_='index' (--as index)"
        more = f": {advice}." if data.stream else "."
        raise InputError(f"a dataset of the format {data.format!r} has no place on disk{more}")
    return data.path


def write_files(data: Dataset, keep: NDArray[np.int64], out: Path, write: WriteFile) -> int:
    """Write each file of the dataset with only the rows at `keep` (of the whole dataset); the number there were."""
    root = folder_of(data)
    start = 0
    for file in data.files:
        if root.is_dir():
            target = out / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
        else:
            target = file_in(out, file, alone=len(data.files) == 1)
        start += write(file, (keep - start).tolist(), target)
    return start


def file_in(out: Path, file: Path, *, alone: bool = True) -> Path:
    """Return `out` itself where it is to be one file of that format, else the file's name in the folder `out`."""
    if place_of(out).suffix.lower() == file.suffix.lower() and alone:
        return out
    out.mkdir(exist_ok=True)
    return out / file.name


def carry(data: Dataset, out: Path) -> None:
    """Copy what else lies in the source folder: other splits, a card, a licence."""
    root = folder_of(data)
    written = {file.relative_to(root).as_posix() for file in data.files}
    for name in walk(root)[1]:
        if name not in written and (out / name).exists():
            raise InputError(f"{root / name} has the name of a new file of the smaller dataset; rename it first.")
        if name not in written:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, out / name)
