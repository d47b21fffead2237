"""Write the examples that stay as the same kind of dataset they came from, and never half of it."""

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Subset
from datapare.data.dataset import Dataset, all_names
from datapare.data.formats import arrays, delimited, hf_datasets, image_folder, parquet, webdataset
from datapare.data.paths import walk
from datapare.errors import DatapareError, InputError, MismatchError

How = Literal["copy", "hardlink", "symlink", "index"]
Write = Callable[[Path, Sequence[int], Path], int]
_FILES: dict[str, Write] = {
    "parquet": parquet.write_parquet,
    "csv": delimited.write_csv,
    "jsonl": delimited.write_jsonl,
    "webdataset": webdataset.write_webdataset,
    "image-csv": delimited.write_csv,
}


def export(data: Dataset, subset: Subset, out: Path | str, *, as_: How = "copy") -> Path:
    """Write the kept examples to `out` as the dataset they came from: same format, files, columns and class names.

    Folders of images can be linked instead of copied; `as_="index"` writes only keep.txt and drop.txt, one name per
    line. What is no example of the split (other splits, a README) comes along. A dataset of one file becomes that file
    in `out`, or `out` itself where that ends alike. Returns `out`, which appears when it is complete.

    Raises MismatchError when the subset is of another dataset, InputError when `out` is in use, inside the source or
    cannot be written, DatapareError when the disk is full.
    """
    target = Path(out).expanduser()
    try:
        _refuse(data, subset, target, as_)
    except OSError as error:
        raise _sentence(error, target) from error
    keep = data.row[subset.index]
    with staged(target) as stage:
        if as_ == "index":
            write_lists(data, subset, stage)
        else:
            count = _write(data, keep, stage, as_)
            if count != len(data) + len(data.bad):
                raise InputError(
                    f"{data.path} had {len(data) + len(data.bad):,} examples when it was opened and has {count:,} now; "
                    "open it again."
                )
    return target


def _refuse(data: Dataset, subset: Subset, out: Path, how: str) -> None:
    if how not in get_args(How):
        raise InputError(f"as_ is one of {', '.join(get_args(How))}, not {how!r}.")
    if subset.total != len(data) or (subset.key is not None and not np.array_equal(subset.key, data.key)):
        raise MismatchError(
            f"the subset was chosen from {subset.total:,} examples that are not these {len(data):,}; "
            "export it from the dataset it was made from."
        )
    if subset.provenance.dataset and subset.provenance.dataset != data.digest:
        raise MismatchError("the subset belongs to another dataset: some labels or examples differ; choose it anew.")
    if how in {"hardlink", "symlink"} and data.format not in {"imagefolder", "image-csv"}:
        raise InputError(f"only folders of images can be linked, and this dataset is {data.format}; use copy or index.")
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise InputError(f"{out} exists and is not empty; choose another place for the smaller dataset.")
    check_outside(data, out)


def check_outside(data: Dataset, out: Path) -> None:
    """Raise InputError when `out` lies in the folder that the dataset was read from, or holds it."""
    if data.path is not None:
        here, there = _root(data).resolve(), out.resolve()
        # a file beside the source's file is beside it, not in it
        if here == there or (here in there.parents and _path(data).is_dir()) or there in here.parents:
            raise InputError(
                f"{out} lies in the source {data.path}, or holds it; the source is only read: choose another place."
            )


def _path(data: Dataset) -> Path:
    if data.path is None:
        raise InputError(f"a dataset of the format {data.format!r} has no place on disk.")
    return data.path


def _root(data: Dataset) -> Path:
    path = _path(data)
    return path if path.is_dir() or path.is_file() else path.parent


def _write(data: Dataset, keep: NDArray[np.int64], out: Path, how: str) -> int:
    """Write into the empty folder (or the free place) `out`; the number of examples the source has now."""
    if data.format in {"saved", "dataset", "hub"}:
        return hf_datasets.write_saved(data, keep, out)
    if data.format == "npy":
        count = arrays.write_npy(data, keep, out)
        _carry(data, out, {file.name for file in data.files})
        return count
    if data.format in {"npz", "arrays"}:
        return arrays.write_npz(data, keep, _file_in(out, data.path or Path("data.npz")))
    if data.format == "imagefolder":
        return _write_images(data, keep, out, how)
    if data.format == "image-csv":
        _write_images(data, keep, out, how)
    return _write_files(data, keep, out)


def _write_images(data: Dataset, keep: NDArray[np.int64], out: Path, how: str) -> int:
    out.mkdir(exist_ok=True)
    names = all_names(data)
    kept = {names[i] for i in keep}
    csv = {file.relative_to(_path(data)).as_posix() for file in data.files}
    image_folder.write_folder(_path(data), out, set(names) | csv, kept, image_folder.placing(how))
    missing = [name for name in kept if not (out / name).is_file()]
    if missing:
        raise InputError(
            f"{_path(data) / missing[0]} was there when the dataset was opened and is gone; open it again."
        )
    return len(names)


def _write_files(data: Dataset, keep: NDArray[np.int64], out: Path) -> int:
    start = 0
    for file in data.files:
        if _path(data).is_dir():
            target = out / file.relative_to(_path(data))
            target.parent.mkdir(parents=True, exist_ok=True)
        else:
            target = _file_in(out, file, alone=len(data.files) == 1)
        start += _FILES[data.format](file, (keep - start).tolist(), target)
    if _path(data).is_dir() and data.format != "image-csv":
        _carry(data, out, {file.relative_to(_path(data)).as_posix() for file in data.files})
    return start


def _file_in(out: Path, file: Path, *, alone: bool = True) -> Path:
    """`out` itself where it is to be one file of that format, else the file's name in the folder `out`."""
    if _final(out).suffix.lower() == file.suffix.lower() and alone:
        return out
    out.mkdir(exist_ok=True)
    return out / file.name


def _carry(data: Dataset, out: Path, written: set[str]) -> None:
    """Copy what else lies in the source folder: other splits, a card, a licence."""
    for name in walk(_path(data))[1]:
        if name not in written:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_path(data) / name, out / name)


def write_lists(data: Dataset, subset: Subset, out: Path) -> None:
    """keep.txt and drop.txt: the names of the examples that stay and go (unreadable ones too), one per line."""
    out.mkdir(exist_ok=True)
    mask = subset.mask
    kept = [data.name[i] for i in np.flatnonzero(mask).tolist()]
    dropped = [data.name[i] for i in np.flatnonzero(~mask).tolist()] + [one.name for one in data.bad]
    for name, names in (("keep.txt", kept), ("drop.txt", dropped)):
        content = "".join(_line(one) + "\n" for one in names)
        (out / name).write_text(content, encoding="utf-8", errors="surrogateescape", newline="\n")


def _line(name: str) -> str:
    return name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r") if set(name) & set("\\\n\r") else name


def _stage(out: Path) -> Path:
    return out.with_name(f".{out.name}.partial")


def _final(stage: Path) -> Path:
    return stage.with_name(stage.name.removeprefix(".").removesuffix(".partial"))


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A free place beside `out` to write to, renamed to `out` at the end; whatever fails leaves `out` as it was."""
    stage = _stage(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove(stage)  # left by a run that was killed
        yield stage
        if out.is_dir():
            out.rmdir()
        stage.rename(out)
    except OSError as error:
        raise _sentence(error, out) from error
    finally:
        _remove(stage)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _sentence(error: OSError, out: Path) -> DatapareError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DatapareError(f"the disk is full, so {out} was not written; free some space, or choose another place.")
    if error.errno == errno.EXDEV:
        return InputError(
            f"{out} is on another disk than the source, where hard links cannot lead; use copy or symlink."
        )
    return InputError(f"{out} cannot be written: {error.strerror or error}; choose another place.")
