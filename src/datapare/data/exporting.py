"""Write the examples that stay as the same kind of dataset they came from, and never half of it."""

import os
import tempfile
from pathlib import Path
from typing import IO, Literal, get_args, overload

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Subset
from datapare.data.cards import with_split_size
from datapare.data.dataset import Dataset
from datapare.data.formats.detect import find, format_of
from datapare.data.former_keys import in_keys_of
from datapare.data.open import as_dataset
from datapare.data.placing import carry, folder_of, placing, write_files
from datapare.data.remote import check_free, is_url, upload
from datapare.data.soft_label_files import SoftLabelRows, check_soft_labels, soft_label_files, write_soft_labels
from datapare.data.subsetting import in_order_of
from datapare.errors import InputError, MismatchError
from datapare.numerics.checked_calls import checked_call
from datapare.storage import atomic_write, write_error

LINES = 1 << 16  # of lists of examples, made at a time
How = Literal["copy", "hardlink", "symlink", "index"]
LISTS = ("keep.txt", "drop.txt", "subset.npy")  # files of as_="index"


@overload
def export(
    data: object,  # a Dataset, or whatever open_dataset reads
    subset: Subset,
    out: Path,
    *,
    as_: How = "copy",
    shard_size: int | None = None,
    soft_labels: SoftLabelRows | None = None,
    overwrite: bool = False,
) -> Path: ...
@overload
def export(
    data: object,  # a Dataset, or whatever open_dataset reads
    subset: Subset,
    out: Path | str,
    *,
    as_: How = "copy",
    shard_size: int | None = None,
    soft_labels: SoftLabelRows | None = None,
    overwrite: bool = False,
) -> Path | str: ...
@checked_call
def export(
    data: object,  # a Dataset, or whatever open_dataset reads
    subset: Subset,
    out: Path | str,
    *,
    as_: How = "copy",
    shard_size: int | None = None,
    soft_labels: SoftLabelRows | None = None,
    overwrite: bool = False,
) -> Path | str:
    """Write the kept examples to `out` as the dataset they came from: same format, files, columns and class names.

    What is no example of the split (other splits, a README) comes along. A dataset of one file becomes that file in
    `out`, or `out` itself where that ends alike.

    Args:
        data: The dataset that the subset was selected from, or what `open_dataset` opens; where subset and dataset know
            their keys, in any order.
        subset: The examples to keep.
        out: Where to write; a path that does not exist or an empty folder, or a URL that fsspec knows.
        as_: How files get there: copied; folders of images also hardlinked or symlinked; `index` writes only keep.txt
            and drop.txt, one name per line, and of WebDataset shards with a `uid` per sample DataComp's subset.npy.
        shard_size: Write WebDataset shards of so many samples each; None keeps the shards of the source.
        soft_labels: Probabilities (N, K) of all examples, or probabilities and their classes, (N, k) each; the kept
            rows are written beside `out` as OUT.soft_labels.npy (and OUT.soft_label_classes.npy), row i for example i.
        overwrite: Replace what is at `out`: a file, or a folder that holds nothing but files which an export of this
            dataset writes.

    Returns:
        `out`, which appears when it is complete.

    Raises:
        MismatchError: When the subset is of another dataset.
        InputError: When `out` is in use, inside the source or cannot be written, or soft labels are of other examples.

    >>> import tempfile
    >>> from datapare.data import open_dataset
    >>> data = open_dataset((np.eye(4), [0, 1, 0, 1]))
    >>> out = export(data, Subset(index=[0, 3], total=4), Path(tempfile.mkdtemp()) / "kept", as_="index")
    >>> sorted(file.name for file in out.iterdir())
    ['drop.txt', 'keep.txt']
    """
    data = as_dataset(data)
    if soft_labels is not None:
        check_soft_labels(soft_labels, len(data))
    if is_url(out):
        if overwrite:
            raise InputError(f"overwrite replaces files and folders, and {out} is a URL; remove what is there first.")
        return _export_to_url(data, subset, str(out), as_, shard_size, soft_labels)
    data, soft_labels = _as_selected(in_keys_of(data, subset.provenance.dataset), subset, soft_labels)
    target = Path(out).expanduser()
    try:
        _refuse(data, subset, target, as_, overwrite=overwrite)
        check_shard_size(data, as_, shard_size)
    except OSError as error:
        raise write_error(error, target) from error
    order = np.argsort(data.row[subset.index])  # of the source
    keep = np.sort(np.concatenate([data.row[subset.index], data.elsewhere]))
    total = len(data) + len(data.bad) + len(data.elsewhere)
    with atomic_write(target, replace=overwrite) as stage:
        if as_ == "index":
            write_lists(data, subset, stage)
        else:
            count = _write(data, keep, stage, as_, shard_size)
            if count != total:
                raise InputError(
                    f"{data.path} had {total:,} examples when it was opened and has {count:,} now; open it again."
                )
            if data.path is not None and data.path.is_dir() and stage.is_dir() and shard_size is None:
                with_split_size(data.path, stage, data.files, data.split, len(keep))
        if overwrite:
            _check_earlier(data, stage, target)
        if soft_labels is not None:
            write_soft_labels(soft_labels, subset.index[order], target)
    return target


def _as_selected(
    data: Dataset, subset: Subset, soft_labels: SoftLabelRows | None
) -> tuple[Dataset, SoftLabelRows | None]:
    """The dataset in the order that the subset was selected in, and with it soft labels of its examples."""
    before, data = data.row, in_order_of(data, subset.key)
    if soft_labels is None or np.array_equal(before, data.row):
        return data, soft_labels
    at = np.searchsorted(before, data.row)
    if isinstance(soft_labels, tuple):
        return data, (soft_labels[0][at], soft_labels[1][at])
    return data, soft_labels[at]


def _export_to_url(
    data: Dataset, subset: Subset, url: str, how: How, shard_size: int | None, soft_labels: SoftLabelRows | None
) -> str:
    check_free(url)
    parent, _, name = url.rstrip("/").rpartition("/")
    with tempfile.TemporaryDirectory() as folder:
        made = export(data, subset, Path(folder) / name, as_=how, shard_size=shard_size, soft_labels=soft_labels)
        for file in () if soft_labels is None else soft_label_files(made, soft_labels):
            upload(file, f"{parent}/{file.name}")
        upload(made, url.rstrip("/"))
    return url


def _check_earlier(data: Dataset, stage: Path, out: Path) -> None:
    """Raise InputError where a folder at `out` holds files that no export of this dataset writes."""
    if not os.path.lexists(out):
        return
    if out.is_dir() != stage.is_dir():
        raise InputError(
            f"{out} is a {'folder' if out.is_dir() else 'file'}, which no export of this dataset replaces."
        )
    if not out.is_dir():
        return
    source = data.path if data.path is not None and data.path.is_dir() else stage
    foreign = sorted({*_files(out)} - {*_files(stage), *_files(source), *LISTS})
    if foreign:
        raise InputError(f"{out} holds {foreign[0]}, which no export of this dataset wrote; choose another place.")


def _files(root: Path) -> list[str]:
    return [file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_symlink() or not file.is_dir()]


def _refuse(data: Dataset, subset: Subset, out: Path, how: str, *, overwrite: bool) -> None:
    if how not in get_args(How):
        raise InputError(f"as_ is one of {', '.join(get_args(How))}, not {how!r}.")
    if subset.total != len(data) or (subset.key is not None and not np.array_equal(subset.key, data.key)):
        raise MismatchError(
            f"the subset was chosen from {subset.total:,} examples that are not these {len(data):,}; "
            "export it from the dataset it was made from."
        )
    if subset.provenance.dataset and subset.provenance.dataset != data.digest:
        raise MismatchError("the subset belongs to another dataset: some labels or examples differ; choose it anew.")
    check_mode(data, how, out)
    if os.path.lexists(out) and not overwrite and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(
            f"{out} exists and is not empty; choose another place for the smaller dataset, or from Python replace an "
            "earlier export with overwrite=True."
        )
    check_outside(data, out)


def check_mode(data: Dataset, how: str, out: Path) -> None:
    """Raise InputError when examples of this dataset cannot get to `out` in this way, before anything is written."""
    if how not in {"hardlink", "symlink"}:
        return
    if not find(data.format).LINKABLE:
        raise InputError(f"only folders of images can be linked, and this dataset is {data.format}; use copy or index.")
    there = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    if how == "hardlink" and there.stat().st_dev != folder_of(data).stat().st_dev:
        raise InputError(
            f"{out} is on another disk than the source, where hard links cannot lead; use copy or symlink."
        )


def check_shard_size(data: Dataset, how: str, size: int | None) -> None:
    """Raise InputError where examples cannot be written into files of so many each."""
    if size is None:
        return
    if find(data.format).write_shards is None or how != "copy":
        raise InputError(
            f"a shard size is for copies of WebDataset shards, and this is --as {how} of the format {data.format}."
        )
    if size < 1:
        raise InputError(f"a shard holds at least one sample, not {size}.")


def check_outside(data: Dataset, out: Path) -> None:
    """Raise InputError when `out` lies in the folder that the dataset was read from, or holds it."""
    if data.made_from is not None:
        check_outside(data.made_from, out)
    if data.path is not None:
        here, there = _root(data).resolve(), out.resolve()
        # a file beside the source's file is beside it, not in it
        if here == there or (here in there.parents and folder_of(data).is_dir()) or there in here.parents:
            raise InputError(
                f"{out} lies in the source {data.path}, or holds it; the source is only read: choose another place."
            )


def _root(data: Dataset) -> Path:
    path = folder_of(data)
    return path if path.is_dir() or path.is_file() else path.parent


def _write(data: Dataset, keep: NDArray[np.int64], out: Path, how: str, shard_size: int | None) -> int:
    """Write into the empty folder (or the free place) `out`; the number of examples the source has now."""
    format_ = find(data.format)
    if shard_size is not None and format_.write_shards is not None:
        count = format_.write_shards(data, keep, out, shard_size)
        _carry(data, keep, out)
        return count
    if format_.write_all is not None:
        return format_.write_all(data, keep, out, placing(how))
    if format_.write is None:
        raise InputError(f"datasets of the format {data.format} cannot be written; use as_='index' (--as index).")
    count = write_files(data, keep, out, format_.write)
    _carry(data, keep, out)
    if folder_of(data).is_dir() and len(data.files) == 1:
        _write_same_rows(data.files[0], keep, out / data.files[0].relative_to(folder_of(data)), count)
    return count


def _write_same_rows(file: Path, keep: NDArray[np.int64], written: Path, count: int) -> None:
    """Write what holds the same rows in another format, as train.csv beside train.parquet, without the dropped."""
    for other in file.parent.iterdir():
        format_ = format_of(other.name)
        if other == file or other.stem != file.stem or format_ is None or format_.write is None or not other.is_file():
            continue
        draft = written.with_name(f"{other.name}.draft")
        try:
            same = format_.write(other, keep.tolist(), draft) == count
        except InputError:  # what cannot be read comes along as it is
            same = False
        if same:
            draft.replace(written.with_name(other.name))
        draft.unlink(missing_ok=True)


def _carry(data: Dataset, keep: NDArray[np.int64], out: Path) -> None:
    """Copy what else lies in the folder of the source, tables of its examples without the dropped ones."""
    if folder_of(data).is_dir():
        carry(data, out)
        beside = find(data.format).write_beside
        if beside is not None:
            beside(data, keep, out)


def write_lists(data: Dataset, subset: Subset, out: Path) -> None:
    """keep.txt and drop.txt: the names of the examples that stay and go (unreadable ones too), one per line."""
    out.mkdir(exist_ok=True)
    mask = subset.mask
    with _list_file(out / "keep.txt") as keep, _list_file(out / "drop.txt") as drop:
        for start in range(0, len(mask), LINES):
            stays = mask[start : start + LINES].tolist()
            for name, kept in zip(data.name[start : start + LINES], stays, strict=True):
                (keep if kept else drop).write(_line(name))
        drop.writelines(_line(one.name) for one in data.bad)
    write_index = find(data.format).write_index
    if write_index is not None:
        write_index(data, np.sort(data.row[subset.index]), out)


def _list_file(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n")


def _line(name: str) -> str:
    """Return a name as one line, line breaks and backslashes in it escaped."""
    if "\n" in name or "\r" in name or "\\" in name:
        name = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return name + "\n"
