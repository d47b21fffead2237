"""Folders of images: one sub-folder per class."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from datapare.data.box_labels import box_file, boxes_error, yolo_file
from datapare.data.cards import split_files
from datapare.data.dataset import Dataset, all_names
from datapare.data.formats.parquet import peek
from datapare.data.formats.webdataset import SUFFIXES as TARS
from datapare.data.formats.webdataset import is_shard
from datapare.data.id_tables import find_id_tables
from datapare.data.image_names import ImageNames
from datapare.data.layouts import ClassFolders, below, has_class_folders, is_image, read_class_folders, refuse_parts
from datapare.data.list_files import is_called_list, names_images, parquet_fields, stores_images
from datapare.data.mixed_folders import rows_are_the_dataset
from datapare.data.name_prefixes import LABEL as PREFIX
from datapare.data.name_prefixes import classes_in_names, of_split, read_name_prefixes
from datapare.data.paths import Tree, list_tree
from datapare.data.placing import PlaceFile, folder_of
from datapare.data.side_lists import beside_dropped, name_column, without_dropped
from datapare.data.source import OpenRequest, RawTable, SourceFiles, rows_of
from datapare.data.split_lists import ListedSplit, read_split_lists
from datapare.errors import InputError

LINKABLE = True
_HEAD = 100  # rows that say whether a file is a list
_SYNSET = re.compile(r"n\d{8}")
_LISTS = (".csv", ".tsv", ".json", ".jsonl", ".txt", ".lst", ".xlsx", ".mat", ".pkl")
# files that lie beside images as a matter of course
_USUAL = frozenset(
    {".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".md", ".txt", ".yaml", ".yml", ".xml", ".html", ".pdf", ".parquet"}
)


def matches(files: SourceFiles, request: OpenRequest) -> bool:
    """Whether the folder holds images, and no files of rows or shards that hold whole examples."""
    return files.is_folder and any(map(is_image, files.names)) and not holds_rows(files, request)


def holds_rows(files: SourceFiles, request: OpenRequest) -> bool:
    """Whether there are Parquet files, or tar files of labelled samples, which hold whole examples.

    Beside class folders, Parquet files are the dataset where they have more labelled rows than there are images, and
    are carried along where they have no label or cannot be read.

    Raises:
        InputError: Where there are as many labelled rows as images in class folders.
    """
    stored = [name for name in files.names if name.lower().endswith(".parquet")]
    stored = [name for name in stored if not _lists_images(files, name)]
    alone = not has_class_folders(files.names)
    if stored and (alone or rows_are_the_dataset(files, request, (".parquet",), peek, may_list=False)):
        return True
    return any(name.lower().endswith(TARS) and is_shard(files.root / name) for name in files.names)


def _lists_images(files: SourceFiles, name: str) -> bool:
    """Whether a Parquet file names images: those of the folder, or any where it is called so."""
    path = files.root / name
    if is_called_list(name):
        return names_images(path)
    images = [one for one in files.names if is_image(one)]
    try:
        lists = [] if stores_images(path) else parquet_fields(path, _HEAD)
    except InputError:
        return False
    return bool(lists) and name_column(lists, ImageNames(images, name.rpartition("/")[0], "train")) is not None


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """Read every image in the class folders, or in those of the split's folder; classes are sorted folders.

    Where folders lie deeper than the classes, a column `folder` names the deepest one of each image: `label="folder"`
    makes those the classes.
    """
    import datasets
    import pyarrow as pa

    root, tree = files.path, files.tree
    carded = split_files(root, request.split, files.configuration)
    folders, names = tree.folders, tree.files
    if carded is not None:
        chosen = {file.relative_to(root).as_posix() for file in carded}
        folders, names = [], [name for name in tree.files if name in chosen]
    names, said = _of_tables(root, names, request.split) if carded is None else (names, ())
    found = _classes(root, folders, names, request)
    columns = {"image": image_column(root, found.base, found.images), "label": pa.array(found.label, pa.int64())}
    features = {"image": datasets.Image(decode=False), "label": datasets.ClassLabel(names=found.classes)}
    label = "label" if request.label in {None, PREFIX} else request.label
    if found.deepest:
        columns["folder"] = pa.array(found.deepest, pa.string())
        features["folder"] = datasets.Value("string")
    if label not in columns or label == "image" or request.inputs:
        raise InputError(f"{root} has a folder per class and no other columns; leave out label= and input=.")
    table = pa.table(columns).replace_schema_metadata(datasets.Features(features).arrow_schema.metadata)
    prefix = f"{found.base}/" if found.base else ""
    images = [prefix + name for name in found.images]
    notes = (
        *said,
        *left_out(root, tree, found.base),
        *_other_splits(tree, found),
        *_deeper(found, label),
        *_names_of_synsets(root, tree.files, found.classes),
    )
    return RawTable(rows_of(table), root, (), "image", ("image",), label, found.images, images, notes=notes)


def _of_tables(root: Path, names: Sequence[str], split: str) -> tuple[list[str], tuple[str, ...]]:
    """The files without the images that a table of ids, or lists, say are of other splits; and what to say of lists."""
    tables = find_id_tables(root, names)
    chosen = None if tables is None else tables.of_split(split)
    listed = ListedSplit(chosen) if chosen is not None else read_split_lists(root, names, split)
    if listed.images is None:
        return list(names), listed.notes
    return [name for name in names if not is_image(name)] + sorted(listed.images), listed.notes


def _classes(root: Path, folders: Sequence[str], names: Sequence[str], request: OpenRequest) -> ClassFolders:
    """The images and the classes of their folders, or of their names where that is asked for."""
    images = [name for name in names if is_image(name)]
    if request.label == PREFIX:
        return read_name_prefixes(str(root), images, request.split)
    boxes = yolo_file(root, names) if request.label is None else None
    if boxes is not None:
        raise boxes_error(root, boxes)
    try:
        found = read_class_folders(str(root), folders, names, request.split)
        if request.label is None:
            refuse_parts(str(root / found.base), found)
    except InputError as error:
        boxes = box_file(root, names)
        if boxes is not None:
            raise boxes_error(root, boxes) from None
        classes = classes_in_names(of_split(images, request.split))
        lists = [name for name in names if name.lower().endswith(_LISTS) and name.count("/") < 2]
        if lists and not classes:
            raise InputError(
                f"{str(error).removesuffix('.')} ({', '.join(lists[:3])}{', …' if len(lists) > 3 else ''}: no list of "
                "labels that can be read)."
            ) from None
        if not classes:
            raise
        some = ", ".join(classes[:3]) + (", …" if len(classes) > 3 else "")
        raise InputError(
            f"{str(error).removesuffix('.')}; or pass --label {PREFIX} if the {len(classes):,} words that their names "
            f"begin with are the classes ({some})."
        ) from None
    return found


def _names_of_synsets(root: Path, files: Sequence[str], classes: Sequence[str]) -> list[str]:
    """A sentence about a file that says the words of classes called like synsets of WordNet, as in ImageNet."""
    if not classes or not all(map(_SYNSET.fullmatch, classes)):
        return []
    for name in files:
        if "/" in name or not name.lower().endswith(".txt"):
            continue
        lines = (root / name).read_text("utf-8", errors="replace").splitlines()
        words = {line[:9]: line[9:].strip() for line in lines if _SYNSET.fullmatch(line[:9])}
        if all(words.get(one) for one in classes):
            return [f"{name} says the words of the classes, such as {words[classes[0]]} for {classes[0]}"]
    return []


def image_column(root: Path, base: str, names: Sequence[str]) -> "pa.StructArray":  # type: ignore[name-defined] # noqa: F821
    """Return a column of images that are files: an Arrow array of {bytes: null, path}."""
    import pyarrow as pa
    import pyarrow.compute as pc

    start = (root / base).as_posix().rstrip("/") + "/"
    path = pc.binary_join_element_wise(pa.scalar(start), pa.array(names, pa.string()), "")
    return pa.StructArray.from_arrays([pa.nulls(len(names), pa.binary()), path], ["bytes", "path"])


def left_out(root: Path, tree: Tree, base: str, read: Collection[str] = ()) -> list[str]:
    """Sentences about files and folders that are not read as images: unknown endings, hidden folders with images.

    `read` are names of images that were read, from hidden folders too.
    """
    inner = [name for name in below(tree.files, base) if "/" in name or base]
    endings = Counter(PurePosixPath(name).suffix.lower() for name in inner if not is_image(name))
    counted = [
        f"{count:,} {ending or 'without an ending'}" for ending, count in endings.most_common() if ending not in _USUAL
    ]
    number = sum(count for ending, count in endings.items() if ending not in _USUAL)
    notes = (
        [f"{number:,} files are not read as images and come along as they are: {', '.join(counted[:6])}"]
        if counted
        else []
    )
    used = {name.split("/.", 1)[0] if "/." in name else name.split("/", 1)[0] for name in read if "/." in f"/{name}"}
    hidden = [
        name for name in tree.hidden if name not in used and (root / name).is_dir() and _holds_images(root / name)
    ]
    if hidden:
        shown = ", ".join(hidden[:5]) + (", …" if len(hidden) > 5 else "")
        notes.append(f"hidden folders that hold images were left out: {shown}; rename them to have them read")
    return notes


def _other_splits(tree: Tree, found: ClassFolders) -> list[str]:
    there = sum(map(is_image, below(tree.files, found.base)))
    number = there - len(found.images)
    return (
        [f"{number:,} images are not read: by their names, the card or a list, they are of other splits"]
        if number
        else []
    )


def _holds_images(folder: Path) -> bool:
    return any(is_image(entry.name) for entry in folder.iterdir())


def _deeper(found: ClassFolders, label: str) -> list[str]:
    deepest = sorted(set(found.deepest))
    if len(deepest) < 2 and label != "folder":  # all in a folder "images", say
        return []
    some = ", ".join(deepest[:3]) + (", …" if len(deepest) > 3 else "")
    if label == "folder":
        return [f"the {len(deepest):,} deepest folders are the classes ({some})"]
    there = f"folders lie deeper than the {len(found.classes):,} class folders ({some}); "
    return [there + f"to have the {len(deepest):,} deepest ones as classes, pass --label folder"]


def write_all(data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile) -> int:
    """Write the same tree with the kept images, and what is no example; the number of images the source had."""
    return write_images(data, keep, out, place)


def write_images(
    data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile, lists: Collection[str] = ()
) -> int:
    """Place the kept images and all other files but the `lists` of examples, which are written elsewhere.

    Lists of images among the other files lose what they say of dropped images; a dropped image that the list of another
    split names stays.
    """
    out.mkdir(exist_ok=True)
    root, names = folder_of(data), all_names(data)
    hidden = {
        "/".join(name.split("/")[: i + 1]) for name in names if "/." in f"/{name}" for i in range(name.count("/") + 1)
    }
    tree = list_tree(root, follow_links=True, shown=hidden)  # what opening allowed
    kept = {names[i] for i in keep}
    images = [name for name in tree.files if is_image(name)]
    dropped, rewritten = without_dropped(root, tree.files, images, set(names) - kept, data.split, set(lists))
    for name in tree.folders:
        (out / name).mkdir(parents=True, exist_ok=True)
    gone = dropped | beside_dropped(tree.files, dropped, set(images) - dropped) | set(lists)
    for name in tree.files:
        if name in rewritten:
            (out / name).write_bytes(rewritten[name])
        elif name not in gone and (root / name).exists():  # a link to nothing cannot come along
            place(root / name, out / name)
    missing = [name for name in kept if not (out / name).is_file()]
    if missing:
        raise InputError(f"{root / missing[0]} was there when the dataset was opened and is gone; open it again.")
    return len(names)
