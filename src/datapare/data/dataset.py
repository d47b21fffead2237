"""An opened dataset: its rows, its labels, and who each example is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Kind, Perturbation, dataset_digest
from datapare.data.foreign_types import Array, ArrowColumn, Rows, Value
from datapare.data.image_io import Decoding, decode

if TYPE_CHECKING:
    from PIL import Image


_BLOCK = 1 << 14  # names made at a time
_CELLS = 1000  # values read at a time


@dataclass(frozen=True)
class BadExample:
    """An example of the source that cannot be read: its row there, its name, why, and its key and label."""

    row: int
    name: str
    reason: str
    key: int = 0
    label: int = -1


class RowNames(Sequence[str]):
    """The names "row 0", "row 7", … of examples without a name of their own, made on demand.

    >>> list(RowNames(np.array([0, 7])))
    ['row 0', 'row 7']
    """

    def __init__(self, row: NDArray[np.int64]) -> None:
        self.row = row

    def __len__(self) -> int:
        return len(self.row)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "RowNames": ...
    def __getitem__(self, index: int | slice) -> "str | RowNames":
        return RowNames(self.row[index]) if isinstance(index, slice) else f"row {self.row[index]}"

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self.row), _BLOCK):
            yield from (f"row {number}" for number in self.row[start : start + _BLOCK].tolist())


class ColumnNames(Sequence[str]):
    """The names of examples that a column of texts holds, N Python strings only where all are asked for.

    >>> import pyarrow as pa
    >>> list(ColumnNames(pa.chunked_array([["a", "b"], ["c"]])).at(np.array([2, 0])))
    ['c', 'a']
    """

    def __init__(self, values: ArrowColumn) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "ColumnNames": ...
    def __getitem__(self, index: int | slice) -> "str | ColumnNames":
        if isinstance(index, slice):
            return ColumnNames(self.values[index])
        name: str = self.values[int(index)].as_py()
        return name

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _BLOCK):
            yield from self.values.slice(start, _BLOCK).to_pylist()

    def at(self, index: NDArray[np.int64]) -> "ColumnNames":
        """The names at some positions (n,)."""
        return ColumnNames(self.values.take(index))


def names_at(name: Sequence[str], index: NDArray[np.int64]) -> Sequence[str]:
    """The names of the examples at `index` (n,), held as those of all are."""
    if isinstance(name, RowNames):
        return RowNames(name.row[index])
    return name.at(index) if isinstance(name, ColumnNames) else [name[i] for i in index.tolist()]


@dataclass(frozen=True, eq=False)
class Identity:
    """Who N examples are: their keys and the digest of the dataset, each made once, when it is first asked for.

    Attributes:
        source: The keys, uint64 (N,), or what makes them: of a table they take as long as to parse it.
        label: The class numbers, int64 (N,), which the digest is of too.
        known: The digest, where it is not that of keys and labels.
    """

    source: NDArray[np.uint64] | Callable[[], NDArray[np.uint64]]
    label: NDArray[np.int64]
    known: str | None = None

    @cached_property
    def key(self) -> NDArray[np.uint64]:
        """uint64 (N,), identifies each example independently of its position."""
        return self.source() if callable(self.source) else self.source

    @cached_property
    def digest(self) -> str:
        """Digest of keys and labels."""
        return dataset_digest(self.key, self.label) if self.known is None else self.known


@dataclass(frozen=True, eq=False)
class Dataset:
    """N labelled examples in the order of their source, which is never written to.

    Made by `open_dataset`.

    Args:
        rows: A `datasets.Dataset` of the N readable rows, images undecoded.
        kind: What the examples are: image, text, table or embedding.
        inputs: The columns that a model reads.
        label_column: The column of the labels.
        label: Numbers into `classes`, int64 (N,), as in the source, so a class without examples keeps its number.
        classes: Names of the K classes.
        identity: Who each example is, which `key` and `digest` say.
        name: What each example is called, N of them.
        format: The file in `data/formats/` that read the source.
        path: Where the source lies; None for objects in memory.
        bad: Examples that cannot be read and were left out.
        row: Row of each example in the source, before unreadable ones were left out, int64 (N,).
        array: What `encode` reads where the examples are arrays already: small images of one size (N, H, W, C) uint8,
            or embeddings (N, F); else None.
        files: The files the rows came from, in order.
        origin: The object the rows came from where there is no file.
        split: The split that was read.
        perturbation: What was done to another dataset to make this one; None for a dataset as it was opened.
        decoding: How encoded images become pixels.
        id_column: The column that identifies an example; None when its file name or its content does.
        address: What opens the source again; None for objects in memory.
        notes: What the format says about how it read the source.
        group: Number of the group that each example belongs to, int64 (N,); None when no column was named for that.
        stream: Whether images are decoded whenever they are needed instead of once.
        made_from: The dataset that was changed to make this one; None for a dataset as it was opened.
        elsewhere: The rows of the source that a column says are of other splits, which an export keeps, int64 (M,).
    """

    rows: Rows
    kind: Kind
    inputs: tuple[str, ...]
    label_column: str
    label: NDArray[np.int64]
    classes: tuple[str, ...]
    identity: Identity
    name: Sequence[str]
    format: str
    path: Path | None
    bad: tuple[BadExample, ...] = ()
    row: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    array: Array | None = None
    files: tuple[Path, ...] = ()
    origin: object = None
    split: str = "train"
    perturbation: Perturbation | None = None
    decoding: Decoding = field(default_factory=Decoding)
    id_column: str | None = None
    address: str | None = None
    notes: tuple[str, ...] = ()
    group: NDArray[np.int64] | None = None
    stream: bool = False
    made_from: "Dataset | None" = None
    elsewhere: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __repr__(self) -> str:
        name = "in memory" if self.path is None else self.path.name
        return f"Dataset({len(self):,} {self.kind} examples of {len(self.classes):,} classes: {self.format}, {name})"

    def __len__(self) -> int:
        return len(self.label)

    @property
    def key(self) -> NDArray[np.uint64]:
        """uint64 (N,), identifies each example independently of its position."""
        return self.identity.key

    @property
    def digest(self) -> str:
        """Digest of keys and labels."""
        return self.identity.digest


def cells(rows: Rows, column: str, index: Sequence[int] | None = None) -> Iterator[Value]:
    """Values of one column as Python objects, all of them in order or those at `index`, read in blocks."""
    if index is not None:
        at = [int(i) for i in index]
        yield from _values(rows, column, at).to_pylist() if at else ()
        return
    for start in range(0, len(rows), _CELLS):
        yield from _values(rows, column, slice(start, start + _CELLS)).to_pylist()


def column(rows: Rows, name: str) -> ArrowColumn:
    """One whole column as a `pyarrow.ChunkedArray`, in row order."""
    return _values(rows, name, slice(None))


def _values(rows: Rows, name: str, at: Sequence[int] | slice) -> ArrowColumn:
    """One column at some rows; a view of `datasets` would copy the features of all columns for each of a thousand."""
    from datasets.formatting import query_table

    return query_table(rows.data.select([name]), at, rows._indices).column(0)  # noqa: SLF001 (as its views do)


def images(data: Dataset, index: Sequence[int]) -> list["Image.Image"]:
    """The examples at `index` as RGB `PIL.Image.Image`s, at their own size."""
    from PIL import Image

    if data.array is not None:
        pixels = [data.array[int(i)] for i in index]
        return [Image.fromarray(p[..., 0] if p.shape[-1] == 1 else p).convert("RGB") for p in pixels]
    return [decode(cell, data.decoding).convert("RGB") for cell in cells(data.rows, data.inputs[0], index)]


def texts(data: Dataset, index: Sequence[int] | None = None) -> list[str]:
    """The text of the examples at `index` (all by default); several text columns are joined by a line break."""
    return list(each_text(data, index))


def each_text(data: Dataset, index: Sequence[int] | None = None) -> Iterator[str]:
    """Yield what `texts` returns, a block of rows in memory at a time."""
    columns = [cells(data.rows, column, index) for column in data.inputs]
    for parts in zip(*columns, strict=True):
        yield "\n".join("" if part is None else str(part) for part in parts)


def records(data: Dataset, index: Sequence[int]) -> list[dict[str, Value]]:
    """The rows at `index`, one dict of columns each, images undecoded."""
    at = [int(i) for i in index]
    return list(data.rows.with_format("arrow")[at].to_pylist()) if at else []


def all_names(data: Dataset) -> list[str]:
    """The names of every row of the source, unreadable ones too, in source order."""
    names = [""] * (len(data) + len(data.bad))
    for row, name in zip(data.row.tolist(), data.name, strict=True):
        names[row] = name
    for one in data.bad:
        names[one.row] = one.name
    return names


def name_column(data: Dataset, index: NDArray[np.int64]) -> ArrowColumn:
    """The names (n,) of the examples at `index` as a `pyarrow.Array`; those made on demand never as Python strings."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(data.name, RowNames):
        return pc.binary_join_element_wise("row", pa.array(data.name.row[index]).cast(pa.string()), " ")
    if isinstance(data.name, ColumnNames):
        found = data.name.values.take(index)
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    return pa.array([data.name[i] for i in index.tolist()], pa.string())
