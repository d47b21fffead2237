"""Folders of images: one sub-folder per class, or a flat folder with a CSV of labels."""

import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from datapare.data.formats.delimited import csv_table, texts_for_nothing
from datapare.data.image_io import SUFFIXES
from datapare.data.paths import inside, is_split, same_split, split_of, walk
from datapare.data.source import Source, rows_of
from datapare.errors import InputError

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
Place = Callable[[Path, Path], Any]


def is_image(name: str) -> bool:
    """Whether the name ends like an image.

    >>> is_image("cat/1.JPG"), is_image("labels.csv")
    (True, False)
    """
    return Path(name).suffix.lower() in SUFFIXES


def read_folder(root: Path, split: str) -> Source:
    """Every image in the class folders of `root`, or of the split's folder in it; classes are sorted sub-folders."""
    import datasets
    import pyarrow as pa

    folders, files = walk(root)
    base = split_folder(root, files, split)
    prefix = f"{base}/" if base else ""
    inner = [name[len(prefix) :] for name in folders if name.startswith(prefix)]  # sorted, as `walk` is
    classes = [name for name in inner if "/" not in name]
    relative = [name[len(prefix) :] for name in files if name.startswith(prefix) and is_image(name)]
    loose = [name for name in relative if "/" not in name]
    if loose:
        raise InputError(
            f"{root / base} has a folder per class, but {len(loose):,} images lie outside of them, {loose[0]!r} first; "
            "move them into a class folder, or away."
        )
    number = {one: i for i, one in enumerate(classes)}
    image = [{"bytes": None, "path": str(root / base / name)} for name in relative]
    table = pa.table(
        {
            "image": pa.array(image, pa.struct({"bytes": pa.binary(), "path": pa.string()})),
            "label": pa.array([number[name.split("/", 1)[0]] for name in relative], pa.int64()),
        }
    )
    features = datasets.Features(image=datasets.Image(decode=False), label=datasets.ClassLabel(names=classes))
    rows = rows_of(table.replace_schema_metadata(features.arrow_schema.metadata))
    names = [prefix + name for name in relative]
    return Source(rows, "imagefolder", root, (), "image", ("image",), "label", relative, names)


def split_folder(root: Path, files: Sequence[str], split: str) -> str:
    """The sub-folder that holds the split, such as "train"; "" where the folder is not divided into splits."""
    parts = [name.split("/") for name in files if is_image(name)]
    flat = {part[0] for part in parts if len(part) == 2}
    deep = {part[0] for part in parts if len(part) > 2}
    splits = sorted(name for name in flat | deep if is_split(name))
    chosen = [name for name in splits if same_split(name, split) and name not in flat]
    if chosen:
        return chosen[0]
    if not splits or set(splits) < flat | deep:
        return ""
    if flat:
        raise InputError(
            f"{root} holds the splits {', '.join(splits)}, but their images have no labels: put them into one folder "
            "per class in each split, or write a labels.csv with the columns file_name and label beside them."
        )
    raise InputError(f"{root} holds the splits {', '.join(splits)}, but no {split!r}; name one with split= (--split).")


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


def read_listed(path: Path, column: str, root: Path) -> Source:
    """Every image that a CSV lists, by its path relative to the CSV; further columns stay as they are."""
    import pyarrow as pa

    table = texts_for_nothing(csv_table(path))
    files = ["" if value is None else str(value) for value in table[column].to_pylist()]
    full = [inside(path.parent, name, f"row {row} of {path.name}") for row, name in enumerate(files)]
    image = [{"bytes": None, "path": str(one)} for one in full]
    struct = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    shown = table.set_column(table.column_names.index(column), column, pa.array(image, struct))
    prefix = path.parent.relative_to(root).as_posix()
    names = files if prefix == "." else [f"{prefix}/{name}" for name in files]
    return Source(rows_of(shown), "image-csv", root, (path,), "image", (column,), None, files, names)


def write_folder(root: Path, out: Path, examples: Collection[str], kept: Collection[str], place: Place) -> None:
    """The same tree: every folder, the kept images, and what is no example; `place` copies or links one file."""
    folders, files = walk(root)
    for name in folders:
        (out / name).mkdir(parents=True, exist_ok=True)
    for name in files:
        if name in kept or (name not in examples and (root / name).exists()):  # a link to nothing cannot come along
            place(root / name, inside(out, name, "the dataset"))


def placing(how: str) -> Place:
    """The function that puts one file in another place: a copy, a hard link or a symbolic link to the original."""
    if how == "hardlink":
        return lambda source, target: target.hardlink_to(source.resolve())
    if how == "symlink":
        return lambda source, target: target.symlink_to(source.resolve())
    return shutil.copy2
