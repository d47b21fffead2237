"""Images that a list names, with their labels: CSV, TSV, JSON lines, JSON or plain lines, wherever the images lie."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from datapare.data.column_names import LABELS
from datapare.data.dataset import Dataset, all_names
from datapare.data.formats import delimited, image_folder, json_lines, parquet
from datapare.data.formats.image_folder import image_column, left_out, write_images
from datapare.data.image_names import ImageNames
from datapare.data.layouts import has_class_folders, is_image
from datapare.data.list_files import (
    Fields,
    entries_table,
    is_called_list,
    is_list,
    json_entries,
    parquet_fields,
    read_records,
    stores_images,
)
from datapare.data.paths import check_unsplit, leading_out, leads_out, normalise, split_of
from datapare.data.placing import PlaceFile, file_in, folder_of
from datapare.data.side_lists import filtered_json, name_column
from datapare.data.source import OpenRequest, RawTable, SourceFiles, rows_of
from datapare.data.split_columns import rows_of_split
from datapare.data.split_lists import read_split_lists
from datapare.data.spread_labels import is_mark, with_one_label
from datapare.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

LINKABLE = True
PRIORITY = 1
NAMES = (
    *("file_name", "filename", "file", "image", "image_path", "img_path", "path", "filepath", "file_path", "img"),
    *("image_file", "image_name", "image_id", "id_code", "imageid", "img_id", "img_name", "name", "id"),
)
_FIRST = ("metadata", "labels")
_HEAD = 1 << 18  # bytes, or rows, that say what a list is
_ROWS = 1000


@dataclass(frozen=True)
class ImageList:
    """A file that names images: its column of names, and that of labels where it is clear.

    `spread` are the columns of a label that is spread over one of 0 and 1 for each class.
    """

    path: Path
    column: str
    label: str | None
    labelled: bool
    spread: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ListedRows:
    """Which records of a list are the rows (N,) of a dataset, and how many records it has."""

    row: NDArray[np.int64]
    total: int


def matches(files: SourceFiles, request: OpenRequest) -> bool:
    """Whether a list names image files and says their labels, or nothing else does."""
    return find_list(files, request) is not None


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """Read every image of the split that the list names; further columns stay as they are.

    Raises:
        InputError: For a name that leads out of the folder, and one that repeats.
    """
    found = find_list(files, request)
    assert found is not None  # noqa: S101 (`matches` found it)
    root = files.root
    table, names = with_one_label(_table(found, request), found.spread, found.path), _texts(found, root)
    lookup = _lookup(files, found.path, names, request).below_other_root(names)
    resolved = _resolve(found, names, lookup, root)
    every, (mask, said) = resolved, _of_split(table, resolved, request.split)
    if files.is_folder and mask.all() and split_of(found.path.name) is None:
        listed = read_split_lists(root, files.names, request.split)
        mask, said = mask if listed.images is None else np.isin(resolved, listed.images), listed.notes
    row = np.flatnonzero(mask)
    resolved = [resolved[i] for i in row.tolist()]
    _refuse_repeated(found.path, resolved)
    shown = table.take(row)
    at = shown.column_names.index(found.column) if found.column in shown.column_names else None
    image = image_column(root, "", resolved)
    shown = shown.append_column("image", image) if at is None else shown.set_column(at, found.column, image)
    column = "image" if at is None else found.column
    prefix = found.path.parent.relative_to(root).as_posix()
    identity = [name.removeprefix(f"{prefix}/") for name in resolved] if prefix != "." else resolved
    notes = [f"labels are read from {found.path.relative_to(root).as_posix()}", *said, *_other_root(lookup, names)]
    if files.is_folder:
        notes += [*left_out(root, files.tree, "", resolved), *_unlisted(files.names, every, request.split)]
    return RawTable(
        rows_of(shown), root if files.is_folder else files.path, (found.path,), "image", (column,), found.label,
        identity, resolved, origin=ListedRows(row, len(names)), notes=tuple(notes),
    )  # fmt: skip


def _unlisted(names: Iterable[str], listed: Iterable[str], split: str) -> list[str]:
    """A sentence about images that the list does not name, unless they lie in the folder of another split."""
    known, ours = frozenset(listed), {None, split_of(split) or split}
    other = [one for one in names if is_image(one) and one not in known and split_of(one.rpartition("/")[0]) in ours]
    if not other:
        return []
    return [f"{len(other):,} images are not in that list, {other[0]} first, and are not read"]


def find_list(files: SourceFiles, request: OpenRequest) -> ImageList | None:
    """The list of the split's images, or None where folders say their classes, or nothing names them.

    Raises:
        InputError: Where two lists could be it.
    """
    if not files.is_folder:
        usable = len(files.chosen) == 1 and is_list(files.path.name) and request.kind in {None, "image"}
        return _as_list(files, files.path, request, alone=True) if usable else None
    if image_folder.holds_rows(files, request):
        return None
    lists = (_as_list(files, files.path / name, request) for name in _candidates(files.names, request.split))
    found = [one for one in lists if one is not None]
    labelled = [one for one in found if one.labelled] or ([] if has_class_folders(files.names) else found)
    if not labelled:
        return None
    rank = _rank(labelled[0].path.relative_to(files.path).as_posix(), request.split)
    equal = [one.path.relative_to(files.path).as_posix() for one in labelled]
    equal = [name for name in equal if _rank(name, request.split)[:3] == rank[:3]]
    if len(equal) > 1:
        raise InputError(
            f"{files.path}: {' and '.join(equal[:5])} all list labels of images; open one of them by its path."
        )
    return labelled[0]


def _candidates(names: Iterable[str], split: str) -> list[str]:
    """The files that may list images of the split, the likeliest first."""
    ours = {None, split_of(split) or split}
    lists = [name for name in names if is_list(name) and name.count("/") < 3 and split_of(name) in ours]
    lists = [name for name in lists if not name.rpartition("/")[2].lower().startswith("readme")]
    return sorted(lists, key=lambda name: _rank(name, split))[:1000]


def _rank(name: str, split: str) -> tuple[bool, int, bool, str]:
    stem = name.rpartition("/")[2].partition(".")[0].lower()
    return split_of(name) != (split_of(split) or split), name.count("/"), stem not in _FIRST, name


def _as_list(files: SourceFiles, path: Path, request: OpenRequest, *, alone: bool = False) -> ImageList | None:
    """The file as a list of images; None where it is none."""
    try:
        sample = _fields(path, head=True)
    except (InputError, OSError):
        return None
    columns = list(dict.fromkeys(name for fields in sample for name in fields))
    if not sample or (request.label is not None and request.label not in columns and not alone):
        return None
    column = _image_column(files, path, sample, columns, request, alone=alone)
    if path.suffix.lower() == ".parquet" and column is not None and not _is_here(files, path, sample, column, request):
        return None
    if column is None or (
        path.suffix.lower() in {".txt", ".lst"}
        and not all(fields.get("label") and not is_image(fields["label"]) for fields in sample)
    ):
        return None
    others = [name for name in columns if name != column]
    if request.label is None and len(others) > 1 and all(is_mark(row.get(name)) for row in sample for name in others):
        return ImageList(path, column, "label", labelled=True, spread=tuple(others))
    return _with_label(path, column, others, request)


def _is_here(files: SourceFiles, path: Path, sample: Sequence[Fields], column: str, request: OpenRequest) -> bool:
    """Whether a Parquet file is a list: by its name, or as it holds no images and names those of the folder."""
    if is_called_list(path.name):
        return True
    names = [fields.get(column, "") for fields in sample]
    lookup = _lookup(files, path, names, request).below_other_root(names)
    return not stores_images(path) and 2 * sum(lookup.find(name) is not None for name in names) > len(names)


def _image_column(
    files: SourceFiles,
    path: Path,
    sample: Sequence[Fields],
    columns: Sequence[str],
    request: OpenRequest,
    *,
    alone: bool,
) -> str | None:
    """The column that names images: the named one, one with a usual name, or the one whose values are such names."""
    if request.input is not None:
        named = request.input if request.input in columns else None
        return named if named and any(is_image(fields.get(named, "")) for fields in sample[:20]) else None
    by_name = {name.lower(): name for name in reversed(columns)}
    usual = [by_name[name] for name in NAMES if name in by_name]
    for name in usual:
        values = [fields.get(name, "") for fields in sample[:20]]
        if any(map(is_image, values)):
            return name
    if not usual and (alone or not any(map(is_image, files.names))):
        return None
    texts = [fields.get(name, "") for name in (usual or columns) for fields in sample]
    lookup = _lookup(files, path, texts, request)
    return name_column([{name: fields.get(name, "") for name in columns} for fields in sample], lookup)


def _with_label(path: Path, column: str, others: Sequence[str], request: OpenRequest) -> ImageList | None:
    if path.suffix.lower() in {".txt", ".lst"}:
        return ImageList(path, "file_name", "label", labelled=True) if column == "file_name" else None
    if request.label is not None:
        return ImageList(path, column, request.label, labelled=request.label in others)
    usual = [name for name in others if name.lower() in LABELS]
    inner = [name for name in others if name.lower().rpartition(".")[2] in LABELS]  # {"meta": {"label": …}}
    if not usual and len(inner) == 1:
        return ImageList(path, column, inner[0], labelled=True)
    sure = usual[0] if len(usual) == 1 else others[0] if len(others) == 1 else None
    return ImageList(path, column, None if usual else sure, labelled=bool(usual))


def _lookup(files: SourceFiles, path: Path, names: Iterable[str], request: OpenRequest) -> ImageNames:
    """The images that names in the list may mean: of a whole folder, or near a file that was named."""
    root = files.root
    images = [name for name in files.names if is_image(name)] if files.is_folder else _nearby(root)
    lookup = ImageNames(images, path.parent.relative_to(root).as_posix().removeprefix("."), request.split)
    # names of hidden folders, and of folders far from a file that was named
    missing = {normalise(name) for name in names if is_image(name) and not leads_out(name) and not lookup.find(name)}
    base = path.parent.relative_to(root)
    direct = {(base / name).as_posix() for name in missing if (path.parent / name).is_file()}
    if not direct:
        return lookup
    if not request.follow_links:
        _refuse_links(root, direct)
    return ImageNames([*images, *direct], path.parent.relative_to(root).as_posix().removeprefix("."), request.split)


def _nearby(root: Path) -> list[str]:
    """The images in a folder and in the folders directly below it."""
    folders = ["", *(f"{one.name}/" for one in os.scandir(root) if one.is_dir() and not one.name.startswith("."))]
    found = []
    for prefix in folders:
        try:
            found += [
                prefix + one.name for one in os.scandir(root / prefix) if is_image(one.name) and not one.is_symlink()
            ]
        except OSError:
            continue
    return found


def _refuse_links(root: Path, names: Iterable[str]) -> None:
    """Raise InputError where a listed file is a link, or lies in a linked folder, that leads out of `root`."""
    home = os.path.realpath(root)
    for name in names:
        real = os.path.realpath(root / name)
        if not real.startswith(home.rstrip("/") + "/"):
            raise leading_out(root, name, real)


def _texts(found: ImageList, root: Path) -> list[str]:
    """The names in the list, as they stand, but relative to `root` where they are absolute paths in it."""
    if found.path.suffix.lower() == ".json":
        return [str(entry.get(found.column, "")) for entry in json_entries(found.path)]
    inside = _inside(root)
    return [fields.get(found.column, "").removeprefix(inside) for fields in _fields(found.path)]


def _other_root(lookup: ImageNames, names: Sequence[str]) -> list[str]:
    """A sentence about absolute names of which only the end is read."""
    if not lookup.other_root:
        return []
    return [f"the list names files elsewhere, such as {names[0]}: read as {lookup.inner(names[0])} of this folder"]


def _fields(path: Path, *, head: bool = False) -> Sequence[Fields]:
    """The texts of each record of a list, or of its first ones."""
    if path.suffix.lower() == ".json":
        return [{k: str(v) for k, v in entry.items()} for entry in json_entries(path)]
    if path.suffix.lower() == ".parquet":
        return parquet_fields(path, _ROWS if head else None)
    return read_records(path, _HEAD if head else -1).fields


def _table(found: ImageList, request: OpenRequest) -> "pa.Table":
    """The columns of the list."""
    import pyarrow.compute as pc

    suffix, files = found.path.suffix.lower(), SourceFiles(found.path, (found.path,))
    if suffix == ".json":
        return entries_table(json_entries(found.path))
    whole = read_records(found.path) if suffix in {".csv", ".tsv", ".txt", ".lst"} else None
    if whole is not None and not whole.header:
        return entries_table([{name: fields.get(name) for name in (found.column, "label")} for fields in whole.fields])
    reader = parquet if suffix == ".parquet" else delimited if whole is not None else json_lines
    table = reader.read(files, request).rows.with_format("arrow")[:]
    wanted = () if found.spread else (found.column, found.label or found.column)
    for inner in {*wanted} - {*table.column_names}:  # {"meta": {"label": …}}
        outer, _, name = inner.partition(".")
        table = table.append_column(inner, pc.struct_field(table[outer].combine_chunks(), name))
    return table


def _resolve(found: ImageList, names: Sequence[str], lookup: ImageNames, root: Path) -> list[str]:
    """The relative path of each named image; a file that is not there keeps the path that the list gives it."""
    base = found.path.parent.relative_to(root).as_posix()
    resolved = []
    for row, full in enumerate(names):
        name = lookup.inner(full)
        if leads_out(name) or not name.strip():
            raise InputError(
                f"row {row} of {found.path.name} names the file {name!r}, which is not inside {root}; write it "
                "relative to that folder."
            )
        path = lookup.find(full)
        resolved.append(path if path is not None else normalise(name if base == "." else f"{base}/{name}"))
    return resolved


def _inside(root: Path) -> str:
    """What an absolute path in the folder begins with."""
    return f"{root.absolute().as_posix().rstrip('/')}/"


def _of_split(table: "pa.Table", images: Sequence[str], split: str) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Which rows are of the split (N,): all, unless a column or the images' folders say otherwise; and what to say."""
    wanted = split_of(split) or split
    said = rows_of_split(table.column_names, table.column, split)
    if said.row is not None:
        return np.isin(np.arange(table.num_rows), said.row), said.notes
    folders = [split_of(name.rpartition("/")[0]) for name in images]
    if wanted not in folders:
        check_unsplit("the list", split)
        if None not in folders:
            found = ", ".join(sorted({one for one in folders if one}))
            raise InputError(
                f"the listed images are of the splits {found}, and none of {split!r}; name one with --split."
            )
    return np.array([one in {None, wanted} for one in folders], bool), ()


def _refuse_repeated(path: Path, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{path} names {name!r} more than once; an image is one example: leave one of the lines.")
        seen.add(name)


def write_all(data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile) -> int:
    """Write the kept images, the list of only those, and what is no example."""
    path, listed = data.files[0], data.origin
    assert isinstance(listed, ListedRows)  # noqa: S101 (`read` made it)
    root = folder_of(data) if folder_of(data).is_dir() else path.parent
    names, kept = all_names(data), set(keep.tolist())
    gone = {int(row) for i, row in enumerate(listed.row.tolist()) if i not in kept}
    target = file_in(out, path) if root != folder_of(data) else out / path.relative_to(root)
    if root == folder_of(data):
        write_images(data, keep, out, place, {path.relative_to(root).as_posix()})
        target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".json":
        dropped = {name for i, name in enumerate(names) if i not in kept}
        lookup = ImageNames(names, path.parent.relative_to(root).as_posix().removeprefix("."), data.split)
        content = filtered_json(path, lookup, dropped)
        target.write_bytes(path.read_bytes() if content is None else content)
        return len(listed.row) + len(json_entries(path)) - listed.total
    if path.suffix.lower() == ".parquet":
        there = parquet.write(path, [i for i in range(listed.total) if i not in gone], target)
        return len(listed.row) + there - listed.total
    found = read_records(path)
    inside = _inside(root).encode()
    records = [one.replace(inside, b"") for one in found.records]  # absolute paths would lead to the source
    delimited.write_lines(target, found.header, records, [i for i in range(len(records)) if i not in gone])
    return len(listed.row) + len(found.records) - listed.total
