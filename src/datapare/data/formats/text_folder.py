"""Folders of texts: one sub-folder per class, one file per example, as in the reviews of aclImdb."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset, all_names
from datapare.data.feature_lines import without_lines
from datapare.data.formats.detect import format_of
from datapare.data.image_io import in_threads
from datapare.data.layouts import below, find_base, is_image, is_unlabelled
from datapare.data.paths import list_tree
from datapare.data.placing import PlaceFile, folder_of
from datapare.data.side_lists import without_dropped
from datapare.data.source import OpenRequest, RawTable, SourceFiles, rows_of
from datapare.errors import InputError

_NUMBER = re.compile(r"\d+")  # as the messages of 20 Newsgroups are called


def matches(files: SourceFiles, request: OpenRequest) -> bool:
    """Whether the folder holds texts in the folders of several classes, and nothing else that is read."""
    if not files.is_folder or request.kind not in {None, "text"}:
        return False
    texts = _texts(files.names)
    if not texts or any(is_image(name) or format_of(name) is not None for name in files.names):
        return False
    if b"\0" in _start(files.path / texts[0]):  # an image without an ending, say
        return False
    try:
        return len({name.split("/", 1)[0] for name in _inner(str(files.path), texts, request.split)[1]}) > 1
    except InputError:  # the split is missing, which `read` says
        return True


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """Read every text in the class folders, or in those of the split's folder; classes are sorted folders.

    Folders that are called like unlabelled examples, such as unsup, are left out.

    Raises:
        InputError: For files that are no UTF-8.
    """
    import datasets
    import pyarrow as pa

    root = files.path
    base, inner = _inner(str(root), _texts(files.names), request.split)
    classes = sorted({name.split("/", 1)[0] for name in inner})
    unlabelled = [name for name in classes if is_unlabelled(name)] if request.label is None else []
    classes = [name for name in classes if name not in unlabelled]
    inner = [name for name in inner if name.split("/", 1)[0] in set(classes)]
    if request.label not in {None, "label"} or request.inputs:
        raise InputError(f"{root} has a folder per class and no other columns; leave out label= and input=.")
    number = {name: i for i, name in enumerate(classes)}
    prefix = f"{base}/" if base else ""
    table = pa.table(
        {
            "text": pa.array(_contents(root / base, inner), pa.large_string()),
            "label": pa.array([number[name.split("/", 1)[0]] for name in inner], pa.int64()),
        }
    )
    features = datasets.Features(text=datasets.Value("large_string"), label=datasets.ClassLabel(names=classes))
    table = table.replace_schema_metadata(features.arrow_schema.metadata)
    notes = [f"{prefix}{name}/ was left out, as examples without a label are called so" for name in unlabelled]
    names = [prefix + name for name in inner]
    return RawTable(rows_of(table), root, (), "text", ("text",), "label", inner, names, notes=tuple(notes))


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1000)


def _texts(names: Iterable[str]) -> list[str]:
    """The files of texts: those in folders that hold no further folders of them."""
    found = [name for name in names if "/" in name and name.lower().endswith(".txt")]
    if not found:
        found = [name for name in names if "/" in name and _NUMBER.fullmatch(name.rpartition("/")[2])]
    above = {folder.rpartition("/")[0] for folder in {name.rpartition("/")[0] for name in found}}
    return [name for name in found if name.rpartition("/")[0] not in above]


def _inner(where: str, texts: Sequence[str], split: str) -> tuple[str, list[str]]:
    """The folder that holds the class folders of the split, and the texts in those."""
    base = find_base(where, texts, split)
    return base, [name for name in below(texts, base) if "/" in name]


def _contents(folder: Path, names: Sequence[str]) -> list[str]:
    """The texts of files, as UTF-8."""
    read = [*in_threads(_text, [str(folder / name) for name in names])]
    broken = [name for name, text in zip(names, read, strict=True) if text is None]
    if broken:
        raise InputError(
            f"{len(broken):,} of {len(names):,} texts in {folder} are not UTF-8, {broken[0]} first; convert them, such "
            f"as with iconv -f latin1 -t utf-8 {broken[0]} > NEW."
        )
    return [text for text in read if text is not None]


def _text(path: str) -> str | None:
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def write_all(data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile) -> int:
    """Write the same tree with the kept texts and all that is no example; the number of texts the source had.

    Lists among the other files lose what they say of dropped texts.
    """
    out.mkdir(exist_ok=True)
    root, names = folder_of(data), all_names(data)
    tree = list_tree(root, follow_links=True)  # what opening allowed
    texts = _texts(tree.files)
    unwanted = set(names) - {names[i] for i in keep.tolist()}
    others = sorted(set(tree.files) - set(texts))
    dropped, rewritten = without_dropped(root, others, texts, unwanted, data.split, ())
    rewritten |= without_lines(root, others, texts, dropped)
    for name in tree.folders:
        (out / name).mkdir(parents=True, exist_ok=True)
    for name in tree.files:
        if name in rewritten:
            (out / name).write_bytes(rewritten[name])
        elif name not in dropped and (root / name).exists():  # a link to nothing cannot come along
            place(root / name, out / name)
    return len(names)
