"""Folders of images: one sub-folder per class."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset, all_names
from datapare.data.image_io import SUFFIXES as IMAGE_SUFFIXES
from datapare.data.paths import safe_join, is_split, same_split, walk
from datapare.data.placing import PlaceFile, folder_of
from datapare.data.source import OpenRequest, RawTable, SourceFiles, rows_of
from datapare.errors import InputError

LINKABLE = True


def is_image(name: str) -> bool:
    """Whether the name ends like an image.

    >>> is_image("cat/1.JPG"), is_image("labels.csv")
    (True, False)
    """
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def matches(files: SourceFiles, request: OpenRequest) -> bool:  # noqa: ARG001 (every format is asked alike)
    """Whether the folder holds images, and no files of rows or shards that hold whole examples."""
    whole = (".parquet", ".tar")
    return (
        files.is_folder
        and any(is_image(name) for name in files.names)
        and not any(name.lower().endswith(whole) for name in files.names)
    )


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """Every image in the class folders of `root`, or of the split's folder in it; classes are sorted sub-folders."""
    import datasets
    import pyarrow as pa

    root, (folders, names) = files.path, files.walked
    if not any(not folder.startswith(".") for folder in folders):
        raise InputError(
            f"{root} holds images but no labels: put them into one folder per class, or write a labels.csv with the "
            "columns file_name and label beside them."
        )
    if request.label or request.inputs:
        raise InputError(f"{root} has a folder per class and no columns; leave out label= and input=.")
    base = split_folder(root, names, request.split)
    prefix = f"{base}/" if base else ""
    inner = [name[len(prefix) :] for name in folders if name.startswith(prefix)]  # sorted, as `walk` is
    classes = [name for name in inner if "/" not in name]
    relative = [name[len(prefix) :] for name in names if name.startswith(prefix) and is_image(name)]
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
    full = [prefix + name for name in relative]
    return RawTable(rows, root, (), "image", ("image",), "label", relative, full)


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


def write_all(data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile) -> int:
    """The same tree with the kept images, and what is no example; the number of images the source had."""
    return write_images(data, keep, out, place, set())


def write_images(data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile, lists: Collection[str]) -> int:
    """Place the kept images and all other files but the `lists` of examples."""
    out.mkdir(exist_ok=True)
    root, names = folder_of(data), all_names(data)
    kept = {names[i] for i in keep}
    write_folder(root, out, set(names) | set(lists), kept, place)
    missing = [name for name in kept if not (out / name).is_file()]
    if missing:
        raise InputError(f"{root / missing[0]} was there when the dataset was opened and is gone; open it again.")
    return len(names)


def write_folder(root: Path, out: Path, examples: Collection[str], kept: Collection[str], place: PlaceFile) -> None:
    """The same tree: every folder, the kept images, and what is no example; `place` copies or links one file."""
    folders, files = walk(root)
    for name in folders:
        (out / name).mkdir(parents=True, exist_ok=True)
    for name in files:
        if name in kept or (name not in examples and (root / name).exists()):  # a link to nothing cannot come along
            place(root / name, safe_join(out, name, "the dataset"))
