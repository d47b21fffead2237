"""Arrays: .npz, folders of .npy, a pair (X, y) or a dict of arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast
from zipfile import ZIP_STORED, BadZipFile, ZipFile, is_zipfile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datapare.artifacts import Kind
from datapare.data.column_names import LABELS
from datapare.data.columns import refuse_tokens
from datapare.data.dataset import Dataset
from datapare.data.foreign_types import Array, ArrowColumn
from datapare.data.image_io import display_range
from datapare.data.paths import SPLITS, check_unsplit, split_of
from datapare.data.placing import PlaceFile, carry, file_in
from datapare.data.source import OpenRequest, RawTable, SourceFiles, check_unpacked, rows_of
from datapare.data.text_files import first_line
from datapare.errors import InputError, nearest

INPUTS = (
    "x",
    "images",
    "image",
    "data",
    "features",
    "embeddings",
    "embedding",
    "texts",
    "text",
    "inputs",
    "pixel_values",
)
T = TypeVar("T")


SUFFIXES = (".npz", ".npy")
PRIORITY = 2


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """The arrays of an .npz file, or of a folder of .npy files (memory-mapped and named by file)."""
    path = files.path
    archives = files.chosen or files.with_suffix(SUFFIXES[:1], request.split)  # names of arrays may say splits too
    if len(archives) == 1 and archives[0].suffix.lower() == ".npz":
        check_unpacked(archives[0], _unpacked(archives[0]), request.max_gib)
        return from_arrays(_load(archives[0]), request, path, archives)
    found = tuple(sorted(path.glob("*.npy"))) if files.is_folder and not archives else ()
    if not found:
        raise InputError(f"{path}: expected one .npz file of inputs and labels, or a folder with x.npy and y.npy.")
    return from_arrays({file.stem: _mapped(file) for file in found}, request, path, found)


def _unpacked(path: Path) -> int:
    """Bytes that the members of a zip archive unpack to; 0 for anything else."""
    if not is_zipfile(path):
        return 0
    try:
        with ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except (BadZipFile, NotImplementedError) as error:
        raise InputError(f"{path} is damaged ({error}); get or save it again.") from error


def accepts(source: object) -> bool:
    """Whether this is a dict of arrays or a pair (X, y)."""
    if isinstance(source, Mapping):
        return not any(hasattr(value, "column_names") for value in source.values())
    return isinstance(source, tuple) and len(source) == 2


def read_object(source: Mapping[str, ArrayLike] | tuple[ArrayLike, ArrayLike], request: OpenRequest) -> RawTable:
    """One row per entry of the label array."""
    if isinstance(source, Mapping):
        return from_arrays({name: np.asarray(array) for name, array in source.items()}, request)
    if hasattr(source[0], "toarray"):
        raise InputError("X is a sparse matrix, and arrays are read whole; pass X.toarray().")
    pair = {"x": np.asarray(source[0]), "y": np.asarray(source[1])}
    return from_arrays(pair, replace(request, inputs=("x",), label="y"))


def _mapped(file: Path) -> Array:
    return np.asanyarray(_plain(lambda: np.load(file, mmap_mode="r", allow_pickle=False), file))


def _load(path: Path) -> dict[str, Array]:
    if not is_zipfile(path):
        raise InputError(f"{path} holds no arrays that can be read: an .npz file is a zip archive, and this is none.")

    def read() -> dict[str, Array]:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    return dict(_plain(read, path))


def _plain(read: Callable[[], T], path: Path) -> T:
    try:
        return read()
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise InputError(
                f"{path} holds pickled objects, which are never loaded; save plain arrays of numbers or text."
            ) from None
        raise InputError(f"{path} holds no arrays that can be read: {error}.") from None
    except Exception as error:  # noqa: BLE001 (a damaged archive raises many things)
        raise InputError(f"{path} holds no arrays that can be read: {error}.") from None


def from_arrays(
    arrays: Mapping[str, Array],
    ask: OpenRequest,
    path: Path | None = None,
    files: tuple[Path, ...] = (),
) -> RawTable:
    """Rows of named arrays: images (N, H, W[, C]), vectors (N, F) or texts (N,), and labels (N,)."""
    import pyarrow as pa

    y_name = _find(arrays, LABELS, ask.label, "label", ask.split)
    if ask.input is None:
        refuse_tokens(arrays, [name for name in arrays if name.lower() in INPUTS])
    x_name = _find(arrays, INPUTS, ask.input, "input", ask.split)
    if not y_name.lower().endswith(f"_{ask.split.lower()}"):
        check_unsplit(path or "the dataset", ask.split)
    x, y = arrays[x_name], np.asarray(arrays[y_name])
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if (number := one_hot_classes(y)) is not None:
        y = number
    if y.ndim != 1 or not x.ndim or len(x) != len(y):
        raise InputError(
            f"expected one label per example, but {x_name!r} has the shape {x.shape} and {y_name!r} {y.shape}; "
            "name others with input= and label=."
        )
    columns = {y_name: _text(y, y_name)}
    columns |= {
        name: _text(arrays[name], name) for name in per_row(arrays, y_name, ask.split) if arrays[name].ndim == 1
    }
    if x.ndim == 1:
        columns[x_name] = _text(x, x_name)
        return RawTable(rows_of(pa.table(columns)), path, files, None, (x_name,), y_name, origin=arrays)
    if ask.kind == "table" and x.ndim == 2:
        numbers = {f"{x_name}{i}": _text(x[:, i], x_name) for i in range(x.shape[1])}
        return RawTable(
            rows_of(pa.table(numbers | columns)), path, files, "table", tuple(numbers), y_name, origin=arrays
        )
    found, array = as_inputs(x, x_name)
    return RawTable(rows_of(pa.table(columns)), path, files, found, (x_name,), y_name, array=array, origin=arrays)


def one_hot_classes(rows: Array) -> NDArray[np.int64] | None:
    """The places of the ones (N,) in rows of zeros with a single 1; None where any row is another one.

    >>> one_hot_classes(np.array([[0, 1], [1, 0]])), one_hot_classes(np.array([[1, 1], [1, 0]]))
    (array([1, 0]), None)
    """
    if rows.ndim != 2 or rows.shape[1] < 2 or rows.dtype.kind not in "biuf":
        return None
    plain = ((rows == 0) | (rows == 1)).all() and ((rows == 1).sum(axis=1) == 1).all()
    return np.asarray(rows.argmax(axis=1), np.int64) if plain else None


def _find(arrays: Mapping[str, Array], usual: Sequence[str], named: str | None, what: str, split: str) -> str:
    listed = ", ".join(arrays)
    if named is not None:
        if named not in arrays:
            raise InputError(
                f"{what} names the array {named!r}, but the arrays are {listed}{nearest(named, list(arrays))}"
            )
        return named
    words = SPLITS.get(split_of(split) or split, (split,))
    wanted = [*usual, *(f"{name}_{word}" for word in words for name in usual)]
    wanted += [f"{word}_{name}" for word in words for name in usual]
    found = [name for name in arrays if name.lower() in wanted]
    if len(found) != 1:
        problem = (
            f"{' and '.join(found)} could all be it" if found else f"none has a usual name such as x, y or y_{split}"
        )
        raise InputError(f"which array is the {what}? {problem}; name it with {what}= (--{what}): {listed}.")
    return found[0]


def per_row(arrays: Mapping[str, Array], y_name: str, split: str = "train") -> list[str]:
    """The arrays with one entry per example: as long as the labels, and not named after another split than those.

    >>> x = np.zeros((2, 3))
    >>> per_row({"x_train": x, "y_train": x, "x_test": x, "mean": x[0]}, "y_train")
    ['x_train', 'y_train']
    """
    ours = split_of(y_name) or split_of(split)
    n = len(arrays[y_name])
    fits = [name for name, array in arrays.items() if np.ndim(array) and len(array) == n]
    return [name for name in fits if split_of(name) in {None, ours}]


def _text(array: Array, name: str) -> ArrowColumn:
    import pyarrow as pa

    native = array.astype(array.dtype.newbyteorder("="), copy=False)  # Arrow takes no other order of bytes
    try:
        return pa.array(array.tolist() if array.dtype.kind in "OUS" else np.ascontiguousarray(native))
    except pa.ArrowException as error:  # complex numbers, records, numbers of 128 bits
        raise InputError(
            f"the array {name!r} holds {array.dtype}, which is neither numbers nor texts: {first_line(error)}."
        ) from None


def as_inputs(x: Array, name: str) -> tuple[Kind, Array]:
    """Return what an array is by its shape: vectors (N, F), or images as uint8 (N, H, W, C)."""
    if x.dtype.kind not in "iufb":
        raise InputError(f"{name!r} holds {x.dtype}, but examples are numbers or texts.")
    if x.ndim == 2:
        return "embedding", x
    if x.ndim == 3:
        return "image", _bytes(x, name)[..., None]
    if x.ndim == 4 and (x.shape[3] in {1, 3, 4} or x.shape[1] in {1, 3}):
        last = x if x.shape[3] in {1, 3, 4} else x.transpose(0, 2, 3, 1)  # (N, C, H, W) -> (N, H, W, C)
        pixels = _bytes(last, name)
        return "image", _over_white(pixels) if pixels.shape[3] == 4 else pixels
    raise InputError(f"{name!r} has the shape {x.shape}; expected vectors (N, F) or images (N, H, W), (N, H, W, 3).")


def _over_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA images (N, H, W, 4) as RGB on a white ground."""
    out = np.empty((*pixels.shape[:3], 3), np.uint8)
    for i in range(0, len(pixels), 1024):
        alpha = pixels[i : i + 1024, ..., 3:].astype(np.float32) / 255
        out[i : i + 1024] = np.rint(pixels[i : i + 1024, ..., :3] * alpha + 255 * (1 - alpha))
    return out


def _bytes(x: Array, name: str) -> NDArray[np.uint8]:
    if x.dtype == np.uint8:
        return x
    low, high = float(x.min(initial=0)), float(x.max(initial=0))
    if not low >= 0:
        raise InputError(f"{name!r} holds images between {low:g} and {high:g}; expected 0 to 255, or 0.0 to 1.0.")
    deep = high > 255 or (x.dtype.kind == "f" and high <= 1)
    scale = 255 / display_range(low, high)[1] if deep else 1
    return np.concatenate([np.rint(x[i : i + 4096] * scale).astype(np.uint8) for i in range(0, len(x), 4096)])


def chosen(arrays: Mapping[str, Array], data: Dataset, keep: NDArray[np.int64]) -> dict[str, Array]:
    """The same arrays with only the rows at `keep` where an array has one row per example."""
    rows = set(per_row(arrays, data.label_column, data.split))
    found = {name: np.asarray(array)[keep] if name in rows else np.asarray(array) for name, array in arrays.items()}
    return {name: plain for name, array in found.items() if (plain := _without_objects(array)) is not None}


def _without_objects(array: Array) -> Array | None:
    """The array, texts as NumPy has them where they are objects; None for other objects, which no file holds."""
    if array.dtype.kind != "O":
        return array
    return array.astype(str) if all(isinstance(one, str) for one in array.flat) else None


def write_all(data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile) -> int:  # noqa: ARG001
    """Write arrays of the same names: a folder of .npy files, or an .npz file, compressed if the source is."""
    if data.path is not None and data.path.is_dir() and data.files[0].suffix == ".npy":
        count = _write_npy(data, keep, out)
        carry(data, out)
        return count
    source = data.files[0] if data.files else None
    arrays = cast("Mapping[str, Array]", data.origin) if source is None else _load(source)
    # not np.savez, which cannot write an array named "file"
    with ZipFile(file_in(out, source or Path("data.npz")), "w", _compression(source)) as archive:
        for name, array in chosen(arrays, data, keep).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    if data.path is not None and data.path.is_dir():
        carry(data, out)
    return len(arrays[data.label_column])


def _compression(path: Path | None) -> int:
    if path is None:
        return ZIP_STORED
    with ZipFile(path) as archive:
        return archive.infolist()[0].compress_type


def _write_npy(data: Dataset, keep: NDArray[np.int64], out: Path) -> int:
    """A folder of the same .npy files; the number of rows there were."""
    out.mkdir(parents=True, exist_ok=True)
    arrays = {file.stem: np.load(file, mmap_mode="r", allow_pickle=False) for file in data.files}
    for name, array in chosen(arrays, data, keep).items():
        np.save(out / f"{name}.npy", array, allow_pickle=False)
    return len(arrays[data.label_column])
