"""Images that a list names: a CSV beside them, or beside those of the split, with their labels."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset
from datapare.data.formats import delimited, image_folder
from datapare.data.formats.delimited import csv_table, texts_for_nothing
from datapare.data.formats.image_folder import is_image, write_images
from datapare.data.paths import safe_join, same_split, split_of
from datapare.data.placing import PlaceFile, folder_of, write_files
from datapare.data.source import OpenRequest, RawTable, SourceFiles, rows_of

LINKABLE = True
PRIORITY = 1
FILES = (
    "file_name",
    "filename",
    "file",
    "image",
    "image_path",
    "path",
    "img",
    "image_file",
    "image_name",
    "name",
    "id",
)


def matches(files: SourceFiles, request: OpenRequest) -> bool:
    """Whether a CSV lists image files."""
    return find_list(files, request) is not None


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """Every image that the list names."""
    found = find_list(files, request)
    assert found is not None  # noqa: S101 (`matches` found it)
    return read_listed(*found, files.path if files.is_folder else files.path.parent)


def find_list(files: SourceFiles, request: OpenRequest) -> tuple[Path, str] | None:
    """The CSV that lists the images of the split, and its column of file names."""
    if files.is_folder:
        bases = _bases(files, request)
        listed = [one for base in bases for one in label_files(base, request.split)]
    else:
        usable = len(files.chosen) == 1 and files.path.suffix.lower() in delimited.SUFFIXES
        listed = [files.path] if usable and request.kind in {None, "image"} else []
    found = ((one, image_column(one, request.input)) for one in listed)
    return next(((one, column) for one, column in found if column is not None), None)


def _bases(files: SourceFiles, request: OpenRequest) -> list[Path]:
    """The folder itself and those of the split in it, where they hold images."""
    if not image_folder.matches(files, request):
        return []
    below = [one for one in sorted(files.path.iterdir()) if one.is_dir() and not one.name.startswith(".")]
    return [files.path, *(one for one in below if same_split(one.name, request.split))]


def label_files(folder: Path, split: str) -> list[Path]:
    """The CSV files beside the images that may list their labels: metadata.csv and labels.csv first."""
    found = sorted(path for path in folder.glob("*.csv") if not path.name.startswith("."))
    other = {path for path in found if split_of(path.name) not in {None, split_of(split) or split}}
    return sorted(set(found) - other, key=lambda path: (path.name not in {"metadata.csv", "labels.csv"}, path.name))


def image_column(path: Path, named: str | None) -> str | None:
    """The column of a CSV whose values are image files: the named one, or one with a usual name; None if none is."""
    table = csv_table(path)
    if named is not None and named not in table.column_names:
        return None
    by_name = {name.lower(): name for name in reversed(table.column_names)}
    for name in [named] if named else [by_name[usual] for usual in FILES if usual in by_name]:
        first = [str(value) for value in table[name].slice(0, 20).to_pylist()]
        if any(is_image(value) for value in first):
            return name
    return None


def read_listed(path: Path, column: str, root: Path) -> RawTable:
    """Every image that a CSV lists, by its path relative to the CSV; further columns stay as they are."""
    import pyarrow as pa

    table = texts_for_nothing(csv_table(path))
    files = ["" if value is None else str(value) for value in table[column].to_pylist()]
    full = [safe_join(path.parent, name, f"row {row} of {path.name}") for row, name in enumerate(files)]
    image = [{"bytes": None, "path": str(one)} for one in full]
    struct = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    shown = table.set_column(table.column_names.index(column), column, pa.array(image, struct))
    prefix = path.parent.relative_to(root).as_posix()
    names = files if prefix == "." else [f"{prefix}/{name}" for name in files]
    return RawTable(rows_of(shown), root, (path,), "image", (column,), None, files, names)


def write_all(data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile) -> int:
    """The kept images, the list of only those, and what is no example."""
    write_images(data, keep, out, place, {file.relative_to(folder_of(data)).as_posix() for file in data.files})
    return write_files(data, keep, out, delimited.write)
