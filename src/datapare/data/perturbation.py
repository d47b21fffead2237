"""Trials: the same dataset made worse on purpose, to see what a method makes of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import overload

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Perturbation, Provenance
from datapare.data.dataset import Dataset, cells, column
from datapare.data.foreign_types import Array, ArrowTable, Value
from datapare.data.formats.detect import read
from datapare.data.image_io import ImageReference, decode, image_bytes
from datapare.data.open import as_dataset, open_dataset, with_perturbation
from datapare.data.source import OpenRequest, rows_of
from datapare.errors import InputError
from datapare.methods.perturb import PerturbedRows
from datapare.methods.registry import check_params, find
from datapare.options import validated


@validated()
def perturb(
    data: object,  # a Dataset, or whatever open_dataset reads
    method: str,
    *,
    seed: int = 0,
    human_label: Sequence[object] | Array | None = None,
    **params: object,
) -> Dataset:
    """Return the dataset with label noise, corrupted images, a long tail or duplicates; the source stays as it is.

    `export` writes the new dataset as a save_to_disk folder that keeps its `perturbation`.

    Args:
        data: The dataset, or what `open_dataset` opens.
        method: Name of the perturbation, a file in `methods/perturb/`.
        seed: Seed of its draws; the same seed gives the same dataset.
        human_label: Class numbers or names (N,), one per row of the source, for human_noise alone; else None.
        **params: Parameters of the perturbation.

    Returns:
        The new dataset; its `perturbation` says which rows were touched, what their labels were and how it was made.

    Raises:
        InputError: For unknown methods and parameters, and for images where there are none.

    >>> data = open_dataset((np.eye(10), [0, 1] * 5))
    >>> noisy = perturb(data, "label_noise", share=0.2, seed=0)
    >>> len(noisy.perturbation.touched), int((noisy.label != noisy.perturbation.label).sum())
    (2, 2)
    """
    found = find("perturb", method)
    values = check_params(found, params)
    data = as_dataset(data)
    given = {"rng": np.random.default_rng(seed), "label": data.label}
    if "human_label" in found.reads:
        given["human_label"] = _aligned(data, method, human_label)
    elif human_label is not None:
        raise InputError(f"human_label is for human_noise, and {method} reads no labels of people.")
    if "image" in found.reads:
        given["image"] = _pictures(data, method)
    wanted = [name for name in found.function.__annotations__ if name in given]
    change: PerturbedRows = found.function(**{name: given[name] for name in wanted}, **values)
    versions = {name: version(name) for name in ("datapare", "numpy")}
    return _changed(data, change, Provenance("perturb", method, values, seed, data.digest, versions, _parents(data)))


def relabelled(data: Dataset, label: Mapping[int, int]) -> Dataset:
    """Return the dataset with other class numbers at some positions; `export` writes it as a save_to_disk folder.

    Its `perturbation` says what the labels were, so that nothing is lost.

    >>> made = relabelled(open_dataset((np.eye(5), [0, 1, 0, 1, 0])), {2: 1})
    >>> made.label.tolist(), made.perturbation.label.tolist()
    ([0, 1, 1, 1, 0], [0, 1, 0, 1, 0])
    """
    touched = np.array(sorted(label), dtype=np.int64)
    new = data.label.copy()
    new[touched] = [label[i] for i in touched.tolist()]
    change = PerturbedRows(np.arange(len(data)), touched, label=new)
    return _changed(data, change, Provenance("relabel", "", {"relabelled": len(touched)}, None, data.digest))


def _changed(data: Dataset, change: PerturbedRows, provenance: Provenance) -> Dataset:
    made = open_dataset(
        rows_of(_table(data, change)), label=data.label_column, input=data.inputs, kind=data.kind, split=data.split
    )
    known = Perturbation(change.row, change.touched, data.label[change.row], provenance)
    return replace(with_perturbation(made, known), made_from=data)


def aligned_labels(text: str) -> Array:
    """The values of "FILE:COLUMN", one per row of any file that `open_dataset` reads; for `human_label`."""
    path, _, name = text.rpartition(":")
    if not path:
        raise InputError(f"labels of people are named FILE:COLUMN, such as people.parquet:worse_label, not {text!r}.")
    rows = read(path, OpenRequest()).rows
    if name not in rows.column_names:
        raise InputError(f"{path} has no column {name!r}; its columns are {', '.join(rows.column_names)}.")
    return np.asarray(column(rows, name).to_numpy(zero_copy_only=False))


class Pictures(Sequence[NDArray[np.uint8]]):
    """The images of a dataset as arrays (H, W, C), each at its own size, decoded when asked for."""

    def __init__(self, data: Dataset) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> "list[NDArray[np.uint8]]": ...
    def __getitem__(self, index: int | slice) -> "NDArray[np.uint8] | list[NDArray[np.uint8]]":
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if self.data.array is not None:
            return np.asarray(self.data.array[index])
        pixels = np.asarray(decode(next(cells(self.data.rows, self.data.inputs[0], [index])), self.data.decoding))
        return pixels if pixels.ndim == 3 else pixels[..., None]


def _pictures(data: Dataset, method: str) -> Array | Pictures:
    if data.kind != "image":
        raise InputError(f"{method} corrupts images, and this dataset holds {data.kind} data; try label_noise.")
    return Pictures(data) if data.array is None else data.array


def _aligned(data: Dataset, method: str, human_label: Sequence[object] | Array | None) -> NDArray[np.int64]:
    """The labels of people as class numbers (N,) of the readable examples."""
    if human_label is None:
        raise InputError(f"{method} replaces labels by those of people: give them as human_label (--human-label).")
    label = np.asarray(human_label)
    total = len(data) + len(data.bad) + len(data.elsewhere)
    if label.shape != (total,):
        raise InputError(f"human_label is one label for each of {total:,} rows, in their order, not {label.shape}.")
    label = label[data.row]
    if label.dtype.kind in "OUS":
        number: Mapping[str, int] = {name: i for i, name in enumerate(data.classes)}
        label = np.array([number.get(str(name), -1) for name in label])
    if label.dtype.kind not in "iu" or label.min() < 0 or label.max() >= len(data.classes):
        raise InputError(f"human_label holds numbers from 0 to {len(data.classes) - 1}, or names of those classes.")
    return np.asarray(label, dtype=np.int64)


def _table(data: Dataset, change: PerturbedRows) -> ArrowTable:
    """The rows of the new dataset as an Arrow table: class numbers with their names, and images as bytes."""
    import datasets
    import pyarrow as pa

    table = data.rows.with_format("arrow")[change.row.tolist()]
    features = datasets.Features({**data.rows.features})
    label = data.label[change.row] if change.label is None else change.label
    features[data.label_column] = datasets.ClassLabel(names=list(data.classes))
    columns = {data.label_column: pa.array(label)}
    if data.kind == "image":
        features[data.inputs[0]] = datasets.Image(decode=False)
        columns[data.inputs[0]] = pa.array(
            _encoded(data, change), pa.struct({"bytes": pa.binary(), "path": pa.string()})
        )
    elif data.array is not None and data.inputs[0] not in table.column_names:
        columns[data.inputs[0]] = pa.array(list(data.array[change.row].astype(np.float32)))  # as networks read them
        features[data.inputs[0]] = datasets.List(datasets.Value("float32"))
    for name, values in columns.items():
        at = table.column_names.index(name) if name in table.column_names else None
        table = table.append_column(name, values) if at is None else table.set_column(at, name, values)
    return table.cast(features.arrow_schema)


def _encoded(data: Dataset, change: PerturbedRows) -> list[ImageReference]:
    """The images of the new rows: touched ones as PNG, which loses nothing, the others in the bytes they came in."""
    stored = data.inputs[0] in data.rows.column_names
    at = change.row.tolist()
    source: Iterable[Value] = cells(data.rows, data.inputs[0], at) if stored else map(Pictures(data).__getitem__, at)
    corrupted = {} if change.image is None else dict(zip(change.touched.tolist(), change.image, strict=True))
    out: list[ImageReference] = []
    for i, cell in enumerate(source):
        pixels = corrupted.get(i, None if stored else cell)
        out.append({"bytes": image_bytes(cell) if pixels is None else _png(pixels), "path": None})
    return out


def _png(pixels: NDArray[np.uint8]) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "png")
    return file.getvalue()


def _parents(data: Dataset) -> tuple[Provenance, ...]:
    return () if data.perturbation is None else (data.perturbation.provenance,)
